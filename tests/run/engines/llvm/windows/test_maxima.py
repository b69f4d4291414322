"""Largest numbers of windows as loops: what a look at each window finds, and where that stands first."""

import itertools

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.windows import calls, maxima
from tests.groups import first_and_slow
from tests.run.engines.llvm import computers

OTHERS = [name for name in computers.HERE if name != "avx512"]


@pytest.fixture(autouse=True)
def made_anew():
    maxima._made.cache_clear()
    yield
    maxima._made.cache_clear()


def drawn(seed, dtype):
    """An array with ties, NaN and infinities, and settings."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 5))
    slides = rng.random(d) < 0.6
    k, s, e = ([int(v) if on else 1 for v, on in zip(rng.integers(1, m, d), slides, strict=True)] for m in (4, 4, 3))
    pads = [(int(a), int(b)) if n > 1 else (0, 0) for n, (a, b) in zip(k, rng.integers(0, 2, (d, 2)), strict=True)]
    shape = [q * (n - 1) + 1 + int(m) for n, q, m in zip(k, e, rng.integers(0, 20 if d < 4 else 7, d), strict=True)]
    x = rng.integers(-3, 3, shape).astype(dtype)
    x[rng.random(shape) < (0.1 if seed % 3 == 0 else 0)] = np.nan
    x[rng.random(shape) < (0.5 if seed % 5 == 0 else 0)] = -np.inf
    return x, {"sizes": tuple(k), "strides": tuple(s), "dilation": tuple(e), "pads": tuple(pads)}


def by_hand(x, sizes, strides, dilation, pads):
    """The largest number of each window and the flat position of the first one, window by window."""
    of = zip(x.shape, sizes, strides, dilation, pads, strict=True)
    outs = [(n + low + high - e * (k - 1) - 1) // s + 1 for n, k, s, e, (low, high) in of]
    y, first = np.empty(outs, x.dtype), np.empty(outs, np.int64)
    for o in np.ndindex(*outs):
        along = [
            [i for i in (s * a - low + e * t for t in range(k)) if 0 <= i < n]
            for a, n, k, s, e, (low, _) in zip(o, x.shape, sizes, strides, dilation, pads, strict=True)
        ]
        window = x[np.ix_(*along)]
        at = int(np.argmax(np.isnan(window) if np.isnan(window).any() else window == window.max()))
        place = [i[j] for i, j in zip(along, np.unravel_index(at, window.shape), strict=True)]
        y[o], first[o] = x[tuple(place)], np.ravel_multi_index(place, x.shape)
    return y, first


def run(x, attrs, outs):
    y = maxima.maxima_of("cnn.window_max", [x.shape], outs, x.dtype, attrs)(x)
    return y, maxima.maxima_of("cnn.window_first", [x.shape, outs], outs, x.dtype, attrs)(x, y)


def is_right(seed, dtype):
    x, attrs = drawn(seed, dtype)
    want = by_hand(x, **attrs)
    got = run(x, attrs, want[0].shape)
    assert got[0].dtype == x.dtype and got[1].dtype == np.int64
    assert np.array_equal(got[0], want[0], equal_nan=True) and np.array_equal(got[1], want[1]), (x.shape, attrs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", first_and_slow(range(90), 15))
def test_random_windows(seed, dtype):
    is_right(seed, dtype)


@pytest.mark.parametrize("computer", first_and_slow(OTHERS, 2))
@pytest.mark.parametrize("seed", first_and_slow(range(100, 120), 4))
def test_other_computers(seed, computer, monkeypatch):
    with computers.on(computers.COMPUTERS[computer], monkeypatch):
        is_right(seed, "float32")
        is_right(seed + 100, "float64")


POOLING = {"sizes": (1, 3, 3, 1), "strides": (1, 2, 2, 1), "dilation": (1, 1, 1, 1)}
POOLING["pads"] = ((0, 0), (1, 1), (1, 1), (0, 0))


def test_bits_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(threads, "_count", None)
    for name in ("SHARED", "LONG", "PATIENT"):
        monkeypatch.setattr(calls, name, 0.0)
    x = np.random.default_rng(0).normal(size=(5, 30, 31, 20)).astype("float32")
    found = []
    for n in (1, 2, 3):
        threads.set_num_threads(n)
        found.append([a.tobytes() for a in run(x, POOLING, (5, 15, 16, 20))])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("channels", [1, 6, 16, 40])
def test_max_pooling_and_its_gradient_in_a_graph(channels):
    sd = SameDiff("float32")
    x = sd.placeholder("x", (None, 9, 8, channels))
    y = sd.cnn.window_max(x, name="y", **POOLING)
    fetches = [y, *sd.grad(sd.sum(sd.math.square(y)), [x])]
    f, g = (sd.compile(fetches, engine=engine) for engine in ("llvm", "numpy"))
    feeds = {"x": np.random.default_rng(0).integers(-4, 4, (3, 9, 8, channels)).astype("float32")}
    for name, want in g(feeds).items():
        np.testing.assert_allclose(f(feeds)[name], want, rtol=1e-6)
    assert "loops of cnn.window_max" in f.plan.notes and "loops of cnn.window_first" in f.plan.notes


def test_whole_numbers_and_what_is_empty_are_for_numpy():
    for shape, dtype in itertools.product([(0, 5), (4, 5)], ["int32", "float32"]):
        sd = SameDiff()
        x = sd.placeholder("x", shape, dtype=dtype)
        y = sd.cnn.window_max(x, sizes=(1, 2), name="y")
        feeds = {"x": np.arange(np.prod(shape)).reshape(shape).astype(dtype)}
        got, want = (sd.compile(y, engine=engine)(feeds)["y"] for engine in ("llvm", "numpy"))
        assert got.dtype == want.dtype and np.array_equal(got, want)
