import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import FeedError
from tests.show.pictures.graphs import logistic_regression


def lines(sd, **options):
    return {c.title: [line.text for line in c.lines][1:] for c in sd.plot(**options).scene.cards}


def test_scalars_are_shown_with_feeds():
    sd, feeds = logistic_regression()
    shown = lines(sd, feeds=feeds)
    assert float(shown["loss"][0]) == pytest.approx(float(sd["objective/loss"].eval(feeds)), rel=1e-3)
    assert shown["b"] == ["0.1"]
    assert shown["w"] == []
    assert f"loss = {shown['loss'][0]}" in sd.plot(feeds=feeds).scene.subtitle


def test_feeds_may_be_keyed_by_variables():
    sd, feeds = logistic_regression()
    assert lines(sd, feeds={sd[n]: a for n, a in feeds.items()}) == lines(sd, feeds=feeds)


def test_what_the_feeds_determine_is_shown_and_the_rest_not():
    sd = SameDiff()
    a, b = sd.placeholder("a"), sd.placeholder("b")
    sd.math.square(a, name="known")
    sd.math.mul(a, b, name="unknown")
    shown = lines(sd, feeds={"a": 3.0})
    assert shown["known"] == ["9"]
    assert shown["unknown"] == []


def test_no_placeholders_need_no_feeds():
    sd = SameDiff()
    sd.var("w", [3.0, 4.0]).sum(name="total")
    assert lines(sd)["total"] == []
    assert lines(sd, feeds={})["total"] == ["7"]


def test_values_can_be_left_out():
    sd, feeds = logistic_regression()
    assert not any(lines(sd, feeds=feeds, values="none").values())


def test_wrong_feeds_raise():
    sd, feeds = logistic_regression()
    with pytest.raises(FeedError):
        sd.plot(feeds={**feeds, "nothing": 1.0})
    with pytest.raises(FeedError):
        sd.plot(feeds={**feeds, "x": np.zeros(3)})


def test_feeds_that_the_drawn_part_does_not_need_are_no_error():
    sd, feeds = logistic_regression()
    assert sd.plot("model/p", feeds=feeds).scene.cards


def test_nan_and_infinity_are_marked():
    sd = SameDiff()
    x = sd.var("x", [1.0, -1.0, 0.0])
    with np.errstate(all="ignore"):
        log = sd.math.log(x, name="log")
        log.sum(name="total")
        scene = sd.plot(feeds={}).scene
    found = {c.title: c for c in scene.cards}
    assert found["log"].kind == "bad"
    assert found["log"].lines[-1].text == "1 × NaN, 1 × ∞"
    assert found["total"].lines[-1].text == "NaN"
    assert found["x"].kind == "variable"
    assert "bad" in scene.kinds


def test_norms_do_not_overflow():
    sd = SameDiff()
    x = sd.var("x", np.array([3e30, 4e30], dtype="float32"))
    sd.math.mul(x, np.array([3e30, 4e30], dtype="float32")).sum(name="y")
    (card,) = [c for c in sd.plot(view="gradient", targets="y", feeds={}).scene.cards if c.title == "∂y/∂x"]
    assert card.lines[-1].text == "‖·‖₂ = 5e+30"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex128", "int32", "bool"])
def test_scalars_of_every_dtype_have_a_text(dtype):
    sd = SameDiff()
    sd.constant("c", np.ones((), dtype))
    assert lines(sd)["c"][0] in ("1", "true", "1+0j")


def test_empty_arrays():
    sd = SameDiff()
    x = sd.var("x", shape=(0, 3))
    x.sum(name="y")
    shown = lines(sd, view="gradient", feeds={})
    assert shown["∂y/∂x"] == ["‖·‖₂ = 0"]
