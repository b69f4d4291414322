"""Text of LLVM IR, one instruction at a time, with equal instructions merged and uniform ones moved out of loops.

A value is either uniform or a vector with one lane per element. Instructions go into the innermost scope that one of
their operands was made in, so that what does not change in a loop stands before it. Must not know ops or plans.
"""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np

from sdgraph.run.engines.llvm.scalars import ranges
from sdgraph.run.engines.llvm.scalars.ranges import ANY, Range

FLOAT_BITS = {"float": 32, "double": 64}
_INT_TYPES = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}


def type_of(dtype: np.dtype) -> str:
    """The LLVM type of a value of this dtype in a register; halves are floats there."""
    if dtype.kind == "f":
        return {2: "float", 4: "float", 8: "double"}[dtype.itemsize]
    return "i1" if dtype.kind == "b" else _INT_TYPES[dtype.itemsize]


class Val(NamedTuple):
    """An SSA value or literal: text, element type, whether it has a lane per element, depth of its scope."""

    text: str
    type: str
    vec: bool
    depth: int


def float_literal(value: float, type_: str) -> str:
    """A floating literal, exact: LLVM writes float as the bits of the double of equal value.

    What is too large for float is infinite, as an operand of a kernel would be.
    """
    if type_ == "float":
        try:
            (value,) = struct.unpack("<f", struct.pack("<f", value))
        except OverflowError:
            value = math.copysign(math.inf, value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def const(value: float, type_: str) -> Val:
    """A uniform literal."""
    if type_ in FLOAT_BITS:
        return Val(float_literal(value, type_), type_, False, 0)
    if type_ == "i1":
        return Val("true" if value else "false", type_, False, 0)
    return Val(str(int(value)), type_, False, 0)


class _Scope:
    __slots__ = ("cache", "label", "lines")

    def __init__(self, label: str) -> None:
        self.label = label
        self.lines: list[str] = []
        self.cache: dict[str, Val] = {}


_COMMUTING = frozenset(("add", "mul", "and", "or", "xor", "fadd", "fmul"))
"""Instructions whose operands may change places."""
_RANGE_OF_CALL = {"fabs": ranges.absolute, "minnum": ranges.smaller, "maxnum": ranges.larger}


class Builder:
    """Emits the body of one function; ``width`` is the number of lanes, ``features`` what the CPU can do.

    Where it is to be ``brief``, less code is better than quick code.
    """

    def __init__(self, width: int, features: Collection[str] = (), *, brief: bool = False) -> None:
        self.width = width
        self.features = features
        self.brief = brief
        self.known: dict[str, Range] = {}
        self.divisors: set[str] = set()
        """Operands of what is being written by which others are divided, too."""
        self.scopes = [_Scope("entry")]
        self.allocas: list[str] = []
        self.intrinsics: dict[str, str] = {}
        self._negated: dict[str, Val] = {}
        self._n = 0

    # ------------------------------------------------------------------ text

    @property
    def depth(self) -> int:
        """Index of the innermost scope."""
        return len(self.scopes) - 1

    @property
    def label(self) -> str:
        """The block that the next line of the innermost scope is in."""
        return self.scopes[-1].label

    def open(self, label: str = "") -> None:
        """Begin a scope: the body of a loop or branch, which begins with the block of that name."""
        self.scopes.append(_Scope(label))

    def close(self) -> list[str]:
        """End the innermost scope and return its lines; the caller puts them where they belong."""
        return self.scopes.pop().lines

    def lines(self, *texts: str) -> None:
        """Raw lines in the innermost scope, of which the last one begins a block."""
        scope = self.scopes[-1]
        scope.lines += texts
        scope.label = texts[-1][:-1]

    def line(self, text: str, depth: int | None = None) -> None:
        """One raw line in a scope, the innermost by default."""
        self.scopes[self.depth if depth is None else depth].lines.append("  " + text)

    def here(self) -> int:
        """A place in the innermost scope to come `back` to."""
        return len(self.scopes[-1].lines)

    @contextlib.contextmanager
    def back(self, place: int) -> Iterator[None]:
        """Let the lines of the innermost scope stand at a place before others, in the block that this is in."""
        lines = self.scopes[-1].lines
        after = lines[place:]
        del lines[place:]
        yield
        lines += after

    def fresh(self, stem: str = "v") -> str:
        """A new local name."""
        self._n += 1
        return f"%{stem}{self._n}"

    def type(self, type_: str, vec: bool) -> str:
        """The type as written: scalar, or vector of all lanes."""
        return f"<{self.width} x {type_}>" if vec else type_

    def typed(self, v: Val) -> str:
        """``type value``."""
        return f"{self.type(v.type, v.vec)} {v.text}"

    def instruction(self, text: str, type_: str, vec: bool, *operands: Val, depth: int | None = None) -> Val:
        """A pure instruction: an equal one in an open scope is used again."""
        at = depth
        if at is None:
            at = 0
            for v in operands:
                if v.depth > at:
                    at = v.depth
        # An equal one has the same operands, so it stands in the same scope.
        scope = self.scopes[at]
        found = scope.cache.get(text)
        if found is None:
            self._n += 1
            name = f"%v{self._n}"
            scope.lines.append(f"  {name} = {text}")
            found = scope.cache[text] = Val(name, type_, vec, at)
        return found

    def effect(self, text: str, type_: str, vec: bool) -> Val:
        """An instruction that reads memory that changes: never merged, stays in the innermost scope."""
        name = self.fresh()
        self.line(f"{name} = {text}")
        return Val(name, type_, vec, self.depth)

    # ------------------------------------------------------------------ ranges

    def know(self, v: Val, range_: Range) -> Val:
        """Remember what is known of a value."""
        if range_ != ANY:
            self.known[v.text] = range_
        return v

    def range(self, v: Val) -> Range:
        """What is known of a floating value."""
        found = self.known.get(v.text)
        if found is not None:
            return found
        if v.text.startswith("0x"):
            return ranges.number(struct.unpack("<d", struct.pack("<Q", int(v.text, 16)))[0])
        return ANY

    # ------------------------------------------------------------------ lanes

    def splat(self, v: Val) -> Val:
        """The value in every lane."""
        if v.vec:
            return v
        if v.text[0] != "%":
            return self.know(Val(f"splat ({v.type} {v.text})", v.type, True, 0), self.range(v))
        t = self.type(v.type, True)
        one = self.instruction(f"insertelement {t} poison, {v.type} {v.text}, i32 0", v.type, True, v)
        zeros = f"<{self.width} x i32> zeroinitializer"
        return self.know(
            self.instruction(f"shufflevector {t} {one.text}, {t} poison, {zeros}", v.type, True, one), self.range(v)
        )

    def alike(self, *vs: Val) -> tuple[bool, tuple[Val, ...]]:
        """All operands uniform, or all with lanes."""
        for v in vs:
            if v.vec:
                return True, tuple([v if v.vec else self.splat(v) for v in vs])
        return False, vs

    # ------------------------------------------------------------------ instructions

    def binary(self, op: str, a: Val, b: Val) -> Val:
        """``op`` on two operands of one type."""
        vec, (a, b) = self.alike(a, b)
        if op in _COMMUTING and a.text > b.text:
            a, b = b, a  # So that equal ones look equal.
        return self.instruction(f"{op} {self.typed(a)}, {b.text}", a.type, vec, a, b)

    def number(self, value: float, like: Val) -> Val:
        """A literal of the type of another value."""
        return const(value, like.type)

    def compare(self, op: str, a: Val, b: Val) -> Val:
        """A comparison such as ``fcmp olt``."""
        vec, (a, b) = self.alike(a, b)
        return self.instruction(f"{op} {self.typed(a)}, {b.text}", "i1", vec, a, b)

    def select(self, c: Val, a: Val, b: Val) -> Val:
        """``a`` where ``c``, else ``b``."""
        if a == b:
            return a
        vec, (c, a, b) = self.alike(c, a, b)
        text = f"select {self.typed(c)}, {self.typed(a)}, {self.typed(b)}"
        out = self.instruction(text, a.type, vec, c, a, b)
        return out if out.text in self.known else self.know(out, ranges.union(self.range(a), self.range(b)))

    def call(self, name: str, *args: Val) -> Val:
        """An intrinsic that is overloaded on one type, such as ``fabs``."""
        vec, args = self.alike(*args)
        t = args[0].type
        suffix = (f"v{self.width}" if vec else "") + (f"f{FLOAT_BITS[t]}" if t in FLOAT_BITS else t)
        full = self.type(t, vec)
        symbol = f"@llvm.{name}.{suffix}"
        self.declare(f"declare {full} {symbol}({', '.join([full] * len(args))})")
        out = self.instruction(f"call {full} {symbol}({', '.join(map(self.typed, args))})", t, vec, *args)
        rule = _RANGE_OF_CALL.get(name)
        return out if rule is None else self.know(out, rule(*map(self.range, args)))

    def declare(self, declaration: str) -> None:
        """Declare an external function once."""
        self.intrinsics[declaration] = declaration

    def convert(self, op: str, v: Val, to: str) -> Val:
        """A conversion instruction such as ``fpext``."""
        return self.instruction(f"{op} {self.typed(v)} to {self.type(to, v.vec)}", to, v.vec, v)

    def neg(self, v: Val) -> Val:
        """Floating negation; of a negation, its operand."""
        inner = self._negated.get(v.text)
        if inner is not None:
            return inner
        out = self.instruction(f"fneg {self.typed(v)}", v.type, v.vec, v)
        self._negated[out.text] = v
        return self.know(out, ranges.negative(self.range(v)))

    def fadd(self, a: Val, b: Val) -> Val:
        """Floating sum."""
        return self.know(self.binary("fadd", a, b), ranges.add(self.range(a), self.range(b)))

    def fsub(self, a: Val, b: Val) -> Val:
        """Floating difference."""
        return self.know(self.binary("fsub", a, b), ranges.add(self.range(a), ranges.negative(self.range(b))))

    def fmul(self, a: Val, b: Val) -> Val:
        """Floating product."""
        known = ranges.square(self.range(a)) if a == b else ranges.multiply(self.range(a), self.range(b))
        return self.know(self.binary("fmul", a, b), known)

    def fdiv(self, a: Val, b: Val) -> Val:
        """Floating quotient."""
        return self.binary("fdiv", a, b)

    def fma(self, a: Val, b: Val, c: Val) -> Val:
        """``a * b + c``, fused where the CPU can; used in approximations only, which do not rely on the fusing."""
        return self.call("fmuladd", a, b, c)

    def abs(self, v: Val) -> Val:
        """Absolute value; a negation inside is dropped so that equal values look equal."""
        return self.call("fabs", self._negated.get(v.text, v))

    def reinterpret(self, v: Val, to: str) -> Val:
        """The same bits as another type of that size."""
        return self.convert("bitcast", v, to)


def polynomial(b: Builder, x: Val, coefficients: tuple[float, ...]) -> Val:
    """Horner's rule; the constant coefficient comes first."""
    p = const(coefficients[-1], x.type)
    for c in reversed(coefficients[:-1]):
        p = b.fma(p, x, const(c, x.type))
    return p
