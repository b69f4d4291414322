"""ONNX's operators that run along axes, as operations of sdgraph: reductions, normalisations, sums so far."""

import math

import numpy as np

from tests.onnx_cases.translation import RULES, onnx_op

REDUCTIONS = {
    "ReduceL1": lambda sd: sd.norm1,
    "ReduceL2": lambda sd: sd.norm2,
    "ReduceLogSum": lambda sd: lambda x, axis, keepdims: sd.math.log(sd.sum(x, axis=axis, keepdims=keepdims)),
    "ReduceLogSumExp": lambda sd: sd.math.log_sum_exp,
    "ReduceMean": lambda sd: sd.mean,
    "ReduceProd": lambda sd: sd.prod,
    "ReduceSum": lambda sd: sd.sum,
    "ReduceSumSquare": lambda sd: sd.squared_norm,
}


def _axes(t, axes):
    """The axes of a reduction; none named is all."""
    return tuple(t.ints(axes)) or None if axes is not None else None


def _reduction(of):
    def rule(t, x, axes=None, *, keepdims, noop_with_empty_axes=0):
        axis = _axes(t, axes)
        if axis is None and noop_with_empty_axes:
            return t.sd.identity(x)
        # sdgraph adds small integers up in larger ones, as numpy does.
        return t.sd.cast(of(t.sd)(x, axis=axis, keepdims=bool(keepdims)), x.dtype)

    return rule


RULES.update({name: _reduction(of) for name, of in REDUCTIONS.items()})


def _extreme(of_numbers, of_bools, of_none):
    def rule(t, x, axes=None, *, keepdims, noop_with_empty_axes=0):
        axis = _axes(t, axes)
        if axis is None and noop_with_empty_axes:
            return t.sd.identity(x)
        if x.dtype == bool:
            return getattr(t.sd, of_bools)(x, axis=axis, keepdims=bool(keepdims))
        if math.prod(x.shape) == 0:
            # There is nothing to choose from, an error in sdgraph. ONNX has an identity for it.
            return t.sd.sum(x, axis=axis, keepdims=bool(keepdims)) + of_none
        return getattr(t.sd, of_numbers)(x, axis=axis, keepdims=bool(keepdims))

    return rule


RULES["ReduceMax"] = _extreme("max", "any", -math.inf)
RULES["ReduceMin"] = _extreme("min", "all", math.inf)


def _argument(name):
    def rule(t, x, *, axis, keepdims, select_last_index):
        of = getattr(t.sd, name)
        if select_last_index:
            return x.shape[axis] - 1 - of(t.sd.reverse(x, axis=axis), axis=axis, keepdims=bool(keepdims))
        return of(x, axis=axis, keepdims=bool(keepdims))

    return rule


RULES["ArgMax"], RULES["ArgMin"] = _argument("argmax"), _argument("argmin")


@onnx_op("GlobalAveragePool")
def global_average(t, x):
    return t.sd.mean(x, axis=tuple(range(2, len(x.shape))), keepdims=True)


@onnx_op("GlobalMaxPool")
def global_max(t, x):
    return t.sd.max(x, axis=tuple(range(2, len(x.shape))), keepdims=True)


def _running(name):
    def rule(t, x, axis, *, exclusive, reverse):
        result = getattr(t.sd, name)(x, axis=t.scalar(axis), exclusive=bool(exclusive), reverse=bool(reverse))
        return t.sd.cast(result, x.dtype)

    return rule


RULES["CumSum"], RULES["CumProd"] = _running("cumsum"), _running("cumprod")


@onnx_op("Softmax")
def softmax(t, x, axis):
    return t.sd.nn.softmax(x, axis=axis)


@onnx_op("LogSoftmax")
def log_softmax(t, x, axis):
    return t.sd.nn.log_softmax(x, axis=axis)


@onnx_op("Hardmax")
def hardmax(t, x, axis):
    return t.sd.one_hot(t.sd.argmax(x, axis=axis), x.shape[axis], axis=axis, dtype=x.dtype)


@onnx_op("TopK")
def top_k(t, x, k, *, axis, largest, sorted):
    last = t.sd.permute(x, _to_the_end(x, axis))
    if largest:
        values, places = t.sd.nn.top_k(last, t.scalar(k))
    else:
        # The smallest are the first of all entries, turned around; of ties the first comes first there too.
        assert x.dtype.kind == "f"
        values, places = t.sd.nn.top_k(-last, t.scalar(k))
        values = -values
    back = np.argsort(_to_the_end(x, axis))
    return t.sd.permute(values, back), t.sd.permute(places, back)


def _to_the_end(x, axis):
    axis %= len(x.shape)
    return [*(k for k in range(len(x.shape)) if k != axis), axis]


# ---------------------------------------------------------------------- normalisations


@onnx_op("LayerNormalization")
def layer_norm(t, x, gain, bias=None, *, axis, epsilon, stash_type):
    axes = tuple(range(axis % len(x.shape), len(x.shape)))
    mean, variance = t.sd.math.moments(x, axis=axes, keepdims=True)
    if len(axes) == 1:
        y = t.sd.nn.layer_norm(x, gain, bias, axis=axes, epsilon=epsilon)
    else:
        # A gain of sdgraph's is one number per channel, as SameDiff has it.
        y = t.sd.nn.layer_norm(x, axis=axes, epsilon=epsilon) * gain
        y = y if bias is None else y + bias
    return y, mean, t.sd.math.rsqrt(variance + epsilon)


@onnx_op("RMSNormalization")
def rms_norm(t, x, gain, *, axis, epsilon, stash_type):
    axes = tuple(range(axis % len(x.shape), len(x.shape)))
    return x * t.sd.math.rsqrt(t.sd.mean(t.sd.math.square(x), axis=axes, keepdims=True) + epsilon) * gain


def _per_channel(v, x):
    return v.reshape([-1, *(1 for _ in x.shape[2:])])


@onnx_op("InstanceNormalization")
def instance_norm(t, x, gain, bias, *, epsilon):
    y = t.sd.nn.layer_norm(x, axis=tuple(range(2, len(x.shape))), epsilon=epsilon)
    return y * _per_channel(gain, x) + _per_channel(bias, x)


@onnx_op("GroupNormalization")
def group_norm(t, x, gain, bias, *, epsilon, num_groups, stash_type):
    groups = x.reshape((x.shape[0], num_groups, -1))
    y = t.sd.nn.layer_norm(groups, axis=2, epsilon=epsilon).reshape(x.shape)
    return y * _per_channel(gain, x) + _per_channel(bias, x)


@onnx_op("MeanVarianceNormalization")
def standardize(t, x, axes):
    return t.sd.math.standardize(x, axis=axes)


@onnx_op("LpNormalization")
def lp_norm(t, x, *, axis, p):
    norm = t.sd.norm1 if p == 1 else t.sd.norm2
    return t.sd.math.divide_no_nan(x, norm(x, axis=axis, keepdims=True))
