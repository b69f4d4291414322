"""From a graph and options to what is drawn: gradients are added to a copy if they are missing, values computed.

The graph itself is never changed. Must not know cards, colours or layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

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
    opened = {v.id for v in sd.several(options.expand)}
    if opened:
        sd = expanded(sd, opened)
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
    return _finish(found, options)


def around(sd: OpGraph, focus: int, options: Options) -> Selection:
    """A variable with its neighbours, also one that the views of whole graphs fold away."""
    return _finish(neighbourhood(all_parts(visible(sd), focus), focus, options.radius), options)


def _finish(found: Parts, options: Options) -> Selection:
    """Group what is chosen, and evaluate what is left to draw."""
    groups = group(found, options.depth, options.max_nodes)
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
