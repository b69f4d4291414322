"""Loops that take numbers below the smallest normal one for 0, which a CPU computes with a hundred times as slowly.

The CPU is told where a loop begins, and told what it was told before where the loop ends. Must not know loops.
"""

from __future__ import annotations

from collections.abc import Callable

from sdgraph.run.engines.llvm.scalars.builder import Builder

_X86 = 0x8040
"""Of MXCSR the bits for results (FTZ) and operands (DAZ)."""
_ARM = 1 << 24
"""Of FPCR the bit for both (FZ)."""


def without_tiny(b: Builder, body: Callable[[], None]) -> None:
    """Write code in which such numbers are 0; on other CPUs they stay what they are."""
    if "sse2" in b.features:
        before, now = b.fresh(), b.fresh()
        b.allocas += [f"  {before} = alloca i32, align 4", f"  {now} = alloca i32, align 4"]
        b.declare("declare void @llvm.x86.sse.stmxcsr(ptr)")
        b.declare("declare void @llvm.x86.sse.ldmxcsr(ptr)")
        b.line(f"call void @llvm.x86.sse.stmxcsr(ptr {before})")
        old, new = b.fresh(), b.fresh()
        b.line(f"{old} = load i32, ptr {before}")
        b.line(f"{new} = or i32 {old}, {_X86}")
        b.line(f"store i32 {new}, ptr {now}")
        b.line(f"call void @llvm.x86.sse.ldmxcsr(ptr {now})")
        body()
        b.line(f"call void @llvm.x86.sse.ldmxcsr(ptr {before})")
    elif "neon" in b.features:
        old, new = b.fresh(), b.fresh()
        b.declare("declare i64 @llvm.aarch64.get.fpcr()")
        b.declare("declare void @llvm.aarch64.set.fpcr(i64)")
        b.line(f"{old} = call i64 @llvm.aarch64.get.fpcr()")
        b.line(f"{new} = or i64 {old}, {_ARM}")
        b.line(f"call void @llvm.aarch64.set.fpcr(i64 {new})")
        body()
        b.line(f"call void @llvm.aarch64.set.fpcr(i64 {old})")
    else:
        body()
