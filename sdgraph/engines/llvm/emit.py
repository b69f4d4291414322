"""Code of one region as LLVM IR: for each phase a loop function and a function that finishes its sums.

A loop function works on a range of chunks: fixed parts of the space, so that every sum is added in the same order
however many threads share the chunks. Lanes are columns, or rows where rows are short. All functions take one block of
numbers and pointers; sizes are numbers in it, so one code serves all sizes. Must not know plans or how code is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.engines.llvm.builder import FLOAT_BITS, Builder, Val, const, type_of
from sdgraph.engines.llvm.memory import (
    alloca,
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
from sdgraph.engines.llvm.narrow import half_of_double
from sdgraph.engines.llvm.phases import Pass, Phase, schedule
from sdgraph.engines.llvm.region import COLUMN, ELEMENT, ONCE, ROW, Node, Operand, Region, access, size_of
from sdgraph.engines.llvm.scalar_ops import emit as emit_op
from sdgraph.engines.llvm.scalar_ops import maximum, minimum

CHUNK = 8192
"""Elements that one accumulator sums up before it is combined with the others."""
SHORT_ROW = 32
"""Rows up to this length lie across lanes: each lane works on a row of its own."""
_MOST_COLUMN_CHUNKS = 32

_LITERALS = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0)
"""Numbers written into the code, because they allow shortcuts; all others are numbers in the block."""


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
    short_rows: bool


def rows_and_columns(region: Region) -> tuple[int, int]:
    """The sizes of a region's space: ``(0, n)`` without a split."""
    dims = region.dims or ()
    return (size_of(dims[: region.split]), size_of(dims[region.split :])) if region.split else (0, size_of(dims))


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
    if columns <= SHORT_ROW:
        per_chunk = -(-per_chunk // width) * width
    return {"rows": rows, "columns": columns, "per_chunk": per_chunk, "chunks": -(-rows // per_chunk)}


def generate(
    region: Region,
    dtypes: Mapping[int, np.dtype[Any]],
    constants: Mapping[int, float],
    stored: Sequence[int],
    width: int,
) -> Code:
    """Emit a region. ``constants`` are values known as single numbers, ``stored`` the results others need."""
    emitter = _Emitter(region, dtypes, constants, stored, width)
    return emitter.run()


class _Emitter:
    def __init__(
        self,
        region: Region,
        dtypes: Mapping[int, np.dtype[Any]],
        constants: Mapping[int, float],
        stored: Sequence[int],
        width: int,
    ) -> None:
        self.region = region
        self.dtypes = dtypes
        self.constants = constants
        self.width = width
        self.made = {n.id: n for n in region.nodes}
        self.stored = {v for v in stored if region.level[v] in (ELEMENT, ROW)}
        self.across = bool(region.split) and rows_and_columns(region)[1] <= SHORT_ROW
        self.numbers: dict[Any, int] = {}
        self.pointers: dict[Pointer, int] = {}
        self.scratch: list[str] = []
        self.reductions: dict[int, int] = {}
        """Place of each reduction's partial results."""
        self.plan, self.after = schedule(region, self.stored)

    def run(self) -> Code:
        """All functions of the region."""
        bodies: list[tuple[str, Callable[[Builder], None]]] = [("f0", lambda b: self._finish(b, None, 0))]
        for k, phase in enumerate(self.plan):
            bodies.append((f"k{k + 1}", lambda b, p=phase: _Loops(self, b, p).emit()))
            bodies.append((f"f{k + 1}", lambda b, p=phase, k=k: self._finish(b, p, k + 1)))
        builders = []
        for name, body in bodies:
            b = Builder(self.width)
            body(b)
            builders.append((name, b))
        whole = self._run_all()
        # Numbers and pointers are counted while functions are emitted; their places are final only now.
        at = len(self.numbers)
        declarations: dict[str, str] = {}
        functions = []
        for name, b in builders:
            declarations.update(b.intrinsics)
            ranges = ", i64 %lo, i64 %hi" if name[0] == "k" else ""
            lines = [*b.allocas, *b.scopes[0].lines, "  ret void"]
            functions.append(f"define void @.{name}(ptr %a{ranges}) {{\nentry:\n" + "\n".join(lines) + "\n}")
        text = "\n".join([*declarations, *functions, whole])
        text = re.sub(r"<pointer (\d+)>", lambda m: str(at + int(m[1])), text)
        return Code(
            text,
            len(self.plan),
            tuple(self.numbers),
            tuple(self.pointers),
            tuple(self.scratch),
            self.across,
        )

    def _run_all(self) -> str:
        calls = ["  call void @.f0(ptr %a)"]
        for k in range(1, len(self.plan) + 1):
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
        p = b.instruction(f"getelementptr i64, ptr %a, i64 <pointer {k}>", "ptr", False)
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
            if number in _LITERALS and (number != 0 or np.signbit(number) == 0):
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

    def _combined(self, b: Builder, node: Node) -> Val:
        kind = accumulator(node)
        base = self.partial_base(b, node)
        acc = alloca(b, kind.type, False)
        b.line(f"store {b.typed(kind.identity)}, ptr {acc}")
        chunks = self.number(b, "chunks")

        def body(c: Val) -> None:
            p = self.at(b, base, c, kind.type)
            v = b.effect(f"load {kind.type}, ptr {p.text}, align 1", kind.type, False)
            old = b.effect(f"load {kind.type}, ptr {acc}", kind.type, False)
            b.line(f"store {b.typed(kind.combine(b, v, old))}, ptr {acc}")

        loop(b, const(0, "i64"), chunks, 1, body)
        return narrowed(b, b.effect(f"load {kind.type}, ptr {acc}", kind.type, False), node.dtype)

    def _combine_columns(self, b: Builder, node: Node) -> None:
        kind = accumulator(node)
        base, out = self.partial_base(b, node), self.pointer(b, node.id)
        columns, chunks = self.number(b, "columns"), self.number(b, "chunks")
        acc = alloca(b, kind.type, True)
        full = b.type(kind.type, True)

        def over_columns(j: Val) -> None:
            mask = lanes_below(b, j, columns)
            b.line(f"store {b.typed(b.splat(kind.identity))}, ptr {acc}")

            def over_chunks(c: Val) -> None:
                index = b.binary("add", b.binary("mul", c, columns), j)
                v = masked_load(b, self.at(b, base, index, kind.type), kind.type, mask)
                old = b.effect(f"load {full}, ptr {acc}", kind.type, True)
                b.line(f"store {b.typed(kind.combine(b, v, old))}, ptr {acc}")

            loop(b, const(0, "i64"), chunks, 1, over_chunks)
            total = narrowed(b, b.effect(f"load {full}, ptr {acc}", kind.type, True), node.dtype)
            masked_store(b, total, self.at(b, out, j, node.dtype), node.dtype, mask)

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
        self.chunk_acc: dict[int, tuple[str, bool]] = {}
        self.chunk: Val = const(0, "i64")

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
            kind = accumulator(node)
            if self.region.level[node.id] == COLUMN:
                base = self.column_base(node)
                columns = self.e.number(b, "columns")

                def clear(j: Val, base: Val = base, columns: Val = columns, kind: _Kind = kind) -> None:
                    p = self.e.at(b, base, j, kind.type)
                    zero = b.splat(kind.identity)
                    masked_store_raw(b, zero, p, kind.type, lanes_below(b, j, columns))

                loop(b, const(0, "i64"), columns, b.width, clear)
                continue
            vec = self.across or self.region.works[node.id] == ELEMENT
            acc = alloca(b, kind.type, vec)
            start = b.splat(kind.identity) if vec else kind.identity
            b.line(f"store {b.typed(start)}, ptr {acc}")
            self.chunk_acc[node.id] = acc, vec

    def _end_chunk(self) -> None:
        b = self.b
        for node in self.phase.reductions:
            if self.region.level[node.id] == COLUMN:
                continue
            kind = accumulator(node)
            acc, vec = self.chunk_acc[node.id]
            v = b.effect(f"load {b.type(kind.type, vec)}, ptr {acc}", kind.type, vec)
            p = self.e.at(b, self.e.partial_base(b, node), self.chunk, kind.type)
            b.line(f"store {b.typed(kind.across(b, v) if vec else v)}, ptr {p.text}, align 1")

    def column_base(self, node: Node) -> Val:
        """This chunk's column sums."""
        b = self.b
        offset = b.binary("mul", self.chunk, self.e.number(b, "columns"))
        return self.e.at(b, self.e.partial_base(b, node), offset, accumulator(node).type)

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

    def _pass(self, one: Pass, roots: Sequence[Node]) -> None:
        b = self.b
        accs: dict[int, str] = {}
        for node in one.sums:
            kind = accumulator(node)
            accs[node.id] = alloca(b, kind.type, True)
            b.line(f"store {b.typed(b.splat(kind.identity))}, ptr {accs[node.id]}")

        def body(j: Val) -> None:
            self.j, self.env = j, {}
            if not self.across:
                self.mask = lanes_below(b, j, self.count)
            for node in one.elements:
                self.env[node.id] = self._compute(node)
            for node in one.sums:
                self._accumulate(node, accs[node.id], True, masked=not self.across)
            for node in roots:
                self._element_root(node)

        loop(b, const(0, "i64"), self.count, 1 if self.across else b.width, body)
        for node in one.sums:
            kind = accumulator(node)
            v = b.effect(f"load {b.type(kind.type, True)}, ptr {accs[node.id]}", kind.type, True)
            self.row_env[node.id] = narrowed(b, v if self.across else kind.across(b, v), node.dtype)

    def _element_root(self, node: Node) -> None:
        level = self.region.level[node.id]
        if level == ELEMENT:
            self._store_element(node)
        elif level == COLUMN:
            self._add_to_column(node)
        else:
            self._accumulate(node, *self.chunk_acc[node.id], masked=True)

    def _row_root(self, node: Node) -> None:
        b = self.b
        if node.id in self.chunk_acc:
            acc, vec = self.chunk_acc[node.id]
            self._accumulate(node, acc, vec, masked=vec)
            return
        v = self.row_env[node.id]
        p = self.e.at(b, self.e.pointer(b, node.id), self.row, node.dtype)
        if self.across:
            masked_store(b, b.splat(v), p, node.dtype, self.mask)
        else:
            self.e.store_scalar(b, v, node.dtype, p)

    # ------------------------------------------------------------------ values

    def _compute(self, node: Node) -> Val:
        args = [self.read(x, node) for x in node.operands]
        dtypes = [self.e.dtypes[x.value] for x in node.operands]
        return emit_op(self.b, node.op, args, dtypes, node.dtype, node.attrs)

    def read(self, x: Operand, node: Node) -> Val:
        """An operand of a node in the current row and element."""
        level = self.region.level.get(x.value)
        if level == ELEMENT:
            return self.env[x.value]
        if level == ROW:
            return self.row_env[x.value]
        found = access(x.shape, node.space)
        assert found is not None
        seen = found[0]
        if seen == ONCE:
            return self.e.scalar(self.b, x.value)
        if self.region.works[node.id] == ROW:
            seen = ROW
        cache = self.row_env if seen == ROW else self.env
        key = (x.value, seen)
        if key not in cache:
            cache[key] = self._load(x.value, seen)
        return cache[key]

    def _load(self, value: int, seen: str) -> Val:
        b, e = self.b, self.e
        dtype = e.dtypes[value]
        base = e.pointer(b, value)
        if seen == ELEMENT:
            if self.across:
                p = e.at(b, base, b.binary("add", self.start, self.j), dtype)
                return from_memory(b, gather(b, p, self._row_offsets(), memory_type(dtype), self.mask), dtype)
            p = e.at(b, base, b.binary("add", self.start, self.j), dtype)
            return from_memory(b, masked_load(b, p, memory_type(dtype), self.mask), dtype)
        index = self.row if seen == ROW else self.j
        p = e.at(b, base, index, dtype)
        if (seen == ROW) == self.across:
            return from_memory(b, masked_load(b, p, memory_type(dtype), self.mask), dtype)
        t = memory_type(dtype)
        return from_memory(b, b.instruction(f"load {t}, ptr {p.text}, align 1", t, False, p), dtype)

    def _row_offsets(self) -> Val:
        """How far the rows in the lanes are from the first one, in elements."""
        b = self.b
        count = b.convert("trunc", self.count, "i32")
        offsets = b.binary("mul", Val(iota(b), "i32", True, 0), b.splat(count))
        return b.convert("sext", offsets, "i64")

    def _store_element(self, node: Node) -> None:
        b, e = self.b, self.e
        v = b.splat(self.env[node.id])
        p = e.at(b, e.pointer(b, node.id), b.binary("add", self.start, self.j), node.dtype)
        if self.across:
            scatter(b, to_memory(b, v, node.dtype), p, self._row_offsets(), memory_type(node.dtype), self.mask)
        else:
            masked_store(b, v, p, node.dtype, self.mask)

    def _accumulate(self, node: Node, acc: str, vec: bool, *, masked: bool) -> None:
        b = self.b
        kind = accumulator(node)
        x = node.operands[0]
        v = kind.widen(b, self.read(x, node), self.e.dtypes[x.value])
        if vec:
            v = b.splat(v)
            if masked:
                v = b.select(self.mask, v, kind.identity)
        old = b.effect(f"load {b.type(kind.type, vec)}, ptr {acc}", kind.type, vec)
        b.line(f"store {b.typed(kind.combine(b, v, old))}, ptr {acc}")

    def _add_to_column(self, node: Node) -> None:
        b = self.b
        kind = accumulator(node)
        x = node.operands[0]
        v = b.splat(kind.widen(b, self.read(x, node), self.e.dtypes[x.value]))
        p = self.e.at(b, self.column_base(node), self.j, kind.type)
        if self.across:
            v = kind.across(b, b.select(self.mask, v, kind.identity))
            old = b.effect(f"load {kind.type}, ptr {p.text}, align 1", kind.type, False)
            b.line(f"store {b.typed(kind.combine(b, v, old))}, ptr {p.text}, align 1")
        else:
            old = masked_load(b, p, kind.type, self.mask, changes=True)
            masked_store_raw(b, kind.combine(b, v, old), p, kind.type, self.mask)


# ---------------------------------------------------------------------- accumulators


class _Kind(NamedTuple):
    """How one reduction accumulates: sums of floats in double, of integers in i64, extremes as they are, widened."""

    type: str
    identity: Val
    combine: Callable[[Builder, Val, Val], Val]
    across: Callable[[Builder, Val], Val]
    widen: Callable[[Builder, Val, np.dtype[Any]], Val]


def accumulator(node: Node) -> _Kind:
    """The accumulator of a reduction."""
    floating = node.dtype.kind == "f"
    t = "double" if floating else "i64"
    if node.reduce == "sum":
        identity = const(0, t)
        op = "fadd" if floating else "add"
        return _Kind(t, identity, lambda b, v, old: b.binary(op, old, v), _sum_lanes, widened)
    pick = maximum if node.reduce == "max" else minimum
    if floating:
        identity = const(float("-inf") if node.reduce == "max" else float("inf"), t)
    else:
        identity = const(-(2**63) if node.reduce == "max" else 2**63 - 1, t)

    def combine(b: Builder, v: Val, old: Val) -> Val:
        if not floating:
            return pick(b, v, old)
        order = "ogt" if node.reduce == "max" else "olt"
        better = b.binary("or", b.compare(f"fcmp {order}", v, old), b.compare("fcmp uno", v, v))
        return b.select(better, v, old)

    return _Kind(t, identity, combine, lambda b, v: _fold_lanes(b, v, combine), widened)


def widened(b: Builder, v: Val, dtype: np.dtype[Any]) -> Val:
    """A value in the type that it is accumulated in."""
    if dtype.kind == "f":
        return b.convert("fpext", v, "double") if v.type == "float" else v
    if v.type == "i64":
        return v
    return b.convert("zext" if dtype.kind in "bu" else "sext", v, "i64")


def narrowed(b: Builder, v: Val, dtype: np.dtype[Any]) -> Val:
    """An accumulated value in the dtype of the result."""
    if dtype.char == "e":
        return half_of_double(b, v)
    t = type_of(dtype)
    if v.type == t:
        return v
    return b.convert("fptrunc" if t in FLOAT_BITS else "trunc", v, t)


def _sum_lanes(b: Builder, v: Val) -> Val:
    full = b.type(v.type, True)
    if v.type in FLOAT_BITS:
        symbol = f"@llvm.vector.reduce.fadd.v{b.width}f{FLOAT_BITS[v.type]}"
        b.declare(f"declare {v.type} {symbol}({v.type}, {full})")
        return b.instruction(f"call reassoc {v.type} {symbol}({v.type} 0.0, {full} {v.text})", v.type, False, v)
    symbol = f"@llvm.vector.reduce.add.v{b.width}{v.type}"
    b.declare(f"declare {v.type} {symbol}({full})")
    return b.instruction(f"call {v.type} {symbol}({full} {v.text})", v.type, False, v)


def _fold_lanes(b: Builder, v: Val, combine: Callable[[Builder, Val, Val], Val]) -> Val:
    step = b.width // 2
    full = b.type(v.type, True)
    while step:
        order = [(k + step) % b.width for k in range(b.width)]
        lanes = f"<{b.width} x i32> <{', '.join(f'i32 {k}' for k in order)}>"
        moved = b.instruction(f"shufflevector {full} {v.text}, {full} poison, {lanes}", v.type, True, v)
        v = combine(b, moved, v)
        step //= 2
    return b.instruction(f"extractelement {full} {v.text}, i32 0", v.type, False, v)
