"""Arrays by name in numpy's ``.npz`` and in ``.safetensors``: what a file claims to have, and the arrays one by one.

What a file claims is looked at before anything is read for it. Must not know graphs.

References:
    numpy, "A simple file format for NumPy arrays", numpy.lib.format.
    The safetensors format: eight bytes with the length of a JSON header, the header, the data.
    P. Micikevicius et al., "FP8 formats for deep learning", 2022, arXiv:2209.05433: E4M3 and E5M2.
"""

from __future__ import annotations

import errno
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn, Protocol

import numpy as np

from sdgraph.errors import ArgumentError, DTypeError, FormatError, MissingDependencyError, SDGraphError, shown

Arrays = Mapping[str, np.ndarray[Any, Any]]

_CHUNK: Final = 1 << 22


class Entry(NamedTuple):
    """What a file says of one of its arrays: its dtype as the file has it, and where it is."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    place: Any


class ArrayReader(Protocol):
    """An open file of arrays."""

    entries: Mapping[str, Entry]
    """What it has, by name."""

    def read(self, entry: Entry) -> np.ndarray[Any, Any]:
        """One of the arrays, which takes as much memory as its shape says.

        Raises:
            DTypeError: If it does not hold numbers.
            FormatError: If it is damaged.
        """
        ...


class Format(NamedTuple):
    """How a file of arrays is checked, written and read."""

    check: Callable[[Arrays], None]
    write: Callable[[BinaryIO, Arrays], None]
    reader: Callable[[Path], AbstractContextManager[ArrayReader]]


@contextmanager
def _ours(path: Path) -> Iterator[None]:
    """What readers of files raise, most of them without a class in common, is one error; those of the system stay."""
    try:
        yield
    except SDGraphError:
        raise
    except Exception as e:
        # A place that no file has is a lie of the file's.
        if isinstance(e, OSError) and e.errno not in (None, errno.EINVAL):
            raise
        raise FormatError(
            f"{path} cannot be read: it is damaged, or no file of that form.",
            given=f"{type(e).__name__}: {str(e)[:200]}",
            fix="Take another copy of it.",
        ) from e


def _damaged(what: str) -> NoReturn:
    raise ValueError(what)


def _filled(shape: tuple[int, ...], dtype: np.dtype[Any], file: Any) -> np.ndarray[Any, Any]:
    """A vector of as many elements as the shape has, from where the file stands."""
    array = np.empty(int(np.prod(shape, dtype=object)), dtype)
    data, at = array.view(np.uint8).data if array.size else memoryview(b""), 0
    while at < len(data):
        part = file.read(min(_CHUNK, len(data) - at))
        if not part:
            _damaged("it ends too early")
        data[at : at + len(part)] = part
        at += len(part)
    return array


def _whole_bools(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Bools of one byte each, whatever a file has for True."""
    return array.view(np.uint8) != 0 if array.dtype == bool else array


# ---------------------------------------------------------------------- npz


def _check_npz(arrays: Arrays) -> None:
    pass


def _write_npz(file: BinaryIO, arrays: Arrays) -> None:
    # np.savez takes names as keywords, so that it cannot have all of them.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


class _Npz:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        entries: dict[str, Entry] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name in entries:
                _damaged(f"it has two arrays {name!r}")
            if name != info.filename:
                with archive.open(info) as member:
                    shape, _, dtype = _npy_header(member)
                entries[name] = Entry(name, shape, dtype, info)
        self.entries: Mapping[str, Entry] = entries

    def read(self, entry: Entry) -> np.ndarray[Any, Any]:
        dtype = entry.dtype
        if dtype.kind not in "biufc":
            raise DTypeError(f"The array {entry.name!r} does not hold numbers.", given=shown(dtype))
        with _ours(self._path), self._archive.open(entry.place) as member:
            shape, in_fortran, _ = _npy_header(member)
            array = _whole_bools(_filled(shape, dtype, member))
            if member.read(1):  # At its end the checksum is compared, too.
                _damaged("it has more data than its shape says")
        return array.reshape(shape[::-1]).T if in_fortran else array.reshape(shape)


def _npy_header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, in_fortran, dtype = np.lib.format.read_array_header_1_0(member)
    else:
        # The third version differs in the names of fields only, which an array of numbers does not have.
        shape, in_fortran, dtype = np.lib.format.read_array_header_2_0(member)
    if any(n < 0 for n in shape):
        _damaged("a size is negative")
    return tuple(shape), in_fortran, dtype


