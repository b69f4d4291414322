"""Keras' learning rate schedules: functions of the step, from 0, in float64. They have no state."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sdgraph.build.annotations import readable
from sdgraph.checks import positive
from sdgraph.errors import ArgumentError

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


@dataclass(frozen=True)
class LearningRateSchedule(abc.ABC):
    """What gives a learning rate for a step, from 0. The epoch does not count."""

    @abc.abstractmethod
    def __call__(self, step: int, epoch: int = 0) -> float:
        """The rate at that step."""


def _periods(step: int, decay_steps: float, *, whole: bool) -> float:
    p = step / decay_steps
    return math.floor(p) if whole else p


def _cosine(f: float, alpha: float) -> float:
    """From 1 at 0 to alpha at 1."""
    return (1 - alpha) * 0.5 * (1 + math.cos(math.pi * f)) + alpha


@dataclass(frozen=True)
class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate decay_rate^(step / decay_steps)``.

    Example:
        >>> ExponentialDecay(0.1, 10, 0.5)(20)
        0.025
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        positive("decay_steps", self.decay_steps)

    def __call__(self, step: int, epoch: int = 0) -> float:
        return self.initial_learning_rate * self.decay_rate ** _periods(step, self.decay_steps, whole=self.staircase)


@dataclass(frozen=True)
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[k]`` for the first k with ``step <= boundaries[k]``; a boundary belongs to what is before it.

    Example:
        >>> rate = PiecewiseConstantDecay([10], [0.1, 0.01])
        >>> rate(10), rate(11)
        (0.1, 0.01)
    """

    boundaries: Sequence[int]
    values: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        object.__setattr__(self, "values", tuple(self.values))
        if len(self.values) != len(self.boundaries) + 1:
            raise ArgumentError(
                "There is one value more than boundaries.",
                given=f"{len(self.values)} values and {len(self.boundaries)} boundaries",
            )

    def __call__(self, step: int, epoch: int = 0) -> float:
        return self.values[sum(step > b for b in self.boundaries)]


@dataclass(frozen=True)
class PolynomialDecay(LearningRateSchedule):
    """``(initial - end) (1 - step / decay_steps)^power + end``, and end from there on or the next cycle.

    Example:
        >>> PolynomialDecay(0.1, 10, end_learning_rate=0.0)(5)
        0.05
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 1e-4
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        positive("decay_steps", self.decay_steps)

    def __call__(self, step: int, epoch: int = 0) -> float:
        n = self.decay_steps * (max(1, math.ceil(step / self.decay_steps)) if self.cycle else 1)
        left = (1 - min(step, n) / n) ** self.power
        return (self.initial_learning_rate - self.end_learning_rate) * left + self.end_learning_rate


@dataclass(frozen=True)
class InverseTimeDecay(LearningRateSchedule):
    """``initial_learning_rate / (1 + decay_rate step / decay_steps)``.

    Example:
        >>> InverseTimeDecay(0.1, 10, 1.0)(10)
        0.05
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        positive("decay_steps", self.decay_steps)

    def __call__(self, step: int, epoch: int = 0) -> float:
        p = _periods(step, self.decay_steps, whole=self.staircase)
        return self.initial_learning_rate / (1 + self.decay_rate * p)


@dataclass(frozen=True)
class CosineDecay(LearningRateSchedule):
    """Half a cosine from the first rate down to ``alpha`` of it.

    With ``warmup_target`` it comes after a straight way up to that.

    Example:
        >>> rate = CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=2)
        >>> rate(1), rate(2), round(rate(7), 4), rate(12)
        (0.05, 0.1, 0.05, 0.0)
    """

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        positive("decay_steps", self.decay_steps)

    def __call__(self, step: int, epoch: int = 0) -> float:
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            top, step = self.warmup_target, step - self.warmup_steps
        return top * _cosine(min(step, self.decay_steps) / self.decay_steps, self.alpha)


@dataclass(frozen=True)
class CosineDecayRestarts(LearningRateSchedule):
    """`CosineDecay` in periods, each ``t_mul`` times as long as the one before and beginning ``m_mul`` times as high.

    Example:
        >>> rate = CosineDecayRestarts(0.1, 10)
        >>> rate(0), round(rate(5), 4), rate(10), round(rate(20), 4)
        (0.1, 0.05, 0.1, 0.05)
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        positive("first_decay_steps", self.first_decay_steps)
        if not self.t_mul >= 1:
            raise ArgumentError("Periods must not become shorter.", given=f"t_mul={self.t_mul}", expected="1 or more")

    def __call__(self, step: int, epoch: int = 0) -> float:
        f = step / self.first_decay_steps
        if self.t_mul == 1:
            k = math.floor(f)
            f -= k
        else:
            k = math.floor(math.log(1 + f * (self.t_mul - 1)) / math.log(self.t_mul))
            f = (f - (self.t_mul**k - 1) / (self.t_mul - 1)) / self.t_mul**k
        return self.initial_learning_rate * ((1 - self.alpha) * self.m_mul**k * _cosine(f, 0.0) + self.alpha)


for _name in __all__:
    readable(globals()[_name])
