"""Evaluation of probabilities: whether what is said to happen with probability p does so in that part of all cases."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from sdgraph.checks import whole
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.train.evaluation.rows import Array, ratio, rows
from sdgraph.wording import text_table


class Reliability(NamedTuple):
    """Points of a reliability diagram: mean probability as x, part of positives as y, and how many are in each."""

    x: Array
    y: Array
    counts: Array


class EvaluationCalibration(Evaluator):
    """Reliability diagrams and histograms, for each class and for all together.

    A probability at the edge of a bin belongs to the one above, and 1 to the last.

    Args:
        reliability_bins: Bins of the reliability diagrams.
        histogram_bins: Bins of the histograms of probabilities and residuals, which are ``|y - p|``.
        axis: The axis of the classes, where there are three or more.

    Example:
        >>> e = EvaluationCalibration(reliability_bins=2).add([[0], [1], [1]], [[0.2], [0.4], [0.9]])
        >>> e.reliability(0).y
        array([0.5, 1. ])
    """

    settings = ("reliability_bins", "histogram_bins")
    counted = ("_sums", "_probabilities", "_residuals", "label_counts", "prediction_counts")

    def __init__(self, reliability_bins: int = 10, histogram_bins: int = 50, *, axis: int = 1) -> None:
        self.reliability_bins = whole("reliability_bins", reliability_bins, least=1)
        self.histogram_bins = whole("histogram_bins", histogram_bins, least=1)
        self.axis = axis
        self._sums = np.zeros((3, 0, self.reliability_bins))
        """Shape (3, classes, bins): how many, how many of them positive, and the sum of their probabilities."""
        self._probabilities = np.zeros((2, 0, self.histogram_bins), np.int64)
        """Shape (2, classes, bins): of examples of other classes and of this one."""
        self._residuals = np.zeros((2, 0, self.histogram_bins), np.int64)
        self.label_counts = np.zeros(0, np.int64)
        """Per class, how many examples are of it."""
        self.prediction_counts = np.zeros(0, np.int64)
        """Per class, of how many examples it is the most probable."""
        super().__init__()

    def add(self, labels: Any, predictions: Any, mask: Any = None) -> Self:
        """Count some examples.

        Raises:
            ShapeError: If shapes do not fit.
            ArgumentError: If a prediction is NaN, or no probability.
        """
        y, p, _ = rows(labels, predictions, mask, axis=self.axis)
        if ((p < 0) | (p > 1)).any():
            raise ArgumentError("Predictions are probabilities.", given=f"numbers from {p.min():.6g} to {p.max():.6g}")
        true = y > 0.5
        n, k = p.shape
        where = np.broadcast_to(np.arange(k), (n, k))
        sums = np.zeros((3, k, self.reliability_bins))
        bins = _bins(p, self.reliability_bins)
        for i, what in enumerate((np.ones_like(p), true, p)):
            np.add.at(sums[i], (where, bins), what)
        guess = (p[:, 0] > 0.5).astype(np.int64) if k == 1 else p.argmax(axis=1)
        self._take(
            sums,
            self._histogram(true, p),
            self._histogram(true, np.abs(true - p)),
            true.sum(axis=0),
            np.bincount(guess, minlength=k) if k > 1 else np.array([guess.sum()]),
        )
        return self

    def _histogram(self, true: Array, p: Array) -> Array:
        n, k = p.shape
        out = np.zeros((2, k, self.histogram_bins), np.int64)
        np.add.at(out, (true.astype(np.int64), np.broadcast_to(np.arange(k), (n, k)), _bins(p, self.histogram_bins)), 1)
        return out

    def _take(self, sums: Array, probabilities: Array, residuals: Array, labels: Array, predictions: Array) -> None:
        if self.label_counts.size not in (0, labels.size):
            raise ShapeError(
                "The number of classes differs.", given=f"{labels.size}, and {self.label_counts.size} before"
            )
        if not self.label_counts.size:
            self._sums, self._probabilities, self._residuals = sums, probabilities, residuals
            self.label_counts, self.prediction_counts = labels, predictions
            return
        self._sums = self._sums + sums
        self._probabilities, self._residuals = self._probabilities + probabilities, self._residuals + residuals
        self.label_counts, self.prediction_counts = self.label_counts + labels, self.prediction_counts + predictions

    def _merged(self, other: Any) -> None:
        if other.label_counts.size:
            self._take(other._sums, other._probabilities, other._residuals, other.label_counts, other.prediction_counts)

    def reliability(self, class_: int, *, empty: bool = False) -> Reliability:
        """The points of one class; bins without examples only with ``empty``, as NaN."""
        count, positive, total = self._sums[:, class_]
        on = np.ones(count.size, bool) if empty else count > 0
        return Reliability(
            ratio(total, count, np.nan)[on], ratio(positive, count, np.nan)[on], count[on].astype(np.int64)
        )

    def expected_calibration_error(self, class_: int) -> float:
        """The mean distance of part and probability, weighted by examples."""
        x, y, counts = self.reliability(class_)
        return float(ratio((np.abs(x - y) * counts).sum(), counts.sum()))

    def probability_histogram(self, class_: int | None = None) -> Array:
        """How many probabilities lie in each bin: of examples of a class its own, or all of all."""
        return self._probabilities.sum(axis=(0, 1)) if class_ is None else self._probabilities[1, class_]

    def residual_histogram(self, class_: int | None = None) -> Array:
        """How many residuals lie in each bin: of examples of a class its own, or all of all."""
        return self._residuals.sum(axis=(0, 1)) if class_ is None else self._residuals[1, class_]

    def stats(self) -> str:
        """Counts and calibration errors of each class, as text."""
        lines = [
            (str(k), str(a), str(b), f"{self.expected_calibration_error(k):.4f}")
            for k, (a, b) in enumerate(zip(self.label_counts, self.prediction_counts, strict=True))
        ]
        return "\n".join(text_table(("class", "examples", "most probable", "calibration error"), lines))


def _bins(p: Array, n: int) -> Array:
    return np.searchsorted(np.arange(n) / n, p, side="right") - 1
