"""Rows across lanes: values, sums of rows and of columns, for all short rows and all types."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st

import sdgraph
from sdgraph import SameDiff
from sdgraph.run.engines import threads
from tests.run.engines.llvm import computers

TOLERANCE = {"float16": 2e-3, "float32": 3e-6, "float64": 1e-13}
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def graph(dtype, integer, columns):
    """Everything that is read, written or added up by rows, by columns and by elements."""
    sd = SameDiff(dtype)
    x = sd.placeholder("x", shape=(None, columns))
    k = sd.placeholder("k", shape=(None, columns), dtype=integer)
    t = sd.placeholder("t", shape=(None, columns), dtype="bool")
    row = sd.placeholder("row", shape=(None, 1))
    column = sd.placeholder("column", shape=(columns,))
    y = sd.where(t, x * row + column, x)
    p = sd.nn.softmax(y)
    out = {
        "y": y,
        "p": p,
        "rows": sd.sum(y * p, axis=-1),
        "columns": sd.sum(y, axis=0),
        "largest": sd.max(y, axis=-1),
        "least": sd.min(x, axis=0),
        "twice": k + k,
        "many": sd.sum(k, axis=0),
        "few": sd.sum(t, axis=-1),
        "above": x > sd.mean(y, axis=-1, keepdims=True),
        "all": sd.sum(y),
    }
    return sd.compile([sd.identity(v, name=name) for name, v in out.items()], engine="llvm")


def arrays(rows, columns, dtype, integer, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=(rows, columns)).astype(dtype),
        "k": rng.integers(0, 50, (rows, columns)).astype(integer),
        "t": rng.random((rows, columns)) < 0.5,
        "row": rng.normal(size=(rows, 1)).astype(dtype),
        "column": rng.normal(size=columns).astype(dtype),
    }


def reference(feeds, dtype):
    """In double precision, rounded where a value has a place of its own."""
    x, row, column = (feeds[k].astype(np.float64) for k in ("x", "row", "column"))
    k, t = feeds["k"].astype(np.int64), feeds["t"]
    y = np.where(t, x * row + column, x)
    e = np.exp(y - y.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return {
        "y": y,
        "p": p,
        "rows": (y * p).sum(-1),
        "columns": y.sum(0),
        "largest": y.max(-1),
        "least": x.min(0),
        "twice": k + k,
        "many": k.sum(0),
        "few": t.sum(-1),
        "above": x > y.mean(-1, keepdims=True),
        "all": y.sum(),
    }


def check(rows, columns, dtype, integer, seed=0):
    feeds = arrays(rows, columns, dtype, integer, seed)
    got = graph(dtype, integer, columns)(feeds)
    for name, want in reference(feeds, dtype).items():
        if name == "above":
            edge = np.abs(feeds["x"] - reference(feeds, dtype)["y"].mean(-1, keepdims=True)) < 10 * TOLERANCE[dtype]
            assert np.array_equal(got[name] | edge, want | edge)
        elif want.dtype.kind == "f":
            # Sums of terms of both signs: their roundings are those of the terms.
            scale = max(1.0, np.sqrt(feeds["x"].size / np.size(want)))
            np.testing.assert_allclose(got[name], want, rtol=TOLERANCE[dtype], atol=4 * TOLERANCE[dtype] * scale)
        else:
            assert np.array_equal(got[name], want), name


@pytest.mark.parametrize("columns", range(1, 101))
def test_all_lengths_of_short_rows(columns):
    for rows in (1, 2, 15, 16, 17, 33):
        check(rows, columns, "float32", "int32")


@pytest.mark.parametrize("integer", INTEGERS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_all_types(dtype, integer):
    for rows, columns in ((5, 2), (3, 3), (17, 4), (16, 7), (9, 10), (33, 31)):
        check(rows, columns, dtype, integer)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 300),
    columns=st.integers(2, 110),
    dtype=st.sampled_from(list(TOLERANCE)),
    integer=st.sampled_from(INTEGERS),
    seed=st.integers(0, 99),
)
def test_any_rows(rows, columns, dtype, integer, seed):
    check(rows, columns, dtype, integer, seed)


@pytest.mark.parametrize("name", computers.HERE)
def test_on_other_computers(name, monkeypatch):
    with computers.on(computers.COMPUTERS[name], monkeypatch):
        for dtype in ("float32", "float64"):
            for rows, columns in ((5, 2), (3, 3), (17, 4), (16, 7), (9, 10), (33, 31), (40, 70)):
                check(rows, columns, dtype, "int64")
                check(rows, columns, dtype, "uint8")


@pytest.mark.parametrize("shape", [(0, 3), (0, 10), (3, 0)])
def test_nothing(shape):
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None, shape[1]))
    f = sd.compile([sd.identity(x * 2 + sd.sum(x, axis=-1, keepdims=True), name="y")], engine="llvm")
    assert f(x=np.zeros(shape, np.float32))["y"].shape == shape


@pytest.mark.parametrize("columns", [3, 10, 31, 64])
def test_every_number_of_threads_gives_the_same_bits(columns, monkeypatch):
    monkeypatch.setattr(threads, "_count", None)  # Put back afterwards.
    feeds = arrays(300000 // columns, columns, "float32", "int32")
    f = graph("float32", "int32", columns)
    results = []
    for n in (1, 2, 3):
        sdgraph.set_num_threads(n)
        results.append(f(feeds))
    for other in results[1:]:
        assert all(np.array_equal(results[0][k], other[k]) for k in other)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38, 1e-45, -0.0])
@pytest.mark.parametrize("columns", [2, 3, 5, 33])
def test_strange_numbers_stay_in_their_row(columns, bad):
    rng = np.random.default_rng(columns)
    x = rng.normal(size=(19, columns)).astype(np.float32)
    x[7, columns - 1] = x[18, 0] = bad
    sd = SameDiff()
    v = sd.placeholder("x", shape=(None, columns))
    outs = [v + 0.0, sd.max(v, axis=-1), sd.sum(v, axis=-1), sd.sum(v, axis=0), sd.nn.softmax(v)]
    outs = [sd.identity(o, name=f"out{k}") for k, o in enumerate(outs)]
    got, want = (list(sd.compile(outs, engine=engine)(x=x).values()) for engine in ("llvm", "numpy"))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)
    fine = np.delete(np.arange(19), [7, 18])
    assert np.isfinite(got[4][fine]).all()


def test_many_arrays():
    """Local memory for all arrays of a group of rows stands on the stack, so there may be too many to turn them."""
    sd = SameDiff()
    xs = [sd.placeholder(f"x{k}", shape=(None, 30)) for k in range(150)]
    y = xs[0]
    for x in xs[1:]:
        y = y * 0.5 + x
    f = sd.compile([sd.identity(y - sd.sum(y, axis=-1, keepdims=True), name="y")], engine="llvm")
    feeds = {f"x{k}": np.full((20, 30), k % 7, np.float32) for k in range(150)}
    want = 0.0
    for k in range(150):
        want = want * 0.5 + k % 7
    np.testing.assert_allclose(f(feeds)["y"], np.full((20, 30), want - 30 * want), rtol=1e-5)
