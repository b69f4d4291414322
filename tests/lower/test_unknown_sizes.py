"""Unknown sizes that turn out to be 1: refused wherever they would broadcast, in words of the call that the user wrote.

That every op of the registry keeps the rule is tested in `tests.ops.test_every_op`.
"""

import numpy as np
import pytest

from sdgraph import Namespace, SameDiff, composite, primitive
from sdgraph.build.op import REGISTRY
from sdgraph.build.variable import Operand
from sdgraph.errors import ArgumentError, SDGraphError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval

ONES = np.ones


@pytest.fixture(autouse=True)
def own_ops():
    """Ops that a test makes are gone after it."""
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def refusal(v, **feeds):
    with pytest.raises(ShapeError, match="An unknown dimension turned out to be 1 where") as caught:
        v.eval(feeds)
    return caught.value


@pytest.mark.parametrize(
    ("build", "operand"),
    [
        (lambda sd, a, b: a @ b, "b"),
        (lambda sd, a, b: sd.math.merge_add(b, a), "operand 0"),
        (lambda sd, a, b: sd.linalg.cross(a, b), "b"),
        (lambda sd, a, b: sd.broadcast_like(b, a), "x"),
        (lambda sd, a, b: sd.linalg.solve(a, b), "rhs"),
        (lambda sd, a, b: sd.linear_recurrence(a, b, axis=-1), "b"),
        (lambda sd, a, b: sd.mask_gradient(a, b), "mask"),
        (lambda sd, a, b: sd.where(b > 0, a, 0.0), "condition"),
    ],
)
def test_the_call_the_operand_and_the_line_are_named(build, operand):
    sd = SameDiff("float64")
    a, b = sd.placeholder("a", (None, 3, 3)), sd.placeholder("small", (None, 3, 3))
    y = build(sd, a, b)
    eye = np.eye(3)
    for v in (y, sd.grad(sd.sum(y * a), "a")):
        e = refusal(v, a=np.stack([eye] * 4), small=eye[None])
        assert e.message.endswith(f"where {operand} needs 4.")
        assert e.node == y.name
        assert e.op == f"sd.{y.op_name}"
        assert str(e.node_origin).startswith(__file__)
        assert e.operands is not None
        assert "(?, 3, 3), which turned out to be (1, 3, 3)" in e.operands
        v.eval(a=np.stack([eye] * 4), small=np.stack([eye] * 4))


def test_a_loss_names_its_weights():
    sd = SameDiff("float64")
    label, weights = sd.placeholder("label", (None, 2)), sd.placeholder("w", (None, None))
    for loss in (
        sd.loss.mean_squared_error(label, label * 2, weights),
        sd.loss.absolute_difference(label, label * 2, 2.0 * weights),
        sd.loss.mean_squared_error(sd.math.tanh(label), label * 2, sd.math.abs(weights)),
    ):
        for v in (loss, sd.grad(loss, "label")):
            e = refusal(v, label=ONES((3, 2)), w=ONES((3, 1)))
            assert "where weights needs 2" in e.message
            assert e.op == f"sd.{loss.op_name}"
            assert e.node == loss.name


@pytest.mark.parametrize("shape", [(3, 1), (1, 1)])
def test_weights_have_the_ones_of_the_loss(shape):
    """Where the per-element loss has size 1 by its nature, weights of unknown size have it, too."""
    sd = SameDiff("float64")
    label, weights = sd.placeholder("label", (shape[0], 2)), sd.placeholder("w", (None, None))
    loss = sd.loss.cosine_distance(label, label * 2, weights, dimension=1)
    known = sd.loss.cosine_distance(label, label * 2, sd.placeholder("k", shape), dimension=1)
    feeds = {"label": np.arange(2.0 * shape[0]).reshape(-1, 2), "w": np.full(shape, 0.5), "k": np.full(shape, 0.5)}
    assert loss.eval(feeds) == known.eval(feeds)
    np.testing.assert_array_equal(sd.grad(loss, label).eval(feeds), sd.grad(known, label).eval(feeds))
    with pytest.raises(ShapeError, match="Axis 1 has size 2, not 1") as caught:
        loss.eval(label=feeds["label"], w=ONES((shape[0], 2)))
    assert caught.value.op == "sd.loss.cosine_distance"


