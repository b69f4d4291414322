"""The values of epochs in a file of comma-separated values, as Keras writes it."""

from __future__ import annotations

import csv
import os

from sdgraph.checks import as_path, flag
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.keras.callbacks.base import Callback, Logs


class CSVLogger(Callback):
    """Write the values of each epoch into a file: one line each, under a line of names.

    Columns are ``epoch``, the values in the order of the alphabet, and the same of validation: where the first epoch
    has none, they say NA until one comes. The file is closed after each line, so whatever ends training, it is whole.

    Args:
        filename: The file; its folder must exist.
        separator: What stands between values, one character.
        append: Whether to go on in a file that is there.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename = as_path(filename)
        if not isinstance(separator, str) or len(separator) != 1:
            raise ArgumentTypeError("A separator is one character.", given=f"separator={shown(separator)}")
        self.separator, self.append = separator, flag("append", append)
        self.keys: list[str] | None = None
        self._heading = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.keys = None
        self._heading = not (self.append and self.filename.exists() and self.filename.stat().st_size)
        if not self.append:
            self.filename.write_text("", encoding="utf-8")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            out = csv.writer(file, delimiter=self.separator)
            if self._heading:
                out.writerow(["epoch", *self.keys])
                self._heading = False
            out.writerow([epoch, *(logs.get(key, "NA") for key in self.keys)])
