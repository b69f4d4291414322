import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentTypeError, UnknownVariableError
from tests.show.pictures.graphs import layers, logistic_regression
from tests.show.pictures.parsing import cards, parsed


def titles(view):
    return [(c.title, c.word) for c in view.scene.cards]


def test_small_graphs_are_drawn_whole():
    view = layers(4).plot()
    assert view.notes == []
    assert len(view.scene.cards) == 15


def test_depth_collapses_scopes():
    view = layers(2).plot(depth=0)
    assert titles(view) == [
        ("x", "placeholder"),
        ("layer0", "scope"),
        ("layer1", "scope"),
        ("y", "placeholder"),
        ("loss", "mean_squared_error"),
    ]
    assert view.scene.cards[1].lines[0].text == "3 variables, 16 parameters"
    assert view.notes == ["2 scopes with 6 variables collapsed"]


def test_depth_counts_levels():
    sd = SameDiff()
    with sd.name_scope("a"):
        x = sd.placeholder("x")
        with sd.name_scope("b"):
            sd.math.square(sd.math.square(x, name="y"), name="z")
    assert [t for t, _ in titles(sd.plot(depth=1))] == ["x", "b"]
    assert [t for t, _ in titles(sd.plot(depth=0))] == ["a"]
    assert len(sd.plot(depth=2).scene.cards) == 3
    assert len(sd.plot(depth=99).scene.cards) == 3


def test_expand_opens_a_scope_and_leaves_the_others():
    view = layers(3).plot(depth=0, expand="layer1")
    assert [c.title for c in view.scene.cards if c.word == "scope"] == ["layer0", "layer2"]
    assert {c.path for c in view.scene.cards if c.path} == {("layer1",)}
    assert view.notes == ["2 scopes with 6 variables collapsed"]


def test_expand_opens_the_scopes_around_an_op():
    sd = SameDiff()
    x = sd.placeholder("x", (2,))
    with sd.name_scope("a"), sd.name_scope("b"):
        z = sd.nn.hard_sigmoid(x, name="z")
    sd.scan(lambda h, e: (h + e * e, None), 0.0, z, name="total")
    view = sd.plot(depth=0, expand=["a/b/z", "total"])
    assert view.notes == []
    assert {("a", "b", "z"), ("total",)} <= {c.path for c in view.scene.cards}


def test_expand_of_what_is_neither_is_an_error():
    with pytest.raises(UnknownVariableError, match="layer9"):
        layers(3).plot(expand=["layer1", "layer9"])
    with pytest.raises(ArgumentTypeError, match="Not variables"):
        layers(3).plot(expand=5)  # pyright: ignore[reportArgumentType]


def test_arrows_between_collapsed_scopes_are_drawn_once():
    view = layers(3).plot(depth=0)
    place = {c.title: k for k, c in enumerate(view.scene.cards)}
    links = [(k.tail, k.head) for k in view.scene.links]
    assert len(links) == len(set(links))
    assert (place["layer0"], place["layer1"]) in links


def test_too_many_cards_collapse_scopes_and_say_so():
    view = layers(60).plot()
    assert len(view.scene.cards) == 63
    assert view.notes == ["60 scopes with 180 variables collapsed"]


def test_repeated_scopes_are_folded():
    view = layers(200).plot()
    assert ("layer0 … layer199", "× 200") in titles(view)
    assert len(view.scene.cards) == 4
    assert view.notes == ["200 scopes with 600 variables collapsed, like ones folded into 1 stack"]


def test_scopes_that_differ_are_not_folded():
    sd = SameDiff()
    h = sd.placeholder("x", shape=("n", 4))
    for k in range(160):
        with sd.name_scope(f"block{k}"):
            h = sd.nn.relu(h, name="h") if k == 80 else sd.math.square(h, name="h")
            h = sd.math.neg(h, name="g")
    assert [w for _, w in titles(sd.plot())] == ["placeholder", "× 80", "scope", "× 79"]


def test_a_window_is_drawn_when_nothing_can_be_collapsed():
    view = layers(100, scopes=False).plot()
    assert len(view.scene.cards) == 150
    assert "loss" in [t for t, _ in titles(view)]
    assert view.notes == ["the 150 of 303 cards nearest to the loss are shown; see focus, depth, max_nodes"]


def test_max_nodes_none_draws_all():
    assert len(layers(100, scopes=False).plot(max_nodes=None).scene.cards) == 303


@pytest.mark.parametrize("most", [1, 2, 5, 40])
@pytest.mark.parametrize("view", ["forward", "gradient", "both"])
def test_never_more_cards_than_allowed(most, view):
    for sd in (layers(30), layers(30, scopes=False), logistic_regression()[0]):
        picture = sd.plot(view=view, max_nodes=most)
        assert 0 < len(picture.scene.cards) <= most
        assert all(k.tail < most and k.head < most for k in picture.scene.links)
        assert len(cards(picture.dot)) == len(picture.scene.cards)


def test_gradients_collapse_with_their_scopes():
    view = layers(3).plot(view="gradient", depth=0)
    assert ("∂ layer1", "scope") in titles(view)
    graph = parsed(view.dot)
    assert "rank=same" in view.dot
    assert len(graph.nodes()) >= len(view.scene.cards)


def test_a_scope_with_one_variable_stays_that_variable():
    sd = SameDiff()
    with sd.name_scope("a"):
        sd.placeholder("x")
    assert titles(sd.plot(depth=0)) == [("x", "placeholder")]


def test_notes_are_written_on_the_picture():
    view = layers(3).plot(depth=0)
    assert view.notes[0] in view.dot
    assert "3 scopes with 9 variables collapsed" in view.alt
