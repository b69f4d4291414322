"""Weights of models in Keras' files, written and read. Must not know how a model is made or trained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdgraph.errors import FormatError, ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.keras.files.container import KerasFile, opened
from sdgraph.keras.files.weights import Matched, match
from sdgraph.keras.files.writing import write_model, write_weights
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.models.owning import owner_of

_SUFFIXES = (".h5", ".hdf5", ".keras")


def is_of_keras(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of a file of Keras'."""
    return str(path).endswith(_SUFFIXES)


def write(model: Layer, path: str | os.PathLike[str]) -> Path:
    """Write a file of ``.weights.h5`` that the same model in Keras 3 loads."""
    write_weights(path, owner_of(model), lambda slot: slot.key.settle())
    return Path(path)


def write_whole(model: Layer, config: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a file of ``.keras``: what the model is, and its weights."""
    write_model(path, config, owner_of(model), lambda slot: slot.key.settle())
    return Path(path)


def read(model: Layer, path: str | os.PathLike[str], *, by_name: bool = False) -> Matched:
    """Give a model the weights in a file of any version of Keras."""
    with opened(path) as file:
        return give(file, model, by_name=by_name)


def give(file: KerasFile, model: Layer, *, by_name: bool = False) -> Matched:
    """Give a model the weights in an open file, all of them or none."""
    matched = match(file, owner_of(model), by_name=by_name)
    found = [(w, _fitted(w, array)) for w, array in matched.arrays()]
    for w, array in found:
        w.give(array)
    return matched


def _fitted(w: Any, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.shape != w.shape:
        raise ShapeError("The array has another shape.", given=shape_str(array.shape), expected=shape_str(w.shape))
    if not np.can_cast(array.dtype, w.dtype, "same_kind"):
        raise FormatError(
            f"The numbers for the weight {w.name!r} would be rounded.",
            given=f"{array.dtype.name} in the file",
            expected=w.dtype.name,
        )
    return np.array(array, dtype=w.dtype)
