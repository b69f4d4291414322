"""Special functions of ``sd.math``: gamma and beta functions, their derivatives, zeta, and the inverse of erf.

Each op stands with its kernel and its gradient rule. Must not know reductions or losses.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sdgraph.build.decorators import primitive
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.reading import call
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError
from sdgraph.infer.aval import Aval
from sdgraph.infer.shapes import real
from sdgraph.ops.special import gamma, incomplete, inverse
from sdgraph.ops.special import zeta as zetas

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand

_HALF_ROOT_PI = 0.5 * math.sqrt(math.pi)


def _of_order(x: Aval, *, n: int) -> Aval:
    """The floating dtype, for an order that there is.

    Returns:
        The same shape, floating dtype.

    Raises:
        ArgumentError: If the order is not between 0 and 100; a gradient has one more.
        DTypeError: If ``x`` is complex.
    """
    if not is_whole(n, 0, zetas.MOST_ORDER):
        raise ArgumentError(
            "This is no order of a polygamma function.",
            given=f"n={n!r}",
            expected=f"a whole number from 0 to {zetas.MOST_ORDER}",
        )
    return real(x)


_of_order.broadcasts = True  # type: ignore[attr-defined]


def _gamma_slope(g: SDVariable, a: SDVariable, x: SDVariable) -> SDVariable:
    """``g`` times the derivative of the lower incomplete gamma function, ``x^(a - 1) exp(-x) / gamma(a)``."""
    return g * g.sd.math.igamma_slope(a, x)


def _gamma_slope_vjp(g: SDVariable, y: SDVariable, a: SDVariable, x: SDVariable) -> tuple[SDVariable, SDVariable]:
    m = g.sd.math
    return g * y * (m.log(x) - m.digamma(a)), g * y * ((a - 1.0) / x - 1.0)


def _beta_slope_vjp(
    g: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable, x: SDVariable
) -> tuple[SDVariable, SDVariable, SDVariable]:
    m = g.sd.math
    both = m.digamma(a + b)
    by_a, by_b = m.log(x) + (both - m.digamma(a)), m.log1p(-x) + (both - m.digamma(b))
    return g * y * by_a, g * y * by_b, g * y * ((a - 1.0) / x - (b - 1.0) / (1.0 - x))


_SHARED = {
    "x": "Real numbers of any shape.",
    "q": Meaning("Numbers whose shape broadcasts with that of ``x``.", "ShapeError: If the shapes do not broadcast."),
}


class SDSpecial(Namespace, prefix="math", shared=_SHARED):
    """Special functions of ``sd.math``."""

    @primitive(
        infer=real,
        kernel=gamma.lgamma,
        vjp=lambda g, y, x: g * g.sd.math.digamma(x),
        reads=call(r"\ln\Gamma"),
        domain=(0.2, 4),
    )
    def lgamma(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Logarithm of the absolute value of the gamma function; infinite at 0, -1, -2 and so on.

        Returns:
            The same shape, floating dtype; for positive numbers within 3 units in the last place in float64. Between
            the poles on the negative side, where it crosses 0, the error is that of numbers about 1.

        References:
            NIST, "Digital Library of Mathematical Functions", sections 5.5 and 5.11, https://dlmf.nist.gov/5.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.lgamma([0.5, 2.0, 5.0]).eval()
            array([0.57236494, 0.        , 3.17805383])
        """
        ...

    @primitive(
        infer=real,
        kernel=gamma.digamma,
        vjp=lambda g, y, x: g * g.sd.math.polygamma(1, x),
        reads=call(r"\psi"),
        domain=(0.2, 4),
    )
    def digamma(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Derivative of the logarithm of the gamma function; NaN at -1, -2 and so on, infinite at 0.

        Returns:
            The same shape, floating dtype; for positive numbers within 3 units in the last place in float64. Between
            the poles on the negative side, where it crosses 0, the error is that of numbers about 1.

        References:
            NIST, "Digital Library of Mathematical Functions", sections 5.5 and 5.11, https://dlmf.nist.gov/5.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.digamma([0.5, 1.0, 5.0]).eval()
            array([-1.96351003, -0.57721566,  1.50611767])
        """
        ...

    @primitive(
        infer=_of_order,
        kernel=zetas.polygamma,
        vjp=lambda g, y, x, n: g * g.sd.math.polygamma(n + 1, x),
        domain=(0.4, 4),
    )
    def polygamma(self, n: int, x: Operand, *, name: str | None = None) -> SDVariable:
        """Derivative of order ``n`` of `digamma`, which is that of order 0.

        At 0, -1, -2 and so on it is infinite for odd orders; for even ones NaN, but at 0.

        Args:
            n: The order, a number and no variable.

        Returns:
            The same shape, floating dtype; for positive numbers within ``4 + n / 2`` units in the last place in
            float64.

        References:
            NIST, "Digital Library of Mathematical Functions", section 5.15, https://dlmf.nist.gov/5.15.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.polygamma(1, [1.0, 10.0]).eval()
            array([1.64493407, 0.10516634])
        """
        ...

    @primitive(
        infer=real,
        kernel=zetas.zeta,
        vjp=lambda g, y, x, q: (None, g * (-(x * g.sd.math.zeta(x + 1.0, q)))),
        without_gradient=(0,),
        domain=(1.2, 4),
    )
    def zeta(self, x: Operand, q: Operand, *, name: str | None = None) -> SDVariable:
        """Hurwitz' zeta function, the sum of ``(q + k)^-x`` over k from 0 on.

        It is for ``x > 1`` and ``q >= 0``, infinite at ``x = 1`` and at ``q = 0``, and NaN elsewhere.

        Args:
            x: The exponents.
            q: Where the sum begins.

        Returns:
            The broadcast shape, floating dtype; within a few units in the last place in float64. The gradient goes
            to ``q``.

        Raises:
            GradientError: When differentiated with respect to ``x``.

        References:
            NIST, "Digital Library of Mathematical Functions", section 25.11, https://dlmf.nist.gov/25.11.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.zeta(2.0, [1.0, 2.0]).eval()
            array([1.64493407, 0.64493407])
        """
        ...

    @primitive(
        infer=real,
        kernel=inverse.erfinv,
        vjp=lambda g, y, x: g * (_HALF_ROOT_PI * g.sd.math.exp(g.sd.math.square(y))),
        reads=call(r"\operatorname{erf}^{-1}"),
        domain=(-0.9, 0.9),
    )
    def erfinv(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The number whose `erf` is ``x``: infinite at -1 and 1, with an infinite gradient; NaN beyond.

        Returns:
            The same shape, floating dtype; within 2 units in the last place in float64.

        References:
            NIST, "Digital Library of Mathematical Functions", section 7.17, https://dlmf.nist.gov/7.17.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.erfinv([0.0, 0.5, 1.0]).eval()
            array([0.        , 0.47693628,        inf])
        """
        ...

    # ------------------------------------------------------------------ incomplete functions

    @primitive(
        infer=real,
        kernel=incomplete.igamma,
        vjp=lambda g, y, a, x: (None, _gamma_slope(g, a, x)),
        without_gradient=(0,),
        reads=call("P"),
        domain=(0.6, 3),
    )
    def igamma(self, a: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """Regularized lower incomplete gamma function: the integral of ``t^(a - 1) exp(-t) / gamma(a)`` from 0 to x.

        It is the distribution function of gamma distributed numbers. NaN for negative operands.

        Args:
            a: Positive numbers.
            x: Numbers from 0 on; the shapes broadcast.

        Returns:
            The broadcast shape, floating dtype; within ``1e-14`` in float64, relative also where it is tiny, but for
            what the exponent rounds there. The gradient goes to ``x``.

        Raises:
            ShapeError: If the shapes do not broadcast.
            GradientError: When differentiated with respect to ``a``.

        References:
            - NIST, "Digital Library of Mathematical Functions", section 8.2, https://dlmf.nist.gov/8.2.
            - N. M. Temme, "The asymptotic expansion of the incomplete gamma functions", SIAM Journal on Mathematical
              Analysis 10, 1979, doi:10.1137/0510071: large ``a``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.igamma(2.0, [0.0, 1.0, 20.0]).eval()
            array([0.        , 0.26424112, 0.99999996])
        """
        ...

    @primitive(
        infer=real,
        kernel=incomplete.igammac,
        vjp=lambda g, y, a, x: (None, -_gamma_slope(g, a, x)),
        without_gradient=(0,),
        reads=call("Q"),
        domain=(0.6, 3),
    )
    def igammac(self, a: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """Regularized upper incomplete gamma function ``1 - igamma(a, x)``, accurate also where it is tiny.

        Args:
            a: Positive numbers.
            x: Numbers from 0 on; the shapes broadcast.

        Returns:
            The shape, dtype and accuracy of `igamma`. The gradient goes to ``x``.

        Raises:
            ShapeError: If the shapes do not broadcast.
            GradientError: When differentiated with respect to ``a``.

        References:
            NIST, "Digital Library of Mathematical Functions", section 8.2, https://dlmf.nist.gov/8.2.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.igammac(2.0, [0.0, 1.0, 20.0]).eval()
            array([1.00000000e+00, 7.35758882e-01, 4.32842261e-08])
        """
        ...

    @primitive(
        infer=real,
        kernel=incomplete.igamma_slope,
        vjp=_gamma_slope_vjp,
        domain=(0.6, 3),
    )
    def igamma_slope(self, a: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """Derivative of `igamma` by ``x``, the density ``x^(a - 1) exp(-x) / gamma(a)`` of the gamma distribution.

        Args:
            a: Positive numbers.
            x: Numbers from 0 on; the shapes broadcast.

        Returns:
            The broadcast shape, floating dtype.

        Raises:
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.igamma_slope(2.0, [0.0, 1.0]).eval()
            array([0.        , 0.36787944])
        """
        ...

    @primitive(
        infer=real,
        kernel=incomplete.betainc,
        vjp=lambda g, y, a, b, x: (None, None, g * g.sd.math.betainc_slope(a, b, x)),
        without_gradient=(0, 1),
        reads=call("I"),
        domain=(0.2, 0.8),
    )
    def betainc(self, a: Operand, b: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """Regularized incomplete beta function: the integral of ``t^(a - 1) (1 - t)^(b - 1) / B(a, b)`` from 0 to x.

        It is the distribution function of beta distributed numbers. NaN beyond 0 and 1.

        Args:
            a: Positive numbers.
            b: Positive numbers; the shapes broadcast.
            x: Numbers from 0 to 1; the shapes broadcast.

        Returns:
            The broadcast shape, floating dtype; within ``1e-13`` in float64 for parameters up to 10000. NaN where
            50,000 terms of its continued fraction are not enough. The gradient goes to ``x``.

        Raises:
            ShapeError: If the shapes do not broadcast.
            GradientError: When differentiated with respect to ``a`` or ``b``.

        References:
            NIST, "Digital Library of Mathematical Functions", section 8.17, https://dlmf.nist.gov/8.17.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.betainc(2.0, 3.0, [0.0, 0.5, 1.0]).eval()
            array([0.    , 0.6875, 1.    ])
        """
        ...

    @primitive(
        infer=real,
        kernel=incomplete.betainc_slope,
        vjp=_beta_slope_vjp,
        domain=(0.2, 0.8),
    )
    def betainc_slope(self, a: Operand, b: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """Derivative of `betainc` by ``x``: ``x^(a - 1) (1 - x)^(b - 1) / B(a, b)``, the density of the distribution.

        Args:
            a: Positive numbers.
            b: Positive numbers; the shapes broadcast.
            x: Numbers from 0 to 1; the shapes broadcast.

        Returns:
            The broadcast shape, floating dtype.

        Raises:
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.betainc_slope(2.0, 3.0, [0.0, 0.5]).eval()
            array([0. , 1.5])
        """
        ...
