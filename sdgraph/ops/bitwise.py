"""Operations on the bits of integers: ``sd.bitwise``.

Operands are integers of any width; values of another kind are refused, because their bits mean something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import NOT_DIFFERENTIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError
from sdgraph.infer.aval import Aval
from sdgraph.infer.shapes import INT64, elementwise

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand


def _integers(*avals: Aval, **_: Any) -> Aval:
    """Broadcast shape, promoted integer dtype.

    Returns:
        The broadcast shape, the promoted dtype. There is no gradient.

    Raises:
        DTypeError: If an operand is not an integer, or no integer dtype holds both.
        ShapeError: If the shapes do not broadcast.
    """
    bad = [a.dtype.name for a in avals if a.dtype.kind not in "iu"]
    if bad:
        raise DTypeError(
            "Operations on bits are for integers.",
            given=", ".join(a.dtype.name for a in avals),
            expected="integers",
            fix="Cast the operands: v.cast('int64').",
        )
    out = elementwise(*avals)
    if out.dtype.kind not in "iu":
        raise DTypeError(
            "No integer dtype holds both operands.",
            given=", ".join(a.dtype.name for a in avals),
            fix="Cast one of them: v.cast('int64').",
        )
    return out


def _integer(x: Aval) -> Aval:
    """The operand's aval; it must be of integers.

    Returns:
        The same shape and dtype. There is no gradient.

    Raises:
        DTypeError: If ``x`` is not an integer.
    """
    return _integers(x)


_integers.broadcasts = _integer.broadcasts = True  # type: ignore[attr-defined]


def _total(x: Aval, y: Aval) -> Aval:
    """A scalar.

    Returns:
        A scalar, int64. There is no gradient.

    Raises:
        DTypeError: If an operand is not an integer, or no integer dtype holds both.
        ShapeError: If the shapes do not broadcast.
    """
    _integers(x, y)
    return Aval((), INT64)


def _unsigned(x: Any) -> Any:
    """The same bits as an unsigned number."""
    return x.astype(np.dtype(f"uint{8 * x.dtype.itemsize}"))


def _rotate(xp: Any, x: Any, y: Any, sign: int) -> Any:
    """The bits of ``x`` moved to the left by ``sign * y``; those that leave come back at the other end."""
    dtype = np.promote_types(x.dtype, y.dtype)
    width = 8 * dtype.itemsize
    bits = _unsigned(x.astype(dtype))
    left = y.astype(INT64) % width
    left = left if sign > 0 else (width - left) % width
    right = (width - left) % width
    return ((bits << left.astype(bits.dtype)) | (bits >> right.astype(bits.dtype))).astype(dtype)


def _hamming_distance(xp: Any, x: Any, y: Any) -> Any:
    # Bits of a signed number are counted as those of its absolute value, so it is read as unsigned first.
    return xp.sum(xp.bitwise_count(_unsigned(xp.bitwise_xor(x, y))).astype(INT64))


_SHARED = {
    "x": "Integers of any shape.",
    "y": "Integers; the shapes broadcast.",
    "shift": "Numbers of places; the shapes broadcast.",
}


class SDBitwise(Namespace, prefix="bitwise", shared=_SHARED):
    """Operations on the bits of integers (``sd.bitwise``). None of them has a gradient."""

    @primitive(infer=_integers, kernel="bitwise_and", vjp=NOT_DIFFERENTIABLE, commutes=True)
    def and_(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """The bits that are set in both operands.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [0b1100, 0b1010], dtype="int32")
            >>> sd.bitwise.and_(x, 0b0110).eval()
            array([4, 2], dtype=int32)
        """
        ...

    @primitive(infer=_integers, kernel="bitwise_or", vjp=NOT_DIFFERENTIABLE, commutes=True)
    def or_(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """The bits that are set in at least one operand.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [0b1100, 0b1010], dtype="int32")
            >>> sd.bitwise.or_(x, 0b0001).eval()
            array([13, 11], dtype=int32)
        """
        ...

    @primitive(infer=_integers, kernel="bitwise_xor", vjp=NOT_DIFFERENTIABLE, commutes=True)
    def xor(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """The bits in which the operands differ.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [0b1100, 0b1010], dtype="int32")
            >>> sd.bitwise.xor(x, 0b1111).eval()
            array([3, 5], dtype=int32)
        """
        ...

    @primitive(infer=_integer, kernel="invert", vjp=NOT_DIFFERENTIABLE)
    def toggle_bits(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Every bit flipped; for signed numbers that is ``-x - 1``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.toggle_bits(sd.constant("x", [0, 255], dtype="uint8")).eval()
            array([255,   0], dtype=uint8)
        """
        ...

    @primitive(infer=_integers, kernel="left_shift", vjp=NOT_DIFFERENTIABLE, domain=(0, 7))
    def left_shift(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Bits moved ``y`` places to the left; zeros follow. Bits that leave are lost.

        Args:
            y: Numbers of places, 0 or more; a shift by the whole width or more gives 0. The shapes broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.left_shift(sd.constant("x", [1, 3], dtype="int32"), 2).eval()
            array([ 4, 12], dtype=int32)
        """
        ...

    @primitive(infer=_integers, kernel="right_shift", vjp=NOT_DIFFERENTIABLE, domain=(0, 7))
    def right_shift(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Bits moved ``y`` places to the right; the sign of a signed number is kept.

        Args:
            y: Numbers of places, 0 or more. The shapes broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.right_shift(sd.constant("x", [12, -12], dtype="int32"), 2).eval()
            array([ 3, -3], dtype=int32)
        """
        ...

    @primitive(infer=_integers, kernel=lambda xp, x, y: _rotate(xp, x, y, 1), vjp=NOT_DIFFERENTIABLE, domain=(0, 7))
    def left_shift_cyclic(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Bits moved ``y`` places to the left; those that leave come back at the right.

        Args:
            y: Numbers of places, taken modulo the width of the promoted dtype. The shapes broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.left_shift_cyclic(sd.constant("x", [0b10000001], dtype="uint8"), 1).eval()
            array([3], dtype=uint8)
        """
        ...

    @primitive(infer=_integers, kernel=lambda xp, x, y: _rotate(xp, x, y, -1), vjp=NOT_DIFFERENTIABLE, domain=(0, 7))
    def right_shift_cyclic(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Bits moved ``y`` places to the right; those that leave come back at the left.

        Args:
            y: Numbers of places, taken modulo the width of the promoted dtype. The shapes broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.right_shift_cyclic(sd.constant("x", [0b00000011], dtype="uint8"), 1).eval()
            array([129], dtype=uint8)
        """
        ...

    @primitive(infer=_total, kernel=_hamming_distance, vjp=NOT_DIFFERENTIABLE)
    def bits_hamming_distance(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """The number of bits in which the operands differ, over all elements.

        References:
            R. W. Hamming, "Error detecting and error correcting codes", Bell System Technical Journal 29, 1950.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [0b01100000, 0], dtype="uint8")
            >>> sd.bitwise.bits_hamming_distance(x, sd.constant("y", [0b10100000, 1], dtype="uint8")).eval()
            array(3)
        """
        ...

    # ------------------------------------------------------------------ SameDiff's other names

    @composite
    def bit_shift(self, x: Operand, shift: Operand, *, name: str | None = None) -> SDVariable:
        """The same as `left_shift`.

        Returns:
            The broadcast shape, the promoted dtype. There is no gradient.

        Raises:
            DTypeError: If an operand is not an integer, or no integer dtype holds both.
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.bit_shift(sd.constant("x", [1], dtype="int32"), 3).eval()
            array([8], dtype=int32)
        """
        return self.left_shift(x, shift)

    @composite
    def bit_shift_right(self, x: Operand, shift: Operand, *, name: str | None = None) -> SDVariable:
        """The same as `right_shift`.

        Returns:
            The broadcast shape, the promoted dtype. There is no gradient.

        Raises:
            DTypeError: If an operand is not an integer, or no integer dtype holds both.
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.bit_shift_right(sd.constant("x", [8], dtype="int32"), 3).eval()
            array([1], dtype=int32)
        """
        return self.right_shift(x, shift)

    @composite
    def bit_rotl(self, x: Operand, shift: Operand, *, name: str | None = None) -> SDVariable:
        """The same as `left_shift_cyclic`.

        Returns:
            The broadcast shape, the promoted dtype. There is no gradient.

        Raises:
            DTypeError: If an operand is not an integer, or no integer dtype holds both.
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.bit_rotl(sd.constant("x", [128], dtype="uint8"), 1).eval()
            array([1], dtype=uint8)
        """
        return self.left_shift_cyclic(x, shift)

    @composite
    def bit_rotr(self, x: Operand, shift: Operand, *, name: str | None = None) -> SDVariable:
        """The same as `right_shift_cyclic`.

        Returns:
            The broadcast shape, the promoted dtype. There is no gradient.

        Raises:
            DTypeError: If an operand is not an integer, or no integer dtype holds both.
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.bitwise.bit_rotr(sd.constant("x", [1], dtype="uint8"), 1).eval()
            array([128], dtype=uint8)
        """
        return self.right_shift_cyclic(x, shift)
