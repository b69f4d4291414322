"""What is remembered of a graph that layers were called in: calls, masks, terms, weights, and what was brought there.

Kept on the graph itself, so that it goes when the graph goes. A copy of the graph has none of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdgraph.build.variable import SDVariable

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.build.kinds import AnyGraph


@dataclass(eq=False)
class Call:
    """One call of a layer on variables."""

    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Any = None
    """A variable, or a nesting of variables."""


@dataclass(eq=False)
class Term:
    """Something that is minimised besides the losses."""

    layers: tuple[Any, ...]
    """The layers that were being called, the outermost first."""
    call: Call | None
    """The outermost call; None for a penalty on a weight."""
    weight: Any = None


@dataclass(eq=False)
class Move:
    """What a weight that is not trained goes towards after a step of training."""

    call: Call
    """The outermost call."""
    layer: Any
    toward: SDVariable
    momentum: float


@dataclass(eq=False)
class Notes:
    """The notes on one graph, by nodes."""

    calls: dict[Node, Call] = field(default_factory=dict)
    """The outermost call that a variable is an output of."""
    masks: dict[Node, SDVariable] = field(default_factory=dict)
    """Which entries of a variable count, where not all do."""
    terms: dict[Node, Term] = field(default_factory=dict)
    weights: dict[Node, Any] = field(default_factory=dict)
    moves: dict[Node, list[Move]] = field(default_factory=dict)
    """By the variables of weights, in the order of calls."""
    phases: list[tuple[Call, Any, bool]] = field(default_factory=list)
    """Calls of layers that do something else when they are frozen, and whether they were trained."""
    brought: dict[Node, SDVariable] = field(default_factory=dict)
    """What stands here for a variable of another graph."""


def notes_of(sd: AnyGraph) -> Notes:
    """The notes on a graph, to be read and written."""
    found = sd.layer_notes
    if found is None:
        found = sd.layer_notes = Notes()
    return found


def mask_of(v: Any) -> SDVariable | None:
    """The mask of a variable, if it has one."""
    if type(v) is not SDVariable or v.sd.layer_notes is None:
        return None
    return notes_of(v.sd).masks.get(v.node)
