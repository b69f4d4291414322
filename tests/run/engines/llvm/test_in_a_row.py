"""Loops whose body is one small segment: many steps in one call, to the bits of one step after another."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import LabelError
from sdgraph.run.engines import inner
from sdgraph.run.engines.llvm import in_a_row
from tests.ops.control.loops import drawn

pytestmark = pytest.mark.skipif(in_a_row._steps() is None, reason="arrays are not as compiled code expects")


def scans(reverse):
    """Several carries, stacks of what enters, of what leaves, of both twice, and of what is captured."""
    sd = SameDiff(dtype="float64")
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None,))
    w = sd.var("w", [0.5, -0.7, 0.9])

    def body(carry, xy):
        (h, k), (x, y) = carry, xy
        new = sd.math.tanh(h * w + x)
        return (new, k * 0.5 + y), (h, new, new, 2.0 * new, k)

    (h, k), ys = sd.scan(body, (w, 0.25), (x, y), reverse=reverse)
    total = sd.math.merge_add(*((v * v).sum() for v in (h, k, *ys)))
    return sd, [h, k, *ys, *sd.grad(total, [w, x, y])]


def both_ways(monkeypatch, sd, fetches, feeds):
    """What is computed in one call, and step by step; and how often a call ran several steps."""
    calls = []
    run = inner._run_in_a_row
    monkeypatch.setattr(inner, "_run_in_a_row", lambda *args: calls.append(args[2]) or run(*args))
    quick = sd.output(feeds, fetches, engine="llvm")
    monkeypatch.setattr(inner, "MOST_CARRIED", -1)
    n = len(calls)
    slow = sd.output(feeds, fetches, engine="llvm")
    assert len(calls) == n
    return quick, slow, n


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 7, 3000])
def test_it_gives_the_same_bits(monkeypatch, reverse, length):
    sd, fetches = scans(reverse)
    feeds = {"x": drawn(length, 3), "y": drawn(length, seed=1)}
    quick, slow, n = both_ways(monkeypatch, sd, fetches, feeds)
    assert n == 2  # The loop forward, and the one backward.
    for name in quick:
        assert quick[name].tobytes() == slow[name].tobytes(), name


def test_arrays_in_another_order(monkeypatch):
    sd, fetches = scans(False)
    feeds = {"x": drawn(3, 50).T, "y": drawn(100)[::2]}
    quick, slow, _ = both_ways(monkeypatch, sd, fetches, feeds)
    assert all(quick[name].tobytes() == slow[name].tobytes() for name in quick)


def test_a_loop_that_stopped_early(monkeypatch):
    sd = SameDiff(dtype="float64")
    w = sd.var("w", [2.0, 3.0])
    x = sd.while_loop(lambda x: x.sum() < 100.0, lambda x: x * w, w, max_steps=20)
    quick, slow, n = both_ways(monkeypatch, sd, [x, sd.grad(x, w)], {})
    assert n == 1  # The loop backward knows how many steps there were.
    np.testing.assert_allclose(quick["grad/w"], [5 * 2.0**4, 5 * 3.0**4])
    assert all(quick[name].tobytes() == slow[name].tobytes() for name in quick)


def test_one_value_for_two_carries(monkeypatch):
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (None, 2))
    (a, b), _ = sd.scan(lambda c, x: ((c[0] + c[1] * x, c[0] + c[1] * x), None), (1.0 + x[0], 2.0 * x[0]), x)
    quick, slow, _ = both_ways(monkeypatch, sd, [a, b], {"x": drawn(5, 2)})
    assert all(quick[name].tobytes() == slow[name].tobytes() for name in quick)


def test_a_check_that_fails_says_what_is_wrong():
    sd = SameDiff(dtype="float64")
    labels, w = sd.placeholder("labels", (None, 2), dtype="int64"), sd.var("w", np.zeros((2, 3)))

    def body(total, labels):
        return total + sd.loss.sparse_softmax_cross_entropy(w, labels).sum(), None

    total, _ = sd.scan(body, 0.0, labels)
    for engine in ("numpy", "llvm"):
        assert total.eval({"labels": [[0, 1]] * 3}, engine=engine) == pytest.approx(2 * np.log(3) * 3, rel=1e-6)
        with pytest.raises(LabelError, match="in step 2"):
            total.eval({"labels": [[0, 1], [1, 1], [0, 7]]}, engine=engine)
