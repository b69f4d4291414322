"""Batches: the order of examples as a pure function of a seed and the epoch. Must not know graphs or steps."""

from __future__ import annotations

import abc
import itertools
import operator
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.checks import flag, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError, ResumeError, ResumeWarning, shown
from sdgraph.train.data.datasets import is_batch, parts_of
from sdgraph.wording import counted, listed

Array = np.ndarray[Any, Any]

_GATHERED = 1 << 18
"""Bytes of examples gathered at a time: a gather for each batch would cost as much as a small step, and more would not
stay in the caches until they are used."""


class Batch(NamedTuple):
    """Feeds by placeholder name, and how many examples they are."""

    feeds: Mapping[str, Any]
    examples: int


class Batches(abc.ABC):
    """Data that is gone through once in each epoch."""

    @abc.abstractmethod
    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number ``start`` on."""

    def count(self) -> int | None:
        """How many batches an epoch has, if that is known."""
        return None

    def fingerprint(self) -> dict[str, Any]:
        """What must be the same for a run to go on as it would have."""
        return {"batches": self.count()}

    def state(self) -> dict[str, Any]:
        """What `load_state` needs, beside the number of the next batch, as JSON has it."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Stand where `state` was asked; called before `epoch`.

        Raises:
            ResumeError: If that was the state of other data.
        """
        if state:
            raise ResumeError("The data have no state, and those of the checkpoint had.", given=type(self).__name__)


class ArrayBatches(Batches):
    """Arrays by placeholder name, whose first axis counts examples; a single number is the same in every batch.

    The order in an epoch is the permutation that Philox gives for ``(seed, epoch)``. The last batch may be smaller.

    Args:
        arrays: One array for each placeholder.
        batch_size: Examples of a batch.
        shuffle: Whether each epoch has an order of its own.
        seed: What the orders depend on.
        steps: How many batches make an epoch; by default all that there are.

    Raises:
        ArgumentError: If there are no arrays or no examples, their numbers differ, or there are not so many batches.

    Example:
        >>> data = ArrayBatches({"x": np.arange(5)}, batch_size=2, shuffle=False)
        >>> [batch.feeds["x"].tolist() for batch in data.epoch(0)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        arrays: Mapping[str, Any],
        batch_size: int = 32,
        *,
        shuffle: bool = True,
        seed: int = 0,
        steps: int | None = None,
    ) -> None:
        every = {name: np.asarray(a) for name, a in arrays.items()}
        self._same = {name: a for name, a in every.items() if a.ndim == 0}
        self.arrays = {name: a for name, a in every.items() if a.ndim}
        sizes = {name: len(a) for name, a in self.arrays.items()}
        if len(set(sizes.values())) != 1:
            raise ArgumentError(
                "Arrays of examples have one first axis.",
                given=", ".join(f"{k}: {v}" for k, v in sizes.items()) or "no arrays",
                expected="the same number of examples in each",
            )
        self.examples = next(iter(sizes.values()))
        if not self.examples:
            raise ArgumentError("There are no examples.", given=f"arrays of {listed(sizes, 'and')} of length 0")
        self.batch_size = whole("batch_size", batch_size, least=1)
        self.shuffle = flag("shuffle", shuffle)
        self.seed = whole("seed", seed, least=0)
        batches = -(-self.examples // self.batch_size)
        self._asked = steps
        self.steps = batches if steps is None else whole("steps_per_epoch", steps, least=1)
        if self.steps > batches:
            raise ArgumentError(
                "There are not as many batches as an epoch is to have.",
                given=f"steps_per_epoch={steps}; {self.examples} examples are {batches} batches of {self.batch_size}",
            )

    def count(self) -> int:
        return self.steps

    def fingerprint(self) -> dict[str, Any]:
        return {
            "examples": self.examples,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "batches": self.steps,
        }

    def order(self, epoch: int) -> Array | None:
        """In which order examples come in an epoch; None for their own."""
        if not self.shuffle:
            return None
        return np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(self.examples)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        return itertools.chain.from_iterable(self._parts(self.order(epoch), start))

    def _parts(self, order: Array | None, start: int) -> Iterator[Iterable[Batch]]:
        """The batches from number ``start`` on, several at a time: as many as are gathered at once, or all."""
        size = self.batch_size
        end = min(self.examples, self.steps * size)
        row = sum(a[:1].nbytes for a in self.arrays.values()) or 1
        several = end if order is None else size * max(1, _GATHERED // (row * size))
        for first in range(start * size, end, several):
            last = min(first + several, end)
            if order is not None:
                rows = order[first:last]
                part = {name: a.take(rows, axis=0) for name, a in self.arrays.items()}
            else:
                part = {name: a[first:last] for name, a in self.arrays.items()}
            full = (last - first) // size * size
            if full:
                yield self._cut(part, full)
            if full < last - first:
                yield [Batch({name: a[full:] for name, a in part.items()} | self._same, last - first - full)]

    def _cut(self, part: Mapping[str, Array], n: int) -> Iterable[Batch]:
        """The full batches of ``n`` examples.

        A training step takes microseconds, so no line of Python runs for a batch: an array gives its parts faster than
        it is sliced.
        """
        size, k = self.batch_size, n // self.batch_size
        several = zip(*(a[:n].reshape(k, size, *a.shape[1:]) for a in part.values()), strict=True)
        if self._same:
            several = map(operator.add, several, itertools.repeat(tuple(self._same.values())))
        feeds = map(dict, map(zip, itertools.repeat((*part, *self._same)), several))
        return map(partial(tuple.__new__, Batch), zip(feeds, itertools.repeat(size)))

    def split(self, fraction: float) -> tuple[ArrayBatches, ArrayBatches]:
        """Without the last examples, and those in their own order. They are taken before anything is shuffled.

        Raises:
            ArgumentError: If a side is empty.
        """
        n = int(self.examples * (1 - fraction))
        if not 0 < n < self.examples:
            raise ArgumentError(
                "This split leaves a side without examples.", given=f"validation_split={fraction} of {self.examples}"
            )
        first, last = (
            {name: a[part] for name, a in self.arrays.items()} | self._same for part in (slice(n), slice(n, None))
        )
        return (
            ArrayBatches(first, self.batch_size, shuffle=self.shuffle, seed=self.seed, steps=self._asked),
            ArrayBatches(last, self.batch_size, shuffle=False),
        )


class IteratedBatches(Batches):
    """Feeds, or arrays for the placeholders, from an iterable that can be gone through again, or from a function.

    A run that is resumed goes through what the source gives and leaves out what was there already. A source with
    ``state_dict()`` and ``load_state_dict(state)`` is asked instead: having loaded, it goes on with the next batch.

    Args:
        source: A re-iterable, or a function without arguments that returns an iterable for each pass.
        feeds: What makes feeds of one of its items.
        steps: How many batches make an epoch. The next one goes on where it ended, and from the beginning again where
            the data ends. By default an epoch is one pass.
    """

    def __init__(self, source: Any, feeds: Callable[[Any], Mapping[str, Any]], steps: int | None = None) -> None:
        self._source, self._feeds = source, feeds
        self._steps = None if steps is None else whole("steps_per_epoch", steps, least=1)
        self._once = isinstance(source, Iterator)
        self._loaded = False
        """Whether the source knows by itself where it stands."""
        self._left: Iterator[Any] = iter(())
        """What is left of the pass that an epoch ended within, and of which batch that is the next."""
        self._next = 0
        if self._once:
            if steps is None:
                raise ArgumentTypeError(
                    "An iterator can be gone through only once.",
                    given=shown(source),
                    fix="Give a list, a function that makes an iterator for each epoch, or steps_per_epoch.",
                )
            self._left = source

    def count(self) -> int | None:
        if self._steps is not None:
            return self._steps
        return len(self._source) if hasattr(self._source, "__len__") else None

    def state(self) -> dict[str, Any]:
        return {"source": self._source.state_dict()} if hasattr(self._source, "state_dict") else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        if not state:
            if self._once:
                warnings.warn(
                    "An iterator cannot be gone back in: training goes on with what it gives next. One that has "
                    "state_dict and load_state_dict is asked where it was.",
                    ResumeWarning,
                    stacklevel=2,
                )
            return
        if not hasattr(self._source, "load_state_dict"):
            super().load_state(state)
        self._source.load_state_dict(state["source"])
        self._loaded = True

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        loaded, self._loaded = self._loaded, False
        if self._steps is None:
            items = itertools.islice(self._pass(), 0 if loaded else start, None)
        else:
            first = epoch * self._steps + start
            if loaded and not self._once:
                self._left, self._next = self._pass(), first
            items = self._part(first, self._steps - start)
        found = None
        for found in items:
            feeds = self._feeds(found)
            yield Batch(feeds, examples_of(feeds))
        if found is None and not start:
            raise ArgumentError("There are no batches.", given=shown(self._source))

    def _pass(self) -> Iterator[Any]:
        made: Any = self._source() if callable(self._source) else self._source
        return iter(made)

    def _part(self, first: int, count: int) -> Iterator[Any]:
        """So many items from number ``first`` on, of all passes one after the other."""
        if self._once:
            first = self._next
        elif self._next != first:
            self._left, self._next = self._beyond(first), first
        for k in range(count):
            item = next(self._left, _END)
            if item is _END and not self._once:
                self._left = self._pass()
                item = next(self._left, _END)
            if item is _END:
                raise ArgumentError(
                    "The data ended before the epoch did.", given=f"{k} batches", expected=f"{count} more batches"
                )
            self._next += 1
            yield item

    def _beyond(self, first: int) -> Iterator[Any]:
        """What a pass has left where item number ``first`` of all passes is the next."""
        if hasattr(self._source, "__len__") and len(self._source):
            first %= len(self._source)
        left = self._pass()
        for _ in range(first):
            if next(left, _END) is _END:
                left = self._pass()
                next(left, _END)
        return left


_END = object()


class GivenBatches(Batches):
    """Batches of an object of somebody's own: it has ``epoch(epoch, start)``, which gives feeds and their number."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def count(self) -> int | None:
        return len(self._source) if hasattr(self._source, "__len__") else None

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for feeds, examples in self._source.epoch(epoch, start):
            yield Batch(feeds, examples)


_LISTS: Final = "A list stands for several arrays. Make one of it, as in (np.asarray(x), np.asarray(y))."
_WHOLE: Final = "A list has batches. Whole arrays are a tuple, (x, y), or have names, as {'x': x, 'y': y}."


def by_name(item: Any, names: Sequence[str], fix: Callable[[int], str | None] = lambda n: None) -> Mapping[str, Any]:
    """Feeds of one batch, which is given by name, or as arrays for ``names`` in order.

    ``fix`` says what to do with another number of arrays, if it knows.

    Raises:
        FeedError: If there is another number of arrays.
    """
    if isinstance(item, Mapping):
        return item
    if is_batch(item):
        parts = [a for several in parts_of(item) for a in several if a is not None]
    else:
        parts = flat(item) if isinstance(item, tuple | list) else [item]
    if len(parts) != len(names):
        lists = any(isinstance(a, int | float) for a in parts)
        raise FeedError(
            "There is one array for each placeholder.",
            given="lists of numbers" if lists else counted(len(parts), "array"),
            expected=f"arrays for {listed(names, 'and')}",
            fix=_LISTS
            if lists
            else _WHOLE
            if isinstance(item, np.ndarray) and len(names) > 1
            else fix(len(parts)) or 'Give them by name, as in {"x": x, "y": y}.',
        )
    return dict(zip(names, parts, strict=True))


def examples_of(feeds: Mapping[str, Any]) -> int:
    """How many examples feeds are: the first axis of the first array that has one."""
    sizes = (np.shape(a) for a in feeds.values())
    return next((shape[0] for shape in sizes if shape), 1)


def flat(item: Any) -> list[Any]:
    """The arrays in nested tuples and lists, in order; an array is not gone into."""
    return [a for part in item for a in (flat(part) if isinstance(part, tuple | list) else [part])]


Data = Batches | Mapping[str, Any] | tuple[Any, ...] | Array | Iterable[Any] | Callable[[], Iterable[Any]]


class Reader(NamedTuple):
    """What makes feeds of what is given."""

    arrays: Callable[[Any], Mapping[str, Any]]
    """Of whole arrays, by name or for placeholders in order."""
    batch: Callable[[Any], Mapping[str, Any]]
    """Of one batch."""


def as_batches(
    data: Data,
    read: Reader,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    steps: int | None = None,
) -> Batches:
    """What a caller gives, as batches.

    Args:
        data: Arrays by name, a tuple of arrays for the placeholders in order, an iterable of feeds or of such tuples, a
            function that returns one for each pass, an object with ``epoch(epoch, start)``, or a `DataSet`, which is
            one batch.
        read: What makes feeds of these.
        batch_size: Examples of a batch, for arrays.
        shuffle: Whether each epoch has an order of its own, for arrays.
        seed: What the orders depend on.
        steps: How many batches make an epoch.

    Raises:
        ArgumentTypeError: If it is none of these.
        ArgumentError: If arrays do not fit together.
    """
    if isinstance(data, Batches):
        return data
    if is_batch(data):
        return IteratedBatches([data], read.batch, steps)
    if isinstance(data, tuple | Mapping | np.ndarray):
        return ArrayBatches(read.arrays(data), batch_size, shuffle=shuffle, seed=seed, steps=steps)
    if callable(getattr(data, "epoch", None)):
        return GivenBatches(data)
    if callable(data) or (isinstance(data, Iterable) and not isinstance(data, str | bytes)):
        return IteratedBatches(data, read.batch, steps)
    raise ArgumentTypeError(
        "This is no data to train with.",
        given=shown(data),
        expected="arrays by placeholder name, a tuple of them, or an iterable of feeds",
    )
