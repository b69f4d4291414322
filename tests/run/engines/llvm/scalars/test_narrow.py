"""Conversions that lose something: halves and integers made from floats in compiled code."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from scipy import special

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.scalars import narrow

needs_half = pytest.mark.skipif(not narrow.has_half(), reason="this CPU does not convert halves")


def cast(x, dtype):
    """A cast in compiled code, and that it was compiled."""
    sd = SameDiff("float64")
    f = sd.compile(sd.cast(sd.placeholder("x", shape=x.shape, dtype=x.dtype), dtype, name="y"), engine="llvm")
    y = f(x=x)["y"]
    assert "numpy" not in f.plan.notes
    assert y.dtype == dtype
    return y


@needs_half
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_half_survives(dtype):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    wide = cast(halves, dtype)
    assert np.array_equal(wide, halves.astype(dtype), equal_nan=True)
    back = cast(wide, "float16")
    assert np.array_equal(back, halves, equal_nan=True)
    assert np.array_equal(np.signbit(back), np.signbit(halves))


@needs_half
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_halves_are_rounded_once(dtype):
    rng = np.random.default_rng(0)
    halves = np.arange(2**15, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].astype(dtype)
    middle = (halves[:-1] + halves[1:]) / 2
    # A step of a double beside the middle is lost in a float, which then lies in the middle itself.
    beside = [np.nextafter(middle, dtype(0)), np.nextafter(middle, dtype(np.inf))]
    far = (2.0 ** rng.uniform(-140, 100, 2000)).astype(dtype)
    limits = np.array([65504, 65519.99, 65520, 65520.01, 2.0**-25, 2.0**-25 * 1.000001, 0, np.inf], dtype)
    x = np.concatenate([middle, *beside, far, limits, [dtype(np.nan)]])
    x = np.concatenate([x, -x])
    with np.errstate(over="ignore"):
        want = x.astype(np.float16)
    got = cast(x, "float16")
    assert np.array_equal(got, want, equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(want))


@needs_half
def test_a_sum_of_halves_neither_overflows_nor_stalls_on_the_way():
    x = np.concatenate([np.full(5000, 60000), np.full(5000, -60000), np.full(5000, 0.25)]).astype(np.float16)
    sd = SameDiff("float16")
    v = sd.placeholder("x", shape=(None,))
    f = sd.compile([sd.sum(v, name="total"), sd.max(v, name="most")], engine="llvm")
    got = f(x=x)
    assert "numpy" not in f.plan.notes
    assert got["total"].dtype == got["most"].dtype == np.float16
    assert (got["total"], got["most"]) == (1250, 60000)


@needs_half
@pytest.mark.parametrize("shape", [(40,), (3, 50), (50, 3), (6, 1)])
def test_losses_of_halves(shape):
    rng = np.random.default_rng(5)
    sd = SameDiff("float16")
    y, x = sd.placeholder("y", shape=shape), sd.placeholder("x", shape=shape)
    w = sd.placeholder("w", shape=shape)
    losses = [
        sd.loss.mean_squared_error(y, x, w, name="mse"),
        sd.loss.sigmoid_cross_entropy(y, x, w, name="sce"),
        sd.loss.huber_loss(y, x, w, name="huber"),
    ]
    if len(shape) == 2:
        losses.append(sd.loss.softmax_cross_entropy(y, x, name="softmax"))
    outs = [*losses, *(sd.grad(v, x) for v in losses)]
    feeds = {k: rng.uniform(0.1, 1, shape).astype(np.float16) for k in "xyw"}
    got, want = (sd.compile(outs, engine=e)(feeds) for e in ("llvm", "numpy"))
    for name, a in want.items():
        assert got[name].dtype == np.float16
        scale = np.abs(a.astype(float)).max()
        assert np.abs(got[name].astype(float) - a.astype(float)).max() <= 4 * np.finfo(np.float16).eps * scale, name


@needs_half
def test_a_product_of_halves_is_rounded_once():
    rng = np.random.default_rng(0)
    matrix, vector = rng.uniform(-300, 300, (7, 90)), rng.uniform(-300, 300, 90)
    sd = SameDiff("float16")
    x, y = sd.placeholder("x", shape=(7, 90)), sd.placeholder("y", shape=(90,))
    f = sd.compile(sd.linalg.matmul(x, y, name="z"), engine="llvm")
    feeds = {"x": (matrix / 16).astype(np.float16), "y": (vector / 16).astype(np.float16)}
    feeds["x"][0, :2], feeds["y"][:2] = (60000, -60000), 3  # Each product alone is too large for a half.
    got = f(feeds)["z"]
    with np.errstate(over="ignore"):
        want = (feeds["x"].astype(float) @ feeds["y"].astype(float)).astype(np.float16)
    assert "numpy" not in f.plan.notes
    assert np.array_equal(got, want)


INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("new", INTEGERS)
@pytest.mark.parametrize("old", ["float16", "float32", "float64"])
def test_floats_in_range_become_integers_exactly(old, new):
    if old == "float16" and not narrow.has_half():
        pytest.skip("this CPU does not convert halves")
    info, limit = np.iinfo(new), float(np.finfo(old).max)
    low, high = max(float(info.min), -limit), min(float(info.max), limit)
    rng = np.random.default_rng(0)
    spread = rng.uniform(low / 2, high / 2, 60) * 2 * rng.choice([1, 1e-3, 1e-6], 60)
    ends = [low, high / 2, high / 2 + 1, np.nextafter(high, 0), info.max // 3, 0.9, -0.9, 1.5, -0.0]
    with np.errstate(over="ignore"):
        x = np.concatenate([spread, ends]).astype(old)
    x = x[(np.trunc(x.astype(float)) >= info.min) & (x.astype(float) < 2.0 ** (info.bits - (info.min < 0)))]
    assert x.size > 40
    assert cast(x, new).tolist() == [int(v) for v in x]


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_what_is_no_integer_becomes_the_smallest_one(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30])
    assert np.all(cast(x, dtype) == np.iinfo(dtype).min)


@needs_half
@pytest.mark.parametrize("classes", [7, 40, 65536, 70000])
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_probabilities_of_halves_are_added_up_in_single_precision(op, classes):
    sd = SameDiff("float16")
    x = sd.placeholder("x", shape=(None, classes))
    f = sd.compile(sd.identity(getattr(sd.nn, op)(x), name="y"), engine="llvm")
    drawn = np.random.default_rng(0).normal(size=(3, classes)).astype(np.float16)
    for rows in (drawn, np.zeros((1, classes), np.float16)):
        true = getattr(special, op)(rows.astype(np.float64), axis=1)
        got = f(x=rows)["y"]
        assert got.dtype == np.float16
        # To the nearest half, but for what rounding to single precision before may tip over.
        half_a_digit = 0.5 * np.spacing(np.abs(true).astype(np.float16)).astype(np.float64)
        assert np.all(np.abs(got - true) <= 1.01 * half_a_digit)
    assert "numpy" not in f.plan.notes
