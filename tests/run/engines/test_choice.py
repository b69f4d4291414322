"""Which engine runs: what "auto" stands for, what the environment says, what happens where an engine does not work."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import get_args

import numpy as np
import pytest

from sdgraph import SameDiff, nd
from sdgraph.build.kinds import EngineName
from sdgraph.errors import EngineError, MissingDependencyError, NumericsError
from sdgraph.run.engines import choice

needs_llvm = pytest.mark.skipif(not choice._installed("llvmlite"), reason="needs llvmlite")

LARGE = 1 << 22
"""Elements that make six steps on them worth compiling."""


@pytest.fixture(autouse=True)
def nothing_said_by_the_environment(monkeypatch):
    monkeypatch.delenv("SDGRAPH_ENGINE", raising=False)


@pytest.fixture
def sd():
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    sd.math.exp(-(x * x) / 3 + x / 7, name="y").sum(name="total")
    return sd


def engine_of_last_evaluation(sd):
    return list(sd.marks.executables.values())[-1].engine


@needs_llvm
def test_what_editors_offer_are_the_engines_there_are():
    assert get_args(EngineName) == ("auto", *choice.ENGINES)


def test_a_compiled_function_is_fused_whatever_its_size(sd):
    f = sd.compile("total")
    assert f.engine == "llvm" and repr(f) == "<Executable of total on llvm>"
    f(x=[1.0])
    assert f.engine == "llvm" and "region over" in str(f.plan)


@needs_llvm
def test_one_evaluation_is_fused_where_it_is_large(sd):
    sizes, found = (3, LARGE, 5, LARGE), []
    values = {}
    for n in sizes:
        x = np.linspace(-1, 1, n, dtype=np.float32)
        y = sd["y"].eval(x=x)
        found.append(engine_of_last_evaluation(sd))
        assert np.array_equal(values.setdefault(n, y), y)
        assert np.array_equal(y, sd.compile("y", engine=found[-1])(x=x)["y"])
    assert found == ["numpy", "llvm", "numpy", "llvm"]


@needs_llvm
def test_gradients_follow_the_same_rule(sd):
    sd.calculate_gradients({"x": np.zeros(3)}, ["x"])
    assert engine_of_last_evaluation(sd) == "numpy"
    sd.calculate_gradients({"x": np.zeros(LARGE)}, ["x"])
    assert engine_of_last_evaluation(sd) == "llvm"


@needs_llvm
def test_work_is_counted_without_views_and_small_results(sd):
    f = sd.compile(sd["x"].reshape((1, -1)).reshape((-1, 1)).mean(name="mean"))
    f(x=np.zeros(100))
    assert choice._computed(f.plan) < 10


@needs_llvm
def test_a_first_small_evaluation_does_not_load_llvm():
    program = (
        "import sys; from sdgraph import SameDiff, nd\n"
        "sd = SameDiff(); x = sd.var('x', [1.0, 2.0]); (x * x).sum().eval(); sd.calculate_gradients()\n"
        "nd.math.exp(0.5); sys.exit('llvmlite' in sys.modules)"
    )
    env = {k: v for k, v in os.environ.items() if k != "SDGRAPH_ENGINE"}
    assert subprocess.run([sys.executable, "-c", program], env=env).returncode == 0


@needs_llvm
@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_the_environment_decides_for_auto_everywhere(sd, monkeypatch, engine):
    monkeypatch.setenv("SDGRAPH_ENGINE", engine)
    assert sd.compile("total").engine == engine
    for x in (np.zeros(3), np.zeros(LARGE)):
        sd["total"].eval(x=x)
        assert engine_of_last_evaluation(sd) == engine
    assert sd.compile("total", engine="numpy").engine == "numpy"


@needs_llvm
def test_evaluations_are_kept_for_each_engine(sd):
    for engine in ("llvm", "numpy", "llvm"):
        sd["total"].eval(x=[0.5], engine=engine)
    assert sorted(f.engine for f in sd.marks.executables.values()) == ["llvm", "numpy"]


def test_the_environment_may_say_auto_but_nothing_unknown(sd, monkeypatch):
    for nothing in ("auto", ""):
        monkeypatch.setenv("SDGRAPH_ENGINE", nothing)
        assert sd["total"].eval(x=[0.0]) == 1
    monkeypatch.setenv("SDGRAPH_ENGINE", "cuda")
    with pytest.raises(EngineError, match="no engine 'cuda'"):
        sd["total"].eval(x=[0.0])


def test_without_llvmlite_everything_runs_on_numpy_and_nobody_is_warned(sd, monkeypatch):
    monkeypatch.setattr(choice, "_installed", lambda package: False)
    f = sd.compile("total")
    f(x=np.zeros(LARGE))
    sd["total"].eval(x=np.zeros(LARGE))
    assert f.engine == engine_of_last_evaluation(sd) == "numpy"
    assert nd.math.exp(0.0) == 1


@needs_llvm
@pytest.mark.parametrize("broken", ["its code cannot be imported", "its code does not work"])
def test_a_computer_where_code_cannot_be_compiled_is_told_once(sd, monkeypatch, broken):
    def fail(*_):
        raise OSError("no target")

    choice._working.cache_clear()
    if broken == "its code does not work":
        monkeypatch.setattr("sdgraph.run.engines.llvm.probe", fail)
    else:
        monkeypatch.setitem(choice.ENGINES, "llvm", choice.ENGINES["llvm"]._replace(load=fail))
    with pytest.warns(RuntimeWarning, match="llvm engine does not work on this computer.*no target"):
        f = sd.compile("total")
        got = f(x=[1.0, 2.0])
    assert f.engine == "numpy"
    assert got == sd.compile("total", engine="numpy")(x=[1.0, 2.0])
    sd.compile("total", engine="llvm")(x=[0.0])  # Silent: warnings are errors here.
    choice._working.cache_clear()


def lower_bound(package):
    """The lowest version that pyproject.toml allows."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    everything = [*project["dependencies"], *(r for rs in project["optional-dependencies"].values() for r in rs)]
    (version,) = {r.partition(">=")[2] for r in everything if r.partition(">=")[0] == package}
    return tuple(map(int, version.split(".")))


