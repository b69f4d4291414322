"""The listeners that come with SameDiff: scores, speed, checkpoints. Must not know how anything is trained."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np

from sdgraph.checks import flag, positive, whole
from sdgraph.errors import ArgumentError
from sdgraph.train.callbacks.checkpoint import Checkpoint
from sdgraph.train.callbacks.listener import At, Listener, ListenerResponse, Operation
from sdgraph.wording import duration, number

if TYPE_CHECKING:
    from sdgraph.build.kinds import AnyGraph
    from sdgraph.train.results.loss_curve import Loss, LossCurve
    from sdgraph.train.run import Run

_NEVER: Final = 2**62
_SECONDS: Final = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0}


class ScoreListener(Listener):
    """Writes the losses of every so many iterations, and of each epoch.

    Args:
        frequency: How many iterations there are from line to line.
        report_epochs: Whether epochs have lines, too.
        report_iter_performance: Whether lines of iterations say how many examples there were in a second.
        write: What is done with a line.

    Example:
        >>> ScoreListener(100, report_epochs=False).frequency
        100
    """

    def __init__(
        self,
        frequency: int = 10,
        report_epochs: bool = True,
        report_iter_performance: bool = True,
        *,
        write: Callable[[str], Any] = print,
    ) -> None:
        self.frequency = whole("frequency", frequency, least=1)
        self._epochs = flag("report_epochs", report_epochs)
        self._speed = flag("report_iter_performance", report_iter_performance)
        self._write = write

    def is_active(self, operation: Operation) -> bool:
        return operation is Operation.TRAINING

    def epoch_start(self, sd: AnyGraph, at: At) -> None:
        if self._epochs:
            self._write(f"epoch {at.epoch}: starting")

    def epoch_end(self, sd: AnyGraph, at: At, loss_curve: LossCurve, epoch_time_millis: int) -> ListenerResponse | None:
        if self._epochs:
            losses = _told(loss_curve.last_mean_loss())
            self._write(f"epoch {at.epoch}: done in {duration(epoch_time_millis / 1000)}, mean of {losses}")
        return None

    def iteration_start(self, sd: AnyGraph, at: At, data: Mapping[str, Any], etl_time_millis: int) -> None:
        self._began = time.perf_counter()

    def iteration_done(self, sd: AnyGraph, at: At, data: Mapping[str, Any], loss: Loss) -> None:
        if at.iteration % self.frequency == 0:
            took = time.perf_counter() - self._began
            speed = f", {_examples(data) / took:,.0f} examples/s" if self._speed and took > 0 else ""
            self._write(f"epoch {at.epoch}, iteration {at.iteration}: {_told(loss)}{speed}")


class Performance(NamedTuple):
    """How fast some iterations were, up to the one that is named."""

    epoch: int
    iteration: int
    examples_per_second: float
    batches_per_second: float
    etl_time_millis: int
    """How long these iterations waited for data."""


class PerformanceListener(Listener):
    """Measures how many examples and batches there are in a second; ``records`` has all of it.

    Args:
        frequency: How many iterations a measurement is of.
        write: What is done with a line for each; None for no lines.

    Example:
        >>> PerformanceListener(50, write=None).records
        []
    """

    def __init__(self, frequency: int = 10, *, write: Callable[[str], Any] | None = print) -> None:
        self.frequency = whole("frequency", frequency, least=1)
        self._write = write
        self.records: list[Performance] = []
        """A measurement each."""

    def is_active(self, operation: Operation) -> bool:
        return operation is Operation.TRAINING

    def _begin(self) -> None:
        self._began, self._batches, self._examples, self._waited = time.perf_counter(), 0, 0, 0

    def operation_start(self, sd: AnyGraph, operation: Operation) -> None:
        self._begin()

    def epoch_start(self, sd: AnyGraph, at: At) -> None:
        if not self._batches:
            self._begin()  # Validation is not waited for.

    def iteration_start(self, sd: AnyGraph, at: At, data: Mapping[str, Any], etl_time_millis: int) -> None:
        self._waited += etl_time_millis

    def iteration_done(self, sd: AnyGraph, at: At, data: Mapping[str, Any], loss: Loss) -> None:
        self._batches, self._examples = self._batches + 1, self._examples + _examples(data)
        if self._batches < self.frequency:
            return
        took = max(time.perf_counter() - self._began, 1e-9)
        found = Performance(at.epoch, at.iteration, self._examples / took, self._batches / took, self._waited)
        self.records.append(found)
        if self._write is not None:
            self._write(
                f"iteration {at.iteration}: {found.examples_per_second:,.0f} examples/s, "
                f"{found.batches_per_second:,.1f} batches/s, waited {found.etl_time_millis} ms for data"
            )
        self._begin()


def _told(loss: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in loss.items())


def _examples(data: Mapping[str, Any]) -> int:
    """How many examples a batch has: the length of the first array that has one."""
    sizes = (np.shape(a) for a in data.values())
    return next((shape[0] for shape in sizes if shape), 1)


# ---------------------------------------------------------------------- checkpoints


class CheckpointListener(Checkpoint):
    """`Checkpoint` in SameDiff's words; `builder` makes one as in Java.

    Files are those of `Checkpoint`: all of the training, and whole or not at all. ``sd.fit(..., resume=folder)`` goes
    on from the newest.

    Args:
        folder: Where files are written.
        every_n_epochs: After how many epochs there is one.
        every_n_iterations: After how many iterations there is one.
        every_seconds: After how many seconds there is one, at the next batch.
        keep_last: How many of the newest stay; None for all.
        keep_every: Of all that were written, every so many stay besides.
        delete_existing: Whether checkpoints that are in the folder already are removed as training begins.

    Raises:
        ArgumentError: If nothing says when there is one.

    Example:
        >>> listener = CheckpointListener.builder("runs/first").keep_last(3).save_every_n_epochs(2).build()
        >>> listener.every_epochs, listener.keep_last
        (2, 3)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_n_epochs: int | None = None,
        every_n_iterations: int | None = None,
        every_seconds: float | None = None,
        keep_last: int | None = None,
        keep_every: int | None = None,
        delete_existing: bool = False,
    ) -> None:
        if every_n_epochs is None and every_n_iterations is None and every_seconds is None:
            raise ArgumentError(
                "Nothing says when to write a checkpoint.",
                fix="Give every_n_epochs, every_n_iterations or every_seconds.",
            )
        epochs = _NEVER if every_n_epochs is None else whole("every_n_epochs", every_n_epochs, least=1)
        super().__init__(folder, every=every_n_iterations, every_epochs=epochs, keep_last=keep_last)
        self.every_seconds = None if every_seconds is None else positive("every_seconds", every_seconds)
        self.keep_every = None if keep_every is None else whole("keep_every", keep_every, least=1)
        self.delete_existing = flag("delete_existing", delete_existing)

    @staticmethod
    def builder(folder: str | os.PathLike[str]) -> CheckpointBuilder:
        """What makes one word by word, as in Java."""
        return CheckpointBuilder(folder)

    def on_train_begin(self, run: Run) -> None:
        if self.delete_existing and not self.goes_on:
            self.folder.remove_but(set())
        super().on_train_begin(run)
        self.memory.setdefault("written", [])
        self._at = time.monotonic()

    def _is_due(self, run: Run) -> bool:
        late = self.every_seconds is not None and time.monotonic() - self._at >= self.every_seconds
        return late or super()._is_due(run)

    def _write(self, run: Run) -> None:
        self._at = time.monotonic()
        if run.step.step not in self.memory["written"]:
            self.memory["written"].append(run.step.step)
        super()._write(run)

    def _tidy(self) -> None:
        if self.keep_last is not None:
            written = self.memory.get("written", [])
            besides = written[self.keep_every - 1 :: self.keep_every] if self.keep_every is not None else []
            self.folder.remove_but({*self.folder.numbers()[-self.keep_last :], *besides})