@contextmanager
def _read_npz(path: Path) -> Iterator[ArrayReader]:
    with open(path, "rb") as file:
        with _ours(path):
            reader = _Npz(path, zipfile.ZipFile(file))
        yield reader


# ---------------------------------------------------------------------- safetensors

_DTYPES: Final = {
    "BOOL": "bool",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "C64": "<c8",
    "BF16": "<u2",
    "F8_E5M2": "u1",
    "F8_E4M3": "u1",
}
"""How the elements of each dtype of safetensors lie in the file."""
_RESERVED: Final = "__metadata__"


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingDependencyError(
            "Files of the form .safetensors need the package safetensors, which is not installed.",
            fix="pip install 'sdgraph[weights]', or use .npz.",
        ) from None
    return safetensors


def _check_safetensors(arrays: Arrays) -> None:
    _safetensors()
    for name, array in arrays.items():
        if array.dtype.newbyteorder("<") not in {np.dtype(d) for d in _DTYPES.values()}:
            raise DTypeError(
                f"A file of the form .safetensors cannot hold {name!r}.", given=array.dtype.name, fix="Use .npz."
            )
        if name == _RESERVED:
            raise ArgumentError(f"A file of the form .safetensors cannot hold an array {name!r}.", fix="Use .npz.")


def _write_safetensors(file: BinaryIO, arrays: Arrays) -> None:
    plain = {name: np.asarray(a, a.dtype.newbyteorder("<"), order="C") for name, a in arrays.items()}
    file.write(_safetensors().numpy.save(plain))


class _Safetensors:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        length = int.from_bytes(file.read(8), "little")
        self._data = 8 + length
        header = json.loads(file.read(length))
        header.pop(_RESERVED, None)
        self.entries: Mapping[str, Entry] = {
            name: Entry(name, tuple(e["shape"]), e["dtype"], e["data_offsets"][0]) for name, e in header.items()
        }

    def read(self, entry: Entry) -> np.ndarray[Any, Any]:
        if entry.dtype not in _DTYPES:
            raise DTypeError(
                f"The array {entry.name!r} has a dtype that is not read.",
                given=shown(entry.dtype),
                expected=f"one of {', '.join(_DTYPES)}",
            )
        with _ours(self._path):
            self._file.seek(self._data + entry.place)
            raw = _filled(entry.shape, np.dtype(_DTYPES[entry.dtype]), self._file)
        return _WIDENED.get(entry.dtype, lambda raw: raw)(raw).reshape(entry.shape)


def _from_bfloat16(raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (raw.astype(np.uint32) << 16).view(np.float32)


def _from_e5m2(raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (raw.astype(np.uint16) << 8).view(np.float16)


def _from_e4m3(raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    codes = np.arange(256)
    exponent, fraction = codes >> 3 & 15, (codes & 7) / 8
    size = np.where(exponent == 0, fraction * 2.0**-6, (1 + fraction) * 2.0 ** (exponent - 7))
    table = np.where(codes & 127 == 127, np.nan, np.where(codes < 128, size, -size)).astype(np.float32)
    return table[raw]


_WIDENED: Final = {
    "BOOL": _whole_bools,
    "BF16": _from_bfloat16,
    "F8_E5M2": _from_e5m2,
    "F8_E4M3": _from_e4m3,
}
"""What numpy has no dtype for, as the smallest of its own that holds all its values."""


@contextmanager
def _read_safetensors(path: Path) -> Iterator[ArrayReader]:
    library = _safetensors()
    with open(path, "rb") as file:
        with _ours(path):
            # It looks whether the header is right, and no two arrays lie in the same place.
            with library.safe_open(path, framework="np"):
                pass
            reader = _Safetensors(path, file)
        yield reader


# ---------------------------------------------------------------------- suffixes

_FORMATS: Final = {
    ".npz": Format(_check_npz, _write_npz, _read_npz),
    ".safetensors": Format(_check_safetensors, _write_safetensors, _read_safetensors),
}
_TORCH: Final = "In PyTorch: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')."
_HINTS: Final = {
    ".sdg": "SameDiff.load(path) reads it; export_weights of that graph writes what this takes.",
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), _TORCH),
}


def of_suffix(path: Path) -> Format:
    """The format that a suffix stands for.

    Raises:
        ArgumentError: If there is none.
    """
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise ArgumentError(
            "The suffix says what sort of file it is.",
            given=shown(str(path)),
            expected=" or ".join(_FORMATS),
            fix=_HINTS.get(suffix),
        )
    return _FORMATS[suffix]
