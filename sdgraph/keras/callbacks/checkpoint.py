"""Models in files while they are trained: after each epoch, after some batches, or only the best."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from sdgraph.checks import as_path, flag, is_whole
from sdgraph.errors import ArgumentError, shown
from sdgraph.keras.callbacks.base import Logs, say
from sdgraph.keras.callbacks.monitor import Mode, MonitorCallback
from sdgraph.wording import listed

_ENDINGS: Final = {False: (".sdg",), True: (".npz", ".safetensors")}
"""What a file's name ends in; by whether it has the weights only."""

SaveFrequency: TypeAlias = "Literal['epoch'] | int"


def batches_between(save_freq: object) -> int | None:
    """After how many batches to save; None for the end of each epoch.

    Raises:
        ArgumentError: For anything else.
    """
    if save_freq == "epoch":
        return None
    if not is_whole(save_freq, 1):
        raise ArgumentError(
            "save_freq says when to save.",
            given=f"save_freq={shown(save_freq)}",
            expected="'epoch', or batches, 1 or more",
        )
    return save_freq


class ModelCheckpoint(MonitorCallback):
    """Save the model after each epoch, or only where it is better than ever.

    Args:
        filepath: The file. ``{epoch}``, ``{batch}`` and names of values in it are filled in, with formats as in
            ``"at_{epoch:02d}_{val_loss:.3f}.sdg"``; epochs and batches count from 1 here. Folders are made.
        monitor: The value to look at, as `History` names it; only with ``save_best_only``.
        verbose: 1 to print what happens.
        save_best_only: Whether to save only where the value is better than ever.
        save_weights_only: Whether to save the values of variables only, in a file of ``.npz`` or ``.safetensors``, and
            not the graph, in one of ``.sdg``.
        mode: Which way is better.
        save_freq: ``"epoch"``, or after how many batches to save.
        initial_value_threshold: What the value has to be better than at first.

    Raises:
        ArgumentError: For another ending of the file, or a name in it that no value has.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Mode = "auto",
        save_freq: SaveFrequency = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = str(as_path(filepath))
        self.verbose = verbose
        self.save_best_only = flag("save_best_only", save_best_only)
        self.save_weights_only = flag("save_weights_only", save_weights_only)
        self.save_freq, self._every = save_freq, batches_between(save_freq)
        self._epoch = self._batches = 0
        endings = _ENDINGS[self.save_weights_only]
        if not self.filepath.endswith(endings):
            raise ArgumentError(
                f"{'Weights are' if save_weights_only else 'A model is'} saved in a file of sdgraph's own sort.",
                given=f"filepath={self.filepath!r}, save_weights_only={self.save_weights_only}",
                expected=f"a name that ends in {listed(endings)}",
            )

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._every is None:
            return
        self._batches += 1
        if self._batches >= self._every:
            self._batches = 0
            self._save(self._epoch, logs or {}, batch=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._every is None:
            self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: Mapping[str, float], **more: int) -> None:
        path = self._path({**logs, "epoch": epoch + 1, **more})
        if not self._is_wanted(epoch, logs):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            say(f"Epoch {epoch + 1}: saved to {path}.")

    def _path(self, known: Mapping[str, Any]) -> Path:
        try:
            return Path(self.filepath.format(**known))
        except KeyError as e:
            raise ArgumentError(
                f"The name of the file has {e.args[0]!r} in it, and there is no such value.",
                given=f"filepath={self.filepath!r}",
                expected=f"some of {listed(known)}",
            ) from e

    def _is_wanted(self, epoch: int, logs: Mapping[str, float]) -> bool:
        if not self.save_best_only:
            return True
        value = self.monitored(logs)
        better = value is not None and self.improves(value, self.best)
        if better:
            self.best = value
        elif self.verbose:
            say(f"Epoch {epoch + 1}: {self.monitor} is no better than {self.best}.")
        return better
