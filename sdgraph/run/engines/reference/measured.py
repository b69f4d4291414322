"""The limits of this computer as numpy's own loops find them, where none can be compiled."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import numpy as np

from sdgraph.run.engines.caches import caches
from sdgraph.run.engines.limits import Limits, Place

_TRIES = 5
_MOVED = 4 << 20
"""Bytes that a loop moves at least while its time is taken."""
_MOST = 128 << 20
_SIDE = 384
"""Rows and columns of the matrices that are multiplied."""
_VECTOR = 16
"""Bytes of a vector: here it only turns products of numbers into instructions and back."""


@functools.cache
def limits(count: int) -> Limits:
    """What numpy reaches; its loops run on one thread, and its products on those of its library."""
    product = _product()
    cache = caches()
    places = [("L2", float(cache.second), cache.second * 5 // 8)]
    if cache.last > cache.second:
        places.append(
            ("L3", float(cache.to_count_on), min(max(2 * cache.second, cache.last * 3 // 8), cache.to_count_on))
        )
    places.append(("memory", float("inf"), min(3 * cache.last, _MOST)))
    return Limits(count, _VECTOR, product, product, product, product, 1e-9, tuple(_place(*p) for p in places))


def _product() -> float:
    """Seconds per vector instruction in a product of matrices."""
    a = np.ones((_SIDE, _SIDE), np.float32)
    return _best(lambda: a @ a) / (_SIDE**3 * 4 / _VECTOR)


def _place(name: str, room: float, size: int) -> Place:
    memory = np.empty(max(size // 4, 12), np.float32)
    memory.fill(0)  # Zeros that nobody wrote are one page, which any cache holds.

    def parts(n: int) -> list[np.ndarray]:
        return np.split(memory[: memory.size // n * n], n)

    a, b, c = parts(3)
    x, y = parts(2)
    mixes: tuple[tuple[Callable[[], object], int], ...] = (
        (memory.max, memory.nbytes),
        (lambda: np.add(a, b, out=c), 3 * a.nbytes),
        (lambda: np.copyto(y, x), 2 * x.nbytes),
        (lambda: memory.fill(0), memory.nbytes),
    )
    return Place(name, room, tuple(_per_byte(run, moved) for run, moved in mixes))


def _per_byte(run: Callable[[], object], moved: int) -> float:
    again = -(-_MOVED // moved)

    def several() -> None:
        for _ in range(again):
            run()

    return _best(several) / (again * moved)


def _best(run: Callable[[], object]) -> float:
    found = float("inf")
    for _ in range(_TRIES):
        start = time.perf_counter()
        run()
        found = min(found, time.perf_counter() - start)
    return found
