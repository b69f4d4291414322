"""Losses of margins: hinge, its square, and the categorical hinge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.decorators import composite
from sdgraph.build.variable import Namespace, SDVariable
from sdgraph.ops.losses.keras.labels import signed
from sdgraph.ops.losses.keras.weighting import per_sample

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand


def _margins(y: SDVariable, p: SDVariable) -> SDVariable:
    """``max(1 - y p, 0)``; at the kink half of the gradient."""
    return y.sd.math.max(1 - signed(y) * p, 0.0)


class SDKerasHinges(Namespace, prefix="keras"):
    """Keras' losses of margins."""

    @composite(is_loss=True)
    def hinge(
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
        """Hinge loss: the mean of ``max(1 - y_true y_pred, 0)`` over the last axis.

        Labels are -1 and 1. If all labels of a call are exactly 0 or 1, they are taken as -1 and 1; a single other
        value turns that off for all of them.

        Args:
            y_true: Labels ``(..., n)``.
            y_pred: Scores, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.hinge([[0.0, 1.0]], [[0.5, 0.5]])
            array([1.], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(_margins(y, p), -1), reduction)

    @composite(is_loss=True)
    def squared_hinge(
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
        """Squared hinge loss: the mean of ``max(1 - y_true y_pred, 0)^2`` over the last axis.

        Labels are taken as in `hinge`.

        Args:
            y_true: Labels ``(..., n)``.
            y_pred: Scores, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.squared_hinge([[-1.0, 1.0]], [[0.5, 0.5]])
            array([1.25], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(self.sd.math.square(_margins(y, p)), -1), reduction)

    @composite(is_loss=True)
    def categorical_hinge(
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
        """Categorical hinge loss: ``max(0, 1 + max((1 - y_true) y_pred) - sum(y_true y_pred))`` over the last axis.

        Args:
            y_true: One-hot labels ``(..., classes)``.
            y_pred: Scores, of the same shape.

        Returns:
            Shape ``(...)``.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]])
            array([0.75], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        sd = self.sd
        wrong, right = sd.max((1 - y) * p, -1), sd.sum(y * p, -1)
        return w.reduce(sd.math.max(wrong - right + 1, 0.0), reduction)
