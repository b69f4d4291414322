import numpy as np

from sdgraph import SameDiff
from sdgraph.show.visible import visible


def test_roles():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(2,))
    y = sd.math.mul(x, 2, name="y")
    sd.math.square(y, name="spare")
    loss = sd.loss.l2_loss(y, name="loss")
    g = sd.grad(loss, x)
    listing = visible(sd)
    items = {i.name: i for i in listing.items.values()}
    assert items["loss"].is_loss
    assert items["spare"].is_output
    assert not items["y"].is_output
    assert items["constant"].is_literal
    assert items[g.name].is_gradient
    assert listing.gradient_name(items[g.name]) == "∂loss/∂x"
    assert listing.gradient_name(items["y"]) is None
    assert items["x"].nbytes == 8


def test_unknown_sizes():
    sd = SameDiff()
    (item,) = visible(_one(sd, ("n", 3))).items.values()
    assert item.size is None
    assert item.nbytes is None


def _one(sd, shape):
    sd.placeholder("x", shape=shape)
    return sd


def test_orders_count_derivatives():
    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 2.0])
    y = (x**3).sum(name="y")
    first = sd.grad(y, x)
    norm = sd.math.square(first).sum(name="norm")
    second = sd.grad(norm, x)
    third = sd.grad(second, x)
    listing = visible(sd)
    assert [listing.orders[v.id] for v in (y, first, norm, second, third)] == [0, 1, 1, 2, 3]
    assert listing.gradient_name(listing.items[second.id]) == "∂norm/∂x"


def test_several_losses_are_named_as_a_sum():
    sd = SameDiff()
    w = sd.var("w", [1.0, 2.0])
    a, b = sd.loss.l2_loss(w, name="a"), w.sum(name="b")
    sd.set_loss_variables(a, b)
    sd.calculate_gradients()
    names = [listing.gradient_name(i) for listing in [visible(sd)] for i in listing.items.values() if i.wrt is not None]
    assert "∂(a + b)/∂w" in names


def test_unclear_losses_are_not_marked():
    sd = SameDiff()
    first = sd.loss.l2_loss(sd.var("w", [1.0]), name="first")
    for name in ("second", "third"):
        sd.loss.l2_loss(first * 2, name=name)
    listing = visible(sd)
    assert not [i.name for i in listing.items.values() if i.is_loss]
    assert [listing.items[i].name for i in listing.losses.candidates] == ["second", "third", "first"]


def test_it_is_linear_in_the_graph():
    def steps(n):
        import cProfile
        import pstats

        sd = SameDiff()
        x = sd.placeholder("x")
        for _ in range(n):
            x = sd.math.neg(x)
        profile = cProfile.Profile()
        profile.runcall(visible, sd)
        return pstats.Stats(profile).total_calls

    assert steps(2000) < 2.2 * steps(1000)


def test_outputs_of_several_belong_to_their_op():
    sd = SameDiff()
    q, r = sd.linalg.qr(sd.var("m", np.eye(3)), name="f")
    items = visible(sd).items
    assert [items[v.id].op.name for v in (q, r)] == ["qr", "qr"]
    assert [sd.nodes[o.id].name for o in items[r.id].operands] == ["m"]
