"""A model in a file, with its values in it or in one file beside it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from onnx import ModelProto, TensorProto

from sdgraph.errors import ArgumentError
from sdgraph.store.atomic import replaced

_ALIGNMENT: Final = 4096
"""Where large arrays begin, so that a runtime can map them."""

_SMALL: Final = 1024
"""Bytes of an array that stays in the model in any case."""


def write(model: ModelProto, path: Path, *, external: bool) -> None:
    """Write a model: whole, or not at all.

    Values outside go into a file whose name has their digest in it. So the old model finds the old ones until the new
    model takes its place, and the new model finds the new ones.
    """
    before = set(_values_beside(path))
    beside = _move_out(model, path) if external else None
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


def _move_out(model: ModelProto, path: Path) -> Path | None:
    """Write the large arrays of a model into a file beside it, and let the model refer to them; where that is."""
    moved = [t for t in model.graph.initializer if len(t.raw_data) > _SMALL]
    if not moved:
        return None
    digest = hashlib.sha256()
    for t in moved:
        digest.update(t.raw_data)
    beside = path.with_name(f"{path.name}.{digest.hexdigest()[:16]}.data")
    places: list[int] = []
    replaced(beside, lambda file: _write_arrays(file, moved, places), fsync=True, keep=False)
    for t, offset in zip(moved, places, strict=True):
        entries = {"location": beside.name, "offset": offset, "length": len(t.raw_data)}
        for key, value in entries.items():
            t.external_data.add(key=key, value=str(value))
        t.data_location = TensorProto.EXTERNAL
        t.ClearField("raw_data")
    return beside


def _write_arrays(file: BinaryIO, moved: list[TensorProto], places: list[int]) -> None:
    for t in moved:
        offset = -(-file.tell() // _ALIGNMENT) * _ALIGNMENT
        file.write(b"\0" * (offset - file.tell()))
        places.append(offset)
        file.write(t.raw_data)


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
