"""Whose line an error names: the user's, whatever called the package on his behalf."""

import contextlib
import functools
import json
import subprocess
import sys
import threading
import zipapp
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import networkx
import numpy as np
import pytest

import sdgraph
from sdgraph import SameDiff
from sdgraph.errors import LayoutError, SDGraphError
from sdgraph.frames.whose import PASS_CALLS_ON

LIBRARY = Path(contextlib.__file__).parent
PACKAGE = Path(sdgraph.__file__).parent


def named(call) -> str:
    """The line that the error of a call names."""
    with pytest.raises(SDGraphError) as found:
        call()
    return str(found.value.called_at)


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("filename", "users"),
    [
        ("/home/anna/model.py", True),
        ("/home/anna/numpy/model.py", True),
        (f"{PACKAGE}_layers/dense.py", True),
        (f"{LIBRARY}_of_anna/model.py", True),
        (f"{LIBRARY}/site-packages/layers_of_anna/dense.py", True),
        (f"{LIBRARY}/dist-packages/layers_of_anna.py", True),
        ("/app/model.pyz/__main__.py", True),
        ("<stdin>", True),
        ("<string>", True),
        ("<doctest model.py[3]>", True),
        ("<ipython-input-1-0123456789ab>", True),
        ("<frozen model>", True),
        (f"{PACKAGE}/build/made_up.py", False),
        (f"{LIBRARY}/made_up.py", False),
        (f"{LIBRARY}/concurrent/futures/made_up.py", False),
        (f"{Path(np.__file__).parent}/lib/made_up.py", False),
        (f"{Path(networkx.__file__).parent}/made_up.py", False),
        (f"{Path(pytest.__file__).parent}/made_up.py", False),
        ("<frozen runpy>", False),
        ("<frozen importlib._bootstrap>", False),
        ("<attrs generated init model.Net>", False),
        ("<decorator-gen-12>", False),
    ],
)
def test_a_file_is_a_users_or_not(filename, users):
    code = compile("def calls(f):\n    f()", filename, "exec")
    scope: dict = {"__name__": "__main__"}
    exec(code, scope)
    assert named(lambda: scope["calls"](functools.partial(SameDiff().var, "w"))).startswith(filename) == users


def test_every_package_of_pyproject_passes_calls_on():
    """But for what only checks or builds the project. A new one must not be taken for a user's."""
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["viz"], *extras["fast"], *extras["notebook"], *extras["test"]]
    names = {name.partition(">")[0].partition("[")[0].replace("pytest-", "") for name in wanted}
    assert names - {"sdgraph"} <= set(PASS_CALLS_ON)


# ---------------------------------------------------------------------- who calls


def bad(*_):
    """Fails in a line of this file."""
    return SameDiff().var("w")


def test_what_the_library_calls_for_the_user_is_the_users():
    def leaves_a_block():
        with contextlib.ExitStack() as stack:
            stack.callback(SameDiff().var, "w")

    @dataclass
    class Net:
        w: object = field(default_factory=functools.partial(SameDiff().var, "w"))

    graph = SameDiff()
    calls = [
        leaves_a_block,
        lambda: Net(),
        lambda: json.dumps(object(), default=graph.compile),
        lambda: functools.singledispatch(graph.compile)(object()),
        lambda: np.vectorize(graph.compile)([1]),
        lambda: np.apply_along_axis(graph.compile, 0, [1.0]),
        lambda: np.fromfunction(graph.compile, (2,)),
        lambda: networkx.relabel_nodes(networkx.path_graph(2), graph.own),
    ]
    for call in calls:
        assert named(call).startswith(__file__), call.__code__.co_firstlineno


def test_a_picture_names_the_line_that_asks_for_it(monkeypatch):
    """Options are checked in what a dataclass calls, and the drawing is a cached property."""
    from sdgraph.show.pictures.picture import GraphView

    def fails(*_):
        raise LayoutError("It does not work.")

    monkeypatch.setattr(GraphView, "_lay_out", fails)
    fails.__code__ = fails.__code__.replace(co_filename=f"{PACKAGE}/made_up.py")
    view = SameDiff().plot()
    assert named(lambda: view.svg).startswith(__file__)
    assert named(lambda: SameDiff().plot(max_nodes=-5)).startswith(__file__)


