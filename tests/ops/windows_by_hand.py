"""Convolution and pooling as loops over every place of every window: what `tests.ops.references` compares with."""

import itertools
import math

import numpy as np


def each(value, axes):
    return (value,) * axes if isinstance(value, int) else tuple(value)


def sides(pads, axes):
    return tuple((p, p) if isinstance(p, int) else tuple(p) for p in each(pads, axes))


def places(space, k, strides, dilation, pads):
    """For each window, and each place in it, where that is in the array; None in the padding."""
    n = [
        max((m + lo + hi - d * (kk - 1) - 1) // s + 1, 0)
        for m, kk, s, d, (lo, hi) in zip(space, k, strides, dilation, pads, strict=True)
    ]
    for o in itertools.product(*map(range, n)):
        for t in itertools.product(*map(range, k)):
            at = tuple(a * s + b * d - lo for a, s, b, d, (lo, _) in zip(o, strides, t, dilation, pads, strict=True))
            yield o, t, at if all(0 <= i < m for i, m in zip(at, space, strict=True)) else None


def outs(space, k, strides, dilation, pads):
    found = [0] * len(space)
    for o, _, _ in places(space, k, strides, dilation, pads):
        found = [max(a, b + 1) for a, b in zip(found, o, strict=True)]
    return tuple(found) if math.prod(found) else tuple(
        max((m + lo + hi - d * (kk - 1) - 1) // s + 1, 0)
        for m, kk, s, d, (lo, hi) in zip(space, k, strides, dilation, pads, strict=True)
    )  # fmt: skip


def trilinear(x, w, g, space, k, strides, dilation, pads, groups, c, f):
    """Add up each product of the form where it belongs: into the one of the three that is zeros."""
    fits = {0: x is None, 1: w is None, 2: g is None}
    target = next(i for i, missing in fits.items() if missing)
    n = (g if x is None else x).shape[0]
    out = [
        np.zeros((n, *space, c)),
        np.zeros((*k, c // groups, f)),
        np.zeros((n, *outs(space, k, strides, dilation, pads), f)),
    ][target]
    for o, t, at in places(space, k, strides, dilation, pads):
        if at is None:
            continue
        for i, j, m in itertools.product(range(n), range(f), range(c // groups)):
            channel = j // (f // groups) * (c // groups) + m
            a = None if x is None else x[(i, *at, channel)]
            b = None if w is None else w[(*t, m, j)]
            d = None if g is None else g[(i, *o, j)]
            if target == 0:
                out[(i, *at, channel)] += b * d
            elif target == 1:
                out[(*t, m, j)] += a * d
            else:
                out[(i, *o, j)] += a * b
    return out


def _settings(axes, strides, dilation, pads):
    return each(strides, axes), each(dilation, axes), sides(pads, axes)


def conv(x, w, strides=1, dilation=1, pads=0, groups=1):
    a = _settings(x.ndim - 2, strides, dilation, pads)
    return trilinear(x, w, None, x.shape[1:-1], w.shape[:-2], *a, groups, x.shape[-1], w.shape[-1])


def conv_input(g, w, sizes, strides=1, dilation=1, pads=0, groups=1):
    a = _settings(g.ndim - 2, strides, dilation, pads)
    return trilinear(None, w, g, sizes, w.shape[:-2], *a, groups, w.shape[-2] * groups, w.shape[-1])


def conv_kernel(x, g, sizes, strides=1, dilation=1, pads=0, groups=1):
    a = _settings(x.ndim - 2, strides, dilation, pads)
    return trilinear(x, None, g, x.shape[1:-1], sizes, *a, groups, x.shape[-1], g.shape[-1])


def window_max(x, sizes, strides=1, dilation=1, pads=0):
    k, a = each(sizes, x.ndim), _settings(x.ndim, strides, dilation, pads)
    y = np.full(outs(x.shape, k, *a), -np.inf)
    for o, _, at in places(x.shape, k, *a):
        if at is not None:
            y[o] = max(y[o], x[at])
    return y


def window_first(x, y, sizes, strides=1, dilation=1, pads=0):
    k, a = each(sizes, x.ndim), _settings(x.ndim, strides, dilation, pads)
    found = np.full(y.shape, -1)
    for o, t, at in places(x.shape, k, *a):
        inside = at is not None and x[at] == y[o]
        if found[o] < 0 and (inside or all(i == n - 1 for i, n in zip(t, k, strict=True))):
            found[o] = np.ravel_multi_index(at, x.shape) if inside else min(max(_flat(o, x.shape, k, *a), 0), x.size - 1)
    return found


def _flat(o, shape, k, strides, dilation, pads):
    """The last place of a window in the flat array, as far as it reaches beyond an axis, too."""
    at = [a * s + (kk - 1) * d - lo for a, s, kk, d, (lo, _) in zip(o, strides, k, dilation, pads, strict=True)]
    return sum(i * math.prod(shape[q + 1 :]) for q, i in enumerate(at))


REFERENCES = {
    "cnn.conv": conv,
    "cnn.conv_input": conv_input,
    "cnn.conv_kernel": conv_kernel,
    "cnn.window_max": window_max,
    "cnn.window_first": window_first,
}
