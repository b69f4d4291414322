"""Rules of the ops that take one of two values where a condition says, and of those that only pass a value on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from sdgraph.files.samediff.writing.call import BOOL, FLOAT, Call, Written, broadcast, same_shape
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused


def chosen(c: Call, condition: Value, x: Value, y: Value) -> Value:
    """``Where`` itself, which wants three operands of one shape and has no gradient."""
    full = broadcast(condition.shape, x.shape, y.shape)
    whole = next((v for v in (condition, x, y) if same_shape(v.shape, full)), None)
    if whole is None:
        whole = c.add(c.add(c.zeros(c.cast(condition, x.dtype)), c.zeros(x)), c.zeros(y))
    condition, x, y = (c.filled(v, whole) for v in (condition, x, y))
    return c.node("Where", condition, x, y, dtype=x.dtype)


def kept(c: Call, x: Value, condition: Value) -> Value:
    """``x`` where the condition holds, and elsewhere ``x`` without infinities, so that 0 times that is 0.

    Clipped by the largest number over 0 or 1. SameDiff keeps a NaN that comes in the second place.
    """
    most = c.number(np.finfo(x.dtype).max, x)
    high = c.pair("divide", most, c.one_less(c.mask(condition, x.dtype)))
    return c.pair("minimum", *c.spread(high, c.pair("maximum", *c.spread(c.neg(high), x))))


def _where(c: Call) -> Value:
    """On a gradient's path the sum of both, each times a mask; what is not trained may stay in a ``Where``."""
    condition, x, y = c.truth(c.inputs[0]), *(c.cast(v, c.dtype) for v in c.inputs[1:])
    if not c.on_path:
        if c.dtype == BOOL:
            return c.truth(chosen(c, condition, c.cast(x, FLOAT), c.cast(y, FLOAT)))
        return chosen(c, condition, x, y)
    parts = []
    for value, holds in ((x, condition), (y, c.node("boolean_not", condition))):
        mask = c.mask(holds)
        if value.finite:
            parts.append(c.mul(mask, value))
        elif c.flows(value):
            parts.append(c.mul(mask, kept(c, value, holds)))
        else:
            parts.append(chosen(c, holds, value, c.zeros(value)))
    return c.add(*parts)


def _stopped(c: Call) -> Value:
    return c.stopped(c.x)


def _passed_on(c: Call) -> Value:
    """The first operand. What is checked here at run time SameDiff does not check."""
    return c.x


def _assign(c: Call) -> Value:
    raise Refused("SameDiff's assign needs two arrays of one shape")


RULES: Final[dict[str, Callable[[Call], Written]]] = {
    "where": _where,
    "identity": _passed_on,
    "stop_gradient": _stopped,
    "mask_gradient": _passed_on,
    "checked_labels": _passed_on,
    "checked_whole": _passed_on,
    "checked_lengths": _passed_on,
    "assign": _assign,
    "cast": lambda c: c.cast(c.x, c.dtype),
}
