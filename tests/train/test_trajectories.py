"""Whole trajectories of SameDiff's own training: twelve steps of seven models, on both engines."""

import json
import math

import numpy as np
import pytest

from sdgraph.train import L1Regularization, L2Regularization, WeightDecay
from sdgraph.train.step import TrainingStep
from tests.golden.cases import DTYPES, FOLDER, numbers
from tests.train import golden, models
from tests.train.stepping import off
from tests.train.updating.test_updaters import is_substituted

FILE = json.loads((FOLDER / "samediff_training" / "trajectories.json").read_text())
OTHERWISE = {
    "Sgd/maximize_wd",  # There decay pushes away from 0.
    "Adam/schedule_MapZero",  # A rate of 0 is epsilon there.
    *(c["name"] for c in FILE["cases"] if c.get("failed") or c.get("nan_feature") or is_substituted(c)),
    *(c["name"] for c in FILE["cases"] if "Poly" in json.dumps(c["updater"])),  # Its rates rise.
}
CASES = [c for c in FILE["cases"] if c["name"] not in OTHERWISE]


def regularization(record):
    make = {"L1": L1Regularization, "L2": L2Regularization}.get(record["regularization"])
    coefficient = golden.value("coeff", record["coeff"])
    return make(coefficient) if make is not None else WeightDecay(coefficient, record["applyLR"])


def taken(case, engine="numpy", **settings):
    """The step of a case, and its batches."""
    dtype, model = DTYPES[case["dtype"]], FILE["models"][case["model"]]
    sd = models.build(case["model"], dtype, model["initial"])
    if case.get("loss_variables"):
        sd.set_loss_variables(case["loss_variables"])
    step = TrainingStep(
        sd,
        golden.updater(case["updater"]),
        transforms=[regularization(r) for r in case.get("regularization") or []],
        minimize=case.get("minimize", True),
        engine=engine,
        **settings,
    )
    batches = [{k: np.array(s[k], dtype) for k in "xy"} for s in model["steps"]]
    return sd, step, batches


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_weights_and_losses_are_those_of_samediff(case, engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    sd, step, batches = taken(case, engine)
    # The gradient there smooths labels in single precision.
    within = 1e-7 if case["model"] == "sigmoid_smoothing" else 1e-12
    within = 2e-6 if case["dtype"] == "FLOAT" else within
    for feeds, wanted in zip(batches, case["steps"], strict=False):
        losses = step(feeds)
        for name, loss in wanted["loss"].items():
            if name in losses:
                assert float(losses[name]) == pytest.approx(loss, rel=within)
        for name, w in wanted["weights"].items():
            assert off(sd[name].value, numbers(w)) <= within, name


def test_what_is_left_out_is_known():
    assert len(CASES) >= 95
    assert math.isfinite(len(OTHERWISE))
