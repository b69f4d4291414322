"""Ops that pick elements out of arrays and put them back: basic indexing, gather, scatter, segments.

Each picking op has an adding op as its gradient and the other way round. Indices count from 0; negative ones are
errors, because in labels they are mistakes. Must not know losses.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.op import LINEAR, NOT_DIFFERENTIABLE
from sdgraph.build.reading import ATOM, RELATION, Reading, form
from sdgraph.build.variable import Namespace, SDVariable
from sdgraph.errors import ArgumentError, LabelError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, Shape, promote, shape_str
from sdgraph.ops import written
from sdgraph.ops.pieces import total_of_added, total_of_slices
from sdgraph.ops.precision import wide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand

_INDICES = {"indices": "int64"}
_SEGMENTS = {"segment_ids": "int64"}


# ---------------------------------------------------------------------- shape rules


def _index(x: Aval, *, key: tuple[Any, ...]) -> Aval:
    """The shape of ``x[key]``."""
    taken = sum(k is not None and k is not Ellipsis for k in key)
    if taken > len(x.shape) or sum(k is Ellipsis for k in key) > 1:
        raise ArgumentError(
            "The index has too many parts.", given=f"{_key_str(key)} for an array of rank {len(x.shape)}"
        )
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    dims = iter(enumerate(x.shape))
    out: list[Dim] = []
    for k in key:
        if k is None:
            out.append(1)
        elif k is Ellipsis:
            out.extend(next(dims)[1] for _ in range(len(x.shape) - taken))
        else:
            axis, d = next(dims)
            if isinstance(k, tuple):
                out.append(_sliced(d, k[1:]))
            elif type(d) is int and not -d <= k < d:
                raise LabelError(f"Index {k} is out of range for axis {axis}, which has size {d}.", given=_key_str(key))
    return Aval(tuple(out), x.dtype)


def _sliced(d: Dim, bounds: tuple[int | None, int | None, int | None]) -> Dim:
    if bounds[2] == 0:
        raise ArgumentError("The step of a slice is zero.")
    if type(d) is int:
        return len(range(d)[slice(*bounds)])
    return d if bounds in ((None, None, None), (None, None, 1), (None, None, -1), (0, None, None)) else None


def _key_str(key: tuple[Any, ...]) -> str:
    parts = []
    for k in key:
        if isinstance(k, tuple):
            parts.append(":".join("" if b is None else str(b) for b in k[1:]))
        else:
            parts.append("..." if k is Ellipsis else str(k))
    return f"[{', '.join(parts)}]"


def _put_back(x: Aval, like: Aval, *, key: tuple[Any, ...]) -> Aval:
    shapes.must_have(x, _index(like, key=key).shape, "This is not the shape of what is picked out.")
    return Aval(like.shape, x.dtype)


def _put_all(like: Aval, *parts: Aval, keys: tuple[tuple[Any, ...], ...]) -> Aval:
    if not parts or len(parts) != len(keys):
        raise ArgumentError("There must be one part per key.", given=f"{len(parts)} parts, {len(keys)} keys")
    for part, key in zip(parts, keys, strict=True):
        _put_back(part, like, key=key)
    return Aval(like.shape, functools.reduce(promote, (a.dtype for a in parts)))


def _gathered(x: Aval, indices: Aval, *, axis: int) -> Aval:
    shapes.integer_index(indices, "Indices")
    k = shapes.one_axis(axis, len(x.shape))
    return Aval(x.shape[:k] + indices.shape + x.shape[k + 1 :], x.dtype)


def _scattered(ref: Aval, indices: Aval, updates: Aval, *, axis: int) -> Aval:
    _check_updates(_gathered(ref, indices, axis=axis).shape, updates)
    return Aval(ref.shape, promote(ref.dtype, updates.dtype))


def _check_updates(expected: Shape, updates: Aval) -> None:
    shapes.must_have(updates, expected, "The updates do not have the shape that is picked out.")


def _gathered_nd(x: Aval, indices: Aval) -> Aval:
    shapes.integer_index(indices, "Indices")
    depth = indices.shape[-1] if indices.shape else None
    if type(depth) is not int or depth > len(x.shape):
        raise ShapeError(
            "The last axis of the indices must have a known size, at most the rank of x.",
            given=f"indices {shape_str(indices.shape)}, x {shape_str(x.shape)}",
        )
    return Aval(indices.shape[:-1] + x.shape[depth:], x.dtype)


def _scattered_nd(ref: Aval, indices: Aval, updates: Aval) -> Aval:
    _check_updates(_gathered_nd(ref, indices).shape, updates)
    return Aval(ref.shape, promote(ref.dtype, updates.dtype))


def _along_axis(x: Aval, indices: Aval, *, axis: int) -> Aval:
    shapes.integer_index(indices, "Indices")
    k = shapes.one_axis(axis, len(x.shape))
    rest, other = x.shape[:k] + x.shape[k + 1 :], indices.shape[:k] + indices.shape[k + 1 :]
    if len(x.shape) != len(indices.shape) or any(
        type(a) is int and type(b) is int and a != b for a, b in zip(rest, other, strict=True)
    ):
        raise ShapeError(
            "The indices must have the shape of x but for the chosen axis.",
            given=f"indices {shape_str(indices.shape)}, x {shape_str(x.shape)}, axis {axis}",
            fix="For whole rows use sd.gather; else reshape the indices, for example sd.expand_dims(indices, axis).",
        )
    return Aval(indices.shape, x.dtype)


def _added_along_axis(ref: Aval, indices: Aval, updates: Aval, *, axis: int) -> Aval:
    _check_updates(_along_axis(ref, indices, axis=axis).shape, updates)
    return Aval(ref.shape, promote(ref.dtype, updates.dtype))


def _segmented(data: Aval, segment_ids: Aval, *, num_segments: int) -> Aval:
    shapes.integer_index(segment_ids, "Segment ids")
    n = len(segment_ids.shape)
    lead = data.shape[:n]
    if len(lead) < n or any(
        type(d) is int and type(e) is int and d != e for d, e in zip(lead, segment_ids.shape, strict=True)
    ):
        raise ShapeError(
            "There must be one segment id per row.",
            given=f"data {shape_str(data.shape)}, segment ids {shape_str(segment_ids.shape)}",
        )
    if not isinstance(num_segments, int) or num_segments < 0:
        raise ArgumentError("num_segments counts segments.", given=repr(num_segments), expected="an integer >= 0")
    return Aval((num_segments, *data.shape[n:]), shapes.sum_dtype(data.dtype))


# ---------------------------------------------------------------------- blocks as keys


def _block_key(begin: Sequence[int], size: Sequence[int]) -> tuple[Any, ...]:
    return tuple(("slice", b, None if s == -1 else b + s, None) for b, s in zip(begin, size, strict=True))


def _block(x: Aval, *, begin: Sequence[int], size: Sequence[int]) -> Aval:
    if len(begin) != len(x.shape) or len(size) != len(x.shape):
        raise ArgumentError("begin and size name every axis.", given=f"begin={begin}, size={size}, rank {len(x.shape)}")
    for d, b, s in zip(x.shape, begin, size, strict=True):
        if b < 0 or s < -1 or (type(d) is int and b + max(s, 0) > d):
            raise ArgumentError("The block does not lie inside the array.", given=f"begin={begin}, size={size}, {x}")
    rest = _index(x, key=_block_key(begin, size)).shape
    return Aval(tuple(d if s == -1 else s for d, s in zip(rest, size, strict=True)), x.dtype)


def _strided_key(
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int] | None,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> tuple[Any, ...]:
    """The key that a strided slice with its masks stands for."""
    steps = (1,) * len(begin) if strides is None else strides
    if not len(begin) == len(end) == len(steps):
        raise ArgumentError(
            "begin, end and strides differ in length.", given=f"{begin}, {end}, {steps}", expected="one per axis"
        )
    key: list[Any] = []
    for k, (b, e, s) in enumerate(zip(begin, end, steps, strict=True)):
        bit = 1 << k
        if ellipsis_mask & bit:
            key.append(Ellipsis)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(b)
        else:
            key.append(("slice", None if begin_mask & bit else b, None if end_mask & bit else e, s))
    return tuple(key)


# ---------------------------------------------------------------------- kernels


def check_range(xp: Any, indices: Any, size: int, what: str) -> None:
    """Raise LabelError if an index is not in ``0 ... size - 1``. Only numpy's arrays can be looked at."""
    if xp is not np or not indices.size or (indices.min() >= 0 and indices.max() < size):
        return
    at: Any = tuple(np.argwhere((indices < 0) | (indices >= size))[0].tolist())
    value = int(indices[at])
    place = f" at position {at if len(at) > 1 else at[0]}" if at else ""
    raise LabelError(
        f"{what} {value}{place} is out of range.",
        expected=f"0 to {size - 1}" if size else "none: there is nothing to choose from",
        fix="Negative values do not count from the end." if value < 0 else None,
    )


