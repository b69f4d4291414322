"""From a graph and options to what is drawn: gradients are added to a copy if they are missing, values computed.

The graph itself is never changed. Must not know cards, colours or layout.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, shown
from sdgraph.lower.expansion import expanded
from sdgraph.show.options import Options
from sdgraph.show.pictures.choose.backward import backward
from sdgraph.show.pictures.choose.grouping import Groups, group
from sdgraph.show.pictures.choose.parts import (
    Parts,
    all_parts,
    forward_parts,
    gradient_parts,
    neighbourhood,
    with_badges,
)
from sdgraph.show.pictures.choose.values import Values, read_values
from sdgraph.show.visible import visible

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


class Selection(NamedTuple):
    """What is drawn."""

    parts: Parts
    groups: Groups
    values: Values


def select(sd: OpGraph, targets: Any, options: Options) -> Selection:
    """Choose, group and evaluate what a picture shows.

    Raises:
        UnknownVariableError: If a variable is not in the graph.
        GradientError: If a gradient does not exist.
    """
    names = None if targets is None else [v.name for v in sd.several(targets)]
    focus = None if options.focus is None else sd.own(options.focus).name
    wrt = None if options.wrt is None else [v.name for v in sd.several(options.wrt)]
    told, scopes = _told(sd, options.expand)
    if told:
        sd = expanded(sd, {v.id for v in told})
    ids = None if names is None else [sd.names.ids[n] for n in names]
    if isinstance(options.color_by, Mapping):
        sd.several(options.color_by)
    by_gradient = isinstance(options.color_by, str) and options.color_by == "grad_norm"
    if options.view == "forward" and not by_gradient:
        found = forward_parts(visible(sd), ids)
    else:
        found = _with_gradients(sd, ids, wrt, options.view)
    if focus is not None:
        if sd.names.ids[focus] not in found.parts:
            raise ArgumentError(f"This view does not show {focus!r}.", given=f"view={shown(options.view)}")
        found = neighbourhood(found, sd.names.ids[focus], options.radius)
    return _finish(found, options, _opened([v.name for v in told] + scopes))


def around(sd: OpGraph, focus: int, options: Options) -> Selection:
    """A variable with its neighbours, also one that the views of whole graphs fold away."""
    return _finish(neighbourhood(all_parts(visible(sd), focus), focus, options.radius), options)


def _told(sd: OpGraph, expand: Any) -> tuple[list[SDVariable], list[str]]:
    """The variables and the scopes among what is to be drawn opened. A name that is both is the variable."""
    each = [expand] if isinstance(expand, str) else expand
    if not isinstance(each, Iterable) or isinstance(each, SDVariable):
        return sd.several(each), []
    try:
        told = list(each)
    except Exception:
        return sd.several(each), []  # Which says what is wrong with it.
    names = [n for n in told if isinstance(n, str) and n not in sd.names.ids]
    scopes = [n for n in names if any(name.startswith(f"{n}/") for name in sd.names.ids)]
    return sd.several([v for v in told if not (isinstance(v, str) and v in scopes)]), scopes


def _opened(names: Iterable[str]) -> set[tuple[str, ...]]:
    """The scopes of these names and those around them. All outputs of an op have its body in one scope."""
    paths = [tuple(name.partition(":")[0].split("/")) for name in names]
    return {path[:k] for path in paths for k in range(1, len(path) + 1)}


def _finish(found: Parts, options: Options, opened: Collection[tuple[str, ...]] = ()) -> Selection:
    """Group what is chosen, and evaluate what is left to draw."""
    groups = group(found, options.depth, options.max_nodes, opened)
    measured = isinstance(options.color_by, str) and options.color_by.endswith("_norm")
    drawn = [p.item.id for g in groups.groups if measured or g.order or not g.is_scope for p in g.members]
    badges = [found.badges[i] for i in drawn if i in found.badges]
    values = read_values(found.listing.sd, found.listing, [*drawn, *badges], options)
    return Selection(found, groups, values)


def _with_gradients(sd: OpGraph, targets: list[int] | None, wrt: list[str] | None, view: str) -> Parts:
    """The parts of a view with gradients."""
    found = backward(sd, targets, wrt)
    if view == "gradient":
        return gradient_parts(found, targets)
    return with_badges(forward_parts(found.listing, targets), found)
