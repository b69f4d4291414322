"""A backup of training while it goes on, so that a run which something ended goes on instead of beginning anew."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgraph.checks import as_path, flag
from sdgraph.errors import FormatError
from sdgraph.keras.callbacks.base import Callback, Logs
from sdgraph.keras.callbacks.checkpoint import SaveFrequency, batches_between
from sdgraph.train.checkpoints import stored

if TYPE_CHECKING:
    from sdgraph.train.run import Run


class BackupAndRestore(Callback):
    """Write training into a file after each epoch or some batches; `Model.fit` goes on from there if it was cut short.

    The file has the variables, what the optimizer keeps, the learning rate, and the place within the epoch, so the run
    ends with the bits that it would have had. Callbacks begin anew, and so does the history. When training comes to its
    end the file is removed; an exception, Ctrl-C or the end of the program leave it.

    Args:
        backup_dir: The folder of the file, made if it is not there.
        save_freq: ``"epoch"``, or after how many batches to write.
        double_checkpoint: Whether the file before the last one is kept, and taken where the last one is damaged.
        delete_checkpoint: Whether files are removed when training comes to its end.

    Raises:
        ResumeError: Before the first epoch, if the file is of another model or other data.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: SaveFrequency = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        self.backup_dir = as_path(backup_dir)
        self.save_freq, self._every = save_freq, batches_between(save_freq)
        self.double_checkpoint = flag("double_checkpoint", double_checkpoint)
        self.delete_checkpoint = flag("delete_checkpoint", delete_checkpoint)
        self._epoch = self._batches = 0

    @property
    def _latest(self) -> Path:
        return self.backup_dir / "latest.sdg"

    @property
    def _previous(self) -> Path:
        return self.backup_dir / "previous.sdg"

    def restore(self, run: Run) -> None:
        """Let a run stand where the backup says, if there is one."""
        found = self._read(run)
        if found is not None:
            stored.go_on(run, found, force=False)
        self._epoch, self._batches = run.epoch, 0

    def _read(self, run: Run) -> Any:
        assert run.setup is not None
        if self._latest.exists():
            try:
                return stored.read(self._latest, run.setup.sd)
            except FormatError:
                if not self._previous.exists():
                    raise
        return stored.read(self._previous, run.setup.sd) if self._previous.exists() else None

    def on_rest(self, run: Run) -> None:
        """When all have heard of a batch or an epoch, and nothing is half done: write, if it is time."""
        if run.batch:
            self._batches += 1
        ended, self._epoch = run.epoch > self._epoch, run.epoch
        if ended if self._every is None else self._batches >= self._every:
            self._batches = 0
            self._write(run)

    def _write(self, run: Run) -> None:
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self._latest.exists():
            os.replace(self._latest, self._previous)
        stored.write(self._latest, run)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.delete_checkpoint:
            for path in (self._latest, self._previous):
                path.unlink(missing_ok=True)
            # What else is in the folder is not ours.
            with contextlib.suppress(OSError):
                self.backup_dir.rmdir()
