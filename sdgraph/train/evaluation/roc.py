"""Curves over all thresholds: of one score, of several outputs, of each class against the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from sdgraph.checks import whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.train.evaluation.rows import Array, mean_of_known, ratio, rows
from sdgraph.wording import text_table


class Curve(NamedTuple):
    """Points of a curve, from the highest threshold to the lowest."""

    thresholds: Array
    x: Array
    y: Array


class _Scores:
    """How many positives and negatives have each score. Equal scores are one, so that their order does not count."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.scores = np.empty(0)
        """Ascending."""
        self.counts = np.empty((2, 0), np.int64)
        """Shape (2, scores): negatives and positives."""

    def add(self, positive: Array, scores: Array) -> None:
        if self.steps:
            grid = np.arange(self.steps + 1) / self.steps
            scores = grid[np.clip(np.searchsorted(grid, scores, side="right") - 1, 0, self.steps)]
        self.take(scores, np.array([~positive, positive], np.int64))

    def take(self, scores: Array, counts: Array) -> None:
        self.scores, where = np.unique(np.concatenate([self.scores, scores]), return_inverse=True)
        both = np.concatenate([self.counts, counts], axis=1)
        self.counts = np.zeros((2, self.scores.size), np.int64)
        for mine, given in zip(self.counts, both, strict=True):
            np.add.at(mine, where.reshape(-1), given)

    def given(self, scores: Array, counts: Array) -> None:
        """Have counted these, which another one has."""
        self.scores, self.counts = scores.copy(), counts.copy()

    def said(self) -> Array:
        """Shape (2, scores + 1): how many of each are said to be positive, from no score on to all."""
        return np.concatenate([np.zeros((2, 1), np.int64), np.cumsum(self.counts[:, ::-1], axis=1)], axis=1)

    def thresholds(self) -> Array:
        return np.concatenate([[np.inf], self.scores[::-1]])

    def roc_curve(self) -> Curve:
        negative, positive = self.said()
        return Curve(self.thresholds(), ratio(negative, negative[-1], np.nan), ratio(positive, positive[-1], np.nan))

    def precision_recall_curve(self) -> Curve:
        negative, positive = self.said()
        recall = ratio(positive, positive[-1], np.nan)
        return Curve(self.thresholds(), recall, ratio(positive, negative + positive, 1.0))

    def auc(self) -> float:
        negative, positive = self.said()
        # Exact in whole numbers: twice the area is one of them.
        twice = int((np.diff(negative) * (positive[1:] + positive[:-1])).sum())
        return float(ratio(twice / 2, float(negative[-1]) * float(positive[-1]), np.nan))

    def average_precision(self) -> float:
        negative, positive = self.said()
        precision = ratio(positive, negative + positive, 1.0)
        return float(ratio((np.diff(positive) * precision[1:]).sum(), positive[-1], np.nan))


class ROC(Evaluator):
    """One score for each example against whether it is positive.

    Scores are of shape (examples,) or (examples, 1), or probabilities of two classes in two columns, of which the
    second is the score. Equal scores are grouped, as scikit-learn does it.

    Args:
        steps: 0 for every score as a threshold, or how many equal steps from 0 to 1 to round them down to, which takes
            no more memory with more examples.
        axis: The axis of the classes, where there are three or more.

    Example:
        >>> roc = ROC().add([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.35])
        >>> roc.auc()
        0.75
    """

    settings = ("steps",)

    def __init__(self, steps: int = 0, *, axis: int = 1) -> None:
        self.steps, self.axis = whole("steps", steps, least=0), axis
        self._scores = _Scores(self.steps)
        super().__init__()

    def add(self, labels: Any, predictions: Any, mask: Any = None) -> Self:
        """Count some examples.

        Raises:
            ShapeError: If shapes do not fit, or there are more than two columns.
            ArgumentError: If a score is NaN, or outside of 0 to 1 where they are rounded.
        """
        y, p, counts = rows(labels, predictions, mask, axis=self.axis)
        if p.shape[1] > 2:
            raise ShapeError(
                "A ROC is of one score.",
                given=f"{p.shape[1]} columns",
                fix="Use ROCBinary for independent outputs, ROCMultiClass for classes.",
            )
        on = counts[:, -1]
        _refuse_outside(self.steps, p[on, -1])
        self._scores.add(y[on, -1] > 0.5, p[on, -1])
        return self

    def _merged(self, other: Any) -> None:
        self._scores.take(other._scores.scores, other._scores.counts)

    def state(self) -> dict[str, Array]:
        """How many negatives and positives have each score, as arrays."""
        return {"scores": self._scores.scores, "counts": self._scores.counts}

    def load_state(self, state: Mapping[str, Array]) -> Self:
        """Have counted what `state` gave."""
        super().load_state(state)
        self._scores.given(state["scores"], state["counts"])
        return self

    @property
    def positives(self) -> int:
        """How many examples are positive."""
        return int(self._scores.counts[1].sum())

    @property
    def negatives(self) -> int:
        """How many examples are not."""
        return int(self._scores.counts[0].sum())

    def roc_curve(self) -> Curve:
        """False positive rates as x and true positive rates as y; NaN without negatives, or without positives."""
        return self._scores.roc_curve()

    def precision_recall_curve(self) -> Curve:
        """Recall as x and precision as y; precision is 1 where nothing is said to be positive."""
        return self._scores.precision_recall_curve()

    def auc(self) -> float:
        """The area under the ROC curve, by trapezoids; NaN without positives or without negatives."""
        return self._scores.auc()

    def average_precision(self) -> float:
        """The sum of ``(recall_k - recall_(k-1)) precision_k``; NaN without positives.

        It is the area under the curve of precision and recall that scikit-learn has. nd4j's AUPRC connects points by
        straight lines, which such a curve does not follow.
        """
        return self._scores.average_precision()

    def stats(self) -> str:
        """Areas and counts, as text."""
        lines = [("area under the ROC curve", f"{self.auc():.4f}")]
        lines += [("average precision", f"{self.average_precision():.4f}")]
        lines += [("positives", str(self.positives)), ("negatives", str(self.negatives))]
        return "\n".join(text_table(("measure", "value"), lines))


