"""Activation functions, softmax and what else ONNX has for neural networks.

Its operators have settings in single precision, and kernels of runtimes often no double: they are for single and half
precision. In double precision, and for the basic target, the same is written with elementary functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sdgraph.files.onnx.fragments import Recorder, Value, carrier
from sdgraph.files.onnx.registry import BODY, FOLLOWED, STANDARD, Body, exports
from sdgraph.files.onnx.rules.functions import expm1, log1p
from sdgraph.infer.aval import normalize_axis

_SINGLE = np.dtype("float32")
_HALF = np.dtype("float16")


_SMALL: Final = "small results have 7 digits of 1 in onnxruntime, not of their own"


def is_single(b: Recorder) -> bool:
    """Whether the operators for neural networks are precise enough for the result, and allowed."""
    return b.target == STANDARD and b.out.dtype in (_SINGLE, _HALF)


def _in_single(b: Recorder, operator: str, x: Value, **attrs: Any) -> Value:
    return b.cast(getattr(b, operator)(b.cast(x, _SINGLE), **attrs), b.out.dtype)


def _of_network(operator: str, **attrs: Any) -> Callable[..., Value | Body]:
    """The rule of an operator that stands for a composite; for the rest there is the body."""
    return lambda b, x: _in_single(b, operator, x, **attrs) if is_single(b) else BODY


exports("nn.softplus", target=STANDARD)(_of_network("Softplus"))
exports(
    "nn.sigmoid",
    target=STANDARD,
    outermost=True,
    loses="values below 1e-8 are 0 in onnxruntime; not inside losses and gradients",
)(_of_network("Sigmoid"))
FOLLOWED["math.log1p", "math.exp"] = lambda b, x: _in_single(b, "Softplus", x) if is_single(b) else BODY


@exports("nn.tanh")
def _tanh(b: Recorder, x: Value) -> Value:
    return b.Tanh(b.cast(x, b.out.dtype))


@exports("nn.relu", target=STANDARD)
def _relu(b: Recorder, x: Value, *, cutoff: float) -> Value | Body:
    return b.Relu(x) if cutoff == 0 and x.dtype.kind == "f" else BODY


@exports("nn.relu6")
def _relu6(b: Recorder, x: Value, *, cutoff: float) -> Value:
    low = max(min(int(cutoff), 6), int(np.iinfo(x.dtype).min)) if x.dtype.kind in "iu" else cutoff
    work = b.cast(x, carrier(x.dtype, ordered=True))
    return b.cast(b.Min(b.Max(work, b.value(low, work.dtype)), 6), x.dtype)


@exports("nn.leaky_relu")
def _leaky_relu(b: Recorder, x: Value, *, alpha: float) -> Value:
    if is_single(b):
        return _in_single(b, "LeakyRelu", x, alpha=float(alpha))
    x = b.cast(x, b.out.dtype)
    return b.select(b.Greater(x, 0), x, b.Mul(x, alpha))


@exports("nn.elu", loses=_SMALL)
def _elu(b: Recorder, x: Value, *, alpha: float) -> Value:
    if is_single(b):
        return _in_single(b, "Elu", x, alpha=float(alpha))
    x = b.cast(x, b.out.dtype)
    positive = b.Greater(x, 0)
    below = expm1(b, b.select(positive, b.value(0, x.dtype), x))
    return b.select(positive, x, b.Mul(below, alpha))


@exports("nn.selu", target=STANDARD)
def _selu(b: Recorder, x: Value) -> Value | Body:
    return _in_single(b, "Selu", x) if is_single(b) else BODY


@exports("nn.gelu", "nn.precise_gelu", target=STANDARD, loses=_SMALL)
def _gelu(b: Recorder, x: Value, *, approximate: str = "tanh") -> Value | Body:
    if not is_single(b) or x.dtype != _SINGLE or b.opset < 20 or approximate == "sigmoid":
        return BODY
    return b.Gelu(x, approximate=approximate)


@exports("nn.softsign")
def _softsign(b: Recorder, x: Value) -> Value:
    if is_single(b) and x.dtype == _SINGLE:
        return b.Softsign(x)
    x = b.cast(x, b.out.dtype)
    return b.Div(x, b.Add(b.Abs(x), 1))


@exports("nn.hard_sigmoid", target=STANDARD)
def _hard_sigmoid(b: Recorder, x: Value) -> Value | Body:
    return _in_single(b, "HardSigmoid", x, alpha=0.2, beta=0.5) if is_single(b) else BODY


@exports("nn.prelu", target=STANDARD)
def _prelu(b: Recorder, x: Value, alpha: Value, *, shared_axes: Any) -> Value | Body:
    fits = x.dtype == alpha.dtype and len(alpha.shape) <= len(x.shape) - 1
    if not is_single(b) or not fits or shared_axes or any(d == 0 for d in x.shape):
        return BODY
    return b.PRelu(x, alpha)


@exports("nn.linear", target=STANDARD)
def _linear(b: Recorder, x: Value, weights: Value, bias: Value | None, **transposed: bool) -> Value | Body:
    """Gemm is for two matrices of one dtype, and adds what broadcasts to their product."""
    given = [v for v in (x, weights, bias) if v is not None]
    plain = x.rank == weights.rank == 2 and len({v.dtype for v in given}) == 1 and x.dtype.kind == "f"
    if bias is None or not plain or bias.rank > 2 or transposed["transpose_c"]:
        return BODY
    flags = {k: 1 for k, name in (("transA", "transpose_a"), ("transB", "transpose_b")) if transposed[name]}
    return b.Gemm(x, weights, bias, **flags)


@exports("nn.layer_norm", target=STANDARD)
def _layer_norm(
    b: Recorder,
    x: Value,
    gain: Value | None,
    bias: Value | None,
    *,
    channels_first: bool,
    axis: Any,
    epsilon: float,
) -> Value | Body:
    given = [v for v in (gain, bias) if v is not None]
    last = normalize_axis(axis, x.rank) == (x.rank - 1,) and all(v.rank == 1 for v in given)
    if gain is None or channels_first or not last or not is_single(b) or any(v.dtype != x.dtype for v in given):
        return BODY
    return b.LayerNormalization(x, gain, bias, axis=-1, epsilon=float(epsilon))


# ---------------------------------------------------------------------- over classes


def _peak(b: Recorder, x: Value, axis: int) -> Value:
    return b.ReduceMax(x, (axis,), keepdims=1)


def _parts(b: Recorder, x: Value, axis: int) -> tuple[Value, Value, Value]:
    """Distances from the largest, their powers, and the sum of the powers of the others."""
    places = b.unsqueeze(b.arange(b.size(x, axis)), tuple(range(1, x.rank - axis)))
    others = b.Not(b.Equal(places, b.ArgMax(x, axis=axis, keepdims=1)))
    shifted = b.Sub(x, _peak(b, x, axis))
    powers = b.Exp(shifted)
    rest = b.ReduceSum(b.select(others, powers, b.value(0, x.dtype)), (axis,), keepdims=1)
    return shifted, powers, rest


@exports("nn.softmax")
def _softmax(b: Recorder, x: Value, *, axis: int) -> Value:
    axis %= x.rank
    work = b.widened(b.cast(x, b.out.dtype))
    if x.shape[axis] == 0:
        return b.cast(b.Exp(work), b.out.dtype)
    if b.target == STANDARD:
        return b.cast(b.Softmax(work, axis=axis), b.out.dtype)
    powers = b.Exp(b.Sub(work, _peak(b, work, axis)))
    return b.cast(b.Div(powers, b.ReduceSum(powers, (axis,), keepdims=1)), b.out.dtype)


@exports("nn.log_softmax", loses="in single precision, log-probabilities nearer to 0 than 1e-7 are 0")
def _log_softmax(b: Recorder, x: Value, *, axis: int) -> Value:
    axis %= x.rank
    work = b.widened(b.cast(x, b.out.dtype))
    if x.shape[axis] == 0:
        return b.cast(b.Exp(work), b.out.dtype)
    if is_single(b):
        return b.cast(b.LogSoftmax(work, axis=axis), b.out.dtype)
    shifted, _, rest = _parts(b, work, axis)
    return b.cast(b.Sub(shifted, log1p(b, rest)), b.out.dtype)
