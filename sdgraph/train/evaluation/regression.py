"""Evaluation of numbers that are predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sdgraph.errors import ShapeError
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.train.evaluation.rows import Array, mean_of_known, ratio, rows
from sdgraph.wording import text_table


class RegressionEvaluation(Evaluator):
    """Predicted numbers against true ones, column by column.

    It keeps means and sums about them, so that large offsets cancel nowhere, and merging gives what one run over all
    examples would.

    Args:
        columns: Names of the columns.
        axis: The axis of the columns, where there are three or more.

    Example:
        >>> e = RegressionEvaluation().add([[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]])
        >>> e.mean_squared_error(), e.r_squared()
        (array([0.33333333]), array([0.5]))
    """

    counted = ("count", "_means", "_moments", "_errors")

    def __init__(self, *, columns: Sequence[str] | None = None, axis: int = 1) -> None:
        self.names = None if columns is None else list(columns)
        self.axis = axis
        self.count = np.zeros(0, np.int64)
        self._means = np.zeros((2, 0))
        """Of labels and predictions."""
        self._moments = np.zeros((3, 0))
        """Sums about the means: of squared labels, squared predictions, and their products."""
        self._errors = np.zeros((2, 0))
        """Sums of squared and of absolute errors."""
        super().__init__()

    def add(self, labels: Any, predictions: Any, mask: Any = None) -> Self:
        """Count some examples; a mask may leave out whole examples, or single elements.

        Raises:
            ShapeError: If shapes do not fit.
            ArgumentError: If a prediction is NaN.
        """
        y, p, on = rows(labels, predictions, mask, axis=self.axis)
        n = on.sum(axis=0)
        y, p = np.where(on, y, 0), np.where(on, p, 0)
        means = ratio(np.array([y.sum(axis=0), p.sum(axis=0)]), n)
        dy, dp = np.where(on, y - means[0], 0), np.where(on, p - means[1], 0)
        moments = np.array([(dy * dy).sum(axis=0), (dp * dp).sum(axis=0), (dy * dp).sum(axis=0)])
        e = np.where(on, p - y, 0)
        self._take(n, means, moments, np.array([(e * e).sum(axis=0), np.abs(e).sum(axis=0)]))
        return self

    def _take(self, n: Array, means: Array, moments: Array, errors: Array) -> None:
        if self.count.size not in (0, n.size):
            raise ShapeError("The number of columns differs.", given=f"{n.size}, and {self.count.size} before")
        if not self.count.size:
            self.count, self._means, self._moments, self._errors = n, means, moments, errors
            return
        total = self.count + n
        d = means - self._means
        both = ratio(self.count * n, total)
        self._moments = self._moments + moments + both * np.array([d[0] * d[0], d[1] * d[1], d[0] * d[1]])
        self._means = self._means + d * ratio(n, total)
        self._errors = self._errors + errors
        self.count = total

    def _merged(self, other: Any) -> None:
        if other.count.size:
            self._take(other.count, other._means, other._moments, other._errors)

    def mean_squared_error(self) -> Array:
        """``mean((p - y)^2)``, per column."""
        return ratio(self._errors[0], self.count, np.nan)

    def mean_absolute_error(self) -> Array:
        """``mean(|p - y|)``, per column."""
        return ratio(self._errors[1], self.count, np.nan)

    def root_mean_squared_error(self) -> Array:
        """The root of the mean squared error, per column."""
        return np.sqrt(self.mean_squared_error())

    def relative_squared_error(self) -> Array:
        """``sum((p - y)^2) / sum((y - mean(y))^2)``, per column; infinite if all labels are equal."""
        return ratio(self._errors[0], self._moments[0], np.inf)

    def pearson_correlation(self) -> Array:
        """Pearson's coefficient of labels and predictions, per column; NaN if either are all equal."""
        return ratio(self._moments[2], np.sqrt(self._moments[0]) * np.sqrt(self._moments[1]), np.nan)

    def r_squared(self) -> Array:
        """``1 - relative squared error``, per column; NaN if all labels are equal."""
        return 1 - ratio(self._errors[0], self._moments[0], np.nan)

    def average(self, measure: str) -> float:
        """The mean of a measure over the columns for which it is defined."""
        return mean_of_known(getattr(self, measure)())

    def stats(self) -> str:
        """Measures of each column, as text."""
        measures = {
            "MSE": self.mean_squared_error(),
            "MAE": self.mean_absolute_error(),
            "RMSE": self.root_mean_squared_error(),
            "RSE": self.relative_squared_error(),
            "PC": self.pearson_correlation(),
            "R^2": self.r_squared(),
        }
        lines = []
        for k in range(self.count.size):
            name = self.names[k] if self.names is not None else str(k)
            lines.append((name, *(f"{m[k]:.5g}" for m in measures.values())))
        return "\n".join(text_table(("column", *measures), lines))
