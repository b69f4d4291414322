"""A loss made of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.losses.registry import CLASSES, class_of, get, serialize
from sdgraph.ops.losses.keras.loss import Loss, plain
from sdgraph.ops.losses.keras.weighting import Reduction, same_rank

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import SDVariable


class LossFunctionWrapper(Loss):
    """A loss made of a function ``fn(y_true, y_pred, **settings)`` that gives one loss per sample.

    The function gets variables of one floating dtype, and of one rank where theirs differ by a last axis of size 1.

    Args:
        fn: The function.
        reduction: How to reduce.
        name: Name of the loss nodes; by default the function's.
        dtype: To compute in.
        **settings: Further arguments of the function.

    Example:
        >>> from sdgraph.keras import losses
        >>> loss = losses.LossFunctionWrapper(lambda y, p, power: (abs(y - p) ** power).mean(-1), power=3)
        >>> loss([[0.0]], [[2.0]])
        array(8., dtype=float32)
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
        **settings: Any,
    ) -> None:
        if not callable(fn):
            raise ArgumentTypeError("A loss is made of a function.", given=shown(fn), expected="fn(y_true, y_pred)")
        own = getattr(fn, "__name__", "")
        super().__init__(name or (own if own.isidentifier() else None), reduction, dtype)
        self.fn = fn
        self.settings = settings

    def call(self, y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
        """What the function gives."""
        return self.fn(y_true, y_pred, **self.settings)

    def _prepared(self, y_true: SDVariable, y_pred: SDVariable) -> tuple[SDVariable, SDVariable]:
        return same_rank(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """The settings; the function itself is named as `serialize` names it."""
        return {**super().get_config(), "fn": serialize(self.fn), **{k: plain(v) for k, v in self.settings.items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A loss with the settings of `get_config`; the function is looked up by its name."""
        if not isinstance(config, Mapping):
            raise ArgumentTypeError("The settings of a loss are a dict.", given=shown(config))
        return cls(**{**config, "fn": get(config.get("fn"))})


CLASSES["LossFunctionWrapper"] = LossFunctionWrapper


def as_loss(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Loss:
    """What `get` finds, as a `Loss`: a function is given Keras' weights, masks and mean.

    Args:
        identifier: What `get` takes.
        custom_objects: Functions and classes of your own by name; they come first.

    Raises:
        ArgumentError: For a name that nothing has, and for None.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.as_loss("mse")
        MeanSquaredError(name='mse', reduction='sum_over_batch_size')
        >>> losses.as_loss(lambda y_true, y_pred: abs(y_true - y_pred))([[0.0]], [[2.0]])
        array(2., dtype=float32)
    """
    found = get(identifier, custom_objects)
    if isinstance(found, Loss):
        return found
    if found is None:
        raise ArgumentError("There is no loss.", given="None")
    name = identifier if isinstance(identifier, str) else None
    cls = class_of(found)
    return cls(name=name) if cls is not None else LossFunctionWrapper(found, name=name)


__all__ = ["LossFunctionWrapper", "as_loss"]
