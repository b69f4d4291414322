"""The fused engine on CPUs that can do less than this one: the same results from other code."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.scalars.scalar_ops import RULES
from sdgraph.run.engines.llvm.translate import machine
from tests.fuzz.__main__ import judge
from tests.groups import first_and_slow
from tests.ops.samples import samples_of
from tests.run.engines.llvm import computers, test_every_op, test_streams
from tests.run.engines.llvm.divide import test_picking, test_products
from tests.run.engines.llvm.scalars import test_functions

TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


# The oldest kind of processor, and the one before the newest: code for this one is what all other tests run.
@pytest.fixture(params=first_and_slow(dict.fromkeys([*computers.HERE[:1], *computers.HERE[-2:], *computers.HERE]), 2))
def computer(request, monkeypatch):
    with computers.on(computers.COMPUTERS[request.param], monkeypatch):
        yield request.param


def test_registers_are_as_long_as_there(computer):
    assert machine.computer().lanes(4) == computers.LANES[computer]
    assert machine.computer().lanes(8) == max(2, computers.LANES[computer] // 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", test_functions.TRUE)
def test_functions_are_as_accurate(name, dtype, computer):
    test_functions.test_within_the_bound(name, dtype)
    test_functions.test_special_values_are_those_of_the_numpy_engine(name, dtype)


@pytest.mark.parametrize("name", RULES)
def test_elementwise_operations(name, computer):
    for dtype in TOLERANCE:
        for sample in samples_of(name)[:2]:
            test_every_op.check(name, sample, dtype, 1)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("graph", computers.GRAPHS)
def test_values_and_gradients(graph, dtype, computer):
    rng = np.random.default_rng(0)
    for shape in computers.SHAPES:
        feeds = {"x": rng.normal(size=shape).astype(dtype), "y": rng.uniform(0.1, 2, shape).astype(dtype)}
        f = computers.compiled(SameDiff, graph, shape, dtype, "llvm")
        want = computers.compiled(SameDiff, graph, shape, "float64", "numpy")(feeds)
        for name, got in f(feeds).items():
            # Sums of terms of both signs: their roundings are those of the terms.
            scale = np.abs(want[name]).max(initial=np.sqrt(feeds["x"].size))
            assert np.abs(got - want[name]).max(initial=0.0) <= TOLERANCE[dtype] * scale, (name, shape)


@pytest.mark.parametrize("seed", first_and_slow(range(200, 206), 2))
def test_random_programs(seed, computer):
    report = judge(seed, ("llvm",))
    assert not report.failure, f"{report.failure}\n\n{report.source}"


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_rows_and_columns(dtype, computer):
    test_products.test_products_with_vectors(50, 40, dtype)
    test_picking.test_sparse_cross_entropy(8, 5, dtype, TOLERANCE[dtype], "int32")


def test_there_are_several_to_try():
    """One at least that is not this computer, wherever the tests run on x86-64."""
    assert "sse2" in computers.HERE or not machine.computer().is_x86_64


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_results_past_the_caches(dtype, computer, last_level):
    test_streams.test_same_bits_from_any_address(dtype, 1000, last_level)
    test_streams.test_rows_go_past_where_each_begins_with_a_line_or_is_long(1008, 4, last_level)
