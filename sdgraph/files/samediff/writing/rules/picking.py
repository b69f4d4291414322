"""Rules of the ops that pick elements by computed indices, or put them there.

SameDiff's gradient of gather is wrong, and most of the others have none. Where a gradient passes, what is picked is a
product with rows that have a 1 where the index says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from sdgraph.files.samediff.writing.call import INT64, Call, Written, known, size_of
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.infer.aval import Dim

_MOST_PICKED: Final = 64
"""The largest entries that are looked for one after the other."""

_SIZES: Final = "the sizes of the array"

_REPEATED: Final = "where an index is repeated"
_TIED: Final = "where several are equal"
_ZEROS: Final = "where factors are 0"

# ---------------------------------------------------------------------- arrays as rows


def _flat(c: Call, x: Value) -> Value:
    return x if x.rank == 1 else c.reshape(x, (size_of(x.shape),))


def _as_rows(c: Call, x: Value, axis: int) -> Value:
    """A matrix with a row for each place along an axis."""
    order = [axis, *(k for k in range(x.rank) if k != axis)]
    moved = c.permute(x, order)
    return moved if x.rank == 2 else c.reshape(moved, (moved.shape[0], size_of(moved.shape[1:])))


def _from_rows(c: Call, rows: Value, lead: Sequence[Dim], rest: Sequence[Dim], axis: int) -> Value:
    """Rows as an array in which axes ``lead`` stand at ``axis`` among the others."""
    shape = (*lead, *rest)
    found = rows if rows.shape == shape else c.reshape(rows, shape)
    n = len(lead)
    places = list(range(n, len(shape)))
    order = [*places[:axis], *range(n), *places[axis:]]
    return c.permute(found, order)


def _picked_rows(c: Call, rows: Value, indices: Value) -> Value:
    """The rows that flat indices name."""
    (n,) = known(rows.shape[:1], "the size of the axis")
    return c.matmul(c.one_hot(indices, n, rows.dtype), rows)


def _put_rows(c: Call, rows: Value, indices: Value, updates: Value) -> Value:
    """Updates added to the rows that flat indices name."""
    return c.node("scatter_add", rows, indices, updates)


# ---------------------------------------------------------------------- whole slices


def _gather(c: Call) -> Value:
    x, indices = c.x, c.inputs[1]
    axis = c.attrs["axis"] % x.rank
    if not c.flows(x):
        if indices.rank:
            return c.node("gather", x, indices, shape=c.shape, i=[axis])
        one = c.node("gather", x, c.expand(indices, 0), shape=(*x.shape[:axis], 1, *x.shape[axis + 1 :]), i=[axis])
        return c.squeeze(one, [axis])
    found = _picked_rows(c, _as_rows(c, x, axis), _flat(c, indices))
    rest = [d for k, d in enumerate(x.shape) if k != axis]
    return _from_rows(c, found, indices.shape, rest, axis)


def _scatter_add(c: Call) -> Value:
    ref, updates = (c.cast(c.inputs[k], c.dtype) for k in (0, 2))
    indices, axis = c.inputs[1], c.attrs["axis"] % ref.rank
    rest = [d for k, d in enumerate(ref.shape) if k != axis]
    rows = _put_rows(c, _as_rows(c, ref, axis), _flat(c, indices), _update_rows(c, updates, indices, axis))
    return _from_rows(c, rows, [ref.shape[axis]], rest, axis)


def _update_rows(c: Call, updates: Value, indices: Value, axis: int) -> Value:
    """A row for each index: the axes of the indices first, as one, and all others as one."""
    n = indices.rank
    order = [*range(axis, axis + n), *range(axis), *range(axis + n, updates.rank)]
    moved = c.permute(updates, order)
    return c.reshape(moved, (size_of(moved.shape[:n]), size_of(moved.shape[n:])))


def _scatter_update(c: Call) -> Value:
    """Rows that no index names stay; of repeated indices the last one counts."""
    ref, updates = (c.cast(c.inputs[k], c.dtype) for k in (0, 2))
    if ref.dtype.kind != "f":
        raise Refused("SameDiff's own op always fails, and there is no other one for integers")
    indices, axis = _flat(c, c.inputs[1]), c.attrs["axis"] % ref.rank
    (n,) = known(ref.shape[axis : axis + 1], "the size of the axis")
    rows = _set_rows(c, _as_rows(c, ref, axis), indices, _update_rows(c, updates, c.inputs[1], axis))
    rest = [d for k, d in enumerate(ref.shape) if k != axis]
    return _from_rows(c, rows, [n], rest, axis)


def _set_rows(c: Call, rows: Value, indices: Value, updates: Value) -> Value:
    """Updates in the places of the rows that flat indices name."""
    (n,) = known(rows.shape[:1], "the number of rows")
    hot = c.mul(c.one_hot(indices, n, c.dtype), c.expand(c.mask(_is_last(c, indices)), 1))
    stays = c.one_less(c.reduce("reduce_sum", hot, [0]))
    return c.add(c.mul(rows, c.expand(stays, 1)), c.matmul(hot, updates, (True, False, False)))


def _changed(op_name: str, wrong: str) -> Callable[[Call], Value]:
    """SameDiff's own op along the first axis, where no gradient passes."""

    def rule(c: Call) -> Value:
        if c.on_path:
            raise Refused(f"SameDiff's gradient of {op_name} is wrong {wrong}")
        ref, updates = (c.cast(c.inputs[k], c.dtype) for k in (0, 2))
        indices, axis = c.inputs[1], c.attrs["axis"] % ref.rank
        rest = [d for k, d in enumerate(ref.shape) if k != axis]
        changes = _update_rows(c, updates, indices, axis)
        rows = c.node(op_name, _as_rows(c, ref, axis), _flat(c, indices), changes)
        return _from_rows(c, rows, [ref.shape[axis]], rest, axis)

    return rule


