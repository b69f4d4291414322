"""A model in a file, with its values in it or in one file beside it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from onnx import ModelProto, TensorProto

from sdgraph.errors import ArgumentError
from sdgraph.store import npy
from sdgraph.store.atomic import replaced

_ALIGNMENT: Final = 4096
"""Where large arrays begin, so that a runtime can map them."""


def write(model: ModelProto, path: Path, outside: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write a model: whole, or not at all.

    Values outside go into a file whose name has their digest in it. So the old model finds the old ones until the new
    model takes its place, and the new model finds the new ones.

    Args:
        model: The model.
        path: Its file.
        outside: The values of initializers that go into a file beside it, by name; the model has no data of them.
    """
    before = set(_values_beside(path))
    beside = _write_outside(model, path, outside) if outside else None
    try:
        replaced(path, lambda file: file.write(_bytes(model)), fsync=True, keep=False)
    except BaseException:
        if beside is not None and beside not in before:
            _remove([beside])
        raise
    _remove(before - {beside})


def _bytes(model: ModelProto) -> bytes:
    try:
        return model.SerializeToString(deterministic=True)
    except Exception as e:  # Protocol buffers have their own error for what is too large.
        raise ArgumentError("This model is larger than a file of ONNX can be.", fix='Choose weights="external".') from e


def _write_outside(model: ModelProto, path: Path, outside: Mapping[str, np.ndarray[Any, Any]]) -> Path:
    """Write arrays into a file beside a model, and let the model refer to them; where that is."""
    digest, end = hashlib.sha256(), 0
    places: dict[str, int] = {}
    for name, array in outside.items():
        digest.update(_data(array))
        places[name] = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = places[name] + array.nbytes
    beside = path.with_name(f"{path.name}.{digest.hexdigest()[:16]}.data")

    def fill(file: BinaryIO) -> None:
        for name, array in outside.items():
            file.write(b"\0" * (places[name] - file.tell()))
            file.write(_data(array))

    replaced(beside, fill, fsync=True, keep=False)
    for t in model.graph.initializer:
        if t.name in outside:
            t.data_location = TensorProto.EXTERNAL
            entries = {"location": beside.name, "offset": places[t.name], "length": outside[t.name].nbytes}
            for key, value in entries.items():
                t.external_data.add(key=key, value=str(value))
    return beside


def _data(array: np.ndarray[Any, Any]) -> Any:
    """The bytes of an array as ONNX has them. One array at a time is in memory, if it is mapped into it."""
    flat = np.ascontiguousarray(array, npy.little(array.dtype)).reshape(-1)
    return flat.view(np.uint8).data


def _values_beside(path: Path) -> list[Path]:
    """The values of models that stood here before."""
    pattern = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}\.data")
    try:
        return [other for other in path.parent.iterdir() if pattern.fullmatch(other.name)]
    except OSError:
        return []  # Writing tells why there is no such folder.


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink()
