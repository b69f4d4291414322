"""Callbacks of a few lines: an end at the first loss that is no number, and functions in place of a class."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sdgraph.checks import flag
from sdgraph.errors import ArgumentTypeError, NumericsError, shown
from sdgraph.keras.callbacks.base import EVENTS, Callback, Logs, say
from sdgraph.wording import did_you_mean, listed


class TerminateOnNaN(Callback):
    """End training after the first batch whose loss is NaN or infinite.

    Without this callback `Model.fit` raises then, before any variable changed. With it, the batch has changed the
    variables, and training ends as it would with ``stop_training``.

    Args:
        raise_error: Whether to raise instead.

    Raises:
        NumericsError: If that is asked for.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = flag("raise_error", raise_error)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise NumericsError("The loss is not finite.", given=f"loss = {loss} after batch {batch}")
        say(f"Batch {batch}: the loss is {loss}, training ends.")
        self.model.stop_training = True


class LambdaCallback(Callback):
    """Functions for some of the events, each with the arguments that the method of its name has.

    Args:
        on_epoch_begin: A function of the epoch and ``logs``.
        on_epoch_end: A function of the epoch and ``logs``.
        on_train_begin: A function of ``logs``.
        on_train_end: A function of ``logs``.
        on_train_batch_begin: A function of the batch and ``logs``.
        on_train_batch_end: A function of the batch and ``logs``.
        **others: Functions for the other events of `Callback`.

    Raises:
        ArgumentTypeError: For an event that there is not, and for what cannot be called.

    Example:
        >>> seen = []
        >>> note = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **others: Callable[..., Any],
    ) -> None:
        given: dict[str, Any] = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **others,
        }
        for event, function in given.items():
            if event not in EVENTS:
                raise ArgumentTypeError(
                    f"There is no event {event!r}.",
                    given=event,
                    expected=f"one of {listed(EVENTS)}",
                    fix=did_you_mean(event, EVENTS),
                )
            if function is not None:
                if not callable(function):
                    raise ArgumentTypeError("An event has a function.", given=f"{event}={shown(function)}")
                setattr(self, event, function)
