"""Losses of margins: hinge, its square, and the categorical hinge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.ops.losses.keras.definition import INSIDE, keras_loss
from sdgraph.ops.losses.keras.labels import signed
from sdgraph.ops.losses.keras.op_loss import OpLoss, function
from sdgraph.ops.losses.keras.weighting import Reduction, per_sample

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand


def _margins(y: SDVariable, p: SDVariable) -> SDVariable:
    """``max(1 - y p, 0)``; at the kink half of the gradient."""
    return y.sd.math.max(1 - signed(y) * p, 0.0)


class SDKerasHinges(Namespace, prefix="keras"):
    """Keras' losses of margins."""

    @keras_loss(
        domain=INSIDE,
        predictions=(-0.8, 0.8),
        formula=r"$\mathrm{mean} \max(1 - y p, 0)$, labels -1 and 1",
        related="`hinge_loss`, labels 0 and 1",
        deeplearning4j=("LossHinge", "n times; labels 0 and 1 are not converted"),
        picture={"labels": [0.0, 1.0]},
    )
    def hinge(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Hinge loss: the mean of ``max(1 - y_true y_pred, 0)`` over the last axis.

        Labels are -1 and 1. If all labels of a call are exactly 0 or 1, they are taken as -1 and 1; a single other
        value turns that off for all of them. At the kink ``y_true y_pred = 1`` the gradient is half of that beside it.

        Args:
            y_true: Labels ``(..., n)``.
            y_pred: Scores, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20, 1995.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.hinge([[0.0, 1.0]], [[0.5, 0.5]])
            array([1.], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(_margins(y, p), -1), reduction)

    @keras_loss(
        domain=INSIDE,
        predictions=(-0.8, 0.8),
        formula=r"$\mathrm{mean} \max(1 - y p, 0)^2$",
        deeplearning4j=("LossSquaredHinge", "n times; labels 0 and 1 are not converted"),
        picture={"labels": [0.0, 1.0]},
    )
    def squared_hinge(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Squared hinge loss: the mean of ``max(1 - y_true y_pred, 0)^2`` over the last axis.

        Labels are taken as in `hinge`. The gradient is continuous, 0 where ``y_true y_pred >= 1``.

        Args:
            y_true: Labels ``(..., n)``.
            y_pred: Scores, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            K.-W. Chang, C.-J. Hsieh and C.-J. Lin, "Coordinate descent method for large-scale L2-loss linear support
            vector machines", Journal of Machine Learning Research 9, 2008.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.squared_hinge([[-1.0, 1.0]], [[0.5, 0.5]])
            array([1.25], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(self.sd.math.square(_margins(y, p)), -1), reduction)

    @keras_loss(
        domain=INSIDE,
        predictions=(-0.8, 0.8),
        formula=r"$\max(0, 1 + \max((1 - y) p) - \sum y p)$",
        picture={"labels": [[1.0, 0.0, 0.0]], "at": [0.0, 0.0, 0.0], "predictions": (-2, 3)},
    )
    def categorical_hinge(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Categorical hinge loss: ``max(0, 1 + max((1 - y_true) y_pred) - sum(y_true y_pred))`` over the last axis.

        At the kink of the outer maximum the gradient is half of that beside it; several equal largest scores of wrong
        classes share it.

        Args:
            y_true: One-hot labels ``(..., classes)``.
            y_pred: Scores, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            K. Crammer and Y. Singer, "On the algorithmic implementation of multiclass kernel-based vector machines",
            Journal of Machine Learning Research 2, 2001.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]])
            array([0.75], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        sd = self.sd
        wrong, right = sd.max((1 - y) * p, -1), sd.sum(y * p, -1)
        return w.reduce(sd.math.max(wrong - right + 1, 0.0), reduction)


# ---------------------------------------------------------------------- classes and functions


class Hinge(OpLoss, of=SDKerasHinges.hinge):
    """Hinge loss of labels -1 and 1, or 0 and 1.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Hinge()([[0.0, 1.0]], [[0.5, 0.5]])
        array(1., dtype=float32)
    """


hinge = function(SDKerasHinges.hinge)


class SquaredHinge(OpLoss, of=SDKerasHinges.squared_hinge):
    """Square of the hinge loss.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.SquaredHinge()([[-1.0, 1.0]], [[0.5, 0.5]])
        array(1.25, dtype=float32)
    """


squared_hinge = function(SDKerasHinges.squared_hinge)


class CategoricalHinge(OpLoss, of=SDKerasHinges.categorical_hinge):
    """Hinge loss of one-hot labels.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]])
        array(0.75, dtype=float32)
    """


categorical_hinge = function(SDKerasHinges.categorical_hinge)
