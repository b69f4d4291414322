"""Loops and branches in models: values and gradients, however long they run, and what their graphs are made of."""

from __future__ import annotations

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff, errors
from tests.files.onnx.running import assert_same, checked, in_reference, in_runtime

pytestmark = [pytest.mark.any_engine, pytest.mark.peers]

RTOL = {"float32": 1e-5, "float64": 1e-12}


def compare(sd, outs, feeds, *, reference=True, **settings):
    """The model, which gives what the graph does."""
    want = sd.output(feeds, outs, engine="numpy")
    model = checked(sd.to_onnx(outs, **settings))
    rtol = RTOL[sd.dtype.name]
    assert_same(in_runtime(model, feeds), want, rtol)
    if reference:
        assert_same(in_reference(model, feeds), want, rtol)
    return model


def kinds(model):
    """The operators of a model, those in graphs of operators and in functions too."""
    found, waiting = [], [model.graph, *model.functions]
    while waiting:
        for node in waiting.pop().node:
            found.append(node.op_type)
            waiting += [a.g for a in node.attribute if a.HasField("g")]
    return found


def recurrent(time, batch, dtype="float32", **settings):
    """A layer with its gradients up to the second order, and what to feed for some sizes."""
    rng = np.random.default_rng(0)
    sd = SameDiff(dtype)
    x = sd.placeholder("x", (time, batch, 3))
    w = sd.var("w", rng.normal(size=(3, 4)).astype(dtype))
    r = sd.var("r", 0.3 * rng.normal(size=(4, 4)).astype(dtype))
    projected = x @ w

    def cell(h, z):
        h = sd.math.tanh(z + h @ r)
        return h, (h, h.sum())

    last, (states, sums) = sd.scan(cell, sd.zeros_like(projected.sum(0)), projected, **settings)
    first = sd.grad(sd.math.square(last).sum() + states.sum() + sums.sum(), [w, r, x])
    second = sd.grad([v.sum() for v in first], [w, r])
    return sd, [last, states, sums, *first, *second], lambda t: {"x": rng.normal(size=(t, 2, 3)).astype(dtype)}


SETTINGS = {
    "functions": {},
    "written out": {"functions": False},
    "opset 18": {"target": "basic", "functions": False, "opset": 18},
    "checked": {"checks": True},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("time", "kind"), [(5, "Scan"), ("time", "Loop")])
def test_a_scan_and_its_gradients(time, kind, reverse, settings):
    sd, outs, feeds = recurrent(time, 2, reverse=reverse)
    model = compare(sd, outs, feeds(5), **settings)
    assert kind in kinds(model) and {"Scan": "Loop", "Loop": "Scan"}[kind] not in kinds(model)


@pytest.mark.parametrize("steps", [0, 1, 4])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_of_unknown_sizes_runs_over_what_is_fed(steps, reverse):
    sd, outs, feeds = recurrent("time", "batch", "float64", reverse=reverse)
    compare(sd, outs, feeds(steps), reference=False)


@pytest.mark.parametrize("checkpoint", [True, 2])
def test_a_scan_that_keeps_less(checkpoint):
    sd, outs, feeds = recurrent(4, 2, checkpoint=checkpoint)
    compare(sd, outs, feeds(4))


def test_only_what_is_read_of_a_loop_is_in_the_model():
    sd, (last, *_), feeds = recurrent(5, 2)
    model = compare(sd, [last], feeds(5))
    (scan,) = [n for f in (model.graph, *model.functions) for n in f.node if n.op_type == "Scan"]
    assert len(scan.output) == 1
    x = sd.placeholder("unread", (5,))
    total, doubled = sd.scan(lambda c, v: (c + v, v * 2.0), 0.0, x)
    model = compare(sd, [doubled], {"unread": np.arange(5, dtype="float32")})
    (scan,) = [n for f in (model.graph, *model.functions) for n in f.node if n.op_type == "Scan"]
    assert len(scan.input) == 1
    assert [v.name for v in checked(sd.to_onnx([total])).graph.input] == ["unread"]


@pytest.mark.parametrize("length", [0, 3, "time"])
def test_what_a_body_does_not_read_tells_how_many_steps_there_are(length):
    sd = SameDiff("float64")
    x = sd.placeholder("x", (length,))
    last, counts = sd.scan(lambda c, _: (c + 2, c), 0, x)
    compare(sd, [last, counts], {"x": np.zeros(3 if length == "time" else length)})


@pytest.mark.parametrize("length", [0, 3])
def test_a_scan_that_only_counts(length):
    sd = SameDiff("float64")
    start = {"sum": 1.0, "steps": 0, "even": sd.constant("even", np.array(True))}

    def step(c, _):
        new = {"sum": c["sum"] * 1.5, "steps": c["steps"] + 1, "even": ~c["even"]}
        return new, (c["steps"], c["even"])

    last, stacks = sd.scan(step, start, length=length)
    compare(sd, [*last.values(), *stacks], {})


