"""Training configurations of SameDiff as those of sdgraph, and back."""

import json

import pytest

pytest.importorskip("flatbuffers")

from sdgraph.errors import ArgumentError
from sdgraph.files import samediff
from sdgraph.files.samediff.configs import slots_of, to_config, to_settings
from sdgraph.files.samediff.training import read_settings, write_settings
from sdgraph.train import (
    CycleSchedule,
    L1Regularization,
    L2Regularization,
    MapSchedule,
    PolySchedule,
    ScheduleType,
    Sgd,
    TrainingConfig,
    WeightDecay,
)
from sdgraph.train.updating import schedules, updaters
from sdgraph.train.updating.updaters import Updater
from tests.files.samediff import real
from tests.files.samediff.test_training import CONFIG, HERE, REGULARIZATION, SCHEDULE, SCHEDULES, UPDATERS, java
from tests.golden.cases import FOLDER

REAL = [name for name in real.NAMES if "training_config" in real.known(name)]


@pytest.mark.parametrize("name", REAL)
def test_real_configurations_come_back(name):
    training = samediff.load_training(real.path(name))
    config = to_config(training.settings)
    assert config.updater is not None and config.data_set_feature_mapping == ("x",)
    again = to_settings(config, training.iteration, training.epoch)
    assert json.loads(write_settings(again)) == real.known(name)["training_config"]


def config_settings(name):
    return {HERE.get(setting, setting): value for setting, value in UPDATERS[name].items()}


@pytest.mark.parametrize("name", UPDATERS)
def test_every_updater(name):
    config = to_config(read_settings(java({"@class": CONFIG + name, **UPDATERS[name]})))
    assert config.updater == getattr(updaters, name)(**config_settings(name))
    assert json.loads(write_settings(to_settings(config)))["updater"] == {"@class": CONFIG + name, **UPDATERS[name]}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule(name):
    schedule = {"@class": SCHEDULE + name, **SCHEDULES[name]}
    text = java({"@class": CONFIG + "Sgd", "learningRate": "NaN", "learningRateSchedule": schedule})
    rate = to_config(read_settings(text)).updater.learning_rate
    assert type(rate) is getattr(schedules, name)
    assert (
        json.loads(write_settings(to_settings(to_config(read_settings(text)))))["updater"]
        == json.loads(text)["updater"]
    )


def test_a_poly_schedule_has_the_rates_of_java():
    schedule = {"@class": SCHEDULE + "PolySchedule", **SCHEDULES["PolySchedule"]}
    rate = to_config(
        read_settings(java({"@class": CONFIG + "Sgd", "learningRate": "NaN", "learningRateSchedule": schedule}))
    ).updater.learning_rate
    assert rate(6) == pytest.approx(0.1 * 1.5**2) and rate(12) == 0.0
    ours = to_settings(TrainingConfig(updater=Sgd(PolySchedule(ScheduleType.EPOCH, 0.1, 2.0, 12))))
    assert ours["updater"]["learning_rate"]["power"] == -2.0


def test_what_java_computes_of_schedules_is_written():
    cycle = CycleSchedule(ScheduleType.ITERATION, max_learning_rate=1.0, cycle_length=10)
    places = MapSchedule(ScheduleType.EPOCH, {10: 0.01, 0: 0.1})
    of = to_settings(TrainingConfig(updater=updaters.Nesterovs(cycle, places)))["updater"]
    assert of["learning_rate"] == {
        "class": "CycleSchedule", "schedule_type": "ITERATION", "initial_learning_rate": 0.1, "max_learning_rate": 1.0,
        "cycle_length": 10, "annealing_length": 1, "annealing_decay": 0.1, "step_size": 4, "increment": 0.225,
    }  # fmt: skip
    assert of["momentum"]["values"] == {"10": 0.01, "0": 0.1} and of["momentum"]["all_keys_sorted"] == [0, 10]


def test_regularization():
    fixed = {"@class": SCHEDULE + "FixedSchedule", "value": 0.25}
    step = {"@class": SCHEDULE + "StepSchedule", **SCHEDULES["StepSchedule"]}
    text = java(
        {"@class": CONFIG + "Sgd", "learningRate": 0.1},
        regularization=[
            {"@class": REGULARIZATION + "L1Regularization", "l1": fixed},
            {"@class": REGULARIZATION + "L2Regularization", "l2": step},
            {"@class": REGULARIZATION + "WeightDecay", "coeff": fixed, "applyLR": False},
        ],
    )
    config = to_config(read_settings(text))
    l1, l2, decay = config.regularization
    assert (l1, decay) == (L1Regularization(0.25), WeightDecay(0.25, False))
    assert isinstance(l2, L2Regularization) and l2.l2(5) == 0.05
    assert json.loads(write_settings(to_settings(config)))["regularization"] == json.loads(text)["regularization"]


@pytest.mark.parametrize(
    "updater",
    [
        {"@class": "com.example.Mine", "learningRate": 0.1},
        {"@class": CONFIG + "Sgd", "learningRate": "fast"},
        {"@class": CONFIG + "Sgd", "learningRate": True},
        {"@class": CONFIG + "Sgd", "learningRate": {"@class": "com.example.Schedule"}},
        {"@class": CONFIG + "Sgd", "learningRate": {"@class": SCHEDULE + "StepSchedule", "scheduleType": "DAY"}},
        {"@class": CONFIG + "Sgd", "learningRate": {"@class": SCHEDULE + "MapSchedule", "values": {"a": 1}}},
        {"@class": CONFIG + "Sgd", "learningRate": {"@class": SCHEDULE + "RampSchedule", "baseSchedule": 3}},
        {"@class": CONFIG + "Sgd", "learningRate": {"@class": SCHEDULE + "StepSchedule"}},
        {"@class": CONFIG + "Sgd", "learningRate": {"@class": SCHEDULE + "MapSchedule", "values": {"1": 0.1}}},
    ],
)
def test_what_sdgraph_does_not_have_stays_as_it_is(updater):
    settings = read_settings(java(updater))
    config = to_config(settings)
    assert config.updater is None
    assert to_settings(config, 3, 1)["updater"] == settings["updater"]


@pytest.mark.parametrize(
    ("name", "value"), [("regularization", "none"), ("regularization", [{"@class": "x"}]), ("minimize", 3),
                        ("dataSetFeatureMapping", "x y"), ("lossVariables", [1])]
)  # fmt: skip
def test_other_settings_that_are_none_stay_as_they_are(name, value):
    settings = read_settings(java({"@class": CONFIG + "NoOp"}, **{name: value}))
    again = to_settings(to_config(settings), 3, 1)
    assert all(again[key] == value for key, value in settings.items())


class Mine(Updater):
    """An updater that Java has not."""


@pytest.mark.parametrize("updater", [Mine(), Sgd(lambda iteration, epoch: 0.1), {"w": Sgd()}])
def test_what_java_does_not_have(updater):
    with pytest.raises(ArgumentError, match="nothing that trains so"):
        to_settings(TrainingConfig(updater=updater))


DIRECT = json.loads((FOLDER / "samediff_training" / "updaters.json").read_text())["cases"]


@pytest.mark.parametrize("name", UPDATERS)
def test_what_an_updater_keeps_is_called_as_in_java(name):
    kept = {
        frozenset(state) for c in DIRECT if c["updater"]["updater"] == name for state in c.get("initial_state") or ()
    }
    assert kept <= {slots_of(name)} and (kept or not slots_of(name))
    assert slots_of("Mine") is None
