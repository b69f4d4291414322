"""Elementary and special functions. Where ONNX has none that keeps the digits, it is written with what keeps them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sdgraph.files.onnx.fragments import Recorder, Value
from sdgraph.files.onnx.registry import exports
from sdgraph.ops.special import error, inverse


def _function(operator: str) -> Callable[..., Value]:
    return lambda b, x: getattr(b, operator)(b.cast(x, b.out.dtype))


_NAMES = ("exp", "sqrt", "sin", "cos", "asin", "acos", "atan", "tanh", "asinh", "acosh", "atanh")

for _name in _NAMES:
    exports(f"math.{_name}")(_function(_name.capitalize()))
exports("math.ln")(_function("Log"))


@exports("math.rsqrt")
def _rsqrt(b: Recorder, x: Value) -> Value:
    return b.Reciprocal(b.Sqrt(b.cast(x, b.out.dtype)))


# ---------------------------------------------------------------------- logarithms and powers near 1


def log1p(b: Recorder, x: Value) -> Value:
    """``log(1 + x)`` with all digits: the error of the rounded sum ``u`` is that of the factor ``x / (u - 1)``, too."""
    total = b.Add(x, 1)
    rest = b.Sub(total, 1)
    tiny = b.Equal(rest, 0)
    # Where nothing was rounded, infinity among it, the factor is 1.
    plain = b.Or(tiny, b.Equal(rest, x))
    factor = b.Div(b.select(plain, b.value(1, x.dtype), x), b.select(plain, b.value(1, x.dtype), rest))
    return b.select(tiny, x, b.Mul(b.Log(total), factor))


def expm1(b: Recorder, x: Value) -> Value:
    """``exp(x) - 1`` with all digits: what is lost near 0 is lost of the logarithm of the rounded power, too."""
    power = b.Exp(x)
    rest = b.Sub(power, 1)
    tiny = b.Equal(rest, 0)
    plain = b.Or(tiny, b.Greater(b.Abs(x), 1))
    one = b.value(1, x.dtype)
    factor = b.Div(b.select(plain, one, x), b.Log(b.select(plain, b.value(math.e, x.dtype), power)))
    return b.select(tiny, x, b.Mul(rest, factor))


exports("math.log1p")(lambda b, x: log1p(b, b.cast(x, b.out.dtype)))
exports("math.expm1")(lambda b, x: expm1(b, b.cast(x, b.out.dtype)))


@exports("math.xlogy", "math.xlog1py")
def _times_log(b: Recorder, x: Value, y: Value) -> Value:
    x, y = (b.cast(v, b.out.dtype) for v in (x, y))
    zero = b.Equal(x, 0)
    safe = b.select(zero, b.value(1, x.dtype), y)
    log = b.Log(safe) if b.op == "math.xlogy" else log1p(b, safe)
    return b.select(zero, b.value(0, x.dtype), b.Mul(x, log))


# ---------------------------------------------------------------------- of which runtimes lack the one for doubles


@exports("math.tan")
def _tan(b: Recorder, x: Value) -> Value:
    x = b.cast(x, b.out.dtype)
    return b.Div(b.Sin(x), b.Cos(x)) if x.dtype == np.float64 else b.Tan(x)


@exports("math.sinh")
def _sinh(b: Recorder, x: Value) -> Value:
    x = b.cast(x, b.out.dtype)
    if x.dtype != np.float64:
        return b.Sinh(x)
    # Of half of x, whose power does not overflow before the result does.
    half = expm1(b, b.Mul(b.Abs(x), 0.5))
    above = b.Add(half, 2)
    rest = b.Add(b.Reciprocal(b.Add(b.Mul(half, above), 1)), 1)
    size = b.Mul(b.Mul(b.Mul(half, 0.5), above), rest)
    return b.select(b.Less(x, 0), b.Neg(size), size)


@exports("math.cosh")
def _cosh(b: Recorder, x: Value) -> Value:
    x = b.cast(x, b.out.dtype)
    if x.dtype != np.float64:
        return b.Cosh(x)
    half = b.Exp(b.Mul(b.Abs(x), 0.5))
    return b.Mul(half, b.Mul(b.Add(half, b.Exp(b.Mul(b.Abs(x), -1.5))), 0.5))


# ---------------------------------------------------------------------- of two numbers


def _sorted(b: Recorder, x: Value, y: Value) -> tuple[Value, Value, Value, Value]:
    """The sizes of both, the smaller and the larger one."""
    x, y = b.Abs(x), b.Abs(y)
    return x, y, b.Min(x, y), b.Max(x, y)


@exports("math.hypot")
def _hypot(b: Recorder, x: Value, y: Value) -> Value:
    *_, least, most = _sorted(b, b.cast(x, b.out.dtype), b.cast(y, b.out.dtype))
    plain = b.Or(b.Equal(most, 0), b.Equal(most, np.inf))
    ratio = b.Div(least, b.select(plain, b.value(1, most.dtype), most))
    return b.select(plain, most, b.Mul(most, b.Sqrt(b.Add(b.Mul(ratio, ratio), 1))))


@exports("math.atan2", loses="the sign of a zero does not count")
def _atan2(b: Recorder, y: Value, x: Value) -> Value:
    x, y = b.cast(x, b.out.dtype), b.cast(y, b.out.dtype)
    across, up, least, most = _sorted(b, x, y)
    zero, equal = b.Equal(most, 0), b.Equal(least, most)
    one = b.value(1, x.dtype)
    # Two infinities have a direction, too.
    ratio = b.select(equal, b.select(zero, least, one), b.Div(least, b.select(zero, one, most)))
    angle = b.Atan(ratio)
    angle = b.select(b.Greater(up, across), b.Sub(b.value(math.pi / 2, x.dtype), angle), angle)
    angle = b.select(b.Less(x, 0), b.Sub(b.value(math.pi, x.dtype), angle), angle)
    return b.select(b.Less(y, 0), b.Neg(angle), angle)


# ---------------------------------------------------------------------- error function


def _polynomial(b: Recorder, t: Value, coefficients: Sequence[float]) -> Value:
    total = b.value(coefficients[0], t.dtype)
    for c in coefficients[1:]:
        total = b.Add(b.Mul(total, t), b.value(c, t.dtype))
    return total


def _error(b: Recorder, x: Value) -> tuple[Value, Value, Value]:
    """The error function near 0, its complement for the size of ``x``, and where the first of them counts."""
    near = b.Less(b.Abs(x), error.EDGE)
    small = b.select(near, x, b.value(0, x.dtype))
    inner = b.Add(small, b.Mul(small, _polynomial(b, b.Mul(small, small), error.NEAR_POLYNOMIAL)))
    size = b.Min(b.Abs(x), error.FAR)
    scaled = _polynomial(b, b.Div(b.Sub(size, 3), b.Add(size, 3)), error.TAIL_POLYNOMIAL)
    scaled = b.Div(scaled, b.Add(b.Mul(size, 2), 1))
    # x^2 rounded would cost digits: the square of the upper half of x is exact, the rest is a small correction.
    upper = b.cast(b.cast(size, "float32"), x.dtype)
    rest = b.Mul(b.Sub(size, upper), b.Add(size, upper))
    bell = b.Exp(b.Neg(b.Mul(upper, upper)))
    smaller = b.Mul(rest, b.Sub(b.value(1, x.dtype), b.Mul(rest, b.Sub(b.value(0.5, x.dtype), b.Div(rest, 6)))))
    return inner, b.Mul(scaled, b.Sub(bell, b.Mul(bell, smaller))), near


@exports("math.erfc")
def _erfc(b: Recorder, x: Value) -> Value:
    x = b.cast(x, "float64")
    inner, tail, near = _error(b, x)
    far = b.select(b.Less(x, 0), b.Sub(b.value(2, x.dtype), tail), tail)
    return b.cast(b.select(near, b.Sub(b.value(1, x.dtype), inner), far), b.out.dtype)


@exports("math.erf")
def _erf(b: Recorder, x: Value) -> Value:
    if b.out.dtype != np.float64 and b.target == "standard":
        return b.cast(b.Erf(b.widened(b.cast(x, b.out.dtype))), b.out.dtype)
    x = b.cast(x, "float64")
    inner, tail, near = _error(b, x)
    far = b.Sub(b.value(1, x.dtype), tail)
    return b.cast(b.select(near, inner, b.select(b.Less(x, 0), b.Neg(far), far)), b.out.dtype)


@exports("math.erfinv")
def _erfinv(b: Recorder, x: Value) -> Value:
    x = b.cast(x, "float64")
    size, one = b.Abs(x), b.value(1, x.dtype)
    inner = b.Mul(x, _polynomial(b, b.Sub(b.Mul(x, x), inverse.CENTRE), inverse.CENTRE_POLYNOMIAL))
    t = b.Sqrt(b.Neg(b.Log(b.Mul(b.Sub(one, size), b.Add(size, 1)))))
    near, far = (
        _polynomial(b, b.Sub(b.Min(b.Max(t, least), most), (least + most) / 2), coefficients)
        for least, most, coefficients in inverse.TAILS
    )
    outer = b.Mul(t, b.select(b.Greater(t, inverse.TAILS[0][1]), far, near))
    outer = b.select(b.Less(x, 0), b.Neg(outer), outer)
    return b.cast(b.select(b.LessOrEqual(size, inverse.EDGE), inner, outer), b.out.dtype)
