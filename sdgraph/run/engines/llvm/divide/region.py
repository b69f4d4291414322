"""Regions: sets of nodes that run as one group of loops over one iteration space.

A space is the shape that the nodes work on, without axes of size 1. Where rows matter it is cut into rows and columns,
as ``cuts`` tells. A node works on every element, once per row, or once altogether; reductions lead from one level to
another. Must not know LLVM.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sdgraph.run.engines.llvm.divide.cuts import (
    COLUMN,
    ELEMENT,
    ONCE,
    OUTER,
    ROW,
    Cut,
    Lying,
    Pattern,
    best,
    both,
    cuts_of,
    divisible,
    full,
    kept,
    lying,
    reductions,
    runs,
    size_of,
    squeezed,
)
from sdgraph.run.engines.llvm.divide.strided import Layout, Strides, Window, along, cuts_along, follows, layout

_T = TypeVar("_T")

COLUMN_INDEX = "column index"
"""An op without operands: the place along the last axis of its space, as if it read an array that counts."""
TAKEN = "taken"
"""An op that reads a table by index: of the table as a whole, an index, how many there are, and how many elements
lie behind each. As if it read arrays that count, it knows the places before the axis of the index and behind."""

_LITERALS = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0)

MAX_NODES = 160
"""Nodes of a region at most: beyond, compile time grows and code no longer fits the caches."""
MAX_OPERANDS = 480
"""Operands of all nodes of a region at most, for the same reason; no node may have more than a sixteenth of it."""
MAX_PHASES = 6
"""Loops after one another at most, because each computes anew what it shares with the one before."""


class Operand(NamedTuple):
    """A value as a node sees it: its id, and the shape that broadcasts to the node's space."""

    value: int
    shape: tuple[int, ...]
    window: Window | None = None
    """Where it lies, if that is in the memory of another value."""

    @property
    def memory(self) -> int:
        """The value in whose memory it lies."""
        return self.value if self.window is None else self.window.memory

    def along(self, space: tuple[int, ...]) -> Strides | None:
        """The strides of a window along the axes of a space, those of size 1 left out."""
        return None if self.window is None else along(self.window.strides, self.shape, space)


class View(NamedTuple):
    """What is seen of the memory of a value, in a shape that broadcasts to the view's."""

    shape: tuple[int, ...]
    window: Window
    is_whole: bool
    """Whether that is all of it, in order."""

    def operand(self, value: int) -> Operand:
        """The view as something to read, which goes by the number ``value`` if it is only a part."""
        if self.is_whole:
            return Operand(self.window.memory, self.shape)
        return Operand(value, self.shape, self.window)


class Node(NamedTuple):
    """One operation of a region: ``reduce`` is None or the kind of reduction over ``axes`` of ``space``.

    Kinds are ``"sum"``, ``"max"``, ``"min"`` and ``"only"``, a sum of which one term at most is not 0. With axes and no
    reduction it is a scan: it runs along these axes, and each element depends on those before it.
    """

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
    per_row: bool = False
    """Whether its result must be of level ROW, whatever else could be made of its axes."""
    counts: tuple[tuple[int, ...], ...] = ()
    """The shapes of arrays that count, which it seems to read."""
    target: Window | None = None
    """Where its result lies, if that is in the memory of another value."""
    over: bool = False
    """Whether something else was written there before."""

    @property
    def memory(self) -> int:
        """The value in whose memory the result lies."""
        return self.id if self.target is None else self.target.memory

    @property
    def windows(self) -> list[Operand]:
        """What it reads and writes of the memory of other values."""
        found = [x for x in self.operands if x.window is not None]
        return found if self.target is None else [*found, self.result]

    @property
    def result(self) -> Operand:
        """Its result, as an operand of its own shape."""
        return Operand(self.id, self.shape, self.target)


def is_scan(node: Node) -> bool:
    """Whether each element depends on those before it in its row."""
    return node.reduce is None and bool(node.axes)


