"""How reductions gather elements: state in registers, partial results in memory, one number in the end.

Floats are summed in double, integers in 64 bits, and truths are counted in lanes of 32 bits. Extremes compare in their
own type and remember apart whether there was a NaN. Must not know loops, regions or plans.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const, type_of
from sdgraph.run.engines.llvm.scalars.scalar_ops import convert
from sdgraph.run.engines.llvm.write.memory import alloca, any_lane, when_any


class Variable:
    """A local variable that loops change."""

    def __init__(self, b: Builder, start: Val, vec: bool, place: str | None = None) -> None:
        self.b = b
        self.type, self.vec = start.type, vec
        if place is not None:
            self.place = place  # In an array, with the value it has there.
            return
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

    def __init__(self, b: Builder, kind: Accumulator, vec: bool, places: Sequence[str] | None = None) -> None:
        self.b, self.kind, self.vec = b, kind, vec
        starts = kind.start(vec)
        self.variables = [Variable(b, v, vec, p) for v, p in zip(starts, places or [None] * len(starts), strict=True)]

    def clear(self) -> None:
        """Begin anew."""
        for variable, start in zip(self.variables, self.kind.start(self.vec), strict=True):
            variable.set(self.b.splat(start) if self.vec else start)

    def take(self, v: Val, mask: Val | None) -> None:
        """Gather a value; where ``mask`` is given, its lanes only."""
        self.kind.take(self.b, self.variables, self.b.splat(v) if self.vec else v, mask)

    def take_all(self, values: Sequence[tuple[Val, Val | None]]) -> None:
        """Gather several values with their masks."""
        if len(values) == 1:
            self.take(*values[0])
        else:
            self.kind.take_all(self.b, self.variables, [self.b.splat(v) for v, _ in values])

    def total(self) -> Val:
        """One number, in the type of partial results."""
        if self.vec:
            return self.kind.total(self.b, self.variables)
        return self.kind.gathered(self.b, self.variables)

    def lanes(self) -> Val:
        """The lanes' results, each for itself."""
        return self.kind.gathered(self.b, self.variables)

    def doubtful(self) -> Val | None:
        """In which lanes the result may be wrong, or None where none can be."""
        return self.kind.doubtful(self.b, self.variables)


class Merged(State):
    """What several states have gathered, put together lane by lane."""

    def __init__(self, b: Builder, kind: Accumulator) -> None:
        self.b, self.kind, self.vec = b, kind, True
        self.variables = [Variable(b, kind.identity, vec=True)]

    def merge(self, lanes: Val) -> None:
        """Take what another state has gathered."""
        [gathered] = self.variables
        gathered.set(self.kind.merge(self.b, gathered.get(), lanes))

    def total(self) -> Val:
        """One number, in the type of partial results."""
        return self.kind.across(self.b, self.variables[0].get())


class Accumulator(abc.ABC):
    """One way to reduce values of dtype ``operand`` to one of dtype ``out``."""

    type: str
    """LLVM type of partial results in memory."""

    def __init__(self, operand: np.dtype, out: np.dtype) -> None:
        self.operand, self.out = operand, out

    @property
    def key(self) -> tuple[Any, ...]:
        """What the code depends on by which it gathers."""
        return type(self), self.operand.char, self.out.char

    @property
    def identity(self) -> Val:
        """The partial result of nothing."""
        return const(0, self.type)

    def blank(self, v: Val) -> Val:
        """An operand that changes nothing, of the type of another."""
        return const(0, v.type)

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

    def take_all(self, b: Builder, state: list[Variable], vs: Sequence[Val]) -> None:
        """Gather several values of all lanes."""
        for v in vs:
            self.take(b, state, v, None)

    def gathered(self, b: Builder, state: list[Variable]) -> Val:
        """The state as a partial result."""
        return state[0].get()

    def of_few(self) -> Accumulator:
        """A way to reduce a few values that may be quicker, and tells where it failed."""
        return self

    def doubtful(self, b: Builder, state: list[Variable]) -> Val | None:
        """In which lanes the state may be wrong, or None where none can be."""
        return None

    def across(self, b: Builder, v: Val) -> Val:
        """All lanes of a partial result as one."""
        return _fold(b, v, lambda x, y: self.merge(b, x, y))

    def total(self, b: Builder, state: list[Variable]) -> Val:
        """All lanes of the state as one partial result."""
        return self.across(b, self.gathered(b, state))

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

    def take_all(self, b: Builder, state: list[Variable], vs: Sequence[Val]) -> None:
        # Sums of a few are rounded in their own type, since to widen a vector takes five instructions. Where they are
        # too large for it, each is widened first.
        total = tree(vs, b.fadd)
        if self.operand.char == "d":
            self.take(b, state, total, None)
            return
        if b.range(total).bounded:
            self.take(b, state, total, None)
            return
        doubtful = _not_finite(b, total)
        before = state[0].get()
        self.take(b, state, total, None)

        def again() -> None:
            state[0].set(before)
            for v in vs:
                self.take(b, state, v, None)

        when_any(b, doubtful, again)

    def of_few(self) -> Accumulator:
        narrow = self.operand.kind == "f" and self.operand.char != "d"
        return _FewFloats(self.operand, self.out) if narrow else self

    def across(self, b: Builder, v: Val) -> Val:
        # The order among lanes is free, but it is this one for good.
        return _sum_of_lanes(b, v, "reassoc ", f"fadd.v{b.width}f{FLOAT_BITS[v.type]}", f"{v.type} 0.0")


