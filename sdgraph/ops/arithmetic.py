"""Arithmetic of ``sd.math``: sums, products, quotients, powers, extremes of two, clipping, rounding, logic.

Each op stands with its numpy kernel and its gradient rule. Must not know reductions or losses.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import ELEMENTWISE, NOT_DIFFERENTIABLE, ZERO_GRADIENT
from sdgraph.build.reading import ATOM, POWER, PRODUCT, RELATION, SUM, Reading, form, infix
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval
from sdgraph.infer.shapes import like_ufunc
from sdgraph.ops import written
from sdgraph.ops.powers import no_fractions, pow_vjp, power
from sdgraph.ops.precision import cast_to, wide, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Axis, Operand


_quotient = like_ufunc(np.true_divide)


def _divide_no_nan(xp: Any, x: Any, y: Any) -> Any:
    return xp.where(y == 0, xp.zeros((), xp.result_type(x, y)), xp.true_divide(x, y))


def _divide_from_zero(xp: Any, x: Any, y: Any) -> Any:
    return xp.where(x == 0, xp.zeros((), xp.result_type(x, y)), xp.true_divide(x, y))


def _multiply_no_nan(xp: Any, x: Any, w: Any) -> Any:
    product = x * w
    # A selection costs numpy ten times a product: only where 0 might not have come out as 0.0 is there one.
    if xp is np and product.dtype.kind == "f" and not (np.signbit(product) | np.isnan(product)).any():
        return product
    return xp.where(w == 0, xp.zeros((), product.dtype), product)


def _merge_add(xp: Any, *inputs: Any) -> Any:
    # Two small integers must not wrap before something wider is added, nor thousands of halves stop at 2048.
    narrow = np.result_type(*(x.dtype for x in inputs))
    dtype = wide(narrow)
    if xp is not np:
        return functools.reduce(operator.add, (x.astype(dtype) for x in inputs)).astype(narrow)
    if len(inputs) == 1:
        return np.array(inputs[0])
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    total = np.zeros(shape, dtype)
    np.add(inputs[0], inputs[1], out=total, dtype=dtype)
    for x in inputs[2:]:
        np.add(total, x, out=total)
    return total.astype(narrow, copy=False)


def _merged(*avals: Aval) -> Aval:
    if not avals:
        raise ArgumentError("There is nothing to add.")
    return shapes.elementwise(*avals)


def _rint(xp: Any, x: Any) -> Any:
    return xp.rint(x) if x.dtype.kind in "fc" else x


def _clipped(x: Aval, *, clip_value_min: float, clip_value_max: float) -> Aval:
    if not clip_value_min <= clip_value_max:
        raise ArgumentError(
            "The bounds of a clip are out of order.", given=f"min={clip_value_min!r}, max={clip_value_max!r}"
        )
    if x.dtype.kind in "iub" and not all(float(b).is_integer() for b in (clip_value_min, clip_value_max)):
        raise ArgumentError(
            "Integers are clipped to whole numbers.",
            given=f"min={clip_value_min!r}, max={clip_value_max!r} for {x.dtype.name}",
            fix="Cast the operand to a floating dtype first.",
        )
    return x


def _clip(xp: Any, x: Any, *, clip_value_min: float, clip_value_max: float) -> Any:
    if x.dtype.kind not in "iub":
        return xp.clip(x, clip_value_min, clip_value_max)
    is_bool = x.dtype.kind == "b"
    # Bounds outside the dtype's range bound nothing.
    least, most = (0, 1) if is_bool else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    low, high = (min(max(int(bound), least), most) for bound in (clip_value_min, clip_value_max))
    return xp.clip(x.astype(np.int8), low, high).astype(bool) if is_bool else xp.clip(x, low, high)


def _floor_mod_vjp(g: SDVariable, z: SDVariable, x: SDVariable, y: SDVariable) -> tuple[SDVariable, SDVariable]:
    return g, -(g * g.sd.math.floor_div(x, y))


def _max_vjp(g: SDVariable, z: SDVariable, x: SDVariable, y: SDVariable) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    tied = sd.where(sd.eq(x, y), g * 0.5, 0.0)
    return sd.where(x > y, g, tied), sd.where(x < y, g, tied)


def _min_vjp(g: SDVariable, z: SDVariable, x: SDVariable, y: SDVariable) -> tuple[SDVariable, SDVariable]:
    above, below = _max_vjp(g, z, x, y)
    return below, above


_SHARED = {
    "x": "Numbers of any shape.",
    "y": Meaning("Numbers whose shape broadcasts with that of ``x``.", "ShapeError: If the shapes do not broadcast."),
}


class SDArithmetic(Namespace, prefix="math", shared=_SHARED):
    """Arithmetic of ``sd.math``. Operands broadcast; dtypes are promoted as numpy does."""

    @primitive(
        infer=like_ufunc(np.add),
        kernel="add",
        vjp=lambda g, z, x, y: (g, g),
        reads=Reading(written.of_two(written.plus), "%(x)s + %(y_atom)s", ""),
        commutes=True,
    )
    def add(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x + y``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.add([1.0, 2.0], 3.0).eval()
            array([4., 5.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.subtract),
        kernel="subtract",
        vjp=lambda g, z, x, y: (g, -g),
        reads=Reading(written.of_two(written.less), "%(x)s − %(y_atom)s"),
    )
    def sub(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x - y``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.sub([1.0, 2.0], 3.0).eval()
            array([-2., -1.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.multiply),
        kernel="multiply",
        vjp=lambda g, z, x, y: (g * y, g * x),
        reads=Reading(written.of_two(written.times), "%(x_atom)s %(y_atom)s", "%(x)s"),
        commutes=True,
    )
    def mul(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x * y``, elementwise.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.mul([1.0, 2.0], 3.0).eval()
            array([3., 6.])
        """
        ...

    @primitive(
        infer=_quotient,
        kernel="true_divide",
        vjp=lambda g, z, x, y: (g / y, -(g * z / y)),
        reads=Reading(written.of_two(written.over), "%(x_atom)s / %(y_atom)s", ("1 / %(x_atom)s", None)),
    )
    def div(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x / y``; integers give floats. Division by 0 gives infinity or NaN, see `divide_no_nan`.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.div([1.0, 2.0], 4.0).eval()
            array([0.25, 0.5 ])
        """
        ...

    @composite(reads=Reading(written.reversed_two(written.less)))
    def rsub(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``y - x``.

        Returns:
            The broadcast shape, the dtype of ``numpy.subtract``.

        Raises:
            DTypeError: For bools.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.rsub([1.0, 2.0], 3.0).eval()
            array([2., 1.])
        """
        return self.sd.math.sub(y, x)

    @composite(reads=Reading(written.reversed_two(written.over)))
    def rdiv(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``y / x``.

        Returns:
            The broadcast shape, the dtype of ``numpy.true_divide``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.rdiv([1.0, 2.0], 4.0).eval()
            array([4., 2.])
        """
        return self.sd.math.div(y, x)

    @primitive(
        infer=like_ufunc(np.floor_divide),
        kernel="floor_divide",
        vjp=ZERO_GRADIENT,
        reads=form(r"\left\lfloor \frac{%s}{%s} \right\rfloor"),
    )
    def floor_div(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x / y`` rounded down; the gradient is 0, at the jumps too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.floor_div([7.0, -7.0], 2.0).eval()
            array([ 3., -4.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.fmod),
        kernel="fmod",
        vjp=lambda g, z, x, y: (g, -(g * g.sd.math.round((x - z) / y))),
        domain=(0.3, 2),
    )
    def fmod(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Remainder of ``x / y`` with the sign of ``x``, as C's fmod. `mod` has the sign of ``y``.

        The gradient for ``x`` is 1, and for ``y`` it is minus the quotient rounded towards 0, at the jumps too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.fmod([7.0, -7.0], 3.0).eval()
            array([ 1., -1.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.mod),
        kernel="mod",
        vjp=_floor_mod_vjp,
        domain=(0.3, 2),
        reads=infix(r"\bmod", RELATION, POWER, POWER),
    )
    def floor_mod(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Remainder of ``x / y`` with the sign of ``y``, as Python's ``%``.

        The gradient for ``x`` is 1, and for ``y`` it is ``-floor(x / y)``, at the jumps too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.floor_mod([7.0, -7.0], 3.0).eval()
            array([1., 2.])
        """
        ...

    @composite(vjp=_floor_mod_vjp, reach=ELEMENTWISE, domain=(0.3, 2), reads=infix(r"\bmod", RELATION, POWER, POWER))
    def mod(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Remainder of ``x / y`` with the sign of ``y``: the same as `floor_mod`. `fmod` has the sign of ``x``.

        The gradient is that of `floor_mod`, at the jumps too.

        Returns:
            The broadcast shape, the dtype of ``numpy.remainder``.

        Raises:
            DTypeError: For complex numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.mod([5.0, -5.0], [-3.0, 3.0]).eval()
            array([-1.,  1.])
        """
        return self.sd.math.floor_mod(x, y)

    @primitive(
        infer=like_ufunc(np.power),
        kernel=power,
        vjp=pow_vjp,
        settle=no_fractions,
        domain=(0.2, 3),
        reads=Reading(written.raised, written.power),
    )
    def pow(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` to the power ``y``, a number or a variable.

        The gradient for ``x`` is ``y x^(y-1)`` and 0 where ``y`` is 0; for ``y`` it is ``x^y log x`` and 0 where ``x``
        is not positive. At ``x`` = 0 it is infinite for ``0 < y < 1``, where that of `sqrt` is 0. Values are those of
        C's pow, also for ``y`` = 1/2: 0.0 at -0.0 and infinity at -infinity, where `sqrt` gives -0.0 and NaN. Integers
        have integer powers; of a negative exponent only those of 1 and -1.

        Raises:
            ArgumentError: If integers are taken to a constant power that is negative: make them floats first.
            ExecutionError: At run time, if another integer than 1 or -1 is taken to a negative power.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.pow([1.0, 2.0], 3.0).eval()
            array([1., 8.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.negative),
        kernel="negative",
        vjp=lambda g, y, x: -g,
        reads=Reading(written.negative, "−%(x_atom)s", "−1"),
    )
    def neg(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``-x``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.neg([1.0, -2.0]).eval()
            array([-1.,  2.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.absolute),
        kernel="absolute",
        vjp=lambda g, y, x: g * g.sd.math.sign(x),
        reads=form(r"\left|%s\right|"),
    )
    def abs(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Absolute value; the gradient at 0 is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.abs([1.0, -2.0]).eval()
            array([1., 2.])
        """
        ...

    @primitive(infer=like_ufunc(np.sign), kernel="sign", vjp=ZERO_GRADIENT)
    def sign(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """-1, 0 or 1 by the sign of ``x``; the gradient is 0, at the jump too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.sign([3.0, 0.0, -2.0]).eval()
            array([ 1.,  0., -1.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.square),
        kernel="square",
        vjp=lambda g, y, x: g * (2.0 * x),
        reads=form("%s^{2}", POWER, (ATOM,), "%(x_atom)s²"),
    )
    def square(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x * x``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.square([1.0, -3.0]).eval()
            array([1., 9.])
        """
        ...

    @composite(reads=form("%s^{3}", POWER, (ATOM,), "%(x_atom)s³"))
    def cube(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x * x * x``.

        Returns:
            The same shape, the dtype of ``numpy.square``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.cube([1.0, -3.0]).eval()
            array([  1., -27.])
        """
        return self.sd.math.mul(self.sd.math.square(x), x)

    @composite(domain=(0.3, 3), reads=form(r"\frac{1}{%s}", PRODUCT))
    def reciprocal(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``1 / x``; integers give floats. At 0 it is infinite, with an infinite gradient.

        Returns:
            The same shape, the dtype of ``numpy.true_divide``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.reciprocal([1.0, -4.0]).eval()
            array([ 1.  , -0.25])
        """
        return self.sd.math.div(1.0, x)

    @composite(reads=Reading(written.squared_difference), commutes=True)
    def squared_difference(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``(x - y)^2``.

        Returns:
            The broadcast shape, the dtype of ``numpy.subtract``.

        Raises:
            DTypeError: For bools.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.squared_difference([1.0, -3.0], 1.0).eval()
            array([ 0., 16.])
        """
        return self.sd.math.square(self.sd.math.sub(x, y))

    @primitive(
        infer=_merged,
        kernel=_merge_add,
        vjp=lambda g, z, *inputs: (g,) * len(inputs),
        reach=ELEMENTWISE,
        reads=Reading(written.total, factor=""),
        commutes=True,
    )
    def merge_add(self, *inputs: Operand | Sequence[Operand], name: str | None = None) -> SDVariable:
        """Sum of all operands, in one pass; give them one by one or as a list.

        Args:
            inputs: One or more arrays whose shapes broadcast.

        Returns:
            The broadcast shape, the promoted dtype. Halves are added up in single precision.

        Raises:
            ArgumentError: If there is no operand.
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.merge_add([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]).eval()
            array([ 9., 12.])
        """
        ...

    # ------------------------------------------------------------------ products and quotients that know zero

    @primitive(
        infer=like_ufunc(np.multiply),
        kernel=_multiply_no_nan,
        vjp=lambda g, y, x, w: (g.sd.math.multiply_no_nan(g, w), g * x),
        reads=Reading(written.of_two(written.times)),
    )
    def multiply_no_nan(self, x: Operand, w: Operand, *, name: str | None = None) -> SDVariable:
        """``x * w``, and exactly 0 where ``w`` is 0, also for infinite and NaN ``x``.

        The gradient for ``x`` is 0 where ``w`` is 0; for ``w`` it is ``x``, there too.

        Args:
            w: Numbers whose shape broadcasts with that of ``x``, such as weights.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.multiply_no_nan([2.0, float("nan")], [3.0, 0.0]).eval()
            array([6., 0.])
        """
        ...

    @primitive(
        infer=_quotient,
        kernel=_divide_no_nan,
        vjp=lambda g, z, x, y: (g.sd.math.divide_no_nan(g, y), -g.sd.math.divide_no_nan(g * z, y)),
        reads=Reading(written.of_two(written.over)),
    )
    def divide_no_nan(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x / y``, and 0 with zero gradients where ``y`` is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.divide_no_nan([2.0, 1.0], [4.0, 0.0]).eval()
            array([0.5, 0. ])
        """
        ...

    @primitive(
        infer=_quotient,
        kernel=_divide_from_zero,
        vjp=lambda g, z, x, y: (g.sd.math.xdivy(g, y), -g.sd.math.xdivy(g * z, y)),
    )
    def xdivy(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x / y``, and 0 where ``x`` is 0, also for ``y`` = 0.

        The gradient for ``x`` is ``1 / y``, there too; for ``y`` it is 0 where ``x`` is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.xdivy([2.0, 0.0], [4.0, 0.0]).eval()
            array([0.5, 0. ])
        """
        ...

    # ------------------------------------------------------------------ extremes and clipping

    @primitive(
        infer=like_ufunc(np.maximum),
        kernel="maximum",
        vjp=_max_vjp,
        reads=form(r"\max\left(%s, %s\right)", POWER),
        commutes=True,
    )
    def max(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """The larger of two, elementwise; ties give each half the gradient. `sd.max` reduces.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.max([1.0, 5.0], 3.0).eval()
            array([3., 5.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.minimum),
        kernel="minimum",
        vjp=_min_vjp,
        reads=form(r"\min\left(%s, %s\right)", POWER),
        commutes=True,
    )
    def min(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """The smaller of two, elementwise; ties give each half the gradient. `sd.min` reduces.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.min([1.0, 5.0], 3.0).eval()
            array([1., 3.])
        """
        ...

    maximum, minimum = max, min

    @primitive(
        infer=_clipped,
        kernel=_clip,
        vjp=lambda g, y, x, clip_value_min, clip_value_max: g.sd.where(
            g.sd.math.and_(x >= clip_value_min, x <= clip_value_max), g, 0.0
        ),
        reach=ELEMENTWISE,
    )
    def clip_by_value(
        self, x: Operand, clip_value_min: float, clip_value_max: float, *, name: str | None = None
    ) -> SDVariable:
        """``x`` held between two bounds. The gradient is 1 inside and on the bounds, 0 outside.

        Args:
            clip_value_min: The lower bound; a whole number for integers.
            clip_value_max: The upper bound, not below the lower one.

        Returns:
            The same shape and dtype.

        Raises:
            ArgumentError: If the bounds are out of order, or no whole numbers for integers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.clip_by_value([-1.0, 0.5, 2.0], 0, 1).eval()
            array([0. , 0.5, 1. ])
        """
        ...

    @composite
    def clip_by_norm(self, x: Operand, clip_value: float, axis: Axis = None, *, name: str | None = None) -> SDVariable:
        """``x`` scaled down to Euclidean norm ``clip_value`` over ``axis`` where its norm is larger.

        Where the norm is ``clip_value`` or less, the gradient is that of ``x`` itself.

        Args:
            clip_value: The largest norm, 0 or more.
            axis: The axis, or several, that hold one vector; None for all.

        Returns:
            The same shape and dtype.

        Raises:
            ArgumentError: If ``clip_value`` is negative, or there is no such axis.

        References:
            R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", 2013,
            arXiv:1211.5063.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.clip_by_norm([3.0, 4.0], 2.5).eval()
            array([1.5, 2. ])
        """
        if not clip_value >= 0:
            raise ArgumentError("A norm is not negative.", given=f"clip_value={clip_value!r}", expected="a number >= 0")
        sd = self.sd
        v = sd.as_variable(x)
        w = widened(v)
        norm = sd.norm2(w, axis, True)
        large = norm > clip_value
        out = sd.where(large, w * (clip_value / sd.where(large, norm, 1.0)), w)
        return cast_to(out, v.dtype) if w is not v else out

    # ------------------------------------------------------------------ rounding

    @primitive(infer=like_ufunc(np.ceil), kernel="ceil", vjp=ZERO_GRADIENT, reads=form(r"\left\lceil %s \right\rceil"))
    def ceil(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Rounded up; the gradient is 0, at the jumps too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.ceil([1.2, -1.2]).eval()
            array([ 2., -1.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.floor), kernel="floor", vjp=ZERO_GRADIENT, reads=form(r"\left\lfloor %s \right\rfloor")
    )
    def floor(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Rounded down; the gradient is 0, at the jumps too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.floor([1.2, -1.2]).eval()
            array([ 1., -2.])
        """
        ...

    @primitive(infer=shapes.alike, kernel=_rint, vjp=ZERO_GRADIENT)
    def round(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Rounded to the nearest whole number, halves to the even one.

        Integers stay what they are. The gradient is 0, at the jumps too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.round([0.5, 1.5, -1.2]).eval()
            array([ 0.,  2., -1.])
        """
        ...

    @primitive(
        infer=lambda x, value: x,
        kernel=lambda xp, x, value: (x >= value).astype(x.dtype),
        vjp=ZERO_GRADIENT,
    )
    def step(self, x: Operand, value: float = 0.0, *, name: str | None = None) -> SDVariable:
        """1 where ``x >= value``, else 0; the gradient is 0, at the jump too.

        Args:
            value: Where the step is.

        Returns:
            The same shape and dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.step([-1.0, 0.0, 2.0]).eval()
            array([0., 1., 1.])
        """
        ...

    # ------------------------------------------------------------------ logic

    @primitive(
        infer=shapes.predicate,
        kernel="logical_and",
        vjp=NOT_DIFFERENTIABLE,
        reads=infix(r"\land", RELATION, SUM, SUM),
        commutes=True,
    )
    def and_(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Whether both are non-zero, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.and_([True, True], [True, False]).eval()
            array([ True, False])
        """
        ...

    @primitive(
        infer=shapes.predicate,
        kernel="logical_or",
        vjp=NOT_DIFFERENTIABLE,
        reads=infix(r"\lor", RELATION, SUM, SUM),
        commutes=True,
    )
    def or_(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Whether at least one is non-zero, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.or_([False, True], [False, False]).eval()
            array([False,  True])
        """
        ...

    @primitive(
        infer=shapes.predicate,
        kernel="logical_xor",
        vjp=NOT_DIFFERENTIABLE,
        reads=infix(r"\oplus", RELATION, SUM, SUM),
        commutes=True,
    )
    def xor(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Whether exactly one is non-zero, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.xor([True, True], [True, False]).eval()
            array([False,  True])
        """
        ...

    @primitive(
        infer=like_ufunc(np.logical_not),
        kernel="logical_not",
        vjp=NOT_DIFFERENTIABLE,
        reads=form(r"\lnot %s", PRODUCT, (ATOM,)),
    )
    def not_(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Whether it is zero, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.not_([True, False]).eval()
            array([False,  True])
        """
        ...
