"""Tracebacks: the user's lines and the message, in IPython, a notebook, pytest and plain Python."""

import functools
import re
import subprocess
import sys
import traceback
import types
from pathlib import Path

import pytest

import sdgraph
from sdgraph import Namespace, SameDiff, composite, errors
from sdgraph.errors import SDGraphError
from sdgraph.frames import tracebacks
from tests.frames.ipython_session import in_ipython

PACKAGE = Path(sdgraph.__file__).parent

SETUP = """
from sdgraph import Namespace, Operand, SameDiff, composite
sd = SameDiff()
x = sd.placeholder("x", shape=("batch", 3))
w = sd.var("w", shape=(3, 2), init="ones")
label = sd.placeholder("label", shape=("batch",), dtype="int64")
loss = sd.loss.sparse_softmax_cross_entropy(x @ w, label)
class Mine(Namespace, prefix="mine"):
    @composite
    def odd(self, x: "Operand", *, name=None):
        return helper(x)
def helper(x):
    return x @ x.reshape(2, 5)
def layer(h):
    return h @ w
"""

COMMON = {
    "shapes that do not fit": ("(x @ w) @ w", "ShapeError"),
    "a missing feed": ("loss.eval({'label': [1]})", "FeedError"),
    "a feed of another shape": ("loss.eval({'x': [[1, 2]], 'label': [1]})", "FeedError"),
    "a taken name": ("sd.placeholder('w')", "VariableNameError"),
    "an unknown argument": ("sd.sum(x, axs=1)", "ArgumentTypeError"),
    "an unknown variable": ("sd['ww']", "UnknownVariableError"),
    "losses that are not clear": ("[loss.sum(), loss.mean()]; sd.calculate_gradients()", "GradientError"),
    "a label out of range": ("loss.eval({'x': [[1, 2, 3]], 'label': [7]})", "LabelError"),
    "an argument that numpy refuses": ("sd.placeholder('z', dtype='flaot')", "DTypeError"),
}
"""The commonest errors: a cell, and the class of what it raises."""

CHAINS = {
    "raised from one of ours": "try:\n    layer(x @ w)\nexcept Exception as e:\n    raise RuntimeError('mine') from e",
    "ours while handling another": "try:\n    1 / 0\nexcept Exception:\n    layer(x @ w)",
    "ours while handling ours": "try:\n    layer(x @ w)\nexcept Exception:\n    sd['nope']",
    "a group": "es = []\nfor _ in 'ab':\n    try:\n        layer(x @ w)\n    except Exception as e: es.append(e)\n"
    "raise ExceptionGroup('two', es)",
    "in a composite of the user's": "Mine(sd).odd(sd.placeholder('square', shape=(3, 3)))",
    "with a note": "try:\n    layer(x @ w)\nexcept Exception as e:\n    e.add_note('Look here.')\n    raise",
}

MODES = ["Plain", "Context", "Verbose", "Minimal"]


def ours(text):
    """The files of the package that a text names; a checkout may be called sdgraph, too."""
    return re.findall(r"sdgraph/(?!tests/)[\w/]+\.py", text)


# ---------------------------------------------------------------------- IPython


@functools.cache
def session(mode):
    """What IPython shows of each of `COMMON` and `CHAINS`, by what it is."""
    cells = [cell for cell, _ in COMMON.values()]
    return dict(zip([*COMMON, *CHAINS], in_ipython([SETUP, *cells, *CHAINS.values()], mode)[1:], strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_ipython_shows_the_users_lines_and_the_message(mode):
    for what, (cell, kind) in COMMON.items():
        text, coloured = session(mode)[what]
        assert kind in text and "at: " in text and not ours(text), what
        assert coloured and len(text.splitlines()) <= 16, what
        assert mode == "Minimal" or cell in text


@pytest.mark.parametrize("mode", MODES)
def test_ipython_shows_chains_and_groups_without_our_lines(mode):
    texts = {what: session(mode)[what][0] for what in CHAINS}
    assert not [what for what, text in texts.items() if ours(text)]
    assert "RuntimeError" in texts["raised from one of ours"]
    assert "UnknownVariableError" in texts["ours while handling ours"]
    assert "Look here." in texts["with a note"]
    if mode != "Minimal":
        assert texts["a group"].count("return h @ w") == 2
        for what in ("raised from one of ours", "ours while handling another", "ours while handling ours"):
            assert "return h @ w" in texts[what]
            assert ("another" in texts[what]) != ("direct cause" in texts[what])
        inside = texts["in a composite of the user's"]
        assert "return helper(x)" in inside and "return x @ x.reshape(2, 5)" in inside


def test_everything_comes_back_when_it_is_asked_for():
    setting = "import os; os.environ['SDGRAPH_TRACEBACK'] = '{}'"
    cells = [SETUP, "layer(x @ w)", setting.format("full"), "%tb", "layer(x @ w)", setting.format(""), "%tb"]
    _, (short, _), _, (same, _), (full, _), _, (again, _) = in_ipython(cells)
    assert not ours(short) and not ours(again)
    assert len(ours(same)) >= 4 and len(ours(full)) >= 4


def test_a_debugger_after_the_fact_stands_in_the_users_line():
    pytest.importorskip("IPython")
    look = "tb = get_ipython().InteractiveTB.tb\nwhile tb.tb_next: tb = tb.tb_next\nprint(tb.tb_frame.f_code.co_name)"
    *_, (name, _) = in_ipython([SETUP, "layer(x @ w)", look])
    assert name == "layer\n"


def test_what_ipython_cannot_show_is_shown_by_python(monkeypatch):
    class Broken:
        class InteractiveTB:
            @staticmethod
            def structured_traceback(*_):
                raise AssertionError

    for shell in (Broken, None):
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda shell=shell: shell))
        with pytest.raises(SDGraphError) as found:
            SameDiff()["nope"]
        (text,) = found.value._render_traceback_()
        # Where a path is long, the place takes more than one line.
        assert text.startswith("Traceback") and " ".join(text.split()).endswith(f"at: {found.value.called_at}")


