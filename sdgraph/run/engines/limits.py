"""What a computer can do, and what work needs of it at least.

Knows times that were measured and how they add up. Must not know how they are measured, or any engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

SHARES = (0.0, 1 / 3, 1 / 2, 1.0)
"""What part of the bytes is written, in the loops that were measured: read, a + b -> c, copied, filled."""

CALL, ARITHMETIC = "call", "arithmetic"
"""Bounds that are no place of arrays."""


class Place(NamedTuple):
    """Where arrays are: a cache, or memory."""

    name: str
    size: float
    """Bytes that it holds."""
    seconds: tuple[float, ...]
    """Per byte, at each of `SHARES`."""

    def needs(self, read: float, written: float) -> float:
        """Seconds to read and to write so many bytes, between the loops that were measured."""
        total = read + written
        if not total:
            return 0.0
        share = written / total
        k = next(k for k in range(1, len(SHARES)) if share <= SHARES[k])
        low, high = SHARES[k - 1], SHARES[k]
        there = (share - low) / (high - low)
        return total * ((1 - there) * self.seconds[k - 1] + there * self.seconds[k])


class Instructions(NamedTuple):
    """Vector instructions by kind."""

    products: float = 0.0
    """Multiplications, also those that add something."""
    sums: float = 0.0
    """Additions, comparisons, the larger of two."""
    others: float = 0.0
    """Logic, conversions, choices, permutations."""
    divisions: float = 0.0
    """Divisions and square roots."""

    def __mul__(self, times: float) -> Instructions:  # type: ignore[override]
        return Instructions(*(times * n for n in self))

    def __add__(self, more: Instructions) -> Instructions:  # type: ignore[override]
        return Instructions(*(a + b for a, b in zip(self, more, strict=True)))

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self)


class Touch(NamedTuple):
    """An array that a part reads or writes, from one end to the other."""

    value: int
    """Equal for what is the same memory."""
    read: int
    """Bytes."""
    written: int
    away: float | None = None
    """Bytes touched since it was last, where that does not follow from the order of touches."""


class Work(NamedTuple):
    """What a part does at least."""

    touches: tuple[Touch, ...] = ()
    instructions: Instructions = Instructions()
    """An estimate: what the operations are made of."""
    multiplied: float = 0.0
    """Products of single numbers in products of matrices, each with an addition."""
    item: int = 4
    """Bytes of a number there."""
    is_shared: bool = False
    """Whether all threads work on it."""
    loops: int = 1
    """How often threads must wait for one another."""

    @property
    def bytes(self) -> int:
        """All that is read and written."""
        return sum(t.read + t.written for t in self.touches)


class Need(NamedTuple):
    """The least time for some work, and what it is bound by."""

    seconds: float
    bound: str


class Limits(NamedTuple):
    """What so many threads of a computer can do together. Times are seconds."""

    threads: int
    vector: int
    """Bytes of a vector register."""
    product: float
    """Per vector instruction, where there are no others,"""
    sum: float
    """the same of additions,"""
    mixed: float
    """of several kinds in turn,"""
    division: float
    """and of divisions."""
    handing: float
    """To hand work to all threads and wait for it."""
    places: tuple[Place, ...]
    """The nearest first."""

    def place(self, away: float) -> Place:
        """Where an array is after so many bytes of others were touched."""
        return next((p for p in self.places if away <= p.size), self.places[-1])

    def arithmetic(self, work: Work) -> float:
        """Seconds for all instructions."""
        n = work.instructions
        fused = work.multiplied * work.item / self.vector
        plain = max(n.products * self.product, n.sums * self.sum, (n.total - n.divisions) * self.mixed)
        return plain + n.divisions * self.division + fused * self.product

    def memory(self, touches: Iterable[tuple[Touch, float]]) -> dict[str, float]:
        """Seconds by place for touches of arrays that so many bytes lie between."""
        read: dict[Place, float] = {}
        written: dict[Place, float] = {}
        for touch, away in touches:
            place = self.place(away)
            read[place] = read.get(place, 0) + touch.read
            written[place] = written.get(place, 0) + touch.written
        return {place.name: place.needs(read[place], written[place]) for place in read}

    def better(self, other: Limits) -> Limits:
        """The best of two measurements: what disturbs one makes it slower, never faster."""
        places = tuple(
            a._replace(seconds=tuple(map(min, a.seconds, b.seconds)))
            for a, b in zip(self.places, other.places, strict=True)
        )
        times = {k: min(getattr(self, k), getattr(other, k)) for k in _TIMES}
        return self._replace(places=places, **times)

    def text(self) -> str:
        """All of it, to be kept."""
        import json  # Only who measures needs it.

        return json.dumps(self)

    @classmethod
    def of_text(cls, text: str) -> Self | None:
        """What `text` gave, or None for anything else."""
        import json

        try:
            *numbers, places = json.loads(text)
            told = dict(zip(cls._fields, numbers, strict=False))
            told["places"] = tuple(Place(name, float(size), tuple(map(float, s))) for name, size, s in places)
            found = cls(**told)
            times = [getattr(found, k) for k in _TIMES] + [s for p in found.places for s in p.seconds]
            well = all(type(t) is float and 0 < t < math.inf for t in times) and found.places
            sound = all(type(p.name) is str and len(p.seconds) == len(SHARES) for p in found.places)
            return found if well and sound and type(found.threads) is type(found.vector) is int else None
        except (TypeError, ValueError):
            return None


_TIMES = ("product", "sum", "mixed", "division", "handing")


def need(work: Work, touches: Iterable[tuple[Touch, float]], limits: Limits, call: float) -> Need:
    """What a part needs at least: the longest of memory, arithmetic and what a call costs that does nothing."""
    memory = limits.memory(touches)
    times = {CALL: call + (limits.handing * work.loops if work.is_shared else 0.0), ARITHMETIC: limits.arithmetic(work)}
    slowest = max(memory, key=memory.__getitem__, default=None)
    if slowest is not None:
        # Arrays come from several places at the same time, but through the same registers.
        times[slowest] = sum(memory.values())
    bound = max(times, key=times.__getitem__)
    return Need(times[bound], bound)


# ---------------------------------------------------------------------- how far away arrays are


def distances(parts: Sequence[Sequence[Touch]], most: float) -> list[list[float]]:
    """For each touch how many bytes of arrays were touched since the same one was, its own included.

    The parts run again and again. No array is farther away than ``most``, all memory that is used at the same time.
    """
    sequence = [t for part in parts for t in part]
    latest: dict[int, int] = {}
    recent = _Sums(2 * len(sequence))
    found: list[float] = []
    for k, touch in enumerate((*sequence, *sequence)):
        size = touch.read + touch.written if touch.away is None else 0
        before = latest.get(touch.value)
        if k >= len(sequence):
            far = most if before is None else recent.after(before) + size
            found.append(min(far, most) if touch.away is None else touch.away)
        if touch.away is None:
            if before is not None:
                recent.set(before, 0)
            recent.set(k, size)
            latest[touch.value] = k
    taken = iter(found)
    return [[next(taken) for _ in part] for part in parts]


class _Sums:
    """Numbers by place whose sum behind a place is known without adding them all: a Fenwick tree."""

    def __init__(self, n: int) -> None:
        self._tree = [0.0] * (n + 1)
        self._own: dict[int, float] = {}
        self._total = 0.0

    def set(self, k: int, value: float) -> None:
        """Put a number to a place."""
        more = value - self._own.get(k, 0.0)
        self._own[k] = value
        self._total += more
        k += 1
        while k < len(self._tree):
            self._tree[k] += more
            k += k & -k

    def after(self, k: int) -> float:
        """The sum of all behind a place."""
        k += 1
        upto = 0.0
        while k:
            upto += self._tree[k]
            k -= k & -k
        return self._total - upto
