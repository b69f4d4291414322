"""Ops that pick elements out of arrays by index and put them back: gather, scatter, segments.

Each picking op has an adding op as its gradient and the other way round. Indices count from 0; negative ones are
errors, because in labels they are mistakes. Slices are in `sdgraph.ops.slicing`. Must not know losses.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sdgraph.build.decorators import primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR, NOT_DIFFERENTIABLE
from sdgraph.build.reading import Reading
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, LabelError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Shape, promote, shape_str
from sdgraph.ops import written
from sdgraph.ops.pieces import total_of_added
from sdgraph.ops.precision import wide
from sdgraph.wording import first_where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdgraph.build.variable import Operand

INDICES: Final = {"indices": "int64"}
"""What a Python literal becomes as indices."""
SEGMENTS: Final = {"segment_ids": "int64"}
"""What it becomes as segment ids."""


# ---------------------------------------------------------------------- shape rules


def _gathered(x: Aval, indices: Aval, *, axis: int) -> Aval:
    """The indices in place of the axis.

    Returns:
        Shape ``x.shape[:axis] + indices.shape + x.shape[axis + 1:]``, the same dtype.

    Raises:
        DTypeError: If the indices are not integers.
        ArgumentError: If there is no such axis.
        LabelError: At run time, for an index out of range.
    """
    shapes.integer_index(indices, "Indices")
    k = shapes.one_axis(axis, len(x.shape))
    return Aval(x.shape[:k] + indices.shape + x.shape[k + 1 :], x.dtype)


def scattered(ref: Aval, indices: Aval, updates: Aval, *, axis: int) -> Aval:
    """The shape of ``ref``.

    Returns:
        The shape of ``ref``, the promoted dtype of it and the updates.

    Raises:
        ShapeError: If the updates do not have the shape that `gather` picks out.
        DTypeError: If the indices are not integers.
        ArgumentError: If there is no such axis.
        LabelError: At run time, for an index out of range.
    """
    _check_updates(_gathered(ref, indices, axis=axis).shape, updates)
    return Aval(ref.shape, promote(ref.dtype, updates.dtype))


def _check_updates(expected: Shape, updates: Aval) -> None:
    shapes.must_have(updates, expected, "The updates do not have the shape that is picked out.")


def _gathered_nd(x: Aval, indices: Aval) -> Aval:
    """The rows of the indices in place of the axes they name.

    Returns:
        Shape ``indices.shape[:-1] + x.shape[k:]``, the same dtype.

    Raises:
        DTypeError: If the indices are not integers.
        ShapeError: If their last axis has an unknown size, or one above the rank.
        LabelError: At run time, for an index out of range.
    """
    shapes.integer_index(indices, "Indices")
    depth = indices.shape[-1] if indices.shape else None
    if type(depth) is not int or depth > len(x.shape):
        raise ShapeError(
            "The last axis of the indices must have a known size, at most the rank of x.",
            given=f"indices {shape_str(indices.shape)}, x {shape_str(x.shape)}",
        )
    return Aval(indices.shape[:-1] + x.shape[depth:], x.dtype)


def scattered_nd(ref: Aval, indices: Aval, updates: Aval) -> Aval:
    """The shape of ``ref``.

    Returns:
        The shape of ``ref``, the promoted dtype of it and the updates.

    Raises:
        DTypeError: If the indices are not integers.
        ShapeError: If the updates do not have the shape that `gather_nd` picks out.
        LabelError: At run time, for an index out of range.
    """
    _check_updates(_gathered_nd(ref, indices).shape, updates)
    return Aval(ref.shape, promote(ref.dtype, updates.dtype))


def _along_axis(x: Aval, indices: Aval, *, axis: int) -> Aval:
    """The shape of the indices.

    Returns:
        The shape of the indices, the dtype of ``x``.

    Raises:
        DTypeError: If the indices are not integers.
        ShapeError: If the indices do not have the shape of ``x`` but for the axis.
        ArgumentError: If there is no such axis.
        LabelError: At run time, for an index out of range.
    """
    shapes.integer_index(indices, "Indices")
    k = shapes.one_axis(axis, len(x.shape))
    if not shapes.same_sizes(indices.shape, (*x.shape[:k], None, *x.shape[k + 1 :])):
        raise ShapeError(
            "The indices must have the shape of x but for the chosen axis.",
            given=f"indices {shape_str(indices.shape)}, x {shape_str(x.shape)}, axis {axis}",
            fix="For whole rows use sd.gather; else reshape the indices, for example sd.expand_dims(indices, axis).",
        )
    return Aval(indices.shape, x.dtype)


def _added_along_axis(ref: Aval, indices: Aval, updates: Aval, *, axis: int) -> Aval:
    """The shape of ``ref``.

    Returns:
        The shape of ``ref``, the promoted dtype of it and the updates.

    Raises:
        DTypeError: If the indices are not integers.
        ShapeError: If the updates do not have the shape of the indices, or these not that of ``ref`` but for the axis.
        ArgumentError: If there is no such axis.
        LabelError: At run time, for an index out of range.
    """
    _check_updates(_along_axis(ref, indices, axis=axis).shape, updates)
    return Aval(ref.shape, promote(ref.dtype, updates.dtype))


def segmented(data: Aval, segment_ids: Aval, *, num_segments: int | None) -> Aval:
    """One row per segment.

    Returns:
        One row per segment, of the shape of a row of the data; the dtype of ``numpy.sum``.

    Raises:
        DTypeError: If the ids are not integers.
        ShapeError: If there is not one id per row.
        ArgumentError: If ``num_segments`` is negative or no whole number.
        ArgumentTypeError: If it is left out, and the ids are no constant.
        LabelError: At run time, for an id outside ``0 ... num_segments - 1``.
    """
    shapes.integer_index(segment_ids, "Segment ids")
    n = len(segment_ids.shape)
    lead = data.shape[:n]
    if not shapes.same_sizes(lead, segment_ids.shape):
        raise ShapeError(
            "There must be one segment id per row.",
            given=f"data {shape_str(data.shape)}, segment ids {shape_str(segment_ids.shape)}",
        )
    if num_segments is None:
        raise must_be_given("num_segments", "the segment ids")
    if not is_whole(num_segments, 0):
        raise ArgumentError("num_segments counts segments.", given=repr(num_segments), expected="an integer >= 0")
    return Aval((num_segments, *data.shape[n:]), shapes.sum_dtype(data.dtype))


# ---------------------------------------------------------------------- kernels


def check_range(xp: Any, indices: Any, size: int, what: str) -> None:
    """Raise LabelError if an index is not in ``0 ... size - 1``. Only numpy's arrays can be looked at."""
    if xp is not np or not indices.size or (indices.min() >= 0 and indices.max() < size):
        return
    bad = (indices < 0) | (indices >= size)
    raise LabelError(
        f"{what} {first_where(bad, indices)} is out of range.",
        expected=f"0 to {size - 1}" if size else "none: there is nothing to choose from",
        fix="Negative values do not count from the end." if indices[bad][0] < 0 else None,
    )


