"""The base class of Keras' losses, and how a loss that is no op of ours is weighted, masked and reduced.

Knows how a call is made into nodes of a graph. Must not know any formula.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, NotDefinedError, shown
from sdgraph.infer.aval import as_dtype
from sdgraph.ops.losses.keras.on_arrays import on_arrays
from sdgraph.ops.losses.keras.weighting import Reduction, check_reduction, work_dtypes
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from sdgraph.build.variable import Operand

_OPERANDS = ("y_true", "y_pred", "sample_weight", "mask")
_counts: dict[str, int] = {}


def snake_case(name: str) -> str:
    """A class name as a name of variables.

    Example:
        >>> snake_case("MeanSquaredError"), snake_case("CTC")
        ('mean_squared_error', 'ctc')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def automatic_name(cls: type) -> str:
    """The name of an object that was given none: that of its class, numbered from the second on."""
    base = snake_case(cls.__name__).strip("_") or "loss"
    n = _counts.get(base, 0)
    _counts[base] = n + 1
    return f"{base}_{n}" if n else base


class Loss:
    """Base class of losses. Subclass it and write ``call(y_true, y_pred)``, which gives one loss per sample.

    A loss is called with arrays, or with variables of a graph. With variables it adds a node to their graph that is
    one of the graph's losses; with arrays it gives a numpy array. Weights, mask and reduction are taken care of:

    - ``sample_weight`` multiplies the losses. A vector holds one weight per sample.
    - ``mask`` says where a loss counts: a mean is over those alone.
    - ``reduction`` "sum_over_batch_size" or "mean" divides by the number of losses, not by the weights;
      "mean_with_sample_weight" divides by the sum of the weights; "sum" does not divide; "none" and None do nothing.

    ``call`` gets variables even if the loss is called with arrays: compute with operators, methods of variables and
    ``y_pred.sd.math``, not with numpy.

    Args:
        name: Name of the loss nodes.
        reduction: How to reduce.
        dtype: To compute in; by default that of ``y_pred``, or the graph's if that holds integers.

    Raises:
        ArgumentError: If there is no such reduction.

    Example:
        >>> from sdgraph.keras import losses
        >>> class Quartic(losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return ((y_true - y_pred) ** 4).mean(-1)
        >>> Quartic()([[0.0], [0.0]], [[1.0], [2.0]], sample_weight=[1.0, 0.5])
        array(4.5, dtype=float32)
    """

    _own_name: str = ""
    """The name, if nobody chose it."""

    options: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that are this loss's own settings."""

    def __init__(
        self,
        name: str | None = None,
        reduction: Reduction = "sum_over_batch_size",
        dtype: DTypeLike | None = None,
    ) -> None:
        check_reduction(reduction)
        if not isinstance(name, str | None):
            raise ArgumentTypeError("The name of a loss is a text.", given=shown(name))
        self.name = name or automatic_name(type(self))
        self._own_name = "" if name else self.name
        self.reduction = reduction
        self.dtype: np.dtype[Any] | None = None if dtype is None else as_dtype(getattr(dtype, "compute_dtype", dtype))

    def call(self, y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
        """One loss per sample; a subclass writes it.

        Args:
            y_true: True values, as a variable of a floating dtype.
            y_pred: Predictions, as a variable of the same dtype.
        """
        raise NotDefinedError(
            f"{type(self).__name__} has no method call(y_true, y_pred).",
            fix="Write it in your subclass of Loss: it returns one loss per sample.",
        )

    @overload
    def __call__(
        self, y_true: Operand, y_pred: SDVariable, sample_weight: Any = None, mask: Any = None
    ) -> SDVariable: ...
    @overload
    def __call__(
        self, y_true: SDVariable, y_pred: Operand, sample_weight: Any = None, mask: Any = None
    ) -> SDVariable: ...
    @overload
    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None, mask: Any = None
    ) -> np.ndarray[Any, Any]: ...
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> Any:
        """The loss of predictions.

        Args:
            y_true: True values, as an array or a variable.
            y_pred: Predictions, as an array or a variable.
            sample_weight: None, a scalar, one weight per sample, or what broadcasts to the per-sample losses.
            mask: The same, True where a loss counts.

        Returns:
            A variable of the graph of the operands; a numpy array if all are arrays.

        Raises:
            ShapeError: If shapes do not go together; names them.
        """
        given = on_arrays().as_operands((y_true, y_pred, sample_weight, mask))
        operands: dict[str, Any] = dict(zip(_OPERANDS, given, strict=True))
        sd = on_arrays().graph_of([*operands.values()])
        if sd is None:
            return self._on_arrays(operands)
        with sd.transaction():
            return self._append(sd, **operands)

    def _on_arrays(self, operands: dict[str, Any]) -> np.ndarray[Any, Any]:
        return on_arrays().evaluate(self._append, operands)

    def _append(self, sd: Any, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any) -> SDVariable:
        """The loss's nodes: what ``call`` computes, under a scope of its own, and one that weights and reduces it."""
        final = node_name(sd, self.name)
        before = len(sd.marks.losses)
        y, p = sd.as_variable(y_true), sd.as_variable(y_pred)
        work, result = work_dtypes(sd, p, y, self.dtype)
        with sd.name_scope(_scope_of(self.name)):
            y, p = self._prepared(cast_to(y, work), cast_to(p, work))
            values = self.call(y, p)
            if not isinstance(values, SDVariable | int | float | np.ndarray | np.generic):
                raise ArgumentTypeError(
                    f"{type(self).__name__}.call must return a variable.",
                    given=f"{type(values).__name__}: {shown(values)}",
                )
            values = sd.as_variable(values)
        # What a loss is computed from is not a loss of the graph.
        del sd.marks.losses[before:]
        made = sd.keras.reduce(values, sample_weight, mask, reduction=self.reduction, dtype=result, name=final)
        return self._made(made)

    def _made(self, v: SDVariable) -> SDVariable:
        """The variable of the loss; its name is one that nobody chose, unless the loss was given a name."""
        if self.name == self._own_name:
            v.sd.names.given.discard(v.id)
        return v

    def _prepared(self, y_true: SDVariable, y_pred: SDVariable) -> tuple[SDVariable, SDVariable]:
        """What ``call`` gets; a loss made of a function also gets equal ranks."""
        return y_true, y_pred

    def get_config(self) -> dict[str, Any]:
        """The settings, as plain Python values: ``from_config`` makes an equal loss of them."""
        config: dict[str, Any] = {"name": self.name, "reduction": self.reduction}
        config |= {k: plain(getattr(self, k)) for k in self.options}
        if self.dtype is not None:
            config["dtype"] = self.dtype.name
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A loss with the settings of `get_config`; a setting it does not have is ignored with a warning."""
        return cls(**known_settings(cls, config))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


def known_settings(cls: type, config: dict[str, Any]) -> dict[str, Any]:
    """The settings that ``cls`` takes; warns of others."""
    if not isinstance(config, Mapping):
        raise ArgumentTypeError(f"The settings of {cls.__name__} are a dict.", given=shown(config))
    parameters = inspect.signature(cls).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(config)
    unknown = [k for k in config if k not in parameters]
    if unknown:
        warnings.warn(
            f"{cls.__name__} has no setting {', '.join(map(repr, unknown))}: ignored. It has {', '.join(parameters)}.",
            stacklevel=4,
        )
    return {k: v for k, v in config.items() if k in parameters}


def plain(value: Any) -> Any:
    """A setting as lists and Python numbers."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return [plain(v) for v in value] if isinstance(value, tuple | list) else value


def _scope_of(name: str) -> str:
    """A user's name as one that variables can have."""
    return re.sub(r"[^0-9A-Za-z_.\-]+", "_", name).strip("_") or "loss"


def node_name(sd: Any, name: str) -> str:
    """The first free name for a loss's node, relative to the open scope."""
    full, scope = sd.names.free(_scope_of(name)), sd.current_scope
    return full.removeprefix(f"{scope}/") if scope else full


__all__ = ["Loss", "automatic_name", "known_settings", "node_name", "plain", "snake_case"]
