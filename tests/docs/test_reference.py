"""The reference has what users call: every public module, and nothing of what works behind them."""

import importlib
import re
from pathlib import Path

import pytest

import sdgraph
from sdgraph import SameDiff

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted(REFERENCE.glob("*.md")))

PUBLIC = {
    "sdgraph",
    "sdgraph.data",
    "sdgraph.errors",
    "sdgraph.files.samediff",
    "sdgraph.keras",
    "sdgraph.keras.activations",
    "sdgraph.keras.callbacks",
    "sdgraph.keras.config",
    "sdgraph.keras.constraints",
    "sdgraph.keras.initializers",
    "sdgraph.keras.layers",
    "sdgraph.keras.losses",
    "sdgraph.keras.metrics",
    "sdgraph.keras.models",
    "sdgraph.keras.ops",
    "sdgraph.keras.optimizers",
    "sdgraph.keras.optimizers.schedules",
    "sdgraph.keras.random",
    "sdgraph.keras.recurrent",
    "sdgraph.keras.regularizers",
    "sdgraph.keras.saving",
    "sdgraph.keras.utils",
    "sdgraph.losses",
    "sdgraph.nd",
    "sdgraph.testing",
    "sdgraph.train",
    "sdgraph.train.evaluation",
    "sdgraph.viz",
}
"""What a program may import. Everything else may move."""

RETURNED = {
    "sdgraph.build.operation.Operation",
    "sdgraph.frames.origin.Origin",
    "sdgraph.keras.files.report.ImportReport",
    "sdgraph.keras.files.training_config.TrainingConfig",
    "sdgraph.keras.read_training_config",
    "sdgraph.run.engines.limits.Limits",
    "sdgraph.run.engines.limits.Place",
    "sdgraph.run.explaining.ExplainedPart",
    "sdgraph.run.explaining.Explanation",
    "sdgraph.run.profiling.PartTime",
    "sdgraph.run.profiling.Profile",
    "sdgraph.show.pictures.explorer.Explorer",
    "sdgraph.show.options.Options",
    "sdgraph.show.pictures.picture.GraphView",
}
"""Classes that no program imports, although methods return them or take their fields as settings."""


def test_the_reference_has_every_public_module_and_no_other():
    assert set(re.findall(r"^\.\. automodule:: (\S+)$", TEXT, re.MULTILINE)) == PUBLIC


def test_other_classes_in_the_reference_are_those_that_calls_return():
    assert set(re.findall(r"^\.\. auto(?:class|function|method):: (\S+)$", TEXT, re.MULTILINE)) == RETURNED


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_module_says_what_is_public(name):
    assert importlib.import_module(name).__all__


def test_what_a_module_gives_on_first_use_is_public_too():
    modules = {
        getattr(sdgraph, name).__name__ for name in sdgraph.__all__ if hasattr(getattr(sdgraph, name), "__path__")
    }
    below = {module.rpartition(".")[0] for module in PUBLIC}
    assert modules <= PUBLIC | below


def test_of_a_graph_the_reference_has_what_dir_has(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(REFERENCE.parent / "_extensions"))
    docstrings = importlib.import_module("docstrings")
    assert not docstrings.is_machinery("grad")
    monkeypatch.setattr(SameDiff, "__dir__", lambda self: ["grad"], raising=False)
    assert docstrings.is_machinery("plot") and not docstrings.is_machinery("grad")
