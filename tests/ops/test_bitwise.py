"""Bit operations on every width and sign of integer."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import DTypeError, GradientError

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def samples(dtype):
    info = np.iinfo(dtype)
    return np.array([info.min, info.max, 0, 1, 2, 37], dtype)


def bits(x, width):
    return int(x) % 2**width


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("shift", [0, 1, 3, 7, 8, 70, -1])
def test_cyclic_shifts_are_rotations(dtype, shift):
    x = samples(dtype)
    width = 8 * x.itemsize
    sd = SameDiff()
    v, n = sd.constant("x", x), sd.constant("n", np.array(shift % 128, dtype))
    n = n if shift >= 0 or np.dtype(dtype).kind == "u" else sd.constant("m", np.array(shift, dtype))
    places = int(n.value) % width

    def rotate(b, k):
        return ((b << k) | (b >> (width - k))) % 2**width

    left = sd.bitwise.left_shift_cyclic(v, n)
    right = sd.bitwise.right_shift_cyclic(v, n)
    assert left.dtype == right.dtype == dtype
    assert [bits(a, width) for a in left.eval()] == [rotate(bits(a, width), places) for a in x]
    assert [bits(a, width) for a in right.eval()] == [rotate(bits(a, width), (width - places) % width) for a in x]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_hamming_distance_counts_all_bits(dtype):
    x = samples(dtype)
    width = 8 * x.itemsize
    sd = SameDiff()
    got = sd.bitwise.bits_hamming_distance(sd.constant("x", x), sd.constant("y", x[::-1]))
    assert got.shape == ()
    assert int(got.eval()) == sum(
        (bits(a, width) ^ bits(b, width)).bit_count() for a, b in zip(x, x[::-1], strict=True)
    )


@pytest.mark.parametrize("dtype", INTEGERS)
def test_logic_and_shifts(dtype):
    x = samples(dtype)
    sd = SameDiff()
    v = sd.constant("x", x)
    np.testing.assert_array_equal(sd.bitwise.and_(v, 5).eval(), x & 5)
    np.testing.assert_array_equal(sd.bitwise.or_(v, 5).eval(), x | 5)
    np.testing.assert_array_equal(sd.bitwise.xor(v, 5).eval(), x ^ 5)
    np.testing.assert_array_equal(sd.bitwise.toggle_bits(v).eval(), ~x)
    for left, right in (
        (sd.bitwise.left_shift, sd.bitwise.right_shift),
        (sd.bitwise.bit_shift, sd.bitwise.bit_shift_right),
    ):
        np.testing.assert_array_equal(left(v, 3).eval(), x << 3)
        np.testing.assert_array_equal(right(v, 3).eval(), x >> 3)


def test_mixed_widths_promote():
    sd = SameDiff()
    y = sd.bitwise.bit_rotl(sd.constant("x", [128], dtype="uint8"), sd.constant("n", [1], dtype="int64"))
    assert y.dtype == "int64"
    np.testing.assert_array_equal(y.eval(), [256])


def test_other_numbers_are_refused():
    sd = SameDiff()
    with pytest.raises(DTypeError, match=r"(?s)sd\.bitwise\.and_: .*for integers.*Cast the operands"):
        sd.bitwise.and_(sd.constant("x", [1.0]), 1)
    with pytest.raises(DTypeError, match="for integers"):
        sd.bitwise.toggle_bits(sd.constant("b", [True]))
    with pytest.raises(DTypeError, match="No integer dtype holds both"):
        sd.bitwise.or_(sd.constant("s", [1], dtype="int64"), sd.constant("u", [1], dtype="uint64"))


def test_gradient_through_bits_is_an_error():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [1.0, 2.0])
    y = sd.cast(sd.bitwise.left_shift(sd.cast(x, "int64"), 1), "float64")
    with pytest.raises(GradientError):
        sd.grad(y, x)
