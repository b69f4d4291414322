"""What a training step holds: variables and slots as the last update left them, in arrays of its own.

While the step is ahead, the graph's values of these variables are old ones. Whoever asks for them gets read-only
copies, made at most once per step; whoever sets one is noticed before the next step. All that belongs to an update
changes at one moment, whatever interrupts it. Must not know rules, losses or feeds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sdgraph.build.graph import Node
from sdgraph.build.values import Values
from sdgraph.errors import ExecutionError
from sdgraph.infer.aval import shape_str
from sdgraph.run.engines import buffers
from sdgraph.run.executable import Executable

_T = TypeVar("_T")

Array = np.ndarray[Any, Any]
After = Mapping[Node, Array]
"""Variables that take a value after a step, with these values."""


@dataclass(frozen=True)
class Feeds:
    """The feeds of an update by name, and what is in them at first."""

    updates: str
    """How many updates there were, in float64."""
    weights: Sequence[str]
    gradients: Sequence[str]
    slots: Mapping[str, Array]
    settings: Mapping[str, Array]
    """What is read anew in each update; whoever has these arrays writes into them."""

    @property
    def places(self) -> list[str]:
        """The feeds whose place the results take, in order."""
        return [self.updates, *self.weights, *self.slots]


class Held(ABC):
    """The variables of some nodes, and the slots of their updater."""

    def __init__(self, values: Values, nodes: Sequence[Node], after: Iterable[Node]) -> None:
        self._values, self._nodes = values, tuple(nodes)
        self._lock = values.guard()
        self._known: list[Array | None] = [None] * len(self._nodes)
        """What the graph had of the variables when they were last the same here and there."""
        self._takers = tuple(after)
        self._after: tuple[int, Sequence[Array]] = (0, ())
        """What some variables become with an update, and which one: it counts only if that has happened."""

    @property
    @abstractmethod
    def number(self) -> int:
        """How many updates there were."""

    @property
    @abstractmethod
    def standing(self) -> dict[int, Array]:
        """By id the arrays that always have the variables as they are now."""

    @abstractmethod
    def slots(self) -> list[Array]:
        """What is kept of variables, as arrays that nobody writes into."""

    @abstractmethod
    def load(self, number: int, slots: Sequence[Array]) -> None:
        """Go on from so many updates and these slots."""

    @abstractmethod
    def _load(self, k: int, value: Array) -> None:
        """Take over a value of a variable."""

    @abstractmethod
    def _shown(self) -> list[Array | None]:
        """The variables as they are now, in arrays that never change."""

    @abstractmethod
    def _run(self, gradients: Sequence[Array]) -> None:
        """Update all at one moment."""

    def take(self) -> None:
        """Get ahead of the graph, with what was set there since."""
        values = self._values
        if values.holder is self:
            if self._after[1]:
                self._publish({})
            return
        with self._lock.lock:
            if values.holder is not None:
                values.holder.settle()
            for k, n in enumerate(self._nodes):
                value = values[n.id]
                if value is not self._known[k]:
                    self._load(k, value)
                    self._known[k] = value
            values.holder = self

    def run(self, gradients: Sequence[Array], after: Sequence[Array] = ()) -> None:
        """Update with gradients; variables that take a value after the step take it then."""
        with self._lock.lock:
            if self._values.holder is not self or self._after[1]:
                self.take()
            if after:
                self._after = (self.number + 1, after)
            self._run(gradients)

    def on(self, gradients: Sequence[Array]) -> Callable[[], object] | None:
        """What updates with gradients in arrays that stay where they are, if there is that, for `run_both`."""
        return None

    def run_both(self, step: Callable[[Any], _T], given: Any) -> _T:
        """Call what computes gradients and does what `on` gave, while nobody else changes or reads variables."""
        with self._lock.lock:
            if self._values.holder is not self or self._after[1]:
                self.take()
            return step(given)

    def settle(self) -> None:
        """Give the graph the values that are newer here."""
        with self._lock.lock:
            if self._values.holder is self:
                known = self._shown()
                self._publish({n.id: a for n, a in zip(self._nodes, known, strict=True) if not n.is_gone})
                self._known = known
                self._values.holder = None

    def _publish(self, found: dict[int, Any]) -> None:
        number, after = self._after
        if after and number == self.number:
            taken = {n.id: a for n, a in zip(self._takers, after, strict=True) if not n.is_gone}
            for a in taken.values():
                a.flags.writeable = False
            found = {**found, **taken}
        # One call of the interpreter's own; the end of old arrays, which could run a caller's code, comes after it.
        before = [self._values.get(i) for i in found]
        self._values.update(found)
        self._after = (0, ())
        del before


# ---------------------------------------------------------------------- in place


class InPlace(Held):
    """Arrays that the update writes into, and the call that does it.

    Single numbers cannot be written over while others read them. They stand twice, side by side with all of their
    dtype, and are copied before each update.
    """

    def __init__(
        self, values: Values, nodes: Sequence[Node], after: Iterable[Node], function: Executable, feeds: Feeds
    ) -> None:
        super().__init__(values, nodes, after)
        first = _first(self._nodes, feeds)
        pools = _Pools({name: a for name, a in first.items() if a.size == 1})
        given = {name: pools.old.get(name, a) for name, a in first.items()}
        places = feeds.places

        def back(results: Sequence[Array]) -> list[tuple[Array, Array]]:
            now = zip(places, results, strict=True)
            return [*pools.pairs, *((given[k], a) for k, a in now if a is not given[k] and k not in pools.new)]

        found = function.stand(
            {**given, **dict.fromkeys(feeds.gradients), **feeds.settings},
            places,
            lambda k: pools.new[places[k]] if places[k] in pools.new else _like(first[places[k]]),
            back,
        )
        if found is None:
            raise NoWay
        now = dict(zip(places, found.results, strict=True))
        self._count, self._weights = now[feeds.updates], [now[name] for name in feeds.weights]
        self._slots = [now[name] for name in feeds.slots]
        self._call, self._fits, place = found.run, found.fits, {name: k for k, name in enumerate(feeds.gradients)}
        self._on = found.on
        self._read = [place[name] for name in found.given]
        """The gradients that the call takes."""
        self._all = self._read == [*range(len(self._weights))]
        self.load(0, [first[name] for name in feeds.slots])

    @property
    def number(self) -> int:
        return int(self._count)

    @property
    def standing(self) -> dict[int, Array]:
        return {n.id: w for n, w in zip(self._nodes, self._weights, strict=True)}

    def slots(self) -> list[Array]:
        with self._lock.lock:
            return [a.copy() for a in self._slots]

    def load(self, number: int, slots: Sequence[Array]) -> None:
        with self._lock.lock:
            for a, value in zip(self._slots, slots, strict=True):
                a[...] = value
            self._count[...] = number

    def _load(self, k: int, value: Array) -> None:
        self._weights[k][...] = value

    def _shown(self) -> list[Array | None]:
        found: list[Array | None] = []
        for a in self._weights:
            shown = a.copy()
            shown.flags.writeable = False
            found.append(shown)
        return found

    def on(self, gradients: Sequence[Array]) -> Callable[[], object] | None:
        return self._on([gradients[k] for k in self._read])

    def _run(self, gradients: Sequence[Array]) -> None:
        read = gradients if self._all else [gradients[k] for k in self._read]
        if not self._fits(*read):
            read = [_plain(g, self._weights[k]) for k, g in zip(self._read, read, strict=True)]
        self._call(*read)


class NoWay(Exception):
    """The engine has no way to write in place."""


class _Pools:
    """Arrays of one element, twice: all of a dtype side by side."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.old: dict[str, Array] = {}
        self.new: dict[str, Array] = {}
        self.pairs: list[tuple[Array, Array]] = []
        for dtype in {a.dtype: None for a in arrays.values()}:
            several = {name: a for name, a in arrays.items() if a.dtype == dtype}
            old, new = np.zeros(len(several), dtype), np.zeros(len(several), dtype)
            self.pairs.append((old, new))
            for k, (name, a) in enumerate(several.items()):
                self.old[name], self.new[name] = (pool[k : k + 1].reshape(a.shape) for pool in (old, new))


