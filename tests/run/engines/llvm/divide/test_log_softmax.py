"""Sums of weighted logarithms of softmax, and single entries of one: the values are those of the numpy engine."""

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.plan.schedule import make_plan
from sdgraph.run.engines.llvm.divide.partition import divide
from sdgraph.run.engines.llvm.divide.phases import Manner, schedule
from sdgraph.run.engines.llvm.divide.segments import Segment

INF, NAN = math.inf, math.nan
WEIGHTED = {
    "guarded": lambda sd, x, y: sd.loss.softmax_cross_entropy(y, x),
    "of rows": lambda sd, x, y: sd.sum(sd.nn.log_softmax(x) * y, axis=-1),
    "with kept axis": lambda sd, x, y: sd.sum(y * sd.nn.log_softmax(x), axis=-1, keepdims=True),
    "of all": lambda sd, x, y: sd.sum(y * -sd.nn.log_softmax(x)),
    "negated twice": lambda sd, x, y: sd.sum(-(0.0 - sd.nn.log_softmax(x)) * y, axis=1),
    "guarded by weights": lambda sd, x, y: sd.sum(sd.math.multiply_no_nan(sd.nn.log_softmax(x), y), axis=1),
    "guarded by logarithms": lambda sd, x, y: sd.sum(sd.math.multiply_no_nan(y, sd.nn.log_softmax(x)), axis=1),
    "weighted by themselves": lambda sd, x, y: sd.sum(sd.nn.log_softmax(x) * sd.nn.log_softmax(x) * y, axis=1),
    "two weights": lambda sd, x, y: sd.sum(sd.nn.log_softmax(x) * y * y, axis=1),
    "over columns": lambda sd, x, y: sd.sum(sd.nn.log_softmax(x) * y, axis=0),
}


def compiled(loss, engine, dtype, gradients):
    sd = SameDiff(dtype)
    x, y = sd.placeholder("x", (None, None)), sd.placeholder("y", (None, None))
    out = sd.identity(loss(sd, x, y), name="out")
    return sd.compile([out, *(sd.grad(sd.sum(out), [x, y]) if gradients else [])], engine=engine)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_values_and_gradients(name, dtype):
    rng = np.random.default_rng(0)
    f = compiled(WEIGHTED[name], "llvm", dtype, gradients=True)
    right = compiled(WEIGHTED[name], "numpy", "float64", gradients=True)
    for shape in ((1, 2), (5, 3), (7, 40), (3, 100), (2, 1001)):
        for scale in (0.1, 3.0, 200.0):
            x = rng.normal(size=shape).astype(dtype) * np.dtype(dtype).type(scale)
            y = rng.normal(size=shape).astype(dtype)
            x[0, 1] = x[0].max()  # A tie.
            want = right(x=x.astype("float64"), y=y.astype("float64"))
            for key, got in f(x=x, y=y).items():
                terms = np.abs(y).astype("float64").sum() * (np.abs(x).max() + 10) ** (2 if "themselves" in name else 1)
                tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype]
                assert np.abs(got - want[key]).max() <= tolerance * terms, (key, shape, scale)


