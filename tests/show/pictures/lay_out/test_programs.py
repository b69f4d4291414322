import os
import stat
import subprocess
import sys
import time

import pytest

from sdgraph.errors import ArgumentError, ArgumentTypeError, LayoutError, RendererNotFound
from sdgraph.show.pictures.lay_out import programs as engines
from sdgraph.show.pictures.write import svg
from sdgraph.viz import engines as versions
from tests.show.pictures.graphs import layers, logistic_regression, weighted_loss
from tests.show.pictures.parsing import SVG, parsed, svg_groups, svg_texts, svg_tree

ENGINES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(engines.command(name, "svg") is None, reason=f"the engine {name} is not installed"),
    )
    for name in engines.NAMES
]


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    find = engines.importlib.util.find_spec
    monkeypatch.setattr(
        engines.importlib.util, "find_spec", lambda name, *a: None if name == "pygraphviz" else find(name, *a)
    )


@pytest.fixture
def fake_dot(monkeypatch, tmp_path):
    """A function that puts a program of one's own on the PATH under the name dot."""
    if os.name == "nt":
        pytest.skip("needs a shell script")

    def make(script):
        program = tmp_path / "dot"
        program.write_text(f"#!{sys.executable}\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


@pytest.mark.parametrize("engine", ENGINES)
def test_svg_has_every_card_and_arrow(engine):
    sd, feeds = logistic_regression()
    view = sd.plot(view="gradient", feeds=feeds, engine=engine)
    assert view.engine_used is None
    assert len(svg_groups(view.svg, "node")) >= len(view.scene.cards)
    assert len(svg_groups(view.svg, "edge")) >= len(view.scene.links)
    assert view.engine_used == engine
    texts = svg_texts(view.svg)
    assert all(c.title in texts for c in view.scene.cards)


@pytest.mark.parametrize("engine", ENGINES)
def test_svg_is_complete_in_itself(engine):
    sd, _ = logistic_regression()
    tree = svg_tree(sd.plot(engine=engine).svg)
    assert not list(tree.iter(f"{SVG}script"))
    assert not [e for e in tree.iter() for key in e.attrib if key.endswith("href")]
    assert tree.find(f"{SVG}title").text == "Graph"
    assert "14 variables" not in tree.find(f"{SVG}desc").text
    assert "prefers-color-scheme: dark" in tree.find(f"{SVG}style").text


@pytest.mark.parametrize("engine", ENGINES)
def test_cards_tell_their_whole_name_when_pointed_at(engine):
    sd, _ = logistic_regression()
    titles = [g.find(f"{SVG}title").text for g in svg_groups(sd.plot(engine=engine).svg, "node")]
    assert any(t.startswith("model/w = variable: float64 (4,)") for t in titles)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fixed_theme_has_no_style_sheet(engine):
    sd, _ = logistic_regression()
    assert "<style>" not in sd.plot(engine=engine, theme="light").svg
    dark = sd.plot(engine=engine, theme="dark").svg
    assert "<style>" not in dark
    assert "#0f172a" in dark


@pytest.mark.parametrize("engine", ENGINES)
def test_the_dark_theme_knows_every_colour_of_a_light_picture(engine):
    from sdgraph.show.pictures.dress.theme import dark_css

    sd, feeds = logistic_regression()
    rules = dark_css()
    for view in ("forward", "gradient", "both"):
        tree = svg_tree(sd.plot(engine=engine, view=view, feeds=feeds, depth=None).svg)
        for element in tree.iter():
            for attribute in ("fill", "stroke"):
                colour = element.get(attribute)
                # An arrow that is not seen has no colour.
                if colour not in (None, "none", "transparent", "black"):
                    assert f'[{attribute}="{colour}"]' in rules, (element.tag, attribute, colour)


@pytest.mark.parametrize("engine", ENGINES)
def test_png_is_not_blank(engine, tmp_path):
    sd, _ = weighted_loss()
    data = sd.render(tmp_path / "graph.png", engine=engine).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert width > 300
    assert height > 300
    assert len(set(pixels(data))) > 20


def pixels(png):
    """The bytes of the decompressed image data."""
    import zlib

    found, place = b"", 8
    while place < len(png):
        size = int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] == b"IDAT":
            found += png[place + 8 : place + 8 + size]
        place += size + 12
    return zlib.decompress(found)


@pytest.mark.parametrize("engine", ENGINES)
def test_dpi_scales_a_png(engine, tmp_path):
    sd, _ = weighted_loss()
    widths = []
    for dpi in (72, 144):
        data = sd.render(tmp_path / "graph.png", engine=engine, dpi=dpi).read_bytes()
        widths.append(int.from_bytes(data[16:20], "big"))
    assert widths[1] == pytest.approx(2 * widths[0], abs=4)


@pytest.mark.parametrize("engine", ENGINES)
def test_pdf(engine, tmp_path):
    sd, _ = weighted_loss()
    assert sd.render(tmp_path / "graph.PDF", engine=engine).read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_gradient_picture_of_a_thousand_cards_is_laid_out(engine):
    view = layers(140).plot(view="gradient", max_nodes=None, engine=engine)
    assert len(view.scene.cards) > 800
    assert len(svg_groups(view.svg, "node")) >= len(view.scene.cards)


def test_text_formats_need_no_engine(no_engine, tmp_path):
    sd, _ = weighted_loss()
    assert parsed(sd.render(tmp_path / "graph.dot").read_text("utf-8"))
    assert sd.render(tmp_path / "graph.mmd").read_text("utf-8").startswith("flowchart TB")


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_without_an_engine_the_error_says_what_to_do(no_engine, tmp_path, suffix):
    sd, _ = weighted_loss()
    with pytest.raises(RendererNotFound) as e:
        sd.render(tmp_path / f"graph.{suffix}")
    assert all(fix in str(e.value) for fix in ("pip install 'sdgraph[viz]'", "apt install", "conda install"))
    assert suffix.upper() in str(e.value)
    assert list(tmp_path.iterdir()) == []
    assert versions() == {"dot": None, "pygraphviz": None}


