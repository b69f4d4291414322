"""The losses of ``sd.loss``: SameDiff's, each one composite.

Every loss is written without cancellation: finite for every finite input, with full relative accuracy for tiny results.
Must not know engines; gradients of any order follow from the bodies.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sdgraph.build.decorators import composite
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.reading import Derived, Reading
from sdgraph.build.variable import SDVariable
from sdgraph.checks import not_negative
from sdgraph.errors import ShapeError
from sdgraph.infer.aval import Dim, is_floating, shape_str
from sdgraph.infer.shapes import known_to_differ, normalize_axis, same_sizes
from sdgraph.ops.losses.class_numbers import check_class_numbers, refuse_class_numbers
from sdgraph.ops.losses.ctc import CTC_LITERALS, ctc_negative_log_likelihood, infer_ctc
from sdgraph.ops.losses.curves import cross_entropy, huber
from sdgraph.ops.losses.reduction import LossReduce, floats, reduce_loss, reduction, rounded, symbols
from sdgraph.ops.precision import widened

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdgraph.build.variable import Operand


_DEFAULT = LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT


# ---------------------------------------------------------------------- checks and preparation of operands


def _same_shape(**operands: Operand) -> None:
    """Raise ShapeError unless the two operands have the same shape; unknown sizes may still turn out equal."""
    (a, b), (x, y) = operands, symbols(*operands.values())
    if not same_sizes(x.shape, y.shape):
        raise ShapeError(
            f"{a} and {b} must have the same shape.",
            given=f"{a} {shape_str(x.shape)}, {b} {shape_str(y.shape)}",
            fix="Reshape one of them; losses do not broadcast labels against predictions.",
        )


def _plain(pattern: str) -> Reading:
    """A loss whose derivative by its prediction has a short name, per element, without weights and averaging."""

    def derivative(at: Derived) -> str | None:
        if at.k != 1 or len(at.names) != 2 or at.attrs.get("label_smoothing"):
            return None
        if at.attrs["loss_reduce"] not in (LossReduce.NONE, LossReduce.SUM):
            return None
        return pattern.format(y=at.names[0], p=at.names[1])

    return Reading(derivative=derivative)


_SCALARS = ((), (1,), (1, 1))


def _fit_weights(weights: SDVariable, shape: tuple[Dim, ...]) -> SDVariable:
    """Weights as a scalar or as an array of the per-element loss's rank that broadcasts to it.

    Raises:
        ShapeError: For any other shape; shows both shapes and both ways out.
    """
    if weights.shape in _SCALARS:
        return weights if weights.shape == () else weights.sd.reshape(weights, ())
    fits = len(weights.shape) == len(shape)
    if fits and not any(w != 1 and known_to_differ(w, n) for w, n in zip(weights.shape, shape, strict=True)):
        # Where the loss has a size of 1 the weights have it, too, known or not.
        ones = tuple(k for k, n in enumerate(shape) if n == 1 and type(weights.shape[k]) is not int)
        return weights.sd.expand_dims(weights.sd.squeeze(weights, ones), ones) if ones else weights
    raise ShapeError(
        "weights must be a scalar, or have the rank of the per-element loss and broadcast to it.",
        given=f"weights {shape_str(weights.shape)}, per-element loss {shape_str(shape)}",
        fix=_weights_fix(weights.shape, shape),
    )


def _weights_fix(weights: tuple[Dim, ...], shape: tuple[Dim, ...]) -> str:
    """The shapes to reshape to: one weight per example, or one per output."""
    sizes = tuple(d if isinstance(d, int) else -1 for d in shape)
    if len(shape) < 2:
        return f"One weight per unit: reshape to {shape_str(sizes)}. One for all: a scalar."
    n = weights[0] if len(weights) == 1 and isinstance(weights[0], int) else None
    per_example = (n or sizes[0], *(1 for _ in sizes[1:]))
    per_output = (*(1 for _ in sizes[:-1]), n or sizes[-1])
    return (
        f"One weight per example: sd.reshape(weights, {shape_str(per_example)}). "
        f"One weight per output: sd.reshape(weights, {shape_str(per_output)})."
    )


def _masked(weights: SDVariable | None, *operands: SDVariable) -> list[SDVariable]:
    """The operands, with gradients that are exactly 0 wherever the weight is 0.

    Without this a unit that is infinite or NaN would turn its zero cotangent into NaN on the way back.
    """
    if weights is None:
        return list(operands)
    sd = weights.sd
    return [sd.mask_gradient(v, weights) if is_floating(v.dtype) else v for v in operands]


def _elementwise(
    label: Operand, predictions: Operand, weights: Operand | None, loss_reduce: LossReduce, names: tuple[str, str]
) -> tuple[SDVariable, SDVariable, Callable[[SDVariable], SDVariable]]:
    """Operands of an elementwise loss, checked and prepared, and what weights and reduces it."""
    _same_shape(**{names[0]: label, names[1]: predictions})
    p, y = floats(predictions, label, like=predictions)
    w = None
    if weights is not None:
        (w,) = floats(weights, like=p)
        w = _fit_weights(w, p.shape)
        y, p = _masked(w, y, p)
    return y, p, reduction(loss_reduce, w, predictions, label, weights)


_NAMES = ("label", "predictions")
_LOGIT_NAMES = ("label", "prediction_logits")


def _half_log_two_pi(y: SDVariable) -> SDVariable:
    """Stirling's approximation of ``log(y!)``, for y > 1."""
    m = y.sd.math
    return y * m.log(y) - y + 0.5 * m.log(2 * math.pi * y)


