"""What a callback is told by a model, event by event, under Keras' names. Must not know models or loops."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

Logs = dict[str, float]
"""Values by the names of a model's columns; what a callback puts in on the end of an epoch is in the history."""


class Callback:
    """Base class: override the methods of the events that matter.

    ``self.model`` is the model, and ``self.params`` what `fit` was asked for: ``epochs``, ``steps`` in an epoch if that
    is known, ``verbose``, and whether there is ``validation``. To end training after the batch or epoch, set
    ``self.model.stop_training = True``.

    Example:
        >>> class Note(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(epoch, logs["loss"])
    """

    model: Any = None
    params: Mapping[str, Any] | None = None

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Take what was asked for."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model."""
        self.model = model

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, with its values; not where an exception or Ctrl-C ended training."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before the first batch of an epoch; they are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The older name of `on_train_batch_begin`, which calls it."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The older name of `on_train_batch_end`, which calls it."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of training; they are counted from 0 in each epoch."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of training, with the means over this epoch's batches so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation or a validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After it, with its values."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of it."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of it, with the means over its batches so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before predictions."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After them."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of them."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of them; ``logs["outputs"]`` has the arrays."""


EVENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))
"""The methods that a callback may override."""

_OLDER = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


def hears(callback: Any, event: str) -> bool:
    """Whether a callback does something on an event: it is told of no other."""
    names = (event, _OLDER[event]) if event in _OLDER else (event,)
    return any(
        name in vars(callback) or getattr(type(callback), name, None) is not getattr(Callback, name) for name in names
    )


def is_callback(given: Any) -> bool:
    """Whether it is told of training under Keras' names; Keras' own callbacks are, too."""
    return isinstance(given, Callback) or (hasattr(given, "set_model") and hasattr(given, "on_epoch_end"))


def flat(callbacks: Any) -> list[Any]:
    """Callbacks from one of them, or lists of them in lists."""
    if callbacks is None:
        return []
    if isinstance(callbacks, list | tuple) and not isinstance(callbacks, Callback):
        return [c for part in callbacks for c in flat(part)]
    return [callbacks]


def say(text: str) -> None:
    """Tell a person what a callback does, if its ``verbose`` asks for it."""
    sys.stdout.write(f"{text}\n")
