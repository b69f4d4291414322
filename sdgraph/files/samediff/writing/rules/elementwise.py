"""Rules of the ops that work on each element: functions, arithmetic, comparisons, activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sdgraph.files.samediff.writing.call import BOOL, FLOAT, Call, Written, broadcast, same_shape
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.files.samediff.writing.rules.choosing import kept

Rule = Callable[[Call], Written]

# ---------------------------------------------------------------------- functions of one array


def function(op_name: str) -> Rule:
    """An operation of SameDiff's on one array of the result's dtype."""
    return lambda c: c.node(op_name, c.cast(c.x, c.dtype))


def _of_floats(op_name: str) -> Rule:
    """A question that is asked of floats only; integers are none of these."""
    return lambda c: c.node(op_name, c.x if c.x.dtype.kind == "f" else c.cast(c.x, np.float64), dtype=BOOL)


def _whole(op_name: str) -> Rule:
    """A rounding, which integers do not need."""
    return lambda c: c.node(op_name, c.x) if c.dtype.kind == "f" else c.x


def _round(c: Call) -> Value:
    """On a gradient's path from the whole number below: SameDiff's op has no gradient."""
    x = c.cast(c.x, c.dtype)
    if c.dtype.kind != "f":
        return x
    if not c.on_path:
        return c.node("rint", x)
    below = c.node("floor", x)
    rest = c.sub(x, below)
    is_odd = c.truth(c.sub(below, c.mul(c.node("floor", c.mul(below, c.number(0.5))), c.number(2))))
    half = c.node("boolean_and", c.compared("equals", rest, 0.5), is_odd)
    up = c.node("boolean_or", c.compared("greater", rest, 0.5), half)
    return c.add(below, c.mask(up))


def _step(c: Call) -> Value:
    """A comparison: SameDiff's own step is 0 at the value itself."""
    x, value = c.cast(c.x, c.dtype), float(c.attrs["value"])
    y = c.mask(c.compared("greater_equal", x, value if c.dtype.kind == "f" else math.ceil(value)))
    # Zeros have a gradient, which is 0; without one SameDiff would say that there is nothing to differentiate by.
    return c.add(y, c.zeros(x)) if c.on_path else y


def _log(c: Call) -> Value:
    if c.attrs["base"] is not None:
        raise Refused("SameDiff's logarithm to a base has single precision")
    return c.node("log", c.cast(c.x, c.dtype))


# ---------------------------------------------------------------------- arithmetic


def _two(op_name: str, number: str = "", number_first: str = "", spread: bool = False) -> Rule:
    """Arithmetic of two arrays, or by its operation with a number in the node.

    Args:
        op_name: The operation of two arrays.
        number: That of an array and a number, if there is one.
        number_first: That for a number as the first operand.
        spread: Whether SameDiff's gradient is wrong for an operand that broadcasts.
    """

    def rule(c: Call) -> Value:
        if c.dtype == BOOL:
            return _of_bools(c, op_name)
        found = with_number(c, number, number_first, c.dtype)
        if found is not None:
            return found
        x, y = (c.cast(v, c.dtype) for v in c.inputs)
        return c.pair(op_name, *(c.spread(x, y) if spread else (x, y)))

    return rule


_FORWARD: Final = {"pow", "rdiv_scalar"}
"""Operations with a number whose gradient reads more than that number."""


def with_number(c: Call, second: str, first: str, dtype: Any, kinds: str = "f") -> Value | None:
    """An array and a number that nobody named as one node; None if there is no such number, or no such operation."""
    x, y = c.inputs
    for array, number, op_name in ((x, y, second), (y, x, first)):
        if op_name in _FORWARD and c.on_path:
            continue
        if op_name and number.waits and number.shape == () and array.dtype == number.dtype == dtype:
            if dtype.kind not in kinds or not np.isfinite(number.array):
                return None
            value = float(number.array)
            more = {"pow": value} if op_name == "pow" else {}
            t = [value] if op_name == "pow" else []
            return c.node(op_name, array, dtype=c.dtype, t=t, scalar=number.array, more=more)
    return None


def _merge_add(c: Call) -> Value:
    inputs = [c.cast(x, c.dtype) for x in c.inputs]
    if all(same_shape(x.shape, inputs[0].shape) for x in inputs) and len(inputs) > 1:
        return c.node("mergeadd", *inputs)
    total = inputs[0]
    for x in inputs[1:]:
        total = c.add(total, x)
    return total