def _refuse_outside(steps: int, scores: Array) -> None:
    if steps and ((scores < 0) | (scores > 1)).any():
        raise ArgumentError(
            "Scores that are rounded to steps are probabilities.",
            given=f"scores from {scores.min():.6g} to {scores.max():.6g}",
            fix="Use steps=0, which takes any score.",
        )


class _PerColumn(Evaluator):
    """A curve for each column."""

    settings = ("steps",)

    def __init__(self, steps: int = 0, *, axis: int = 1) -> None:
        self.steps, self.axis = whole("steps", steps, least=0), axis
        self._columns: list[_Scores] = []
        super().__init__()

    def add(self, labels: Any, predictions: Any, mask: Any = None) -> Self:
        y, p, counts = rows(labels, predictions, mask, axis=self.axis, sparse=isinstance(self, ROCMultiClass))
        self._fitting(p.shape[1])
        for k in range(p.shape[1]):
            _refuse_outside(self.steps, p[counts[:, k], k])
        self._columns = self._columns or [_Scores(self.steps) for _ in range(p.shape[1])]
        for k, column in enumerate(self._columns):
            on = counts[:, k]
            true = y == k if y.ndim == 1 else y[:, k] > 0.5
            column.add(true[on], p[on, k])
        return self

    def _fitting(self, n: int) -> None:
        if len(self._columns) not in (0, n):
            raise ShapeError("The number of columns differs.", given=f"{n}, and {len(self._columns)} before")

    def _merged(self, other: Any) -> None:
        if other._columns:
            self._fitting(len(other._columns))
            self._columns = self._columns or [_Scores(self.steps) for _ in other._columns]
            for mine, its in zip(self._columns, other._columns, strict=True):
                mine.take(its.scores, its.counts)

    def state(self) -> dict[str, Array]:
        """How many negatives and positives have each score, column after column, as arrays."""
        columns = self._columns or [_Scores(self.steps)]
        return {
            "columns": np.array([c.scores.size for c in self._columns], np.int64),
            "scores": np.concatenate([c.scores for c in columns]),
            "counts": np.concatenate([c.counts for c in columns], axis=1),
        }

    def load_state(self, state: Mapping[str, Array]) -> Self:
        """Have counted what `state` gave."""
        super().load_state(state)
        self._columns = [_Scores(self.steps) for _ in state["columns"]]
        ends = np.cumsum(state["columns"])
        for column, end, size in zip(self._columns, ends, state["columns"], strict=True):
            column.given(state["scores"][end - size : end], state["counts"][:, end - size : end])
        return self

    @property
    def positives(self) -> Array:
        """Per column, how many examples are positive."""
        return np.array([int(c.counts[1].sum()) for c in self._columns])

    @property
    def negatives(self) -> Array:
        """Per column, how many examples are not."""
        return np.array([int(c.counts[0].sum()) for c in self._columns])

    def roc_curve(self, column: int) -> Curve:
        """False positive rates of a column as x, and true positive rates as y."""
        return self._column(column).roc_curve()

    def precision_recall_curve(self, column: int) -> Curve:
        """Recall of a column as x, and precision as y."""
        return self._column(column).precision_recall_curve()

    def _column(self, column: int) -> _Scores:
        whole("column", column, least=0)
        if column >= len(self._columns):
            raise ArgumentError("There is no such column.", given=shown(column), expected=f"below {len(self._columns)}")
        return self._columns[column]

    def auc(self) -> Array:
        """Per column, the area under the ROC curve."""
        return np.array([c.auc() for c in self._columns])

    def average_precision(self) -> Array:
        """Per column, the average precision."""
        return np.array([c.average_precision() for c in self._columns])

    def average_auc(self) -> float:
        """The mean over columns that have both positives and negatives."""
        return mean_of_known(self.auc())

    def stats(self) -> str:
        """Areas and counts of each column, as text."""
        auc, precision = self.auc(), self.average_precision()
        counts = zip(self.positives, self.negatives, strict=True)
        lines = [(str(k), f"{auc[k]:.4f}", f"{precision[k]:.4f}", str(a), str(b)) for k, (a, b) in enumerate(counts)]
        return "\n".join(text_table(("column", "auc", "average precision", "positives", "negatives"), lines))


class ROCBinary(_PerColumn):
    """A `ROC` for each of several independent outputs.

    Example:
        >>> ROCBinary().add([[0, 1], [1, 0]], [[0.1, 0.2], [0.9, 0.7]]).auc()
        array([1., 0.])
    """


class ROCMultiClass(_PerColumn):
    """A `ROC` for each class against all others; labels are one-hot or class numbers.

    Example:
        >>> ROCMultiClass().add([0, 1, 1], [[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]).average_auc()
        1.0
    """
