"""Metrics that are means of losses: hinges, divergences and cross entropies."""

from __future__ import annotations

from typing import Any

from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, flag, whole
from sdgraph.keras.losses.registry import FUNCTIONS
from sdgraph.keras.metrics.means import OfFunction
from sdgraph.keras.metrics.metric import BatchSums
from sdgraph.keras.metrics.weights import weights_like


class Hinge(OfFunction):
    """The mean hinge loss of labels -1 and 1, or 0 and 1.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.Hinge()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]]).round(4)
        np.float64(1.3)
    """

    direction = "min"

    def __init__(self, name: str | None = "hinge", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["hinge"], name, dtype)


class SquaredHinge(OfFunction):
    """The mean squared hinge loss of labels -1 and 1, or 0 and 1.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.SquaredHinge()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]]).round(4)
        np.float64(1.86)
    """

    direction = "min"

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["squared_hinge"], name, dtype)


class CategoricalHinge(OfFunction):
    """The mean categorical hinge loss of one-hot labels.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.CategoricalHinge()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]]).round(4)
        np.float64(1.4)
    """

    direction = "min"

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["categorical_hinge"], name, dtype)


class KLDivergence(OfFunction):
    """The mean Kullback-Leibler divergence of predicted distributions from those of the labels.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.KLDivergence()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]]).round(4)
        np.float64(0.4581)
    """

    direction = "min"

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["kl_divergence"], name, dtype)


class Poisson(OfFunction):
    """The mean Poisson loss, ``mean(y_pred - y_true log(y_pred))``.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.Poisson()([[0, 1], [0, 0]], [[1, 1], [0, 0]]).round(4)
        np.float64(0.5)
    """

    direction = "min"

    def __init__(self, name: str | None = "poisson", dtype: Any = None) -> None:
        super().__init__(FUNCTIONS["poisson"], name, dtype)


class BinaryCrossentropy(OfFunction):
    """The mean cross entropy of labels 0 and 1.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        from_logits: Whether predictions are logits, not probabilities.
        label_smoothing: How far labels are moved towards the others, from 0 to 1.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.BinaryCrossentropy()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]]).round(4)
        np.float64(0.8149)
    """

    options = ("from_logits", "label_smoothing")
    direction = "min"

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        flag("from_logits", from_logits)
        between("label_smoothing", label_smoothing, 0, 1, ends=True)
        super().__init__(
            FUNCTIONS["binary_crossentropy"], name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class CategoricalCrossentropy(OfFunction):
    """The mean cross entropy of one-hot labels.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        from_logits: Whether predictions are logits, not probabilities.
        label_smoothing: How far labels are moved towards the others, from 0 to 1.
        axis: The axis of classes.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.CategoricalCrossentropy()([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]).round(4)
        np.float64(1.1769)
    """

    options = ("from_logits", "label_smoothing", "axis")
    direction = "min"

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        flag("from_logits", from_logits)
        between("label_smoothing", label_smoothing, 0, 1, ends=True)
        whole("axis", axis)
        super().__init__(
            FUNCTIONS["categorical_crossentropy"],
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(OfFunction):
    """The mean cross entropy of labels that are numbers of classes.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        from_logits: Whether predictions are logits, not probabilities.
        ignore_class: A label whose loss is 0, and whose weight does not count.
        axis: The axis of classes.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.SparseCategoricalCrossentropy()([1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]).round(4)
        np.float64(1.1769)
    """

    options = ("from_logits", "ignore_class", "axis")
    direction = "min"

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        flag("from_logits", from_logits)
        if ignore_class is not None:
            whole("ignore_class", ignore_class)
        whole("axis", axis)
        super().__init__(
            FUNCTIONS["sparse_categorical_crossentropy"],
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """The sums of losses; weights of labels to ignore are no weights, but without weights each label is one."""
        if self.ignore_class is not None and sample_weight is not None:
            sd = y_pred.sd
            y = sd.squeeze(y_true, -1) if y_true.ndim == y_pred.ndim else y_true
            counts = sd.cast(y.neq(self.ignore_class), y_pred.dtype)
            sample_weight = weights_like(counts, sample_weight) * counts
        return super().batch_sums(y_true, y_pred, sample_weight)
