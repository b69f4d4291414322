"""What callbacks decide, epoch by epoch, beside Keras' own that are told the same."""

import json
import random

import pytest

from sdgraph.keras import callbacks
from tests.golden.cases import FOLDER
from tests.keras.callbacks.scripted import real_keras, told

SETTINGS = {
    "EarlyStopping": [
        {"monitor": "val_loss"},
        {"monitor": "val_loss", "patience": 1, "restore_best_weights": True},
        {"monitor": "val_loss", "patience": 2, "min_delta": 0.25},
        {"monitor": "val_accuracy", "patience": 2, "restore_best_weights": True},
        {"monitor": "val_accuracy", "patience": 3, "mode": "max", "min_delta": -0.125, "baseline": 0.5},
        {"monitor": "loss", "patience": 2, "baseline": 1.5, "restore_best_weights": True, "start_from_epoch": 2},
        {"monitor": "mae", "patience": 3, "mode": "max", "restore_best_weights": True},
    ],
    "ReduceLROnPlateau": [
        {"monitor": "val_loss", "patience": 0, "factor": 0.5},
        {"monitor": "val_loss", "patience": 2, "factor": 0.5, "cooldown": 1},
        {"monitor": "val_loss", "patience": 1, "factor": 0.25, "cooldown": 3, "min_delta": 0.25, "min_lr": 0.125},
        {"monitor": "accuracy", "patience": 1, "factor": 0.5, "min_delta": 0},
        {"monitor": "loss", "patience": 2, "factor": 0.5, "mode": "min", "min_lr": 0.5, "cooldown": 2},
    ],
    "ModelCheckpoint": [
        {},
        {"save_best_only": True},
        {"save_best_only": True, "monitor": "val_accuracy"},
        {"save_best_only": True, "monitor": "mae", "mode": "max", "initial_value_threshold": 0.75},
        {"save_freq": 3},
        {"save_freq": 5},
    ],
}
SEEDS = range(6)


def script(seed):
    """Values of nine epochs: multiples of 1/8, so that both compare the same numbers."""
    rng = random.Random(seed)
    names = ("loss", "val_loss", "accuracy", "val_accuracy", "mae")
    return [{name: rng.randint(0, 16) / 8 for name in names} for _ in range(9)]


def path_of(kind, ending):
    return {"filepath": f"at_{{epoch:02d}}_{{loss:.3f}}{ending}"} if kind == "ModelCheckpoint" else {}


def decided(module, kind, settings, seed, ending=".sdg"):
    return told(getattr(module, kind)(**path_of(kind, ending), **settings), script(seed), batches=4)


CASES = [(kind, k, seed) for kind in SETTINGS for k in range(len(SETTINGS[kind])) for seed in SEEDS]


@pytest.mark.parametrize(("kind", "k", "seed"), CASES)
def test_decisions_are_those_of_keras(kind, k, seed):
    golden = json.loads((FOLDER / "keras_callbacks.json").read_text())["decisions"]
    got = decided(callbacks, kind, SETTINGS[kind][k], seed)
    assert json.loads(json.dumps(got)) == golden[f"{kind} {k} {seed}"]


@pytest.mark.keras
@pytest.mark.parametrize("kind", SETTINGS)
def test_decisions_are_those_of_the_keras_that_is_installed(kind):
    keras = real_keras()
    for k, settings in enumerate(SETTINGS[kind]):
        for seed in range(100, 104):
            mine = decided(callbacks, kind, settings, seed)
            assert plain(mine) == theirs(keras, kind, settings, seed), (k, seed)


def theirs(keras, kind, settings, seed):
    """What Keras decides; told which way is better, since it does not ask this model."""
    better = {} if "mode" in settings or "accuracy" not in settings.get("monitor", "") else {"mode": "max"}
    return plain(decided(keras.callbacks, kind, settings | better, seed, ".keras"))


def plain(decisions):
    return json.loads(json.dumps(decisions).replace(".keras", ".sdg"))
