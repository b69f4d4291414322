"""Keras as people write it: models, layers, `ops`, losses, metrics, optimizers and callbacks, and Keras' files.

Example:
    >>> from sdgraph import keras
    >>> from sdgraph.keras import layers
    >>> model = keras.Sequential([layers.Dense(2, input_shape=(3,)), layers.Activation("softmax")])
    >>> model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    >>> model.output_shape
    (None, 2)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sdgraph.build.spelling.lacking import of_module

if TYPE_CHECKING:
    from sdgraph.keras import (
        activations,
        callbacks,
        config,
        constraints,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        random,
        regularizers,
        saving,
        utils,
    )
    from sdgraph.keras.files.training_config import read_training_config
    from sdgraph.keras.initializers import Initializer
    from sdgraph.keras.layers.inputs import Input, InputLayer
    from sdgraph.keras.layers.layer import Layer
    from sdgraph.keras.losses import Loss
    from sdgraph.keras.metrics import Metric
    from sdgraph.keras.models import Model, Sequential, load_model
    from sdgraph.keras.optimizers import Optimizer
    from sdgraph.keras.regularizers import Regularizer

_THINGS = {
    "Initializer": "initializers",
    "Input": "layers.inputs",
    "InputLayer": "layers.inputs",
    "Layer": "layers.layer",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Optimizer": "optimizers",
    "Regularizer": "regularizers",
    "Sequential": "models",
    "load_model": "models",
    "read_training_config": "files.training_config",
}
"""Where what has a name here is defined."""
__all__ = [
    "Initializer",
    "Input",
    "InputLayer",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "activations",
    "callbacks",
    "config",
    "constraints",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "random",
    "read_training_config",
    "regularizers",
    "saving",
    "utils",
]
_MODULES = [name for name in __all__ if name not in _THINGS]


if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        # Graphs have the formulas in this package, and `losses` builds graphs: it is loaded when it is asked for.
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name in _THINGS:
            return getattr(importlib.import_module(f"{__name__}.{_THINGS[name]}"), name)
        raise of_module("sdgraph.keras", name, __all__, elsewhere=_elsewhere)


def _elsewhere() -> dict[str, str]:
    """What is one module further down."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in _MODULES]
    return {name: f"{module.__name__}.{name}" for module in modules for name in getattr(module, "__all__", ())}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
