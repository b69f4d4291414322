"""Loops, and reading and writing memory by lanes, as IR. Must not know ops, regions or plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const, type_of
from sdgraph.run.engines.llvm.scalars.narrow import load_half, store_half


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


def array(b: Builder, type_: str, n: int) -> str:
    """Local memory for n vectors."""
    name = b.fresh("m")
    b.allocas.append(f"  {name} = alloca [{n} x {b.type(type_, True)}], align 64")
    return name


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


def masked_load(b: Builder, p: Val, t: str, mask: Val, *, changes: bool = False) -> Val:
    """Lanes from consecutive elements; masked ones are 0. ``changes`` tells that this function writes there."""
    full, bits = b.type(t, True), f"<{b.width} x i1>"
    symbol = f"@llvm.masked.load.{_suffix(b, t)}.p0"
    b.declare(f"declare {full} {symbol}(ptr, i32, {bits}, {full})")
    text = f"call {full} {symbol}(ptr {p.text}, i32 1, {bits} {mask.text}, {full} zeroinitializer)"
    return b.effect(text, t, True) if changes else b.instruction(text, t, True, p, mask)


def masked_store_raw(b: Builder, v: Val, p: Val, t: str, mask: Val) -> None:
    """Lanes to consecutive elements."""
    full, bits = b.type(t, True), f"<{b.width} x i1>"
    symbol = f"@llvm.masked.store.{_suffix(b, t)}.p0"
    b.declare(f"declare void {symbol}({full}, ptr, i32, {bits})")
    b.line(f"call void {symbol}({full} {v.text}, ptr {p.text}, i32 1, {bits} {mask.text})")


def masked_store(b: Builder, v: Val, p: Val, dtype: np.dtype[Any], mask: Val) -> None:
    """A value to consecutive elements of a dtype."""
    masked_store_raw(b, to_memory(b, v, dtype), p, memory_type(dtype), mask)


def _addresses(b: Builder, p: Val, offsets: Val, t: str) -> Val:
    text = f"getelementptr {t}, ptr {p.text}, {b.typed(offsets)}"
    return b.instruction(text, "ptr", True, p, offsets)


def gather(b: Builder, p: Val, offsets: Val, t: str, mask: Val) -> Val:
    """Lanes from elements at offsets from ``p``."""
    full, bits, places = b.type(t, True), f"<{b.width} x i1>", f"<{b.width} x ptr>"
    symbol = f"@llvm.masked.gather.{_suffix(b, t)}.v{b.width}p0"
    b.declare(f"declare {full} {symbol}({places}, i32, {bits}, {full})")
    at = _addresses(b, p, offsets, t).text
    text = f"call {full} {symbol}({places} {at}, i32 1, {bits} {mask.text}, {full} zeroinitializer)"
    return b.instruction(text, t, True, p, offsets, mask)


def scatter(b: Builder, v: Val, p: Val, offsets: Val, t: str, mask: Val) -> None:
    """Lanes to elements at offsets from ``p``."""
    full, bits, places = b.type(t, True), f"<{b.width} x i1>", f"<{b.width} x ptr>"
    symbol = f"@llvm.masked.scatter.{_suffix(b, t)}.v{b.width}p0"
    b.declare(f"declare void {symbol}({full}, {places}, i32, {bits})")
    at = _addresses(b, p, offsets, t).text
    b.line(f"call void {symbol}({full} {v.text}, {places} {at}, i32 1, {bits} {mask.text})")


def loop(b: Builder, start: Val, end: Val, step: int, body: Callable[[Val], None]) -> None:
    """``for (i = start; i < end; i += step) body(i)``; what ``body`` emits for outer scopes stands before it."""
    b.open()
    counter = alloca(b, "i64", False)
    i = Val(b.fresh("i"), "i64", False, b.depth)
    body(i)
    lines = b.close()
    n = b.fresh("l")[1:]
    following = b.fresh("i")
    for text in (f"store i64 {start.text}, ptr {counter}", f"br label %{n}.head"):
        b.line(text)
    b.scopes[b.depth].lines += [
        f"{n}.head:",
        f"  {i.text} = load i64, ptr {counter}",
        f"  %{n}.c = icmp slt i64 {i.text}, {end.text}",
        f"  br i1 %{n}.c, label %{n}.body, label %{n}.done",
        f"{n}.body:",
        *lines,
        f"  {following} = add nsw i64 {i.text}, {step}",
        f"  store i64 {following}, ptr {counter}",
        f"  br label %{n}.head",
        f"{n}.done:",
    ]