def test_a_thread_names_the_users_function_and_else_no_line():
    with ThreadPoolExecutor(1) as pool:
        assert named(pool.submit(bad).result) == f"{__file__}:{bad.__code__.co_firstlineno + 2}, in bad"
        assert named(pool.submit(SameDiff().var, "w").result) == "None"
    found = []

    def target():
        with pytest.raises(SDGraphError) as e:
            SameDiff().var("w")
        found.append(str(e.value.called_at))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert found == [f"{__file__}:{target.__code__.co_firstlineno + 2}, in {target.__qualname__}"]


def test_nodes_made_in_a_thread_without_a_users_line_have_no_origin():
    sd = SameDiff()
    with ThreadPoolExecutor(1) as pool:
        v = pool.submit(sd.var, "w", 1.0).result()
    assert v.origin is None
    with pytest.raises(SDGraphError, match=r"The name 'w' is taken\."):
        sd.var("w", 1.0)


# ---------------------------------------------------------------------- how a program is run

MODEL = "from sdgraph import SameDiff\ndef make():\n    return SameDiff().var('w')\n"
MAIN = "from model import make\ntry:\n    make()\nexcept TypeError as e:\n    print(e)\n"
TEST = """import pytest
def test():
    print(pytest.raises(TypeError, make).value)
    print(pytest.raises(TypeError, SameDiff().var, "v").value)
"""


def printed(*arguments, cwd=None, given=None) -> str:
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": ""}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], check=True, capture_output=True, text=True, cwd=cwd, input=given,
        env=environment,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    (folder / "model.py").write_text(MODEL)
    (folder / "__main__.py").write_text(MAIN)
    (folder / "run.py").write_text(MAIN)
    (folder / "test_model.py").write_text(f"{MODEL}{TEST}")
    (folder / "doc.txt").write_text(">>> from sdgraph import SameDiff\n>>> SameDiff().var('w')\n")
    return folder


def test_however_a_program_is_run_its_line_is_named(program):
    archive = program.parent / "program.pyz"
    zipapp.create_archive(program, archive)
    inline = MODEL + MAIN.partition("\n")[2]
    ways = {
        f"{program}/model.py": [
            printed(program),
            printed(program / "run.py"),
            printed("-m", "run", cwd=program),
            printed("-c", "import run", cwd=program),
            printed("-c", "import runpy; runpy.run_module('run')", cwd=program),
        ],
        f"{archive}/model.py": [printed(archive)],
        "<string>": [printed("-c", inline)],
        "<stdin>": [printed("-", given=inline)],
    }
    for place, texts in ways.items():
        for text in texts:
            assert f"at:       {place}:3, in make\n" in text


def test_what_runs_tests_is_not_named(program):
    shown = subprocess.run(
        [sys.executable, "-m", "doctest", program / "doc.txt"],
        check=False, capture_output=True, text=True, env={"PYTHONPATH": str(PACKAGE.parent)},
    ).stdout  # fmt: skip
    assert "at:       <doctest doc.txt[1]>:1\n" in shown
    shown = printed("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", program / "test_model.py")
    assert f"at:       {program}/test_model.py:3, in make\n" in shown
    assert f"at:       {program}/test_model.py:7, in test\n" in shown


WORKERS = """
import multiprocessing, sys
import sdgraph.nd
if __name__ == "__main__":
    for method in ("spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            try:
                pool.map(sdgraph.nd.math.sin, [object()])
            except TypeError as e:
                print("at:" in str(e), type(e).__name__)
"""


def test_the_command_that_begins_a_worker_process_is_not_named(program):
    (program / "workers.py").write_text(WORKERS)
    assert printed(program / "workers.py") == "False ArgumentTypeError\nFalse ArgumentTypeError\n"
