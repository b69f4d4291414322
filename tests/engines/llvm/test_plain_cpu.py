"""The fused engine on a CPU without long registers and special instructions."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph.engines.llvm import machine
from tests.engines.llvm import test_functions, test_products, test_random_graphs

pytestmark = pytest.mark.usefixtures("plain_cpu")


def test_registers_are_short_and_there_are_no_special_instructions():
    assert machine.lanes(4) == 4
    assert not machine.features()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", test_functions.TRUE)
def test_functions_are_as_accurate(name, dtype):
    test_functions.test_within_four_units_in_the_last_place(name, dtype)
    test_functions.test_special_values_are_those_of_the_numpy_engine(name, dtype)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("seed", range(100, 115))
def test_graphs(seed, dtype, tolerance):
    test_random_graphs.compare(seed, dtype, tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors(dtype):
    test_products.test_products_with_vectors(50, 40, dtype)
