"""Benchmarks can be started, and every figure of the documentation has one that measures it."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import redo_figures

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DATA = ROOT / "docs" / "_data"
SCRIPTS = sorted(path.name for path in HERE.glob("[!t]*.py") if "ArgumentParser(" in path.read_text())
AS_MODULES = {"bench_files.py", "damage.py", "redo_figures.py"}
"""Those that are started by ``python -m``."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_tells_what_it_takes(script):
    name = f"tests.benchmarks.{script.removesuffix('.py')}"
    command = ["-m", name] if script in AS_MODULES else [str(HERE / script)]
    done = subprocess.run([sys.executable, *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_figures_are_measured_by_the_command_that_they_name():
    """But for options that say how thoroughly."""
    for command, _ in redo_figures.commands(redo_figures.FIGURES):
        if "--json" in command:
            figures = json.loads((ROOT / command[-1]).read_text())
            told = shlex.split(figures["command"])
            assert told[:2] == command[:2] and told[-2:] == command[-2:], command


def test_every_command_names_a_script_that_is_there():
    for command, _ in redo_figures.commands(redo_figures.FIGURES):
        assert (ROOT / command[1]).is_file()
    assert {command[-1] for command, _ in redo_figures.commands(["peers"])} == {
        "docs/_data/peers.json",
        redo_figures.PICTURE,
    }


def test_the_commands_can_be_read_without_running_them():
    command = [sys.executable, "-m", "tests.benchmarks.redo_figures", "--list", "first_calls"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    assert line.startswith("SDGRAPH_CACHE=0 python tests/benchmarks/bench_peers.py --compile")
    wrong = subprocess.run([*command[:-2], "lost"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "no such figures: lost" in wrong.stderr
