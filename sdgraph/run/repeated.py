"""A compiled function that is called again and again by one caller, who does not keep all that it returns.

What stands still between calls is laid out once, for each of a few combinations of shapes. Must not know engines.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from sdgraph.run.engines.interface import Again, Follows

_Array = np.ndarray[Any, Any]

_MOST: Final = 4
"""How many combinations of shapes have memory of their own: full batches, the last one of an epoch, and others."""


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A plan that can be called again and again."""

    of: object
    """What tells it from the function's other plans."""
    count: int
    """How many feeds it takes."""
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    """From feeds by name to those in order; raises KeyError where one is missing."""
    read: Callable[[], tuple[Any, ...]]
    """What it reads of the graph besides."""
    again: Again


class Function(Protocol):
    """What is called again and again, an `Executable`."""

    @property
    def latest(self) -> object:
        """What tells the plan of the last call from those of other shapes."""
        ...

    def run(self, given: Mapping[Any, Any], step: int = 0) -> list[_Array]:
        """The values of the fetches, in order."""
        ...

    def again(self, away: int, follows: Follows) -> Ready | None:
        """The plan of the last call, ready to be called again; None if there is no quicker way."""
        ...


class Repeated:
    """``results, memory = f.run(feeds, step)``, and when all is read that is not the caller's own, ``f.free(memory)``.

    Until then nobody else gets that memory, so other threads may call it, too.

    Args:
        function: The compiled function.
        away: How many of the results, the first ones, are the caller's own.
        follows: What the caller does next, if that can be done at once.
    """

    def __init__(self, function: Function, away: int, follows: Follows) -> None:
        self.function, self._away, self._follows = function, away, follows
        self._ready: list[Ready] = []
        """That of the last call, unless it is in use."""
        self._parked: dict[object, Ready] = {}
        """Those of other shapes."""
        self._made: dict[object, None] = {}
        """The plans that are ready, in use or parked."""
        self._before: object = None
        """The plan of the last call that went the long way."""

    def run(self, given: Mapping[Any, Any] | None, step: int) -> tuple[list[_Array], Ready | None]:
        """The values of the fetches, in order, and whose memory those have that are not the caller's own."""
        try:
            quick = self._ready.pop()
        except IndexError:
            quick = None
        else:
            found = _called(quick, given, step)
            if found is not None:
                return found, quick
        return self._otherwise(quick, given, step)

    def both(self, given: Any) -> list[_Array] | None:
        """The caller's own results, when what follows was done as well; None if `run` must be asked.

        The caller has locked what is changed.
        """
        try:
            quick = self._ready.pop()
        except IndexError:
            return None
        both = quick.again.both
        try:
            if both is None or type(given) is not dict or len(given) != quick.count:
                return None
            return both(quick.pick(given))
        except KeyError:
            return None
        finally:
            self._ready.append(quick)

    def free(self, memory: Ready | None) -> None:
        """The results are not needed any more."""
        if memory is not None:
            self._ready.append(memory)

    def _otherwise(
        self, tried: Ready | None, given: Mapping[Any, Any] | None, step: int
    ) -> tuple[list[_Array], Ready | None]:
        """By the plan of other shapes if there is one that fits, else as functions are called."""
        for key in [*self._parked]:
            other = self._parked.pop(key, None)
            found = None if other is None else _called(other, given, step)
            if other is not None and found is None:
                self._parked[key] = other
            elif found is not None:
                self._park(tried)
                return found, other
        self._park(tried)
        found = self.function.run({} if given is None else dict(given), step)
        self._look()
        return found, None

    def _park(self, quick: Ready | None) -> None:
        if quick is not None:
            self._parked[quick.of] = quick

    def _look(self) -> None:
        """Make a plan ready to be called again when it was called twice in a row."""
        last, before = self.function.latest, self._before
        self._before = last
        if last is not before or last in self._made:
            return
        quick = self.function.again(self._away, self._follows)
        if quick is not None:
            if len(self._made) >= _MOST:
                oldest = next(iter(self._made))
                del self._made[oldest]
                self._parked.pop(oldest, None)
            self._made[quick.of] = None
            self._parked[quick.of] = quick


def _called(ready: Ready, given: Any, step: int) -> list[_Array] | None:
    if type(given) is not dict or len(given) != ready.count:
        return None
    try:
        found = ready.pick(given)
    except KeyError:
        return None
    return ready.again.run(found + ready.read(), step)


def picked(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """What takes the values of some names, all at once; it raises KeyError where one is missing."""
    if len(names) > 1:
        return operator.itemgetter(*names)
    return (lambda given: (given[names[0]],)) if names else (lambda given: ())
