"""Passes over elements: however their code is written, each element is visited once and sums keep their order."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.write import vectors

SIZES = [1, 5, 15, 16, 17, 63, 64, 65, 100, 127, 128, 129, 1000, 8191, 8192, 8193, 20000]


def results(values):
    """Elements, float and whole sums, counts and extremes of them, and sums of their rows."""
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    y = sd.math.exp(x) * x
    rows = sd.placeholder("rows", (None, 77))
    k = sd.placeholder("k", (None,), dtype="int32")
    fetches = {
        "elements": y,
        "total": sd.sum(y),
        "largest": sd.max(y),
        "least": sd.min(x * x),
        "count": sd.math.count_non_zero(y > 0.5),
        "whole": sd.sum(k * k),
        "of_rows": sd.sum(sd.math.exp(rows), axis=1),
        "of_columns": sd.sum(sd.math.exp(rows), axis=0),
    }
    f = sd.compile([sd.identity(v, name=name) for name, v in fetches.items()], engine="llvm")
    feeds = {"x": values, "k": np.arange(len(values), dtype=np.int32) % 1000}
    return f({**feeds, "rows": np.resize(values, (min(len(values), 40), 77))})


def anew(monkeypatch, long, values):
    """The results of good code where that many instructions are many."""
    monkeypatch.setenv("SDGRAPH_QUICK", "0")
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    monkeypatch.setattr(vectors, "_LONG", long)
    monkeypatch.setattr(segment, "_codes", {})
    monkeypatch.setattr(machine, "_kernels", {})
    return results(values)


@pytest.mark.parametrize("n", SIZES)
def test_long_and_short_code_have_the_same_bits(n, monkeypatch):
    rng = np.random.default_rng(n)
    values = rng.normal(size=n).astype(np.float32)
    if n > 64:
        values[rng.integers(0, n, 3)] = [80.0, -0.0, 1e-40]
    short, long = (anew(monkeypatch, most, values) for most in (1000, 0))
    assert all(short[name].tobytes() == long[name].tobytes() for name in short)
    exact = np.exp(values.astype(np.float64)) * values
    np.testing.assert_allclose(short["elements"], exact, rtol=3e-6, atol=1e-40)
    np.testing.assert_allclose(short["total"], exact.sum(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(short["largest"], exact.max(), rtol=3e-6)
    assert short["count"] == (short["elements"] > 0.5).sum()
    assert short["whole"] == ((np.arange(n) % 1000) ** 2).sum()


def products(length, monkeypatch, most):
    """How many products the good code of a chain has where that many instructions are many."""
    monkeypatch.setattr(vectors, "_LONG", most)
    monkeypatch.setattr(segment, "_codes", {})
    sd = SameDiff()
    y = x = sd.placeholder("x", (None,))
    for _ in range(length):
        y = y * x * 0.5
    f = sd.compile([sd.sum(y), sd.identity(y, name="y")], engine="llvm")
    f({"x": np.ones(3, np.float32)})
    return f.source().count(" fmul ")


def test_how_often_what_is_done_to_an_element_stands_there(monkeypatch):
    copies = vectors.TURN + 1
    assert products(20, monkeypatch, 1000) == copies * 40
    [(brief, _)] = segment._codes.values()
    assert brief.text.count(" fmul ") == 40
    once = "avx512f" in machine.computer().features
    assert products(20, monkeypatch, 1) == (1 if once else copies) * 40