def test_causes_are_as_they_were_after_they_were_shown():
    with pytest.raises(errors.DTypeError) as found:
        SameDiff().placeholder("z", dtype="flaot")
    error, cause = found.value, found.value.__cause__
    before = error.__suppress_context__, cause.__traceback__, cause.__context__
    with tracebacks._short_causes(error):
        assert error.__cause__ is None
    assert error.__cause__ is cause
    assert (error.__suppress_context__, cause.__traceback__, cause.__context__) == before


@pytest.mark.slow
def test_a_kernel_shows_the_same():
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for what, (text, coloured) in session("kernel").items():
        assert "at: " in text and not ours(text), what
        assert coloured or what == "a group"


# ---------------------------------------------------------------------- plain Python


class Inside(Namespace, prefix="inside"):
    @composite
    def odd(self, x: "sdgraph.Operand", *, name=None):
        return helper(x)


def helper(x):
    return x @ x.reshape(2, 5)


def test_the_traceback_of_an_error_has_the_users_lines_only(monkeypatch):
    sd = SameDiff()
    with pytest.raises(SDGraphError) as found:
        Inside(sd).odd(sd.placeholder("x", (3, 3)))
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(found.value.__traceback__)]
    assert len(names) > 6 and names[0] != "odd"
    monkeypatch.delenv("SDGRAPH_TRACEBACK")
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(found.value.__traceback__)]
    assert names == ["test_the_traceback_of_an_error_has_the_users_lines_only", "odd", "helper"]
    # The frames are those that ran: a debugger sees the user's values.
    *_, (last, _) = traceback.walk_tb(found.value.__traceback__)
    assert last.f_locals["x"].name == "x"


def test_python_prints_errors_causes_and_groups_without_our_lines(monkeypatch):
    monkeypatch.delenv("SDGRAPH_TRACEBACK")
    with pytest.raises(SDGraphError) as found:
        SameDiff()["nope"]
    error = found.value
    outer = RuntimeError("mine")
    outer.__cause__ = error
    for shown in (error, outer, ExceptionGroup("several", [error, error])):
        text = "".join(traceback.format_exception(shown))
        assert "in test_python_prints" in text and "The graph has no variable" in text and not ours(text)


def test_a_traceback_may_be_set_and_taken_away():
    with pytest.raises(SDGraphError) as found:
        SameDiff()["nope"]
    error, tb = found.value, found.value.__traceback__
    error.__traceback__ = None
    assert error.__traceback__ is None
    error.__traceback__ = tb
    assert error.__traceback__ is tb and error.with_traceback(tb.tb_next).__traceback__ is tb.tb_next


def test_an_error_in_which_no_line_of_the_users_has_a_part_keeps_its_traceback(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.delenv("SDGRAPH_TRACEBACK")
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(SameDiff().own, "nope").exception()
    assert isinstance(error, SDGraphError) and error.__traceback__ is tracebacks.whole(error) is not None


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the interpreter prints from the fields of its own")
def test_a_script_that_fails_prints_its_lines(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"{SETUP}\nlayer(x @ w)\n")
    environment = {"PYTHONPATH": str(PACKAGE.parent)}
    text = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, env=environment).stderr
    assert "return h @ w" in text and not ours(text)


def test_nothing_is_installed_into_the_interpreter():
    code = "import sys, threading; before = sys.excepthook, threading.excepthook; import sdgraph; "
    code += "print(before == (sys.excepthook, threading.excepthook))"
    environment = {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout == "True\n"


# ---------------------------------------------------------------------- pytest

FAILS = """
from sdgraph import SameDiff
def test():
    helper(SameDiff())
def helper(sd):
    sd["nope"]
def test_other():
    SameDiff().seed.nope
"""


@pytest.mark.parametrize("full", [False, True])
def test_pytest_shows_the_users_lines(tmp_path, full):
    (tmp_path / "test_fails.py").write_text(FAILS)
    environment = {"PYTHONPATH": str(PACKAGE.parent), "SDGRAPH_TRACEBACK": "full" if full else ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_fails.py"], cwd=tmp_path, check=False,
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert "test_fails.py:6:" in done.stdout and "2 failed" in done.stdout
    assert bool(ours(done.stdout)) == full
