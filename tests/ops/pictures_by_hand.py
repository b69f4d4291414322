"""What ops on pictures compute, entry by entry or slice by slice in numpy."""

import numpy as np


def _places(shape, axis, size, strides, dilation):
    """The shape of windows, and for each of their entries the place that it is taken from."""
    axes = [k % len(shape) for k in np.atleast_1d(axis)]
    sizes, steps, gaps = (np.broadcast_to(v, len(axes)).tolist() for v in (size, strides, dilation))
    counts = list(shape)
    for k, a, step, gap in zip(axes, sizes, steps, gaps, strict=True):
        counts[k] = len(range(0, shape[k] - (a - 1) * gap, step))

    def place(at, inside):
        out = list(at)
        for k, j, step, gap in zip(axes, inside, steps, gaps, strict=True):
            out[k] = at[k] * step + j * gap
        return tuple(out)

    return (*counts, *sizes), {at: place(at[: len(shape)], at[len(shape) :]) for at in np.ndindex(*counts, *sizes)}


def windows(x, axis, size, strides=1, dilation=1):
    shape, places = _places(x.shape, axis, size, strides, dilation)
    out = np.zeros(shape)
    for at, place in places.items():
        out[at] = x[place]
    return out


def add_windows(g, like, axis, size, strides=1, dilation=1):
    out = np.zeros(like.shape)
    for at, place in _places(like.shape, axis, size, strides, dilation)[1].items():
        out[place] += g[at]
    return out


def _around(n, k, stride, gap, padding, side):
    """Zeros before and after an axis."""
    if padding == "same":
        windows = -(-n // stride)
        missing = max((windows - 1) * stride + (k - 1) * gap + 1 - n, 0)
        return missing // 2, missing - missing // 2
    return (0, 0) if padding == "valid" else padding[side]


def _two(v):
    return (v, v) if np.ndim(v) == 0 else tuple(v)


def columns_of(x, size, strides=1, padding="valid", dilation=1, data_format="NHWC", fill=0.0):
    """Windows of pictures: batch, channels, window, places."""
    x = x if data_format == "NCHW" else np.moveaxis(x, 3, 1)
    size, strides, dilation = map(_two, (size, strides, dilation))
    pads = [_around(x.shape[2 + k], size[k], strides[k], dilation[k], padding, k) for k in range(2)]
    x = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    counts = [(x.shape[2 + k] - (size[k] - 1) * dilation[k] - 1) // strides[k] + 1 for k in range(2)]
    out = np.zeros((*x.shape[:2], *size, *counts))
    for i, j, p, q in np.ndindex(*size, *counts):
        out[:, :, i, j, p, q] = x[:, :, p * strides[0] + i * dilation[0], q * strides[1] + j * dilation[1]]
    return out


def pictures_of(x, sizes, strides=1, padding="valid", dilation=1, data_format="NHWC"):
    """The transpose of `columns_of`, by unit vectors."""
    shape = (x.shape[0], x.shape[1], *sizes) if data_format == "NCHW" else (x.shape[0], *sizes, x.shape[1])
    out = np.zeros(shape)
    for at in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[at] = 1.0
        out[at] = (columns_of(unit, x.shape[2:4], strides, padding, dilation, data_format) * x).sum()
    return out


def patches(x, k_h, k_w, s_h=1, s_w=1, r_h=1, r_w=1, same_mode=False):
    columns = columns_of(x, (k_h, k_w), (s_h, s_w), "same" if same_mode else "valid", (r_h, r_w), "NHWC")
    out = columns.transpose(0, 4, 5, 2, 3, 1)
    return out.reshape(*out.shape[:3], k_h * k_w * x.shape[3])


def dilation(x, weights, strides=(1, 1), rates=(1, 1), is_same_mode=False):
    strides, rates = (v if len(v) == 2 else v[1:3] for v in (strides, rates))
    padding = "same" if is_same_mode else "valid"
    columns = columns_of(x.astype(float), weights.shape[:2], strides, padding, rates, "NHWC", -np.inf)
    out = (columns + weights.transpose(2, 0, 1)[None, ..., None, None]).max((2, 3)).transpose(0, 2, 3, 1)
    return out.astype(np.result_type(x, weights))


def local_response(x, alpha=1.0, beta=0.5, bias=1.0, depth=5, data_format="NHWC"):
    axis = 1 if data_format == "NCHW" else x.ndim - 1
    rows, out = np.moveaxis(x, axis, 0), np.moveaxis(np.zeros(x.shape), axis, 0)
    for c in range(len(rows)):
        near = rows[max(c - depth, 0) : c + depth + 1]
        out[c] = rows[c] / (bias + alpha * (near**2).sum(0)) ** beta
    return np.moveaxis(out, 0, axis)


def block_sums(g, like, factors):
    out = np.zeros(like.shape)
    for at in np.ndindex(*g.shape):
        out[tuple(k // n for k, n in zip(at, factors, strict=True))] += g[at]
    return out


def to_depth(x, block_size, data_format):
    x = np.moveaxis(x, 1, 3) if data_format == "NCHW" else x
    n = block_size
    out = np.concatenate([x[:, i::n, j::n] for i in range(n) for j in range(n)], -1)
    return np.moveaxis(out, 3, 1) if data_format == "NCHW" else out


def to_space(x, block_size, data_format):
    x = np.moveaxis(x, 1, 3) if data_format == "NCHW" else x
    n = block_size
    out = np.zeros((x.shape[0], x.shape[1] * n, x.shape[2] * n, x.shape[3] // n**2))
    for k, part in enumerate(np.split(x, n * n, -1)):
        out[:, k // n :: n, k % n :: n] = part
    return np.moveaxis(out, 3, 1) if data_format == "NCHW" else out


def to_batch(x, blocks, padding_top=(0, 0), padding_bottom=(0, 0)):
    x = np.pad(x, [(0, 0), padding_top, padding_bottom, (0, 0)])
    n, m = blocks
    return np.concatenate([x[:, i::n, j::m] for i in range(n) for j in range(m)], 0)


def from_batch(x, blocks, cropping_top=(0, 0), cropping_bottom=(0, 0)):
    n, m = blocks
    out = np.zeros((x.shape[0] // (n * m), x.shape[1] * n, x.shape[2] * m, x.shape[3]))
    for k, part in enumerate(np.split(x, n * m, 0)):
        out[:, k // m :: n, k % m :: m] = part
    (top, bottom), (left, right) = cropping_top, cropping_bottom
    return out[:, top : out.shape[1] - bottom, left : out.shape[2] - right]