def _slices(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(slice(*k[1:]) if isinstance(k, tuple) else k for k in key)


def _put(xp: Any, g: Any, like: Any, *, key: tuple[Any, ...]) -> Any:
    out = xp.zeros(like.shape, g.dtype)
    if xp is not np:
        return out.at[_slices(key)].set(g)
    out[_slices(key)] = g
    return out


def _put_all_kernel(xp: Any, like: Any, *parts: Any, keys: tuple[tuple[Any, ...], ...]) -> Any:
    dtype = xp.result_type(*parts)
    out = xp.zeros(like.shape, wide(dtype))
    for part, key in zip(parts, keys, strict=True):
        if xp is not np:
            out = out.at[_slices(key)].add(part)
        else:
            out[_slices(key)] += part
    return out.astype(dtype, copy=False)


def add_at(xp: Any, ref: Any, at: tuple[Any, ...], updates: Any) -> Any:
    """A copy of ``ref`` with ``updates`` added; an index that occurs again adds again."""
    dtype = xp.result_type(ref, updates)
    if xp is not np:
        return ref.astype(wide(dtype)).at[at].add(updates).astype(dtype)
    out = np.array(ref, wide(dtype))
    np.add.at(out, at, updates)
    return out.astype(dtype, copy=False)


def _set_at(xp: Any, ref: Any, at: tuple[Any, ...], updates: Any) -> Any:
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


def _nd(xp: Any, x: Any, indices: Any) -> tuple[Any, ...]:
    parts = tuple(indices[..., k] for k in range(indices.shape[-1]))
    for k, part in enumerate(parts):
        check_range(xp, part, x.shape[k], f"Index of axis {k},")
    return parts if parts else (xp.newaxis,)


def _gather_nd(xp: Any, x: Any, indices: Any) -> Any:
    if not indices.shape[-1]:
        return xp.broadcast_to(x, indices.shape[:-1] + x.shape) + xp.zeros((), x.dtype)
    return x[_nd(xp, x, indices)]


def _scatter_nd_add(xp: Any, ref: Any, indices: Any, updates: Any) -> Any:
    if not indices.shape[-1]:
        return ref + xp.sum(updates, axis=tuple(range(indices.ndim - 1)))
    return add_at(xp, ref, _nd(xp, ref, indices), updates)


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


def _sorted_segment_sum(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    if xp is np and np.any(segment_ids[1:] < segment_ids[:-1]):
        k = int(np.argmax(segment_ids[1:] < segment_ids[:-1])) + 1
        raise LabelError(
            f"Segment id {segment_ids[k]} at position {k} is smaller than the one before it.",
            fix="Sort the rows by segment, or use sd.unsorted_segment_sum.",
        )
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


class SDIndexing(Namespace, prefix=""):
    """Indexing, gathering and scattering of the base namespace."""

    @primitive(
        infer=_index,
        kernel=lambda xp, x, key: x[_slices(key)],
        vjp=lambda g, y, x, key: g.sd.index_scatter(g, x, key=key),
        reach=LINEAR,
        is_view=True,
        reads=Reading(written.index),
    )
    def index(self, x: Operand, *, key: tuple[Any, ...], name: str | None = None) -> SDVariable:
        """Basic indexing, what ``x[...]`` stands for.

        Args:
            key: Integers, None, ``...`` and slices, written ``("slice", start, stop, step)``.

        Raises:
            LabelError: If an index is out of range.
            ArgumentError: If there are too many.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.index([[1.0, 2.0], [3.0, 4.0]], key=(1, ("slice", None, 1, None))).eval()
            array([3.])
        """
        ...

    @primitive(
        infer=_put_back,
        kernel=_put,
        vjp=lambda g, y, x, like, key: (g.sd.index(g, key=key), None),
        total=total_of_slices,
        reach=LINEAR,
    )
    def index_scatter(self, x: Operand, like: Operand, *, key: tuple[Any, ...], name: str | None = None) -> SDVariable:
        """``x`` put at ``key`` into zeros of the shape of ``like``: the gradient of `index`.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.index_scatter(7.0, [1.0, 2.0, 3.0], key=(1,)).eval()
            array([0., 7., 0.])
        """
        ...

    @primitive(
        infer=_put_all,
        kernel=_put_all_kernel,
        vjp=lambda g, y, like, *parts, keys: (None, *[g.sd.index(g, key=key) for key in keys]),
        reach=LINEAR,
    )
    def scatter_slices(
        self, like: Operand, *parts: Operand, keys: tuple[tuple[Any, ...], ...], name: str | None = None
    ) -> SDVariable:
        """Several arrays added at their ``keys`` to zeros of the shape of ``like``: the gradient of several `index`.

        Args:
            like: Lends its shape to the result; its values do not matter.
            parts: One array per key, of the shape that `index` picks out with it.
            keys: As for `index`. Where they overlap, the parts add up.

        Returns:
            ``like``'s shape, the parts' promoted dtype.

        Raises:
            ShapeError: If a part does not have the shape of what is picked out.
            ArgumentError: If there is not one part per key.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> keys = ((0,), (("slice", 0, 2, None),))
            >>> sd.scatter_slices([0.0, 0.0, 0.0], 7.0, [1.0, 2.0], keys=keys).eval()
            array([8., 2., 0.])
        """
        ...

    @composite(
        infer=_block,
        vjp=lambda g, y, x, begin, size: g.sd.index_scatter(g, x, key=_block_key(begin, size)),
        reach=LINEAR,
    )
    def slice(self, x: Operand, begin: Sequence[int], size: Sequence[int], *, name: str | None = None) -> SDVariable:
        """The block of ``size`` that starts at ``begin``; a size of -1 reaches to the end.

        Raises:
            ArgumentError: If the block does not lie inside ``x``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.slice([[1.0, 2.0], [3.0, 4.0]], (0, 1), (2, 1)).eval()
            array([[2.],
                   [4.]])
        """
        return self.sd.index(x, key=_block_key(begin, size))

    @composite(vjp=lambda g, y, x, **attrs: g.sd.index_scatter(g, x, key=_strided_key(**attrs)), reach=LINEAR)
    def strided_slice(
        self,
        x: Operand,
        begin: Sequence[int],
        end: Sequence[int],
        strides: Sequence[int] | None = None,
        begin_mask: int = 0,
        end_mask: int = 0,
        ellipsis_mask: int = 0,
        new_axis_mask: int = 0,
        shrink_axis_mask: int = 0,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``x[begin:end:strides]`` along the first axes, with the meaning of Python's slices.

        Args:
            begin_mask: Bit k set: ignore ``begin[k]`` and start at the first element.
            end_mask: Bit k set: ignore ``end[k]`` and run to the last element.
            ellipsis_mask: Bit k set: entry k stands for all axes in between.
            new_axis_mask: Bit k set: entry k inserts an axis of size 1.
            shrink_axis_mask: Bit k set: take ``begin[k]`` alone and drop the axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.strided_slice([1.0, 2.0, 3.0, 4.0], (0,), (4,), (2,)).eval()
            array([1., 3.])
        """
        masks = begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask
        return self.sd.index(x, key=_strided_key(begin, end, strides, *masks))

    @primitive(
        infer=_gathered,
        kernel=_gather,
        vjp=lambda g, y, x, indices, axis: (
            g.sd.scatter_add(g.sd.zeros_like(x, g.dtype), indices, g, axis),
            None,
        ),
        reach=LINEAR,
        literals=_INDICES,
        reads=form("%s_{%s}", ATOM, (ATOM, RELATION)),
    )
    def gather(self, x: Operand, indices: Operand, axis: int = 0, *, name: str | None = None) -> SDVariable:
        """The slices of ``x`` along ``axis`` that ``indices`` name, in that order.

        Returns:
            Shape ``x.shape[:axis] + indices.shape + x.shape[axis + 1:]``.

        Raises:
            LabelError: At run time, for an index outside ``0 ... x.shape[axis] - 1``.

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
        literals=_INDICES,
    )
    def gather_nd(self, x: Operand, indices: Operand, *, name: str | None = None) -> SDVariable:
        """The slices of ``x`` whose leading coordinates are the rows of ``indices``.

        Args:
            indices: Shape ``(..., k)``: each row addresses the first k axes of ``x``.

        Returns:
            Shape ``indices.shape[:-1] + x.shape[k:]``.

        Raises:
            LabelError: At run time, for an index out of range.

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
        literals=_INDICES,
    )
    def take_along_axis(self, x: Operand, indices: Operand, axis: int = -1, *, name: str | None = None) -> SDVariable:
        """One element of ``x`` per index: ``y[i, j] = x[i, indices[i, j]]`` for ``axis=1``.

        Args:
            indices: Shape of ``x`` but for ``axis``.

        Raises:
            LabelError: At run time, for an index out of range.

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
        literals=_INDICES,
        total=total_of_added,
    )
    def add_along_axis(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = -1, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with each update added where its index points along ``axis``; repeated indices add up.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.add_along_axis([[0.0, 0.0, 0.0]], [[1, 1]], [[2.0, 3.0]], axis=1).eval()
            array([[0., 5., 0.]])
        """
        ...

    @primitive(
        infer=_scattered,
        kernel=_scatter(add_at),
        vjp=lambda g, y, ref, indices, updates, axis: (g, None, g.sd.gather(g, indices, axis)),
        reach=LINEAR,
        literals=_INDICES,
        total=total_of_added,
    )
    def scatter_add(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with ``updates`` added to the slices that ``indices`` name; repeated indices add up.

        Args:
            updates: Shape ``ref.shape[:axis] + indices.shape + ref.shape[axis + 1:]``.

        Raises:
            LabelError: At run time, for an index out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_add([1.0, 1.0, 1.0], [0, 2, 2], [1.0, 2.0, 3.0]).eval()
            array([2., 1., 6.])
        """
        ...

    @primitive(
        infer=_scattered,
        kernel=_scatter(_set_at),
        vjp=_scatter_update_vjp,
        reach=LINEAR,
        literals=_INDICES,
    )
    def scatter_update(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with the slices that ``indices`` name replaced by ``updates``; of repeated ones the last counts.

        Raises:
            LabelError: At run time, for an index out of range.

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
        literals=_INDICES,
    )
    def last_occurrence(self, indices: Operand, *, name: str | None = None) -> SDVariable:
        """Whether each value is not repeated later, in row order.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.last_occurrence([3, 1, 3]).eval()
            array([False,  True,  True])
        """
        ...

    @primitive(
        infer=_scattered_nd,
        kernel=_scatter_nd_add,
        vjp=lambda g, y, ref, indices, updates: (g, None, g.sd.gather_nd(g, indices)),
        reach=LINEAR,
        literals=_INDICES,
        total=total_of_added,
    )
    def scatter_nd_add(
        self, ref: Operand, indices: Operand, updates: Operand, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with ``updates`` added to the slices whose coordinates are the rows of ``indices``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_nd_add([[0.0, 0.0], [0.0, 0.0]], [[0, 1], [0, 1]], [1.0, 2.0]).eval()
            array([[0., 3.],
                   [0., 0.]])
        """
        ...

    @primitive(
        infer=_segmented,
        kernel=_sorted_segment_sum,
        vjp=lambda g, y, data, segment_ids, num_segments: (g.sd.gather(g, segment_ids), None),
        reach=LINEAR,
        literals=_SEGMENTS,
    )
    def segment_sum(
        self, data: Operand, segment_ids: Operand, num_segments: int, *, name: str | None = None
    ) -> SDVariable:
        """Sum of the rows of each segment; the ids are sorted.

        Args:
            segment_ids: One id per row.
            num_segments: Number of segments: shapes do not depend on values.

        Raises:
            LabelError: At run time, if ids are not sorted or out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.segment_sum([1.0, 2.0, 4.0], [0, 0, 1], 2).eval()
            array([3., 4.])
        """
        ...

    @primitive(
        infer=_segmented,
        kernel=_segment_sum,
        vjp=lambda g, y, data, segment_ids, num_segments: (g.sd.gather(g, segment_ids), None),
        reach=LINEAR,
        literals=_SEGMENTS,
    )
    def unsorted_segment_sum(
        self, data: Operand, segment_ids: Operand, num_segments: int, *, name: str | None = None
    ) -> SDVariable:
        """Sum of the rows of each segment, ids in any order; empty segments are 0.

        Raises:
            LabelError: At run time, for an id outside ``0 ... num_segments - 1``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.unsorted_segment_sum([1.0, 2.0, 4.0], [2, 0, 2], 3).eval()
            array([2., 0., 5.])
        """
        ...


__all__ = ["SDIndexing", "check_range"]
