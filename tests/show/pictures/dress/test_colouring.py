import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, UnknownVariableError
from sdgraph.show.pictures.dress.theme import DTYPE, HEAT
from tests.show.pictures.graphs import layers, logistic_regression
from tests.show.pictures.parsing import parsed


def by_name(scene):
    return {c.names[0]: c for c in scene.cards if len(c.names) == 1}


def fills(dot):
    graph = parsed(dot)
    return {n.attr["fillcolor"] for n in graph.nodes() if n.startswith("n")}


def test_forward_cards_by_the_norm_of_their_gradient():
    sd, feeds = logistic_regression()
    scene = sd.plot(color_by="grad_norm", feeds=feeds).scene
    cards = by_name(scene)
    work = sd.copy()
    wanted = ["model/z", "model/b", "model/w"]
    norms = [np.linalg.norm(g.eval(feeds)) for g in work.grad("objective/loss", wanted)]
    heats = [cards[name].heat for name in wanted]
    assert all(h is not None for h in heats)
    assert sorted(heats) == [h for _, h in sorted(zip(norms, heats, strict=True))]
    assert cards["x"].heat is None
    assert not any("‖" in line.text for c in scene.cards for line in c.lines)
    assert scene.scale.words == "gradient norm"


def test_in_the_gradient_view_both_columns_have_one_colour():
    sd, feeds = logistic_regression()
    cards = {c.title: c for c in sd.plot(view="gradient", color_by="grad_norm", feeds=feeds).scene.cards}
    assert cards["w"].heat == cards["∂loss/∂w"].heat is not None
    cards = {c.title: c for c in sd.plot(view="gradient", feeds=feeds).scene.cards}
    assert cards["w"].heat is None


def test_by_the_norm_of_values():
    sd = SameDiff()
    x = sd.var("x", [3.0, 4.0])
    sd.math.mul(x, 100.0, name="large").sum(name="total")
    sd.constant("count", [1, 2])
    scene = sd.plot(color_by="value_norm", feeds={}).scene
    cards = by_name(scene)
    assert (scene.scale.high, scene.scale.words) == (pytest.approx(700.0), "norm of values")
    assert cards["total"].heat == 5
    assert cards["x"].heat < cards["large"].heat
    assert cards["count"].heat == 0


@pytest.mark.parametrize("color_by", ["grad_norm", "value_norm"])
def test_norms_need_feeds(color_by):
    sd, _ = logistic_regression()
    with pytest.raises(ArgumentError, match="feeds"):
        sd.plot(color_by=color_by)


def test_by_dtype():
    sd = SameDiff("float64")
    x = sd.placeholder("x", shape=(3,))
    sd.gt(x, 0.0, name="positive")
    sd.argmax(x, axis=0, name="place")
    view = sd.plot(color_by="dtype")
    cards = by_name(view.scene)
    assert (cards["x"].dtype, cards["positive"].dtype, cards["place"].dtype) == ("float64", "bool", "integer")
    assert view.scene.dtypes == {"bool": ["bool"], "float64": ["float64"], "integer": ["int64"]}
    assert fills(view.dot) == {DTYPE[d].light for d in ("bool", "float64", "integer")}
    assert "int64" in view.dot


def test_by_dtype_gradients_too():
    sd, feeds = logistic_regression()
    scene = sd.plot(view="gradient", color_by="dtype", feeds=feeds).scene
    assert {(c.dtype, c.heat) for c in scene.cards} == {("float64", None)}


def test_by_numbers_of_ones_own():
    sd, _ = logistic_regression()
    view = sd.plot(color_by={"model/w": 1.0, sd["model/z"]: 3.0, "y": float("nan"), "x": None})
    cards = by_name(view.scene)
    assert (cards["model/w"].heat, cards["model/z"].heat, cards["y"].heat, cards["x"].heat) == (0, 5, None, None)
    assert fills(view.dot) >= {HEAT[0].light, HEAT[5].light}
    assert "given by color_by" in view.dot


