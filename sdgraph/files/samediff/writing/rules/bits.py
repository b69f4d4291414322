"""Rules of the ops on bits of integers. None of them has a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from sdgraph.files.samediff.writing.call import INT64, Call, Written
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.rules.elementwise import whole_remainder

Rule = Callable[[Call], Written]


def _bits(op_name: str) -> Rule:
    return lambda c: c.pair(op_name, *(c.cast(x, c.dtype) for x in c.inputs))


def _toggled(c: Call) -> Value:
    """The largest number less this one, which for signed numbers is -1."""
    return c.pair("reversesubtract", c.x, c.number(-1 if c.dtype.kind == "i" else np.iinfo(c.dtype).max))


def _left(c: Call) -> Value:
    """SameDiff takes the shift modulo the width: by the width and more, all bits are shifted out."""
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    inside = c.mask(c.compared("less", y, 8 * c.dtype.itemsize))
    return c.mul(c.pair("shift_bits", x, y), inside)


def _right(c: Call) -> Value:
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    width = 8 * c.dtype.itemsize
    if c.dtype.kind == "u":
        return c.mul(c.pair("rshift_bits", x, y), c.mask(c.compared("less", y, width)))
    return c.pair("rshift_bits", x, c.pair("minimum", y, c.number(width - 1)))


def _turned(c: Call, way: int) -> Value:
    """Shifted both ways, and put together: SameDiff's own rotation shifts the sign in."""
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    width = 8 * c.dtype.itemsize
    left = whole_remainder(c, c.mul(y, c.number(way)) if way < 0 else y, c.number(width))
    right = c.pair("minimum", c.pair("reversesubtract", left, c.number(width)), c.number(width - 1))
    ones = c.array("ones", -1 if c.dtype.kind == "i" else np.iinfo(c.dtype).max)
    lowest = c.pair("bitwise_xor", c.pair("shift_bits", c.filled(ones, left), left), ones)
    came_in = c.pair("bitwise_and", c.pair("rshift_bits", x, right), lowest)
    return c.pair("bitwise_or", c.pair("shift_bits", x, left), came_in)


def _distance(c: Call) -> Value:
    """Bit by bit: SameDiff's own op counts bits that negative numbers do not have."""
    dtype = np.promote_types(*(v.dtype for v in c.inputs))
    x, y = (c.cast(v, dtype) for v in c.inputs)
    differ = c.pair("bitwise_xor", x, y)
    places = c.array("places", np.arange(8 * dtype.itemsize), dtype)
    shifted = c.pair("rshift_bits", c.expand(differ, differ.rank), places)
    bits = c.cast(c.pair("bitwise_and", shifted, c.array("one", 1, dtype)), INT64)
    return c.reduce("reduce_sum", bits, range(bits.rank))


RULES: Final[dict[str, Rule]] = {
    "bitwise.and_": _bits("bitwise_and"),
    "bitwise.or_": _bits("bitwise_or"),
    "bitwise.xor": _bits("bitwise_xor"),
    "bitwise.toggle_bits": _toggled,
    "bitwise.left_shift": _left,
    "bitwise.right_shift": _right,
    "bitwise.left_shift_cyclic": lambda c: _turned(c, 1),
    "bitwise.right_shift_cyclic": lambda c: _turned(c, -1),
    "bitwise.bits_hamming_distance": _distance,
}
