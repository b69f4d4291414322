"""Operands, weights, masks and reductions as Keras means them, once for all of its losses.

Knows which shapes go together. Must not know any loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from sdgraph.build.annotations import means
from sdgraph.build.kinds import AnyGraph
from sdgraph.build.namespace import GraphLike
from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of
from sdgraph.errors import ArgumentError, DTypeError, ShapeError, shown
from sdgraph.infer.aval import Dim, Shape, normalize_axis, shape_str
from sdgraph.infer.shapes import known_to_differ, one_axis, same_sizes
from sdgraph.ops.losses.reduction import LossReduce, reduce_loss
from sdgraph.ops.precision import cast_to, wide

if TYPE_CHECKING:
    from collections.abc import Sequence


EPSILON = 1e-7
"""Keras' smallest probability, norm and denominator."""

ReductionName: TypeAlias = Literal["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none"]
Reduction: TypeAlias = "ReductionName | str | None"
"""How losses become one number; a text, because settings of losses are read from files."""

means("ReductionName", ReductionName)
means("Reduction", Reduction)
"""What the argument ``reduction`` may be."""

Traced: TypeAlias = Any
"""An operand inside the body of an op: a variable there, or None, whatever the op's signature lets users pass."""

_MEAN_BY_WEIGHT = "mean_with_sample_weight"

# How unreduced losses change shape to go with weights that have a last axis of size 1 more or less than they.
_AS_COLUMN, _WITHOUT_LAST, _SPREAD = "as column", "without last", "spread"


def check_reduction(value: object) -> None:
    """Raise ArgumentError unless ``value`` is one of `Reduction`."""
    if value is not None:
        one_of("reduction", value, get_args(ReductionName), also="None")


# ---------------------------------------------------------------------- y_true and y_pred


def work_dtypes(sd: AnyGraph, y_pred: Traced, y_true: Traced, dtype: Any) -> tuple[Any, Any]:
    """The dtype to compute in and the dtype of the result.

    The result has the dtype of ``y_pred``; integers become the graph's floating dtype, or a wider one of ``y_true``.
    Half precision cannot tell ``1 - EPSILON`` from 1, so it is computed in single.
    """
    result = dtype if dtype is not None else y_pred.dtype
    if result.kind in "iub":
        result = sd.dtype
        if y_true is not None and y_true.dtype.kind == "f":
            result = np.promote_types(result, y_true.dtype)
    if result.kind != "f":
        raise DTypeError("Losses are for real numbers.", given=f"{result.name}", expected="a floating dtype")
    return wide(result), result


def same_rank(y_true: SDVariable, y_pred: SDVariable) -> tuple[SDVariable, SDVariable]:
    """Both with one rank, where they differ by one last axis of size 1.

    A vector gets that axis; a larger array loses it. Anything else stays as it is.
    """
    sd = y_true.sd
    if abs(y_true.ndim - y_pred.ndim) != 1:
        return y_true, y_pred
    small, large = sorted((y_true, y_pred), key=lambda v: v.ndim)
    if large.shape[-1] != 1:
        return y_true, y_pred
    small, large = (sd.expand_dims(small, -1), large) if small.ndim == 1 else (small, sd.squeeze(large, -1))
    return (small, large) if y_true.ndim < y_pred.ndim else (large, small)


def check_same_shape(y_true: SDVariable, y_pred: SDVariable, given: str | None = None) -> None:
    """Raise ShapeError where known sizes differ: labels are never broadcast against predictions."""
    if not same_sizes(y_true.shape, y_pred.shape):
        raise ShapeError(
            "y_true and y_pred must have the same shape.",
            given=given or f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}",
            fix="Reshape one of them. For integer labels use the sparse loss; one-hot labels have one entry per class.",
        )


def axis_last(x: SDVariable, axis: int) -> SDVariable:
    """``x`` with ``axis`` moved to the end."""
    if axis == x.ndim - 1:
        return x
    return x.sd.permute(x, [k for k in range(x.ndim) if k != axis] + [axis])


def prepared_pair(
    sd: GraphLike, y_true: SDVariable, y_pred: SDVariable, dtype: Any
) -> tuple[SDVariable, SDVariable, np.dtype[Any]]:
    """Both operands in one floating dtype and one shape, and the dtype of the result."""
    work, result = work_dtypes(sd, y_pred, y_true, dtype)
    given = f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}"
    y, p = same_rank(cast_to(y_true, work), cast_to(y_pred, work))
    check_same_shape(y, p, given)
    return y, p, result


