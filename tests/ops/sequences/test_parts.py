"""Parts of rows: sizes that follow from constants or are given, and what is checked at run time."""

import numpy as np
import pytest

import sdgraph.nd as nd
from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, LabelError
from sdgraph.testing import check_grads


def test_sizes_of_parts_are_read_off_constants():
    sd = SameDiff(dtype="float64")
    a, b, c = sd.dynamic_partition(np.eye(3), np.array([2, 0, 2]), 3)
    assert [v.shape for v in (a, b, c)] == [(1, 3), (0, 3), (2, 3)]
    with pytest.raises(LabelError, match="Partition 3 at position 0"):
        sd.dynamic_partition([1.0], np.array([3]), 2)
    assert [p.tolist() for p in nd.dynamic_partition([1.0, 2.0], [1, 0], 2)] == [[2], [1]]


def test_sizes_that_are_given_must_be_right():
    sd = SameDiff(dtype="float64")
    x, ids = sd.placeholder("x", (None,)), sd.placeholder("ids", (None,), "int64")
    a, b = sd.dynamic_partition(x, ids, 2, (1, 2))
    feeds = {"x": [1.0, 2.0, 4.0], "ids": [1, 0, 1]}
    assert a.eval(feeds).tolist() == [2] and b.eval(feeds).tolist() == [1, 4]
    assert check_grads(sd.sum(a * a) + sd.sum(b**3), feeds, ["x"], order=2) < 1e-6
    with pytest.raises(LabelError, match="Part 0 has 2 rows"):
        a.eval(feeds | {"ids": [0, 0, 1]})
    with pytest.raises(ArgumentTypeError, match="sizes must be given"):
        sd.dynamic_partition(x, ids, 2)


def test_what_was_taken_apart_is_put_together():
    sd = SameDiff(dtype="float64")
    x, ids = sd.var("x", np.arange(8.0).reshape(4, 2)), np.array([1, 0, 1, 1])
    places = sd.dynamic_partition(np.arange(4), ids, 2)
    again = sd.dynamic_stitch(*places, *sd.dynamic_partition(x, ids, 2), size=4)
    assert (again.eval() == x.value).all()
    assert (sd.grad(sd.sum(again * again), x).eval() == 2 * x.value).all()


def test_of_rows_for_one_place_the_last_counts():
    sd = SameDiff(dtype="float64")
    x, y = sd.var("x", [1.0, 2.0]), sd.var("y", [5.0])
    z = sd.dynamic_stitch(np.array([0, 3]), np.array([3]), x, y)
    assert z.eval().tolist() == [1, 0, 0, 5]
    assert [g.eval().tolist() for g in sd.grad(sd.sum(z * z), [x, y])] == [[2, 0], [10]]
    with pytest.raises(ArgumentError, match="needs its indices"):
        sd.dynamic_stitch(np.array([0]), x, y)
    with pytest.raises(LabelError, match="Index 3"):
        sd.dynamic_stitch(np.array([0, 3]), x, size=2).eval()


def test_parts_of_an_axis_of_unknown_size():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (None, 2))
    a, b = sd.split_v(x, (1, 2))
    assert b.eval(x=np.ones((3, 2))).shape == (2, 2)
    assert (a.shape, b.shape) == ((1, 2), (2, 2))


def test_flat_in_either_order():
    sd, x = SameDiff(), np.arange(6.0).reshape(1, 2, 3)
    assert (sd.flatten(sd.constant("x", x), order="f").eval() == x.flatten("F")).all()
