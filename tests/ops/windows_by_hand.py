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
            found[o] = (
                np.ravel_multi_index(at, x.shape) if inside else min(max(_flat(o, x.shape, k, *a), 0), x.size - 1)
            )
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


# ---------------------------------------------------------------------- under their own names


def first(data_format):
    return data_format.index("C") == 1


def named(padding, space, k, strides, dilation):
    """Padding by name as TensorFlow has it."""
    if not isinstance(padding, str):
        return sides(padding, len(space))
    found = []
    for n, kk, s, d in zip(space, k, strides, dilation, strict=True):
        reach = (kk - 1) * d
        total = {"valid": 0, "causal": reach}.get(padding, max((math.ceil(n / s) - 1) * s + reach + 1 - n, 0))
        low = {"causal": total, "same_lower": total - total // 2}.get(padding, total // 2)
        found.append((low, total - low))
    return tuple(found)


def _last(x, data_format):
    return np.moveaxis(x, 1, -1) if first(data_format) else x


def _given(y, bias, data_format):
    y = y if bias is None else y + bias
    return np.moveaxis(y, -1, 1) if first(data_format) else y


def convolution(x, weights, bias=None, strides=1, padding="valid", dilation=1, groups=1, data_format="NHWC",
                weights_format="YXIO"):  # fmt: skip
    x, axes = _last(x, data_format), x.ndim - 2
    w = weights if axes != 2 else np.transpose(weights, [weights_format.index(axis) for axis in "YXIO"])
    s, d = each(strides, axes), each(dilation, axes)
    return _given(conv(x, w, s, d, named(padding, x.shape[1:-1], w.shape[:-2], s, d), groups), bias, data_format)


def depth_wise(x, depth_weights, bias=None, data_format="NHWC", **settings):
    """Channel by channel."""
    x = _last(x, data_format)
    parts = [convolution(x[..., c : c + 1], depth_weights[..., c : c + 1, :], **settings) for c in range(x.shape[-1])]
    return _given(np.concatenate(parts, -1), bias, data_format)


def separable(x, depth_weights, point_weights, bias=None, data_format="NHWC", **settings):
    y = depth_wise(_last(x, data_format), depth_weights, **settings)
    return _given(y @ point_weights[0, 0], bias, data_format)


def deconvolution(x, weights, bias=None, strides=1, padding="valid", dilation=1, groups=1, output_padding=None,
                  data_format="NHWC"):  # fmt: skip
    """Each place spread over a window, then cut as Keras cuts it."""
    x, axes = _last(x, data_format), x.ndim - 2
    s, d, k, space = each(strides, axes), each(dilation, axes), weights.shape[:-2], x.shape[1:-1]
    reach = [(kk - 1) * dd + 1 for kk, dd in zip(k, d, strict=True)]
    more = each(output_padding or 0, axes)
    whole = tuple(max(n * ss + w, 1) + e for n, ss, w, e in zip(space, s, reach, more, strict=True))
    behind = tuple((0, (n - 1) * ss + w - m) for n, ss, w, m in zip(space, s, reach, whole, strict=True))
    y = conv_input(x, weights, whole, s, d, behind, groups)
    for q, (n, ss, w, e) in enumerate(zip(space, s, reach, more, strict=True)):
        if padding == "valid":
            low, size = 0, (n * ss + max(w - ss, 0)) if output_padding is None else (n - 1) * ss + w + e
        elif padding == "same" and output_padding is None:
            low, size = max(w - ss, 0) // 2, n * ss
        elif padding == "same":
            low, size = (w - 1) - min(math.ceil((w + w % 2 - 2 + e) / 2), w - 1), (n - 1) * ss + w % 2 + e
        else:
            low, high = sides(padding, axes)[q]
            size = (n - 1) * ss + w + e - low - high
        y = np.take(y, range(low, low + size), q + 1)
    return _given(y, bias, data_format)


def pooling(of):
    """``of`` of what is in the array, for each window and channel."""

    def reference(x, size, strides=None, padding="valid", dilation=1, ceil=False, data_format="NHWC",
                  count_padding=False):  # fmt: skip
        x, axes = _last(x, data_format), x.ndim - 2
        k, d, space = each(size, axes), each(dilation, axes), x.shape[1:-1]
        s = k if strides is None else each(strides, axes)
        asked = pads = named(padding, space, k, s, d)
        if ceil:
            pads = tuple(_up(*of_axis) for of_axis in zip(space, k, s, d, asked, strict=True))
        n = outs(space, k, s, d, pads)
        y = np.zeros((x.shape[0], *n, x.shape[-1]))
        for o in itertools.product(*map(range, n)):
            inside, counted = [], 0
            for oo, t, at in places(space, k, s, d, pads):
                if oo == o:
                    begin = [a * b + i * j - lo for a, b, i, j, (lo, _) in zip(o, s, t, d, pads, strict=True)]
                    counted += all(
                        -lo <= v < m + hi for v, m, (lo, hi) in zip(begin, space, asked, strict=True)
                    )  # fmt: skip
                    inside += [x[(slice(None), *at)]] if at is not None else []
            y[(slice(None), *o)] = of(np.array(inside), counted if count_padding else len(inside))
        return _given(y, None, data_format)

    return reference


def _up(n, k, s, d, pair):
    reach = d * (k - 1) + 1
    count = math.ceil((n + sum(pair) - reach) / s) + 1
    count -= (count - 1) * s >= n + pair[0]
    return pair[0], max((count - 1) * s + reach - n - pair[0], pair[1])


maxima = pooling(lambda inside, _: inside.max(axis=0, initial=-np.inf))
means = pooling(lambda inside, count: inside.sum(axis=0) / count)


def maxima_with_positions(x, data_format="NHWC", **settings):
    y, images = maxima(x, data_format=data_format, **settings), _last(x, data_format)
    at = np.zeros(y.shape, np.int64)
    flat = np.arange(x[0].size).reshape(x.shape[1:])
    for i in range(len(x)):
        numbers = _last(flat[None], data_format)[0]
        # Values are all different in the samples: each has one place.
        place = dict(zip(images[i].ravel().tolist(), numbers.ravel().tolist(), strict=True))
        at[i] = np.vectorize(place.get, otypes=[np.int64])(y[i])
    return y, at


def _space(x, data_format):
    return tuple(range(2, x.ndim)) if first(data_format) else tuple(range(1, x.ndim - 1))


REFERENCES |= {
    "cnn.conv1d": lambda *xs, data_format="NWC", **a: convolution(*xs, data_format=data_format, **a),
    "cnn.conv2d": convolution,
    "cnn.conv3d": convolution,
    "cnn.depth_wise_conv2d": depth_wise,
    "cnn.separable_conv2d": separable,
    "cnn.deconv2d": deconvolution,
    "cnn.deconv3d": deconvolution,
    "cnn.max_pooling2d": maxima,
    "cnn.max_pooling3d": maxima,
    "cnn.avg_pooling2d": means,
    "cnn.avg_pooling3d": means,
    "cnn.max_pool_with_argmax": maxima_with_positions,
    "cnn.global_max_pooling": lambda x, keepdims=False, data_format="NHWC": x.max(
        axis=_space(x, data_format), keepdims=keepdims
    ),
    "cnn.global_avg_pooling": lambda x, keepdims=False, data_format="NHWC": x.mean(
        axis=_space(x, data_format), keepdims=keepdims
    ),
}