def per_sample(
    sd: GraphLike,
    y_true: Traced,
    y_pred: Traced,
    sample_weight: Traced,
    mask: Traced,
    dtype: Any,
    axis: int = -1,
) -> tuple[SDVariable, SDVariable, Weighting]:
    """The operands of a loss that removes one axis, with that axis last, and what weights and reduces it."""
    y, p, result = prepared_pair(sd, y_true, y_pred, dtype)
    if not p.ndim:
        raise ShapeError("Scalars have no axis to take the loss over.", given="y_pred ()", expected="shape (..., n)")
    k = one_axis(axis, p.ndim)
    y, p = axis_last(y, k), axis_last(p, k)
    weighting = Weighting(sd, p.shape[:-1], y_pred.shape[0], p.dtype, result, sample_weight, mask)
    y, p = weighting.shield(y, p, axes=(p.ndim - 1,))
    return y, p, weighting


def over_axes(
    sd: GraphLike,
    y_true: Traced,
    y_pred: Traced,
    sample_weight: Traced,
    mask: Traced,
    dtype: Any,
    axis: int | Sequence[int] | None,
) -> tuple[SDVariable, SDVariable, tuple[int, ...], Weighting]:
    """The operands of a loss that removes any number of axes, these axes, and what weights and reduces it."""
    y, p, result = prepared_pair(sd, y_true, y_pred, dtype)
    if isinstance(axis, bool):
        raise ArgumentError(
            "axis is not an axis.", given=f"axis={shown(axis)}", expected="an integer, several, or None"
        )
    axes = normalize_axis(axis, p.ndim)
    shape = tuple(d for k, d in enumerate(p.shape) if k not in axes)
    batch: Dim = y_pred.shape[0] if y_pred.ndim else 1
    weighting = Weighting(sd, shape, batch, p.dtype, result, sample_weight, mask)
    y, p = weighting.shield(y, p, axes=axes)
    return y, p, axes, weighting


# ---------------------------------------------------------------------- weights and reduction


