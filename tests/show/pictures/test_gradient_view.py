import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import GradientError, UnknownVariableError
from tests.show.pictures.graphs import logistic_regression, weighted_loss
from tests.show.pictures.parsing import cards, parsed


def scene(sd, **options):
    return sd.plot(view="gradient", **options).scene


def titles(drawn, order=None):
    return [c.title for c in drawn.cards if order is None or c.order == order]


def test_gradients_stand_beside_their_variables():
    sd, _ = logistic_regression()
    drawn = scene(sd)
    assert set(titles(drawn, 1)) >= {"∂loss/∂w", "∂loss/∂b", "∂loss/∂z", "∂loss/∂ce", "∂loss/∂loss"}
    dot = sd.to_dot(view="gradient")
    place = {c.title: k for k, c in enumerate(drawn.cards)}
    for name in ("w", "b", "z", "ce", "loss"):
        assert f"{{rank=same; n{place[name]}; n{place[f'∂loss/∂{name}']};}}" in dot


def test_backward_arrows_are_declared_downwards_and_drawn_upwards():
    sd, _ = logistic_regression()
    drawn = scene(sd)
    graph = parsed(sd.to_dot(view="gradient"))
    place = {c.title: f"n{k}" for k, c in enumerate(drawn.cards)}
    edge = graph.get_edge(place["∂loss/∂z"], place["∂loss/∂ce"])
    assert edge.attr["dir"] == "back"


def test_a_gradient_has_the_outline_of_its_variable():
    sd, _ = logistic_regression()
    outline = {c.title: c.outline for c in scene(sd).cards}
    assert outline["∂loss/∂w"] == "variable"
    assert outline["∂loss/∂z"] == "gradient"


def test_what_does_not_lead_to_the_loss_is_left_out():
    sd, _ = logistic_regression()
    assert "p" not in titles(scene(sd))


def test_arrows_say_the_local_derivative():
    sd, _ = logistic_regression()
    drawn = scene(sd)
    labels = {(drawn.cards[k.tail].title, drawn.cards[k.head].title): k.label for k in drawn.links}
    assert labels["∂loss/∂loss", "∂loss/∂ce"] == "1 / n"
    assert labels["∂loss/∂ce", "∂loss/∂z"] == "σ(z) − y"
    assert labels["∂loss/∂z", "∂loss/∂b"] == "Σ"
    assert labels["∂loss/∂z", "∂loss/∂w"].startswith("xᵀ")


def test_a_path_through_another_gradient_has_its_own_arrow():
    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 2.0])
    inner = sd.math.sin(x, name="inner")
    sd.math.add(x, inner, name="outer").sum(name="total")
    drawn = scene(sd, targets="total")
    labels = {(drawn.cards[k.tail].title, drawn.cards[k.head].title): k.label for k in drawn.links}
    # The gradient of outer is also that of inner: it reaches x directly and through the sine, which no word says.
    assert labels["∂total/∂outer", "∂total/∂x"] == "∂outer/∂x"
    scaled = SameDiff("float64")
    x = scaled.var("x", [1.0, 2.0])
    y = scaled.math.mul(scaled.math.sin(x, name="inner"), 3, name="scaled")
    scaled.math.add(x, y, name="outer").sum(name="total")
    drawn = scene(scaled, targets="total")
    labels = {(drawn.cards[k.tail].title, drawn.cards[k.head].title): k.label for k in drawn.links}
    assert labels["∂total/∂outer", "∂total/∂x"] == ""
    assert labels["∂total/∂outer", "∂total/∂inner"] == "3"
    assert labels["∂total/∂inner", "∂total/∂x"] == "cos(x)"


def test_dotted_arrows_come_from_arrays_the_backward_pass_reads():
    sd, _ = logistic_regression()
    drawn = scene(sd)
    kept = {(drawn.cards[k.tail].title, drawn.cards[k.head].title) for k in drawn.links if k.kind == "kept"}
    # The mean needs only the number of elements of ce, and the sum over b's broadcasting nothing.
    assert kept == {("x", "∂loss/∂w"), ("y", "∂loss/∂z"), ("z", "∂loss/∂z")}


