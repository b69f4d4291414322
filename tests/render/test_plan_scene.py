import re

import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError
from sdgraph.render import engines
from tests.render.graphs import layers, logistic_regression
from tests.render.parsing import cards, svg_groups
from tests.render.test_engines import no_engine  # noqa: F401  (a fixture)

needs_engine = pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine")


def compiled(engine="auto"):
    sd, feeds = logistic_regression()
    f = sd.compile(["model/p", sd.grad("objective/loss", "model/w")], engine)
    f(feeds)
    return sd, f


def test_a_card_for_every_step_and_leaf():
    sd, f = compiled()
    scene = sd.plot(plan=f.plan).scene
    steps = [c for c in scene.cards if c.kind in ("op", "output")]
    assert [c.lines[0].text.split(":")[0] for c in steps] == [f.plan.labels()[s.out] for s in f.plan.steps]
    assert {c.title for c in scene.cards if c.kind == "placeholder"} == {"x", "y"}
    assert {c.title for c in scene.cards if c.kind == "variable"} == {"w", "b"}
    returned = [line.text for c in scene.cards if c.kind == "output" for line in c.lines[-1:]]
    assert returned == ["returned as model/p", "returned as grad/model/w"]
    assert scene.title == "Plan" and scene.subtitle.startswith(f"{len(f.plan.steps)} steps · at most ")


def test_arrows_are_the_operands_that_are_arrays():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(2,))
    sd.math.sub(x * 3, x, name="y")
    scene = sd.plot(plan=sd.compile("y").plan).scene
    titles = [c.title for c in scene.cards]
    found = sorted((titles[k.tail], titles[k.head], k.operand) for k in scene.links)
    assert found == [("mul", "y", "1"), ("x", "mul", ""), ("x", "y", "2")]
    assert next(c.word for c in scene.cards if c.title == "mul") == "(·, 3)"


def test_steps_say_what_they_overwrite():
    sd, f = compiled("numpy")
    text = [line for card in cards(sd.to_dot(plan=f.plan)) for line in card]
    reused = [s for s in f.plan.steps if s.reuse >= 0]
    assert reused
    assert sum(line.startswith("in place of t") for line in text) == len(reused)


def test_the_inside_of_a_composite_stands_in_a_box_of_its_name():
    sd, feeds = logistic_regression()
    f = sd.compile("objective/loss")
    f(feeds)
    scene = sd.plot(plan=f.plan).scene
    assert ("objective", "ce") in {c.path for c in scene.cards}
    assert all(c.path == () for c in sd.plot(plan=f.plan, show_scopes=False).scene.cards)


def test_a_long_plan_is_cut_and_says_so():
    sd = layers(100)
    f = sd.compile("loss")
    f({"x": [[0.0] * 4], "y": [[0.0] * 4]})
    view = sd.plot(plan=f.plan, max_nodes=20)
    assert sum(c.kind in ("op", "output") for c in view.scene.cards) == 20
    assert view.notes == [f"the last 20 of {len(f.plan.steps)} steps are shown; see max_nodes"]


def test_a_leaf_that_is_returned_as_it_is():
    sd = SameDiff()
    sd.constant("c", [1.0, 2.0])
    sd.placeholder("x", shape=(3,))
    f = sd.compile(["c", "x"])
    assert {c.kind for c in sd.plot(plan=f.plan).scene.cards} == {"constant", "placeholder"}


def test_a_plan_has_no_targets():
    sd, f = compiled()
    with pytest.raises(ArgumentError, match="plan"):
        sd.plot("model/p", plan=f.plan)
    with pytest.raises(ArgumentError, match="plan"):
        sd.plot(plan=f.plan, view="gradient")


def test_a_plan_is_written_to_a_file(tmp_path):
    sd, f = compiled()
    assert sd.render(tmp_path / "plan.mmd", plan=f.plan).read_text("utf-8").startswith("flowchart TB")


@needs_engine
def test_an_executable_shows_its_plan():
    _, f = compiled()
    bundle = f._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == f"{f!r}\n{f.plan}"
    assert len(svg_groups(bundle["image/svg+xml"], "node")) >= len(f.plan.steps)
    assert 'alt="Plan of model/p, grad/model/w: ' in bundle["text/html"]


def test_without_a_plan_an_executable_shows_its_text():
    sd, _ = logistic_regression()
    f = sd.compile("model/p")
    assert not f.has_plan
    assert f._repr_mimebundle_() == {"text/plain": repr(f)}


def test_without_an_engine_the_plan_is_mermaid(no_engine):  # noqa: F811
    _, f = compiled()
    assert set(f._repr_mimebundle_()) == {"text/plain", "text/vnd.mermaid"}


def test_nothing_that_goes_wrong_reaches_the_notebook(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("anything")

    _, f = compiled()
    monkeypatch.setattr("sdgraph.render.display.make_plan_scene", fail)
    assert f._repr_mimebundle_() == {"text/plain": f"{f!r}\n{f.plan}"}


def test_the_text_of_a_long_plan_is_cut():
    sd = layers(100)
    f = sd.compile("loss")
    f({"x": [[0.0] * 4], "y": [[0.0] * 4]})
    lines = f._repr_mimebundle_()["text/plain"].splitlines()
    assert len(lines) == 62
    assert re.fullmatch(r"  \.\.\. \d+ more lines: print\(f\.plan\)", lines[-1])


def test_a_plan_is_printed_as_its_steps():
    class Printer:
        def text(self, text):
            self.shown = text

    _, f = compiled()
    printer = Printer()
    f.plan._repr_pretty_(printer, False)
    assert printer.shown == str(f.plan)
