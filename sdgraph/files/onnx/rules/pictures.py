"""What is done with pictures beside convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.files.onnx.fragments import Recorder, Size, Value
from sdgraph.files.onnx.registry import BODY, STANDARD, Body, exports
from sdgraph.files.onnx.rules.indexing import sliced
from sdgraph.files.onnx.rules.shapes import padded, summed
from sdgraph.files.onnx.rules.sliding import put_back, taken
from sdgraph.ops.cnn.neighbours import Grid, grid_of, steps_of
from sdgraph.ops.cnn.rearranging import inside_blocks

# ---------------------------------------------------------------------- pixels in other places


def _over(b: Recorder, size: Size, n: int) -> Size:
    """A size that is a multiple of n, divided by it."""
    return size // n if type(size) is int else b.Div(size, n)


def _blocks(b: Recorder, sizes: Sequence[Size], factors: Sequence[int]) -> list[Size]:
    return [n for d, factor in zip(sizes, factors, strict=True) for n in ((d, factor) if factor != 1 else (d,))]


@exports("cnn.enlarge")
def _enlarged(b: Recorder, x: Value, *, factors: Sequence[int]) -> Value:
    sizes = b.sizes(x)
    spread = b.expand(b.unsqueeze(x, inside_blocks(factors)), _blocks(b, sizes, factors))
    return b.reshape(spread, [b.product((d, n)) for d, n in zip(sizes, factors, strict=True)])


@exports("cnn.block_sums")
def _block_sums(b: Recorder, g: Value, like: Value, *, factors: Sequence[int]) -> Value:
    return summed(b, b.reshape(g, _blocks(b, b.sizes(like), factors)), inside_blocks(factors))


@exports("cnn.space_to_depth", "cnn.depth_to_space", target=STANDARD)
def _depth(b: Recorder, x: Value, *, block_size: int, data_format: str) -> Value | Body:
    if x.dtype.kind != "f" or 0 in x.shape:
        return BODY
    operator = b.SpaceToDepth if b.op == "cnn.space_to_depth" else b.DepthToSpace
    if data_format == "NCHW":
        return operator(x, blocksize=block_size)
    moved = operator(b.transpose(x, (0, 3, 1, 2)), blocksize=block_size)
    return b.transpose(moved.shaped((None,) * 4), (0, 2, 3, 1))


@exports("cnn.space_to_batch")
def _space_to_batch(b: Recorder, x: Value, *, blocks: Any, padding_top: Any, padding_bottom: Any) -> Value:
    (n, m), widths = blocks, [(0, 0), padding_top, padding_bottom, (0, 0)]
    x = _around(b, x, widths)
    batch, h, w, channels = b.sizes(x)
    h, w = _over(b, h, n), _over(b, w, m)
    moved = b.transpose(b.reshape(x, [batch, h, n, w, m, channels]), (2, 4, 0, 1, 3, 5))
    return b.reshape(moved, [b.product((batch, n, m)), h, w, channels])


@exports("cnn.batch_to_space")
def _batch_to_space(b: Recorder, x: Value, *, blocks: Any, cropping_top: Any, cropping_bottom: Any) -> Value:
    (n, m), (batch, h, w, channels) = blocks, b.sizes(x)
    batch = _over(b, batch, n * m)
    moved = b.transpose(b.reshape(x, [n, m, batch, h, w, channels]), (2, 3, 0, 4, 1, 5))
    joined = b.reshape(moved, [batch, b.product((h, n)), b.product((w, m)), channels])
    key = [("slice", before, -after or None, None) for before, after in (cropping_top, cropping_bottom)]
    return sliced(b, joined, (("slice", None, None, None), *key))


# ---------------------------------------------------------------------- windows


def _around(b: Recorder, x: Value, widths: Sequence[Sequence[int]], number: float = 0) -> Value:
    flat = [*(before for before, _ in widths), *(after for _, after in widths)]
    out = tuple(d + sum(pair) if type(d) is int else None for d, pair in zip(x.shape, widths, strict=True))
    return padded(b, x, flat, number).shaped(out) if any(flat) else x


def _framed(b: Recorder, x: Value, grid: Grid, number: float = 0) -> Value | None:
    """A picture with what its windows need around it; None if that hangs on a size that is unknown."""
    pads = grid.pads([x.shape[one.axis] for one in grid[:2]])
    if None in pads:
        return None
    widths = [(0, 0)] * x.rank
    for one, pad in zip(grid[:2], pads, strict=True):
        widths[one.axis] = pad
    return _around(b, x, widths, number)


@exports("cnn.im2_col")
def _im2_col(b: Recorder, x: Value, *, data_format: str, **settings: Any) -> Value | Body:
    nchw = data_format == "NCHW"
    grid = grid_of((2, 3) if nchw else (1, 2), **settings)
    framed = _framed(b, x, grid)
    if framed is None:
        return BODY
    return b.transpose(taken(b, framed, grid[:2]), (0, 1, 4, 5, 2, 3) if nchw else (0, 3, 4, 5, 1, 2))


@exports("cnn.col2_im")
def _col2_im(b: Recorder, x: Value, *, sizes: Any, data_format: str, **settings: Any) -> Value | Body:
    nchw, kernel = data_format == "NCHW", x.shape[2:4]
    if not all(type(d) is int for d in kernel):
        return BODY
    grid = grid_of((2, 3) if nchw else (1, 2), kernel, **settings)
    pads, (batch, channels) = grid.pads(sizes), b.sizes(x)[:2]
    space = [n + sum(pad) for n, pad in zip(sizes, pads, strict=True)]
    moved = b.transpose(x, (0, 1, 4, 5, 2, 3) if nchw else (0, 4, 5, 1, 2, 3))
    whole = [batch, channels, *space] if nchw else [batch, *space, channels]
    key = [("slice", pad[0], pad[0] + n, None) for n, pad in zip(sizes, pads, strict=True)]
    everything = ("slice", None, None, None)
    return sliced(
        b, put_back(b, moved, whole, grid[:2]), (everything, everything, *key) if nchw else (everything, *key)
    )


@exports("cnn.extract_image_patches")
def _patches(
    b: Recorder, x: Value, *, k_h: int, k_w: int, s_h: int, s_w: int, r_h: int, r_w: int, same_mode: bool
) -> Value | Body:
    grid = grid_of((1, 2), (k_h, k_w), (s_h, s_w), "same" if same_mode else "valid", (r_h, r_w))
    framed = _framed(b, x, grid)
    if framed is None:
        return BODY
    found = b.transpose(taken(b, framed, grid[:2]), (0, 1, 2, 4, 5, 3))
    sizes = b.sizes(found)
    return b.reshape(found, [*sizes[:3], b.product(sizes[3:])])


@exports("cnn.dilation2d")
def _dilation(b: Recorder, x: Value, weights: Value, *, strides: Any, rates: Any, is_same_mode: bool) -> Value | Body:
    kernel = weights.shape[:2]
    if b.out.dtype.kind != "f" or not all(type(d) is int for d in kernel):
        return BODY
    steps = steps_of("strides", strides), steps_of("rates", rates)
    grid = grid_of((1, 2), kernel, steps[0], "same" if is_same_mode else "valid", steps[1])
    framed = _framed(b, b.cast(x, b.out.dtype), grid, -np.inf)
    if framed is None:
        return BODY
    sums = b.Add(taken(b, framed, grid[:2]), b.transpose(b.cast(weights, b.out.dtype), (2, 0, 1)))
    return b.ReduceMax(sums, (4, 5), keepdims=0)
