"""Names that are given twice: what the error says of the line that does it."""

import importlib
import linecache
import pickle
import sys

import pytest

from sdgraph import SameDiff
from sdgraph.errors import VariableNameError
from tests.frames.ipython_session import in_ipython

LOOP = "Give each pass of the loop a name of its own"
CALL = "Give each call of {!r} a scope of its own"
ANEW = "Make the graph anew"
OTHER = "Choose another name"
RUN = "Give each run of this line a scope of its own"


def refused(source: str, filename: str = "<model>", *, known: bool = True) -> VariableNameError:
    """The error of a program that gives a name twice."""
    sd = SameDiff()
    if known:
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    try:
        with pytest.raises(VariableNameError) as found:
            exec(compile(source, filename, "exec"), {"sd": sd, "__name__": "model"})
    finally:
        linecache.cache.pop(filename, None)
    found.value.names = sorted(sd.names.ids)
    return found.value


PROGRAMS = {
    "for": ("for k in 'ab':\n    sd.var('w', 1.0)", LOOP),
    "for, over lines": ("for k in 'ab':\n    sd.var(\n        'w',\n        1.0,\n    )", LOOP),
    "for, by a name that comes back": ("for n in ('w', 'v', 'w'):\n    sd.var(n, 1.0)", LOOP),
    "while": ("while True:\n    sd.var('w', 1.0)", LOOP),
    "the test of while": ("while sd.var('w', 1.0) is not None:\n    pass", LOOP),
    "list": ("[sd.var('w', 1.0) for k in 'ab']", LOOP),
    "set": ("{sd.var('w', 1.0) for k in 'ab'}", LOOP),
    "dict": ("{k: sd.var('w', 1.0) for k in 'ab'}", LOOP),
    "generator": ("list(sd.var('w', 1.0) for k in 'ab')", LOOP),
    "inner loop of a list": ("[v for k in 'ab' for v in [sd.var('w', 1.0)]]", LOOP),
    "loop in a function": ("def f():\n    for k in 'ab':\n        sd.var('w', 1.0)\nf()", LOOP),
    "op in a loop": ("x = sd.placeholder('x')\nfor k in 'ab':\n    x = sd.math.exp(x, name='w')", LOOP),
    "under a scope": ("for k in 'ab':\n    with sd.name_scope('s'):\n        sd.var('w', 1.0)", LOOP),
    "after an except": (
        "def f():\n    try:\n        1 / 0\n    except Exception:\n        pass\n    sd.var('w', 1.0)\nf()\nf()",
        CALL.format("f"),
    ),
    "what a loop runs over": ("def f():\n    for k in [sd.var('w', 1.0)]:\n        pass\nf()\nf()", CALL.format("f")),
    "function": ("def f():\n    sd.var('w', 1.0)\nf()\nf()", CALL.format("f")),
    "function called by a loop": ("def f():\n    sd.var('w', 1.0)\nfor k in 'ab':\n    f()", CALL.format("f")),
    "function made in a loop": (
        "def f():\n    for k in 'a':\n        def g():\n            sd.var('w', 1.0)\n        g()\nf()\nf()",
        CALL.format("g"),
    ),
    "function whose loop names well": (
        "def f():\n    for k in 'ab':\n        sd.var(f'w_{k}', 1.0)\nf()\nf()",
        CALL.format("f"),
    ),
    "function whose list names well": (
        "def f():\n    return [sd.var(f'w_{k}', 1.0) for k in 'ab']\nf()\nf()",
        CALL.format("f"),
    ),
    "method": (
        "class Net:\n    def make(self):\n        sd.var('w', 1.0)\nNet().make()\nNet().make()",
        CALL.format("Net.make"),
    ),
    "lambda": ("f = lambda: sd.var('w', 1.0)\nf()\nf()", CALL.format("<lambda>")),
    "two lines": ("sd.var('w', 1.0)\nsd.var('w', 1.0)", OTHER),
    "two calls on a line": ("sd.var('w', 1.0); sd.var('w', 1.0)", OTHER),
    "two calls of a loop": ("for k in 'ab':\n    sd.var('w', 1.0)\n    sd.var('w', 2.0)", OTHER),
    "renamed": ("sd.var('w', 1.0)\nsd.var('v', 1.0).rename('w')", OTHER),
}  # fmt: skip


