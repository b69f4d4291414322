"""Callbacks that are told of epochs by a script: no model is trained, so Keras' own are told the same."""

import os
import types
import warnings
from importlib.util import find_spec

import pytest


def real_keras():
    """Keras itself; without it the test is left out."""
    if find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "jax")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras
    return keras


class Optimizer:
    learning_rate = 1.0

    def refuse_schedule(self, who):
        pass


class Model:
    """What callbacks ask of a model. Its weights are the number of the epoch."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = Optimizer()
        self.now = None
        self.saved = []
        self.directions = {"accuracy": "max", "mae": "min"}
        # Keras asks its metrics which way is better.
        self.metrics = [
            types.SimpleNamespace(name="accuracy", _direction="up"),
            types.SimpleNamespace(name="mae", _direction="down"),
        ]

    def get_weights(self):
        return [self.now]

    def set_weights(self, weights):
        (self.now,) = weights

    def save(self, path, overwrite=True):
        self.saved.append((str(path), self.now))

    save_weights = save


def told(callback, epochs, *, batches=0):
    """What a callback does when it is told of these epochs: after each, and in the end.

    ``epochs`` are the values of each; each has so many batches.
    """
    model = Model()
    callback.set_model(model)
    callback.set_params({"epochs": len(epochs), "steps": batches, "verbose": 0, "validation": True})
    callback.on_train_begin()
    seen = []
    for epoch, values in enumerate(epochs):
        callback.on_epoch_begin(epoch)
        rate = model.optimizer.learning_rate
        for batch in range(batches):
            callback.on_train_batch_begin(batch)
            model.now = (epoch, batch)
            callback.on_train_batch_end(batch, {"loss": values["loss"]})
        model.now = (epoch, "end")
        logs = dict(values)
        callback.on_epoch_end(epoch, logs)
        seen.append((model.stop_training, float(rate), float(model.optimizer.learning_rate), sorted(logs)))
        if model.stop_training:
            break
    callback.on_train_end()
    attributes = [getattr(callback, name, None) for name in ("wait", "best_epoch", "stopped_epoch", "cooldown_counter")]
    best = getattr(callback, "best", None)
    return seen, attributes, None if best is None else float(best), model.now, model.saved
