"""Counts and places of ``sd.math``: how many elements are something, where the first is, whether they increase.

Each is a composite of comparisons and reductions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.ops.reductions import REDUCTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Axis, Operand


def _neighbours(x: SDVariable) -> tuple[SDVariable, SDVariable]:
    """All elements but the first, and all but the last, of the flattened array."""
    sd = x.sd
    flat = sd.reshape(x, (-1,))
    return sd.index(flat, key=(("slice", 1, None, None),)), sd.index(flat, key=(("slice", None, -1, None),))


def _of_least_size(x: SDVariable) -> SDVariable:
    """Minus the absolute value of integers: the lowest one has no other."""
    return x.sd.math.min(x, -x)


class SDCounting(Namespace, prefix="math", shared=REDUCTION):
    """Counts and places of ``sd.math``."""

    @composite
    def count_zero(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Number of elements that are 0, int64.

        Args:
            axis: The axis, or several, to count along; None for all.

        Returns:
            The shape without the reduced axes, int64. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.count_zero([0.0, 3.0, -1.0]).eval()
            array(1)
        """
        return self.sd.sum(self.sd.cast(self.sd.eq(x, 0), "int64"), axis, keepdims)

    @composite
    def hamming_distance(
        self, x: Operand, y: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Number of places over ``axis`` where ``x`` and ``y`` differ, int64.

        Args:
            axis: The axis, or several, that hold one vector; None for all.

        Returns:
            The broadcast shape without the reduced axes, int64. There is no gradient.

        References:
            R. W. Hamming, "Error detecting and error correcting codes", Bell System Technical Journal 29, 1950.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.hamming_distance([1.0, 2.0, 3.0], [1.0, 0.0, 4.0]).eval()
            array(2)
        """
        return self.sd.sum(self.sd.cast(self.sd.neq(x, y), "int64"), axis, keepdims)

    @composite
    def first_index(
        self, condition: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Index of the first place along ``axis`` where the condition holds, int64; -1 where it never does.

        Without axis, into the flattened array; along several axes as `sd.argmax` counts.

        Args:
            condition: Bools, such as ``x > 3``; numbers count as True where they are not 0.
            axis: The axis, or several, to look along; None for all.

        Returns:
            The shape without the reduced axes, int64. There is no gradient.

        Raises:
            ArgumentError: If there is no such axis, one is named twice, or there is no element to look at.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [[1.0, 5.0, 4.0], [0.0, 1.0, 2.0]])
            >>> sd.math.first_index(x > 3, axis=1).eval()
            array([ 1, -1])
        """
        sd = self.sd
        holds = sd.neq(condition, 0)
        return sd.where(sd.any(holds, axis, keepdims), sd.argmax(holds, axis, keepdims), -1)

    @composite
    def last_index(
        self, condition: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Index of the last place along ``axis`` where the condition holds, int64; -1 where it never does.

        Without axis, into the flattened array; along several axes as `sd.argmax` counts.

        Args:
            condition: Bools, such as ``x > 3``; numbers count as True where they are not 0.
            axis: The axis, or several, to look along; None for all.

        Returns:
            The shape without the reduced axes, int64. There is no gradient.

        Raises:
            ArgumentError: If there is no such axis, one is named twice, or there is no element to look at.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [[1.0, 5.0, 4.0], [0.0, 1.0, 2.0]])
            >>> sd.math.last_index(x > 3, axis=1).eval()
            array([ 2, -1])
        """
        sd = self.sd
        holds = sd.neq(condition, 0)
        from_end = sd.argmax(sd.reverse(holds, axis), axis, keepdims)
        return sd.where(sd.any(holds, axis, keepdims), sd.axis_size(holds, axis) - 1 - from_end, -1)

    @composite
    def iamax(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Index of the first largest absolute value along ``axis``, int64; without axis, into the flattened array.

        Args:
            axis: The axis, or several, to look along, as `sd.argmax` counts; None for all.

        Returns:
            The shape without the reduced axes, int64. There is no gradient.

        Raises:
            ArgumentError: If there is no such axis, one is named twice, or there is no element to choose from.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.iamax([3.0, -4.0, 2.0]).eval()
            array(1)
        """
        sd = self.sd
        x = sd.as_variable(x)
        if x.dtype.kind == "i":
            return sd.argmin(_of_least_size(x), axis, keepdims)
        return sd.argmax(sd.math.abs(x), axis, keepdims)

    @composite
    def iamin(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Index of the first smallest absolute value along ``axis``, int64; without axis, into the flattened array.

        Args:
            axis: The axis, or several, to look along, as `sd.argmin` counts; None for all.

        Returns:
            The shape without the reduced axes, int64. There is no gradient.

        Raises:
            ArgumentError: If there is no such axis, one is named twice, or there is no element to choose from.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.iamin([3.0, -4.0, 2.0]).eval()
            array(2)
        """
        sd = self.sd
        x = sd.as_variable(x)
        if x.dtype.kind == "i":
            return sd.argmax(_of_least_size(x), axis, keepdims)
        return sd.argmin(sd.math.abs(x), axis, keepdims)

    @composite
    def is_non_decreasing(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Whether no element is smaller than the one before it, bool; True for less than two elements.

        Elements follow each other as they lie in memory, row by row. NaN is neither smaller nor larger: False.

        Returns:
            A bool without axes. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.is_non_decreasing([1.0, 2.0, 2.0]).eval()
            array(True)
        """
        later, earlier = _neighbours(self.sd.as_variable(x))
        return self.sd.all(later >= earlier)

    @composite
    def is_strictly_increasing(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Whether each element is larger than the one before it, bool; True for less than two elements.

        Elements follow each other as they lie in memory, row by row. NaN is neither smaller nor larger: False.

        Returns:
            A bool without axes. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.is_strictly_increasing([1.0, 2.0, 2.0]).eval()
            array(False)
        """
        later, earlier = _neighbours(self.sd.as_variable(x))
        return self.sd.all(later > earlier)

    @composite
    def merge_max_index(
        self, *inputs: Operand | Sequence[Operand], dtype: DTypeLike = "int32", name: str | None = None
    ) -> SDVariable:
        """Which of the operands is the largest, elementwise; of equal ones the first. NaN counts as the largest.

        Args:
            inputs: One or more arrays of one shape.
            dtype: The dtype of the result.

        Returns:
            The same shape, ``dtype``. There is no gradient.

        Raises:
            ArgumentError: If there is no operand.
            ShapeError: If the shapes differ.
            DTypeError: If ``dtype`` is not one of numbers or bools.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.merge_max_index([1.0, 2.0], [3.0, 2.0]).eval()
            array([1, 0], dtype=int32)
        """
        return self.sd.cast(self.sd.argmax(self.sd.stack(*inputs, axis=0), axis=0), dtype)
