"""Callbacks that come with sdgraph: they end training, lower rates, write values down.

Must not know graphs or how anything is trained.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from sdgraph.checks import as_path, finite, flag, not_negative, one_of, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.train.callbacks.events import EVENTS, Callback
from sdgraph.train.run import Run
from sdgraph.wording import did_you_mean, listed

Mode = Literal["auto", "min", "max"]

_SMALLER: Final = frozenset(
    ("loss", "error", "errors", "mae", "mse", "rmse", "mape", "msle", "crossentropy", "divergence", "perplexity")
)
_LARGER: Final = frozenset(("acc", "accuracy", "auc", "f1", "precision", "recall", "r2", "mcc", "iou"))
"""Words in names of values of which the smaller, or the larger, is better."""


class Monitor:
    """A value of epochs, and which of two of them is better.

    Args:
        name: The value, as `History` names it.
        mode: Whether smaller or larger is better; ``"auto"`` asks the name.
        min_delta: By how much a value must be better to count.
    """

    def __init__(self, name: str, mode: Mode = "auto", min_delta: float = 0.0) -> None:
        one_of("mode", mode, ("auto", "min", "max"))
        if not isinstance(name, str):
            raise ArgumentTypeError(
                "A value is monitored by its name.", given=shown(name), expected='such as "val_loss"'
            )
        self.name, self.mode = name, mode
        self.min_delta = not_negative("min_delta", min_delta)

    def check(self, run: Run) -> None:
        """Raise ArgumentError if nothing of this name will be reported, or it is not known what is better."""
        if run.reports is not None and self.name not in run.reports:
            raise self._missing(run.reports)
        self.sign(run)

    def value(self, run: Run) -> float:
        """What an epoch came to.

        Raises:
            ArgumentError: If there is no such value.
        """
        if self.name not in run.logs:
            raise self._missing(list(run.logs))
        return run.logs[self.name]

    def _missing(self, names: list[str]) -> ArgumentError:
        validated = "Give fit validation=..., or validation_split=...; or monitor what training reports."
        lacks = self.name.startswith("val_") and not any(name.startswith("val_") for name in names)
        return ArgumentError(
            f"There is no {self.name!r} to look at.",
            given=f"monitor={self.name!r}",
            expected=f"one of {listed(names)}" if names else None,
            fix=validated if lacks else did_you_mean(self.name, names),
        )

    def improves(self, run: Run, best: float | None) -> bool:
        """Whether an epoch is better than the best so far, None for none. NaN never is."""
        value = self.value(run)
        if math.isnan(value):
            return False
        return best is None or self.sign(run) * (best - value) > self.min_delta

    def sign(self, run: Run) -> float:
        """1 where smaller is better, else -1."""
        mode = self.mode
        if mode == "auto":
            words = set(re.split(r"[\W_]+", self.name.lower()))
            is_loss = self.name.removeprefix("val_") in {*run.measures.losses, run.measures.total}
            smaller, larger = is_loss or bool(words & _SMALLER), not is_loss and bool(words & _LARGER)
            if smaller == larger:
                raise ArgumentError(
                    f"Is {self.name!r} better when it is smaller, or when it is larger?",
                    given=f"monitor={self.name!r}",
                    fix='Say mode="min" or mode="max".',
                )
            mode = "min" if smaller else "max"
        return 1.0 if mode == "min" else -1.0


class EarlyStopping(Callback):
    """End training when a value has not improved for ``patience`` epochs.

    Args:
        monitor: The value to look at, as `History` names it.
        patience: How many epochs without improvement end it; with 0, too, the first one does.
        min_delta: By how much a value must be better to count.
        mode: Whether smaller (``"min"``) or larger (``"max"``) is better; by default the name tells, or it is an error.
        restore_best: Whether variables have their values of the best epoch in the end, however training ended.
        baseline: What must be beaten for an epoch to count at all.
        start_from_epoch: Epochs before this one are not looked at.

    Raises:
        ArgumentError: If nothing of this name is reported, or it is not known which of two values is better.

    Example:
        >>> EarlyStopping("val_loss", patience=3).patience
        3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 0,
        *,
        min_delta: float = 0.0,
        mode: Mode = "auto",
        restore_best: bool = True,
        baseline: float | None = None,
        start_from_epoch: int = 0,
    ) -> None:
        self.monitor = Monitor(monitor, mode, min_delta)
        self.patience = whole("patience", patience, least=0)
        self.restore_best = flag("restore_best", restore_best)
        self.baseline = None if baseline is None else finite("baseline", baseline)
        self.start_from_epoch = whole("start_from_epoch", start_from_epoch, least=0)

    def on_train_begin(self, run: Run) -> None:
        self.monitor.check(run)
        self.memory.setdefault("best", self.baseline)
        self.memory.setdefault("best_epoch", None)
        self.memory.setdefault("wait", 0)

    def on_epoch_end(self, run: Run) -> None:
        memory = self.memory
        if run.epoch - run.first < self.start_from_epoch:
            self.monitor.value(run)
            return
        if self.monitor.improves(run, memory["best"]):
            memory.update(best=self.monitor.value(run), best_epoch=run.epoch, wait=0)
            if self.restore_best:
                run.step.keep(f"best of {self.memory_name}")
            return
        memory["wait"] += 1
        if memory["wait"] >= self.patience:
            run.stop = f"{self.monitor.name} did not improve for {memory['wait']} epochs"

    def on_train_end(self, run: Run) -> None:
        if self.restore_best and self.memory["best_epoch"] is not None:
            run.step.restore(f"best of {self.memory_name}")


