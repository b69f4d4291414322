"""Stopping when a value does not get better any more."""

from __future__ import annotations

from sdgraph.checks import finite, flag, whole
from sdgraph.keras.callbacks.base import Logs, say
from sdgraph.keras.callbacks.monitor import Mode, MonitorCallback


class EarlyStopping(MonitorCallback):
    """End training when a value has not improved for ``patience`` epochs.

    A ``patience`` of 0 is the same as 1, and the first epoch never ends it. With ``restore_best_weights`` the model has
    the values of its best epoch in the end, also where training went on to its last one.

    Args:
        monitor: The value, as `History` names it.
        min_delta: By how much it must be better to count.
        patience: How many epochs without improvement end training.
        verbose: 1 to print what happens.
        mode: Which way is better.
        baseline: If given, epochs count as improvement only where they are better than this, too.
        restore_best_weights: Whether the model takes the values of the best epoch at the end.
        start_from_epoch: Epochs before this one are not looked at.

    Example:
        >>> EarlyStopping("val_loss", patience=3, restore_best_weights=True).patience
        3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: Mode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = whole("patience", patience, least=0)
        self.verbose = verbose
        self.baseline = None if baseline is None else finite("baseline", baseline)
        self.restore_best_weights = flag("restore_best_weights", restore_best_weights)
        self.start_from_epoch = whole("start_from_epoch", start_from_epoch, least=0)
        self._forget()

    def _forget(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights: list[object] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.monitored(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep(epoch)
        self.wait += 1
        if self.improves(value, self.best):
            self.best = value
            self._keep(epoch)
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.verbose and self.stopped_epoch:
            say(f"Epoch {self.stopped_epoch + 1}: {self.monitor} does not improve any more, training ends.")
        if self.best_weights is not None:
            if self.verbose:
                say(f"The model takes the values of epoch {self.best_epoch + 1}, its best.")
            self.model.set_weights(self.best_weights)
