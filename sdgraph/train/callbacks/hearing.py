"""The listeners that stay on a graph, and what they hear of evaluations. Must not know how anything is evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from sdgraph.train.callbacks.events import check_callbacks
from sdgraph.train.callbacks.listener import At, Listener, Operation
from sdgraph.train.results.loss_curve import Loss


def checked_listeners(listeners: tuple[Any, ...]) -> tuple[Any, ...]:
    """Listeners and callbacks, one by one or as one list.

    Raises:
        ArgumentTypeError: If one is none.
    """
    several = tuple(listeners[0]) if len(listeners) == 1 and isinstance(listeners[0], list | tuple) else listeners
    check_callbacks(several)
    return several


class Hearing:
    """Who hears of one evaluation."""

    def __init__(self, sd: Any, operation: Operation) -> None:
        self._sd, self._operation = sd, operation
        self._all = [one for one in sd.get_listeners() if isinstance(one, Listener) and one.is_active(operation)]
        self._iteration = 0

    def __enter__(self) -> Hearing:
        for one in self._all:
            one.operation_start(self._sd, self._operation)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            one.operation_end(self._sd, self._operation)

    @contextlib.contextmanager
    def iteration(self, feeds: Mapping[str, Any]) -> Iterator[None]:
        """A batch, before it is computed and after that."""
        at = At(0, self._iteration, self._operation)
        for one in self._all:
            one.iteration_start(self._sd, at, feeds, 0)
        yield
        for one in self._all:
            one.iteration_done(self._sd, at, feeds, Loss({}))
        self._iteration += 1


def hearing(sd: Any, operation: str) -> Hearing:
    """Who hears of an evaluation of this kind, as ``"INFERENCE"``."""
    return Hearing(sd, Operation[operation])