class ReduceOnPlateau(Callback):
    """Multiply learning rates by ``factor`` when a value has not improved for ``patience`` epochs.

    Args:
        monitor: The value to look at.
        factor: By what rates are multiplied.
        patience: How many epochs without improvement it takes.
        min_delta: By how much a value must be better to count.
        mode: Whether smaller or larger is better; by default the name tells, or it is an error.
        cooldown: For how many epochs afterwards none is counted.
        min_rate: Rates do not fall below it.

    Raises:
        ArgumentError: If a learning rate follows a schedule: there would be two that set it.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        *,
        min_delta: float = 1e-4,
        mode: Mode = "auto",
        cooldown: int = 0,
        min_rate: float = 0.0,
    ) -> None:
        if not 0 < finite("factor", factor) < 1:
            raise ArgumentError("The factor makes a rate smaller.", given=f"factor={factor}", expected="0 < factor < 1")
        self.monitor, self.factor = Monitor(monitor, mode, min_delta), factor
        self.min_rate = not_negative("min_rate", min_rate)
        self.patience, self.cooldown = whole("patience", patience, least=0), whole("cooldown", cooldown, least=0)

    def on_train_begin(self, run: Run) -> None:
        run.step.refuse_schedules(type(self).__name__)
        self.monitor.check(run)
        self.memory.setdefault("best", None)
        self.memory.setdefault("wait", 0)
        self.memory.setdefault("cooling", 0)

    def on_epoch_end(self, run: Run) -> None:
        memory = self.memory
        better = self.monitor.improves(run, memory["best"])
        if better:
            memory["best"] = self.monitor.value(run)
        if memory["cooling"]:
            memory["cooling"] -= 1
            memory["wait"] = 0
        if better:
            memory["wait"] = 0
        elif not memory["cooling"]:
            memory["wait"] += 1
            if memory["wait"] >= self.patience:
                run.step.scale_rates(self.factor, self.min_rate)
                memory.update(cooling=self.cooldown, wait=0)


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch.

    A schedule in the updater itself follows the steps, and is part of what a checkpoint compares.

    Args:
        function: ``(epoch, rate)`` to the rate, where the epoch counts from 0 over all runs of the step.

    Raises:
        ArgumentError: If there is no one learning rate, or it follows a schedule.

    Example:
        >>> LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch % 10 == 9 else rate)
        <...LearningRateScheduler object at ...>
    """

    def __init__(self, function: Callable[[int, float], float]) -> None:
        if not callable(function):
            raise ArgumentTypeError("A function of epoch and rate is needed.", given=shown(function))
        self.function = function

    def on_train_begin(self, run: Run) -> None:
        run.step.refuse_schedules(type(self).__name__)

    def on_epoch_begin(self, run: Run) -> None:
        rate = self.function(run.epoch, run.step.learning_rate)
        run.step.learning_rate = not_negative("learning_rate", rate)


class CSVLogger(Callback):
    """Write the values of each epoch into a file, one line each; a resumed run goes on where the file ends.

    Args:
        path: The file.
        separator: What stands between values.
        append: Whether to go on in a file that is there.
    """

    def __init__(self, path: str | os.PathLike[str], *, separator: str = ",", append: bool = False) -> None:
        self._path: Path = as_path(path)
        self._separator, self._append = separator, flag("append", append)
        self._file: TextIO | None = None
        self._names: list[str] = []

    def on_train_begin(self, run: Run) -> None:
        there = self._path.stat().st_size if self._path.exists() else 0
        known = self.memory.get("size", there if self._append else 0)
        if known < there:
            # Of epochs that a resumed run has still before it, or of another run.
            os.truncate(self._path, known)
        self._names = self._heading() if known else []
        self._file = open(self._path, "a", newline="", encoding="utf-8")  # noqa: SIM115
        self.memory["size"] = min(known, there)

    def _heading(self) -> list[str]:
        if not self._path.exists():
            return []
        with open(self._path, newline="", encoding="utf-8") as f:
            return next(csv.reader(f, delimiter=self._separator), [])

    def on_epoch_end(self, run: Run) -> None:
        assert self._file is not None
        out = csv.writer(self._file, delimiter=self._separator, lineterminator="\n")
        values = {"epoch": run.epoch, **run.logs}
        if not self._names:
            self._names = list(values)
            out.writerow(self._names)
        out.writerow([values.get(name, "NA") for name in self._names])
        self._file.flush()
        self.memory["size"] = os.fstat(self._file.fileno()).st_size

    def on_train_end(self, run: Run) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class LambdaCallback(Callback):
    """Functions of ``run`` for some of the events.

    Raises:
        ArgumentTypeError: For an event that there is not, or what is no function.

    Example:
        >>> LambdaCallback(on_epoch_end=lambda run: print(run.epoch, run.logs["loss"]))
        <...LambdaCallback object at ...>
    """

    def __init__(self, **functions: Callable[[Run], Any]) -> None:
        events = [f"on_{event}" for event in EVENTS]
        for event, function in functions.items():
            if event not in events:
                raise ArgumentTypeError(
                    f"There is no event {event!r}.",
                    expected=f"one of {listed(events)}",
                    fix=did_you_mean(event, events),
                )
            if not callable(function):
                raise ArgumentTypeError(f"{event} is a function of the run.", given=shown(function))
            setattr(self, event, function)


csv_logger = CSVLogger
early_stopping = EarlyStopping
learning_rate_scheduler = LearningRateScheduler
reduce_on_plateau = ReduceOnPlateau
