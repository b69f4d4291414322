"""Rewrites while lowering: each keeps the value to the bit, the shape and the dtype."""

import numpy as np
import pytest

from sdgraph import SameDiff

X = np.array([[1.5, -0.0, np.nan], [np.inf, -2.0, 1e-310]])
INTEGERS = np.array([[3, -4, 0], [7, 1, -2]])


def result(build, x, engine):
    sd = SameDiff("float64")
    f = sd.compile(build(sd, sd.placeholder("x", x.shape, x.dtype)).rename("y"), engine=engine)
    return f(x=x)["y"], [s.op.qualname for s in f.plan.steps]


def assert_bits(got, want):
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_array_equal(got, want)
    if want.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize(
    ("build", "want"),
    [
        (lambda sd, x: x * 1.0, lambda x: x * 1.0),
        (lambda sd, x: 1.0 * x, lambda x: 1.0 * x),
        (lambda sd, x: x / 1, lambda x: x / 1),
        (lambda sd, x: x * np.ones((2, 2, 3)), lambda x: x * np.ones((2, 2, 3))),
        (lambda sd, x: x * np.ones((1, 1, 1)), lambda x: x * np.ones((1, 1, 1))),
        (lambda sd, x: np.ones((1, 1, 1)) * x, lambda x: np.ones((1, 1, 1)) * x),
        (lambda sd, x: x / np.ones((2, 2, 1)), lambda x: x / np.ones((2, 2, 1))),
        (lambda sd, x: sd.math.neg(-x), lambda x: x),
        (lambda sd, x: abs(-x), lambda x: np.abs(x)),
        (lambda sd, x: sd.cast(x, "float32"), lambda x: x.astype("float32")),
        (lambda sd, x: sd.cast(sd.cast(x, "float64"), x.dtype), lambda x: x),
        (lambda sd, x: sd.full_like(x, 2) * x, lambda x: np.full_like(x, 2) * x),
        (lambda sd, x: sd.ones_like(x, "int8") + sd.zeros_like(x, "int8"), lambda x: np.ones(x.shape, "int8")),
    ],
)
@pytest.mark.parametrize("x", [X, X.astype("float32"), INTEGERS], ids=["float64", "float32", "int64"])
def test_values_shapes_and_dtypes_stay(build, want, x, engine):
    with np.errstate(all="ignore"):
        assert_bits(result(build, x, engine)[0], np.asarray(want(x)))


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_a_chain_of_permutations_is_their_product(engine):
    x = np.arange(24.0).reshape(2, 3, 4)
    first, second = (1, 2, 0), (0, 2, 1)
    got, steps = result(lambda sd, v: sd.permute(sd.permute(v, first), second) + 0.5, x, engine)
    assert_bits(got, x.transpose(first).transpose(second) + 0.5)
    assert steps.count("permute") == 1
    got, steps = result(lambda sd, v: sd.permute(sd.permute(v, first), (2, 0, 1)), x, engine)
    assert_bits(got, x)
    assert steps.count("permute") <= 1


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_a_chain_of_reshapes_is_the_last(engine):
    x = np.arange(24.0).reshape(2, 3, 4)
    got, steps = result(lambda sd, v: sd.reshape(sd.reshape(v, (6, 4)), (4, 6)) * 2.0, x, engine)
    assert_bits(got, x.reshape(4, 6) * 2)
    assert steps.count("reshape") == 1


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("w", [[1.0, 2.0, 3.0], [1.0, 0.0, 3.0], [0.0, 0.0, 0.0], 0.0, -2.0])
def test_a_weight_of_zero_hides_what_it_multiplies(w, engine):
    x = np.array([np.nan, np.inf, -1.0])
    got, _ = result(lambda sd, v: sd.math.multiply_no_nan(v, np.array(w)), x, engine)
    w = np.broadcast_to(w, x.shape)
    assert_bits(got, np.where(w == 0, 0.0, np.where(w == 0, 0.0, x) * w))


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_elementwise_ops_of_broadcast_operands(engine):
    x, y = np.array([[1.0], [2.0]]), np.array([10.0, 20.0, 30.0])

    def build(sd, v):
        wide = sd.broadcast_to(v, (2, 3))
        return sd.math.exp(wide) + sd.broadcast_to(sd.constant(y), (2, 3)) + sd.expand_dims(sd.sum(v, axis=1), 1)

    got, _ = result(build, x, engine)
    np.testing.assert_allclose(got, np.exp(x) + y + x, rtol=1e-15)
    got, _ = result(lambda sd, v: sd.math.square(sd.broadcast_to(v, (2, 3))), x, engine)
    assert_bits(got, np.broadcast_to(x, (2, 3)) ** 2)
    got, _ = result(lambda sd, v: sd.math.square(sd.reshape(v, (1, 2))), x, engine)
    assert_bits(got, x.reshape(1, 2) ** 2)
