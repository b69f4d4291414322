"""What a row keeps between its passes: in the memory of a result, in memory of its own, or nothing."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import sdgraph
from sdgraph import SameDiff
from sdgraph.plan.schedule import make_plan
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.divide.partition import divide
from sdgraph.run.engines.llvm.divide.segments import Segment
from sdgraph.run.engines.llvm.write import space
from sdgraph.run.engines.llvm.write.emit import phases_of

LONG = 50
"""Columns from which rows count as long here."""


@pytest.fixture(autouse=True)
def long_rows_are_not_that_long(monkeypatch):
    monkeypatch.setattr(space, "KEPT_ROW", LONG - 1)
    monkeypatch.setattr(segment, "SHARED", 0)
    monkeypatch.setattr(segment, "_codes", {})
    yield
    monkeypatch.setattr(threads, "_count", None)


def softmax(sd, x, y):
    return [sd.nn.softmax(x)]


def weighted(sd, x, y):
    loss = sd.sum(sd.nn.log_softmax(x) * y)
    return [loss, *sd.grad(loss, [x, y])]


def cross_entropy(sd, x, y):
    loss = sd.loss.softmax_cross_entropy(y, x)
    return [loss, sd.grad(loss, x)]


def two_softmaxes_for_one_result(sd, x, y):
    return [sd.nn.softmax(x) * sd.nn.softmax(y)]


def two_softmaxes_for_two_results(sd, x, y):
    return [sd.nn.softmax(x), sd.nn.softmax(y) + 1.0]


def column_sums_beside(sd, x, y):
    p = sd.nn.softmax(x)
    return [p, sd.sum(p * y, axis=0), sd.sum(p * y)]


def no_result_of_elements(sd, x, y):
    return [sd.sum(sd.nn.softmax(x) * y, axis=-1)]


def a_result_of_another_dtype(sd, x, y):
    return [sd.cast(sd.nn.softmax(x), "float16"), sd.gt(sd.nn.softmax(y), 0.01)]


GRAPHS = [
    softmax,
    weighted,
    cross_entropy,
    two_softmaxes_for_one_result,
    two_softmaxes_for_two_results,
    column_sums_beside,
    no_result_of_elements,
    a_result_of_another_dtype,
]


def values(graph, dtype, feeds, engine="llvm"):
    sd = SameDiff(dtype)
    outs = graph(sd, sd.placeholder("x", (None, None), dtype), sd.placeholder("y", (None, None), dtype))
    outs = [sd.identity(out, name=f"out{k}") for k, out in enumerate(outs)]
    return list(sd.compile(outs, engine=engine)(feeds).values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [LONG - 1, LONG, 64, 77, 300])
@pytest.mark.parametrize("graph", GRAPHS)
def test_values(graph, columns, dtype):
    rng = np.random.default_rng(columns)
    for rows in (1, 7, 300):
        x, y = rng.normal(size=(2, rows, columns)) * 3
        x[-1, 5:9] = x[-1].max()
        feeds = {"x": x.astype(dtype), "y": y.astype(dtype)}
        want = values(graph, "float64", {k: a.astype("float64") for k, a in feeds.items()}, "numpy")
        for got, right in zip(values(graph, dtype, feeds), want, strict=True):
            tolerance = {"float16": 1e-3, "float32": 3e-6, "float64": 1e-13, "bool": 0}[got.dtype.name]
            scale = max(np.abs(right).max(), 1e-30) * (np.sqrt(rows * columns) if np.ndim(right) < 2 else 1)
            assert np.abs(got.astype("float64") - right).max() <= tolerance * scale


@pytest.mark.parametrize("columns", [77, 300])
@pytest.mark.parametrize("graph", GRAPHS)
def test_bits_are_those_of_one_thread_and_of_what_is_computed_again(graph, columns, monkeypatch):
    rng = np.random.default_rng(1)
    feeds = {k: rng.normal(size=(200, columns)).astype("float32") for k in "xy"}
    sdgraph.set_num_threads(1)
    want = values(graph, "float32", feeds)
    for n in (2, 3):
        sdgraph.set_num_threads(n)
        for a, b in zip(values(graph, "float32", feeds), want, strict=True):
            assert np.array_equal(a, b)
    monkeypatch.setattr("sdgraph.run.engines.llvm.write.emit._COSTLY", 1 << 30)
    monkeypatch.setattr(segment, "_codes", {})
    for a, b in zip(values(graph, "float32", feeds), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7)


def passes(graph, columns):
    sd = SameDiff("float32")
    x, y = sd.placeholder("x", (6, columns)), sd.placeholder("y", (6, columns))
    outs = graph(sd, x, y)
    plan = make_plan(sd, [o.id for o in outs], {v.id: v.aval for v in (x, y)}, [str(k) for k in range(len(outs))])
    (segment_,) = [part for part in divide(plan).parts if isinstance(part, Segment)]
    found = []
    for region in segment_.regions:
        stored = {i for i in segment_.writes if region.level.get(i) in ("element", "row")}
        found += phases_of(region, stored)[0]
    exponentials = [sum(n.op == "math.exp" for one in phase.passes for n in one.elements) for phase in found]
    return sum(len(phase.homes) for phase in found), sum(exponentials)


@pytest.mark.parametrize(
    "graph, homes, once, again",
    [
        (softmax, 1, 1, 1),
        (cross_entropy, 1, 1, 1),
        (two_softmaxes_for_one_result, 1, 2, 3),
        (two_softmaxes_for_two_results, 2, 2, 2),
        (no_result_of_elements, 0, 1, 2),
        (a_result_of_another_dtype, 0, 2, 4),
    ],
)
def test_an_exponential_is_computed_again_only_where_a_long_row_has_no_room_for_it(graph, homes, once, again):
    assert passes(graph, LONG - 1) == (homes, once)
    assert passes(graph, LONG) == (homes, again)


@pytest.mark.parametrize("rows, columns", [(1, 9000), (3, 20001)])
def test_rows_that_are_really_long(rows, columns, monkeypatch):
    monkeypatch.undo()
    rng = np.random.default_rng(2)
    x = rng.normal(size=(rows, columns)).astype("float32")
    (got,) = values(softmax, "float32", {"x": x, "y": x[:, :1]})
    e = np.exp(x.astype("float64") - x.max(axis=-1, keepdims=True))
    np.testing.assert_allclose(got, e / e.sum(axis=-1, keepdims=True), rtol=1e-6)
