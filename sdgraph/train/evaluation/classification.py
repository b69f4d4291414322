"""Evaluation of one label for each example: the confusion matrix, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np

from sdgraph.checks import one_of, whole
from sdgraph.errors import ArgumentError, LabelError, shown
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.train.evaluation.rows import Array, Rows, mean_of_known, ratio, rows
from sdgraph.wording import text_table

Average = Literal["macro", "micro"]
_AVERAGES = ("macro", "micro")


class Evaluation(Evaluator):
    """A classifier with one label for each example.

    Predictions are probabilities, of shape (examples, classes), or (examples,) and (examples, 1) for class 1 of two;
    with more axes, classes are on ``axis``. Labels are one-hot in the same shape, or class numbers. The class that is
    guessed is the first of the largest; of one column, class 1 above the threshold.

    A macro average is the mean over classes for which the measure is not 0/0: without predictions there is no
    precision, without labels no recall. That is scikit-learn's with ``zero_division=nan``. Measures of one class are 0
    at 0/0.

    Args:
        num_classes: How many there are, if predictions are not to tell.
        labels: Names of the classes.
        top_n: An example counts in `top_n_accuracy` if fewer than so many classes are more probable than its own.
        binary_threshold: From which probability on class 1 of two is guessed, where not the larger one is.
        cost: By class what probabilities are multiplied with before the largest is taken.
        axis: The axis of the classes, where there are three or more.

    Example:
        >>> e = Evaluation().add([0, 1, 2, 2], [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
        >>> e.accuracy(), e.precision(), e.recall(1)
        (0.75, 0.8333333333333334, 1.0)
    """

    settings = ("top_n", "binary_threshold", "cost")
    counted = ("confusion", "top_n_correct")

    def __init__(
        self,
        num_classes: int | None = None,
        *,
        labels: Sequence[str] | None = None,
        top_n: int = 1,
        binary_threshold: float | None = None,
        cost: Sequence[float] | Array | None = None,
        axis: int = 1,
    ) -> None:
        n = (
            len(labels)
            if labels is not None
            else 0
            if num_classes is None
            else whole("num_classes", num_classes, least=1)
        )
        self.names = None if labels is None else list(labels)
        self.top_n = whole("top_n", top_n, least=1)
        self.binary_threshold, self.axis = binary_threshold, axis
        self.cost = None if cost is None else np.asarray(cost, np.float64).reshape(-1)
        if self.cost is not None and binary_threshold is not None:
            raise ArgumentError("A guess goes by costs or by a threshold.", given="both", fix="Give one of them.")
        self.confusion = np.zeros((n, n), np.int64)
        """Shape (actual, guessed)."""
        self.top_n_correct = 0
        super().__init__()

    def add(self, labels: Any, predictions: Any, mask: Any = None) -> Self:
        """Count some examples.

        Raises:
            ShapeError: If shapes do not fit.
            ArgumentError: If a prediction is NaN.
            LabelError: If a class number is no class.
        """
        given = rows(labels, predictions, mask, axis=self.axis, sparse=True)
        p = given.predictions
        classes = max(p.shape[1], 2, len(self.confusion))
        actual, guess = self._actual(given, classes), self._guess(p)
        self._grow(classes)
        np.add.at(self.confusion, (actual, guess), 1)
        if p.shape[1] == 1:
            self.top_n_correct += int((actual == guess).sum()) if self.top_n == 1 else len(p)
        else:
            own = p[np.arange(len(p)), actual][:, None]
            self.top_n_correct += int(((p > own).sum(axis=1) < self.top_n).sum())
        return self

    def _actual(self, given: Rows, classes: int) -> Array:
        y = given.labels
        if y.ndim == 2:
            return (y[:, 0] > 0.5).astype(np.int64) if y.shape[1] == 1 else y.argmax(axis=1)
        bad = (y < 0) | (y >= classes)
        if bad.any():
            k = int(np.flatnonzero(bad)[0])
            raise LabelError(f"Label {y[k]} of row {k} is no class.", expected=f"0 <= label < {classes}")
        return y

    def _guess(self, p: Array) -> Array:
        if p.shape[1] == 1:
            return (p[:, 0] > (0.5 if self.binary_threshold is None else self.binary_threshold)).astype(np.int64)
        if self.binary_threshold is not None and p.shape[1] == 2:
            return (p[:, 1] > self.binary_threshold).astype(np.int64)
        if self.cost is not None and self.cost.size != p.shape[1]:
            raise ArgumentError(
                "There is one cost for each class.", given=f"{self.cost.size} costs, {p.shape[1]} classes"
            )
        return (p if self.cost is None else p * self.cost).argmax(axis=1)

    def _grow(self, classes: int) -> None:
        old = self.confusion
        if classes > len(old):
            self.confusion = np.zeros((classes, classes), np.int64)
            self.confusion[: len(old), : len(old)] = old

    def _merged(self, other: Any) -> None:
        self._grow(len(other.confusion))
        n = len(other.confusion)
        self.confusion[:n, :n] += other.confusion
        self.top_n_correct += other.top_n_correct

    # ------------------------------------------------------------------ counts of each class

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.confusion)

    @property
    def num_rows(self) -> int:
        """How many examples were counted."""
        return int(self.confusion.sum())

    @property
    def true_positives(self) -> Array:
        """Per class, the examples of it that were guessed to be."""
        return np.diag(self.confusion)

    @property
    def false_positives(self) -> Array:
        """Per class, the examples of others that were guessed to be of it."""
        return self.confusion.sum(axis=0) - self.true_positives

    @property
    def false_negatives(self) -> Array:
        """Per class, the examples of it that were guessed to be of others."""
        return self.confusion.sum(axis=1) - self.true_positives

    @property
    def true_negatives(self) -> Array:
        """Per class, the examples of others that were guessed to be."""
        return self.num_rows - self.true_positives - self.false_positives - self.false_negatives

    # ------------------------------------------------------------------ measures

    def accuracy(self) -> float:
        """The part of examples whose class was guessed."""
        return float(ratio(self.true_positives.sum(), self.num_rows))

    def top_n_accuracy(self) -> float:
        """The part of examples whose class is among the ``top_n`` most probable."""
        return float(ratio(self.top_n_correct, self.num_rows))

    def balanced_accuracy(self) -> float:
        """The mean recall of classes that there are."""
        return self.recall()

    def _averaged(self, above: Array, below: Array, class_: int | None, average: str) -> float:
        one_of("average", average, _AVERAGES)
        if class_ is not None:
            whole("class_", class_, least=0)
            if class_ >= len(above):
                raise ArgumentError("There is no such class.", given=shown(class_), expected=f"below {len(above)}")
            return float(ratio(above[class_], below[class_]))
        if average == "micro":
            return float(ratio(above.sum(), below.sum()))
        found = mean_of_known(ratio(above, below, np.nan))
        return 0.0 if np.isnan(found) else found

    def precision(self, class_: int | None = None, *, average: Average = "macro") -> float:
        """``tp / (tp + fp)``."""
        tp = self.true_positives
        return self._averaged(tp, tp + self.false_positives, class_, average)

    def recall(self, class_: int | None = None, *, average: Average = "macro") -> float:
        """``tp / (tp + fn)``."""
        tp = self.true_positives
        return self._averaged(tp, tp + self.false_negatives, class_, average)

    def f_beta(self, beta: float, class_: int | None = None, *, average: Average = "macro") -> float:
        """``(1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp)``."""
        b = beta * beta
        above = (1 + b) * self.true_positives
        return self._averaged(above, above + b * self.false_negatives + self.false_positives, class_, average)

    def f1(self, class_: int | None = None, *, average: Average = "macro") -> float:
        """`f_beta` with beta 1."""
        return self.f_beta(1.0, class_, average=average)

    def false_positive_rate(self, class_: int | None = None, *, average: Average = "macro") -> float:
        """``fp / (fp + tn)``."""
        fp = self.false_positives
        return self._averaged(fp, fp + self.true_negatives, class_, average)

    def false_negative_rate(self, class_: int | None = None, *, average: Average = "macro") -> float:
        """``fn / (fn + tp)``."""
        fn = self.false_negatives
        return self._averaged(fn, fn + self.true_positives, class_, average)

    def g_measure(self, class_: int) -> float:
        """``sqrt(precision recall)`` of one class."""
        return float(np.sqrt(self.precision(class_) * self.recall(class_)))

    def matthews_correlation(self, class_: int | None = None) -> float:
        """Matthews' coefficient of all classes at once, or of one against the others; 0 at 0/0."""
        c = self.confusion.astype(np.float64)
        if class_ is not None:
            tp, fn, fp, tn = (
                a[class_]
                for a in (self.true_positives, self.false_negatives, self.false_positives, self.true_negatives)
            )
            c = np.array([[tp, fn], [fp, tn]], np.float64)
        n, actual, guessed = c.sum(), c.sum(axis=1), c.sum(axis=0)
        below = np.sqrt(n * n - guessed @ guessed) * np.sqrt(n * n - actual @ actual)
        return float(ratio(np.trace(c) * n - actual @ guessed, below))

    def cohen_kappa(self) -> float:
        """The agreement beyond what chance gives; 0 at 0/0."""
        n = self.num_rows
        by_chance = float(self.confusion.sum(axis=0) @ self.confusion.sum(axis=1)) / max(n * n, 1)
        return float(ratio(self.accuracy() - by_chance, 1 - by_chance))

    # ------------------------------------------------------------------ text

    def class_name(self, k: int) -> str:
        """What a class is called."""
        return self.names[k] if self.names is not None and k < len(self.names) else str(k)

    def stats(self) -> str:
        """Measures, classes without labels or guesses, and the confusion matrix, as text."""
        measures = [("classes", str(self.num_classes)), ("examples", str(self.num_rows))]
        measures += [("accuracy", f"{self.accuracy():.4f}")]
        if self.top_n > 1:
            measures.append((f"top {self.top_n} accuracy", f"{self.top_n_accuracy():.4f}"))
        measures += [(name, f"{getattr(self, name)():.4f}") for name in ("precision", "recall", "f1")]
        lines = [*text_table(("measure", "value"), measures), "precision, recall and f1 are means over classes"]
        for axis, what in ((0, "never guessed, left out of precision"), (1, "without examples, left out of recall")):
            missing = [self.class_name(k) for k in np.flatnonzero(self.confusion.sum(axis=axis) == 0).tolist()]
            lines += [f"{what}: {', '.join(missing)}"] if missing else []
        names = [self.class_name(k) for k in range(self.num_classes)]
        table = [(name, *map(str, row)) for name, row in zip(names, self.confusion.tolist(), strict=True)]
        return "\n".join([*lines, "", *text_table(("actual \\ guessed", *names), table)])
