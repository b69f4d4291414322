"""What is inside a composite is shown in ops a user can call: helpers of the library do not appear."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY
from sdgraph.differentiate.which_losses import current_losses
from sdgraph.errors import ArgumentError, GradientError
from sdgraph.lower.expansion import expanded
from tests.ops.samples import samples_of
from tests.ops.test_every_op import OPS, apply

PUBLIC = [name for name in OPS if REGISTRY[name].is_composite and not REGISTRY[name].name.startswith("_")]

# A draw depends on where in the graph it is made.
DRAWS = {name for name in PUBLIC if name.startswith("random.")} | {"nn.dropout", "image.random_crop"}


def helpers(sd):
    """Composites that no user calls and that do not say how they read."""
    ops = [node.op for node in sd.nodes if node.op is not None]
    return [op.name for op in ops if op.is_composite and op.name.startswith("_") and op.reads is None]


def single(name):
    """The first sample's graph, its only output and its feeds, or None for an op with several outputs."""
    sd = SameDiff("float64")
    outs, feeds = apply(sd, samples_of(name)[0])
    node = sd.nodes[outs[0].id]
    return (sd, outs[0], feeds) if len(outs) == 1 and node.op is REGISTRY[name] else None


@pytest.mark.parametrize("name", PUBLIC)
def test_no_helpers_and_the_same_value(name):
    if (made := single(name)) is None:
        return
    sd, out, feeds = made
    assert not helpers(sd.expand(out))
    within = expanded(sd, {out.id})
    assert not helpers(within)
    if name not in DRAWS:
        np.testing.assert_array_equal(within[out.name].eval(feeds), out.eval(feeds))
    assert r"{\_" not in out.to_latex(expand=True)


def test_a_picture_with_an_open_loss_has_the_extra_terms():
    sd = SameDiff()
    w, y = sd.var("w", [1.0, 2.0]), sd.placeholder("y", (2,))
    loss = sd.loss.mean_squared_error(y, w, name="loss")
    sd.add_loss(sd.math.mul((w * w).sum(), 0.5, name="penalty"))
    assert "Gradient of loss, penalty" in sd.plot(view="gradient").alt
    assert "Gradient of loss, penalty" in sd.plot(view="gradient", expand=loss).alt
    assert [v.name for v in current_losses(expanded(sd, {loss.id}))] == ["loss", "penalty"]


# ---------------------------------------------------------------------- loops and branches


def loops():
    sd = SameDiff()
    x = sd.placeholder("x", ("time", 3))
    w = sd.var("w", [0.5, 1.0, 2.0])
    last, ys = sd.scan(lambda h, x: (h * w + x, 2.0 * h), np.zeros(3, "f"), x, name="loop")
    z = sd.cond(sd.placeholder("p", dtype="bool"), lambda: last.sum(), lambda: ys.sum(), name="z")
    return sd, last, ys, z


def test_a_loop_is_opened_with_what_enters_and_leaves_its_steps():
    sd, last, ys, z = loops()
    opened = expanded(sd, {ys.id, z.id})
    ops = {v.name: v.op_name for v in opened.variables("array")}
    assert ops["loop/carry"] == "carry" and ops["loop/x"] == "entry"
    assert (ops["loop"], ops["loop:1"], ops["z"]) == ("last", "stacked", "chosen")
    assert [v.name for v in opened["loop:1"].inputs] == ["loop/mul_1"]
    assert [v.name for v in opened["z"].inputs] == ["p", "z/0/sum", "z/1/sum"]
    assert opened["loop/mul"].inputs == (opened["loop/carry"], opened["w"])
    assert opened["loop"].shape == last.shape and opened["loop:1"].shape == ys.shape


def test_pictures_of_it():
    sd, last, ys, z = loops()
    feeds = {"x": np.ones((2, 3), "f"), "p": True}
    assert "stacked" in sd.plot(expand=[ys, z], feeds=feeds).svg
    assert "scan × time" in sd.plot(feeds=feeds).svg
    with pytest.raises(GradientError, match="that of a loop is another loop"):
        sd.plot(last.sum(), expand=[ys], view="gradient")


def test_a_body_is_a_graph_of_its_own():
    sd, _, ys, z = loops()
    inside_ = sd.expand(ys)
    assert [v.name for v in inside_.placeholders()] == ["carry", "x", "w"]
    assert sd.expand(z, branch=1).placeholders()[0].name == "loop"
    with pytest.raises(ArgumentError, match="0 to 1"):
        sd.expand(z, branch=2)
