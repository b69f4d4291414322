"""Elementary functions as arithmetic: range reduction and a polynomial, for float and double, lane by lane.

Each is within 4 ulp of the true value and treats NaN, infinities, zeros and subnormal numbers as numpy does. The
polynomials were fitted to 60-digit values; what is known of a value's range makes shorter ways. Must not know ops or
plans.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from sdgraph.run.engines.llvm.scalars import special
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const, polynomial
from sdgraph.run.engines.llvm.scalars.ranges import ANY, Range


class _Format(NamedTuple):
    """What the functions must know of a floating type."""

    integer: str
    mantissa: int
    bias: int
    exp_low: float
    """Below, exp is 0."""
    exp_high: float
    """Above, exp is infinite."""
    ln2_high: float
    """log 2 to few enough bits that its product with any exponent is exact."""
    ln2_low: float
    round_magic: float
    """Adding it rounds to a whole number, which then stands in the lowest bits."""
    least_normal: float
    tiny: float
    """Below, ``f(x) = x`` for functions that start like x."""
    expm1: tuple[float, ...]
    """``(exp(r) - 1 - r) / r^2`` for ``|r| <= log(2) / 2``."""
    log_by_division: bool
    """Whether the logarithm's polynomial is the one in s; a short one in z saves the division."""
    log: tuple[float, ...]
    """``2 (atanh(s) / s - 1) / s^2`` as a polynomial in ``s^2``, or ``(log(1 + z) - z + z^2 / 2) / z^3`` in ``z``.

    Both for mantissas ``1 + z = (1 + s) / (1 - s)`` between sqrt(1/2) and sqrt(2).
    """
    log1p: tuple[float, ...]
    """``(atanh(s) / s - 1) / s^2`` in ``s^2`` for ``0 <= s <= 1/3``, least relative error."""


_LOG2_E = 1.4426950408889634
_FAR = 80.0
"""Up to here exponentials are normal numbers in every type."""
_ROOT_HALF_BITS = {"float": 0x3F3504F3, "double": 0x3FE6A09E667F3BCD}

_FORMATS = {
    "float": _Format(
        "i32",
        23,
        127,
        -104.0,
        88.9,
        0.693359375,
        -0.00021219444005469057,
        12582912.0,
        2.0**-126,
        2.0**-13,
        (
            0.500000001353873,
            0.16666666681704215,
            0.04166646419740569,
            0.008333310844647862,
            0.0013933730715792083,
            0.00019891080463998843,
        ),
        False,
        (
            0.33333331180030046,
            -0.24999996957950882,
            0.200007157488921,
            -0.16667802319501254,
            0.1424905764569748,
            -0.12425687331451106,
            0.1168541992348674,
            -0.11479733846637635,
            0.06971611471451178,
        ),
        (0.3333320656637281, 0.20010849528809763, 0.13999570548978948, 0.14012229377816587),
    ),
    "double": _Format(
        "i64",
        52,
        1023,
        -746.0,
        709.9,
        0.693145751953125,
        1.4286068203094173e-06,
        6755399441055744.0,
        2.0**-1022,
        2.0**-28,
        (
            0.5,
            0.1666666666666667,
            0.04166666666666667,
            0.008333333333326084,
            0.0013888888888883711,
            0.0001984126987500228,
            2.480158732567746e-05,
            2.755725517000089e-06,
            2.755727347871858e-07,
            2.5105312729622103e-08,
            2.09147553258932e-09,
        ),
        True,
        (
            0.6666666666666666,
            0.40000000000000885,
            0.28571428570799784,
            0.22222222392581045,
            0.18181795547521137,
            0.15386244737621665,
            0.13268638369266825,
            0.13088034850927555,
        ),
        (
            0.33333333333333154,
            0.20000000000078622,
            0.14285714273926847,
            0.11111111984870994,
            0.09090871962283799,
            0.0769327996514231,
            0.06650486748284193,
            0.06053043460530655,
            0.04170049386160417,
            0.08509290032048253,
        ),
    ),
}


def _format(x: Val) -> _Format:
    return _FORMATS[x.type]


def _power_of_two(b: Builder, k: Val, f: _Format, type_: str) -> Val:
    """``2^k`` for an integer k that gives a normal number."""
    shifted = b.binary("shl", b.binary("add", k, const(f.bias, f.integer)), const(f.mantissa, f.integer))
    return b.reinterpret(shifted, type_)


