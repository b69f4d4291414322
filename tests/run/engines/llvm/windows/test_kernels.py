"""Convolutions as loops of their own: right on all kinds of computers, with bits that depend on nothing else."""

import tracemalloc

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff, errors
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.translate import crew, entry, machine
from sdgraph.run.engines.llvm.windows import calls, kernels
from tests.groups import first_and_slow
from tests.run.engines.llvm import computers
from tests.run.engines.llvm.windows.by_hand import LAYOUTS, computed, drawn, made

TOLERANCE = {"float32": 2e-6, "float64": 4e-15}
OTHERS = [name for name in computers.HERE if name != "avx512"]


@pytest.fixture(autouse=True)
def made_anew():
    kernels._made.cache_clear()
    yield
    kernels._made.cache_clear()


def run(problem, key, operands=None):
    a, b = problem.operands(key) if operands is None else operands
    return kernels.kernel_of(key, (a.shape, b.shape), a.dtype, problem.attrs(key))(a, b)


def is_right(problem):
    """Whether all three operations are as the formula says, up to roundings of sums of that many terms."""
    for key, names in LAYOUTS.items():
        got, want = run(problem, key), computed(problem, key)
        a, b = (problem.arrays[name] for name in names[:2])
        assert (got.shape, got.dtype) == (want.shape, a.dtype)
        terms = a.size * b.size / want.size
        scale = TOLERANCE[a.dtype.name] * max(np.sqrt(terms), 1) * max(np.abs(want).max(), 1)
        assert np.abs(got - want).max() <= scale, (key, problem.settings, [v.shape for v in problem.arrays.values()])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", first_and_slow(range(150), 12))
def test_random_problems(seed, dtype):
    problem = drawn(seed, dtype)
    if all(a.size for a in problem.arrays.values()):
        is_right(problem)


