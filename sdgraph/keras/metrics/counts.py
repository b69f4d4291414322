"""True and false positives and negatives by threshold, and what is made of them: precision, recall and their kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.metrics.metric import Array, BatchSums, Metric, divided
from sdgraph.keras.metrics.weights import weights_like
from sdgraph.ops.losses.keras.weighting import EPSILON, check_same_shape, same_rank
from sdgraph.ops.precision import wide

Condition = Literal["tp", "fp", "tn", "fn"]

_MOST = 1_000_000
"""Thresholds that a metric may have: files say how many, too."""

_BELOW_ALL = -1e10
"""What predictions count as that are not among the first k."""


def checked_thresholds(thresholds: Any, default: float) -> tuple[float, ...]:
    """Thresholds as a tuple.

    Raises:
        ArgumentError: If one is not in [0, 1].
    """
    if thresholds is None:
        return (default,)
    several = thresholds if isinstance(thresholds, list | tuple | np.ndarray) else [thresholds]
    if not len(several):
        raise ArgumentError("There are no thresholds.", given=f"thresholds={shown(thresholds)}")
    return tuple(float(between("A threshold", t, 0, 1, ends=True)) for t in several)


def how_many(num_thresholds: Any, least: int) -> int:
    """A number of thresholds.

    Raises:
        ArgumentError: If it is none, or there is no room for so many.
    """
    n = whole("num_thresholds", num_thresholds, least=least)
    if n > _MOST:
        raise ArgumentError("There are too many thresholds.", given=f"num_thresholds={n}", expected=f"{_MOST} or fewer")
    return n


def evenly(n: int) -> list[float]:
    """So many thresholds from 0 to 1, both left out."""
    return [(k + 1) / (n - 1) for k in range(n - 2)]


def are_even(thresholds: Sequence[float]) -> bool:
    """Whether thresholds go from 0 to 1 in steps of one size."""
    n = len(thresholds)
    return n > 2 and np.allclose(thresholds, np.arange(n) / (n - 1), atol=EPSILON)


class Counting:
    """How predictions are counted.

    Args:
        thresholds: What predictions are positive above, one or more.
        top_k: How many predictions of an example may be positive, the largest; None for all.
        class_id: The one class to look at, an index of the last axis; None for all.
        label_weights: A weight for each entry of the last axis.
        by_label: Whether entries of the last axis are counted apart.
        clips: Whether predictions beyond 0 and 1 count as these; as in Keras they do where thresholds are even.
    """

    def __init__(
        self,
        thresholds: Sequence[float],
        top_k: int | None = None,
        class_id: int | None = None,
        label_weights: Sequence[float] | None = None,
        by_label: bool = False,
        clips: bool | None = None,
    ) -> None:
        self.thresholds = tuple(thresholds)
        self.top_k = top_k if top_k is None else whole("top_k", top_k, least=1)
        self.class_id = class_id if class_id is None else whole("class_id", class_id, least=0)
        self.label_weights, self.by_label = label_weights, by_label
        self._clips = are_even(self.thresholds) if clips is None else clips

    def sums(
        self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None, which: Sequence[Condition]
    ) -> BatchSums:
        """The counts of a batch for each threshold, those that are asked for.

        Raises:
            ShapeError: If shapes do not go together, or there are no classes to choose from.
        """
        positive, p, w = self._examples(y_true, y_pred, sample_weight)
        sd = p.sd
        if self.by_label:
            axes, lead = 1, (-1, 1, 1)
            positive, p, w = (sd.expand_dims(v, 0) for v in (positive, p, w))
        else:
            axes, lead = 1, (-1, 1)
            positive, p, w = (sd.reshape(v, (1, -1)) for v in (positive, p, w))
        thresholds = sd.constant(np.asarray(self.thresholds, p.dtype).reshape(lead))
        above = p > thresholds
        negative, below = sd.math.not_(positive), sd.math.not_(above)
        pairs = {"tp": (positive, above), "fp": (negative, above), "tn": (negative, below), "fn": (positive, below)}
        return BatchSums(tuple(sd.sum(sd.where(sd.math.and_(*pairs[k]), w, 0.0), axes) for k in which))

    def _examples(
        self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None
    ) -> tuple[SDVariable, SDVariable, SDVariable]:
        """Whether labels are positive, predictions, and weights, all of one shape."""
        sd = y_pred.sd
        work = wide(y_pred.dtype if y_pred.dtype.kind == "f" else sd.dtype)
        y, p = same_rank(y_true, sd.cast(y_pred, work))
        check_same_shape(y, p, f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}")
        if self.by_label and p.ndim != 2:
            raise ShapeError("Several labels are the columns of a table.", given=f"y_pred {shape_str(y_pred.shape)}")
        w = sd.ones_like(p) if sample_weight is None else weights_like(p, sample_weight)
        if self.label_weights is not None:
            w = w * sd.constant(np.asarray(self.label_weights, work))
        if self.top_k is not None:
            p = _first(p, self.top_k)
        if self.class_id is not None:
            y, p, w = (self._of_class(v) for v in (y, p, w))
        if self._clips:
            p = sd.math.clip_by_value(p, 0.0, 1.0)
        return (y if y.dtype.kind == "b" else y.neq(0)), p, w

    def _of_class(self, v: SDVariable) -> SDVariable:
        k, n = self.class_id, v.shape[-1] if v.ndim > 1 else None
        assert k is not None
        if v.ndim < 2 or (isinstance(n, int) and k >= n):
            raise ShapeError(
                f"There is no class {k}.",
                given=f"y_pred {shape_str(v.shape)}",
                expected="shape (..., classes)",
            )
        return v[..., k : k + 1]


def _first(p: SDVariable, k: int) -> SDVariable:
    """Predictions that are among the ``k`` largest of the last axis; of equal ones the first."""
    sd = p.sd
    order = sd.argsort(sd.argsort(-p, axis=-1), axis=-1)
    return sd.where(order < k, p, _BELOW_ALL)


# ---------------------------------------------------------------------- metrics


class OfCounts(Metric):
    """A metric that is made of counts by threshold."""

    which: ClassVar[tuple[Condition, ...]] = ("tp", "fp", "tn", "fn")
    """The counts it is made of."""

    def __init__(self, counting: Counting, name: str | None, dtype: Any) -> None:
        super().__init__(dtype, name)
        self.counting = counting

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """The counts of a batch."""
        return self.counting.sums(y_true, y_pred, sample_weight, self.which)

    def empty(self) -> list[Array]:
        """No counts."""
        return [np.zeros(len(self.counting.thresholds)) for _ in self.which]

    def counts(self, sums: Sequence[Array]) -> Mapping[str, Array]:
        """Sums by what they count."""
        return dict(zip(self.which, sums, strict=True))

    def alone(self, values: Array) -> Any:
        """One value for one threshold."""
        return values[0] if len(self.counting.thresholds) == 1 else values

    @property
    def is_one_number(self) -> bool:
        """Whether the result is one number."""
        return len(self.counting.thresholds) == 1


class _Count(OfCounts):
    """How many predictions are of a sort."""

    options = ("thresholds",)

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(Counting(checked_thresholds(thresholds, 0.5)), name, dtype)
        self.thresholds = thresholds

    def value(self, sums: Sequence[Array]) -> Any:
        """The sum of weights."""
        return self.alone(sums[0])


class TruePositives(_Count):
    """The number of true positives: labels that are not 0, and predictions above the threshold.

    With weights it is the sum of these.

    Args:
        thresholds: One or more numbers from 0 to 1; 0.5 by default. Several give one result each.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a threshold is not in [0, 1].

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.TruePositives()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
        array(2.)
    """

    which = ("tp",)


class FalsePositives(_Count):
    """The number of false positives: labels that are 0, and predictions above the threshold.

    With weights it is the sum of these.

    Args:
        thresholds: One or more numbers from 0 to 1; 0.5 by default. Several give one result each.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a threshold is not in [0, 1].

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.FalsePositives()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
        array(1.)
    """

    which = ("fp",)


class TrueNegatives(_Count):
    """The number of true negatives: labels that are 0, and predictions not above the threshold.

    With weights it is the sum of these.

    Args:
        thresholds: One or more numbers from 0 to 1; 0.5 by default. Several give one result each.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a threshold is not in [0, 1].

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.TrueNegatives()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
        array(0.)
    """

    which = ("tn",)


class FalseNegatives(_Count):
    """The number of false negatives: labels that are not 0, and predictions not above the threshold.

    With weights it is the sum of these.

    Args:
        thresholds: One or more numbers from 0 to 1; 0.5 by default. Several give one result each.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a threshold is not in [0, 1].

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.FalseNegatives()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
        array(1.)
    """

    which = ("fn",)


class _Ratio(OfCounts):
    """The share of true positives."""

    options = ("thresholds", "top_k", "class_id")
    direction = "max"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        found = checked_thresholds(thresholds, 0.5 if top_k is None else _BELOW_ALL)
        super().__init__(Counting(found, top_k, class_id), name, dtype)
        self.thresholds, self.top_k, self.class_id = thresholds, top_k, class_id

    def value(self, sums: Sequence[Array]) -> Any:
        """The share."""
        return self.alone(divided(sums[0], sums[0] + sums[1]))


class Precision(_Ratio):
    """The share of positive predictions that are right: ``tp / (tp + fp)``, 0 of none.

    Args:
        thresholds: One or more numbers from 0 to 1 that positive predictions are above; 0.5 by default, and with
            ``top_k`` none. Several give one result each.
        top_k: How many predictions of an example may be positive, the largest; None for all.
        class_id: The one class to look at, an index of the last axis; None for all.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.Precision()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
        array(0.66666667)
        >>> metrics.Precision(top_k=1)([[0, 1, 1]], [[0.1, 0.8, 0.3]])
        array(1.)
    """

    which = ("tp", "fp")


class Recall(_Ratio):
    """The share of positive labels that are predicted: ``tp / (tp + fn)``, 0 of none.

    Args:
        thresholds: One or more numbers from 0 to 1 that positive predictions are above; 0.5 by default, and with
            ``top_k`` none. Several give one result each.
        top_k: How many predictions of an example may be positive, the largest; None for all.
        class_id: The one class to look at, an index of the last axis; None for all.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.Recall()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
        array(0.66666667)
        >>> metrics.Recall(top_k=1)([[0, 1, 1]], [[0.1, 0.8, 0.3]])
        array(0.5)
    """

    which = ("tp", "fn")


# ---------------------------------------------------------------------- the best of one where the other is good enough


def _sensitivity(c: Mapping[str, Array]) -> Array:
    return divided(c["tp"], c["tp"] + c["fn"])


def _specificity(c: Mapping[str, Array]) -> Array:
    return divided(c["tn"], c["tn"] + c["fp"])


def _precision(c: Mapping[str, Array]) -> Array:
    return divided(c["tp"], c["tp"] + c["fp"])


class _BestAt(OfCounts):
    """The largest of one measure over all thresholds at which another one is as large as asked for; 0 at none."""

    direction = "max"
    best: ClassVar[Any]
    held: ClassVar[Any]

    def __init__(self, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        n = how_many(num_thresholds, 1)
        thresholds = [0.5] if n == 1 else [0.0, *evenly(n), 1.0]
        super().__init__(Counting(thresholds, class_id=class_id), name, dtype)
        self.num_thresholds, self.class_id = num_thresholds, class_id

    @property
    def is_one_number(self) -> bool:
        """Whether the result is one number."""
        return True

    def value(self, sums: Sequence[Array]) -> Any:
        """The best."""
        counts = self.counts(sums)
        good = type(self).held(counts) >= getattr(self, self.options[0])
        return np.where(good, type(self).best(counts), 0.0).max(initial=0.0)


class SensitivityAtSpecificity(_BestAt):
    """The best sensitivity ``tp / (tp + fn)`` where the specificity ``tn / (tn + fp)`` is as large as asked for.

    Args:
        specificity: What is asked for, from 0 to 1.
        num_thresholds: How many thresholds from 0 to 1 are tried.
        class_id: The one class to look at, an index of the last axis; None for all.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        array(0.5)
    """

    options = ("specificity", "num_thresholds", "class_id")
    best, held = staticmethod(_sensitivity), staticmethod(_specificity)

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.specificity = between("specificity", specificity, 0, 1, ends=True)
        super().__init__(num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_BestAt):
    """The best specificity ``tn / (tn + fp)`` where the sensitivity ``tp / (tp + fn)`` is as large as asked for.

    Args:
        sensitivity: What is asked for, from 0 to 1.
        num_thresholds: How many thresholds from 0 to 1 are tried.
        class_id: The one class to look at, an index of the last axis; None for all.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        array(0.66666667)
    """

    options = ("sensitivity", "num_thresholds", "class_id")
    best, held = staticmethod(_specificity), staticmethod(_sensitivity)

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.sensitivity = between("sensitivity", sensitivity, 0, 1, ends=True)
        super().__init__(num_thresholds, class_id, name, dtype)


class PrecisionAtRecall(_BestAt):
    """The best precision ``tp / (tp + fp)`` where the recall ``tp / (tp + fn)`` is as large as asked for.

    Args:
        recall: What is asked for, from 0 to 1.
        num_thresholds: How many thresholds from 0 to 1 are tried.
        class_id: The one class to look at, an index of the last axis; None for all.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        array(0.5)
    """

    options = ("recall", "num_thresholds", "class_id")
    best, held = staticmethod(_precision), staticmethod(_sensitivity)

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.recall = between("recall", recall, 0, 1, ends=True)
        super().__init__(num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_BestAt):
    """The best recall ``tp / (tp + fn)`` where the precision ``tp / (tp + fp)`` is as large as asked for.

    Args:
        precision: What is asked for, from 0 to 1.
        num_thresholds: How many thresholds from 0 to 1 are tried.
        class_id: The one class to look at, an index of the last axis; None for all.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.RecallAtPrecision(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        array(1.)
    """

    options = ("precision", "num_thresholds", "class_id")
    best, held = staticmethod(_sensitivity), staticmethod(_precision)

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.precision = between("precision", precision, 0, 1, ends=True)
        super().__init__(num_thresholds, class_id, name, dtype)
