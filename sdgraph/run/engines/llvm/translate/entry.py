"""The way from Python into compiled code: one call that takes arrays as they are.

A call through ctypes with a pointer per array costs several microseconds. Here Python calls compiled code as a builtin
function: it reads each array's data pointer from the array object itself, lays out the blocks that regions expect, and
runs one region after another. Where the pointer stands in an array object is found out at start, not assumed.
The code is in ``entry.ll``. Must not know regions.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from sdgraph.run.engines.llvm.translate import machine

_METH_FASTCALL = 0x80
MOST_STACK = 1 << 16
"""Scratch memory of a call that stands on the stack, at most."""


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def _data_offset() -> int | None:
    """Where an array object holds its data pointer."""
    samples = [np.zeros(3), np.zeros((2, 5), np.float32)[1:], np.zeros((), np.int64)]
    word = ctypes.sizeof(ctypes.c_void_p)
    for offset in range(2 * word, np.ndarray.__basicsize__, word):
        if all(ctypes.c_void_p.from_address(id(a) + offset).value == a.ctypes.data for a in samples):
            return offset
    return None


def _text(offset: int, *, counts_none: bool) -> str:
    code = (files("sdgraph.run.engines.llvm.translate") / "entry.ll").read_text(encoding="utf-8")
    return Template(code).substitute(offset=offset, counts_none=str(counts_none).lower())


@functools.cache
def entry() -> Callable[..., None] | None:
    """``entry(program, *arrays)``, or None where array objects are not as expected."""
    offset = _data_offset()
    if offset is None or sys.implementation.name != "cpython":
        return None
    machine.add_symbol("_Py_NoneStruct", id(None))
    # From Python 3.12 on None is not counted.
    code = machine.kernel(_text(offset, counts_none=sys.version_info < (3, 12)))
    definition = _MethodDef(b"run_regions", code.addresses["entry"], _METH_FASTCALL, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    make.restype = ctypes.py_object
    _kept.append((definition, code))
    return make(ctypes.addressof(definition), None, None)


_kept: list[Any] = []
"""What the builtin refers to without owning it."""
