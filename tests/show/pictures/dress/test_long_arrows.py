import pytest

from sdgraph import SameDiff
from sdgraph.show.pictures.lay_out import programs as engines
from tests.show.pictures.graphs import layers


def steps(n):
    """A recurrence whose steps share their weights."""
    sd = SameDiff()
    h, w = sd.var("h0", shape=(4, 4)), sd.var("w", shape=(4, 4))
    for k in range(n):
        h = sd.nn.relu(h @ w, name=f"h{k + 1}")
    sd.sum(h, name="loss").mark_as_loss()
    return sd


def test_long_arrows_are_named_on_both_cards():
    sd = steps(160)
    scene = sd.plot(max_nodes=None).scene
    titles = [c.title for c in scene.cards]
    drawn = sum(titles[k.tail] == "w" for k in scene.links)
    (w,) = [c for c in scene.cards if c.title == "w"]
    assert 0 < drawn < 30
    assert w.lines[-1].text == f"→ {160 - drawn} cards"
    named = sum(any(line.text == "← w" for line in c.lines) for c in scene.cards)
    assert named == 160 - drawn
    assert scene.notes == [f"{named} long arrows not drawn: cards name what they lead to"]


@pytest.mark.parametrize("view", ["forward", "gradient"])
def test_short_arrows_and_small_pictures_keep_theirs(view):
    assert "long arrow" not in layers(140).plot(view=view, max_nodes=None).alt
    assert "long arrow" not in steps(40).plot(view=view, max_nodes=None).alt


@pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine")
def test_gradients_of_shared_weights_are_laid_out():
    view = steps(120).plot(view="gradient", max_nodes=None, timeout=60)
    assert len(view.scene.cards) > 400
    assert "∂loss/∂w" in view.svg