def _reduced(b: Builder, x: Val) -> tuple[Val, Val, Val]:
    """``(p, whole, k)`` with ``exp(x) = (1 + p) 2^whole``; k is whole as an integer."""
    f, t = _format(x), x.type
    known = b.range(x)
    # Comparisons that are false for NaN let it through.
    if known.high > f.exp_high:
        x = b.select(b.compare("fcmp ogt", x, const(f.exp_high, t)), const(f.exp_high, t), x)
    if known.low < f.exp_low:
        x = b.select(b.compare("fcmp olt", x, const(f.exp_low, t)), const(f.exp_low, t), x)
    magic = const(f.round_magic, t)
    shifted = b.fadd(b.fmul(x, const(_LOG2_E, t)), magic)
    whole = b.fsub(shifted, magic)
    r = b.fma(whole, const(-f.ln2_low, t), b.fma(whole, const(-f.ln2_high, t), x))
    p = b.fma(b.fmul(r, r), polynomial(b, r, f.expm1), r)
    return p, whole, b.binary("sub", b.reinterpret(shifted, f.integer), b.reinterpret(magic, f.integer))


def _halves(b: Builder, x: Val, k: Val) -> tuple[Val, Val]:
    """``2^k`` in two factors, each a normal number."""
    f = _format(x)
    half = b.binary("ashr", k, const(1, f.integer))
    return _power_of_two(b, half, f, x.type), _power_of_two(b, b.binary("sub", k, half), f, x.type)


def _exp_at(x: float, otherwise: float) -> float:
    """Something near ``e^x``, for ranges."""
    return math.exp(x) if abs(x) < _FAR else otherwise


def exp(b: Builder, x: Val) -> Val:
    """``e^x``."""
    p, whole, k = _reduced(b, x)
    p = b.fadd(p, const(1, x.type))
    if special.can_scale(b, p):
        y = special.scale(b, p, whole)
    else:
        s, t = _halves(b, x, k)
        y = b.fmul(b.fmul(p, s), t)
    low, high, nan = b.range(x)
    return b.know(y, Range(0.99 * _exp_at(low, 0.0), 1.0 if high <= 0 else 1.01 * _exp_at(high, math.inf), nan))


def expm1(b: Builder, x: Val) -> Val:
    """``e^x - 1``: ``2^k p + (2^k - 1)``, with half of it computed first where 2^k may overflow."""
    f, t = _format(x), x.type
    low, high, nan = b.range(x)
    p, whole, k = _reduced(b, x)
    halved = high > _FAR
    if special.can_scale(b, p):
        orders = b.fsub(whole, const(1, t)) if halved else whole
        first, power = special.scale(b, p, orders), special.scale(b, b.splat(const(1, t)), orders)
        y = b.fadd(first, b.fsub(power, const(0.5 if halved else 1, t)))
    else:
        s, r = _halves(b, x, k)
        power = b.fmul(s, b.fmul(r, const(0.5, t)) if halved else r)
        y = b.fma(power, p, b.fsub(power, const(0.5 if halved else 1, t)))
    if halved:
        y = b.fadd(y, y)
    tiny = b.compare("fcmp olt", b.abs(x), const(f.tiny * f.tiny, t))
    most = 0.0 if high <= 0 else 1.01 * _exp_at(high, math.inf)
    return b.know(b.select(tiny, x, y), Range(0.0 if low >= 0 else -1.0, most, nan))


def _log_of(b: Builder, u: Val, correction: Val | None, offset: Val | None) -> Val:
    """Logarithm of a positive normal ``u`` (plus a correction far below its last digit), plus ``offset`` log 2."""
    f, t = _format(u), u.type
    root = const(_ROOT_HALF_BITS[t], f.integer)
    bits = b.binary("sub", b.reinterpret(u, f.integer), root)
    k = b.binary("ashr", bits, const(f.mantissa, f.integer))
    mask = const((1 << f.mantissa) - 1, f.integer)
    m = b.reinterpret(b.binary("add", b.binary("and", bits, mask), root), t)
    z = b.fsub(m, const(1, t))
    if correction is not None:
        # Where 2^-k would be no normal number the correction no longer matters.
        most = const(f.bias - 1, f.integer)
        bounded = b.select(b.compare("icmp sgt", k, most), most, k)
        scale = _power_of_two(b, b.binary("sub", const(0, f.integer), bounded), f, t)
        z = b.fadd(z, b.fmul(correction, scale))
    e = b.convert("sitofp", k, t)
    if offset is not None:
        e = b.fadd(e, offset)
    half_square = b.fmul(b.fmul(z, z), const(0.5, t))
    low = b.fmul(e, const(f.ln2_low, t))
    if f.log_by_division:
        s = b.fdiv(z, b.fadd(z, const(2, t)))
        s2 = b.fmul(s, s)
        tail = b.fma(s, b.fadd(half_square, b.fmul(s2, polynomial(b, s2, f.log))), low)
    else:
        tail = b.fma(b.fmul(b.fmul(z, z), z), polynomial(b, z, f.log), low)
    return b.fma(e, const(f.ln2_high, t), b.fsub(z, b.fsub(half_square, tail)))


