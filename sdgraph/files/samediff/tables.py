"""Bytes as tables: reads what the schema describes, and believes nothing that a file says about itself.

Every offset, vector and text is compared with the file before it is read. All of them together may be a few times as
long as the file, so that parts which share their targets cannot grow. Must not know what the tables are about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sdgraph.errors import MissingDependencyError
from sdgraph.files.samediff.schema import NUMBERS, Record, Table, Vector

if TYPE_CHECKING:
    from types import ModuleType

_OVERHEAD: Final = 32
"""What a table counts besides its bytes: many empty ones take room, too."""
_FACTOR: Final = 8
"""How many times the length of the file all that is read may be."""
_LEAST: Final = 4096

LONGEST: Final = 1 << 31
"""Bytes that the offsets of the format reach."""


class Damaged(ValueError):
    """Why bytes are not what the schema says, and where."""

    def __init__(self, why: str, at: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.at = at


def flatbuffers() -> ModuleType:
    """The module of the package flatbuffers that knows how numbers stand in bytes.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    try:
        from flatbuffers import number_types
    except ImportError:
        raise MissingDependencyError(
            "Files of SameDiff need the package flatbuffers, which is not installed.",
            fix="pip install 'sdgraph[samediff]'.",
        ) from None
    return number_types


class TableReader:
    """Reads the tables of one file."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._left = _FACTOR * len(self._data) + _LEAST
        types = flatbuffers()
        self._packers = {kind: getattr(types, f"{kind.capitalize()}Flags").packer_type for kind in NUMBERS}
        self._unsigned = types.UOffsetTFlags.packer_type.unpack_from
        self._signed = types.SOffsetTFlags.packer_type.unpack_from
        self._short = types.VOffsetTFlags
        self._layouts: dict[int, tuple[int, list[int]]] = {}
        """The size of a table and the places of its fields, by where that stands: tables of one sort share it."""

    def root(self, table: Table) -> Record:
        """The table of the whole file.

        Raises:
            Damaged: If the file has no such table.
        """
        return self._table(self._target(0), table)

    # ------------------------------------------------------------------ places

    def _take(self, at: int, n: int) -> None:
        """Make sure that ``n`` bytes from ``at`` on are in the file and may be read."""
        if not 0 <= at <= len(self._data) - n:
            raise Damaged("a part of it lies outside of the file", at)
        self._left -= n
        if self._left < 0:
            raise Damaged("its parts are more than the file can hold: they share their places", at)

    def _target(self, at: int) -> int:
        """Where an offset points to."""
        self._take(at, 4)
        return at + self._unsigned(self._data, at)[0]

    # ------------------------------------------------------------------ tables and their fields

    def _table(self, at: int, table: Table) -> Record:
        self._take(at, 4)
        self._left -= _OVERHEAD
        size, places = self._layout(at - self._signed(self._data, at)[0], table)
        self._take(at, size)
        found = Record()
        for (name, kind), place in zip(table.fields, places, strict=False):
            if place:
                found[name] = self._field(at, place, size, kind, table)
        return found

    def _layout(self, at: int, table: Table) -> tuple[int, list[int]]:
        """The size of a table and the places of its fields, 0 where it has none."""
        found = self._layouts.get(at)
        if found is None:
            self._take(at, 4)
            unpack = self._short.packer_type.unpack_from
            (length,), (size,) = unpack(self._data, at), unpack(self._data, at + 2)
            if length < 4 or length % 2 or size < 4:
                raise Damaged(f"a {table.name} has no list of its fields", at)
            self._take(at + 4, length - 4)
            places = np.frombuffer(self._data[at + 4 : at + length], "<u2").tolist()
            found = self._layouts[at] = size, places
        return found

    def _field(self, at: int, place: int, size: int, kind: str | Vector | Table, table: Table) -> Any:
        packer = self._packers.get(kind) if isinstance(kind, str) else None
        width = 4 if packer is None else packer.size
        if place < 4 or place + width > size:
            raise Damaged(f"a field of a {table.name} lies outside of it", at)
        if packer is not None:
            return packer.unpack_from(self._data, at + place)[0]
        target = self._target(at + place)
        if isinstance(kind, Table):
            return self._table(target, kind)
        if kind == "text":
            return self._text(target)
        if isinstance(kind, Vector):
            return self._vector(target, kind.of)
        return self._bytes(target, 1)

    def _bytes(self, at: int, width: int) -> memoryview:
        """The content of a vector whose elements are so many bytes wide."""
        self._take(at, 4)
        n = width * self._unsigned(self._data, at)[0]
        self._take(at + 4, n)
        return self._data[at + 4 : at + 4 + n]

    def _text(self, at: int) -> str:
        try:
            return str(self._bytes(at, 1), "utf-8")
        except UnicodeDecodeError:
            raise Damaged("a text is not UTF-8", at) from None

    def _vector(self, at: int, of: str | Table) -> list[Any]:
        if isinstance(of, str) and of in NUMBERS:
            numbers = np.dtype("i1" if of == "bool" else NUMBERS[of])
            values = np.frombuffer(self._bytes(at, numbers.itemsize), numbers)
            return (values != 0 if of == "bool" else values).tolist()
        n = len(self._bytes(at, 4)) // 4
        places = range(at + 4, at + 4 + 4 * n, 4)
        if isinstance(of, Table):
            return [self._table(self._target(place), of) for place in places]
        return [self._text(self._target(place)) for place in places]
