"""What comes of training, against Keras' own: histories, weights, evaluations and predictions."""

import json

import numpy as np
import pytest

from tests.golden.cases import FOLDER
from tests.keras.training import cases, graphs

FILE = json.loads((FOLDER / "keras_fits.json").read_text())
SEED = FILE["about"]["seed"]


def off(got, wanted):
    """The largest difference, of the largest element that is wanted."""
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    assert got.shape == wanted.shape
    return np.abs(got - wanted).max(initial=0) / max(np.abs(wanted).max(initial=0), 1e-300)


def _tolerance(name, tolerance):
    # Keras ends intersection over union in single precision, whatever the model's is.
    return max(tolerance, 2e-7) if name.endswith("iou") else tolerance


def check(got, wanted, tolerance):
    assert sorted(got["history"]) == sorted(wanted["history"])
    assert got["epoch"] == wanted["epoch"]
    for name, column in wanted["history"].items():
        assert off(got["history"][name], column) <= _tolerance(name, tolerance), name
    for k, (a, b) in enumerate(zip(got["weights"], wanted["weights"], strict=True)):
        assert off(a, b) <= tolerance, f"weights {k}"
    assert got["evaluate"].keys() == wanted["evaluate"].keys()
    for name, value in wanted["evaluate"].items():
        assert off(got["evaluate"][name], value) <= _tolerance(name, tolerance), name
    said = got["predict"] if isinstance(got["predict"], list) else [got["predict"]]
    for a, b in zip(said, wanted["predict"], strict=True):
        assert off(a, b) <= tolerance


def test_all_cases_were_run_by_keras():
    assert FILE["cases"].keys() == cases.CASES.keys()


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("name", cases.CASES)
def test_training_is_that_of_keras(name, engine):
    check(graphs.trained(cases.CASES[name], SEED, engine=engine), FILE["cases"][name], 1e-12)


@pytest.mark.parametrize("name", ["binary, adam", "sparse, classes", "two, loss weights", "real, weighted metrics"])
def test_training_in_single_precision_is_near(name):
    check(graphs.trained(cases.CASES[name], SEED, dtype="float32"), FILE["cases"][name], 2e-5)


@pytest.mark.parametrize("name", ["binary, adam", "two, loss weights", "binary, accumulates"])
def test_a_model_that_learns_otherwise_is_seen(name, monkeypatch):
    """A constant of the optimizer, changed a little."""
    cls, settings = cases.OPTIMIZERS[cases.CASES[name]["optimizer"]]
    other = settings | {"learning_rate": settings["learning_rate"] * 1.001}
    monkeypatch.setitem(cases.OPTIMIZERS, cases.CASES[name]["optimizer"], (cls, other))
    got = graphs.trained(cases.CASES[name], SEED)
    assert max(off(a, b) for a, b in zip(got["weights"], FILE["cases"][name]["weights"], strict=True)) > 1e-6
