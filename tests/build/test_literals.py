"""Numbers beside variables and arrays: whose dtype the result has. Numpy's scalars count as Python's numbers."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sdgraph.nd as nd
from sdgraph import SameDiff
from sdgraph.errors import ArgumentTypeError, SDGraphError
from sdgraph.keras import losses
from tests.graph_state import graph_state

DTYPES = ["bool", "int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64", "complex64"]
OPERATORS = {
    operator.add: nd.math.add,
    operator.sub: nd.math.sub,
    operator.mul: nd.math.mul,
    operator.truediv: nd.math.div,
    operator.floordiv: nd.math.floor_div,
    operator.mod: nd.math.floor_mod,
    operator.pow: nd.math.pow,
    operator.lt: nd.lt,
    operator.ge: nd.gte,
}
SCALARS = {
    np.bool_: True, np.int8: 3, np.uint8: 3, np.int64: 2, np.uint64: 3, np.float16: 2.5, np.float32: 2.5,
    np.float64: 0.1, np.longdouble: 2.5, np.complex64: 2 - 1j, np.complex128: 2 - 1j,
}  # fmt: skip


def by_numpy(op, a, b):
    """What numpy makes of an array and a Python number; None for what it refuses."""
    # Its operator takes ``a ** 2`` for a square, which is int8 for bools.
    op = np.power if op is operator.pow else op
    try:
        with np.errstate(all="ignore"):
            return np.asarray(op(a, b))
    except TypeError:
        return None


def python_number(scalar):
    return float(scalar) if isinstance(scalar, np.longdouble) else scalar.item()


@given(st.sampled_from([*OPERATORS]), st.sampled_from(DTYPES), st.sampled_from([*SCALARS]), st.booleans())
def test_a_numpy_scalar_is_the_python_number_that_it_stands_for(op, dtype, kind, scalar_first):
    array, scalar = np.array([1, 2, 5]).astype(dtype), kind(SCALARS[kind])
    x = SameDiff().placeholder("x", (3,), dtype)
    written = [array, python_number(scalar)]
    expected = by_numpy(op, *(reversed(written) if scalar_first else written))
    if expected is None or (expected.dtype.kind == "b" and np.iscomplexobj(scalar + array)):
        return  # Numpy has no difference of bools and no remainder of complex numbers, and sdgraph orders none.
    node = op(scalar, x) if scalar_first else op(x, scalar)
    eager = OPERATORS[op](scalar, array) if scalar_first else OPERATORS[op](array, scalar)
    assert node.dtype == expected.dtype
    for found in (node.eval({"x": array}), eager):
        assert found.dtype == expected.dtype
        rounding = np.finfo(expected.dtype).eps if expected.dtype.kind in "fc" else 0
        np.testing.assert_allclose(found, expected, rtol=8 * rounding)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_attention_keeps_its_dtype(dtype):
    """``/ np.sqrt(d)`` and ``* np.mean(...)``, as every tutorial writes them."""
    sd = SameDiff(dtype)
    q, k = sd.placeholder("q", ("batch", 4, 8)), sd.placeholder("k", ("batch", 4, 8))
    weights = sd.nn.softmax(q @ sd.permute(k, (0, 2, 1)) / np.sqrt(8)) * np.mean([0.5, 1.5])
    assert {v.dtype.name for v in sd.variables()} == {dtype}
    assert weights.eval({"q": np.ones((1, 4, 8)), "k": np.ones((1, 4, 8))}).dtype == dtype


@pytest.mark.parametrize("weights", [2.0, 2, np.float64(2), [2.0, 0.5], [2, 1]], ids=repr)
@pytest.mark.parametrize("labels", ["int64", "uint8", "bool", "float16"])
def test_a_number_beside_integers_and_floats_takes_the_dtype_of_the_floats(labels, weights):
    sd = SameDiff()
    y, p = sd.placeholder("y", (2,), labels), sd.placeholder("p", (2,))
    loss = sd.loss.mean_squared_error(y, p, weights)
    feeds = {"y": np.array([1, 0], labels), "p": np.array([0.5, 2.0], "float32")}
    by_hand = np.mean(np.square([0.5, 2.0]) * weights)
    assert loss.dtype == np.float32 and loss.eval(feeds) == pytest.approx(by_hand)
    assert {v.dtype.name for v in sd.constants()} <= {"float32"}
    assert nd.loss.mean_squared_error(feeds["y"], feeds["p"], weights).dtype == np.float32


def test_an_array_keeps_its_dtype_even_without_axes():
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    assert (x * np.array(2.0)).dtype == (np.array([2.0]) * x).dtype == np.float64
    assert nd.math.mul(np.ones(2, "float32"), np.array(2.0)).dtype == np.float64


def test_a_number_and_a_scalar_of_the_same_value_are_one_constant():
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    _ = x / 8.0, x / np.float64(8), x / np.float32(8), 8.0 / x
    assert [v.name for v in sd.constants()] == ["constant"]


@pytest.mark.parametrize("kind", SCALARS)
def test_a_scalar_alone_takes_the_dtype_of_the_graph(kind):
    scalar = kind(SCALARS[kind])
    for dtype in ("float16", "float32", "float64"):
        sd = SameDiff(dtype)
        expected = {"b": np.dtype("bool"), "c": np.result_type(dtype, 1j)}.get(scalar.dtype.kind, np.dtype(dtype))
        found = [sd.identity(scalar), sd.var("v", scalar), sd.constant("c", scalar), sd.constant(scalar)]
        assert {v.dtype for v in found} == {expected}
        assert sd.var("w", scalar, dtype="complex128").value == python_number(scalar)


@pytest.mark.parametrize("kind", SCALARS)
def test_a_scalar_alone_keeps_its_dtype_without_a_graph(kind):
    scalar = kind(SCALARS[kind])
    assert nd.identity(scalar).dtype == scalar.dtype
    assert nd.math.mul(scalar, scalar).dtype == scalar.dtype
    assert nd.math.mul(scalar, 2 if kind is not np.bool_ else True).dtype == scalar.dtype


def test_scalars_beside_each_other_are_promoted_as_numpy_has_it():
    for a in SCALARS:
        for b in SCALARS:
            assert nd.math.add(a(1), b(1)).dtype == (np.ones((), a) + np.ones((), b)).dtype


def test_losses_on_arrays_keep_the_dtype_of_the_arrays():
    y, p = np.ones(4, "float32"), np.zeros(4, "float32")
    assert losses.mean_squared_error(y, p).dtype == np.float32
    for weight in (np.float64(0.5), np.mean([1.0]), np.int64(2)):
        assert losses.MeanSquaredError()(y, p, weight).dtype == np.float32
        assert nd.loss.mean_squared_error(y, p, weight).dtype == np.float32


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_loss_of_scalars_has_their_dtype(kind):
    class Distance(losses.Loss):
        def call(self, y_true, y_pred):
            return y_pred.sd.math.abs(y_pred - y_true)

    assert Distance()(kind(1), kind(2)).dtype == kind
    assert Distance()([1.0, 2.0], kind(2)).dtype == kind


REFUSED = {
    "too large": np.float64(1e300),
    "a large integer": np.uint64(2**63),
    "a date": np.datetime64("2026-01-01"),
    "a duration": np.timedelta64(3, "s"),
    "a text": np.str_("3"),
    "bytes": np.bytes_(b"3"),
    "a record": np.zeros((), "i4,f4")[()],
}


@pytest.mark.parametrize("what", REFUSED)
def test_scalars_that_are_no_numbers_of_the_dtype_are_refused(what):
    sd = SameDiff()
    x = sd.placeholder("x", (3,), "int64" if what == "a large integer" else "float32")
    before = graph_state(sd)
    for call in (lambda s: x * s, lambda s: s * x, lambda s: sd.math.max(x, s)):
        with pytest.raises(ArgumentTypeError, match="cannot use its operand"):
            call(REFUSED[what])
    assert graph_state(sd) == before
    with pytest.raises(SDGraphError):
        nd.math.mul(np.ones(3, x.dtype), REFUSED[what])


def test_an_integer_that_the_other_operand_cannot_hold_makes_a_wider_one():
    x = SameDiff().placeholder("x", (3,), "int8")
    assert (x + np.int64(3)).dtype == np.int8
    assert (x + np.int64(300)).dtype == (x + 300).dtype == np.int64


def test_feeds_and_new_values_take_the_dtype_they_are_for():
    sd = SameDiff()
    x, w = sd.placeholder("x"), sd.var("w", 1.0)
    w.value = np.float64(0.1)
    assert sd.math.mul(x, w).eval({"x": np.float64(0.1)}).dtype == w.value.dtype == np.float32
