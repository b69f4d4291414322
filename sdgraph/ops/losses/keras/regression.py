"""Losses of numbers: differences, relative and logarithmic differences, directions.

Knows formulas. Weights, masks and reductions are in `sdgraph.ops.losses.keras.weighting`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sdgraph.build.decorators import composite
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.variable import Namespace, SDVariable
from sdgraph.errors import ArgumentError, shown
from sdgraph.ops.losses.keras.weighting import EPSILON, per_sample
from sdgraph.ops.losses.reduction import LossReduce

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand
    from sdgraph.samediff import SameDiff


def check_delta(value: object) -> None:
    """Raise ArgumentError unless ``value`` can be Huber's delta."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ArgumentError("delta must be a positive number.", given=f"delta={shown(value)}")


@composite(vjp=lambda g, y, e: g * g.sd.math.tanh(e), reach=ELEMENTWISE)
def _log_cosh(sd: SameDiff, e: Operand) -> SDVariable:
    """``log(cosh(e))``, with full relative accuracy near 0 and without overflow."""
    m = sd.math
    size = m.abs(e)
    near = size < 1
    half = m.sinh(0.5 * sd.where(near, size, 0.0))
    # cosh(e) = 1 + 2 sinh(e/2)^2 keeps small e; |e| + log1p(exp(-2|e|)) - log 2 keeps large ones.
    return sd.where(near, m.log1p(2 * m.square(half)), size + (m.log1p(m.exp(-2 * size)) - math.log(2)))


def _unit(x: SDVariable) -> SDVariable:
    """``x`` over its Euclidean norm along the last axis, the norm no smaller than EPSILON."""
    return x / x.sd.math.max(x.sd.norm2(x, -1, True), EPSILON)


class SDKerasRegression(Namespace, prefix="keras"):
    """Keras' losses of numbers."""

    @composite(is_loss=True)
    def mean_squared_error(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Mean squared error: the mean of ``(y_true - y_pred)^2`` over the last axis.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.mean_squared_error([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
            array([0.5, 0.5], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(self.sd.math.square(p - y), -1), reduction)

    @composite(is_loss=True)
    def root_mean_squared_error(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Root mean squared error: the square root of the mean of ``(y_true - y_pred)^2`` over the last axis.

        A loss of early Keras versions, kept because old models name it. Its gradient is 0 where nothing differs.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.get("rmse")([[0.0, 0.0]], [[3.0, 4.0]])
            array([3.535534], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        sd = self.sd
        n = sd.axis_size(p, -1, p.dtype)
        return w.reduce(sd.norm2(p - y, -1) / sd.math.sqrt(n), reduction)

    @composite(is_loss=True)
    def mean_absolute_error(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Mean absolute error: the mean of ``|y_true - y_pred|`` over the last axis. Its gradient is 0 at equality.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.mean_absolute_error([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
            array([0.5, 0.5], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(self.sd.math.abs(p - y), -1), reduction)

    @composite(is_loss=True)
    def mean_absolute_percentage_error(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Mean absolute percentage error: 100 times the mean of ``|y_true - y_pred| / max(|y_true|, 1e-7)``.

        The mean is over the last axis. The gradient is 0 at equality.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 5.0]])
            array([37.5], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        m = self.sd.math
        return w.reduce(100 * self.sd.mean(m.abs(p - y) / m.max(m.abs(y), EPSILON), -1), reduction)

    @composite(is_loss=True)
    def mean_squared_logarithmic_error(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Mean squared logarithmic error: the mean of ``(log(1 + y_true) - log(1 + y_pred))^2`` over the last axis.

        Values below 1e-7 count as 1e-7, and have no gradient.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.mean_squared_logarithmic_error([[1.0, 3.0]], [[1.0, 1.0]])
            array([0.2402265], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        m = self.sd.math
        log_y, log_p = (m.log1p(m.max(v, EPSILON)) for v in (y, p))
        return w.reduce(self.sd.mean(m.square(log_p - log_y), -1), reduction)

    @composite(is_loss=True)
    def cosine_similarity(
        self,
        y_true: Operand,
        y_pred: Operand,
        axis: int = -1,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Cosine similarity, negated: minus the cosine of the angle between the vectors along ``axis``.

        It lies between -1 (same direction) and 1 (opposite). Norms below 1e-7 count as 1e-7, so zero vectors give 0.

        Args:
            y_true: True vectors.
            y_pred: Predicted vectors, of the same shape.
            axis: The axis that holds a vector.

        Returns:
            The operands' shape without ``axis``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.cosine_similarity([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]]).round(4)
            array([ 0., -1.], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        return w.reduce(0.0 - self.sd.sum(_unit(y) * _unit(p), -1), reduction)

    @composite(is_loss=True)
    def huber(
        self,
        y_true: Operand,
        y_pred: Operand,
        delta: float = 1.0,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Huber loss, the mean over the last axis of ``e^2 / 2`` if ``|e| <= delta``, else ``delta (|e| - delta / 2)``.

        Here ``e = y_pred - y_true``.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.
            delta: Where the loss turns from quadratic to linear, above 0.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.huber([[0.0, 0.0]], [[0.5, 3.0]])
            array([1.3125], dtype=float32)
        """
        check_delta(delta)
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        each = self.sd.loss.huber_loss(y, p, delta=delta, loss_reduce=LossReduce.NONE)
        return w.reduce(self.sd.mean(each, -1), reduction)

    @composite(is_loss=True)
    def log_cosh(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Logarithm of the hyperbolic cosine: the mean of ``log(cosh(y_pred - y_true))`` over the last axis.

        It is ``e^2 / 2`` for small differences and ``|e| - log 2`` for large ones, and cannot overflow.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.log_cosh([[0.0, 0.0]], [[1.0, 0.0]]).round(4)
            array([0.2169], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        each: Any = _log_cosh(self.sd, p - y)
        return w.reduce(self.sd.mean(each, -1), reduction)
