"""Jacobians, Hessians and Hessian-vector products, built from gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sdgraph.build.variable import SDVariable
from sdgraph.differentiate.answers import gradient_of
from sdgraph.errors import ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.infer.shapes import same_sizes

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


def jacobian(sd: OpGraph, y: SDVariable, x: SDVariable) -> SDVariable:
    """``d y / d x`` of shape ``y.shape + x.shape``: one gradient per element of y, stacked."""
    if not y.aval.is_static:
        raise ShapeError(
            f"The Jacobian of {y.name!r} has a row per element, and their number is unknown.",
            given=repr(y),
            fix="Give the placeholder a fixed batch size, or use sd.grad or sd.hvp.",
        )
    if y.shape == ():
        return gradient_of(sd, y, x)
    n = math.prod(y.shape)  # type: ignore[arg-type]
    with sd.gradient_scope():
        flat = sd.reshape(y, (n,))
        if not n:
            ones = (1,) * x.ndim
            return sd.reshape(sd.zeros_like(y), (*y.shape, *ones)) * sd.zeros_like(x) if ones else sd.zeros_like(y)
        entries = [flat[k] for k in range(n)]  # All before the first sweep: a sweep looks at what lies before its y.
        rows = [gradient_of(sd, entry, x) for entry in entries]
        stacked = sd.stack(*rows, axis=0)
        return stacked if y.ndim == 1 else sd.reshape(stacked, (*y.shape, *x.shape))


def hessian(sd: OpGraph, y: SDVariable, x: SDVariable) -> SDVariable:
    """``d^2 y / d x^2`` of shape ``x.shape + x.shape`` for a scalar y."""
    if y.shape != ():
        raise ShapeError(
            f"The Hessian is that of a scalar; {y.name!r} is not one.",
            given=shape_str(y.shape),
            fix="Reduce it first, for example y.sum().",
        )
    return jacobian(sd, gradient_of(sd, y, x), x)


def hvp(sd: OpGraph, y: SDVariable, x: SDVariable, v: Any) -> SDVariable:
    """``(d^2 y / d x^2) v``: the gradient of ``<grad y, v>`` with v held fixed."""
    with sd.gradient_scope():
        v = sd.stop_gradient(sd.as_variable(v))
        if not same_sizes(v.shape, x.shape):
            raise ShapeError(
                f"The direction does not have the shape of {x.name!r}.",
                given=shape_str(v.shape),
                expected=shape_str(x.shape),
            )
        inner = sd.sum(gradient_of(sd, y, x) * v)
    return gradient_of(sd, inner, x)