def is_literal(number: float) -> bool:
    """Whether a number is written into the code, because it allows shortcuts.

    All others, -0.0 among them, are handed over, so that one code serves many numbers.
    """
    return number in _LITERALS and (number != 0 or math.copysign(1, number) > 0)


@functools.lru_cache(1 << 12)
def countable(shape: tuple[int, ...]) -> bool:
    """Whether loops can count the elements in 64 bits, with room for their bytes; axes of size 0 hide no others."""
    return size_of(tuple(d or 1 for d in shape)) < 2**59


class Fit(NamedTuple):
    """How a node lies in a region."""

    works: str
    """The level it works on."""
    level: str
    """The level of its result."""
    cuts: frozenset[Cut] | None
    """The cuts of the region's space that it leaves, or None for all."""
    phase: tuple[int, int]
    """After how many loops, and after how many passes over a row in the last of them, it is there."""


class Region:
    """Nodes in topological order with their levels; grows while a plan is partitioned."""

    def __init__(self) -> None:
        self.dims: tuple[int, ...] | None = None
        self.cuts: frozenset[Cut] | None = None
        """The cuts that all its nodes allow, or None for all."""
        self.nodes: list[Node] = []
        self.operands = 0
        """How many its nodes have together."""
        self.level: dict[int, str] = {}
        """Level of each node's result."""
        self.works: dict[int, str] = {}
        """Level each node works on."""
        self.backward: bool | None = None
        """Whether its scans run from the end; None if it has none."""
        self._phase: dict[int, tuple[int, int]] = {}
        self._written: set[int] = set()
        """Values in whose memory results lie that are parts of them."""
        self.cut = Cut(0, 0)
        """Which axes are columns: all of them, if nothing asks for rows."""
        self.answers: dict[Any, Any] = {}
        """To what was asked about it as it is now."""

    @property
    def split(self) -> int:
        """How many axes are rows."""
        return len(self.dims or ()) - (self.cut.last - self.cut.first)

    @property
    def turned(self) -> bool:
        """Whether there are rows side by side: columns are not the last axes."""
        return self.cut.last < len(self.dims or ())

    @property
    def row_dims(self) -> tuple[int, ...]:
        """The sizes of the axes that are rows."""
        dims, cut = self.dims or (), self.cut
        return (*dims[: cut.first], *dims[cut.last :])

    def add(self, node: Node) -> bool:
        """Take the node if it fits."""
        fit = self.fit(node)
        if isinstance(fit, str):
            return False
        if fit.works == ELEMENT:
            self.dims = squeezed(node.space)
        if is_scan(node):
            self.backward = node.attrs["backward"]
        self.cuts, self.cut = fit.cuts, _chosen(fit.cuts, self.dims or ())
        self.answers.clear()
        self.nodes.append(node)
        self.operands += len(node.operands)
        self.works[node.id], self.level[node.id], self._phase[node.id] = fit.works, fit.level, fit.phase
        if node.target is not None:
            self._written.add(node.memory)
        return True

    def fit(self, node: Node) -> Fit | str:
        """How the node would lie in this region, or why it does not fit."""
        if len(self.nodes) >= MAX_NODES or self.operands + len(node.operands) > MAX_OPERANDS:
            return "the region is full"
        works = self._works(squeezed(node.space))
        if works is None:
            return "its space is another one"
        if node.target is not None and works == ROW:
            return "parts of arrays are written by elements"
        if any(self._makes_part(x) for x in node.operands) or (node.over and node.memory in self._written):
            return "a part of what it reads or writes over is made here"
        found = self._on_elements(node) if works == ELEMENT else self._on_rows(node, works)
        if isinstance(found, str):
            return found
        cuts, level, seen = found
        if self._disturbs_scans(node, works, cuts, level):
            return "scans go through rows in another way"
        phase = self._after(node, works, seen)
        if phase is None:
            return "an operand was made to be read in another way"
        outer, inner = phase
        if node.reduce is not None and level == ROW:
            inner += 1
        if outer > MAX_PHASES or inner > MAX_PHASES:
            return "too many loops after one another"
        return Fit(works, level, cuts, (outer, inner))

    def _disturbs_scans(self, node: Node, works: str, cuts: frozenset[Cut] | None, level: str) -> bool:
        """Whether the node cannot be beside scans, or, if it is one, not in this region.

        All scans of a region run one way, so that they can be computed anew like other elements. Sums over rows that
        are pieces of memory take several of these at once, in no order.
        """
        scan = is_scan(node)
        if not scan and self.backward is None:
            return False
        if scan and (works != ELEMENT or self.backward not in (None, node.attrs["backward"])):
            return True
        in_memory = cuts is None or best(cuts, len(self.dims or ())).last == len(self.dims or squeezed(node.space))
        return in_memory and not {COLUMN, OUTER}.isdisjoint({level, *self.level.values()})

    def _makes_part(self, x: Operand) -> bool:
        """Whether something is a part of what is made here, or has parts that are."""
        return x.memory in self._written or (x.window is not None and x.memory in self.level)

    def _on_elements(self, node: Node) -> tuple[frozenset[Cut] | None, str, list[str]] | str:
        """The cuts that are left, the level of the result, and those of what is read."""
        dims = squeezed(node.space)
        patterns = [full(shape, node.space) for shape in read_shapes(node)]
        cuts, level = self.cuts, ELEMENT
        for pattern in patterns:
            allowed = cuts_of(pattern, dims)
            if allowed is not None and not allowed:
                return "its space has no such rows and columns"
            cuts = both(cuts, allowed)
        cuts = both(cuts, windows_leave(node.windows, node.space))
        if node.reduce is not None:
            options = reductions(kept(node.space, node.axes), dims)
            wanted = {cut: to for cut, to in options.items() if not node.per_row or to in (ROW, ONCE)}
            if not wanted:
                return "its space has no such rows and columns"
            if None in wanted:
                level = wanted[None]
            else:
                cuts = both(cuts, frozenset(cut for cut in wanted if cut is not None))
                if cuts:
                    chosen = best(cuts, len(dims))
                    cuts, level = frozenset((chosen,)), wanted[chosen]
        elif node.axes:
            cuts = both(cuts, runs(kept(node.space, node.axes), dims))
        if cuts is not None and not cuts:
            return "rows end elsewhere"
        cut = _chosen(cuts, dims)
        return cuts, level, [_there(pattern, cut).level for pattern in patterns]

    def _on_rows(self, node: Node, works: str) -> tuple[frozenset[Cut] | None, str, list[str]] | str:
        """The same for what works once per row, or once."""
        patterns = [full(shape, node.space) for shape in read_shapes(node)]
        if any(any(p) and not all(p) for p in patterns):
            return "what works on rows reads rows whole"
        level = works
        if node.reduce is not None and works == ROW:
            if any(kept(node.space, node.axes)):
                return "its space has no such rows and columns"
            level = ONCE
        cuts = frozenset((self.cut,)) if works == ROW else self.cuts
        if works == ROW and not all(
            follows(self._strides(x, node, works), self.dims or (), self.cut) for x in node.windows
        ):
            return "rows do not lie so"
        return cuts, level, [ELEMENT if p and all(p) else ONCE for p in patterns]

    def lies(self, shape: tuple[int, ...], node: Node) -> Lying:
        """How an array that a node reads in a shape lies in the rows and columns."""
        pattern = full(shape, node.space)
        if self.works[node.id] == ROW:
            # All that it reads is rows; its space has no other axes.
            whole = bool(pattern) and all(pattern)
            return Lying(ROW if whole else ONCE, (0, self.cut.first) if whole else (0, 0), False, whole)
        return _there(pattern, self.cut)

    def layout(self, x: Operand, node: Node) -> Layout:
        """How loops get from one element of a window that a node reads or writes to another."""
        assert x.window is not None
        return layout(x.window.offset, self._strides(x, node, self.works[node.id]), self.dims or (), self.cut)

    def _strides(self, x: Operand, node: Node, works: str) -> Strides:
        """Those of a window along the axes of this region."""
        found = x.along(node.space) or ()
        if works == ELEMENT:
            return found
        if works == ONCE:
            return (0,) * len(self.dims or ())
        first, last = self.cut
        return (*found[:first], *(0,) * (last - first), *found[first:])

    def kept_outer(self, node: Node) -> tuple[int, int]:
        """The range of outer axes that a reduction over others leaves."""
        return _there(kept(node.space, node.axes), self.cut).outer

    def _works(self, dims: tuple[int, ...]) -> str | None:
        """The level that nodes of this space work on; None for a space that is not this region's."""
        if not dims:
            return ONCE
        if self.dims is None or dims == self.dims:
            return ELEMENT
        return ROW if self.cuts is not None and dims == self.row_dims else None

    def _after(self, node: Node, works: str, seen: Sequence[str]) -> tuple[int, int] | None:
        """After how many loops, and passes in a row, all operands are there; None where one cannot be read so."""
        latest = (0, 0)
        for x, level in zip(node.operands, seen, strict=False):  # What counts is no operand.
            made = self.level.get(x.value)
            if made is None:
                continue
            if not agree(made, level, works):
                return None
            outer, inner = self._phase[x.value]
            if made in (ONCE, COLUMN, OUTER) and works != ONCE:
                outer, inner = outer + 1, 0
            latest = max(latest, (outer, inner))
        return latest


