"""Rows side by side: softmax and reductions over axes in the middle, and what is read beside them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from scipy.special import log_softmax, logsumexp, softmax

from sdgraph import SameDiff
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.divide.cuts import WIDE
from tests.run.engines.llvm import computers
from tests.run.engines.llvm.calls import fused, normal, steps

TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-14}


SHAPES = [((3, 5, 16), 1), ((2, 3, 4, 33), 1), ((2, 3, 4, 33), 2), ((4, 7, 8), 1), ((3, 600, 9), 1), ((5, 32), 0),
          ((1, 6, 40), 1), ((3, 4, 1, 20), 1), ((2, 2, 100, 17), 2)]  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape, axis", SHAPES)
def test_softmax(shape, axis, dtype):
    x = normal(shape, dtype) * np.asarray(5, dtype)
    (p, logarithm), notes = fused(lambda sd, x: [sd.nn.softmax(x, axis), sd.nn.log_softmax(x, axis)], x)
    wide = x.astype("float64")
    np.testing.assert_allclose(p, softmax(wide, axis), atol=TOLERANCE[dtype])
    np.testing.assert_allclose(logarithm, log_softmax(wide, axis), rtol=4 * TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert not steps(notes) and "side by side" in notes


@pytest.mark.parametrize("shape, axis", SHAPES)
def test_softmax_of_infinities_and_nan(shape, axis):
    x = normal(shape)
    rng = np.random.default_rng(1)
    for k, number in enumerate((-np.inf, -np.inf, np.nan, np.inf, 1e30, -0.0, 1e-42)):
        x.flat[rng.integers(0, x.size, 1 + k % 3)] = number
    with np.errstate(invalid="ignore"):
        want = softmax(x.astype("float64"), axis)
    (p,), _ = fused(lambda sd, x: [sd.nn.softmax(x, axis)], x)
    np.testing.assert_allclose(p, want, atol=2e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape, axis", SHAPES)
def test_reductions(shape, axis, dtype):
    x = normal(shape, "float64") * 20
    x = (x > 0) if dtype == "bool" else np.abs(x).astype(dtype) if dtype[0] == "u" else x.astype(dtype)
    exact = np.result_type(dtype, np.float64) if x.dtype.kind == "f" else None
    sums, notes = fused(lambda sd, x: [sd.sum(x, axis=axis), sd.sum(x, axis=axis, keepdims=True)], x)
    for got in sums:
        want = x.sum(axis, dtype=exact, keepdims=got.ndim == x.ndim)
        np.testing.assert_allclose(got, want, rtol=TOLERANCE.get(dtype, 0), atol=20 * TOLERANCE.get(dtype, 0))
    if x.dtype.kind in "fi":
        extremes, notes = fused(lambda sd, x: [sd.max(x, axis=axis), sd.min(x, axis=axis)], x)
        for got, of in zip(extremes, (np.max, np.min), strict=True):
            np.testing.assert_array_equal(got, of(x, axis))
        assert not steps(notes)
    if dtype == "bool":
        truths, _ = fused(lambda sd, x: [sd.all(x, axis=axis), sd.any(x, axis=axis)], x)
        np.testing.assert_array_equal(truths[0], x.all(axis))
        np.testing.assert_array_equal(truths[1], x.any(axis))


@pytest.mark.parametrize("shape, axis", SHAPES)
def test_extremes_of_nan_and_zeros(shape, axis):
    x = normal(shape)
    rng = np.random.default_rng(2)
    for number in (np.nan, np.inf, -np.inf):
        x.flat[rng.integers(0, x.size, 2)] = number
    for f in (np.max, np.min):
        (got,), _ = fused(lambda sd, x, f=f: [getattr(sd, f.__name__)(x, axis=axis)], x)
        np.testing.assert_array_equal(got, f(x, axis))


def test_sums_lose_less_than_single_precision_would():
    x = np.ones((2, 3000, 24), "float32")
    x[:, 0] = 2.0**25
    (got,), _ = fused(lambda sd, x: [sd.sum(x, axis=1)], x)
    # Added one by one in their own type the ones would vanish. Sums of four are rounded before they widen.
    np.testing.assert_allclose(got, 2.0**25 + 2999, rtol=2**-22)


@given(
    outer=st.lists(st.integers(1, 3), max_size=2),
    columns=st.integers(1, 6),
    inner=st.integers(1, 20),
    beside=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
@settings(max_examples=60, deadline=None)
def test_what_is_read_beside_rows(outer, columns, inner, beside):
    """An operand that has some of the axes, in a softmax over one of them."""
    shape = (*outer, columns, inner)
    axis = len(outer)
    has = (*beside[: len(outer)], *beside[2:])
    other = tuple(d if h else 1 for d, h in zip(shape, has, strict=True))
    x, y = normal(shape), normal(other, seed=1)
    (p, total), notes = fused(
        lambda sd, x, y: [sd.nn.softmax(x * y, axis), sd.sum(x + y, axis=axis, keepdims=True)], x, y
    )
    wide = x.astype("float64"), y.astype("float64")
    np.testing.assert_allclose(p, softmax(wide[0] * wide[1], axis), atol=2e-6)
    np.testing.assert_allclose(total, (wide[0] + wide[1]).sum(axis, keepdims=True), rtol=2e-6, atol=2e-5)
    if columns > 1 and inner >= WIDE and (len(outer) < 2 or has[0] == has[1] or 1 in outer):
        assert not steps(notes)


@pytest.mark.parametrize("shape", [(2, 3, 0), (0, 3, 16), (2, 0, 16)])
def test_nothing_to_work_on(shape):
    x = np.zeros(shape, "float32")
    (p, total), _ = fused(lambda sd, x: [sd.nn.softmax(x, 1), sd.sum(sd.math.exp(x), axis=1)], x)
    assert p.shape == shape
    np.testing.assert_array_equal(total, np.zeros((shape[0], shape[2]), "float32"))


def test_a_loss_over_channels_and_its_gradient():
    x, y = normal((2, 5, 4, 6)), np.abs(normal((2, 5, 4, 6), seed=1))
    y /= y.sum(1, keepdims=True)

    def build(sd, x, y):
        loss = sd.mean(0.0 - sd.sum(y * sd.nn.log_softmax(x, 1), axis=1))
        return [loss, sd.grad(loss, x)]

    (loss, gradient), notes = fused(build, x, y)
    wide = x.astype("float64")
    want = (logsumexp(wide, axis=1) - (wide * y).sum(1)).mean()
    np.testing.assert_allclose(loss, want, rtol=2e-6)
    np.testing.assert_allclose(gradient, (softmax(wide, 1) - y) / 48, atol=1e-7)
    assert not steps(notes)


def test_attention_is_fused_between_its_products():
    """Its softmax goes over the last but one axis, under a mask that has two of four."""

    def build(sd, q, k, v, mask):
        out = sd.nn.dot_product_attention(q, k, v, mask=mask)
        return [out, *sd.grad(sd.sum(sd.math.square(out)), [q, k, v])]

    q, k, v = (normal((2, 3, 4, n), seed=n) for n in (9, 10, 10))
    mask = (np.arange(20).reshape(2, 10) % 3 > 0).astype("float32")
    (out, *_), notes = fused(build, q, k, v, mask)
    scores = np.einsum("bhfk,bhfq->bhkq", k.astype("float64"), q) / 2.0
    scores = np.where(mask[:, None, :, None] != 0, scores, -np.inf)
    np.testing.assert_allclose(out, np.einsum("bhfk,bhkq->bhfq", v, softmax(scores, 2)), atol=2e-6)
    assert set(steps(notes)) <= {"linalg.matmul", "permute", "broadcast_to", "reshape", "expand_dims"}


def test_gradients():
    x = normal((2, 3, 9), "float64")

    def build(sd, x):
        y = sd.sum(sd.math.square(sd.nn.softmax(x, 1)) * sd.max(x, axis=1, keepdims=True))
        return [y, sd.grad(y, x)]

    (_, gradient), notes = fused(build, x)
    assert not steps(notes)
    for k in range(0, x.size, 7):
        step = np.zeros_like(x)
        step.flat[k] = 1e-6
        (above, _), (below, _) = fused(build, x + step)[0], fused(build, x - step)[0]
        assert gradient.flat[k] == pytest.approx((above - below) / 2e-6, abs=1e-7)


@pytest.mark.parametrize("shape, axis", [((64, 30, 200), 1), ((300, 4000), 0), ((40, 50, 17, 9), 1)])
def test_equal_bits_at_every_number_of_threads(shape, axis):
    x = normal(shape)

    def build(sd, x):
        p = sd.nn.softmax(x, axis)
        others = tuple(k for k in range(len(shape)) if k != axis)
        return [p, sd.sum(p * x, axis=axis), sd.sum(p * x), sd.sum(p * p, axis=others)]

    before = threads.get_num_threads()
    results = []
    try:
        for n in (1, 2, 5):
            threads.set_num_threads(n)
            results.append(fused(build, x)[0])
    finally:
        threads.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(results[0][0], softmax(x.astype("float64"), axis), atol=2e-6)


@pytest.mark.parametrize("computer", computers.HERE)
@pytest.mark.parametrize("shape", [(3, 5, 16), (2, 9, 33), (2, 6, 70)])
def test_registers_of_other_sizes(shape, computer, monkeypatch):
    x = normal(shape)
    x[0, 1, 2] = np.nan

    def build(sd, x):
        positive = sd.any(x > 1.0, axis=1)
        return [sd.nn.softmax(x, 1), sd.sum(x, axis=1), sd.max(x, axis=1), positive]

    with computers.on(computers.COMPUTERS[computer], monkeypatch):
        (p, total, largest, positive), notes = fused(build, x)
    wide = x.astype("float64")
    np.testing.assert_allclose(p, softmax(wide, 1), atol=2e-6)
    np.testing.assert_allclose(total, wide.sum(1), rtol=2e-6, atol=2e-5)
    np.testing.assert_array_equal(largest, x.max(1))
    np.testing.assert_array_equal(positive, (x > 1).any(1))
    assert not steps(notes)


def test_nothing_is_written_beside_an_array():
    """Rows that are fewer than lanes: memory before and after each result stays as it is."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3, 5, 19)).astype("float32")
    sd = SameDiff()
    f = sd.compile(sd.nn.softmax(sd.placeholder("x", (3, 5, 19)), 1), engine="llvm")
    room = np.full(3 * 5 * 19 + 64, 7.0, "float32")
    inside = room[32:-32].reshape(3, 5, 19)
    inside[...] = x
    f(x=inside)
    assert (room[:32] == 7).all() and (room[-32:] == 7).all() and (inside == x).all()
