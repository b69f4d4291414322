"""The zip file that a ``.keras`` file is: the members that Keras writes, in memory and within bounds.

Must not know what they say.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Final

from sdgraph.errors import FormatError, shown
from sdgraph.keras.files import json_text
from sdgraph.keras.files.hdf5 import ours

SIGNATURE: Final = b"PK\x03\x04"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_KNOWN: Final = (CONFIG, METADATA, WEIGHTS)
_ASSETS: Final = "assets/"
_INSTEAD: Final = {
    "model.weights.npz": "weights as .npz, which are not read",
    "model.weights.json": "weights in several files, which are not read",
}
_CHUNK: Final = 1 << 20
_MOST_RATIO: Final = 200
"""Keras does not compress. A file that another program packed again may be smaller, but not by that much."""


def members(data: bytes, max_bytes: int) -> tuple[Mapping[str, bytes], list[str]]:
    """The members that Keras writes, and the names of others that it may write and that are not read.

    Raises:
        FormatError: For other members, for two of one name, and for what is larger than it may be.
    """
    found: dict[str, bytes] = {}
    assets: list[str] = []
    with ours("The zip file"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        seen: set[str] = set()
        for info in archive.infolist():
            name = info.filename
            if name in seen:
                raise FormatError(f"{name} is there twice.")
            seen.add(name)
            if name in _INSTEAD:
                raise FormatError(f"{name}: this file has {_INSTEAD[name]}.", fix="Save the model again in Keras 3.")
            if name.startswith(_ASSETS):
                assets.append(name)
            elif name in _KNOWN:
                most = max_bytes if name == WEIGHTS else json_text.LONGEST
                found[name] = _read(archive, info, min(most, max_bytes - sum(map(len, found.values()))))
            else:
                raise FormatError(f"{shown(name)} is no part of a .keras file.", expected=", ".join(_KNOWN))
    return found, [name for name in assets if not name.endswith("/")]


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > most or (info.file_size > _CHUNK and ratio > _MOST_RATIO):
        raise FormatError(
            f"{info.filename} is larger than it may be.",
            given=f"{info.file_size:,} bytes, packed into {info.compress_size:,}",
            expected=f"at most {most:,}",
            fix="If you trust the file, give a larger max_bytes.",
        )
    whole = bytearray()
    with archive.open(info) as member:
        while part := member.read(_CHUNK):
            whole += part
            if len(whole) > info.file_size:
                raise FormatError(f"{info.filename} is larger than it says.")
    return bytes(whole)
