"""The bytes of a file of SameDiff's, from its tables as plain values: the inverse of `sdgraph.files.samediff.tables`.

Must not know what a table means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from sdgraph.errors import MissingDependencyError
from sdgraph.files.samediff.schema import NUMBERS, Record, Table, Vector

if TYPE_CHECKING:
    from types import ModuleType


def encode(record: Record, table: Table) -> bytes:
    """The file that holds a table; fields that are None, or missing, are left out.

    Raises:
        MissingDependencyError: If the package flatbuffers is not installed.
    """
    builder = _flatbuffers().Builder(1024)
    builder.Finish(_Encoder(builder).table(record, table))
    return bytes(builder.Output())


def _is_number(kind: Any) -> TypeGuard[str]:
    return type(kind) is str and kind in NUMBERS


def _flatbuffers() -> ModuleType:
    try:
        import flatbuffers
    except ImportError:
        raise MissingDependencyError(
            "Files of SameDiff need the package flatbuffers, which is not installed.",
            fix="pip install 'sdgraph[samediff]'",
        ) from None
    return flatbuffers


class _Encoder:
    """Writes what a table points to before the table: nothing may be built inside of one that is open."""

    def __init__(self, builder: Any) -> None:
        from flatbuffers import number_types

        self.builder = builder
        self.flags = {
            "int8": number_types.Int8Flags,
            "int32": number_types.Int32Flags,
            "int64": number_types.Int64Flags,
            "float64": number_types.Float64Flags,
            "bool": number_types.BoolFlags,
        }

    def table(self, record: Record, table: Table) -> int:
        """The offset of a table, after it is written."""
        b = self.builder
        offsets = {
            name: self._child(value, kind)
            for name, kind in table.fields
            if not _is_number(kind) and (value := record.get(name)) is not None
        }
        b.StartObject(len(table.fields))
        for slot, (name, kind) in enumerate(table.fields):
            if name in offsets:
                b.PrependUOffsetTRelativeSlot(slot, offsets[name], 0)
            elif _is_number(kind):
                b.PrependSlot(self.flags[kind], slot, record.get(name) or 0, 0)
        return b.EndObject()

    def _child(self, value: Any, kind: Any) -> int:
        if kind == "text":
            return self.builder.CreateString(value)
        if kind == "bytes":
            return self.builder.CreateByteVector(value)
        if isinstance(kind, Table):
            return self.table(value, kind)
        return self._vector(value, kind)

    def _vector(self, values: Any, kind: Vector) -> int:
        b = self.builder
        if _is_number(kind.of):
            return b.CreateNumpyVector(np.asarray(values, NUMBERS[kind.of]))
        offsets = [self._child(value, kind.of) for value in values]
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return b.EndVector()
