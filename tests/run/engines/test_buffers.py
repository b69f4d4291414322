"""Memory of large arrays comes back when nobody refers to it any more, and not before."""

import gc
import threading

import numpy as np
import pytest

from sdgraph.run.engines import buffers

N = buffers.LARGE


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(buffers, "_free", {})


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
    assert address(a) % buffers.ALIGN == 0


def test_no_place_within_a_page_where_arrays_of_numpy_begin():
    """A CPU takes a store and a load for the same address that are at the same place within a page."""
    a = buffers.empty((8 * N,), np.dtype("uint8"))
    # What the system hands out begins with a page, after a few bytes of the library's own.
    assert 256 <= address(a) % 4096 <= 4096 - 256
    a[-1] = 1


def test_small_arrays_own_their_memory():
    assert buffers.empty((3,), np.dtype("float32")).flags.owndata


def test_an_array_that_dies_amid_a_call_gives_its_memory_back(monkeypatch):
    dying = [buffers.empty((N,), np.dtype("uint8"))]

    class Sizes(dict):
        def __missing__(self, size):
            dying.clear()  # As when collecting garbage in between.
            raise KeyError(size)

    monkeypatch.setattr(buffers, "_free", Sizes())
    a = buffers.empty((N,), np.dtype("uint8"))
    assert buffers.kept() > 0
    assert address(buffers.empty((N,), np.dtype("uint8"))) != address(a)


def test_many_threads_never_get_the_same_memory():
    wrong = []

    def work(k):
        for _ in range(300):
            a = buffers.empty((N,), np.dtype("uint8"))
            a[::4096] = k
            wrong.extend(a[::4096][a[::4096] != k])

    several = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in several:
        t.start()
    for t in several:
        t.join()
    assert not wrong


def test_no_more_is_kept_than_said(monkeypatch):
    monkeypatch.setattr(buffers, "KEPT", 3 * N)
    several = [buffers.empty((N,), np.dtype("uint8")) for _ in range(5)]
    several.clear()
    assert 2 * N <= buffers.kept() <= 3 * N
