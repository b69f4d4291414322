"""The threads that share large loops.

Results do not depend on how many there are: a loop is cut into chunks by its size alone. A caller takes the workers
that are idle and never waits for those of another caller. Must not know regions.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable

from sdgraph.errors import ArgumentError

_PARTS = 4
"""Parts per thread: who is done early takes the next one."""

_lock = threading.Lock()
_count: int | None = None
_idle: list[_Worker] = []
_workers = 0


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


class _Worker:
    """A thread that runs one job after another, handed over through locks: the fastest way there is in Python."""

    def __init__(self) -> None:
        self._job: Callable[[], None] | None = None
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        threading.Thread(target=self._run, name="sdgraph", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._go.acquire()
            assert self._job is not None
            try:
                self._job()
            finally:
                self._done.release()

    def start(self, job: Callable[[], None]) -> None:
        """Begin a job. What it raises is printed, not passed on."""
        self._job = job
        self._go.release()

    def wait(self) -> None:
        """Until the job is done."""
        self._done.acquire()
        self._job = None


def _take(n: int) -> list[_Worker]:
    """Up to n idle workers; there are never more altogether than one caller may use."""
    global _workers
    with _lock:
        taken = [_idle.pop() for _ in range(min(n, len(_idle)))]
        while len(taken) < n and _workers < n:
            taken.append(_Worker())
            _workers += 1
    return taken


def _forget() -> None:
    """After a fork the threads are gone."""
    global _idle, _workers, _lock
    _idle, _workers, _lock = [], 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def share(loop: Callable[[int, int, int], None], block: int, chunks: int) -> None:
    """Run ``loop(block, first, last)`` over all chunks, in parts on several threads."""
    workers = _take(min(get_num_threads(), chunks) - 1)
    if not workers:
        loop(block, 0, chunks)
        return
    parts = min(chunks, _PARTS * (len(workers) + 1))
    numbers = itertools.count()

    def work() -> None:
        while (k := next(numbers)) < parts:
            loop(block, chunks * k // parts, chunks * (k + 1) // parts)

    for w in workers:
        w.start(work)
    try:
        work()
    finally:
        # The arrays must live until all are done, whatever interrupts the caller.
        for w in workers:
            w.wait()
        with _lock:
            _idle.extend(workers)
