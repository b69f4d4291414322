"""A graph as one HTML file that needs no network: pictures to move in, search, and the facts of each variable.

Puts the page together from `views`, `facts` and the files beside this one. Must not know how anything is laid out.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
from collections.abc import Callable
from functools import cache, cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sdgraph.build.annotations import readable
from sdgraph.build.kinds import VariableKind
from sdgraph.checks import as_path, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, GradientError, LayoutError, RendererNotFound
from sdgraph.show.options import NOT_FOR_PAGES, Options, make_options
from sdgraph.show.pictures.choose.backward import backward
from sdgraph.show.pictures.choose.parts import Parts, forward_parts, gradient_parts
from sdgraph.show.pictures.choose.values import Values, computed, noted
from sdgraph.show.pictures.dress import theme
from sdgraph.show.pictures.explorer.facts import facts
from sdgraph.show.pictures.explorer.views import View, described, drawn, explained, tour
from sdgraph.show.pictures.picture import GraphView
from sdgraph.show.visible import Listing, visible
from sdgraph.store.atomic import replaced
from sdgraph.wording import clean

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

_SLOT: Final = re.compile(r"\{\{(\w+)\}\}")


@readable
class Explorer:
    """A page to explore a graph with. A notebook shows it in a frame; `save` writes it to a file.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> _ = sd.placeholder("x").mul(2, name="y")
        >>> sd.explore()
        <Explorer: Graph: 2 variables.>
    """

    def __init__(self, make_page: Callable[[], str], static: GraphView, height: int) -> None:
        self._make_page = make_page
        self.static = static
        """The picture for readers who do not let pages run scripts."""
        self.height = height
        """Height of the frame in pixels."""

    @cached_property
    def html(self) -> str:
        """The page, a whole HTML document.

        Raises:
            RendererNotFound: If no layout engine is installed.
            LayoutError: If a layout failed or took too long.
        """
        return self._make_page()

    def __repr__(self) -> str:
        return f"<Explorer: {self.static.alt}>"

    def __copy__(self) -> Explorer:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Explorer:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise ArgumentTypeError(
            "A page cannot be pickled before it is drawn: it knows the ops of its cards.",
            given=repr(self),
            fix="page.save('graph.html') writes it, and page.html is its text. The graph can be pickled.",
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file and return its path.

        Raises:
            ArgumentError: If the folder does not exist or the name does not end in .html.
            RendererNotFound: If no layout engine is installed.
        """
        target = _checked(path)
        data = self.html.encode()
        replaced(target, lambda file: file.write(data), fsync=False, keep=False)
        return target

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        try:
            page, still = self.html, self.static.html
        except (LayoutError, RendererNotFound) as e:
            return self.static.without_layout(e, repr(self))
        # A notebook that is not trusted drops the style and the frame, and the still picture stays; a trusted one
        # hides it.
        name = f"sdgraph-{hashlib.sha256(page.encode()).hexdigest()[:12]}"
        frame = (
            f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" width="100%" height="{self.height}" '
            f'style="border:1px solid #8884;border-radius:8px" title="{html.escape(self.static.alt)}"></iframe>'
        )
        return {
            "text/plain": repr(self),
            "text/html": f'<style>#{name}{{display:none}}</style><div id="{name}">{still}</div>{frame}',
        }


def explore(sd: OpGraph, *, targets: Any = None, height: int = 620, **options: Any) -> Explorer:
    """A page to explore a graph with; see `SameDiff.explore`."""
    whole("height", height, least=100, message="The height of the frame is in pixels, at least 100.")
    chosen = make_options({k: v for k, v in options.items() if k not in NOT_FOR_PAGES})
    for name in NOT_FOR_PAGES:
        if name in options:
            raise ArgumentError(
                f"The page has no option {name!r}.",
                fix={"view": "It has all views.", "theme": "It follows the reader, who can change it."}.get(
                    name, f"Draw a picture instead: sd.plot({name}=...)."
                ),
            )
    names = None if targets is None else [v.name for v in sd.several(targets)]
    wrt = None if chosen.wrt is None else [v.name for v in sd.several(chosen.wrt)]
    listing, kinds = _read(sd, None if names is None else [sd.names.ids[n] for n in names], wrt)
    arrays = computed(listing.sd, listing.items, chosen.feeds)
    values = _said(listing, arrays, chosen)
    views = tour(kinds, values, chosen)
    known = facts(listing, arrays, values, len(sd.nodes), explained(views, listing))
    return Explorer(
        partial(_page, views, known, chosen),
        GraphView(views[0].scene, chosen._replace(view="forward")),
        height,
    )


