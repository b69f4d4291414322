"""ONNX's convolution and pooling, as operations of sdgraph."""

import math

import numpy as np

from tests.onnx_cases.translation import onnx_op

FORMATS = {2: "NCHW", 3: "NCDHW"}
AUTO = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}


class Axes:
    """A call as one along two or three axes: one along a single axis gets a second, of size 1, that is taken off."""

    def __init__(self, t, x):
        self.sd, self.flat = t.sd, len(x.shape) == 3
        self.n = max(len(x.shape) - 2, 2)

    def widened(self, x):
        return self.sd.expand_dims(x, -1) if self.flat else x

    def narrowed(self, y):
        return self.sd.squeeze(y, -1) if self.flat else y

    def each(self, values, default=1):
        return [*(values or [default] * (self.n - self.flat)), *([default] if self.flat else [])]

    def padding(self, auto_pad, pads):
        if auto_pad != "NOTSET":
            return AUTO[auto_pad]
        half = len(pads or []) // 2
        pairs = [[a, b] for a, b in zip(pads[:half], pads[half:], strict=True)] if pads else []
        return [*pairs, *([[0, 0]] if self.flat and pairs else [])] if pairs else "valid"

    def op(self, name):
        return getattr(self.sd.cnn, f"{name}{self.n}d")

    def settings(self, auto_pad, pads, strides, dilations):
        return {
            "strides": self.each(strides),
            "padding": self.padding(auto_pad, pads),
            "dilation": self.each(dilations),
            "data_format": FORMATS[self.n],
        }


def _filters(axes, w):
    """[first, second, *k] as [*k, second, first]."""
    w = axes.widened(w)
    return axes.sd.permute(w, (*range(2, axes.n + 2), 1, 0))


@onnx_op("Conv")
def conv(t, x, w, bias=None, *, auto_pad, dilations, group, pads, strides, **kernel_shape):
    axes = Axes(t, x)
    settings = axes.settings(auto_pad, pads, strides, dilations)
    return axes.narrowed(axes.op("conv")(axes.widened(x), _filters(axes, w), bias, groups=group, **settings))


@onnx_op("ConvInteger")
def conv_integer(t, x, w, x_zero=None, w_zero=None, **settings):
    filters = t.sd.cast(w, "int32")
    if w_zero is not None:  # One number, or one per filter.
        one_each = (-1, *(1 for _ in w.shape[1:])) if len(w_zero.shape) else ()
        filters = filters - t.sd.reshape(t.sd.cast(w_zero, "int32"), one_each)
    x = t.sd.cast(x, "int32") if x_zero is None else t.sd.cast(x, "int32") - t.sd.cast(x_zero, "int32")
    return conv(t, x, filters, **settings)


@onnx_op("QLinearConv")
def quantized_conv(t, x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias=None, **settings):
    assert bias is None
    product = t.sd.cast(conv_integer(t, x, w, x_zero, w_zero, **settings), "float32")
    scaled = t.sd.math.round(product * t.sd.cast(x_scale * w_scale / y_scale, "float32"))
    limits = np.iinfo(y_zero.dtype)
    shifted = scaled + t.sd.cast(y_zero, "float32")
    return t.sd.cast(t.sd.math.clip_by_value(shifted, limits.min, limits.max), y_zero.dtype)


@onnx_op("CausalConvWithState")
def causal_conv(t, x, w, bias=None, past=None, *, activation):
    k = w.shape[-1]
    n, c, _ = t.read(x).shape
    before = t.sd.constant(np.zeros((n, c, k - 1), x.dtype)) if past is None else past
    whole = t.sd.concat(before, x, axis=2) if k > 1 else x
    y = t.sd.cnn.conv1d(whole, t.sd.permute(w, (2, 1, 0)), bias, groups=c, data_format="NCW")
    y = y * t.sd.nn.sigmoid(y) if activation in ("silu", "swish") else y
    size = t.read(whole).shape[2]
    return y, t.sd.slice(whole, (0, 0, size - k + 1), (n, c, k - 1))


