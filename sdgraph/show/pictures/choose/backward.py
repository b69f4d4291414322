"""Which gradients of a graph a picture is about: those of its losses or targets, and what is differentiated again.

The graph itself is never changed. Must not know cards, nor which forward variables are drawn.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sdgraph.build.variable import SDVariable
from sdgraph.differentiate.answers import gradients_of, known_gradients
from sdgraph.differentiate.which_losses import current_losses, find_losses
from sdgraph.infer.aval import is_floating
from sdgraph.show.visible import Listing, visible

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


class Backward(NamedTuple):
    """A graph with gradients, and which of them are of interest.

    Args:
        listing: The graph; a copy where gradients had to be added.
        flags: Which nodes made those gradients.
        of: What is differentiated; empty where the graph has gradients of several things.
        wrt: By what, where that was asked for.
    """

    listing: Listing
    flags: bytearray
    of: tuple[int, ...] = ()
    wrt: tuple[int, ...] = ()


def backward(sd: OpGraph, targets: Sequence[int] | None, wrt: Sequence[str] | None) -> Backward:
    """The gradients of the targets, else of the losses, else all that the graph has.

    A target that is a gradient itself is shown with the gradients it is computed from. By default ``wrt`` is what the
    graph has gradients by, else all trainable variables.

    Raises:
        GradientError: If a gradient does not exist.
    """
    if targets is not None and any(sd.gradient_flags()[i] for i in targets):
        listing = visible(sd)
        needed = sd.reachable(list(targets))
        return Backward(listing, _sweeps_with(listing, [i for i, flag in enumerate(needed) if flag]))
    ys = find_losses(sd).ids if targets is None else tuple(targets)
    if not ys and wrt is None and sd.marks.gradient_ranges:
        return Backward(visible(sd), bytearray(b"\x01") * len(sd.nodes))
    found = known_gradients(sd, ys) if wrt is None else []
    if not found:
        names = _default_wrt(sd) if wrt is None else wrt
        sd = sd.twin()
        of = [SDVariable(sd, i) for i in ys] or current_losses(sd)
        found = [g.id for g in gradients_of(sd, of, sd.several(names))]
    listing = visible(sd)
    asked = tuple(sd.names.ids[name] for name in wrt or ())
    return Backward(listing, _with_further(listing, _sweeps_with(listing, found)), ys, asked)


def _default_wrt(sd: OpGraph) -> list[str]:
    """All trainable variables, or all floating placeholders of a graph that has none."""
    return [v.name for v in sd.trainable_variables() or sd.placeholders() if is_floating(v.dtype)]


def _sweeps_with(listing: Listing, ids: Sequence[int]) -> bytearray:
    """A flag per node: whether it is of a sweep that made one of ``ids``."""
    flags = bytearray(len(listing.sd.nodes))
    ordered = sorted(ids)
    for sweep in listing.sweeps:
        k = bisect.bisect_left(ordered, sweep.start)
        if k < len(ordered) and ordered[k] < sweep.end:
            _set(flags, sweep.start, sweep.end)
    return flags


def _with_further(listing: Listing, flags: bytearray) -> bytearray:
    """The flags with those of gradients that are made of flagged ones: of higher orders, and rows put together."""
    nodes, gradient = listing.sd.nodes, listing.sd.gradient_flags()
    sweeps = {sweep.start: sweep for sweep in listing.sweeps}
    end = 0
    for i in range(len(nodes)):
        if not gradient[i]:
            continue
        if i in sweeps:
            end = max(end, sweeps[i].end)
            if any(flags[y] for y in sweeps[i].ys):
                _set(flags, i, sweeps[i].end)
        elif i >= end and any(j >= 0 and flags[j] for j in nodes[i].inputs):
            flags[i] = 1
    return flags


def _set(flags: bytearray, start: int, end: int) -> None:
    flags[start:end] = b"\x01" * (end - start)
