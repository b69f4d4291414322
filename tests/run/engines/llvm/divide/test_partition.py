"""What a plan is divided into, where operands and sums want different rows and columns."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff

SHAPE = (2, 3, 4)

CASES = {
    "rows by columns": lambda sd, x, y: x / y,
    "a sum of rows by columns": lambda sd, x, y: sd.sum(x / y, axis=-1),
    "rows of repeated columns": lambda sd, x, y: sd.sum(sd.broadcast_to(x, SHAPE), axis=-1),
    "columns of repeated rows": lambda sd, x, y: sd.sum(sd.broadcast_to(y, SHAPE), axis=0),
    "the largest of repeated columns": lambda sd, x, y: sd.max(sd.broadcast_to(x, SHAPE), axis=-1),
    "probabilities of repeated columns": lambda sd, x, y: sd.nn.log_softmax(sd.broadcast_to(x, SHAPE)),
    "picked from repeated columns": lambda sd, x, y: sd.loss.sparse_softmax_cross_entropy(
        sd.broadcast_to(x, SHAPE), sd.cast(sd.squeeze(y, -1), "int64")
    ),
    "all of repeated rows": lambda sd, x, y: sd.sum(sd.broadcast_to(y, SHAPE)),
}


@pytest.mark.parametrize("case", CASES)
def test_one_step_never_needs_two_divisions_into_rows_and_columns(case):
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", shape=(1, 3, 4)), sd.placeholder("y", shape=(2, 3, 1))
    result = sd.identity(CASES[case](sd, x, y), name="result")
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=(1, 3, 4)), "y": rng.uniform(1, 2, (2, 3, 1))}
    got, want = (sd.compile(result, engine=e)(feeds)["result"] for e in ("llvm", "numpy"))
    assert got.shape == want.shape
    assert np.allclose(got, want, rtol=1e-13)


def test_operands_that_call_for_different_rows():
    sd = SameDiff("float32")
    a, b = sd.placeholder("a", shape=(1, 3, 4)), sd.placeholder("b", shape=(2, 3, 1))
    feeds = {"a": np.arange(12.0).reshape(1, 3, 4), "b": np.arange(1.0, 7.0).reshape(2, 3, 1)}
    f = sd.compile([sd.identity(a / b, name="y"), sd.sum(a * b, axis=0, name="total")], engine="llvm")
    got = f(feeds)
    np.testing.assert_allclose(got["y"], feeds["a"] / feeds["b"], rtol=1e-6)
    np.testing.assert_allclose(got["total"], (feeds["a"] * feeds["b"]).sum(0), rtol=1e-6)


def test_an_array_filled_with_a_number_needs_no_step():
    sd = SameDiff("float32")
    x = sd.placeholder("x", shape=(300, 200))
    y = sd.identity(x * sd.full_like(x, 2.5), name="y")
    f = sd.compile(y, engine="llvm")
    values = np.random.default_rng(0).normal(size=(300, 200)).astype(np.float32)
    assert np.array_equal(f(x=values)["y"], values * np.float32(2.5))
    assert "numpy" not in f.plan.notes


# ---------------------------------------------------------------------- values of the engine's own between segments


def agree(sd, fetches, feeds, tolerance=1e-12):
    """Both engines' values, which must be the same up to rounding."""
    got, want = (sd.compile(fetches, engine=e)(feeds) for e in ("llvm", "numpy"))
    for name, a in want.items():
        np.testing.assert_allclose(got[name], a, rtol=tolerance, atol=tolerance, err_msg=name)
    return got


@pytest.mark.parametrize("n", [30, 31, 100])
def test_a_sum_whose_terms_come_one_after_another(n):
    sd = SameDiff("float64")
    z = sd.constant(np.diag([0.25, 4.0]))
    terms = []
    for _ in range(n):
        z = sd.linalg.matrix_inverse(z * 2.0)
        terms.append(z)
    total = sd.math.merge_add(*terms)
    got = sd.compile(total, engine="llvm")({})[total.name]
    # 1/4 becomes 2, and 2 becomes 1/4; 4 becomes 1/8, and that 4 again.
    first, second = (n + 1) // 2, n // 2
    assert np.allclose(got, np.diag([2.0 * first + 0.25 * second, 0.125 * first + 4.0 * second]), rtol=1e-14)


@pytest.mark.parametrize("steps", [29, 40])
def test_an_unrolled_recurrence(steps):
    sd = SameDiff("float64")
    rng = np.random.default_rng(0)
    x = sd.placeholder("x", (None, steps, 2))
    w, u, b = (sd.var(k, rng.uniform(-0.5, 0.5, s)) for k, s in (("w", (2, 3)), ("u", (3, 3)), ("b", (3,))))
    h = sd.placeholder("h", (None, 3))
    for k in range(steps):
        h = sd.math.tanh(x[:, k] @ w + h @ u + b)
    loss = sd.sum(h * h)
    agree(sd, [loss, *sd.grad(loss, [w, u, b])], {"x": rng.normal(size=(4, steps, 2)), "h": np.zeros((4, 3))})