def _first(nodes: Sequence[Node], feeds: Feeds) -> dict[str, Array]:
    """An array for each feed whose place a result takes; slots have what they begin with."""
    found = {feeds.updates: np.zeros((), np.float64)}
    for name, n in zip(feeds.weights, nodes, strict=True):
        found[name] = buffers.empty(n.aval.shape, n.aval.dtype)  # type: ignore[arg-type]
    for name, start in feeds.slots.items():
        found[name] = _like(start)
        found[name][...] = start
    return found


def _like(a: Array) -> Array:
    return buffers.empty(a.shape, a.dtype)


def _plain(g: Any, like: Array) -> Array:
    """A gradient as compiled code can read it."""
    g = np.asarray(g)
    if g.shape != like.shape or g.dtype != like.dtype:
        raise ExecutionError(
            "A gradient is something else than the rule of its op said.",
            given=f"{g.dtype.name} {shape_str(g.shape)}",
            expected=f"{like.dtype.name} {shape_str(like.shape)}",
        )
    return np.array(g, order="C")


# ---------------------------------------------------------------------- fresh arrays


class _Now(NamedTuple):
    number: int
    weights: Sequence[Array]
    slots: Sequence[Array]


class Fresh(Held):
    """Arrays that are never written into: each update makes others."""

    def __init__(
        self, values: Values, nodes: Sequence[Node], after: Iterable[Node], function: Executable, feeds: Feeds
    ) -> None:
        super().__init__(values, nodes, after)
        self._function, self._feeds = function, feeds
        self._asked = {p.name for p in function.placeholders}
        self._now = _Now(0, [np.empty(0)] * len(self._nodes), [*feeds.slots.values()])

    @property
    def number(self) -> int:
        return self._now.number

    @property
    def standing(self) -> dict[int, Array]:
        return {}

    def slots(self) -> list[Array]:
        return [*self._now.slots]

    def load(self, number: int, slots: Sequence[Array]) -> None:
        self._now = _Now(number, self._now.weights, [a.copy() for a in slots])

    def _load(self, k: int, value: Array) -> None:
        weights = [*self._now.weights]
        weights[k] = value
        self._now = self._now._replace(weights=weights)

    def _shown(self) -> list[Array | None]:
        return [*self._now.weights]

    def _run(self, gradients: Sequence[Array]) -> None:
        now, feeds = self._now, self._feeds
        given: dict[str, Any] = {feeds.updates: np.array(float(now.number)), **feeds.settings}
        given.update(zip(feeds.weights, now.weights, strict=True))
        given.update(zip(feeds.gradients, gradients, strict=True))
        given.update(zip(feeds.slots, now.slots, strict=True))
        found = self._function.run({name: given[name] for name in self._asked})
        for a in found:
            a.flags.writeable = False
        ends = 1 + len(self._nodes)
        self._now = _Now(int(found[0]), found[1:ends], found[ends:])


def hold(values: Values, nodes: Sequence[Node], after: Iterable[Node], function: Executable, feeds: Feeds) -> Held:
    """In place where the engine can, else in fresh arrays."""
    after = tuple(after)
    try:
        return InPlace(values, nodes, after, function, feeds)
    except NoWay:
        return Fresh(values, nodes, after, function, feeds)
