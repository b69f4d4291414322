"""What notebooks show for graphs, variables and executables. Nothing here raises: a broken picture keeps the text.

The picture comes as an image inside HTML, the one form that notebooks show before they are trusted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sdgraph.errors import LayoutError, RendererNotFound
from sdgraph.show.options import make_options
from sdgraph.show.pictures.choose.selection import around, select
from sdgraph.show.pictures.dress.plan_scene import make_plan_scene
from sdgraph.show.pictures.dress.scene import make_scene
from sdgraph.show.pictures.picture import GraphView
from sdgraph.show.table import summary

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable
    from sdgraph.ops.graph import OpGraph
    from sdgraph.run.executable import Executable

_SECONDS: Final = 10.0
_LARGE: Final = 2000
"""Above this number of nodes a notebook gets the table, not a picture."""

_LINES: Final = 60
"""Most lines of a plan in the text of a notebook."""

_log = logging.getLogger(__name__)


def display_bundle(sd: OpGraph, focus: SDVariable | None = None) -> dict[str, str]:
    """A bundle of MIME types: a picture, else Mermaid, else the table; always the plain text."""
    bundle = {"text/plain": repr(sd if focus is None else focus)}
    try:
        if focus is None and len(sd.nodes) > _LARGE:
            return bundle | {"text/html": summary(sd, depth=0)._repr_html_()}
        return bundle | _picture(sd, focus, bundle["text/plain"])
    except Exception:
        # Whatever went wrong, the notebook still has the text; the log has the reason.
        _log.debug("no picture for a notebook", exc_info=True)
        return bundle


def executable_bundle(f: Executable) -> dict[str, str]:
    """A bundle of MIME types for an executable: its plan as text and as a picture, once there is a plan."""
    bundle = {"text/plain": repr(f)}
    try:
        if not f.has_plan:
            return bundle
        plan = f.plan
        bundle["text/plain"] += f"\n{_first_lines(str(plan))}"
        options = make_options({"timeout": _SECONDS, "title": f"Plan of {', '.join(f.names)}"})
        return bundle | _drawn(GraphView(make_plan_scene(plan, options), options), bundle["text/plain"])
    except Exception:
        _log.debug("no picture for a notebook", exc_info=True)
        return bundle


def _first_lines(text: str) -> str:
    lines = text.splitlines()
    left = len(lines) - _LINES
    return text if left <= 0 else "\n".join([*lines[:_LINES], f"  ... {left:,} more lines: print(f.plan)"])


def _drawn(view: GraphView, text: str) -> dict[str, str]:
    try:
        return view.shown()
    except RendererNotFound as e:
        return view.without_layout(e, text)


def _picture(sd: OpGraph, focus: SDVariable | None, text: str) -> dict[str, str]:
    title = None if focus is None else focus.name
    options = make_options({"timeout": _SECONDS, "title": title, "legend": focus is None})
    selection = select(sd, None, options) if focus is None else around(sd, focus.id, options)
    view = GraphView(make_scene(selection.parts, selection.groups, selection.values, options), options)
    try:
        return _drawn(view, text)
    except LayoutError:
        return {"text/html": summary(sd, depth=0)._repr_html_()}
