"""Memory of large results, used again when nobody refers to them any more.

Fresh memory costs a page fault per page, which takes longer than many a loss does to fill it. So the memory of large
arrays comes back here when the array and all its views are gone, and the next call gets it. Must not know plans.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

LARGE = 1 << 20
"""Bytes from which arrays are made here; smaller ones are no faster."""
KEPT = 1 << 28
"""Bytes of unused memory kept, at most."""

ALIGN = 64
"""A line of the caches, at whose start a large array begins."""
_PAGE, _INTO_PAGE = 1 << 12, 1 << 10
"""Large arrays of numpy's begin where a page does. One that began there too would be written just where, within a page,
the next elements of the others are read, and CPUs take addresses for equal that are equal within a page."""

# Memory comes back whenever an array dies: in any thread, amid a call of `empty`, in a signal's handler. So there are
# no locks and no counters here, only single operations on lists.
_free: dict[int, list[_Memory]] = {}


class _Memory(NamedTuple):
    """Bytes, and the address among the first of them where an array begins."""

    array: np.ndarray[Any, Any]
    address: int


class _Loan:
    """What an array made here is a view of: alive as long as the array or any view of it."""

    __slots__ = ("__array_interface__", "_memory")

    def __init__(self, memory: _Memory, size: int) -> None:
        self._memory = memory
        self.__array_interface__ = {
            "version": 3,
            "data": (memory.address, False),
            "shape": (size,),
            "typestr": "|u1",
        }

    def __del__(self) -> None:
        if _give_back is not None:  # It is None when Python ends.
            _give_back(self._memory)


def _rounded(size: int) -> int:
    """The size of memory that serves an array: one of eight per power of two, so that similar sizes share."""
    step = 1 << max(size.bit_length() - 4, 12)
    return -(-size // step) * step


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Like ``numpy.empty``, in memory that was used before if there is some."""
    size = dtype.itemsize
    for d in shape:
        size *= d
    if size < LARGE:
        return np.empty(shape, dtype)
    loan = _Loan(_memory(_rounded(size) + _PAGE), size)
    return np.ndarray(shape, dtype, np.asarray(loan))


def _memory(size: int) -> _Memory:
    try:
        return _free[size].pop()
    except (KeyError, IndexError):
        fresh = np.empty(size, np.uint8)
    address = fresh.ctypes.data
    return _Memory(fresh, address + (_INTO_PAGE - address) % _PAGE)


def kept() -> int:
    """Bytes of unused memory that wait to be used again."""
    return sum(size * len(several) for size, several in list(_free.items()))


def _give_back(memory: _Memory) -> None:
    size = memory.array.size
    if kept() + size <= KEPT:
        _free.setdefault(size, []).append(memory)
