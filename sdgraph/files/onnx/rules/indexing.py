"""Slices, gathering and scattering.

sdgraph refuses an index that is out of range; a runtime counts a negative one from the end, and does what it likes with
one beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sdgraph.files.onnx.fragments import INT64, LAST, Recorder, Size, Value, adding, carrier, known
from sdgraph.files.onnx.registry import exports
from sdgraph.files.onnx.rules.shapes import padded, summed
from sdgraph.infer import shapes

_RANGE: Final = "an index out of range is no error that names it; a negative one counts from the end"

# ---------------------------------------------------------------------- slices


def sliced(b: Recorder, x: Value, key: tuple[Any, ...]) -> Value:
    """What a key of integers, slices, new axes and an ellipsis picks out."""
    taken = sum(k is not None and k is not Ellipsis for k in key)
    key = key if Ellipsis in key else (*key, Ellipsis)
    axis, bounds, dropped, added, place = 0, [], [], [], 0
    for k in key:
        if k is None:
            added.append(place)
        elif k is Ellipsis:
            axis += x.rank - taken
            place += x.rank - taken - 1
        elif isinstance(k, tuple):
            bounds += _bounds(axis, *k[1:])
            axis += 1
        else:
            bounds.append((axis, k, k + 1 if k != -1 else LAST, 1))
            dropped.append(axis)
            axis += 1
            continue
        place += 1
    if bounds:
        axes, starts, ends, steps = zip(*bounds, strict=True)
        shape = tuple(None if k in axes else d for k, d in enumerate(x.shape))
        x = b.Slice(x, starts, ends, axes, steps).shaped(shape)
    return b.unsqueeze(b.squeeze(x, dropped), added)


def _bounds(axis: int, start: int | None, stop: int | None, step: int | None) -> list[tuple[int, int, int, int]]:
    step = 1 if step is None else step
    if start in (None, 0) and stop is None and step == 1:
        return []
    first = start if start is not None else 0 if step > 0 else LAST
    last = stop if stop is not None else LAST if step > 0 else -LAST
    return [(axis, first, last, step)]


@exports("index")
def _index(b: Recorder, x: Value, *, key: tuple[Any, ...]) -> Value:
    return sliced(b, x, key)


@exports("slice")
def _block(b: Recorder, x: Value, *, begin: Sequence[int], size: Sequence[int]) -> Value:
    return sliced(b, x, tuple(("slice", k, None if n == -1 else k + n, None) for k, n in zip(begin, size, strict=True)))


def _places(b: Recorder, sizes: Sequence[Size], key: tuple[Any, ...]) -> Value:
    """Where in the flat array the elements are that a key picks out."""
    grid = b.reshape(b.arange(b.product(sizes)), sizes).shaped(known(sizes))
    return b.Reshape(sliced(b, grid, key), (-1,))


def _put(b: Recorder, like: Value, parts: Sequence[Value], keys: Sequence[tuple[Any, ...]]) -> Value:
    """Zeros of a shape with what is put at the places of keys; it adds up where these overlap."""
    sizes, dtype = b.sizes(like), b.out.dtype
    work = adding(dtype)
    total = b.filled([b.product(sizes)], 0, work)
    for part, key in zip(parts, keys, strict=True):
        flat = b.Reshape(b.cast(part, work), (-1,))
        total = b.ScatterElements(total, _places(b, sizes, key), flat, axis=0, reduction="add")
    return b.cast(b.reshape(total, sizes), dtype)


@exports("index_scatter")
def _index_scatter(b: Recorder, x: Value, like: Value, *, key: tuple[Any, ...]) -> Value:
    return _put(b, like, [x], [key])


@exports("scatter_slices")
def _scatter_slices(b: Recorder, like: Value, *parts: Value, keys: tuple[tuple[Any, ...], ...]) -> Value:
    return _put(b, like, parts, keys)


# ---------------------------------------------------------------------- gathering


def _as_index(b: Recorder, indices: Value) -> Value:
    return indices if indices.dtype in (np.int32, np.int64) else b.cast(indices, INT64)


@exports("gather", loses=_RANGE)
def _gather(b: Recorder, x: Value, indices: Value, *, axis: int) -> Value:
    return b.Gather(x, _as_index(b, indices), axis=axis)


@exports("gather_nd", loses=_RANGE)
def _gather_nd(b: Recorder, x: Value, indices: Value) -> Value:
    if indices.shape[-1] == 0:
        return b.expand(x, [*b.sizes(indices)[:-1], *b.sizes(x)])
    return b.GatherND(x, b.cast(indices, INT64))


@exports("take_along_axis", loses=_RANGE)
def _take_along_axis(b: Recorder, x: Value, indices: Value, *, axis: int) -> Value:
    return b.GatherElements(x, _as_index(b, indices), axis=axis % x.rank)


# ---------------------------------------------------------------------- scattering


@exports("add_along_axis", loses=_RANGE)
def _add_along_axis(b: Recorder, ref: Value, indices: Value, updates: Value, *, axis: int) -> Value:
    work = adding(b.out.dtype)
    places = _as_index(b, indices)
    out = b.ScatterElements(b.cast(ref, work), places, b.cast(updates, work), axis=axis % ref.rank, reduction="add")
    return b.cast(out, b.out.dtype)


@exports("scatter_nd_add", loses=_RANGE)
def _scatter_nd_add(b: Recorder, ref: Value, indices: Value, updates: Value) -> Value:
    work = adding(b.out.dtype)
    ref, updates = b.cast(ref, work), b.cast(updates, work)
    if indices.shape[-1] == 0:
        return b.cast(b.Add(ref, summed(b, updates, range(indices.rank - 1))), b.out.dtype)
    return b.cast(b.ScatterND(ref, b.cast(indices, INT64), updates, reduction="add"), b.out.dtype)


def rows_first(b: Recorder, x: Value, axis: int, n: int) -> Value:
    """The value with ``n`` axes from ``axis`` on before all others."""
    moved = range(axis, axis + n)
    return b.transpose(x, [*moved, *(k for k in range(x.rank) if k not in moved)])


def rows_back(b: Recorder, x: Value, axis: int, rank: int) -> Value:
    """The value with its first axis where it was."""
    return b.transpose(x, [*range(1, axis + 1), 0, *range(axis + 1, rank)])


@exports("scatter_add", loses=_RANGE)
def _scatter_add(b: Recorder, ref: Value, indices: Value, updates: Value, *, axis: int) -> Value:
    axis, work = axis % ref.rank, adding(b.out.dtype)
    rows = rows_first(b, b.cast(ref, work), axis, 1)
    added = rows_first(b, b.cast(updates, work), axis, indices.rank)
    places = b.unsqueeze(b.cast(indices, INT64), (indices.rank,))
    out = b.ScatterND(rows, places, added, reduction="add")
    return b.cast(rows_back(b, out, axis, ref.rank), b.out.dtype)


@exports("scatter_update", loses=_RANGE)
def _scatter_update(b: Recorder, ref: Value, indices: Value, updates: Value, *, axis: int) -> Value:
    """The last one of several updates to a place counts, which ONNX leaves open: so each place looks its own up."""
    axis = axis % ref.rank
    ref, updates = b.cast(ref, b.out.dtype), b.cast(updates, b.out.dtype)
    flat = b.flat(b.cast(indices, INT64))
    n = b.product(b.sizes(indices))
    if n == 0:
        return ref
    last = b.ScatterElements(b.filled([b.size(ref, axis)], -1, INT64), flat, b.arange(n), axis=0, reduction="max")
    merged = b.reshape(updates, [*b.sizes(updates)[:axis], n, *b.sizes(updates)[axis + indices.rank :]])
    if type(n) is not int:
        # Where there may be none there is one more, so that there is one to look up in any case.
        merged = padded(b, merged, [int(k == axis + ref.rank) for k in range(2 * ref.rank)], 0)
    found = b.Gather(merged, b.Max(last, 0), axis=axis)
    is_new = b.GreaterOrEqual(last, 0).shaped((None,))
    return b.select(b.unsqueeze(is_new, range(1, ref.rank - axis)), found, ref)


@exports("last_occurrence")
def _last_occurrence(b: Recorder, indices: Value) -> Value:
    flat = b.flat(b.cast(indices, INT64))
    places = b.arange(b.product(b.sizes(indices)))
    room = b.Add(b.ReduceMax(b.Concat(flat, (0,), axis=0), (0,), keepdims=1), 1)
    last = b.ScatterElements(b.filled([room], -1, INT64), flat, places, axis=0, reduction="max")
    return b.reshape(b.Equal(b.Gather(last, flat, axis=0), places), b.sizes(indices))


# ---------------------------------------------------------------------- segments and counts


@exports("segment_sum", "unsorted_segment_sum", loses="ids that are out of range, or out of order, are no errors")
def _segment_sum(b: Recorder, data: Value, segment_ids: Value, *, num_segments: int) -> Value:
    dtype = shapes.sum_dtype(data.dtype)
    zeros = b.filled([num_segments, *b.sizes(data)[segment_ids.rank :]], 0, adding(dtype))
    places = b.unsqueeze(b.cast(segment_ids, INT64), (segment_ids.rank,))
    return b.cast(b.ScatterND(zeros, places, b.cast(data, adding(dtype)), reduction="add"), dtype)


@exports("math.confusion_matrix", loses="classes out of range are no errors")
def _confusion(
    b: Recorder, labels: Value, pred: Value, weights: Value | None, *, num_classes: int, dtype: Any
) -> Value:
    places = b.Reshape(b.Add(b.Mul(b.cast(labels, INT64), num_classes), b.cast(pred, INT64)), (-1,))
    work = adding(b.out.dtype)
    amounts = b.value(1, work) if weights is None else b.cast(weights, work)
    amounts = b.Reshape(b.Expand(amounts, b.Shape(b.Add(labels, pred) if labels.rank else labels)), (-1,))
    zeros = b.filled([num_classes * num_classes], 0, work)
    out = b.ScatterElements(zeros, places, amounts, axis=0, reduction="add")
    return b.cast(b.reshape(out, [num_classes, num_classes]), b.out.dtype)


@exports("invert_permutation", loses="what is no permutation is no error")
def _invert_permutation(b: Recorder, x: Value) -> Value:
    places = b.arange(b.size(x, 0))
    zeros = b.filled([b.size(x, 0)], 0, INT64)
    return b.cast(b.ScatterElements(zeros, b.cast(x, INT64), places, axis=0), x.dtype)


# ---------------------------------------------------------------------- largest entries


@exports("nn.top_k")
def _top_k(b: Recorder, x: Value, *, k: int, sorted: bool) -> tuple[Value, ...]:
    values = b.cast(x, carrier(x.dtype, ordered=True))
    found, places = b.TopK(values, (k,), outputs=2, axis=-1, largest=1, sorted=1)
    if not sorted:
        places, _ = b.TopK(places, (k,), outputs=2, axis=-1, largest=0, sorted=1)
        return b.GatherElements(x, places, axis=x.rank - 1), places
    return b.cast(found, x.dtype), places


@exports("sort", "argsort", loses="where NaN comes to stand is left to the runtime")
def _sorted(b: Recorder, x: Value, *, axis: int, descending: bool) -> Value:
    axis %= x.rank
    values = b.cast(x, carrier(x.dtype, ordered=True))
    found, places = b.TopK(values, b.vector([b.size(x, axis)]), outputs=2, axis=axis, largest=int(descending), sorted=1)
    return (places if b.op == "argsort" else b.cast(found, x.dtype)).shaped(x.shape)


# ---------------------------------------------------------------------- checks

_CHECK: Final = "labels and lengths out of range are no errors; with checks=True a loss of them is NaN"


def _guarded(b: Recorder, x: Value, bad: Value) -> Value:
    """Values without those that fail a check, so that nothing looks for them."""
    b.check(bad)
    return b.select(bad, b.value(0, x.dtype), x)


@exports("checked_labels", loses=_CHECK)
def _checked_labels(b: Recorder, labels: Value, logits: Value) -> Value:
    if not b.checks:
        return labels
    classes = b.size(logits, logits.rank - 1)
    most = b.cast(b.value(np.int64(classes)) if type(classes) is int else b.Squeeze(classes, (0,)), labels.dtype)
    return _guarded(b, labels, b.Or(b.Less(labels, 0), b.GreaterOrEqual(labels, most)))


@exports("checked_lengths", loses=_CHECK)
def _checked_lengths(b: Recorder, lengths: Value, *, limit: int) -> Value:
    if not b.checks:
        return lengths
    return _guarded(b, lengths, b.Or(b.Less(lengths, 0), b.Greater(lengths, limit)))


@exports("checked_whole", loses=_CHECK)
def _checked_whole(b: Recorder, x: Value) -> Value:
    return _guarded(b, x, b.Not(b.Equal(x, b.Floor(x)))) if b.checks else x


@exports("checked_ctc_labels", loses=_CHECK)
def _checked_ctc_labels(b: Recorder, labels: Value, lengths: Value, *, classes: int, blank: int) -> Value:
    used = b.Less(b.arange(b.size(labels, 1)), b.unsqueeze(b.cast(lengths, INT64), (1,)))
    out = b.select(used, labels, b.value(blank, labels.dtype))
    if b.checks:
        wrong = b.Or(b.Or(b.Less(labels, 0), b.GreaterOrEqual(labels, classes)), b.Equal(labels, blank))
        bad = b.And(used, wrong)
        b.check(bad)
        out = b.select(bad, b.value(blank, labels.dtype), out)
    return out