class CheckpointBuilder:
    """Makes a `CheckpointListener` word by word; every method gives the builder back."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = folder
        self._settings: dict[str, Any] = {}

    def _with(self, **settings: Any) -> Self:
        self._settings |= settings
        return self

    def save_every_epoch(self) -> Self:
        """After each epoch."""
        return self.save_every_n_epochs(1)

    def save_every_n_epochs(self, n: int) -> Self:
        """After every so many epochs."""
        return self._with(every_n_epochs=n)

    def save_every_n_iterations(self, n: int) -> Self:
        """After every so many iterations."""
        return self._with(every_n_iterations=n)

    def save_every(self, amount: float, unit: str = "seconds") -> Self:
        """After some time: ``unit`` is ``"seconds"``, ``"minutes"``, ``"hours"`` or ``"days"``."""
        name = unit.lower() if isinstance(unit, str) else unit
        if name not in _SECONDS:
            raise ArgumentError("This is no unit of time.", given=repr(unit), expected=", ".join(map(repr, _SECONDS)))
        return self._with(every_seconds=amount * _SECONDS[name])

    def keep_all(self) -> Self:
        """All files stay."""
        return self._with(keep_last=None, keep_every=None)

    def keep_last(self, n: int) -> Self:
        """The newest files stay."""
        return self._with(keep_last=n, keep_every=None)

    def keep_last_and_every(self, n: int, every: int) -> Self:
        """The newest files stay, and of all that were written every so many."""
        return self._with(keep_last=n, keep_every=every)

    def delete_existing(self, delete: bool) -> Self:
        """Whether checkpoints that are in the folder already are removed as training begins."""
        return self._with(delete_existing=delete)

    def build(self) -> CheckpointListener:
        """The listener."""
        return CheckpointListener(self._folder, **self._settings)
