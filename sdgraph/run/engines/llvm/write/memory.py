"""A loop, and reading and writing memory by lanes, as IR. Must not know ops, regions or plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const, type_of
from sdgraph.run.engines.llvm.scalars.narrow import load_half, store_half

Places = Sequence[tuple[Val, Val | None]]
"""Where vectors begin, each with the lanes that count, or None for all."""


def memory_type(dtype: np.dtype[Any]) -> str:
    """The LLVM type of an element in memory."""
    if dtype.char == "e":
        return "i16"
    return "i8" if dtype.kind == "b" else type_of(dtype)


def from_memory(b: Builder, v: Val, dtype: np.dtype[Any]) -> Val:
    """A loaded element as a value."""
    if dtype.char == "e":
        return load_half(b, v)
    return b.compare("icmp ne", v, const(0, "i8")) if dtype.kind == "b" else v


def to_memory(b: Builder, v: Val, dtype: np.dtype[Any]) -> Val:
    """A value as an element to store."""
    if dtype.char == "e":
        return store_half(b, v)
    return b.convert("zext", v, "i8") if dtype.kind == "b" else v


def alloca(b: Builder, type_: str, vec: bool) -> str:
    """A local variable; the optimiser keeps it in a register."""
    name = b.fresh("m")
    b.allocas.append(f"  {name} = alloca {b.type(type_, vec)}, align 64")
    return name


def elements(b: Builder, type_: str, n: Val) -> Val:
    """Local memory for as many elements as a number tells that is known when the function begins."""
    name = b.fresh("m")
    b.line(f"{name} = alloca {type_}, i64 {n.text}, align 64", 0)  # No pure instruction: equal ones are two.
    return Val(name, "ptr", False, 0)


def array(b: Builder, type_: str, n: int) -> str:
    """Local memory for n vectors; the optimiser keeps it in registers where all numbers of vectors are known."""
    name = b.fresh("m")
    b.allocas.append(f"  {name} = alloca [{n} x {b.type(type_, True)}], align 64")
    return name


def element(b: Builder, place: Val, type_: str, u: Val) -> Val:
    """The address of a vector of an array."""
    text = f"getelementptr {b.type(type_, True)}, ptr {place.text}, i64 {u.text}"
    return b.instruction(text, "ptr", False, place, u)


def iota(b: Builder, t: str = "i32") -> str:
    """The lanes' numbers."""
    return "<" + ", ".join(f"{t} {k}" for k in range(b.width)) + ">"


def smaller(b: Builder, x: Val, y: Val) -> Val:
    """The smaller of two integers."""
    return b.select(b.compare("icmp slt", x, y), x, y)


def lanes_below(b: Builder, j: Val, end: Val) -> Val:
    """Which lanes of a vector that starts at ``j`` lie before ``end``."""
    left = smaller(b, b.binary("sub", end, j), const(b.width, "i64"))
    return b.compare("icmp ult", Val(iota(b), "i32", True, 0), b.splat(b.convert("trunc", left, "i32")))


def _suffix(b: Builder, t: str) -> str:
    return f"v{b.width}" + (f"f{FLOAT_BITS[t]}" if t in FLOAT_BITS else t)


def masked_load(b: Builder, p: Val, t: str, mask: Val | None, *, changes: bool = False) -> Val:
    """Lanes from consecutive elements; masked ones are 0. ``changes`` tells that this function writes there."""
    full, bits = b.type(t, True), f"<{b.width} x i1>"
    if mask is None:
        text = f"load {full}, ptr {p.text}, align 1"
        return b.effect(text, t, True) if changes else b.instruction(text, t, True, p)
    symbol = f"@llvm.masked.load.{_suffix(b, t)}.p0"
    b.declare(f"declare {full} {symbol}(ptr, i32, {bits}, {full})")
    text = f"call {full} {symbol}(ptr {p.text}, i32 1, {bits} {mask.text}, {full} zeroinitializer)"
    return b.effect(text, t, True) if changes else b.instruction(text, t, True, p, mask)


def gather(b: Builder, base: Val, places: Val, t: str, mask: Val | None) -> Val:
    """Lanes from elements anywhere; masked ones are 0."""
    full, bits, pointers = b.type(t, True), f"<{b.width} x i1>", b.type("ptr", True)
    text = f"getelementptr {t}, ptr {base.text}, {b.typed(places)}"
    at = b.instruction(text, "ptr", True, base, places)
    mask = b.splat(const(1, "i1")) if mask is None else mask
    symbol = f"@llvm.masked.gather.{_suffix(b, t)}.v{b.width}p0"
    b.declare(f"declare {full} {symbol}({pointers}, i32, {bits}, {full})")
    text = f"call {full} {symbol}({pointers} {at.text}, i32 1, {bits} {mask.text}, {full} zeroinitializer)"
    return b.instruction(text, t, True, at, mask)


