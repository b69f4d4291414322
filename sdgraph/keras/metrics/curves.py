"""Areas under curves that true and false positives draw when the threshold moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, flag, one_of, whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.metrics.counts import Counting, OfCounts, are_even, checked_thresholds, evenly, how_many
from sdgraph.keras.metrics.metric import Array, BatchSums, divided
from sdgraph.ops.losses.keras.weighting import EPSILON

_CURVES = ("ROC", "PR", "PRGAIN")
_SUMMATIONS = ("interpolation", "minoring", "majoring")


class AUC(OfCounts):
    """The area under a curve, of trapezoids between thresholds.

    The curve is that of true positive rates ``tp / (tp + fn)`` over false positive rates ``fp / (fp + tn)``, of
    precision ``tp / (tp + fp)`` over recall, or of these two as gains: ``1 - P/N fp/tp`` over ``1 - P/N fn/tp`` with
    ``P`` positive and ``N`` negative labels.

    Args:
        num_thresholds: How many thresholds there are, from just below 0 to just above 1.
        curve: ``"ROC"``, ``"PR"`` or ``"PRGAIN"``.
        summation_method: What is between two thresholds: ``"interpolation"``, for precision and recall that of the
            counts, the smaller height with ``"minoring"``, or the larger one with ``"majoring"``.
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        thresholds: Thresholds in [0, 1]; one below and one above are added.
        multi_label: Whether the columns of predictions have a curve each; the result is the mean of the areas.
        num_labels: How many columns there are; only with ``multi_label``.
        label_weights: What each column counts: in the mean with ``multi_label``, in the counts without.
        from_logits: Whether predictions are logits, not probabilities.

    Raises:
        ArgumentError: If a setting is not in its range.

    References:
        J. Davis and M. Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
        array(0.75)
    """

    direction = "max"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        self.curve = one_of("curve", curve.upper() if isinstance(curve, str) else curve, _CURVES)
        given = summation_method
        self.summation_method = one_of(
            "summation_method", given.lower() if isinstance(given, str) else given, _SUMMATIONS
        )
        self.multi_label, self.from_logits = flag("multi_label", multi_label), flag("from_logits", from_logits)
        self.num_labels = num_labels
        if num_labels is not None and (whole("num_labels", num_labels, least=1) and not multi_label):
            raise ArgumentError("num_labels is for multi_label only.", given=f"num_labels={num_labels}")
        self.label_weights = None if label_weights is None else _weights(label_weights)
        self._between = None if thresholds is None else sorted(checked_thresholds(list(thresholds), 0.5))
        inner = evenly(how_many(num_thresholds, 2)) if self._between is None else self._between
        self.num_thresholds = len(inner) + 2
        self.thresholds = [-EPSILON, *inner, 1 + EPSILON]
        counting = Counting(
            self.thresholds,
            label_weights=None if multi_label else self.label_weights,
            by_label=multi_label,
            clips=self._between is None or are_even([0.0, *inner, 1.0]),
        )
        super().__init__(counting, name, dtype)

    @property
    def is_one_number(self) -> bool:
        """Whether the result is one number."""
        return True

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """The counts of a batch for each threshold, and with ``multi_label`` for each column."""
        columns = self.num_labels if self.label_weights is None else len(self.label_weights)
        if columns is not None and y_pred.ndim and isinstance(y_pred.shape[-1], int) and y_pred.shape[-1] != columns:
            raise ShapeError(
                "There are not as many columns of predictions as labels.",
                given=f"y_pred {shape_str(y_pred.shape)}",
                expected=f"{columns} columns",
            )
        p = y_pred.sd.nn.sigmoid(y_pred) if self.from_logits else y_pred
        return super().batch_sums(y_true, p, sample_weight)

    def empty(self) -> list[Array]:
        """No counts."""
        found = super().empty()
        return [a[:, None] for a in found] if self.multi_label else found

    def value(self, sums: Sequence[Array]) -> Any:
        """The area."""
        c = self.counts(sums)
        interpolates = self.summation_method == "interpolation"
        parts = _between_counts(c) if self.curve == "PR" and interpolates else self._pieces(*_points(self.curve, c))
        areas = parts.sum(axis=0)
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return areas.mean()
        return divided((areas * self.label_weights).sum(), sum(self.label_weights))

    def _pieces(self, x: Array, y: Array) -> Array:
        """The areas between neighbouring thresholds."""
        left, right = y[:-1], y[1:]
        if self.summation_method == "interpolation":
            heights = (left + right) / 2
        else:
            heights = np.minimum(left, right) if self.summation_method == "minoring" else np.maximum(left, right)
        return (x[:-1] - x[1:]) * heights

    def get_config(self) -> dict[str, Any]:
        """The settings, as plain Python values."""
        own = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
        }
        return {**super().get_config(), **own, **({} if self._between is None else {"thresholds": list(self._between)})}


def _weights(given: Any) -> list[float]:
    values = np.asarray(given)
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iuf" or not (values >= 0).all():
        raise ArgumentError("label_weights are numbers, 0 or more.", given=f"label_weights={shown(given)}")
    return [float(finite("A label weight", w)) for w in values.tolist()]


def _points(curve: str, c: Mapping[str, Array]) -> tuple[Array, Array]:
    """The curve: one point for each threshold."""
    recall = divided(c["tp"], c["tp"] + c["fn"])
    if curve == "ROC":
        return divided(c["fp"], c["fp"] + c["tn"]), recall
    if curve == "PR":
        return recall, divided(c["tp"], c["tp"] + c["fp"])
    odds, none = divided(c["tp"] + c["fn"], c["tn"] + c["fp"]), c["tp"] == 0
    recall_gain = np.where(none, 0.0, 1 - odds * divided(c["fn"], c["tp"]))
    return np.maximum(recall_gain, 0.0), np.where(none, 1.0, 1 - odds * divided(c["fp"], c["tp"]))


def _between_counts(c: Mapping[str, Array]) -> Array:
    """Areas under precision and recall, where true and false positives change evenly from one threshold to the next."""
    tp, positive = c["tp"], c["tp"] + c["fp"]
    before, after = positive[:-1], positive[1:]
    more = tp[:-1] - tp[1:]
    slope = divided(more, np.maximum(before - after, 0.0))
    intercept = tp[1:] - slope * after
    both = (before > 0) & (after > 0)
    ratio = np.where(both, divided(before, np.maximum(after, 0.0)), 1.0)
    return divided(slope * (more + intercept * np.log(ratio)), np.maximum(tp[1:] + c["fn"][1:], 0.0))