def _truncated(c: Call, quotient: Value) -> Value:
    return c.mul(c.node("sign", quotient), c.node("floor", c.node("abs", quotient)))


def _floor_div(c: Call) -> Value:
    if c.dtype == BOOL:
        raise Refused("SameDiff does no arithmetic with bools")
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    return whole_quotient(c, x, y) if c.dtype.kind in "iu" else c.pair("floordiv", x, y)


def whole_quotient(c: Call, x: Value, y: Value) -> Value:
    """The quotient of integers rounded down: SameDiff leaves out its fraction, so one less where that was negative."""
    quotient = c.pair("floordiv", x, y)
    if x.dtype.kind == "u":
        return quotient
    rest = c.sub(x, c.mul(quotient, y))
    signs = c.pair("multiply", c.node("sign", rest), c.node("sign", y))
    return c.sub(quotient, c.cast(c.compared("less", signs, 0), x.dtype))


def whole_remainder(c: Call, x: Value, y: Value) -> Value:
    """What is left of integers then, with the sign of y."""
    return c.sub(x, c.mul(whole_quotient(c, x, y), y))


def _floor_mod(c: Call) -> Value:
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    if c.dtype.kind in "iu":
        return whole_remainder(c, x, y)
    if not c.on_path:
        return c.pair("floormod", x, y)
    return c.sub(x, c.mul(c.node("floor", c.div(x, y)), y))


def _fmod(c: Call) -> Value:
    """The remainder of the absolute values, which SameDiff computes exactly, with the sign of x."""
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    if c.dtype.kind in "iu":
        return c.sub(x, c.mul(c.pair("floordiv", x, y), y))
    if not c.on_path:
        found = with_number(c, "fmod_scalar", "", c.dtype)
        return found or c.mul(c.node("sign", x), c.pair("floormod", c.node("abs", x), c.node("abs", y)))
    return c.sub(x, c.mul(_truncated(c, c.div(x, y)), y))


def _divide_no_nan(c: Call) -> Value:
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    mask = c.mask(c.truth(y))
    return c.mul(c.div(x, c.add(y, c.one_less(mask))), mask)


def _xdivy(c: Call) -> Value:
    """The divisor is 1 where x is 0."""
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    mask = c.mask(c.truth(x))
    return c.div(x, c.add(c.mul(y, mask), c.one_less(mask)))


def _multiply_no_nan(c: Call) -> Value:
    """What the weight takes out is made finite first."""
    x, w = (c.cast(v, c.dtype) for v in c.inputs)
    return c.mul(x if x.finite else kept(c, x, c.truth(w)), w)


def _times_log(op_name: str, where_zero: float) -> Rule:
    """``x log y`` with a y whose logarithm is 0 where x is 0."""

    def rule(c: Call) -> Value:
        x, y = (c.cast(v, c.dtype) for v in c.inputs)
        mask = c.mask(c.truth(x))
        safe = c.mul(y, mask)
        if where_zero:
            safe = c.add(safe, c.one_less(mask))
        return c.mul(x, c.node(op_name, safe))

    return rule


def _hypot(c: Call) -> Value:
    """Scaled by the larger of the two, so that no square is too large or too small."""
    x, y = (c.node("abs", c.cast(v, c.dtype)) for v in c.inputs)
    x, y = c.spread(x, y)
    full = broadcast(x.shape, y.shape)
    largest = c.stopped(c.pair("maximum", x, y))
    scale = c.add(largest, c.one_less(c.mask(c.truth(largest))))
    squares = c.add(c.node("square", c.div(x, scale)), c.node("square", c.div(y, scale)))
    zero = c.one_less(c.mask(c.truth(squares)))
    root = c.sub(c.node("sqrt", c.add(squares, zero), shape=full), zero)
    return c.mul(scale, root)


def _clip(c: Call) -> Value:
    low, high = float(c.attrs["clip_value_min"]), float(c.attrs["clip_value_max"])
    if c.dtype.kind in "iu":
        info = np.iinfo(c.dtype)
        return _between(c, c.x, max(int(max(low, info.min)), info.min), min(int(min(high, info.max)), info.max))
    return _clipped(c, c.x, low, high) if c.on_path else c.node("ClipByValue", c.x, t=[low, high])


def _between(c: Call, x: Value, low: int, high: int) -> Value:
    """Integers between two bounds."""
    return c.pair("minimum", c.pair("maximum", x, c.number(low)), c.number(high))


