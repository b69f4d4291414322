"""Plans that are run again and again: what stands still is nobody's result, and every call gives the same bits."""

import warnings

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ExecutionError, LabelError
from sdgraph.run.engines.llvm import repeating
from sdgraph.run.executable import Executable
from sdgraph.run.repeated import Repeated
from tests.run.engines.llvm.test_standing import program

pytest.importorskip("llvmlite")


def nothing(arrays):
    """What follows."""


def often(f, away, calls):
    """The results of a function at each of several calls, and those that were given away as they are in the end."""
    again, seen, given = Repeated(f, away, nothing), [], []
    for feeds in calls:
        found, memory = again.run(feeds, 3)
        seen.append([a.copy() for a in found])
        given.append(found[:away])
        for a in found[:away]:
            assert not any(np.shares_memory(a, b) for b in feeds.values())
        again.free(memory)
    return seen, given, again


@pytest.mark.parametrize("stands", [0, 700, 1 << 20])
@pytest.mark.parametrize("seed", range(60))
def test_random_programs_give_the_same_bits_each_time(seed, stands, monkeypatch):
    monkeypatch.setattr(repeating, "STANDS", stands)
    sd, outs, _, feeds = program(seed, products=seed % 2 > 0)
    f, away = Executable(sd, outs, "llvm"), seed % (len(outs) + 1)
    asked = {p.name for p in f.placeholders}
    calls = [{n: a + 0.25 * k for n, a in feeds.items() if n in asked} for k in range(5)]
    seen, given, _ = often(f, away, calls)
    for k, one in enumerate(calls):
        wanted = f.run(one, 3)
        for a, b in zip(seen[k], wanted, strict=True):
            assert a.tobytes() == b.tobytes() and a.shape == b.shape and a.dtype == b.dtype
        for a, b in zip(given[k], wanted[:away], strict=True):
            assert a.tobytes() == b.tobytes()


def test_most_random_programs_are_ready():
    found = [program(seed, products=seed % 2 > 0) for seed in range(30)]
    ready = 0
    for sd, outs, _, feeds in found:
        f = Executable(sd, outs, "llvm")
        asked = {p.name for p in f.placeholders}
        ready += bool(often(f, 1, [{n: a for n, a in feeds.items() if n in asked}] * 3)[2]._ready)
    assert ready > 20


def graph(**leaves):
    sd = SameDiff("float64")
    return sd, [
        sd.placeholder(n, shape) if isinstance(shape, tuple) else sd.var(n, shape) for n, shape in leaves.items()
    ]


def compare(f, away, calls):
    seen, given, again = often(f, away, calls)
    assert again._ready
    for k, one in enumerate(calls):
        for a, b in zip(seen[k], f.run(one, 3), strict=True):
            np.testing.assert_array_equal(a, b)
    for k, one in enumerate(calls):
        for a, b in zip(given[k], f.run(one, 3), strict=False):
            np.testing.assert_array_equal(a, b)


RNG = np.random.default_rng(4)
W = RNG.normal(size=(40, 30))


def batches(n, *shape):
    return [{"x": RNG.normal(size=shape)} for _ in range(n)]


def test_a_view_that_is_given_away_shows_memory_of_its_own():
    sd, (x,) = graph(x=(60, 40))
    y = x @ W
    compare(Executable(sd, [sd.permute(y, (1, 0)), y.sum()], "llvm"), 1, batches(5, 60, 40))


def test_a_product_of_views_and_constants():
    sd, (x,) = graph(x=(60, 40))
    y = sd.math.tanh(x @ W)
    compare(Executable(sd, [sd.permute(y, (1, 0)) @ y, y.sum()], "llvm"), 0, batches(5, 60, 40))


def test_a_variable_that_is_set_is_read():
    sd, (x, w) = graph(x=(60, 40), w=W)
    f = Executable(sd, [(x @ w).sum(), (w * 2.0).sum()], "llvm")
    again = Repeated(f, 1, nothing)
    for k in range(6):
        given = batches(1, 60, 40)[0]
        w.value = W * k if k % 2 else np.asfortranarray(W) * k
        found, memory = again.run(given, 0)
        np.testing.assert_allclose(found, [(given["x"] @ W).sum() * k, 2 * k * W.sum()], rtol=1e-9, atol=1e-9)
        again.free(memory)


def test_what_standing_arrays_are_checked_for_is_checked_each_time():
    """A check is no view, though it returns what it is given."""
    sd, (x,) = graph(x=(3, 4))
    labels = sd.var("labels", np.array([0, 1, 2]))
    standing = {labels.id: labels.value.copy()}
    loss = sd.loss.sparse_softmax_cross_entropy(x, labels).mean()
    again = Repeated(Executable(sd, [loss], "llvm", standing=standing), 1, nothing)
    given = batches(1, 3, 4)[0]
    for _ in range(4):
        again.free(again.run(given, 0)[1])
    standing[labels.id][1] = 7
    with pytest.raises(LabelError, match="7"):
        again.run(given, 0)
    standing[labels.id][1] = 3
    again.run(given, 0)


def test_draws_are_those_of_the_step():
    sd, (x,) = graph(x=(50, 6))
    f = Executable(sd, [sd.nn.dropout(x, 0.5).sum(), sd.nn.dropout(x, 0.3)], "llvm")
    again, given = Repeated(f, 1, nothing), batches(1, 50, 6)[0]
    for step in (0, 1, 2, 3, 2, 7):
        found, memory = again.run(given, step)
        for a, b in zip(found, f.run(given, step), strict=True):
            np.testing.assert_array_equal(a, b)
        again.free(memory)


def test_a_product_of_bad_numbers_warns_of_nothing_and_mutes_nobody_else():
    sd, (x,) = graph(x=(60, 40))
    again = Repeated(Executable(sd, [(x @ W).sum()], "llvm"), 1, nothing)
    given = {"x": np.full((60, 40), np.inf)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            found, memory = again.run(given, 0)
            assert np.isnan(found[0])
            again.free(memory)
    assert memory is not None and np.geterr()["invalid"] == "warn"
    with np.errstate(all="raise"):
        again.free(again.run(given, 0)[1])
        assert np.geterr()["invalid"] == "raise"


def test_a_kernel_that_fails_is_named():
    sd, (x,) = graph(x=(60, 40))
    y = sd.math.tanh(x @ W)
    again = Repeated(Executable(sd, [y.sum(), sd.linalg.matrix_inverse(sd.permute(y, (1, 0)) @ y)], "llvm"), 1, nothing)
    for given in batches(4, 60, 40):
        again.free(again.run(given, 0)[1])
    with pytest.raises(ExecutionError, match="Singular"):
        again.run({"x": np.zeros((60, 40))}, 0)


def test_results_that_are_asked_for_twice_or_are_given_are_copies():
    sd, (x, w) = graph(x=(6, 4), w=W[:4])
    y = x @ w
    standing = w.value.copy()
    for outs in ([y, y], [w, y.sum()], [x, y.sum()], [y.sum(), y, w], [y.sum(), sd.permute(w, (1, 0)), y, y]):
        for away in (1, len(outs)):
            f = Executable(sd, outs, "llvm", standing={w.id: standing})
            _, given, again = often(f, away, batches(5, 6, 4))
            assert again._ready
            assert not any(np.shares_memory(a, standing) for several in given for a in several)
            assert not any(np.shares_memory(a, b) for k, a in enumerate(given[-1]) for b in given[-1][:k])
