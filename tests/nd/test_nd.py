"""Ops on arrays under the names they have in a graph."""

import inspect

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff, nd
from sdgraph.build.op import REGISTRY
from sdgraph.errors import ArgumentTypeError, SDGraphError, ShapeError
from tests.accuracy import assert_same

LABEL, PREDICTION = np.array([[1.0], [2.0], [3.0]]), np.array([[1.5], [2.0], [5.0]])


OWN = sorted(name for name, op in REGISTRY.items() if op.is_ours)


@pytest.mark.parametrize("name", OWN)
def test_every_op_is_there_with_its_documentation(name):
    function = nd
    for part in name.split("."):
        function = getattr(function, part)
    assert inspect.getdoc(function) == REGISTRY[name].doc
    assert list(inspect.signature(function).parameters) == list(REGISTRY[name].signature.parameters)[1:]
    assert name.partition(".")[0] in dir(nd)


def test_a_loss_is_the_same_as_in_a_graph():
    weights = np.array([[1.0], [0.0], [0.5]])
    for reduce in LossReduce:
        found = nd.loss.huber_loss(LABEL, PREDICTION, weights, delta=0.7, loss_reduce=reduce)
        sd = SameDiff(dtype="float64")
        y, p = sd.placeholder("y", (3, 1)), sd.placeholder("p", (3, 1))
        inside = sd.loss.huber_loss(y, p, weights, delta=0.7, loss_reduce=reduce).eval(y=LABEL, p=PREDICTION)
        np.testing.assert_array_equal(found, inside)
        assert found.dtype == np.float64


def test_values_are_numpys():
    x = np.linspace(-2, 2, 12).reshape(3, 4)
    assert_same(nd.math.tanh(x), np.tanh(x), rtol=1e-15)
    np.testing.assert_array_equal(nd.sum(x, axis=1), x.sum(axis=1))
    np.testing.assert_array_equal(nd.linalg.matmul(x, x.T), x @ x.T)
    np.testing.assert_array_equal(nd.concat(x, x, axis=0), np.concatenate([x, x]))
    assert nd.math.exp(x.astype("float32")).dtype == np.float32


def test_python_numbers_get_numpys_dtypes():
    assert nd.math.log1p(1e-20) == 1e-20
    assert nd.math.add([1, 2], [3, 4]).dtype == np.int64
    assert nd.math.mul(np.float32([1, 2]), 2.5).dtype == np.float32


def test_variables_and_names_belong_to_graphs():
    v = SameDiff().var("v", 1.0)
    with pytest.raises(ArgumentTypeError, match=r"sd\.math\.exp"):
        nd.math.exp(v)
    with pytest.raises(ArgumentTypeError, match="no name"):
        nd.math.exp(1.0, name="y")
    with pytest.raises(AttributeError, match="no attribute 'huber'"):
        _ = nd.huber


def test_errors_are_those_of_the_op():
    with pytest.raises(ShapeError):
        nd.loss.mean_squared_error(LABEL, PREDICTION[:2])
    with pytest.raises(SDGraphError):
        nd.math.exp("text")
    with pytest.raises(SDGraphError):
        nd.math.add([[1.0], [1.0, 2.0]], 1.0)


def test_random_arrays_can_be_repeated():
    np.testing.assert_array_equal(nd.random.normal(0.0, 1.0, (4,), seed=3), nd.random.normal(0.0, 1.0, (4,), seed=3))
    assert (nd.random.normal(0.0, 1.0, (4,), seed=3) != nd.random.normal(0.0, 1.0, (4,), seed=4)).any()
