"""Losses of probabilities, rates and overlaps: divergences, counts, regions.

Knows formulas. Cross entropies have a file of their own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sdgraph.build.decorators import composite
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.variable import Namespace, SDVariable
from sdgraph.errors import ArgumentError, shown
from sdgraph.ops.losses.keras.labels import class_labels
from sdgraph.ops.losses.keras.weighting import EPSILON, Weighting, over_axes, per_sample, work_dtypes
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand
    from sdgraph.samediff import SameDiff


def check_q(value: object) -> None:
    """Raise ArgumentError unless ``value`` can be the exponent of the generalised cross entropy."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ArgumentError("q must lie between 0 and 1.", given=f"q={shown(value)}")


def check_factor(name: str, value: object) -> None:
    """Raise ArgumentError unless ``value`` is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ArgumentError(f"{name} must be a finite number.", given=f"{name}={shown(value)}")


@composite(vjp=lambda g, y, p, q: -(g * g.sd.math.pow(p, q - 1)), reach=ELEMENTWISE)
def _lost_power(sd: SameDiff, p: Operand, *, q: float) -> SDVariable:
    """``(1 - p^q) / q``, with all digits for p near 1; its derivatives are powers, infinite at 0."""
    return (0.0 - sd.math.expm1(q * sd.math.log(p))) / q


class SDKerasProbabilities(Namespace, prefix="keras"):
    """Keras' losses of probabilities, rates and overlaps."""

    @composite(is_loss=True, domain=(0.05, 0.95))
    def kl_divergence(
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
        """Kullback-Leibler divergence: the sum of ``y_true log(y_true / y_pred)`` over the last axis.

        Both are clipped to [1e-7, 1] first; what is outside has no gradient.

        Args:
            y_true: True probabilities ``(..., n)``.
            y_pred: Predicted probabilities, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]).round(4)
            array([0.1438], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        m = self.sd.math
        y, p = m.clip_by_value(y, EPSILON, 1.0), m.clip_by_value(p, EPSILON, 1.0)
        return w.reduce(self.sd.sum(y * m.log(y / p), -1), reduction)

    @composite(is_loss=True, domain=(0.1, 4))
    def poisson(
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
        """Poisson loss: the mean of ``y_pred - y_true log(y_pred + 1e-7)`` over the last axis.

        Args:
            y_true: Counts ``(..., n)``.
            y_pred: Predicted rates, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.poisson([[2.0, 0.0]], [[1.0, 3.0]])
            array([1.9999999], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(p - self.sd.math.xlogy(y, p + EPSILON), -1), reduction)

    @composite(is_loss=True)
    def categorical_generalized_cross_entropy(
        self,
        y_true: Operand,
        y_pred: Operand,
        q: float,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Generalised cross entropy of integer labels: ``(1 - y_pred[label]^q) / q``, robust against wrong labels.

        It tends to the cross entropy for q near 0, and to the absolute error for q near 1. Probabilities are neither
        clipped nor normalised; at probability 0 the loss is ``1 / q`` and its slope infinite.

        Args:
            y_true: Class labels ``(...)`` or ``(..., 1)``.
            y_pred: Probabilities ``(..., classes)``.
            q: Between 0 and 1, both excluded.

        Returns:
            Shape ``(...)``.

        Raises:
            LabelError: At run time, for a label that is no class.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.categorical_generalized_cross_entropy([0, 1], [[0.25, 0.75], [0.0, 1.0]], 0.5)
            array([1., 0.], dtype=float32)
        """
        check_q(q)
        sd = self.sd
        work, result = work_dtypes(sd, y_pred, None, dtype)
        p = cast_to(y_pred, work)
        labels = class_labels(y_true, p, p.ndim - 1)
        w = Weighting(sd, p.shape[:-1], p.shape[0], work, result, sample_weight, mask)
        (p,) = w.shield(p, axes=(p.ndim - 1,))
        labels = sd.expand_dims(sd.checked_labels(labels, p), -1)
        chosen = sd.squeeze(sd.take_along_axis(p, labels, -1), -1)
        return w.reduce(_lost_power(sd, chosen, q=q), reduction)

    @composite(is_loss=True, domain=(0.05, 0.95))
    def dice(
        self,
        y_true: Operand,
        y_pred: Operand,
        axis: int | Sequence[int] | None = None,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Dice loss: ``1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + 1e-7)``.

        Args:
            y_true: True regions, 1 inside and 0 outside.
            y_pred: Predicted probabilities of being inside, of the same shape.
            axis: What the sums are over. None is everything, the batch included: one number for all samples.

        Returns:
            The shape without ``axis``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.dice([[1.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]], axis=1).round(4)
            array([0., 1.], dtype=float32)
        """
        y, p, axes, w = over_axes(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        sd = self.sd
        both = 2 * sd.sum(y * p, axes)
        # sum(y) + sum(p) - 2 sum(y p), term by term: the difference from 1 would cancel for good predictions.
        apart = sd.sum(y * (1 - p) + p * (1 - y), axes) + EPSILON
        return w.reduce(apart / (both + apart), reduction)

    @composite(is_loss=True, domain=(0.05, 0.95))
    def tversky(
        self,
        y_true: Operand,
        y_pred: Operand,
        alpha: float = 0.5,
        beta: float = 0.5,
        axis: int | Sequence[int] | None = None,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Tversky loss: ``1 - TP / (TP + alpha FP + beta FN + 1e-7)``.

        True positives are ``TP = sum(y_true y_pred)``, false positives ``FP = sum((1 - y_true) y_pred)``, false
        negatives ``FN = sum(y_true (1 - y_pred))``. alpha = beta = 1/2 is the Dice loss, but for the 1e-7.

        Args:
            y_true: True regions, 1 inside and 0 outside.
            y_pred: Predicted probabilities of being inside, of the same shape.
            alpha: Weight of false positives.
            beta: Weight of false negatives.
            axis: What the sums are over. None is everything, the batch included: one number for all samples.

        Returns:
            The shape without ``axis``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.tversky([[1.0, 1.0]], [[1.0, 0.0]], alpha=0.5, beta=3.0, axis=1)
            array([0.75], dtype=float32)
        """
        check_factor("alpha", alpha)
        check_factor("beta", beta)
        y, p, axes, w = over_axes(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        sd = self.sd
        hits = sd.sum(y * p, axes)
        misses = alpha * sd.sum(p * (1 - y), axes) + beta * sd.sum(y * (1 - p), axes) + EPSILON
        return w.reduce(misses / (hits + misses), reduction)
