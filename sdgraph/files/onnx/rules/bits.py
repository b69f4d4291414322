"""Operations on the bits of integers. ONNX shifts unsigned numbers only, so signed ones are read as such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdgraph.files.onnx.fragments import INT64, Recorder, Value
from sdgraph.files.onnx.registry import exports


def _pair(b: Recorder, x: Value, y: Value) -> tuple[Value, Value]:
    dtype = np.promote_types(x.dtype, y.dtype)
    return b.cast(x, dtype), b.cast(y, dtype)


def _bitwise(operator: str) -> Callable[..., Value]:
    return lambda b, *xs: getattr(b, operator)(*(b.cast(x, b.out.dtype) for x in xs))


for _name, _operator in (("and_", "And"), ("or_", "Or"), ("xor", "Xor"), ("toggle_bits", "Not")):
    exports(f"bitwise.{_name}")(_bitwise(f"Bitwise{_operator}"))


def _unsigned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"uint{8 * dtype.itemsize}")


def _shifted(b: Recorder, x: Value, y: Value, direction: str) -> Value:
    return b.BitShift(x, y, direction=direction)


@exports("bitwise.left_shift")
def _left(b: Recorder, x: Value, y: Value) -> Value:
    x, y = _pair(b, x, y)
    bits = _unsigned(x.dtype)
    return b.cast(_shifted(b, b.cast(x, bits), b.cast(y, bits), "LEFT"), b.out.dtype)


@exports("bitwise.right_shift")
def _right(b: Recorder, x: Value, y: Value) -> Value:
    """The sign is shifted in: the complement of a negative number has zeros there."""
    x, y = _pair(b, x, y)
    bits = _unsigned(x.dtype)
    if x.dtype.kind == "u":
        return _shifted(b, x, y, "RIGHT")
    negative = b.Less(x, 0)
    plain = b.select(negative, b.BitwiseNot(x), x)
    found = b.cast(_shifted(b, b.cast(plain, bits), b.cast(y, bits), "RIGHT"), x.dtype)
    return b.select(negative, b.BitwiseNot(found), found)


@exports("bitwise.left_shift_cyclic", "bitwise.right_shift_cyclic")
def _rotated(b: Recorder, x: Value, y: Value) -> Value:
    dtype = b.out.dtype
    width, bits = 8 * dtype.itemsize, _unsigned(dtype)
    word = b.cast(b.cast(x, dtype), bits)
    left = b.Mod(b.cast(y, INT64), width, fmod=0)
    right = b.Mod(b.Sub(b.value(width), left), width, fmod=0)
    if b.op == "bitwise.right_shift_cyclic":
        left, right = right, left
    upper = _shifted(b, word, b.cast(left, bits), "LEFT")
    return b.cast(b.BitwiseOr(upper, _shifted(b, word, b.cast(right, bits), "RIGHT")), dtype)


@exports("bitwise.bits_hamming_distance")
def _hamming(b: Recorder, x: Value, y: Value) -> Value:
    """Every bit of every difference, as a number of its own."""
    x, y = _pair(b, x, y)
    width = 8 * x.dtype.itemsize
    word = b.cast(b.cast(b.BitwiseXor(x, y), _unsigned(x.dtype)), "uint64")
    places = b.value(np.arange(width, dtype=np.uint64))
    rank = max(len(v.shape) for v in (x, y))
    bit = b.BitwiseAnd(_shifted(b, b.Unsqueeze(word, (rank,)), places, "RIGHT"), b.value(1, np.dtype("uint64")))
    return b.ReduceSum(b.cast(bit, INT64), keepdims=0)
