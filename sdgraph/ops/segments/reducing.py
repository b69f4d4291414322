"""Segments reduced to one row each: the largest, the smallest, the mean, the product.

The forms of SameDiff with sorted ids give 0 where a segment is empty, for the product 1. Must not know losses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval
from sdgraph.ops.indexing import SEGMENTS, SHARED, check_range, check_sorted, one_above, segmented
from sdgraph.ops.precision import cast_to, wide
from sdgraph.ops.reductions import working_dtype
from sdgraph.ops.segments.within import as_rows, ordered, product_of_others

if TYPE_CHECKING:
    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand


def _extreme(data: Aval, segment_ids: Aval, *, num_segments: int | None) -> Aval:
    """One row per segment, the same dtype.

    Returns:
        One row per segment, of the shape of a row of the data; the same dtype.

    Raises:
        DTypeError: If the ids are not integers, or the data complex.
        ShapeError: If there is not one id per row.
        ArgumentError: If ``num_segments`` is negative or no whole number.
        ArgumentTypeError: If it is left out, and the ids are no constant.
        LabelError: At run time, for an id outside ``0 ... num_segments - 1``.
    """
    if data.dtype.kind == "c":
        raise DTypeError("Complex numbers have no largest or smallest one.", given=data.dtype.name)
    return Aval(segmented(data, segment_ids, num_segments=num_segments).shape, data.dtype)


def finite_end(dtype: np.dtype[Any], largest: bool) -> Any:
    """The largest finite number of a dtype, or the smallest."""
    if dtype.kind == "b":
        return largest
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return limits.max if largest else limits.min


def _combined(ufunc: np.ufunc, data: Any, segment_ids: Any, n: int, empty: Any, dtype: np.dtype[Any]) -> Any:
    """The rows of each segment combined, ``empty`` where there are none."""
    check_range(np, segment_ids, n, "Segment id")
    order = ordered(segment_ids)
    rest = data.shape[segment_ids.ndim :]
    out = np.full((n, math.prod(rest)), empty, dtype)
    if order.rows.size:
        rows = as_rows(data, order.rows.size)[order.rows]
        found = ufunc.reduceat(rows, order.starts, axis=0, dtype=wide(dtype))
        out[order.ids[order.starts]] = found.astype(dtype, copy=False)
    return np.reshape(out, (n, *rest))


def _extreme_kernel(ufunc: np.ufunc, empty: Callable[[np.dtype[Any]], Any], unsorted: str | None = None) -> Any:
    def kernel(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
        if unsorted is not None:
            check_sorted(xp, segment_ids, unsorted)
        return _combined(ufunc, data, segment_ids, num_segments, empty(data.dtype), data.dtype)

    return kernel


def _product_kernel(unsorted: str | None = None) -> Any:
    def kernel(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
        if unsorted is not None:
            check_sorted(xp, segment_ids, unsorted)
        return _combined(np.multiply, data, segment_ids, num_segments, 1, shapes.sum_dtype(data.dtype))

    return kernel


def _extreme_vjp(
    g: SDVariable, y: SDVariable, data: SDVariable, segment_ids: SDVariable, num_segments: int
) -> tuple[SDVariable, None]:
    """Each of n tied entries gets g / n."""
    sd = g.sd
    tied = sd.cast(sd.eq(data, sd.gather(y, segment_ids)), working_dtype(data).wide)
    n = sd.unsorted_segment_sum(tied, segment_ids, num_segments)
    return tied * (sd.gather(g, segment_ids) / sd.gather(n, segment_ids)), None


def _reach(
    mask: Mask, y: SDVariable, data: SDVariable, segment_ids: SDVariable, num_segments: int
) -> tuple[Mask, None]:
    """All rows of a segment count if its result does."""
    return mask.moved(lambda c: c.sd.gather(c.sd.broadcast_like(c, y), segment_ids)), None


def _averaged(
    total: Any, data: SDVariable, segment_ids: SDVariable, num_segments: int | None, divisor: Any
) -> SDVariable:
    """Sums of segments divided by what ``divisor`` makes of their numbers of rows, at least 1."""
    sd, work = data.sd, working_dtype(data)
    counts = sd.unsorted_segment_sum(sd.ones_like(segment_ids, work.wide), segment_ids, num_segments)
    counts = divisor(sd.math.max(counts, 1))
    rest = data.ndim - segment_ids.ndim
    if rest:
        counts = sd.expand_dims(counts, tuple(range(1, rest + 1)))
    return cast_to(total(cast_to(data, work.wide), segment_ids, num_segments) / counts, work.narrow)


_SETTLE: Final = one_above("num_segments", 1)


def _zero(dtype: np.dtype[Any]) -> Any:
    return 0


class SDSegments(Namespace, prefix="", shared=SHARED):
    """Segments of the base namespace."""

    @primitive(
        infer=_extreme,
        kernel=_extreme_kernel(np.maximum, _zero, "unsorted_segment_max"),
        vjp=_extreme_vjp,
        reach=_reach,
        literals=SEGMENTS,
        settle=_SETTLE,
    )
    def segment_max(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Largest value of each segment, entry by entry; the ids are sorted. Empty segments are 0.

        Entries that are equal and the largest share the gradient evenly.

        Args:
            segment_ids: One integer per row, sorted.

        Raises:
            LabelError: At run time, if ids are not sorted or out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.segment_max([1.0, 5.0, 4.0], [0, 0, 1]).eval()
            array([5., 4.])
        """
        ...

    @primitive(
        infer=_extreme,
        kernel=_extreme_kernel(np.minimum, _zero, "unsorted_segment_min"),
        vjp=_extreme_vjp,
        reach=_reach,
        literals=SEGMENTS,
        settle=_SETTLE,
    )
    def segment_min(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Smallest value of each segment, entry by entry; the ids are sorted. Empty segments are 0.

        Entries that are equal and the smallest share the gradient evenly.

        Args:
            segment_ids: One integer per row, sorted.

        Raises:
            LabelError: At run time, if ids are not sorted or out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.segment_min([1.0, 5.0, 4.0], [0, 0, 1]).eval()
            array([1., 4.])
        """
        ...

    @composite(literals=SEGMENTS, settle=_SETTLE)
    def segment_mean(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Mean of the rows of each segment; the ids are sorted. Empty segments are 0.

        Args:
            segment_ids: One integer per row, sorted.

        Returns:
            One row per segment, of the shape of a row of the data; float64 for integers and bools, else the same dtype.

        Raises:
            DTypeError: If the ids are not integers.
            ShapeError: If there is not one id per row.
            ArgumentError: If ``num_segments`` is negative or no whole number.
            ArgumentTypeError: If it is left out, and the ids are no constant.
            LabelError: At run time, if ids are not sorted or out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.segment_mean([1.0, 2.0, 4.0], [0, 0, 1]).eval()
            array([1.5, 4. ])
        """
        sd = self.sd
        data, ids = sd.as_variable(data), sd.as_variable(segment_ids)
        return _averaged(sd.segment_sum, data, ids, num_segments, lambda n: n)

    @primitive(
        infer=segmented,
        kernel=_product_kernel("unsorted_segment_prod"),
        vjp=lambda g, y, data, segment_ids, num_segments: (
            g.sd.gather(g, segment_ids) * product_of_others(data, segment_ids),
            None,
        ),
        reach=_reach,
        literals=SEGMENTS,
        settle=_SETTLE,
    )
    def segment_prod(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Product of the rows of each segment; the ids are sorted. Empty segments are 1.

        Gradients of any order are right where entries are 0.

        Args:
            segment_ids: One integer per row, sorted.

        Raises:
            LabelError: At run time, if ids are not sorted or out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.segment_prod([3.0, 2.0, 4.0], [0, 0, 1]).eval()
            array([6., 4.])
        """
        ...

    @primitive(
        infer=_extreme,
        kernel=_extreme_kernel(np.maximum, lambda dtype: finite_end(dtype, False)),
        vjp=_extreme_vjp,
        reach=_reach,
        literals=SEGMENTS,
        settle=_SETTLE,
    )
    def unsorted_segment_max(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Largest value of each segment, ids in any order; in empty ones the smallest finite number of the dtype.

        Entries that are equal and the largest share the gradient evenly.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.unsorted_segment_max([1.0, 5.0, 4.0], [1, 0, 1], 2).eval()
            array([5., 4.])
        """
        ...

    @primitive(
        infer=_extreme,
        kernel=_extreme_kernel(np.minimum, lambda dtype: finite_end(dtype, True)),
        vjp=_extreme_vjp,
        reach=_reach,
        literals=SEGMENTS,
        settle=_SETTLE,
    )
    def unsorted_segment_min(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Smallest value of each segment, ids in any order; in empty ones the largest finite number of the dtype.

        Entries that are equal and the smallest share the gradient evenly.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.unsorted_segment_min([1.0, 5.0, 4.0], [1, 0, 1], 2).eval()
            array([5., 1.])
        """
        ...

    @composite(literals=SEGMENTS, settle=_SETTLE)
    def unsorted_segment_mean(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Mean of the rows of each segment, ids in any order; empty segments are 0.

        Returns:
            One row per segment, of the shape of a row of the data; float64 for integers and bools, else the same dtype.

        Raises:
            DTypeError: If the ids are not integers.
            ShapeError: If there is not one id per row.
            ArgumentError: If ``num_segments`` is negative or no whole number.
            ArgumentTypeError: If it is left out, and the ids are no constant.
            LabelError: At run time, for an id outside ``0 ... num_segments - 1``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.unsorted_segment_mean([1.0, 2.0, 4.0], [2, 0, 2], 3).eval()
            array([2. , 0. , 2.5])
        """
        sd = self.sd
        data, ids = sd.as_variable(data), sd.as_variable(segment_ids)
        return _averaged(sd.unsorted_segment_sum, data, ids, num_segments, lambda n: n)

    @composite(literals=SEGMENTS, settle=_SETTLE)
    def unsorted_segment_sqrt_n(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Sum of the rows of each segment, divided by the root of their number; empty segments are 0.

        Returns:
            One row per segment, of the shape of a row of the data; float64 for integers and bools, else the same dtype.

        Raises:
            DTypeError: If the ids are not integers.
            ShapeError: If there is not one id per row.
            ArgumentError: If ``num_segments`` is negative or no whole number.
            ArgumentTypeError: If it is left out, and the ids are no constant.
            LabelError: At run time, for an id outside ``0 ... num_segments - 1``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.unsorted_segment_sqrt_n([1.0, 1.0, 1.0, 1.0, 3.0], [0, 0, 0, 0, 1], 2).eval()
            array([2., 3.])
        """
        sd = self.sd
        data, ids = sd.as_variable(data), sd.as_variable(segment_ids)
        return _averaged(sd.unsorted_segment_sum, data, ids, num_segments, sd.math.sqrt)

    @primitive(
        infer=segmented,
        kernel=_product_kernel(),
        vjp=lambda g, y, data, segment_ids, num_segments: (
            g.sd.gather(g, segment_ids) * product_of_others(data, segment_ids),
            None,
        ),
        reach=_reach,
        literals=SEGMENTS,
        settle=_SETTLE,
    )
    def unsorted_segment_prod(
        self, data: Operand, segment_ids: Operand, num_segments: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Product of the rows of each segment, ids in any order; empty segments are 1.

        Gradients of any order are right where entries are 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.unsorted_segment_prod([3.0, 2.0, 4.0], [2, 0, 2], 3).eval()
            array([ 2.,  1., 12.])
        """
        ...
