"""The threads that share large regions.

Results do not depend on how many there are: a region is cut into chunks by its size alone. Must not know regions.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sdgraph.errors import ArgumentError

SHARED = 1 << 23
"""Estimated instructions from which a loop is shared."""

_lock = threading.Lock()
_count: int | None = None
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_num_threads() -> int:
    """How many threads work on one large region."""
    return _count if _count is not None else usable_cores()


def set_num_threads(n: int) -> None:
    """Set how many threads work on one large region; the default is the number of usable cores.

    Raises:
        ArgumentError: If it is not a whole number of at least 1.
    """
    global _count
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ArgumentError("A number of threads is a whole number, at least 1.", given=repr(n))
    _count = n


def _workers(n: int) -> ThreadPoolExecutor:
    """A pool of at least n threads; made anew after a fork, which leaves threads behind."""
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < n:
            _pool, _pool_size = ThreadPoolExecutor(n, thread_name_prefix="sdgraph"), n
        return _pool


def _forget() -> None:
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def share(loop: Callable[[int, int, int], None], block: int, chunks: int, work: int) -> None:
    """Run ``loop(block, first, last)`` over all chunks, in parts on several threads if it is worth it."""
    n = min(get_num_threads(), chunks)
    if work < SHARED or n < 2:
        loop(block, 0, chunks)
        return
    bounds = [chunks * k // n for k in range(n + 1)]
    pool = _workers(n - 1)
    others = [pool.submit(loop, block, bounds[k], bounds[k + 1]) for k in range(1, n)]
    loop(block, bounds[0], bounds[1])
    for one in others:
        one.result()