_SHARED = {
    "label": "True values; integers and bools take the dtype of the predictions.",
    "predictions": Meaning(
        "Predicted values, floating, of the same shape.", "ShapeError: If the shapes differ, or the weights do not fit."
    ),
    "prediction_logits": Meaning(
        "Logits, of the same shape.", "ShapeError: If the shapes differ, or the weights do not fit."
    ),
    "weights": "None for 1 everywhere, a scalar, or an array of the rank of E that broadcasts to it.",
    "loss_reduce": Meaning(
        "How the weighted E become the result.", "ArgumentTypeError: If ``loss_reduce`` is not a `LossReduce`."
    ),
    "label_smoothing": "0 for none; sensibly below 1, which makes all labels alike.",
}


class SDLoss(Namespace, prefix="loss", shared=_SHARED):
    """Loss functions (``sd.loss``), under SameDiff's names and meaning.

    ``E`` is the per-element loss, ``W`` the weights. Weights are None (1 everywhere), a scalar, or an array of E's rank
    that broadcasts to E. Integer and bool labels and weights are cast to the dtype of the predictions.
    Each output is a loss variable of its graph. Where others are computed from them, the one scalar they lead to is.
    """

    @composite(is_loss=True)
    def absolute_difference(
        self,
        label: Operand,
        predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        name: str | None = None,
    ) -> SDVariable:
        """Absolute difference: ``E = |predictions - label|``. Its gradient is 0 where they are equal.

        Returns:
            A scalar, or the shape of ``predictions`` for ``LossReduce.NONE``.

        References:
            T. Gneiting, "Making and evaluating point forecasts", Journal of the American Statistical Association 106,
            2011, doi:10.1198/jasa.2011.r10138: the median minimises it.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> sd.loss.absolute_difference([1.0, 2.0], [1.5, 4.0]).eval()
            array(1.25, dtype=float32)
        """
        y, p, reduced = _elementwise(label, predictions, weights, loss_reduce, _NAMES)
        return reduced(self.sd.math.abs(p - y))

    @composite(is_loss=True)
    def cosine_distance(
        self,
        label: Operand,
        predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        dimension: int,
        name: str | None = None,
    ) -> SDVariable:
        """Cosine distance of vectors of length 1: ``E = 1 - sum(predictions * label)`` over ``dimension``.

        The inputs are not normalised. E keeps the reduced dimension with size 1.

        Args:
            label: True vectors, normalised along ``dimension``.
            predictions: Predicted vectors, normalised along ``dimension``, of the same shape.
            weights: None, a scalar, or an array that broadcasts to the shape of E.
            dimension: The axis that holds a vector.

        Returns:
            A scalar, or E's shape for ``LossReduce.NONE``.

        Raises:
            ArgumentError: If there is no such axis.

        References:
            G. Salton, A. Wong, C. S. Yang, "A vector space model for automatic indexing", Communications of the ACM 18,
            1975, doi:10.1145/361219.361220.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.loss.cosine_distance([[1.0, 0.0]], [[0.6, 0.8]], dimension=1).eval()
            array(0.4)
        """
        sd = self.sd
        _same_shape(label=label, predictions=predictions)
        p, y = floats(predictions, label, like=predictions)
        (axis,) = normalize_axis(dimension, p.ndim, what="dimension")
        w = None
        if weights is not None:
            (w,) = floats(weights, like=p)
            w = _fit_weights(w, tuple(1 if k == axis else d for k, d in enumerate(p.shape)))
            y, p = _masked(w, y, p)
        reduced = reduction(loss_reduce, w, predictions, label, weights)
        return reduced(1 - sd.sum(p * y, axis=axis, keepdims=True))

    @composite(is_loss=True, infer=infer_ctc, grows=True, literals=CTC_LITERALS, leaves_out=False)
    def ctc_loss(
        self,
        target_labels: Operand,
        logit_input: Operand,
        target_label_lengths: Operand,
        logit_input_lengths: Operand,
        *,
        blank_index: int = 0,
        name: str | None = None,
    ) -> SDVariable:
        """Connectionist temporal classification: ``-log P(labels | logits)``, the softmax taken inside.

        P sums the probabilities of all alignments: frame by frame sequences of classes that give the labels once
        repeats are merged and blanks removed. An alignment that cannot exist gives infinity with gradient 0. Labels and
        frames beyond an example's lengths are ignored.

        Args:
            target_labels: Integer labels ``[batch, max_label_length]``, none of them the blank.
            logit_input: Logits ``[batch, frames, classes]``.
            target_label_lengths: Integer number of labels of each example, ``[batch]``.
            logit_input_lengths: Integer number of frames of each example, ``[batch]``.
            blank_index: The class that stands for no label.

        Returns:
            One loss per example, ``[batch]``, of the logits' dtype.

        Raises:
            ShapeError: If ranks or batch sizes do not fit.
            DTypeError: If labels or lengths are not integers.
            ArgumentError: If the blank is not a class.
            LabelError: At run time, for a label that is no class or is the blank, or a length out of range.

        References:
            A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, "Connectionist temporal classification: labelling
            unsegmented sequence data with recurrent neural networks", 2006, doi:10.1145/1143844.1143891.

        Example:
            >>> import numpy as np
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> logits = np.zeros((1, 2, 3))  # two frames, three classes, all equally likely
            >>> sd.loss.ctc_loss(np.array([[1]]), logits, np.array([1]), np.array([2])).eval()
            array([1.09861229])
        """
        labels, logits, *lengths = symbols(target_labels, logit_input, target_label_lengths, logit_input_lengths)
        each = ctc_negative_log_likelihood(self.sd, labels, widened(logits), *lengths, blank=blank_index)
        return rounded(each, logits)

    @composite(is_loss=True)
    def hinge_loss(
        self,
        label: Operand,
        predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        name: str | None = None,
    ) -> SDVariable:
        """Hinge loss: ``E = max(0, 1 - (2 label - 1) predictions)``, gradient 0 at the kink.

        Args:
            label: 0 or 1.
            predictions: Scores, of the same shape.

        Returns:
            A scalar, or the shape of ``predictions`` for ``LossReduce.NONE``.

        Raises:
            DTypeError: If the numbers are complex.

        References:
            C. Cortes, V. Vapnik, "Support-vector networks", Machine Learning 20, 1995, doi:10.1007/BF00994018.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> sd.loss.hinge_loss([1.0, 0.0], [0.5, 0.5]).eval()
            array(1., dtype=float32)
        """
        y, p, reduced = _elementwise(label, predictions, weights, loss_reduce, _NAMES)
        return reduced(self.sd.nn.relu(1 - (2 * y - 1) * p))

    @composite(is_loss=True)
    def huber_loss(
        self,
        label: Operand,
        predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        delta: float = 1.0,
        name: str | None = None,
    ) -> SDVariable:
        """Huber loss, quadratic near 0: with ``d = predictions - label``, ``E = d^2 / 2`` for ``|d| <= delta``.

        Beyond, ``E = delta (|d| - delta / 2)``. Where both meet, so do their gradients.

        Args:
            delta: Where the loss turns from quadratic to linear, 0 or more.

        Returns:
            A scalar, or the shape of ``predictions`` for ``LossReduce.NONE``.

        Raises:
            ArgumentError: If delta is negative.

        References:
            P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964,
            doi:10.1214/aoms/1177703732.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> sd.loss.huber_loss([0.0, 0.0], [0.5, 3.0], delta=1.0).eval()
            array(1.3125, dtype=float32)
        """
        not_negative("delta", delta)
        y, p, reduced = _elementwise(label, predictions, weights, loss_reduce, _NAMES)
        return reduced(huber(p - y, delta))

    @composite(is_loss=True)
    def l2_loss(self, var: Operand, *, name: str | None = None) -> SDVariable:
        """Half the sum of squares: ``sum(var^2) / 2``.

        Args:
            var: An array of any shape; integers count as floats.

        Returns:
            A scalar, floating dtype.

        References:
            A. E. Hoerl, R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics
            12, 1970.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().loss.l2_loss([3.0, 4.0]).eval()
            array(12.5, dtype=float32)
        """
        (x,) = floats(var, like=var)
        return rounded(0.5 * self.sd.sum(self.sd.math.square(x)), var)

    @composite(is_loss=True)
    def log_loss(
        self,
        label: Operand,
        predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        epsilon: float = 0.0,
        name: str | None = None,
    ) -> SDVariable:
        """Binary cross entropy of probabilities: ``E = -y log(p + epsilon) - (1 - y) log(1 - p + epsilon)``.

        Nothing is clipped: ``0 log 0`` is 0, and a wrong prediction that was certain costs infinity. From logits use
        `sigmoid_cross_entropy`, which is finite.

        Args:
            label: ``y``, 0 or 1, or a probability.
            predictions: ``p``, probabilities, of the same shape.
            epsilon: Added inside the logarithms.

        Returns:
            A scalar, or the shape of ``predictions`` for ``LossReduce.NONE``.

        Raises:
            ArgumentError: If epsilon is negative.

        References:
            I. J. Good, "Rational decisions", Journal of the Royal Statistical Society B 14, 1952.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.loss.log_loss([1.0, 0.0], [0.5, 0.0]).eval()
            array(0.34657359)
        """
        not_negative("epsilon", epsilon)
        y, p, reduced = _elementwise(label, predictions, weights, loss_reduce, _NAMES)
        m, against = self.sd.math, 1 - y
        if epsilon:
            # log(1 - p + epsilon) two ways: 1 - p is exact above one half, and log1p keeps a tiny p below.
            high = p > 0.5
            far = self.sd.where(high, (1 - p) + epsilon, 1)
            near = self.sd.where(high, 0, epsilon - p)
            logs = m.xlogy(y, p + epsilon) + (m.xlogy(against, far) + m.xlog1py(against, near))
        else:
            logs = m.xlogy(y, p) + m.xlog1py(against, -p)
        # Not the negative of the sum: a loss of nothing is 0.0, not -0.0.
        return reduced(0.0 - logs)

    @composite(is_loss=True)
    def log_poisson(
        self,
        label: Operand,
        predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        full: bool = False,
        name: str | None = None,
    ) -> SDVariable:
        """Poisson loss of a log rate: ``E = exp(c) - y c``, with ``c = predictions`` and ``y = label``.

        Args:
            label: Counts.
            predictions: Logarithms of the predicted rates, of the same shape.
            full: Add Stirling's approximation of ``log(y!)``, ``y log(y) - y + log(2 pi y) / 2``, for labels above 1.

        Returns:
            A scalar, or the shape of ``predictions`` for ``LossReduce.NONE``.

        References:
            P. McCullagh, J. A. Nelder, "Generalized Linear Models", 2nd edition, 1989, chapter 6.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff(dtype="float64").loss.log_poisson([2.0], [0.0]).eval()
            array(1.)
        """
        y, p, reduced = _elementwise(label, predictions, weights, loss_reduce, _NAMES)
        # A rate of 0 has the logarithm -infinity, and a label of 0 does not mind.
        loss = self.sd.math.exp(p) - self.sd.math.multiply_no_nan(p, y)
        if full:
            large = y > 1
            loss = loss + self.sd.where(large, _half_log_two_pi(self.sd.where(large, y, 2)), 0)
        return reduced(loss)

    @composite(is_loss=True)
    def mean_pairwise_squared_error(
        self,
        label: Operand,
        predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        name: str | None = None,
    ) -> SDVariable:
        """Mean over the pairs of a row of the squared difference of differences, one E per example.

        With ``d = predictions - label`` and the n elements of an example: ``E = mean over i < k of (d_i - d_k)^2``,
        0 for a single element. All axes but the first hold elements.

        Args:
            label: True values ``[batch, ...]``.
            weights: None, a scalar, ``[batch]``, or ``[batch, 1, ...]`` of the rank of the labels.

        Returns:
            A scalar, or ``[batch]`` for ``LossReduce.NONE``.

        Raises:
            DTypeError: If the numbers are complex.

        References:
            D. Eigen, C. Puhrsch, R. Fergus, "Depth map prediction from a single image using a multi-scale deep
            network", 2014, arXiv:1406.2283.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.loss.mean_pairwise_squared_error([[0.0, 0.0, 0.0]], [[1.0, 2.0, 4.0]]).eval()
            array(4.66666667)
        """
        sd = self.sd
        _same_shape(label=label, predictions=predictions)
        p, y = floats(predictions, label, like=predictions)
        w = None
        if weights is not None:
            (w,) = floats(weights, like=p)
            w = _fit_row_weights(w, p.shape)
            per_element = w if w.shape == () else sd.expand_dims(w, tuple(range(1, p.ndim)))
            y, p = _masked(per_element, y, p)
        reduced = reduction(loss_reduce, w, predictions, label, weights)
        d = p - y
        axes = tuple(range(1, d.ndim))
        if not axes:
            return reduced(sd.zeros_like(d))
        # Centring twice keeps a large common offset from swallowing the differences; the loss does not depend on it.
        r = d - sd.largest(d, axes)
        r = r - sd.mean(r, axis=axes, keepdims=True)
        n = sd.axis_size(d, axis=axes, dtype=d.dtype)
        return reduced(2 * sd.sum(sd.math.square(r), axis=axes) / sd.math.max(n - 1, 1))

    @composite(is_loss=True, reads=_plain("2 ({p} − {y})"))
    def mean_squared_error(
        self,
        label: Operand,
        predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        name: str | None = None,
    ) -> SDVariable:
        """Squared error: ``E = (predictions - label)^2``.

        Returns:
            A scalar, or the shape of ``predictions`` for ``LossReduce.NONE``.

        References:
            T. Gneiting, "Making and evaluating point forecasts", Journal of the American Statistical Association 106,
            2011, doi:10.1198/jasa.2011.r10138: the mean minimises it.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().loss.mean_squared_error([1.0, 2.0], [1.5, 4.0]).eval()
            array(2.125, dtype=float32)
        """
        y, p, reduced = _elementwise(label, predictions, weights, loss_reduce, _NAMES)
        return reduced(self.sd.math.square(p - y))

    @composite(is_loss=True, reads=_plain("σ({p}) − {y}"))
    def sigmoid_cross_entropy(
        self,
        label: Operand,
        prediction_logits: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        label_smoothing: float = 0.0,
        name: str | None = None,
    ) -> SDVariable:
        """Binary cross entropy of logits: ``E = (1 - z) softplus(x) + z softplus(-x)``.

        ``x`` are the logits and ``z = (1 - label_smoothing) label + label_smoothing / 2``.

        Args:
            label: 0 or 1, or a probability.

        Returns:
            A scalar, or the shape of the logits for ``LossReduce.NONE``.

        Raises:
            ArgumentError: If label_smoothing is negative.

        References:
            - D. R. Cox, "The regression analysis of binary sequences", Journal of the Royal Statistical Society B 20,
              1958.
            - C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception architecture for
              computer vision", 2015, arXiv:1512.00567: label smoothing.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff(dtype="float64").loss.sigmoid_cross_entropy([1.0, 0.0], [0.0, -40.0]).eval()
            array(0.34657359)
        """
        not_negative("label_smoothing", label_smoothing)
        z, x, reduced = _elementwise(label, prediction_logits, weights, loss_reduce, _LOGIT_NAMES)
        if label_smoothing:
            z = (1 - label_smoothing) * z + 0.5 * label_smoothing
        return reduced(cross_entropy(z, x))

    @composite(is_loss=True, reads=_plain("softmax({p}) − {y}"))
    def softmax_cross_entropy(
        self,
        one_hot_labels: Operand,
        logit_predictions: Operand,
        weights: Operand | None = None,
        *,
        loss_reduce: LossReduce = _DEFAULT,
        label_smoothing: float = 0.0,
        name: str | None = None,
    ) -> SDVariable:
        """Cross entropy of logits over the last axis: ``E = -sum(z * log_softmax(x))``.

        ``x`` are the logits, C the classes and ``z = (1 - label_smoothing) labels + label_smoothing / C``. The labels
        need not sum to 1. A label of 0 counts 0 even where a logit is -infinity.

        Args:
            one_hot_labels: One-hot or probability labels ``[..., C]``.
            logit_predictions: Logits, of the same shape.
            weights: None, a scalar, or an array of the rank of E that broadcasts to it.

        Returns:
            A scalar, or the logits' shape without the last axis for ``LossReduce.NONE``.

        Raises:
            ShapeError: If the shapes differ, there is no class axis, or the weights do not fit.
            ArgumentError: If label_smoothing is negative.
            DTypeError: If the numbers are complex.

        References:
            - J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs, with
              relationships to statistical pattern recognition", 1990.
            - C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception architecture for
              computer vision", 2015, arXiv:1512.00567: label smoothing.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff(dtype="float64").loss.softmax_cross_entropy([[0.0, 1.0]], [[0.0, 0.0]]).eval()
            array(0.69314718)
        """
        not_negative("label_smoothing", label_smoothing)
        sd = self.sd
        refuse_class_numbers(*(v.aval for v in symbols(one_hot_labels, logit_predictions)))
        _same_shape(one_hot_labels=one_hot_labels, logit_predictions=logit_predictions)
        x, z = floats(logit_predictions, one_hot_labels, like=logit_predictions)
        if not x.ndim:
            raise ShapeError("Scalars have no class axis.", given=shape_str(x.shape), expected="shape [..., classes]")
        w = None
        if weights is not None:
            (w,) = floats(weights, like=x)
            if w.ndim == x.ndim and w.shape[-1] == 1:
                w = sd.squeeze(w, -1)  # One weight per row as a column, as the labels are laid out.
            w = _fit_weights(w, x.shape[:-1])
            z, x = _masked(w if w.shape == () else sd.expand_dims(w, -1), z, x)
        if label_smoothing:
            classes = sd.axis_size(x, axis=-1, dtype=x.dtype)
            z = (1 - label_smoothing) * z + label_smoothing / classes
        reduced = reduction(loss_reduce, w, logit_predictions, one_hot_labels, weights)
        surprise = 0.0 - sd.nn.log_softmax(x)
        return reduced(sd.sum(sd.math.multiply_no_nan(surprise, z), axis=-1))

    @composite(is_loss=True, literals={"labels": "int64"})
    def sparse_softmax_cross_entropy(
        self,
        logits: Operand,
        labels: Operand,
        *,
        weights: Operand | None = None,
        loss_reduce: LossReduce = LossReduce.NONE,
        name: str | None = None,
    ) -> SDVariable:
        """Cross entropy of logits and integer labels: ``E = -log_softmax(logits)[label]`` over the last axis.

        Note the order of the operands, SameDiff's: logits first. Note also that by default nothing is reduced: the
        gradient is that of a sum over the batch, where other losses have a mean.

        Args:
            logits: Logits ``[..., classes]``.
            labels: Integer labels, of the shape of the logits without the last axis.

        Returns:
            One loss per label, of the labels' shape and the logits' dtype; a scalar for any other ``loss_reduce``.

        Raises:
            ShapeError: If the shapes do not fit.
            DTypeError: If the labels are not integers.
            LabelError: At run time, for a label outside ``[0, classes)``; names it and its position.

        References:
            J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs, with
            relationships to statistical pattern recognition", 1990.

        Example:
            >>> from sdgraph import SameDiff
            >>> from sdgraph import LossReduce
            >>> sd = SameDiff(dtype="float64")
            >>> logits = [[0.0, 0.0], [0.0, 40.0]]
            >>> sd.loss.sparse_softmax_cross_entropy(logits, [1, 0]).eval()
            array([ 0.69314718, 40.        ])
            >>> mean = LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT
            >>> sd.loss.sparse_softmax_cross_entropy(logits, [1, 0], loss_reduce=mean).eval()
            array(20.34657359)
        """
        sd = self.sd
        given, k = symbols(logits, labels)
        check_class_numbers(k.aval, given.aval)
        (x,), w = floats(logits, like=logits), None
        if weights is not None:
            (w,) = floats(weights, like=x)
            w = _fit_weights(w, x.shape[:-1])
            (x,) = _masked(w if w.shape == () else sd.expand_dims(w, -1), x)
        reduced = reduction(loss_reduce, w, logits, labels, weights)
        k = sd.expand_dims(sd.checked_labels(k, x), -1)
        return reduced(0.0 - sd.squeeze(sd.take_along_axis(sd.nn.log_softmax(x), k, axis=-1), -1))

    @composite(is_loss=True)
    def weighted_cross_entropy_with_logits(
        self, targets: Operand, inputs: Operand, weights: Operand | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Binary cross entropy of logits with a weight on the positive term, unreduced.

        ``(1 - targets) softplus(inputs) + weights * targets * softplus(-inputs)``.

        Args:
            targets: 0 or 1, or a probability.
            inputs: Logits, of the same shape.
            weights: Weight of the positive term: None for 1, a scalar, or an array that broadcasts to the shape, such
                as one weight per output.

        Returns:
            An array of the shape of ``targets``.

        Raises:
            ShapeError: If the shapes differ, or the weights do not broadcast to them.

        References:
            S. Xie, Z. Tu, "Holistically-nested edge detection", 2015, arXiv:1504.06375.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.loss.weighted_cross_entropy_with_logits([1.0, 0.0], [0.0, 0.0], 3.0).eval()
            array([2.07944154, 0.69314718])
        """
        _same_shape(targets=targets, inputs=inputs)
        x, z = floats(inputs, targets, like=inputs)
        if weights is None:
            return rounded(cross_entropy(z, x), inputs, targets)
        (q,) = floats(weights, like=x)
        if q.ndim > x.ndim and q.shape in _SCALARS:
            q = self.sd.reshape(q, ())
        lead = x.ndim - q.ndim
        if lead < 0 or any(n != 1 and known_to_differ(n, x.shape[lead + k]) for k, n in enumerate(q.shape)):
            raise ShapeError(
                "weights must broadcast to the targets.",
                given=f"weights {shape_str(q.shape)}, targets {shape_str(x.shape)}",
                fix="Give a scalar, or one weight per output (the last dimension).",
            )
        return rounded(cross_entropy(z, x, q * z), inputs, targets, weights)


def _fit_row_weights(weights: SDVariable, shape: tuple[Dim, ...]) -> SDVariable:
    """Weights of a loss with one unit per example: a scalar, [batch], or [batch, 1, ...] of the labels' rank."""
    if weights.shape in _SCALARS:
        return weights if weights.shape == () else weights.sd.reshape(weights, ())
    rest = weights.shape[1:]
    per_example = all(d == 1 for d in rest) and len(weights.shape) in (1, len(shape))
    if per_example and (weights.shape[0] == 1 or not shape or not known_to_differ(weights.shape[0], shape[0])):
        return weights.sd.squeeze(weights, tuple(range(1, weights.ndim))) if rest else weights
    batch = shape[0] if shape else "batch"
    raise ShapeError(
        "weights must be a scalar, or hold one weight per example.",
        given=f"weights {shape_str(weights.shape)}, labels {shape_str(shape)}",
        expected=f"(), ({batch},) or {shape_str((batch, *(1 for _ in shape[1:])))}",
    )


__all__ = ["LossReduce", "SDLoss", "reduce_loss"]