class Weighting:
    """Weights and mask of one call, fitted to losses of a known shape, and the reduction.

    Args:
        sd: The graph.
        shape: Shape of the per-sample losses.
        batch: Number of samples, where losses are a scalar for all of them.
        dtype: To compute in.
        result: Dtype of the result.
        sample_weight: None, a scalar, one weight per sample, or what broadcasts to the losses.
        mask: The same, True where a loss counts.

    Raises:
        ShapeError: If weights or mask do not fit; names both shapes.
    """

    def __init__(
        self,
        sd: GraphLike,
        shape: Shape,
        batch: Dim,
        dtype: np.dtype[Any],
        result: np.dtype[Any],
        sample_weight: Traced,
        mask: Traced,
    ) -> None:
        self.sd, self.shape, self.dtype, self.result = sd, shape, dtype, result
        self.layout = ""
        self.weights = (
            None if sample_weight is None else self._fitted(cast_to(sample_weight, dtype), batch, "sample_weight")
        )
        self.mask = None if mask is None else self._fitted(_as_bool(mask), batch, "mask")
        if self.weights is not None and self.mask is not None and self.layout == _SPREAD:
            # Of a scalar loss both may be (batch,) or (batch, 1).
            self.weights, self.mask = (
                sd.squeeze(v, -1) if v.ndim == 2 and min(self.weights.ndim, self.mask.ndim) == 1 else v
                for v in (self.weights, self.mask)
            )

    def _fitted(self, x: SDVariable, batch: Dim, what: str) -> SDVariable:
        """``x`` as a scalar, or with the rank of the losses."""
        sd, shape, given = self.sd, self.shape, x.shape
        rank = len(shape)
        layout = ""
        if not x.ndim:
            return x
        if not rank:
            if all(d == 1 for d in given):
                return sd.reshape(x, ())
            if (x.ndim == 1 or (x.ndim == 2 and given[1] == 1)) and not known_to_differ(given[0], batch):
                self.layout = self.layout or _SPREAD
                return x
        elif x.ndim == rank + 1 and given[-1] == 1:
            x, layout = sd.squeeze(x, -1), _AS_COLUMN if rank == 1 else ""
        elif x.ndim == rank - 1 and shape[-1] == 1:
            x, layout = sd.expand_dims(x, -1), _WITHOUT_LAST if x.ndim > 1 else ""
        elif x.ndim == 1 and rank > 1 and given[0] != 1 and not known_to_differ(given[0], shape[0]):
            if given[0] == shape[-1] and not isinstance(shape[0], int):
                raise self._misfit(what, given, f"{what} may belong to the batch or to the last axis.")
            x = sd.expand_dims(x, tuple(range(1, rank)))
        elif 1 < x.ndim < rank and not any(map(known_to_differ, given, shape)) and any(d != 1 for d in given):
            raise self._misfit(what, given, f"{what} leaves open which axes of the losses it belongs to.")
        lead = rank - x.ndim
        if lead < 0 or any(d != 1 and known_to_differ(d, shape[lead + k]) for k, d in enumerate(x.shape)):
            raise self._misfit(what, given, f"{what} does not fit the losses.")
        self.layout = self.layout or layout
        return sd.expand_dims(x, tuple(range(lead))) if lead else x

    def _misfit(self, what: str, given: Shape, message: str) -> ShapeError:
        batch = self.shape[:1] or ("batch",)
        per_sample = shape_str((*batch, *(1 for _ in self.shape[1:])))
        return ShapeError(
            message,
            given=f"{what} {shape_str(given)}, per-sample losses {shape_str(self.shape)}",
            expected=f"(), {shape_str(batch)}, or a shape that broadcasts to the losses",
            fix=f"One value per sample: reshape to {per_sample}. Weights of single outputs are not possible: "
            "losses are taken over the last axis first.",
        )

    def _factor(self, mask: SDVariable | None) -> SDVariable | None:
        """What the losses are multiplied by."""
        if mask is None:
            return self.weights
        counts = self.sd.cast(mask, self.dtype)
        return counts if self.weights is None else self.sd.math.multiply_no_nan(self.weights, counts)

    def shield(self, *operands: SDVariable, axes: tuple[int, ...]) -> list[SDVariable]:
        """The operands, with gradients exactly 0 for samples that do not count, even where they would be NaN.

        ``axes`` are those of the operands that the losses do not have.
        """
        factor = self._factor(self.mask)
        if factor is None or self.layout == _SPREAD:
            return list(operands)
        if factor.ndim:
            factor = self.sd.expand_dims(factor, axes)
        return [self.sd.mask_gradient(v, factor) for v in operands]

    def reduce(self, values: SDVariable, reduction: Reduction, valid: SDVariable | None = None) -> SDVariable:
        """Weight, mask and reduce per-sample losses.

        Args:
            values: The losses.
            reduction: One of `Reduction`.
            valid: A mask the loss itself makes, of the losses' shape.
        """
        sd = self.sd
        check_reduction(reduction)
        mask = self.mask if valid is None else valid if self.mask is None else sd.math.and_(self.mask, valid)
        factor = self._factor(mask)
        weighted = values if factor is None else sd.math.multiply_no_nan(values, factor)
        if reduction in (None, "none") or not weighted.ndim:
            # A single loss is left as it is, weight and all: Keras takes no mean of it.
            out = self._laid_out(weighted)
        elif reduction == "sum":
            out = reduce_loss(weighted, None, LossReduce.SUM)
        elif reduction == _MEAN_BY_WEIGHT and factor is not None:
            # Over the weights as they were given: a weight counts once, not once per loss it is broadcast to.
            out = sd.math.divide_no_nan(sd.sum(weighted), sd.sum(factor))
        else:
            out = reduce_loss(weighted, None, LossReduce.MEAN_BY_WEIGHT)
            if mask is not None:
                counted = sd.sum(sd.cast(mask, self.dtype))
                out = out * sd.math.divide_no_nan(sd.axis_size(mask, dtype=self.dtype), counted)
        return cast_to(out, self.result)

    def _laid_out(self, weighted: SDVariable) -> SDVariable:
        if self.layout == _AS_COLUMN:
            return self.sd.expand_dims(weighted, -1)
        return self.sd.squeeze(weighted, -1) if self.layout == _WITHOUT_LAST else weighted


def _as_bool(mask: SDVariable) -> SDVariable:
    return mask if mask.dtype.kind == "b" else mask.neq(0)
