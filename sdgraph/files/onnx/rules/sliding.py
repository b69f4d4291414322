"""Windows that slide over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.files.onnx.fragments import INT64, Recorder, Size, Value
from sdgraph.files.onnx.registry import exports
from sdgraph.files.onnx.rules.shapes import added_along
from sdgraph.infer.windows import out_size, per_axis, span


def _settings(axis: Any, rank: int, size: Any, strides: Any, dilation: Any) -> list[tuple[int, int, int, int]]:
    """Axis, size, stride and dilation of each axis that windows slide along."""
    axes = [k % rank for k in (axis if isinstance(axis, tuple) else (axis,))]
    given = (per_axis("", v, len(axes)) for v in (size, strides, dilation))
    return list(zip(axes, *given, strict=True))


def _places(b: Recorder, n: Size, size: int, stride: int, dilation: int) -> Value:
    """For each window along an axis of n entries, where the entries of it are: a matrix."""
    inside = np.arange(size, dtype=INT64) * dilation
    if type(n) is int:
        starts = np.arange(out_size(n, size, stride, dilation, 0, 0), dtype=INT64) * stride
        return b.value(starts[:, None] + inside)
    room = b.Sub(n, span(size, dilation) - stride)
    count = b.Max(b.Div(b.Max(room, 0), stride), 0)
    starts = b.Mul(b.arange(count), stride)
    return b.Add(b.unsqueeze(starts, (1,)), b.value(inside)).shaped((None, size))


def taken(b: Recorder, x: Value, settings: Sequence[tuple[int, int, int, int]]) -> Value:
    """The windows of a value, their entries as axes behind all others."""
    for k, *one in settings:
        places = _places(b, b.size(x, k), *one)
        shape = (*x.shape[:k], *places.shape, *x.shape[k + 1 :])
        found = b.Gather(x, places, axis=k).shaped(shape)
        x = b.transpose(found, [j for j in range(found.rank) if j != k + 1] + [k + 1])
    return x


def put_back(b: Recorder, g: Value, sizes: Sequence[Size], settings: Sequence[tuple[int, int, int, int]]) -> Value:
    """Windows of a value of these sizes, added up where they were taken from."""
    for k, *one in reversed(settings):
        n, last = sizes[k], g.rank - 1
        places = b.flat(_places(b, n, *one))
        moved = b.transpose(g, [*range(k + 1), last, *range(k + 1, last)])
        parts = b.sizes(moved)
        joined = b.reshape(moved, [*parts[:k], b.product(parts[k : k + 2]), *parts[k + 2 :]])
        g = added_along(b, [*parts[:k], n, *parts[k + 2 :]], places, joined, k)
    return g


@exports("cnn.windows")
def _windows(b: Recorder, x: Value, *, axis: Any, size: Any, strides: Any, dilation: Any) -> Value:
    return taken(b, x, _settings(axis, x.rank, size, strides, dilation))


@exports("cnn.add_windows")
def _add_windows(b: Recorder, g: Value, like: Value, *, axis: Any, size: Any, strides: Any, dilation: Any) -> Value:
    return put_back(b, g, b.sizes(like), _settings(axis, like.rank, size, strides, dilation))
