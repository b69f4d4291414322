"""Schedules under nd4j's names: a rate, or any other setting, as a pure function of iteration and epoch.

Both count from 0. A schedule is evaluated in float64 by Python and has no state, so nothing of it is saved. Must not
know updaters or graphs.
"""

from __future__ import annotations

import abc
import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sdgraph.checks import finite, positive, whole
from sdgraph.errors import ArgumentError, shown

Rate = float | Callable[[int, int], float]
"""A setting: a number, or what gives one for ``(iteration, epoch)``."""


class ScheduleType(enum.Enum):
    """What a schedule counts."""

    ITERATION = "iteration"
    EPOCH = "epoch"


@dataclass(frozen=True)
class Schedule(abc.ABC):
    """What has a value at each ``(iteration, epoch)``, both from 0."""

    @abc.abstractmethod
    def __call__(self, iteration: int, epoch: int = 0) -> float:
        """The value there."""


@dataclass(frozen=True)
class _Counting(Schedule):
    """A function of one of the two."""

    schedule_type: ScheduleType

    def __post_init__(self) -> None:
        if not isinstance(self.schedule_type, ScheduleType):
            raise ArgumentError(
                "A schedule counts iterations or epochs.",
                given=shown(self.schedule_type),
                fix="Give ScheduleType.ITERATION or ScheduleType.EPOCH first.",
            )

    def __call__(self, iteration: int, epoch: int = 0) -> float:
        return self.at(iteration if self.schedule_type is ScheduleType.ITERATION else epoch)

    @abc.abstractmethod
    def at(self, i: int) -> float:
        """The value at a place."""


@dataclass(frozen=True)
class FixedSchedule(Schedule):
    """Always one value.

    Example:
        >>> FixedSchedule(0.1)(7)
        0.1
    """

    value: float

    def __call__(self, iteration: int, epoch: int = 0) -> float:
        return self.value


@dataclass(frozen=True)
class ExponentialSchedule(_Counting):
    """``initial_value gamma^i``.

    Example:
        >>> ExponentialSchedule(ScheduleType.EPOCH, 0.1, 0.5)(iteration=40, epoch=2)
        0.025
    """

    initial_value: float
    gamma: float

    def at(self, i: int) -> float:
        return self.initial_value * self.gamma**i


@dataclass(frozen=True)
class InverseSchedule(_Counting):
    """``initial_value / (1 + gamma i)^power``.

    Example:
        >>> InverseSchedule(ScheduleType.ITERATION, 0.1, 0.5, 1)(2)
        0.05
    """

    initial_value: float
    gamma: float
    power: float

    def at(self, i: int) -> float:
        return self.initial_value / (1 + self.gamma * i) ** self.power


@dataclass(frozen=True)
class PolySchedule(_Counting):
    """``initial_value (1 + i / max_iter)^-power``, and 0 from ``max_iter`` on.

    That is what nd4j documents. Its code lacks the minus, so that a rate there grows until it falls to 0.

    Example:
        >>> PolySchedule(ScheduleType.ITERATION, 0.1, 1, 10)(10)
        0.0
    """

    initial_value: float
    power: float
    max_iter: int

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("max_iter", self.max_iter, least=1)

    def at(self, i: int) -> float:
        return self.initial_value * (1 + i / self.max_iter) ** -self.power if i < self.max_iter else 0.0


@dataclass(frozen=True)
class SigmoidSchedule(_Counting):
    """``initial_value / (1 + exp(-gamma (i - step_size)))``: with a positive gamma it rises.

    Example:
        >>> SigmoidSchedule(ScheduleType.ITERATION, 0.1, 0.5, 10)(10)
        0.05
    """

    initial_value: float
    gamma: float
    step_size: float

    def at(self, i: int) -> float:
        x = self.gamma * (i - self.step_size)
        return self.initial_value * (1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x)))


@dataclass(frozen=True)
class StepSchedule(_Counting):
    """``initial_value decay_rate^floor(i / step)``.

    Example:
        >>> StepSchedule(ScheduleType.ITERATION, 0.1, 0.5, 10)(19)
        0.05
    """

    initial_value: float
    decay_rate: float
    step: float

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("step", self.step)

    def at(self, i: int) -> float:
        return self.initial_value * self.decay_rate ** math.floor(i / self.step)


@dataclass(frozen=True)
class MapSchedule(_Counting):
    """The value of the last place that was reached; place 0 is needed.

    Example:
        >>> MapSchedule(ScheduleType.ITERATION, {0: 0.1, 100: 0.01})(99)
        0.1
    """

    values: Mapping[int, float] = field(hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.values, Mapping) or 0 not in self.values:
            raise ArgumentError(
                "A MapSchedule needs the value at place 0, from which the first one holds.", given=shown(self.values)
            )
        for place, value in self.values.items():
            whole("a place of a MapSchedule", place, least=0)
            finite("a value of a MapSchedule", value)

    def at(self, i: int) -> float:
        return self.values[max(place for place in self.values if place <= i)]


@dataclass(frozen=True)
class RampSchedule(Schedule):
    """A schedule that rises at the beginning: ``base (iteration + 1) / num_iter`` in the first ``num_iter - 1`` steps.

    Example:
        >>> RampSchedule(FixedSchedule(0.1), 10)(4)
        0.05
    """

    base: Schedule
    num_iter: int

    def __post_init__(self) -> None:
        whole("num_iter", self.num_iter, least=1)

    def __call__(self, iteration: int, epoch: int = 0) -> float:
        value = self.base(iteration, epoch)
        return value * (iteration + 1) / self.num_iter if iteration < self.num_iter - 1 else value


@dataclass(frozen=True)
class CycleSchedule(_Counting):
    """Up from one rate to another and down again, then ``annealing_length`` places in which it decays from the lowest.

    Without the others it begins at a tenth of the largest rate, and anneals to a tenth during a tenth of the cycle.

    Example:
        >>> up_and_down = CycleSchedule(ScheduleType.ITERATION, 0.1, 1.0, 10, 2, 0.5)
        >>> up_and_down(0), up_and_down(4)
        (0.1, 1.0)
        >>> CycleSchedule(ScheduleType.ITERATION, max_learning_rate=1.0, cycle_length=10)(0)
        0.1
    """

    initial_learning_rate: float | None = None
    max_learning_rate: float = math.nan
    cycle_length: int = 0
    annealing_length: int | None = None
    annealing_decay: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("max_learning_rate", self.max_learning_rate)
        whole("cycle_length", self.cycle_length, least=2)
        if self.half < 1:
            raise ArgumentError(
                "A cycle needs places to go up and down besides those in which it anneals.",
                given=f"cycle_length {self.cycle_length}, annealing_length {self.annealing_length}",
            )

    @property
    def lowest(self) -> float:
        """Where it begins."""
        return self.max_learning_rate / 10 if self.initial_learning_rate is None else self.initial_learning_rate

    @property
    def annealing(self) -> int:
        """The places in which it anneals."""
        found = self.annealing_length
        return math.floor(self.cycle_length / 10 + 0.5) if found is None else found

    @property
    def half(self) -> int:
        """The places in which it rises, and falls."""
        return (self.cycle_length - self.annealing) // 2

    def at(self, i: int) -> float:
        place, half, top, low = i % self.cycle_length, self.half, self.max_learning_rate, self.lowest
        if place >= 2 * half:
            return low * self.annealing_decay ** (self.annealing - (self.cycle_length - place))
        slope = (top - low) / half
        return low + slope * place if place < half else top - slope * (place - half)
