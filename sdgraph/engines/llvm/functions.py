"""Elementary functions as arithmetic: range reduction and a polynomial, for float and double, lane by lane.

Each is within 4 ulp of the true value and treats NaN, infinities, zeros and subnormal numbers as numpy does. The
polynomials interpolate 60-digit values at Chebyshev nodes. Must not know ops or plans.
"""

from __future__ import annotations

from typing import NamedTuple

from sdgraph.engines.llvm.builder import Builder, Val, const, polynomial


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
    tanh_high: float
    """Above, tanh is 1."""
    expm1: tuple[float, ...]
    """``(exp(r) - 1 - r) / r^2`` for ``|r| <= log(2) / 2``."""
    log_by_division: bool
    """Whether the logarithm's polynomial is the one in s; a short one in z saves the division."""
    log: tuple[float, ...]
    """``2 (atanh(s) / s - 1) / s^2`` as a polynomial in ``s^2``, or ``(log(1 + z) - z + z^2 / 2) / z^3`` in ``z``.

    Both for mantissas ``1 + z = (1 + s) / (1 - s)`` between sqrt(1/2) and sqrt(2).
    """


_LOG2_E = 1.4426950408889634
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
        9.5,
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
        19.5,
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
    ),
}


def _format(x: Val) -> _Format:
    return _FORMATS[x.type]


def _power_of_two(b: Builder, k: Val, f: _Format, type_: str) -> Val:
    """``2^k`` for an integer k that gives a normal number."""
    shifted = b.binary("shl", b.binary("add", k, const(f.bias, f.integer)), const(f.mantissa, f.integer))
    return b.reinterpret(shifted, type_)


def _exp_parts(b: Builder, x: Val) -> tuple[Val, Val, Val]:
    """``(p, s, t)`` with ``exp(x) = (1 + p) s t``; s and t are powers of two, each a normal number."""
    f, t = _format(x), x.type
    # Comparisons that are false for NaN let it through.
    x = b.select(b.compare("fcmp ogt", x, const(f.exp_high, t)), const(f.exp_high, t), x)
    x = b.select(b.compare("fcmp olt", x, const(f.exp_low, t)), const(f.exp_low, t), x)
    magic = const(f.round_magic, t)
    shifted = b.fadd(b.fmul(x, const(_LOG2_E, t)), magic)
    whole = b.fsub(shifted, magic)
    r = b.fma(whole, const(-f.ln2_low, t), b.fma(whole, const(-f.ln2_high, t), x))
    p = b.fma(b.fmul(r, r), polynomial(b, r, f.expm1), r)
    k = b.binary("sub", b.reinterpret(shifted, f.integer), b.reinterpret(magic, f.integer))
    half = b.binary("ashr", k, const(1, f.integer))
    return p, _power_of_two(b, half, f, t), _power_of_two(b, b.binary("sub", k, half), f, t)


def exp(b: Builder, x: Val) -> Val:
    """``e^x``."""
    p, s, t = _exp_parts(b, x)
    return b.fmul(b.fmul(b.fadd(p, const(1, x.type)), s), t)


def expm1(b: Builder, x: Val) -> Val:
    """``e^x - 1``: ``2^k p + (2^k - 1)``, with half of it computed first so that 2^k does not overflow."""
    f = _format(x)
    p, s, t = _exp_parts(b, x)
    half = b.fmul(s, b.fmul(t, const(0.5, x.type)))
    y = b.fma(half, p, b.fsub(half, const(0.5, x.type)))
    tiny = b.compare("fcmp olt", b.abs(x), const(f.tiny * f.tiny, x.type))
    return b.select(tiny, x, b.fadd(y, y))


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
    shift = f.mantissa + 2
    subnormal = b.compare("fcmp olt", x, const(f.least_normal, t))
    u = b.select(subnormal, b.fmul(x, const(2.0**shift, t)), x)
    offset = b.select(subnormal, const(-shift, t), const(0, t))
    return _log_limits(b, _log_of(b, u, None, offset), x, x)


def log1p(b: Builder, x: Val) -> Val:
    """``log(1 + x)``: what rounding 1 + x loses is put back into the mantissa."""
    f, t = _format(x), x.type
    u = b.fadd(x, const(1, t))
    lost = b.fsub(x, b.fsub(u, const(1, t)))
    y = _log_limits(b, _log_of(b, u, lost, None), u, x)
    tiny = b.compare("fcmp olt", b.abs(x), const(f.tiny * f.tiny, t))
    return b.select(tiny, x, y)


def tanh(b: Builder, x: Val) -> Val:
    """``(e^2x - 1) / (e^2x + 1)`` for the absolute value, with the sign put back."""
    f, t = _format(x), x.type
    a = b.abs(x)
    a = b.select(b.compare("fcmp ogt", a, const(f.tanh_high, t)), const(f.tanh_high, t), a)
    e = expm1(b, b.fadd(a, a))
    y = b.call("copysign", b.fdiv(e, b.fadd(e, const(2, t))), x)
    return b.select(b.compare("fcmp olt", b.abs(x), const(f.tiny, t)), x, y)


def sigmoid(b: Builder, x: Val) -> Val:
    """``e^min(x, 0) / (1 + e^-|x|)``, with one exponential."""
    t = x.type
    e = exp(b, b.neg(b.abs(x)))
    top = b.select(b.compare("fcmp olt", x, const(0, t)), e, const(1, t))
    return b.fdiv(top, b.fadd(e, const(1, t)))


def softplus(b: Builder, x: Val) -> Val:
    """``max(x, 0) + log1p(e^-|x|)``."""
    t = x.type
    positive = b.select(b.compare("fcmp ugt", x, const(0, t)), x, const(0, t))
    return b.fadd(positive, log1p(b, exp(b, b.neg(b.abs(x)))))
