"""Parts of neural networks: labels and cross entropies, normalisation, convolution, pooling, attention.

Activation functions are in `sdgraph.keras.ops.activating`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sdgraph.checks import is_whole, one_of
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import normalize_axis
from sdgraph.keras.config import epsilon as epsilon_
from sdgraph.keras.ops.operation import Apart, Tensor, on_floats, operation
from sdgraph.keras.ops.reducing import Axis, norm

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import SDVariable

Each: TypeAlias = int | Sequence[int]

# ---------------------------------------------------------------------- labels and cross entropies


@operation
def one_hot(x: Tensor, num_classes: int, axis: int = -1, dtype: DTypeLike | None = None) -> Any:
    """1 at the place that an entry of ``x`` names, along a new axis, and 0 elsewhere."""
    return x.sd.one_hot(x, num_classes, axis, dtype=dtype or x.sd.dtype)


@operation
def multi_hot(inputs: Tensor, num_classes: int, axis: int = -1, dtype: DTypeLike | None = None) -> Any:
    """1 at all places that the entries of a row name, and 0 elsewhere."""
    hot = one_hot(inputs, num_classes, axis, dtype)
    return inputs.sd.max(hot, 1 if inputs.ndim > 1 else 0)


@on_floats
def binary_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False) -> Any:
    """``-target log(output) - (1 - target) log(1 - output)`` of each entry."""
    sd = output.sd
    return sd.keras.binary_crossentropy(sd.expand_dims(target, -1), sd.expand_dims(output, -1), from_logits)


@on_floats
def categorical_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1) -> Any:
    """Minus the sum of ``target log(output)`` over the class axis, along which ``output`` is made to sum to 1."""
    return output.sd.keras.categorical_crossentropy(target, output, from_logits, axis=axis)


@on_floats
def sparse_categorical_crossentropy(target: Apart, output: Tensor, from_logits: bool = False, axis: int = -1) -> Any:
    """`categorical_crossentropy` of class numbers."""
    sd = output.sd
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = sd.squeeze(target, -1)
    return sd.keras.sparse_categorical_crossentropy(target, output, from_logits, axis=axis)


# ---------------------------------------------------------------------- normalisation


@on_floats
def moments(x: Tensor, axes: Axis, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Mean and variance over axes.

    Raises:
        ArgumentError: If they shall be those of several devices.
    """
    if synchronized:
        raise ArgumentError("There is one device.", given="synchronized=True", fix="Leave it out.")
    return x.sd.math.moments(x, axes, keepdims)


