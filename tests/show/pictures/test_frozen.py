"""A variable that was turned into a constant keeps its shape, says what it is, and is told from other constants."""

import pytest

from tests.show.pictures.graphs import logistic_regression
from tests.show.pictures.parsing import parsed


def frozen():
    sd, feeds = logistic_regression()
    sd.convert_to_constant("model/w")
    sd.constant("one", 1.0)
    return sd, feeds


def test_its_card():
    sd, _ = frozen()
    scene = sd.plot().scene
    kinds = {c.title: (c.kind, c.word) for c in scene.cards}
    assert kinds["w"] == ("frozen", "variable (frozen)")
    assert kinds["b"] == ("variable", "variable")
    assert kinds["one"] == ("constant", "constant")
    graph = parsed(sd.to_dot())
    (card,) = [n for n in graph.nodes() if n.attr["class"] == "sd-frozen"]
    assert (card.attr["shape"], card.attr["style"]) == ("cylinder", "filled,dotted")
    assert "frozen variable" in sd.to_dot()


def test_its_gradient_has_its_outline():
    sd, _ = frozen()
    scene = sd.plot(view="gradient", wrt=["model/w"]).scene
    assert {c.title: c.outline for c in scene.cards}["∂loss/∂w"] == "frozen"


@pytest.mark.parametrize("change", ["copied", "expanded"])
def test_it_stays_frozen(change):
    sd, _ = frozen()
    options = {"wrt": ["model/b"], "view": "both"} if change == "copied" else {"expand": "objective/ce"}
    assert {c.title: c.kind for c in sd.plot(**options).scene.cards}["w"] == "frozen"


def test_thawed_it_is_a_variable_again():
    sd, _ = frozen()
    sd.convert_to_variable("model/w")
    assert {c.title: c.kind for c in sd.plot().scene.cards}["w"] == "variable"


def test_mermaid_and_table():
    sd, _ = frozen()
    text = sd.to_mermaid()
    assert "classDef frozen " in text and "[(" in text
    table = str(sd.summary())
    assert "variable (frozen)" in table
    assert "1 frozen variable" in table
