"""Walking a graph: what an op was given, and what is computed from a variable."""

import time

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentTypeError, GradientError, UnknownVariableError


def names(vs):
    return [v.name for v in vs]


def a_graph():
    sd = SameDiff("float64")
    x = sd.placeholder("x", ("n", 3))
    w = sd.var("w", np.eye(3))
    h = sd.math.tanh(x @ w, name="h")
    mean, _ = sd.math.moments(h, axis=0, name="m")
    sd.loss.mean_squared_error(x, h * mean, name="loss")
    return sd


FEEDS = {"x": np.arange(6.0).reshape(2, 3)}


def test_inputs_and_consumers():
    sd = a_graph()
    assert names(sd["h"].inputs) == ["matmul"]
    assert names(sd["matmul"].inputs) == ["x", "w"]
    assert sd["x"].inputs == sd["w"].inputs == ()
    assert names(sd["w"].consumers) == ["matmul"]
    assert names(sd["x"].consumers) == ["matmul", "loss"]
    assert sd["loss"].consumers == sd["m:1"].consumers == ()


def test_outputs_of_one_op_are_all_consumers_and_share_their_inputs():
    sd = a_graph()
    assert names(sd["h"].consumers) == ["m", "m:1", "mul"]
    assert names(sd["m"].inputs) == names(sd["m:1"].inputs) == ["h"]
    assert names(sd["m"].consumers) == ["mul"]
    assert sd["m:1"].op_name == "math.moments"
    assert "by math.moments" in repr(sd["m:1"])


def test_an_operand_that_is_given_twice_is_an_input_twice_and_a_consumer_once():
    sd = SameDiff()
    x = sd.var("x", 2.0)
    y = x * x
    assert y.inputs == (x, x)
    assert x.consumers == (y,)


def test_an_optional_operand_that_is_left_out_is_missing():
    sd = SameDiff()
    label, prediction = sd.placeholder("label", (3,)), sd.var("p", [1.0, 2.0, 3.0])
    bare = sd.loss.mean_squared_error(label, prediction)
    weighted = sd.loss.mean_squared_error(label, prediction, [1.0, 0.0, 1.0])
    assert names(bare.inputs) == ["label", "p"]
    assert names(weighted.inputs) == ["label", "p", "constant"]
    assert [list(op.operands) for op in sd.ops()] == [
        ["label", "predictions"],
        ["label", "predictions", "weights"],
    ]


def test_operands_of_any_number_are_numbered():
    sd = SameDiff()
    parts = [sd.var(name, [1.0]) for name in "abc"]
    joined = sd.stack(parts, axis=0)
    (op,) = sd.ops()
    assert op.inputs == joined.inputs == tuple(parts)
    assert len(op.operands) == 3


def test_every_op_with_its_inputs_outputs_and_settings():
    sd = a_graph()
    assert [(op.name, names(op.inputs), names(op.outputs)) for op in sd.ops()] == [
        ("linalg.matmul", ["x", "w"], ["matmul"]),
        ("math.tanh", ["matmul"], ["h"]),
        ("math.moments", ["h"], ["m", "m:1"]),
        ("math.mul", ["h", "m"], ["mul"]),
        ("loss.mean_squared_error", ["x", "mul"], ["loss"]),
    ]
    moments = sd.ops()[2]
    assert moments.attrs["axis"] == 0
    assert moments == sd.ops()[2] != sd.ops()[1] and len({*sd.ops(), *sd.ops()}) == 5
    assert moments.origin == sd["m:1"].origin
    with pytest.raises(TypeError):
        moments.attrs["axis"] = 1
    with pytest.raises(TypeError):
        moments.operands["x"] = sd["w"]


def test_random_draws_have_no_hidden_settings():
    sd = SameDiff()
    sd.random.normal(0.0, 1.0, (2,))
    (op,) = sd.ops()
    assert set(op.attrs) <= {"shape", "dtype", "seed", "mean", "stddev"}


def test_a_walk_from_the_loss_meets_everything_it_needs():
    sd = a_graph()
    found, left = set(), [sd["loss"]]
    while left:
        v = left.pop()
        if v.name not in found:
            found.add(v.name)
            left += v.inputs
    assert found == {"x", "w", "matmul", "h", "m", "mul", "loss"}


# ---------------------------------------------------------------------- gradients are apart


def test_gradients_are_no_consumers_of_what_the_user_wrote():
    sd = a_graph()
    before = {v.name: names(v.consumers) for v in sd}
    sd.calculate_gradients(FEEDS)
    assert {v.name: names(v.consumers) for v in sd} == before
    g = sd["grad/w"]
    assert all(v.name.startswith("grad/") for v in sd["grad/h"].consumers) and sd["grad/h"].consumers
    assert g.inputs and g.consumers == ()


def test_what_the_user_computes_from_a_gradient_consumes_it():
    sd = a_graph()
    g = sd.grad(sd["loss"], sd["w"])
    size = sd.math.square(g, name="squares")
    assert g.consumers == (size,)
    assert size.inputs == (g,)
    assert size in sd.variables() and g not in sd.variables()


