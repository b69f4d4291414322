"""The way from Python into compiled code: one call that takes arrays as they are.

A call through ctypes with a pointer per array costs several microseconds. Here Python calls compiled code as a builtin
function: it reads each array's data pointer from the array object itself, lays out the blocks that regions expect, and
runs one region after another. Where the pointer stands in an array object is found out at start, not assumed.
Must not know regions.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
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
    count = (
        """
  %count = load i64, ptr @_Py_NoneStruct
  %more = add i64 %count, 1
  store i64 %more, ptr @_Py_NoneStruct"""
        if counts_none
        else ""
    )
    return f"""
@_Py_NoneStruct = external global i64
define ptr @.entry(ptr %self, ptr %args, i64 %nargs) {{
start:
  %first = load ptr, ptr %args
  %first.data = getelementptr i8, ptr %first, i64 {offset}
  %program = load ptr, ptr %first.data
  %scratches = load i64, ptr %program
  %bytes.at = getelementptr i64, ptr %program, i64 1
  %bytes = load i64, ptr %bytes.at
  %regions.at = getelementptr i64, ptr %program, i64 2
  %regions = load i64, ptr %regions.at
  %most.at = getelementptr i64, ptr %program, i64 3
  %most = load i64, ptr %most.at
  %offsets = getelementptr i64, ptr %program, i64 4
  %body = getelementptr i64, ptr %offsets, i64 %scratches
  %objects = sub i64 %nargs, 1
  %places = add i64 %objects, %scratches
  %table = alloca i64, i64 %places
  %scratch = alloca i8, i64 %bytes, align 64
  %base = ptrtoint ptr %scratch to i64
  %block = alloca i64, i64 %most
  br label %arrays
arrays:
  %k = phi i64 [0, %start], [%k1, %array]
  %c1 = icmp slt i64 %k, %objects
  br i1 %c1, label %array, label %places.loop
array:
  %k1 = add i64 %k, 1
  %object.at = getelementptr ptr, ptr %args, i64 %k1
  %object = load ptr, ptr %object.at
  %data.at = getelementptr i8, ptr %object, i64 {offset}
  %data = load i64, ptr %data.at
  %to1 = getelementptr i64, ptr %table, i64 %k
  store i64 %data, ptr %to1
  br label %arrays
places.loop:
  %s = phi i64 [0, %arrays], [%s1, %place]
  %c2 = icmp slt i64 %s, %scratches
  br i1 %c2, label %place, label %regions.loop
place:
  %s1 = add i64 %s, 1
  %offset.at = getelementptr i64, ptr %offsets, i64 %s
  %offset = load i64, ptr %offset.at
  %where = add i64 %base, %offset
  %index = add i64 %objects, %s
  %to2 = getelementptr i64, ptr %table, i64 %index
  store i64 %where, ptr %to2
  br label %places.loop
regions.loop:
  %r = phi i64 [0, %places.loop], [%r1, %called]
  %p = phi ptr [%body, %places.loop], [%next, %called]
  %c3 = icmp slt i64 %r, %regions
  br i1 %c3, label %region, label %done
region:
  %function = load ptr, ptr %p
  %numbers.at = getelementptr i64, ptr %p, i64 1
  %numbers = load i64, ptr %numbers.at
  %pointers.at = getelementptr i64, ptr %p, i64 2
  %pointers = load i64, ptr %pointers.at
  %content = getelementptr i64, ptr %p, i64 3
  br label %numbers.loop
numbers.loop:
  %n = phi i64 [0, %region], [%n1, %number]
  %c4 = icmp slt i64 %n, %numbers
  br i1 %c4, label %number, label %pointers.start
number:
  %n1 = add i64 %n, 1
  %from4 = getelementptr i64, ptr %content, i64 %n
  %value4 = load i64, ptr %from4
  %to4 = getelementptr i64, ptr %block, i64 %n
  store i64 %value4, ptr %to4
  br label %numbers.loop
pointers.start:
  %indices = getelementptr i64, ptr %content, i64 %numbers
  %block.pointers = getelementptr i64, ptr %block, i64 %numbers
  br label %pointers.loop
pointers.loop:
  %q = phi i64 [0, %pointers.start], [%q1, %pointer]
  %c5 = icmp slt i64 %q, %pointers
  br i1 %c5, label %pointer, label %call
pointer:
  %q1 = add i64 %q, 1
  %from5 = getelementptr i64, ptr %indices, i64 %q
  %place5 = load i64, ptr %from5
  %entry5 = getelementptr i64, ptr %table, i64 %place5
  %value5 = load i64, ptr %entry5
  %to5 = getelementptr i64, ptr %block.pointers, i64 %q
  store i64 %value5, ptr %to5
  br label %pointers.loop
call:
  call void %function(ptr %block)
  br label %called
called:
  %r1 = add i64 %r, 1
  %next = getelementptr i64, ptr %indices, i64 %pointers
  br label %regions.loop
done:{count}
  ret ptr @_Py_NoneStruct
}}
"""


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