def _log_limits(b: Builder, y: Val, u: Val, x: Val) -> Val:
    """What is no positive finite number: ``u`` is the argument of the logarithm, made from ``x``."""
    t = x.type
    # infinity gives itself and NaN too; adding keeps the NaN's payload.
    y = b.select(b.compare("fcmp olt", u, const(float("inf"), t)), y, b.fadd(x, x))
    y = b.select(b.compare("fcmp olt", u, const(0, t)), const(float("nan"), t), y)
    return b.select(b.compare("fcmp oeq", u, const(0, t)), const(float("-inf"), t), y)


def log(b: Builder, x: Val) -> Val:
    """Natural logarithm."""
    f, t = _format(x), x.type
    known = b.range(x)
    if known.low >= f.least_normal and known.bounded:
        y = _log_of(b, x, None, None)
        return b.select(b.compare("fcmp uno", x, x), x, y) if known.nan else y
    shift = f.mantissa + 2
    subnormal = b.compare("fcmp olt", x, const(f.least_normal, t))
    u = b.select(subnormal, b.fmul(x, const(2.0**shift, t)), x)
    offset = b.select(subnormal, const(-shift, t), const(0, t))
    return _log_limits(b, _log_of(b, u, None, offset), x, x)


def log1p(b: Builder, x: Val) -> Val:
    """``log(1 + x)``: what rounding 1 + x loses is put back into the mantissa."""
    f, t = _format(x), x.type
    known = b.range(x)
    if known.inside(0.0, 1.0):
        return _log1p_unit(b, x)
    u = b.fadd(x, const(1, t))
    lost = b.fsub(x, b.fsub(u, const(1, t)))
    y = _log_of(b, u, lost, None)
    if not (known.low > -0.99 and known.bounded):
        y = _log_limits(b, y, u, x)
    tiny = b.compare("fcmp olt", b.abs(x), const(f.tiny * f.tiny, t))
    return b.select(tiny, x, y)


def _log1p_unit(b: Builder, x: Val) -> Val:
    """``log(1 + x) = 2 atanh(x / (2 + x))`` for x between 0 and 1. Doubled first, so that the least x is not lost."""
    f, t = _format(x), x.type
    s = quotient(b, b.fadd(x, x), b.fadd(x, const(2, t)))
    s2 = b.fmul(s, s)
    quarters = tuple(c * 0.25 ** (k + 1) for k, c in enumerate(f.log1p))
    y = b.fma(s, b.fmul(s2, polynomial(b, s2, quarters)), s)
    return b.know(y, Range(0.0, 0.7, b.range(x).nan))


def quotient(b: Builder, x: Val, y: Val) -> Val:
    """``x / y``, by way of a reciprocal where that is shorter and harmless.

    It is harmless where ``|x| <= p <= y`` with a power of two p, whose reciprocal is exact: the result is off by two
    units in the last place at most, and never above 1. Otherwise ``x / x`` might not be 1.
    """
    numerator, known = b.range(x), b.range(y)
    exact = known.low > 0 and math.frexp(known.low)[0] == 0.5
    harmless = exact and known.inside(2.0**-60, 2.0**60) and numerator.inside(-known.low, known.low)
    many = y.text in b.divisors or y.depth < x.depth
    if harmless and y.text[0] == "%" and (many or special.has_reciprocal(b, y)):
        out = b.fmul(x, special.reciprocal(b, y))
    else:
        out = b.fdiv(x, y)
    return b.know(out, _quotient_range(numerator, known))


def _quotient_range(x: Range, y: Range) -> Range:
    """Of a number between 0 and 1 by one of at least 1, a common case."""
    return Range(0.0, x.high, x.nan or y.nan) if x.inside(0.0, 1.0) and y.low >= 1 else ANY


def tanh(b: Builder, x: Val) -> Val:
    """``(1 - e^-2|x|) / (1 + e^-2|x|)`` with the sign of x. Its derivative takes the same exponential."""
    f, t = _format(x), x.type
    a = b.abs(x)
    m = expm1(b, b.fmul(a, const(-2, t)))
    y = b.call("copysign", quotient(b, b.neg(m), b.fadd(m, const(2, t))), x)
    return b.know(b.select(b.compare("fcmp olt", a, const(f.tiny, t)), x, y), Range(-1.0, 1.0, b.range(x).nan))


def sigmoid(b: Builder, x: Val) -> Val:
    """``e^min(x, 0) / (1 + e^-|x|)``, with one exponential."""
    t = x.type
    e = exp(b, b.neg(b.abs(x)))
    top = b.select(b.compare("fcmp olt", x, const(0, t)), e, const(1, t))
    return b.know(quotient(b, top, b.fadd(e, const(1, t))), Range(0.0, 1.0, b.range(x).nan))


def softplus(b: Builder, x: Val) -> Val:
    """``max(x, 0) + log1p(e^-|x|)``."""
    t = x.type
    positive = b.select(b.compare("fcmp ugt", x, const(0, t)), x, const(0, t))
    return b.fadd(positive, log1p(b, exp(b, b.neg(b.abs(x)))))
