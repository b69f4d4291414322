"""Code of one region as LLVM IR: for each phase a loop function and a function that finishes its sums.

A loop function works on a range of chunks: fixed parts of the space, so that every sum is added in the same order
however many threads share the chunks. Lanes are columns, or rows where rows are short. All functions take one block of
numbers and pointers; sizes are numbers in it, so one code serves all sizes. Must not know plans or how code is run.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines.llvm.divide.phases import Pass, Phase, schedule
from sdgraph.run.engines.llvm.divide.region import (
    COLUMN,
    COLUMN_INDEX,
    ELEMENT,
    ONCE,
    ROW,
    Node,
    Operand,
    Region,
    access,
    counted,
    is_literal,
    size_of,
)
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const, type_of
from sdgraph.run.engines.llvm.scalars.scalar_ops import emit as emit_op
from sdgraph.run.engines.llvm.write.accumulators import Accumulator, State, Variable, accumulator
from sdgraph.run.engines.llvm.write.memory import (
    array,
    from_memory,
    gather,
    iota,
    lanes_below,
    loop,
    masked_load,
    masked_store,
    masked_store_raw,
    memory_type,
    scatter,
    smaller,
    to_memory,
)

CHUNK = 8192
"""Elements that one accumulator sums up before it is combined with the others."""
SHORT_ROW = 32
"""Rows up to this length lie across lanes: each lane works on a row of its own."""
_MOST_COLUMN_CHUNKS = 32


_POINTER = "<pointer {}>"
"""Stands for a pointer's place while functions are written: pointers come after the numbers, which are counted then."""


def _with_pointers(text: str, numbers: int) -> str:
    """The code with the places of pointers, now that there are that many numbers before them."""
    return re.sub(_POINTER.format(r"(\d+)"), lambda m: str(numbers + int(m[1])), text)


class Pointer(NamedTuple):
    """A place in memory that the code reads or writes."""

    value: int
    """Id of a value, or -1 for scratch memory of this region."""
    scratch: int
    """Which scratch memory."""


class Code(NamedTuple):
    """The IR of a region and the block it expects: numbers first, then pointers."""

    text: str
    phases: int
    numbers: tuple[Any, ...]
    """Names of sizes (``"n"``, ``"rows"``, ``"columns"``, ``"per_chunk"``, ``"chunks"``), or ids of constants."""
    pointers: tuple[Pointer, ...]
    scratch: tuple[str, ...]
    """Per scratch memory what it holds: ``"sums"`` (8 bytes per chunk) or ``"columns"`` (8 per chunk and column)."""


def rows_and_columns(region: Region) -> tuple[int, int]:
    """The sizes of a region's space: ``(0, n)`` without a split."""
    dims = region.dims or ()
    return (size_of(dims[: region.split]), size_of(dims[region.split :])) if region.split else (0, size_of(dims))


def short_rows(region: Region) -> bool:
    """Whether lanes are rows, not columns."""
    return bool(region.split) and rows_and_columns(region)[1] <= SHORT_ROW


