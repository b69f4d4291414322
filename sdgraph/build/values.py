"""The values of a graph's leaves by id, and who may be ahead of them. Must not know what a value is for."""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np

from sdgraph.build import forks


class Holder(Protocol):
    """Who has newer values of some leaves than the graph, in arrays of its own."""

    def settle(self) -> None:
        """Give the graph these values, and be ahead no more."""


class Guard:
    """A lock that a fork leaves usable, and waits for."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        forks.renew(self, "lock", threading.RLock, waits=True)


class Values(dict[int, "np.ndarray[Any, Any]"]):
    """The values by id. While somebody is ahead, whoever reads them lets that one settle first: `Graph.values` does."""

    __slots__ = ("_guard", "holder")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.holder: Holder | None = None
        self._guard: Guard | None = None

    def guard(self) -> Guard:
        """What is locked while somebody gets ahead or settles. Most graphs never need it."""
        if self._guard is None:
            self._guard = Guard()
        return self._guard

    def __copy__(self) -> Values:
        return Values(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Values, (dict(self),)


class Unsettled:
    """The values as they stand, for the one who is ahead and knows its own."""

    __slots__ = ("_values",)
    holder = None

    def __init__(self, values: Values) -> None:
        self._values = values

    def __getitem__(self, i: int) -> np.ndarray[Any, Any]:
        return self._values[i]
