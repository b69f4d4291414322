"""Arithmetic, comparisons, logic, selection and casts, element by element."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from sdgraph.files.onnx.fragments import BOOL, Recorder, Value, carrier
from sdgraph.files.onnx.registry import exports
from sdgraph.infer.aval import promote
from sdgraph.ops.precision import wide

_INT32 = np.dtype("int32")

# ---------------------------------------------------------------------- arithmetic


def _joint(b: Recorder, *values: Value) -> list[Value]:
    """Operands in the dtype that numpy computes with."""
    dtype = functools.reduce(promote, (v.dtype for v in values))
    return [b.cast(v, dtype) for v in values]


def _as_result(b: Recorder, *values: Value) -> list[Value]:
    """Operands in the dtype of the result."""
    return [b.cast(v, b.out.dtype) for v in values]


def _two(operator: str, of_bools: str) -> Callable[..., Value]:
    """The rule of an operator for numbers; of bools it is another one."""

    def rule(b: Recorder, x: Value, y: Value) -> Value:
        dtype = b.out.dtype
        operands = _as_result(b, x, y)
        if dtype == BOOL:
            return getattr(b, of_bools)(*operands)
        work = carrier(dtype, ordered=True) if operator in ("Max", "Min") else dtype
        return b.cast(getattr(b, operator)(*(b.cast(v, work) for v in operands)), dtype)

    return rule


for _name, _operator, _of_bools in (
    ("add", "Add", "Or"),
    ("mul", "Mul", "And"),
    ("max", "Max", "Or"),
    ("min", "Min", "And"),
):
    exports(f"math.{_name}")(_two(_operator, _of_bools))


@exports("math.sub", "math.div")
def _no_bools(b: Recorder, x: Value, y: Value) -> Value:
    operator = {"math.sub": b.Sub, "math.div": b.Div}[b.op]
    return operator(*_as_result(b, x, y))


@exports("math.merge_add")
def _merge_add(b: Recorder, *inputs: Value) -> Value:
    if b.out.dtype == BOOL:
        return functools.reduce(b.Or, inputs)
    work = wide(b.out.dtype)
    terms = [b.cast(x, work) for x in inputs]
    total = b.Sum(*terms) if work.kind == "f" else functools.reduce(b.Add, terms)
    return b.cast(total, b.out.dtype)


def _not_zero(b: Recorder, y: Value) -> tuple[Value, Value]:
    """Where integers are 0, and 1 there in their place: a division of integers by 0 ends some programs."""
    zero = b.Equal(y, 0)
    return zero, b.select(zero, b.value(1, y.dtype), y)


def _integer_mod(b: Recorder, x: Value, y: Value, fmod: int) -> Value:
    zero, divisor = _not_zero(b, y)
    return b.select(zero, b.value(0, x.dtype), b.Mod(x, divisor, fmod=fmod))


@exports("math.fmod")
def _fmod(b: Recorder, x: Value, y: Value) -> Value:
    x, y = _as_result(b, x, y)
    return b.Mod(x, y, fmod=1) if b.out.dtype.kind == "f" else _integer_mod(b, x, y, 1)


def _floored(b: Recorder, x: Value, y: Value) -> tuple[Value, Value]:
    """The remainder with the sign of the divisor, and where that is not the sign of the truncated one."""
    rest = b.Mod(x, y, fmod=1)
    other = b.And(b.Not(b.Equal(rest, 0)), b.Xor(b.Less(rest, 0), b.Less(y, 0)))
    return rest, other


@exports("math.floor_mod")
def _floor_mod(b: Recorder, x: Value, y: Value) -> Value:
    x, y = _as_result(b, x, y)
    if b.out.dtype.kind != "f":
        return _integer_mod(b, x, y, 0)
    rest, other = _floored(b, x, y)
    return b.select(other, b.Add(rest, y), rest)


@exports("math.floor_div")
def _floor_div(b: Recorder, x: Value, y: Value) -> Value:
    x, y = _as_result(b, x, y)
    if b.out.dtype.kind != "f":
        zero, divisor = _not_zero(b, y)
        return b.select(zero, b.value(0, x.dtype), b.Div(b.Sub(x, b.Mod(x, divisor, fmod=0)), divisor))
    # As numpy does it: the floor of a quotient that was rounded up to a whole number would be one too many.
    rest, other = _floored(b, x, y)
    quotient = b.Div(b.Sub(x, rest), y)
    quotient = b.select(other, b.Sub(quotient, 1), quotient)
    floor = b.Floor(quotient)
    whole = b.select(b.Greater(b.Sub(quotient, floor), 0.5), b.Add(floor, 1), floor)
    return b.select(b.Equal(y, 0), b.Div(x, y), whole)


@exports("math.pow")
def _pow(b: Recorder, x: Value, y: Value) -> Value:
    dtype = b.out.dtype
    if dtype.kind == "f":
        return b.Pow(b.cast(x, dtype), b.cast(y, dtype))
    base, exponent = b.cast(x, "int64"), b.cast(y, "int64")
    if y.dtype.kind == "i":
        # Of 1 and -1, the only ones with negative powers, only whether the exponent is odd matters.
        exponent = b.select(b.Less(exponent, 0), b.Mod(exponent, 2), exponent)
    return b.cast(b.Pow(base, exponent), dtype)


def _same(operator: str) -> Callable[..., Value]:
    return lambda b, x: getattr(b, operator)(b.cast(x, b.out.dtype))


exports("math.sign")(_same("Sign"))


@exports("math.neg")
def _neg(b: Recorder, x: Value) -> Value:
    return b.Sub(b.value(0, x.dtype), x) if x.dtype.kind == "u" else b.Neg(x)


@exports("math.abs")
def _abs(b: Recorder, x: Value) -> Value:
    return x if x.dtype.kind in "bu" else b.Abs(x)


@exports("math.square")
def _square(b: Recorder, x: Value) -> Value:
    x = b.cast(x, b.out.dtype)
    return b.Mul(x, x)


@exports("math.reciprocal")
def _reciprocal(b: Recorder, x: Value) -> Value:
    return b.Reciprocal(b.cast(x, b.out.dtype))


def _rounding(operator: str) -> Callable[..., Value]:
    """Integers are whole already."""
    return lambda b, x: getattr(b, operator)(x) if x.dtype.kind == "f" else b.cast(x, b.out.dtype)


for _name in ("ceil", "floor", "round"):
    exports(f"math.{_name}")(_rounding(_name.capitalize()))


@exports("math.step")
def _step(b: Recorder, x: Value, *, value: float) -> Value:
    x = b.cast(x, _INT32) if x.dtype == BOOL else x
    return b.cast(b.GreaterOrEqual(x, value), b.out.dtype)


@exports("math.clip_by_value")
def _clip(b: Recorder, x: Value, *, clip_value_min: float, clip_value_max: float) -> Value:
    bounds = [clip_value_min, clip_value_max]
    if x.dtype.kind in "biu":
        least, most = (0, 1) if x.dtype == BOOL else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
        bounds = [min(max(int(n), least), most) for n in bounds]
    x = b.cast(x, carrier(x.dtype, ordered=True))
    low, high = (b.value(n, x.dtype) for n in bounds)
    clipped = b.Min(b.Max(x, low), high) if b.target == "basic" else b.Clip(x, low, high)
    return b.cast(clipped, b.out.dtype)


# ---------------------------------------------------------------------- what knows zero


@exports("math.multiply_no_nan")
def _multiply_no_nan(b: Recorder, x: Value, w: Value) -> Value:
    x, w = _as_result(b, x, w)
    if b.out.dtype == BOOL:
        return b.And(x, w)
    return b.select(b.Equal(w, 0), b.value(0, x.dtype), b.Mul(x, w))


@exports("math.divide_no_nan", "math.xdivy")
def _divide(b: Recorder, x: Value, y: Value) -> Value:
    x, y = _as_result(b, x, y)
    zero = b.Equal(x if b.op == "math.xdivy" else y, 0)
    return b.select(zero, b.value(0, x.dtype), b.Div(x, y))


# ---------------------------------------------------------------------- comparisons and logic


def _compared(operator: str, negated: bool = False) -> Callable[..., Value]:
    def rule(b: Recorder, x: Value, y: Value) -> Value:
        x, y = _joint(b, x, y)
        if x.dtype == BOOL and operator != "Equal":
            x, y = b.cast(x, _INT32), b.cast(y, _INT32)
        found = getattr(b, operator)(x, y)
        return b.Not(found) if negated else found

    return rule


for _name, _operator, _negated in (
    ("eq", "Equal", False),
    ("neq", "Equal", True),
    ("lt", "Less", False),
    ("lte", "LessOrEqual", False),
    ("gt", "Greater", False),
    ("gte", "GreaterOrEqual", False),
):
    exports(_name)(_compared(_operator, _negated))


def _logical(operator: str) -> Callable[..., Value]:
    return lambda b, *xs: getattr(b, operator)(*(b.cast(x, BOOL) for x in xs))


for _name, _operator in (("and_", "And"), ("or_", "Or"), ("xor", "Xor"), ("not_", "Not")):
    exports(f"math.{_name}")(_logical(_operator))


@exports("where")
def _where(b: Recorder, condition: Value, x: Value, y: Value) -> Value:
    return b.select(b.cast(condition, BOOL), b.cast(x, b.out.dtype), b.cast(y, b.out.dtype))


# ---------------------------------------------------------------------- kinds of numbers

# Written with comparisons, which every runtime has for every dtype.


@exports("math.is_nan")
def _is_nan(b: Recorder, x: Value) -> Value:
    return b.Not(b.Equal(x, x))


@exports("math.is_infinite")
def _is_infinite(b: Recorder, x: Value) -> Value:
    return b.Equal(b.Abs(x), np.inf) if x.dtype.kind == "f" else b.Not(b.Equal(x, x))


@exports("math.is_finite")
def _is_finite(b: Recorder, x: Value) -> Value:
    return b.Less(b.Abs(x), np.inf) if x.dtype.kind == "f" else b.Equal(x, x)


# ---------------------------------------------------------------------- what passes on


@exports("identity", "stop_gradient")
def _identity(b: Recorder, x: Value) -> Value:
    return x


@exports("mask_gradient")
def _mask_gradient(b: Recorder, x: Value, mask: Value) -> Value:
    return x


@exports("cast", loses="a float that is NaN, or that no integer of the dtype is, becomes any integer")
def _cast(b: Recorder, x: Value, *, dtype: np.dtype[Any]) -> Value:
    return b.cast(x, dtype)
