"""How reductions gather elements: state in registers, partial results in memory, one number in the end.

Floats are summed in double, integers in 64 bits, and truths are counted in lanes of 32 bits. Extremes compare in their
own type and remember apart whether there was a NaN. Must not know loops, regions or plans.
"""

from __future__ import annotations

import abc
from collections.abc import Callable

import numpy as np

from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const, type_of
from sdgraph.run.engines.llvm.scalars.scalar_ops import convert
from sdgraph.run.engines.llvm.write.memory import alloca


class Variable:
    """A local variable that loops change."""

    def __init__(self, b: Builder, start: Val, vec: bool) -> None:
        self.b = b
        self.type, self.vec = start.type, vec
        self.place = alloca(b, start.type, vec)
        self.set(b.splat(start) if vec else start)

    def get(self) -> Val:
        """Its value now."""
        return self.b.effect(f"load {self.b.type(self.type, self.vec)}, ptr {self.place}", self.type, self.vec)

    def set(self, v: Val) -> None:
        """Assign."""
        self.b.line(f"store {self.b.typed(v)}, ptr {self.place}")


class State:
    """What one reduction has gathered so far, per lane or altogether."""

    def __init__(self, b: Builder, kind: Accumulator, vec: bool) -> None:
        self.b, self.kind, self.vec = b, kind, vec
        self.variables = [Variable(b, v, vec) for v in kind.start(vec)]

    def take(self, v: Val, mask: Val | None) -> None:
        """Gather a value; where ``mask`` is given, its lanes only."""
        self.kind.take(self.b, self.variables, self.b.splat(v) if self.vec else v, mask)

    def total(self) -> Val:
        """One number, in the type of partial results."""
        v = self.kind.gathered(self.b, self.variables)
        return self.kind.across(self.b, v) if self.vec else v

    def lanes(self) -> Val:
        """The lanes' results, each for itself."""
        return self.kind.gathered(self.b, self.variables)


class Accumulator(abc.ABC):
    """One way to reduce values of dtype ``operand`` to one of dtype ``out``."""

    type: str
    """LLVM type of partial results in memory."""

    def __init__(self, operand: np.dtype, out: np.dtype) -> None:
        self.operand, self.out = operand, out

    @property
    def identity(self) -> Val:
        """The partial result of nothing."""
        return const(0, self.type)

    def start(self, vec: bool) -> list[Val]:
        """What local variables begin with."""
        return [self.identity]

    @abc.abstractmethod
    def widen(self, b: Builder, v: Val) -> Val:
        """A value in the type of partial results."""

    @abc.abstractmethod
    def merge(self, b: Builder, old: Val, v: Val) -> Val:
        """Two partial results as one."""

    def take(self, b: Builder, state: list[Variable], v: Val, mask: Val | None) -> None:
        """Gather a value."""
        v = self.widen(b, v)
        state[0].set(self.merge(b, state[0].get(), v if mask is None else b.select(mask, v, self.identity)))

    def gathered(self, b: Builder, state: list[Variable]) -> Val:
        """The state as a partial result."""
        return state[0].get()

    def across(self, b: Builder, v: Val) -> Val:
        """All lanes of a partial result as one."""
        return _fold(b, v, lambda x, y: self.merge(b, x, y))

    def narrow(self, b: Builder, v: Val) -> Val:
        """A partial result in the dtype of the result."""
        if self.out.char == "e":
            return convert(b, v, np.dtype("float64" if v.type in FLOAT_BITS else "int64"), self.out)
        t = type_of(self.out)
        if v.type == t:
            return v
        if v.type in FLOAT_BITS:
            return b.convert("fptrunc", v, t)
        return b.convert("sitofp" if t in FLOAT_BITS else "trunc", v, t)


class _FloatSum(Accumulator):
    type = "double"

    def widen(self, b: Builder, v: Val) -> Val:
        return convert(b, v, self.operand, np.dtype("float64"))

    def merge(self, b: Builder, old: Val, v: Val) -> Val:
        return b.binary("fadd", old, v)

    def across(self, b: Builder, v: Val) -> Val:
        # The order among lanes is free, but it is this one for good.
        return _sum_of_lanes(b, v, "reassoc ", f"fadd.v{b.width}f{FLOAT_BITS[v.type]}", f"{v.type} 0.0")


class _IntegerSum(Accumulator):
    type = "i64"

    def widen(self, b: Builder, v: Val) -> Val:
        return v if v.type == "i64" else b.convert("zext" if self.operand.kind in "bu" else "sext", v, "i64")

    def merge(self, b: Builder, old: Val, v: Val) -> Val:
        return b.binary("add", old, v)

    def across(self, b: Builder, v: Val) -> Val:
        return _sum_of_lanes(b, v, "", f"add.v{b.width}{v.type}")