def _clipped(c: Call, x: Value, low: float, high: float) -> Value:
    """Clipped just beyond the bounds, at which SameDiff's gradient is 0, and what is beyond put on them by masks."""
    low, high = (float(c.dtype.type(v)) for v in (low, high))
    beyond = [float(np.nextafter(c.dtype.type(v), c.dtype.type(way))) for v, way in ((low, -np.inf), (high, np.inf))]
    outside = []
    inside = None
    for op_name, bound in (("less", low), ("greater", high)):
        if not np.isinf(bound):
            mask = c.mask(c.compared(op_name, x, bound))
            inside = c.one_less(mask) if inside is None else c.sub(inside, mask)
            outside.append(c.mul(mask, c.number(bound)))
    y = c.node("ClipByValue", x, t=beyond)
    y = y if inside is None else c.mul(inside, y)
    for part in outside:
        y = c.add(y, part)
    return y


def _extreme(op_name: str, beats: str, number: str) -> Rule:
    """On a gradient's path by masks that are 0.5 where the two are equal: SameDiff gives both the whole gradient."""

    def rule(c: Call) -> Value:
        if c.dtype == BOOL:
            return _of_bools(c, op_name)
        x, y = (c.cast(v, c.dtype) for v in c.inputs)
        if not c.on_path:
            return with_number(c, number, number, c.dtype) or c.pair(op_name, x, y)
        ties = c.mul(c.mask(c.compared("equals", x, y)), c.number(0.5))
        first = c.add(c.mask(c.compared(beats, x, y)), ties)
        second = c.one_less(first)
        return c.add(
            *(c.mul(share, v if v.finite else kept(c, v, c.truth(share))) for share, v in ((first, x), (second, y)))
        )

    return rule


# ---------------------------------------------------------------------- comparisons and logic


def _compared(op_name: str, number: str) -> Rule:
    def rule(c: Call) -> Value:
        dtype = np.promote_types(*(x.dtype for x in c.inputs))
        if dtype == BOOL:
            dtype = FLOAT
        found = with_number(c, number, "", dtype, "fi")
        if found is not None:
            return found
        return c.pair(op_name, *(c.cast(x, dtype) for x in c.inputs), dtype=BOOL)

    return rule


def _logical(op_name: str, arithmetic: str) -> Rule:
    return lambda c: _joined(c, op_name, arithmetic)


def _joined(c: Call, op_name: str, arithmetic: str) -> Value:
    """On bools of one shape an operation of its own; others are numbers first."""
    x, y = map(c.truth, c.inputs)
    if same_shape(x.shape, y.shape):
        return c.node(op_name, x, y)
    return c.truth(c.pair(arithmetic, c.cast(x, FLOAT), c.cast(y, FLOAT)))


_OF_BOOLS: Final = {"add": "or", "maximum": "or", "multiply": "and", "minimum": "and"}


def _of_bools(c: Call, op_name: str) -> Value:
    """What numpy's arithmetic with bools is; SameDiff has none."""
    if op_name not in _OF_BOOLS:
        raise Refused("SameDiff does no arithmetic with bools")
    joint = _OF_BOOLS[op_name]
    return _joined(c, f"boolean_{joint}", "add" if joint == "or" else "multiply")


# ---------------------------------------------------------------------- activations


def _relu_of(c: Call, x: Value) -> Value:
    return c.node("relu", x, scalar=np.asarray(0, c.dtype))


def _relu(c: Call) -> Value:
    if c.attrs["cutoff"]:
        raise Refused("below the cutoff SameDiff gives the cutoff, not 0")
    if c.dtype.kind != "f":
        return c.pair("maximum", c.cast(c.x, c.dtype), c.number(0))
    return _relu_of(c, c.cast(c.x, c.dtype))


def _relu6(c: Call) -> Value:
    """On a gradient's path a clip, where the cutoff is not 0: SameDiff's gradient ignores it."""
    cutoff = float(c.attrs["cutoff"])
    x = c.cast(c.x, c.dtype)
    if c.dtype.kind != "f":
        return _between(c, x, max(min(int(cutoff), 6), int(np.iinfo(c.dtype).min)), 6)
    if cutoff and c.on_path:
        return c.node("ClipByValue", x, t=[min(cutoff, 6.0), 6.0])
    return c.node("relu6", x, scalar=np.asarray(cutoff, c.dtype))


