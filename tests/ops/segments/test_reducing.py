"""Segments: what empty ones hold, errors, products with zeros in every order, and rows that must not meet."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import LabelError
from sdgraph.testing import check_grads

ENGINES = ("numpy", "llvm")
SORTED = {"max": 0, "min": 0, "mean": 0, "prod": 1, "sum": 0}
DATA, IDS = np.array([[1.0, -2.0], [3.0, 4.0], [-5.0, 0.5]]), np.array([0, 0, 2])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int64"])
@pytest.mark.parametrize("name", SORTED)
def test_empty_segments_of_sorted_ids(name, dtype):
    out = getattr(SameDiff(), f"segment_{name}")(DATA.astype(dtype), IDS, 4).eval()
    assert (out[[1, 3]] == SORTED[name]).all() and out.shape == (4, 2)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "bool"])
def test_empty_segments_of_ids_in_any_order(dtype):
    sd, data = SameDiff(), np.abs(DATA).astype(dtype)
    limits = {"b": (False, True)}.get(data.dtype.kind)
    if limits is None:
        info = np.finfo(dtype) if data.dtype.kind == "f" else np.iinfo(dtype)
        limits = info.min, info.max
    for name, end in zip(("max", "min"), limits, strict=True):
        out = getattr(sd, f"unsorted_segment_{name}")(data, [2, 0, 2], 4).eval()
        assert out.dtype == data.dtype and (out[[1, 3]] == end).all()
    assert (sd.unsorted_segment_prod(data, [2, 0, 2], 4).eval()[1] == 1).all()
    assert (sd.unsorted_segment_sqrt_n(data, [2, 0, 2], 4).eval()[1] == 0).all()


def test_infinities_are_found_and_nan_stays_in_its_segment():
    sd = SameDiff()
    data = np.array([-np.inf, np.nan, 1.0, 2.0])
    for name in ("max", "min", "prod", "mean"):
        out = getattr(sd, f"unsorted_segment_{name}")(data, [0, 1, 2, 2], 3).eval()
        assert out[0] == -np.inf and np.isnan(out[1]) and np.isfinite(out[2])


def test_ids_that_are_wrong():
    sd = SameDiff()
    for name in ("max", "min", "mean", "prod"):
        with pytest.raises(LabelError, match="Segment id 0 at position 1 is smaller"):
            getattr(sd, f"segment_{name}")(DATA, [1, 0, 1], 2).eval()
        with pytest.raises(LabelError, match="Segment id 5"):
            getattr(sd, f"unsorted_segment_{name}")(DATA, [1, 0, 5], 2).eval()


@pytest.mark.parametrize("engine", ENGINES)
def test_products_with_zeros_in_every_order(engine):
    """Against the polynomial itself: x0 x2 x3 and x1 x4."""
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [0.0, 0.0, 0.0, 2.0, 3.0])
    y = sd.sum(sd.unsorted_segment_prod(x, [0, 1, 0, 0, 1], 2) * np.array([1.0, 10.0]))
    plain = x[0] * x[2] * x[3] + 10.0 * x[1] * x[4]
    for _ in range(3):
        weights = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
        y, plain = (sd.sum(sd.grad(v, x) * weights) for v in (y, plain))
        assert y.eval(engine=engine) == plain.eval(engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["max", "min", "mean", "prod", "sqrt_n"])
def test_rows_of_segments_that_do_not_count_leave_nothing(engine, name):
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [1.0, np.nan, 3.0, np.inf])
    y = getattr(sd, f"unsorted_segment_{name}")(x, [0, 1, 0, 1], 2)
    taken = sd.where(np.array([True, False]), y * y, 0.0)
    g = sd.grad(sd.sum(taken), x).eval(engine=engine)
    assert (g[[1, 3]] == 0).all() and np.isfinite(g).all() and g.any()
    second = sd.grad(sd.sum(sd.grad(sd.sum(taken), x) ** 2), x).eval(engine=engine)
    assert (second[[1, 3]] == 0).all() and np.isfinite(second).all()


def test_halves_are_rounded_once():
    sd, many = SameDiff(dtype="float16"), np.ones(3000, np.float16)
    ids = np.zeros(3000, np.int64)
    assert sd.unsorted_segment_mean(many, ids, 1).eval() == [1]
    assert sd.unsorted_segment_prod(np.full(20, 1.05, np.float16), ids[:20], 1).eval() == np.float16(
        np.prod(np.full(20, 1.05, np.float16), dtype=np.float32)
    )


def test_a_matrix_of_ids_and_unknown_sizes():
    sd = SameDiff(dtype="float64")
    x, ids = sd.placeholder("x", (None, None, 2)), sd.placeholder("ids", (None, None), "int64")
    y = sd.unsorted_segment_prod(x, ids, 3)
    feeds = {"x": np.arange(1.0, 13.0).reshape(2, 3, 2), "ids": np.array([[0, 1, 0], [2, 2, 0]])}
    assert y.shape == (3, 2)
    assert check_grads(y, feeds, ["x"], order=2) < 1e-6
