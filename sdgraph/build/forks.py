"""Locks that a fork leaves usable.

Only the thread that forks lives on in the child. A lock that another thread held there stays locked for ever, and what
it guarded may be half changed. So the child gets new locks, and a fork waits for those whose holders
must not be cut off. Must not know what a lock is for.
"""

from __future__ import annotations

import operator
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_PATIENCE = 10.0
"""Seconds that a fork waits for one lock at most: its holder may itself wait for the thread that forks."""


class _Place(NamedTuple):
    """An attribute that holds a lock."""

    name: str
    make: Callable[[], Any]
    waits: bool


class _Held(threading.local):
    """The locks that the forking thread took for its fork."""

    def __init__(self) -> None:
        self.locks: list[Any] = []


_owners: weakref.WeakKeyDictionary[Any, tuple[_Place, ...]] = weakref.WeakKeyDictionary()
_held = _Held()


def renew(owner: Any, name: str, make: Callable[[], Any], *, waits: bool = False) -> None:
    """Let every child process have a new lock in place of one of this process.

    Args:
        owner: The object or module that has the lock as an attribute.
        name: The attribute.
        make: Makes the lock: ``threading.Lock`` or ``threading.RLock``.
        waits: Whether a fork waits until nobody holds it, so that what it guards is whole in the child. Such a lock
            must be reentrant: the thread that forks may be the holder.
    """
    _owners[owner] = (*_owners.get(owner, ()), _Place(name, make, waits))


def in_child(function: Callable[[], None]) -> Callable[[], None]:
    """A decorator: call a function of a module in every child process."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
    return function


def _places() -> Iterator[tuple[Any, _Place]]:
    for ref in _owners.keyrefs():  # A list: other threads may add owners meanwhile.
        owner = ref()
        if owner is not None:
            for place in _owners.get(owner, ()):
                yield owner, place


def _before() -> None:
    waited_for = [getattr(owner, place.name) for owner, place in _places() if place.waits]
    _held.locks.clear()
    # In one call, so that no interrupt can fall between taking a lock and taking note of it.
    _held.locks.extend(filter(operator.methodcaller("acquire", timeout=_PATIENCE), waited_for))


def _after_in_parent() -> None:
    deque(map(operator.methodcaller("release"), _held.locks), maxlen=0)


def _after_in_child() -> None:
    for owner, place in _places():
        setattr(owner, place.name, place.make())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
