"""Pictures on a machine without fonts."""

import importlib.util
import sys

import pytest

from sdgraph.show.pictures.lay_out import fonts
from sdgraph.show.pictures.lay_out import programs as engines
from tests.show.pictures.graphs import logistic_regression
from tests.show.pictures.lay_out.test_programs import ENGINES

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux asks fontconfig for fonts")
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib, whose fonts stand in, is not installed"
)


@pytest.fixture
def no_fonts(monkeypatch, tmp_path):
    empty = tmp_path / "fonts.conf"
    empty.write_text('<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>')
    monkeypatch.setenv("FONTCONFIG_FILE", str(empty))


def png(label, engine):
    source = f'digraph {{ n [shape="plain" fontname="Helvetica,Arial,sans-serif" label="{label}"] }}'
    return engines.lay_out(source, "png", engine).data


@needs_matplotlib
@pytest.mark.parametrize("engine", ENGINES)
def test_letters_are_drawn_as_letters(no_fonts, engine):
    # Boxes for letters would make the two the same picture.
    assert png("iWiWiW", engine) != png("WiWiWi", engine)
    assert not fonts.are_boxes(engines.lay_out(fonts.PROBE, "plain", engine).data.decode())


@pytest.mark.parametrize("engine", ENGINES)
def test_without_matplotlib_a_warning_says_what_to_do(no_fonts, monkeypatch, engine):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        fonts.importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name, *a)
    )
    with pytest.warns(UserWarning, match="No font was found.*pip install matplotlib"):
        boxes = png("iWiWiW", engine)
    assert boxes.startswith(b"\x89PNG")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_probe_sees_fonts_where_there_are_some(engine):
    if not fonts.surely_there():
        pytest.skip("this machine has no fonts")
    assert not engines._has_boxes(engine, "")


@needs_matplotlib
@pytest.mark.parametrize("engine", ENGINES)
def test_a_whole_picture_without_fonts(no_fonts, engine, tmp_path):
    sd, feeds = logistic_regression()
    data = sd.render(tmp_path / "graph.png", view="gradient", feeds=feeds, engine=engine).read_bytes()
    assert int.from_bytes(data[16:20], "big") > 300


@pytest.mark.parametrize(
    ("plain", "boxes"),
    [
        ("node i 1 1 0.5 0.2\nnode w 2 1 0.5 0.2\n", True),
        ("node i 1 1 0.2 0.2\nnode w 2 1 0.5 0.2\n", False),
        ("", False),
    ],
)
def test_reading_the_probe(plain, boxes):
    assert fonts.are_boxes(plain) is boxes
