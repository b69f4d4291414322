"""Measures of ``sd.math``: distances, similarities, counts, moments, entropy, log-sum-exp.

Each is a composite of reductions and elementwise ops. Must not know losses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.infer.aval import normalize_axis
from sdgraph.ops.reductions import REDUCTION, reduced, rounded, summing, unreduce, working_dtype

if TYPE_CHECKING:
    from sdgraph.build.variable import Axis, Operand


def _log_sum_exp_vjp(g: SDVariable, y: SDVariable, x: SDVariable, axis: Axis, keepdims: bool) -> SDVariable:
    """The softmax of the row; a row of minus infinities has none and gets 0."""
    sd = g.sd
    wide = working_dtype(x).wide
    if x.dtype != wide:
        # The value rounded to half precision would spoil each probability by as much as it was moved.
        x = sd.cast(x, wide)
        y, keepdims, g = sd.math.log_sum_exp(x, axis, True), True, unreduce(g, x, axis, keepdims)
    total = unreduce(y, x, axis, keepdims)
    return unreduce(g, x, axis, keepdims) * sd.math.exp(x - sd.where(sd.eq(total, -np.inf), 0.0, total))


def _same_shape(x: SDVariable, y: SDVariable) -> tuple[SDVariable, SDVariable]:
    """Both operands broadcast to their joint shape: norms are taken over its axes."""
    if x.shape == y.shape:
        return x, y
    sd = x.sd
    joint = sd.zeros_like(x) + sd.zeros_like(y)
    return sd.broadcast_like(x, joint), sd.broadcast_like(y, joint)


class SDMeasures(Namespace, prefix="math", shared=REDUCTION):
    """Reductions of ``sd.math``. ``axis`` is an axis, several, or None for all."""

    @composite(vjp=_log_sum_exp_vjp, reach=reduced)
    def log_sum_exp(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``log(sum(exp(x)))`` over ``axis``, shifted by the largest value so that nothing overflows.

        Minus infinity for nothing, and for minus infinities only; the gradient of those is 0.

        Returns:
            The shape without the reduced axes; the floating dtype of the `mean`.

        Raises:
            ArgumentError: If there is no such axis, or one is named twice.
            DTypeError: If ``x`` is complex.

        References:
            P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
            Journal of Numerical Analysis 41, 2021, doi:10.1093/imanum/draa038.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.log_sum_exp([1000.0, 1000.0]).eval()
            array(1000.69314718)
        """
        sd, m = self.sd, self.sd.math
        x = sd.as_variable(x)
        work = working_dtype(x)
        x = sd.cast(x, work.wide)
        peak = sd.largest(x, axis)
        shift = sd.where(m.is_finite(peak), peak, 0.0)
        result = m.log(sd.sum(m.exp(x - shift), axis, True)) + shift
        return sd.cast(result if keepdims else sd.squeeze(result, normalize_axis(axis, x.ndim)), work.narrow)

    @composite
    def cosine_similarity(
        self, x: Operand, y: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``sum(x y) / (|x| |y|)`` over ``axis``: 1 for parallel vectors; 0 with gradient 0 where one is zero.

        Args:
            axis: The axis, or several, that hold one vector; None for all.

        Returns:
            The broadcast shape without the reduced axes; float64 for integers and bools, else the promoted dtype.

        References:
            G. Salton, A. Wong, C. S. Yang, "A vector space model for automatic indexing", Communications of the ACM 18,
            1975, doi:10.1145/361219.361220.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.cosine_similarity([3.0, 4.0], [8.0, 6.0]).eval()
            array(0.96)
        """
        sd, m = self.sd, self.sd.math
        a, b = _same_shape(sd.as_variable(x), sd.as_variable(y))
        work, other = working_dtype(a), working_dtype(b)
        a, b = sd.cast(a, work.wide), sd.cast(b, other.wide)
        unit_a = m.divide_no_nan(a, sd.norm2(a, axis, True))
        unit_b = m.divide_no_nan(b, sd.norm2(b, axis, True))
        return sd.cast(sd.sum(unit_a * unit_b, axis, keepdims), np.promote_types(work.narrow, other.narrow))

    @composite
    def cosine_distance(
        self, x: Operand, y: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``1 - cosine_similarity(x, y)``; 1 with gradient 0 where a vector is zero.

        Args:
            axis: The axis, or several, that hold one vector; None for all.

        Returns:
            The shape and dtype of the `cosine_similarity`.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.cosine_distance([1.0, 0.0], [0.0, 2.0]).eval()
            array(1.)
        """
        return 1.0 - self.sd.math.cosine_similarity(x, y, axis, keepdims)

    @composite
    def euclidean_distance(
        self, x: Operand, y: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``sqrt(sum((x - y)^2))`` over ``axis``; the gradient is 0 where both are equal.

        Args:
            axis: The axis, or several, that hold one vector; None for all.

        Returns:
            The broadcast shape without the reduced axes; float64 for integers and bools, else the promoted dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.euclidean_distance([1.0, 2.0], [4.0, 6.0]).eval()
            array(5.)
        """
        sd = self.sd
        a, b = sd.as_variable(x), sd.as_variable(y)
        work, other = working_dtype(a), working_dtype(b)
        distance = sd.norm2(sd.cast(a, work.wide) - sd.cast(b, other.wide), axis, keepdims)
        return sd.cast(distance, np.promote_types(work.narrow, other.narrow))

    @composite
    def manhattan_distance(
        self, x: Operand, y: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``sum(|x - y|)`` over ``axis``; the gradient is 0 where two entries are equal.

        Args:
            axis: The axis, or several, that hold one vector; None for all.

        Returns:
            The broadcast shape without the reduced axes; the dtype of ``numpy.sum``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.manhattan_distance([1.0, 2.0], [4.0, 6.0]).eval()
            array(7.)
        """
        sd, m = self.sd, self.sd.math
        (a, b), narrow = summing(sd.as_variable(x), sd.as_variable(y))
        # Unsigned integers have no negative difference.
        apart = m.abs(a - b) if a.dtype.kind != "u" else m.max(a, b) - m.min(a, b)
        return rounded(sd.sum(apart, axis, keepdims), narrow)

    @composite
    def count_non_zero(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Number of elements that are not 0, int64. NaN is not 0.

        Args:
            axis: The axis, or several, to count along; None for all.

        Returns:
            The shape without the reduced axes, int64. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.count_non_zero([0.0, 3.0, -1.0]).eval()
            array(2)
        """
        return self.sd.sum(self.sd.cast(self.sd.neq(x, 0), "int64"), axis, keepdims)

    @composite
    def zero_fraction(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Share of elements that are 0, in the dtype of the `mean`: float64 for integers; NaN for no elements.

        Returns:
            A scalar. The gradient is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.zero_fraction([0.0, 3.0, -1.0, 2.0]).eval()
            array(0.25)
        """
        sd = self.sd
        x = sd.as_variable(x)
        return sd.mean(sd.cast(sd.eq(x, 0), working_dtype(x).narrow))

    @composite(domain=(0.1, 3))
    def entropy(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """``-sum(x log x)`` over ``axis``, with ``0 log 0 = 0``, and the gradient 0 there.

        Args:
            x: Probabilities, of any shape.

        Returns:
            The shape without the reduced axes, floating dtype.

        References:
            C. E. Shannon, "A mathematical theory of communication", Bell System Technical Journal 27, 1948.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.entropy([0.5, 0.5, 0.0]).eval()
            array(0.69314718)
        """
        return 0.0 - self.sd.sum(self.sd.math.xlogy(x, x), axis, keepdims)

    @composite
    def standardize(self, x: Operand, axis: Axis = None, *, name: str | None = None) -> SDVariable:
        """``(x - mean) / standard deviation`` over ``axis``; 0 with gradient 0 where all elements are equal.

        Args:
            axis: The axis, or several, that mean and deviation are taken over; None for all.

        Returns:
            The same shape; float64 for integers and bools, else the same dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.standardize([1.0, 3.0]).eval()
            array([-1.,  1.])
        """
        sd, m = self.sd, self.sd.math
        work = working_dtype(sd.as_variable(x))
        x = sd.cast(x, work.wide)
        centred = x - sd.mean(x, axis, True)
        return sd.cast(m.divide_no_nan(centred, sd.standard_deviation(centred, axis, False, True)), work.narrow)

    @composite
    def moments(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> tuple[SDVariable, SDVariable]:
        """Mean and variance over ``axis``.

        Returns:
            Both in the shape without the reduced axes; float64 for integers and bools, else the same dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> mean, variance = sd.math.moments([1.0, 3.0])
            >>> mean.eval(), variance.eval()
            (array(2.), array(1.))
        """
        return self.sd.mean(x, axis, keepdims), self.sd.variance(x, axis, False, keepdims)

    @composite
    def is_max(self, x: Operand, axis: Axis = None, *, name: str | None = None) -> SDVariable:
        """Whether an element equals the largest over ``axis``, bool; ties are all True.

        Args:
            axis: The axis, or several, to look along; None for all.

        Returns:
            Bools of the same shape. There is no gradient.

        Raises:
            ArgumentError: If there is no such axis, or one is named twice.
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.is_max([1.0, 3.0, 2.0]).eval()
            array([False,  True, False])
        """
        return self.sd.eq(x, self.sd.largest(x, axis))