class _FewFloats(_FloatSum):
    """A sum rounded in the values' own type, which is finite where they and it are not too large for that."""

    def start(self, vec: bool) -> list[Val]:
        return [const(0, type_of(self.operand))]

    def take(self, b: Builder, state: list[Variable], v: Val, mask: Val | None) -> None:
        state[0].set(b.fadd(state[0].get(), v if mask is None else b.select(mask, v, const(0, v.type))))

    def gathered(self, b: Builder, state: list[Variable]) -> Val:
        return self.widen(b, state[0].get())

    def doubtful(self, b: Builder, state: list[Variable]) -> Val | None:
        return _not_finite(b, state[0].get())


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
        state[0].set(b.select(v, b.binary("add", old, const(1, old.type)), old))

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
    def key(self) -> tuple[Any, ...]:
        return *super().key, self.order

    @property
    def identity(self) -> Val:
        return const(self.worst, "double")

    def blank(self, v: Val) -> Val:
        return const(self.worst, v.type)

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

    def take_all(self, b: Builder, state: list[Variable], vs: Sequence[Val]) -> None:
        best, bad = state
        better = f"fcmp {self.order}"
        top = tree(vs, lambda x, y: b.select(b.compare(better, x, y), x, y))
        old = best.get()
        best.set(b.select(b.compare(better, top, old), top, old))
        doubtful = [v for v in vs if b.range(v).nan]
        if doubtful:
            # One comparison finds a NaN in either of two.
            pairs = zip(doubtful[::2], [*doubtful[1::2], doubtful[-1]], strict=False)
            found = [b.compare("fcmp uno", x, y) for x, y in pairs]
            bad.set(tree([bad.get(), *found], lambda x, y: b.binary("or", x, y)))

    def gathered(self, b: Builder, state: list[Variable]) -> Val:
        best, bad = (s.get() for s in state)
        return self._marked(b, best, bad)

    def total(self, b: Builder, state: list[Variable]) -> Val:
        # In the operand's own type there are half as many registers to fold.
        best, bad = (s.get() for s in state)
        best = _fold(b, best, lambda x, y: b.select(b.compare(f"fcmp {self.order}", y, x), y, x))
        return self._marked(b, best, any_lane(b, bad))

    def _marked(self, b: Builder, best: Val, bad: Val) -> Val:
        return self.widen(b, b.select(bad, const(float("nan"), best.type), best))


class _IntegerExtreme(_IntegerSum):
    def __init__(self, operand: np.dtype, out: np.dtype, largest: bool) -> None:
        super().__init__(operand, out)
        self.largest = largest

    @property
    def key(self) -> tuple[Any, ...]:
        return *super().key, self.largest

    @property
    def identity(self) -> Val:
        return const(-(2**63) if self.largest else 2**63 - 1, "i64")

    def blank(self, v: Val) -> Val:
        if v.type == "i64":
            return self.identity
        if v.type == "i1":
            return const(not self.largest, v.type)
        limits = np.iinfo(self.operand)
        return const(limits.min if self.largest else limits.max, v.type)

    def merge(self, b: Builder, old: Val, v: Val) -> Val:
        return b.select(b.compare(f"icmp {'sgt' if self.largest else 'slt'}", v, old), v, old)

    def across(self, b: Builder, v: Val) -> Val:
        return _fold(b, v, lambda x, y: self.merge(b, x, y))


class _Only(Accumulator):
    """The one value that is not 0. Bits are joined: that is exact, and shorter than a sum."""

    type = "i64"

    def start(self, vec: bool) -> list[Val]:
        return [const(0, f"i{FLOAT_BITS[type_of(self.operand)]}")]

    def widen(self, b: Builder, v: Val) -> Val:
        bits = self._bits(b, v)
        return bits if bits.type == "i64" else b.convert("zext", bits, "i64")

    def _bits(self, b: Builder, v: Val) -> Val:
        return b.reinterpret(v, f"i{FLOAT_BITS[v.type]}")

    def merge(self, b: Builder, old: Val, v: Val) -> Val:
        return b.binary("or", old, v)

    def take(self, b: Builder, state: list[Variable], v: Val, mask: Val | None) -> None:
        bits = self._bits(b, v if mask is None else b.select(mask, v, const(0, v.type)))
        state[0].set(self.merge(b, state[0].get(), bits))

    def gathered(self, b: Builder, state: list[Variable]) -> Val:
        v = state[0].get()
        return v if v.type == "i64" else b.convert("zext", v, "i64")

    def across(self, b: Builder, v: Val) -> Val:
        return _sum_of_lanes(b, v, "", f"or.v{b.width}{v.type}")

    def total(self, b: Builder, state: list[Variable]) -> Val:
        v = self.across(b, state[0].get())
        return v if v.type == "i64" else b.convert("zext", v, "i64")

    def narrow(self, b: Builder, v: Val) -> Val:
        t = type_of(self.out)
        bits = v if t == "double" else b.convert("trunc", v, "i32")
        return b.reinterpret(bits, t)


def _not_finite(b: Builder, v: Val) -> Val:
    """Whether it is infinite or NaN."""
    return b.compare("fcmp uge", b.abs(v), const(math.inf, v.type))


def tree(vs: Sequence[Val], join: Callable[[Val, Val], Val]) -> Val:
    """Values joined in pairs, and these in pairs: the order does not depend on what they are."""
    while len(vs) > 1:
        vs = [*(join(x, y) for x, y in zip(vs[::2], vs[1::2], strict=False)), *(vs[-1:] if len(vs) % 2 else [])]
    return vs[0]


def accumulator(reduction: str, operand: np.dtype, out: np.dtype) -> Accumulator:
    """The way to reduce: ``"sum"``, ``"max"``, ``"min"``, or ``"only"``: a sum of floats of which one is not 0."""
    if reduction == "only":
        return _Only(operand, out)
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
