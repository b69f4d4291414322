"""How often predictions are right."""

from __future__ import annotations

import math
from typing import Any

from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, flag, whole
from sdgraph.errors import ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.keras.metrics.functions import on_both, under
from sdgraph.keras.metrics.means import OfFunction
from sdgraph.ops.losses.keras.weighting import check_same_shape, same_rank


def _counts(hits: SDVariable, like: SDVariable) -> SDVariable:
    return hits.sd.cast(hits, like.dtype if like.dtype.kind == "f" else like.sd.dtype)


def _both(y_true: SDVariable, y_pred: SDVariable) -> str:
    return f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}"


def _as_numbers(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """Numbers of classes, without a last axis of size 1."""
    return y_true.sd.squeeze(y_true, -1) if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true


# ---------------------------------------------------------------------- functions


@under("accuracy")
def same(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """Whether predictions are equal to labels."""
    y, p = same_rank(y_true, y_pred)
    check_same_shape(y, p)
    return _counts(p.sd.cast(y, p.dtype).eq(p), p)


@on_both
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> SDVariable:
    """Whether a prediction is above the threshold where its label is 1, and only there.

    Args:
        y_true: Labels 0 and 1.
        y_pred: Predictions of the same shape, or of one that differs by a last axis of size 1.
        threshold: What predictions of 1 are above.

    Returns:
        0 and 1, of the shape of the predictions.

    Raises:
        ShapeError: If the shapes do not go together.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.binary_accuracy([1, 1, 0], [0.9, 0.4, 0.5])
        array([1., 0., 1.], dtype=float32)
    """
    y, p = same_rank(y_true, y_pred)
    check_same_shape(y, p)
    return _counts(y.eq(p.sd.cast(p > threshold, y.dtype)), p)


@on_both
def categorical_accuracy(y_true: Any, y_pred: Any) -> SDVariable:
    """Whether the largest prediction stands where the largest label does.

    Args:
        y_true: Labels ``(..., classes)``, one-hot.
        y_pred: Predictions of the same shape.

    Returns:
        0 and 1, of shape ``(...)``.

    Raises:
        ShapeError: If the shapes differ.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.categorical_accuracy([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]])
        array([0., 1.], dtype=float32)
    """
    check_same_shape(y_true, y_pred)
    sd = y_pred.sd
    return _counts(sd.argmax(y_true, -1).eq(sd.argmax(y_pred, -1)), y_pred)


@on_both
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> SDVariable:
    """Whether the largest prediction stands at the number that is the label.

    Args:
        y_true: Numbers of classes ``(...)`` or ``(..., 1)``.
        y_pred: Predictions ``(..., classes)``.

    Returns:
        0 and 1, of shape ``(...)``.

    Raises:
        ShapeError: If the shapes do not go together.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.sparse_categorical_accuracy([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]])
        array([0., 1.], dtype=float32)
    """
    sd, y = y_pred.sd, _as_numbers(y_true, y_pred)
    guess = sd.cast(sd.argmax(y_pred, -1), y.dtype)
    check_same_shape(y, guess, _both(y_true, y_pred))
    return _counts(y.eq(guess), y_pred)


@on_both
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> SDVariable:
    """Whether fewer than ``k`` predictions are larger than the one where the largest label stands.

    Args:
        y_true: Labels ``(..., classes)``, one-hot.
        y_pred: Predictions of the same shape.
        k: How many predictions count as guesses.

    Returns:
        0 and 1, of shape ``(...)``.

    Raises:
        ShapeError: If the shapes differ.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.top_k_categorical_accuracy([[0, 0, 1], [1, 0, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.1]], k=2)
        array([1., 0.], dtype=float32)
    """
    check_same_shape(y_true, y_pred)
    return _among_first(y_pred.sd.argmax(y_true, -1), y_pred, k)


@on_both
def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> SDVariable:
    """Whether fewer than ``k`` predictions are larger than the one at the label.

    Args:
        y_true: Numbers of classes ``(...)`` or ``(..., 1)``.
        y_pred: Predictions ``(..., classes)``; or numbers of classes, the most likely first.
        k: How many predictions count as guesses.
        from_sorted_ids: Whether predictions are numbers of classes.

    Returns:
        0 and 1, of shape ``(...)``.

    Raises:
        ShapeError: If the shapes do not go together.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.sparse_top_k_categorical_accuracy([2, 0], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.1]], k=2)
        array([1., 0.], dtype=float32)
        >>> metrics.sparse_top_k_categorical_accuracy([2, 1], [[1, 0, 3], [1, 2, 3]], k=1, from_sorted_ids=True)
        array([0., 1.], dtype=float32)
    """
    y, sd = _as_numbers(y_true, y_pred), y_pred.sd
    check_same_shape(y, sd.argmax(y_pred, -1), _both(y_true, y_pred))
    if not from_sorted_ids:
        return _among_first(y, y_pred, k)
    hits = y_pred[..., :k].eq(sd.expand_dims(sd.cast(y, y_pred.dtype), -1))
    return _counts(sd.any(hits, -1), y_pred)


def _among_first(y: SDVariable, y_pred: SDVariable, k: int) -> SDVariable:
    sd, n = y_pred.sd, y_pred.shape[-1]
    if not isinstance(n, int):
        raise ShapeError("How many classes there are must be known.", given=f"y_pred {shape_str(y_pred.shape)}")
    own = sd.one_hot(sd.cast(y, "int64"), n, dtype="bool")
    mine = sd.sum(sd.where(own, y_pred, 0.0), -1, keepdims=True)
    # NaN is no large probability.
    mine = sd.where(sd.math.is_nan(mine), -math.inf, mine)
    above = sd.sum(sd.cast(y_pred > mine, "int64"), -1)
    # A label that is no class is never among them.
    return _counts(sd.math.and_(above < k, sd.any(own, -1)), y_pred)


def accuracy_by_shape(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """The accuracy that the shapes call for, as Keras chooses it.

    Raises:
        ShapeError: If predictions have no axis of classes.
    """
    if y_pred.ndim < 2:
        raise ShapeError(
            "An accuracy is chosen by the last axis of predictions, and these have none besides the batch.",
            given=f"y_pred {shape_str(y_pred.shape)}",
            fix="Use the metric 'binary_accuracy', or give the output a last axis of size 1.",
        )
    if y_pred.shape[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return sparse_categorical_accuracy(y_true, y_pred)
    return categorical_accuracy(y_true, y_pred)


# ---------------------------------------------------------------------- classes


class Accuracy(OfFunction):
    """How often predictions are equal to labels.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.Accuracy()([[1], [2], [3], [4]], [[0], [2], [3], [4]])
        array(0.75)
    """

    direction = "max"

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(same, name, dtype)


class BinaryAccuracy(OfFunction):
    """How often a prediction is above the threshold where its label is 1, and only there: see `binary_accuracy`.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        threshold: What predictions of 1 are above.

    Raises:
        ArgumentError: If the threshold is no number.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]])
        array(0.75)
    """

    options = ("threshold",)
    direction = "max"

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=finite("threshold", threshold))
        self.threshold = threshold


class CategoricalAccuracy(OfFunction):
    """How often the largest prediction stands where the largest label does: see `categorical_accuracy`.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.CategoricalAccuracy()([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]])
        array(0.5)
    """

    direction = "max"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(OfFunction):
    """How often the largest prediction stands at the number that is the label: see `sparse_categorical_accuracy`.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.SparseCategoricalAccuracy()([[2], [1]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0.0]])
        array(0.5)
    """

    direction = "max"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(OfFunction):
    """How often a one-hot label is among the ``k`` largest predictions: see `top_k_categorical_accuracy`.

    Args:
        k: How many predictions count as guesses.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If ``k`` is no whole number above 0.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.TopKCategoricalAccuracy(k=1)([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]])
        array(0.5)
    """

    options = ("k",)
    direction = "max"

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=whole("k", k, least=1))
        self.k = k


class SparseTopKCategoricalAccuracy(OfFunction):
    """How often the class of a label is among the ``k`` largest predictions: see `sparse_top_k_categorical_accuracy`.

    Args:
        k: How many predictions count as guesses.
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        from_sorted_ids: Whether predictions are numbers of classes, the most likely first.

    Raises:
        ArgumentError: If ``k`` is no whole number above 0.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.SparseTopKCategoricalAccuracy(k=1)([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]])
        array(0.5)
    """

    options = ("k", "from_sorted_ids")
    direction = "max"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        whole("k", k, least=1)
        flag("from_sorted_ids", from_sorted_ids)
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
        self.k, self.from_sorted_ids = k, from_sorted_ids