def test_an_op_that_comes_later_keeps_the_rule():
    """Whoever writes a rule with `broadcast_shapes` has done all there is to do."""

    class Later(Namespace, prefix="later"):
        @primitive(infer=shapes.elementwise, kernel=lambda xp, x, y: x + 2 * y, vjp=lambda g, z, x, y: (g, 2 * g))
        def twice(self, x: Operand, y: Operand, *, name=None): ...

        @composite(infer=shapes.elementwise, vjp=lambda g, z, x, y: (g, 2 * g))
        def traced(self, x: Operand, y: Operand, *, name=None):
            return x + 2 * y

    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (3,))
    for call in (Later(sd).twice, Later(sd).traced):
        z = call(x, y)
        e = refusal(sd.grad(sd.sum(z), x), x=[1.0], y=[1.0, 2.0, 3.0])
        assert e.message.endswith("where x needs 3.")
        assert z.eval(x=[1.0, 1.0, 1.0], y=[1.0, 2.0, 3.0]).tolist() == [3, 5, 7]


def test_a_rule_that_forgets_is_caught_by_its_gradient():
    """No gradient has another shape than its variable, whatever a rule says."""

    class Careless(Namespace, prefix="careless"):
        @primitive(
            infer=lambda x, y: Aval(y.shape, y.dtype), kernel=lambda xp, x, y: x + y, vjp=lambda g, z, x, y: (g, g)
        )
        def add(self, x: Operand, y: Operand, *, name=None): ...

    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (3,))
    slope = sd.grad(sd.sum(Careless(sd).add(x, y)), x)
    e = refusal(slope, x=[1.0], y=[1.0, 2.0, 3.0])
    assert "'x' (1,), its gradient (3,)" in str(e)
    assert slope.eval(x=[1.0, 1.0, 1.0], y=[1.0, 2.0, 3.0]).tolist() == [1, 1, 1]


def test_names_are_as_unknown_as_none():
    sd = SameDiff("float64")
    a, b = sd.placeholder("a", ("batch", 2)), sd.placeholder("b", ("time", 2))
    y = sd.math.merge_add(a, b)
    assert y.eval(a=ONES((3, 2)), b=ONES((3, 2))).shape == (3, 2)
    assert y.eval(a=ONES((1, 2)), b=ONES((1, 2))).shape == (1, 2)
    refusal(y, a=ONES((1, 2)), b=ONES((3, 2)))
    refusal(y, a=ONES((3, 2)), b=ONES((1, 2)))


def test_a_size_that_a_third_operand_hides():
    """1 and unknown make unknown, which must not meet 3."""
    sd = SameDiff("float64")
    a = sd.placeholder("a", (None,))
    y = sd.math.merge_add(ONES((1,)), a, ONES((3,)))
    assert refusal(y, a=[1.0]).message.endswith("where operand 1 needs 3.")


def test_a_known_1_broadcasts_and_its_gradient_is_summed():
    sd = SameDiff("float64")
    a, b = sd.placeholder("a", (None, 2, 3)), sd.placeholder("b", (1, 3, 3))
    slope = sd.grad(sd.sum(a @ b), b)
    assert slope.eval(a=ONES((4, 2, 3)), b=ONES((1, 3, 3))).tolist() == np.full((1, 3, 3), 8.0).tolist()


