"""The threads that share large loops.

Results do not depend on how many there are: a loop is cut into chunks by its size alone. A caller takes the workers
that are idle and never waits for those of another caller. Compiled code has a quicker way to hand loops over, see
``llvm/translate/crew.py``; these threads then only go where it does so. Must not know regions.

An exception may leave a caller anywhere: Ctrl-C, a signal handler, whatever a debugger raises in a thread. So nothing
here depends on a caller's coming to its end. Whoever works on a job holds it, and the job holds the memory that it
reads and writes; workers fetch jobs and go back by themselves.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from sdgraph.build import forks
from sdgraph.build.annotations import readable
from sdgraph.checks import whole

_T = TypeVar("_T")

_PARTS = 4
"""Parts per thread: who is done early takes the next one."""

_MOST = 1 << 30
"""No setting is larger for compiled code."""

_STACK = 8 << 20
"""Bytes of a thread's stack, at least, where a program has chosen another size than the system's."""

_count: int | None = None
setting = ctypes.c_int64(0)
"""How many threads work on one large region, where compiled code can read it; 0 before anybody asked."""
_jobs: SimpleQueue[_Job | Errand] = SimpleQueue()
"""A job as many times as workers are asked to help with it."""
_idle: list[threading.Thread] = []
_workers = 0
_lock = threading.Lock()
"""Held while workers are started. Callers do not take it: an interrupt may fall into one's taking a lock."""

recall: Callable[[], object] = int
"""Calls back those who are on an errand. Whoever sends them puts it here."""
forgotten: list[Callable[[], None]] = []
"""What is to be done where the threads are gone."""

forks.renew(sys.modules[__name__], "_lock", threading.Lock)


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_num_threads() -> int:
    """How many threads work on one large region."""
    return _count if _count is not None else usable_cores()


@readable
def set_num_threads(n: int) -> None:
    """Set how many threads work on one large region; the default is the number of usable cores.

    Results have the same bits with any number. A thread that has helped waits for more work for a tenth of a
    millisecond without leaving its core, unless there are more threads than cores; with 1 there are no such threads.

    Raises:
        ArgumentError: If it is not a whole number of at least 1.
    """
    global _count
    _count = whole("n", n, least=1, message="A number of threads is a whole number, at least 1.")
    setting.value = min(_count, _MOST)


