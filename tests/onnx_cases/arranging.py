"""ONNX's operators that make, move and pick elements, as operations of sdgraph."""

import math

import numpy as np

from tests.onnx_cases.translation import dtype_of, onnx_op

# ---------------------------------------------------------------------- shapes


@onnx_op("Reshape")
def reshape(t, x, shape, *, allowzero=0):
    sizes = t.ints(shape)
    return t.sd.reshape(x, sizes if allowzero else [x.shape[k] if d == 0 else d for k, d in enumerate(sizes)])


@onnx_op("Flatten")
def flatten(t, x, axis):
    axis = axis % len(x.shape) if axis < 0 else axis
    return t.sd.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@onnx_op("Squeeze")
def squeeze(t, x, axes=None):
    return t.sd.squeeze(x, axis=None if axes is None else t.ints(axes))


@onnx_op("Unsqueeze")
def unsqueeze(t, x, axes):
    return t.sd.expand_dims(x, axis=t.ints(axes))


@onnx_op("Transpose")
def transpose(t, x, perm):
    return t.sd.transpose(x) if perm is None else t.sd.permute(x, perm)


@onnx_op("Expand")
def expand(t, x, shape):
    return t.sd.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(t.ints(shape))))


@onnx_op("Tile")
def tile(t, x, repeats):
    return t.sd.tile(x, t.ints(repeats))


@onnx_op("Shape")
def shape_(t, x, *, start=None, end=None):
    return t.sd.shape(x)[slice(start, end)]


@onnx_op("Size")
def size(t, x):
    return t.sd.size(x)


# ---------------------------------------------------------------------- parts


@onnx_op("Concat")
def concat(t, *operands, axis):
    return t.sd.concat(*operands, axis=axis)


@onnx_op("Split")
def split(t, x, sizes=None, *, axis, num_outputs=None):
    n = x.shape[axis]
    parts = num_outputs or t.n_outputs
    if sizes is None and n % parts == 0:
        return t.sd.split(x, parts, axis=axis)
    each = -(-n // parts)
    widths = [min(each, n - k * each) for k in range(parts)] if sizes is None else t.ints(sizes)
    starts = np.cumsum([0, *widths])
    return [x[_at(x, axis, slice(int(a), int(a) + w))] for a, w in zip(starts[:-1], widths, strict=True)]


def _at(x, axis, key):
    """A key that picks along one axis."""
    keys = [slice(None)] * len(x.shape)
    keys[axis] = key
    return tuple(keys)


@onnx_op("Slice")
def slice_(t, x, starts, ends, axes=None, steps=None):
    starts, ends = t.ints(starts), t.ints(ends)
    axes = range(len(starts)) if axes is None else t.ints(axes)
    steps = [1] * len(starts) if steps is None else t.ints(steps)
    keys = [slice(None)] * len(x.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        n = x.shape[axis]
        # An end before the first element cannot be a number in Python, where negative ones count from the end.
        keys[axis] = slice(start, None if step < 0 and end < -n else end, step)
    return x[tuple(keys)]


PADDED_BY_PICKING = {"edge": lambda k, n: np.clip(k, 0, n - 1), "wrap": lambda k, n: k % n}


@onnx_op("Pad")
def pad(t, x, pads, constant=None, axes=None, *, mode):
    rank = len(x.shape)
    pads = t.ints(pads)
    axes = range(rank) if axes is None else [k % rank for k in t.ints(axes)]
    of_axis = dict(zip(axes, zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True), strict=True))
    widths = [of_axis.get(k, (0, 0)) for k in range(rank)]
    if mode in PADDED_BY_PICKING:
        for k, (before, after) in enumerate(widths):
            places = PADDED_BY_PICKING[mode](np.arange(-before, x.shape[k] + after), x.shape[k])
            x = t.sd.gather(x, places, axis=k)
        return x
    # Less than nothing is added where elements are cut off.
    x = x[tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(x.shape, widths, strict=True))]
    added = [(max(before, 0), max(after, 0)) for before, after in widths]
    return t.sd.nn.pad(x, added, mode=mode, constant=0 if constant is None else t.scalar(constant))


