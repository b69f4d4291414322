"""Optimizers by name, and as Keras writes them down."""

import dataclasses

import pytest

from sdgraph import train
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.keras import optimizers
from tests.keras.callbacks.scripted import real_keras

NAMES = [name for name in optimizers.__all__ if name not in ("Optimizer", "get", "schedules", "serialize")]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_letters_is_the_optimizer_with_its_defaults(name):
    for written in (name, name.lower(), name.upper(), f"keras.optimizers>{name}"):
        assert optimizers.get(written) == getattr(optimizers, name)()


def test_an_optimizer_stays_itself():
    for given in (optimizers.Adam(0.5), train.Sgd(0.1)):
        assert optimizers.get(given) is given


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_of_keras_is_read(name):
    keras = real_keras()
    for rate in (0.25, keras.optimizers.schedules.CosineDecay(0.5, 10, warmup_target=1.0, warmup_steps=3)):
        theirs = getattr(keras.optimizers, name)(learning_rate=rate, clipnorm=0.5)
        config = keras.optimizers.serialize(theirs)
        found = optimizers.get(config)
        assert type(found).__name__ == name
        for field in dataclasses.fields(found):
            wanted = config["config"][field.name]
            if field.name == "learning_rate" and isinstance(wanted, dict):
                assert getattr(found.learning_rate, "warmup_target", None) == 1.0
            else:
                assert getattr(found, field.name) == wanted, field.name


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("adma", "'adma'"),
        ({"class_name": "Adam", "config": {"beta1": 0.9}}, "no setting 'beta1'"),
        ({"config": {}}, "no optimizer"),
        (
            {"class_name": "SGD", "config": {"learning_rate": {"class_name": "Mine", "config": {}}}},
            "no schedule 'Mine'",
        ),
        (optimizers.Adam, "a class"),
        (3, "does not name"),
        (None, "does not name"),
    ],
)
def test_what_is_no_optimizer_is_refused(given, match):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=match):
        optimizers.get(given)
