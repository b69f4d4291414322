"""Elementwise mathematics under numpy's names, as Keras has them: arithmetic, powers, comparisons, logic, rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.build.literals import python_number
from sdgraph.checks import whole
from sdgraph.errors import ArgumentError
from sdgraph.keras.ops.operation import Apart, Tensor, arithmetic, on_floats, operation

# ---------------------------------------------------------------------- one operand


@operation
def abs(x: Tensor) -> Any:
    """Absolute value. The derivative at 0 is 0."""
    return x.sd.math.abs(x)


absolute = abs


@operation
def negative(x: Tensor) -> Any:
    """``-x``."""
    return x.sd.math.neg(x)


@operation
def sign(x: Tensor) -> Any:
    """-1, 0 or 1."""
    return x.sd.math.sign(x)


@operation
def square(x: Tensor) -> Any:
    """``x * x``."""
    return x.sd.math.square(x)


@on_floats
def sqrt(x: Tensor) -> Any:
    """Square root. The derivative at 0 is 0."""
    return x.sd.math.sqrt(x)


@on_floats
def rsqrt(x: Tensor) -> Any:
    """``1 / sqrt(x)``."""
    return x.sd.math.rsqrt(x)


@on_floats
def reciprocal(x: Tensor) -> Any:
    """``1 / x``."""
    return x.sd.math.reciprocal(x)


@on_floats
def exp(x: Tensor) -> Any:
    """``e`` to the power ``x``."""
    return x.sd.math.exp(x)


@on_floats
def expm1(x: Tensor) -> Any:
    """``exp(x) - 1``, accurate near 0."""
    return x.sd.math.expm1(x)


@on_floats
def log(x: Tensor) -> Any:
    """Natural logarithm."""
    return x.sd.math.log(x)


@on_floats
def log1p(x: Tensor) -> Any:
    """``log(1 + x)``, accurate near 0."""
    return x.sd.math.log1p(x)


@on_floats
def log2(x: Tensor) -> Any:
    """Logarithm to the base 2."""
    return x.sd.math.log(x, 2.0)


@on_floats
def log10(x: Tensor) -> Any:
    """Logarithm to the base 10."""
    return x.sd.math.log(x, 10.0)


@on_floats
def sin(x: Tensor) -> Any:
    """Sine."""
    return x.sd.math.sin(x)


@on_floats
def cos(x: Tensor) -> Any:
    """Cosine."""
    return x.sd.math.cos(x)


@on_floats
def tan(x: Tensor) -> Any:
    """Tangent."""
    return x.sd.math.tan(x)


@on_floats
def arcsin(x: Tensor) -> Any:
    """Inverse sine."""
    return x.sd.math.asin(x)


@on_floats
def arccos(x: Tensor) -> Any:
    """Inverse cosine."""
    return x.sd.math.acos(x)


@on_floats
def arctan(x: Tensor) -> Any:
    """Inverse tangent."""
    return x.sd.math.atan(x)


@on_floats
def sinh(x: Tensor) -> Any:
    """Hyperbolic sine."""
    return x.sd.math.sinh(x)


@on_floats
def cosh(x: Tensor) -> Any:
    """Hyperbolic cosine."""
    return x.sd.math.cosh(x)


@on_floats
def arcsinh(x: Tensor) -> Any:
    """Inverse hyperbolic sine."""
    return x.sd.math.asinh(x)


@on_floats
def arccosh(x: Tensor) -> Any:
    """Inverse hyperbolic cosine."""
    return x.sd.math.acosh(x)


@on_floats
def arctanh(x: Tensor) -> Any:
    """Inverse hyperbolic tangent."""
    return x.sd.math.atanh(x)


@on_floats
def erf(x: Tensor) -> Any:
    """Error function."""
    return x.sd.math.erf(x)


@on_floats
def erfc(x: Tensor) -> Any:
    """``1 - erf(x)``, accurate where that is small."""
    return x.sd.math.erfc(x)


@on_floats
def erfinv(x: Tensor) -> Any:
    """Inverse of the error function."""
    return x.sd.math.erfinv(x)


@on_floats
def ceil(x: Tensor) -> Any:
    """The least whole number that is not below ``x``."""
    return x.sd.math.ceil(x)


@on_floats
def floor(x: Tensor) -> Any:
    """The largest whole number that is not above ``x``."""
    return x.sd.math.floor(x)


@operation
def round(x: Tensor, decimals: int = 0) -> Any:
    """``x`` rounded to so many decimals, halves to the even neighbour."""
    if x.dtype.kind != "f":
        return x
    scale = 10.0 ** whole("decimals", decimals)
    return x.sd.math.round(x) if not decimals else x.sd.math.round(x * scale) / scale


@operation
def isfinite(x: Tensor) -> Any:
    """Where ``x`` is neither infinite nor NaN."""
    return x.sd.math.is_finite(x)


@operation
def isinf(x: Tensor) -> Any:
    """Where ``x`` is infinite."""
    return x.sd.math.is_infinite(x)


@operation
def isnan(x: Tensor) -> Any:
    """Where ``x`` is NaN."""
    return x.sd.math.is_nan(x)


@on_floats
def nan_to_num(x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """``x`` with numbers for NaN and infinities; without others the largest and the least of its dtype."""
    sd, ends = x.sd, np.finfo(x.dtype)
    most, least = float(ends.max) if posinf is None else posinf, float(ends.min) if neginf is None else neginf
    infinite = sd.math.is_infinite(x)
    x = sd.where(sd.math.and_(infinite, x > 0), most, sd.where(sd.math.and_(infinite, x < 0), least, x))
    return sd.where(sd.math.is_nan(x), nan, x)


# ---------------------------------------------------------------------- arithmetic


@arithmetic
def add(x1: Tensor, x2: Tensor) -> Any:
    """``x1 + x2``; of bools the logical or."""
    return x1.sd.math.or_(x1, x2) if x1.dtype.kind == "b" else x1.sd.math.add(x1, x2)


@arithmetic
def subtract(x1: Tensor, x2: Tensor) -> Any:
    """``x1 - x2``."""
    return x1.sd.math.sub(x1, x2)


@arithmetic
def multiply(x1: Tensor, x2: Tensor) -> Any:
    """``x1 * x2``; of bools the logical and."""
    return x1.sd.math.and_(x1, x2) if x1.dtype.kind == "b" else x1.sd.math.mul(x1, x2)


@on_floats
def divide(x1: Tensor, x2: Tensor) -> Any:
    """``x1 / x2``."""
    return x1.sd.math.div(x1, x2)


true_divide = divide


@on_floats
def divide_no_nan(x1: Tensor, x2: Tensor) -> Any:
    """``x1 / x2``, and 0 where ``x2`` is 0."""
    return x1.sd.math.divide_no_nan(x1, x2)


@arithmetic
def floor_divide(x1: Tensor, x2: Tensor) -> Any:
    """The largest whole number that is not above ``x1 / x2``."""
    return x1.sd.math.floor_div(x1, x2)


@arithmetic
def mod(x1: Tensor, x2: Tensor) -> Any:
    """What is left of ``x1`` after `floor_divide`: it has the sign of ``x2``."""
    return x1.sd.math.floor_mod(x1, x2)


@arithmetic
def power(x1: Tensor, x2: Tensor) -> Any:
    """``x1`` to the power ``x2``."""
    return x1.sd.math.pow(x1, x2)


@arithmetic
def maximum(x1: Tensor, x2: Tensor) -> Any:
    """The larger of two. Of two equal ones each gets half of the gradient."""
    return x1.sd.math.maximum(x1, x2)


@arithmetic
def minimum(x1: Tensor, x2: Tensor) -> Any:
    """The smaller of two. Of two equal ones each gets half of the gradient."""
    return x1.sd.math.minimum(x1, x2)


@on_floats
def arctan2(x1: Tensor, x2: Tensor) -> Any:
    """The angle of the point ``(x2, x1)``."""
    return x1.sd.math.atan2(x1, x2)


@on_floats
def logaddexp(x1: Tensor, x2: Tensor) -> Any:
    """``log(exp(x1) + exp(x2))``, which does not overflow."""
    sd = x1.sd
    if x1.shape != x2.shape:
        x1, x2 = x1 + sd.zeros_like(x2), x2 + sd.zeros_like(x1)
    return sd.math.log_sum_exp(sd.stack(x1, x2), 0)


def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """``x`` between two bounds, which may be arrays or variables. The derivative at a bound is 1."""
    numbers = (int, float, np.number)
    if isinstance(x_min, numbers) and isinstance(x_max, numbers):
        return _clipped(x, python_number(x_min), python_number(x_max))
    return minimum(maximum(x, x_min), x_max)


@operation
def _clipped(x: Tensor, x_min: float, x_max: float) -> Any:
    if x.dtype.kind in "iu" and not (float(x_min).is_integer() and float(x_max).is_integer()):
        x = x.sd.cast(x, x.sd.dtype)
    return x.sd.math.clip_by_value(x, x_min, x_max)


# ---------------------------------------------------------------------- comparisons and logic


@arithmetic
def equal(x1: Tensor, x2: Tensor) -> Any:
    """Where ``x1 == x2``."""
    return x1.sd.eq(x1, x2)


@arithmetic
def not_equal(x1: Tensor, x2: Tensor) -> Any:
    """Where ``x1 != x2``."""
    return x1.sd.neq(x1, x2)


@arithmetic
def greater(x1: Tensor, x2: Tensor) -> Any:
    """Where ``x1 > x2``."""
    return x1.sd.gt(x1, x2)


@arithmetic
def greater_equal(x1: Tensor, x2: Tensor) -> Any:
    """Where ``x1 >= x2``."""
    return x1.sd.gte(x1, x2)


@arithmetic
def less(x1: Tensor, x2: Tensor) -> Any:
    """Where ``x1 < x2``."""
    return x1.sd.lt(x1, x2)


@arithmetic
def less_equal(x1: Tensor, x2: Tensor) -> Any:
    """Where ``x1 <= x2``."""
    return x1.sd.lte(x1, x2)


def _truth(x: Any) -> Any:
    return x if x.dtype.kind == "b" else x.sd.neq(x, 0)


@operation
def logical_and(x1: Tensor, x2: Tensor) -> Any:
    """Where both are true; a number is true if it is not 0."""
    return x1.sd.math.and_(_truth(x1), _truth(x2))


@operation
def logical_or(x1: Tensor, x2: Tensor) -> Any:
    """Where one of them is true, or both."""
    return x1.sd.math.or_(_truth(x1), _truth(x2))


@operation
def logical_xor(x1: Tensor, x2: Tensor) -> Any:
    """Where one of them is true, and not both."""
    return x1.sd.math.xor(_truth(x1), _truth(x2))


@operation
def logical_not(x: Tensor) -> Any:
    """Where ``x`` is false."""
    return x.sd.math.not_(_truth(x))


@on_floats
def isclose(x1: Tensor, x2: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Where two are equal, or differ by no more than ``atol + rtol * abs(x2)``."""
    sd, m = x1.sd, x1.sd.math
    near = m.and_(m.abs(x1 - x2) <= atol + rtol * m.abs(x2), m.is_finite(x2))
    out = m.or_(near, sd.eq(x1, x2))
    return m.or_(out, m.and_(m.is_nan(x1), m.is_nan(x2))) if equal_nan else out


@arithmetic
def where(condition: Apart, x1: Tensor = None, x2: Tensor = None) -> Any:
    """``x1`` where a condition holds, else ``x2``.

    Raises:
        ArgumentError: Without ``x1`` and ``x2``: how many places there are is known only when it runs.
    """
    if x1 is None or x2 is None:
        raise ArgumentError(
            "where takes two values to choose from.",
            given="one of them, or none",
            fix="The places themselves are a list whose length depends on values: compute with the mask instead.",
        )
    return x1.sd.where(_truth(condition), x1, x2)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The choice whose condition holds first, else ``default``.

    Raises:
        ArgumentError: If there are not as many conditions as choices.
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ArgumentError(
            "Each choice has one condition.", given=f"{len(condlist)} conditions and {len(choicelist)} choices"
        )
    out = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = where(condition, choice, out)
    return out


__all__ = [
    "abs",
    "absolute",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "ceil",
    "clip",
    "cos",
    "cosh",
    "divide",
    "divide_no_nan",
    "equal",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "nan_to_num",
    "negative",
    "not_equal",
    "power",
    "reciprocal",
    "round",
    "rsqrt",
    "select",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "true_divide",
    "where",
]
