"""Saving and loading cost a constant per node, in calls and in memory, whatever a graph has. Counted, not timed."""

import gc
import io
import sys

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.store.load import from_bytes, read
from sdgraph.store.save import to_bytes, write
from tests.benchmarks.bench_files import graph, peak_bytes
from tests.groups import first_and_slow

SMALL, LARGE = 500, 4_000
MOST_BYTES = {"save": 3000, "load": 4000}
"""Bytes per node at most: those of the costliest, and a little more."""


def variables(n):
    sd = SameDiff()
    for k in range(n):
        with sd.name_scope(f"layer_{k % 10}"):
            sd.var(f"w{k}", [float(k)])
    return sd


def numbers(n):
    """A constant for each operation."""
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0])
    for k in range(n // 2):
        x + float(k)
    return sd


def settings(n):
    """No two nodes with the same settings."""
    sd = SameDiff()
    x = sd.var("x", np.zeros(n + 5))
    for k in range(n):
        x[k : k + 5]
    return sd


def sizes(n):
    """No two nodes with the same shape, nor the same unknown size."""
    sd = SameDiff()
    for k in range(n // 2):
        sd.math.tanh(sd.placeholder(f"x{k}", (f"size_{k}", k)))
    return sd


def losses(n):
    sd = SameDiff()
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 3))
    for _ in range(n):
        sd.loss.mean_squared_error(y, x)
    return sd


def different_losses(n):
    """No two with the same settings: the body of each is traced."""
    sd = SameDiff()
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 3))
    for k in range(n // 4):
        sd.loss.huber_loss(y, x, delta=1.0 + k)
        for _ in range(3):
            sd.math.tanh(x)
    return sd


def draws(n):
    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    for _ in range(n):
        x = sd.nn.dropout(x, 0.5)
    return sd


def outputs(n):
    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    for _ in range(n // 3):
        sd.math.moments(x, axis=0)
    return sd


def fan(n):
    """One node that all others are operands of."""
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    sd.math.merge_add(*[sd.math.tanh(x) for _ in range(n)])
    return sd


GRAPHS = [graph, variables, numbers, settings, sizes, losses, different_losses, draws, outputs, fan]


def calls(call):
    """How often Python enters a function, of whatever language."""
    found = 0

    def count(frame, event, argument):
        nonlocal found
        found += event in ("call", "c_call")

    gc.collect()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
    return found


def costs(make, n):
    """Calls and bytes per node of saving and of loading."""
    sd = make(n)
    data = to_bytes(sd)
    from_bytes(SameDiff, data)  # What is imported or traced once is no cost of a node.
    found = {}
    for what, call in (("save", lambda: to_bytes(sd)), ("load", lambda: from_bytes(SameDiff, data))):
        found[what] = np.array([calls(call), peak_bytes(call)]) / len(sd.nodes)
    return found


@pytest.mark.any_engine
@pytest.mark.parametrize("make", first_and_slow(GRAPHS, 4))
def test_cost_per_node_does_not_grow(make):
    small, large = costs(make, SMALL), costs(make, LARGE)
    for what, per_node in large.items():
        assert np.all(per_node <= 1.2 * small[what] + [1, 50]), (what, small[what], per_node)
        assert per_node[1] <= MOST_BYTES[what], (what, per_node)


class Counted(io.BytesIO):
    """A file that counts what is asked of the system."""

    operations = 0

    def write(self, data):
        self.operations += 1
        return super().write(data)

    def readinto(self, buffer):
        self.operations += 1
        return super().readinto(buffer)

    def read(self, size=-1):
        self.operations += 1
        return super().read(size)


@pytest.mark.any_engine
@pytest.mark.parametrize("elements", [10, 1_000_000])
def test_files_are_asked_a_few_times_per_array(elements):
    counts = []
    for n in (10, 40):
        sd = SameDiff()
        for k in range(n):
            sd.var(f"v{k}", np.zeros(elements, "float32"))
        file = Counted()
        write(sd, file, user={}, origins=True)
        written, file.operations = file.operations, 0
        read(SameDiff, file, "m", ops=(), mmap=False, verify=True)
        counts.append((written, file.operations))
    assert np.all(np.array(counts[1]) <= 5 * 40), counts
