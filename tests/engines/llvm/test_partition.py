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


def test_an_array_filled_with_a_number_needs_no_step():
    sd = SameDiff("float32")
    x = sd.placeholder("x", shape=(300, 200))
    y = sd.identity(x * sd.full_like(x, 2.5), name="y")
    f = sd.compile(y, engine="llvm")
    values = np.random.default_rng(0).normal(size=(300, 200)).astype(np.float32)
    assert np.array_equal(f(x=values)["y"], values * np.float32(2.5))
    assert "numpy" not in f.plan.notes


def test_a_number_that_the_dtype_cannot_hold_is_an_error_of_the_node():
    sd = SameDiff("float32")
    x = sd.placeholder("x", shape=(3,), dtype="uint8")
    y = sd.full_like(x, 300, name="too_large")
    for engine in ("llvm", "numpy"):
        with pytest.raises(Exception, match="too_large"):
            sd.compile(y, engine=engine)(x=np.zeros(3, np.uint8))
