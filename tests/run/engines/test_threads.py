"""Sharing a loop among threads: every chunk once, whatever happens, and nobody waits for another caller's workers."""

import contextlib
import itertools
import signal
import sys
import threading
import time
import weakref
from queue import SimpleQueue

import pytest

from sdgraph.errors import ArgumentError
from sdgraph.run.engines import threads


@pytest.fixture(autouse=True)
def own_workers(monkeypatch):
    for name, value in (("_jobs", SimpleQueue()), ("_idle", []), ("_workers", 0), ("_count", None)):
        monkeypatch.setattr(threads, name, value)


def chunks_done(chunks):
    done = []
    threads.share(lambda block, first, last: done.extend(range(first, last)), 0, chunks)
    return sorted(done)


def workers():
    return {t for t in threading.enumerate() if t.name == "sdgraph"}


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("chunks", [1, 2, 7, 100])
def test_every_chunk_is_done_once(n, chunks):
    threads.set_num_threads(n)
    assert chunks_done(chunks) == list(range(chunks))


def test_workers_are_used_again():
    threads.set_num_threads(3)
    before = workers()
    for _ in range(20):
        chunks_done(50)
    assert len(workers() - before) == 2


def test_a_loop_inside_a_loop_does_not_wait():
    threads.set_num_threads(2)
    inner = []

    def outer(block, first, last):
        threads.share(lambda b, lo, hi: inner.extend(range(lo, hi)), 0, 3)

    threads.share(outer, 0, 2)
    assert sorted(inner) == [0, 0, 1, 1, 2, 2]


def test_many_callers_at_once():
    threads.set_num_threads(4)
    results = []
    callers = [threading.Thread(target=lambda: results.append(chunks_done(40))) for _ in range(12)]
    for c in callers:
        c.start()
    for c in callers:
        c.join()
    assert results == [list(range(40))] * 12


def test_callers_at_once_start_no_more_workers_than_one_may_use(monkeypatch):
    threads.set_num_threads(3)
    start = threading.Thread.start

    def slowly(self):
        if self.name == "sdgraph":
            time.sleep(0.05)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    barrier = threading.Barrier(4)
    callers = [threading.Thread(target=lambda: (barrier.wait(30), chunks_done(40))) for _ in range(4)]
    for c in callers:
        c.start()
    for c in callers:
        c.join()
    assert all_idle(2)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_that_makes_no_sense(n):
    with pytest.raises(ArgumentError, match="at least 1"):
        threads.set_num_threads(n)


class Interrupt(BaseException):
    """Whatever may reach a caller at any moment."""


SHARING = [threads.share, *(getattr(threads._Job, name) for name in ("__init__", "work", "stop", "free"))]
STARTING = [threads.share, threads.apart]


class Countdown:
    """Raises `Interrupt` in the thread that made it when it has been called so many times."""

    def __init__(self, steps):
        self._left, self._thread = steps, threading.get_ident()

    def __call__(self, *_):
        if threading.get_ident() == self._thread:
            self._left -= 1
            if self._left == 0:
                raise Interrupt


@contextlib.contextmanager
def interrupt_after(steps, functions):
    """Raise `Interrupt` in this thread before the bytecode of that number within the functions."""
    codes = {f.__code__ for f in functions}
    watch = _watched if hasattr(sys, "monitoring") else _traced
    with watch(codes, Countdown(steps)):
        yield


@contextlib.contextmanager
def _watched(codes, count):
    """From Python 3.12 on."""
    monitoring = sys.monitoring
    tool = monitoring.OPTIMIZER_ID
    monitoring.use_tool_id(tool, "interrupts")
    monitoring.register_callback(tool, monitoring.events.INSTRUCTION, count)
    try:
        for code in codes:
            monitoring.set_local_events(tool, code, monitoring.events.INSTRUCTION)
        yield
    finally:
        for code in codes:
            monitoring.set_local_events(tool, code, 0)
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, None)
        monitoring.free_tool_id(tool)


