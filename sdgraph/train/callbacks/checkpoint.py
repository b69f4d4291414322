"""Checkpoints: files that training writes between two batches, when nothing is half done.

Which are written and which are kept is decided here. Must not know what is in them.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgraph.checks import as_path, whole
from sdgraph.errors import ArgumentError
from sdgraph.train.callbacks.events import Callback
from sdgraph.train.callbacks.standard import Mode, Monitor
from sdgraph.train.checkpoints.folder import Folder
from sdgraph.train.checkpoints.stored import go_on, read, remembered, write
from sdgraph.wording import counted

if TYPE_CHECKING:
    from sdgraph.train.run import Run


class Checkpoint(Callback):
    """Write what training needs to go on to the same bits: ``sd.fit(..., checkpoint=folder, resume=True)``.

    A file ``step-000001200.sdg`` holds the graph with its variables, what the updater keeps, the place in the data, the
    history and what callbacks remember. It is written whole or not at all, and an older one is removed only when it is
    on the disk, so a program may be killed at any moment. `SameDiff.load` reads the graph of such a file.

    Whatever the settings, one is written when training ends or is interrupted.

    Args:
        folder: Where files are written; made if it is not there.
        every: After how many batches there is one; None for epochs only.
        every_epochs: After how many epochs there is one.
        keep_last: How many of the newest stay; None for all.
        keep_best: How many of the best epochs stay besides.
        monitor: The value by which epochs are judged, as `History` names it.
        mode: Whether smaller (``"min"``) or larger (``"max"``) is better; by default the name tells, or it is an error.

    Raises:
        ArgumentError: If a setting makes no sense, nothing of that name is reported, or the folder has checkpoints of
            other training.

    Example:
        >>> Checkpoint("runs/first", every=100, keep_best=1).latest is None
        True
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every: int | None = None,
        every_epochs: int = 1,
        keep_last: int | None = 2,
        keep_best: int = 0,
        monitor: str = "val_loss",
        mode: Mode = "auto",
    ) -> None:
        self.folder = Folder(as_path(folder))
        self.every = None if every is None else whole("every", every, least=1)
        self.every_epochs = whole("every_epochs", every_epochs, least=1)
        self.keep_last = None if keep_last is None else whole("keep_last", keep_last, least=1)
        self.keep_best = whole("keep_best", keep_best, least=0)
        self.monitor = Monitor(monitor, mode)
        self.goes_on = False
        """Whether the run goes on from the newest file of this folder that can be read."""
        self._last: Any = None

    @property
    def latest(self) -> Path | None:
        """The newest file."""
        numbers = self.folder.numbers()
        return self.folder.file(numbers[-1]) if numbers else None

    @property
    def best(self) -> Path | None:
        """The file of the best epoch, where ``keep_best`` keeps it."""
        there = set(self.folder.numbers())
        return next((self.folder.file(number) for number, _ in self._ranked() if number in there), None)

    def _ranked(self) -> list[list[Any]]:
        """The best epochs of this run, or of the one that the newest file is of."""
        memory = getattr(self, "memory", None)
        if memory is None and self.latest is not None:
            memory = remembered(self.latest, type(self).__name__)
        best = (memory or {}).get("best")
        pairs = best if isinstance(best, list) else []
        return [pair for pair in pairs if isinstance(pair, list) and len(pair) == 2]

    def on_train_begin(self, run: Run) -> None:
        if run.setup is None:
            raise ArgumentError("Checkpoints are written by SameDiff.fit, which knows what they are of.")
        if self.keep_best:
            self.monitor.check(run)
        self.memory.setdefault("best", [])
        self._last = self._place(run) if self.goes_on else None
        newer = [number for number in self.folder.numbers() if number > run.step.step]
        if newer and not self.goes_on:
            raise ArgumentError(
                "This folder has checkpoints of other training, or of what came later.",
                given=f"{self.folder.path}: {counted(len(newer), 'file')} up to {self.folder.file(newer[-1]).name}",
                fix="Go on from them with resume=True, or give another folder.",
            )
        self.folder.set_aside(run.step.step)
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if self.goes_on:
            self._tidy()  # A kill may have come just before.

    def on_rest(self, run: Run) -> None:
        if run.stop is not None and run.batch:
            return  # The end of the epoch is still to come, and whoever went on from here would miss it.
        is_best = self.keep_best > 0 and run.batch == 0 and self._judged(run)
        if self._place(run) != self._last and (is_best or self._is_due(run)):
            self._write(run)

    def on_train_end(self, run: Run) -> None:
        self.goes_on = False

    def _place(self, run: Run) -> Any:
        return run.step.step, run.epoch, run.batch, run.stop

    def _is_due(self, run: Run) -> bool:
        if run.is_stopped:
            return True
        if run.batch:
            return self.every is not None and run.step.step % self.every == 0
        done = run.epoch - run.first
        return done == run.epochs or done % self.every_epochs == 0

    def _judged(self, run: Run) -> bool:
        """Whether the epoch that is over is among the best, which are remembered with what they came to."""
        name, number = self.monitor.name, run.step.step
        if name not in run.logs and any(name in row for row in run.history):
            return False  # Not every epoch has a validation.
        value, sign = self.monitor.value(run), self.monitor.sign(run)
        ranked = [pair for pair in self.memory["best"] if pair[0] != number]
        if not math.isnan(value):
            ranked.append([number, value])
        ranked.sort(key=lambda pair: (sign * pair[1], pair[0]))
        self.memory["best"] = ranked[: self.keep_best]
        return any(number == k for k, _ in self.memory["best"])

    def _write(self, run: Run) -> None:
        write(self.folder.file(run.step.step), run)
        self._last = self._place(run)
        self._tidy()

    def _tidy(self) -> None:
        """Remove what is not to be kept."""
        if self.keep_last is not None:
            best = [number for number, _ in self.memory["best"]]
            self.folder.remove_but({*self.folder.numbers()[-self.keep_last :], *best})


Resume = bool | str | os.PathLike[str]
"""Whether to go on from the newest file of the checkpoint's folder; or from which folder or file."""


def resume(run: Run, source: Resume, checkpoint: Checkpoint | None, *, force: bool) -> None:
    """Let a run stand where the newest file says; where it is if there is none yet.

    Raises:
        ArgumentError: If nothing says where files are, or there are none in a folder that is no checkpoint's.
        ResumeError: If the file is of other training, unless it is forced.
        FormatError: If no file can be read.
    """
    assert run.setup is not None
    sd, own = run.setup.sd, None if checkpoint is None else checkpoint.folder
    if isinstance(source, bool):
        if own is None:
            raise ArgumentError(
                "Nothing says from where to go on.",
                given="resume=True",
                fix="Give checkpoint=... with the folder, or resume=... with a folder or a file.",
            )
        path = own.path
    else:
        path = as_path(source)
    if path.is_file():
        stored = read(path, sd)
    else:
        stored = Folder(path).newest(lambda file: read(file, sd))
        is_own = own is not None and _same(own.path, path)
        if stored is None and not is_own:
            raise ArgumentError("There is no checkpoint to go on from.", given=f"resume={str(path)!r}")
        if checkpoint is not None:
            checkpoint.goes_on = is_own and stored is not None
    if stored is not None:
        go_on(run, stored, force=force)


def _same(a: Path, b: Path) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)