def test_gradients_are_left_out_of_lists_until_asked_for():
    sd = a_graph()
    listed, ops, shown = sd.variables(), sd.ops(), repr(sd)
    size = len(sd)
    assert size == len(listed) == len(list(sd)) == 8
    sd.calculate_gradients(FEEDS)
    assert (sd.variables(), sd.ops(), len(sd), list(sd)) == (listed, ops, size, listed)
    assert sd.constants() == [v for v in listed if v.kind.value == "constant"]
    every = sd.variables(gradients=True)
    assert every[:8] == listed and {v.name.split("/")[0] for v in every[8:]} == {"grad"}
    assert repr(sd) == f"{shown[:-1]}, {len(every) - 8} for gradients>"
    assert "grad/w" in sd and sd["grad/w"] in sd and sd["grad/w"] in every
    assert {v for op in sd.ops(gradients=True) for v in op.outputs} == {v for v in every if v.op_name}
    with pytest.raises(ArgumentTypeError, match="gradients is True or False"):
        sd.variables(gradients="yes")


def test_a_jacobian_is_made_for_gradients():
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0])
    j = sd.jacobian(x**2, x)
    assert j not in sd.variables() and j in sd.variables(gradients=True)
    assert names(x.consumers) == ["pow"]


# ---------------------------------------------------------------------- hidden nodes


def an_op_of_many():
    """Ops with several outputs, and a gradient that is made with one."""
    sd = SameDiff("float64")
    x = sd.var("x", np.arange(12.0).reshape(3, 4))
    a, b, c = sd.unstack(x, axis=0, name="row")
    q, r = sd.linalg.qr(x[:, :3] + 5.0 * np.eye(3))
    loss = (a * b + c).sum() + (q @ r).sum()
    loss.mark_as_loss()
    sd.calculate_gradients()
    return sd


def test_the_node_of_all_outputs_is_never_seen():
    sd = an_op_of_many()
    hidden = [n.name for n in sd.nodes if type(n.aval) is tuple]
    assert len(hidden) >= 2
    for name in hidden:
        assert name not in sd
        with pytest.raises(UnknownVariableError):
            sd[name]
        with pytest.raises(UnknownVariableError):
            sd.output({}, [name])
        with pytest.raises(UnknownVariableError):
            sd.rename(name, "other")
    every = sd.variables(gradients=True)
    seen = [*every, *(u for v in every for u in (*v.inputs, *v.consumers))]
    seen += [v for op in sd.ops(gradients=True) for v in (*op.inputs, *op.outputs)]
    assert all(isinstance(v.shape, tuple) and v.name not in hidden and v.op_name != "item" for v in seen)
    assert len(every) == len(sd.nodes) - len(hidden)


def test_a_hint_names_no_hidden_node():
    sd = a_graph()
    with pytest.raises(UnknownVariableError) as failed:
        sd["m:al"]
    assert "m:all" not in str(failed.value).replace("'m:al'", "")


# ---------------------------------------------------------------------- the graph changes


def test_consumers_follow_what_is_taken_back():
    sd = a_graph()
    before = names(sd["x"].consumers)
    with pytest.raises(ZeroDivisionError), sd.transaction():
        sd.math.exp(sd["x"])
        assert names(sd["x"].consumers) == [*before, "exp"]
        raise ZeroDivisionError
    assert names(sd["x"].consumers) == before and len(sd) == 8
    for _ in range(3):
        sd.math.sin(sd["x"], name=None)
    assert names(sd["x"].consumers) == [*before, "sin", "sin_1", "sin_2"] and len(sd) == 11


def test_consumers_follow_gradients_that_are_made_and_compacted():
    sd = a_graph()
    assert sd["w"].consumers and len(sd) == 8
    with pytest.raises(GradientError):
        sd.grad(sd["x"], sd["w"])
    sd.grad(sd["loss"], sd["w"])
    sd.grad(sd["grad/w"], sd["w"])
    for v in sd.variables(gradients=True):
        expected = [u for u in sd.variables(gradients=True) if v in u.inputs]
        if not sd.is_gradient(v.id):
            expected = [u for u in expected if not sd.is_gradient(u.id)]
        assert list(v.consumers) == expected
    copied = sd.copy()
    assert names(copied["h"].consumers) == names(sd["h"].consumers)


def test_asking_in_a_loop_looks_at_each_node_once():
    """Each question would cost a look at all nodes otherwise: 20,000 times 20,000."""
    sd = SameDiff()
    x = h = sd.var("x", 1.0)
    start = time.process_time()
    for k in range(20_000):
        h = sd.math.neg(h)
        assert len(h.inputs) == 1 and h.consumers == () and len(sd) == k + 2
    built = time.process_time() - start
    assert built < 10
    n, v = 0, x
    while v.consumers:
        (v,) = v.consumers
        n += 1
    assert n == 20_000
