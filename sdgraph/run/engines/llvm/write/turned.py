"""The loop function of a phase whose rows lie side by side: a vector is one column of as many rows.

Columns are axes in the middle of an array, so a row's own elements are far from one another and those of neighbouring
rows are next to each other. Where one pass is all, a stripe of many vectors goes through the columns together, as the
memory lies; what it gathers for each row stands in an array. Otherwise the passes go over one vector of rows after
another. Must not know plans or how code is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdgraph.run.engines.llvm.divide.cuts import ELEMENT, ROW, Lying
from sdgraph.run.engines.llvm.divide.phases import Pass
from sdgraph.run.engines.llvm.divide.region import Node
from sdgraph.run.engines.llvm.scalars.builder import Val, const, type_of
from sdgraph.run.engines.llvm.scalars.scans import scan_of
from sdgraph.run.engines.llvm.write.accumulators import Accumulator, State
from sdgraph.run.engines.llvm.write.loops import Loops, is_backward, scans
from sdgraph.run.engines.llvm.write.memory import either_way, elements, lanes_below, loop, smaller
from sdgraph.run.engines.llvm.write.scans import Carried
from sdgraph.run.engines.llvm.write.space import STRIPE, keeps_rows
from sdgraph.run.engines.llvm.write.vectors import TURN


class Turned(Loops):
    """Vectors of rows one after another, or stripes of them; in each, passes over the columns."""

    outer: Val = const(0, "i64")
    """The place of the rows along the outer axes, and below that of the first one along the inner axes."""
    first: Val = const(0, "i64")
    live: Val = const(1, "i1")
    """Which lanes have a row."""

    def _rows(self, first: Val, last: Val) -> None:
        b = self.b
        self.count = self.e.number(b, "columns")
        if len(self.phase.passes) > 1 or self.phase.first_rows:
            loop(b, first, last, 1, self._vector)
            return
        groups = self.e.number(b, "groups")
        end = b.binary("add", b.binary("udiv", b.binary("sub", last, const(1, "i64")), groups), const(1, "i64"))
        loop(b, b.binary("udiv", first, groups), end, 1, lambda o: self._stripes(o, first, last))

    def _vector(self, k: Val) -> None:
        """All passes for one vector of rows."""
        b, groups = self.b, self.e.number(self.b, "groups")
        self.outer = b.binary("udiv", k, groups)
        self._enter(b.binary("urem", k, groups))
        self._passes(self.phase.passes, self.phase.element_roots)

    def _enter(self, group: Val) -> None:
        """Turn to a vector of rows, of which nothing is known yet."""
        b, inner = self.b, self.e.number(self.b, "inner")
        before = b.binary("mul", self.outer, inner)
        self.first = b.binary("mul", group, const(b.width, "i64"))
        self.row, self.row_env = b.binary("add", before, self.first), {}
        self.start = b.binary("add", b.binary("mul", before, self.count), self.first)
        self.mask = self.live = lanes_below(b, self.first, inner)

    def _pass(self, one: Pass, roots: Sequence[Node]) -> None:
        states = {node.id: State(self.b, self.e.accumulator(node), vec=True) for node in one.sums}
        self.carried = {node.id: self.carried_at(node) for node in scans(one)}
        self._columns(lambda columns: self._take(one, roots, columns, states.get), backward=is_backward(one))
        for node in one.sums:
            state = states[node.id]
            self.row_env[node.id] = state.kind.narrow(self.b, state.lanes())

    def _take(
        self, one: Pass, roots: Sequence[Node], columns: Sequence[Val], state_of: Callable[[int], State | None]
    ) -> None:
        """What a pass does in some columns of a vector of rows."""
        for i, values in self._turn(one, roots, [(j, None) for j in columns]).items():
            state = state_of(i)
            if state is not None:
                state.take_all(values)
            else:
                for v, mask in values:
                    self.chunk_states[i].take(v, mask)

    def _columns(self, body: Callable[[Sequence[Val]], None], *, backward: bool) -> None:
        """All columns, a few at a time, and those that are left one by one."""
        b, zero, order = self.b, const(0, "i64"), range(TURN)
        whole = b.binary("and", self.count, const(-TURN, "i64"))

        def turn(j: Val) -> None:
            body([b.binary("add", j, const(u, "i64")) for u in (reversed(order) if backward else order)])

        def turns() -> None:
            either_way(b, zero, whole, TURN, turn, backward=backward)

        def left() -> None:
            either_way(b, whole, self.count, 1, lambda j: body([j]), backward=backward)

        for part in (left, turns) if backward else (turns, left):
            part()

    # ------------------------------------------------------------------ stripes

    def _stripes(self, outer: Val, first: Val, last: Val) -> None:
        """The vectors of the chunk that have one place along the outer axes."""
        b, groups = self.b, self.e.number(self.b, "groups")
        self.outer = outer
        before = b.binary("mul", outer, groups)
        start, end = b.binary("sub", first, before), smaller(b, b.binary("sub", last, before), groups)
        start = b.select(b.compare("icmp sgt", start, const(0, "i64")), start, const(0, "i64"))
        loop(b, start, end, STRIPE, lambda k: self._stripe(k, end))

    def _stripe(self, start: Val, end: Val) -> None:
        b, [one] = self.b, self.phase.passes
        end = smaller(b, b.binary("add", start, const(STRIPE, "i64")), end)
        held = {node.id: _Held(self, self.e.accumulator(node)) for node in one.sums}
        running = {node.id: _Running(self, node) for node in scans(one)}

        def each(body: Callable[[Val], None]) -> None:
            def vector(k: Val) -> None:
                self._enter(k)
                body(b.binary("sub", k, start))

            loop(b, start, end, 1, vector)

        def clear(u: Val) -> None:
            for one_of in (*held.values(), *running.values()):
                one_of.state(u).clear()

        def take(columns: Sequence[Val]) -> None:
            def body(u: Val) -> None:
                self.carried = {i: one_of.state(u) for i, one_of in running.items()}
                self._take(one, self.phase.element_roots, columns, lambda i: held[i].state(u) if i in held else None)

            each(body)

        def finish(u: Val) -> None:
            for i, one_of in held.items():
                self.row_env[i] = one_of.kind.narrow(b, one_of.state(u).lanes())
            for node in one.rows:
                self.row_env[node.id] = self._compute(node)
            for node in self.phase.row_roots:
                self._row_root(node)

        if held or running:
            each(clear)
        self._columns(take, backward=is_backward(one))
        if held or one.rows or self.phase.row_roots:
            each(finish)

    # ------------------------------------------------------------------ places

    def _element_root(self, node: Node) -> None:
        if self.region.level[node.id] == ELEMENT:
            super()._element_root(node)
            return
        kind = self.e.accumulator(node)
        v = self.b.select(self.live, self.b.splat(kind.widen(self.b, self._reduced(node))), kind.identity)
        self._add_to_several(node, self.j, kind.across(self.b, v))

    def _along_lanes(self, seen: Lying) -> bool:
        return seen.inner

    def _element(self) -> Val:
        b = self.b
        return b.binary("add", self.start, b.binary("mul", self.j, self.e.number(b, "inner")))

    def _outer_row(self) -> Val:
        return self.outer

    def _index(self, seen: Lying) -> Val:
        b = self.b
        if seen.level in (ELEMENT, ROW):
            return super()._index(seen)
        k = super()._index(seen._replace(inner=False))
        return b.binary("add", b.binary("mul", k, self.e.number(b, "inner")), self.first) if seen.inner else k

    def _along_columns(self, index: Val, seen: Lying, step: Callable[[], Val]) -> Val:
        b = self.b
        if seen.columns:
            index = b.binary("add", index, b.binary("mul", self.j, step()))
        return b.binary("add", index, self.first) if seen.inner else index

    def _home(self, node: Node) -> int | None:
        # Memory of its own lies closer together.
        return None if keeps_rows(self.region) else super()._home(node)

    def _own_place(self, node: Node) -> Val:
        b = self.b
        full = b.type(type_of(node.dtype), True)
        if node.id not in self.own_rows:
            self.own_rows[node.id] = elements(b, full, self.e.number(b, "columns"))
        return self.e.at(b, self.own_rows[node.id], self.j, full)


class _Held:
    """What a reduction has gathered so far for each vector of a stripe."""

    def __init__(self, loops: Turned, kind: Accumulator) -> None:
        self.loops, self.kind = loops, kind
        self.arrays = _Arrays(loops, kind.start(vec=True))

    def state(self, u: Val) -> State:
        """That of one vector."""
        return State(self.loops.b, self.kind, vec=True, places=self.arrays.places(u))


class _Running:
    """What a scan carries for each vector of a stripe."""

    def __init__(self, loops: Turned, node: Node) -> None:
        self.loops, self.node = loops, node
        self.arrays = _Arrays(loops, scan_of(node.op, node.attrs).begin(node.dtype))

    def state(self, u: Val) -> Carried:
        """That of one vector."""
        return self.loops.carried_at(self.node, self.arrays.places(u))


class _Arrays:
    """Memory for some variables of each vector of a stripe."""

    def __init__(self, loops: Turned, like: Sequence[Val]) -> None:
        self.loops = loops
        b, room = loops.b, const(STRIPE, "i64")
        full = [b.type(v.type, True) for v in like]
        self.arrays = [(t, elements(b, t, room)) for t in full]

    def places(self, u: Val) -> list[str]:
        """Where those of one vector stand."""
        b, at = self.loops.b, self.loops.e.at
        return [at(b, base, u, t).text for t, base in self.arrays]
