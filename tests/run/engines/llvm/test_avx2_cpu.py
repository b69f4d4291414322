"""The fused engine on a CPU with AVX2 and nothing newer."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph.run.engines.llvm.scalars import special
from sdgraph.run.engines.llvm.translate import machine
from tests.fuzz.__main__ import judge
from tests.run.engines.llvm.divide import test_picking, test_products
from tests.run.engines.llvm.scalars import test_functions

pytestmark = pytest.mark.usefixtures("avx2_cpu")


def test_registers_have_256_bits():
    assert machine.lanes(4) == 8
    assert not {special.SHORT, special.LONG} & machine.features()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", test_functions.TRUE)
def test_functions_are_as_accurate(name, dtype):
    test_functions.test_within_four_units_in_the_last_place(name, dtype)
    test_functions.test_special_values_are_those_of_the_numpy_engine(name, dtype)


@pytest.mark.parametrize("seed", range(200, 212))
def test_random_programs(seed):
    report = judge(seed, ("llvm",))
    assert not report.failure, f"{report.failure}\n\n{report.source}"


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-13)])
def test_rows_and_columns(dtype, tolerance):
    test_products.test_products_with_vectors(50, 40, dtype)
    test_picking.test_sparse_cross_entropy(8, 5, dtype, tolerance, "int32")
