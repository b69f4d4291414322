"""Segments, changes at places, parts of rows, and einsum.

Where ONNX leaves open which of several updates to a place counts, each place looks its own up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.files.onnx.fragments import INT64, LAST, Recorder, Step, Value, adding, carrier
from sdgraph.files.onnx.registry import STANDARD, exports, refuses
from sdgraph.files.onnx.rules.indexing import rows_back, rows_first
from sdgraph.files.onnx.rules.reductions import moved_on, scanned, step_of
from sdgraph.files.onnx.rules.shapes import padded, split_at
from sdgraph.infer import shapes
from sdgraph.ops.segments.reducing import finite_end

_RANGE: Final = "an index out of range is no error that names it; a negative one counts from the end"
_IDS: Final = "ids that are out of range, or out of order, are no errors"

refuses("how many entries are left depends on values", "math.list_diff")


# ---------------------------------------------------------------------- changes at places


def _changed(
    b: Recorder, ref: Value, indices: Value, updates: Value, axis: int, work: np.dtype[Any], reduction: str
) -> Value:
    axis %= ref.rank
    rows = rows_first(b, b.cast(ref, work), axis, 1)
    changes = rows_first(b, b.cast(updates, work), axis, indices.rank)
    places = b.unsqueeze(b.cast(indices, INT64), (indices.rank,))
    return rows_back(b, b.ScatterND(rows, places, changes, reduction=reduction), axis, ref.rank)


def _ordering(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype to look for the largest and the smallest in."""
    return (
        np.dtype("int32")
        if dtype.kind == "b"
        else adding(dtype)
        if dtype.itemsize < 4
        else carrier(dtype, ordered=True)
    )


@exports("scatter_mul", loses=_RANGE)
def _scatter_mul(b: Recorder, ref: Value, indices: Value, updates: Value, *, axis: int) -> Value:
    return b.cast(_changed(b, ref, indices, updates, axis, adding(b.out.dtype), "mul"), b.out.dtype)


@exports("scatter_div", loses=_RANGE)
def _scatter_div(b: Recorder, ref: Value, indices: Value, updates: Value, *, axis: int) -> Value:
    """Divided by the product of all updates to a place."""
    work = adding(b.out.dtype)
    ones = b.filled(b.sizes(ref), 1, work)
    below = _changed(b, ones, indices, updates, axis, work, "mul")
    return b.cast(b.Div(b.cast(ref, work), below), b.out.dtype)


def _extreme(reduction: str) -> Callable[..., Value]:
    def rule(b: Recorder, ref: Value, indices: Value, updates: Value, *, axis: int) -> Value:
        return b.cast(_changed(b, ref, indices, updates, axis, _ordering(b.out.dtype), reduction), b.out.dtype)

    return rule


exports("scatter_max", loses=_RANGE)(_extreme("max"))
exports("scatter_min", loses=_RANGE)(_extreme("min"))


@exports("scatter_nd_update", loses=_RANGE)
def _scatter_nd_update(b: Recorder, ref: Value, indices: Value, updates: Value) -> Value:
    ref, updates = b.cast(ref, b.out.dtype), b.cast(updates, b.out.dtype)
    depth: int = indices.shape[-1]  # type: ignore[assignment]
    sizes = b.sizes(ref)
    lead, n = b.product(sizes[:depth]), b.product(b.sizes(indices)[:-1])
    if n == 0:
        return ref
    flat = b.filled([n], 0, INT64)
    rows = b.reshape(b.cast(indices, INT64), [n, depth])
    for k in range(depth):
        column = b.squeeze(b.Gather(rows, b.value((k,)), axis=1).shaped((None, 1)), (1,))
        flat = b.Add(flat, b.Mul(column, b.vector([b.product(sizes[k + 1 : depth])])))
    last = b.ScatterElements(b.filled([lead], -1, INT64), flat, b.arange(n), axis=0, reduction="max")
    changes, rank = b.reshape(updates, [n, *sizes[depth:]]), 1 + len(sizes) - depth
    if type(n) is not int:
        # Where there may be none there is one more, so that there is one to look up in any case.
        changes = padded(b, changes, [int(k == rank) for k in range(2 * rank)], 0)
    found = b.Gather(changes, b.Max(last, 0), axis=0)
    is_new = b.unsqueeze(b.GreaterOrEqual(last, 0).shaped((None,)), range(1, rank))
    return b.reshape(b.select(is_new, found, b.reshape(ref, [lead, *sizes[depth:]])), sizes)


