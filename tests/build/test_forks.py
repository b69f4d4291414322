"""A fork beside busy threads: the child has free locks, and finds nothing half done."""

import gc
import os
import signal
import sys
import threading
import time
import weakref

import pytest

from sdgraph import SameDiff
from sdgraph.build import forks
from sdgraph.nd import calls as eager
from sdgraph.run.engines import threads

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Python's, of forks beside threads.
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),  # JAX's, of the same.
]


class Owner:
    """What has locks."""

    def __init__(self):
        self.lock, self.whole = threading.Lock(), threading.RLock()
        forks.renew(self, "lock", threading.Lock)
        forks.renew(self, "whole", threading.RLock, waits=True)


def in_a_child(check):
    """Whether ``check()`` is true in a child, which does not take longer than 30 seconds."""
    child = os.fork()
    if child == 0:
        ok = False
        try:
            signal.alarm(30)
            ok = check()
        finally:
            os._exit(0 if ok else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Holder:
    """A thread that holds a lock until it is told not to."""

    def __init__(self, lock):
        self._held, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lock,))

    def _run(self, lock):
        with lock:
            self._held.set()
            self._go.wait(30)

    def __enter__(self):
        self._thread.start()
        assert self._held.wait(30)
        return self

    def let_go(self):
        self._go.set()

    def __exit__(self, *_):
        self._go.set()
        self._thread.join()


def free(lock):
    return lock.acquire(timeout=5)


def test_a_lock_that_another_thread_holds_is_free_in_the_child():
    owner = Owner()
    with Holder(owner.lock):
        assert in_a_child(lambda: free(owner.lock))
        assert not owner.lock.acquire(blocking=False)


def test_a_fork_waits_for_what_must_be_whole():
    owner, state = Owner(), []
    with Holder(owner.whole) as holder:
        state.append("half")

        def finish():
            time.sleep(0.2)
            state.append("whole")
            holder.let_go()

        threading.Thread(target=finish).start()
        assert in_a_child(lambda: state == ["half", "whole"] and free(owner.whole))
    assert free(owner.whole)


def test_a_fork_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(forks, "_PATIENCE", 0.05)
    owner = Owner()
    with Holder(owner.whole):
        assert in_a_child(lambda: free(owner.whole))
    assert free(owner.whole)


def test_the_forking_thread_may_hold_the_lock_itself():
    owner = Owner()
    with owner.whole:
        assert in_a_child(lambda: free(owner.whole))
    with Holder(owner.whole):
        assert not owner.whole.acquire(blocking=False)


def test_several_threads_fork_at_once():
    owner, results = Owner(), []
    several = [threading.Thread(target=lambda: results.append(in_a_child(lambda: free(owner.whole)))) for _ in range(6)]
    for t in several:
        t.start()
    for t in several:
        t.join(60)
    assert results == [True] * 6
    assert free(owner.whole)


def test_an_owner_of_locks_is_not_kept_alive():
    there = weakref.ref(Owner())
    gc.collect()
    assert there() is None


def graph():
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0])
    return sd, (x * x).sum(name="y")


@pytest.mark.parametrize("what", ["graph", "executable", "eager", "threads", "machine"])
def test_every_lock_of_the_package_is_free_in_the_child(what, monkeypatch):
    monkeypatch.setattr(forks, "_PATIENCE", 0.05)
    if what == "machine":
        pytest.importorskip("llvmlite")
        from sdgraph.run.engines.llvm.translate import machine
    sd, y = graph()
    f = sd.compile(y, engine="numpy")
    owner, name = {
        "graph": lambda: (sd, "appending"),
        "executable": lambda: (f, "_lock"),
        "eager": lambda: (eager, "_lock"),
        "threads": lambda: (threads, "_lock"),
        "machine": lambda: (machine, "_using"),
    }[what]()
    with Holder(getattr(owner, name)):
        assert in_a_child(lambda: free(getattr(owner, name)))


def test_a_gradient_that_another_thread_appends_is_whole_in_the_child(monkeypatch):
    sd, y = graph()
    inside, append = threading.Event(), sd.append

    def slowly(*args, **keywords):
        inside.set()
        time.sleep(0.05)
        return append(*args, **keywords)

    monkeypatch.setattr(sd, "append", slowly)
    other = threading.Thread(target=lambda: sd.grad(y, "x"))
    other.start()
    assert inside.wait(30)

    def check():
        known = len(sd.nodes)
        gradient = sd.grad(sd["y"], "x").eval()
        z = sd.placeholder("z")
        return gradient.tolist() == [2.0, 4.0] and len(sd.nodes) == known + 1 and z.name == "z"

    assert in_a_child(check)
    other.join()


def test_modules_say_what_a_child_must_forget():
    threads.set_num_threads(2)
    threads.share(lambda block, first, last: None, 0, 10)
    assert in_a_child(lambda: threads._workers == 0 and not threads._idle)
    assert sys.modules["sdgraph.run.engines.threads"] is threads
