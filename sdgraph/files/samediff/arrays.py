"""The arrays of SameDiff's files, as numpy's and back.

An array there is the text of its shape, its bytes, a code for its dtype, and whether the bytes are big-endian, which
Java's always are. Must not know whose values they are.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from sdgraph.files.samediff.schema import (
    BFLOAT16,
    BIG_ENDIAN,
    CODES,
    DTYPE_NAMES,
    DTYPES,
    EMPTY_FLAG,
    LITTLE_ENDIAN,
    SHAPE_FLAGS,
    UTF8,
    Record,
)
from sdgraph.files.samediff.tables import Damaged

_MOST_AXES: Final = 32
_ORDERS: Final = {ord("c"), ord("f")}


def dtype_of(code: Any) -> np.dtype[Any]:
    """The dtype that a code stands for; bfloat16, which numpy lacks, becomes float32, that can hold it.

    Raises:
        Damaged: For another code.
    """
    if code == BFLOAT16:
        return np.dtype("float32")
    if code not in DTYPES:
        raise Damaged(f"it has an array of the dtype {DTYPE_NAMES.get(code, code)}, which numpy has not")
    return DTYPES[code]


def to_numpy(record: Record) -> np.ndarray[Any, Any]:
    """A numeric array of a file.

    Raises:
        Damaged: If it is none.
    """
    code, (shape, strides, flags) = record["dtype"], _layout(record)
    wanted = dtype_of(code)
    stored = np.dtype("uint16") if code == BFLOAT16 else wanted
    if record["byte_order"] not in (None, LITTLE_ENDIAN, BIG_ENDIAN):
        raise Damaged("an array has bytes in an order that there is not")
    stored = stored.newbyteorder(">" if record["byte_order"] else "<")
    data = record["buffer"]
    if not data and (flags & EMPTY_FLAG or 0 in shape):
        return np.zeros(shape or (0,), wanted)
    n = math.prod(shape)
    if data is None or n * stored.itemsize != len(data):
        raise Damaged(f"an array of shape {shape} has {len(data or b'')} bytes")
    try:
        array = np.ndarray(shape, stored, data, strides=[s * stored.itemsize for s in strides])
    except (ValueError, OverflowError, TypeError):
        raise Damaged(f"an array of shape {shape} has steps that lead out of it") from None
    if code == BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    if wanted.kind == "b":
        return array.view(np.uint8) != 0
    return array.astype(wanted, order="C")


def texts(record: Record) -> np.ndarray[Any, Any]:
    """An array of texts: of objects, because numpy's own texts have one length.

    Raises:
        Damaged: If it is none.
    """
    shape, _, _ = _layout(record)
    data, n = record["buffer"] or b"", math.prod(shape)
    # Where a text ends is little-endian whatever the array says of its bytes.
    head = 8 * (n + 1)
    if len(data) < head:
        raise Damaged("an array of texts does not say where they are")
    ends = np.frombuffer(data[:head], "<i8").tolist()
    if ends[0] != 0 or ends[-1] != len(data) - head or ends != sorted(ends):
        raise Damaged("an array of texts says wrongly where they are")
    found = np.empty(n, object)
    for k in range(n):
        found[k] = _text(bytes(data[head + ends[k] : head + ends[k + 1]]))
    return found.reshape(shape)


def is_text(record: Record) -> bool:
    """Whether an array holds texts."""
    return record["dtype"] == UTF8


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # one byte for each character, as Java puts them


def _layout(record: Record) -> tuple[tuple[int, ...], list[int], int]:
    """Sizes, steps and flags of an array."""
    info = record["shape"]
    if not info or not 0 <= info[0] <= _MOST_AXES or len(info) != 2 * info[0] + 4 or info[-1] not in _ORDERS:
        raise Damaged("an array has no shape")
    rank = info[0]
    shape = tuple(info[1 : 1 + rank])
    if any(d < 0 for d in shape) or math.prod(shape) > 2**62:
        raise Damaged(f"an array has the shape {shape}")
    return shape, info[1 + rank : 1 + 2 * rank], info[2 * rank + 1]


def from_numpy(array: Any) -> Record:
    """A numeric array for a file: in C order, its bytes big-endian, as Java writes them.

    Example:
        >>> import numpy as np
        >>> to_numpy(from_numpy(np.array([[1.0, 2.0]])))
        array([[1., 2.]])
    """
    array = np.asarray(array)
    code = CODES[array.dtype.newbyteorder("=")]
    steps = [0 if array.size == 0 else math.prod(array.shape[k + 1 :]) for k in range(array.ndim)]
    flags = SHAPE_FLAGS[code] | (EMPTY_FLAG if array.size == 0 else 0)
    info = [array.ndim, *array.shape, *steps, flags, int(array.size > 0), ord("c")]
    data = None if array.size == 0 else np.ascontiguousarray(array, array.dtype.newbyteorder(">")).tobytes()
    return Record(shape=info, buffer=data, dtype=code, byte_order=BIG_ENDIAN)