@pytest.mark.parametrize("what", PROGRAMS)
def test_what_to_do_follows_from_how_the_program_is_written(what):
    source, fix = PROGRAMS[what]
    error = refused(source)
    assert error.fix.startswith(fix)
    again = error.message.endswith("is taken: this line made it before.")
    assert again == (fix is not OTHER)
    assert (str(error.called_at) == str(error.node_origin)) == again or "two calls" in what


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_program_without_a_text_is_told_what_holds_for_all(what):
    source, fix = PROGRAMS[what]
    error = refused(source, known=False)
    assert error.fix.startswith(fix if fix is OTHER else RUN)


def test_a_name_that_is_taken_changes_nothing():
    error = refused("x = sd.placeholder('x')\nfor k in 'ab':\n    h = sd.math.exp(x + 2.5, name='h')")
    assert error.names == ["add", "add_1", "constant", "h", "x"]


def test_a_module_that_is_loaded_again_makes_its_variables_again(tmp_path, monkeypatch):
    (tmp_path / "layers_of_anna.py").write_text("import builtins\nw = builtins.graph_of_anna.var('w', 1.0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("builtins.graph_of_anna", SameDiff(), raising=False)
    module = importlib.import_module("layers_of_anna")
    try:
        with pytest.raises(VariableNameError, match="this line made it before") as found:
            importlib.reload(module)
    finally:
        del sys.modules["layers_of_anna"]
    assert found.value.fix.startswith(ANEW)


def test_a_place_out_of_another_process_says_no_more_than_it_knows():
    sd = SameDiff()
    v = sd.var("w", 1.0)
    v.node.origin = pickle.loads(pickle.dumps(v.origin))
    with pytest.raises(VariableNameError, match=r"is taken\.\n") as found:
        sd.var("w", 1.0)
    assert found.value.fix.startswith(OTHER)


# ---------------------------------------------------------------------- cells

CELLS = [
    ("sd = SameDiff()\ndef layer(sd):\n    return sd.var('q', 1.0)", None),
    ("w = sd.var('w', shape=(3, 2))", None),
    ("w = sd.var('w', shape=(3, 2))", "Run the cell that makes the graph again, then this one."),
    ("# more\nw = sd.var('w', shape=(3, 2))", "Run the cell that makes the graph again, then this one."),
    ("w = sd.var('w', shape=(3, 5))", "If this cell ran before, with other text: run the cell that"),
    ("for k in 'ab': sd.var('v', 1.0)", LOOP),
    ("for k in 'ab': sd.var(f'u_{k}', 1.0)", None),
    ("for k in 'ab': sd.var(f'u_{k}', 1.0)", "Run the cell that makes the graph again, then this one."),
    ("layer(sd)", None),
    ("layer(sd)", CALL.format("layer")),
    ("sd.var('t', 1.0); sd.var('t', 1.0)", OTHER),
    ("sd = SameDiff()\nw = sd.var('w', shape=(3, 2)); layer(sd)", None),
    ("sd = SameDiff()\nw = sd.var('w', shape=(3, 2)); layer(sd)", None),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["Context", pytest.param("kernel", marks=pytest.mark.slow)])
def test_a_cell_that_ran_before_is_told_to_run_the_cell_with_the_graph(mode):
    shown = in_ipython(["from sdgraph import SameDiff", *(cell for cell, _ in CELLS)], mode)[1:]
    for (text, _), (cell, fix) in zip(shown, CELLS, strict=True):
        if fix is None:
            assert "Error" not in text, cell
        else:
            assert f"fix:      {fix}" in " ".join(text.split()).replace("fix: ", "fix:      "), cell
            assert ("this line made it before" in text) == (fix[:2] in ("Ru", "Gi")), cell
    text = " ".join(shown[9][0].split())
    assert "If the cell ran again: run the cell that makes the graph first." in text
