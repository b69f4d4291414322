"""Convolution and pooling: the channels are moved to where ONNX has them, padding that is cut off is cut off before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sdgraph.files.onnx.fragments import INT64, Recorder, Value
from sdgraph.files.onnx.registry import OPEN_BODY, UNSIZED, Body, exports
from sdgraph.infer.windows import Pads, span

_FLOATS: Final = "the operators of ONNX for convolution take floats only"
_MOST_AXES: Final = 3
"""Along how many axes runtimes let windows slide."""


# ---------------------------------------------------------------------- convolution


def _lacks_floats(*xs: Value) -> bool:
    return any(x.dtype.kind != "f" for x in xs)


def _is_empty(*xs: Value) -> bool:
    return any(d == 0 for x in xs for d in x.shape)


def _sizes(b: Recorder, first: Value, sizes: Sequence[Any]) -> list[Any]:
    """Those of the result, of which the first may be one that is not known."""
    return [b.size(first, 0) if k == 0 and n is None else n for k, n in enumerate(sizes)]


def _cut(b: Recorder, x: Value, pads: Pads, lead: int) -> tuple[Value, list[int]]:
    """The value without what negative padding cuts off, and the rest of the padding as ONNX writes it.

    ``lead`` axes come before those that are padded.
    """
    for k, (low, high) in enumerate(pads):
        if low < 0 or high < 0:
            end = np.iinfo(np.int64).max if high >= 0 else high
            x = b.Slice(x, (max(-low, 0),), (end,), (lead + k,)).shaped(
                tuple(None if q == lead + k else d for q, d in enumerate(x.shape))
            )
    return x, [max(low, 0) for low, _ in pads] + [max(high, 0) for _, high in pads]


def _channels_second(b: Recorder, x: Value) -> Value:
    return b.transpose(x, (0, x.rank - 1, *range(1, x.rank - 1)))


def _channels_last(b: Recorder, x: Value, rank: int) -> Value:
    return b.Transpose(x, perm=[0, *range(2, rank), 1])


@exports("cnn.conv")
def _conv(b: Recorder, x: Value, w: Value, *, strides: Any, dilation: Any, pads: Pads, groups: int) -> Value | str:
    if _lacks_floats(x, w):
        return _FLOATS
    dtype, n = b.out.dtype, x.rank
    if _is_empty(x, w, Value("", dtype, b.out.shape)):
        return b.filled(_sizes(b, x, b.out.shape), 0, dtype)
    filters = b.transpose(w, (n - 1, n - 2, *range(n - 2)))
    v, around = _cut(b, _channels_second(b, x), pads, 2)
    y = b.Conv(
        b.widened(b.cast(v, dtype)),
        b.widened(b.cast(filters, dtype)),
        strides=list(strides),
        dilations=list(dilation),
        pads=around,
        group=groups,
    )
    return b.cast(_channels_last(b, y, n), dtype)


@exports("cnn.conv_input")
def _conv_input(
    b: Recorder, g: Value, w: Value, *, sizes: Any, strides: Any, dilation: Any, pads: Pads, groups: int
) -> Value | str:
    if _lacks_floats(g, w):
        return _FLOATS
    dtype, n = b.out.dtype, g.rank
    k, outs = ([d for d in of if type(d) is int] for of in (w.shape[:-2], g.shape[1:-1]))
    if len(k) + len(outs) < 2 * (n - 2):
        return UNSIZED
    if _is_empty(g, w):
        return b.filled(_sizes(b, g, b.out.shape), 0, dtype)
    # What the windows reach over, from the padding before the array on.
    reach = [(o - 1) * s + span(kk, d) for o, kk, s, d in zip(outs, k, strides, dilation, strict=True)]
    behind = [r - low - size for r, size, (low, _) in zip(reach, sizes, pads, strict=True)]
    lows = [low for low, _ in pads]
    # Whole windows, then what is beyond the array is cut off, and zeros are put where none reaches.
    y = b.ConvTranspose(
        b.widened(b.cast(_channels_second(b, g), dtype)),
        b.widened(b.cast(b.transpose(w, (n - 1, n - 2, *range(n - 2))), dtype)),
        strides=list(strides),
        dilations=list(dilation),
        group=groups,
    ).shaped((None,) * n)
    around = tuple((-low, -high) for low, high in zip(lows, behind, strict=True))
    y, more = _cut(b, y, around, 2)
    if any(more):
        half = len(more) // 2
        y = b.Pad(y, (0, 0, *more[:half], 0, 0, *more[half:]), None)
    return b.cast(_channels_last(b, y, n), dtype)


@exports("cnn.conv_kernel")
def _conv_kernel(
    b: Recorder, x: Value, g: Value, *, sizes: Any, strides: Any, dilation: Any, pads: Pads, groups: int
) -> Value | str:
    """A convolution of ``x`` with ``g``: the batch takes the place of the channels, dilation that of the strides."""
    if _lacks_floats(x, g):
        return _FLOATS
    dtype, n, c = b.out.dtype, x.rank, x.shape[-1]
    if type(c) is not int:
        return UNSIZED
    if _is_empty(x, g):
        return b.filled(b.out.shape, 0, dtype) if all(type(d) is int for d in b.out.shape) else UNSIZED
    # [C / groups, groups N, *space]
    batch, *space, _ = b.sizes(x)
    v = b.reshape(x, [batch, *space, groups, c // groups])
    v = b.transpose(v, (n, n - 1, 0, *range(1, n - 1)))
    v = b.reshape(v, [c // groups, b.product([groups, batch]), *space])
    v, around = _cut(b, v, pads, 2)
    filters = b.transpose(g, (n - 1, 0, *range(1, n - 1)))
    y = b.Conv(
        b.widened(b.cast(v, dtype)),
        b.widened(b.cast(filters, dtype)),
        strides=list(dilation),
        dilations=list(strides),
        pads=around,
        group=groups,
    )
    axes = tuple(range(2, n))
    y = b.Slice(y, (0,) * (n - 2), tuple(sizes), axes)
    return b.cast(b.Transpose(y, perm=[*axes, 0, 1]), dtype)


# ---------------------------------------------------------------------- maxima


def _pooled(
    b: Recorder, x: Value, sizes: Any, strides: Any, dilation: Any, pads: Pads, outputs: int
) -> tuple[Any, list[int], list[int]] | str:
    """What MaxPool gives, with the axes that windows do not slide along in front, and both sorts of axes."""
    moving = [k for k, of in enumerate(zip(sizes, strides, pads, strict=True)) if of != (1, 1, (0, 0))]
    if len(moving) > _MOST_AXES:
        return "runtimes let windows slide along three axes at most"
    if x.dtype.name in ("int64", "uint64"):
        return "ONNX has no largest numbers of windows for integers of 64 bits"
    still = [k for k in range(x.rank) if k not in moving]
    v = b.transpose(x, [*still, *moving])
    v = b.reshape(v, [b.product([b.size(x, k) for k in still]), 1, *(b.size(x, k) for k in moving)])
    v = b.cast(v, {"b": "uint8", "f": "float64" if x.dtype == np.float64 else "float32"}.get(x.dtype.kind, "float64"))
    own = tuple(pads[k] for k in moving)
    v, around = _cut(b, v, own, 2)
    found = b.MaxPool(
        v,
        outputs=outputs,
        kernel_shape=[sizes[k] for k in moving],
        strides=[strides[k] for k in moving],
        dilations=[dilation[k] for k in moving],
        pads=around,
    )
    return found, still, moving


def _moved_back(b: Recorder, y: Value, x: Value, still: list[int], moving: list[int]) -> Value:
    """The axes in their own order again."""
    outs = [b.out.shape[k] for k in moving]
    parts = b.reshape(
        y.shaped((None,) * (2 + len(moving))),
        [*(b.size(x, k) for k in still), *(n if type(n) is int else b.size(y, 2 + k) for k, n in enumerate(outs))],
    )
    order = [*still, *moving]
    return b.transpose(parts, [order.index(k) for k in range(x.rank)])


@exports("cnn.window_max", loses="a NaN among the numbers may be passed over")
def _window_max(b: Recorder, x: Value, *, sizes: Any, strides: Any, dilation: Any, pads: Pads) -> Value | str:
    if _is_empty(x, Value("", x.dtype, b.out.shape)):
        return b.filled(_sizes(b, x, b.out.shape), 0, x.dtype)
    if all(of == (1, 1, (0, 0)) for of in zip(sizes, strides, pads, strict=True)):
        return x
    found = _pooled(b, x, sizes, strides, dilation, pads, 1)
    if isinstance(found, str):
        return found
    y, still, moving = found
    return b.cast(_moved_back(b, y, x, still, moving), x.dtype)


@exports("cnn.window_first", loses="a NaN among the numbers may be passed over")
def _window_first(
    b: Recorder, x: Value, y: Value, *, sizes: Any, strides: Any, dilation: Any, pads: Pads
) -> Value | str:
    if _is_empty(x, Value("", x.dtype, b.out.shape)):
        return b.filled(_sizes(b, x, b.out.shape), 0, INT64)
    if not all(type(d) is int for d in x.shape[1:]):
        return UNSIZED
    if any(low < 0 or high < 0 for low, high in pads):
        return "positions in an array of which a part is cut off are not those in the array"
    found = _pooled(b, x, sizes, strides, dilation, pads, 2)
    if isinstance(found, str):
        return found
    (_, at), still, moving = found
    if type(x.shape[0]) is not int and 0 in moving:
        return UNSIZED
    at = _moved_back(b, at, x, still, moving)
    steps = [math.prod(x.shape[k + 1 :]) for k in range(x.rank)]  # type: ignore[arg-type]
    # The position among the places of its own windows, taken apart, and put together as the array has them.
    total = b.Mod(at, math.prod(x.shape[k] for k in moving))  # type: ignore[arg-type]
    parts = []
    for k in reversed(moving):
        parts.append(b.Mul(b.Mod(total, x.shape[k]), steps[k]))
        total = b.Div(total, x.shape[k])
    for k in still:
        ones = [1] * x.rank
        along = b.Mul(b.arange(b.size(x, k)), steps[k]).shaped((x.shape[k],))
        parts.append(b.reshape(along, [*ones[:k], b.size(x, k), *ones[k + 1 :]]))
    flat = parts[0]
    for part in parts[1:]:
        flat = b.Add(flat, part)
    return flat


# ---------------------------------------------------------------------- bodies that hang on some of the sizes


@exports(
    "cnn.conv1d",
    *(f"cnn.{name}{n}d" for name in ("conv", "deconv", "max_pooling", "avg_pooling") for n in (2, 3)),
    "cnn.depth_wise_conv2d",
    "cnn.separable_conv2d",
    "cnn.max_pool_with_argmax",
)
def _whatever_the_batch(b: Recorder, x: Value, *operands: Value | None, data_format: str, **_: Any) -> Body | str:
    """Their bodies look at all sizes but that of the batch."""
    sizes = [*x.shape[1:], *(d for v in operands if v is not None for d in v.shape)]
    return OPEN_BODY if all(type(d) is int for d in sizes) else UNSIZED
