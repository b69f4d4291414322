"""The way from Python into compiled code: one call that takes arrays as they are.

A call through ctypes with a pointer per array costs several microseconds. Here Python calls compiled code as a builtin
function: it reads each array's data pointer from the array object itself, lays out the blocks that regions expect, runs
one region after another, and looks whether all counts that must be 0 are. Where the pointer stands in an array object
is found out at start, not assumed.
The code is in ``layout.ll``, ``whole.ll`` and ``entry.ll``; what large arrays need besides is in ``crew.py``, and calls
whose arrays stay where they are in ``laid.py``. Must not know regions.
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


class _Follower:
    """Puts the address of better code into a builtin, which reads it at each call."""

    def __init__(self, definition: _MethodDef, name: str) -> None:
        self._definition, self._name = definition, name

    def renewed(self, kernel: machine.Kernel) -> None:
        self._definition.function = kernel.addresses[self._name]


@functools.cache
def _data_offset() -> int | None:
    """Where an array object holds its data pointer."""
    samples = [np.zeros(3), np.zeros((2, 5), np.float32)[1:], np.zeros((), np.int64)]
    word = ctypes.sizeof(ctypes.c_void_p)
    for offset in range(2 * word, np.ndarray.__basicsize__, word):
        if all(ctypes.c_void_p.from_address(id(a) + offset).value == a.ctypes.data for a in samples):
            return offset
    return None


HEAD = 6
"""Words that a program begins with."""


def text(*names: str, **places: object) -> str:
    """Code from files of this folder, with what they leave open."""
    folder = files("sdgraph.run.engines.llvm.translate")
    whole = "\n".join((folder / f"{name}.ll").read_text(encoding="utf-8") for name in names)
    return Template(whole).substitute(offset=_data_offset(), head=HEAD, **places)


def defined(code: machine.Kernel, name: str) -> _MethodDef:
    """A function of compiled code that takes Python's arguments, for `bound`. What there is of it stays."""
    definition = _MethodDef(b"run_regions", code.addresses[name], _METH_FASTCALL, None)
    follower = _Follower(definition, name)
    code.follow(follower)
    _kept.append((definition, code, follower))
    return definition


def bound(definition: _MethodDef, own: object = None) -> Callable[..., Any]:
    """It as a builtin, with an object of its own that the code gets first."""
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    make.restype = ctypes.py_object
    return make(ctypes.addressof(definition), own, None)


def builtin(code: machine.Kernel, name: str) -> Callable[..., Any]:
    """A function of compiled code that takes Python's arguments, as a builtin."""
    return bound(defined(code, name))


@functools.cache
def reads_arrays() -> bool:
    """Whether array objects are as compiled code expects."""
    return sys.implementation.name == "cpython" and _data_offset() is not None


@functools.cache
def entry() -> Callable[..., bool | None] | None:
    """``entry(program, *arrays)``, which tells if a check failed, or None where array objects are not as expected."""
    if not reads_arrays():
        return None
    return builtin(machine.kernel(answering("entry")), "entry")


def answering(name: str, **places: object) -> str:
    """Code of functions for Python that run small segments and answer with its constants."""
    machine.add_symbols({"_Py_NoneStruct": id(None), "_Py_TrueStruct": id(True), "_Py_FalseStruct": id(False)})
    # From Python 3.12 on they are not counted.
    counted = str(sys.version_info < (3, 12)).lower()
    return text("layout", "whole", name, counts_none=counted, **places)


_kept: list[Any] = []
"""What builtins refer to without owning it."""
