"""Regions: sets of nodes that run as one group of loops over one iteration space.

A space is the shape that the nodes work on, without axes of size 1. Where rows matter it is split into rows and
columns. A node works on every element, once per row, or once altogether; reductions lead from one level to another.
Must not know LLVM.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

ELEMENT, ROW, ONCE, COLUMN = "element", "row", "once", "column"
"""Levels. The result of a reduction over rows is of level COLUMN: an array that exists only when the loop is over."""

COLUMN_INDEX = "column index"
"""An op without operands: the place along the last axis of its space, as if it read an array that counts."""

_LITERALS = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0)

MAX_NODES = 160
"""Nodes of a region at most: beyond, compile time grows and code no longer fits the caches."""
MAX_OPERANDS = 480
"""Operands of all nodes of a region at most, for the same reason; no node may have more than a sixteenth of it."""
MAX_PHASES = 6
"""Loops after one another at most, because each computes anew what it shares with the one before."""


_MOST_REMEMBERED = 1 << 12
"""Answers about shapes kept: long graphs ask the same all the time."""


class Operand(NamedTuple):
    """A value as a node sees it: its id, and the shape that broadcasts to the node's space."""

    value: int
    shape: tuple[int, ...]


class Node(NamedTuple):
    """One operation of a region: ``reduce`` is None or the kind of reduction over ``axes`` of ``space``."""

    id: int
    op: str
    operands: tuple[Operand, ...]
    attrs: Mapping[str, Any]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    space: tuple[int, ...]
    reduce: str | None
    axes: tuple[int, ...]
    source: str


def is_literal(number: float) -> bool:
    """Whether a number is written into the code, because it allows shortcuts.

    All others, -0.0 among them, are handed over, so that one code serves many numbers.
    """
    return number in _LITERALS and (number != 0 or math.copysign(1, number) > 0)


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without axes of size 1."""
    return tuple(d for d in shape if d != 1)


def size_of(shape: tuple[int, ...]) -> int:
    """Number of elements."""
    n = 1
    for d in shape:
        n *= d
    return n


@functools.lru_cache(_MOST_REMEMBERED)
def countable(shape: tuple[int, ...]) -> bool:
    """Whether loops can count the elements in 64 bits, with room for their bytes; axes of size 0 hide no others."""
    return size_of(tuple(d or 1 for d in shape)) < 2**59


@functools.lru_cache(_MOST_REMEMBERED)
def access(shape: tuple[int, ...], space: tuple[int, ...]) -> tuple[str, int] | None:
    """How an operand of ``shape`` is read in ``space``: the level it has there and the split it needs (0 for none).

    None where no split makes rows and columns of it, for example ``(a, 1, c)`` in ``(a, b, c)``.
    """
    lead = len(space) - len(shape)
    full = [shape[k - lead] == d if k >= lead else False for k, d in enumerate(space) if d != 1]
    if not any(full):
        return ONCE, 0
    if all(full):
        return ELEMENT, 0
    k = full.index(not full[0])
    if all(f != full[0] for f in full[k:]):
        return (ROW if full[0] else COLUMN), k
    return None


@functools.lru_cache(_MOST_REMEMBERED)
def reduction_split(space: tuple[int, ...], axes: tuple[int, ...]) -> tuple[str, int] | None:
    """The level of a reduction's result and the split it needs, or None where axes do not lead or trail."""
    reduced = [k in axes for k, d in enumerate(space) if d != 1]
    if all(reduced):
        return ONCE, 0
    if not any(reduced):
        return ELEMENT, 0
    k = reduced.index(not reduced[0])
    if all(r != reduced[0] for r in reduced[k:]):
        return (COLUMN if reduced[0] else ROW), k
    return None


@functools.lru_cache(_MOST_REMEMBERED)
def divisible(shapes: tuple[tuple[int, ...], ...], space: tuple[int, ...], axes: tuple[int, ...] = ()) -> bool:
    """Whether one split of the space serves operands of all these shapes, and a reduction over ``axes``."""
    found = [access(shape, space) for shape in shapes]
    if axes:
        found.append(reduction_split(space, axes))
    return None not in found and len({split for _, split in filter(None, found)} - {0}) <= 1


def counted(node: Node) -> tuple[int, ...]:
    """The shape that the array would have which a `COLUMN_INDEX` seems to read."""
    return node.space[-1:]