def remembered(question: Callable[[Region], _T]) -> Callable[[Region], _T]:
    """A function of a region that is computed once, until the region grows."""

    @functools.wraps(question)
    def answer(region: Region) -> _T:
        found = region.answers.get(question, _UNKNOWN)
        if found is _UNKNOWN:
            found = region.answers[question] = question(region)
        return found

    return answer


_UNKNOWN = object()


def _chosen(cuts: frozenset[Cut] | None, dims: tuple[int, ...]) -> Cut:
    return Cut(0, len(dims)) if cuts is None else best(cuts, len(dims))


def windows_leave(operands: Sequence[Operand], space: tuple[int, ...]) -> frozenset[Cut] | None:
    """The cuts of a space under which loops can follow the windows among these operands, or None for all."""
    cuts: frozenset[Cut] | None = None
    for x in operands:
        strides = x.along(space)
        if strides is not None:
            cuts = both(cuts, cuts_along(strides, squeezed(space)))
    return cuts


def readable(
    operands: Sequence[Operand],
    space: tuple[int, ...],
    axes: tuple[int, ...] = (),
    *,
    per_row: bool = False,
    along: bool = False,
) -> bool:
    """Whether one cut of the space serves all operands, and what is done along ``axes``, as `divisible` has it."""
    left = windows_leave(operands, space)
    return divisible(tuple(x.shape for x in operands), space, axes, per_row=per_row, along=along, left=left)


