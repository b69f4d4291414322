"""What is done to gradients and variables before an updater's rule: regularisation, decay, clipping.

A transform takes all gradients of a step, the variables, and each one's learning rate, and returns gradients and
variables in their place. Must not know updaters or steps.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdgraph.build.variable import SDVariable
from sdgraph.train.updating.schedules import Rate
from sdgraph.train.updating.settings import now

Several = Sequence[SDVariable]
Transform = Callable[[Several, Several, Several], tuple[Several, Several]]
"""``(gradients, variables, learning rates)`` to gradients and variables."""


@dataclass(frozen=True)
class L1Regularization:
    """``l1 sign(w)`` is added to each gradient; the loss it stands for is ``l1 sum |w|``."""

    l1: Rate

    def __call__(self, gs: Several, ws: Several, lrs: Several) -> tuple[Several, Several]:
        return [g + now(self.l1, w) * w.sd.math.sign(w) for g, w in zip(gs, ws, strict=True)], ws

    def score(self, w: SDVariable) -> SDVariable:
        """The loss of one variable."""
        return now(self.l1, w) * w.sd.sum(w.sd.math.abs(w))


@dataclass(frozen=True)
class L2Regularization:
    """``l2 w`` is added to each gradient; the loss it stands for is ``l2 / 2 sum w^2``."""

    l2: Rate

    def __call__(self, gs: Several, ws: Several, lrs: Several) -> tuple[Several, Several]:
        return [g + now(self.l2, w) * w for g, w in zip(gs, ws, strict=True)], ws

    def score(self, w: SDVariable) -> SDVariable:
        """The loss of one variable."""
        return 0.5 * now(self.l2, w) * w.sd.sum(w * w)


@dataclass(frozen=True)
class WeightDecay:
    """``coeff lr w`` is taken off each variable beside its step, or ``coeff w`` where the rate is not to count.

    It does not pass through the updater's rule, unlike `L2Regularization`. The loss it stands for is
    ``coeff / 2 sum w^2``.
    """

    coeff: Rate
    apply_lr: bool = True

    def __call__(self, gs: Several, ws: Several, lrs: Several) -> tuple[Several, Several]:
        return gs, [w - now(self.coeff, w) * (lr * w if self.apply_lr else w) for w, lr in zip(ws, lrs, strict=True)]

    def score(self, w: SDVariable) -> SDVariable:
        """The loss of one variable."""
        return 0.5 * now(self.coeff, w) * w.sd.sum(w * w)


@dataclass(frozen=True)
class ClipByValue:
    """Each element of a gradient between ``-most`` and ``most``."""

    most: float

    def __call__(self, gs: Several, ws: Several, lrs: Several) -> tuple[Several, Several]:
        return [g.sd.math.clip_by_value(g, -self.most, self.most) for g in gs], ws


@dataclass(frozen=True)
class ClipByNorm:
    """Each variable's gradient at the norm ``most`` where its own is larger."""

    most: float

    def __call__(self, gs: Several, ws: Several, lrs: Several) -> tuple[Several, Several]:
        return [_at_most(g, _square(g), self.most) for g in gs], ws


@dataclass(frozen=True)
class ClipByGlobalNorm:
    """All gradients at the norm ``most`` together, where theirs is larger."""

    most: float

    def __call__(self, gs: Several, ws: Several, lrs: Several) -> tuple[Several, Several]:
        sd = gs[0].sd
        # Of several dtypes the widest holds the sum.
        square = functools.reduce(operator.add, (sd.cast(_square(g), "float64") for g in gs))
        return [_at_most(g, square, self.most) for g in gs], ws


def _square(g: SDVariable) -> SDVariable:
    return g.sd.sum(g * g)


def _at_most(g: SDVariable, square: SDVariable, most: float) -> SDVariable:
    """A gradient scaled as a norm, whose square is given, is brought down to ``most``."""
    sd = g.sd
    norm = sd.math.sqrt(square)
    over = norm > most
    return g * sd.cast(sd.where(over, most / sd.where(over, norm, 1), 1), g.dtype)
