"""Derivatives of elementary functions that must stay accurate where the formula in the textbook cancels or overflows.

Each is a composite whose own derivative stands beside it in closed form, so that derivatives of every order keep their
digits near 0, in the tails and at the largest numbers. Knows formulas; must not know namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import GraphLike
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.reading import PRODUCT, Form, Reading
from sdgraph.build.variable import SDVariable

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand


def decay(x: SDVariable) -> SDVariable:
    """``exp(-|x|)``, which never overflows. What sigmoid, softplus and their slopes share: one exponential for all."""
    return x.sd.math.exp(-x.sd.math.abs(x))


def decay_of_twice(x: SDVariable) -> SDVariable:
    """``exp(-2 |x|)``: what tanh and its slope share."""
    size = x.sd.math.abs(x)
    return x.sd.math.exp(-(size + size))


@composite(
    vjp=lambda g, y, x: -(g * (y * g.sd.math.tanh(0.5 * x))),
    reach=ELEMENTWISE,
    reads=Reading(
        Form(r"\sigma\left(%(x)s\right)\, \sigma\left(-%(x_atom)s\right)", PRODUCT), "σ(%(x)s) σ(−%(x_atom)s)"
    ),
)
def sigmoid_slope(sd: GraphLike, x: Operand) -> SDVariable:
    """``sigmoid(x) sigmoid(-x)``, the derivative of sigmoid; its own does not cancel near 0."""
    e = decay(sd.as_variable(x))
    return e / (1 + e) / (1 + e)


@composite(
    vjp=lambda g, y, x: g * (-2.0 * (y * g.sd.math.tanh(x))),
    reach=ELEMENTWISE,
    reads=Reading(Form(r"\operatorname{sech}^{2}\left(%(x)s\right)", PRODUCT), "1 / cosh²(%(x)s)"),
)
def tanh_slope(sd: GraphLike, x: Operand) -> SDVariable:
    """``1 / cosh(x)^2``, the derivative of tanh, where ``1 - tanh(x)^2`` has lost its digits."""
    e = decay_of_twice(sd.as_variable(x))
    return 4.0 * (e / (1 + e) / (1 + e))


GAUSS_VANISHES = 64.0
"""From here on ``exp(-x^2 / 2)`` is 0 in every dtype: what multiplies it need not grow any further."""


def _gaussian_vjp(g: SDVariable, y: SDVariable, x: SDVariable) -> SDVariable:
    return g * (-2.0 * (g.sd.math.clip_by_value(x, -GAUSS_VANISHES, GAUSS_VANISHES) * y))


@composite(
    vjp=_gaussian_vjp,
    reach=ELEMENTWISE,
    reads=Reading(Form(r"e^{-%(x_atom)s^{2}}", PRODUCT), "exp(−%(x_atom)s²)"),
)
def gaussian(sd: GraphLike, x: Operand) -> SDVariable:
    """``exp(-x^2)``, the derivative of erf but for a factor."""
    return sd.math.exp(-sd.math.square(x))


@composite(
    vjp=lambda g, y, x: g * (-2.0 * ((x * y) * y)),
    reach=ELEMENTWISE,
    reads=Reading(Form(r"\frac{1}{1 + %(x_atom)s^{2}}", PRODUCT), "1 / (1 + %(x_atom)s²)"),
)
def atan_slope(sd: GraphLike, x: Operand) -> SDVariable:
    """``1 / (1 + x^2)``, the derivative of atan, without a square that overflows."""
    m = sd.math
    size = m.abs(x)
    below = 1.0 / m.max(size, 1.0)
    return m.square(below) / (1.0 + m.square(below * m.min(size, 1.0)))


@composite(
    vjp=lambda g, y, x: -(g * (g.sd.math.sign(x) * g.sd.math.square(y))),
    reach=ELEMENTWISE,
    reads=Reading(Form(r"\frac{1}{1 + \left|%(x)s\right|}", PRODUCT), "1 / (1 + |%(x)s|)"),
)
def softsign_factor(sd: GraphLike, x: Operand) -> SDVariable:
    """``1 / (1 + |x|)``: softsign is x times it, its derivative the square of it."""
    return 1.0 / (1.0 + sd.math.abs(x))


@composite(
    vjp=lambda g, y, x: g * (((x * y) * y) * y),
    reach=ELEMENTWISE,
    reads=Reading(Form(r"\frac{1}{\sqrt{1 - %(x_atom)s^{2}}}", PRODUCT), "1 / √(1 − %(x_atom)s²)"),
)
def asin_slope(sd: GraphLike, x: Operand) -> SDVariable:
    """``1 / sqrt(1 - x^2)``, the derivative of asin: infinite at both ends, as are its own derivatives."""
    x = sd.as_variable(x)
    return 1.0 / sd.math.sqrt((1.0 - x) * (1.0 + x))


@composite(
    vjp=lambda g, y, x: g * (2.0 * ((x * y) * y)),
    reach=ELEMENTWISE,
    reads=Reading(Form(r"\frac{1}{1 - %(x_atom)s^{2}}", PRODUCT), "1 / (1 − %(x_atom)s²)"),
)
def atanh_slope(sd: GraphLike, x: Operand) -> SDVariable:
    """``1 / (1 - x^2)``, the derivative of atanh."""
    x = sd.as_variable(x)
    return 1.0 / ((1.0 - x) * (1.0 + x))


@composite(
    vjp=lambda g, y, x: -(g * _acosh_curvature(g.sd, x)),
    reach=ELEMENTWISE,
    reads=Reading(Form(r"\frac{1}{\sqrt{%(x_atom)s^{2} - 1}}", PRODUCT), "1 / √(%(x_atom)s² − 1)"),
)
def acosh_slope(sd: GraphLike, x: Operand) -> SDVariable:
    """``1 / sqrt(x^2 - 1)``, the derivative of acosh; two roots, because the square would overflow."""
    x = sd.as_variable(x)
    return 1.0 / (sd.math.sqrt(x - 1.0) * sd.math.sqrt(x + 1.0))


def _acosh_curvature_vjp(g: SDVariable, y: SDVariable, x: SDVariable) -> SDVariable:
    """``-(2 x^2 + 1) / (x^2 - 1)^(5/2)``: one term, where at 1 the product rule would leave infinity less infinity."""
    m = g.sd.math
    slope = acosh_slope(g.sd, x)
    return -(g * (((2.0 * m.square(x * slope) + m.square(slope)) * slope) * m.square(slope)))


@composite(
    vjp=_acosh_curvature_vjp,
    reach=ELEMENTWISE,
    reads=Reading(Form(r"\frac{%(x)s}{\sqrt{%(x_atom)s^{2} - 1}^{3}}", PRODUCT), "%(x_atom)s / √(%(x_atom)s² − 1)³"),
)
def _acosh_curvature(sd: GraphLike, x: Operand) -> SDVariable:
    """``x / (x^2 - 1)^(3/2)``."""
    x = sd.as_variable(x)
    slope = acosh_slope(sd, x)
    return ((x * slope) * slope) * slope


# ---------------------------------------------------------------------- rational tanh

_C = 1.41645
"""``h(z) = 1 - 1 / D(z)`` with ``D = 1 + z + z^2 + c z^4``; the rational tanh is ``1.7159 h(2 x / 3)`` for x >= 0."""


class _Pieces(NamedTuple):
    """What the rational tanh and its derivatives are made of, on both sides of ``z = 1``."""

    sign: SDVariable
    is_small: SDVariable
    z: SDVariable
    near: SDVariable
    """``D(z)``, for z up to 1."""
    w: SDVariable
    far: SDVariable
    """``w^4 D(1 / w)`` for ``w = 1 / z``, so that nothing overflows."""

    def joined(self, near: SDVariable, far: SDVariable) -> SDVariable:
        """One formula for z up to 1, and one for what is beyond."""
        return self.z.sd.where(self.is_small, near, far)


def _pieces(x: SDVariable) -> _Pieces:
    sd = x.sd
    # With a factor in place of |x| all derivatives at 0 are those from the right, which are those from the left.
    sign = sd.where(x < 0, -1.0, 1.0)
    size = sign * (x * (2.0 / 3.0))
    is_small = size <= 1
    z, w = sd.where(is_small, size, 1.0), 1.0 / sd.where(is_small, 1.0, size)
    return _Pieces(
        sign, is_small, z, 1.0 + z * (1.0 + z * (1.0 + _C * (z * z))), w, (w * w) * (1.0 + w * (1.0 + w)) + _C
    )


def rational_tanh(x: SDVariable) -> SDVariable:
    """``1.7159 sign(x) h(2 |x| / 3)``."""
    p = _pieces(x)
    z, square = p.z, p.w * p.w
    return 1.7159 * (p.sign * p.joined(z * (1.0 + z * (1.0 + _C * (z * z))) / p.near, 1.0 - square * square / p.far))


@composite(
    vjp=lambda g, y, x: g * _rational_curvature(g.sd, x),
    reach=ELEMENTWISE,
    reads=Reading(Form(r"r'\left(%(x)s\right)", PRODUCT), "r′(%(x)s)"),
)
def rational_slope(sd: GraphLike, x: Operand) -> SDVariable:
    """The derivative of the rational tanh: ``1.7159 (2 / 3) D'(z) / D(z)^2``."""
    p = _pieces(sd.as_variable(x))
    z, w = p.z, p.w
    near = (1.0 + z * (2.0 + (4.0 * _C) * (z * z))) / p.near / p.near
    power = (w * w) * (w * w) * w
    return (1.7159 * 2.0 / 3.0) * p.joined(near, power * ((w * w) * (w + 2.0) + 4.0 * _C) / p.far / p.far)


@composite(reads=Reading(Form(r"r''\left(%(x)s\right)", PRODUCT), "r″(%(x)s)"))
def _rational_curvature(sd: GraphLike, x: Operand) -> SDVariable:
    """Its second derivative ``1.7159 (4 / 9) sign(x) z p(z) / D(z)^3``; p is what is left of what cancels."""
    p = _pieces(sd.as_variable(x))
    z, w, c = p.z, p.w, _C
    square = z * z
    inner = (12.0 * c - 6.0) * z - 6.0 - square * (4.0 * c + z * (18.0 * c + (20.0 * c * c) * square))
    outer = w * (w * (w * ((12.0 * c - 6.0) * w - 6.0 * (w * w) - 4.0 * c) - 18.0 * c)) - 20.0 * c * c
    cube = w * w * w
    far = ((cube / p.far) * (cube / p.far)) * (outer / p.far)
    return (1.7159 * 4.0 / 9.0) * (p.sign * p.joined(z * inner / p.near / p.near / p.near, far))