class _Count(_IntegerSum):
    """How many are true. A chunk or row is short enough for 32 bits in each lane."""

    def start(self, vec: bool) -> list[Val]:
        return [const(0, "i32" if vec else "i64")]

    def take(self, b: Builder, state: list[Variable], v: Val, mask: Val | None) -> None:
        if mask is not None:
            v = b.binary("and", mask, v)
        old = state[0].get()
        state[0].set(b.binary("add", old, b.convert("zext", v, old.type)))

    def gathered(self, b: Builder, state: list[Variable]) -> Val:
        v = state[0].get()
        return v if v.type == "i64" else b.convert("zext", v, "i64")


class _FloatExtreme(Accumulator):
    type = "double"

    def __init__(self, operand: np.dtype, out: np.dtype, largest: bool) -> None:
        super().__init__(operand, out)
        self.order = "ogt" if largest else "olt"
        self.worst = float("-inf") if largest else float("inf")

    @property
    def identity(self) -> Val:
        return const(self.worst, "double")

    def start(self, vec: bool) -> list[Val]:
        return [const(self.worst, type_of(self.operand)), const(0, "i1")]

    def widen(self, b: Builder, v: Val) -> Val:
        return v if v.type == "double" else b.convert("fpext", v, "double")

    def merge(self, b: Builder, old: Val, v: Val) -> Val:
        better = b.binary("or", b.compare(f"fcmp {self.order}", v, old), b.compare("fcmp uno", v, v))
        return b.select(better, v, old)

    def take(self, b: Builder, state: list[Variable], v: Val, mask: Val | None) -> None:
        best, bad = state
        if mask is not None:
            v = b.select(mask, v, const(self.worst, v.type))
        old = best.get()
        best.set(b.select(b.compare(f"fcmp {self.order}", v, old), v, old))
        if b.range(v).nan:
            bad.set(b.binary("or", bad.get(), b.compare("fcmp uno", v, v)))

    def gathered(self, b: Builder, state: list[Variable]) -> Val:
        best, bad = (s.get() for s in state)
        return self.widen(b, b.select(bad, const(float("nan"), best.type), best))


class _IntegerExtreme(_IntegerSum):
    def __init__(self, operand: np.dtype, out: np.dtype, largest: bool) -> None:
        super().__init__(operand, out)
        self.largest = largest

    @property
    def identity(self) -> Val:
        return const(-(2**63) if self.largest else 2**63 - 1, "i64")

    def merge(self, b: Builder, old: Val, v: Val) -> Val:
        return b.select(b.compare(f"icmp {'sgt' if self.largest else 'slt'}", v, old), v, old)

    def across(self, b: Builder, v: Val) -> Val:
        return _fold(b, v, lambda x, y: self.merge(b, x, y))


def accumulator(reduction: str, operand: np.dtype, out: np.dtype) -> Accumulator:
    """The way to reduce: ``reduction`` is ``"sum"``, ``"max"`` or ``"min"``."""
    if reduction == "sum":
        if operand.kind == "b":
            return _Count(operand, out)
        return (_FloatSum if out.kind == "f" else _IntegerSum)(operand, out)
    return (_FloatExtreme if out.kind == "f" else _IntegerExtreme)(operand, out, reduction == "max")


def _sum_of_lanes(b: Builder, v: Val, flags: str, name: str, *first: str) -> Val:
    """All lanes added by an intrinsic; ``first`` is what it begins with, where it wants that."""
    full, symbol = b.type(v.type, True), f"@llvm.vector.reduce.{name}"
    b.declare(f"declare {v.type} {symbol}({', '.join([v.type] * len(first) + [full])})")
    operands = ", ".join([*first, f"{full} {v.text}"])
    return b.instruction(f"call {flags}{v.type} {symbol}({operands})", v.type, False, v)


def _fold(b: Builder, v: Val, merge: Callable[[Val, Val], Val]) -> Val:
    """Lanes merged pairwise: halves, then halves of these."""
    step = b.width // 2
    full = b.type(v.type, True)
    while step:
        order = [(k + step) % b.width for k in range(b.width)]
        lanes = f"<{b.width} x i32> <{', '.join(f'i32 {k}' for k in order)}>"
        moved = b.instruction(f"shufflevector {full} {v.text}, {full} poison, {lanes}", v.type, True, v)
        v = merge(v, moved)
        step //= 2
    return b.instruction(f"extractelement {full} {v.text}, i32 0", v.type, False, v)
