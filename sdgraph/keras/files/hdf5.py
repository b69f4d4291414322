"""HDF5 as Keras writes it, and nothing else of it: groups, numbers as they are, texts as attributes.

HDF5 can do more than that: name other files, hold datasets whose bytes are those of any file, claim sizes that it does
not store, and unpack one byte into a thousand. All of this is refused before it is followed. Must not know models.

References:
    The HDF Group, "HDF5 File Format Specification", version 3.0: III.E, Disk Format: Level 1E - Global Heap.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from sdgraph.errors import FormatError, MissingDependencyError, SDGraphError, shown

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_HEAP: Final = b"GCOL\x01"
_SMALLEST_HEAP: Final = 4096
_HEAP_OBJECT: Final = struct.Struct("<HHIQ")
_MOST_ARRAYS: Final = 200_000
_MOST_CHUNKS: Final = 10_000
"""Parts into which a long attribute is split."""


def library() -> Any:
    """The package h5py.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise MissingDependencyError(
            "Files of Keras that hold weights need the package h5py, which is not installed.",
            fix="pip install 'sdgraph[keras]'",
        ) from None
    return h5py


@contextmanager
def ours(where: str) -> Iterator[None]:
    """What a reader of files raises, which has no class in common, is one error."""
    try:
        yield
    except SDGraphError:
        raise
    except Exception as e:
        raise FormatError(f"{where} cannot be read: it is damaged.", given=f"{type(e).__name__}: {str(e)[:200]}") from e


@dataclass
class _Budget:
    """What one file may still take of memory, and what is known of it as a whole."""

    size: int
    left: int
    longest_text: int
    arrays: int = 0

    def count(self, where: str) -> None:
        self.arrays += 1
        if self.arrays > _MOST_ARRAYS:
            raise FormatError(
                f"{where}: the file has more arrays than any model.", expected=f"at most {_MOST_ARRAYS:,}"
            )

    def take(self, n: int, where: str) -> None:
        if n > self.left:
            raise FormatError(
                f"{where} would take more memory than is allowed for this file.",
                given=f"{n:,} bytes, where {max(self.left, 0):,} are left",
                fix="If you trust the file, give a larger max_bytes.",
            )
        self.left -= n


