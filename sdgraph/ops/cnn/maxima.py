"""Numpy kernels of the largest numbers of windows, which slide over every axis of an array."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from sdgraph.infer.windows import Pads, out_size

Array: TypeAlias = "np.ndarray[Any, Any]"
Sizes: TypeAlias = Sequence[int]
Cut: TypeAlias = tuple[slice, ...]


def _taps(
    shape: Sizes, outs: Sizes, sizes: Sizes, strides: Sizes, dilation: Sizes, pads: Pads
) -> Iterator[tuple[Cut, Cut] | None]:
    """For each place in the window, in order, the windows of which it lies in the array, and what these read there."""
    for t in itertools.product(*map(range, sizes)):
        windows, reads = [], []
        for a, n, o, s, d, (low, _) in zip(t, shape, outs, strides, dilation, pads, strict=True):
            at = a * d - low
            first, last = max(-(at // s), 0), min((n - 1 - at) // s, o - 1)
            if last < first:
                break
            windows.append(slice(first, last + 1))
            reads.append(slice(at + first * s, at + last * s + 1, s))
        yield (tuple(windows), tuple(reads)) if len(windows) == len(shape) else None


def _images(n: int, sizes: Sizes, strides: Sizes, pads: Pads) -> Iterator[slice]:
    """The first axis entry by entry if windows do not slide along it: one entry stays in the cache."""
    if (sizes[0], strides[0], pads[0]) == (1, 1, (0, 0)):
        for i in range(n):
            yield slice(i, i + 1)
    elif n:
        yield slice(None)


def window_max(_: Any, x: Array, *, sizes: Sizes, strides: Sizes, dilation: Sizes, pads: Pads) -> Array:
    """The largest number of each window; padding has none."""
    outs = tuple(
        out_size(n, k, s, d, *pair) for n, k, s, d, pair in zip(x.shape, sizes, strides, dilation, pads, strict=True)
    )
    y = np.full(outs, _lowest(x.dtype), x.dtype)
    for i in _images(outs[0], sizes, strides, pads):
        a, b = x[i], y[i]
        for cut in _taps(a.shape, b.shape, sizes, strides, dilation, pads):
            if cut is not None:
                np.maximum(b[cut[0]], a[cut[1]], out=b[cut[0]])
    return y


def _lowest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def window_first(_: Any, x: Array, y: Array, *, sizes: Sizes, strides: Sizes, dilation: Sizes, pads: Pads) -> Array:
    """The flat position in x of the first entry of each window that is its largest number y, or NaN as y is.

    No branches: which entry is the first is the number of those before it, of which none was it.
    """
    count = math.prod(sizes)
    steps = [math.prod(x.shape[q + 1 :]) for q in range(x.ndim)]
    offsets, base = _offsets(sizes, dilation, steps), _base(y.shape, strides, pads, steps)
    nans = x.dtype.kind == "f" and bool(np.isnan(y).any())
    out = np.empty(y.shape, np.int64)
    for i in _images(len(y), sizes, strides, pads):
        a, b, at = x[i], y[i], out[i]
        free, before = np.ones(b.shape, bool), np.zeros(b.shape, np.uint8 if count < 256 else np.int64)
        for cut in _taps(a.shape, b.shape, sizes, strides, dilation, pads):
            if cut is not None:
                missed = a[cut[1]] != b[cut[0]]
                if nans:
                    missed &= a[cut[1]] == a[cut[1]]
                free[cut[0]] &= missed
            before += free
        np.take(offsets, np.minimum(before, count - 1), out=at, mode="clip")
        at += base[0][i]
        at += base[1]
    return np.clip(out, 0, max(x.size - 1, 0), out=out)


def _offsets(sizes: Sizes, dilation: Sizes, steps: Sizes) -> Array:
    """How far each place in the window is from its first one in the flat array."""
    offsets = np.zeros(1, np.int64)
    for k, d, step in zip(sizes, dilation, steps, strict=True):
        offsets = (offsets[:, None] + np.arange(k) * d * step).reshape(-1)
    return offsets


def _base(outs: Sizes, strides: Sizes, pads: Pads, steps: Sizes) -> tuple[Array, Array]:
    """Where each window begins in the flat array: what the first axis adds, and what the others do."""
    first, others = np.zeros(1, np.int64), np.zeros((1,) * len(outs), np.int64)
    for q, (o, s, (low, _), step) in enumerate(zip(outs, strides, pads, steps, strict=True)):
        along = ((np.arange(o) * s - low) * step).reshape([-1 if q == r else 1 for r in range(len(outs))])
        first, others = (along, others) if q == 0 else (first, others + along)
    return first, others