def _is_last(c: Call, indices: Value) -> Value:
    """Whether each of flat indices does not come again."""
    (m,) = known(indices.shape, "the number of indices")
    if m == 1:
        return c.compared("equals", indices, indices)
    again = c.mask(c.compared("equals", c.expand(indices, 1), c.expand(indices, 0)), np.float32)
    later = c.mul(again, c.array("later", np.triu(np.ones((m, m)), 1), np.float32))
    return c.compared("equals", c.reduce("reduce_max", later, [1]), 0)


def _last_occurrence(c: Call) -> Value:
    return c.reshape(_is_last(c, _flat(c, c.x)), c.shape)


# ---------------------------------------------------------------------- rows of coordinates


def _flat_places(c: Call, indices: Value, sizes: Sequence[int]) -> Value:
    """Each row of coordinates as one index into the flat array of these sizes."""
    strides = [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]
    weighted = c.mul(c.cast(indices, INT64), c.array("strides", strides, INT64))
    return _flat(c, c.reduce("reduce_sum", weighted, [indices.rank - 1]))


def _parts(c: Call, x: Value, indices: Value) -> tuple[list[int], tuple[Dim, ...]]:
    """The sizes of the axes that coordinates name, and those of the others."""
    depth = indices.shape[-1]
    if not depth:
        raise Refused("there are no coordinates to look at")
    return known(x.shape[:depth], _SIZES), x.shape[depth:]  # type: ignore[index]


def _gather_nd(c: Call) -> Value:
    x, indices = c.inputs
    if not c.flows(x):
        return c.node("gather_nd", x, indices, shape=c.shape)
    sizes, rest = _parts(c, x, indices)
    rows = c.reshape(x, (math.prod(sizes), size_of(rest)))
    return c.reshape(_picked_rows(c, rows, _flat_places(c, indices, sizes)), c.shape)


def _scatter_nd_add(c: Call) -> Value:
    ref, updates = (c.cast(c.inputs[k], c.dtype) for k in (0, 2))
    sizes, rest = _parts(c, ref, c.inputs[1])
    places = _flat_places(c, c.inputs[1], sizes)
    rows = c.reshape(ref, (math.prod(sizes), size_of(rest)))
    return c.reshape(_put_rows(c, rows, places, c.reshape(updates, (*places.shape, size_of(rest)))), c.shape)


# ---------------------------------------------------------------------- one element per index


def _last(c: Call, x: Value, axis: int) -> Value:
    """With an axis moved to the end."""
    return c.permute(x, [*(k for k in range(x.rank) if k != axis), axis])


def _back(c: Call, x: Value, axis: int) -> Value:
    """With the last axis moved to its place."""
    rank = x.rank
    return c.permute(x, [*range(axis), rank - 1, *range(axis, rank - 1)])


def _take_along_axis(c: Call) -> Value:
    axis = c.attrs["axis"] % c.x.rank
    x, indices = (_last(c, v, axis) for v in c.inputs)
    if c.flows(c.x) or size_of(x.shape) is None or size_of(indices.shape) is None:
        return _back(c, _taken(c, x, indices), axis)
    *rows, n = known(x.shape, _SIZES)
    (m,) = known(indices.shape[-1:], _SIZES)
    starts = np.arange(math.prod(rows)).reshape(*rows, 1) * n
    places = c.add(c.cast(indices, INT64), c.array("rows", np.repeat(starts, m, -1), INT64))
    found = c.node("gather", _flat(c, x), _flat(c, places), shape=(size_of(indices.shape),), i=[0])
    return _back(c, c.reshape(found, indices.shape), axis)


