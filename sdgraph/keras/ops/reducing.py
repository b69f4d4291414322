"""Reductions over axes: sums, means, extremes, their places, order statistics, norms, running sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sdgraph.checks import whole
from sdgraph.errors import ArgumentError, shown
from sdgraph.keras.ops.axes import in_order, one_axis
from sdgraph.keras.ops.operation import Tensor, arithmetic, on_floats, operation

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import SDVariable

Axis: TypeAlias = int | Sequence[int] | None


def counted(x: SDVariable) -> SDVariable:
    """The operand in a dtype that it can be added up in: small integers and bools as int32, as Keras has it."""
    wanted = {"b": "int32", "i": "int32", "u": "uint32"}.get(x.dtype.kind, x.dtype)
    return x if x.dtype.itemsize >= np.dtype(wanted).itemsize and x.dtype.kind != "b" else x.sd.cast(x, wanted)


def as_counted(out: SDVariable, x: SDVariable) -> SDVariable:
    """A sum of integers in the dtype of its terms."""
    return out if out.dtype == x.dtype else out.sd.cast(out, x.dtype)


@operation
def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over axes, or over all (None)."""
    x = counted(x)
    return as_counted(x.sd.sum(x, axis, keepdims), x)


@operation
def prod(x: Tensor, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike | None = None) -> Any:
    """The product over axes, or over all (None)."""
    x = counted(x) if dtype is None else x.sd.cast_to(x, dtype)
    return as_counted(x.sd.prod(x, axis, keepdims), x)


@on_floats
def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over axes, or over all (None)."""
    return x.sd.mean(x, axis, keepdims)


@on_floats
def var(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """The variance over axes, or over all (None): the mean square of the distances from the mean."""
    return x.sd.variance(x, axis, keepdims=keepdims)


@on_floats
def std(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """The square root of `var`."""
    return x.sd.standard_deviation(x, axis, keepdims=keepdims)


@arithmetic
def max(x: Tensor, axis: Axis = None, keepdims: bool = False, initial: Tensor = None) -> Any:
    """The largest entry over axes, or over all (None), and not less than ``initial``.

    Several equal ones share the gradient evenly.
    """
    out = x.sd.max(x, axis, keepdims)
    return out if initial is None else x.sd.math.maximum(out, initial)


@arithmetic
def min(x: Tensor, axis: Axis = None, keepdims: bool = False, initial: Tensor = None) -> Any:
    """The smallest entry over axes, or over all (None), and not more than ``initial``."""
    out = x.sd.min(x, axis, keepdims)
    return out if initial is None else x.sd.math.minimum(out, initial)


@operation
def amax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """As `max`."""
    return x.sd.max(x, axis, keepdims)


@operation
def amin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """As `min`."""
    return x.sd.min(x, axis, keepdims)


@operation
def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the largest entry along an axis, or in the flattened array (None), as int32: the first of equals."""
    return x.sd.cast_to(x.sd.argmax(x, axis, keepdims), "int32")


@operation
def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the smallest entry; else as `argmax`."""
    return x.sd.cast_to(x.sd.argmin(x, axis, keepdims), "int32")


@operation
def all(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether every entry is true; numbers are if they are not 0."""
    return x.sd.all(x, axis, keepdims)


