"""Drawing the graph of a script from the command line."""

import sys

import pytest

from sdgraph.cli import main
from sdgraph.cli.scripts import split_name
from tests.show.pictures.parsing import cards

ONE = """
import sys
from sdgraph import SameDiff
import neighbour

sd = SameDiff()
again = sd
x = sd.placeholder("x", shape=(2,))
with sd.name_scope("layer"):
    w = sd.var("w", [1.0, 2.0])
    h = sd.math.mul(x, w, name="h")
loss = sd.loss.mean_squared_error([0.0, 0.0], h, name="loss")
batch = {"x": [1.0, 3.0]}
assert __name__ == "__main__" and len(sys.argv) == 1
"""

TWO = "from sdgraph import SameDiff\nfirst = SameDiff()\nsecond = SameDiff()\nsecond.placeholder('p')\ncount = 3\n"


@pytest.fixture
def script(tmp_path):
    (tmp_path / "neighbour.py").write_text("")

    def make(text):
        path = tmp_path / "model.py"
        path.write_text(text)
        return str(path)

    yield make
    sys.modules.pop("neighbour", None)


def titles(path):
    return {lines[0].split(" ")[0] for lines in cards(path.read_text("utf-8"))}


def failure(arguments, capsys):
    assert main(["render", *arguments]) == 1
    err = capsys.readouterr().err
    assert "sdgraph render: " in err
    assert "  at: " not in err
    return err


def test_the_only_graph(script, tmp_path, capsys):
    before = list(sys.path), list(sys.argv)
    out = tmp_path / "graph.dot"
    assert main(["render", script(ONE), str(out)]) == 0
    assert titles(out) >= {"x", "w", "h", "loss"}
    assert capsys.readouterr().out == f"{out}\n"
    assert (sys.path, sys.argv) == before


def test_a_graph_by_name(script, tmp_path):
    out = tmp_path / "graph.dot"
    assert main(["render", f"{script(TWO)}:second", str(out)]) == 0
    assert titles(out) == {"p"}


def test_a_name_with_dots(script, tmp_path):
    text = "import types\nfrom sdgraph import SameDiff\nmodel = types.SimpleNamespace(sd=SameDiff())\n"
    out = tmp_path / "graph.dot"
    assert main(["render", f"{script(text)}:model.sd", str(out)]) == 0
    assert out.exists()


def test_a_gradient_with_feeds(script, tmp_path):
    out = tmp_path / "graph.dot"
    arguments = ["--view", "gradient", "--feeds", "batch", "--wrt", "layer/w", "--title", "Of mine"]
    assert main(["render", script(ONE), str(out), *arguments]) == 0
    text = out.read_text("utf-8")
    # The gradient of mean((x * w)^2) is x * (x * w) for two elements: (1, 18).
    assert "‖·‖₂ = 18.03" in text
    assert "<B>Of mine</B>" in text


def test_options_reach_the_picture(script, tmp_path):
    out = tmp_path / "graph.dot"
    source = script(ONE)
    assert main(["render", source, str(out), "--target", "layer/h", "--depth", "0", "--max-nodes", "none"]) == 0
    assert titles(out) == {"x", "layer"}
    assert main(["render", source, str(out), "--focus", "x", "--radius", "1", "--no-legend"]) == 0
    assert titles(out) == {"x", "h"}
    assert main(["render", source, str(out), "--expand", "loss", "--theme", "dark", "--direction", "LR"]) == 0
    assert 'rankdir="LR"' in out.read_text("utf-8")
    assert "square" in out.read_text("utf-8")


def test_a_limit_of_cards_means_what_it_means_in_python(script, tmp_path, capsys):
    out = tmp_path / "graph.dot"
    assert "1, 2, 3 ... or None for no limit" in failure([script(ONE), str(out), "--max-nodes", "0"], capsys)
    with pytest.raises(SystemExit):
        main(["render", script(ONE), str(out), "--max-nodes", "many"])
    assert "'many' is neither a number nor none" in capsys.readouterr().err
    assert main(["render", script(ONE), str(out), "--max-nodes", "2"]) == 0
    assert main(["render", script(ONE), str(out), "--max-nodes", "None"]) == 0


def test_a_script_without_a_graph(script, tmp_path, capsys):
    assert "leaves no graph" in failure([script("a = 1\n"), str(tmp_path / "g.dot")], capsys)


def test_several_graphs_are_named(script, tmp_path, capsys):
    err = failure([script(TWO), str(tmp_path / "g.dot")], capsys)
    assert "several graphs" in err and "SCRIPT.py:first, SCRIPT.py:second" in err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("secnd", "Did you mean 'second'?"),
        ("other", "SCRIPT.py:first"),
        ("SameDiff", "not a graph"),
        ("first.a", "'a'"),
        ("count.a", "an int has no 'a'"),
    ],
)
def test_a_wrong_name(script, tmp_path, capsys, name, says):
    assert says in failure([f"{script(TWO)}:{name}", str(tmp_path / "g.dot")], capsys)


def test_a_script_that_is_not_there(tmp_path, capsys):
    err = failure([str(tmp_path / "none.py"), str(tmp_path / "g.dot")], capsys)
    assert "no such script" in err and "none.py" in err


@pytest.mark.parametrize("text", ["1 / 0\n", "import sys\nsys.exit(3)\n", "a =\n"])
def test_a_script_that_fails(script, tmp_path, capsys, text):
    err = failure([script(text), str(tmp_path / "g.dot")], capsys)
    assert "Traceback" in err or "SyntaxError" in err
    assert "did not run to its end" in err
    assert not (tmp_path / "g.dot").exists()


@pytest.mark.parametrize("code", ["", "0", "None", "False"])
def test_a_script_that_ends_itself_well(script, tmp_path, code):
    ending = "def end():\n    sys.exit(CODE)\n\nend()\nnever = SameDiff()\n".replace("CODE", code)
    out = tmp_path / "graph.dot"
    assert main(["render", script(ONE + ending), str(out)]) == 0
    assert titles(out) >= {"x", "w", "h", "loss"}


def test_a_script_that_ends_itself_well_before_there_is_a_graph(script, tmp_path, capsys):
    assert "leaves no graph" in failure([script("raise SystemExit"), str(tmp_path / "g.dot")], capsys)


def test_a_wrong_suffix_and_an_unknown_variable(script, tmp_path, capsys):
    assert ".svg" in failure([script(ONE), str(tmp_path / "g.gif")], capsys)
    assert "layer/h" in failure([script(ONE), str(tmp_path / "g.dot"), "--focus", "layer/hh"], capsys)


@pytest.mark.parametrize("arguments", [["--view", "sideways"], ["--depth", "deep"]], ids=str)
def test_arguments_that_make_no_sense(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(["render", "a.py", "a.svg", *arguments])
    assert left.value.code == 2
    assert "usage: sdgraph render" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.py", ("a.py", None)),
        ("a.py:sd", ("a.py", "sd")),
        ("d/a.py:m.sd", ("d/a.py", "m.sd")),
        ("C:a.py", ("C:a.py", None)),
    ],
)
def test_where_the_name_begins(text, expected):
    path, name = split_name(text)
    assert (path.as_posix(), name) == expected
