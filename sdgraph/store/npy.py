"""The header of an array's member, numpy's format 1.0, written in one way only.

References:
    numpy, "A simple file format for NumPy arrays", numpy.lib.format: magic, version, length, a Python literal.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

_MAGIC: Final = b"\x93NUMPY\x01\x00"
_LINE: Final = 64
"""Bytes that a header is a multiple of: the data behind it is aligned where the header is."""


def header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """What stands before the elements, which follow in C order with the least significant byte first.

    Example:
        >>> header((2, 3), np.dtype("float32"))[10:].split(b", ")[0], len(header((2, 3), np.dtype("float32")))
        (b"{'descr': '<f4'", 128)
    """
    text = f"{{'descr': {little(dtype).str!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode("ascii")
    length = len(text) + 1
    length += -(len(_MAGIC) + 2 + length) % _LINE
    return _MAGIC + struct.pack("<H", length) + text.ljust(length - 1) + b"\n"


def little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype with the least significant byte first."""
    return dtype.newbyteorder("<")