@pytest.mark.parametrize("frames", [30, 31, 60])
def test_connectionist_temporal_classification_of_many_frames(frames):
    sd = SameDiff("float64")
    rng = np.random.default_rng(0)
    logits = sd.placeholder("logits", (2, frames, 4))
    loss = sd.sum(sd.keras.ctc(sd.constant([[1, 2, 1], [3, 3, 0]], dtype="int64"), logits))
    agree(sd, [loss, sd.grad(loss, logits)], {"logits": rng.normal(size=(2, frames, 4))}, 1e-10)


THROUGH = {
    "top_k": lambda sd, ce: sd.nn.top_k(ce, 2)[0],
    "gather": lambda sd, ce: sd.gather(ce, [2, 0, 2], axis=0),
    "slice": lambda sd, ce: ce[1:3],
    "concat": lambda sd, ce: sd.concat(ce, ce * 2.0, axis=0),
    "stack": lambda sd, ce: sd.stack([ce, ce * 3.0], axis=0),
    "reverse": lambda sd, ce: sd.reverse(ce, axis=0) * sd.constant([1.0, 2.0, 3.0, 4.0]),
    "pad": lambda sd, ce: sd.nn.pad(ce, [(1, 2)]),
    "tile": lambda sd, ce: sd.tile(ce, (3,)),
    "repeat": lambda sd, ce: sd.repeat(ce, 2, axis=0),
    "cumsum": lambda sd, ce: sd.cumsum(ce, axis=0),
    "cumprod": lambda sd, ce: sd.cumprod(ce, axis=0),
    "prod": lambda sd, ce: sd.prod(ce),
    "segments": lambda sd, ce: sd.unsorted_segment_sum(ce, [0, 1, 0, 1], 2),
    "inverse": lambda sd, ce: sd.linalg.matrix_inverse(sd.reshape(ce, (2, 2)) + sd.constant(np.eye(2) * 9)),
}


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("ignored", [False, True])
def test_examples_that_go_on_through_a_numpy_step(through, ignored):
    sd = SameDiff("float64")
    x, tokens = sd.placeholder("x", (4, 3)), sd.placeholder("tokens", (5,), "int64")
    if ignored:
        ce = sd.keras.sparse_categorical_crossentropy(tokens[1:], x, from_logits=True, ignore_class=1)
    else:
        ce = sd.loss.sparse_softmax_cross_entropy(x, tokens[1:])
    loss = sd.sum(sd.math.square(THROUGH[through](sd, ce)))
    feeds = {"x": np.random.default_rng(0).normal(size=(4, 3)), "tokens": np.array([0, 0, 1, 2, 0])}
    agree(sd, [loss, sd.grad(loss, x)], feeds)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("op", ["nn.softmax", "nn.log_softmax", "sparse", "pow", "matmul"])
def test_batches_of_few_with_second_derivatives(op, n):
    sd = SameDiff("float64")
    x, k = sd.placeholder("x", (None, 3)), sd.placeholder("k", (None,), "int64")
    y = {
        "nn.softmax": lambda: sd.nn.softmax(x),
        "nn.log_softmax": lambda: sd.nn.log_softmax(x),
        "sparse": lambda: sd.loss.sparse_softmax_cross_entropy(x, k),
        "pow": lambda: sd.math.pow(x, 3.0),
        "matmul": lambda: x @ sd.constant([[1.0], [2.0], [3.0]]),
    }[op]()
    loss = sd.math.square(sd.sum(y * y))
    slope = sd.grad(loss, x)
    again = sd.grad(sd.sum(slope * slope), x)
    feeds = {"x": np.random.default_rng(0).normal(size=(n, 3)), "k": np.arange(n) % 3}
    agree(sd, [loss, slope, again], feeds, 1e-10)


def test_a_feed_that_is_not_needed_takes_no_value_of_the_engines_place():
    sd = SameDiff("float64")
    x, spare = sd.placeholder("x", (4, 3)), sd.placeholder("spare", (2,))
    k = sd.placeholder("k", (4,), "int64")
    ce = sd.loss.sparse_softmax_cross_entropy(x, k)
    loss = sd.sum(sd.nn.top_k(ce, 2)[0]) + 0.0 * sd.sum(sd.zeros_like(spare))
    f = sd.compile([loss, sd.grad(loss, x)], engine="llvm")
    feeds = {"x": np.eye(4, 3), "k": np.array([0, 1, 2, 0]), "spare": np.zeros(2)}
    first = f(feeds)
    again = f({**feeds, "spare": np.full(2, np.nan)})
    assert all(np.array_equal(first[name], again[name]) for name in first)