class Fit(NamedTuple):
    """How a node lies in a region."""

    works: str
    """The level it works on."""
    level: str
    """The level of its result."""
    split: int
    """How many axes of the region's space make rows."""
    phase: tuple[int, int]
    """After how many loops, and after how many passes over a row in the last of them, it is there."""


class Region:
    """Nodes in topological order with their levels; grows while a plan is partitioned."""

    def __init__(self) -> None:
        self.dims: tuple[int, ...] | None = None
        self.split = 0
        self.nodes: list[Node] = []
        self.operands = 0
        """How many its nodes have together."""
        self.level: dict[int, str] = {}
        """Level of each node's result."""
        self.works: dict[int, str] = {}
        """Level each node works on."""
        self._phase: dict[int, tuple[int, int]] = {}

    def add(self, node: Node) -> bool:
        """Take the node if it fits."""
        fit = self.fit(node)
        if isinstance(fit, str):
            return False
        if fit.works == ELEMENT:
            self.dims = squeezed(node.space)
        self.split = fit.split
        self.nodes.append(node)
        self.operands += len(node.operands)
        self.works[node.id], self.level[node.id], self._phase[node.id] = fit.works, fit.level, fit.phase
        return True

    def fit(self, node: Node) -> Fit | str:
        """How the node would lie in this region, or why it does not fit."""
        if len(self.nodes) >= MAX_NODES or self.operands + len(node.operands) > MAX_OPERANDS:
            return "the region is full"
        works = self._works(squeezed(node.space))
        if works is None:
            return "its space is another one"
        accesses = [access(shape, node.space) for shape in read_shapes(node)]
        result = _result(node, works)
        if None in accesses or result is None:
            return "its space has no such rows and columns"
        seen = [(level, k) for level, k in filter(None, accesses)]
        if works == ROW and any(level in (ROW, COLUMN) for level, _ in seen):
            return "what works on rows reads rows whole"
        level, of_result = result
        splits = {self.split, of_result, *(k for _, k in seen if works == ELEMENT)} - {0}
        if len(splits) > 1:
            return "rows end elsewhere"
        phase = self._after(node, works, [level for level, _ in seen])
        if phase is None:
            return "an operand was made to be read in another way"
        outer, inner = phase
        if node.reduce is not None and level == ROW:
            inner += 1
        if outer > MAX_PHASES or inner > MAX_PHASES:
            return "too many loops after one another"
        return Fit(works, level, max(splits, default=0), (outer, inner))

    def _works(self, dims: tuple[int, ...]) -> str | None:
        """The level that nodes of this space work on; None for a space that is not this region's."""
        if not dims:
            return ONCE
        if self.dims is None or dims == self.dims:
            return ELEMENT
        return ROW if self.split and dims == self.dims[: self.split] else None

    def _after(self, node: Node, works: str, seen: Sequence[str]) -> tuple[int, int] | None:
        """After how many loops, and passes in a row, all operands are there; None where one cannot be read so."""
        latest = (0, 0)
        for x, level in zip(node.operands, seen, strict=False):  # A `COLUMN_INDEX` reads a shape and no operand.
            made = self.level.get(x.value)
            if made is None:
                continue
            if not agree(made, level, works):
                return None
            outer, inner = self._phase[x.value]
            if made in (ONCE, COLUMN) and works != ONCE:
                outer, inner = outer + 1, 0
            latest = max(latest, (outer, inner))
        return latest


def read_shapes(node: Node) -> list[tuple[int, ...]]:
    """The shapes that a node reads in its space."""
    return [counted(node)] if node.op == COLUMN_INDEX else [x.shape for x in node.operands]


def _result(node: Node, works: str) -> tuple[str, int] | None:
    """The level of a node's result and the split that it needs; None where no loop has such a result."""
    if node.reduce is None or works == ONCE:
        return works, 0
    to = reduction_split(node.space, node.axes)
    if to is None or to[0] == ELEMENT or (works == ROW and to[0] != ONCE):
        return None
    return to


def agree(made: str, seen: str, works: str) -> bool:
    """Whether a value made at one level in this region can be read there as another."""
    if made == ONCE:
        return seen == ONCE
    if works == ROW:
        return made == ROW and seen == ELEMENT
    return made == seen
