"""Shapes and arrangement: reshaping, permuting, joining, splitting, repeating, filling, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.files.onnx.fragments import INT64, LAST, Recorder, Size, Value, adding, carrier, known
from sdgraph.files.onnx.registry import exports
from sdgraph.infer.aval import as_shape, normalize_axis

# ---------------------------------------------------------------------- shapes


@exports("reshape")
def _reshape(b: Recorder, x: Value, *, shape: Any) -> Value:
    if all(type(d) is int for d in b.out.shape):
        return b.reshape(x, b.out.shape)
    unknown = b.value((-1,))
    return b.reshape(x, [d if type(d) is int else unknown for d in as_shape(shape)])


@exports("reshape_like")
def _reshape_like(b: Recorder, x: Value, like: Value) -> Value:
    return b.reshape(x, b.sizes(like))


@exports("broadcast_to")
def _broadcast_to(b: Recorder, x: Value, *, shape: Any) -> Value:
    wanted = as_shape(shape)
    lead = len(wanted) - x.rank
    return b.expand(x, [d if type(d) is int else b.size(x, k - lead) for k, d in enumerate(wanted)])


@exports("broadcast_like")
def _broadcast_like(b: Recorder, x: Value, like: Value) -> Value:
    return b.expand(x, b.sizes(like))


@exports("expand_dims")
def _expand_dims(b: Recorder, x: Value, *, axis: Any) -> Value:
    return b.unsqueeze(x, normalize_axis(axis, len(b.out.shape)))


@exports("squeeze")
def _squeeze(b: Recorder, x: Value, *, axis: Any) -> Value:
    axes = [k for k, d in enumerate(x.shape) if d == 1] if axis is None else normalize_axis(axis, x.rank)
    return b.squeeze(x, axes)


@exports("permute")
def _permute(b: Recorder, x: Value, *, axes: Any) -> Value:
    order = range(x.rank)[::-1] if axes is None else [k % x.rank for k in axes]
    return b.transpose(x, order)


@exports("reverse")
def _reverse(b: Recorder, x: Value, *, axis: Any) -> Value:
    axes = normalize_axis(axis, x.rank)
    return flipped(b, x, axes) if axes else x


def flipped(b: Recorder, x: Value, axes: Sequence[int]) -> Value:
    """The value with these axes the other way round."""
    n = len(axes)
    return b.Slice(x, (-1,) * n, (-LAST,) * n, tuple(axes), (-1,) * n).shaped(x.shape)


# ---------------------------------------------------------------------- joining and splitting


@exports("concat")
def _concat(b: Recorder, *inputs: Value, axis: int) -> Value:
    return b.Concat(*(b.cast(x, b.out.dtype) for x in inputs), axis=axis)


@exports("unconcat")
def _unconcat(b: Recorder, x: Value, *inputs: Value, axis: int) -> tuple[Value, ...]:
    parts = [b.size(v, axis % x.rank) for v in inputs]
    return split_at(b, x, b.vector(parts), len(parts), axis)


def split_at(b: Recorder, x: Value, sizes: Value | None, n: int, axis: int) -> tuple[Value, ...]:
    """The parts of an axis, of these sizes or of equal ones."""
    attrs = {"num_outputs": n} if sizes is None else {}
    found = b.Split(x, sizes, outputs=n, axis=axis, **attrs)
    return (found,) if n == 1 else found


@exports("stack")
def _stack(b: Recorder, *inputs: Value, axis: int) -> Value:
    axis %= len(b.out.shape)
    return b.Concat(*(b.unsqueeze(b.cast(x, b.out.dtype), (axis,)) for x in inputs), axis=axis)


@exports("split")
def _split_evenly(b: Recorder, x: Value, *, num_split: int, axis: int) -> tuple[Value, ...]:
    d = x.shape[axis]
    sizes = b.value((d // num_split,) * num_split) if type(d) is int else None
    return split_at(b, x, sizes, num_split, axis)


@exports("unstack")
def _unstack(b: Recorder, x: Value, *, axis: int, num: int | None) -> tuple[Value, ...]:
    n = len(b.out)
    parts = split_at(b, x, b.value((1,) * n), n, axis) if n else ()
    return tuple(b.squeeze(v.shaped((*x.shape,)), (axis % x.rank,)) for v in parts)


# ---------------------------------------------------------------------- repeating


def _counts(x: Value, reps: Any) -> tuple[tuple[int, ...], int]:
    """How often each axis is repeated, and how many axes the value lacks for that."""
    counts = reps if isinstance(reps, tuple) else (reps,)
    counts = (1,) * (x.rank - len(counts)) + tuple(counts)
    return counts, len(counts) - x.rank


@exports("tile")
def _tile(b: Recorder, x: Value, *, reps: Any) -> Value:
    counts, lead = _counts(x, reps)
    return b.Tile(b.unsqueeze(x, range(lead)), counts) if counts else x


@exports("untile")
def _untile(b: Recorder, x: Value, like: Value, *, reps: Any) -> Value:
    counts, lead = _counts(like, reps)
    sizes = [1] * lead + b.sizes(like)
    parted = b.reshape(x, [n for pair in zip(counts, sizes, strict=True) for n in pair])
    return b.reshape(summed(b, parted, range(0, 2 * len(counts), 2)), b.sizes(like))


def summed(b: Recorder, x: Value, axes: Sequence[int]) -> Value:
    """The sum over axes, which go, in the same dtype."""
    if not axes:
        return x
    shape = None if x.dims is None else tuple(d for k, d in enumerate(x.shape) if k not in axes)
    total = b.ReduceSum(b.cast(x, adding(x.dtype)), tuple(axes), keepdims=0)
    return b.cast(total, x.dtype).shaped(shape)


@exports("repeat")
def _repeat(b: Recorder, x: Value, *, repeats: Any, axis: int | None) -> Value:
    x, axis = (b.flat(x), 0) if axis is None else (x, axis % x.rank)
    if not isinstance(repeats, int):
        places = np.repeat(np.arange(len(repeats)), repeats)
        return b.Gather(x, places, axis=axis)
    sizes = b.sizes(x)
    spread = b.expand(b.unsqueeze(x, (axis + 1,)), [*sizes[: axis + 1], repeats, *sizes[axis + 1 :]])
    return b.reshape(spread, [*sizes[:axis], b.product((sizes[axis], repeats)), *sizes[axis + 1 :]])


@exports("unrepeat")
def _unrepeat(b: Recorder, x: Value, like: Value, *, repeats: Any, axis: int | None) -> Value:
    target, axis = (b.sizes(b.flat(like)), 0) if axis is None else (b.sizes(like), axis % like.rank)
    if isinstance(repeats, int):
        parted = b.reshape(x, [*target[: axis + 1], repeats, *target[axis + 1 :]])
        return b.reshape(summed(b, parted, (axis + 1,)), b.sizes(like))
    places = np.repeat(np.arange(len(repeats)), repeats)
    return b.reshape(added_along(b, target, b.value(places), x, axis), b.sizes(like))


def added_along(b: Recorder, sizes: Sequence[Size], places: Value, x: Value, axis: int) -> Value:
    """Zeros of a shape to which slices of ``x`` along an axis are added, each at its place on that axis."""
    work = adding(x.dtype)
    spread = b.expand(b.unsqueeze(places, [k for k in range(len(sizes)) if k != axis]), b.sizes(x))
    out = b.ScatterElements(b.filled(sizes, 0, work), spread, b.cast(x, work), axis=axis, reduction="add")
    return b.cast(out, x.dtype).shaped(known(sizes))


# ---------------------------------------------------------------------- making arrays


@exports("zeros_like", "ones_like", "full_like")
def _filled_like(b: Recorder, x: Value, *, dtype: Any, value: Any = None) -> Value:
    number = {"zeros_like": 0, "ones_like": 1}.get(b.op, value)
    return b.filled(b.sizes(x), number, b.out.dtype)


@exports("shape")
def _shape(b: Recorder, x: Value) -> Value:
    return b.shape_of(x)


@exports("rank")
def _rank(b: Recorder, x: Value) -> Value:
    return b.value(np.array(x.rank, INT64))


@exports("axis_size")
def _axis_size(b: Recorder, x: Value, *, axis: Any, dtype: Any) -> Value:
    n = b.product([b.size(x, k) for k in normalize_axis(axis, x.rank)])
    return b.value(np.array(n, dtype)) if type(n) is int else b.cast(b.Squeeze(n, (0,)), dtype)


@exports("sequence_mask")
def _sequence_mask(b: Recorder, lengths: Value, *, max_len: int, dtype: np.dtype[Any]) -> Value:
    lengths = b.cast(lengths, INT64)
    return b.cast(b.Less(b.arange(max_len), b.unsqueeze(lengths, (lengths.rank,))), dtype)


# ---------------------------------------------------------------------- padding


def _mirrored(b: Recorder, n: Size, before: int, after: int, repeats_edge: int) -> Value:
    """Which entry of an axis each one of the padded axis holds, the border seen as a mirror."""
    size = b.value(np.int64(n)) if type(n) is int else b.Squeeze(n, (0,))
    place = b.Range(np.int64(-before), b.Add(size, after), np.int64(1))
    place = b.select(b.Less(place, 0), b.Sub(b.Neg(place), repeats_edge), place)
    far = b.Sub(b.Sub(b.Mul(size, 2), 2 - repeats_edge), place)
    return b.select(b.GreaterOrEqual(place, size), far, place).shaped((None,))


def padded(b: Recorder, x: Value, widths: Sequence[int], number: float) -> Value:
    """The value with places that hold a number before and after each axis."""
    dtype = x.dtype
    work = b.cast(x, carrier(dtype))
    filled = b.value(np.array(number, dtype).astype(work.dtype))
    return b.cast(b.Pad(work, tuple(widths), filled, mode="constant"), dtype)


@exports("nn.pad")
def _pad(b: Recorder, x: Value, *, padding: Any, mode: str, constant: float) -> Value:
    widths = [*(before for before, _ in padding), *(after for _, after in padding)]
    if not any(widths):
        return x
    if mode == "constant":
        return padded(b, x, widths, constant)
    for axis, (before, after) in enumerate(padding):
        if before or after:
            places = _mirrored(b, b.size(x, axis), before, after, mode == "symmetric")
            x = b.Gather(x, places, axis=axis).shaped((*x.shape[:axis], None, *x.shape[axis + 1 :]))
    return x


@exports("nn.unpad")
def _unpad(b: Recorder, g: Value, x: Value, *, padding: Any, mode: str) -> Value:
    padded = [axis for axis, widths in enumerate(padding) if any(widths)]
    if not padded:
        return g
    if mode == "constant":
        starts = [padding[k][0] for k in padded]
        ends = [-padding[k][1] or LAST for k in padded]
        return b.Slice(g, tuple(starts), tuple(ends), tuple(padded))
    sizes = b.sizes(g)
    for axis in padded:
        sizes[axis] = b.size(x, axis)
        before, after = padding[axis]
        g = added_along(b, sizes, _mirrored(b, sizes[axis], before, after, mode == "symmetric"), g, axis)
    return g


# ---------------------------------------------------------------------- several axes as one


def merged(b: Recorder, x: Value, axes: Sequence[int]) -> Value:
    """The value with these axes as one, the last."""
    rest = [k for k in range(x.rank) if k not in axes]
    sizes = [b.size(x, k) for k in rest]
    return b.reshape(b.transpose(x, (*rest, *axes)), [*sizes, b.product([b.size(x, k) for k in axes])])


def parted(b: Recorder, y: Value, x: Value, axes: Sequence[int]) -> Value:
    """What `merged` made one, as it is in ``x``."""
    order = [*(k for k in range(x.rank) if k not in axes), *axes]
    back = sorted(range(len(order)), key=order.__getitem__)
    return b.transpose(b.reshape(y, [b.size(x, k) for k in order]), back)