def masked_store_raw(b: Builder, v: Val, p: Val, t: str, mask: Val | None, *, past: int = 0) -> None:
    """Lanes to consecutive elements: past the caches where ``past`` tells how these are aligned, and none is masked."""
    full, bits = b.type(t, True), f"<{b.width} x i1>"
    if mask is None:
        how = f"align {past}, !nontemporal !{{i32 1}}" if past else "align 1"
        b.line(f"store {b.typed(v)}, ptr {p.text}, {how}")
        return
    symbol = f"@llvm.masked.store.{_suffix(b, t)}.p0"
    b.declare(f"declare void {symbol}({full}, ptr, i32, {bits})")
    b.line(f"call void {symbol}({full} {v.text}, ptr {p.text}, i32 1, {bits} {mask.text})")


def masked_store(b: Builder, v: Val, p: Val, dtype: np.dtype[Any], mask: Val | None, *, past: int = 0) -> None:
    """A value to consecutive elements of a dtype, as `masked_store_raw` does it."""
    masked_store_raw(b, to_memory(b, v, dtype), p, memory_type(dtype), mask, past=past)


def publish(b: Builder) -> None:
    """Let other threads see what was stored past the caches: that is not ordered as other stores are."""
    b.line("fence seq_cst")


def loop(b: Builder, start: Val, end: Val, step: int | Val, body: Callable[[Val], None]) -> None:
    """``for (i = start; i < end; i += step) body(i)``; what ``body`` emits for outer scopes stands before it."""
    n = b.fresh("l")[1:]
    b.open(f"{n}.body")
    i = Val(b.fresh("i"), "i64", False, b.depth)
    body(i)
    last, lines = b.label, b.close()
    # The condition stands at the end, so that a turn has one jump.
    b.line(f"%{n}.any = icmp slt i64 {start.text}, {end.text}")
    b.line(f"br i1 %{n}.any, label %{n}.body, label %{n}.done")
    b.lines(
        f"{n}.body:",
        f"  {i.text} = phi i64 [{start.text}, %{b.label}], [%{n}.then, %{last}]",
        *lines,
        f"  %{n}.then = add nsw i64 {i.text}, {step.text if isinstance(step, Val) else step}",
        f"  %{n}.more = icmp slt i64 %{n}.then, {end.text}",
        f"  br i1 %{n}.more, label %{n}.body, label %{n}.done",
        f"{n}.done:",
    )


def either_way(b: Builder, start: Val, end: Val, step: int, body: Callable[[Val], None], *, backward: bool) -> None:
    """The same loop, from the last place to the first if ``backward``.

    The step is a power of two then, and divides ``start``.
    """
    if not backward:
        loop(b, start, end, step, body)
        return
    last = b.binary("and", b.binary("sub", end, const(1, "i64")), const(-step, "i64"))
    both = b.binary("add", start, last)
    loop(b, start, end, step, lambda i: body(b.binary("sub", both, i)))


def repeat(b: Builder, body: Callable[[], Val]) -> None:
    """``do more = body() while (more)``."""
    n = b.fresh("r")[1:]
    b.open(f"{n}.again")
    more = body()
    lines = b.close()
    b.line(f"br label %{n}.again")
    b.lines(f"{n}.again:", *lines, f"  br i1 {more.text}, label %{n}.again, label %{n}.done", f"{n}.done:")


def when(b: Builder, condition: Val, body: Callable[[], None]) -> None:
    """``if (condition) body()``; what ``body`` emits for outer scopes stands before it."""
    n = b.fresh("w")[1:]
    b.open(f"{n}.then")
    body()
    lines = b.close()
    b.line(f"br i1 {condition.text}, label %{n}.then, label %{n}.done")
    b.lines(f"{n}.then:", *lines, f"  br label %{n}.done", f"{n}.done:")


def any_lane(b: Builder, lanes: Val) -> Val:
    """Whether one of the lanes is true."""
    bits = f"<{b.width} x i1>"
    symbol = f"@llvm.vector.reduce.or.v{b.width}i1"
    b.declare(f"declare i1 {symbol}({bits})")
    return b.instruction(f"call i1 {symbol}({bits} {lanes.text})", "i1", False, lanes)


def when_any(b: Builder, lanes: Val, body: Callable[[], None]) -> None:
    """``if (any lane) body()``, for what is rare."""
    when(b, any_lane(b, lanes), body)
