import base64
import re

import pytest

from sdgraph import SameDiff
from sdgraph.errors import LayoutError
from sdgraph.show.pictures import picture
from sdgraph.show.pictures.lay_out import programs as engines
from sdgraph.show.pictures.write import mermaid
from tests.show.pictures.graphs import layers, logistic_regression
from tests.show.pictures.lay_out.test_programs import no_engine  # noqa: F401  (a fixture)
from tests.show.pictures.parsing import svg_groups, svg_tree

needs_engine = pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine")


def embedded_svg(bundle):
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', bundle["text/html"])
    assert found
    return base64.b64decode(found[1]).decode()


@needs_engine
def test_a_graph_shows_itself_as_an_image_in_html():
    sd, _ = logistic_regression()
    bundle = sd._repr_mimebundle_(include=None, exclude=None)
    assert bundle["image/svg+xml"] == embedded_svg(bundle)
    assert len(svg_groups(bundle["image/svg+xml"], "node")) == len(sd.nodes)
    assert bundle["text/plain"] == repr(sd)
    assert 'alt="Graph: ' in bundle["text/html"]


@needs_engine
def test_a_variable_shows_its_neighbourhood():
    sd = layers(6)
    bundle = sd["layer3/h"]._repr_mimebundle_()
    shown = len(svg_groups(embedded_svg(bundle), "node"))
    assert 4 <= shown < len(sd.nodes) / 2
    assert bundle["text/plain"] == repr(sd["layer3/h"])


@needs_engine
def test_a_gradient_shows_its_neighbourhood():
    sd, _ = logistic_regression()
    g = sd.grad("objective/loss", "model/w")
    assert "∂loss/∂w" in embedded_svg(g._repr_mimebundle_())


@needs_engine
def test_every_variable_shows_itself():
    sd, _ = logistic_regression()
    sd.hvp("objective/loss", "model/b", 1.0)
    sd["model/w"] * 2
    for v in [*sd.variables()[::5], *sd.variables()[-2:]]:
        bundle = v._repr_mimebundle_()
        number = bundle.get("image/svg+xml", "").count('class="node')
        assert number >= 1, v


@needs_engine
def test_a_view_shows_itself():
    sd, _ = logistic_regression()
    view = sd.plot(view="gradient", title="A & B")
    bundle = view._repr_mimebundle_()
    assert embedded_svg(bundle) == view.svg
    assert "A &amp; B" in view.html
    assert re.fullmatch(r"<GraphView: .*>", repr(view))


@pytest.mark.parametrize("of", ["graph", "variable", "view"])
def test_without_an_engine_there_is_mermaid(no_engine, of):  # noqa: F811
    sd, _ = logistic_regression()
    shown = {"graph": sd, "variable": sd["model/z"], "view": sd.plot()}[of]
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/vnd.mermaid"}
    assert bundle["text/vnd.mermaid"].startswith("flowchart TB")
    # One line says why, whichever of the two is shown; the source that a user asks for is without it.
    line = "No Graphviz, so your notebook draws a plain picture. pip install 'sdgraph[viz]' brings it."
    assert bundle["text/plain"] == f"{shown!r}\n{line}"
    assert f'note["{mermaid._safe(line)}"]' in bundle["text/vnd.mermaid"]
    assert "Graphviz" not in sd.to_mermaid() + sd.plot().mermaid


def test_a_view_says_why_a_layout_failed(monkeypatch):
    def fail(*_):
        raise LayoutError("The layout took longer than 60 s and was stopped.", fix="Draw less.")

    monkeypatch.setattr(picture.engines, "lay_out", fail)
    bundle = logistic_regression()[0].plot()._repr_mimebundle_()
    assert bundle["text/plain"].splitlines()[1] == "The layout took longer than 60 s and was stopped."
    assert "took longer than 60 s" in bundle["text/vnd.mermaid"]


def test_a_layout_that_fails_leaves_the_table(monkeypatch):
    def fail(*_):
        raise LayoutError("too long")

    monkeypatch.setattr(picture.engines, "lay_out", fail)
    sd, _ = logistic_regression()
    bundle = sd._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "<table>" in bundle["text/html"]


def test_nothing_that_goes_wrong_reaches_the_notebook(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("anything")

    sd, _ = logistic_regression()
    monkeypatch.setattr("sdgraph.show.notebook.make_scene", fail)
    assert sd._repr_mimebundle_() == {"text/plain": repr(sd)}
    assert sd["model/w"]._repr_mimebundle_() == {"text/plain": repr(sd["model/w"])}


def test_a_huge_graph_shows_its_table():
    bundle = layers(700)._repr_mimebundle_()
    assert "<table>" in bundle["text/html"]
    assert "image/svg+xml" not in bundle


@pytest.mark.parametrize("make", [SameDiff, lambda: layers(0), lambda: layers(60, scopes=False)])
def test_every_graph_shows_something(make):
    bundle = make()._repr_mimebundle_()
    assert len(bundle) >= 2
    if "image/svg+xml" in bundle:
        svg_tree(bundle["image/svg+xml"])


def test_text_is_the_same_on_every_run():
    sd, _ = logistic_regression()
    again, _ = logistic_regression()
    assert repr(sd.plot()) == repr(again.plot())
    assert "0x" not in repr(sd.plot())
