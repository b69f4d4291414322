"""What reductions gather in lanes, and how lanes become one number."""

import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff

SIZES = [2, 3, 15, 16, 17, 63, 64, 65, 80, 130]


def reduced(op, dtype, shape, axis):
    sd = SameDiff("float64" if dtype == "float64" else "float32")
    x = sd.placeholder("x", shape, dtype)
    f = sd.compile(getattr(sd, op)(x, axis=axis), engine="llvm")
    return lambda a: next(iter(f(x=a).values()))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("op", ["max", "min"])
@pytest.mark.parametrize("axis", [None, 1])
def test_the_extreme_and_a_nan_are_found_in_every_lane(op, dtype, axis):
    rng = np.random.default_rng(0)
    for n in SIZES:
        f = reduced(op, dtype, (2, n), axis)
        a = rng.normal(size=(2, n)).astype(dtype)
        for special in (9.0 if op == "max" else -9.0, math.inf, -math.inf, math.nan):
            for k in {0, 1, n // 2, n - 1}:
                b = a.copy()
                b[1, k] = special
                want = getattr(np, op)(b, axis=axis)
                got = f(b)
                assert got.dtype == dtype
                assert np.array_equal(got, want, equal_nan=True), (n, k, special)


@pytest.mark.parametrize("op, worst", [("max", -math.inf), ("min", math.inf)])
def test_rows_of_the_worst_there_is(op, worst):
    for n in SIZES:
        assert np.array_equal(reduced(op, "float32", (3, n), 1)(np.full((3, n), worst, np.float32)), [worst] * 3)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sums_of_what_is_bounded_carry_a_nan(dtype):
    """Probabilities cannot add up to too much, so nothing is looked at; a NaN passes all the same."""
    rng = np.random.default_rng(1)
    sd = SameDiff("float64" if dtype == "float64" else "float32")
    x = sd.placeholder("x", (None,), dtype)
    f = sd.compile(sd.sum(sd.nn.sigmoid(x)), engine="llvm")
    for n in SIZES:
        a = rng.normal(size=n).astype(dtype)
        (got,) = f(x=a).values()
        tolerance = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-13}[dtype]
        np.testing.assert_allclose(got, (1 / (1 + np.exp(-a.astype("float64")))).sum(), rtol=tolerance)
        for k in {0, n // 2, n - 1}:
            b = a.copy()
            b[k] = math.nan
            assert np.isnan(next(iter(f(x=b).values())))


def test_sums_of_four_that_overflow_are_widened_first():
    for n in SIZES:
        a = np.tile(np.float32([3e38, -3e38]), n)
        order = np.argsort(np.tile([0, 1], n), kind="stable")  # All large ones, then all small ones.
        assert reduced("sum", "float32", (2 * n,), None)(a[order]) == 0
