"""``.weights.h5`` and ``.keras`` as Keras 3 writes and loads them. Must not know what a configuration means."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from sdgraph.checks import as_path
from sdgraph.errors import ArgumentError
from sdgraph.keras.files.hdf5 import library
from sdgraph.keras.files.owners import Owner, Slot, places
from sdgraph.keras.files.weights import numbered
from sdgraph.keras.files.zip_archive import CONFIG, METADATA, WEIGHTS
from sdgraph.store.atomic import replaced

SUFFIX = ".weights.h5"
FORMAT: Final = "3.15.1"
"""The version of Keras whose format it is."""


def write_weights(path: str | os.PathLike[str], owner: Owner, array_of: Callable[[Slot], np.ndarray[Any, Any]]) -> None:
    """Write the weights of a model, so that ``load_weights`` of the same model in Keras 3 takes them.

    The file replaces an old one as a whole, or is not written at all.

    Args:
        path: The file; its name ends in ``.weights.h5``, as Keras demands.
        owner: The model.
        array_of: The array of a weight.

    Raises:
        ArgumentError: If the name ends in something else.
        MissingDependencyError: If h5py is not installed.
        OSError: If the file cannot be written.
    """
    place = as_path(path)
    if not place.name.endswith(SUFFIX):
        raise ArgumentError(f"Keras loads weights from files that end in {SUFFIX}.", given=str(place))
    whole = _weights(owner, array_of)
    replaced(place, lambda out: out.write(whole), fsync=False, keep=False)


def write_model(
    path: str | os.PathLike[str],
    config: Mapping[str, Any],
    owner: Owner,
    array_of: Callable[[Slot], np.ndarray[Any, Any]],
) -> None:
    """Write a model, so that ``load_model`` in Keras 3 reads it. The same model gives the same bytes.

    The file replaces an old one as a whole, or is not written at all.

    Args:
        path: The file; its name ends in ``.keras``.
        config: What the model is, and what it was compiled with.
        owner: The same model with its weights.
        array_of: The array of a weight.

    Raises:
        MissingDependencyError: If h5py is not installed.
        OSError: If the file cannot be written.
    """
    members = {
        METADATA: json.dumps({"keras_version": FORMAT}).encode(),
        CONFIG: json.dumps(config).encode(),
        WEIGHTS: _weights(owner, array_of),
    }
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    replaced(as_path(path), lambda out: out.write(whole.getbuffer()), fsync=False, keep=False)


def _weights(owner: Owner, array_of: Callable[[Slot], np.ndarray[Any, Any]]) -> memoryview:
    whole = io.BytesIO()
    with library().File(whole, "w") as file:
        _write(file, owner, "", array_of, set())
    return whole.getbuffer()


def _write(
    file: Any, owner: Owner, path: str, array_of: Callable[[Slot], np.ndarray[Any, Any]], seen: set[int]
) -> None:
    """A layer and all in it; a layer that stands in two places is written where it comes first."""
    if id(owner) in seen:
        return
    seen.add(id(owner))
    prefix = f"{path}/" if path else ""
    file.require_group(f"{prefix}vars").attrs["name"] = owner.name
    for slot, place in zip(owner.slots, places(owner), strict=True):
        file[f"{prefix}{place}"] = array_of(slot)
    for attribute, part in owner.parts.items():
        if isinstance(part, Owner):
            _write(file, part, f"{prefix}{attribute}", array_of, seen)
            continue
        for name, one in numbered(part):
            _write(file, one, f"{prefix}{attribute}/{name}", array_of, seen)