@on_floats
def normalize(x: Tensor, axis: Axis = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """``x`` divided by its norm of an order along an axis, and by no less than ``epsilon``.

    Raises:
        ArgumentError: If ``order`` is no whole number of 1 or more.
    """
    if not is_whole(order, 1):
        raise ArgumentError("order must be a whole number, 1 or more.", given=f"order={shown(order)}")
    size = norm(x, None if order == 2 else order, axis, True)
    return x / x.sd.math.maximum(size, epsilon_() if epsilon is None else epsilon)


@on_floats
def batch_normalization(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    axis: int,
    offset: Tensor = None,
    scale: Tensor = None,
    epsilon: float = 1e-3,
) -> Any:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``, with one of each for every place along ``axis``."""
    return x.sd.nn.batch_norm(x, mean, variance, scale, offset, epsilon, axis)


def _along(v: SDVariable | None, x: SDVariable, axes: Sequence[int]) -> Any:
    """A scale or an offset, given in the shape of the axes, so that it lies along them."""
    if v is None or v.ndim == x.ndim or tuple(axes) == (x.ndim - 1,):
        return v
    return v.sd.reshape(v, [x.shape[k] if k in axes else 1 for k in range(x.ndim)])


@on_floats
def layer_normalization(
    x: Tensor, gamma: Tensor = None, beta: Tensor = None, axis: Each = -1, epsilon: float | None = None
) -> Any:
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, with mean and variance over ``axis``."""
    sd, axes = x.sd, sorted(normalize_axis(axis, x.ndim))
    mean, variance = sd.math.moments(x, axes, True)
    out = (x - mean) * sd.math.rsqrt(variance + (epsilon_() if epsilon is None else epsilon))
    out = out if gamma is None else out * _along(gamma, x, axes)
    return out if beta is None else out + _along(beta, x, axes)


@on_floats
def rms_normalization(x: Tensor, scale: Tensor = None, axis: Each = -1, epsilon: float | None = None) -> Any:
    """``x / sqrt(mean(x**2) + epsilon) * scale``, with the mean over ``axis``."""
    sd, axes = x.sd, sorted(normalize_axis(axis, x.ndim))
    mean = sd.mean(sd.math.square(x), axes, True)
    out = x * sd.math.rsqrt(mean + (epsilon_() if epsilon is None else epsilon))
    return out if scale is None else out * _along(scale, x, axes)


# ---------------------------------------------------------------------- convolution and pooling

_FORMATS = {
    ("channels_last", 1): "NWC",
    ("channels_last", 2): "NHWC",
    ("channels_last", 3): "NDHWC",
    ("channels_first", 1): "NCW",
    ("channels_first", 2): "NCHW",
    ("channels_first", 3): "NCDHW",
}


def _layout(x: SDVariable, data_format: str | None) -> tuple[int, str, int]:
    """The number of spatial axes, sdgraph's name of the layout, and the channel axis."""
    chosen = data_format or "channels_last"
    one_of("data_format", chosen, ("channels_last", "channels_first"))
    rank = x.ndim - 2
    if rank not in (1, 2, 3):
        raise ShapeError("The input has a batch axis, a channel axis and one to three others.", given=str(x.shape))
    return rank, _FORMATS[chosen, rank], 1 if chosen == "channels_first" else x.ndim - 1


@on_floats
def conv(
    inputs: Tensor,
    kernel: Tensor,
    strides: Each = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Each = 1,
) -> Any:
    """Convolution over one to three axes, with a kernel of shape ``(*sizes, channels / groups, filters)``.

    Raises:
        ShapeError: If channels are no multiple of the kernel's.
    """
    rank, layout, channel = _layout(inputs, data_format)
    channels, own = inputs.shape[channel], kernel.shape[-2]
    if not isinstance(channels, int) or not isinstance(own, int) or own == 0 or channels % own:
        raise ShapeError("The channels are a multiple of the kernel's.", given=f"{channels} and {own}")
    op = getattr(inputs.sd.cnn, f"conv{rank}d")
    return op(inputs, kernel, None, strides, padding, dilation_rate, channels // own, data_format=layout)


def _as_grouped(kernel: SDVariable) -> SDVariable:
    """A depthwise kernel ``(*sizes, channels, multiplier)`` as one of as many groups as there are channels."""
    return kernel.sd.reshape(kernel, [*kernel.shape[:-2], 1, -1])


@on_floats
def depthwise_conv(
    inputs: Tensor,
    kernel: Tensor,
    strides: Each = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Each = 1,
) -> Any:
    """A convolution of every channel by itself, with a kernel of shape ``(*sizes, channels, multiplier)``."""
    return conv(inputs, _as_grouped(kernel), strides, padding, data_format, dilation_rate)


@on_floats
def separable_conv(
    inputs: Tensor,
    depthwise_kernel: Tensor,
    pointwise_kernel: Tensor,
    strides: Each = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Each = 1,
) -> Any:
    """`depthwise_conv`, and then a convolution with a kernel of size 1."""
    out = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(out, pointwise_kernel, 1, "valid", data_format)


def _two(value: Any, first: int = 1) -> Any:
    """A setting of one axis as that of two, of which the first has size 1."""
    return None if value is None else (first, value if is_whole(value) else value[0])


@on_floats
def conv_transpose(
    inputs: Tensor,
    kernel: Tensor,
    strides: Each = 1,
    padding: str = "valid",
    output_padding: Each | None = None,
    data_format: str | None = None,
    dilation_rate: Each = 1,
) -> Any:
    """The convolution that `conv` is the gradient of, with a kernel of shape ``(*sizes, filters, channels)``."""
    sd, (rank, layout, channel) = inputs.sd, _layout(inputs, data_format)
    if rank > 1:
        op = getattr(sd.cnn, f"deconv{rank}d")
        return op(
            inputs, kernel, None, strides, padding, dilation_rate, output_padding=output_padding, data_format=layout
        )
    spatial = 2 if channel == 1 else 1
    out = sd.cnn.deconv2d(
        sd.expand_dims(inputs, spatial),
        sd.expand_dims(kernel, 0),
        None,
        _two(strides),
        padding,
        _two(dilation_rate),
        output_padding=_two(output_padding, 0),
        data_format="NCHW" if channel == 1 else "NHWC",
    )
    return sd.squeeze(out, spatial)


def _pooled(kind: str, x: SDVariable, size: Each, strides: Any, padding: str, data_format: str | None) -> SDVariable:
    sd, (rank, layout, channel) = x.sd, _layout(x, data_format)
    if rank > 1:
        return getattr(sd.cnn, f"{kind}_pooling{rank}d")(x, size, strides, padding, data_format=layout)
    spatial = 2 if channel == 1 else 1
    layout = "NCHW" if channel == 1 else "NHWC"
    op = getattr(sd.cnn, f"{kind}_pooling2d")
    return sd.squeeze(op(sd.expand_dims(x, spatial), _two(size), _two(strides), padding, data_format=layout), spatial)


@on_floats
def max_pool(
    inputs: Tensor, pool_size: Each, strides: Each | None = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The largest entry of each window; windows lie side by side without ``strides``."""
    return _pooled("max", inputs, pool_size, strides, padding, data_format)


@on_floats
def average_pool(
    inputs: Tensor, pool_size: Each, strides: Each | None = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The mean of the entries of each window; what is padded does not count."""
    return _pooled("avg", inputs, pool_size, strides, padding, data_format)


# ---------------------------------------------------------------------- attention


@on_floats
def dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor = None,
    mask: Apart = None,
    scale: float | None = None,
    is_causal: bool = False,
) -> Any:
    """Means of ``value``, weighted by the softmax of ``scale * query @ key + bias`` over the keys.

    Args:
        query: Shape ``(batch, queries, heads, depth)``.
        key: Shape ``(batch, keys, heads, depth)``.
        value: Shape ``(batch, keys, heads, depth of values)``.
        bias: What is added to the scores, of shape ``(batch, heads, queries, keys)`` or one that broadcasts to it.
        mask: Where it is false a key does not count; shapes as for ``bias``.
        scale: 1 / sqrt(depth) without one.
        is_causal: Whether a query sees only the keys up to its own place.

    Raises:
        ShapeError: If an operand has not four axes.
    """
    sd = query.sd
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim != 4:
            raise ShapeError(f"{name} has four axes.", given=str(x.shape), expected="(batch, places, heads, depth)")
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else scale
    scores = sd.einsum("bqhd,bkhd->bhqk", query, key) * scale
    scores = scores if bias is None else scores + bias
    # As low as a score can be, and not infinite: a row of which nothing counts is a mean, not NaN.
    least = 0.7 * float(np.finfo(query.dtype).min)
    if mask is not None:
        scores = sd.where(mask if mask.dtype.kind == "b" else sd.neq(mask, 0), scores, least)
    if is_causal:
        rows = sd.cumsum(sd.ones_like(scores, "int32"), 2)
        columns = sd.cumsum(sd.ones_like(scores, "int32"), 3)
        scores = sd.where(columns <= rows, scores, least)
    return sd.einsum("bhqk,bkhd->bqhd", sd.nn.softmax(scores, -1), value)


__all__ = [
    "average_pool",
    "batch_normalization",
    "binary_crossentropy",
    "categorical_crossentropy",
    "conv",
    "conv_transpose",
    "depthwise_conv",
    "dot_product_attention",
    "layer_normalization",
    "max_pool",
    "moments",
    "multi_hot",
    "normalize",
    "one_hot",
    "rms_normalization",
    "separable_conv",
    "sparse_categorical_crossentropy",
]
