"""Arrays on the left of operators, and functions of numpy's, with a variable among their operands."""

import operator

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY
from sdgraph.errors import ArgumentTypeError, SDGraphError
from tests.graph_state import graph_state

ARITHMETIC = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow),
    *(operator.lt, operator.le, operator.gt, operator.ge),
]
LEFT = {
    "array": np.array([[1.5, 2.0, 3.0]]),
    "array of float32": np.array([1.5, 2.0, 3.0], "float32"),
    "integers": np.array([1, 2, 3]),
    "array of no axes": np.array(2.0),
    "scalar": np.float64(2.0),
    "scalar of float32": np.float32(2.0),
    "integer": np.int64(2),
    "not contiguous": np.arange(1.0, 7.0).reshape(3, 2).T[:, ::-1],
}


@pytest.mark.parametrize("op", ARITHMETIC, ids=lambda op: op.__name__)
@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_an_array_on_the_left_does_what_numpy_does(op, left):
    values = np.array([[0.5, 1.25, 2.0], [3.0, 0.75, 1.0]])
    sd = SameDiff(dtype="float64")
    v = sd.var("v", values)
    z = op(left, v)
    assert z.sd is sd
    np.testing.assert_allclose(z.eval(), op(np.asarray(left, "float64"), values), rtol=1e-12)
    np.testing.assert_allclose(op(v, left).eval(), op(values, np.asarray(left, "float64")), rtol=1e-12)


def test_matrices_bools_and_the_gradient():
    sd = SameDiff(dtype="float64")
    a, v = np.arange(6.0).reshape(2, 3), sd.var("v", np.arange(12.0).reshape(3, 4))
    np.testing.assert_allclose((a @ v).eval(), a @ v.value)
    np.testing.assert_allclose(sd.grad((a @ v).sum(), v).eval(), np.tile(a.sum(0)[:, None], (1, 4)))
    mask, b = np.array([True, False]), sd.constant("b", np.array([True, True]))
    for op in (operator.and_, operator.or_, operator.xor):
        np.testing.assert_array_equal(op(mask, b).eval(), op(mask, b.value))
        np.testing.assert_array_equal(op(True, b).eval(), op(True, b.value))


def test_scalars_of_numpy_on_the_left_keep_the_dtype_of_the_variable():
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    for scalar in (np.float64(0.5), np.sqrt(8), np.int64(2)):
        assert (scalar * x).dtype == (x * scalar).dtype
    assert (np.ones(3) * x).dtype == np.float64 and (np.ones(3, "float32") * x).dtype == np.float32


def test_functions_that_are_operators_do_what_these_do():
    sd = SameDiff()
    x, y = sd.var("x", [1.0, 2.0]), sd.var("y", [3.0, 5.0])
    np.testing.assert_array_equal(np.add(x, 1).eval(), [2.0, 3.0])
    np.testing.assert_array_equal(np.subtract(y, x).eval(), [2.0, 3.0])
    quotient, rest = divmod(y, x)
    np.testing.assert_array_equal((quotient.eval(), rest.eval()), divmod(y.value, x.value))


FUNCTIONS = [
    *((np.sin, "sd.math.sin(x)"), (np.exp, "sd.math.exp(x)"), (np.mean, "x.mean"), (np.sum, "x.sum")),
    *((np.var, "x.var"), (np.reshape, "x.reshape"), (np.transpose, "x.transpose"), (np.argmax, "x.argmax")),
    *((np.maximum, "sd.math.max"), (np.minimum, "sd.math.min"), (np.concatenate, "sd.concat"), (np.stack, "sd.stack")),
    *(
        (np.where, "sd.where(condition, x, y)"),
        (np.clip, "sd.math.clip_by_value"),
        (np.dot, "x.dot"),
        (np.arctan, "atan"),
    ),
    *((np.linalg.norm, "norm2"), (np.linalg.inv, "sd.linalg.matrix_inverse"), (np.isnan, "sd.math.is_nan(x)")),
    *(
        (np.expand_dims, "sd.expand_dims"),
        (np.add.reduce, "x.sum"),
        (np.cumsum, "sd.cumsum"),
        (np.sign, "sd.math.sign"),
    ),
]


@pytest.mark.parametrize(("function", "told"), FUNCTIONS, ids=lambda f: getattr(f, "__name__", ""))
def test_a_function_of_numpys_tells_what_stands_for_it(function, told):
    sd = SameDiff()
    x = sd.var("x", [[1.0, 2.0], [3.0, 4.0]])
    calls = [lambda: function(x), lambda: function(x, x), lambda: function([x, x]), lambda: function(x > 0, x, x)]
    messages = []
    for call in calls:
        try:
            call()
        except ArgumentTypeError as e:
            messages.append(str(e))
        except (TypeError, ValueError, DeprecationWarning):
            continue  # Numpy looks at the number of arguments first.
    assert any(told in " ".join(message.split()) for message in messages), messages


@pytest.mark.parametrize("name", sorted(q.partition(".")[2] for q in REGISTRY if q.startswith("math.")))
def test_every_function_that_numpy_calls_as_we_do(name):
    function = getattr(np, name, None)
    if not isinstance(function, np.ufunc) or function.nin != 1:
        pytest.skip("numpy has no such function of one array")
    sd = SameDiff()
    with pytest.raises(ArgumentTypeError, match=rf"sd\.math\.{name}\((v_|x)\)|abs|It is v_\.{name}"):
        function(sd.var("v_", [1.0]))


@pytest.mark.parametrize("op", [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow])
def test_an_array_is_not_changed_in_place(op):
    sd = SameDiff()
    v, a = sd.var("v", [1.0, 2.0]), np.ones(2)
    before = graph_state(sd)
    with pytest.raises(ArgumentTypeError, match=r"(?s)changed in place by 'v'.*v\.eval\(feeds\) changes the array"):
        op(a, v)
    assert (a == 1).all() and graph_state(sd) == before
    with pytest.raises(ArgumentTypeError, match="changed in place"):
        np.subtract(a, v, out=a)


def test_an_array_is_not_compared_with_a_handle():
    sd = SameDiff()
    v = sd.var("v", [1.0])
    assert (v == np.ones(1)) is False and v != 3
    for compare in (lambda: np.ones(1) == v, lambda: np.ones(1) != v, lambda: np.equal(v, v)):
        with pytest.raises(SDGraphError, match=r"Write v\.n?eq\(array\)"):
            compare()
