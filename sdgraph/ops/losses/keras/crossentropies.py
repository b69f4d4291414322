"""Cross entropies: binary, categorical, focal and sparse, of probabilities and of logits.

Logits never pass through a clipped probability, so no loss of logits saturates. Knows formulas.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import GraphLike, Namespace
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, is_whole, not_negative
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.infer.shapes import one_axis
from sdgraph.ops.losses.keras.definition import INSIDE, Drawn, called, keras_loss
from sdgraph.ops.losses.keras.labels import class_labels
from sdgraph.ops.losses.keras.op_loss import MEAN, OpLoss, function
from sdgraph.ops.losses.keras.weighting import (
    EPSILON,
    Reduction,
    Weighting,
    axis_last,
    over_axes,
    per_sample,
    work_dtypes,
)
from sdgraph.ops.losses.reduction import LossReduce
from sdgraph.ops.precision import cast_to
from sdgraph.ops.slopes import sigmoid_slope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand

_EACH = LossReduce.NONE


def check_label_smoothing(name: str, value: object) -> None:
    """Raise ArgumentError unless ``value`` can be the argument label_smoothing."""
    between(name, value, 0, 1, ends=True)


def _binary(y: SDVariable, p: SDVariable, from_logits: bool) -> SDVariable:
    """Binary cross entropy of each element."""
    loss = p.sd.loss
    if from_logits:
        return loss.sigmoid_cross_entropy(y, p, loss_reduce=_EACH)
    return loss.log_loss(y, _clipped(p), loss_reduce=_EACH)


def _clipped(p: SDVariable) -> SDVariable:
    return p.sd.math.clip_by_value(p, EPSILON, 1 - EPSILON)


def _normalized(p: SDVariable) -> SDVariable:
    """Probabilities with sum 1 along the last axis, then clipped. A row of sum 0 becomes NaN."""
    return _clipped(p / p.sd.sum(p, -1, True))


def _smoothed(y: SDVariable, label_smoothing: float, classes: int | None = None) -> SDVariable:
    """Labels moved towards equal probabilities of the classes: of the last axis, or as many as given."""
    if not label_smoothing:
        return y
    number = y.sd.axis_size(y, -1, y.dtype) if classes is None else classes
    return (1 - label_smoothing) * y + label_smoothing / number


# ---------------------------------------------------------------------- the factor of focal losses
# Powers whose exponent is no whole number have derivatives with negative exponents. Of a distance that has nearly
# vanished those overflow before what they are multiplied by can make up for it. From logits such a power is therefore
# exp(gamma log(distance)), with a logarithm whose derivatives stay in scale.


def _power(x: SDVariable, gamma: float) -> SDVariable:
    """``x^gamma``, with gradient 0 at 0: there the loss that it is multiplied by vanishes faster than this rises."""
    sd = x.sd
    if float(gamma).is_integer():
        return sd.math.pow(x, gamma)
    zero = x.eq(0)
    return sd.where(zero, 0.0, sd.math.pow(sd.where(zero, 1.0, x), gamma))


def _distance(y: SDVariable, x: SDVariable) -> SDVariable:
    """``|y - sigmoid(x)|`` for labels 0 and 1, linear in y between them."""
    # 1 - sigmoid(x) is sigmoid(-x), which does not cancel.
    nn = x.sd.nn
    return y * nn.sigmoid(-x) + (1 - y) * nn.sigmoid(x)


def _relative_slope_vjp(g: SDVariable, r: SDVariable, y: SDVariable, x: SDVariable) -> tuple[SDVariable, SDVariable]:
    m = g.sd.math
    t = m.tanh(0.5 * x)
    by_label = m.divide_no_nan(r * t - 2.0 * sigmoid_slope(g.sd, x), _distance(y, x))
    return g * by_label, -(g * (r * (t + r)))


@composite(vjp=_relative_slope_vjp, reach=ELEMENTWISE)
def _relative_slope(sd: GraphLike, y: Operand, x: Operand) -> SDVariable:
    """The derivative of `_distance` by the logit, over the distance: between -1 and 1."""
    m, y, x = sd.math, sd.as_variable(y), sd.as_variable(x)
    return (1 - 2 * y) / (1 + (m.multiply_no_nan(m.exp(-x), y) + m.multiply_no_nan(m.exp(x), 1 - y)))


def _log_distance_vjp(g: SDVariable, z: SDVariable, y: SDVariable, x: SDVariable) -> tuple[SDVariable, SDVariable]:
    m = g.sd.math
    by_label = m.divide_no_nan(-m.tanh(0.5 * x), _distance(y, x))
    return g * by_label, g * _relative_slope(g.sd, y, x)


@composite(vjp=_log_distance_vjp, reach=ELEMENTWISE)
def _log_distance(sd: GraphLike, y: Operand, x: Operand) -> SDVariable:
    """The logarithm of `_distance`."""
    return sd.math.log(_distance(sd.as_variable(y), sd.as_variable(x)))


def _binary_focus(y: SDVariable, p: SDVariable, gamma: float, from_logits: bool) -> SDVariable:
    """The factor of the binary focal loss."""
    if not from_logits:
        return _power(y * (1 - p) + (1 - y) * p, gamma)
    if float(gamma).is_integer():
        return _power(_distance(y, p), gamma)
    return p.sd.math.exp(gamma * _log_distance(p.sd, y, p))


def _margins(x: SDVariable, log_q: SDVariable) -> SDVariable:
    """How far each logit is above the log sum of the others: its probability is the sigmoid of that."""
    sd, m = x.sd, x.sd.math
    # Of the one class above one half 1 - q may have nearly vanished: the sum leaves it out instead.
    likely = log_q > -math.log(2)
    others = m.log_sum_exp(sd.where(likely, -math.inf, x), -1, True)
    return sd.where(likely, x - others, log_q - m.log(-m.expm1(sd.where(likely, -1.0, log_q))))


class SDKerasCrossentropies(Namespace, prefix="keras"):
    """Keras' cross entropies."""

    @keras_loss(
        domain=INSIDE,
        checks={"label_smoothing": check_label_smoothing},
        tries=[{"from_logits": True}, {"label_smoothing": 0.2}, {"axis": 0}],
        formula=r"$-\mathrm{mean}\,(y \log p + (1 - y) \log(1 - p))$; of logits "
        r"$\mathrm{mean}\,(y\,\mathrm{softplus}(-x) + (1 - y)\,\mathrm{softplus}(x))$",
        related="`log_loss`, `sigmoid_cross_entropy`",
        deeplearning4j=("LossBinaryXENT", "n times; clipped at 1e-5"),
        picture={"labels": [0.0, 1.0], "predictions": (0.1, 0.9)},
    )
    def binary_crossentropy(
        self,
        y_true: Operand,
        y_pred: Operand,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int | Sequence[int] | None = -1,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Binary cross entropy: the mean of ``-y log(p) - (1 - y) log(1 - p)`` over ``axis``.

        From probabilities, ``p`` is clipped to [1e-7, 1 - 1e-7], so a loss is at most 16.2 and has no gradient outside.
        From logits x it is ``y softplus(-x) + (1 - y) softplus(x)``, exact for every finite x.

        Args:
            y_true: 0 or 1, or a probability.
            y_pred: Probabilities or logits, of the same shape.
            from_logits: Whether ``y_pred`` holds logits.
            label_smoothing: s in ``y (1 - s) + s / 2``, between 0 and 1.
            axis: What the mean is over: an axis, several, or None for all.

        Returns:
            The shape without ``axis``.

        References:
            D. R. Cox, "The regression analysis of binary sequences", Journal of the Royal Statistical Society B 20,
            1958. Label smoothing: C. Szegedy and others, "Rethinking the Inception architecture for computer vision",
            arXiv:1512.00567, 2015.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.binary_crossentropy([[0.0, 1.0], [0.0, 0.0]], [[0.6, 0.4], [0.4, 0.6]])
            array([0.91629076, 0.7135582 ], dtype=float32)
        """
        y, p, axes, w = over_axes(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        y = _smoothed(y, label_smoothing, 2)
        return w.reduce(self.sd.mean(_binary(y, p, from_logits), axes), reduction)

    @keras_loss(
        domain=INSIDE,
        checks={"gamma": not_negative, "label_smoothing": check_label_smoothing},
        tries=[{"from_logits": True}, {"label_smoothing": 0.2}, {"axis": 0}],
        formula=r"the same times $(y (1 - p) + (1 - y) p)^\gamma$",
        picture={"labels": [0.0, 1.0], "predictions": (0.1, 0.9)},
    )
    def binary_focal_crossentropy(
        self,
        y_true: Operand,
        y_pred: Operand,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int | Sequence[int] | None = -1,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Binary focal loss: the mean of ``(y (1 - p) + (1 - y) p)^gamma`` times the binary cross entropy.

        The first factor makes easy samples count less (Lin and others, 2017). With ``apply_class_balancing`` there is
        also the factor ``y alpha + (1 - y) (1 - alpha)``.

        Args:
            y_true: 0 or 1, or a probability.
            y_pred: Probabilities or logits, of the same shape.
            apply_class_balancing: Whether ``alpha`` is used at all.
            alpha: Weight of class 1; class 0 has the rest to 1.
            gamma: How much easy samples lose, 0 or more.
            from_logits: Whether ``y_pred`` holds logits.
            label_smoothing: s in ``y (1 - s) + s / 2``, between 0 and 1.
            axis: What the mean is over: an axis, several, or None for all.

        Returns:
            The shape without ``axis``.

        References:
            T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal loss for dense object detection",
            arXiv:1708.02002, 2017.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.binary_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
            array([0.1732868], dtype=float32)
        """
        y, p, axes, w = over_axes(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        y = _smoothed(y, label_smoothing, 2)
        each = _binary(y, p, from_logits)
        if gamma:
            each = _binary_focus(y, p, gamma, from_logits) * each
        if apply_class_balancing:
            each = (y * alpha + (1 - y) * (1 - alpha)) * each
        return w.reduce(self.sd.mean(each, axes), reduction)

    @keras_loss(
        domain=INSIDE,
        checks={"label_smoothing": check_label_smoothing},
        tries=[{"from_logits": True}, {"label_smoothing": 0.2}, {"axis": 0}],
        formula=r"$-\sum y \log q$, $q = p / \sum p$ or $\mathrm{softmax}(x)$",
        related="`softmax_cross_entropy`",
        deeplearning4j=("LossMCXENT", "same; probabilities are not normalised"),
        picture={"labels": [[1.0, 0.0]], "at": [0.5, 0.5], "predictions": (0.1, 0.95)},
    )
    def categorical_crossentropy(
        self,
        y_true: Operand,
        y_pred: Operand,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Categorical cross entropy: minus the sum of ``y_true log(q)`` over the class axis.

        From probabilities, ``q`` is ``y_pred`` divided by its sum and clipped to [1e-7, 1 - 1e-7]; from logits it is
        their softmax, and nothing is clipped. Labels need not sum to 1. A row of probabilities of sum 0 gives NaN.
        What is clipped has no gradient.

        Args:
            y_true: One-hot labels, or probabilities of the classes.
            y_pred: Probabilities or logits, of the same shape.
            from_logits: Whether ``y_pred`` holds logits.
            label_smoothing: s in ``y (1 - s) + s / classes``, between 0 and 1.
            axis: The class axis.

        Returns:
            The shape without ``axis``.

        References:
            J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs, with
            relationships to statistical pattern recognition", Neurocomputing, Springer, 1990.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.categorical_crossentropy([[0.0, 1.0, 0.0]], [[0.05, 0.95, 0.0]])
            array([0.05129331], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        y = _smoothed(y, label_smoothing)
        if from_logits:
            return w.reduce(self.sd.loss.softmax_cross_entropy(y, p, loss_reduce=_EACH), reduction)
        return w.reduce(0.0 - self.sd.sum(self.sd.math.xlogy(y, _normalized(p)), -1), reduction)

    @keras_loss(
        domain=INSIDE,
        checks={"gamma": not_negative, "label_smoothing": check_label_smoothing},
        tries=[{"from_logits": True}, {"label_smoothing": 0.2}, {"axis": 0}],
        formula=r"$-\sum \alpha (1 - q)^\gamma y \log q$",
        picture={"labels": [[1.0, 0.0]], "at": [0.5, 0.5], "predictions": (0.1, 0.95)},
    )
    def categorical_focal_crossentropy(
        self,
        y_true: Operand,
        y_pred: Operand,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Categorical focal loss: the sum of ``-alpha (1 - q)^gamma y_true log(q)`` over the class axis.

        ``q`` is as in `categorical_crossentropy`.

        Args:
            y_true: One-hot labels, or probabilities of the classes.
            y_pred: Probabilities or logits, of the same shape.
            alpha: A factor for all classes, or one per class.
            gamma: How much easy samples lose, 0 or more.
            from_logits: Whether ``y_pred`` holds logits.
            label_smoothing: s in ``y (1 - s) + s / classes``, between 0 and 1.
            axis: The class axis.

        Returns:
            The shape without ``axis``.

        References:
            T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal loss for dense object detection",
            arXiv:1708.02002, 2017.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
            array([0.0433217], dtype=float32)
        """
        sd, m = self.sd, self.sd.math
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype, axis)
        y = _smoothed(y, label_smoothing)
        if from_logits:
            log_q = sd.nn.log_softmax(p)
            focus = None if float(gamma).is_integer() else m.exp(gamma * sd.nn.log_sigmoid(-_margins(p, log_q)))
            rest = -m.expm1(log_q)
        else:
            q = _normalized(p)
            log_q, rest, focus = m.log(q), 1 - q, None
        factor = np.asarray(alpha, p.dtype)
        if factor.ndim and (factor.ndim > 1 or (factor.size not in (1, p.shape[-1]) and p.shape[-1] is not None)):
            raise ShapeError(
                "alpha must be one number, or one per class.",
                given=f"alpha {shape_str(factor.shape)}, classes {p.shape[-1]} on axis {axis}",
            )
        each = m.multiply_no_nan(0.0 - log_q, y)
        if gamma:
            each = (_power(rest, gamma) if focus is None else focus) * each
        each = factor * each
        return w.reduce(sd.sum(each, -1), reduction)

    @keras_loss(
        calls=[
            called([2, 0], Drawn((2, 3), INSIDE)),
            called([2, 0], Drawn((2, 3)), from_logits=True),
            called([[2], [0]], Drawn((2, 3)), from_logits=True),
            called([2, 1], Drawn((2, 3)), from_logits=True, ignore_class=1),
            called([2, 0], Drawn((2, 3), INSIDE), Drawn((2,), (0.5, 2)), reduction="sum"),
        ],
        formula=r"$-\log q_y$",
        related="`sparse_softmax_cross_entropy`",
        deeplearning4j=("LossSparseMCXENT", "same"),
        picture={"labels": [0], "at": [0.5, 0.5], "predictions": (0.1, 0.95)},
    )
    def sparse_categorical_crossentropy(
        self,
        y_true: Operand,
        y_pred: Operand,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Categorical cross entropy of integer labels: ``-log(q[y_true])``.

        ``q`` is as in `categorical_crossentropy`. Where the label is ``ignore_class`` the loss is 0, and a mean is over
        the other labels only.

        Args:
            y_true: Class labels, of the shape of ``y_pred`` without its class axis, or with size 1 there.
            y_pred: Probabilities or logits.
            from_logits: Whether ``y_pred`` holds logits.
            ignore_class: A label that does not count; it need not be a class.
            axis: The class axis.

        Returns:
            The shape of ``y_pred`` without ``axis``.

        Raises:
            LabelError: At run time, for any other label that is no class; names it and its position.

        References:
            J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs, with
            relationships to statistical pattern recognition", Neurocomputing, Springer, 1990.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.sparse_categorical_crossentropy([1, 2], [[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]])
            array([0.05129331, 2.3025851 ], dtype=float32)
        """
        if ignore_class is not None and not is_whole(ignore_class):
            raise ArgumentError(
                "ignore_class is a label.", given=f"ignore_class={shown(ignore_class)}", expected="an integer"
            )
        sd = self.sd
        y, p = y_true, y_pred
        work, result = work_dtypes(sd, p, None, dtype)
        p = cast_to(p, work)
        if not p.ndim:
            raise ShapeError("Scalars have no class axis.", given="y_pred ()", expected="shape (..., classes)")
        k = one_axis(axis, p.ndim)
        labels = class_labels(y, p, k)
        p = axis_last(p, k)
        w = Weighting(sd, p.shape[:-1], p.shape[0], work, result, sample_weight, mask)
        (p,) = w.shield(p, axes=(p.ndim - 1,))
        valid = None
        if ignore_class is not None:
            valid = labels.neq(ignore_class)
            labels = sd.where(valid, labels, np.zeros((), labels.dtype))
            # Also the prediction: what is not used may be infinite.
            p = sd.where(sd.expand_dims(valid, -1), p, 1.0)
        if from_logits:
            each = sd.loss.sparse_softmax_cross_entropy(p, labels)
        else:
            labels = sd.expand_dims(sd.checked_labels(labels, p), -1)
            each = 0.0 - sd.math.log(sd.squeeze(sd.take_along_axis(_normalized(p), labels, -1), -1))
        if valid is not None:
            each = sd.where(valid, each, 0.0)
        return w.reduce(each, reduction, valid)


# ---------------------------------------------------------------------- classes and functions


class BinaryCrossentropy(OpLoss, of=SDKerasCrossentropies.binary_crossentropy):
    """Cross entropy of labels 0 and 1.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.BinaryCrossentropy(from_logits=True)([[0.0, 1.0]], [[0.0, 0.0]])
        array(0.6931472, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int | Sequence[int] | None = -1,
        reduction: Reduction = MEAN,
        name: str | None = "binary_crossentropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis
        super().__init__(reduction, name, dtype)


binary_crossentropy = BCE = bce = function(SDKerasCrossentropies.binary_crossentropy)


class BinaryFocalCrossentropy(OpLoss, of=SDKerasCrossentropies.binary_focal_crossentropy):
    """Cross entropy of labels 0 and 1 in which easy samples count less.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.BinaryFocalCrossentropy(gamma=2)([[0.0, 1.0]], [[0.5, 0.5]])
        array(0.1732868, dtype=float32)
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int | Sequence[int] | None = -1,
        reduction: Reduction = MEAN,
        name: str | None = "binary_focal_crossentropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis
        super().__init__(reduction, name, dtype)


binary_focal_crossentropy = function(SDKerasCrossentropies.binary_focal_crossentropy)


class CategoricalCrossentropy(OpLoss, of=SDKerasCrossentropies.categorical_crossentropy):
    """Cross entropy of one-hot labels.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CategoricalCrossentropy()([[0.0, 1.0, 0.0]], [[0.05, 0.95, 0.0]])
        array(0.05129331, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = MEAN,
        name: str | None = "categorical_crossentropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis
        super().__init__(reduction, name, dtype)


categorical_crossentropy = function(SDKerasCrossentropies.categorical_crossentropy)


class CategoricalFocalCrossentropy(OpLoss, of=SDKerasCrossentropies.categorical_focal_crossentropy):
    """Cross entropy of one-hot labels in which easy samples count less.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])
        array(0.0433217, dtype=float32)
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = MEAN,
        name: str | None = "categorical_focal_crossentropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis
        super().__init__(reduction, name, dtype)


categorical_focal_crossentropy = function(SDKerasCrossentropies.categorical_focal_crossentropy)


class SparseCategoricalCrossentropy(OpLoss, of=SDKerasCrossentropies.sparse_categorical_crossentropy):
    """Cross entropy of integer labels.

    Example:
        >>> from sdgraph.keras import losses
        >>> loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
        >>> loss([1, -1], [[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]])
        array(0.05129331, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: Reduction = MEAN,
        name: str | None = "sparse_categorical_crossentropy",
        axis: int = -1,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis
        super().__init__(reduction, name, dtype)


sparse_categorical_crossentropy = function(SDKerasCrossentropies.sparse_categorical_crossentropy)
