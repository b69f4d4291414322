"""Elementary and special functions of ``sd.math``: exponentials, logarithms, roots, circular and hyperbolic ones.

Each op stands with its numpy kernel and its gradient rule. Must not know reductions or losses.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import ELEMENTWISE, NOT_DIFFERENTIABLE
from sdgraph.build.reading import PRODUCT, Reading, call, form
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError
from sdgraph.infer import shapes
from sdgraph.infer.aval import ufunc_dtype
from sdgraph.infer.shapes import like_ufunc, real
from sdgraph.ops import slopes, written
from sdgraph.ops.precision import cast_to
from sdgraph.ops.special import error

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


def _times_log(xp: Any, x: Any, y: Any, *, log: str, where_log_is_zero: int) -> Any:
    """``x log(y)`` for a logarithm of ``xp``, and 0 where x is 0 whatever y is."""
    dtype = xp.result_type(x, y)
    if dtype.kind not in "fc":
        dtype = ufunc_dtype(np.log, (dtype,))
    zero = x == 0
    safe = xp.where(zero, xp.full((), where_log_is_zero, dtype), y)
    return xp.where(zero, xp.zeros((), dtype), x * getattr(xp, log)(safe))


def _bell(g: SDVariable, x: SDVariable) -> SDVariable:
    """``g`` times the derivative of erf, ``2 / sqrt(pi) * exp(-x^2)``."""
    return g * (_TWO_OVER_ROOT_PI * slopes.gaussian(g.sd, x))


def _log_of(function: str, neutral: float, g: SDVariable, x: SDVariable, y: SDVariable) -> SDVariable:
    """``g`` times the logarithm of y, and 0 where x is 0 and the logarithm infinite.

    As with sqrt at 0: entropies of probabilities that are 0 would make every gradient behind them NaN.
    """
    sd, m = g.sd, g.sd.math
    log = m.ln if function == "log" else m.log1p
    return g * log(sd.where(m.and_(sd.eq(x, 0), sd.eq(y, neutral - 1)), neutral, y))


def _atan2_vjp(g: SDVariable, z: SDVariable, y: SDVariable, x: SDVariable) -> tuple[SDVariable, SDVariable]:
    """``x / r^2`` and ``-y / r^2``, divided twice by r, which cannot overflow."""
    m = g.sd.math
    r = m.hypot(x, y)
    return g * m.divide_no_nan(m.divide_no_nan(x, r), r), -(g * m.divide_no_nan(m.divide_no_nan(y, r), r))


_SHARED = {
    "x": "Numbers of any shape; integers and bools count as floats.",
    "y": Meaning("Numbers whose shape broadcasts with that of ``x``.", "ShapeError: If the shapes do not broadcast."),
}


class SDFunctions(Namespace, prefix="math", shared=_SHARED):
    """Elementary functions of ``sd.math``; integers give floats."""

    @primitive(
        infer=like_ufunc(np.exp),
        kernel="exp",
        vjp=lambda g, y, x: g * y,
        reads=Reading(written.exponential, letters=frozenset("e")),
    )
    def exp(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``e`` to the power ``x``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.exp([0.0, 1.0]).eval()
            array([1.        , 2.71828183])
        """
        ...

    @primitive(
        infer=like_ufunc(np.expm1),
        kernel="expm1",
        vjp=lambda g, y, x: g * g.sd.math.exp(x),
        reads=Reading(written.exponential_less_one, letters=frozenset("e")),
    )
    def expm1(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``exp(x) - 1``, accurate near 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.expm1([0.0, 1e-20]).eval()
            array([0.e+00, 1.e-20])
        """
        ...

    @primitive(infer=like_ufunc(np.log), kernel="log", vjp=lambda g, y, x: g / x, domain=(0.1, 4), reads=call(r"\log"))
    def ln(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Natural logarithm: minus infinity at 0, with an infinite gradient; NaN below.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.ln([1.0, 10.0]).eval()
            array([0.        , 2.30258509])
        """
        ...

    @composite(domain=(0.1, 4), reads=Reading(written.logarithm))
    def log(self, x: Operand, base: float | None = None, *, name: str | None = None) -> SDVariable:
        """Logarithm to ``base``, natural without one: minus infinity at 0, with an infinite gradient; NaN below.

        Args:
            x: Numbers of any shape, above 0 for a finite result.
            base: A positive number other than 1; None for e.

        Returns:
            The same shape, the dtype of ``numpy.log``.

        Raises:
            ArgumentError: If the base is not positive or is 1.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.log([1.0, 8.0], base=2).eval()
            array([0., 3.])
        """
        natural = self.sd.math.ln(x)
        if base is None:
            return natural
        if not base > 0 or base == 1:
            raise ArgumentError("This is no base of logarithms.", given=repr(base), expected="a positive number, not 1")
        return natural / math.log(base)

    @primitive(
        infer=like_ufunc(np.log1p),
        kernel="log1p",
        vjp=lambda g, y, x: g / (1.0 + x),
        domain=(-0.9, 4),
        reads=Reading(written.log_of_one_plus),
    )
    def log1p(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Natural logarithm of ``1 + x``, accurate near 0: minus infinity at -1, with an infinite gradient; NaN below.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.log1p([0.0, 1e-20]).eval()
            array([0.e+00, 1.e-20])
        """
        ...

    @primitive(
        infer=shapes.floating,
        kernel=functools.partial(_times_log, log="log", where_log_is_zero=1),
        vjp=lambda g, z, x, y: (_log_of("log", 1, g, x, y), g.sd.math.xdivy(g * x, y)),
        domain=(0.1, 3),
        reads=Reading(written.times_log),
    )
    def xlogy(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x log y``, and 0 where ``x`` is 0, also for ``y`` = 0.

        The gradient for ``x`` is ``log y``, and 0 where both are 0; for ``y`` it is ``x / y``, and 0 where ``x`` is 0.

        Args:
            x: Floating numbers of any shape.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.xlogy([0.0, 2.0], [0.0, 1.0]).eval()
            array([0., 0.])
        """
        ...

    @primitive(
        infer=shapes.floating,
        kernel=functools.partial(_times_log, log="log1p", where_log_is_zero=0),
        vjp=lambda g, z, x, y: (_log_of("log1p", 0, g, x, y), g.sd.math.xdivy(g * x, 1 + y)),
        domain=(-0.8, 3),
    )
    def xlog1py(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x log(1 + y)``, accurate for small ``y``, and 0 where ``x`` is 0, also for ``y`` = -1.

        The gradient for ``x`` is ``log(1 + y)``, and 0 where ``x`` is 0 and ``y`` is -1; for ``y`` it is
        ``x / (1 + y)``, and 0 where ``x`` is 0.

        Args:
            x: Floating numbers of any shape.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.xlog1py([0.0, 2.0], [-1.0, 1e-20]).eval()
            array([0.e+00, 2.e-20])
        """
        ...

    @primitive(
        infer=like_ufunc(np.sqrt),
        kernel="sqrt",
        vjp=lambda g, y, x: g.sd.math.divide_no_nan(g * 0.5, y),
        domain=(0.1, 4),
        reads=form(r"\sqrt{%s}"),
    )
    def sqrt(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Square root, NaN below 0. The gradient at 0 is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.sqrt([0.0, 9.0]).eval()
            array([0., 3.])
        """
        ...

    @primitive(
        infer=like_ufunc(np.sqrt),
        kernel=lambda xp, x: 1 / xp.sqrt(x),
        vjp=lambda g, y, x: g * (-0.5 * y / x),
        domain=(0.1, 4),
        reads=form(r"\frac{1}{\sqrt{%s}}", PRODUCT),
    )
    def rsqrt(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``1 / sqrt(x)``: at 0 infinite, with gradient minus infinity; NaN below.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.rsqrt([0.25, 4.0]).eval()
            array([2. , 0.5])
        """
        ...

    @primitive(
        infer=like_ufunc(np.hypot),
        kernel="hypot",
        vjp=lambda g, z, x, y: (g * g.sd.math.divide_no_nan(x, z), g * g.sd.math.divide_no_nan(y, z)),
        commutes=True,
    )
    def hypot(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``sqrt(x^2 + y^2)`` without overflow; the gradient at (0, 0) is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.hypot([3.0, 3e200], [4.0, 4e200]).eval()
            array([5.e+000, 5.e+200])
        """
        ...

    # ------------------------------------------------------------------ circular and hyperbolic

    @primitive(infer=like_ufunc(np.sin), kernel="sin", vjp=lambda g, y, x: g * g.sd.math.cos(x), reads=call(r"\sin"))
    def sin(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Sine of an angle in radians.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.sin([0.0, 1.0]).eval()
            array([0.        , 0.84147098])
        """
        ...

    @primitive(infer=like_ufunc(np.cos), kernel="cos", vjp=lambda g, y, x: -(g * g.sd.math.sin(x)), reads=call(r"\cos"))
    def cos(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Cosine of an angle in radians.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.cos([0.0, 1.0]).eval()
            array([1.        , 0.54030231])
        """
        ...

    @primitive(
        infer=like_ufunc(np.tan),
        kernel="tan",
        vjp=lambda g, y, x: g * (1.0 + g.sd.math.square(y)),
        domain=(-1.2, 1.2),
        reads=call(r"\tan"),
    )
    def tan(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Tangent of an angle in radians.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.tan([0.0, 1.0]).eval()
            array([0.        , 1.55740772])
        """
        ...

    @primitive(
        infer=like_ufunc(np.arcsin),
        kernel="arcsin",
        vjp=lambda g, y, x: g * slopes.asin_slope(g.sd, x),
        domain=(-0.9, 0.9),
        reads=call(r"\arcsin"),
    )
    def asin(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Inverse sine, between -pi/2 and pi/2; NaN outside [-1, 1], infinite gradient at its ends.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.asin([0.0, 1.0]).eval()
            array([0.        , 1.57079633])
        """
        ...

    @primitive(
        infer=like_ufunc(np.arccos),
        kernel="arccos",
        vjp=lambda g, y, x: -(g * slopes.asin_slope(g.sd, x)),
        domain=(-0.9, 0.9),
        reads=call(r"\arccos"),
    )
    def acos(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Inverse cosine, between 0 and pi; NaN outside [-1, 1], infinite gradient at its ends.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.acos([0.0, 1.0]).eval()
            array([1.57079633, 0.        ])
        """
        ...

    @primitive(
        infer=like_ufunc(np.arctan),
        kernel="arctan",
        vjp=lambda g, y, x: g * slopes.atan_slope(g.sd, x),
        reads=call(r"\arctan"),
    )
    def atan(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Inverse tangent, between -pi/2 and pi/2.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.atan([0.0, 1.0]).eval()
            array([0.        , 0.78539816])
        """
        ...

    @primitive(infer=like_ufunc(np.arctan2), kernel="arctan2", vjp=_atan2_vjp)
    def atan2(self, y: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """Angle of the point ``(x, y)``, between -pi and pi; the gradient at the origin is 0.

        Args:
            y: The second coordinates, of any shape.
            x: The first coordinates; the shapes broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.atan2([1.0, 0.0], [0.0, -1.0]).eval()
            array([1.57079633, 3.14159265])
        """
        ...

    @primitive(
        infer=like_ufunc(np.sinh), kernel="sinh", vjp=lambda g, y, x: g * g.sd.math.cosh(x), reads=call(r"\sinh")
    )
    def sinh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Hyperbolic sine, ``(exp(x) - exp(-x)) / 2``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.sinh([0.0, 1.0]).eval()
            array([0.        , 1.17520119])
        """
        ...

    @primitive(
        infer=like_ufunc(np.cosh), kernel="cosh", vjp=lambda g, y, x: g * g.sd.math.sinh(x), reads=call(r"\cosh")
    )
    def cosh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Hyperbolic cosine, ``(exp(x) + exp(-x)) / 2``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.cosh([0.0, 1.0]).eval()
            array([1.        , 1.54308063])
        """
        ...

    @primitive(
        infer=like_ufunc(np.tanh),
        kernel="tanh",
        vjp=lambda g, y, x: g * slopes.tanh_slope(g.sd, x),
        reads=call(r"\tanh"),
    )
    def tanh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Hyperbolic tangent, between -1 and 1.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.tanh([0.0, 1.0]).eval()
            array([0.        , 0.76159416])
        """
        ...

    @composite(vjp=lambda g, y, x: g * slopes.rational_slope(g.sd, x), reach=ELEMENTWISE)
    def rational_tanh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``1.7159 tanh(2 x / 3)``, with a rational function for tanh that is within 0.015 of it.

        ``1.7159 sign(y) (1 - 1 / (1 + |y| + y^2 + 1.41645 y^4))`` for ``y = 2 x / 3``.

        Returns:
            The same shape, floating dtype.

        Raises:
            DTypeError: If ``x`` is complex.

        References:
            Y. LeCun, L. Bottou, G. B. Orr, K.-R. Müller, "Efficient backprop", in Neural networks: tricks of the trade,
            1998: the scaled tanh.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.rational_tanh([-1.5, 0.0, 1.5]).eval()
            array([-1.32737528,  0.        ,  1.32737528])
        """
        v = self.sd.as_variable(x)
        return slopes.rational_tanh(cast_to(v, real(v.aval).dtype))

    @composite
    def rectified_tanh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``max(0, tanh(x))``; the gradient at 0 is 0.

        Returns:
            The same shape, floating dtype.

        Raises:
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.rectified_tanh([-1.0, 0.0, 1.0]).eval()
            array([0.        , 0.        , 0.76159416])
        """
        v = self.sd.as_variable(x)
        return self.sd.nn.relu(self.sd.math.tanh(cast_to(v, real(v.aval).dtype)))

    @primitive(infer=like_ufunc(np.arcsinh), kernel="arcsinh", vjp=lambda g, y, x: g / g.sd.math.hypot(1.0, x))
    def asinh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Inverse hyperbolic sine.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.asinh([0.0, 1.0]).eval()
            array([0.        , 0.88137359])
        """
        ...

    @primitive(
        infer=like_ufunc(np.arccosh),
        kernel="arccosh",
        vjp=lambda g, y, x: g * slopes.acosh_slope(g.sd, x),
        domain=(1.1, 4),
    )
    def acosh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Inverse hyperbolic cosine, not negative; NaN below 1, infinite gradient at 1.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.acosh([1.0, 2.0]).eval()
            array([0.        , 1.3169579])
        """
        ...

    @primitive(
        infer=like_ufunc(np.arctanh),
        kernel="arctanh",
        vjp=lambda g, y, x: g * slopes.atanh_slope(g.sd, x),
        domain=(-0.9, 0.9),
    )
    def atanh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Inverse hyperbolic tangent; infinite at -1 and 1, with an infinite gradient; NaN beyond.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.atanh([0.0, 0.5]).eval()
            array([0.        , 0.54930614])
        """
        ...

    # ------------------------------------------------------------------ error function

    @primitive(
        infer=real,
        kernel=error.erf,
        vjp=lambda g, y, x: _bell(g, x),
    )
    def erf(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Error function: ``2 / sqrt(pi)`` times the integral of ``exp(-t^2)`` from 0 to ``x``.

        Returns:
            The same shape, the dtype of ``numpy.exp``; within 2 units in the last place in float64.

        References:
            NIST, "Digital Library of Mathematical Functions", section 7.2, https://dlmf.nist.gov/7.2.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.erf([0.0, 1.0]).eval()
            array([0.        , 0.84270079])
        """
        ...

    @primitive(
        infer=real,
        kernel=error.erfc,
        vjp=lambda g, y, x: -_bell(g, x),
    )
    def erfc(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``1 - erf(x)``, accurate also where that is tiny.

        Returns:
            The same shape, the dtype of ``numpy.exp``; within 4 units in the last place in float64.

        References:
            NIST, "Digital Library of Mathematical Functions", section 7.2, https://dlmf.nist.gov/7.2.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.erfc([0.0, 20.0]).eval()
            array([1.00000000e+000, 5.39586561e-176])
        """
        ...

    # ------------------------------------------------------------------ kinds of numbers

    @primitive(infer=like_ufunc(np.isnan), kernel="isnan", vjp=NOT_DIFFERENTIABLE)
    def is_nan(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Whether it is NaN, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.is_nan([1.0, float("nan")]).eval()
            array([False,  True])
        """
        ...

    @primitive(infer=like_ufunc(np.isinf), kernel="isinf", vjp=NOT_DIFFERENTIABLE)
    def is_infinite(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Whether it is plus or minus infinity, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.is_infinite([1.0, float("-inf")]).eval()
            array([False,  True])
        """
        ...

    @primitive(infer=like_ufunc(np.isfinite), kernel="isfinite", vjp=NOT_DIFFERENTIABLE)
    def is_finite(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Whether it is neither infinite nor NaN, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.is_finite([1.0, float("nan")]).eval()
            array([ True, False])
        """
        ...