def test_by_a_function():
    sd, _ = logistic_regression()
    cards = by_name(sd.plot(color_by=lambda v: len(v.shape)).scene)
    assert (cards["objective/loss"].heat, cards["model/w"].heat, cards["x"].heat) == (0, 3, 5)


def test_a_scope_has_the_largest_number_inside():
    sd = layers(3)
    scene = sd.plot(depth=0, color_by={"layer0/w": 1.0, "layer1/w": 2.0, "layer1/h": 9.0, "layer2/h": 5.0}).scene
    assert {c.title: c.heat for c in scene.cards if c.title.startswith("layer")} == {
        "layer0": 0,
        "layer1": 5,
        "layer2": 3,
    }


def test_one_number_for_all():
    sd, _ = logistic_regression()
    assert by_name(sd.plot(color_by=lambda v: 2).scene)["x"].heat == 5


def test_wrong_colours():
    sd, _ = logistic_regression()
    for wrong in ("rainbow", 3, None):
        with pytest.raises(ArgumentError, match="color_by"):
            sd.plot(color_by=wrong)
    with pytest.raises(UnknownVariableError, match="nothing"):
        sd.plot(color_by={"nothing": 1.0})
    with pytest.raises(ArgumentError, match="no number for 'x'"):
        sd.plot(color_by={"x": "red"})


# ---------------------------------------------------------------------- collapsed gradients


def test_a_collapsed_scope_of_gradients_is_as_hot_as_its_hottest():
    sd = layers(3)
    rng = np.random.default_rng(5)
    feeds = {"x": rng.normal(size=(8, 4)), "y": rng.normal(size=(8, 4))}
    scene = sd.plot(view="gradient", depth=0, feeds=feeds).scene
    scopes = {c.title: c for c in scene.cards if c.outline == "scope" and c.order}
    assert set(scopes) == {"∂ layer0", "∂ layer1", "∂ layer2"}
    listed = {c.names[0]: c for c in sd.plot(view="gradient", feeds=feeds).scene.cards if c.order}
    for card in scopes.values():
        inside = [float(listed[n].lines[-1].text.split("= ")[1]) for n in card.names]
        assert card.lines[-1].text == f"largest ‖·‖₂ = {max(inside):.4g}"
        assert card.heat is not None
    heats = [scopes[f"∂ layer{k}"].heat for k in range(3)]
    largest = [float(scopes[f"∂ layer{k}"].lines[-1].text.split("= ")[1]) for k in range(3)]
    assert sorted(heats) == [h for _, h in sorted(zip(largest, heats, strict=True))]


def test_nan_inside_a_collapsed_scope_is_seen():
    sd = SameDiff()
    x = sd.var("x", [-1.0, 2.0])
    with sd.name_scope("inside"):
        h = sd.math.log(x, name="h")
        h = sd.math.square(h, name="s")
    h.sum(name="total")
    with np.errstate(all="ignore"):
        scene = sd.plot(view="gradient", targets="total", depth=0, feeds={}).scene
    (card,) = [c for c in scene.cards if c.outline == "scope" and c.order]
    assert card.kind == "bad"
    assert card.lines[-1].text.startswith("NaN or infinity in ")


# ---------------------------------------------------------------------- statistics on cards


def test_statistics_of_arrays():
    sd = SameDiff()
    x = sd.var("x", [[1.0, 2.0], [3.0, 10.0]])
    sd.gt(x, 2.5, name="large")
    sd.sum(x, name="total")
    lines = {c.title: [line.text for line in c.lines][1:] for c in sd.plot(values="stats", feeds={}).scene.cards}
    assert lines == {"x": ["1 … 10, mean 4"], "large": ["2 of 4 true"], "total": ["16"]}


def test_without_feeds_only_constants_have_statistics():
    sd = SameDiff()
    sd.var("w", [1.0, 2.0]).mul(sd.constant("c", [5.0, 5.0]), name="y")
    lines = {c.title: [line.text for line in c.lines][1:] for c in sd.plot(values="stats").scene.cards}
    assert lines == {"w": [], "c": ["all 5"], "y": []}
