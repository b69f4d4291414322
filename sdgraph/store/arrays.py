"""The values of a graph as members of a file: written, read into memory, or left on the disk until they are used.

Must not know graphs.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from sdgraph.infer.aval import Aval
from sdgraph.store import npy
from sdgraph.store.container import Reader
from sdgraph.store.sums import Summer, Sums
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
        summer: What computes the sums of arrays, if these are compared with them.
    """

    def __init__(self, reader: Reader, mapping: mmap.mmap | None, summer: Summer | None) -> None:
        self._reader = reader
        self._mapping = mapping
        self._summer = summer
        self._waiting: list[tuple[Member, str, Callable[[], Sums]]] = []

    def read(self, member: Member, aval: Aval, digest: str) -> np.ndarray[Any, Any]:
        """The array of a member, read-only; whether it is the one that was written, `settle` tells.

        Raises:
            FormatError: If the member does not hold one of this shape and dtype.
        """
        reader, dtype = self._reader, npy.little(aval.dtype)
        shape = tuple([d for d in aval.shape if type(d) is int])
        if len(shape) != len(aval.shape):
            reader.refuse("a value has a shape that is not known", member.offset, member.name)
        header = npy.header(shape, dtype)
        if member.size != len(header) + aval.nbytes:
            reader.refuse("a value has another size than its variable", member.offset, member.name)
        found = bytearray(len(header))
        reader.fill(member, 0, memoryview(found))
        if found != header:
            reader.refuse("a value has another shape or dtype than its variable", member.data, member.name)
        if self._mapping is not None and aval.size:
            data = memoryview(self._mapping)[member.data + len(header) : member.end]
            array = np.frombuffer(data, dtype).reshape(shape)
        else:
            array = np.empty(shape, dtype)
            data = _bytes(array)
            reader.fill(member, len(header), data)
        if self._summer is not None:
            if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
                # Numpy takes any byte, and computes nonsense with it.
                reader.refuse("a bool is neither True nor False", member.data, member.name)
            self._waiting.append((member, digest, self._summer.sums([found, data])))
        array = array.astype(aval.dtype, copy=False)
        array.flags.writeable = False
        return array

    def settle(self) -> None:
        """Compare what was read with its digests.

        Raises:
            FormatError: For the first array that is another one than was written.
        """
        for member, digest, sums in self._waiting:
            self._reader.compare(member, sums(), digest)
        self._waiting.clear()


def _bytes(array: np.ndarray[Any, Any]) -> memoryview:
    """The memory of an array that is contiguous."""
    return array.reshape(-1).view(np.uint8).data