def read_shapes(node: Node) -> list[tuple[int, ...]]:
    """The shapes that a node reads in its space."""
    return [*(x.shape for x in node.operands), *node.counts]


def parts_taken(region: Region) -> dict[int, int]:
    """By table that nothing reads as a whole, how many of its elements are taken at most."""
    found: dict[int, int] = {}
    for n in region.nodes:
        if n.op == TAKEN:
            found[n.operands[0].value] = found.get(n.operands[0].value, 0) + size_of(n.space)
    whole = {x.value for n in region.nodes for x in n.operands[n.op == TAKEN :]}
    return {v: count for v, count in found.items() if v not in whole}


def elements_moved(region: Region, shapes: Mapping[int, tuple[int, ...]]) -> Callable[[int], int]:
    """How many elements of an array the region moves at most, where it goes over it once."""
    taken = parts_taken(region)
    return lambda v: min(size_of(shapes[v]), taken.get(v, size_of(shapes[v])))


def _there(pattern: Pattern, cut: Cut) -> Lying:
    """How something lies under a cut that allows it."""
    found = lying(pattern, cut)
    assert found is not None
    return found


def agree(made: str, seen: str, works: str) -> bool:
    """Whether a value made at one level in this region can be read there as another."""
    if made == ONCE:
        return seen == ONCE
    if works == ROW:
        return made == ROW and seen == ELEMENT
    return made == seen
