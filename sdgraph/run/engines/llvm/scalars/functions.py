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
    exp: tuple[float, ...]
    """``exp(r)`` for ``|r| <= log(2) / 2``."""
    log_by_division: bool
    """Whether the logarithm's polynomial is the one in s; a short one in z saves the division."""
    log: tuple[float, ...]
    """``2 (atanh(s) / s - 1) / s^2`` as a polynomial in ``s^2``, or ``(log(1 + z) - z + z^2 / 2) / z^3`` in ``z``.

    Both for mantissas ``1 + z = (1 + s) / (1 - s)`` between sqrt(1/2) and sqrt(2).
    """


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
            1.0,
            1.0,
            0.49999993451622665,
            0.16666520689975733,
            0.04166838738893644,
            0.008368709814593426,
            0.0013814611573313212,
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
        (
            1.0,
            1.0,
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


class _Reduced(NamedTuple):
    """``exp(x) = exp(r) 2^orders``."""

    r: Val
    orders: Val
    """A multiple of the unit that was asked for, as a float."""
    shifted: Val
    """Its lowest bits count the orders in that unit."""


def _reduced(b: Builder, x: Val, units: int = 1) -> _Reduced:
    """An argument of exp as a small one and binary orders, whole ones or ``units``-ths."""
    f, t = _format(x), x.type
    known = b.range(x)
    # Comparisons that are false for NaN let it through.
    if known.high > f.exp_high:
        x = b.select(b.compare("fcmp ogt", x, const(f.exp_high, t)), const(f.exp_high, t), x)
    if known.low < f.exp_low:
        x = b.select(b.compare("fcmp olt", x, const(f.exp_low, t)), const(f.exp_low, t), x)
    magic = const(f.round_magic / units, t)
    shifted = b.fma(x, const(_LOG2_E, t), magic)
    orders = b.fsub(shifted, magic)
    r = b.fma(orders, const(-f.ln2_low, t), b.fma(orders, const(-f.ln2_high, t), x))
    return _Reduced(r, orders, shifted)


def _halves(b: Builder, x: _Reduced) -> tuple[Val, Val]:
    """``2^orders`` in two factors, each a normal number."""
    f, t = _format(x.r), x.r.type
    k = b.binary("sub", b.reinterpret(x.shifted, f.integer), b.reinterpret(const(f.round_magic, t), f.integer))
    half = b.binary("ashr", k, const(1, f.integer))
    return _power_of_two(b, half, f, t), _power_of_two(b, b.binary("sub", k, half), f, t)


def _exp_at(x: float, otherwise: float) -> float:
    """Something near ``e^x``, for ranges."""
    return math.exp(x) if abs(x) < _FAR else otherwise


def exp(b: Builder, x: Val) -> Val:
    """``e^x``."""
    if special.can_look_up(b, x):
        y = _exp_by_table(b, x)
    else:
        small = _reduced(b, x)
        p = polynomial(b, small.r, _format(x).exp)
        if special.can_scale(b, p):
            y = special.scale(b, p, small.orders)
        else:
            s, t = _halves(b, small)
            y = b.fmul(b.fmul(p, s), t)
    low, high, nan = b.range(x)
    return b.know(y, Range(0.99 * _exp_at(low, 0.0), 1.0 if high <= 0 else 1.01 * _exp_at(high, math.inf), nan))


_EXP_OF_PARTS = (1.0, 0.5000161574194271, 0.1666671846079395)
"""``(exp(r) - 1) / r`` for ``|r| <= log(2) / 32``, to 1.6e-9 of exp."""


def _exp_by_table(b: Builder, x: Val) -> Val:
    """``2^(k/16) exp(r)`` with the sixteen roots of 2 in a register, which leaves a small r."""
    small = _reduced(b, x, special.LANES)
    roots = [2.0 ** (k / special.LANES) for k in range(special.LANES)]
    root = special.look_up(b, roots, b.reinterpret(small.shifted, _format(x).integer))
    p = b.fma(b.fmul(root, small.r), polynomial(b, small.r, _EXP_OF_PARTS), root)
    # Scaling takes the whole orders only.
    return special.scale(b, p, small.orders)


_EXPM1_NEAR = 0.6
_EXPM1 = (
    0.5000001124722214,
    0.16666658639253265,
    0.04166397704923362,
    0.008333847054547178,
    0.0014043022943273748,
    0.00019852549792864148,
)
"""``(expm1(x) / x - 1) / x`` for ``|x| <= 0.6``, to 1.1e-8 of expm1, as far as floats reach."""
_EXPM1_IN_DOUBLE = (
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
)
"""``(exp(r) - 1 - r) / r^2`` for ``|r| <= log(2) / 2``."""


def expm1(b: Builder, x: Val) -> Val:
    """``e^x - 1``."""
    low, high, nan = b.range(x)
    y = _expm1_by_exp(b, x) if x.type == "float" else _expm1_in_double(b, x)
    most = 0.0 if high <= 0 else 1.01 * _exp_at(high, math.inf)
    return b.know(y, Range(0.0 if low >= 0 else -1.0, most, nan))


def _expm1_by_exp(b: Builder, x: Val) -> Val:
    """A polynomial near 0, beyond it an exponential, which others may need as well."""
    one = const(1, x.type)
    near = b.fmul(x, b.fma(x, polynomial(b, x, _EXPM1), one))
    far = b.fsub(exp(b, x), one)
    return b.select(b.compare("fcmp olt", b.abs(x), const(_EXPM1_NEAR, x.type)), near, far)


def _expm1_in_double(b: Builder, x: Val) -> Val:
    """``2^k p + (2^k - 1)``, with half of it computed first where 2^k may overflow."""
    f, t = _format(x), x.type
    small = _reduced(b, x)
    whole = small.orders
    p = b.fma(b.fmul(small.r, small.r), polynomial(b, small.r, _EXPM1_IN_DOUBLE), small.r)
    halved = b.range(x).high > _FAR
    if special.can_scale(b, p):
        orders = b.fsub(whole, const(1, t)) if halved else whole
        first, power = special.scale(b, p, orders), special.scale(b, b.splat(const(1, t)), orders)
        y = b.fadd(first, b.fsub(power, const(0.5 if halved else 1, t)))
    else:
        s, r = _halves(b, small)
        power = b.fmul(s, b.fmul(r, const(0.5, t)) if halved else r)
        y = b.fma(power, p, b.fsub(power, const(0.5 if halved else 1, t)))
    if halved:
        y = b.fadd(y, y)
    return b.select(b.compare("fcmp olt", b.abs(x), const(f.tiny * f.tiny, t)), x, y)


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


_LOG1P = (
    -0.49999647958843396,
    0.3332132253533259,
    -0.24857163188094616,
    0.19153653659839548,
    -0.1375380058048708,
    0.07920452337539186,
    -0.030065788911183087,
    0.005364824321136993,
)
"""``(log1p(x) - x) / x^2`` for ``0 <= x <= 1``, to 3.3e-8 of log1p."""
_LOG1P_IN_DOUBLE = (
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
)
"""``(atanh(s) / s - 1) / s^2`` in ``s^2`` for ``0 <= s <= 1/3``, least relative error."""


def _log1p_unit(b: Builder, x: Val) -> Val:
    """``log(1 + x)`` for x between 0 and 1."""
    if x.type == "float":
        y = b.fma(b.fmul(x, polynomial(b, x, _LOG1P)), x, x)
    else:
        # 2 atanh(x / (2 + x)). Doubled first, so that the least x is not lost.
        t = x.type
        s = quotient(b, b.fadd(x, x), b.fadd(x, const(2, t)))
        s2 = b.fmul(s, s)
        quarters = tuple(c * 0.25 ** (k + 1) for k, c in enumerate(_LOG1P_IN_DOUBLE))
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
    if harmless and y.text[0] == "%" and (y.text in b.divisors or special.has_reciprocal(b, y)):
        out = b.fmul(x, special.reciprocal(b, y))
    else:
        out = b.fdiv(x, y)
    return b.know(out, _quotient_range(numerator, known))


def _quotient_range(x: Range, y: Range) -> Range:
    """Of a number between 0 and 1 by one of at least 1, a common case."""
    return Range(0.0, x.high, x.nan or y.nan) if x.inside(0.0, 1.0) and y.low >= 1 else ANY


_TANH_NEAR = 0.55
_TANH = (-0.3333294665083692, 0.1332072535682634, -0.05267183113375737, 0.01643761103809743)
"""``(tanh(x) / x - 1) / x^2`` in ``x^2`` for ``|x| <= 0.55``, to 3.7e-8 of tanh."""


def tanh(b: Builder, x: Val) -> Val:
    """``(1 - e) / (1 + e)`` with ``e = e^-2|x|`` and the sign of x. Its derivative takes the same exponential."""
    a = b.abs(x)
    y = _tanh_in_single(b, x, a) if x.type == "float" else _tanh_in_double(b, x, a)
    return b.know(y, Range(-1.0, 1.0, b.range(x).nan))


def _tanh_in_single(b: Builder, x: Val, a: Val) -> Val:
    """A polynomial near 0, where the difference from 1 would cancel."""
    t = x.type
    one, square = const(1, t), b.fmul(x, x)
    near = b.fmul(x, b.fma(square, polynomial(b, square, _TANH), one))
    e = exp(b, b.neg(b.fadd(a, a)))
    far = b.fma(b.neg(b.fadd(e, e)), special.reciprocal(b, b.fadd(e, one)), one)
    return b.select(b.compare("fcmp olt", a, const(_TANH_NEAR, t)), near, b.call("copysign", far, x))


def _tanh_in_double(b: Builder, x: Val, a: Val) -> Val:
    t = x.type
    m = expm1(b, b.fmul(a, const(-2, t)))
    y = b.call("copysign", quotient(b, b.neg(m), b.fadd(m, const(2, t))), x)
    return b.select(b.compare("fcmp olt", a, const(_format(x).tiny, t)), x, y)


_ERFC_SLOPE = 0.5
_ERFC = (
    0.2820882783700635,
    0.2822580355843251,
    0.24512277110273883,
    0.18591501640422542,
    0.053733650664984554,
    0.03810498194356074,
    -0.026225262257907615,
    -0.2851222086903624,
    0.3784388613642845,
    -0.1898884502202921,
    0.03557432917779405,
)
"""``erfc(s) exp(s^2) / u`` in ``u = 1 / (1 + s / 2)``, to 3.4e-9, as far as floats reach."""
_ERFC_IS_0 = 10.1
"""From here, in single precision."""


def _erfc_of_size(b: Builder, x: Val) -> Val:
    """``erfc(|x|)`` in single precision."""
    t = x.type
    s = b.abs(x)
    square = b.fmul(x, x)
    e = exp(b, b.neg(square))
    slope, one = const(_ERFC_SLOPE, t), const(1, t)
    rounded = b.fma(s, slope, one)
    u = special.reciprocal(b, rounded)
    # The exponential makes much of what rounding the square lost, and ``u P(u)`` one and a half
    # times a relative error of u.
    lost = b.fma(s, slope, b.fsub(one, rounded))
    error = b.fma(b.neg(u), lost, b.fma(b.neg(rounded), u, one))
    correction = b.fma(const(1.5, t), error, b.neg(special.lost_by_square(b, x, square)))
    tail = b.fmul(b.fmul(polynomial(b, u, _ERFC), u), b.fma(e, correction, e))
    if not b.range(x).inside(-(2.0**60), 2.0**60):
        tail = b.select(b.compare("fcmp ogt", s, const(_ERFC_IS_0, t)), const(0, t), tail)
    return tail


def erfc(b: Builder, x: Val) -> Val:
    """The complementary error function in single precision. Its derivative takes the same exponential."""
    t = x.type
    tail = _erfc_of_size(b, x)
    y = b.select(b.compare("fcmp olt", x, const(0, t)), b.fsub(const(2, t), tail), tail)
    return b.know(y, Range(0.0, 2.0, b.range(x).nan))


_ERF = (
    1.128379165726882,
    -0.37612625825398577,
    0.11283585160994081,
    -0.026853812392608343,
    0.00518832845380049,
    -0.0008010199654787598,
    7.853879329082173e-05,
)
"""``erf(x) / x`` in ``x^2`` for ``|x| <= 1``, to 1.2e-9."""


def erf(b: Builder, x: Val) -> Val:
    """The error function in single precision: a polynomial near 0, beyond it ``1 - erfc``."""
    t = x.type
    s = b.abs(x)
    near = b.fmul(x, polynomial(b, b.fmul(x, x), _ERF))
    far = b.call("copysign", b.fsub(const(1, t), _erfc_of_size(b, x)), x)
    return b.know(b.select(b.compare("fcmp olt", s, const(1, t)), near, far), Range(-1.0, 1.0, b.range(x).nan))
