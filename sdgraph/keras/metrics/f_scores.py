"""Means of precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, one_of, positive
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.metrics.metric import Array, BatchSums, Metric
from sdgraph.keras.metrics.weights import weights_like
from sdgraph.ops.losses.keras.weighting import EPSILON, check_same_shape
from sdgraph.ops.precision import wide

_AVERAGES = ("micro", "macro", "weighted")
_ZERO = 1e-9
"""What a largest prediction is above, so that there is a guess."""


class FBetaScore(Metric):
    """The weighted harmonic mean of precision and recall: ``(1 + beta^2) p r / (beta^2 p + r)``.

    As in Keras 1e-7 is added to each denominator.

    Args:
        average: How classes become one number: ``"micro"`` counts them together, ``"macro"`` takes the mean of their
            scores, ``"weighted"`` that by how many labels each has; None gives one number each.
        beta: What recall counts.
        threshold: What predictions are positive above; None for the largest of each example.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> m = metrics.FBetaScore(beta=2.0, threshold=0.5)
        >>> m([[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]).round(4)
        array([0.3846, 0.9091, 0.8333])
    """

    options = ("average", "beta", "threshold")
    direction = "max"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        if average is not None:
            one_of("average", average, _AVERAGES, also="None")
        if threshold is not None and between("threshold", threshold, 0, 1, ends=True) == 0:
            raise ArgumentError("threshold must be above 0.", given=f"threshold={shown(threshold)}")
        super().__init__(dtype, name)
        self.average, self.beta, self.threshold = average, positive("beta", beta), threshold

    @property
    def is_one_number(self) -> bool:
        """Whether the result is one number."""
        return self.average is not None

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """True and false positives, false negatives, and labels: by class, or together."""
        sd = y_pred.sd
        if y_pred.ndim != 2 or y_true.ndim != 2:
            raise ShapeError(
                f"{type(self).__name__} is of tables, with a row for each example and a column for each class.",
                given=f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}",
            )
        check_same_shape(y_true, y_pred)
        work = wide(y_pred.dtype if y_pred.dtype.kind == "f" else sd.dtype)
        y, p = sd.cast(y_true, work), sd.cast(y_pred, work)
        if self.threshold is None:
            largest = sd.max(p, -1, keepdims=True)
            guess = sd.math.and_(p >= largest, sd.math.abs(p) > _ZERO)
        else:
            guess = p > self.threshold
        g = sd.cast(guess, work)
        axis = [0, 1] if self.average == "micro" else [0]
        terms = (g * y, g * (1 - y), (1 - g) * y, y)
        if sample_weight is not None:
            w = weights_like(p, sample_weight)
            terms = tuple(t * w for t in terms)
        return BatchSums(tuple(sd.sum(t, axis) for t in terms))

    def empty(self) -> list[Array]:
        """No counts."""
        return [np.zeros(())] * 4

    def value(self, sums: Sequence[Array]) -> Any:
        """The score."""
        tp, fp, fn, labels = sums
        precision, recall, b = tp / (tp + fp + EPSILON), tp / (tp + fn + EPSILON), self.beta**2
        scores = (1 + b) * (precision * recall / (b * precision + recall + EPSILON))
        if self.average == "weighted":
            return (scores * (labels / (labels.sum() + EPSILON))).sum()
        return scores if self.average is None else scores.mean()


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall, ``2 p r / (p + r)``: `FBetaScore` of ``beta`` 1.

    Args:
        average: As for `FBetaScore`.
        threshold: As for `FBetaScore`.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> m = metrics.F1Score(threshold=0.5)
        >>> m([[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]).round(4)
        array([0.5   , 0.8   , 0.6667])
    """

    options = ("average", "threshold")

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