def test_norms_are_those_of_the_gradients():
    sd, feeds = weighted_loss()
    drawn = scene(sd, feeds=feeds)
    (line,) = [c.lines[-1].text for c in drawn.cards if c.title == "∂huber/∂w"]
    expected = np.linalg.norm(sd.calculate_gradients(feeds, "w")["w"])
    assert line.startswith("‖·‖₂ = ")
    assert float(line.split("= ")[1]) == pytest.approx(expected, rel=1e-3)


def test_heat_grows_with_the_norm():
    sd, feeds = logistic_regression()
    drawn = scene(sd, feeds=feeds)
    pairs = sorted((float(c.lines[-1].text.split("= ")[1]), c.heat) for c in drawn.cards if c.order)
    heats = [h for _, h in pairs]
    assert heats == sorted(heats)
    assert heats[-1] == 5


def test_without_feeds_there_is_no_heat():
    sd, _ = logistic_regression()
    assert all(c.heat is None for c in scene(sd).cards)


def test_wrt_chooses_the_gradients():
    sd, _ = logistic_regression()
    assert "∂loss/∂x" in titles(scene(sd, wrt="x"))
    assert "∂loss/∂w" not in titles(scene(sd, wrt=sd["x"]))


def test_targets_are_differentiated_instead_of_the_loss():
    sd, _ = logistic_regression()
    drawn = scene(sd, targets=sd["model/p"], wrt="model/w")
    assert "∂p/∂w" in titles(drawn)
    assert drawn.title == "Gradient of p"
    assert drawn.subtitle.startswith("by w · ")


def test_gradients_that_the_graph_has_are_drawn_once():
    sd, _ = logistic_regression()
    sd.grad("objective/loss", "model/w")
    sd.grad("objective/loss", ["model/w", "model/b"])
    names = titles(scene(sd), 1)
    assert len(names) == len(set(names))
    assert {"∂loss/∂w", "∂loss/∂b"} <= set(names)


def test_second_order_has_a_column_of_its_own():
    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 2.0])
    y = (sd.math.sin(x) * x).sum(name="y")
    sd.grad(sd.grad(y, x), x)
    drawn = scene(sd, feeds={})
    assert "∂(∂y/∂x)/∂x" in titles(drawn, 2)
    assert "∂y/∂x" in titles(drawn, 1)
    assert len({c.order for c in drawn.cards}) == 3
    assert "second order" in sd.to_dot(view="gradient")


def test_hessian_vector_products_are_of_second_order():
    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 2.0])
    sd.hvp((x**3).sum(name="y"), x, [1.0, 0.0])
    assert any(t.endswith("/∂x") for t in titles(scene(sd), 2))


def physics():
    """A loss that is computed from a gradient of something else."""
    sd = SameDiff("float64")
    t, a = sd.placeholder("t", shape=(None,)), sd.var("a", 0.5)
    u = sd.math.exp(a * t, name="u")
    residual = sd.math.sub(sd.grad(u, t), u, name="residual")
    return sd, sd.math.square(residual).mean(name="loss")


@pytest.mark.parametrize("options", [{}, {"targets": "loss"}, {"wrt": "a"}, {"targets": "loss", "wrt": "a"}], ids=str)
@pytest.mark.parametrize("asked_before", [False, True])
def test_the_gradient_of_the_loss_wins_over_those_that_it_is_made_of(options, asked_before):
    sd, _ = physics()
    if asked_before:
        sd.calculate_gradients({"t": [0.0, 1.0]})
    drawn = scene(sd, **options)
    assert drawn.title == "Gradient of loss"
    assert set(titles(drawn, 2)) >= {"∂loss/∂loss", "∂loss/∂residual", "∂loss/∂u", "∂loss/∂a"}
    # The gradient that the loss reads is there as what it is, without its inside.
    assert titles(drawn, 1) == ["∂u/∂t"]
    arrows = {(drawn.cards[k.tail].title, drawn.cards[k.head].title) for k in drawn.links}
    assert ("∂u/∂t", "residual") in arrows


def test_other_views_show_the_gradient_of_the_loss_too():
    sd, _ = physics()
    feeds = {"t": [0.0, 1.0]}
    drawn = sd.plot(view="both", feeds=feeds).scene
    (line,) = [c.lines[-1] for c in drawn.cards if c.title == "a"]
    assert line.text.startswith("‖∂loss/∂a‖ = ")


