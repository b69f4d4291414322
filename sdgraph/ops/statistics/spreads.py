"""Means, sizes and distances of ``sd.math`` that go beyond the plain reductions, and limits by them.

Each is a composite of reductions and elementwise ops.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError
from sdgraph.ops.precision import cast_to, widened
from sdgraph.ops.reductions import REDUCTION, working_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Axis, Operand


def _merge_max_vjp(g: SDVariable, y: SDVariable, *inputs: SDVariable) -> tuple[SDVariable, ...]:
    """Each of n tied operands gets g / n."""
    sd = g.sd
    tied = [sd.cast(sd.eq(x, y), g.dtype) for x in inputs]
    share = g / sd.math.merge_add(*tied)
    return tuple(t * share for t in tied)


class SDSpreads(Namespace, prefix="math", shared=REDUCTION):
    """More measures of ``sd.math``."""

    @composite
    def reduce_amean(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Mean of absolute values over ``axis``; NaN for none. The gradient is 0 where an element is 0.

        Returns:
            The shape without the reduced axes; float64 for integers and bools, else the same dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.reduce_amean([3.0, -4.0]).eval()
            array(3.5)
        """
        sd = self.sd
        x = sd.as_variable(x)
        # Integers first become floats: the lowest one has no absolute value.
        size = sd.math.abs(x if x.dtype.kind == "c" else sd.cast(x, working_dtype(x).wide))
        return sd.cast(sd.mean(size, axis, keepdims), working_dtype(sd.math.abs(x)).narrow)

    @composite
    def reduce_amin(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Smallest absolute value over ``axis``; ties share the gradient, which is 0 where that is 0.

        Returns:
            The shape without the reduced axes, the same dtype.

        Raises:
            ArgumentError: If there is no such axis, one is named twice, or there is no element to choose from.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.reduce_amin([3.0, -4.0]).eval()
            array(3.)
        """
        return self.sd.min(self.sd.math.abs(x), axis, keepdims)

    @composite
    def jaccard_distance(
        self, x: Operand, y: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``1 - sum(min(x, y)) / sum(max(x, y))`` over ``axis``, of numbers that are not negative.

        It is 0, with the gradient 0, where all are zeros.

        Args:
            x: Numbers >= 0 of any shape.
            axis: The axis, or several, that hold one vector; None for all.

        Returns:
            The broadcast shape without the reduced axes; float64 for integers and bools, else the promoted dtype.

        References:
            P. Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11, 1912.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.jaccard_distance([1.0, 2.0], [1.0, 6.0]).eval()
            array(0.57142857)
        """
        sd, m = self.sd, self.sd.math
        a, b = sd.as_variable(x), sd.as_variable(y)
        work, other = working_dtype(a), working_dtype(b)
        a, b = sd.cast(a, work.wide), sd.cast(b, other.wide)
        apart = sd.sum(m.abs(a - b), axis, keepdims)
        distance = m.divide_no_nan(apart, sd.sum(m.max(a, b), axis, keepdims))
        return sd.cast(distance, np.promote_types(work.narrow, other.narrow))

    @composite(domain=(0.1, 0.9))
    def log_entropy(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Logarithm of the `entropy` over ``axis``: minus infinity where that is 0.

        Args:
            x: Probabilities, of any shape.

        Returns:
            The shape without the reduced axes, floating dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.log_entropy([0.5, 0.5]).eval()
            array(-0.36651292)
        """
        return self.sd.math.log(self.sd.math.entropy(x, axis, keepdims))

    @composite(domain=(0.1, 3))
    def shannon_entropy(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``-sum(x log2 x)`` over ``axis``, the `entropy` in bits, with the gradient 0 where an element is 0.

        Args:
            x: Probabilities, of any shape.

        Returns:
            The shape without the reduced axes, floating dtype.

        References:
            C. E. Shannon, "A mathematical theory of communication", Bell System Technical Journal 27, 1948.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.shannon_entropy([0.5, 0.25, 0.25]).eval()
            array(1.5)
        """
        return self.sd.math.entropy(x, axis, keepdims) / math.log(2.0)

    @composite
    def normalize_moments(
        self, counts: Operand, means: Operand, variances: Operand, shift: float = 0.0, *, name: str | None = None
    ) -> tuple[SDVariable, SDVariable]:
        """Mean and variance from the sums of ``n`` shifted numbers and of their squares.

        ``mean = s / n + shift`` and ``variance = q / n - (s / n)^2`` for the sum s of ``x - shift``, the sum q of
        ``(x - shift)^2``, and n numbers.

        Args:
            counts: How many numbers were added up.
            means: The sums of the numbers less the shift; the shapes broadcast.
            variances: The sums of the squares of these; the shapes broadcast.
            shift: What was subtracted from each number before.

        Returns:
            Both in the broadcast shape; float64 for integers and bools, else the promoted dtype.

        Raises:
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> mean, variance = sd.math.normalize_moments(2.0, 4.0, 10.0)
            >>> mean.eval(), variance.eval()
            (array(2.), array(1.))
        """
        sd = self.sd
        n = sd.as_variable(counts)
        mean = sd.math.div(means, n)
        return mean + shift, sd.math.div(variances, n) - sd.math.square(mean)

    @composite
    def clip_by_avg_norm(
        self, x: Operand, clip_value: float, axis: Axis = None, *, name: str | None = None
    ) -> SDVariable:
        """``x`` scaled down where its norm over ``axis``, divided by the number of elements, is above ``clip_value``.

        Where it is not, the gradient is that of ``x`` itself.

        Args:
            clip_value: The largest norm per element, 0 or more.
            axis: The axis, or several, that hold one vector; None for all.

        Returns:
            The same shape and dtype.

        Raises:
            ArgumentError: If ``clip_value`` is negative, or there is no such axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.clip_by_avg_norm([3.0, 4.0], 1.25).eval()
            array([1.5, 2. ])
        """
        if not clip_value >= 0:
            raise ArgumentError("A norm is not negative.", given=f"clip_value={clip_value!r}", expected="a number >= 0")
        sd = self.sd
        v = sd.as_variable(x)
        w = widened(v)
        norm = sd.norm2(w, axis, True)
        most = clip_value * sd.axis_size(w, axis, norm.dtype)
        large = norm > most
        out = sd.where(large, w * (most / sd.where(large, norm, 1.0)), w)
        return cast_to(out, v.dtype) if w is not v else out

    @composite
    def merge_avg(self, *inputs: Operand | Sequence[Operand], name: str | None = None) -> SDVariable:
        """Mean of all operands, elementwise; give them one by one or as a list.

        Args:
            inputs: One or more arrays whose shapes broadcast.

        Returns:
            The broadcast shape; float64 for integers and bools, else the promoted dtype.

        Raises:
            ArgumentError: If there is no operand.
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.merge_avg([1.0, 2.0], [3.0, 4.0]).eval()
            array([2., 3.])
        """
        sd = self.sd
        if not inputs:
            raise ArgumentError("There is nothing to take the mean of.")
        work = [working_dtype(sd.as_variable(x)) for x in inputs]
        wide = functools.reduce(np.promote_types, (w.wide for w in work))
        total = sd.math.merge_add(*(sd.cast(x, wide) for x in inputs))
        return sd.cast(total / float(len(inputs)), functools.reduce(np.promote_types, (w.narrow for w in work)))

    @composite(vjp=_merge_max_vjp, reach=ELEMENTWISE)
    def merge_max(self, *inputs: Operand | Sequence[Operand], name: str | None = None) -> SDVariable:
        """Largest of all operands, elementwise; equal ones share the gradient. Give them one by one or as a list.

        Args:
            inputs: One or more arrays whose shapes broadcast.

        Returns:
            The broadcast shape, the promoted dtype.

        Raises:
            ArgumentError: If there is no operand.
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.merge_max([1.0, 5.0], [3.0, 4.0], [2.0, 2.0]).eval()
            array([3., 5.])
        """
        if not inputs:
            raise ArgumentError("There is nothing to choose from.")
        first, *others = (self.sd.as_variable(x) for x in inputs)
        return functools.reduce(self.sd.math.max, others, first)