SPECIAL_X = [
    (0, 1, 2),
    (0, 0, 0),
    (5, INF, 1),
    (5, -INF, 1),
    (-INF, -INF, -INF),
    (NAN, 1, 2),
    (400, 0, 0),
    (INF, INF, 0),
]
SPECIAL_Y = [
    (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -1, 0), (-0.0, 0, 0), (INF, 0, 0), (0, INF, 0), (0, 0, -INF),
    (INF, -INF, 0), (NAN, 0, 0), (0, 0.5, 0.5), (INF, 1, 1), (1e30, 0, 1),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("columns", [3, 40])
def test_special_numbers(name, dtype, columns):
    """Short rows, and long ones whose other elements are far below."""
    pairs = list(itertools.product(SPECIAL_X, SPECIAL_Y))
    x, y = np.full((len(pairs), columns), -1.0, dtype), np.zeros((len(pairs), columns), dtype)
    x[:, :3], y[:, :3] = [p[0] for p in pairs], [p[1] for p in pairs]
    f, right = (compiled(WEIGHTED[name], engine, dtype, gradients=False) for engine in ("llvm", "numpy"))
    for k in range(len(pairs)):
        with np.errstate(all="ignore"):
            (want,) = right(x=x[k : k + 1], y=y[k : k + 1]).values()
        (got,) = f(x=x[k : k + 1], y=y[k : k + 1]).values()
        np.testing.assert_allclose(got, want, rtol=1e-5, err_msg=str(pairs[k]))
    if name not in ("guarded", "of all", "over columns"):
        with np.errstate(all="ignore"):
            (want,) = right(x=x, y=y).values()
        (got,) = f(x=x, y=y).values()
        np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("special", SPECIAL_X)
def test_entries_of_special_rows(special, negative):
    for label in range(3):
        results = []
        for engine in ("llvm", "numpy"):
            sd = SameDiff("float32")
            x, k = sd.placeholder("x", (1, 3)), sd.placeholder("k", (1,), "int32")
            logs = sd.nn.log_softmax(x)
            logs = 0.0 - logs if negative else logs
            out = sd.loss.sparse_softmax_cross_entropy(-logs, k) + sd.sum(logs, axis=-1)
            f = sd.compile([out, sd.grad(sd.sum(sd.loss.sparse_softmax_cross_entropy(x, k)), x)], engine=engine)
            with np.errstate(all="ignore"):
                results.append(list(f(x=np.float32([special]), k=np.int32([label])).values()))
        for got, want in zip(*results, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def of_picked(sd, x, k, w):
    return sd.sum(sd.loss.sparse_softmax_cross_entropy(x, k) * w)


def of_picked_mean(sd, x, k, w):
    return sd.mean(sd.loss.sparse_softmax_cross_entropy(x, k)) + sd.sum(w)


def of_picked_and_all(sd, x, k, w):
    return sd.sum(sd.loss.sparse_softmax_cross_entropy(x, k) * w) + 0.1 * sd.sum(sd.nn.log_softmax(x))


def of_two_pickings(sd, x, k, w):
    logs = sd.nn.log_softmax(x)
    return of_picked(sd, x, k, w) + of_picked(sd, logs * 2.0, k, w)


def gradient_of(loss, engine, dtype):
    sd = SameDiff(dtype)
    x, k, w = sd.placeholder("x", (None, None)), sd.placeholder("k", (None,), "int32"), sd.placeholder("w", (None,))
    return sd.compile(sd.grad(loss(sd, x, k, w), x), engine=engine)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [3, 40, 150])
@pytest.mark.parametrize("loss", [of_picked, of_picked_mean, of_picked_and_all, of_two_pickings])
def test_gradients_of_picked_entries(loss, columns, dtype):
    rng = np.random.default_rng(0)
    f, right = gradient_of(loss, "llvm", dtype), gradient_of(loss, "numpy", "float64")
    for rows in (2, 30):
        x = (rng.normal(size=(rows, columns)) * 5).astype(dtype)
        x[1, 1] = 60  # A sure row: the gradient at its label is of the size of the others' probabilities.
        k, w = rng.integers(0, columns, rows).astype("int32"), rng.normal(size=rows).astype(dtype)
        k[1] = 1
        (got,), (want,) = f(x=x, k=k, w=w).values(), right(x=x, k=k, w=w).values()
        tolerance = 3e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * (loss is not of_picked))


@pytest.mark.parametrize("weight", [0.0, 2.0, INF, -INF, NAN])
@pytest.mark.parametrize("loss", [of_picked, of_picked_mean])
def test_gradients_of_picked_entries_with_special_numbers(loss, weight):
    x = np.float32(SPECIAL_X)
    f, right = (gradient_of(loss, engine, "float32") for engine in ("llvm", "numpy"))
    for label in range(3):
        feeds = {"x": x, "k": np.full(len(x), label, np.int32), "w": np.full(len(x), weight, np.float32)}
        with np.errstate(all="ignore"):
            (want,) = right(feeds).values()
        (got,) = f(feeds).values()
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-30)


