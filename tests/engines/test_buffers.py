"""Memory of large arrays comes back when nobody refers to it any more, and not before."""

import gc
import os
import signal
import threading

import numpy as np
import pytest

from sdgraph.engines import buffers

N = buffers.LARGE


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(buffers, "_free", {})
    monkeypatch.setattr(buffers, "_kept", 0)


def address(a):
    return a.__array_interface__["data"][0]


def test_memory_is_used_again():
    a = buffers.empty((N // 4,), np.dtype("float32"))
    place = address(a)
    del a
    assert address(buffers.empty((N // 8, 1), np.dtype("float64"))) == place


def test_memory_with_a_view_is_not_used_again():
    a = buffers.empty((N,), np.dtype("uint8"))
    view = a[5:9][::2].reshape(2, 1)
    view[:] = 7
    del a
    gc.collect()
    other = buffers.empty((N,), np.dtype("uint8"))
    other[:] = 1
    assert view.tolist() == [[7], [7]]


def test_arrays_are_ordinary():
    a = buffers.empty((2, N), np.dtype("float32"))
    assert type(a) is np.ndarray
    assert a.shape == (2, N) and a.dtype == "float32" and a.flags.c_contiguous and a.flags.writeable
    assert address(a) % 64 == 0


def test_small_arrays_own_their_memory():
    assert buffers.empty((3,), np.dtype("float32")).flags.owndata


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python's, of forks beside threads.
def test_a_fork_while_another_thread_holds_the_lock():
    held, done = threading.Event(), threading.Event()

    def hold():
        with buffers._lock:
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # Ends the child if it waits for ever.
        os._exit(0 if buffers.empty((N,), np.dtype("uint8")).size == N else 1)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_more_is_kept_than_said(monkeypatch):
    monkeypatch.setattr(buffers, "KEPT", 3 * N)
    several = [buffers.empty((N,), np.dtype("uint8")) for _ in range(5)]
    several.clear()
    assert 2 * N <= buffers._kept <= 3 * N