class _Job:
    """A loop over chunks, cut into parts, with the memory that it reads and writes."""

    __slots__ = ("_block", "_chunks", "_done", "_keep", "_loop", "_numbers", "_open", "_parts", "outcome")

    def __init__(self, loop: Callable[[int, int, int], None], block: int, chunks: int, parts: int, keep: Any) -> None:
        self._loop, self._block, self._chunks, self._keep = loop, block, chunks, keep
        self._parts = self._open = parts
        self._numbers, self._done = itertools.count(), itertools.count()
        self.outcome: SimpleQueue[BaseException | None] = SimpleQueue()
        """None when all parts are done, or what stopped a worker."""

    def work(self) -> bool:
        """Do parts until none is left. True for who finishes the last of all."""
        loop, block, chunks, parts = self._loop, self._block, self._chunks, self._parts
        while (k := next(self._numbers)) < self._open:
            loop(block, chunks * k // parts, chunks * (k + 1) // parts)
            if next(self._done) == parts - 1:
                return True
        return False

    def stop(self) -> None:
        """Let no further part begin."""
        self._open = 0

    def free(self) -> None:
        """Give up the memory, once all parts are done: a worker may still have the job before it."""
        self._keep = None


class Errand:
    """Where workers are sent, of which nobody hears again. Who is there still counts as idle and can be called back."""

    __slots__ = ("go",)

    def __init__(self, go: Callable[[], None]) -> None:
        self.go = go


def _run_worker(jobs: SimpleQueue[_Job | Errand], idle: list[threading.Thread]) -> None:
    global _workers
    me = threading.current_thread()
    try:
        while True:
            job = jobs.get()
            if isinstance(job, Errand):
                with contextlib.suppress(BaseException):
                    job.go()
            else:
                _help(job, idle, me)
            del job
    finally:  # Nothing here raises, but debuggers can make any thread raise.
        _leave(idle, me)
        with _lock:
            _workers -= 1


def _help(job: _Job, idle: list[threading.Thread], me: threading.Thread) -> None:
    _leave(idle, me)
    try:
        last, error = job.work(), None
    except BaseException as e:
        job.stop()
        last, error = True, e
    # Idle again before the caller knows: its next loop begins at once.
    idle.append(me)
    if last:
        job.outcome.put(error)


def _leave(idle: list[threading.Thread], worker: threading.Thread) -> None:
    if worker in idle:
        idle.remove(worker)


def start(thread: threading.Thread) -> None:
    """Start a thread with a stack that compilers and loops can do with, whatever size a program asks for its own."""
    size = threading.stack_size()
    if not 0 < size < _STACK:
        thread.start()
        return
    threading.stack_size(_STACK)
    try:
        thread.start()
    finally:
        threading.stack_size(size)


def _start_workers(n: int) -> None:
    """See that there are n workers, or as many as can be started. Runs where no interrupt comes between."""
    global _workers
    with _lock:
        while _workers < n:
            worker = threading.Thread(target=_run_worker, args=(_jobs, _idle), name="sdgraph", daemon=True)
            _idle.append(worker)
            try:
                start(worker)
            except RuntimeError:
                _leave(_idle, worker)
                return
            _workers += 1


@forks.in_child
def _forget() -> None:
    """After a fork the threads are gone."""
    global _jobs, _idle, _workers
    _jobs, _idle, _workers = SimpleQueue(), [], 0
    for forget in forgotten:
        forget()


def _see_to(n: int) -> None:
    if n > _workers:
        apart(partial(_start_workers, n))


def send(errand: Errand, n: int, workers: int) -> None:
    """Send n of so many workers on an errand as soon as they have nothing else to do; those on the way count."""
    _see_to(workers)
    for _ in range(min(n, _workers) - _jobs.qsize()):
        _jobs.put(errand)


def share(loop: Callable[[int, int, int], None], block: int, chunks: int, keep: Any = None) -> None:
    """Run ``loop(block, first, last)`` over all chunks, in parts on several threads.

    An exception that reaches the caller meanwhile leaves at once; threads then end the parts they have begun.

    Args:
        loop: Does the chunks from ``first`` up to ``last``.
        block: Address of the block of numbers and pointers that it expects.
        chunks: How many there are.
        keep: Whatever owns memory that the loop reads or writes, the block included. It lives until no thread uses it.
    """
    wanted = min(get_num_threads(), chunks) - 1
    _see_to(wanted)
    helpers = min(wanted, len(_idle))
    if helpers <= 0:
        loop(block, 0, chunks)
        return
    job = _Job(loop, block, chunks, min(chunks, _PARTS * (helpers + 1)), keep)
    try:
        for _ in range(helpers):
            _jobs.put(job)
        recall()
        error = None if job.work() else job.outcome.get()
    except BaseException:
        job.stop()
        raise
    if error is not None:
        raise error
    job.free()


def apart(function: Callable[[], _T]) -> _T:
    """The result of a function that runs on a thread of its own, or on this one where none can be started.

    An exception that reaches the caller meanwhile ends the waiting, not the function. That is for work which must not
    stop half way, such as that of a library which takes locks of its own.
    """
    outcome: SimpleQueue[tuple[_T] | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put((function(),))
        except BaseException as e:
            outcome.put(e)

    try:
        start(threading.Thread(target=run, name="sdgraph apart"))
    except RuntimeError:
        return function()
    result = outcome.get()
    if isinstance(result, BaseException):
        raise result
    return result[0]
