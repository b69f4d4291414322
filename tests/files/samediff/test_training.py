"""Training configurations of SameDiff as plain settings, and back."""

import json
import math

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph.errors import FormatError
from sdgraph.files import samediff
from sdgraph.files.samediff.tables import Damaged
from sdgraph.files.samediff.training import Training, read_settings, write_settings
from tests.files.samediff import flat, real

CONFIG = "org.nd4j.linalg.learning.config."
SCHEDULE = "org.nd4j.linalg.schedule."
REGULARIZATION = "org.nd4j.linalg.learning.regularization."


def java(updater, **more):
    return json.dumps({"updater": updater, "regularization": [], "iterationCount": 3, "epochCount": 1, **more})


UPDATERS = {
    "Sgd": {"learningRate": 0.1},
    "Adam": {"learningRate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "AMSGrad": {"learningRate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "AdaMax": {"learningRate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "Nadam": {"learningRate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "AdaBelief": {"learningRate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-14},
    "AdaGrad": {"learningRate": 0.1, "epsilon": 1e-6},
    "AdaDelta": {"rho": 0.95, "epsilon": 1e-6},
    "RmsProp": {"learningRate": 0.1, "rmsDecay": 0.95, "epsilon": 1e-8},
    "Nesterovs": {"learningRate": 0.1, "momentum": 0.9},
    "NoOp": {},
}
HERE = {"learningRate": "learning_rate", "rmsDecay": "rms_decay"}


@pytest.mark.parametrize("name", UPDATERS)
def test_every_updater(name):
    text = java({"@class": CONFIG + name, **UPDATERS[name]})
    settings = read_settings(text)
    assert settings["updater"] == {"class": name, **{HERE.get(k, k): v for k, v in UPDATERS[name].items()}}
    assert json.loads(write_settings(settings)) == json.loads(text)


SCHEDULES = {
    "ExponentialSchedule": {"scheduleType": "EPOCH", "initialValue": 0.1, "gamma": 0.99},
    "InverseSchedule": {"scheduleType": "ITERATION", "initialValue": 0.1, "gamma": 0.5, "power": 2.0},
    "PolySchedule": {"scheduleType": "ITERATION", "initialValue": 0.1, "power": 2.0, "maxIter": 12},
    "SigmoidSchedule": {"scheduleType": "ITERATION", "initialValue": 0.1, "gamma": 0.5, "stepSize": 5},
    "StepSchedule": {"scheduleType": "ITERATION", "initialValue": 0.1, "decayRate": 0.5, "step": 4.0},
    "MapSchedule": {"scheduleType": "ITERATION", "values": {"0": 0.1, "10": 0.01}, "allKeysSorted": [0, 10]},
    "CycleSchedule": {
        "scheduleType": "ITERATION", "initialLearningRate": 0.1, "maxLearningRate": 1.0, "cycleLength": 10,
        "annealingLength": 2, "annealingDecay": 0.1, "stepSize": 4, "increment": 0.225,
    },
    "FixedSchedule": {"value": 0.1},
    "RampSchedule": {"baseSchedule": {"@class": SCHEDULE + "FixedSchedule", "value": 0.9}, "numIter": 6},
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_stands_for_the_number(name):
    schedule = {"@class": SCHEDULE + name, **SCHEDULES[name]}
    updater = {
        "@class": CONFIG + "Nesterovs", "learningRate": "NaN", "learningRateSchedule": schedule,
        "momentum": "NaN", "momentumISchedule": schedule,
    }  # fmt: skip
    settings = read_settings(java(updater))
    rate = settings["updater"]["learning_rate"]
    assert rate["class"] == name and settings["updater"].keys() == {"class", "learning_rate", "momentum"}
    assert settings["updater"]["momentum"] == rate
    if name == "MapSchedule":
        assert rate["values"] == {"0": 0.1, "10": 0.01}
    if name == "RampSchedule":
        assert rate["base_schedule"] == {"class": "FixedSchedule", "value": 0.9} and rate["num_iter"] == 6
    assert json.loads(write_settings(settings)) == json.loads(java(updater))


def test_regularization():
    def fixed(value):
        return {"@class": SCHEDULE + "FixedSchedule", "value": value}

    step = {"@class": SCHEDULE + "StepSchedule", **SCHEDULES["StepSchedule"]}
    text = java(
        {"@class": CONFIG + "Sgd", "learningRate": 0.1},
        regularization=[
            {"@class": REGULARIZATION + "L1Regularization", "l1": fixed(0.01)},
            {"@class": REGULARIZATION + "L2Regularization", "l2": step},
            {"@class": REGULARIZATION + "WeightDecay", "coeff": fixed(0.1), "applyLR": True},
        ],
    )
    settings = read_settings(text)
    l1, l2, decay = settings["regularization"]
    assert l1 == {"class": "L1Regularization", "l1": 0.01}
    assert l2["l2"]["class"] == "StepSchedule" and l2["l2"]["decay_rate"] == 0.5
    assert decay == {"class": "WeightDecay", "coeff": 0.1, "apply_lr": True}
    assert json.loads(write_settings(settings)) == json.loads(text)


@pytest.mark.parametrize("name", [name for name in real.NAMES if "training_config" in real.known(name)])
def test_real_configurations_come_back(name):
    training = samediff.load_training(real.path(name))
    assert json.loads(write_settings(training.settings)) == real.known(name)["training_config"]


def test_a_class_that_nobody_knows_is_a_text():
    settings = read_settings(java({"@class": "com.example.Mine", "learningRate": 0.1}))
    assert settings["updater"] == {"class": "com.example.Mine", "learning_rate": 0.1}
    assert json.loads(write_settings(settings))["updater"]["@class"] == "com.example.Mine"


def test_names_of_variables_are_left_alone():
    settings = read_settings(java({"@class": CONFIG + "NoOp"}, trainEvaluations={"outLayer": []}))
    assert settings["train_evaluations"] == {"outLayer": []}


def test_numbers_that_json_lacks():
    settings = read_settings(java({"@class": CONFIG + "Sgd", "learningRate": "NaN"}, x="-Infinity"))
    assert math.isnan(settings["updater"]["learning_rate"]) and settings["x"] == -math.inf
    again = json.loads(write_settings(settings))
    assert again["updater"]["learningRate"] == "NaN" and again["x"] == "-Infinity"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", "1", "[" * 100_000, '{"a":' * 100_000, '{"iterationCount": -1}', '{"iterationCount": 1.5}',
     '{"epochCount": "1"}', '{"updater": 3}', '{"updater": []}', '{"iterationCount": ' + "9" * 5000 + "}"],
)  # fmt: skip
def test_what_is_no_configuration(text):
    with pytest.raises(Damaged):
        read_settings(text)


def test_a_file_without_training(tmp_path):
    assert samediff.load_training(real.path("empty_graph_variable_only")) is None
    assert Training({}).updater == {} and (Training({}).iteration, Training({}).epoch) == (0, 0)


def state(*rows):
    return [{"variable": name, "keys": keys, "values": values} for name, keys, values in rows]


def test_states(tmp_path):
    array = flat.array([1.0, 2.0], "DOUBLE")
    file = flat.File()
    file.leaf("w", "variable", "DOUBLE", [0.0, 0.0], (2,))
    path = tmp_path / "m.fb"
    text = java({"@class": CONFIG + "Adam"})
    file.write(path, training_config=text, updater_state=state(("w", ["V", "M"], [array, array]), ("b", None, None)))
    training = samediff.load_training(path)
    assert training.state.keys() == {"w", "b"} and training.state["b"] == {}
    np.testing.assert_array_equal(training.state["w"]["M"], [1.0, 2.0])
    for wrong in (
        state(("w", ["V"], [array, array])),
        state(("w", ["V", "V"], [array, array])),
        state(("w", ["V"], [array]), ("w", ["V"], [array])),
        state((None, ["V"], [array])),
    ):
        file.write(path, training_config=text, updater_state=wrong)
        with pytest.raises(FormatError, match="updater keeps"):
            samediff.load_training(path)
        with pytest.raises(FormatError, match="updater keeps"):
            samediff.load(path)
