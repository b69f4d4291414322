"""A loss that is one op of ``sd.keras``, as a class and as a function: one node per call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec

from sdgraph.build.signature import parameters_of
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.ops.losses.keras import docstrings
from sdgraph.ops.losses.keras.definition import DEFINITIONS
from sdgraph.ops.losses.keras.loss import Loss, node_name
from sdgraph.ops.losses.keras.on_arrays import on_arrays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike

    from sdgraph.build.methods import OpMethod
    from sdgraph.build.op import Op
    from sdgraph.ops.losses.keras.weighting import Reduction

P = ParamSpec("P")

MEAN = "sum_over_batch_size"
"""The reduction of a class that is told no other."""


class OpLoss(Loss):
    """A loss that is one op: its call adds one node, whose operands are labels, predictions, weights and mask.

    A subclass names the op: ``class Huber(OpLoss, of=SDKerasRegression.huber)``. If the loss has settings, it has an
    ``__init__`` that takes them in Keras' order, keeps each as an attribute and calls this one. The docstring gets what
    the op's says.
    """

    op: ClassVar[Op]
    _default_name: ClassVar[str]

    def __init_subclass__(cls, of: Any = None, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if of is None:
            # A user's subclass of one of ours.
            return
        cls.op = of.op
        if "__init__" not in vars(cls):
            init = _init_named(cls.op.name)
            init.__qualname__ = f"{cls.__qualname__}.__init__"
            setattr(cls, "__init__", init)  # noqa: B010 - a type checker sees the inherited one
        parameters = parameters_of(cls.__init__)
        cls.options = tuple(p.name for p in parameters if p.name not in docstrings.OF_CLASSES)
        (cls._default_name,) = (p.default for p in parameters if p.name == "name")
        if cls.__doc__ and cls.op.doc:
            cls.__doc__ = docstrings.of_class(cls.__doc__, cls.op.doc, cls.options)

    def __init__(self, reduction: Reduction = MEAN, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        for k, check in DEFINITIONS[self.op].checks.items():
            check(k, getattr(self, k))
        super().__init__(self._default_name if name is None else name, reduction, dtype)
        if self.name == self._default_name:
            self._own_name = self.name

    def call(self, y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
        """One loss per sample."""
        return y_pred.sd.apply(self.op, *self._bound(y_true, y_pred, None, None, None))

    def _bound(self, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any, reduction: Reduction) -> Any:
        settings = {k: getattr(self, k) for k in self.options}
        extra = {"sample_weight": sample_weight, "mask": mask, "reduction": reduction, "dtype": self.dtype}
        return self.op.bind((y_true, y_pred), settings | extra)

    def _is_op(self) -> bool:
        # A user's subclass may write a `call` of its own.
        return type(self).call is OpLoss.call

    def _on_arrays(self, operands: dict[str, Any]) -> np.ndarray[Any, Any]:
        if not self._is_op():
            return super()._on_arrays(operands)
        return on_arrays().call(self.op, *self._bound(**operands, reduction=self.reduction))

    def _append(self, sd: Any, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any) -> SDVariable:
        if not self._is_op():
            return super()._append(sd, y_true, y_pred, sample_weight, mask)
        bound = self._bound(y_true, y_pred, sample_weight, mask, self.reduction)
        return self._made(sd.apply(self.op, *bound, name=node_name(sd, self.name)))


def _init_named(name: str) -> Callable[..., None]:
    """The constructor of a loss without settings, whose name is that of its op."""
    default = name

    def __init__(
        self: OpLoss, reduction: Reduction = MEAN, name: str | None = default, dtype: DTypeLike | None = None
    ) -> None:
        OpLoss.__init__(self, reduction, name, dtype)

    return __init__


def function(method: OpMethod[P, SDVariable]) -> Callable[P, Any]:
    """A loss op as a function that gives an array for arrays and a variable if an operand is one."""
    op = method.op

    @functools.wraps(method)
    def call(*args: P.args, **keywords: P.kwargs) -> Any:
        name: Any = keywords.pop("name", None)
        operands, attrs = op.bind(args, keywords)
        operands = on_arrays().as_operands(operands)
        sd = on_arrays().graph_of(operands)
        if sd is not None:
            return sd.apply(op, operands, attrs, name)
        if name is not None:
            raise ArgumentTypeError(f"{op.name}: arrays have no name.", given=f"name={shown(name)}")
        return on_arrays().call(op, operands, attrs)

    call.__qualname__ = op.name
    # Without the parameter self.
    call.__signature__ = inspect.Signature([*op.signature.parameters.values()][1:])  # type: ignore[attr-defined]
    return call


def is_function(thing: Any) -> bool:
    """Whether `function` made it."""
    return inspect.isfunction(thing) and getattr(thing, "op", None) in DEFINITIONS


__all__ = ["MEAN", "OpLoss", "function", "is_function"]
