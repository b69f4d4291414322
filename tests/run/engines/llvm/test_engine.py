"""The fused engine as a whole: what fuses, threads, caches, memory, calls from many threads."""

import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import sdgraph
from sdgraph import SameDiff
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.translate import machine


@pytest.fixture
def any_number_of_threads(monkeypatch):
    """Share every loop, however small, and put the number of threads back."""
    monkeypatch.setattr("sdgraph.run.engines.llvm.segment._INSTRUCTION", 1e6)
    yield
    monkeypatch.setattr(threads, "_count", None)


def cross_entropy(n, dtype="float32"):
    sd = SameDiff(dtype)
    x, y, w = (sd.placeholder(k, shape=(None,)) for k in "xyw")
    loss = sd.loss.sigmoid_cross_entropy(y, x, w, name="loss")
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=n), "y": rng.uniform(size=n), "w": rng.uniform(size=n)}
    return sd, [loss, sd.grad(loss, x)], {k: v.astype(dtype) for k, v in feeds.items()}


def softmax_loss(rows, columns):
    sd = SameDiff("float32")
    x, y = (sd.placeholder(k, shape=(None, columns)) for k in "xy")
    b = sd.placeholder("b", shape=(columns,))
    loss = sd.loss.softmax_cross_entropy(y, x + b, name="loss")
    rng = np.random.default_rng(0)
    shape = (rows, columns)
    feeds = {"x": rng.normal(size=shape), "y": rng.uniform(size=shape), "b": rng.normal(size=columns)}
    return sd, [loss, *sd.grad(loss, [x, b])], {k: v.astype("float32") for k, v in feeds.items()}


@pytest.mark.parametrize(
    "problem", [lambda: cross_entropy(100_003), lambda: softmax_loss(700, 90), lambda: softmax_loss(3000, 7)]
)
def test_bits_do_not_depend_on_the_number_of_threads(problem, any_number_of_threads):
    sd, fetches, feeds = problem()
    results = []
    for n in (1, 2, 3, 7):
        sdgraph.set_num_threads(n)
        results.append(sd.compile(fetches, engine="llvm")(feeds))
    for other in results[1:]:
        for name, a in results[0].items():
            assert np.array_equal(other[name], a)


def test_long_float32_sum_is_accurate():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None,))
    f = sd.compile(x.sum(name="total"), engine="llvm")
    values = np.random.default_rng(0).random(10_000_000, np.float32)
    assert abs(f(x=values)["total"] / values.sum(dtype=np.float64) - 1) < 1e-7


def test_value_and_gradient_are_one_region_that_stores_no_intermediate_result():
    n = 1_000_000
    sd, fetches, feeds = cross_entropy(n)
    f = sd.compile(fetches, engine="llvm")
    f(feeds)
    assert str(f.plan).count("region over") == 1
    assert "numpy" not in f.plan.notes
    assert "masked.load" in f.source()
    tracemalloc.start()
    f(feeds)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * n + 100_000  # The gradient, and little else.


def test_a_sum_of_many_terms_is_many_small_kernels_that_add_in_order():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(5,))
    y = sd.math.merge_add(*[sd.math.sin(x * float(k)) for k in range(1000)], name="y")
    on = {engine: sd.compile([y, sd.grad(y, x)], engine=engine) for engine in ("llvm", "numpy")}
    assert max(line.count(",") for line in on["llvm"].plan.notes.splitlines()) < 40
    terms = sd.compile(sd.math.merge_add(*[x * float(k) for k in range(1000)], name="t"), engine="llvm")
    x_value = np.float32([0.1, -0.7, 1e-3, 3.3, 1e4])
    want = np.float32(0)
    for k in range(1000):
        want = want + x_value * np.float32(k)
    assert np.array_equal(terms(x=x_value)["t"], want)
    for name, a in on["numpy"](x=x_value).items():
        assert np.allclose(on["llvm"](x=x_value)[name], a, rtol=1e-5, atol=1e-2)


def test_another_batch_size_compiles_nothing(monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    sd, fetches, feeds = cross_entropy(50)
    f = sd.compile(fetches, engine="llvm")
    f(feeds)
    before = machine.compiled_count
    f({k: v[:37] for k, v in feeds.items()})
    assert machine.compiled_count == before


def test_calls_from_many_threads():
    sd, fetches, feeds = softmax_loss(40, 12)
    f = sd.compile(fetches, engine="llvm")
    scaled = [{k: v * (1 + t) for k, v in feeds.items()} for t in range(6)]
    wanted = [sd.compile(fetches, engine="llvm")(s) for s in scaled]
    wrong = []

    def work(t):
        for _ in range(100):
            got = f(scaled[t])
            wrong.extend(name for name, a in wanted[t].items() if not np.array_equal(got[name], a))

    several = [threading.Thread(target=work, args=(t,)) for t in range(6)]
    for t in several:
        t.start()
    for t in several:
        t.join()
    assert not wrong


def test_checked_runs_name_the_node():
    sd = SameDiff()
    y = sd.math.log(sd.placeholder("x", shape=(None,)), name="y")
    with pytest.raises(sdgraph.errors.NumericsError):
        sd.compile(y, engine="llvm", check_numerics=True)(x=[-1.0])


def test_profile_tells_parts():
    sd, fetches, feeds = cross_entropy(1000)
    measured = sdgraph.profile(sd.compile(fetches, engine="llvm"), feeds, repeat=2)
    assert len(measured.parts) == 1
    assert measured.parts[0].bytes >= 4 * 1000 * 4
    assert "moves" in str(measured) and measured.parts[0].part in str(measured)


def test_arrays_that_are_not_contiguous_are_read_right():
    sd = SameDiff()
    w = sd.var("w", np.arange(12.0, dtype=np.float32).reshape(3, 4).T)
    x = sd.placeholder("x", shape=(4, 3))
    f = sd.compile((w * x).sum(name="s"), engine="llvm")
    x_value = np.arange(24.0, dtype=np.float32).reshape(4, 6)[:, ::2]
    assert f(x=x_value)["s"] == (np.arange(12.0).reshape(3, 4).T * x_value).sum()


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 15, 16, 17, 8191, 8192, 8193])
def test_every_length(n):
    sd, fetches, feeds = cross_entropy(n, "float64")
    got, want = (sd.compile(fetches, engine=e)(feeds) for e in ("llvm", "numpy"))
    for name, a in want.items():
        assert np.allclose(got[name], a, rtol=1e-12, atol=1e-15)


def test_importing_sdgraph_does_not_load_llvmlite():
    program = "import sys, sdgraph; sdgraph.SameDiff(); sys.exit('llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_number_of_threads_is_positive():
    with pytest.raises(sdgraph.errors.ArgumentError):
        sdgraph.set_num_threads(0)
