"""What a metric of a user's own keeps between batches: arrays that are assigned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.arrays import as_numbers
from sdgraph.infer.aval import as_dtype, shape_str

Array = np.ndarray[Any, Any]

_FILLED = {"zeros": 0, "ones": 1}
"""What initializers that have a name fill an array with."""


class MetricVariable(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that a metric assigns; operators and numpy's functions take it as that array.

    Args:
        value: What it is in the beginning.
        name: What it is called.

    Example:
        >>> from sdgraph.keras import metrics
        >>> total = metrics.Metric().add_variable((), "zeros", name="total")
        >>> total.assign(total + 2.0)
        >>> total.assign_add(1.0)
        >>> total.assign_sub(0.5)
        >>> total
        <MetricVariable total: array(2.5, dtype=float32)>
    """

    def __init__(self, value: Array, name: str) -> None:
        self.name, self._value = name, value

    @property
    def value(self) -> Array:
        """The array."""
        return self._value

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self._value.shape

    @property
    def ndim(self) -> int:
        """Its rank."""
        return self._value.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its dtype."""
        return self._value.dtype

    def numpy(self) -> Array:
        """The array, as a copy."""
        return self._value.copy()

    def assign(self, value: Any) -> None:
        """Be another array.

        Raises:
            ShapeError: If it has another shape.
        """
        array = as_numbers(value, what=f"What is assigned to {self.name!r}")
        if array.shape != self.shape:
            raise ShapeError(
                f"The variable {self.name!r} of a metric keeps its shape.",
                given=shape_str(array.shape),
                expected=shape_str(self.shape),
            )
        self._value = array.astype(self.dtype)

    def assign_add(self, value: Any) -> None:
        """Add to the array."""
        self.assign(self._value + np.asarray(value))

    def assign_sub(self, value: Any) -> None:
        """Subtract from the array."""
        self.assign(self._value - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._value, dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        arrays = [x.value if isinstance(x, MetricVariable) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **keywords)

    def __getitem__(self, index: Any) -> Any:
        return self._value[index]

    def __len__(self) -> int:
        return len(self._value)

    def __float__(self) -> float:
        return float(self._value)

    def __repr__(self) -> str:
        return f"<MetricVariable {self.name}: {self._value!r}>"


def begun(shape: Sequence[int], initializer: Any, dtype: Any) -> Array:
    """The first value of a variable.

    Raises:
        ArgumentError: For an initializer that is none.
    """
    kind = as_dtype("float32" if dtype is None else dtype)
    if isinstance(shape, int):
        shape = (shape,)
    if initializer is None or (isinstance(initializer, str) and initializer.lower() in _FILLED):
        return np.full(tuple(shape), _FILLED[(initializer or "zeros").lower()], kind)
    if isinstance(initializer, type):
        raise ArgumentTypeError("This is a class, not an initializer.", given=shown(initializer), fix="Call it.")
    if not callable(initializer):
        raise ArgumentError(
            "The variable of a metric begins with zeros, with ones, or with what a function makes.",
            given=f"initializer={shown(initializer)}",
            expected='"zeros", "ones", or a function of shape and dtype',
        )
    return np.asarray(initializer(tuple(shape), dtype=kind), kind)
