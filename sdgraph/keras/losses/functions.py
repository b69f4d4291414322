"""The functions of Keras' losses: one loss per sample, of arrays or of variables.

Each is an op of ``sd.keras`` that finds its graph among its operands, or does without one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from sdgraph.build.op import Op
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.infer.arrays import own_array
from sdgraph.nd import calls as eager
from sdgraph.ops.losses.keras import SDKeras

P = ParamSpec("P")


def _function(method: Callable[Concatenate[SDKeras, P], SDVariable]) -> Callable[P, Any]:
    """A loss op as a function that gives an array for arrays and a variable if an operand is one."""
    op: Op = getattr(method, "op")  # noqa: B009 - a type checker sees the method without its op

    @functools.wraps(method)
    def call(*args: P.args, **keywords: P.kwargs) -> Any:
        name: Any = keywords.pop("name", None)
        operands, attrs = op.bind(args, keywords)
        operands = eager.as_operands(operands)
        sd = eager.graph_of(operands)
        if sd is not None:
            return sd.apply(op, operands, attrs, name)
        if name is not None:
            raise ArgumentTypeError(f"{op.name}: arrays have no name.", given=f"name={shown(name)}")
        return eager.call(op, operands, attrs)

    call.__qualname__ = op.name
    # Without the parameter self.
    call.__signature__ = inspect.Signature([*op.signature.parameters.values()][1:])  # type: ignore[attr-defined]
    return call


mean_squared_error = _function(SDKeras.mean_squared_error)
root_mean_squared_error = _function(SDKeras.root_mean_squared_error)
mean_absolute_error = _function(SDKeras.mean_absolute_error)
mean_absolute_percentage_error = _function(SDKeras.mean_absolute_percentage_error)
mean_squared_logarithmic_error = _function(SDKeras.mean_squared_logarithmic_error)
cosine_similarity = _function(SDKeras.cosine_similarity)
huber = _function(SDKeras.huber)
log_cosh = _function(SDKeras.log_cosh)
hinge = _function(SDKeras.hinge)
squared_hinge = _function(SDKeras.squared_hinge)
categorical_hinge = _function(SDKeras.categorical_hinge)
kl_divergence = _function(SDKeras.kl_divergence)
poisson = _function(SDKeras.poisson)
categorical_generalized_cross_entropy = _function(SDKeras.categorical_generalized_cross_entropy)
dice = _function(SDKeras.dice)
tversky = _function(SDKeras.tversky)
binary_crossentropy = _function(SDKeras.binary_crossentropy)
binary_focal_crossentropy = _function(SDKeras.binary_focal_crossentropy)
categorical_crossentropy = _function(SDKeras.categorical_crossentropy)
categorical_focal_crossentropy = _function(SDKeras.categorical_focal_crossentropy)
sparse_categorical_crossentropy = _function(SDKeras.sparse_categorical_crossentropy)
ctc = _function(SDKeras.ctc)
circle = _function(SDKeras.circle)


def crossentropy(y_true: Any, y_pred: Any, **settings: Any) -> Any:
    """The cross entropy that the shapes call for: binary, sparse or categorical.

    Binary if ``y_pred`` has one class, sparse if ``y_true`` has a lower rank or one entry where ``y_pred`` has several
    classes, else categorical.

    Args:
        y_true: Labels.
        y_pred: Predictions ``(..., classes)``.
        **settings: For the cross entropy chosen.

    Example:
        >>> crossentropy([1, 0], [[0.25, 0.75], [0.5, 0.5]]).round(4)
        array([0.2877, 0.6931], dtype=float32)
    """
    return crossentropy_for(y_true, y_pred)(y_true, y_pred, **settings)


def crossentropy_for(y_true: Any, y_pred: Any) -> Callable[..., Any]:
    """The function that `crossentropy` chooses."""
    y, p = (x.shape if hasattr(x, "shape") else own_array(x).shape for x in (y_true, y_pred))
    if p and p[-1] == 1:
        return binary_crossentropy
    if len(y) < len(p) or (y and p and y[-1] == 1 and p[-1] != 1):
        return sparse_categorical_crossentropy
    return categorical_crossentropy
