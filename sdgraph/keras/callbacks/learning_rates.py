"""Learning rates that are set from outside, by the epoch or by what came of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from sdgraph.checks import finite, not_negative, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.callbacks.base import Callback, Logs, say
from sdgraph.keras.callbacks.monitor import Mode, MonitorCallback


def _settable(callback: Callback) -> None:
    """Raise if the optimizer follows a schedule.

    Raises:
        ArgumentError: If it does.
    """
    refuse = getattr(callback.model.optimizer, "refuse_schedule", None)
    if refuse is not None:
        refuse(type(callback).__name__)


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch. The history gets a column ``learning_rate``.

    Args:
        schedule: A function of the epoch, from 0, and of the rate so far; or of the epoch alone.
        verbose: 1 to print the rates.

    Raises:
        ArgumentError: Before the first epoch, if the optimizer follows a schedule of its own.

    Example:
        >>> halves = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise ArgumentTypeError("A schedule is a function of the epoch.", given=shown(schedule))
        self.schedule, self.verbose = schedule, verbose
        self._takes_rate = _takes_two(schedule)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        _settable(self)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate)
        rate = self.schedule(epoch, rate) if self._takes_rate else self.schedule(epoch)
        optimizer.learning_rate = float(finite("The learning rate of the schedule", rate))
        if self.verbose:
            say(f"Epoch {epoch + 1}: the learning rate is {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


def _takes_two(schedule: Callable[..., Any]) -> bool:
    """Whether a function can be called with two arguments."""
    try:
        signature = inspect.signature(schedule)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(0, 0.0)
    except TypeError:
        return False
    return True


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by ``factor`` when a value has not improved for ``patience`` epochs.

    The history gets a column ``learning_rate``: the rate of the epoch.

    Args:
        monitor: The value, as `History` names it.
        factor: By what the rate is multiplied, below 1.
        patience: How many epochs without improvement it takes.
        verbose: 1 to print what happens.
        mode: Which way is better.
        min_delta: By how much a value must be better to count.
        cooldown: For how many epochs afterwards none is counted.
        min_lr: The rate does not fall below it.

    Raises:
        ArgumentError: Before the first epoch, if the optimizer follows a schedule.

    Example:
        >>> ReduceLROnPlateau("loss", factor=0.5, patience=2).cooldown
        0
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if not 0 <= finite("factor", factor) < 1:
            raise ArgumentError("The factor makes a rate smaller.", given=f"factor={factor}", expected="below 1")
        self.factor, self.verbose = factor, verbose
        self.patience = whole("patience", patience, least=0)
        self.cooldown = whole("cooldown", cooldown, least=0)
        self.min_lr = not_negative("min_lr", min_lr)
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        _settable(self)
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        value = self.monitored(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def in_cooldown(self) -> bool:
        """Whether epochs are not counted yet."""
        return self.cooldown_counter > 0

    def _reduce(self, epoch: int) -> None:
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate)
        if rate > self.min_lr:
            optimizer.learning_rate = max(rate * self.factor, self.min_lr)
            self.cooldown_counter, self.wait = self.cooldown, 0
            if self.verbose:
                say(f"Epoch {epoch + 1}: the learning rate becomes {optimizer.learning_rate}.")
