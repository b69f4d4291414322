"""The loop function of a phase whose rows lie across lanes: as many rows at once as there are lanes.

What is read of them is turned to a vector per column by shared functions, and what is written is turned back. Between,
an array is a local one of vectors, as are the sums of columns. Must not know plans or how code is run.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from sdgraph.run.engines.llvm.divide.cuts import Lying
from sdgraph.run.engines.llvm.divide.phases import Phase
from sdgraph.run.engines.llvm.divide.region import ELEMENT, ROW, Node, Operand
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const, type_of
from sdgraph.run.engines.llvm.write.accumulators import Accumulator
from sdgraph.run.engines.llvm.write.block import Block, Stride
from sdgraph.run.engines.llvm.write.loops import Loops
from sdgraph.run.engines.llvm.write.memory import (
    elements,
    gather,
    iota,
    lanes_below,
    loop,
    memory_type,
    smaller,
    to_memory,
)
from sdgraph.run.engines.llvm.write.space import lies_by_lanes
from sdgraph.run.engines.llvm.write.turn import Turn


class Lanes(Loops):
    """The loop function of a phase of short rows."""

    def __init__(self, block: Block, b: Builder, phase: Phase) -> None:
        super().__init__(block, b, phase)
        level, roots = self.region.level, phase.element_roots
        nodes = [n for one in phase.passes for n in (*one.elements, *one.sums)] + list(roots)
        operands = ((x, n) for n in nodes for x in n.operands if x.value not in level)
        self.turned_in = {x.value: x for x, n in operands if self.seen(x.shape, n).level == ELEMENT}
        self.turned_out = {n.id: n.result for n in roots if level[n.id] == ELEMENT}
        dtypes = [block.dtypes[v] for v in (*self.turned_in, *self.turned_out)]
        self.widest = memory_type(max(dtypes, key=lambda d: d.itemsize, default=np.dtype(bool)))
        self.live: Val = const(1, "i1")
        """Which lanes have a row."""
        self.rows: Val = const(0, "i64")
        """How many these are."""
        self.arrays: dict[Hashable, Val] = {}

    def _rows(self, first: Val, last: Val) -> None:
        loop(self.b, first, last, self.b.width, lambda r: self._group(r, last))

    def _group(self, r: Val, last: Val) -> None:
        """The rows from ``r`` on that lie before ``last``."""
        b = self.b
        self._begin_row(r)
        self.mask = self.live = lanes_below(b, r, last)
        self.rows = smaller(b, b.binary("sub", last, r), const(b.width, "i64"))
        for x in self.turned_in.values():
            self._turn_rows(x, back=False)
        self._passes(self.phase.passes, self.phase.element_roots)
        for x in self.turned_out.values():
            self._turn_rows(x, back=True)

    def _turn_rows(self, x: Operand, *, back: bool) -> None:
        b, e, dtype = self.b, self.e, self.e.dtypes[x.value]
        function = e.number(b, Turn(dtype.itemsize, back), "ptr")
        start, step = self.start, self.count
        if x.window is not None:
            first, step = (e.number(b, Stride(x.value, ELEMENT, k)) for k in (0, 1))
            start = b.binary("add", first, b.binary("mul", self.row, step))
        memory = e.at(b, e.pointer(b, x.memory), start, dtype)
        places = memory, self._array(x.value, memory_type(dtype)), self._array("spare", self.widest)
        memory, turned, spare = (f"ptr {p.text}" for p in places)
        counts = f"i64 {self.count.text}, i64 {self.rows.text}"
        b.line(f"call void {function.text}({memory}, i64 {step.text}, {turned}, {counts}, {spare})")

    # ------------------------------------------------------------------ arrays of vectors

    def _array(self, key: Hashable, t: str) -> Val:
        """A local array of a vector per column."""
        if key not in self.arrays:
            b = self.b
            # A vector between two keeps equal columns of several arrays out of the same lines of the cache.
            vectors = b.binary("add", self.e.number(b, "columns"), const(1, "i64"))
            self.arrays[key] = elements(b, t, b.binary("mul", vectors, const(b.width, "i64")))
        return self.arrays[key]

    def _get(self, key: Hashable, t: str, j: Val) -> Val:
        """A column."""
        full = self.b.type(t, True)
        return self.b.effect(
            f"load {full}, ptr {self.e.at(self.b, self._array(key, t), j, full).text}, align 1", t, True
        )

    def _set(self, key: Hashable, v: Val, j: Val) -> None:
        p = self.e.at(self.b, self._array(key, v.type), j, self.b.type(v.type, True))
        self.b.line(f"store {self.b.typed(v)}, ptr {p.text}, align 1")

    def _load_lanes(self, x: Operand, node: Node, p: Val, t: str) -> Val:
        if x.window is None or lies_by_lanes(self.region, x, node):
            return super()._load_lanes(x, node, p, t)
        b = self.b
        step = b.splat(self.e.number(b, Stride(x.value, ROW, 1)))
        return gather(b, p, b.binary("mul", Val(iota(b, "i64"), "i64", True, 0), step), t, self.live)

    def _load_element(self, x: Operand, node: Node, t: str) -> Val:
        return self._get(x.value, t, self.j)

    def _lane_step(self, seen: Lying) -> Val:
        return self.count if seen.level == ELEMENT else super()._lane_step(seen)

    def _element_root(self, node: Node) -> None:
        if self.region.level[node.id] == ELEMENT:
            self._set(node.id, to_memory(self.b, self.b.splat(self.env[node.id]), node.dtype), self.j)
        else:
            self._add_to_column(node)

    def _home(self, node: Node) -> int | None:
        return None

    def _own_place(self, node: Node) -> Val:
        t = type_of(node.dtype)
        return self.e.at(self.b, self._array(("kept", node.id), t), self.j, self.b.type(t, True))

    # ------------------------------------------------------------------ sums of columns

    def _start_columns(self, node: Node, kind: Accumulator) -> None:
        nothing = self.b.splat(kind.identity)
        loop(self.b, const(0, "i64"), self.e.number(self.b, "columns"), 1, lambda j: self._set(node.id, nothing, j))

    def _add_to_column(self, node: Node) -> None:
        b, kind = self.b, self.e.accumulator(node)
        v = b.select(self.live, b.splat(kind.widen(b, self._reduced(node))), kind.identity)
        self._set(node.id, kind.merge(b, self._get(node.id, kind.type, self.j), v), self.j)

    def _end_columns(self, node: Node) -> None:
        b, kind, base = self.b, self.e.accumulator(node), self.column_base(node)

        def add_up(j: Val) -> None:
            total = kind.across(b, self._get(node.id, kind.type, j))
            b.line(f"store {b.typed(total)}, ptr {self.e.at(b, base, j, kind.type).text}, align 1")

        loop(b, const(0, "i64"), self.e.number(b, "columns"), 1, add_up)
