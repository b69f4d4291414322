"""Arrays changed at places: updates subtracted, multiplied, divided by, or kept where they are larger or smaller.

Updates to one place take effect one after the other. Sums and plain replacement are in `sdgraph.ops.indexing`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR
from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError
from sdgraph.infer.aval import Aval, promote, ufunc_dtype
from sdgraph.ops.indexing import (
    INDICES,
    SHARED,
    change_at,
    check_range,
    coordinates,
    scattered,
    scattered_nd,
    set_at,
)
from sdgraph.ops.reductions import working_dtype
from sdgraph.ops.segments.within import product_of_others

if TYPE_CHECKING:
    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand


# ---------------------------------------------------------------------- shape rules


def _divided(ref: Aval, indices: Aval, updates: Aval, *, axis: int) -> Aval:
    """The shape of ``ref``, the dtype of a quotient.

    Returns:
        The shape of ``ref``, the dtype of ``numpy.divide``.

    Raises:
        ShapeError: If the updates do not have the shape that `gather` picks out.
        DTypeError: If the indices are not integers.
        ArgumentError: If there is no such axis.
        LabelError: At run time, for an index out of range.
    """
    out = scattered(ref, indices, updates, axis=axis)
    return Aval(out.shape, ufunc_dtype(np.true_divide, (ref.dtype, updates.dtype)))


def _ordered(ref: Aval, indices: Aval, updates: Aval, *, axis: int) -> Aval:
    """The shape of ``ref``; complex numbers are refused.

    Returns:
        The shape of ``ref``, the promoted dtype of it and the updates.

    Raises:
        ShapeError: If the updates do not have the shape that `gather` picks out.
        DTypeError: If the indices are not integers, or the rest is complex.
        ArgumentError: If there is no such axis.
        LabelError: At run time, for an index out of range.
    """
    out = scattered(ref, indices, updates, axis=axis)
    if out.dtype.kind == "c":
        raise DTypeError("Complex numbers have no largest or smallest one.", given=out.dtype.name)
    return out


# ---------------------------------------------------------------------- kernels


def _changed(ufunc: np.ufunc, dtype_of: Any = np.result_type) -> Any:
    def kernel(xp: Any, ref: Any, indices: Any, updates: Any, *, axis: int) -> Any:
        check_range(xp, indices, ref.shape[axis], "Index")
        at = (slice(None),) * (axis % ref.ndim) + (indices,)
        return change_at(ufunc, ref, at, updates, dtype_of(ref, updates))

    return kernel


def _quotient_dtype(ref: Any, updates: Any) -> np.dtype[Any]:
    return ufunc_dtype(np.true_divide, (ref.dtype, updates.dtype))


def _set_nd(xp: Any, ref: Any, indices: Any, updates: Any) -> Any:
    if indices.shape[-1]:
        return set_at(xp, ref, coordinates(xp, ref, indices), updates)
    all_of_it = np.reshape(updates, (math.prod(indices.shape[:-1]), *ref.shape))
    return np.array(all_of_it[-1] if len(all_of_it) else ref, np.result_type(ref, updates))


# ---------------------------------------------------------------------- gradients


def _reach(
    mask: Mask, y: SDVariable, ref: SDVariable, indices: SDVariable, updates: SDVariable, axis: int
) -> tuple[Mask, None, Mask]:
    """An update counts if its place does."""
    return mask, None, mask.moved(lambda c: c.sd.gather(c.sd.broadcast_like(c, y), indices, axis))


def _others(updates: SDVariable, indices: SDVariable, axis: int) -> SDVariable:
    """For each update the product of all others to its place."""
    if axis == 0:
        return product_of_others(updates, indices)
    sd, m = updates.sd, indices.ndim
    order = [*range(axis, axis + m), *range(axis), *range(axis + m, updates.ndim)]
    out = product_of_others(sd.permute(updates, order), indices)
    return sd.permute(out, np.argsort(order).tolist())


def _mul_vjp(
    g: SDVariable, y: SDVariable, ref: SDVariable, indices: SDVariable, updates: SDVariable, axis: int
) -> tuple[SDVariable, None, SDVariable]:
    sd, axis = g.sd, axis % ref.ndim
    along = sd.gather(g * ref, indices, axis) * _others(updates, indices, axis)
    return sd.scatter_mul(g, indices, updates, axis), None, along


def _div_vjp(
    g: SDVariable, y: SDVariable, ref: SDVariable, indices: SDVariable, updates: SDVariable, axis: int
) -> tuple[SDVariable, None, SDVariable]:
    sd = g.sd
    return sd.scatter_div(g, indices, updates, axis), None, -sd.gather(g * y, indices, axis) / updates


def _extreme_vjp(
    g: SDVariable, y: SDVariable, ref: SDVariable, indices: SDVariable, updates: SDVariable, axis: int
) -> tuple[SDVariable, None, SDVariable]:
    """Of what was there and the updates of a place, each of the n that are equal to the result gets g / n."""
    sd, work = g.sd, working_dtype(y).wide
    kept = sd.cast(sd.eq(ref, y), work)
    taken = sd.cast(sd.eq(updates, sd.gather(y, indices, axis)), work)
    each = g / sd.scatter_add(kept, indices, taken, axis)
    return kept * each, None, taken * sd.gather(each, indices, axis)


def _flat_places(ref: SDVariable, indices: SDVariable) -> SDVariable:
    """Each row of coordinates as one number."""
    sd, depth = ref.sd, indices.shape[-1]
    flat = sd.sum(sd.cast(indices, "int64")[..., :0], -1)
    for k in range(depth):  # type: ignore[arg-type]
        flat = flat * sd.axis_size(ref, k, "int64") + sd.cast(indices[..., k], "int64")
    return flat


def _set_nd_vjp(
    g: SDVariable, y: SDVariable, ref: SDVariable, indices: SDVariable, updates: SDVariable
) -> tuple[SDVariable, None, SDVariable]:
    """Of updates to the same place only the last one counts."""
    sd = g.sd
    last = sd.last_occurrence(_flat_places(ref, indices))
    rest = updates.ndim - last.ndim
    last = sd.expand_dims(last, tuple(range(last.ndim, updates.ndim))) if rest else last
    there = sd.where(last, sd.gather_nd(g, indices), 0.0)
    return sd.scatter_nd_update(g, indices, sd.zeros_like(updates)), None, there


def _minus(updates: Any, ref: Any) -> SDVariable:
    """The updates with the other sign, in the dtype of the result: an unsigned one has no negative numbers."""
    dtype = promote(ref.dtype, updates.dtype)
    return -(updates if updates.dtype == dtype else updates.sd.cast(updates, dtype))


class SDScattering(Namespace, prefix="", shared=SHARED):
    """Changes at places of the base namespace."""

    @composite(literals=INDICES)
    def scatter_sub(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` less ``updates`` at the slices that ``indices`` name; each of repeated indices subtracts.

        Args:
            updates: Shape ``ref.shape[:axis] + indices.shape + ref.shape[axis + 1:]``.
            axis: The axis that the indices count along.

        Returns:
            The shape of ``ref``, the promoted dtype of it and the updates.

        Raises:
            ShapeError: If the updates do not have the shape that `gather` picks out.
            DTypeError: If the indices are not integers, or the updates bools.
            ArgumentError: If there is no such axis.
            LabelError: At run time, for an index out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_sub([1.0, 1.0, 9.0], [0, 2, 2], [1.0, 2.0, 3.0]).eval()
            array([0., 1., 4.])
        """
        sd = self.sd
        return sd.scatter_add(ref, indices, _minus(sd.as_variable(updates), sd.as_variable(ref)), axis)

    @primitive(
        infer=scattered,
        kernel=_changed(np.multiply),
        vjp=_mul_vjp,
        reach=_reach,
        literals=INDICES,
    )
    def scatter_mul(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` times ``updates`` at the slices that ``indices`` name; each of repeated indices multiplies.

        Gradients of any order are right where updates are 0.

        Args:
            updates: Shape ``ref.shape[:axis] + indices.shape + ref.shape[axis + 1:]``.
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_mul([1.0, 1.0, 2.0], [0, 2, 2], [4.0, 2.0, 3.0]).eval()
            array([ 4.,  1., 12.])
        """
        ...

    @primitive(
        infer=_divided,
        kernel=_changed(np.true_divide, _quotient_dtype),
        vjp=_div_vjp,
        reach=_reach,
        literals=INDICES,
        domain=(0.5, 2.0),
    )
    def scatter_div(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` divided by ``updates`` at the slices that ``indices`` name; each of repeated indices divides.

        Args:
            updates: Shape ``ref.shape[:axis] + indices.shape + ref.shape[axis + 1:]``.
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_div([1.0, 1.0, 12.0], [0, 2, 2], [4.0, 2.0, 3.0]).eval()
            array([0.25, 1.  , 2.  ])
        """
        ...

    @primitive(
        infer=_ordered,
        kernel=_changed(np.maximum),
        vjp=_extreme_vjp,
        reach=_reach,
        literals=INDICES,
    )
    def scatter_max(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """The larger of ``ref`` and ``updates`` at the slices that ``indices`` name; of repeated indices the largest.

        What was there and updates that are equal and the largest share the gradient evenly.

        Args:
            updates: Shape ``ref.shape[:axis] + indices.shape + ref.shape[axis + 1:]``.
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_max([1.0, 1.0, 9.0], [0, 2, 2], [4.0, 2.0, 3.0]).eval()
            array([4., 1., 9.])
        """
        ...

    @primitive(
        infer=_ordered,
        kernel=_changed(np.minimum),
        vjp=_extreme_vjp,
        reach=_reach,
        literals=INDICES,
    )
    def scatter_min(
        self, ref: Operand, indices: Operand, updates: Operand, axis: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """The smaller of ``ref`` and ``updates`` at the slices that ``indices`` name; of repeated indices the smallest.

        What was there and updates that are equal and the smallest share the gradient evenly.

        Args:
            updates: Shape ``ref.shape[:axis] + indices.shape + ref.shape[axis + 1:]``.
            axis: The axis that the indices count along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_min([1.0, 1.0, 9.0], [0, 2, 2], [4.0, 2.0, 3.0]).eval()
            array([1., 1., 2.])
        """
        ...

    @composite(literals=INDICES)
    def scatter_nd_sub(
        self, ref: Operand, indices: Operand, updates: Operand, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` less ``updates`` at the slices whose coordinates are the rows of ``indices``.

        Args:
            indices: Shape ``(..., k)``: each row addresses the first k axes of ``ref``.

        Returns:
            The shape of ``ref``, the promoted dtype of it and the updates.

        Raises:
            DTypeError: If the indices are not integers, or the updates bools.
            ShapeError: If the updates do not have the shape that `gather_nd` picks out.
            LabelError: At run time, for an index out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_nd_sub([[0.0, 9.0], [0.0, 0.0]], [[0, 1], [0, 1]], [1.0, 2.0]).eval()
            array([[0., 6.],
                   [0., 0.]])
        """
        sd = self.sd
        return sd.scatter_nd_add(ref, indices, _minus(sd.as_variable(updates), sd.as_variable(ref)))

    @primitive(
        infer=scattered_nd,
        kernel=_set_nd,
        vjp=_set_nd_vjp,
        reach=LINEAR,
        literals=INDICES,
    )
    def scatter_nd_update(
        self, ref: Operand, indices: Operand, updates: Operand, *, name: str | None = None
    ) -> SDVariable:
        """``ref`` with the slices whose coordinates are the rows of ``indices`` replaced by ``updates``.

        Of repeated rows the last one counts, for the gradient too.

        Args:
            indices: Shape ``(..., k)``: each row addresses the first k axes of ``ref``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.scatter_nd_update([[0.0, 0.0], [0.0, 0.0]], [[0, 1], [0, 1]], [1.0, 2.0]).eval()
            array([[0., 2.],
                   [0., 0.]])
        """
        ...