# ---------------------------------------------------------------------- segments


def _has_rows(b: Recorder, segment_ids: Value, n: int, rank: int) -> Value:
    """Whether each segment has rows, in a shape that broadcasts with arrays of this rank."""
    places = b.unsqueeze(b.cast(segment_ids, INT64), (segment_ids.rank,))
    ones = b.filled(b.sizes(segment_ids), 1, INT64)
    counts = b.ScatterND(b.filled([n], 0, INT64), places, ones, reduction="add")
    return b.unsqueeze(b.Greater(counts, 0).shaped((n,)), range(1, rank))


def _segments(reduction: str, empty: Callable[[np.dtype[Any]], Any]) -> Callable[..., Value]:
    def rule(b: Recorder, data: Value, segment_ids: Value, *, num_segments: int) -> Value:
        dtype, work = data.dtype, _ordering(data.dtype)
        start = finite_end(work, reduction == "min") if work.kind != "f" else -np.inf if reduction == "max" else np.inf
        sizes = [num_segments, *b.sizes(data)[segment_ids.rank :]]
        places = b.unsqueeze(b.cast(segment_ids, INT64), (segment_ids.rank,))
        found = b.cast(
            b.ScatterND(b.filled(sizes, start, work), places, b.cast(data, work), reduction=reduction), dtype
        )
        return b.select(_has_rows(b, segment_ids, num_segments, len(sizes)), found, empty(dtype))

    return rule


def _zero(dtype: np.dtype[Any]) -> Any:
    return dtype.type(0)


exports("segment_max", loses=_IDS)(_segments("max", _zero))
exports("segment_min", loses=_IDS)(_segments("min", _zero))
exports("unsorted_segment_max", loses=_IDS)(_segments("max", lambda dtype: dtype.type(finite_end(dtype, False))))
exports("unsorted_segment_min", loses=_IDS)(_segments("min", lambda dtype: dtype.type(finite_end(dtype, True))))


@exports("segment_prod", "unsorted_segment_prod", loses=_IDS)
def _segment_prod(b: Recorder, data: Value, segment_ids: Value, *, num_segments: int) -> Value:
    dtype = shapes.sum_dtype(data.dtype)
    ones = b.filled([num_segments, *b.sizes(data)[segment_ids.rank :]], 1, adding(dtype))
    places = b.unsqueeze(b.cast(segment_ids, INT64), (segment_ids.rank,))
    return b.cast(b.ScatterND(ones, places, b.cast(data, adding(dtype)), reduction="mul"), dtype)


# ---------------------------------------------------------------------- through the rows of segments


class _Ordered(NamedTuple):
    """Rows by segment: their numbers, where each of them went, and which are the first ones or, reversed, the last."""

    rows: Value
    places: Value
    is_edge: Value

    def edges(self, b: Recorder, rank: int) -> Value:
        """The edges in a shape that broadcasts with rows of this rank."""
        return b.unsqueeze(self.is_edge, range(1, rank))


def _by_number(b: Recorder, ids: Value, n: Any) -> Value:
    """The order that sorts ids, of equal ones the first first."""
    size = b.value(np.int64(n)) if type(n) is int else b.Squeeze(n, (0,))
    keys = b.Add(b.Mul(ids, size), b.arange(n))
    _, order = b.TopK(keys, b.vector([n]), outputs=2, axis=0, largest=0, sorted=1)
    return order.shaped((n if type(n) is int else None,))


def _ordered(b: Recorder, segment_ids: Value, last: bool) -> _Ordered:
    ids, n = b.flat(b.cast(segment_ids, INT64)), b.product(b.sizes(segment_ids))
    order = _by_number(b, ids, n)
    places = b.ScatterElements(b.filled([n], 0, INT64), order, b.arange(n), axis=0)
    ids = b.Gather(ids, order, axis=0)
    inner = b.Not(b.Equal(b.Slice(ids, (1,), (LAST,), (0,)), b.Slice(ids, (0,), (-1,), (0,))))
    edge = b.value(np.array([True]))
    is_edge = b.Concat(inner, edge, axis=0) if last else b.Concat(edge, inner, axis=0)
    # Of nothing there is no first one.
    is_edge = b.Slice(is_edge, (0,), b.vector([n]), (0,))
    return _Ordered(order, places, is_edge.shaped((n if type(n) is int else None,)))


