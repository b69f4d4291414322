"""Metrics of numbers: mean errors, likeness, and the share of the variance that predictions explain."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of, whole
from sdgraph.errors import ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.keras.losses.registry import FUNCTIONS
from sdgraph.keras.metrics.functions import on_both, under
from sdgraph.keras.metrics.means import MeanMetricWrapper, OfFunction
from sdgraph.keras.metrics.metric import Array, BatchSums, Metric
from sdgraph.keras.metrics.weights import weights_like
from sdgraph.ops.losses.keras.weighting import EPSILON, check_same_shape, same_rank
from sdgraph.ops.precision import wide


class MeanSquaredError(OfFunction):
    """The mean squared error.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])
        array(0.25)
    """

    direction = "min"

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["mean_squared_error"], name, dtype)


class MeanAbsoluteError(OfFunction):
    """The mean absolute error.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.MeanAbsoluteError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])
        array(0.25)
    """

    direction = "min"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["mean_absolute_error"], name, dtype)


class MeanAbsolutePercentageError(OfFunction):
    """The mean absolute error in percent of the labels.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.MeanAbsolutePercentageError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])
        array(2.5e+08)
    """

    direction = "min"

    def __init__(self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["mean_absolute_percentage_error"], name, dtype)


class MeanSquaredLogarithmicError(OfFunction):
    """The mean squared difference of ``log(1 + y)``.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.MeanSquaredLogarithmicError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]).round(4)
        np.float64(0.1201)
    """

    direction = "min"

    def __init__(self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["mean_squared_logarithmic_error"], name, dtype)


class LogCoshError(OfFunction):
    """The mean logarithm of the hyperbolic cosine of errors.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.LogCoshError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]).round(4)
        np.float64(0.1084)
    """

    direction = "min"

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["log_cosh"], name, dtype)


class RootMeanSquaredError(MeanMetricWrapper):
    """The root of the mean squared error, over all examples.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.RootMeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])
        array(0.5)
    """

    direction = "min"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(_squares, name, dtype)

    def value(self, sums: Sequence[Array]) -> Any:
        """The root of the mean."""
        return np.sqrt(super().value(sums))

    def get_config(self) -> dict[str, Any]:
        """The settings, as plain Python values."""
        return Metric.get_config(self)


def _squares(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    y, p = _prepared(y_true, y_pred)
    return (p - y) ** 2


def _prepared(y_true: SDVariable, y_pred: SDVariable) -> tuple[SDVariable, SDVariable]:
    """Both of one shape, in the floating dtype of the predictions."""
    sd = y_pred.sd
    work = wide(y_pred.dtype if y_pred.dtype.kind == "f" else np.result_type(sd.dtype, y_true.dtype))
    y, p = same_rank(sd.cast(y_true, work), sd.cast(y_pred, work))
    check_same_shape(y, p)
    return y, p


# ---------------------------------------------------------------------- likeness


@under("cosine_similarity", "cosine_proximity")
def cosine(y_true: SDVariable, y_pred: SDVariable, axis: int = -1) -> SDVariable:
    """The cosine of the angle between labels and predictions, where the loss of this name is its negative."""
    return -FUNCTIONS["cosine_similarity"](y_true, y_pred, axis=axis)


@on_both
def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> SDVariable:
    """Pearson's correlation of labels and predictions: their covariance over the product of standard deviations.

    Args:
        y_true: Labels.
        y_pred: Predictions of the same shape.
        axis: The axis, or several, that it is taken over.

    Returns:
        The shape without the axis; NaN where all labels or all predictions are equal.

    Raises:
        ShapeError: If the shapes differ.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.pearson_correlation([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]).round(4)
        array([1.    , 0.9934], dtype=float32)
    """
    y, p = _prepared(y_true, y_pred)
    sd = y.sd
    y, p = (v - sd.mean(v, axis, keepdims=True) for v in (y, p))
    return sd.mean(y * p, axis) / sd.math.sqrt(sd.mean(y**2, axis) * sd.mean(p**2, axis))


@on_both
def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> SDVariable:
    """How near predictions are to labels: ``2 cov / (var(y_true) + var(y_pred) + (mean(y_true) - mean(y_pred))^2)``.

    Args:
        y_true: Labels.
        y_pred: Predictions of the same shape.
        axis: The axis, or several, that it is taken over.

    Returns:
        The shape without the axis; 1e-7 is added to the denominator.

    Raises:
        ShapeError: If the shapes differ.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.concordance_correlation([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]).round(4)
        array([0.9756, 0.9877], dtype=float32)
    """
    y, p = _prepared(y_true, y_pred)
    sd = y.sd
    apart = sd.mean(y, axis) - sd.mean(p, axis)
    y, p = (v - sd.mean(v, axis, keepdims=True) for v in (y, p))
    return 2 * sd.mean(y * p, axis) / (sd.mean(y**2, axis) + sd.mean(p**2, axis) + apart**2 + EPSILON)


class _AlongAxis(OfFunction):
    """A likeness along an axis."""

    options = ("axis",)
    direction = "max"
    formula: Any = None

    def __init__(self, name: str | None = None, dtype: Any = None, axis: Any = -1) -> None:
        axis = [whole("axis", k) for k in axis] if isinstance(axis, list | tuple) else whole("axis", axis)
        super().__init__(type(self).formula, name, dtype, axis=axis)
        self.axis = axis


class CosineSimilarity(_AlongAxis):
    """The mean cosine of the angle between labels and predictions.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        axis: The axis of the vectors.

    Raises:
        ArgumentError: If the axis is no whole number.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]).round(4)
        np.float64(0.5)
    """

    formula = staticmethod(cosine)

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(name, dtype, axis)


class PearsonCorrelation(_AlongAxis):
    """The mean of Pearson's correlations of labels and predictions: see `pearson_correlation`.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        axis: The axis, or several, that each is taken over.

    Raises:
        ArgumentError: If the axis is no whole number.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.PearsonCorrelation()([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]).round(4)
        np.float64(0.9967)
    """

    formula = staticmethod(pearson_correlation)

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: Any = -1) -> None:
        super().__init__(name, dtype, axis)


class ConcordanceCorrelation(_AlongAxis):
    """The mean of the concordance correlations of labels and predictions: see `concordance_correlation`.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        axis: The axis, or several, that each is taken over.

    Raises:
        ArgumentError: If the axis is no whole number.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.ConcordanceCorrelation()([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]).round(4)
        np.float64(0.9816)
    """

    formula = staticmethod(concordance_correlation)

    def __init__(self, name: str | None = "concordance_correlation", dtype: Any = None, axis: Any = -1) -> None:
        super().__init__(name, dtype, axis)


# ---------------------------------------------------------------------- what predictions explain

_AVERAGES = ("uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """The coefficient of determination of each column: 1 - residual sum of squares / sum of squares about the mean.

    A column whose labels are all equal, and whose predictions are not, counts 0; NaN where both are.

    Args:
        class_aggregation: How columns become one number: their mean, their mean weighted by variance, or None for one
            number each.
        num_regressors: How many regressors predictions come from, for the adjusted score; 0 for the plain one.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.R2Score()([[1], [4], [3]], [[2], [4], [4]]).round(4)
        np.float64(0.5714)
    """

    options = ("class_aggregation", "num_regressors")
    direction = "max"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        if class_aggregation is not None:
            one_of("class_aggregation", class_aggregation, _AVERAGES, also="None")
        super().__init__(dtype, name)
        self.class_aggregation = class_aggregation
        self.num_regressors = whole("num_regressors", num_regressors, least=0)

    @property
    def is_one_number(self) -> bool:
        """Whether the result is one number."""
        return self.class_aggregation is not None

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """By column the sums of labels, of their squares, of squared errors and of weights; how many labels."""
        y, p = _prepared(y_true, y_pred)
        if p.ndim != 2:
            raise ShapeError(
                "R2Score is of a table, with a row for each example.",
                given=f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}",
            )
        sd = p.sd
        w = sd.ones_like(y) if sample_weight is None else weights_like(y, sample_weight)
        columns = (sd.sum(v, 0) for v in (w * y, w * y * y, w * (y - p) ** 2, w))
        return BatchSums((*columns, sd.axis_size(y, dtype=y.dtype)))

    def empty(self) -> list[Array]:
        """Nothing yet."""
        return [np.zeros(())] * 5

    def value(self, sums: Sequence[Array]) -> Any:
        """The score."""
        of_labels, of_squares, residual, weight, count = sums
        total = of_squares - of_labels * (of_labels / weight)
        scores = 1 - residual / total
        scores = np.where(np.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = scores.mean()
        elif self.class_aggregation is not None:
            scores = (total * scores).sum() / total.sum()
        left = count - self.num_regressors - 1
        if not self.num_regressors or not count:
            return scores
        if left <= 0:
            warnings.warn(
                f"There are {count:g} labels and {self.num_regressors} regressors: the score is not adjusted.",
                stacklevel=3,
            )
            return scores
        return 1 - (1 - scores) * (count - 1) / left
