"""What training has come to, as `Model.fit` returns it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sdgraph.keras.callbacks.base import Callback, Logs
from sdgraph.train.results.history import History as Rows


class History(Rows, Callback):
    """One dict of values for each epoch, with Keras' ``history``, ``epoch`` and ``params``.

    Example:
        >>> h = History([{"loss": 2.0}, {"loss": 1.0, "val_loss": 1.5}])
        >>> h.history, h.epoch
        ({'loss': [2.0, 1.0], 'val_loss': [1.5]}, [0, 1])
        >>> h["val_loss"]
        [None, 1.5]
    """

    def __init__(self, rows: Iterable[Mapping[str, float]] = ()) -> None:
        super().__init__(rows)
        self._epochs = list(range(len(self)))

    @property
    def history(self) -> dict[str, list[float | None]]:
        """Each column by its name; an epoch without a value is left out of it."""
        return {name: [row[name] for row in self if name in row] for name in self.names()}

    @property
    def epoch(self) -> list[int]:
        """The numbers of the epochs, which begin with ``initial_epoch``."""
        return list(self._epochs)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.clear()
        self._epochs.clear()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._epochs.append(epoch)
        self.append(dict(logs or {}))

    def take(self, other: Any) -> None:
        """Know of another history why and how long training went on."""
        self.stopped, self.waited, self.seconds = other.stopped, other.waited, other.seconds