def test_the_gradient_of_a_picked_entry_takes_one_product_besides_probabilities():
    phase, _ = passes(lambda sd, x, y: sd.mean(sd.loss.sparse_softmax_cross_entropy(x, y)), ((6,), "int32"))
    assert [n.op for n in phase.passes[-1].elements].count("math.mul") == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 7), (1, 20001), (2, 9000), (40, 3), (5, 130)])
def test_a_picked_entry_is_found_wherever_it_is(shape, dtype):
    rows, columns = shape
    rng = np.random.default_rng(3)
    sd = SameDiff("float64" if dtype == "float64" else "float32")
    x, k = sd.placeholder("x", shape, dtype), sd.placeholder("k", (rows,), "int32")
    f = sd.compile(sd.loss.sparse_softmax_cross_entropy(x, k), engine="llvm")
    a = (rng.normal(size=shape) * 4).astype(dtype)
    wide = a.astype("float64")
    logs = wide - wide.max(axis=-1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=-1, keepdims=True))
    for label in {0, 1, columns // 2, columns - 2, columns - 1}:
        (got,) = f(x=a, k=np.full(rows, label, np.int32)).values()
        tolerance = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-13}[dtype]
        np.testing.assert_allclose(got, -logs[:, label], rtol=tolerance, atol=tolerance)


def passes(loss, labels):
    """The passes over a row of value and gradient, and which of them read the logits."""
    sd = SameDiff("float32")
    x = sd.placeholder("x", (6, 100))
    y = sd.placeholder("y", *labels)
    out = loss(sd, x, y)
    gradient = sd.grad(sd.sum(out), x)
    plan = make_plan(sd, [out.id, gradient.id], {v.id: v.aval for v in (x, y)}, ["out", "gradient"])
    (segment,) = [part for part in divide(plan).parts if isinstance(part, Segment)]
    (region,) = segment.regions
    (phase,), _ = schedule(region, [plan.outs[1]], Manner(lambda n: n.op == "math.exp", apart=True, sweeps=True))
    logits = next(slot for slot, node in plan.feeds if node == x.id)
    reads = [{x.value for n in (*one.elements, *one.sums) for x in n.operands} for one in phase.passes]
    return phase, [logits in one for one in reads]


@pytest.mark.parametrize(
    "loss, labels",
    [
        (lambda sd, x, y: sd.loss.softmax_cross_entropy(y, x), ((6, 100),)),
        (lambda sd, x, y: sd.loss.sparse_softmax_cross_entropy(x, y), ((6,), "int32")),
    ],
)
def test_the_last_pass_reads_exponentials_only(loss, labels):
    """It has no use for the logits: what is made of them was summed with the exponentials."""
    phase, reads_logits = passes(loss, labels)
    assert reads_logits == [True, True, False]
    assert len(phase.passes[0].sums) == 1 and not phase.passes[2].sums


def test_equal_sums_of_rows_are_one():
    sd = SameDiff("float32")
    x, y = sd.placeholder("x", (6, 100)), sd.placeholder("y", (6, 100))
    out = sd.sum(sd.nn.log_softmax(x) * y, name="out")
    gradient = sd.grad(out, x)
    plan = make_plan(sd, [out.id, gradient.id], {v.id: v.aval for v in (x, y)}, ["out", "gradient"])
    (segment,) = [part for part in divide(plan).parts if isinstance(part, Segment)]
    weights = next(slot for slot, node in plan.feeds if node == y.id)
    sums = [n for n in segment.regions[0].nodes if n.reduce == "sum" and n.operands[0].value == weights]
    assert len(sums) == 1
