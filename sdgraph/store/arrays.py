"""The values of a graph as members of a file: written, read into memory, or left on the disk until they are used.

Must not know graphs.
"""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from sdgraph.infer.aval import Aval
from sdgraph.store import npy
from sdgraph.store.container import Reader
from sdgraph.store.zipped import Member


def array_parts(array: np.ndarray[Any, Any]) -> list[Any]:
    """The bytes of a member that numpy reads as this array."""
    return [npy.header(array.shape, array.dtype), _bytes(np.ascontiguousarray(array, npy.little(array.dtype)))]


def mapped(reader: Reader, file: BinaryIO) -> mmap.mmap:
    """The file as memory that is read when it is used, for all arrays at once: a process may have few files open.

    It is the file that ``reader`` has checked, whatever its name means by now.
    """
    try:
        return mmap.mmap(file.fileno(), reader.size, access=mmap.ACCESS_READ)
    except ValueError:
        reader.refuse("it became shorter while it was read", reader.size)


class ArrayReader:
    """Reads arrays from the members of a file.

    Args:
        reader: The file.
        mapping: The file as memory, if arrays stay there.
        verify: Whether arrays are compared with their digests.
    """

    def __init__(self, reader: Reader, mapping: mmap.mmap | None, verify: bool) -> None:
        self._reader = reader
        self._mapping = mapping
        self._verify = verify

    def read(self, member: Member, aval: Aval, digest: str) -> np.ndarray[Any, Any]:
        """The array of a member, read-only.

        Raises:
            FormatError: If the member does not hold one of this shape and dtype, or another one than was written.
        """
        reader, dtype = self._reader, npy.little(aval.dtype)
        shape = tuple([d for d in aval.shape if type(d) is int])
        if len(shape) != len(aval.shape):
            reader.refuse("a value has a shape that is not known", member.offset, member.name)
        header = npy.header(shape, dtype)
        if member.size != len(header) + aval.nbytes:
            reader.refuse("a value has another size than its variable", member.offset, member.name)
        found = bytearray(len(header))
        for _ in reader.filled(member, 0, memoryview(found)):
            pass
        if found != header:
            reader.refuse("a value has another shape or dtype than its variable", member.data, member.name)
        array, parts = self._data(member, len(header), shape, dtype)
        if self._verify:
            reader.check(member, itertools.chain([found], parts), digest)
        else:
            for _ in parts:
                pass
        array = array.astype(aval.dtype, copy=False)
        array.flags.writeable = False
        return array

    def _data(
        self, member: Member, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> tuple[np.ndarray[Any, Any], Iterator[Any]]:
        """An array, and its bytes; who has gone through these has filled it."""
        if self._mapping is not None and member.size > start:
            data = memoryview(self._mapping)[member.data + start : member.end]
            return np.frombuffer(data, dtype).reshape(shape), iter([data])
        array = np.empty(shape, dtype)
        return array, self._reader.filled(member, start, _bytes(array))


def _bytes(array: np.ndarray[Any, Any]) -> memoryview:
    """The memory of an array that is contiguous."""
    return array.reshape(-1).view(np.uint8).data