@contextlib.contextmanager
def _traced(codes, count):
    """Up to Python 3.11."""

    def in_frame(frame, event, arg):
        if event == "opcode":
            count()
        return in_frame

    def in_call(frame, event, arg):
        if frame.f_code not in codes:
            return None
        frame.f_trace_opcodes = True
        return in_frame

    before = sys.gettrace()
    sys.settrace(in_call)
    try:
        yield
    finally:
        sys.settrace(before)


def all_idle(count):
    """Whether that many workers wait for jobs, in a while at the latest."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if len(threads._idle) == threads._workers == count:
            return True
        time.sleep(0.001)
    return False


class Memory:
    """What a loop reads and writes."""


def interrupted(call, steps, functions):
    """Call it; whether it was interrupted. Nothing remembers the frames that the interrupt came through."""
    try:
        with interrupt_after(steps, functions):
            call()
    except Interrupt:
        return True
    return False


def test_an_interrupt_at_any_bytecode_frees_no_memory_that_a_thread_uses_and_loses_no_worker():
    threads.set_num_threads(3)
    chunks_done(10)
    assert all_idle(2)
    freed = []

    def call():
        memory = Memory()
        there = weakref.ref(memory)

        def loop(block, first, last):
            if there() is None:
                freed.append(first)
            time.sleep(0.0005)
            if there() is None:
                freed.append(first)

        threads.share(loop, 0, 4, (memory,))

    for steps in itertools.count(1):
        if not interrupted(call, steps, SHARING):
            break
        assert all_idle(2), steps
    assert steps > 100
    assert not freed
    assert chunks_done(10) == list(range(10))


def test_an_interrupt_at_any_bytecode_while_workers_start(monkeypatch):
    threads.set_num_threads(2)
    for steps in itertools.count(1):
        for name, value in (("_jobs", SimpleQueue()), ("_idle", []), ("_workers", 0)):
            monkeypatch.setattr(threads, name, value)
        if not interrupted(lambda: chunks_done(2), steps, STARTING):
            break
        assert chunks_done(10) == list(range(10))
        assert all_idle(1), steps
    assert steps > 40


def test_what_a_worker_raises_reaches_the_caller():
    threads.set_num_threads(2)
    caller = threading.current_thread()

    def loop(block, first, last):
        if threading.current_thread() is not caller:
            raise MemoryError("no part of the result may be missing")
        time.sleep(0.005)

    with pytest.raises(MemoryError, match="no part"):
        threads.share(loop, 0, 100)
    assert all_idle(1)
    assert chunks_done(50) == list(range(50))


def test_what_the_caller_raises_ends_the_loop_soon():
    threads.set_num_threads(2)
    chunks_done(5)
    caller = threading.current_thread()
    begun = []

    def loop(block, first, last):
        begun.append(first)
        time.sleep(0.01)
        if threading.current_thread() is caller:
            raise Interrupt

    with pytest.raises(Interrupt):
        threads.share(loop, 0, 100)
    assert all_idle(1)
    assert len(begun) <= 4


@pytest.mark.parametrize("most", [0, 1, 2])
def test_threads_that_cannot_be_started(monkeypatch, most):
    threads.set_num_threads(5)
    start = threading.Thread.start

    def refused(self):
        if threads._workers >= most:
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as m:
        m.setattr(threading.Thread, "start", refused)
        assert chunks_done(30) == list(range(30))
        assert all_idle(most)
        assert threads.apart(lambda: 7) == 7
    assert chunks_done(30) == list(range(30))
    assert all_idle(4)


def test_memory_is_free_when_the_loop_is_done():
    threads.set_num_threads(3)
    for _ in range(50):
        memory = Memory()
        there = weakref.ref(memory)
        threads.share(lambda block, first, last: None, 0, 10, (memory,))
        del memory
        assert there() is None


def test_work_apart_goes_on_when_the_caller_is_interrupted():
    go, done = threading.Event(), threading.Event()

    def work():
        go.wait(30)
        done.set()
        return 7

    def interrupt(signum, frame):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupt):
            threads.apart(work)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not done.is_set()
    go.set()
    assert done.wait(30)


def test_work_apart_has_a_result_or_an_error():
    assert threads.apart(lambda: threading.current_thread()) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        threads.apart(lambda: 1 / 0)
