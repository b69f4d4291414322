"""The limits of this computer, measured once by compiled loops and kept beside compiled code.

What is kept counts for the same CPU, cores, threads and version of the package. A file that is not whole counts as
none. Must not know regions or plans.
"""

from __future__ import annotations

import hashlib

from sdgraph.run.engines import threads
from sdgraph.run.engines.caches import caches
from sdgraph.run.engines.limits import SHARES, Limits, Place
from sdgraph.run.engines.llvm import yardsticks
from sdgraph.run.engines.llvm.translate import disk, machine
from sdgraph.run.engines.llvm.yardsticks import Stream

_FORM = "limits 5"
_TRIES, _FEW_TRIES = 10, 2
_MOVED = 24 << 20
"""Bytes that a loop moves on each thread at least while its time is taken: handing it over does not count then."""
_MOST = 256 << 20
"""Bytes of arrays, at most: a last cache may be larger than what one wants to wait for."""
_LONG = 1 << 26
"""Bytes from which fewer times are taken."""
_MIXES = (
    (Stream(1, 0), Stream(2, 0)),
    (Stream(2, 1), Stream(2, 1, past=True)),
    (Stream(1, 1), Stream(1, 1, past=True)),
    (Stream(0, 1), Stream(0, 1, past=True)),
)
"""For each of `SHARES` the loops that move so; the fastest counts."""
assert len(_MIXES) == len(SHARES)

_known: dict[int, Limits] = {}
"""By number of threads."""
_repeated: set[int] = set()
"""Numbers of threads that were measured again: what comes out the same is so."""


def limits(count: int, *, again: bool = False) -> Limits:
    """What so many threads can do: 1, or as many as share large regions.

    Args:
        count: How many threads.
        again: Whether to measure once more and keep the better of both, since what was kept cannot be true. A process
            does so once.
    """
    found = _known.get(count) or _kept(count)
    if found is None or (again and count not in _repeated):
        if again:
            _repeated.add(count)
        now = measure(count)
        found = now if found is None else found.better(now)
        disk.store(_key(count), found.text().encode())
    _known[count] = found
    return found


def _kept(count: int) -> Limits | None:
    """What an earlier process measured."""
    data = disk.load(_key(count))
    found = None if data is None else Limits.of_text(data.decode(errors="replace"))
    return found if found is not None and found.threads == count else None


def _key(count: int) -> str:
    parts = (_FORM, machine.host().identity, str(threads.usable_cores()), str(count), repr(caches()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def measure(count: int) -> Limits:
    """What so many threads can do now."""
    chains = {name: _chain(name, count) for name in yardsticks.CHAINS}
    return Limits(
        threads=count,
        vector=4 * machine.computer().lanes(4),
        **chains,
        handing=_handing(count),
        places=tuple(_place(name, room, size, count) for name, room, size in _sizes(count)),
    )


def _timed(stick: yardsticks.Yardstick, count: int, tries: int = _TRIES) -> float:
    return yardsticks.best(lambda: stick.run(shared=count > 1), tries)


def _chain(name: str, count: int) -> float:
    """Seconds per instruction of all threads together."""
    rounds = 1 if name == "division" else 4  # Long enough that handing it over does not count.
    return _timed(yardsticks.chains(name, count * rounds), count) / (count * rounds * yardsticks.instructions())


def _handing(count: int) -> float:
    """Seconds until all threads have done nothing."""
    if count == 1:
        return 1e-9
    n = yardsticks.whole_chunks(1, count)
    arrays = yardsticks.arrays(yardsticks.aligned(yardsticks.room(n, 1)), 1, count)
    return _timed(yardsticks.stream(Stream(1, 0), arrays, count), count)


def _sizes(count: int) -> list[tuple[str, float, int]]:
    """Places with what they hold, and the bytes of arrays that surely are there."""
    cache = caches()
    second = cache.second * count
    found = [("L2", float(second), second * 5 // 8)]
    if cache.last > second:
        room = max(cache.to_count_on, second)
        found.append(("L3", float(room), min(max(cache.last * 3 // 8, 2 * second), room)))
    return [*found, ("memory", float("inf"), max(4 * second, min(3 * cache.last, _MOST)))]


def _place(name: str, room: float, size: int, count: int) -> Place:
    """A place, by loops over as much memory as surely is there, as one array or as several."""
    memory = yardsticks.aligned(size // 4)

    def per_byte(kind: Stream) -> float:
        used = kind.reads + kind.writes
        arrays = yardsticks.arrays(memory, used, count)
        moved = used * arrays[0].nbytes
        again = -(-_MOVED * count // moved)
        tries = _TRIES if size < _LONG else _FEW_TRIES
        return _timed(yardsticks.stream(kind, arrays, count, again), count, tries) / (again * moved)

    return Place(name, room, tuple(min(map(per_byte, several)) for several in _MIXES))
