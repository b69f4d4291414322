"""Results that are stored past the caches: which they are, and that they are the same bits as others."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import llvmlite.binding as llvm

import sdgraph
from sdgraph import SameDiff
from sdgraph.run.engines import buffers
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import machine


def past(f):
    return f.source().count("!nontemporal")


def twice(fetches, feeds, last_level):
    """Results with a cache that holds everything, and with one that holds nothing; how many stores went past that."""
    sd, names = fetches
    last_level(1 << 40)
    inside = sd.compile(names, engine="llvm")
    want = inside(feeds)
    assert not past(inside)
    last_level(0)
    outside = sd.compile(names, engine="llvm")
    return want, outside(feeds), past(outside)


def assert_same_bits(want, got):
    for name, a in want.items():
        assert got[name].dtype == a.dtype and got[name].shape == a.shape
        assert np.asarray(got[name]).tobytes() == np.asarray(a).tobytes()


def at_odd_address(a):
    memory = np.empty(a.nbytes + 1, np.uint8)
    there = memory[1:].view(a.dtype).reshape(a.shape)
    there[...] = a
    return there


def elementwise(dtype):
    sd = SameDiff("float64" if dtype == "float64" else "float32")
    x, y = sd.placeholder("x", (None,), dtype), sd.placeholder("y", (None,), dtype)
    return sd, [sd.identity(x * y + x, name="sum"), sd.identity(x > y, name="more"), sd.sum(x * y, name="total")]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8", "int64"])
@pytest.mark.parametrize("n", [16, 63, 64, 1000, 8192, 20001])
def test_same_bits_from_any_address(dtype, n, last_level):
    rng = np.random.default_rng(n)
    x, y = (rng.uniform(0, 9, n).astype(dtype) for _ in "xy")
    for feeds in ({"x": x, "y": y}, {"x": at_odd_address(x), "y": np.repeat(y, 2)[::2]}):
        want, got, _ = twice(elementwise(dtype), feeds, last_level)
        assert_same_bits(want, got)
        assert np.array_equal(want["more"], x > y)


def biased(columns):
    sd = SameDiff("float32")
    x, b = sd.placeholder("x", (None, columns)), sd.placeholder("b", (columns,))
    return sd, [sd.identity(sd.nn.relu(x + b), name="rows")]


@pytest.mark.parametrize(
    "columns, goes", [(64, 4), (1008, 4), (1000, 0), (2052, 4), (2049, 0), (33, 0), (36, 0), (5, 0)]
)
def test_rows_go_past_where_each_begins_with_a_line_or_is_long(columns, goes, last_level):
    rng = np.random.default_rng(columns)
    feeds = {"x": rng.normal(size=(70, columns)).astype("float32"), "b": rng.normal(size=columns).astype("float32")}
    want, got, stores = twice(biased(columns), feeds, last_level)
    assert_same_bits(want, got)
    assert np.array_equal(want["rows"], np.maximum(feeds["x"] + feeds["b"], 0))
    assert stores == goes


def losses():
    def mean_square(sd, y, x):
        return sd.loss.mean_squared_error(y, x)

    def sigmoid(sd, y, x):
        return sd.loss.sigmoid_cross_entropy(y, x)

    def rows(sd, y, x):
        return sd.loss.softmax_cross_entropy(y, x)

    return [(mean_square, (30011,), 4), (sigmoid, (400, 80), 4), (rows, (400, 80), 0)]


@pytest.mark.parametrize("loss, shape, goes", losses())
def test_gradients_go_past_at_every_number_of_threads(loss, shape, goes, last_level):
    """Those of rows do not: their own passes read what they store."""
    rng = np.random.default_rng(0)
    sd = SameDiff("float32")
    x, y = sd.placeholder("x", shape), sd.placeholder("y", shape)
    value = loss(sd, y, x)
    names = [value, sd.grad(value, x)]
    feeds = {"x": rng.normal(size=shape).astype("float32"), "y": rng.uniform(size=shape).astype("float32")}
    for n in (1, 2, 3):
        sdgraph.set_num_threads(n)
        want, got, stores = twice((sd, names), feeds, last_level)
        assert_same_bits(want, got)
        assert stores == goes


def test_only_what_does_not_fit_goes_past(last_level):
    n = 4096
    feeds = {k: np.ones(n, np.float32) for k in "xy"}
    sd = SameDiff("float32")
    x, y = sd.placeholder("x", (n,)), sd.placeholder("y", (n,))
    out = sd.identity(x * y, name="out")
    for cache, goes in ((3 * 4 * n, 0), (3 * 4 * n - 1, 4)):
        last_level(cache)
        f = sd.compile(out, engine="llvm")
        f(feeds)
        assert past(f) == goes


@pytest.mark.parametrize("cache, goes", [(4 * 4096, 0), (4 * 4096 - 1, 4)])
def test_what_is_read_again_stays_unless_it_alone_is_too_large(cache, goes, last_level):
    sd = SameDiff("float32")
    x = sd.placeholder("x", (64, 64))
    y = sd.math.exp(x, name="y")
    product = sd.linalg.matmul(y, y, name="product")
    last_level(cache)
    f = sd.compile([y, product], engine="llvm")
    a = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    got = f(x=a)
    np.testing.assert_allclose(got["product"], np.exp(a.astype("float64")) @ np.exp(a.astype("float64")), rtol=1e-5)
    assert past(f) == goes


def test_another_size_class_is_another_code(monkeypatch, last_level):
    monkeypatch.setattr(segment, "_codes", {})
    sd = SameDiff("float32")
    x = sd.placeholder("x", (None,))
    f = sd.compile(sd.math.exp(x, name="y"), engine="llvm")
    last_level(8 * 1000)
    for n in (900, 1000, 1001, 1100, 950):
        a = np.linspace(-3, 3, n, dtype="float32")
        np.testing.assert_allclose(f(x=a)["y"], np.exp(a.astype("float64")), rtol=4e-7)
    assert len(segment._codes) == 2


def test_small_results_stay(last_level, monkeypatch):
    """Their memory is not aligned."""
    monkeypatch.setattr(buffers, "LARGE", 1 << 20)
    last_level(0)
    sd = SameDiff("float32")
    f = sd.compile(sd.math.exp(sd.placeholder("x", (None,)), name="y"), engine="llvm")
    f(x=np.zeros(5000, np.float32))
    assert not past(f)


def test_machine_code_has_such_stores_and_waits_for_them(last_level):
    computer = machine.computer()
    if not computer.triple.startswith("x86_64"):
        pytest.skip("instructions are those of x86-64")
    sd, names = elementwise("float32")
    last_level(0)
    f = sd.compile(names[:1], engine="llvm")
    f({k: np.zeros(100, np.float32) for k in "xy"})
    with llvm.parse_assembly(f.source().replace("@.", "@f.")) as module:
        assembly = machine._Host(computer).machines[machine._GOOD].emit_assembly(module)
    assert assembly.count("movnt") >= 4
    assert "mfence" in assembly or "lock" in assembly


@pytest.mark.parametrize("threads_", [1, 2])
def test_what_one_region_leaves_for_another_goes_past_where_it_alone_is_too_large(threads_, last_level):
    """It lies in scratch memory, which is aligned as results are."""
    sd = SameDiff("float32")
    x, b, c = sd.placeholder("x", (130, 112)), sd.placeholder("b", (112,)), sd.placeholder("c", (130,))
    y = sd.math.exp(x) * 2.0
    outs = [sd.identity(y + b, name="first"), sd.identity(sd.reshape(y, (112, 130)) + c, name="second")]
    rng = np.random.default_rng(0)
    feeds = {k: rng.normal(size=n).astype("float32") for k, n in (("x", (130, 112)), ("b", 112), ("c", 130))}
    sdgraph.set_num_threads(threads_)
    want, got, stores = twice((sd, outs), feeds, last_level)
    assert_same_bits(want, got)
    wide = np.exp(feeds["x"].astype("float64")) * 2
    np.testing.assert_allclose(got["first"], wide + feeds["b"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got["second"], wide.reshape(112, 130) + feeds["c"], rtol=1e-6, atol=1e-6)
    assert stores >= 2
