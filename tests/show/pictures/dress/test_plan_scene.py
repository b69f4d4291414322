import re
from dataclasses import replace

import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError
from sdgraph.plan.made import Group
from sdgraph.show.pictures.lay_out import programs as engines
from tests.show.pictures.graphs import layers, logistic_regression
from tests.show.pictures.lay_out.test_programs import no_engine  # noqa: F401  (a fixture)
from tests.show.pictures.parsing import cards, label_lines, parsed, svg_groups, svg_texts

needs_engine = pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine")


def compiled(engine="auto"):
    sd, feeds = logistic_regression()
    f = sd.compile(["model/p", sd.grad("objective/loss", "model/w")], engine)
    f(feeds)
    return sd, f


def test_a_card_for_every_step_and_leaf():
    sd, f = compiled("numpy")
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
    f = sd.compile("objective/loss", engine="numpy")
    f(feeds)
    assert ("objective", "ce") in {c.path for c in sd.plot(plan=f.plan).scene.cards}
    assert all(c.path == () for c in sd.plot(plan=f.plan, show_scopes=False).scene.cards)


@pytest.fixture
def grouped():
    """A plan whose engine runs all steps but the products of matrices in two groups."""
    sd, f = compiled("numpy")
    plan = f.plan
    alone = {s.out: "by itself: a product" for s in plan.steps if s.op.name == "matmul"}
    together = [s.out for s in plan.steps if s.out not in alone]
    groups = (
        Group("a <loop>", ("two facts", "and more"), tuple(together[:3])),
        Group("a <loop>", ("others",), tuple(together[3:])),
    )
    return sd, replace(plan, groups=groups, remarks=alone)


def test_steps_that_run_together_stand_in_one_box(grouped):
    sd, plan = grouped
    scene = sd.plot(plan=plan).scene
    steps = [c for c in scene.cards if c.kind in ("op", "output")]
    found = {s.out: c.path for s, c in zip(plan.steps, steps, strict=True)}
    boxes = [("1. a <loop>",), ("2. a <loop>",)]
    assert found == {
        **{i: box for g, box in zip(plan.groups, boxes, strict=True) for i in g.outs},
        **dict.fromkeys(plan.remarks, ()),
    }
    assert scene.facts == {boxes[0]: ("two facts", "and more"), boxes[1]: ("others",)}
    n = len(plan.steps)
    assert scene.subtitle.startswith(f"{n} steps, {n - len(plan.remarks)} of them in 2 groups · at most ")


def test_a_step_by_itself_says_why(grouped):
    sd, plan = grouped
    for c in sd.plot(plan=plan).scene.cards:
        if c.kind in ("op", "output"):
            assert ("by itself: a product" in [line.text for line in c.lines]) == (not c.path)


def test_boxes_of_groups_have_title_and_facts(grouped):
    sd, plan = grouped
    graph = parsed(sd.to_dot(plan=plan))
    plates = [n for n in graph.nodes() if n.startswith("p")]
    assert [label_lines(graph.get_node(n).attr["label"]) for n in plates] == [
        ["1. a <loop>", "two facts", "and more"],
        ["2. a <loop>", "others"],
    ]
    assert "<br/>two facts<br/>and more" in sd.to_mermaid(plan=plan)


@needs_engine
def test_the_picture_of_groups_has_no_names_of_its_own_as_tooltips(grouped):
    sd, plan = grouped
    view = sd.plot(plan=plan)
    titles = re.findall("<title>(.*?)</title>", view.svg)
    assert not [t for t in titles if re.fullmatch(r"[a-z]*\d+|cluster.*", t)]
    assert {"two facts", "and more", "others"} <= set(svg_texts(view.svg))


def test_the_fused_engine_groups_steps():
    pytest.importorskip("llvmlite")
    sd = SameDiff()
    x = sd.placeholder("x", (3, 3))
    plan = sd.compile(sd.math.exp(sd.linalg.matrix_inverse(x + 1.0)).sum(), engine="llvm").plan
    in_groups = [i for g in plan.groups for i in g.outs]
    assert sorted([*in_groups, *plan.remarks]) == sorted(s.out for s in plan.steps)
    assert len(set(in_groups)) == len(in_groups)
    names = {s.out: s.op.name for s in plan.steps}
    assert [names[i] for i in plan.remarks] == ["matrix_inverse"]
    assert {names[i] for i in in_groups} == {"add", "exp", "sum"}
    for g in plan.groups:
        assert g.title.startswith("region over ") and "fused" in g.facts[0] and "moved" in g.facts[1]
    assert sd.plot(plan=plan).scene.facts


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
    monkeypatch.setattr("sdgraph.show.notebook.make_plan_scene", fail)
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
