"""Sums of columns over blocks of rows: exact enough, and right where a sum of a few rows overflows."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

import sdgraph
from sdgraph import SameDiff
from sdgraph.run.engines import threads
from tests.run.engines.llvm import computers

COLUMNS = [1, 5, 32, 33, 63, 64, 65, 100, 128, 200, 321, 4200]
ROUNDINGS = 9
"""Of a sum of eight in its own type, and of the result."""


@pytest.fixture
def number_of_threads(monkeypatch):
    monkeypatch.setattr(threads, "_count", None)  # Put back afterwards.
    return sdgraph.set_num_threads


def compiled(dtype, outputs, **arrays):
    """``outputs`` of a graph, from placeholders of any number of rows."""
    sd = SameDiff("float64" if dtype == "float64" else "float32")
    given = {n: sd.placeholder(n, (None, *a.shape[1:]), dtype=a.dtype) for n, a in arrays.items()}
    wanted = outputs(sd, **given)
    f = sd.compile([*wanted.values()], engine="llvm")
    return lambda **feeds: dict(zip(wanted, f(feeds).values(), strict=True))


def assert_sums(got, values, axis: int | None = 0):
    """``got`` is the sum of ``values`` as far as roundings of a few allow."""
    wide = values.astype("float64")
    eps = np.finfo(got.dtype).eps
    with np.errstate(invalid="ignore"):
        want, sizes = wide.sum(axis), np.abs(wide).sum(axis)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite].astype(got.dtype))
    error = np.abs(got.astype("float64")[finite] - want[finite])
    assert (error <= ROUNDINGS * eps / 2 * sizes[finite]).all()


# ---------------------------------------------------------------------- sizes and types


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_any_number_of_rows(columns, dtype):
    rng = np.random.default_rng(columns)
    x = rng.normal(size=(300, columns)).astype(dtype)
    f = compiled(dtype, lambda sd, x: {"sum": sd.sum(x, 0), "negative": sd.sum(-x, 0), "all": sd.sum(x)}, x=x)
    for rows in (*range(21), 100, 300):
        got = f(x=x[:rows])
        assert_sums(got["sum"], x[:rows])
        assert_sums(got["negative"], -x[:rows])
        assert_sums(got["all"], x[:rows], axis=None)


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "bool"])
def test_integers_and_truths(columns, dtype):
    rng = np.random.default_rng(columns)
    x = rng.integers(0, 2 if dtype == "bool" else 100, (300, columns)).astype(dtype)

    def outputs(sd, x):
        truths = x if dtype == "bool" else x > 50
        return {"sum": sd.sum(x, 0), "count": sd.sum(truths, 0), "mean": sd.mean(sd.cast(x, "float32"), 0)}

    f = compiled(dtype, outputs, x=x)
    for rows in (1, 2, 7, 8, 9, 17, 300):
        got, part = f(x=x[:rows]), x[:rows].astype("int64")
        np.testing.assert_array_equal(got["sum"], part.sum(0))
        np.testing.assert_array_equal(got["count"], (part > (0 if dtype == "bool" else 50)).sum(0))
        np.testing.assert_allclose(got["mean"], part.mean(0), rtol=1e-6)


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_extremes(columns, dtype):
    rng = np.random.default_rng(columns)
    x = (100 * rng.normal(size=(60, columns))).astype(dtype)
    f = compiled(dtype, lambda sd, x: {"most": sd.max(x * 2, 0), "least": sd.min(x * 2, 0)}, x=x)
    for rows in (1, 7, 8, 9, 60):
        part = x[:rows].copy()
        if dtype != "int32":
            part[rows // 2, columns // 2], part[rows - 1, 0], part[0, columns - 1] = np.nan, np.inf, -np.inf
        got = f(x=part)
        np.testing.assert_array_equal(got["most"], (part * 2).max(0))
        np.testing.assert_array_equal(got["least"], (part * 2).min(0))


# ---------------------------------------------------------------------- numbers that are too large


def test_a_sum_that_overflows_on_the_way():
    """Not in double: each number is widened by itself there. What else the pass does is done once."""
    x = np.ones((40, 200), np.float32)
    large = {70: [3e38] * 4 + [-3e38] * 4, 130: [-3e38] * 4 + [3e38] * 3 + [1e38], 199: [3e38, 3e38, -3e38]}
    for column, few in large.items():
        x[:, column] = 0
        x[8 : 8 + len(few), column] = np.array(few)

    def outputs(sd, x):
        half = x * 0.5
        return {"sum": sd.sum(x, 0), "half": half, "all": sd.sum(half), "count": sd.sum(half > 0, 0)}

    got = compiled("float32", outputs, x=x)(x=x)
    np.testing.assert_array_equal(got["sum"], np.array([math.fsum(column) for column in x.T], np.float32))
    np.testing.assert_array_equal(got["half"], x * 0.5)
    np.testing.assert_array_equal(got["count"], (x > 0).sum(0))
    np.testing.assert_allclose(got["all"], math.fsum(x.flat) / 2, rtol=1e-6)


@pytest.mark.parametrize("row", range(19))
def test_infinities_and_nan_in_any_row(row):
    x = np.ones((19, 150), np.float32)
    x[row, 3], x[row, 40], x[row, 70], x[row, 149] = np.inf, -np.inf, np.nan, np.inf
    x[0 if row else 1, 149] = -np.inf
    got = compiled("float32", lambda sd, x: {"sum": sd.sum(x, 0), "all": sd.sum(x)}, x=x)(x=x)
    want = np.full(150, 19, np.float32)
    want[[3, 40, 70, 149]] = np.inf, -np.inf, np.nan, np.nan
    np.testing.assert_array_equal(got["sum"], want)
    assert np.isnan(got["all"])


def test_zeros_and_subnormal_numbers():
    least = np.float32(1e-45)
    x = np.zeros((16, 80), np.float32)
    x[:, 1], x[:, 2] = -0.0, least
    got = compiled("float32", lambda sd, x: {"sum": sd.sum(x, 0)}, x=x)(x=x)["sum"]
    want = np.zeros(80, np.float32)
    want[2] = 16 * least
    np.testing.assert_array_equal(got, want)
    assert not np.signbit(got).any()


NUMBERS = st.floats(width=32) | st.sampled_from([3e38, -3e38, 1e-45, 0.0, -0.0, np.inf, -np.inf, np.nan])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_the_numbers(data):
    rows, columns = data.draw(st.integers(1, 40)), data.draw(st.sampled_from([40, 64, 90, 150]))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(rows, columns)).astype(np.float32)
    places = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1), NUMBERS)
    for r, c, v in data.draw(st.lists(places, max_size=30)):
        x[r, c] = v
    f = compiled("float32", lambda sd, x: {"sum": sd.sum(x, 0), "kept": -x, "rows": sd.sum(sd.math.abs(x) > 1, 1)}, x=x)
    got = f(x=x)
    with np.errstate(over="ignore"):
        assert_sums(got["sum"], x)
    np.testing.assert_array_equal(got["kept"], -x)
    np.testing.assert_array_equal(got["rows"], (np.abs(x) > 1).sum(1))


# ---------------------------------------------------------------------- passes before


def normalised(x, gain, u, epsilon=1e-5):
    """Layer norm by its formula in double precision: value, and gradients of the sum of its product with u."""
    x, gain, u = (a.astype("float64") for a in (x, gain, u))
    spread = np.sqrt(x.var(1, keepdims=True) + epsilon)
    h = (x - x.mean(1, keepdims=True)) / spread
    ug = u * gain
    slope = (ug - ug.mean(1, keepdims=True) - h * (ug * h).mean(1, keepdims=True)) / spread
    return {"x": slope, "gain": (u * h).sum(0), "bias": u.sum(0)}


@pytest.mark.parametrize("columns", [33, 64, 100, 1000, 5000])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 21])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layer_norm(rows, columns, dtype):
    rng = np.random.default_rng(rows)
    x, u = rng.normal(size=(2, rows, columns)).astype(dtype)
    gain, bias = rng.normal(size=(2, columns)).astype(dtype)
    sd = SameDiff(dtype)
    v, g, b = sd.var("x", x), sd.var("gain", gain), sd.var("bias", bias)
    slopes = sd.grad(sd.sum(sd.nn.layer_norm(v, g, b) * u), [v, g, b])
    got = sd.compile(slopes, engine="llvm")({})
    tolerance = 3e-6 if dtype == "float32" else 1e-13
    for (name, want), value in zip(normalised(x, gain, u).items(), got.values(), strict=True):
        np.testing.assert_allclose(value, want, rtol=0, atol=tolerance * np.abs(want).max(), err_msg=name)


@pytest.mark.parametrize("columns", [33, 64, 100, 1000, 5000, 9000])
@pytest.mark.parametrize("rows", [1, 8, 21])
def test_exponentials_that_are_kept_for_several_rows(rows, columns):
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(2, rows, columns)).astype("float32")
    y = np.abs(y)
    sd = SameDiff()
    v, bias = sd.var("x", x), sd.var("bias", np.zeros(columns, "float32"))
    loss = sd.loss.softmax_cross_entropy(y, v + bias)
    got = [*sd.compile([loss, *sd.grad(loss, [v, bias])], engine="llvm")({}).values()]
    wide = x.astype("float64") - x.max(1, keepdims=True)
    p = np.exp(wide) / np.exp(wide).sum(1, keepdims=True)
    slope = (p * y.sum(1, keepdims=True) - y) / rows
    np.testing.assert_allclose(got[0], -(y * np.log(p)).sum(1).mean(), rtol=2e-6)
    for value, want in ((got[1], slope), (got[2], slope.sum(0))):
        np.testing.assert_allclose(value, want, rtol=0, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize("columns", [100, 1000, 9000])
def test_rows_beside_one_that_is_nan(columns):
    """Its sums are taken again row by row, when results have been written already."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 19, columns)).astype("float32")
    x[3, 7] = np.nan
    sd = SameDiff()
    v, bias = sd.var("x", x), sd.var("bias", np.zeros(columns, "float32"))
    loss = sd.loss.softmax_cross_entropy(y, v + bias)
    slope, sums = sd.compile(sd.grad(loss, [v, bias]), engine="llvm")({}).values()
    others = np.arange(19) != 3
    p = np.exp(x[others].astype("float64"))
    p /= p.sum(1, keepdims=True)
    want = (p * y[others].sum(1, keepdims=True) - y[others]) / 19
    assert np.isnan(slope[3]).all() and np.isnan(sums).all()
    np.testing.assert_allclose(slope[others], want, rtol=0, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize("columns", [40, 64, 200])
def test_sums_of_rows_and_columns_of_the_same_elements(columns):
    rng = np.random.default_rng(columns)
    x = rng.normal(size=(37, columns)).astype("float32")

    def outputs(sd, x):
        y = sd.math.square(x)
        root = sd.math.sqrt(sd.sum(y, 1, True))
        return {"rows": sd.sum(y, 1), "columns": sd.sum(y, 0), "shares": sd.sum(x / root, 0), "roots": root}

    got, wide = compiled("float32", outputs, x=x)(x=x), x.astype("float64")
    root = np.sqrt((wide**2).sum(1, keepdims=True))
    for name, want in {
        "rows": (wide**2).sum(1), "columns": (wide**2).sum(0), "shares": (wide / root).sum(0), "roots": root,
    }.items():  # fmt: skip
        np.testing.assert_allclose(got[name], want, rtol=0, atol=1e-6 * np.abs(want).max(), err_msg=name)


@pytest.mark.parametrize("name", computers.HERE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_of_a_row_is_found_again_among_the_columns(name, dtype, monkeypatch):
    """What is computed in two passes has the same bits in both, though rows are inside columns in one of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 150)).astype(dtype)

    with computers.on(computers.COMPUTERS[name], monkeypatch):
        sd = SameDiff(dtype)
        v, w = sd.placeholder("x", (None, 150)), sd.placeholder("w", (150,))
        # What is known of a divisor decides how it divides: of this one that it is at least 1.
        halves = sd.nn.sigmoid(v) / (1 + sd.nn.sigmoid(sd.sum(v, 1, True)))
        ratios = (sd.nn.softmax(v), halves, v / sd.sum(v * v, 1, True), sd.nn.sigmoid(v) / (1 + sd.math.exp(w)))
        counts = [sd.sum(sd.cast(sd.eq(y, sd.max(y, 1, True)), "int32"), 0) for y in ratios]
        got = sd.compile(counts, engine="llvm")(x=x, w=rng.normal(size=150).astype(dtype))
    assert [int(c.sum()) for c in got.values()] == [50, 50, 50, 50]


# ---------------------------------------------------------------------- memory and threads


def test_few_long_rows_take_little_memory():
    """Chunks have some of the columns then, so that there are not as many partial sums as elements."""
    x = np.ones((16, 400_000), np.float32)
    f = compiled("float32", lambda sd, x: {"sum": sd.sum(x, 0), "all": sd.sum(x)}, x=x)
    f(x=x)
    tracemalloc.start()
    got = f(x=x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 4
    assert (got["sum"] == 16).all() and got["all"] == x.size


@pytest.mark.parametrize("shape", [(3000, 300), (70, 9000), (17, 40_000)])
def test_the_same_bits_from_any_number_of_threads(shape, number_of_threads):
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(2, *shape)).astype("float32")
    x[shape[0] // 2, shape[1] // 2] = 3e38

    def outputs(sd, x, u):
        return {"a": sd.sum(sd.nn.layer_norm(x) * u, 0), "b": sd.sum(sd.math.tanh(x), 0), "c": sd.sum(x * u)}

    def sums(sd, x, u):
        return {"a": sd.sum(x, 0), "b": sd.sum(x * u), "c": sd.nn.relu(x)}

    for f in (compiled("float32", outputs, x=x, u=u), compiled("float32", sums, x=x, u=u)):
        number_of_threads(1)
        want = f(x=x, u=u)
        for count in (2, 3, 7):
            number_of_threads(count)
            got = f(x=x, u=u)
            assert all(got[n].tobytes() == want[n].tobytes() for n in want), count