@dataclass(frozen=True)
class StoredArray:
    """An array in a file: what the file says of it, and `read`, which reads it."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _dataset: Any = field(repr=False)
    _budget: _Budget = field(repr=False)

    def read(self) -> np.ndarray[Any, Any]:
        """The array.

        Raises:
            FormatError: If the file is damaged there, or all arrays that were read take more than ``max_bytes``.
        """
        self._budget.take(self.dtype.itemsize * int(np.prod(self.shape, dtype=object)), self.path)
        with ours(self.path):
            array = np.empty(self.shape, self.dtype)
            if array.size:
                self._dataset.read_direct(array)
            return array


class Group:
    """A group in a file, which goes nowhere but further down in the same file."""

    def __init__(self, group: Any, path: str, budget: _Budget) -> None:
        self._group, self.path, self._budget = group, path, budget

    def __repr__(self) -> str:
        return f"Group({self.path or '/'!r})"

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def names(self) -> list[str]:
        """The names of what it has."""
        with ours(self.path or "/"):
            return list(self._group)

    @property
    def place(self) -> int:
        """Where it lies in the file, which two names of one group share."""
        with ours(self.path or "/"):
            return library().h5o.get_info(self._group.id).addr

    def has(self, path: str) -> bool:
        """Whether there is something of that path."""
        return self._found(path) is not None

    def _found(self, path: str) -> Any:
        """What lies there; None if nothing does."""
        h5py, here, walked = library(), self._group, self.path
        for name in path.split("/"):
            walked = f"{walked}/{name}" if walked else name
            if name in ("", "."):
                raise FormatError(f"{self._at(path)} is no path of a group.", given=shown(path))
            with ours(walked):
                key = name.encode("utf-8", "surrogateescape")
                # Whether a link is there is asked without following it, as `in` and `get` would.
                if not isinstance(here, h5py.Group) or not here.id.links.exists(key):
                    return None
                if here.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                    raise FormatError(f"{walked} is a link to another place, which is not followed.")
                here = here[name]
        return here

    def group(self, path: str) -> Group:
        """The group of that path.

        Raises:
            FormatError: If there is none.
        """
        found = self._found(path)
        if not isinstance(found, library().Group):
            raise FormatError(f"There is no group {self._at(path)}.", expected="a group")
        return Group(found, self._at(path), self._budget)

    def is_group(self, path: str) -> bool:
        """Whether there is a group of that path."""
        return isinstance(self._found(path), library().Group)

    def array(self, path: str) -> StoredArray:
        """The array of that path, which is not read yet.

        Raises:
            FormatError: If there is none, or the file claims of it what Keras does not write.
        """
        where, found = self._at(path), self._found(path)
        if not isinstance(found, library().Dataset):
            raise FormatError(f"There is no array {where}.", expected="an array")
        self._budget.count(where)
        with ours(where):
            _look_at(found, where, self._budget.size)
            return StoredArray(where, tuple(found.shape), found.dtype, found, self._budget)

    # ------------------------------------------------------------------ attributes

    def text(self, name: str) -> str | None:
        """The attribute of that name, which is a text; None if there is none."""
        found = self._attribute(name, 1)
        if found is None:
            return None
        return _text(found, f"{self._at('')}@{name}")

    def texts(self, name: str) -> list[str] | None:
        """The attribute of that name, which is a list of texts and may be in several parts; None if there is none."""
        whole = self._attribute(name, None)
        if whole is None:
            parts = []
            for k in range(_MOST_CHUNKS):
                part = self._attribute(f"{name}{k}", None)
                if part is None:
                    break
                parts.append(part)
            if not parts:
                return None
        else:
            parts = [whole]
        where = f"{self._at('')}@{name}"
        return [_text(one, where) for part in parts for one in np.atleast_1d(np.asarray(part, object)).ravel()]

    def _attribute(self, name: str, most: int | None) -> Any:
        h5py, where = library(), f"{self._at('')}@{name}"
        with ours(where):
            key = name.encode()
            if not h5py.h5a.exists(self._group.id, key):
                return None
            described = h5py.h5a.open(self._group.id, key)
            count = int(np.prod(described.shape, dtype=object)) if described.shape is not None else 0
            if most is not None and count > most:
                raise FormatError(f"{where} is a list, and one text is expected.", given=f"{count} elements")
            if count == 0:
                return []
            kind = described.get_type()
            if not isinstance(kind, h5py.h5t.TypeStringID):
                raise FormatError(f"{where} is no text.", given=shown(described.dtype))
            # Of texts without a fixed length all may be one and the same in the file, and still be read one by one.
            longest = self._budget.longest_text if kind.is_variable_str() else kind.get_size()
            if count * longest > max(self._budget.left, 0):
                raise FormatError(
                    f"{where} may take more memory than is allowed for this file.", given=f"{count} texts"
                )
            return self._group.attrs[name]


def _text(value: Any, where: str) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise FormatError(f"{where} is no text.", given=shown(value))
    return value


def _look_at(dataset: Any, where: str, size: int) -> None:
    """Whether an array is numbers that lie in this file as they are.

    Raises:
        FormatError: If it is anything else.
    """
    if dataset.external is not None or dataset.is_virtual:
        raise FormatError(f"The numbers of {where} lie outside of this file, where none are read.")
    if dataset.dtype.kind not in "fiub" or dataset.dtype.subdtype is not None or dataset.shape is None:
        raise FormatError(f"{where} does not hold numbers.", given=shown(dataset.dtype))
    if dataset.id.get_create_plist().get_nfilters():
        raise FormatError(
            f"{where} is compressed, which Keras does not write.",
            fix="Write it again as it is: h5repack -f NONE old new",
        )
    claimed, stored = dataset.nbytes, dataset.id.get_storage_size()
    if claimed > min(stored, size):
        raise FormatError(
            f"{where} claims to be larger than what is stored of it.",
            given=f"{shown(dataset.shape)}, {claimed:,} bytes of which {min(stored, size):,} are stored",
        )


@contextmanager
def opened(data: bytes, where: str, max_bytes: int) -> Iterator[Group]:
    """The root of a file that was read into memory, so that there is no folder which it could name others in.

    Args:
        data: The file.
        where: What errors call it.
        max_bytes: Bytes of all arrays that may be read from it.

    Raises:
        MissingDependencyError: If h5py is not installed.
        FormatError: If it is damaged.
    """
    h5py = library()
    budget = _Budget(len(data), max_bytes, _longest_text(data))
    with ours(where):
        file = h5py.File(io.BytesIO(data), "r")
    try:
        yield Group(file, "", budget)
    finally:
        file.close()


def _longest_text(data: bytes) -> int:
    """The most bytes that one text of no fixed length can have: the largest object of any global heap.

    Raises:
        FormatError: If a heap is not filled by its objects, on which the library may not come to an end.
    """
    longest, at = 0, data.find(_HEAP)
    while at >= 0:
        size = int.from_bytes(data[at + 8 : at + 16], "little")
        # What is smaller, or ends behind the file, is no heap for the library either: it only looks like one.
        if _SMALLEST_HEAP <= size <= len(data) - at:
            longest = max(longest, _longest_object(data, at + 16, at + size))
        at = data.find(_HEAP, at + 1)
    return longest


def _longest_object(data: bytes, here: int, end: int) -> int:
    longest = 0
    while here + _HEAP_OBJECT.size <= end:
        index, _, _, length = _HEAP_OBJECT.unpack_from(data, here)
        # Number 0 is what is free, which counts its own head.
        step = _HEAP_OBJECT.size + length + -length % 8 if index else length
        if step < _HEAP_OBJECT.size or here + step > end:
            raise FormatError(f"The texts of the file are damaged, at byte {here}.")
        longest = max(longest, length)
        here += step
    return longest
