import base64

import pytest

from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.show.pictures.lay_out import programs as engines
from sdgraph.viz import set_options
from tests.show.pictures.graphs import layers, logistic_regression

needs_engine = pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine")


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr("sdgraph.show.options._defaults", {})


def test_options_hold_for_pictures_that_do_not_say_otherwise():
    sd, _ = logistic_regression()
    assert set_options(theme="dark", direction="LR") == {"theme": "auto", "direction": "TB"}
    assert sd.plot().options.theme == "dark"
    assert sd.plot(theme="light").options.theme == "light"
    assert 'rankdir="LR"' in sd.to_dot()


def test_what_was_before_restores_it():
    before = set_options(max_nodes=10)
    assert before == {"max_nodes": 150}
    assert set_options(**before) == {"max_nodes": 10}
    assert len(layers(30).plot().scene.cards) > 10


def test_a_limit_counts_for_notebooks_too(monkeypatch):
    monkeypatch.setenv("PATH", "")
    set_options(max_nodes=5, engine="dot")
    bundle = layers(12)._repr_mimebundle_()
    assert 1 <= bundle["text/vnd.mermaid"].count("  class ") <= 5
    assert "collapsed" in layers(12).plot().alt


def test_wrong_options_change_nothing():
    with pytest.raises(ArgumentTypeError, match="theme"):
        set_options(max_nodes=10, themes="dark")
    with pytest.raises(ArgumentError, match="theme"):
        set_options(max_nodes=10, theme="blue")
    assert set_options(max_nodes=10) == {"max_nodes": 150}


@needs_engine
def test_a_png_for_notebooks_on_request():
    sd, _ = logistic_regression()
    assert "image/png" not in sd._repr_mimebundle_()
    set_options(display_png=True)
    for shown in (sd, sd["model/z"], sd.plot()):
        assert base64.b64decode(shown._repr_mimebundle_()["image/png"]).startswith(b"\x89PNG")