def to_html(sd: OpGraph, path: str | os.PathLike[str], *, targets: Any = None, **options: Any) -> Path:
    """Write the page that `explore` makes."""
    _checked(path)
    return explore(sd, targets=targets, **options).save(path)


def _read(sd: OpGraph, targets: list[int] | None, wrt: list[str] | None) -> tuple[Listing, list[tuple[str, Parts]]]:
    """The graph, with gradients where it has clear ones, and what the two views show."""
    try:
        found = backward(sd, targets, wrt)
    except GradientError:
        # Not every graph has a loss. Gradients that were asked for by name must not go missing unnoticed.
        if wrt is not None:
            raise
        listing = visible(sd)
        return listing, [("forward", forward_parts(listing, targets))]
    listing = found.listing
    kinds = [("forward", forward_parts(listing, targets))]
    gradients = gradient_parts(found, targets)
    if any(p.order for p in gradients.parts.values()):
        kinds.append(("gradient", gradients))
    return listing, kinds


def _said(listing: Listing, arrays: dict[int, Any], options: Options) -> Values:
    """What cards say; without feeds only constants, as in other pictures."""
    if options.feeds is None:
        arrays = {i: a for i, a in arrays.items() if listing.items[i].kind is VariableKind.CONSTANT}
    return noted(listing, arrays, options)


def _checked(path: str | os.PathLike[str]) -> Path:
    target = as_path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError("A page's file is called .html.", given=repr(str(target)), fix="sd.to_html('graph.html')")
    if not target.parent.is_dir():
        raise ArgumentError(
            "The folder for the page does not exist.", given=repr(str(target.parent)), fix="Make the folder first."
        )
    return target


# ---------------------------------------------------------------------- the page


def _page(views: list[View], known: dict[int, Any], options: Options) -> str:
    """Draw the views and fill the template; nothing that was filled in is looked at again."""
    pictures = drawn(views, options)
    data = {"variables": known, "views": [described(v, known) for v in views]}
    title = clean(options.title or views[0].scene.title)
    slots = {
        "title": html.escape(title),
        "alt": html.escape(clean(views[0].scene.alt)),
        "light": _variables("light"),
        "dark": _variables("dark") + theme.dark_rules(),
        "css": _file("page.css"),
        "js": _file("page.js"),
        "views": "\n".join(f'<template id="view-{k}">{picture}</template>' for k, picture in enumerate(pictures)),
        "data": _as_json(data),
    }
    return _SLOT.sub(lambda match: slots[match[1]], _file("page.html"))


def _as_json(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _variables(which: str) -> str:
    """The theme as CSS variables."""
    tones = {
        "page": theme.PAGE,
        "panel": theme.CLUSTER,
        "line": theme.STROKE["cluster"],
        "ink": theme.INK["name"],
        "soft": theme.INK["detail"],
        "hover": theme.FILL["constant"],
        "accent": theme.STROKE["placeholder"],
        "before": theme.STROKE["placeholder"],
        "after": theme.STROKE["output"],
        "gradient": theme.STROKE["gradient"],
        "bad": theme.STROKE["bad"],
    }
    for kind in theme.KINDS:
        tones |= {
            f"fill-{kind}": theme.FILL[kind],
            f"stroke-{kind}": theme.STROKE[kind],
            f"ink-{kind}": theme.INK[kind],
        }
    return f":root{{{''.join(f'--{name}:{tone.of(which)};' for name, tone in tones.items())}}}"


@cache
def _file(name: str) -> str:
    return (files("sdgraph.show.pictures.explorer") / name).read_text(encoding="utf-8")
