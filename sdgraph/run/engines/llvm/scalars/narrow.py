"""Conversions that lose something: floats to integers, and to half precision, which is computed with as float.

A half in a register is a float whose value a half can hold. Must not know ops or plans.
"""

from __future__ import annotations

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.translate import machine


def has_half() -> bool:
    """Whether this CPU converts halves. Elsewhere LLVM calls functions that are not there."""
    computer = machine.computer()
    return "f16c" in computer.features or computer.is_arm64


def rounded_to_half(b: Builder, v: Val) -> Val:
    """A float rounded to the nearest half."""
    return b.convert("fpext", b.convert("fptrunc", v, "half"), "float")


def half_of_double(b: Builder, v: Val) -> Val:
    """A double rounded to the nearest half, once.

    Of the two floats next to the double the one with an odd last digit is taken: no half lies between the two, and an
    odd one is never half way between halves, so that the second rounding goes where a single one would.
    """
    near = b.convert("fptrunc", v, "float")
    back = b.convert("fpext", near, "double")
    bits = b.reinterpret(near, "i32")
    beyond = b.compare("fcmp ogt", b.abs(back), b.abs(v))
    bits = b.select(beyond, b.binary("sub", bits, const(1, "i32")), bits)
    inexact = b.compare("fcmp one", back, v)
    bits = b.select(inexact, b.binary("or", bits, const(1, "i32")), bits)
    return rounded_to_half(b, b.reinterpret(bits, "float"))


def load_half(b: Builder, v: Val) -> Val:
    """Loaded bits of halves as values."""
    return b.convert("fpext", b.reinterpret(v, "half"), "float")


def store_half(b: Builder, v: Val) -> Val:
    """Values as bits of halves."""
    return b.reinterpret(b.convert("fptrunc", v, "half"), "i16")


def _signed(b: Builder, v: Val, bits: int) -> Val:
    """Rounded towards 0; the smallest number for NaN and where the type does not reach, as x86 and numpy there do.

    That keeps a label that is no number from becoming a valid one.
    """
    t = f"i{bits}"
    low, high = const(-(2.0 ** (bits - 1)), v.type), const(2.0 ** (bits - 1), v.type)
    inside = b.binary("and", b.compare("fcmp oge", v, low), b.compare("fcmp olt", v, high))
    whole = b.convert("fptosi", b.select(inside, v, const(0, v.type)), t)
    return b.select(inside, whole, const(-(2 ** (bits - 1)), t))


def to_integer(b: Builder, v: Val, bits: int, *, unsigned: bool) -> Val:
    """A float as an integer; exact where the type reaches."""
    if bits == 64 and unsigned:
        edge = const(2.0**63, v.type)
        low, high = _signed(b, v, 64), _signed(b, b.fsub(v, edge), 64)
        flipped = b.binary("xor", high, const(-(2**63), "i64"))
        return b.select(b.compare("fcmp oge", v, edge), flipped, low)
    wide = 64 if unsigned and bits == 32 else max(bits, 32)
    whole = _signed(b, v, wide)
    return whole if wide == bits else b.convert("trunc", whole, f"i{bits}")
