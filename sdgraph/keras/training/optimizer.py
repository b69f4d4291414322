"""The optimizer that a model is trained with: its settings, and the learning rate of the next step, which may be set.

Must not know models or data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sdgraph.checks import not_negative
from sdgraph.errors import ArgumentError, shown
from sdgraph.train.step import TrainingStep
from sdgraph.train.updating.updaters import Updater


@dataclass(frozen=True)
class _OfBatches:
    """A schedule that counts batches where several make one update, as Keras' schedules do."""

    schedule: Callable[..., Any]
    several: int

    def __call__(self, step: int, epoch: int = 0) -> float:
        return self.schedule((step + 1) * self.several - 1, epoch)


def counting_batches(updater: Any, several: int) -> Any:
    """An updater whose schedule counts batches, if it has one and several make one update."""
    rate: Any = getattr(updater, "learning_rate", None)
    if several == 1 or not callable(rate):
        return updater
    return replace(updater, learning_rate=_OfBatches(rate, several))


class OptimizerInUse:
    """An optimizer's settings by name, and what it is at: ``learning_rate``, which may be set, and ``iterations``.

    Equal to the optimizer that `Model.compile` got.
    """

    __slots__ = ("_rate", "_step", "settings")

    settings: Updater
    """The optimizer that was given."""
    _step: TrainingStep | None
    _rate: float | None

    def __init__(self, settings: Updater) -> None:
        object.__setattr__(self, "settings", settings)
        object.__setattr__(self, "_step", None)
        object.__setattr__(self, "_rate", None)

    def works_in(self, step: TrainingStep) -> None:
        """Stand for a step from now on; a rate that was set before is the step's."""
        object.__setattr__(self, "_step", step)
        if self._rate is not None:
            step.learning_rate = self._rate
            object.__setattr__(self, "_rate", None)

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        if self._step is not None:
            return self._step.learning_rate
        rate: Any = getattr(self.settings, "learning_rate", 1.0) if self._rate is None else self._rate
        if callable(rate):
            rate = rate(0, 0)
        now: Any = rate
        return float(now)

    @property
    def iterations(self) -> int:
        """How many updates there were."""
        return 0 if self._step is None else self._step.update.number

    def refuse_schedule(self, who: str) -> None:
        """Raise if the learning rate follows a schedule, which somebody wants to set.

        Raises:
            ArgumentError: If it does.
        """
        if callable(getattr(self.settings, "learning_rate", None)):
            raise ArgumentError(
                f"{who} sets the learning rate, and it follows a schedule.",
                given=shown(self.settings),
                fix="Give the optimizer a number, or leave the other out.",
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "learning_rate":
            raise ArgumentError(
                "Of an optimizer in use only the learning rate can be set.",
                given=f"{name}={shown(value)}",
                fix="Make another optimizer, and compile the model with it.",
            )
        self.refuse_schedule("An assignment")
        rate = float(not_negative("learning_rate", value))
        if self._step is None:
            object.__setattr__(self, "_rate", rate)
        else:
            self._step.learning_rate = rate

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.settings, name)

    def __eq__(self, other: object) -> bool:
        return self.settings == (other.settings if isinstance(other, OptimizerInUse) else other)

    def __hash__(self) -> int:
        return hash(self.settings)

    def __repr__(self) -> str:
        return repr(self.settings)
