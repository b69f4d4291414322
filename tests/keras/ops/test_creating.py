"""Arrays from nothing, of known and of unknown sizes."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.keras import ops

CALLS = {
    "zeros": ((2, 3),),
    "ones": ((2, 3),),
    "eye": (3,),
    "identity": (3,),
    "tri": (3, 4, 1),
    "arange": (5,),
    "linspace": (0.0, 1.0),
    "logspace": (0.0, 2.0, 3),
    "full": ((2,), 3.5),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_are_numpys_and_floats_single(name):
    ours, wanted = getattr(ops, name)(*CALLS[name]), getattr(np, name)(*CALLS[name])
    assert ours.dtype == ("int32" if name == "arange" else "float32")
    np.testing.assert_allclose(ours, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
def test_dtypes_can_be_chosen(name):
    assert getattr(ops, name)((2,), dtype="int64").dtype == "int64"
    assert getattr(ops, name)(3).shape == (3,)


def test_shapes_that_are_known_when_the_graph_runs():
    x = SameDiff().placeholder("x", (None, None, 3))
    batch, time, _ = ops.shape(x)
    feed = {x: np.ones((2, 5, 3))}
    assert ops.zeros((batch, 4)).eval(feed).tolist() == [[0] * 4] * 2
    assert ops.ones((time, batch), "int32").eval(feed).tolist() == [[1, 1]] * 5
    assert ops.full((batch,), 2.5).eval(feed).tolist() == [2.5, 2.5]
    assert ops.full((batch, 3), [1.0, 2.0, 3.0]).eval(feed).tolist() == [[1, 2, 3]] * 2
    assert ops.arange(time).eval(feed).tolist() == [0, 1, 2, 3, 4]
    assert ops.arange(time, dtype="float32").dtype == "float32"
    assert ops.broadcast_to([1.0, 2.0], (batch, 2)).eval(feed).tolist() == [[1, 2]] * 2
    assert ops.ones((batch, 2)).eval({x: np.ones((0, 5, 3))}).shape == (0, 2)
    assert ops.ones((batch, 2)).eval({x: np.ones((2, 0, 3))}).shape == (2, 2)


def test_likes():
    x = SameDiff().placeholder("x", (None, 2), "int32")
    feed = {x: [[1, 2]]}
    assert ops.zeros_like(x).eval(feed).dtype == "int32"
    assert ops.ones_like(x, "float32").eval(feed).tolist() == [[1, 1]]
    assert ops.full_like(np.ones((2, 1), "float32"), 7).tolist() == [[7], [7]]
    assert ops.zeros_like([1.0, 2.0]).dtype == "float32"


def test_ranges():
    assert ops.arange(2, 10, 3).tolist() == [2, 5, 8]
    assert ops.arange(0.0, 1.0, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert ops.arange(5, 0, -2, dtype="float32").tolist() == [5, 3, 1]
    values, step = ops.linspace(0.0, 1.0, 4, endpoint=False, retstep=True)
    assert (values.tolist(), float(step)) == ([0, 0.25, 0.5, 0.75], 0.25)
    np.testing.assert_allclose(ops.linspace([0.0, 1.0], [1.0, 5.0], 3, axis=-1), [[0, 0.5, 1], [1, 3, 5]])
    x = SameDiff().placeholder("x", ())
    assert ops.linspace(0, x, 3).eval({x: 4.0}).tolist() == [0, 2, 4]


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_grids(indexing):
    ours = ops.meshgrid([1.0, 2.0], [3.0, 4.0, 5.0], indexing=indexing)
    for a, b in zip(ours, np.meshgrid([1, 2], [3, 4, 5], indexing=indexing), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: ops.zeros((2.5,)), ArgumentTypeError),
        (lambda: ops.arange("a"), ArgumentTypeError),
        (lambda: ops.arange(1, 2, 0), ArgumentError),
        (lambda: ops.linspace(0.0, 1.0, -1), ArgumentError),
        (lambda: ops.meshgrid([1.0], indexing="yx"), ArgumentError),
        (lambda: ops.arange(1, ops.shape(SameDiff().placeholder("x", (None,)))[0]), ArgumentError),
    ],
)
def test_what_cannot_be_made_is_refused(call, error):
    with pytest.raises(error):
        call()