def _taken(c: Call, x: Value, indices: Value) -> Value:
    """Along the last axis, as sums of products."""
    (n,) = known(x.shape[-1:], "the size of the axis")
    hot = c.one_hot(indices, n, x.dtype)
    return c.reduce("reduce_sum", c.mul(hot, c.expand(x, x.rank - 1)), [x.rank])


def _scatter_nd_update(c: Call) -> Value:
    """Rows that no coordinates name stay; of repeated ones the last counts."""
    ref, updates = (c.cast(c.inputs[k], c.dtype) for k in (0, 2))
    if ref.dtype.kind != "f":
        raise Refused("SameDiff's own op has no gradient, and there is no other one for integers")
    indices = c.inputs[1]
    sizes, rest = _parts(c, ref, indices)
    rows = c.reshape(ref, (math.prod(sizes), size_of(rest)))
    changes = c.reshape(updates, (size_of(indices.shape[:-1]), size_of(rest)))
    return c.reshape(_set_rows(c, rows, _flat_places(c, indices, sizes), changes), c.shape)


def _add_along_axis(c: Call) -> Value:
    axis = c.attrs["axis"] % c.x.rank
    ref, updates = (_last(c, c.cast(c.inputs[k], c.dtype), axis) for k in (0, 2))
    (n,) = known(ref.shape[-1:], "the size of the axis")
    hot = c.one_hot(_last(c, c.inputs[1], axis), n, c.dtype)
    put = c.reduce("reduce_sum", c.mul(hot, c.expand(updates, updates.rank)), [ref.rank - 1])
    return _back(c, c.add(ref, put), axis)


# ---------------------------------------------------------------------- segments, slices, the largest


def _segments(op_name: str) -> Callable[[Call], Value]:
    """Sums of rows: SameDiff's own op where it makes as many rows and no gradient needs that number."""

    def rule(c: Call) -> Value:
        data, ids = c.cast(c.x, c.dtype), c.inputs[1]
        n = c.shape[0]
        if op_name == "unsorted_segment_sum" and not c.on_path and ids.rank == 1:
            return c.node(op_name, data, ids, shape=c.shape, i=[n])
        if op_name == "segment_sum" and ids.array is not None and ids.array.max(initial=-1) + 1 == n:
            return c.node(op_name, data, ids, shape=c.shape)
        rest = c.shape[1:]
        zeros = c.array("zeros", np.zeros(known(c.shape, "the sizes of the result")))
        updates = c.reshape(data, (size_of(ids.shape), *rest)) if ids.rank != 1 else data
        return _put_rows(c, zeros, _flat(c, ids), updates)

    return rule


def _combined(op_name: str, wrong: str, empty: float | None) -> Callable[[Call], Value]:
    """SameDiff's op for ids in any order, where no gradient passes, and a number for segments without rows."""

    def rule(c: Call) -> Value:
        if c.on_path:
            raise Refused(f"SameDiff's gradient of {op_name} is wrong {wrong}")
        data, ids, n = c.cast(c.x, c.dtype), c.inputs[1], c.shape[0]
        if ids.rank != 1:
            data, ids = c.reshape(data, (size_of(ids.shape), *c.shape[1:])), _flat(c, ids)
        found = c.node(op_name, data, ids, shape=c.shape, i=[n])
        if empty is None:
            return found
        ones = c.filled(c.number(1.0), data)
        rows = c.node("unsorted_segment_sum", ones, ids, shape=c.shape, i=[n])
        return c.node("Where", c.compared("greater", rows, 0), found, c.filled(c.number(empty), found), dtype=c.dtype)

    return rule


def _parts_by_number(c: Call) -> list[Value]:
    x, ids = c.inputs
    if ids.array is None:
        raise Refused("how many rows each part has is not in the file, unless the partitions are a constant")
    if ids.rank != 1:
        x, ids = c.reshape(x, (size_of(ids.shape), *x.shape[ids.rank :])), _flat(c, ids)
    return c.nodes("dynamic_partition", [x, ids], c.avals, i=[c.attrs["num_partitions"]])


def _reverse_sequence(c: Call) -> Value:
    axes = [c.attrs[k] % c.x.rank for k in ("seq_dim", "batch_dim")]
    return c.node("reverse_sequence", c.x, c.inputs[1], i=axes)


def _list_diff(c: Call) -> Written:
    raise Refused("how many entries are left is not in the file")