LARGE = {
    "bands with a border": made(2, (30, 31), 5, 20, (3, 3), pads=((1, 1), (1, 1)), dtype="float32"),
    "bands without": made(1, (40, 33), 3, 16, (5, 4), dtype="float32"),
    "several images together": made(37, (4, 4), 16, 33, (3, 3), pads=((1, 1), (1, 1)), dtype="float32"),
    "causal": made(3, (300,), 8, 32, (3,), pads=((16, 0),), dilation=(8,), dtype="float32"),
    "strides": made(3, (29, 30), 4, 16, (3, 3), pads=((1, 1), (0, 1)), strides=(2, 3), dtype="float32"),
    "strides beyond the window": made(
        2, (29, 17), 4, 5, (2, 1), strides=(3, 4), pads=((2, 0), (0, 3)), dtype="float32"
    ),
    "a kernel for each channel": made(2, (8, 9), 40, 40, (3, 3), pads=((1, 1), (1, 1)), groups=40, dtype="float32"),
    "groups": made(2, (7, 8), 12, 36, (3, 3), pads=((1, 0), (0, 2)), groups=3, dtype="float32"),
    "three axes": made(1, (7, 9, 8), 4, 9, (3, 2, 3), pads=((1, 1), (0, 1), (2, 0)), dtype="float32"),
    "one channel": made(5, (28, 28), 1, 6, (5, 5), pads=((2, 2), (2, 2)), dtype="float32"),
    "one by one": made(2, (9, 9), 24, 70, (1, 1), dtype="float32"),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_cut_into_chunks(name):
    is_right(LARGE[name])


@pytest.mark.parametrize("computer", first_and_slow(OTHERS, 2))
@pytest.mark.parametrize("name", first_and_slow(LARGE, 5))
def test_other_computers(name, computer, monkeypatch):
    with computers.on(computers.COMPUTERS[computer], monkeypatch):
        is_right(LARGE[name])
        is_right(drawn(sum(map(ord, name)), "float64"))


def test_a_buffer_that_would_be_too_large():
    """Rows so wide that not one band fits: the border is made before."""
    is_right(made(1, (3, 3000), 12, 2, (2, 3), pads=((1, 0), (1, 1)), strides=(2, 1), dtype="float32"))


@pytest.mark.parametrize("key", ["cnn.conv", "cnn.conv_input"])
@pytest.mark.parametrize("name", LARGE)
def test_a_kernel_in_pieces_gives_the_same_bits(name, key, monkeypatch):
    whole = run(LARGE[name], key).tobytes()
    monkeypatch.setattr(kernels, "_PIECE", 1 << 10)
    monkeypatch.setattr(kernels, "_WORTH", 1)
    kernels._made.cache_clear()
    assert run(LARGE[name], key).tobytes() == whole


def test_many_channels_have_their_border_made_before():
    problem = made(2, (5, 5), 600, 3, (3, 3), pads=((1, 1), (1, 1)), dtype="float32")
    a, b = problem.operands("cnn.conv")
    assert kernels.kernel_of("cnn.conv", (a.shape, b.shape), a.dtype, problem.attrs("cnn.conv")).border is not None
    is_right(problem)


@pytest.mark.parametrize("key", LAYOUTS)
def test_no_columns_are_copied_out(key):
    """Beside the result there are the kernel in order, or parts of sums; borders are on the stack."""
    problem = made(8, (24, 24), 16, 16, (3, 3), pads=((1, 1), (1, 1)), dtype="float32")
    a, b = problem.operands(key)
    f = kernels.kernel_of(key, (a.shape, b.shape), a.dtype, problem.attrs(key))
    f(a, b)
    tracemalloc.start()
    result = f(a, b)
    beside = tracemalloc.get_traced_memory()[1] - result.nbytes
    tracemalloc.stop()
    assert beside < 8 * problem.arrays["w"].nbytes + 4096


@pytest.mark.parametrize("key", LAYOUTS)
@pytest.mark.parametrize("name", LARGE)
def test_bits_do_not_depend_on_threads(name, key, monkeypatch):
    monkeypatch.setattr(threads, "_count", None)
    monkeypatch.setattr(calls, "SHARED", 0.0)
    monkeypatch.setattr(calls, "LONG", 0.0)
    monkeypatch.setattr(calls, "PATIENT", 0.0)
    found = []
    for n in (1, 2, 3):
        threads.set_num_threads(n)
        found.append(run(LARGE[name], key).tobytes())
    assert len(set(found)) == 1


@pytest.mark.parametrize("key", LAYOUTS)
@pytest.mark.parametrize("name", LARGE)
def test_bits_do_not_depend_on_addresses(name, key):
    def moved(a, by):
        memory = np.empty(a.size + 32, a.dtype)
        start = (-memory.ctypes.data // a.itemsize) % 16 + by
        found = memory[start : start + a.size].reshape(a.shape)
        found[...] = a
        return found

    operands = LARGE[name].operands(key)
    results = {run(LARGE[name], key, [moved(a, by) for a in operands]).tobytes() for by in (0, 1, 7)}
    assert len(results) == 1


@pytest.mark.parametrize("key", LAYOUTS)
@pytest.mark.parametrize("name", ["strides", "causal", "a kernel for each channel"])
def test_quick_code_has_the_same_bits(name, key, monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    found = []
    for quick in "10":
        monkeypatch.setenv("SDGRAPH_QUICK", quick)
        monkeypatch.setattr(machine, "_kernels", {})
        kernels._made.cache_clear()
        found.append(run(LARGE[name], key).tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("key", LAYOUTS)
def test_where_compiled_code_cannot_be_called_by_python(key, long, monkeypatch):
    problem = LARGE["several images together"]
    want = run(problem, key).tobytes()
    kernels._made.cache_clear()
    monkeypatch.setattr(calls, "SHARED", 0.0 if long else 1e9)
    monkeypatch.setattr(calls, "LONG", 1e9)
    monkeypatch.setattr(calls, "entry", lambda: None)
    assert run(problem, key).tobytes() == want


def test_better_code_takes_the_place_of_the_first(monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    monkeypatch.delenv("SDGRAPH_QUICK", raising=False)
    monkeypatch.setattr(machine, "_kernels", {})
    problem, key = LARGE["groups"], "cnn.conv"
    a, b = problem.operands(key)
    f = kernels.kernel_of(key, (a.shape, b.shape), a.dtype, problem.attrs(key))
    before, program = f(a, b).tobytes(), f.run._program.copy()
    machine.settled()
    assert not np.array_equal(f.run._program, program)
    assert f(a, b).tobytes() == before


# ---------------------------------------------------------------------- in a graph


def graph(dtype, **settings):
    sd = SameDiff(dtype)
    x, w = sd.placeholder("x", (None, 9, 10, 4)), sd.placeholder("w", (3, 2, 4, 6))
    y = sd.cnn.conv(x, w, name="y", **settings)
    loss = sd.sum(sd.math.square(sd.math.tanh(y)), name="loss")
    return sd, [y, loss, *sd.grad(loss, [x, w])]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_graph_with_convolutions(dtype):
    sd, fetches = graph(dtype, strides=2, pads=1)
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=(5, 9, 10, 4)), "w": rng.normal(size=(3, 2, 4, 6))}
    feeds = {name: a.astype(dtype) for name, a in feeds.items()}
    f, g = (sd.compile(fetches, engine=engine) for engine in ("llvm", "numpy"))
    for name, want in g(feeds).items():
        np.testing.assert_allclose(f(feeds)[name], want, rtol=50 * TOLERANCE[dtype], atol=50 * TOLERANCE[dtype])
    assert "loops of cnn.conv " in f.plan.notes and "numpy cnn" not in f.plan.notes


def test_half_precision_is_rounded_once():
    sd, fetches = graph("float16", pads=1)
    rng = np.random.default_rng(0)
    feeds = {
        "x": rng.normal(size=(5, 9, 10, 4)).astype("float16"),
        "w": rng.normal(size=(3, 2, 4, 6)).astype("float16"),
    }
    f, g = (sd.compile(fetches[0], engine=engine) for engine in ("llvm", "numpy"))
    got, want = f(feeds)["y"], g(feeds)["y"]
    assert got.dtype == want.dtype == np.float16 and "loops of cnn.conv" in f.plan.notes
    assert (got != want).mean() < 0.01
    np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=1e-3, atol=1e-6)


def test_operands_that_are_views():
    sd = SameDiff("float64")
    x, w = sd.placeholder("x", (2, 3, 8, 7)), sd.placeholder("w", (5, 3, 2, 2))
    y = sd.cnn.conv(sd.permute(x, axes=(0, 2, 3, 1)), sd.permute(w, axes=(2, 3, 1, 0)), name="y")
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=x.shape), "w": rng.normal(size=w.shape)}
    got, want = (sd.compile(y, engine=engine)(feeds)["y"] for engine in ("llvm", "numpy"))
    np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.parametrize(("x", "w"), [("int32", "int32"), ("float32", "float64"), ("complex128", "complex128")])