@operation
def any(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether one entry is true, or more."""
    return x.sd.any(x, axis, keepdims)


@operation
def count_nonzero(x: Tensor, axis: Axis = None) -> Any:
    """How many entries are not 0, as int32."""
    return x.sd.cast_to(x.sd.math.count_non_zero(x, axis), "int32")


@on_floats
def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))``, which does not overflow."""
    return x.sd.math.log_sum_exp(x, axis, keepdims)


@on_floats
def average(x: Tensor, axis: int | None = None, weights: Tensor = None) -> Any:
    """The mean over an axis, each entry as often as its weight says; weights of rank 1 lie along the axis."""
    sd = x.sd
    if weights is None:
        return sd.mean(x, axis)
    if weights.ndim == 1 and x.ndim > 1 and axis is not None:
        place = one_axis(whole("axis", axis), x.ndim)
        weights = sd.reshape(weights, [-1 if k == place else 1 for k in range(x.ndim)])
    weights = weights + sd.zeros_like(x)
    return sd.sum(x * weights, axis) / sd.sum(weights, axis)


@on_floats
def median(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """The middle entry over axes, or the mean of the two in the middle."""
    return x.sd.math.median(x, axis, keepdims)


@on_floats
def quantile(
    x: Tensor,
    q: float | Sequence[float],
    axis: Axis = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """What the share ``q`` of the entries does not exceed; several shares come along a new first axis.

    Args:
        x: A variable or an array.
        q: Numbers from 0 to 1.
        axis: What to order; None for all.
        method: Between two entries: ``"linear"``, ``"lower"``, ``"higher"``, ``"midpoint"`` or ``"nearest"``.
        keepdims: Whether the axes stay with size 1.
    """
    return x.sd.math.quantile(x, q, axis, keepdims, method)


@operation
def cumsum(x: Tensor, axis: int | None = None, dtype: DTypeLike | None = None) -> Any:
    """Running sums along an axis, or of the flattened array (None)."""
    x = x.sd.cast_to(x, dtype) if dtype is not None else counted(x)
    x, axis = (x.sd.reshape(x, -1), 0) if axis is None else (x, axis)
    return as_counted(x.sd.cumsum(x, axis), x)


@operation
def cumprod(x: Tensor, axis: int | None = None, dtype: DTypeLike | None = None) -> Any:
    """Running products along an axis, or of the flattened array (None)."""
    x = x.sd.cast_to(x, dtype) if dtype is not None else counted(x)
    x, axis = (x.sd.reshape(x, -1), 0) if axis is None else (x, axis)
    return as_counted(x.sd.cumprod(x, axis), x)


@on_floats
def norm(x: Tensor, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The norm of vectors along an axis, or of matrices along two.

    Args:
        x: A variable or an array.
        ord: Of vectors any number (2 without one), ``np.inf`` for the largest size, 0 for the number of nonzeros; of
            matrices ``"fro"`` (without one), 1, -1, ``np.inf``, ``-np.inf``, or, of the last two axes, 2, -2 and
            ``"nuc"``.
        axis: One axis or two; None for the whole, flattened if ``ord`` is None.
        keepdims: Whether the axes stay with size 1.

    Raises:
        ArgumentError: For an order that there is not.
    """
    if ord is None:
        return x.sd.norm2(x, axis, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else in_order(axis, x.ndim)
    if len(axes) == 1 and not isinstance(ord, str):
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ArgumentError("A norm is of vectors or of matrices.", given=f"ord={shown(ord)}, axis={shown(axis)}")


def _vector_norm(x: SDVariable, order: Any, axes: tuple[int, ...], keepdims: bool) -> SDVariable:
    sd, size = x.sd, x.sd.math.abs(x)
    if order in (np.inf, -np.inf):
        return (sd.max if order > 0 else sd.min)(size, axes, keepdims)
    if order == 0:
        return sd.cast(sd.math.count_non_zero(x, axes, keepdims), x.dtype)
    if order == 1:
        return sd.norm1(x, axes, keepdims)
    if order == 2:
        return sd.norm2(x, axes, keepdims)
    return sd.math.pow(sd.sum(sd.math.pow(size, float(order)), axes, keepdims), 1.0 / order)


def _matrix_norm(x: SDVariable, order: Any, axes: tuple[int, ...], keepdims: bool) -> SDVariable:
    sd = x.sd
    if order == "fro":
        return sd.norm2(x, axes, keepdims)
    if order in (1, -1, np.inf, -np.inf):
        rows, columns = axes if abs(order) == 1 else axes[::-1]
        sums = sd.sum(sd.math.abs(x), rows, True)
        out = (sd.max if order > 0 else sd.min)(sums, columns, True)
    elif order in (2, -2, "nuc"):
        others = [k for k in range(x.ndim) if k not in axes]
        values = sd.linalg.svd(sd.permute(x, [*others, *axes]), False, False)
        out = {2: sd.max, -2: sd.min, "nuc": sd.sum}[order](values, -1)
        out = sd.expand_dims(out, axes)
    else:
        raise ArgumentError("There is no such norm of matrices.", given=f"ord={shown(order)}")
    return out if keepdims else sd.squeeze(out, axes)


__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "average",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "logsumexp",
    "max",
    "mean",
    "median",
    "min",
    "norm",
    "prod",
    "quantile",
    "std",
    "sum",
    "var",
]