def _in_order(b: Recorder, x: Value, segment_ids: Value, order: _Ordered) -> Value:
    rows = b.reshape(x, [b.product(b.sizes(segment_ids)), *b.sizes(x)[segment_ids.rank :]])
    return b.Gather(rows, order.rows, axis=0).shaped(rows.shape)


@exports("moved_in_segments")
def _moved_in_segments(b: Recorder, x: Value, segment_ids: Value, *, back: bool) -> Value:
    order = _ordered(b, segment_ids, back)
    rows = _in_order(b, x, segment_ids, order)
    moved = moved_on(b, rows, 0, back, 0)
    moved = b.select(order.edges(b, rows.rank), b.value(0, x.dtype), moved)
    return b.reshape(b.Gather(moved, order.places, axis=0), b.sizes(x))


@exports("recurrence_in_segments")
def _recurrence_in_segments(b: Recorder, a: Value, x: Value, segment_ids: Value, *, reverse: bool) -> Value:
    order, work = _ordered(b, segment_ids, reverse), adding(b.out.dtype)
    factors, rows = (_in_order(b, b.cast(v, work), segment_ids, order) for v in (a, x))
    if rows.shape[0] == 0:
        return b.cast(x, b.out.dtype)
    edges = b.expand(order.edges(b, rows.rank), b.sizes(rows)).shaped(rows.shape)
    step = step_of(
        "recurrence_in_segments",
        ("before", "a", "b", "edge"),
        Step("Mul", ("a", "before"), ("scaled",)),
        Step("Add", ("scaled", "b"), ("sum",)),
        Step("Where", ("edge", "b", "sum"), ("row",)),
    )
    first = b.filled(b.sizes(rows)[1:], 0, work)
    found = scanned(b, first, [factors, rows, edges], 0, reverse, step)
    return b.cast(b.reshape(b.Gather(found, order.places, axis=0), b.sizes(x)), b.out.dtype)


# ---------------------------------------------------------------------- parts of rows


@exports("rows_by_part", loses="partitions out of range, and parts of other sizes, are no errors")
def _rows_by_part(b: Recorder, partitions: Value, *, sizes: tuple[int, ...]) -> Value:
    return _by_number(b, b.flat(b.cast(partitions, INT64)), b.product(b.sizes(partitions)))


@exports("dynamic_partition", loses="partitions out of range, and parts of other sizes, are no errors")
def _dynamic_partition(
    b: Recorder, x: Value, partitions: Value, *, num_partitions: int, sizes: tuple[int, ...]
) -> tuple[Value, ...]:
    ids, rest = b.flat(b.cast(partitions, INT64)), b.sizes(x)[partitions.rank :]
    rows = b.reshape(x, [b.product(b.sizes(partitions)), *rest]) if partitions.rank != 1 else x
    parts = [b.Compress(rows, b.Equal(ids, k), axis=0) for k in range(num_partitions)]
    return tuple(v.shaped((n, *rows.shape[1:])) for v, n in zip(parts, sizes, strict=True))


@exports("split_v")
def _split_v(b: Recorder, x: Value, *, sizes: Any, num_split: int | None, axis: int) -> tuple[Value, ...]:
    given = sizes if isinstance(sizes, tuple) else (sizes,)
    return split_at(b, x, b.value(given), len(given), axis)


@exports("reverse_sequence", loses="lengths out of range are no errors that name them")
def _reverse_sequence(b: Recorder, x: Value, seq_lengths: Value, *, seq_dim: int, batch_dim: int) -> Value:
    time, batch = seq_dim % x.rank, batch_dim % x.rank
    order = [batch, time, *(k for k in range(x.rank) if k not in (batch, time))]
    turned = b.ReverseSequence(b.transpose(x, order), b.cast(seq_lengths, INT64), batch_axis=0, time_axis=1)
    return b.transpose(turned.shaped(tuple(x.shape[k] for k in order)), np.argsort(order).tolist())


@exports("is_numeric_tensor")
def _is_numeric(b: Recorder, x: Value) -> Value:
    return b.value(np.array(x.dtype.kind != "b"))


# ---------------------------------------------------------------------- products


@exports("einsum", target=STANDARD)
def _einsum(b: Recorder, *inputs: Value, equation: str) -> Value:
    work = adding(b.out.dtype)
    return b.cast(b.Einsum(*(b.cast(v, work) for v in inputs), equation=equation), b.out.dtype)