@onnx_op("ConvTranspose")
def conv_transpose(
    t, x, w, bias=None, *, auto_pad, dilations, group, output_padding, output_shape, pads, strides, **kernel_shape
):
    axes = Axes(t, x)
    settings = axes.settings("NOTSET", pads, strides, dilations)
    more = axes.each(output_padding, 0)
    if auto_pad != "NOTSET" or output_shape:
        sizes = axes.each(t.read(x).shape[2:])
        wanted = (
            axes.each(output_shape)
            if output_shape
            else [n * s for n, s in zip(sizes, settings["strides"], strict=True)]
        )
        settings["padding"] = [
            _shared(s * (n - 1) + e + (k - 1) * d + 1 - out, auto_pad == "SAME_UPPER")
            for n, s, e, k, d, out in zip(
                sizes, settings["strides"], more, axes.each(w.shape[2:]), settings["dilation"], wanted, strict=True
            )
        ]
    y = axes.op("deconv")(
        axes.widened(x), _filters(axes, w), bias, groups=group, output_padding=more if any(more) else None, **settings
    )
    return axes.narrowed(y)


def _shared(total, upper):
    return [total // 2, total - total // 2] if upper else [total - total // 2, total // 2]


# ---------------------------------------------------------------------- pooling


@onnx_op("AveragePool")
def average_pool(t, x, *, kernel_shape, auto_pad, pads, strides, ceil_mode=0, count_include_pad=0, dilations=None):
    axes = Axes(t, x)
    y = axes.op("avg_pooling")(
        axes.widened(x),
        axes.each(kernel_shape),
        ceil=bool(ceil_mode),
        count_padding=bool(count_include_pad),
        **axes.settings(auto_pad, pads, strides, dilations),
    )
    return axes.narrowed(y)


@onnx_op("LpPool")
def norm_pool(t, x, *, kernel_shape, p, **settings):
    means = average_pool(t, t.sd.math.abs(x) ** p, kernel_shape=kernel_shape, count_include_pad=1, **settings)
    return (means * float(math.prod(kernel_shape))) ** (1 / p)


@onnx_op("MaxPool")
def max_pool(t, x, *, kernel_shape, auto_pad, pads, strides, ceil_mode=0, dilations=None, storage_order=0):
    axes = Axes(t, x)
    settings = {"ceil": bool(ceil_mode), **axes.settings(auto_pad, pads, strides, dilations)}
    settings["size"] = axes.each(kernel_shape)
    if t.n_outputs == 1:
        return axes.narrowed(axes.op("max_pooling")(axes.widened(x), **settings))
    y, at = t.sd.cnn.max_pool_with_argmax(axes.widened(x), **settings)
    n, _, h, w = axes.widened(x).shape
    if storage_order:
        place = at % (h * w)
        at = at - place + place % w * h + place // w
    first = np.arange(n).reshape(-1, 1, 1, 1) * math.prod(x.shape[1:])
    return axes.narrowed(y), axes.narrowed(at + first)


@onnx_op("MaxUnpool")
def max_unpool(t, x, indices, shape=None, *, kernel_shape, pads, strides):
    sizes = t.read(x).shape
    axes = len(kernel_shape)
    strides, pads = strides or [1] * axes, pads or [0] * 2 * axes
    space = [
        (n - 1) * s + k - lo - hi
        for n, s, k, lo, hi in zip(sizes[2:], strides, kernel_shape, pads[:axes], pads[axes:], strict=True)
    ]
    whole = (*sizes[:2], *space)
    flat = t.sd.fill(shape=(math.prod(whole),), value=0, dtype=x.dtype)
    y = t.sd.reshape(t.sd.scatter_add(flat, t.sd.reshape(indices, (-1,)), t.sd.reshape(x, (-1,))), whole)
    wanted = whole if shape is None else t.ints(shape)
    return t.sd.nn.pad(y, [[0, m - n] for m, n in zip(wanted, whole, strict=True)])
