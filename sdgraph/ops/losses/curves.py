"""What losses are per element, where the derivative of the body as written would take more steps than it needs.

Each is a composite with its derivative in closed form beside it. Knows formulas; must not know namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import GraphLike
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.variable import SDVariable
from sdgraph.ops.slopes import decay, sigmoid_slope

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand


@composite(vjp=lambda g, y, x, *, delta: g * g.sd.math.clip_by_value(x, -delta, delta), reach=ELEMENTWISE)
def _huber(sd: GraphLike, x: Operand, delta: float) -> SDVariable:
    x = sd.as_variable(x)
    near = sd.math.clip_by_value(x, -delta, delta)
    # Of a delta of 0 the clipped zero may have either sign, by numpy's version, and a loss is never -0.0.
    return sd.math.abs(near * (x - 0.5 * near))


def huber(x: SDVariable, delta: float) -> SDVariable:
    """``x^2 / 2`` between ``-delta`` and ``delta``; beyond, the tangents go on."""
    return _huber(x.sd, x, delta)


def _with_logits_vjp(
    g: SDVariable, e: SDVariable, labels: SDVariable, logits: SDVariable, positive: SDVariable | None
) -> tuple[SDVariable, SDVariable, SDVariable | None]:
    slope = g * _with_logits_slope(g.sd, labels, logits, positive)
    if positive is None:
        return -(g * logits), slope, None
    softplus = g.sd.nn.softplus
    return -(g * softplus(logits)), slope, g * softplus(-logits)


@composite(vjp=_with_logits_vjp, reach=ELEMENTWISE)
def _with_logits(sd: GraphLike, labels: Operand, logits: Operand, positive: Operand | None = None) -> SDVariable:
    # |logits| times what it is wrong by, and what softplus is above its corner: no term cancels another at any logit,
    # and a label that agrees with an infinite one makes it 0.
    z, x = sd.as_variable(labels), sd.as_variable(logits)
    m, against = sd.math, 1 - z
    wrong = sd.where(x >= 0, against, z if positive is None else positive)
    rest = m.log1p(decay(x))
    return m.multiply_no_nan(m.abs(x), wrong) + (rest if positive is None else (against + positive) * rest)


def cross_entropy(labels: SDVariable, logits: SDVariable, positive: SDVariable | None = None) -> SDVariable:
    """``(1 - labels) softplus(logits) + positive softplus(-logits)``, where ``positive`` is the labels by default."""
    return _with_logits(logits.sd, labels, logits, positive)


def _with_logits_slope_vjp(
    g: SDVariable, y: SDVariable, labels: SDVariable, logits: SDVariable, positive: SDVariable | None
) -> tuple[SDVariable, SDVariable, SDVariable | None]:
    by_logit, sigmoid = g * sigmoid_slope(g.sd, logits), g.sd.nn.sigmoid
    if positive is None:
        return -g, by_logit, None
    return -(g * sigmoid(logits)), ((1 - labels) + positive) * by_logit, -(g * sigmoid(-logits))


@composite(vjp=_with_logits_slope_vjp, reach=ELEMENTWISE)
def _with_logits_slope(sd: GraphLike, labels: Operand, logits: Operand, positive: Operand | None = None) -> SDVariable:
    """``(1 - labels) sigmoid(logits) - positive sigmoid(-logits)``: both sigmoids are one exponential and one quotient.

    Of a logit above 0 the first is ``1 / (1 + e)`` and the second ``e / (1 + e)``; below, the other way round.
    """
    z, x = sd.as_variable(labels), sd.as_variable(logits)
    up, against = x >= 0, 1 - z
    held = z if positive is None else sd.as_variable(positive)
    e = decay(x)
    size = (sd.where(up, against, held) - sd.where(up, held, against) * e) * (1 / (1 + e))
    return sd.where(up, size, -size)
