"""Metrics that are a sum or a mean: of values, or of what a function of labels and predictions gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import Dim, shape_str
from sdgraph.keras.losses import registry as losses
from sdgraph.keras.metrics.functions import function_described
from sdgraph.keras.metrics.metric import Array, BatchSums, Counted, Metric, divided
from sdgraph.ops.losses.keras.loss import Loss, known_settings, plain, snake_case
from sdgraph.ops.losses.keras.weighting import same_rank

Reduce = Callable[[SDVariable, list[int]], SDVariable]


def _reduced(
    values: SDVariable, weight: SDVariable | None, reduce: Reduce, whose: str
) -> tuple[SDVariable, SDVariable | None]:
    """One weighted value for each example, and its weight, as Keras takes them."""
    sd = values.sd
    w = None
    if weight is not None:
        values, w = same_rank(values, sd.cast(weight, values.dtype))
        if w.ndim > values.ndim:
            raise _misfit(whose, values, weight)
        if values.ndim > w.ndim:
            values = reduce(values, list(range(w.ndim, values.ndim)))
        if w.shape != values.shape:
            w = w * sd.ones_like(values)
        values = values * w
        if w.ndim > 1:
            w = reduce(w, list(range(1, w.ndim)))
    if values.ndim > 1:
        values = reduce(values, list(range(1, values.ndim)))
    return values, w


def _misfit(whose: str, values: SDVariable, weight: SDVariable) -> ShapeError:
    if not values.ndim:
        return ShapeError(
            f"The metric {whose!r} is one number for a batch, so its examples cannot be weighted.",
            given=f"weights {shape_str(weight.shape)}",
            fix="Leave the mean out of its function, or give it no weights.",
        )
    return ShapeError(
        f"There are more weights than values of the metric {whose!r}.",
        given=f"weights {shape_str(weight.shape)}, values {shape_str(values.shape)}",
    )


def _floating(values: SDVariable) -> SDVariable:
    return values if values.dtype.kind == "f" else values.sd.cast(values, values.sd.dtype)


class _OfValues(Metric):
    """What is made of values, not of labels and predictions."""

    def update_state(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        """Add values.

        Args:
            values: An array, or a number.
            sample_weight: None, a number, or weights that go with the first axes of the values.

        Raises:
            ShapeError: If there are more weights than values.
        """
        self._add({"values": values, "sample_weight": sample_weight})

    def _sums_of(self, operands: Mapping[str, SDVariable | None]) -> tuple[Counted, Sequence[SDVariable]]:
        values = operands["values"]
        assert values is not None
        found = self.sums_of_values(_floating(values), operands["sample_weight"])
        return found.counted, found.parts

    def sums_of_values(self, values: SDVariable, sample_weight: SDVariable | None, batch: Dim = None) -> BatchSums:
        """What values add."""
        raise NotImplementedError


class Sum(_OfValues):
    """The sum of values, each times its weight.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.Sum()([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
        array(4.)
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)

    def sums_of_values(self, values: SDVariable, sample_weight: SDVariable | None, batch: Dim = None) -> BatchSums:
        """The weighted sum."""
        weighted, _ = _reduced(values, sample_weight, values.sd.sum, self.name)
        return BatchSums((values.sd.sum(weighted),))

    def value(self, sums: Sequence[Array]) -> Any:
        """The sum."""
        return sums[0]

    def empty(self) -> list[Array]:
        """Nothing yet."""
        return [np.zeros(())]


class Mean(_OfValues):
    """The mean of values by their weights: the sum of values times weights over the sum of weights, 0 of none.

    Values beyond the first axis are averaged first; so are those beyond the axes that weights have.

    Args:
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Example:
        >>> from sdgraph.keras import metrics
        >>> m = metrics.Mean()
        >>> m.update_state([1, 3, 5, 7])
        >>> m.result()
        array(4.)
        >>> m.reset_state()
        >>> m([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
        array(2.)
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)

    def sums_of_values(self, values: SDVariable, sample_weight: SDVariable | None, batch: Dim = None) -> BatchSums:
        """The sum of values and that of weights; without weights the mean.

        Args:
            values: The values.
            sample_weight: Their weights.
            batch: How many examples there are, where values may be of something else.
        """
        sd = values.sd
        if sample_weight is not None:
            weighted, w = _reduced(values, sample_weight, sd.mean, self.name)
            assert w is not None
            return BatchSums((sd.sum(weighted), sd.sum(w)))
        # A size that is known is that of no batch: the function made one number, or one for each class.
        alike = not values.ndim or (isinstance(values.shape[0], int) and batch != values.shape[0])
        return BatchSums((sd.mean(values),), "batches" if alike else "examples")

    def value(self, sums: Sequence[Array]) -> Any:
        """The mean."""
        return divided(sums[0], sums[1])

    def empty(self) -> list[Array]:
        """Nothing yet."""
        return [np.zeros(()), np.zeros(())]


class MeanMetricWrapper(Mean):
    """The mean of what a function of labels and predictions gives for each example.

    The function gets variables of a graph, also if the metric is given arrays: compute with operators, methods of
    variables and ``y_pred.sd.math``. What it gives beyond the first axis is averaged. One number for a batch counts as
    much as that of any other batch.

    Args:
        fn: ``fn(y_true, y_pred, **settings)``, or a loss.
        name: What the metric is called; by default as the function, or ``"mean_metric_wrapper"``.
        dtype: Of the result; float64 without it.
        **settings: Further arguments of the function.

    Raises:
        ArgumentTypeError: If ``fn`` is no function.

    Example:
        >>> from sdgraph.keras import metrics
        >>> m = metrics.MeanMetricWrapper(lambda y_true, y_pred: abs(y_true - y_pred), name="off")
        >>> m([[0.0], [0.0]], [[1.0], [2.0]], sample_weight=[3.0, 1.0])
        array(1.25)
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **settings: Any) -> None:
        if isinstance(fn, type) or not callable(fn):
            raise ArgumentTypeError(
                "A metric is made of a function.", given=shown(fn), expected="fn(y_true, y_pred), or a loss"
            )
        super().__init__(name, dtype)
        self.fn = fn
        self.settings = settings
        if self.direction is None and (isinstance(fn, Loss) or losses.class_of(fn) is not None):
            self.direction = "min"

    def update_state(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Add a batch.

        Args:
            y_true: Labels, as an array.
            y_pred: Predictions, as an array.
            sample_weight: None, a number, or weights that go with the first axes of what the function gives.

        Raises:
            ShapeError: If shapes do not go together.
        """
        self._add({"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight})

    def _sums_of(self, operands: Mapping[str, SDVariable | None]) -> tuple[Counted, Sequence[SDVariable]]:
        return Metric._sums_of(self, operands)

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """The sums of what the function gives."""
        found = y_pred.sd.as_variable(self.fn(y_true, y_pred, **self.settings))
        batch = y_pred.shape[0] if y_pred.ndim else None
        return self.sums_of_values(_floating(found), sample_weight, batch)

    def get_config(self) -> dict[str, Any]:
        """The settings; the function is named as `serialize` names it."""
        fn = losses.serialize(self.fn)
        return {**super().get_config(), "fn": fn, **{k: plain(v) for k, v in self.settings.items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A metric with the settings of `get_config`; the function is looked up by its name."""
        known = known_settings(cls, config)
        return cls(**known | {"fn": function_described(known["fn"])} if "fn" in known else known)


class OfFunction(MeanMetricWrapper):
    """A mean whose function the class knows."""

    def get_config(self) -> dict[str, Any]:
        """The settings, as plain Python values."""
        return Metric.get_config(self)


def name_of(function: Any) -> str:
    """What a metric is called that is a function, or a loss."""
    name = getattr(function, "name", None) or getattr(function, "__name__", None)
    return str(name or snake_case(type(function).__name__))


def as_metric(found: Any, name: str | None = None) -> Metric:
    """A metric, also of a function or a loss."""
    if isinstance(found, Metric):
        return found
    return MeanMetricWrapper(found, name or name_of(found))
