"""The order of instructions in a loop, and what belongs to some of the axes that are rows."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.write.vectors import TURN
from tests.run.engines.llvm import computers
from tests.run.engines.llvm.calls import fused, normal, steps


@pytest.mark.parametrize("computer", computers.COMPUTERS)
def test_the_vectors_of_a_turn_stand_side_by_side(computer, monkeypatch):
    """A CPU looks a hundred instructions ahead: what it can do at the same time must not be further away."""

    def compile_it():
        sd = SameDiff()
        x = sd.placeholder("x", (1000,))
        sd.compile(sd.sum(sd.math.floor(sd.math.sqrt(sd.math.abs(x)))), engine="llvm")

    [text] = [t for t in computers.texts_for(computers.COMPUTERS[computer], monkeypatch, compile_it) if "sqrt" in t]
    called = re.findall(r"call <\d+ x float> @llvm\.(fabs|sqrt|floor)", text)
    # One turn, then one masked vector.
    assert called[: 3 * TURN] == ["fabs"] * TURN + ["sqrt"] * TURN + ["floor"] * TURN


# ---------------------------------------------------------------------- some of the axes that are rows


IMAGES = [((4, 6, 8, 9), 1), ((2, 3, 40), 1), ((3, 4, 5, 16), 2), ((3, 4, 5, 16), 1), ((1, 5, 10), 1), ((70, 3, 9), 1),
          ((5, 2, 3, 2, 4), 1)]  # fmt: skip


@pytest.mark.parametrize("dtype, tolerance", [("float16", 4e-3), ("float32", 4e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("shape, channel", IMAGES)
def test_channels(shape, channel, dtype, tolerance):
    """What each channel has, read by elements, and summed over all else."""
    beside = tuple(d if k == channel else 1 for k, d in enumerate(shape))
    others = tuple(k for k in range(len(shape)) if k != channel)
    x, g, b = normal(shape, dtype), normal(beside, dtype, 1), normal(beside, dtype, 2)

    def build(sd, x, g, b):
        y = x * g + b
        return [y, sd.sum(y, axis=others), sd.max(x * g, axis=others, keepdims=True), sd.sum(sd.math.abs(y))]

    (y, sums, largest, total), notes = fused(build, x, g, b)
    wide = x.astype("float64") * g + b
    np.testing.assert_allclose(y, wide, atol=tolerance * 3)
    np.testing.assert_allclose(sums, wide.sum(others), rtol=tolerance, atol=tolerance * np.abs(wide).sum(others).max())
    np.testing.assert_array_equal(largest, (x * g).max(others, keepdims=True))
    np.testing.assert_allclose(total, np.abs(wide).sum(), rtol=tolerance)
    assert not steps(notes)


@pytest.mark.parametrize("dtype", ["int32", "bool", "int64"])
def test_counts_of_channels(dtype):
    x = normal((4, 3, 5, 7)) * 3
    x = x > 0 if dtype == "bool" else x.astype(dtype)
    name = "all" if dtype == "bool" else "min"
    (total, least), _ = fused(lambda sd, x: [sd.sum(x, axis=(0, 2, 3)), getattr(sd, name)(x, axis=(0, 2, 3))], x)
    np.testing.assert_array_equal(total, x.sum((0, 2, 3)))
    np.testing.assert_array_equal(least, x.min((0, 2, 3)))


def test_channels_with_nan_and_infinities():
    x = normal((4, 3, 5, 7))
    x[0, 0, 2, 3], x[3, 1, 4, 6], x[1, 2, 0, 0] = np.nan, np.inf, -np.inf
    (total, largest, least), _ = fused(lambda sd, x: [f(x, axis=(0, 2, 3)) for f in (sd.sum, sd.max, sd.min)], x)
    np.testing.assert_allclose(total, x.sum((0, 2, 3)), rtol=1e-5)
    np.testing.assert_array_equal(largest, x.max((0, 2, 3)))
    np.testing.assert_array_equal(least, x.min((0, 2, 3)))


@given(
    dims=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    inner=st.integers(1, 20),
    has=st.lists(st.booleans(), min_size=4, max_size=4),
    reduced=st.lists(st.booleans(), min_size=4, max_size=4),
)
@settings(max_examples=80, deadline=None)
def test_any_axes(dims, inner, has, reduced):
    """An operand with any of the axes, and a reduction over any of them."""
    shape = (*dims, inner)
    other = tuple(d if h else 1 for d, h in zip(shape, has, strict=False))
    axes = tuple(k for k in range(len(shape)) if reduced[k])
    x, y = normal(shape, "float64"), normal(other, "float64", 1)
    (product, total, largest), _ = fused(
        lambda sd, x, y: [x * y, sd.sum(x * y, axis=axes), sd.max(x + y, axis=axes)], x, y
    )
    np.testing.assert_allclose(product, x * y, rtol=1e-15)
    np.testing.assert_allclose(total, (x * y).sum(axes), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(largest, (x + y).max(axes))


@pytest.mark.parametrize("shape", [(0, 3, 8), (2, 0, 8), (2, 3, 0)])
def test_no_channels_or_nothing_in_them(shape):
    x, g = np.ones(shape, "float32"), np.ones((shape[1], 1), "float32")
    (y, total), _ = fused(lambda sd, x, g: [x + g, sd.sum(x + g, axis=(0, 2))], x, g)
    assert y.shape == shape
    np.testing.assert_array_equal(total, np.zeros(shape[1]))


def test_a_batch_norm_and_its_gradients_are_fused():
    x, gain, bias = normal((6, 4, 5, 7), "float64"), normal((4,), "float64", 1), normal((4,), "float64", 2)

    def build(sd, x, gain, bias):
        mean, variance = sd.mean(x, axis=(0, 2, 3)), sd.variance(x, axis=(0, 2, 3))
        y = sd.nn.batch_norm(x, mean, variance, gain, bias, axis=1)
        loss = sd.sum(sd.math.square(y) * y)
        return [loss, *sd.grad(loss, [x, gain, bias])]

    (loss, *slopes), notes = fused(build, x, gain, bias)

    def formula(x, gain, bias):
        c = (1, 4, 1, 1)
        mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
        return (((x - mean) / np.sqrt(variance + 1e-5) * gain.reshape(c) + bias.reshape(c)) ** 3).sum()

    assert loss == pytest.approx(formula(x, gain, bias), rel=1e-12)
    arrays = [x, gain, bias]
    for n, slope in enumerate(slopes):
        for k in range(0, arrays[n].size, 97 if n == 0 else 1):
            above, below = ([a.copy() for a in arrays] for _ in range(2))
            above[n].flat[k] += 1e-5
            below[n].flat[k] -= 1e-5
            want = (formula(*above) - formula(*below)) / 2e-5
            assert slope.flat[k] == pytest.approx(want, rel=1e-6, abs=1e-6)
    assert set(steps(notes)) <= {"squeeze"}


def test_sums_of_channels_have_equal_bits_at_every_number_of_threads():
    x = normal((40, 7, 60, 61))
    before = threads.get_num_threads()
    results = []
    try:
        for n in (1, 2, 5):
            threads.set_num_threads(n)
            results.append(fused(lambda sd, x: [sd.sum(x * x, axis=(0, 2, 3))], x)[0][0])
    finally:
        threads.set_num_threads(before)
    np.testing.assert_allclose(results[0], (x.astype("float64") ** 2).sum((0, 2, 3)), rtol=1e-6)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_codes_of_equal_structure_know_their_own_axes():
    """One code may serve both only where the same axes are looked up."""
    for shape, beside in [((2, 3, 4, 9), (3, 1, 1)), ((3, 2, 4, 9), (3, 1, 1, 1)), ((2, 3, 4, 9), (3, 4, 1)),
                          ((2, 3, 4, 9), (4, 1)), ((4, 3, 2, 9), (4, 1, 1, 1)), ((2, 5, 4, 9), (5, 1, 1))]:  # fmt: skip
        x, y = normal(shape, "float64"), normal(beside, "float64", 1)
        (product,), _ = fused(lambda sd, x, y: [sd.math.exp(x) * y], x, y)
        np.testing.assert_allclose(product, np.exp(x) * y, rtol=1e-13)
