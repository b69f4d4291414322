"""Losses of probabilities, rates and overlaps: divergences, counts, regions.

Knows formulas. Cross entropies have a file of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import GraphLike, Namespace
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, finite
from sdgraph.ops.losses.keras.definition import INSIDE, Drawn, called, keras_loss
from sdgraph.ops.losses.keras.labels import class_labels
from sdgraph.ops.losses.keras.op_loss import MEAN, OpLoss, function
from sdgraph.ops.losses.keras.weighting import EPSILON, Reduction, Weighting, over_axes, per_sample, work_dtypes
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand


def check_q(name: str, value: object) -> None:
    """Raise ArgumentError unless ``value`` can be the exponent of the generalised cross entropy."""
    between(name, value, 0, 1, ends=False)


@composite(vjp=lambda g, y, p, q: -(g * g.sd.math.pow(p, q - 1)), reach=ELEMENTWISE)
def _lost_power(sd: GraphLike, p: Operand, *, q: float) -> SDVariable:
    """``(1 - p^q) / q``, with all digits for p near 1; its derivatives are powers, infinite at 0."""
    return (0.0 - sd.math.expm1(q * sd.math.log(p))) / q


class SDKerasProbabilities(Namespace, prefix="keras"):
    """Keras' losses of probabilities, rates and overlaps."""

    @keras_loss(
        domain=INSIDE,
        formula=r"$\sum y \log(y / p)$, both in [eps, 1]",
        deeplearning4j=("LossKLD", "same; clipped at 1e-5"),
        picture={"along": "shares", "labels": [[0.3, 0.7]], "predictions": (0.05, 0.9)},
    )
    def kl_divergence(
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
        """Kullback-Leibler divergence: the sum of ``y_true log(y_true / y_pred)`` over the last axis.

        Both are clipped to [1e-7, 1] first; what is outside has no gradient.

        Args:
            y_true: True probabilities ``(..., n)``.
            y_pred: Predicted probabilities, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            S. Kullback and R. A. Leibler, "On information and sufficiency", The Annals of Mathematical Statistics 22,
            1951.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]).round(4)
            array([0.1438], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        m = self.sd.math
        y, p = m.clip_by_value(y, EPSILON, 1.0), m.clip_by_value(p, EPSILON, 1.0)
        return w.reduce(self.sd.sum(y * m.log(y / p), -1), reduction)

    @keras_loss(
        domain=(0.2, 3.0),
        formula=r"$\mathrm{mean}\,(p - y \log(p + \mathrm{eps}))$",
        related="`log_poisson` of the logarithm of the rate",
        deeplearning4j=("LossPoisson", "n times"),
        picture={"labels": 3.0, "predictions": (0.2, 8)},
    )
    def poisson(
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
        """Poisson loss: the mean of ``y_pred - y_true log(y_pred + 1e-7)`` over the last axis.

        It is smooth for rates of 0 and more; a rate below -1e-7 gives NaN where the count is not 0.

        Args:
            y_true: Counts ``(..., n)``.
            y_pred: Predicted rates, of the same shape.

        Returns:
            Shape ``(...)``.

        References:
            J. A. Nelder and R. W. M. Wedderburn, "Generalized linear models", Journal of the Royal Statistical Society
            A 135, 1972.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.poisson([[2.0, 0.0]], [[1.0, 3.0]])
            array([1.9999999], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        return w.reduce(self.sd.mean(p - self.sd.math.xlogy(y, p + EPSILON), -1), reduction)

    @keras_loss(
        checks={"q": check_q},
        calls=[
            called([2, 0], Drawn((2, 3), INSIDE), q=0.5),
            called([[2], [0]], Drawn((2, 3), INSIDE), q=0.7),
            called([2, 0], Drawn((2, 3), INSIDE), Drawn((2,), (0.5, 2)), reduction="sum", q=0.5),
        ],
        formula="$(1 - p_y^q) / q$",
        picture={"labels": [0], "at": [0.5, 0.5], "predictions": (0.1, 0.95), "q": 0.5},
    )
    def categorical_generalized_cross_entropy(
        self,
        y_true: Operand,
        y_pred: Operand,
        q: float,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
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

        References:
            Z. Zhang and M. R. Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy
            labels", arXiv:1805.07836, 2018.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.categorical_generalized_cross_entropy([0, 1], [[0.25, 0.75], [0.0, 1.0]], 0.5)
            array([1., 0.], dtype=float32)
        """
        sd = self.sd
        work, result = work_dtypes(sd, y_pred, None, dtype)
        p = cast_to(y_pred, work)
        labels = class_labels(y_true, p, p.ndim - 1)
        w = Weighting(sd, p.shape[:-1], p.shape[0], work, result, sample_weight, mask)
        (p,) = w.shield(p, axes=(p.ndim - 1,))
        labels = sd.expand_dims(sd.checked_labels(labels, p), -1)
        chosen = sd.squeeze(sd.take_along_axis(p, labels, -1), -1)
        return w.reduce(_lost_power(sd, chosen, q=q), reduction)

    @keras_loss(
        calls=[
            called(Drawn((2, 3), INSIDE), Drawn((2, 3), INSIDE)),
            called(Drawn((2, 3), INSIDE), Drawn((2, 3), INSIDE), axis=1),
            called(Drawn((2, 3), INSIDE), Drawn((2, 3), INSIDE), axis=(0, 1)),
            called(Drawn((2, 3), INSIDE), Drawn((2, 3), INSIDE), reduction="sum"),
        ],
        formula=r"$1 - 2 \sum y p / (\sum y + \sum p + \mathrm{eps})$, sums over `axis`",
        picture={"labels": [[1.0, 1.0, 0.0]], "at": [0.5, 1.0, 0.5], "predictions": (0, 1)},
    )
    def dice(
        self,
        y_true: Operand,
        y_pred: Operand,
        axis: int | Sequence[int] | None = None,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Dice loss: ``1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + 1e-7)``.

        It is smooth for probabilities.

        Args:
            y_true: True regions, 1 inside and 0 outside.
            y_pred: Predicted probabilities of being inside, of the same shape.
            axis: What the sums are over. None is everything, the batch included: one number for all samples.

        Returns:
            The shape without ``axis``.

        References:
            F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net: fully convolutional neural networks for volumetric medical
            image segmentation", arXiv:1606.04797, 2016.

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

    @keras_loss(
        checks={"alpha": finite, "beta": finite},
        calls=[
            called(Drawn((2, 3), INSIDE), Drawn((2, 3), INSIDE)),
            called(Drawn((2, 3), INSIDE), Drawn((2, 3), INSIDE), alpha=0.3, beta=0.8),
            called(Drawn((2, 3), INSIDE), Drawn((2, 3), INSIDE), axis=1),
            called(Drawn((2, 3), INSIDE), Drawn((2, 3), INSIDE), reduction="sum"),
        ],
        formula=r"$1 - T / (T + \alpha F_p + \beta F_n + \mathrm{eps})$, "
        r"$T = \sum y p$, $F_p = \sum (1 - y) p$, $F_n = \sum y (1 - p)$",
        picture={"labels": [[1.0, 1.0, 0.0]], "at": [0.5, 1.0, 0.5], "predictions": (0, 1), "alpha": 0.3, "beta": 0.7},
    )
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
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Tversky loss: ``1 - TP / (TP + alpha FP + beta FN + 1e-7)``.

        True positives are ``TP = sum(y_true y_pred)``, false positives ``FP = sum((1 - y_true) y_pred)``, false
        negatives ``FN = sum(y_true (1 - y_pred))``. alpha = beta = 1/2 is the Dice loss, but for the 1e-7.
        It is smooth for probabilities.

        Args:
            y_true: True regions, 1 inside and 0 outside.
            y_pred: Predicted probabilities of being inside, of the same shape.
            alpha: Weight of false positives.
            beta: Weight of false negatives.
            axis: What the sums are over. None is everything, the batch included: one number for all samples.

        Returns:
            The shape without ``axis``.

        References:
            S. S. M. Salehi, D. Erdogmus and A. Gholipour, "Tversky loss function for image segmentation using 3D fully
            convolutional deep networks", arXiv:1706.05721, 2017.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.tversky([[1.0, 1.0]], [[1.0, 0.0]], alpha=0.5, beta=3.0, axis=1)
            array([0.75], dtype=float32)
        """
        y, p, axes, w = over_axes(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        sd = self.sd
        hits = sd.sum(y * p, axes)
        misses = alpha * sd.sum(p * (1 - y), axes) + beta * sd.sum(y * (1 - p), axes) + EPSILON
        return w.reduce(misses / (hits + misses), reduction)


# ---------------------------------------------------------------------- classes and functions


class KLDivergence(OpLoss, of=SDKerasProbabilities.kl_divergence):
    """Kullback-Leibler divergence of predicted from true probabilities.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]).round(4)
        np.float32(0.1438)
    """


kl_divergence = KLD = kld = kullback_leibler_divergence = function(SDKerasProbabilities.kl_divergence)


class Poisson(OpLoss, of=SDKerasProbabilities.poisson):
    """Poisson loss of counts and predicted rates.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Poisson()([[2.0, 0.0]], [[1.0, 3.0]])
        array(1.9999999, dtype=float32)
    """


poisson = poisson_loss = function(SDKerasProbabilities.poisson)


class CategoricalGeneralizedCrossEntropy(OpLoss, of=SDKerasProbabilities.categorical_generalized_cross_entropy):
    """Cross entropy of integer labels that wrong labels harm less.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CategoricalGeneralizedCrossEntropy(q=0.5)([0, 1], [[0.25, 0.75], [0.0, 1.0]])
        array(0.5, dtype=float32)
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: Reduction = MEAN,
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.q = q
        super().__init__(reduction, name, dtype)


categorical_generalized_cross_entropy = function(SDKerasProbabilities.categorical_generalized_cross_entropy)


class Dice(OpLoss, of=SDKerasProbabilities.dice):
    """Dice loss of true and predicted regions. With ``axis=None`` all samples make one region.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Dice(axis=1)([[1.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]).round(4)
        np.float32(0.5)
    """

    def __init__(
        self,
        reduction: Reduction = MEAN,
        name: str | None = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.axis = axis
        super().__init__(reduction, name, dtype)


dice = function(SDKerasProbabilities.dice)


class Tversky(OpLoss, of=SDKerasProbabilities.tversky):
    """Tversky loss of regions: ``alpha`` weights false positives, ``beta`` false negatives.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Tversky(alpha=0.5, beta=3.0, axis=1)([[1.0, 1.0]], [[1.0, 0.0]])
        array(0.75, dtype=float32)
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: Reduction = MEAN,
        name: str | None = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.beta = beta
        self.axis = axis
        super().__init__(reduction, name, dtype)


tversky = function(SDKerasProbabilities.tversky)