def test_a_target_wins_over_the_loss():
    sd, _ = physics()
    drawn = scene(sd, targets="u")
    assert drawn.title == "Gradient of u" and not any(c.kind == "loss" for c in drawn.cards)
    assert titles(drawn, 1) == ["∂u/∂u", "∂u/∂mul", "∂u/∂t"]  # What the graph has.
    assert "∂u/∂a" in titles(scene(sd, targets="u", wrt="a"))


def test_a_gradient_as_a_target_is_shown_itself():
    sd, loss = physics()
    g = sd["grad/t"]
    sd.calculate_gradients({"t": [0.0, 1.0]})
    assert {t for t in titles(scene(sd, targets=g)) if t.startswith("∂")} == {"∂u/∂u", "∂u/∂mul", "∂u/∂t"}
    assert "∂loss/∂a" in titles(scene(sd, targets=sd.grad(loss, "a")))


def test_without_a_clear_loss_it_is_the_gradients_that_exist():
    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 2.0])
    a, b = sd.math.sin(x, name="a"), sd.math.cos(x, name="b")
    sd.grad(a, x), sd.grad(b, x)
    drawn = scene(sd)
    assert drawn.title == "Gradient of a, b" and {"∂a/∂x", "∂b/∂x"} <= set(titles(drawn))
    b.mark_as_loss()
    assert scene(sd).title == "Gradient of b"


def test_gradients_that_were_asked_for_before_are_those_of_the_picture():
    sd, feeds = logistic_regression()
    before = titles(scene(sd)), titles(scene(sd, wrt="model/w"))
    sd.calculate_gradients(feeds)
    sd.calculate_gradients(feeds, ["model/w"])
    assert (sorted(titles(scene(sd))), titles(scene(sd, wrt="model/w"))) == (sorted(before[0]), before[1])


def test_equal_names_are_told_apart_in_titles():
    sd = SameDiff()
    x = sd.var("x", [1.0])
    with sd.name_scope("net"):
        a = x + 1.0
    b = x + 2.0
    c = sd.math.sin(x, name="net/c")
    sd.grad(a, x), sd.grad(b, x)
    assert scene(sd).title == "Gradient of net/add, add"
    sd.set_loss_variables(a, b, c)
    drawn = scene(sd, wrt=x)
    assert drawn.title == "Gradient of net/add, add, c" and drawn.subtitle.startswith("by x · ")


def test_a_gradients_title_cuts_names_as_other_cards_do():
    sd = SameDiff()
    w = sd.var("a_variable_with_a_long_name_indeed", [[1.0, 2.0]])
    each = sd.loss.sparse_softmax_cross_entropy(w, [1])
    sd.mean(each, name="loss")
    drawn = scene(sd)
    forward = {c.title for c in drawn.cards if not c.order}
    assert {t.removeprefix("∂loss/∂") for t in titles(drawn, 1)} <= forward
    assert all(len(t) <= 24 for part in titles(drawn) for t in part.replace("∂", "").split("/"))


@pytest.mark.parametrize("view", ["forward", "both"])
def test_gradient_nodes_are_no_cards_of_other_views(view):
    sd, feeds = logistic_regression()
    n = len(cards(sd.to_dot(view=view)))
    sd.calculate_gradients(feeds)
    sd.hessian("objective/loss", "model/b")
    assert len(cards(sd.to_dot(view=view))) == n


def test_both_shows_norms_on_forward_cards():
    sd, feeds = logistic_regression()
    drawn = sd.plot(view="both", feeds=feeds).scene
    (line,) = [c.lines[-1] for c in drawn.cards if c.title == "w"]
    assert line.text.startswith("‖∂loss/∂w‖ = ")
    assert line.heat is not None


def test_a_forward_op_on_a_gradient_shows_that_gradient():
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0])
    g = sd.grad((x**2).sum(), x)
    sd.math.square(g, name="penalty")
    assert [c[0] for c in cards(sd.to_dot("penalty"))] == ["∂sum/∂x", "penalty square"]


def test_what_has_no_gradient_raises_its_error():
    sd = SameDiff()
    sd.placeholder("x")
    with pytest.raises(GradientError):
        sd.plot(view="gradient")
    sd, _ = logistic_regression()
    with pytest.raises(UnknownVariableError):
        sd.plot(view="gradient", wrt="nothing")
