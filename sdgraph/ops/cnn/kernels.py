"""Numpy kernels of convolutions, for any number of axes.

Layout: ``x [N, *space, C]``, ``w [*k, C / groups, F]``, ``g [N, *out, F]``. The windows are copied out in blocks that
stay in the cache, so that no buffer is larger than a block, and each block is one product of matrices.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from sdgraph.infer.windows import Pads, out_size, span
from sdgraph.ops.precision import rounded_once

Array: TypeAlias = "np.ndarray[Any, Any]"
Sizes: TypeAlias = Sequence[int]

_BLOCK = 1 << 20
"""Bytes of a block of windows at most, unless a single row of windows has more."""


def padded(x: Array, pads: Sequence[tuple[int, int]]) -> Array:
    """The array with zeros around it; negative padding cuts off. There is a pair for every axis."""
    if not any(low or high for low, high in pads):
        return x
    cut = tuple(
        slice(min(max(-low, 0), n), max(n - max(-high, 0), 0)) for n, (low, high) in zip(x.shape, pads, strict=True)
    )
    x = x[cut]
    grown = [(max(low, 0), max(high, 0)) for low, high in pads]
    out = np.zeros([n + low + high for n, (low, high) in zip(x.shape, grown, strict=True)], x.dtype)
    out[tuple(slice(low, low + n) for n, (low, _) in zip(x.shape, grown, strict=True))] = x
    return out


def _blocks(n: int, outs: Sizes, place_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Cut ``[N, O1, ...]`` into several images, or into rows of one image, with at most a block of bytes."""
    image = max(math.prod(outs) * place_bytes, 1)
    if image <= _BLOCK:
        step = _BLOCK // image
        for i in range(0, n, step):
            yield slice(i, min(i + step, n)), slice(0, outs[0])
        return
    step = max(_BLOCK // (image // outs[0]), 1)
    for i in range(n):
        for j in range(0, outs[0], step):
            yield slice(i, i + 1), slice(j, min(j + step, outs[0]))


def _pieces(
    x: Array, k: Sizes, strides: Sizes, dilation: Sizes, pads: Pads, outs: Sizes, place_bytes: int
) -> Iterator[tuple[slice, slice, Array]]:
    """Per block the images, the rows of windows, and a view ``[images, *outs, *k, C]`` of what these windows read."""
    height = x.shape[1]
    for images, rows in _blocks(x.shape[0], outs, place_bytes):
        # Only the rows that this block reads are padded.
        first = rows.start * strides[0] - pads[0][0]
        stop = (rows.stop - 1) * strides[0] - pads[0][0] + span(k[0], dilation[0])
        a = min(max(first, 0), height)
        b = max(min(stop, height), a)
        before, behind = max(a - first, 0), max(stop - max(b, first), 0)
        piece = padded(x[images, a:b], [(0, 0), (before, behind), *pads[1:], (0, 0)])
        at, *steps, last = piece.strides
        yield (
            images,
            rows,
            as_strided(
                piece,
                (piece.shape[0], rows.stop - rows.start, *outs[1:], *k, x.shape[-1]),
                (
                    at,
                    *(q * s for q, s in zip(steps, strides, strict=True)),
                    *(q * d for q, d in zip(steps, dilation, strict=True)),
                    last,
                ),
                writeable=False,
            ),
        )


def _columns(
    x: Array, k: Sizes, strides: Sizes, dilation: Sizes, pads: Pads, outs: Sizes
) -> Iterator[tuple[slice, slice, Array]]:
    """Blocks of the matrix of windows ``[places, taps, C]``, each in the same buffer."""
    taps, c = math.prod(k), x.shape[-1]
    buffer: Array | None = None
    for images, rows, view in _pieces(x, k, strides, dilation, pads, outs, taps * c * x.itemsize):
        if buffer is None:
            buffer = np.empty(view.size, x.dtype)
        columns = buffer[: view.size].reshape(view.shape)
        np.copyto(columns, view)
        yield images, rows, columns.reshape(math.prod(view.shape[: x.ndim - 1]), taps, c)


def _alike(x: Array, y: Array) -> tuple[Array, Array]:
    dtype = np.result_type(x, y)
    return x.astype(dtype, copy=False), y.astype(dtype, copy=False)


def _outs(x: Array, k: Sizes, strides: Sizes, dilation: Sizes, pads: Pads) -> tuple[int, ...]:
    return tuple(
        out_size(n, kk, s, d, *pair)
        for n, kk, s, d, pair in zip(x.shape[1:-1], k, strides, dilation, pads, strict=True)
    )


# ---------------------------------------------------------------------- the values


@rounded_once
def conv(_: Any, x: Array, w: Array, *, strides: Sizes, dilation: Sizes, pads: Pads, groups: int) -> Array:
    """``y[n, o, f] = sum x[n, s o + d k - low, c] w[k, c, f]``."""
    x, w = _alike(x, w)
    k, f = w.shape[:-2], w.shape[-1]
    y = np.empty((x.shape[0], *_outs(x, k, strides, dilation, pads), f), x.dtype)
    if not y.size or not w.size:
        y[...] = 0
        return y
    _put(y, x, w, strides, dilation, pads, groups)
    return y


def _put(y: Array, x: Array, w: Array, strides: Sizes, dilation: Sizes, pads: Pads, groups: int) -> None:
    """Write a convolution into an array, whose places may be apart."""
    k, f, c, outs = w.shape[:-2], w.shape[-1], x.shape[-1], y.shape[1:-1]
    if groups == c > 1:
        return _put_depthwise(y, x, w, strides, dilation, pads)
    whole = y.flags.c_contiguous
    if groups == 1 and whole and x.flags.c_contiguous and _reads_each_once(k, strides, pads):
        np.matmul(x.reshape(-1, c), w.reshape(c, f), out=y.reshape(-1, f))
        return None
    per_group, filters = c // groups, f // groups
    matrices = np.ascontiguousarray(np.moveaxis(w.reshape(-1, per_group, groups, filters), 2, 0))
    matrices = matrices.reshape(groups, -1, filters)
    for images, rows, columns in _columns(x, k, strides, dilation, pads, outs):
        target = y[images, rows]
        if groups == 1 and whole:  # Whole images, or rows of one: a view.
            np.matmul(columns.reshape(len(columns), -1), matrices[0], out=target.reshape(-1, f))
            continue
        for q in range(groups):
            own = columns[:, :, q * per_group : (q + 1) * per_group].reshape(len(columns), -1)
            target[..., q * filters : (q + 1) * filters] = (own @ matrices[q]).reshape(*target.shape[:-1], filters)
    return None


def _reads_each_once(k: Sizes, strides: Sizes, pads: Pads) -> bool:
    return all(q == 1 for q in (*k, *strides)) and not any(p for pair in pads for p in pair)


def _place_bytes(x: Array, filters: int, strides: Sizes) -> int:
    """Bytes for each place of the result: those of its filters, or of what lies between it and the next one in x."""
    return max(filters, x.shape[-1] * math.prod(strides)) * x.itemsize


def _put_depthwise(y: Array, x: Array, w: Array, strides: Sizes, dilation: Sizes, pads: Pads) -> None:
    """Each channel with its own filters: tap by tap, block by block."""
    k, c, f, outs = w.shape[:-2], x.shape[-1], w.shape[-1], y.shape[1:-1]
    m = f // c
    taps = w.reshape(*k, c, m)
    axes = (slice(None),) * (x.ndim - 1)
    for images, rows, view in _pieces(x, k, strides, dilation, pads, outs, _place_bytes(x, f, strides)):
        target = y[images, rows]
        target[...] = 0
        for t in itertools.product(*map(range, k)):
            for j in range(m):
                target[..., j::m] += view[axes + t] * taps[t][:, j]


# ---------------------------------------------------------------------- the derivative by the array


def _phases(sizes: Sizes, outs: Sizes, k: Sizes, strides: Sizes, dilation: Sizes, pads: Pads) -> Iterator[Any]:
    """The places of x by their remainders modulo the strides: each sees some taps, in a convolution of stride 1.

    Yields for each axis the places, the taps, their dilation and the padding of g.
    """
    found = []
    for n, o, kk, s, d, (low, _) in zip(sizes, outs, k, strides, dilation, pads, strict=True):
        step = s // math.gcd(s, d)
        of_axis = []
        for r in range(min(s, n)):
            count = -(-(n - r) // s)
            first = next((t for t in range(min(step, kk)) if (t * d - r - low) % s == 0), kk)
            taps = range(first, kk, step)
            spread = step * d // s
            # Place q of this phase reads g at q + start - t spread for each tap; flipped, the last tap comes first.
            start = (r + low - first * d) // s
            before = (len(taps) - 1) * spread - start
            behind = count - (o + before - (len(taps) - 1) * spread)
            of_axis.append((slice(r, n, s), taps, spread, (before, behind)))
        found.append(of_axis)
    for one_each in itertools.product(*found):
        yield tuple(zip(*one_each, strict=True))


@rounded_once
def conv_input(
    _: Any, g: Array, w: Array, *, sizes: Sizes, strides: Sizes, dilation: Sizes, pads: Pads, groups: int
) -> Array:
    """``x[n, s o + d k - low, c] += g[n, o, f] w[k, c, f]``, without places of zeros that were to be multiplied."""
    g, w = _alike(g, w)
    k, per_group, filters = w.shape[:-2], w.shape[-2], w.shape[-1] // groups
    shape, axes = (g.shape[0], *sizes, per_group * groups), len(k)
    if not math.prod(shape) or not g.size or not w.size:
        return np.zeros(shape, g.dtype)
    # In each group filters and channels change places: [*k, F / groups, C].
    turned = w.reshape(*k, per_group, groups, filters)
    turned = turned.transpose(*range(axes), axes + 2, axes + 1, axes).reshape(*k, filters, shape[-1])
    ones = (1,) * axes
    x = np.empty(shape, g.dtype)
    for places, taps, spread, around in _phases(sizes, g.shape[1:-1], k, strides, dilation, pads):
        target = x[(slice(None), *places)]
        if not all(taps):  # Only where strides are larger than the window, or pass over it.
            target[...] = 0
            continue
        part = turned[tuple(slice(t[0], t[-1] + 1, t.step) for t in taps)]
        _put(target, g, part[(slice(None, None, -1),) * axes], ones, spread, around, groups)
    return x


# ---------------------------------------------------------------------- the derivative by the filters


@rounded_once
def conv_kernel(
    _: Any, x: Array, g: Array, *, sizes: Sizes, strides: Sizes, dilation: Sizes, pads: Pads, groups: int
) -> Array:
    """``w[k, c, f] = sum x[n, s o + d k - low, c] g[n, o, f]``."""
    x, g = _alike(x, g)
    c, f, outs = x.shape[-1], g.shape[-1], g.shape[1:-1]
    per_group, filters = c // groups, f // groups
    shape = (*sizes, per_group, f)
    if not x.size or not g.size:
        return np.zeros(shape, x.dtype)
    if groups == c > 1:
        return _depthwise_kernel(x, g, sizes, strides, dilation, pads).reshape(shape)
    w = np.zeros((groups, math.prod(sizes) * per_group, filters), x.dtype)
    for images, rows, columns in _columns(x, sizes, strides, dilation, pads, outs):
        target = g[images, rows].reshape(-1, f)
        for q in range(groups):
            own = columns[:, :, q * per_group : (q + 1) * per_group].reshape(len(columns), -1)
            w[q] += own.T @ target[:, q * filters : (q + 1) * filters]
    return np.moveaxis(w, 0, 1).reshape(shape)


def _depthwise_kernel(x: Array, g: Array, k: Sizes, strides: Sizes, dilation: Sizes, pads: Pads) -> Array:
    c, m, outs = x.shape[-1], g.shape[-1] // x.shape[-1], g.shape[1:-1]
    w = np.zeros((*k, c, m), x.dtype)
    axes = (slice(None),) * (x.ndim - 1)
    for images, rows, view in _pieces(x, k, strides, dilation, pads, outs, _place_bytes(x, g.shape[-1], strides)):
        target = g[images, rows].reshape(-1, c, m)
        for t in itertools.product(*map(range, k)):
            own = view[axes + t].reshape(-1, c)
            w[t] += np.einsum("pc,pcm->cm", own, target)
    return w
