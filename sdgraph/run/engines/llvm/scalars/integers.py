"""Arithmetic of integers by lanes where LLVM's instructions are not numpy's: division, shifts, bounds.

Dividing by zero or the smallest number by -1 stops the process in a CPU's own instruction, and a shift by more than the
width is undefined. Here such lanes get what numpy gives. Must not know ops or plans.
"""

from __future__ import annotations

from typing import Any

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const


def bits_of(x: Val) -> int:
    """The width of an integer type."""
    return int(x.type[1:])


def bounds(x: Val, *, unsigned: bool) -> tuple[int, int]:
    """The smallest and the largest number of a type."""
    n = bits_of(x)
    return (0, 2**n - 1) if unsigned else (-(2 ** (n - 1)), 2 ** (n - 1) - 1)


def _is(b: Builder, x: Val, number: int) -> Val:
    return b.compare("icmp eq", x, const(number, x.type))


def _negative(b: Builder, x: Val) -> Val:
    return b.compare("icmp slt", x, const(0, x.type))


def _quotient(b: Builder, x: Val, y: Val, *, unsigned: bool) -> Val:
    """Rounded towards 0; by zero it is 0, and by -1 the negation, which wraps around."""
    zero, one = const(0, x.type), const(1, x.type)
    by_zero = _is(b, y, 0)
    if unsigned:
        return b.select(by_zero, zero, b.binary("udiv", x, b.select(by_zero, one, y)))
    by_minus_one = _is(b, y, -1)
    safe = b.select(b.binary("or", by_zero, by_minus_one), one, y)
    q = b.binary("sdiv", x, safe)
    return b.select(by_zero, zero, b.select(by_minus_one, b.binary("sub", zero, x), q))


def _rest(b: Builder, x: Val, y: Val, q: Val) -> Val:
    """What the quotient leaves; 0 for a divisor of 0."""
    return b.select(_is(b, y, 0), const(0, x.type), b.binary("sub", x, b.binary("mul", q, y)))


def _against(b: Builder, rest: Val, y: Val) -> Val:
    """Whether the rest has the sign that the divisor has not."""
    differ = b.compare("icmp ne", _negative(b, rest), _negative(b, y))
    return b.binary("and", b.compare("icmp ne", rest, const(0, rest.type)), differ)


def remainder(b: Builder, x: Val, y: Val, *, unsigned: bool = False, **_: Any) -> Val:
    """Remainder with the sign of ``x``; 0 for a divisor of 0."""
    return _rest(b, x, y, _quotient(b, x, y, unsigned=unsigned))


def floor_remainder(b: Builder, x: Val, y: Val, *, unsigned: bool = False, **_: Any) -> Val:
    """Remainder with the sign of ``y``; 0 for a divisor of 0."""
    rest = remainder(b, x, y, unsigned=unsigned)
    return rest if unsigned else b.select(_against(b, rest, y), b.binary("add", rest, y), rest)


def floor_quotient(b: Builder, x: Val, y: Val, *, unsigned: bool = False, **_: Any) -> Val:
    """Quotient rounded down; 0 for a divisor of 0."""
    q = _quotient(b, x, y, unsigned=unsigned)
    if unsigned:
        return q
    return b.select(_against(b, _rest(b, x, y, q), y), b.binary("sub", q, const(1, x.type)), q)


def _fits(b: Builder, y: Val) -> tuple[Val, Val]:
    """Whether a shift is by 0 or more and less than the width, and a shift that is."""
    fits = b.compare("icmp ult", y, const(bits_of(y), y.type))
    return fits, b.select(fits, y, const(0, y.type))


def left_shift(b: Builder, x: Val, y: Val, **_: Any) -> Val:
    """``x << y``, 0 where everything is shifted out."""
    fits, safe = _fits(b, y)
    return b.select(fits, b.binary("shl", x, safe), const(0, x.type))


def right_shift(b: Builder, x: Val, y: Val, *, unsigned: bool = False, **_: Any) -> Val:
    """``x >> y``; where everything is shifted out, only the sign is left."""
    fits, safe = _fits(b, y)
    if unsigned:
        return b.select(fits, b.binary("lshr", x, safe), const(0, x.type))
    return b.binary("ashr", x, b.select(fits, safe, const(bits_of(x) - 1, x.type)))


def rotate(direction: str) -> Any:
    """Rotation of the bits: ``direction`` is ``fshl`` or ``fshr``, which take the shift modulo the width."""
    return lambda b, x, y, **_: b.call(direction, x, x, y)


def clip(b: Builder, x: Val, *, clip_value_min: float, clip_value_max: float, unsigned: bool = False, **_: Any) -> Val:
    """``x`` between two whole numbers; one outside the type's range bounds nothing."""
    least, most = bounds(x, unsigned=unsigned)
    # An infinite bound must not be made an integer.
    low = const(int(min(max(clip_value_min, least), most)), x.type)
    high = const(int(min(max(clip_value_max, least), most)), x.type)
    order = "u" if unsigned else "s"
    x = b.select(b.compare(f"icmp {order}lt", x, low), low, x)
    return b.select(b.compare(f"icmp {order}gt", x, high), high, x)