def test_other_types_are_for_numpy(x, w):
    sd = SameDiff()
    a, b = sd.placeholder("a", (1, 6, 2), dtype=x), sd.placeholder("b", (3, 2, 2), dtype=w)
    feeds = {"a": np.arange(12).reshape(1, 6, 2).astype(x), "b": np.arange(12).reshape(3, 2, 2).astype(w)}
    y = sd.cnn.conv(a, b, name="y")
    got, want = (sd.compile(y, engine=engine)(feeds)["y"] for engine in ("llvm", "numpy"))
    assert got.dtype == want.dtype and np.array_equal(got, want)


def test_a_kernel_that_returns_something_else_is_told(monkeypatch):
    """Compiled code is not let loose on an array of another type."""
    from sdgraph import Namespace, Operand, primitive
    from sdgraph.infer import shapes

    class Liar(Namespace, prefix="liar_of_types"):
        @primitive(infer=shapes.real, kernel=lambda xp, x: x.astype("float32"), vjp=lambda g, y, x: g)
        def lie(self, x: Operand, *, name: str | None = None): ...

    sd = SameDiff("float64")
    x = sd.placeholder("x", (1, 6, 2))
    y = sd.cnn.conv(Liar(sd).lie(x), np.ones((3, 2, 2)), name="y")
    with pytest.raises(errors.ExecutionError, match="something else"):
        sd.compile(y, engine="llvm")({"x": np.ones((1, 6, 2))})


def test_the_ways_in_exist():
    assert entry.entry() is not None or not entry.reads_arrays()
    assert crew.crew() is not None or not crew.can_watch()
