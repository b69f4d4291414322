"""The fused engine on a CPU without long registers and special instructions."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.scalars import libm, narrow
from sdgraph.run.engines.llvm.translate import machine
from tests.fuzz.__main__ import judge
from tests.groups import first_and_slow
from tests.run.engines.llvm import test_streams
from tests.run.engines.llvm.divide import test_products
from tests.run.engines.llvm.scalars import test_functions, test_libm

pytestmark = pytest.mark.usefixtures("plain_cpu")


def test_registers_are_short_and_there_are_no_special_instructions():
    assert machine.computer().lanes(4) == 4
    assert not machine.computer().features


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", test_functions.TRUE)
def test_functions_are_as_accurate(name, dtype):
    test_functions.test_within_the_bound(name, dtype)
    test_functions.test_special_values_are_those_of_the_numpy_engine(name, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sin", "atanh", "erfc", "pow"])
def test_library_functions_are_as_accurate(name, dtype):
    check = test_libm.test_two_operands_within_four_units_in_the_last_place
    if name in test_libm.ONE:
        check = test_libm.test_one_operand_within_four_units_in_the_last_place
    check(name, dtype, None)
    test_libm.test_special_values_are_those_of_the_numpy_engine(name, dtype, None)


def test_vector_functions_are_short_ones():
    assert libm.vector_symbol("sin", "float", 16, 1) is None
    assert libm.vector_symbol("sin", "float", 8, 1) is None


def test_halves_are_left_to_numpy():
    if machine.computer().is_arm64:
        pytest.skip("every CPU of this kind converts halves")
    assert not narrow.has_half()
    sd = SameDiff("float16")
    f = sd.compile(sd.math.exp(sd.placeholder("x", shape=(3,)), name="y"), engine="llvm")
    assert np.array_equal(f(x=np.zeros(3, np.float16))["y"], np.ones(3))
    assert "numpy" in f.plan.notes


@pytest.mark.parametrize("seed", first_and_slow(range(100, 115), 5))
def test_random_programs(seed):
    report = judge(seed, ("llvm",))
    assert not report.failure, f"{report.failure}\n\n{report.source}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors(dtype):
    test_products.test_products_with_vectors(50, 40, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_past_the_caches(dtype, last_level):
    test_streams.test_same_bits_from_any_address(dtype, 1000, last_level)
    test_streams.test_rows_go_past_where_each_begins_with_a_line_or_is_long(1008, 4, last_level)
