"""Which steps attention may look at, and weights of attention that keep to it. Must not know any layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable

FUSED = -0.7 * float(np.finfo("float32").max)
"""What stands for a score that does not count, where weights are not asked for."""


def truth(mask: SDVariable) -> SDVariable:
    """A mask as truth values."""
    return mask if mask.dtype.kind == "b" else mask.sd.neq(mask, 0)


def both(a: SDVariable | None, b: SDVariable | None) -> SDVariable | None:
    """Where two masks hold, of which either may be None."""
    if a is None or b is None:
        return b if a is None else a
    return a.sd.math.and_(a, b)


def steps(x: SDVariable) -> SDVariable:
    """0, 1, ... along the second axis, as a vector."""
    sd = x.sd
    n = x.shape[1]
    if isinstance(n, int):
        return sd.range(n, dtype="int64")
    ones = sd.ones_like(sd.sum(x, axis=tuple(k for k in range(x.ndim) if k != 1)), dtype="int64")
    return sd.cumsum(ones, axis=0) - 1


def causal(query: SDVariable, value: SDVariable) -> SDVariable:
    """Whether a step of the queries is not before one of the values, of shape (1, queries, values)."""
    rows, columns = _grid(query, value)
    return rows >= columns


def near(query: SDVariable, value: SDVariable, window: int) -> SDVariable:
    """Whether steps are less than ``window`` apart, of shape (1, queries, values)."""
    rows, columns = _grid(query, value)
    return query.sd.math.abs(rows - columns) < window


def _grid(query: SDVariable, value: SDVariable) -> tuple[SDVariable, SDVariable]:
    sd = query.sd
    return sd.expand_dims(sd.expand_dims(steps(query), 1), 0), sd.expand_dims(sd.expand_dims(steps(value), 0), 0)


def reshaped(mask: SDVariable, rank: int, axes: int) -> SDVariable:
    """A mask with as many axes as scores, new ones before those of ``axes`` steps of queries and values each."""
    for _ in range(rank - mask.ndim):
        mask = mask.sd.expand_dims(mask, -2 * axes - 1)
    return mask


def softmax(scores: SDVariable, axes: int) -> SDVariable:
    """Weights that add up to 1 over the last axes."""
    sd = scores.sd
    if axes == 1:
        return sd.nn.softmax(scores, axis=-1)
    last = tuple(range(-axes, 0))
    return sd.math.exp(scores - sd.math.log_sum_exp(scores, axis=last, keepdims=True))


def weights(scores: SDVariable, mask: SDVariable | None, axes: int, fused: bool) -> SDVariable:
    """Weights over the last axes, 0 where the mask does not hold.

    Args:
        scores: The scores.
        mask: What counts, with the axes of ``scores``; None if all does.
        axes: How many axes steps of values have.
        fused: What there is where nothing counts: the same weight for all, as Keras has it where weights are not asked
            for, else 0.
    """
    if mask is None:
        return softmax(scores, axes)
    sd: Any = scores.sd
    if fused:
        return softmax(sd.where(mask, scores, FUSED), axes)
    found = softmax(sd.where(mask, scores, -3e4 if scores.dtype == np.float16 else -1e9), axes)
    return sd.where(mask, found, 0.0)
