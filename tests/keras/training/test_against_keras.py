"""Random trainings beside Keras itself, where it is installed. Its own precision is single."""

import numpy as np
import pytest

from tests.keras.callbacks.scripted import real_keras
from tests.keras.training import cases, graphs
from tests.keras.training.test_fitting import check

pytestmark = [
    pytest.mark.keras,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

_LABELS = ("binary", "sparse", "column", "onehot")


def random_case(seed):
    """A case with outputs, optimizer, weights and validation drawn at random."""
    rng = np.random.default_rng(seed)
    outputs = str(rng.choice([*_LABELS, "real", "two"]))
    metrics = ["accuracy"] if outputs in _LABELS else [["accuracy"], ["mae"]] if outputs == "two" else ["mae"]
    compile = {"metrics": metrics, "weighted_metrics": metrics if rng.random() < 0.5 else None}
    if outputs == "two":
        compile |= {"loss": {"cls": "crossentropy", "reg": "log_cosh"}}
        compile |= {"loss_weights": [float(rng.random()), None]} if rng.random() < 0.5 else {}
    fit = {"batch_size": int(rng.integers(5, 30)), "epochs": int(rng.integers(1, 4))}
    kind = rng.choice(["plain", "classes", "weights"])
    if kind == "classes" and outputs in _LABELS:
        fit["class_weight"] = {k: float(rng.random() + 0.5) for k in range(3)}
    splits = bool(rng.random() < 0.3)
    if not splits and rng.random() < 0.5:
        fit["validation_split"] = float(rng.uniform(0.1, 0.5))
    name = str(rng.choice(["sgd", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "adamax"]))
    weights = "weights" if kind == "weights" else None
    return cases.case(outputs, name, compile=compile, fit=fit, weights=weights, splits=splits)


@pytest.mark.parametrize("seed", range(12))
def test_a_random_training_is_near_that_of_keras(seed):
    keras = real_keras()
    from tests.golden.keras_fits import trained

    case = random_case(seed)
    got = graphs.trained(case, seed, dtype="float32")
    check(got, trained(keras, case, seed), 2e-4)
