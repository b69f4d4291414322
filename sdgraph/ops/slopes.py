"""Derivatives of elementary functions that must stay accurate where the formula in the textbook cancels or overflows.

Each is a composite whose own derivative stands beside it in closed form, so that derivatives of every order keep their
digits near 0, in the tails and at the largest numbers. Knows formulas; must not know namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