def test_a_shape_with_unknown_sizes_keeps_what_the_array_has():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None, 1))
    y = sd.broadcast_to(x, (2, None, 3))
    assert y.shape == (2, None, 3)
    assert y.eval(x=ONES((4, 1))).shape == (2, 4, 3)
    assert sd.broadcast_to(x, (-1, -1)).eval(x=ONES((4, 1))).shape == (4, 1)
    assert sd.broadcast_to(x, ("n", 5)).eval(x=ONES((4, 1))).shape == (4, 5)
    assert sd.grad(sd.sum(y), x).eval(x=ONES((4, 1))).tolist() == [[6.0]] * 4
    with pytest.raises(ArgumentError, match="axis that is added must be known"):
        sd.broadcast_to(x, (None, 4, 1))
    fixed = sd.broadcast_to(sd.placeholder("u", (None,)), (3,))
    refusal(sd.grad(sd.sum(fixed), "u"), u=[1.0])


def test_what_a_mask_covers():
    sd = SameDiff("float64")
    with pytest.raises(ShapeError, match="does not broadcast to the array"):
        sd.mask_gradient(ONES((2, 1)), ONES((2, 3)))


@pytest.mark.parametrize(
    ("build", "feed"),
    [
        (lambda sd, x: sd.slice(x, (1,), (2,)), 2),
        (lambda sd, x: sd.repeat(x, (1, 2, 3), 0), 2),
        (lambda sd, x: sd.index_scatter(x, ONES(5), key=(("slice", 1, 4, None),)), 1),
        (lambda sd, x: sd.untile(x, ONES(2), 2), 2),
        (lambda sd, x: sd.unrepeat(x, ONES(2), 2), 2),
        (lambda sd, x: sd.nn.unpad(x, ONES(3), ((1, 1),)), 4),
        (lambda sd, x: sd.linalg.on_diagonal(x, ONES((2, 2))), 1),
        (lambda sd, x: sd.unconcat(x, ONES(1), ONES(2), axis=0)[1], 2),
        (lambda sd, x: sd.loss.ctc_loss(ONES((2, 2), int), ONES((2, 3, 3)), sd.cast(x, int), ONES(2, int)), 1),
    ],
)
def test_what_is_refused_with_known_sizes_is_refused_at_run_time(build, feed):
    sd = SameDiff("float64")
    with pytest.raises((ShapeError, ArgumentError)):
        build(sd, sd.placeholder("known", (feed,)))
    y = build(sd, sd.placeholder("x", (None,)))
    with pytest.raises((ShapeError, ArgumentError)) as caught:
        y.eval(x=ONES(feed))
    assert str(caught.value.node).split(":")[0] == y.name.split(":")[0]


@pytest.mark.parametrize("shape", [(None, None), (None, 3), (4, None)])
@pytest.mark.parametrize("rows", [0, 2, 4, 8])
def test_rows_of_the_last_projection(shape, rows):
    """Too many rows are not taken for columns, whichever size is unknown."""
    sd = SameDiff("float64")
    x, w = ONES((1, 2, 2)), np.arange(8.0).reshape(2, 2, 2) / 8
    last = sd.placeholder("last", shape)
    y = sd.nn.multi_head_dot_product_attention(x, x, x, w, w, w, last)
    feed = np.arange(3.0 * rows).reshape(rows, 3)
    if rows == 4:
        known = sd.nn.multi_head_dot_product_attention(x, x, x, w, w, w, feed)
        np.testing.assert_allclose(y.eval(last=feed), known.eval(), rtol=1e-14)
        assert sd.grad(sd.sum(y), last).eval(last=feed).shape == (4, 3)
    else:
        with pytest.raises(SDGraphError):
            y.eval(last=feed)
        with pytest.raises(ShapeError):
            sd.nn.multi_head_dot_product_attention(x, x, x, w, w, w, feed)


def test_a_size_that_a_body_refuses_is_told_with_the_operands_of_the_call():
    sd = SameDiff()
    label, weights = sd.placeholder("y", (None, 3)), sd.placeholder("w", (None, None))
    loss = sd.loss.cosine_distance(label, sd.placeholder("p", (None, 3)), weights, dimension=1)
    with pytest.raises(ShapeError, match=r"weights 'w': float32 \(\?, \?\), which turned out to be \(4, 3\)"):
        loss.eval({"y": np.ones((4, 3)), "p": np.ones((4, 3)), "w": np.ones((4, 3))})