def test_an_engine_by_name_that_is_missing(no_engine):
    with pytest.raises(RendererNotFound, match="dot"):
        weighted_loss()[0].plot(engine="dot").svg  # noqa: B018


def test_a_layout_that_takes_too_long_is_stopped(fake_dot, tmp_path):
    mark = tmp_path / "pid"
    fake_dot(f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    started = time.monotonic()
    with pytest.raises(LayoutError, match="longer than 1"):
        engines.lay_out("digraph {}", "svg", "dot", timeout=1.0)
    assert time.monotonic() - started < 60
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


@pytest.mark.skipif(engines.command("pygraphviz", "svg") is None, reason="pygraphviz is not installed")
def test_a_pygraphviz_layout_is_stopped_too():
    dot = layers(400).to_dot(max_nodes=None, view="gradient")
    with pytest.raises(LayoutError, match="stopped"):
        engines.lay_out(dot, "svg", "pygraphviz", timeout=0.3)


def test_a_broken_dot_is_reported_with_what_it_said(fake_dot):
    fake_dot("import sys\nsys.stderr.write('no plugins here')\nsys.exit(1)")
    with pytest.raises(LayoutError, match="no plugins here"):
        engines.lay_out("digraph { broken }", "svg", "dot")


@pytest.mark.skipif(engines.command("pygraphviz", "svg") is None, reason="pygraphviz is not installed")
def test_the_chain_goes_on_when_dot_is_broken(fake_dot):
    fake_dot("import sys\nsys.exit(1)")
    assert engines.lay_out("digraph { chain }", "svg").engine == "pygraphviz"


GARBAGE = "import sys\nsys.stdin.buffer.read()\nsys.stdout.write('y' * 100_000)"


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_dot_that_prints_something_else_is_not_believed(fake_dot, tmp_path, suffix):
    fake_dot(GARBAGE)
    sd, _ = weighted_loss()
    with pytest.raises(LayoutError, match="something else than") as caught:
        sd.render(tmp_path / f"g.{suffix}", engine="dot")
    assert "engine=" in caught.value.fix and "sd.to_dot()" in caught.value.fix
    assert [p.name for p in tmp_path.iterdir()] == ["dot"]


@pytest.mark.skipif(engines.command("pygraphviz", "svg") is None, reason="pygraphviz is not installed")
def test_the_chain_goes_on_when_dot_prints_something_else(fake_dot):
    fake_dot(GARBAGE)
    sd, _ = weighted_loss()
    view = sd.plot()
    assert "<svg" in view.svg and view.engine_used == "pygraphviz"


def test_what_an_engine_says_comes_with_what_to_do(fake_dot):
    fake_dot("import sys\nsys.exit('DotError: Invalid Input')")
    sd, _ = weighted_loss()
    with pytest.raises(LayoutError, match="Invalid Input") as caught:
        _ = sd.plot(engine="dot").svg
    assert "sd.to_dot()" in str(caught.value)


def test_an_svg_without_a_beginning_is_refused():
    scene = weighted_loss()[0].plot().scene
    with pytest.raises(LayoutError, match="something else than an SVG"):
        svg.finished("y" * 1000, scene, adaptive=True)


def test_the_layout_process_does_not_load_the_package():
    source = "import sys, runpy; sys.argv = ['x', 'svg']; sys.stdin.close(); "
    child = engines._CHILD
    code = f"{source}\ntry:\n    runpy.run_path({str(child)!r}, run_name='__main__')\nexcept BaseException: pass\n"
    code += "assert 'sdgraph' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["graph", "graph.gif", "graph.svg.txt", ".svg"])
def test_a_wrong_suffix_names_the_right_ones(tmp_path, name):
    with pytest.raises(ArgumentError, match=r"\.svg, \.png, \.pdf, \.dot, \.mmd"):
        weighted_loss()[0].render(tmp_path / name)


def test_a_missing_folder(tmp_path):
    with pytest.raises(ArgumentError, match="does not exist"):
        weighted_loss()[0].render(tmp_path / "nowhere" / "graph.dot")


def test_a_folder_of_that_name(tmp_path):
    (tmp_path / "graph.dot").mkdir()
    with pytest.raises(ArgumentError, match="folder"):
        weighted_loss()[0].render(tmp_path / "graph.dot")


def test_a_file_is_replaced_whole(tmp_path):
    target = tmp_path / "graph.dot"
    target.write_text("old")
    assert weighted_loss()[0].render(str(target)) == target
    assert target.read_text("utf-8").startswith("digraph {")
    assert [p.name for p in tmp_path.iterdir()] == ["graph.dot"]


def test_an_unknown_option_has_a_hint():
    with pytest.raises(ArgumentTypeError, match="max_nodes"):
        weighted_loss()[0].plot(max_node=3)


@pytest.mark.parametrize(
    "option",
    [
        {"view": "backward"},
        {"theme": "blue"},
        {"max_nodes": 0},
        {"depth": -1},
        {"timeout": 0},
        {"dpi": "high"},
        {"legend": 1},
        {"title": 3},
        {"radius": 1.5},
        {"engine": "neato"},
    ],
)
def test_a_wrong_option_says_what_is_right(option):
    with pytest.raises(ArgumentError, match="expected:"):
        weighted_loss()[0].plot(**option)
