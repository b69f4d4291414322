"""Work that can wait: its order, what it waits for, and what is left of it."""

import gc
import threading
import time
import weakref

import pytest

from sdgraph.run.engines.llvm.translate import later


@pytest.fixture(autouse=True)
def nothing_waits(monkeypatch):
    later.settled()
    yield
    later.settled()


def test_work_is_done_one_after_another():
    done = []
    for k in range(20):
        later.put(lambda k=k: done.append((k, threading.current_thread())))
    later.settled()
    assert [k for k, _ in done] == list(range(20))
    assert len({t for _, t in done}) == 1 and done[0][1] is not threading.current_thread()


def test_an_error_ends_only_the_work_that_raised_it():
    done = []

    def fails():
        raise MemoryError

    later.put(fails)
    later.put(lambda: done.append(1))
    later.settled()
    assert done == [1]


def test_work_waits_while_something_is_urgent(monkeypatch):
    monkeypatch.setattr(later, "_QUIET", 0.01)
    done = threading.Event()
    with later.urgent():
        later.put(done.set)
        assert not done.wait(0.2)
    assert done.wait(20)


def test_who_waits_for_all_work_does_not_wait_for_a_quiet_moment(monkeypatch):
    monkeypatch.setattr(later, "_QUIET", 3600.0)
    done = []
    with later.urgent():
        later.put(lambda: done.append(1))
    start = time.monotonic()
    later.settled()
    assert done == [1] and time.monotonic() - start < 1800


def end_thread():
    """As a debugger can end any."""

    def ends():
        raise SystemExit

    later.put(ends)
    later._worker.join(20)
    assert not later._worker.is_alive()


ends_a_thread = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@ends_a_thread
def test_a_thread_that_was_ended_is_replaced():
    end_thread()
    done = threading.Event()
    later.put(done.set)
    assert done.wait(20)


def test_nothing_is_kept_of_work_that_is_done():
    class Thing:
        pass

    thing = Thing()
    known = weakref.ref(thing)
    later.put(lambda thing=thing: None)
    later.settled()
    del thing
    end = time.monotonic() + 20
    while known() is not None and time.monotonic() < end:
        gc.collect()
        time.sleep(0.001)
    assert known() is None


@ends_a_thread
def test_without_a_thread_work_waits_for_the_next(monkeypatch):
    def no_more(thread):
        raise RuntimeError("can't start new thread")

    end_thread()
    done = []
    with monkeypatch.context() as patch:
        patch.setattr(later.threads, "start", no_more)
        later.put(lambda: done.append(1))
        later.settled()
        assert done == []
    later.put(lambda: done.append(2))
    later.settled()
    assert done == [1, 2]
