"""Functions inside a graph: when two are equal, and what is left out."""

import copy

import numpy as np

from sdgraph import SameDiff
from sdgraph.build.function import function_of


def traced(make, dtype="float64"):
    sd = SameDiff(dtype=dtype)
    x, y = sd.placeholder("x", (None, 2)), sd.placeholder("y", (2,))
    return function_of(sd, [x.id, y.id], [v.id for v in make(sd, x, y)])[0]


def test_functions_that_compute_the_same_are_equal():
    a, b = traced(lambda sd, x, y: [x * 2.0 + y]), traced(lambda sd, x, y: [sd.math.add(x * 2.0, y, name="other")])
    assert a == b and hash(a) == hash(b) and copy.deepcopy(a) is a


def test_others_are_not():
    makes = [
        lambda sd, x, y: [x * 2.0 + y],
        lambda sd, x, y: [x * 3.0 + y],
        lambda sd, x, y: [y + x * 2.0],
        lambda sd, x, y: [x * 2.0 - y],
        lambda sd, x, y: [x * 2.0 + y, x],
        lambda sd, x, y: [sd.sum(x, axis=0)],
        lambda sd, x, y: [sd.sum(x, axis=1)],
        lambda sd, x, y: [sd.sum(x, axis=1) * -0.0],
        lambda sd, x, y: [sd.sum(x, axis=1) * 0.0],
    ]
    functions = [traced(make) for make in makes] + [traced(makes[0], "float32")]
    assert len(set(functions)) == len(functions)


def test_what_is_before_a_parameter_is_left_out():
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    middle = sd.math.exp(x)
    top = sd.math.sin(middle) + 1.0
    f, moved = function_of(sd, [middle.id], [top.id])
    assert [node.op.name for node in f.graph.nodes] == ["placeholder", "sin", "constant", "add"]
    assert f.params == (moved[middle.id],) and f.outs == (moved[top.id],)
    assert repr(f) == "<body of 2 ops>"


def test_it_is_copied_into_a_graph():
    f = traced(lambda sd, x, y: [x * 2.0 + y])
    sd = SameDiff(dtype="float64")
    a, b = sd.placeholder("a", (None, 2)), sd.var("b", [1.0, 2.0])
    moved = f.copied_into(sd, [a, b])
    assert sd.handle(moved[f.outs[0]]).eval({"a": np.ones((3, 2))}).tolist() == [[3.0, 4.0]] * 3