def one_above(setting: str, *operands: int, step: int = 1) -> Any:
    """A rule that fills in the size of a result: one more than the largest of the values that these operands have."""

    def settle(attrs: Any, avals: Any, values: Sequence[np.ndarray[Any, Any] | None]) -> Mapping[str, Any]:
        known = [v for k in operands if (v := values[k]) is not None and v.dtype.kind in "iu"]
        if attrs[setting] is not None or len(known) < len(operands):
            return attrs
        return {**attrs, setting: max([0, *(int(v.max()) + step for v in known if v.size)])}

    return settle


def must_be_given(setting: str, what: str) -> ArgumentTypeError:
    """The error for a size that was left out, and cannot be filled in by `one_above`."""
    return ArgumentTypeError(
        f"{setting} must be given: {what} have no values before a run.",
        expected="a size that is known when the graph is built",
        fix=f"Write {setting}=...; it is read off {what} only where these are constants.",
    )


def add_at(xp: Any, ref: Any, at: tuple[Any, ...], updates: Any) -> Any:
    """A copy of ``ref`` with ``updates`` added; an index that occurs again adds again."""
    dtype = xp.result_type(ref, updates)
    if xp is not np:
        return ref.astype(wide(dtype)).at[at].add(updates).astype(dtype)
    return change_at(np.add, ref, at, updates, dtype)


def change_at(ufunc: np.ufunc, ref: Any, at: tuple[Any, ...], updates: Any, dtype: np.dtype[Any]) -> Any:
    """A copy of ``ref`` as ``dtype``, changed in place by one update after the other: ``ref[k] = ufunc(ref[k], u)``."""
    out = np.array(ref, wide(dtype), order="C")
    if updates.size >= _MANY and all(isinstance(k, np.ndarray) for k in at):
        _change_one_by_one(ufunc, out, at, updates)
    else:
        ufunc.at(out, at, updates)
    return out.astype(dtype, copy=False)


