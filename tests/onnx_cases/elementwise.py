"""ONNX's operators on one element at a time, as operations of sdgraph."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from sdgraph import SDVariable
from tests.onnx_cases.translation import RULES, Translation, dtype_of, onnx_op

SAME = {
    "Abs": "math.abs",
    "Acos": "math.acos",
    "Acosh": "math.acosh",
    "Add": "math.add",
    "And": "math.and_",
    "Asin": "math.asin",
    "Asinh": "math.asinh",
    "Atan": "math.atan",
    "Atanh": "math.atanh",
    "BitwiseAnd": "bitwise.and_",
    "BitwiseNot": "bitwise.toggle_bits",
    "BitwiseOr": "bitwise.or_",
    "BitwiseXor": "bitwise.xor",
    "Ceil": "math.ceil",
    "Cos": "math.cos",
    "Cosh": "math.cosh",
    "Equal": "eq",
    "Erf": "math.erf",
    "Exp": "math.exp",
    "Floor": "math.floor",
    "Greater": "gt",
    "GreaterOrEqual": "gte",
    "Identity": "identity",
    "IsNaN": "math.is_nan",
    "Less": "lt",
    "LessOrEqual": "lte",
    "Log": "math.log",
    "Mul": "math.mul",
    "Neg": "math.neg",
    "Not": "math.not_",
    "Or": "math.or_",
    "Reciprocal": "math.reciprocal",
    "Relu": "nn.relu",
    "Round": "math.round",
    "Sigmoid": "nn.sigmoid",
    "Sign": "math.sign",
    "Sin": "math.sin",
    "Sinh": "math.sinh",
    "Softplus": "nn.softplus",
    "Softsign": "nn.softsign",
    "Sqrt": "math.sqrt",
    "Sub": "math.sub",
    "Sum": "math.merge_add",
    "Tan": "math.tan",
    "Tanh": "math.tanh",
    "Where": "where",
    "Xor": "math.xor",
}
"""Operators that are one operation without settings."""


def _same(path: str) -> Callable[..., SDVariable]:
    def rule(t: Translation, *operands: SDVariable) -> SDVariable:
        return functools.reduce(getattr, path.split("."), t.sd)(*operands)

    return rule


RULES.update({name: _same(path) for name, path in SAME.items()})


# ---------------------------------------------------------------------- arithmetic


@onnx_op("Div")
def div(t, x, y):
    if x.dtype.kind not in "iu":
        return t.sd.math.div(x, y)
    # Towards zero, where floor_div goes down: the remainder with the sign of x is taken off first.
    return t.sd.math.floor_div(x - t.sd.math.fmod(x, y), y)


@onnx_op("Mod")
def mod(t, x, y, fmod):
    return t.sd.math.fmod(x, y) if fmod else t.sd.math.mod(x, y)


@onnx_op("Pow")
def pow_(t, x, y):
    return t.sd.cast(t.sd.math.pow(x, y), x.dtype)


@onnx_op("Max")
def max_(t, *operands):
    return functools.reduce(t.sd.math.maximum, operands)


@onnx_op("Min")
def min_(t, *operands):
    return functools.reduce(t.sd.math.minimum, operands)


@onnx_op("Mean")
def mean(t, *operands):
    return t.sd.math.merge_add(*operands) / len(operands)


@onnx_op("Clip")
def clip(t, x, low=None, high=None):
    if low is None and high is None:
        return t.sd.identity(x)
    if low is None or high is None:
        return t.sd.math.maximum(x, low) if high is None else t.sd.math.minimum(x, high)
    low, high = t.scalar(low), t.scalar(high)
    # Bounds out of order are an error in sdgraph; in ONNX the upper one wins.
    return t.sd.math.clip_by_value(x, min(low, high), high)


@onnx_op("BitShift")
def bit_shift(t, x, y, direction):
    return t.sd.bitwise.left_shift(x, y) if direction == "LEFT" else t.sd.bitwise.right_shift(x, y)


@onnx_op("IsInf")
def is_inf(t, x, detect_negative, detect_positive):
    infinite = t.sd.math.is_infinite(x)
    if not detect_negative:
        return infinite & (x > 0)
    return infinite if detect_positive else infinite & (x < 0)


# ---------------------------------------------------------------------- activations


@onnx_op("LeakyRelu")
def leaky_relu(t, x, alpha):
    return t.sd.nn.leaky_relu(x, alpha)


@onnx_op("PRelu")
def prelu(t, x, slope):
    if slope.shape == x.shape:
        return t.sd.where(x < 0, slope * x, x)  # sdgraph's slopes are the same for the whole batch
    if slope.shape == x.shape[1:2]:
        # One slope per channel, as it was before opset 7 and in what was made of such a model.
        return t.sd.nn.prelu(x, slope.reshape([-1, *(1 for _ in x.shape[2:])]), shared_axes=range(2, len(x.shape)))
    return t.sd.nn.prelu(x, t.sd.broadcast_to(slope, x.shape[1:]))


@onnx_op("ThresholdedRelu")
def thresholded_relu(t, x, alpha):
    return t.sd.where(x > alpha, x, t.sd.zeros_like(x))


@onnx_op("Elu")
def elu(t, x, alpha):
    return t.sd.nn.elu(x, alpha)


@onnx_op("Celu")
def celu(t, x, alpha):
    return alpha * t.sd.nn.elu(x / alpha)


@onnx_op("Selu")
def selu(t, x, alpha, gamma):
    of_the_paper = abs(alpha - 1.6732632) < 1e-6 and abs(gamma - 1.0507010) < 1e-6
    return t.sd.nn.selu(x) if of_the_paper else gamma * t.sd.nn.elu(x, alpha)


@onnx_op("Gelu")
def gelu(t, x, approximate):
    return t.sd.nn.gelu(x, approximate)


@onnx_op("Mish")
def mish(t, x):
    return x * t.sd.math.tanh(t.sd.nn.softplus(x))


@onnx_op("Swish")
def swish(t, x, alpha):
    return t.sd.nn.swish(x) if alpha == 1 else x * t.sd.nn.sigmoid(alpha * x)


@onnx_op("SwiGLU")
def swiglu(t, gate, x, alpha):
    return swish(t, gate, alpha) * x


@onnx_op("HardSigmoid")
def hard_sigmoid(t, x, alpha, beta):
    if abs(alpha - 0.2) < 1e-6 and beta == 0.5:
        return t.sd.nn.hard_sigmoid(x)
    return t.sd.math.clip_by_value(alpha * x + beta, 0, 1)


@onnx_op("HardSwish")
def hard_swish(t, x):
    return x * t.sd.nn.relu6(x + 3) / 6


@onnx_op("Shrink")
def shrink(t, x, bias, lambd):
    zero = t.sd.zeros_like(x)
    return t.sd.where(x < -lambd, x + bias, t.sd.where(x > lambd, x - bias, zero))


@onnx_op("Dropout")
def dropout(t, x, ratio=None, training=None, seed=None, **of_old_versions: Any):
    drops = training is not None and t.scalar(training) and (ratio is None or t.scalar(ratio) > 0)
    assert not drops, "The numbers drawn are others."
    return t.sd.identity(x), t.sd.ones_like(x, dtype="bool")


# ---------------------------------------------------------------------- types


@onnx_op("Cast")
def cast(t, x, to, **roundings: Any):
    return t.sd.cast(x, dtype_of(to))


@onnx_op("CastLike")
def cast_like(t, x, like, **roundings: Any):
    return t.sd.cast(x, like.dtype)


# ---------------------------------------------------------------------- numbers for numbers of few bits


def _along(t, x, v, axis, block_size):
    """Scales or zero points as they meet the numbers: one for all, one per entry of an axis, or one per block."""
    if v.shape in ((), (1,)):
        return v
    if block_size:
        return t.sd.repeat(v, block_size, axis=axis)
    return v.reshape([-1 if k == axis % len(x.shape) else 1 for k in range(len(x.shape))])


@onnx_op("QuantizeLinear")
def quantize(t, x, scale, zero=None, *, axis=1, block_size=0, output_dtype=0, precision=0, **saturation):
    assert not precision, "The division happens in the type of the scale."
    dtype = dtype_of(output_dtype) if output_dtype else np.dtype("uint8") if zero is None else zero.dtype
    scaled = t.sd.math.round(x / _along(t, x, scale, axis, block_size))
    if zero is not None:
        scaled = scaled + t.sd.cast(_along(t, x, zero, axis, block_size), scaled.dtype)
    limits = np.iinfo(dtype)
    return t.sd.cast(t.sd.math.clip_by_value(scaled, limits.min, limits.max), dtype)


@onnx_op("DequantizeLinear")
def dequantize(t, x, scale, zero=None, *, axis=1, block_size=0, output_dtype=0):
    number = t.sd.cast(x, scale.dtype)
    if zero is not None:
        number = number - t.sd.cast(_along(t, x, zero, axis, block_size), scale.dtype)
    return t.sd.cast(
        number * _along(t, x, scale, axis, block_size), dtype_of(output_dtype) if output_dtype else scale.dtype
    )


@onnx_op("DynamicQuantizeLinear")
def dynamic_quantize(t, x):
    low, high = t.sd.math.minimum(t.sd.min(x), 0), t.sd.math.maximum(t.sd.max(x), 0)
    scale = (high - low) / 255
    zero = t.sd.cast(t.sd.math.clip_by_value(t.sd.math.round(-low / scale), 0, 255), "uint8")
    y = t.sd.math.round(x / scale) + t.sd.cast(zero, x.dtype)
    return t.sd.cast(t.sd.math.clip_by_value(y, 0, 255), "uint8"), scale, zero
