"""The loop function of a phase with sums of columns: its last pass takes a block of rows, columns outside, rows inside.

So the sum of a column stays in a register for all rows of the block. Floats are added in their own type there, and the
sum widens once. Each vector of columns is for itself: where its sums are too large for their type, its rows are taken
again one at a time. Code at length has four vectors side by side. Must not know plans or how code is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sdgraph.run.engines.llvm.divide.phases import Phase
from sdgraph.run.engines.llvm.divide.region import COLUMN, ELEMENT, ROW, Node
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.scalars.ranges import Range
from sdgraph.run.engines.llvm.write.accumulators import Accumulator, Merged, State, Variable, tree
from sdgraph.run.engines.llvm.write.block import Block
from sdgraph.run.engines.llvm.write.loops import Loops
from sdgraph.run.engines.llvm.write.memory import (
    Places,
    any_lane,
    elements,
    lanes_below,
    loop,
    masked_load,
    masked_store_raw,
    repeat,
    smaller,
    when,
)
from sdgraph.run.engines.llvm.write.space import BLOCK
from sdgraph.run.engines.llvm.write.vectors import TURN


class _Carried(NamedTuple):
    """A number of each row that the last pass reads, in local memory."""

    place: Val
    type: str
    range: Range


class _Sum(NamedTuple):
    """What a reduction takes of one vector of columns in some rows."""

    node: Node
    state: State


class Sweep(Loops):
    """The loop function of a phase whose last pass sweeps over several rows."""

    def __init__(self, block: Block, b: Builder, phase: Phase) -> None:
        super().__init__(block, b, phase)
        level = self.region.level
        self.last, roots = phase.passes[-1], phase.element_roots
        self.columns = [n for n in roots if level[n.id] == COLUMN]
        self.totals = [n for n in roots if level[n.id] not in (ELEMENT, COLUMN)]
        read = {x.value for n in (*self.last.elements, *roots) for x in n.operands}
        self.wanted = [n.id for n in self.region.nodes if level[n.id] == ROW and n.id in read]
        self.brought: dict[int, _Carried] = {}
        self.first: Val = const(0, "i64")
        self.end: Val = const(0, "i64")
        self.low: Val = const(0, "i64")
        """The first of the chunk's columns."""
        self.high: Val = const(0, "i64")

    def _part(self, c: Val) -> Val:
        b, e = self.b, self.e
        self.low, self.high = const(0, "i64"), e.number(b, "columns")
        if not e.sweeps.striped:
            return c
        stripes, wide = e.number(b, "stripes"), e.number(b, "stripe")
        self.low = b.binary("mul", b.binary("srem", c, stripes), wide)
        self.high = smaller(b, b.binary("add", self.low, wide), self.high)
        return b.binary("sdiv", c, stripes)

    def _start_chunk(self) -> None:
        super()._start_chunk()
        for node in self.totals:
            self.chunk_states[node.id] = Merged(self.b, self.e.accumulator(node))

    def _start_columns(self, node: Node, kind: Accumulator) -> None:
        self._clear(self.column_base(node), self.low, self.high, kind)

    def _rows(self, first: Val, last: Val) -> None:
        loop(self.b, first, last, self.e.number(self.b, "block"), lambda r: self._block(r, last))

    def _block(self, first: Val, last: Val) -> None:
        b, phase = self.b, self.phase
        self.first, self.end = first, smaller(b, b.binary("add", first, self.e.number(b, "block")), last)
        if len(phase.passes) > 1 or phase.first_rows or phase.row_roots:
            loop(b, first, self.end, 1, self._first_passes)
        if b.brief:
            self._on_columns(self._one)
        else:
            loop(b, self.low, self.high, TURN * b.width, self._four)

    def _on_columns(self, body: Callable[[Val, Val | None], None]) -> None:
        """The chunk's columns, a masked vector at a time."""
        b = self.b
        loop(b, self.low, self.high, b.width, lambda j: body(j, lanes_below(b, j, self.high)))

    # ------------------------------------------------------------------ rows

    def _first_passes(self, r: Val) -> None:
        """All passes of a row but the last, and what that one needs to know of them."""
        b = self.b
        self._begin(r)
        self._passes(self.phase.passes[:-1], ())
        for i in self.wanted:
            v = self.row_env[i]
            if i not in self.brought:
                self.brought[i] = _Carried(elements(b, v.type, self.e.number(b, "block")), v.type, b.range(v))
            b.line(f"store {b.typed(v)}, ptr {self._place(self.brought[i]).text}")

    def _return(self, r: Val) -> None:
        """To a row whose passes are over but for the last."""
        b = self.b
        self._begin(r)
        for i, one in self.brought.items():
            v = b.effect(f"load {one.type}, ptr {self._place(one).text}", one.type, False)
            self.row_env[i] = b.know(v, one.range)

    def _begin(self, r: Val) -> None:
        self._begin_row(r)
        self.row_in_block = self.b.binary("sub", r, self.first)

    def _place(self, one: _Carried) -> Val:
        return self.e.at(self.b, one.place, self.row_in_block, one.type)

    # ------------------------------------------------------------------ columns

    def _four(self, j: Val) -> None:
        """The columns of a turn: together if they are whole vectors whose sums are not too large, else one by one."""
        b = self.b
        end = b.binary("add", j, const(TURN * b.width, "i64"))
        done = Variable(b, const(0, "i1"), vec=False)

        def together() -> None:
            # No pure instructions: what reads at these places must not stand before the branch.
            places = [(b.effect(f"add i64 {j.text}, {u * b.width}", "i64", False), None) for u in range(TURN)]
            sums = self._swept(places, self.first, self.end)

            def add() -> None:
                for (at, mask), found in zip(places, sums, strict=True):
                    self._add(found, at, mask)
                done.set(const(1, "i1"))

            when(b, _not(b, self._doubtful([s for found in sums for s in found])), add)

        def one_by_one() -> None:
            loop(b, j, smaller(b, end, self.high), b.width, lambda k: self._one(k, lanes_below(b, k, self.high)))

        when(b, b.compare("icmp sle", end, self.high), together)
        when(b, _not(b, done.get()), one_by_one)

    def _one(self, j: Val, mask: Val | None) -> None:
        """One vector of columns: all rows of the block together, or one row at a time."""
        b = self.b
        at, step = Variable(b, self.first, vec=False), Variable(b, const(BLOCK, "i64"), vec=False)

        def some_rows() -> Val:
            row = at.get()
            end = smaller(b, b.binary("add", row, step.get()), self.end)
            [found] = self._swept([(j, mask)], row, end)
            several = b.compare("icmp sgt", b.binary("sub", end, row), const(1, "i64"))
            again = b.binary("and", several, self._doubtful(found))

            def add() -> None:
                self._add(found, j, mask)
                at.set(end)

            when(b, _not(b, again), add)
            when(b, again, lambda: step.set(const(1, "i64")))
            return b.compare("icmp slt", at.get(), self.end)

        repeat(b, some_rows)

    def _swept(self, places: Places, first: Val, end: Val) -> list[list[_Sum]]:
        """What some rows sum up to, by vector of columns."""
        b = self.b
        kinds = [(n, self.e.accumulator(n).of_few()) for n in (*self.columns, *self.totals)]
        sums = [[_Sum(n, State(b, kind, vec=True)) for n, kind in kinds] for _ in places]

        def row(r: Val) -> None:
            self._return(r)
            taken = self._turn(self.last, self.phase.element_roots, places)
            for u, found in enumerate(sums):
                for s in found:
                    v, mask = taken[s.node.id][u]
                    s.state.take(v, mask if s.node in self.totals else None)

        loop(b, first, end, 1, row)
        return sums

    def _doubtful(self, sums: Sequence[_Sum]) -> Val:
        """Whether one of the sums may be wrong."""
        b = self.b
        found = [v for s in sums if (v := s.state.doubtful()) is not None]
        return any_lane(b, tree(found, lambda x, y: b.binary("or", x, y))) if found else const(0, "i1")

    def _add(self, sums: Sequence[_Sum], j: Val, mask: Val | None) -> None:
        """Add to the chunk's sums."""
        for node, state in sums:
            if node in self.totals:
                merged = self.chunk_states[node.id]
                assert isinstance(merged, Merged)
                merged.merge(state.lanes())
            else:
                kind = self.e.accumulator(node)
                old = masked_load(self.b, self._sum_at(node, j), kind.type, mask, changes=True)
                self._put(node, kind.merge(self.b, old, state.lanes()), j, mask)

    def _put(self, node: Node, v: Val, j: Val, mask: Val | None) -> None:
        masked_store_raw(self.b, self.b.splat(v), self._sum_at(node, j), v.type, mask)

    def _sum_at(self, node: Node, j: Val) -> Val:
        return self.e.at(self.b, self.column_base(node), j, self.e.accumulator(node).type)


def _not(b: Builder, condition: Val) -> Val:
    return b.binary("xor", condition, const(1, "i1"))