def test_what_an_engine_needs_is_what_pyproject_says():
    for engine in choice.ENGINES.values():
        assert engine.package is None or engine.oldest == lower_bound(engine.package)


@needs_llvm
@pytest.mark.parametrize("version", ["0.43.0", "0.44.1", "0.9.9"])
def test_an_old_llvmlite_is_one_clear_error_and_under_auto_one_warning(sd, monkeypatch, version):
    choice._working.cache_clear()
    monkeypatch.setattr(choice, "_version", lambda package: version)
    message = re.escape(f"needs llvmlite 0.45 or newer; {version} is installed")
    with pytest.raises(MissingDependencyError, match=message):
        sd.compile("total", engine="llvm")
    with pytest.warns(RuntimeWarning, match=message):
        f = sd.compile("total")
        f(x=[1.0])
    assert f.engine == "numpy"
    sd.compile("y")(x=[0.0])  # Silent: warnings are errors here.
    choice._working.cache_clear()


@needs_llvm
def test_the_version_is_that_of_what_is_installed():
    choice._version.cache_clear()
    assert choice._version("llvmlite") == metadata.version("llvmlite")


def test_the_version_of_a_package_that_does_not_say_it_or_fails_is_that_of_its_files(monkeypatch):
    monkeypatch.setattr(metadata, "version", {"silent": "1.2", "broken": "3.4"}.__getitem__)
    monkeypatch.setitem(sys.modules, "silent", ModuleType("silent"))
    monkeypatch.setitem(sys.modules, "broken", None)
    assert choice._version.__wrapped__("silent") == "1.2"
    assert choice._version.__wrapped__("broken") == "3.4"


@needs_llvm
def test_a_first_call_loads_nothing_that_only_tells():
    program = """if True:
        import sys
        import sdgraph
        sd = sdgraph.SameDiff()
        sd.compile(sd.placeholder("x", (2,)) * 2.0, engine="llvm")(x=[1.0, 2.0])
        told = ("importlib.metadata", "sdgraph.run.engines.llvm.describe", "sdgraph.run.engines.llvm.work")
        sys.exit(any(name in sys.modules for name in told))
    """
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@needs_llvm
@pytest.mark.parametrize("version", ["0.45", "0.47.0dev0+12.gabc", "0.100.2", "1.0.0rc1"])
def test_newer_ones_are_taken(sd, monkeypatch, version):
    monkeypatch.setattr(choice, "_version", lambda package: version)
    assert sd.compile("total", engine="llvm").engine == "llvm"


@needs_llvm
def test_checked_runs_are_not_fused_and_say_so(sd):
    f = sd.compile("y", engine="llvm", check_numerics=True)
    with pytest.raises(NumericsError):
        f(x=[np.inf])
    assert f.engine == "numpy" and repr(f) == "<Executable of y on numpy>"
    assert "region" not in str(f.plan)
