"""What a graph remembers of its nodes: which are losses, which stand for gradients, what was compiled.

One record: a mark that is added here is copied, renumbered and taken back with all others. Must not know what any of
them is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sdgraph.build import bookkeeping
from sdgraph.build.bookkeeping import kept


@dataclass(slots=True, eq=False, repr=False)
class Marks:
    """The marks of a graph, by ids."""

    losses: list[int] = kept(list, bookkeeping.listed)
    """Outputs of loss ops, in creation order."""
    explicit_losses: list[int] = kept(list, bookkeeping.listed, saved=True)
    """Variables that were said to be the losses."""
    extra_losses: list[int] = kept(list, bookkeeping.listed, saved=True)
    """Terms that count on top of the losses."""
    updates: dict[int, int] = kept(dict, bookkeeping.pairs, saved=True)
    """Variables that take a value after each step of training, with the node of that value."""
    frozen: set[int] = kept(set, bookkeeping.members)
    """Constants that were variables before they were converted."""
    literals: dict[Any, int] = kept(dict, bookkeeping.to_id)
    """Constants that stand for Python numbers, by scope, dtype and bits."""
    gradients: dict[Any, tuple[int, ...]] = kept(dict, bookkeeping.answers)
    """Gradients that were asked for, by what was differentiated by what."""
    cotangents: dict[int, int] = kept(dict, bookkeeping.id_to_id)
    """For each gradient node that stands for one variable's gradient, that variable."""
    gradient_ranges: list[tuple[int, int]] = kept(list, bookkeeping.ranges)
    """Half-open ranges, one per backward sweep."""
    gradient_spans: list[tuple[int, int]] = kept(list, bookkeeping.ranges)
    """Half-open ranges of all nodes made for derivatives: sweeps, and what Jacobians put around them."""
    in_gradient: bool = kept(bool, saved=True, copied=False)
    """Whether such a range is open."""
    executables: dict[Any, Any] = kept(dict, bookkeeping.caches, saved=True, copied=False)
    """What was compiled for single evaluations, by what it computes."""