def sizes(region: Region, width: int) -> dict[str, int]:
    """The numbers that describe this region's space, and how it is cut into chunks."""
    rows, columns = rows_and_columns(region)
    if region.dims is None:
        return {"chunks": 0, "n": 0}
    if not region.split:
        return {"n": columns, "chunks": -(-columns // CHUNK), "per_chunk": CHUNK}
    per_chunk = max(1, CHUNK // max(columns, 1))
    if COLUMN in region.level.values():
        per_chunk = max(per_chunk, -(-rows // _MOST_COLUMN_CHUNKS))
    if short_rows(region):
        per_chunk = -(-per_chunk // width) * width
    return {"rows": rows, "columns": columns, "per_chunk": per_chunk, "chunks": -(-rows // per_chunk)}


def generate(
    region: Region,
    dtypes: Mapping[int, np.dtype[Any]],
    constants: Mapping[int, float],
    stored: Sequence[int],
    width: int,
    features: Collection[str] = (),
) -> Code:
    """Emit a region. ``constants`` are values known as single numbers, ``stored`` the results others need."""
    emitter = _Emitter(region, dtypes, constants, stored, width, features)
    return emitter.run()


class _Emitter:
    def __init__(
        self,
        region: Region,
        dtypes: Mapping[int, np.dtype[Any]],
        constants: Mapping[int, float],
        stored: Sequence[int],
        width: int,
        features: Collection[str],
    ) -> None:
        self.features = features
        self.region = region
        self.dtypes = dtypes
        self.constants = constants
        self.width = width
        self.made = {n.id: n for n in region.nodes}
        self.stored = {v for v in stored if region.level[v] in (ELEMENT, ROW)}
        self.across = short_rows(region)
        self.numbers: dict[Any, int] = {}
        self.pointers: dict[Pointer, int] = {}
        self.scratch: list[str] = []
        self.reductions: dict[int, int] = {}
        """Place of each reduction's partial results."""
        divisors = Counter(n.operands[1].value for n in region.nodes if n.op == "math.div")
        self.divisors = {v for v, uses in divisors.items() if uses > 1}
        """Of the whole region: an element that is computed again must have the same bits, since maxima are compared."""
        self.phases, self.after = schedule(region, self.stored)

    def run(self) -> Code:
        """All functions of the region."""
        bodies: list[tuple[str, Callable[[Builder], None]]] = [("f0", lambda b: self._finish(b, None, 0))]
        for k, phase in enumerate(self.phases):
            bodies.append((f"k{k + 1}", lambda b, p=phase: _Loops(self, b, p).emit()))
            bodies.append((f"f{k + 1}", lambda b, p=phase, k=k: self._finish(b, p, k + 1)))
        builders = []
        for name, body in bodies:
            b = Builder(self.width, self.features)
            body(b)
            builders.append((name, b))
        whole = self._run_all()
        declarations: dict[str, str] = {}
        functions = []
        for name, b in builders:
            declarations.update(b.intrinsics)
            ranges = ", i64 %lo, i64 %hi" if name[0] == "k" else ""
            lines = [*b.allocas, *b.scopes[0].lines, "  ret void"]
            functions.append(f"define void @.{name}(ptr %a{ranges}) {{\nentry:\n" + "\n".join(lines) + "\n}")
        text = "\n".join([*declarations, *functions, whole])
        return Code(
            sys.intern(_with_pointers(text, len(self.numbers))),  # Other regions may have the same, which is long.
            len(self.phases),
            tuple(self.numbers),
            tuple(self.pointers),
            tuple(self.scratch),
        )

    def _run_all(self) -> str:
        calls = ["  call void @.f0(ptr %a)"]
        for k in range(1, len(self.phases) + 1):
            calls += [f"  call void @.k{k}(ptr %a, i64 0, i64 %n)", f"  call void @.f{k}(ptr %a)"]
        at = self.number_at("chunks")
        load = [f"  %p = getelementptr i64, ptr %a, i64 {at}", "  %n = load i64, ptr %p"]
        return "define void @.run(ptr %a) {\nentry:\n" + "\n".join([*load, *calls, "  ret void"]) + "\n}"

    # ------------------------------------------------------------------ the block

    def number_at(self, key: Any) -> int:
        """The place of a number in the block."""
        return self.numbers.setdefault(key, len(self.numbers))

    def number(self, b: Builder, key: Any, type_: str = "i64") -> Val:
        """A number of the block."""
        p = b.instruction(f"getelementptr i64, ptr %a, i64 {self.number_at(key)}", "ptr", False)
        return b.instruction(f"load {type_}, ptr {p.text}, align 1", type_, False, p)

    def pointer(self, b: Builder, value: int, scratch: int = -1) -> Val:
        """A pointer of the block."""
        k = self.pointers.setdefault(Pointer(value, scratch), len(self.pointers))
        p = b.instruction(f"getelementptr i64, ptr %a, i64 {_POINTER.format(k)}", "ptr", False)
        return b.instruction(f"load ptr, ptr {p.text}, align 1", "ptr", False, p)

    def new_scratch(self, what: str) -> int:
        """Scratch memory of this region."""
        self.scratch.append(what)
        return len(self.scratch) - 1

    def at(self, b: Builder, base: Val, index: Val, dtype: np.dtype[Any] | str) -> Val:
        """The address of an element."""
        t = dtype if isinstance(dtype, str) else memory_type(dtype)
        return b.instruction(f"getelementptr {t}, ptr {base.text}, i64 {index.text}", "ptr", False, base, index)

    def scalar(self, b: Builder, value: int, *, fresh: bool = False) -> Val:
        """A value that is one number: literal, number of the block, or memory."""
        dtype = self.dtypes[value]
        t = type_of(dtype)
        if value in self.constants:
            number = self.constants[value]
            if is_literal(number):
                return const(number, t)
            if dtype.kind == "f":
                v = self.number(b, ("constant", value), "double")
                return v if t == "double" else b.convert("fptrunc", v, t)
            v = self.number(b, ("constant", value))
            return v if t == "i64" else b.convert("trunc", v, t)
        p = self.pointer(b, value)
        load = f"load {memory_type(dtype)}, ptr {p.text}, align 1"
        v = b.effect(load, memory_type(dtype), False) if fresh else b.instruction(load, memory_type(dtype), False, p)
        return from_memory(b, v, dtype)

    def store_scalar(self, b: Builder, v: Val, dtype: np.dtype[Any], p: Val) -> None:
        """Write one number in the innermost scope."""
        v = to_memory(b, v, dtype)
        b.line(f"store {b.typed(v)}, ptr {p.text}, align 1")

    # ------------------------------------------------------------------ after the loops

    def _finish(self, b: Builder, phase: Phase | None, k: int) -> None:
        """Combine the chunks' partial results, then compute what is one number altogether."""
        env: dict[int, Val] = {}
        for node in phase.reductions if phase is not None else ():
            if self.region.level[node.id] == ONCE:
                env[node.id] = self._combined(b, node)
                self.store_scalar(b, env[node.id], node.dtype, self.pointer(b, node.id))
            elif self.region.level[node.id] == COLUMN:
                self._combine_columns(b, node)
        for node in self.region.nodes:
            if self.region.works[node.id] != ONCE or self.after[node.id] != k:
                continue
            args = [env[x.value] if x.value in env else self.scalar(b, x.value, fresh=True) for x in node.operands]
            dtypes = [self.dtypes[x.value] for x in node.operands]
            env[node.id] = emit_op(b, "cast" if node.reduce else node.op, args, dtypes, node.dtype, node.attrs)
            self.store_scalar(b, env[node.id], node.dtype, self.pointer(b, node.id))

    def partial_base(self, b: Builder, node: Node) -> Val:
        """Where a reduction's partial results stand."""
        if node.id not in self.reductions:
            column = self.region.level[node.id] == COLUMN
            self.reductions[node.id] = self.new_scratch("columns" if column else "sums")
        return self.pointer(b, -1, self.reductions[node.id])

    def accumulator(self, node: Node) -> Accumulator:
        """How a reduction gathers."""
        assert node.reduce is not None
        return accumulator(node.reduce, self.dtypes[node.operands[0].value], node.dtype)

    def _combined(self, b: Builder, node: Node) -> Val:
        kind = self.accumulator(node)
        base = self.partial_base(b, node)
        total = Variable(b, kind.identity, vec=False)

        def body(c: Val) -> None:
            p = self.at(b, base, c, kind.type)
            v = b.effect(f"load {kind.type}, ptr {p.text}, align 1", kind.type, False)
            total.set(kind.merge(b, total.get(), v))

        loop(b, const(0, "i64"), self.number(b, "chunks"), 1, body)
        return kind.narrow(b, total.get())

    def _combine_columns(self, b: Builder, node: Node) -> None:
        kind = self.accumulator(node)
        base, out = self.partial_base(b, node), self.pointer(b, node.id)
        columns, chunks = self.number(b, "columns"), self.number(b, "chunks")

        def over_columns(j: Val) -> None:
            mask = lanes_below(b, j, columns)
            total = Variable(b, kind.identity, vec=True)

            def over_chunks(c: Val) -> None:
                index = b.binary("add", b.binary("mul", c, columns), j)
                v = masked_load(b, self.at(b, base, index, kind.type), kind.type, mask)
                total.set(kind.merge(b, total.get(), v))

            loop(b, const(0, "i64"), chunks, 1, over_chunks)
            masked_store(b, kind.narrow(b, total.get()), self.at(b, out, j, node.dtype), node.dtype, mask)

        loop(b, const(0, "i64"), columns, self.width, over_columns)


class _Loops:
    """The loop function of one phase."""

    def __init__(self, emitter: _Emitter, b: Builder, phase: Phase) -> None:
        self.e = emitter
        self.b = b
        self.phase = phase
        self.region = emitter.region
        self.across = emitter.across
        self.row: Val = const(0, "i64")
        self.start: Val = const(0, "i64")
        self.count: Val = const(0, "i64")
        self.mask: Val = const(1, "i1")
        self.j: Val = const(0, "i64")
        self.row_env: dict[Any, Val] = {}
        self.env: dict[Any, Val] = {}
        self.chunk_states: dict[int, State] = {}
        self.chunk: Val = const(0, "i64")
        self.read_again = self._read_again() if self.across else set()
        self.kept: dict[int, str] = {}
        """Where values read by gathering lie for later passes."""
        self.this_pass: set[int] = set()

    def emit(self) -> None:
        """Chunks, rows in them, and per row one pass over its elements after another."""
        b = self.b
        lo, hi = Val("%lo", "i64", False, 0), Val("%hi", "i64", False, 0)
        loop(b, lo, hi, 1, self._chunk)

    def _chunk(self, c: Val) -> None:
        b, e = self.b, self.e
        self.chunk = c
        per_chunk = e.number(b, "per_chunk")
        first = b.binary("mul", c, per_chunk)
        total = e.number(b, "rows" if self.region.split else "n")
        last = smaller(b, b.binary("add", first, per_chunk), total)
        self._start_chunk()
        if self.region.split:
            loop(b, first, last, e.width if self.across else 1, lambda r: self._row(r, last))
        else:
            self.start, self.count = first, b.binary("sub", last, first)
            self._passes()
        self._end_chunk()

    def _start_chunk(self) -> None:
        b = self.b
        for node in self.phase.reductions:
            kind = self.e.accumulator(node)
            if self.region.level[node.id] != COLUMN:
                vec = self.across or self.region.works[node.id] == ELEMENT
                self.chunk_states[node.id] = State(b, kind, vec)
                continue
            base = self.column_base(node)
            columns = self.e.number(b, "columns")

            def clear(j: Val, base: Val = base, columns: Val = columns, kind: Accumulator = kind) -> None:
                p = self.e.at(b, base, j, kind.type)
                masked_store_raw(b, b.splat(kind.identity), p, kind.type, lanes_below(b, j, columns))

            loop(b, const(0, "i64"), columns, b.width, clear)

    def _end_chunk(self) -> None:
        b = self.b
        for node in self.phase.reductions:
            if self.region.level[node.id] != COLUMN:
                v = self.chunk_states[node.id].total()
                p = self.e.at(b, self.e.partial_base(b, node), self.chunk, v.type)
                b.line(f"store {b.typed(v)}, ptr {p.text}, align 1")

    def column_base(self, node: Node) -> Val:
        """This chunk's column sums."""
        b = self.b
        offset = b.binary("mul", self.chunk, self.e.number(b, "columns"))
        return self.e.at(b, self.e.partial_base(b, node), offset, self.e.accumulator(node).type)

    # ------------------------------------------------------------------ rows

    def _row(self, r: Val, last: Val) -> None:
        b = self.b
        self.row, self.row_env = r, {}
        self.count = self.e.number(b, "columns")
        self.start = b.binary("mul", r, self.count)
        if self.across:
            self.mask = lanes_below(b, r, last)
        self._passes()

    def _passes(self) -> None:
        phase = self.phase
        for node in phase.first_rows:
            self.row_env[node.id] = self._compute(node)
        for k, one in enumerate(phase.passes):
            roots = phase.element_roots if k == len(phase.passes) - 1 else ()
            if one.sums or roots:
                self._pass(one, roots)
            for node in one.rows:
                self.row_env[node.id] = self._compute(node)
        for node in phase.row_roots:
            self._row_root(node)

    def _read_again(self) -> set[int]:
        """Arrays whose elements more than one pass reads."""
        passes: Counter[int] = Counter()
        last = len(self.phase.passes) - 1
        for k, one in enumerate(self.phase.passes):
            nodes = (*one.elements, *one.sums, *(self.phase.element_roots if k == last else ()))
            operands = ((x, n) for n in nodes for x in n.operands if x.value not in self.region.level)
            passes.update({x.value for x, n in operands if access(x.shape, n.space) == (ELEMENT, 0)})
        return {v for v, uses in passes.items() if uses > 1}

    def _pass(self, one: Pass, roots: Sequence[Node]) -> None:
        b = self.b
        self.this_pass = set()
        states = {node.id: State(b, self.e.accumulator(node), vec=True) for node in one.sums}

        def body(j: Val) -> None:
            self.j, self.env = j, {}
            if not self.across:
                self.mask = lanes_below(b, j, self.count)
            for node in one.elements:
                self.env[node.id] = self._compute(node)
            for node in one.sums:
                states[node.id].take(self._reduced(node), None if self.across else self.mask)
            for node in roots:
                self._element_root(node)

        loop(b, const(0, "i64"), self.count, 1 if self.across else b.width, body)
        for node in one.sums:
            state = states[node.id]
            self.row_env[node.id] = state.kind.narrow(b, state.lanes() if self.across else state.total())

    def _element_root(self, node: Node) -> None:
        level = self.region.level[node.id]
        if level == ELEMENT:
            self._store_element(node)
        elif level == COLUMN:
            self._add_to_column(node)
        else:
            self.chunk_states[node.id].take(self._reduced(node), self.mask)

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
        args = [self.read(x, node) for x in node.operands]
        dtypes = [self.e.dtypes[x.value] for x in node.operands]
        self.b.divisors.update(v.text for v, x in zip(args, node.operands, strict=True) if x.value in self.e.divisors)
        return emit_op(self.b, node.op, args, dtypes, node.dtype, node.attrs)

    def _column_index(self, node: Node) -> Val:
        b = self.b
        seen = self.seen(counted(node), node)
        t = type_of(node.dtype)
        j = self.row if seen == ROW else self.j if seen == COLUMN else b.binary("add", self.start, self.j)
        j = j if t == "i64" else b.convert("trunc", j, t)
        return j if (seen == ROW) != self.across else b.binary("add", b.splat(j), Val(iota(b, t), t, True, 0))

    def read(self, x: Operand, node: Node) -> Val:
        """An operand of a node in the current row and element."""
        level = self.region.level.get(x.value)
        if level == ELEMENT:
            return self.env[x.value]
        if level == ROW:
            return self.row_env[x.value]
        seen = self.seen(x.shape, node)
        if seen == ONCE:
            return self.e.scalar(self.b, x.value)
        cache = self.row_env if seen == ROW else self.env
        key = (x.value, seen)
        if key not in cache:
            cache[key] = self._load(x.value, seen)
        return cache[key]

    def seen(self, shape: tuple[int, ...], node: Node) -> str:
        """The level, in this region, of an array that a node reads in a shape."""
        found = access(shape, node.space)
        assert found is not None
        # All that a node reads which works on rows are rows; its space has no other axes.
        return ROW if self.region.works[node.id] == ROW and found[0] == ELEMENT else found[0]

    def _load(self, value: int, seen: str) -> Val:
        b, e = self.b, self.e
        dtype = e.dtypes[value]
        base = e.pointer(b, value)
        if seen == ELEMENT:
            if self.across:
                return from_memory(b, self._gathered(value, base), dtype)
            p = e.at(b, base, b.binary("add", self.start, self.j), dtype)
            return from_memory(b, masked_load(b, p, memory_type(dtype), self.mask), dtype)
        index = self.row if seen == ROW else self.j
        p = e.at(b, base, index, dtype)
        if (seen == ROW) == self.across:
            return from_memory(b, masked_load(b, p, memory_type(dtype), self.mask), dtype)
        t = memory_type(dtype)
        return from_memory(b, b.instruction(f"load {t}, ptr {p.text}, align 1", t, False, p), dtype)

    def _gathered(self, value: int, base: Val) -> Val:
        """One element of each lane's row. Gathering is slow, so a later pass finds it where an earlier one put it."""
        b, e = self.b, self.e
        t = memory_type(e.dtypes[value])
        full = b.type(t, True)
        first = value not in self.kept
        if value in self.read_again and first:
            self.kept[value] = array(b, t, SHORT_ROW)
            self.this_pass.add(value)
        place = None
        if value in self.read_again:
            p = Val(self.kept[value], "ptr", False, 0)
            place = b.instruction(f"getelementptr {full}, ptr {p.text}, i64 {self.j.text}", "ptr", False, p, self.j)
            if value not in self.this_pass:
                return b.effect(f"load {full}, ptr {place.text}", t, True)
        p = e.at(b, base, b.binary("add", self.start, self.j), e.dtypes[value])
        v = gather(b, p, self._row_offsets(), t, self.mask)
        if place is not None:
            b.line(f"store {b.typed(v)}, ptr {place.text}")
        return v

    def _row_offsets(self) -> Val:
        """How far the rows in the lanes are from the first one, in elements."""
        b = self.b
        count = b.convert("trunc", self.count, "i32")
        return b.binary("mul", Val(iota(b), "i32", True, 0), b.splat(count))

    def _store_element(self, node: Node) -> None:
        b, e = self.b, self.e
        v = b.splat(self.env[node.id])
        p = e.at(b, e.pointer(b, node.id), b.binary("add", self.start, self.j), node.dtype)
        if self.across:
            scatter(b, to_memory(b, v, node.dtype), p, self._row_offsets(), memory_type(node.dtype), self.mask)
        else:
            masked_store(b, v, p, node.dtype, self.mask)

    def _reduced(self, node: Node) -> Val:
        """What a reduction gathers in the current place."""
        return self.read(node.operands[0], node)

    def _add_to_column(self, node: Node) -> None:
        b = self.b
        kind = self.e.accumulator(node)
        v = b.splat(kind.widen(b, self._reduced(node)))
        p = self.e.at(b, self.column_base(node), self.j, kind.type)
        if self.across:
            v = kind.across(b, b.select(self.mask, v, kind.identity))
            old = b.effect(f"load {kind.type}, ptr {p.text}, align 1", kind.type, False)
            b.line(f"store {b.typed(kind.merge(b, old, v))}, ptr {p.text}, align 1")
        else:
            old = masked_load(b, p, kind.type, self.mask, changes=True)
            masked_store_raw(b, kind.merge(b, old, v), p, kind.type, self.mask)
