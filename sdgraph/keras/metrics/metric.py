"""The base class of metrics: what of a batch is added up, and which number is made of the sums.

A metric says it once, in nodes of a graph and in a function of arrays. A model adds the nodes to its graph; a call with
arrays computes them in a small graph of its own. Must not know any metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, NotDefinedError, ShapeError, shown
from sdgraph.infer.aval import as_dtype, shape_str
from sdgraph.keras.metrics.small_graphs import SmallGraphs, as_arrays
from sdgraph.keras.metrics.variables import MetricVariable, begun
from sdgraph.ops.losses.keras.loss import automatic_name, known_settings, plain

Array = np.ndarray[Any, Any]
Direction = Literal["min", "max"]
Counted = Literal["itself", "examples", "batches"]


class BatchSums(NamedTuple):
    """What a batch adds to a metric."""

    parts: tuple[SDVariable, ...]
    """The sums over the batch."""
    counted: Counted = "itself"
    """Whether the parts are all there is; or the one part is a mean, over the examples of the batch or for the batch as
    a whole, which is added up with the number of these."""


class Metric:
    """Base class of metrics, which are added up over batches.

    `update_state` adds a batch, `result` gives the value of all batches since the beginning or the last `reset_state`.
    A call does both. Sums are kept in double precision.

    A metric of one's own is made of a function of labels and predictions by `MeanMetricWrapper`. A subclass may be
    written as with Keras: `add_variable` in the constructor, `update_state` and `result`. These get arrays, also from a
    model, which calls them after each batch. Quicker is a subclass that writes `batch_sums`, `value` and `empty`: they
    are computed with the model.

    Args:
        dtype: Of the result; float64 without it.
        name: What the metric is called; by default after its class, numbered from the second one on.

    Raises:
        ArgumentTypeError: If the name is no text.

    Example:
        >>> from sdgraph.keras import metrics
        >>> class Largest(metrics.Metric):
        ...     def __init__(self, name="largest", **settings):
        ...         super().__init__(name=name, **settings)
        ...         self.error = self.add_variable(shape=(), initializer="zeros", name="error")
        ...
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.error.assign(max(self.error, abs(y_true - y_pred).max()))
        ...
        ...     def result(self):
        ...         return self.error.value
        >>> import numpy as np
        >>> Largest()(np.array([1.0, 2.0]), np.array([1.5, 2.25]))
        array(0.5, dtype=float32)
        >>> m = metrics.Precision()
        >>> m.update_state([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7])
        >>> m.result()
        array(0.66666667)
    """

    options: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that are this metric's own settings."""

    direction: Direction | None = None
    """Which way is better; None where nobody knows."""

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        if not isinstance(name, str | None):
            raise ArgumentTypeError("The name of a metric is a text.", given=shown(name))
        self.name = name or automatic_name(type(self))
        self.dtype: str | None = None if dtype is None else as_dtype(getattr(dtype, "compute_dtype", dtype)).name
        self._state: list[Array] | None = None
        self._graphs = SmallGraphs()
        self._variables: list[MetricVariable] = []

    # ------------------------------------------------------------------ what a metric is

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """What a batch adds, as variables of its graph; a subclass writes it.

        Args:
            y_true: Labels.
            y_pred: Predictions.
            sample_weight: None, one number, one for each example, or what has the shape of the predictions.
        """
        raise NotDefinedError(
            f"{type(self).__name__} does not say what is added up.",
            fix="Write batch_sums, value and empty in your subclass of Metric; or subclass MeanMetricWrapper, and give "
            "it a function of labels and predictions.",
        )

    def value(self, sums: Sequence[Array]) -> Any:
        """The number that is made of sums in double precision; a subclass writes it."""
        raise NotDefinedError(f"{type(self).__name__} has no method value.", fix="Write it in your subclass of Metric.")

    def empty(self) -> list[Array]:
        """The sums of no batch; a subclass writes it."""
        raise NotDefinedError(f"{type(self).__name__} has no method empty.", fix="Write it in your subclass of Metric.")

    @property
    def is_one_number(self) -> bool:
        """Whether the result is one number, not one for each threshold or class."""
        return True

    # ------------------------------------------------------------------ use

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Labels, as an array.
            y_pred: Predictions, as an array.
            sample_weight: None, a number, or weights of examples or of single predictions.

        Raises:
            ShapeError: If shapes do not go together.
        """
        self._add({"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight})

    def _add(self, operands: Mapping[str, Any]) -> None:
        """Add what `_build` makes of arrays; its second last operand has the examples."""
        given = as_arrays(operands)
        examples = _examples({k: a for k, a in given.items() if k != "sample_weight"})
        counted, parts = self._graphs.computed(self._sums_of, given)
        new: list[Array] = [np.asarray(a, "float64") for a in parts]
        if counted != "itself":
            times = examples if counted == "examples" else 1
            # The mean of no example is NaN, and adds nothing.
            new = [new[0] * times if times else np.zeros(()), np.asarray(float(times))]
        before = self.empty() if self._state is None else self._state
        self._state = [a + b for a, b in zip(before, new, strict=True)]

    def _sums_of(self, operands: Mapping[str, SDVariable | None]) -> tuple[Counted, Sequence[SDVariable]]:
        y, p = operands["y_true"], operands["y_pred"]
        assert y is not None and p is not None
        found = self.batch_sums(y, p, operands["sample_weight"])
        return found.counted, found.parts

    def result(self) -> Array:
        """The value of all that was added."""
        with np.errstate(all="ignore"):
            found = self.value(self.empty() if self._state is None else self._state)
        return np.asarray(found, self.dtype or "float64")

    def reset_state(self) -> None:
        """Begin anew."""
        self._state = None
        for v in self._variables:
            v.assign(np.zeros(v.shape))
        for metric in self._inner():
            metric.reset_state()

    def __call__(self, *args: Any, **keywords: Any) -> Array:
        """Add a batch, and give the value of all."""
        self.update_state(*args, **keywords)
        return self.result()

    # ------------------------------------------------------------------ what users' subclasses keep

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> MetricVariable:
        """An array that is kept between batches, for subclasses that write `update_state`.

        Args:
            shape: Its shape.
            initializer: ``"zeros"``, ``"ones"``, None for zeros, or a function of shape and dtype.
            dtype: Its dtype; float32 without it.
            aggregation: Has no effect: it says how Keras distributes.
            name: What it is called.

        Raises:
            ArgumentError: For another initializer.
            NotDefinedError: If the constructor of `Metric` was not called.
        """
        if "_variables" not in vars(self):
            raise NotDefinedError(
                f"{type(self).__name__} has not begun.", fix="Call super().__init__() first in its constructor."
            )
        made = MetricVariable(begun(shape, initializer, dtype), name or f"variable_{len(self._variables)}")
        self._variables.append(made)
        return made

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> MetricVariable:
        """The same as `add_variable`, under its older name."""
        return self.add_variable(shape, initializer, dtype, name=name)

    def _inner(self) -> list[Metric]:
        """Metrics that this one has among its attributes."""
        return [v for v in vars(self).values() if isinstance(v, Metric)]

    @property
    def variables(self) -> list[MetricVariable]:
        """What `add_variable` made, also in metrics that this one has."""
        return [*self._variables, *(v for metric in self._inner() for v in metric.variables)]

    @property
    def is_of_arrays(self) -> bool:
        """Whether a subclass writes `update_state` or `result`, so that a model calls them with arrays."""
        own = __name__.rpartition(".")[0]
        return any(getattr(type(self), f).__module__.rpartition(".")[0] != own for f in ("update_state", "result"))

    def snapshot(self) -> list[Any]:
        """All that is kept, as JSON has it."""
        own = None if self._state is None else [a.tolist() for a in self._state]
        return [own, [v.value.tolist() for v in self._variables], [metric.snapshot() for metric in self._inner()]]

    def restore(self, snapshot: Sequence[Any]) -> None:
        """Stand where a `snapshot` was taken."""
        own, values, inner = snapshot
        self._state = None if own is None else [np.asarray(a, "float64") for a in own]
        for v, value in zip(self._variables, values, strict=True):
            v.assign(np.asarray(value, v.dtype).reshape(v.shape))
        for metric, kept in zip(self._inner(), inner, strict=True):
            metric.restore(kept)

    # ------------------------------------------------------------------ as data

    def get_config(self) -> dict[str, Any]:
        """The settings, as plain Python values: ``from_config`` makes an equal metric of them."""
        return {"name": self.name, "dtype": self.dtype, **{k: plain(getattr(self, k)) for k in self.options}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A metric with the settings of `get_config`; a setting it does not have is ignored with a warning."""
        return cls(**known_settings(cls, config))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _examples(arrays: Mapping[str, Array]) -> int:
    """How many examples there are.

    Raises:
        ShapeError: If labels and predictions differ in it.
    """
    sizes = {name: a.shape[:1] or (1,) for name, a in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise ShapeError(
            "Labels and predictions are of the same examples.",
            given=", ".join(f"{name} {shape_str(a.shape)}" for name, a in arrays.items()),
        )
    return next(iter(sizes.values()))[0]


def divided(a: Any, b: Any) -> Any:
    """``a / b``, and 0 where ``b`` is 0."""
    if isinstance(b, float):
        return a / b if b else 0.0
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    return np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b))
