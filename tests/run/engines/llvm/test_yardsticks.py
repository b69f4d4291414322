"""Loops that measure the machine do what they are timed for."""

import numpy as np
import pytest

from sdgraph.run.engines.llvm import yardsticks
from sdgraph.run.engines.llvm.translate import machine

CHUNKS = 3


def arrays(n=5000):
    rng = np.random.default_rng(0)
    several = yardsticks.arrays(yardsticks.aligned(yardsticks.room(n, 3)), 3, CHUNKS)
    for a in several:
        a[:] = rng.normal(size=a.size)
    return several


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", yardsticks.STREAMS, ids=lambda k: k.name)
def test_a_stream_reads_and_writes_all_of_its_arrays(kind, shared):
    a, b, c = arrays()
    before = a.copy(), b.copy()
    expected = {0: np.zeros_like(a), 1: a, 2: a + b}[kind.reads]
    yardsticks.stream(kind, (a, b, c), CHUNKS, again=2).run(shared=shared)
    assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])
    if kind.writes:
        assert np.array_equal(c, expected)
    elif not shared:
        # Every lane has its own sum; they are taken twice.
        lanes = machine.computer().lanes(4)
        assert np.allclose(c[:lanes], 2 * expected.astype(float).reshape(-1, lanes).sum(0), atol=1e-3)


@pytest.mark.parametrize("name", yardsticks.CHAINS)
def test_chains_end_in_numbers(name):
    stick = yardsticks.chains(name, 2)
    for shared in (False, True):
        stick.keep[:] = np.nan
        stick.run(shared=shared)
        assert not np.isnan(stick.keep[: machine.computer().lanes(4)]).any()


def test_exponentials_are_those_of_the_engine():
    stick, n = yardsticks.exponentials(2)
    stick.run(shared=False)
    x, y = stick.keep
    assert n == 2 * x.size
    assert np.allclose(y, np.exp(x.astype(float)), rtol=3e-7, atol=0)


@pytest.mark.parametrize("n", [1, 100, 5000, 10**6])
def test_chunks_are_whole(n):
    size = yardsticks.whole_chunks(n, CHUNKS)
    least = CHUNKS * 4 * machine.computer().lanes(4)
    assert size % least == 0 and abs(size - max(n, least)) < least
    a = yardsticks.aligned(size)
    assert a.size == size and a.ctypes.data % 64 == 0 and not a.any()


@pytest.mark.parametrize("used", [1, 2, 3])
@pytest.mark.parametrize("n", [100, 5000, 10**6])
def test_arrays_lie_apart_and_begin_elsewhere_within_a_page(n, used):
    memory = yardsticks.aligned(yardsticks.room(n, used))
    found = yardsticks.arrays(memory, used, CHUNKS)
    end = memory.ctypes.data + memory.nbytes
    starts = [a.ctypes.data for a in found[:used]]
    assert len({start % 4096 for start in starts}) == used and all(start % 64 == 0 for start in starts)
    assert all(a + found[0].nbytes <= b for a, b in zip(starts, [*starts[1:], end], strict=True))
    assert all(a.ctypes.data == starts[-1] for a in found[used:]) and len(found) == 3
    assert abs(found[0].size - n) <= 4 * CHUNKS * machine.computer().lanes(4)


def test_the_best_time_is_the_shortest():
    calls = []
    assert yardsticks.best(lambda: calls.append(0), 4) >= 0
    assert len(calls) == 4
