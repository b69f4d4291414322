"""Keras' regularizers: penalties of weights and of outputs, which layers add to the loss.

A regularizer is called with a variable, and gives one of the same graph; with an array it gives an array.

Example:
    >>> from sdgraph.keras import regularizers
    >>> regularizers.L2(0.5)([[1.0, 2.0]])
    array(2.5, dtype=float32)
    >>> regularizers.get("l1")
    L1(l1=0.01)
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import not_negative, one_of
from sdgraph.errors import NotDefinedError, ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.keras.catalogue import Catalogue, Custom, Described, of_weight
from sdgraph.keras.config import epsilon

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array: TypeAlias = np.ndarray[Any, Any]


class Regularizer(Described):
    """Base class of regularizers. Subclass it and write ``__call__(x)``, which gives one number.

    Example:
        >>> from sdgraph import SameDiff
        >>> from sdgraph.keras import regularizers
        >>> class Cubes(regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return (abs(x) ** 3).sum()
        >>> sd = SameDiff()
        >>> Cubes()(sd.var("w", [1.0, -2.0])).eval()
        array(9., dtype=float32)
    """

    def __call__(self, x: Any) -> Any:
        """The penalty; a subclass writes it.

        Args:
            x: A weight or an output, as a variable.
        """
        raise NotDefinedError(
            f"{type(self).__name__} has no method __call__(x).",
            fix="Write it in your subclass of Regularizer: it returns one number.",
        )


class _Penalty(Regularizer):
    """What is written in ops."""

    @overload
    def __call__(self, x: SDVariable) -> SDVariable: ...
    @overload
    def __call__(self, x: ArrayLike) -> Array: ...
    def __call__(self, x: Any) -> Any:
        """The penalty: a variable of the graph of ``x``; an array if that is one."""
        return of_weight(self._of, x)

    @abstractmethod
    def _of(self, x: SDVariable) -> SDVariable:
        """The penalty of a variable."""


class L1L2(_Penalty):
    """``l1 sum |x| + l2 sum x^2``.

    Args:
        l1: The factor of absolute values; None for 0.
        l2: The factor of squares; None for 0.

    Example:
        >>> from sdgraph.keras import regularizers
        >>> regularizers.L1L2(l1=1.0, l2=0.5)([1.0, -2.0])
        array(5.5, dtype=float32)
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = float(not_negative("l1", 0.0 if l1 is None else l1))
        self.l2 = float(not_negative("l2", 0.0 if l2 is None else l2))

    def _of(self, x: SDVariable) -> SDVariable:
        if self.l1 and self.l2:
            return self.l1 * x.sd.norm1(x) + self.l2 * x.sd.squared_norm(x)
        if self.l1:
            return self.l1 * x.sd.norm1(x)
        if self.l2:
            return self.l2 * x.sd.squared_norm(x)
        return x.sd.constant(np.zeros((), x.dtype))


class L1(_Penalty):
    """``l1 sum |x|``.

    Args:
        l1: The factor; None for 0.01.
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = float(not_negative("l1", 0.01 if l1 is None else l1))

    def _of(self, x: SDVariable) -> SDVariable:
        return self.l1 * x.sd.norm1(x)


class L2(_Penalty):
    """``l2 sum x^2``; twice as much as where half of it is meant, as in `sdgraph.train.L2Regularization`.

    Args:
        l2: The factor; None for 0.01.
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = float(not_negative("l2", 0.01 if l2 is None else l2))

    def _of(self, x: SDVariable) -> SDVariable:
        return self.l2 * x.sd.squared_norm(x)


class OrthogonalRegularizer(_Penalty):
    """``factor`` times the mean of ``|u . v|`` over all pairs of rows of a matrix, each scaled to length 1.

    A row shorter than 1e-7 is divided by that. Without pairs it is 0.

    Args:
        factor: The factor.
        mode: ``"rows"``, or ``"columns"`` for those in their place.

    Example:
        >>> from sdgraph.keras import regularizers
        >>> regularizers.OrthogonalRegularizer(1.0)([[2.0, 0.0], [3.0, 4.0]])
        array(0.6, dtype=float32)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = float(not_negative("factor", factor))
        self.mode = one_of("mode", mode, ("rows", "columns"))

    def _of(self, x: SDVariable) -> SDVariable:
        if x.ndim != 2:
            raise ShapeError("OrthogonalRegularizer is of matrices.", given=shape_str(x.shape), expected="two axes")
        sd, axis = x.sd, 1 if self.mode == "rows" else 0
        n = x.shape[1 - axis]
        if not isinstance(n, int):
            raise ShapeError("OrthogonalRegularizer is of known sizes.", given=shape_str(x.shape))
        unit = x / sd.math.max(sd.norm2(x, axis, True), epsilon())
        product = unit @ sd.transpose(unit) if axis else sd.transpose(unit) @ unit
        pairs = max(n * (n - 1) / 2, 1)
        return self.factor * 0.5 / pairs * sd.norm1(product * (1 - np.eye(n)).astype(x.dtype))


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer


def _older(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    return settings


_CATALOGUE: Catalogue[Regularizer] = Catalogue(
    "regularizer",
    Regularizer,
    (L1, L2, L1L2, OrthogonalRegularizer),
    # By this name alone both factors are 0.01. The other names are Keras 1's and Keras 3's.
    {"l1_l2": lambda: L1L2(0.01, 0.01), "l1l2": L1L2, "WeightRegularizer": L1L2, "ActivityRegularizer": L1L2},
    _older,
)


def get(identifier: Any, custom_objects: Custom = None) -> Any:
    """The regularizer that an identifier stands for.

    Args:
        identifier: A name, a configuration of Keras 1 to 3, a class, a regularizer, a function of a variable, or None.
        custom_objects: Classes and functions of your own by name; they come first.

    Returns:
        A regularizer or the function; None for None.

    Raises:
        ArgumentError: For a name that nothing has; lists similar ones.

    Example:
        >>> from sdgraph.keras import regularizers
        >>> regularizers.get({"name": "WeightRegularizer", "l1": 0.0, "l2": 0.5})
        L1L2(l1=0.0, l2=0.5)
    """
    return _CATALOGUE.get(identifier, custom_objects)


def serialize(regularizer: Any) -> Any:
    """A regularizer as plain data, in Keras 3's format; a function by its name.

    Raises:
        ArgumentTypeError: For a lambda.
    """
    return _CATALOGUE.serialize(regularizer)


def deserialize(config: Any, custom_objects: Custom = None) -> Any:
    """The regularizer that plain data describe, in the formats of Keras 1 to 3.

    Args:
        config: A name, or a dict with "class_name" and "config".
        custom_objects: Classes and functions of your own by name; they come first.

    Raises:
        ArgumentError: For an unknown name, an unknown setting, a lambda, or data that describe none.
    """
    return _CATALOGUE.deserialize(config, custom_objects)


__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

for _name in __all__:
    readable(globals()[_name])
