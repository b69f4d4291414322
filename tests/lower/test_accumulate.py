"""Sums of many large arrays hold no more than two of them, and are the same sums to the bit."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.lower import accumulate as module

N = 12
RNG = np.random.default_rng(3)


def repeated(sd, n=N, side=150):
    """A matrix that is used n times: its gradient has n terms of its size."""
    w, x = sd.var("w", RNG.normal(size=(side, side)) / side), sd.var("x", RNG.normal(size=(2, side)))
    for _ in range(n):
        x = sd.math.tanh(x @ w)
    return w, sd.sum(x)


def run(sd, fetches, engine):
    f = sd.compile(fetches, engine=engine)
    return [f()[v.name] for v in fetches], f.plan


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_a_variable_used_often(engine, monkeypatch):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    sd = SameDiff("float64")
    w, y = repeated(sd)
    slope = sd.grad(y, w)
    (got,), plan = run(sd, [slope], engine)
    monkeypatch.setattr(module, "_WORTH", 1 << 60)
    (want,), whole = run(sd, [slope], engine)
    assert [s.op.name for s in whole.steps].count("merge_add") == 1
    assert "merge_add" not in [s.op.name for s in plan.steps]
    np.testing.assert_array_equal(got, want)
    bytes_of_w = 8 * 150 * 150
    assert whole.peak_bytes > N * bytes_of_w
    assert plan.peak_bytes < 4 * bytes_of_w


@pytest.mark.any_engine
def test_memory_does_not_grow_with_the_number_of_uses():
    peaks = []
    for n in (8, 16):
        sd = SameDiff("float64")
        w, y = repeated(sd, n)
        peaks.append(sd.compile([sd.grad(y, w)], engine="numpy"))
        peaks[-1]()
    small, large = (f.plan.peak_bytes for f in peaks)
    assert large < 1.2 * small


def test_sums_of_sums_and_terms_that_occur_again(monkeypatch):
    monkeypatch.setattr(module, "_WORTH", 0)
    sd = SameDiff("float64")
    xs = [sd.placeholder(f"x{k}", (3,)) for k in range(5)]
    exps = [sd.math.exp(x) for x in xs]
    inner = sd.math.merge_add(exps[0], exps[1], exps[1], exps[3])
    outer = sd.math.merge_add(inner, exps[2], inner, exps[4])
    feeds = {f"x{k}": RNG.normal(size=3) for k in range(5)}
    e = [np.exp(feeds[f"x{k}"]) for k in range(5)]
    want = ((e[0] + e[1]) + e[1]) + e[3]
    got = sd.output(feeds, [inner, outer, exps[1]])
    np.testing.assert_allclose(got[inner.name], want, rtol=1e-15)
    np.testing.assert_allclose(got[outer.name], ((want + e[2]) + want) + e[4], rtol=1e-15)
    np.testing.assert_allclose(got[exps[1].name], e[1], rtol=1e-15)
    plan = sd.compile([outer], engine="numpy")
    plan(feeds)
    assert "merge_add" not in [s.op.name for s in plan.plan.steps]


def test_terms_of_other_shapes_or_dtypes_stay_together(monkeypatch):
    monkeypatch.setattr(module, "_WORTH", 0)
    sd = SameDiff("float64")
    x = sd.placeholder("x", (3,))
    y = sd.math.merge_add(sd.math.exp(x), sd.cast(x, "float32"), sd.sum(x))
    feeds = {"x": np.array([1.0, 2.0, 3.0])}
    np.testing.assert_allclose(y.eval(feeds), np.exp(feeds["x"]) + feeds["x"] + 6.0)


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_many_large_halves_are_rounded_once(engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    sd = SameDiff("float16")
    x = sd.placeholder("x", (None,))
    total = sd.math.merge_add(*[x * 2.0**-k for k in range(1, 3)] * 2000)
    # Three megabytes of terms; next to 1024 a half of 1/4 is lost.
    (got,) = sd.compile(total, engine=engine)(x=np.ones(400, "float16")).values()
    np.testing.assert_array_equal(got, np.full(400, 1500, "float16"))