@onnx_op("CenterCropPad")
def center(t, x, shape, *, axes):
    for axis, wanted in zip(range(len(x.shape)) if axes is None else axes, t.ints(shape), strict=True):
        n = x.shape[axis]
        if wanted <= n:
            x = x[_at(x, axis, slice((n - wanted) // 2, (n - wanted) // 2 + wanted))]
        else:
            widths = [(0, 0)] * len(x.shape)
            widths[axis] = ((wanted - n) // 2, wanted - n - (wanted - n) // 2)
            x = t.sd.nn.pad(x, widths)
    return x


@onnx_op("Trilu")
def trilu(t, x, k=None, *, upper):
    return (t.sd.linalg.triu if upper else t.sd.linalg.tril)(x, diagonal=0 if k is None else t.scalar(k))


# ---------------------------------------------------------------------- picks


def _from_the_start(t, indices, n):
    """Places counted from the start; sdgraph refuses negative ones."""
    return t.sd.where(indices < 0, indices + n, indices)


@onnx_op("Gather")
def gather(t, x, indices, *, axis):
    return t.sd.gather(x, _from_the_start(t, indices, x.shape[axis]), axis=axis)


@onnx_op("GatherElements")
def gather_elements(t, x, indices, *, axis):
    return t.sd.take_along_axis(x, _from_the_start(t, indices, x.shape[axis]), axis=axis)


def _coordinates(t, x, indices, batch_dims=0):
    """Rows of coordinates from the start, with those of the batch before them."""
    sizes = np.array(x.shape[batch_dims : batch_dims + indices.shape[-1]])
    batch = indices.shape[:batch_dims]
    rows = [
        t.sd.broadcast_to(
            np.arange(n).reshape([-1 if i == k else 1 for i in range(len(indices.shape))]), (*indices.shape[:-1], 1)
        )
        for k, n in enumerate(batch)
    ]
    return t.sd.concat(*rows, _from_the_start(t, indices, sizes), axis=-1)


@onnx_op("GatherND")
def gather_nd(t, x, indices, *, batch_dims):
    return t.sd.gather_nd(x, _coordinates(t, x, indices, batch_dims))


REDUCTIONS = {"none": "update", "add": "add", "mul": "mul", "max": "max", "min": "min"}


def _scattered(t, rows, places, updates, reduction):
    """Updates put to rows that numbers name, or combined with what is there."""
    return getattr(t.sd, f"scatter_{REDUCTIONS[reduction]}")(rows, places, updates)


@onnx_op("Scatter", "ScatterElements")
def scatter_elements(t, x, indices, updates, *, axis, reduction="none"):
    places = _from_the_start(t, indices, x.shape[axis])
    grid = np.indices(indices.shape)
    strides = [int(np.prod(x.shape[k + 1 :])) for k in range(len(x.shape))]
    others = sum(grid[k] * n for k, n in enumerate(strides) if k != axis % len(x.shape))
    flat = places * strides[axis] + others
    changed = _scattered(t, t.sd.flatten(x), t.sd.flatten(flat), t.sd.flatten(updates), reduction)
    return t.sd.reshape(changed, x.shape)


@onnx_op("ScatterND")
def scatter_nd(t, x, indices, updates, *, reduction):
    places = _coordinates(t, x, indices)
    if reduction == "none":
        return t.sd.scatter_nd_update(x, places, updates)
    depth = indices.shape[-1]
    strides = np.array([int(np.prod(x.shape[k + 1 : depth])) for k in range(depth)])
    flat = t.sd.sum(places * strides, axis=-1)
    rows = t.sd.reshape(x, (-1, *x.shape[depth:]))
    return t.sd.reshape(_scattered(t, rows, flat, updates, reduction), x.shape)


@onnx_op("Compress")
def compress(t, x, condition, *, axis):
    x, axis = (t.sd.reshape(x, (-1,)), 0) if axis is None else (x, axis)
    return t.sd.gather(x, np.flatnonzero(t.read(condition)), axis=axis)


@onnx_op("ReverseSequence")
def reverse_sequence(t, x, lengths, *, batch_axis, time_axis):
    return t.sd.reverse_sequence(x, lengths, time_axis, batch_axis)


# ---------------------------------------------------------------------- arrays made of settings


@onnx_op("Constant")
def constant(t, value=None, value_float=None, value_floats=None, value_int=None, value_ints=None, **others):
    given = {
        np.float32: value_float if value_floats is None else value_floats,
        np.int64: value_int if value_ints is None else value_ints,
    }
    if value is None:
        ((dtype, numbers),) = ((d, v) for d, v in given.items() if v is not None)
        value = np.asarray(numbers, dtype)
    return t.sd.constant(value)


@onnx_op("ConstantOfShape")
def constant_of_shape(t, shape, *, value):
    value = np.zeros(1, np.float32) if value is None else value
    return t.sd.fill(t.ints(shape), value.item(), dtype=value.dtype)


@onnx_op("Range")
def range_(t, start, limit, delta, **precision):
    return t.sd.range(t.scalar(start), t.scalar(limit), t.scalar(delta), dtype=start.dtype)


@onnx_op("EyeLike")
def eye_like(t, x, *, dtype, k):
    dtype = dtype_of(dtype) if dtype else x.dtype
    if k == 0:
        return t.sd.cast(t.sd.math.eye_like(x), dtype)
    of = t.sd.linalg.tri
    return of(*x.shape, diagonal=k, dtype=dtype) - of(*x.shape, diagonal=k - 1, dtype=dtype)


@onnx_op("OneHot")
def one_hot(t, indices, depth, values, *, axis):
    n = int(t.scalar(depth))
    off, on = t.read(values).tolist()
    places = _from_the_start(t, t.sd.cast(indices, "int64"), n)
    return t.sd.one_hot(places, n, axis=axis, on=on, off=off, dtype=values.dtype)


def _window(*terms):
    def rule(t, size, *, output_datatype, periodic):
        n = t.scalar(size)
        angle = t.sd.range(0, n, dtype="float64") * (2 * math.pi / (n if periodic else n - 1))
        waves = (a * t.sd.math.cos(k * angle) for k, a in enumerate(terms))
        return t.sd.cast(t.sd.math.merge_add(*waves), dtype_of(output_datatype))

    return rule


onnx_op("HannWindow")(_window(0.5, -0.5))
onnx_op("HammingWindow")(_window(25 / 46, -21 / 46))
onnx_op("BlackmanWindow")(_window(0.42, -0.5, 0.08))
