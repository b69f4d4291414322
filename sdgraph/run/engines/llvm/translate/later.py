"""Work that can wait: a thread of its own does it one after another, once nobody waits for anything more urgent.

Nothing here delays a program. The thread begins when there was no urgent work for a moment, since both would take turns
at the same lock. When the program ends, what has begun is finished, because a library must not be left in the middle,
and the rest is dropped. A child process starts a thread of its own with its first own work. Must not know what is done.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from sdgraph.build import forks
from sdgraph.run.engines import threads

_QUIET = 0.02
"""Seconds without urgent work after which other work begins."""

_changed = threading.Condition()
"""Guards what follows, and tells of its changes."""
_waiting: deque[Callable[[], object]] = deque()
_current: Callable[[], object] | None = None
_worker: threading.Thread | None = None
_urgent = 0
_quiet_since = 0.0
_hurried = 0
"""How many wait for all work."""
_ended = False

forks.renew(sys.modules[__name__], "_changed", threading.Condition)


@forks.in_child
def _forget() -> None:
    """After a fork the thread is gone, and so is who had something urgent to do or waited."""
    global _current, _worker, _urgent, _hurried
    if _current is not None:
        _waiting.appendleft(_current)
    _current, _worker, _urgent, _hurried = None, None, 0, 0


@contextlib.contextmanager
def urgent() -> Iterator[None]:
    """Let other work wait."""
    global _urgent, _quiet_since
    with _changed:
        _urgent += 1
    try:
        yield
    finally:
        with _changed:
            _urgent -= 1
            _quiet_since = time.monotonic()
            _changed.notify_all()


def put(work: Callable[[], object]) -> None:
    """Have something done later; what it raises is lost. Runs where no interrupt comes between."""
    global _worker
    with _changed:
        if _ended:
            return
        _waiting.append(work)
        if _worker is None or not _worker.is_alive():
            worker = threading.Thread(target=_run, name="sdgraph later", daemon=True)
            try:
                threads.start(worker)
            except RuntimeError:  # There can be no more threads. The next who comes tries again.
                return
            _worker = worker
        _changed.notify_all()


def settled() -> None:
    """Wait until there is nothing left to do, and hurry."""
    global _hurried
    with _changed:
        _hurried += 1
        try:
            _changed.notify_all()
            while (_waiting or _current is not None) and _worker is not None and _worker.is_alive():
                _changed.wait(1.0)
        finally:
            _hurried -= 1


def _run() -> None:
    while True:
        work = _next()
        with contextlib.suppress(Exception):
            work()
        del work  # Not to keep it, and what it knows, until there is other work.
        _done()


def _next() -> Callable[[], object]:
    global _current
    with _changed:
        while (left := _left()) is None or left > 0:
            _changed.wait(left)
        _current = _waiting.popleft()
        return _current


def _left() -> float | None:
    """Seconds until work may begin, as it looks now; None where there is none."""
    if not _waiting:
        return None
    if _hurried:
        return 0.0
    return _QUIET if _urgent else _quiet_since + _QUIET - time.monotonic()


def _done() -> None:
    global _current
    with _changed:
        _current = None
        _changed.notify_all()


@atexit.register
def _end() -> None:
    """Drop what has not begun, and wait for what has."""
    global _ended
    interrupt = None
    while True:
        try:
            with _changed:
                _ended = True
                _waiting.clear()
                while _current is not None and _worker is not None and _worker.is_alive():
                    _changed.wait(1.0)
                break
        except KeyboardInterrupt as e:
            interrupt = e
    if interrupt is not None:
        raise interrupt
