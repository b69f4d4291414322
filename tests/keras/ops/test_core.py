"""Shapes, conversions, branches and loops."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, ShapeError
from sdgraph.keras import ops


def test_shapes():
    x = SameDiff().placeholder("x", (None, 4, 5))
    shape = ops.shape(x)
    assert isinstance(shape, tuple)
    assert shape == (None, 4, 5)
    assert ops.shape(np.ones((2, 3))) == (2, 3)
    assert (ops.ndim(x), ops.ndim([[1.0]]), ops.size(np.ones((2, 3)))) == (3, 2, 6)
    assert ops.size(x).eval({x: np.ones((2, 4, 5))}) == 40
    for new in ((shape[0], -1), (None, 20), (-1, 20), (x.shape[0], -1), (shape[0], 20)):
        assert ops.reshape(x, new).shape == (None, 20)
    assert ops.reshape(x, (shape[0], -1, 10)).shape == (None, 2, 10)


def test_reshape_with_two_unknown_sizes():
    x = SameDiff().placeholder("x", (None, None, 4))
    batch, time, _ = ops.shape(x)
    values = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(ops.reshape(x, (batch, time, -1, 2)).eval({x: values}), values.reshape(2, 3, 2, 2))
    np.testing.assert_array_equal(ops.reshape(x, (time, batch, 4)).eval({x: values}), values.reshape(3, 2, 4))


def test_sizes_in_arithmetic():
    x = SameDiff().placeholder("x", (None, 3))
    n, feed = ops.shape(x)[0], {x: np.ones((5, 3))}
    wanted = {"n + 1": 6, "1 + n": 6, "n - 1": 4, "1 - n": -4, "2 * n": 10, "n * 2": 10, "n // 2": 2}
    for code, value in wanted.items():
        assert eval(code).eval(feed) == value
    assert float(ops.cast(n, "float32").eval(feed)) == 5
    np.testing.assert_allclose((ops.sum(x) / n).eval(feed), 3)
    np.testing.assert_allclose((1 / ops.cast(n, "float32")).eval(feed), 0.2)
    with pytest.raises(ArgumentTypeError, match="when the graph runs"):
        range(n)


def test_conversions():
    assert ops.convert_to_tensor([1, 2]).dtype == "int32"
    assert ops.convert_to_tensor(1.5).dtype == "float32"
    assert ops.convert_to_tensor(np.ones(2)).dtype == "float64"
    assert ops.convert_to_tensor([1], dtype="float32").dtype == "float32"
    v = SameDiff().var("v", [1.0])
    assert ops.convert_to_tensor(v) is v
    assert (ops.is_tensor(v), ops.is_tensor(np.ones(2)), ops.is_tensor([1.0])) == (True, True, False)
    assert (ops.dtype(v), ops.dtype([1])) == ("float32", "int32")
    assert ops.convert_to_numpy([1.0]).tolist() == [1]
    stacked = ops.convert_to_tensor([v[0], 2.0])
    assert stacked.eval().tolist() == [1, 2]
    with pytest.raises(ArgumentTypeError, match="no value"):
        ops.convert_to_numpy(v)
    with pytest.raises(ArgumentError, match="sparse"):
        ops.convert_to_tensor([1.0], sparse=True)


def test_numbers_take_the_dtype_of_what_stands_beside_them():
    assert ops.add(np.ones(2), 0.5).dtype == "float64"
    assert ops.add(np.ones(2, "float16"), [0.5, 1]).dtype == "float16"
    x = SameDiff(dtype="float64").placeholder("x", (2,), "float32")
    assert ops.multiply(x, 0.5).dtype == "float32"
    assert ops.add(np.ones(2, "float32"), np.ones(2, "int64")).dtype == "float32"
    assert ops.maximum(1, 2.5).dtype == "float32"


def test_branches():
    x = SameDiff().placeholder("x", ())
    y = ops.cond(x > 0, lambda: ops.log(x), lambda: -x)
    assert (y.eval({x: 1.0}), y.eval({x: -2.0})) == (0, 2)
    assert ops.cond(np.array(False), lambda: 1, lambda: 2) == 2
    i = SameDiff().placeholder("i", (), "int32")
    z = ops.switch(i, [lambda: ops.cast(i, "float32"), lambda: ops.cast(i, "float32") * 10])
    assert (z.eval({i: 0}), z.eval({i: 1})) == (0, 10)
    assert ops.switch(5, [lambda v: v, lambda v: -v], 3) == -3
    with pytest.raises(ArgumentError, match="chooses"):
        ops.switch(0, [])


def test_loops():
    def run(start, n):
        return ops.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 2), (0, start))[1]

    x = SameDiff().placeholder("x", ())
    assert run(1.0, 5) == 32
    assert run(x, 5).eval({x: 3.0}) == 96
    assert ops.while_loop(lambda v: v < 100, lambda v: v * 2, 1.0, maximum_iterations=3) == 8
    assert ops.fori_loop(1, 4, lambda i, v: v + i, 0) == 6
    assert ops.fori_loop(1, 4, lambda i, v: v * ops.cast(i, "float32"), x).eval({x: 2.0}) == 12


@pytest.mark.parametrize("variable", [False, True])
def test_scan(variable):
    values = np.arange(1.0, 5.0, dtype="float32")
    x = SameDiff().placeholder("x", (4,)) if variable else values

    def value(v):
        return v.eval({x: values}) if variable else v

    total, sums = ops.scan(lambda c, e: (c + e, c + e), 0.0, x)
    assert (value(total), value(sums).tolist()) == (10, [1, 3, 6, 10])
    assert value(ops.scan(lambda c, e: (c + e, c), 0.0, x, reverse=True)[1]).tolist() == [9, 7, 4, 0]
    assert value(ops.map(ops.square, x)).tolist() == [1, 4, 9, 16]


def test_segments_of_unknown_number():
    data, ids = np.ones((3, 2), "float32"), np.array([0, 2, 2])
    assert ops.segment_sum(data, ids).tolist() == [[1, 1], [0, 0], [2, 2]]
    v = SameDiff().placeholder("i", (3,), "int32")
    with pytest.raises(ArgumentError, match="num_segments"):
        ops.segment_sum(data, v)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="inside"):
        ops.slice_update(np.zeros((2, 2)), (1, 1), np.ones((2, 2)))
    with pytest.raises(ArgumentError, match="reduction"):
        ops.scatter_update(np.zeros(2), [[0]], [1.0], reduction="xor")
    assert ops.scatter_update(np.zeros(2), [[0]], [1.0], reduction="add").tolist() == [1, 0]


def test_what_is_not_there_is_refused_by_name():
    with pytest.raises(AttributeError, match="nonzero"):
        ops.nonzero([1.0])
    with pytest.raises(ArgumentError, match="two values"):
        ops.where([True])
    with pytest.raises(ArgumentTypeError, match=r"mean\(x, axis=None"):
        ops.mean([1.0], axes=0)


def test_a_rejected_call_leaves_the_graph_as_it_was():
    sd = SameDiff()
    x = sd.placeholder("x", (2, 3))
    before = len(sd.nodes)
    with pytest.raises(ShapeError):
        ops.add(x, np.ones((4, 5)))
    assert len(sd.nodes) == before


@pytest.mark.parametrize(
    "call",
    [
        lambda: ops.stack([]),
        lambda: ops.hstack([]),
        lambda: ops.einsum("ij"),
        lambda: ops.meshgrid(),
        lambda: ops.mean(None),
        lambda: ops.pad(np.ones((2, 2)), (1, 2, 3)),
        lambda: ops.round([1.5], "a"),
        lambda: ops.eye("a"),
        lambda: ops.tri(-1),
        lambda: ops.linspace(0, 1, 3, axis=4),
        lambda: ops.average(np.ones((2, 2)), (0, 1), np.ones(2)),
        lambda: ops.map(3, [1.0]),
        lambda: ops.while_loop(1, 2, 3),
        lambda: ops.cond(True, 1, 2),
        lambda: ops.fori_loop("a", 1, lambda i, v: v, 1),
        lambda: ops.sum([1.0], axis=5),
        lambda: ops.take([1.0], 7),
        lambda: ops.moveaxis([1.0], 0, 7),
        lambda: ops.norm([[1.0]], ord="foo"),
        lambda: ops.conv(np.ones((2, 2)), np.ones((2, 2))),
        lambda: ops.softmax([1.0], "a"),
        lambda: ops.reshape([1.0], "a"),
        lambda: ops.add("a", 1),
        lambda: ops.cast([1.0], "foo"),
    ],
)
def test_refusals_are_of_this_library(call):
    with pytest.raises(SDGraphError):
        call()