_MANY = 1024
"""Numbers to add from which it pays to name the place of each of them."""
_BLOCK = 1 << 14
"""Of how many numbers the places are in memory at a time, unless one slice has more."""


def _change_one_by_one(ufunc: np.ufunc, out: np.ndarray[Any, Any], at: Sequence[Any], updates: Any) -> None:
    """The same order with one place for each number: numpy does that several times as quickly as with slices."""
    slices, n = np.broadcast_shapes(*(k.shape for k in at)), len(at)
    size = math.prod(out.shape[n:])
    if not size or 0 in slices:
        return
    first = np.ravel_multi_index(np.broadcast_arrays(*at), out.shape[:n]).reshape(-1) * size  # type: ignore[arg-type]
    added = np.broadcast_to(updates, slices + out.shape[n:]).reshape(-1, size)
    flat, behind, step = out.reshape(-1), np.arange(size), max(1, _BLOCK // size)
    for k in range(0, len(first), step):
        places = first[k : k + step, None] + behind
        ufunc.at(flat, places.reshape(-1), added[k : k + step].reshape(-1).astype(out.dtype, copy=False))


def set_at(xp: Any, ref: Any, at: tuple[Any, ...], updates: Any) -> Any:
    """A copy of ``ref`` with ``updates`` in the places of others; of an index that occurs again the last one counts."""
    dtype = xp.result_type(ref, updates)
    if xp is not np:
        return ref.astype(dtype).at[at].set(updates)
    out = np.array(ref, dtype)
    out[at] = updates
    return out


def _gather(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    check_range(xp, indices, x.shape[axis], "Index")
    return xp.take(x, indices, axis=axis)


def _scatter(combine: Any) -> Any:
    def kernel(xp: Any, ref: Any, indices: Any, updates: Any, *, axis: int) -> Any:
        check_range(xp, indices, ref.shape[axis], "Index")
        return combine(xp, ref, (slice(None),) * (axis % ref.ndim) + (indices,), updates)

    return kernel


def coordinates(xp: Any, x: Any, indices: Any) -> tuple[Any, ...]:
    """Rows of coordinates as one array of indices per axis, which are in range."""
    parts = tuple(indices[..., k] for k in range(indices.shape[-1]))
    for k, part in enumerate(parts):
        check_range(xp, part, x.shape[k], f"Index of axis {k},")
    return parts if parts else (xp.newaxis,)


def _gather_nd(xp: Any, x: Any, indices: Any) -> Any:
    if not indices.shape[-1]:
        return xp.broadcast_to(x, indices.shape[:-1] + x.shape) + xp.zeros((), x.dtype)
    return x[coordinates(xp, x, indices)]


def _scatter_nd_add(xp: Any, ref: Any, indices: Any, updates: Any) -> Any:
    if not indices.shape[-1]:
        return ref + xp.sum(updates, axis=tuple(range(indices.ndim - 1)))
    return add_at(xp, ref, coordinates(xp, ref, indices), updates)


def _open_grid(xp: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """Full index arrays: ``indices`` along ``axis``, each element's own place along the others."""
    n, axis = indices.ndim, axis % indices.ndim
    grid = [xp.reshape(xp.arange(d), (1,) * k + (d,) + (1,) * (n - k - 1)) for k, d in enumerate(indices.shape)]
    grid[axis] = indices
    return tuple(grid)


def _take_along(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    check_range(xp, indices, x.shape[axis], "Index")
    return xp.take_along_axis(x, indices, axis=axis)


def _add_along(xp: Any, ref: Any, indices: Any, updates: Any, *, axis: int) -> Any:
    check_range(xp, indices, ref.shape[axis], "Index")
    return add_at(xp, ref, _open_grid(xp, indices, axis), updates)


def _segment_sum(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    check_range(xp, segment_ids, num_segments, "Segment id")
    dtype = shapes.sum_dtype(data.dtype)
    out = xp.zeros((num_segments, *data.shape[segment_ids.ndim :]), wide(dtype))
    return add_at(xp, out, (segment_ids,), data).astype(dtype)


def check_sorted(xp: Any, segment_ids: Any, unsorted: str) -> None:
    """Raise LabelError if a segment id is smaller than the one before it."""
    if xp is np and np.any(segment_ids[1:] < segment_ids[:-1]):
        k = int(np.argmax(segment_ids[1:] < segment_ids[:-1])) + 1
        raise LabelError(
            f"Segment id {segment_ids[k]} at position {k} is smaller than the one before it.",
            fix=f"Sort the rows by segment, or use sd.{unsorted}.",
        )


def _sorted_segment_sum(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    check_sorted(xp, segment_ids, "unsorted_segment_sum")
    return _segment_sum(xp, data, segment_ids, num_segments=num_segments)


def _last_occurrence(xp: Any, indices: Any) -> Any:
    flat = xp.reshape(indices, -1)
    order = xp.argsort(flat, stable=True)
    ordered = flat[order]
    last = xp.concatenate([ordered[1:] != ordered[:-1], xp.ones(min(1, flat.shape[0]), bool)])
    return xp.reshape(last[xp.argsort(order)], indices.shape)


# ---------------------------------------------------------------------- gradients


def _scatter_update_vjp(
    g: SDVariable, y: SDVariable, ref: SDVariable, indices: SDVariable, updates: SDVariable, axis: int
) -> tuple[SDVariable, None, SDVariable]:
    """Of updates to the same place only the last one counts."""
    sd = g.sd
    last = sd.last_occurrence(indices)
    k, n = axis % ref.ndim, ref.ndim
    last = sd.expand_dims(last, tuple(range(k))) if k else last
    rest = n - k - 1
    last = sd.expand_dims(last, tuple(range(last.ndim, last.ndim + rest))) if rest else last
    return (
        sd.scatter_update(g, indices, sd.zeros_like(updates), axis),
        None,
        sd.where(last, sd.gather(g, indices, axis), 0.0),
    )


SHARED = {
    "x": "An array of any dtype.",
    "ref": "What the result starts from; it keeps its own values.",
    "indices": "Whole numbers, counted from 0; negative ones are errors.",
    "updates": "Numbers of the shape that is picked out.",
    "data": "Numbers of rank 1 or more.",
    "segment_ids": "One integer per row.",
    "num_segments": "Number of segments; may be left out for a constant: one more than its largest id.",
}
"""What the parameters mean."""


class SDIndexing(Namespace, prefix="", shared=SHARED):
    """Gathering and scattering of the base namespace."""

    @primitive(
        infer=_gathered,
        kernel=_gather,
        vjp=lambda g, y, x, indices, axis: (
            g.sd.scatter_add(g.sd.zeros_like(x, g.dtype), indices, g, axis),
            None,
        ),
        reach=LINEAR,
        literals=INDICES,
        reads=Reading(written.gathered),
    )
    def gather(self, x: Operand, indices: Operand, axis: int = 0, *, name: str | None = None) -> SDVariable:
        """The slices of ``x`` along ``axis`` that ``indices`` name, in that order.

        Args:
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.gather([10.0, 20.0, 30.0], [2, 0, 2]).eval()
            array([30., 10., 30.])
        """
        ...

    @primitive(
        infer=_gathered_nd,
        kernel=_gather_nd,
        vjp=lambda g, y, x, indices: (g.sd.scatter_nd_add(g.sd.zeros_like(x, g.dtype), indices, g), None),
        reach=LINEAR,
        literals=INDICES,
    )
    def gather_nd(self, x: Operand, indices: Operand, *, name: str | None = None) -> SDVariable:
        """The slices of ``x`` whose leading coordinates are the rows of ``indices``.

        Args:
            indices: Shape ``(..., k)``: each row addresses the first k axes of ``x``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.gather_nd([[1.0, 2.0], [3.0, 4.0]], [[0, 1], [1, 1]]).eval()
            array([2., 4.])
        """
        ...

    @primitive(
        infer=_along_axis,
        kernel=_take_along,
        vjp=lambda g, y, x, indices, axis: (
            g.sd.add_along_axis(g.sd.zeros_like(x, g.dtype), indices, g, axis),
            None,
        ),
        reach=LINEAR,
        literals=INDICES,
    )
    def take_along_axis(self, x: Operand, indices: Operand, axis: int = -1, *, name: str | None = None) -> SDVariable:
        """One element of ``x`` per index: ``y[i, j] = x[i, indices[i, j]]`` for ``axis=1``.

        Args:
            indices: Shape of ``x`` but for ``axis``.
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.take_along_axis([[1.0, 2.0], [3.0, 4.0]], [[1], [0]], axis=1).eval()
            array([[2.],
                   [3.]])
        """
        ...

    @primitive(
        infer=_added_along_axis,
        kernel=_add_along,
        vjp=lambda g, y, ref, indices, updates, axis: (g, None, g.sd.take_along_axis(g, indices, axis)),
        reach=LINEAR,
        literals=INDICES,
        total=total_of_added,
    )
    def add_along_axis(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = -1, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with each update added where its index points along ``axis``; repeated indices add up.

        Args:
            indices: Whole numbers, counted from 0; the shape of ``ref`` but for ``axis``.
            updates: Numbers of the shape of the indices.
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.add_along_axis([[0.0, 0.0, 0.0]], [[1, 1]], [[2.0, 3.0]], axis=1).eval()
            array([[0., 5., 0.]])
        """
        ...

    @primitive(
        infer=scattered,
        kernel=_scatter(add_at),
        vjp=lambda g, y, ref, indices, updates, axis: (g, None, g.sd.gather(g, indices, axis)),
        reach=LINEAR,
        literals=INDICES,
        total=total_of_added,
    )
    def scatter_add(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with ``updates`` added to the slices that ``indices`` name; repeated indices add up.

        Args:
            updates: Shape ``ref.shape[:axis] + indices.shape + ref.shape[axis + 1:]``.
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_add([1.0, 1.0, 1.0], [0, 2, 2], [1.0, 2.0, 3.0]).eval()
            array([2., 1., 6.])
        """
        ...

    @primitive(
        infer=scattered,
        kernel=_scatter(set_at),
        vjp=_scatter_update_vjp,
        reach=LINEAR,
        literals=INDICES,
    )
    def scatter_update(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with the slices that ``indices`` name replaced by ``updates``.

        Of repeated indices the last one counts, for the gradient too.

        Args:
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_update([1.0, 1.0, 1.0], [0, 2], [5.0, 6.0]).eval()
            array([5., 1., 6.])
        """
        ...

    @primitive(
        infer=lambda indices: Aval(indices.shape, shapes.BOOL),
        kernel=_last_occurrence,
        vjp=NOT_DIFFERENTIABLE,
        literals=INDICES,
    )
    def last_occurrence(self, indices: Operand, *, name: str | None = None) -> SDVariable:
        """Whether each value is not repeated later, in row order.

        Args:
            indices: Whole numbers of any shape.

        Returns:
            Bools of the same shape. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.last_occurrence([3, 1, 3]).eval()
            array([False,  True,  True])
        """
        ...

    @primitive(
        infer=scattered_nd,
        kernel=_scatter_nd_add,
        vjp=lambda g, y, ref, indices, updates: (g, None, g.sd.gather_nd(g, indices)),
        reach=LINEAR,
        literals=INDICES,
        total=total_of_added,
    )
    def scatter_nd_add(
        self, ref: Operand, indices: Operand, updates: Operand, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with ``updates`` added to the slices whose coordinates are the rows of ``indices``.

        Args:
            indices: Shape ``(..., k)``: each row addresses the first k axes of ``ref``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_nd_add([[0.0, 0.0], [0.0, 0.0]], [[0, 1], [0, 1]], [1.0, 2.0]).eval()
            array([[0., 3.],
                   [0., 0.]])
        """
        ...

    @primitive(
        infer=segmented,
        kernel=_sorted_segment_sum,
        vjp=lambda g, y, data, segment_ids, num_segments: (g.sd.gather(g, segment_ids), None),
        reach=LINEAR,
        literals=SEGMENTS,
        settle=one_above("num_segments", 1),
    )
    def segment_sum(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Sum of the rows of each segment; the ids are sorted.

        Args:
            segment_ids: One integer per row, sorted.

        Raises:
            LabelError: At run time, if ids are not sorted or out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.segment_sum([1.0, 2.0, 4.0], [0, 0, 1]).eval()
            array([3., 4.])
            >>> ids = sd.placeholder("ids", (3,), "int64")
            >>> sd.segment_sum([1.0, 2.0, 4.0], ids, num_segments=3).eval(ids=[0, 0, 1])
            array([3., 4., 0.])
        """
        ...

    @primitive(
        infer=segmented,
        kernel=_segment_sum,
        vjp=lambda g, y, data, segment_ids, num_segments: (g.sd.gather(g, segment_ids), None),
        reach=LINEAR,
        literals=SEGMENTS,
        settle=one_above("num_segments", 1),
    )
    def unsorted_segment_sum(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Sum of the rows of each segment, ids in any order; empty segments are 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.unsorted_segment_sum([1.0, 2.0, 4.0], [2, 0, 2], 3).eval()
            array([2., 0., 5.])
        """
        ...