def _leaky_relu(c: Call) -> Value:
    """On a gradient's path times a slope: SameDiff's own gradient has an alpha of single precision, and 1 at 0."""
    x, alpha = c.cast(c.x, c.dtype), float(c.attrs["alpha"])
    if not c.on_path:
        return c.node("leakyrelu", x, t=[alpha], scalar=np.asarray(alpha, c.dtype))
    above = c.mask(c.compared("greater", x, 0))
    return c.mul(x, c.add(above, c.mul(c.one_less(above), c.number(alpha))))


def _elu(c: Call) -> Value:
    """On a gradient's path from an elu whose alpha is 1, for the same reason."""
    x, alpha = c.cast(c.x, c.dtype), float(c.attrs["alpha"])
    if alpha == 1 or not c.on_path:
        return c.node("elu", x, t=[alpha])
    above = c.mask(c.compared("greater", x, 0))
    negative = c.mul(c.one_less(above), x) if x.finite else c.neg(_relu_of(c, c.neg(x)))
    return c.add(_relu_of(c, x), c.mul(c.node("elu", negative, t=[1.0]), c.number(alpha)))


def _swish(c: Call) -> Value:
    c.off_path("the gradient of SameDiff's op is NaN for large numbers")
    return c.node("swish", c.cast(c.x, c.dtype))


_SAME_NAMES: Final = (
    *("abs", "sign", "neg", "cube", "square", "sqrt", "rsqrt", "cos", "exp", "sin", "acos", "asin"),
    *("atan", "sinh", "cosh", "tan", "log1p", "erf", "acosh", "asinh", "erfc", "expm1", "atanh", "tanh"),
)
FUNCTIONS: Final = {
    **{f"math.{name}": name for name in _SAME_NAMES},
    **{f"nn.{name}": name for name in ("sigmoid", "softplus", "softsign", "selu", "tanh")},
    "math.ln": "log",
    "math.reciprocal": "Reciprocal",
    "nn.hard_tanh": "hardtanh",
    "nn.log_sigmoid": "logsigmoid",
}
"""Ops that SameDiff computes as we do, gradient included, and what it calls them."""

RULES: Final[dict[str, Rule]] = {
    **{name: function(op_name) for name, op_name in FUNCTIONS.items()},
    "math.is_nan": _of_floats("isnan"),
    "math.is_infinite": _of_floats("isinf"),
    "math.is_finite": _of_floats("isfinite"),
    "math.round": _round,
    "math.floor": _whole("floor"),
    "math.ceil": _whole("ceil"),
    "math.step": _step,
    "math.log": _log,
    "math.add": _two("add", "add_scalar", "add_scalar"),
    "math.sub": _two("subtract", "sub_scalar", "rsub_scalar"),
    "math.mul": _two("multiply", "mul_scalar", "mul_scalar"),
    "math.pow": _two("Pow", "pow"),
    "math.rsub": _two("reversesubtract", "rsub_scalar", "sub_scalar"),
    "math.floor_div": _floor_div,
    "math.div": _two("divide", "div_scalar", "rdiv_scalar", spread=True),
    "math.rdiv": _two("reversedivide", "rdiv_scalar", "div_scalar", spread=True),
    "math.max": _extreme("maximum", "greater", "max_scalar"),
    "math.min": _extreme("minimum", "less", "scalar_min"),
    "math.atan2": _two("tf_atan2", spread=True),
    "math.squared_difference": _two("squaredsubtract", spread=True),
    "math.merge_add": _merge_add,
    "math.floor_mod": _floor_mod,
    "math.fmod": _fmod,
    "math.divide_no_nan": _divide_no_nan,
    "math.multiply_no_nan": _multiply_no_nan,
    "math.xdivy": _xdivy,
    "math.xlogy": _times_log("log", 1),
    "math.xlog1py": _times_log("log1p", 0),
    "math.hypot": _hypot,
    "math.clip_by_value": _clip,
    "eq": _compared("equals", "equals_scalar"),
    "neq": _compared("not_equals", "notequals_scalar"),
    "gt": _compared("greater", "greaterthan_scalar"),
    "gte": _compared("greater_equal", "greaterthanorequal_scalar"),
    "lt": _compared("less", "lessthan_scalar"),
    "lte": _compared("less_equal", "lessthanorequal_scalar"),
    "math.and_": _logical("boolean_and", "multiply"),
    "math.or_": _logical("boolean_or", "add"),
    "math.xor": _logical("boolean_xor", "subtract"),
    "math.not_": lambda c: c.node("boolean_not", c.truth(c.x)),
    "nn.relu": _relu,
    "nn.relu6": _relu6,
    "nn.leaky_relu": _leaky_relu,
    "nn.elu": _elu,
    "nn.swish": _swish,
}
