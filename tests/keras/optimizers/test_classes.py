"""Keras' optimizers against trajectories and slots of Keras' own, on both engines; a changed constant must be seen."""

import dataclasses
import json

import numpy as np
import pytest

from sdgraph.errors import ArgumentError
from sdgraph.keras import optimizers
from sdgraph.keras.optimizers import Adam, AdamW, Optimizer, schedules
from tests.golden.cases import FOLDER
from tests.train.stepping import Steps, off

FILE = json.loads((FOLDER / "optimizers.json").read_text())
LEFT_OUT = ("Adafactor", "Muon")
BY_THE_STEP = ("use_ema", "gradient_accumulation_steps")
"""Settings that belong to a training step, not to a rule."""
CASES = {
    name: case
    for name, case in FILE["keras"].items()
    if name.split()[0] not in LEFT_OUT and not any(case["config"].get(s) for s in BY_THE_STEP)
}


def optimizer(name):
    """The optimizer of a case."""
    config = dict(CASES[name]["config"])
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        settings = {k: v for k, v in rate["config"].items() if k != "name"}
        config["learning_rate"] = getattr(schedules, rate["class_name"])(**settings)
    return getattr(optimizers, name.split()[0])(**config)


def weights():
    return [np.array(w) for w in FILE["weights"]]


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("name", CASES)
def test_weights_and_slots_are_those_of_keras(name, engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    taken = Steps(optimizer(name), weights(), engine=engine)
    for gradients, wanted in zip(FILE["gradients"], CASES[name]["steps"], strict=True):
        for got, want in zip(taken.take(gradients), wanted, strict=True):
            assert off(got, want) <= 1e-12
    names = {slot for slot in CASES[name]["slots"] if slot not in ("iteration", "learning_rate")}
    shared = {"u_product": "variable"}
    assert {shared.get(slot, f"v{i}_{slot}") for i, kept in enumerate(taken.kept) for slot in kept} == names


def test_every_optimizer_is_compared():
    ours = {name for name in optimizers.__all__ if name not in ("Optimizer", "get", "schedules", "serialize")}
    assert ours == {name.split()[0] for name in CASES}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        (name, f.name)
        for name in CASES
        if " " not in name or name == "Ftrl l1 l2"
        for f in dataclasses.fields(optimizer(name))
        if (not f.kw_only or f.name == "weight_decay")
        and isinstance(getattr(optimizer(name), f.name), float)
        and getattr(optimizer(name), f.name)
    ],
)
def test_another_constant_is_another_trajectory(name, setting):
    made = optimizer(name)
    taken = Steps(dataclasses.replace(made, **{setting: getattr(made, setting) * 0.5}), weights())
    worst = 0.0
    for gradients, wanted in zip(FILE["gradients"], CASES[name]["steps"], strict=True):
        worst = max(worst, *(off(w, want) for w, want in zip(taken.take(gradients), wanted, strict=True)))
    assert worst > 1e-12


def test_defaults_are_those_of_keras():
    for name in CASES:
        if " " not in name:
            config = CASES[name]["config"]
            made = getattr(optimizers, name)()
            # Of Lamb there is a case with another rate only.
            known = {k: v for k, v in config.items() if k != "name" and (name, k) != ("Lamb", "learning_rate")}
            wrong = {k: v for k, v in known.items() if getattr(made, k) != v}
            assert not wrong, name


def test_decay_of_adamw_is_its_second_setting():
    assert AdamW(0.1, 0.02).weight_decay == 0.02
    assert AdamW().weight_decay == 0.004
    assert Adam(weight_decay=0.1).weight_decay == 0.1


@pytest.mark.parametrize("settings", [{"clipnorm": 1.0, "clipvalue": 1.0}, {"clipnorm": 0.0}, {"clipvalue": -1.0}])
def test_clipping_is_one_positive_number(settings):
    with pytest.raises(ArgumentError):
        Adam(**settings)


def test_all_are_optimizers():
    assert issubclass(Adam, Optimizer)
