"""Reading SameDiff's files. Must not know what stands in them, only where to look and what to say of damage."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from sdgraph.errors import FormatError
from sdgraph.files.samediff.reading.building import build
from sdgraph.files.samediff.schema import GRAPH, Record
from sdgraph.files.samediff.tables import LONGEST, Damaged, TableReader
from sdgraph.files.samediff.training import Training, read_training
from sdgraph.samediff import SameDiff

T = TypeVar("T")

_MAGIC: Final = b"SDNB"
_ZIP: Final = b"PK\x03\x04"
_HEADER: Final = struct.Struct(">4siqqq")
"""What a newer file begins with: its version, where the list of large arrays is and how long, where the graph is."""


def load(path: Path, shapes: Mapping[str, Any]) -> SameDiff:
    """Read a graph; see `sdgraph.files.samediff.load`."""
    return _read(path, lambda graph: build(graph, shapes, str(path)))


def load_training(path: Path) -> Training | None:
    """Read how a graph is trained; see `sdgraph.files.samediff.load_training`."""
    return _read(path, read_training)


def _read(path: Path, use: Callable[[Record], T]) -> T:
    with open(path, "rb") as file:
        data = file.read(LONGEST + 1)
    try:
        return use(TableReader(_graph(data)).root(GRAPH))
    except Damaged as e:
        raise FormatError(
            f"{path} is damaged, or no file of SameDiff's: {e.why}.",
            given=f"{len(data):,} bytes" if e.at is None else f"byte {e.at:,} of {len(data):,}",
            expected="a graph as sd.save(file, ...) of SameDiff writes it, or a checkpoint",
            fix="It is a zip file: SameDiff.load reads those of sdgraph." if data.startswith(_ZIP) else None,
        ) from None


def _graph(data: bytes) -> memoryview:
    """The bytes of the graph alone."""
    if len(data) > LONGEST:
        raise Damaged("it is longer than 2 GiB, which no such file can be")
    view = memoryview(data)
    if not data.startswith(_MAGIC):
        return view
    if len(data) < _HEADER.size:
        raise Damaged("it ends within its header")
    _, version, manifest, length, start = _HEADER.unpack_from(data)
    if version != 1 or not _HEADER.size <= start <= manifest <= len(data) - length:
        raise Damaged("its header speaks of what is not there")
    return view[start:manifest]
