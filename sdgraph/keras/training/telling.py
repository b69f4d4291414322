"""Keras' callbacks in the loop over epochs: its events under their names, with the arguments that they have there.

Must not know graphs or data.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.keras.callbacks.backup import BackupAndRestore
from sdgraph.keras.callbacks.base import EVENTS, flat, hears, is_callback
from sdgraph.train.callbacks.events import Callback, note_raiser
from sdgraph.train.results.measures import Measures
from sdgraph.train.run import Run
from sdgraph.wording import duration

STOPPED = "stop_training was set"


class Group:
    """Several of Keras' callbacks, told as one; their errors say which of them it was."""

    def __init__(self, model: Any, callbacks: Sequence[Any], params: Mapping[str, Any]) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            callback.set_params(dict(params))
            callback.set_model(model)
        self._hear = {event: [c for c in self.callbacks if hears(c, event)] for event in EVENTS}

    def hears(self, event: str) -> bool:
        """Whether one of them does anything on an event."""
        return bool(self._hear[event])

    def tell(self, event: str, *at: int, logs: dict[str, Any] | None = None) -> None:
        """Tell those of an event that hear it, in order."""
        for callback in self._hear[event]:
            try:
                getattr(callback, event)(*at, logs)
            except Exception as e:
                note_raiser(e, type(callback).__name__, event)
                raise


def sorted_out(callbacks: Any) -> tuple[list[Any], list[Any]]:
    """Callbacks with Keras' events, and those of `sdgraph.train`.

    Raises:
        ArgumentTypeError: For what is neither.
    """
    keras: list[Any] = []
    own: list[Any] = []
    for callback in flat(callbacks):
        if isinstance(callback, type) or not (is_callback(callback) or isinstance(callback, Callback)):
            raise ArgumentTypeError(
                "This is no callback.",
                given=shown(callback),
                expected="an object of a class of sdgraph.keras.callbacks or of sdgraph.train",
                fix="Call the class: it makes the callback." if isinstance(callback, type) else None,
            )
        (own if isinstance(callback, Callback) else keras).append(callback)
    return keras, own


class Telling(Callback):
    """Tells Keras' callbacks what the loop tells.

    Args:
        model: The model, whose ``stop_training`` ends the run.
        group: The callbacks; the last one is the history.
        first: The number of the first epoch.
        validated: What validation measures.
    """

    def __init__(self, model: Any, group: Group, first: int, validated: Measures | None) -> None:
        self._model, self._group, self._first, self._validated = model, group, first, validated
        self._last: dict[str, float] = {}
        for event, method in self._rare().items():
            # Per batch only those are told that listen: a step takes microseconds.
            if group.hears(event):
                setattr(self, *method)
        self._backups = [c for c in group.callbacks if isinstance(c, BackupAndRestore)]
        if self._backups:
            self.on_rest = self._rest

    def _rare(self) -> dict[str, tuple[str, Any]]:
        return {
            "on_train_batch_begin": ("on_batch_begin", lambda run: self._group.tell("on_train_batch_begin", run.batch)),
            "on_train_batch_end": ("on_batch_end", self._batch_end),
            "on_test_batch_begin": ("on_validation_batch_begin", self._test_batch_begin),
            "on_test_batch_end": ("on_validation_batch_end", self._test_batch_end),
        }

    def _rest(self, run: Run) -> None:
        for backup in self._backups:
            backup.on_rest(run)

    def epoch(self, run: Run) -> int:
        """The number of the epoch, as the caller counts."""
        return self._first + run.epoch - run.first

    def _heed(self, run: Run) -> None:
        if self._model.stop_training and run.stop is None:
            run.stop = STOPPED

    def on_train_begin(self, run: Run) -> None:
        self._model.stop_training = False
        self._group.tell("on_train_begin")

    def on_epoch_begin(self, run: Run) -> None:
        self._group.tell("on_epoch_begin", self.epoch(run))
        self._heed(run)

    def _batch_end(self, run: Run) -> None:
        self._group.tell("on_train_batch_end", run.batch - 1, logs=dict(run.logs))
        self._heed(run)

    def on_epoch_trained(self, run: Run) -> None:
        if run.stop == STOPPED:
            # Keras validates this epoch, too.
            run.stop = None

    def on_validation_begin(self, run: Run) -> None:
        self._tested = 0
        if self._validated is not None:
            self._totals = self._validated.totals()
        self._group.tell("on_test_begin")

    def _test_batch_begin(self, run: Run) -> None:
        self._group.tell("on_test_batch_begin", self._tested)

    def _test_batch_end(self, run: Run) -> None:
        self._totals.add(run.values, run.examples)
        self._group.tell("on_test_batch_end", self._tested, logs=self._totals.values())
        self._tested += 1

    def on_validation_end(self, run: Run) -> None:
        self._group.tell("on_test_end", logs={k.removeprefix("val_"): v for k, v in run.validated.items()})

    def on_epoch_end(self, run: Run) -> None:
        self._last = run.logs
        logs = dict(run.logs)
        self._group.tell("on_epoch_end", self.epoch(run), logs=logs)
        # What callbacks put in is reported, too.
        run.logs = run.history[-1] = logs
        self._heed(run)

    def on_train_end(self, run: Run) -> None:
        ended = run.stop is not None or run.epoch >= run.first + run.epochs
        if ended and run.signal is None:
            self._group.tell("on_train_end", logs=self._last)


class Lines(Callback):
    """A line for each epoch, as Keras prints with ``verbose=2``."""

    def __init__(self, epochs: int, first: int) -> None:
        self._epochs, self._first = epochs, first

    def on_epoch_begin(self, run: Run) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, run: Run) -> None:
        number = self._first + run.epoch - run.first + 1
        values = (f"{name}: {value:.4g}" for name, value in run.logs.items())
        print(  # noqa: T201
            f"Epoch {number}/{self._epochs}", duration(time.perf_counter() - self._began), *values, sep=" - "
        )
