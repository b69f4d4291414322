"""Regions: sets of nodes that run as one group of loops over one iteration space.

A space is the shape that the nodes work on, without axes of size 1. Where rows matter it is split into rows and
columns. A node works on every element, once per row, or once altogether; reductions lead from one level to another.
Must not know LLVM.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
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


_COUNTED = -1
"""A value that nothing makes."""
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
        fit = self._fit(node)
        if fit is None:
            return False
        works, level, split, phase = fit
        if works == ELEMENT:
            self.dims = squeezed(node.space)
        self.split = split
        self.nodes.append(node)
        self.operands += len(node.operands)
        self.works[node.id], self.level[node.id], self._phase[node.id] = works, level, phase
        return True

    def _fit(self, node: Node) -> tuple[str, str, int, tuple[int, int]] | None:
        if len(self.nodes) >= MAX_NODES or self.operands + len(node.operands) > MAX_OPERANDS:
            return None
        dims = squeezed(node.space)
        if not dims:
            works = ONCE
        elif self.dims is None or dims == self.dims:
            works = ELEMENT
        elif self.split and dims == self.dims[: self.split]:
            works = ROW
        else:
            return None
        split = self.split
        outer = inner = 0
        for x in (Operand(_COUNTED, counted(node)),) if node.op == COLUMN_INDEX else node.operands:
            found = access(x.shape, node.space)
            if found is None:
                return None
            seen, k = found
            if works == ROW and seen in (ROW, COLUMN):
                return None
            if works == ELEMENT and k:
                if split and split != k:
                    return None
                split = k
            made = self.level.get(x.value)
            if made is None:
                continue
            if not _agree(made, seen, works):
                return None
            o, i = self._phase[x.value]
            if made in (ONCE, COLUMN) and works != ONCE:
                o, i = o + 1, 0
            outer, inner = max((outer, inner), (o, i))
        level = works
        if node.reduce is not None and works != ONCE:
            to = reduction_split(node.space, node.axes)
            if to is None:
                return None
            level, k = to
            if works == ROW and level != ONCE:
                return None
            if k:
                if split and split != k:
                    return None
                split = k
            if level == ELEMENT:
                return None
            if level == ROW:
                inner += 1
        if outer > MAX_PHASES or inner > MAX_PHASES:
            return None
        return works, level, split, (outer, inner)


def _agree(made: str, seen: str, works: str) -> bool:
    """Whether a value made at one level in this region can be read there as another."""
    if made == ONCE:
        return seen == ONCE
    if works == ROW:
        return made == ROW and seen == ELEMENT
    return made == seen
