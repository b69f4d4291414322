"""Evaluation of several independent yes-or-no outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sdgraph.errors import ArgumentError
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.train.evaluation.rows import Array, mean_of_known, ratio, rows
from sdgraph.wording import text_table


class EvaluationBinary(Evaluator):
    """Each output by itself: true is what lies above its threshold.

    Measures are arrays with one number for each output, NaN at 0/0; those that begin with ``average`` leave such
    outputs out.

    Args:
        threshold: One number, or one for each output.
        labels: Names of the outputs.
        axis: The axis of the outputs, where there are three or more.

    Example:
        >>> e = EvaluationBinary().add([[1, 0], [1, 1]], [[0.9, 0.2], [0.4, 0.7]])
        >>> e.recall()
        array([0.5, 1. ])
    """

    settings = ("threshold",)
    counted = ("counts",)

    def __init__(
        self, *, threshold: float | Sequence[float] = 0.5, labels: Sequence[str] | None = None, axis: int = 1
    ) -> None:
        self.threshold = np.asarray(threshold, np.float64).reshape(-1)
        self.names = None if labels is None else list(labels)
        self.axis = axis
        self.counts = np.zeros((4, 0), np.int64)
        """True positives, false positives, true negatives and false negatives, of shape (4, outputs)."""
        super().__init__()

    def add(self, labels: Any, predictions: Any, mask: Any = None) -> Self:
        """Count some examples; a mask may leave out whole examples, or single outputs.

        Raises:
            ShapeError: If shapes do not fit.
            ArgumentError: If a prediction is NaN, or there is not one threshold for each output.
        """
        y, p, counts = rows(labels, predictions, mask, axis=self.axis)
        outputs = p.shape[1]
        if self.threshold.size not in (1, outputs) or self.counts.shape[1] not in (0, outputs):
            raise ArgumentError(
                "The number of outputs differs.",
                given=f"{outputs} outputs, {self.threshold.size} thresholds, {self.counts.shape[1]} outputs before",
            )
        true, said = y > 0.5, p > self.threshold
        found = [true & said, ~true & said, ~true & ~said, true & ~said]
        self._count(np.array([(a & counts).sum(axis=0) for a in found]))
        return self

    def _count(self, found: Array) -> None:
        self.counts = found + self.counts if self.counts.size else found

    def _merged(self, other: Any) -> None:
        if other.counts.size:
            self._count(other.counts)

    @property
    def true_positives(self) -> Array:
        """Per output, what is true and was said to be."""
        return self.counts[0]

    @property
    def false_positives(self) -> Array:
        """Per output, what is false and was said to be true."""
        return self.counts[1]

    @property
    def true_negatives(self) -> Array:
        """Per output, what is false and was said to be."""
        return self.counts[2]

    @property
    def false_negatives(self) -> Array:
        """Per output, what is true and was said to be false."""
        return self.counts[3]

    def accuracy(self) -> Array:
        """``(tp + tn) / count``."""
        return ratio(self.true_positives + self.true_negatives, self.counts.sum(axis=0), np.nan)

    def precision(self) -> Array:
        """``tp / (tp + fp)``."""
        return ratio(self.true_positives, self.true_positives + self.false_positives, np.nan)

    def recall(self) -> Array:
        """``tp / (tp + fn)``."""
        return ratio(self.true_positives, self.true_positives + self.false_negatives, np.nan)

    def f_beta(self, beta: float) -> Array:
        """``(1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp)``."""
        above = (1 + beta * beta) * self.true_positives
        return ratio(above, above + beta * beta * self.false_negatives + self.false_positives, np.nan)

    def f1(self) -> Array:
        """`f_beta` with beta 1."""
        return self.f_beta(1.0)

    def false_positive_rate(self) -> Array:
        """``fp / (fp + tn)``."""
        return ratio(self.false_positives, self.false_positives + self.true_negatives, np.nan)

    def false_negative_rate(self) -> Array:
        """``fn / (fn + tp)``."""
        return ratio(self.false_negatives, self.false_negatives + self.true_positives, np.nan)

    def g_measure(self) -> Array:
        """``sqrt(precision recall)``."""
        return np.sqrt(self.precision() * self.recall())

    def matthews_correlation(self) -> Array:
        """Matthews' coefficient; 0 at 0/0."""
        tp, fp, tn, fn = self.counts.astype(np.float64)
        return ratio(tp * tn - fp * fn, np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn))

    def average(self, measure: str) -> float:
        """The mean of a measure over outputs for which it is not 0/0.

        Example:
            >>> EvaluationBinary().add([[1, 0], [1, 1]], [[0.9, 0.2], [0.4, 0.7]]).average("recall")
            0.75
        """
        return mean_of_known(getattr(self, measure)())

    def stats(self) -> str:
        """Measures and counts of each output, as text."""
        measures = ("accuracy", "f1", "precision", "recall")
        columns = [getattr(self, m)() for m in measures]
        lines = []
        for k in range(self.counts.shape[1]):
            name = self.names[k] if self.names is not None else str(k)
            lines.append((name, *(f"{c[k]:.4f}" for c in columns), *map(str, self.counts[:, k])))
        return "\n".join(text_table(("output", *measures, "tp", "fp", "tn", "fn"), lines))
