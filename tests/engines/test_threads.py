"""Sharing a loop among threads: every chunk once, and nobody waits for another caller's workers."""

import threading

import pytest

from sdgraph.engines import threads
from sdgraph.errors import ArgumentError


@pytest.fixture(autouse=True)
def own_workers(monkeypatch):
    for name, value in (("_idle", []), ("_workers", 0), ("_count", None)):
        monkeypatch.setattr(threads, name, value)


def chunks_done(chunks):
    done = []
    threads.share(lambda block, first, last: done.extend(range(first, last)), 0, chunks)
    return sorted(done)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("chunks", [1, 2, 7, 100])
def test_every_chunk_is_done_once(n, chunks):
    threads.set_num_threads(n)
    assert chunks_done(chunks) == list(range(chunks))


def test_workers_are_used_again():
    threads.set_num_threads(3)
    for _ in range(20):
        chunks_done(50)
    assert threads._workers == 2
    assert len(threads._idle) == 2


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


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_that_makes_no_sense(n):
    with pytest.raises(ArgumentError, match="at least 1"):
        threads.set_num_threads(n)
