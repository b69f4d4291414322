"""The loop function of one phase: chunks, the rows in them, and per row passes over its elements.

Lanes are columns, or rows where rows are short. Must not know plans or how code is run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sdgraph.run.engines.llvm.divide.cuts import COLUMN, ELEMENT, ONCE, OUTER, ROW, Lying
from sdgraph.run.engines.llvm.divide.phases import Pass, Phase
from sdgraph.run.engines.llvm.divide.region import COLUMN_INDEX, TAKEN, Node, Operand, is_scan
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const, type_of
from sdgraph.run.engines.llvm.scalars.ranges import Range
from sdgraph.run.engines.llvm.scalars.scalar_ops import rule_of
from sdgraph.run.engines.llvm.scalars.scans import scan_of
from sdgraph.run.engines.llvm.write import takes
from sdgraph.run.engines.llvm.write.accumulators import Accumulator, State
from sdgraph.run.engines.llvm.write.block import Block, Stride
from sdgraph.run.engines.llvm.write.memory import (
    Places,
    either_way,
    elements,
    from_memory,
    iota,
    lanes_below,
    loop,
    masked_load,
    masked_store,
    masked_store_raw,
    memory_type,
    publish,
    smaller,
)
from sdgraph.run.engines.llvm.write.scans import Carried
from sdgraph.run.engines.llvm.write.space import axes
from sdgraph.run.engines.llvm.write.vectors import Gather, Taken, in_order, over

_Place = tuple[Val, Val | None, dict[Any, Val]]
"""Where a vector of elements begins, the lanes that it may use, and what is known of it."""


class Loops:
    """The loop function of one phase."""

    def __init__(self, block: Block, b: Builder, phase: Phase) -> None:
        self.e = block
        self.b = b
        self.phase = phase
        self.region = block.region
        self.across = block.across
        self.row: Val = const(0, "i64")
        self.start: Val = const(0, "i64")
        self.count: Val = const(0, "i64")
        self.mask: Val | None = None
        """Which lanes count, or None for all."""
        self.j: Val = const(0, "i64")
        self.row_env: dict[Any, Val] = {}
        self.env: dict[Any, Val] = {}
        self.chunk_states: dict[int, State] = {}
        self.chunk: Val = const(0, "i64")
        self.part: Val = const(0, "i64")
        self.own_rows: dict[int, Val] = {}
        """Where values that were computed lie for later passes."""
        self.own_ranges: dict[int, Range] = {}
        """What is known of them."""
        self.carried: dict[int, Carried] = {}
        """What the scans of the current pass carry."""
        self.row_in_block: Val = const(0, "i64")
        """Which of the rows that wait for each other."""
        # Nothing of a row is to be stored past the caches while its passes read it again.
        self.past = block.past if len(phase.passes) == 1 else {}

    def emit(self) -> None:
        """Chunks, rows in them, and per row one pass over its elements after another."""
        b = self.b
        lo, hi = Val("%lo", "i64", False, 0), Val("%hi", "i64", False, 0)
        loop(b, lo, hi, 1, self._chunk)
        if any(node.id in self.past for node in self.phase.element_roots):
            publish(b)

    def _chunk(self, c: Val) -> None:
        b, e = self.b, self.e
        self.chunk, self.part = c, self._part(c)
        per_chunk = e.number(b, "per_chunk")
        first = b.binary("mul", self.part, per_chunk)
        total = e.number(b, "rows" if self.region.split else "n")
        last = smaller(b, b.binary("add", first, per_chunk), total)
        self._start_chunk()
        if self.region.split:
            self._rows(first, last)
        else:
            self.start, self.count = first, b.binary("sub", last, first)
            self._passes(self.phase.passes, self.phase.element_roots)
        self._end_chunk()

    def _part(self, c: Val) -> Val:
        """Which part of the rows a chunk has."""
        return c

    def _start_chunk(self) -> None:
        b = self.b
        for node in self.phase.reductions:
            kind = self.e.accumulator(node)
            several = self.e.several(node)
            if several is None:
                vec = self.across or self.region.works[node.id] == ELEMENT
                self.chunk_states[node.id] = State(b, kind, vec)
            else:
                self._start_columns(node, kind)

    def _start_columns(self, node: Node, kind: Accumulator) -> None:
        """Let the sums of columns of a chunk begin, or those of outer axes."""
        count = self.e.number(self.b, self.e.several(node))
        self._clear(self.column_base(node), const(0, "i64"), count, kind)

    def _clear(self, base: Val, low: Val, high: Val, kind: Accumulator) -> None:
        """Let some of several results of a reduction begin."""

        def write(b: Builder, args: Sequence[Val]) -> None:
            base, low, high = args

            def clear(j: Val) -> None:
                p = self.e.at(b, base, j, kind.type)
                masked_store_raw(b, b.splat(kind.identity), p, kind.type, lanes_below(b, j, high))

            loop(b, low, high, b.width, clear)

        self.e.once.do(self.b, ("clear", kind.key), [base, low, high], write)

    def _end_chunk(self) -> None:
        b = self.b
        for node in self.phase.reductions:
            if node.id in self.chunk_states:
                v = self.chunk_states[node.id].total()
                p = self.e.at(b, self.e.partial_base(b, node), self.chunk, v.type)
                b.line(f"store {b.typed(v)}, ptr {p.text}, align 1")
            else:
                self._end_columns(node)

    def _end_columns(self, node: Node) -> None:
        """Nothing: sums of columns stand where they belong."""

    def column_base(self, node: Node) -> Val:
        """Where the results of a reduction begin that has several for this chunk's rows."""
        b = self.b
        several = self.e.several(node)
        assert several is not None
        offset = b.binary("mul", self.part, self.e.number(b, several))
        return self.e.at(b, self.e.partial_base(b, node), offset, self.e.accumulator(node).type)

    # ------------------------------------------------------------------ rows

    def _rows(self, first: Val, last: Val) -> None:
        loop(self.b, first, last, 1, self._row)

    def _row(self, r: Val) -> None:
        self._begin_row(r)
        self._passes(self.phase.passes, self.phase.element_roots)

    def _begin_row(self, r: Val) -> None:
        """Turn to a row, of which nothing is known yet."""
        b = self.b
        self.row, self.row_env = r, {}
        self.count = self.e.number(b, "columns")
        self.start = b.binary("mul", r, self.count)

    def _passes(self, passes: Sequence[Pass], roots: Sequence[Node]) -> None:
        """One pass after another; the last of them ends in ``roots``."""
        for node in self.phase.first_rows:
            self.row_env[node.id] = self._compute(node)
        for k, one in enumerate(passes):
            ends = roots if k == len(passes) - 1 else ()
            if one.sums or ends:
                self._pass(one, ends)
            for node in one.rows:
                self.row_env[node.id] = self._compute(node)
        for node in self.phase.row_roots:
            self._row_root(node)

    def _pass(self, one: Pass, roots: Sequence[Node]) -> None:
        b = self.b
        by_outer = [node for node in roots if self.region.level[node.id] == OUTER]
        states = {node.id: State(b, self.e.accumulator(node), vec=True) for node in (*one.sums, *by_outer)}
        self.carried = {node.id: self.carried_at(node) for node in scans(one)}

        def gathering(i: int) -> State:
            return states.get(i) or self.chunk_states[i]

        def take(taken: Taken) -> None:
            for i, values in taken.items():
                gathering(i).take_all(values)

        def take_left(i: int, turn: Val, like: Val) -> None:
            self.e.once.take(b, gathering(i), turn, like)

        def each(j: Val, mask: Val | None) -> dict[int, Val]:
            return {i: v for i, [(v, _)] in self._turn(one, roots, [(j, mask)]).items()}

        gather = Gather(take, take_left, lambda i, v: gathering(i).kind.blank(v))
        backward = is_backward(one)
        if self.across:
            zero = const(0, "i64")
            either_way(b, zero, self.count, 1, lambda j: take(self._turn(one, roots, [(j, None)])), backward=backward)
        elif self.carried:
            in_order(b, self.count, each, gather, backward=backward)
        else:
            over(b, self.count, sum(map(_instructions, one.elements)), each, gather)
        for node in one.sums:
            state = states[node.id]
            self.row_env[node.id] = state.kind.narrow(b, state.lanes() if self.across else state.total())
        for node in by_outer:
            self._add_to_several(node, self._outer(self.region.kept_outer(node)), states[node.id].total())

    def _turn(self, one: Pass, roots: Sequence[Node], where: Places) -> Taken:
        """What a pass does at some places; returns what its reductions take."""
        places: list[_Place] = [(j, mask, {}) for j, mask in where]
        taken: Taken = defaultdict(list)
        for node in self._each(one.kept, places):
            self.env[node.id] = self._load_kept(node)
        for node in self._each(one.elements, places):
            self.env[node.id] = self._compute(node)
        for node in self._each(one.keeps, places):
            self._keep(node)
        for node in self._each(one.sums, places):
            taken[node.id].append((self._reduced(node), None if self.across else self.mask))
        for node in self._each(roots, places):
            if self._gathers(node):
                taken[node.id].append((self._reduced(node), self.mask))
            else:
                self._element_root(node)
        return taken

    def _each(self, nodes: Iterable[Node], places: Sequence[_Place]) -> Iterator[Node]:
        """Each node at all places before the next one.

        A node is a chain of instructions that wait for each other. A CPU looks ahead about a hundred instructions, so
        the chains of several vectors must stand side by side for it to work on them at once.
        """
        for node in nodes:
            for self.j, mask, self.env in places:
                if not self.across:
                    self.mask = mask
                yield node

    def _gathers(self, node: Node) -> bool:
        """Whether what a node at the end of all passes takes is gathered in a local variable."""
        level = self.region.level[node.id]
        return level != ELEMENT and not (level == COLUMN and self.across)

    def _row_root(self, node: Node) -> None:
        b = self.b
        if node.id in self.chunk_states:
            state = self.chunk_states[node.id]
            state.take(self._reduced(node), self.mask if state.vec else None)
            return
        v = self.row_env[node.id]
        p = self.e.at(b, self.e.pointer(b, node.id), self.row, node.dtype)
        if self.across:
            masked_store(b, b.splat(v), p, node.dtype, self.mask)
        else:
            self.e.store_scalar(b, v, node.dtype, p)

    # ------------------------------------------------------------------ values

    def _compute(self, node: Node) -> Val:
        if node.op == COLUMN_INDEX:
            return self._column_index(node)
        if node.op == TAKEN:
            return self._taken(node)
        args = [self.read(x, node) for x in node.operands]
        dtypes = [self.e.dtypes[x.value] for x in node.operands]
        if is_scan(node):
            return self.carried[node.id].take(args, dtypes, self.mask)
        # Of this node alone: whether others write it, too, must not matter.
        self.b.divisors = {v.text for v, x in zip(args, node.operands, strict=True) if x.value in self.e.divisors}
        return self.e.once.emit(self.b, node.op, args, dtypes, node.dtype, node.attrs)

    def carried_at(self, node: Node, places: Sequence[str] = ()) -> Carried:
        """What a scan carries along a row, which has not begun unless it stands in places of its own."""
        scan, backward = scan_of(node.op, node.attrs), node.attrs["backward"]
        return Carried(self.b, scan, node.dtype, across=self.across, backward=backward, places=places)

    def _taken(self, node: Node) -> Val:
        """An element of a table: a piece of its memory for all lanes, if they only differ in the places behind."""
        b, e = self.b, self.e
        table, index, *_ = node.operands
        before, behind = (self._lane_places(self.seen(shape, node)) for shape in node.counts)
        where = takes.Where(self.read(index, node), e.dtypes[index.value], before, behind)
        size, stride = (e.scalar(b, x) for x in node.operands[2:])
        return takes.taken(b, e.pointer(b, table.value), node.dtype, where, size, stride, self.mask)

    def _lane_places(self, seen: Lying) -> takes.Along:
        """The place of the first lane, and how far that of the next is away."""
        step = self._lane_step(seen) if self._along_lanes(seen) else const(0, "i64")
        return takes.Along(self._index(seen), step)

    def _lane_step(self, seen: Lying) -> Val:
        """How far lanes with elements of their own are away from each other."""
        return const(1, "i64")

    def _column_index(self, node: Node) -> Val:
        b = self.b
        seen = self.seen(node.counts[0], node)
        t = type_of(node.dtype)
        j = self._index(seen)
        j = j if t == "i64" else b.convert("trunc", j, t)
        return b.binary("add", b.splat(j), Val(iota(b, t), t, True, 0)) if self._along_lanes(seen) else j

    def read(self, x: Operand, node: Node) -> Val:
        """An operand of a node in the current row and element."""
        level = self.region.level.get(x.value)
        if level == ELEMENT:
            return self.env[x.value]
        if level == ROW:
            return self.row_env[x.value]
        seen = self.seen(x.shape, node)
        if seen.level == ONCE:
            return self.e.scalar(self.b, x)
        cache = self.env if seen.columns else self.row_env
        key = (x.value, seen)
        if key not in cache:
            cache[key] = self._load(x, seen, node)
        return cache[key]

    def seen(self, shape: tuple[int, ...], node: Node) -> Lying:
        """How an array that a node reads in a shape lies in this region."""
        return self.region.lies(shape, node)

    def _load(self, x: Operand, seen: Lying, node: Node) -> Val:
        b, e = self.b, self.e
        dtype = e.dtypes[x.value]
        t = memory_type(dtype)
        if seen.level == ELEMENT:
            return from_memory(b, self._load_element(x, node, t), dtype)
        p = e.at(b, e.pointer(b, x.memory), self._index_of(x, seen, node), dtype)
        if self._along_lanes(seen):
            return from_memory(b, self._load_lanes(x, node, p, t), dtype)
        return from_memory(b, b.instruction(f"load {t}, ptr {p.text}, align 1", t, False, p), dtype)

    def _load_lanes(self, x: Operand, node: Node, p: Val, t: str) -> Val:
        """What belongs to the lanes of something else than elements, that of the first lane at ``p``."""
        return masked_load(self.b, p, t, self.mask)

    def _load_element(self, x: Operand, node: Node, t: str) -> Val:
        b, e = self.b, self.e
        index = self._index_of(x, self.seen(x.shape, node), node)
        return masked_load(b, e.at(b, e.pointer(b, x.memory), index, t), t, self.mask)

    def _along_lanes(self, seen: Lying) -> bool:
        """Whether each lane has an element of its own."""
        return seen.level == ROW if self.across and seen.level != ELEMENT else seen.columns

    def _index(self, seen: Lying) -> Val:
        """The place in an array that lies so: that of the first lane, if each has one."""
        if seen.level == ELEMENT:
            return self._element()
        if seen.level == ROW:
            return self.row
        j = self.j if seen.columns else const(0, "i64")
        if seen.outer[0] == seen.outer[1]:
            return j
        outer = self._outer(seen.outer)
        return self.b.binary("add", self.b.binary("mul", outer, self.count), j) if seen.columns else outer

    def _index_of(self, x: Operand, seen: Lying, node: Node) -> Val:
        """The place in the memory of what a node reads, or writes to a part of an array: that of the first lane."""
        if x.window is None:
            return self._index(seen)
        b, found = self.b, self.region.layout(x, node)

        def step(k: int) -> Val:
            return self.e.number(b, Stride(x.value, seen.level, k))

        index = step(0)
        for k, outer in enumerate(found.outer, 1):
            index = b.binary("add", index, b.binary("mul", self._outer(outer), step(k)))
        return self._along_columns(index, seen, lambda: step(len(found.outer) + 1))

    def _along_columns(self, index: Val, seen: Lying, step: Callable[[], Val]) -> Val:
        """The place in the current row of a window that begins at a place."""
        if not seen.columns:
            return index
        return self.b.binary("add", index, self.j if self.region.split else self._element())

    def _element(self) -> Val:
        """The place of the current element, or of the first lane's."""
        return self.b.binary("add", self.start, self.j)

    def _outer(self, found: tuple[int, int]) -> Val:
        """The place of the current row along a range of the outer axes."""
        b, (first, last), end = self.b, found, self.region.cut.first
        k = self._outer_row()
        if last < end:
            k = b.binary("udiv", k, self.e.number(b, axes(last, end)))
        return b.binary("urem", k, self.e.number(b, axes(first, last))) if first > 0 else k

    def _outer_row(self) -> Val:
        """The place of the current row along all outer axes."""
        return self.row

    def _kept_at(self, node: Node) -> tuple[Val, Val | None]:
        """Where an element of the row is kept, and which lanes may be."""
        home = self._home(node)
        if home is None:
            return self._own_place(node), None
        return self.e.at(self.b, self.e.pointer(self.b, home), self._element(), node.dtype), self.mask

    def _home(self, node: Node) -> int | None:
        """The result in whose memory an element is kept."""
        return self.phase.homes.get(node.id)

    def _own_place(self, node: Node) -> Val:
        """Where an element of the row is kept that has memory of its own."""
        b = self.b
        t = type_of(node.dtype)
        # Rounded up to whole vectors, so that it is read and written without masks.
        room = b.binary("add", self.e.number(b, "columns"), const(b.width, "i64"))
        if node.id not in self.own_rows:
            rows = self.e.number(b, "block") if self.phase.sweeps else const(1, "i64")
            self.own_rows[node.id] = elements(b, t, b.binary("mul", rows, room))
        index = b.binary("add", b.binary("mul", self.row_in_block, room), self.j)
        return self.e.at(b, self.own_rows[node.id], index, t)

    def _keep(self, node: Node) -> None:
        b = self.b
        v = b.splat(self.env[node.id])
        self.own_ranges[node.id] = b.range(v)
        p, mask = self._kept_at(node)
        masked_store_raw(b, v, p, v.type, mask)

    def _load_kept(self, node: Node) -> Val:
        b = self.b
        p, mask = self._kept_at(node)
        v = masked_load(b, p, type_of(node.dtype), mask, changes=True)
        return b.know(v, self.own_ranges[node.id])

    def _element_root(self, node: Node) -> None:
        """Write an element."""
        b, e = self.b, self.e
        v = b.splat(self.env[node.id])
        x = node.result
        index = self._element() if x.window is None else self._index_of(x, self.seen(x.shape, node), node)
        p = e.at(b, e.pointer(b, x.memory), index, node.dtype)
        masked_store(b, v, p, node.dtype, self.mask, past=self.past.get(node.id, 0))

    def _reduced(self, node: Node) -> Val:
        """What a reduction gathers in the current place."""
        return self.read(node.operands[0], node)

    def _add_to_several(self, node: Node, k: Val, v: Val) -> None:
        """Take a partial result into one of several that the chunk has."""
        b, kind = self.b, self.e.accumulator(node)
        p = self.e.at(b, self.column_base(node), k, kind.type)
        old = b.effect(f"load {kind.type}, ptr {p.text}, align 1", kind.type, False)
        b.line(f"store {b.typed(kind.merge(b, old, v))}, ptr {p.text}, align 1")


def scans(one: Pass) -> list[Node]:
    """The scans of a pass."""
    return [node for node in one.elements if is_scan(node)]


def is_backward(one: Pass) -> bool:
    """Whether a pass goes from the end: all scans of a region run one way."""
    return any(node.attrs["backward"] for node in scans(one))


def _instructions(node: Node) -> int:
    """How many instructions an element takes, roughly."""
    rule = rule_of(node.op)
    return 1 if rule is None else rule.cost