def _is_numeric(c: Call) -> Value:
    if c.x.dtype.kind == "b":
        raise Refused("SameDiff asks it of numbers only")
    return c.node("is_numeric_tensor", c.x, shape=(), dtype=c.dtype)


def _top_k(c: Call) -> list[Value]:
    """One largest entry after the other; SameDiff's own op stores k where it reads whether to sort."""
    x, k = c.x, c.attrs["k"]
    (n,) = known(x.shape[-1:], "the size of the axis")
    if k > _MOST_PICKED:
        raise Refused(
            f"SameDiff's own op ignores k, and more than {_MOST_PICKED} entries are not looked for one by one"
        )
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    rest, hots = x, []
    axis = x.rank - 1
    for _ in range(k):
        if hots:
            rest = c.node("Where", c.truth(hots[-1][1]), c.filled(c.number(lowest, x), rest), rest, dtype=x.dtype)
        place = c.node("argmax", rest, shape=x.shape[:-1], dtype=INT64, i=[axis], b=[False], d=[INT64])
        hots.append((place, c.one_hot(place, n, np.float32)))
    places = [place for place, _ in hots] if c.attrs["sorted"] else _in_order(c, [hot for _, hot in hots])
    indices = c.node("stack", *places, shape=(*x.shape[:-1], k), i=[axis])
    return [_taken(c, x, indices), indices]


def _in_order(c: Call, hots: Sequence[Value]) -> list[Value]:
    """The places of what was picked, from the first to the last."""
    mask = hots[0]
    for hot in hots[1:]:
        mask = c.add(mask, hot)
    axis = mask.rank - 1
    count = c.mul(c.node("cumsum", mask, i=[0, 0, axis]), mask)
    found = []
    for k in range(len(hots)):
        at = c.mask(c.compared("equals", count, k + 1), np.float32)
        found.append(c.node("argmax", at, shape=at.shape[:-1], dtype=INT64, i=[axis], b=[False], d=[INT64]))
    return found


def _confusion_matrix(c: Call) -> Value:
    """A product of both kinds of one-hot rows."""
    labels, predictions, weights = c.inputs
    n = c.shape[0]
    dtype = np.dtype(np.float64)
    (size,) = known([n], "the number of classes")
    hot = c.one_hot(predictions, size, dtype)
    if weights is not None:
        hot = c.mul(hot, c.expand(c.cast(weights, dtype), 1))
    return c.cast(c.matmul(c.one_hot(labels, size, dtype), hot, (True, False, False)), c.dtype)


def _ctc_labels(c: Call) -> Value:
    """The blank beyond each example's labels."""
    labels, lengths = c.inputs
    (n,) = known(labels.shape[1:], "the number of labels")
    used = c.compared("greater", c.expand(c.cast(lengths, INT64), 1), c.array("places", np.arange(n), INT64))
    return c.node("Where", c.filled(used, labels), labels, c.filled(c.number(c.attrs["blank"]), labels), dtype=c.dtype)


RULES: Final[dict[str, Callable[[Call], Written]]] = {
    "gather": _gather,
    "gather_nd": _gather_nd,
    "take_along_axis": _take_along_axis,
    "add_along_axis": _add_along_axis,
    "scatter_add": _scatter_add,
    "scatter_update": _scatter_update,
    "scatter_mul": _changed("scatter_mul", _REPEATED),
    "scatter_div": _changed("scatter_div", _REPEATED),
    "scatter_max": _changed("scatter_max", _TIED),
    "scatter_min": _changed("scatter_min", _TIED),
    "scatter_nd_add": _scatter_nd_add,
    "scatter_nd_update": _scatter_nd_update,
    "segment_max": _combined("unsorted_segment_max", _TIED, 0.0),
    "segment_min": _combined("unsorted_segment_min", _TIED, 0.0),
    "segment_prod": _combined("unsorted_segment_prod", _ZEROS, None),
    "unsorted_segment_max": _combined("unsorted_segment_max", _TIED, None),
    "unsorted_segment_min": _combined("unsorted_segment_min", _TIED, None),
    "unsorted_segment_prod": _combined("unsorted_segment_prod", _ZEROS, None),
    "dynamic_partition": _parts_by_number,
    "reverse_sequence": _reverse_sequence,
    "is_numeric_tensor": _is_numeric,
    "math.list_diff": _list_diff,
    "last_occurrence": _last_occurrence,
    "segment_sum": _segments("segment_sum"),
    "unsorted_segment_sum": _segments("unsorted_segment_sum"),
    "checked_ctc_labels": _ctc_labels,
    "nn.top_k": _top_k,
    "math.confusion_matrix": _confusion_matrix,
}
