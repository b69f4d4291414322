"""Keras' constraints: what a weight becomes after each step of training.

A constraint is called with a variable, and gives one of the same graph; with an array it gives an array. Norms are
divided by with 1e-7 added, as in Keras.

Example:
    >>> from sdgraph.keras import constraints
    >>> constraints.MaxNorm(1.0)([[3.0], [4.0]]).round(3)
    array([[0.6],
           [0.8]], dtype=float32)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, not_negative
from sdgraph.errors import ArgumentError
from sdgraph.keras.catalogue import Catalogue, Custom, Described, of_weight
from sdgraph.keras.config import epsilon

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array: TypeAlias = np.ndarray[Any, Any]
Axes: TypeAlias = int | Sequence[int]


class Constraint(Described):
    """Base class of constraints. Subclass it and write ``__call__(w)``, which gives what the weight becomes.

    Example:
        >>> from sdgraph import SameDiff
        >>> from sdgraph.keras import constraints
        >>> class Centered(constraints.Constraint):
        ...     def __call__(self, w):
        ...         return w - w.mean()
        >>> sd = SameDiff()
        >>> Centered()(sd.var("w", [1.0, 3.0])).eval()
        array([-1.,  1.], dtype=float32)
    """

    def __call__(self, w: Any) -> Any:
        """What a weight becomes; here it stays as it is.

        Args:
            w: The weight.
        """
        return w


class _Projection(Constraint):
    """What is written in ops."""

    @overload
    def __call__(self, w: SDVariable) -> SDVariable: ...
    @overload
    def __call__(self, w: ArrayLike) -> Array: ...
    def __call__(self, w: Any) -> Any:
        """What a weight becomes: a variable of its graph; an array if that is one."""
        return of_weight(self._of, w)

    @abstractmethod
    def _of(self, w: SDVariable) -> SDVariable:
        """What a variable becomes."""


def _norms(w: SDVariable, axis: Axes) -> SDVariable:
    return w.sd.norm2(w, axis if isinstance(axis, int) else tuple(axis), True)


class NonNeg(_Projection):
    """0 in the place of negative numbers."""

    def _of(self, w: SDVariable) -> SDVariable:
        return w.sd.math.max(w, 0)


class MaxNorm(_Projection):
    """``w min(|w|, max_value) / (|w| + 1e-7)``, where the norm is over ``axis``.

    Args:
        max_value: The largest norm.
        axis: One axis or several: those of the inputs of a layer, such as 0 for a dense one and ``[0, 1, 2]`` for a
            convolution of two axes.
    """

    def __init__(self, max_value: float = 2, axis: Axes = 0) -> None:
        self.max_value, self.axis = not_negative("max_value", max_value), axis

    def _of(self, w: SDVariable) -> SDVariable:
        norm = _norms(w, self.axis)
        return w * (w.sd.math.min(norm, self.max_value) / (norm + epsilon()))


class UnitNorm(_Projection):
    """``w / (|w| + 1e-7)``, where the norm is over ``axis``.

    Args:
        axis: One axis or several, as for `MaxNorm`.
    """

    def __init__(self, axis: Axes = 0) -> None:
        self.axis = axis

    def _of(self, w: SDVariable) -> SDVariable:
        return w / (_norms(w, self.axis) + epsilon())


class MinMaxNorm(_Projection):
    """``w d / (|w| + 1e-7)``, where d is the part ``rate`` of the way from ``|w|`` to the next number allowed.

    Args:
        min_value: The least norm.
        max_value: The largest norm.
        rate: 1 to have the norm within the two; less to come nearer with each step.
        axis: One axis or several, as for `MaxNorm`.

    Example:
        >>> from sdgraph.keras import constraints
        >>> constraints.MinMaxNorm(0.0, 1.0, rate=0.5)([[3.0], [4.0]]).round(3)
        array([[1.8],
               [2.4]], dtype=float32)
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axes = 0) -> None:
        self.min_value, self.max_value = not_negative("min_value", min_value), not_negative("max_value", max_value)
        if min_value > max_value:
            raise ArgumentError("No norm is allowed.", given=f"min_value={min_value}, max_value={max_value}")
        self.rate, self.axis = finite("rate", rate), axis

    def _of(self, w: SDVariable) -> SDVariable:
        norm = _norms(w, self.axis)
        within = w.sd.math.clip_by_value(norm, self.min_value, self.max_value)
        return w * ((self.rate * within + (1 - self.rate) * norm) / (norm + epsilon()))


max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_OLDER = {"m": "max_value", "low": "min_value", "high": "max_value"}


def _older(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Keras 1 has shorter names."""
    return {_OLDER.get(k, k): v for k, v in settings.items()}


_CATALOGUE: Catalogue[Constraint] = Catalogue(
    "constraint",
    Constraint,
    (MaxNorm, MinMaxNorm, NonNeg, UnitNorm),
    {"maxnorm": MaxNorm, "nonneg": NonNeg, "unitnorm": UnitNorm},
    _older,
)


def get(identifier: Any, custom_objects: Custom = None) -> Any:
    """The constraint that an identifier stands for.

    Args:
        identifier: A name, a configuration of Keras 1 to 3, a class, a constraint, a function of a variable, or None.
        custom_objects: Classes and functions of your own by name; they come first.

    Returns:
        A constraint or the function; None for None.

    Raises:
        ArgumentError: For a name that nothing has; lists similar ones.

    Example:
        >>> from sdgraph.keras import constraints
        >>> constraints.get("unit_norm"), constraints.get({"name": "MaxNorm", "m": 3, "axis": 0})
        (UnitNorm(axis=0), MaxNorm(max_value=3, axis=0))
    """
    return _CATALOGUE.get(identifier, custom_objects)


def serialize(constraint: Any) -> Any:
    """A constraint as plain data, in Keras 3's format; a function by its name.

    Raises:
        ArgumentTypeError: For a lambda.
    """
    return _CATALOGUE.serialize(constraint)


def deserialize(config: Any, custom_objects: Custom = None) -> Any:
    """The constraint that plain data describe, in the formats of Keras 1 to 3.

    Args:
        config: A name, or a dict with "class_name" and "config".
        custom_objects: Classes and functions of your own by name; they come first.

    Raises:
        ArgumentError: For an unknown name, an unknown setting, a lambda, or data that describe none.
    """
    return _CATALOGUE.deserialize(config, custom_objects)


__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

for _name in __all__:
    readable(globals()[_name])
