"""Losses of numbers: differences, relative and logarithmic differences, directions.

Knows formulas. Weights, masks and reductions are in `sdgraph.ops.losses.keras.weighting`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import GraphLike, Namespace
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.variable import SDVariable
from sdgraph.checks import positive
from sdgraph.ops.losses.keras.definition import keras_loss
from sdgraph.ops.losses.keras.op_loss import MEAN, OpLoss, function
from sdgraph.ops.losses.keras.weighting import EPSILON, Reduction, per_sample
from sdgraph.ops.losses.reduction import LossReduce
from sdgraph.ops.slopes import decay_of_twice

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand


@composite(vjp=lambda g, y, e: g * g.sd.math.tanh(e), reach=ELEMENTWISE)
def _log_cosh(sd: GraphLike, e: Operand) -> SDVariable:
    """``log(cosh(e))``, with full relative accuracy near 0 and without overflow."""
    m, e = sd.math, sd.as_variable(e)
    size = m.abs(e)
    near = size < 1
    # 1 - tanh(e)^2 = 1 / cosh(e)^2 keeps small e; |e| + log1p(exp(-2|e|)) - log 2 keeps large ones. Both logarithms are
    # one, and tanh is the derivative.
    log = m.log1p(sd.where(near, -m.square(m.tanh(e)), decay_of_twice(e)))
    return sd.where(near, -0.5 * log, size + (log - math.log(2)))


def _unit(x: SDVariable) -> SDVariable:
    """``x`` over its Euclidean norm along the last axis, the norm no smaller than EPSILON."""
    return x / x.sd.math.max(x.sd.norm2(x, -1, True), EPSILON)


class SDKerasRegression(Namespace, prefix="keras"):
    """Keras' losses of numbers."""

    @keras_loss(
        formula=r"$\mathrm{mean}\ e^2$",
        related="`mean_squared_error`",
        deeplearning4j=("LossMSE", "same"),
        picture={"labels": 0.0},
    )
    def mean_squared_error(
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
        """Mean squared error: the mean of ``(y_true - y_pred)^2`` over the last axis. It is smooth.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            A.-M. Legendre, *Nouvelles méthodes pour la détermination des orbites des comètes*, 1805.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.mean_squared_error([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
            array([0.5, 0.5], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(self.sd.math.square(p - y), -1), reduction)

    @keras_loss(
        picture={"labels": [[0.0, 0.0]], "at": [0.0, 1.0], "predictions": (-3, 3)},
    )
    def root_mean_squared_error(
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
        """Root mean squared error: the square root of the mean of ``(y_true - y_pred)^2`` over the last axis.

        A loss of early Keras versions, kept because old models name it. Its gradient is 0 where nothing differs.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International Journal of
            Forecasting 22, 2006.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.get("rmse")([[0.0, 0.0]], [[3.0, 4.0]])
            array([3.535534], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        sd = self.sd
        n = sd.axis_size(p, -1, p.dtype)
        return w.reduce(sd.norm2(p - y, -1) / sd.math.sqrt(n), reduction)

    @keras_loss(
        formula=r"$\mathrm{mean}\ \lvert e \rvert$",
        related="`absolute_difference`",
        deeplearning4j=("LossMAE", "same"),
        picture={"labels": 0.0},
    )
    def mean_absolute_error(
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
        """Mean absolute error: the mean of ``|y_true - y_pred|`` over the last axis. Its gradient is 0 at equality.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            P. Bloomfield and W. L. Steiger, *Least Absolute Deviations*, Birkhäuser, 1983.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.mean_absolute_error([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
            array([0.5, 0.5], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(self.sd.math.abs(p - y), -1), reduction)

    @keras_loss(
        domain=(0.2, 3.0),
        formula=r"$100\ \mathrm{mean}\ \lvert e \rvert / \max(\lvert y \rvert, \mathrm{eps})$",
        deeplearning4j=("LossMAPE", "same; labels of 0 give NaN or infinity there"),
        picture={"labels": 2.0, "predictions": (0.01, 6)},
    )
    def mean_absolute_percentage_error(
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
        """Mean absolute percentage error: 100 times the mean of ``|y_true - y_pred| / max(|y_true|, 1e-7)``.

        The mean is over the last axis. The gradient is 0 at equality.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            S. Makridakis, "Accuracy measures: theoretical and practical concerns", International Journal of Forecasting
            9, 1993.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 5.0]])
            array([37.5], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        m = self.sd.math
        return w.reduce(100 * self.sd.mean(m.abs(p - y) / m.max(m.abs(y), EPSILON), -1), reduction)

    @keras_loss(
        domain=(0.2, 3.0),
        formula=r"$\mathrm{mean}\ (\log(1 + p) - \log(1 + y))^2$, both at least eps",
        deeplearning4j=("LossMSLE", "same; values below 0 are not clipped there"),
        picture={"labels": 2.0, "predictions": (0.01, 6)},
    )
    def mean_squared_logarithmic_error(
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
        """Mean squared logarithmic error: the mean of ``(log(1 + y_true) - log(1 + y_pred))^2`` over the last axis.

        Values below 1e-7 count as 1e-7, and have no gradient.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            L. Törnqvist, P. Vartia and Y. O. Vartia, "How should relative changes be measured?", The American
            Statistician 39, 1985.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.mean_squared_logarithmic_error([[1.0, 3.0]], [[1.0, 1.0]])
            array([0.2402265], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        m = self.sd.math
        log_y, log_p = (m.log1p(m.max(v, EPSILON)) for v in (y, p))
        return w.reduce(self.sd.mean(m.square(log_p - log_y), -1), reduction)

    @keras_loss(
        formula=r"$-\langle y, p \rangle / (\lVert y \rVert \lVert p \rVert)$",
        related=r"`cosine_distance` is $1 - \langle y, p \rangle$",
        deeplearning4j=("LossCosineProximity", "same"),
        picture={"along": "angle", "labels": [[1.0, 0.0]]},
    )
    def cosine_similarity(
        self,
        y_true: Operand,
        y_pred: Operand,
        axis: int = -1,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Cosine similarity, negated: minus the cosine of the angle between the vectors along ``axis``.

        It lies between -1 (same direction) and 1 (opposite). Norms below 1e-7 count as 1e-7, a constant, so zero
        vectors give 0.

        Args:
            y_true: True vectors.
            y_pred: Predicted vectors, of the same shape.
            axis: The axis that holds a vector.

        Returns:
            The operands' shape without ``axis``.

        References:
            G. Salton, A. Wong and C. S. Yang, "A vector space model for automatic indexing", Communications of the ACM
            18, 1975.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.cosine_similarity([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]]).round(4)
            array([ 0., -1.], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        return w.reduce(0.0 - self.sd.sum(_unit(y) * _unit(p), -1), reduction)

    @keras_loss(
        checks={"delta": positive},
        tries=[{"delta": 0.3}, {"delta": 2.2}],
        formula=r"$\mathrm{mean}$ of $e^2 / 2$ for $\lvert e \rvert \le \delta$, "
        r"else $\delta (\lvert e \rvert - \delta / 2)$",
        related="`huber_loss`",
        picture={"labels": 0.0},
    )
    def huber(
        self,
        y_true: Operand,
        y_pred: Operand,
        delta: float = 1.0,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Huber loss, the mean over the last axis of ``e^2 / 2`` if ``|e| <= delta``, else ``delta (|e| - delta / 2)``.

        Here ``e = y_pred - y_true``. The gradient is continuous, and has no kink at ``|e| = delta`` but in its slope.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.
            delta: Where the loss turns from quadratic to linear, above 0.

        Returns:
            Shape ``(...)``.

        References:
            P. J. Huber, "Robust estimation of a location parameter", The Annals of Mathematical Statistics 35, 1964.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.huber([[0.0, 0.0]], [[0.5, 3.0]])
            array([1.3125], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        each = self.sd.loss.huber_loss(y, p, delta=delta, loss_reduce=LossReduce.NONE)
        return w.reduce(self.sd.mean(each, -1), reduction)

    @keras_loss(
        formula=r"$\mathrm{mean} \log \cosh e$",
        picture={"labels": 0.0},
    )
    def log_cosh(
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
        """Logarithm of the hyperbolic cosine: the mean of ``log(cosh(y_pred - y_true))`` over the last axis.

        It is ``e^2 / 2`` for small differences and ``|e| - log 2`` for large ones, and cannot overflow. Its gradient
        ``tanh(e)`` is smooth.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            R. A. Saleh and A. K. M. E. Saleh, "Statistical properties of the log-cosh loss function used in machine
            learning", arXiv:2208.04564, 2022.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.log_cosh([[0.0, 0.0]], [[1.0, 0.0]]).round(4)
            array([0.2169], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        each: Any = _log_cosh(self.sd, p - y)
        return w.reduce(self.sd.mean(each, -1), reduction)


# ---------------------------------------------------------------------- classes and functions


class MeanSquaredError(OpLoss, of=SDKerasRegression.mean_squared_error):
    """Mean of the squared differences.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
        array(0.5, dtype=float32)
    """


mean_squared_error = MSE = mse = function(SDKerasRegression.mean_squared_error)


root_mean_squared_error = RMSE = rmse = function(SDKerasRegression.root_mean_squared_error)


class MeanAbsoluteError(OpLoss, of=SDKerasRegression.mean_absolute_error):
    """Mean of the absolute differences.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.MeanAbsoluteError()([[0.0, 1.0]], [[1.0, 4.0]])
        array(2., dtype=float32)
    """


mean_absolute_error = MAE = mae = function(SDKerasRegression.mean_absolute_error)


class MeanAbsolutePercentageError(OpLoss, of=SDKerasRegression.mean_absolute_percentage_error):
    """Mean of the absolute differences relative to the true values, in percent.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 5.0]])
        array(37.5, dtype=float32)
    """


mean_absolute_percentage_error = MAPE = mape = function(SDKerasRegression.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(OpLoss, of=SDKerasRegression.mean_squared_logarithmic_error):
    """Mean of the squared differences of ``log(1 + value)``.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.MeanSquaredLogarithmicError()([[1.0, 3.0]], [[1.0, 1.0]])
        array(0.2402265, dtype=float32)
    """


mean_squared_logarithmic_error = MSLE = msle = function(SDKerasRegression.mean_squared_logarithmic_error)


class CosineSimilarity(OpLoss, of=SDKerasRegression.cosine_similarity):
    """Minus the cosine of the angle between true and predicted vectors.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CosineSimilarity()([[0.0, 1.0]], [[0.0, 3.0]])
        array(-1., dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: Reduction = MEAN,
        name: str | None = "cosine_similarity",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.axis = axis
        super().__init__(reduction, name, dtype)


cosine_similarity = cosine = cosine_proximity = function(SDKerasRegression.cosine_similarity)


class Huber(OpLoss, of=SDKerasRegression.huber):
    """Squared differences, but absolute ones where they are larger than ``delta``.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Huber(delta=1.0)([[0.0, 0.0]], [[0.5, 3.0]])
        array(1.3125, dtype=float32)
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: Reduction = MEAN,
        name: str | None = "huber_loss",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.delta = delta
        super().__init__(reduction, name, dtype)


huber = huber_loss = function(SDKerasRegression.huber)


class LogCosh(OpLoss, of=SDKerasRegression.log_cosh):
    """Mean of the logarithm of the hyperbolic cosine of the differences.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.LogCosh()([[0.0, 0.0]], [[1.0, 0.0]]).round(4)
        np.float32(0.2169)
    """


log_cosh = logcosh = function(SDKerasRegression.log_cosh)
