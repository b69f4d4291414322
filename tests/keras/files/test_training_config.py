"""What a model was compiled with, each part by itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from sdgraph.errors import ArgumentTypeError, FormatError
from sdgraph.keras import losses, optimizers
from sdgraph.keras.files.optimizer_config import optimizer_of
from sdgraph.keras.files.training_config import read_training_config
from sdgraph.keras.optimizers import schedules
from tests.keras.files import made

pytestmark = pytest.mark.any_engine
GOLDEN = Path(__file__).parents[2] / "golden"
CONFIGS = json.loads((GOLDEN / "keras_configs.json").read_text())["cases"]
OWN = {"my_loss": lambda y, p: (y - p) ** 2, "quartic": lambda y, p: (y - p) ** 4}
SGD = {"class_name": "SGD", "config": {"learning_rate": 0.5}}


def read(tmp_path, training, version="2.2.4", **settings):
    return read_training_config(made.h5(tmp_path / "m.h5", training=training, version=version), **settings)


@pytest.mark.parametrize(
    "case", [c for c in CONFIGS if (GOLDEN / "keras_files" / c["file"]).exists()], ids=lambda c: c["file"]
)
def test_losses_of_golden_files(case):
    found = read_training_config(GOLDEN / "keras_files" / case["file"], custom_objects=OWN)
    wanted = case["loss"]
    if isinstance(wanted, dict) and "class_name" not in wanted:
        wanted = {name: losses.deserialize(one, OWN) for name, one in wanted.items()}
        assert repr(found.loss) == repr(wanted) and found.loss_weights == {"cls": 1.0, "reg": 0.25}
    else:
        assert repr(found.loss) == repr(losses.deserialize(wanted, OWN))
    assert not found.problems and found.compiled == (case["loss"] is not None)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_everything_of_a_golden_model(suffix):
    found = read_training_config(GOLDEN / "keras_models" / f"regression_two_inputs{suffix}")
    rate = float(np.float32(0.1))
    assert found.optimizer == optimizers.SGD(rate, momentum=0.9, nesterov=True, name="sgd")
    assert (found.metrics, found.weighted_metrics, found.loss_weights) == (["mae"], None, None)
    assert len(found.notes) == 1 and "does not write delta" in found.notes[0]
    assert found.enforce() is found


def test_metrics_of_keras_2_have_the_names_they_were_given():
    found = read_training_config(GOLDEN / "keras_files" / "k2_dict_weights.h5")
    assert found.metrics == [["accuracy"], ["mean_absolute_error"]]
    assert read_training_config(GOLDEN / "keras_files" / "k2_bce_args.h5").weighted_metrics == [["mean_absolute_error"]]


def test_one_unreadable_part_does_not_lose_the_others(tmp_path):
    found = read(
        tmp_path,
        {
            "loss": {"a": "mse", "b": "nobody_knows", "c": {"class_name": "__lambda__", "config": {"value": ["code"]}}},
            "loss_weights": {"a": 1, "b": "much"},
            "optimizer_config": {"class_name": "Adgrad", "config": {"lr": 0.1}},
            "metrics": ["mae", 3, {"class_name": "AUC", "config": {"num_thresholds": 9}}],
            "weighted_metrics": None,
        },
    )
    assert found.loss == {"a": losses.mean_squared_error, "b": None, "c": None}
    assert found.loss_weights == {"a": 1.0, "b": None} and found.optimizer is None
    assert found.metrics[:2] == ["mae", None] and found.metrics[2].num_thresholds == 9
    assert [p.part for p in found.problems] == ["loss", "loss", "loss_weights", "optimizer", "metrics"]
    assert "@training_config/loss/b" in str(found.problems[0]) and "custom_objects" in str(found.problems[0])
    with pytest.raises(FormatError, match="'loss_weights', 'metrics' and 'optimizer' cannot be read"):
        found.enforce()


def test_a_model_that_was_not_compiled():
    found = read_training_config(GOLDEN / "keras_files" / "k3_uncompiled.keras")
    assert (found.compiled, found.loss, found.problems) == (False, None, ())
    with pytest.raises(FormatError, match="was not compiled"):
        found.enforce()
    assert "not compiled" in repr(found)


def test_losses_and_optimizers_of_your_own(tmp_path):
    class Mine:
        def __init__(self, rate):
            self.rate = rate

    config = {"loss": ["my_loss", None], "optimizer_config": {"class_name": "P>Mine", "config": {"rate": 3}}}
    found = read(tmp_path, config, custom_objects={**OWN, "Mine": Mine})
    assert found.loss == [OWN["my_loss"], None] and found.optimizer.rate == 3
    with pytest.raises(ArgumentTypeError):
        read(tmp_path, config, custom_objects=[])
    failing = read(tmp_path, config, custom_objects={"Mine": lambda rate: 1 / 0})
    assert [p.part for p in failing.problems] == ["loss", "optimizer"] and "ZeroDivisionError" in failing.problems[
        1
    ].reason


def test_a_loss_that_ignores_a_setting_tells_it(tmp_path):
    found = read(tmp_path, {"loss": {"class_name": "MeanSquaredError", "config": {"strange": 1}}})
    assert not found.problems and any("strange" in note for note in found.notes)


@pytest.mark.parametrize(
    ("config", "version", "wanted", "notes"),
    [
        ("adam", (3,), optimizers.Adam(), 0),
        ({"class_name": "Custom>SGD", "config": {"learning_rate": 0.5}}, (2, 12), optimizers.SGD(0.5), 0),
        (
            {"class_name": "sgd", "config": {"lr": 0.5, "decay": 0.0, "nesterov": True}},
            (2,),
            optimizers.SGD(0.5, nesterov=True),
            0,
        ),
        (
            {"class_name": "Adam", "config": {"lr": 0.5, "decay": 0.25, "epsilon": None, "amsgrad": True}},
            (2, 2),
            optimizers.Adam(schedules.InverseTimeDecay(0.5, 1, 0.25), amsgrad=True),
            0,
        ),
        (
            {"class_name": "Nadam", "config": {"lr": 0.5, "schedule_decay": 0.004, "clipnorm": 0, "clipvalue": 0.5}},
            (1, 2),
            optimizers.Nadam(0.5, clipvalue=0.5),
            1,
        ),
        (
            {"class_name": "Adagrad", "config": {"lr": 0.5}},
            (2, 2),
            optimizers.Adagrad(0.5, initial_accumulator_value=0.0),
            0,
        ),
        ({"class_name": "Adagrad", "config": {"learning_rate": 0.5}}, (3,), optimizers.Adagrad(0.5), 0),
        (
            {
                "class_name": "SGD",
                "config": {"is_legacy_optimizer": False, "jit_compile": True, "weight_decay": False, "x": 1},
            },
            (2, 15),
            optimizers.SGD(),
            1,
        ),
        (
            {
                "class_name": "RMSprop",
                "config": {
                    "learning_rate": {"module": "keras.optimizers.schedules"}
                    | {"class_name": "ExponentialDecay", "registered_name": None}
                    | {
                        "config": {
                            "initial_learning_rate": 0.5,
                            "decay_steps": 10,
                            "decay_rate": 0.9,
                            "staircase": False,
                            "name": "e",
                        }
                    }
                },
            },
            (3,),
            optimizers.RMSprop(schedules.ExponentialDecay(0.5, 10, 0.9)),
            0,
        ),
        (
            {"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": SGD, "initial_scale": 2}},
            (3,),
            optimizers.SGD(0.5),
            1,
        ),
    ],
)
def test_optimizers_of_all_versions(config, version, wanted, notes):
    found, ignored = optimizer_of(config, version)
    assert found == wanted and len(ignored) == notes


def test_decay_is_per_step():
    found, _ = optimizer_of({"class_name": "SGD", "config": {"lr": 0.5, "decay": 0.1}}, (2, 2))
    assert found.learning_rate(5) == pytest.approx(0.5 / (1 + 0.1 * 5))


@pytest.mark.parametrize(
    "config", [3, {}, {"class_name": "SGD", "config": 3}, {"class_name": "TFOptimizer", "config": {}}]
)
def test_optimizers_that_are_none(tmp_path, config):
    found = read(tmp_path, {"loss": "mse", "optimizer_config": config})
    assert found.optimizer is None and [p.part for p in found.problems] == ["optimizer"] and found.loss is not None


def test_how_it_is_shown():
    found = read_training_config(GOLDEN / "keras_models" / "mlp_softmax.keras")
    assert "Adam(learning_rate=0.01, beta_1=0.8)" in repr(found) and "Keras 3.15.1" in repr(found)
    assert found._repr_html_().startswith("<table>") and "beta_1" in found._repr_html_()


@pytest.mark.parametrize("training", [[1], "mse", 3])
def test_a_training_config_that_is_none(tmp_path, training):
    with pytest.raises(FormatError, match="@training_config is no object"):
        read(tmp_path, training)