def test_a_loop_in_a_loop_and_branches_in_it():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (3, 4))
    scale = sd.var("scale", np.array(0.5))

    def row(total, xs):
        def cell(c, v):
            c = sd.cond(v > 0, lambda: c + scale * v, lambda: c * v)
            return c, c

        total, ys = sd.scan(cell, total, xs)
        return total, ys.sum()

    last, sums = sd.scan(row, 1.0, x)
    feeds = {"x": np.random.default_rng(1).normal(size=(3, 4))}
    compare(sd, [last, sums, *sd.grad(last + sums.sum(), [scale, x])], feeds)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_while_loops(settings):
    sd = SameDiff("float64")
    a = sd.placeholder("a")

    def far(x):
        return sd.math.abs(x * x - a) > 1e-12

    def newton(x):
        return 0.5 * (x + a / x)

    bounded = sd.while_loop(far, newton, a, max_steps=50)
    short = sd.while_loop(far, newton, a, max_steps=2)
    free = sd.while_loop(far, newton, a)
    outs = [bounded, short, free, sd.grad(bounded, a), sd.grad(short, a), sd.grad(sd.grad(short, a), a)]
    for value in (2.0, 9.0):
        compare(sd, outs, {"a": np.array(value)}, **settings)
    compare(sd, outs, {"a": np.array(1.0)}, reference=False, **settings)  # Makes no step.


def test_a_while_loop_of_arrays():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (2, 3))
    y, n = sd.while_loop(
        lambda c: sd.math.square(c[0]).sum() < 100.0, lambda c: (c[0] * 1.5, c[1] + 1), (x, 0), max_steps=20
    )
    compare(sd, [y, n, sd.grad(y.sum(), x)], {"x": np.arange(6.0).reshape(2, 3)})


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_branches(settings):
    sd = SameDiff("float64")
    x, k = sd.placeholder("x"), sd.placeholder("k", dtype="int32")
    y = sd.cond(x > 0, lambda: sd.math.log(x), lambda: x)
    z, constant = sd.switch(k, [lambda v: (v, 1.0), lambda v: (v * v, 2.0), lambda v: (v**3, 3.0)], x)
    only = sd.switch(k, [lambda: x + 1.0])
    outs = [y, z, constant, only, sd.grad(y, x), sd.grad(z, x)]
    for index in (-1, 0, 1, 2, 5):
        feeds = {"x": np.array(index + 0.5), "k": np.array(index, "int32")}
        assert "If" in kinds(compare(sd, outs, feeds, **settings))


def test_what_is_not_chosen_gives_no_nan():
    sd = SameDiff("float64")
    x = sd.placeholder("x")
    y = sd.cond(x > 0, lambda: sd.math.log(x), lambda: x)
    compare(sd, [y, sd.grad(y, x)], {"x": np.array(-2.0)})


def test_a_draw_in_a_body_is_refused_by_name():
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    total, _ = sd.scan(lambda c, v: (c + v * sd.random.normal(0.0, 1.0, shape=()), None), 0.0, x, name="walk")
    with pytest.raises(errors.ArgumentError, match="a draw of ONNX gives other numbers") as e:
        sd.to_onnx([total])
    assert "in scan" in str(e.value) and "'walk'" in str(e.value) and "test_bodies.py" in str(e.value)
    y = sd.cond(x.sum() > 0, lambda: sd.random.normal(0.0, 1.0, shape=()), lambda: 0.0)
    with pytest.raises(errors.ArgumentError, match="in cond"):
        sd.to_onnx([y])
    z = sd.while_loop(lambda c: sd.math.lgamma(c) < 9.0, lambda c: c * 2.0, 1.0)
    with pytest.raises(errors.ArgumentError, match="in while_loop"):
        sd.to_onnx([z])


def test_a_failed_check_in_a_body_is_nan():
    sd = SameDiff()
    logits, labels = sd.placeholder("logits", (3, 2, 4)), sd.placeholder("labels", (3, 2), dtype="int64")

    def step(total, at):
        return total + sd.loss.sparse_softmax_cross_entropy(*at, loss_reduce=LossReduce.SUM), None

    total, _ = sd.scan(step, 0.0, (logits, labels))
    model = checked(sd.to_onnx([total], checks=True))
    feeds = {"logits": np.zeros((3, 2, 4), "float32"), "labels": np.zeros((3, 2), "int64")}
    assert np.isfinite(in_runtime(model, feeds)[total.name])
    feeds["labels"][1, 0] = 9
    assert np.isnan(in_runtime(model, feeds)[total.name])
