"""How a per-element loss becomes a result: weights, reduction, and the precision that all of it is computed in.

Must not know any loss.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.infer.aval import is_floating
from sdgraph.ops.precision import cast_to, wide, widened
from sdgraph.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdgraph.build.variable import Operand


class LossReduce(enum.Enum):
    """How the weighted per-element losses ``L = E * W`` become the result. The values are SameDiff's ordinals.

    ``W`` is the weights broadcast to the shape of ``E``. Where a denominator is 0 the result and its gradients are 0.
    """

    NONE = 0
    """``L`` itself; its gradient is that of its sum."""
    SUM = 1
    """``sum(L)``."""
    MEAN_BY_WEIGHT = 2
    """``sum(L) / sum(W)``."""
    MEAN_BY_NONZERO_WEIGHT_COUNT = 3
    """``sum(L) / count(W != 0)``."""

    def __repr__(self) -> str:
        return str(self)


@readable
def reduce_loss(per_element: SDVariable, weights: SDVariable | None, loss_reduce: LossReduce) -> SDVariable:
    """Weight a per-element loss and reduce it.

    A unit of weight 0 counts exactly 0 even where its loss is infinite or NaN, while the gradient with respect to that
    weight is still the unit's loss. Divided by 0 the sum and its gradients are 0.
    Half precision is weighted, added up and counted in single precision; the result is rounded once.
    """
    w = None if weights is None else widened(weights)
    return reduction(loss_reduce, w, per_element, weights)(widened(per_element))


def reduction(
    loss_reduce: LossReduce, weights: SDVariable | None, *operands: Operand | None
) -> Callable[[SDVariable], SDVariable]:
    """What weights and reduces a per-element loss, and rounds the result to the dtype of the operands as given."""
    loss_reduce = _as_reduce(loss_reduce)
    return lambda each: rounded(_reduced(each, weights, loss_reduce), *operands)


def _reduced(per_element: SDVariable, weights: SDVariable | None, loss_reduce: LossReduce) -> SDVariable:
    sd = per_element.sd
    if weights is None:
        if loss_reduce is LossReduce.NONE:
            return per_element
        total = sd.sum(per_element)
        if loss_reduce is LossReduce.SUM:
            return total
        return total / sd.math.max(sd.axis_size(per_element, dtype=per_element.dtype), 1)
    weighted = sd.math.multiply_no_nan(per_element, weights)
    if loss_reduce is LossReduce.NONE:
        return weighted
    total = sd.sum(weighted)
    if loss_reduce is LossReduce.SUM:
        return total
    counted = weights if loss_reduce is LossReduce.MEAN_BY_WEIGHT else sd.cast(weights.neq(0), weights.dtype)
    repeats = sd.axis_size(per_element, dtype=counted.dtype) / sd.math.max(
        sd.axis_size(counted, dtype=counted.dtype), 1
    )
    return sd.math.divide_no_nan(total, sd.sum(counted) * repeats)


def _as_reduce(value: object) -> LossReduce:
    if isinstance(value, LossReduce):
        return value
    members = {f"LossReduce.{r.name}": r.name for r in LossReduce}
    near = [member for member, name in members.items() if name in nearest(value, members.values())]
    raise ArgumentTypeError(
        "loss_reduce is not a LossReduce.",
        given=shown(value),
        expected=", ".join(members),
        fix=(f"Did you mean {' or '.join(near)}? " if near else "") + "Import it: from sdgraph import LossReduce.",
    )


# ---------------------------------------------------------------------- precision


def symbols(*operands: Operand) -> list[SDVariable]:
    """The operands as what they are inside a body: variables. Only the type checker needs to be told."""
    return cast("list[SDVariable]", list(operands))


def _floating_dtype(like: SDVariable) -> np.dtype[Any]:
    """What integers and bools count as: the dtype of ``like``, or the graph's if that is no float either."""
    return like.dtype if is_floating(like.dtype) else like.sd.dtype


def floats(*operands: Operand, like: Operand) -> list[SDVariable]:
    """Operands as numbers to compute with: integers and bools in the dtype of ``like``, halves in single precision."""
    dtype = _floating_dtype(*symbols(like))
    return [widened(v) if is_floating(v.dtype) else v.sd.cast(v, wide(dtype)) for v in symbols(*operands)]


def rounded(result: SDVariable, *operands: Operand | None) -> SDVariable:
    """A result in half precision if all floating operands have it; integers count as the first operand does."""
    first, *others = symbols(*(v for v in operands if v is not None))
    half = np.dtype("float16")
    narrow = _floating_dtype(first) == half and all(v.dtype == half or not is_floating(v.dtype) for v in others)
    return cast_to(result, half) if narrow else result
