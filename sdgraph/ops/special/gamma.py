"""Kernels of the logarithm of the gamma function and its derivatives. Know numerics only; must not know ops or graphs.

Near 1 and 2 the logarithm, and between 1 and 2 the digamma function over its distance from its zero, are polynomials
that interpolate 60-digit values at Chebyshev nodes. Recurrences lead there, from 10 on there are Stirling's series, and
reflections for negative numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sdgraph.ops.special.blocks import in_blocks, polynomial

FAR = 10.0
"""From here on Stirling's series have all their digits."""
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_LOG_SERIES = (
    -3617 / 122400,
    1 / 156,
    -691 / 360360,
    1 / 1188,
    -1 / 1680,
    1 / 1260,
    -1 / 360,
    1 / 12,
)
"""``B(2k) / (2k (2k - 1))``, the last one first."""
_SLOPE_SERIES = (
    -3617 / 8160,
    1 / 12,
    -691 / 32760,
    1 / 132,
    -1 / 240,
    1 / 252,
    -1 / 120,
    1 / 12,
)
"""``B(2k) / (2k)``, the last one first."""
_ZERO, _ZERO_REST = 1.4616321449683622, 9.549995429965697e-17
"""Where the digamma function is 0, in two parts."""

_NEAR_ONE = (
    0.2510025580986794,
    -0.25810612401802563,
    -0.23637810363983194,
    0.2426088118659276,
    0.20576657203290266,
    -0.2117112848789538,
    -0.029062781167204906,
    0.029351948150667537,
    0.060006549171053046,
    -0.062313109383947816,
    0.04190865229477288,
    -0.043977669311539,
    0.05049714995922952,
    -0.05314214812830013,
    0.0555050100131062,
    -0.058771857911566715,
    0.06250470442310463,
    -0.06667255575708834,
    0.07143274952784964,
    -0.07693231436857932,
    0.08335384765507184,
    -0.09095402444526833,
    0.10009945734469952,
    -0.11133426569698086,
    0.12550966952714004,
    -0.14404989677130728,
    0.16955717699739029,
    -0.2073855510286556,
    0.2705808084277846,
    -0.4006856343865315,
    0.8224670334241132,
    -0.5772156649015329,
)
"""``lgamma(1 + t) / t`` for ``|t| <= 1/2``."""
_NEAR_TWO = (
    1.4963573191192003e-08,
    -3.1314285360886705e-08,
    4.509983567521808e-08,
    -9.501416425423385e-08,
    2.129692727315228e-07,
    -4.511181191016309e-07,
    9.549510392959532e-07,
    -2.0388192484564222e-06,
    4.374892520636031e-06,
    -9.439541921024715e-06,
    2.05072105479096e-05,
    -4.492623209360517e-05,
    9.945751290176889e-05,
    -0.00022315475870367355,
    0.0005096695247392805,
    -0.0011927539116954181,
    0.0028905103307415836,
    -0.0073855510286741114,
    0.020580808427784546,
    -0.06735230105319809,
    0.3224670334241132,
    0.42278433509846713,
)
"""``lgamma(2 + t) / t`` for ``|t| <= 1/2``."""
_SLOPE = (
    5.596002350342592e-05,
    -8.394009422598467e-05,
    3.847275205849602e-05,
    -5.7709404612698156e-05,
    0.0001466781049062341,
    -0.00022001895005109955,
    0.0003061242075543146,
    -0.0004591975036646912,
    0.000694908174082211,
    -0.0010424323828753985,
    0.001562789950608375,
    -0.0023446252179885993,
    0.0035181618550874957,
    -0.005280020192518892,
    0.007927018411136843,
    -0.011908215027359153,
    0.01790724844392596,
    -0.026975796849706184,
    0.04076083393821673,
    -0.061922133271544284,
    0.09498872445291558,
    -0.1484049230539187,
    0.24054248424078692,
    -0.42362742128146047,
    0.9510558760318328,
)
"""``digamma(x) / (x - zero)`` between 1 and 2, in ``x - 3/2``."""


# ---------------------------------------------------------------------- logarithm of the gamma function


def _lgamma_of_some(a: Any) -> Any:
    """For 3/2 to 10: down to a place next to 2, by factors."""
    a, product = a.copy(), np.ones_like(a)
    while (above := a > 2.5).any():
        a[above] -= 1.0
        product[above] *= a[above]
    t = a - 2.0
    return np.log(product) + t * polynomial(t, _NEAR_TWO)


def stirling(a: Any) -> Any:
    """What Stirling's formula ``(a - 1/2) log a - a + log(2 pi) / 2`` leaves out, for a from 10 on."""
    small = 1.0 / a
    return small * polynomial(small * small, _LOG_SERIES)


def _lgamma_of_many(a: Any) -> Any:
    return (a - 0.5) * (np.log(a) - 1.0) + (stirling(a) + (_HALF_LOG_TWO_PI - 0.5))


def _lgamma_of_positive(a: Any) -> Any:
    """For numbers above 1/2."""
    y = np.full_like(a, np.nan)
    for here, function in (
        (a < 1.5, lambda v: (v - 1.0) * polynomial(v - 1.0, _NEAR_ONE) + 0.0),
        ((a >= 1.5) & (a < FAR), _lgamma_of_some),
        (a >= FAR, _lgamma_of_many),
    ):
        if here.any():
            y[here] = function(a[here])
    return y


def lgamma_next(a: Any) -> Any:
    """``log gamma(1 + a)`` for ``a >= 0``, with all digits where a is small."""
    near = a <= 0.5
    return np.where(near, a * polynomial(np.minimum(a, 0.5), _NEAR_ONE), _lgamma_of_positive(1.0 + a))


def lgamma_block(x: Any) -> Any:
    """`lgamma` of an array of float64."""
    a = np.abs(x)
    with np.errstate(all="ignore"):
        near = a <= 0.5
        y = _lgamma_of_positive(np.where(near, 1.0, a))
        if near.any():
            y[near] = x[near] * polynomial(x[near], _NEAR_ONE) - np.log(a[near])
        left = (x < -0.5) & (a < np.inf)
        if left.any():
            s = np.abs(np.sin(np.pi * (x[left] - np.rint(x[left]))))
            y[left] = np.log(np.pi / s) - np.log(a[left]) - y[left]
    return np.where(a == np.inf, np.inf, y)


def lgamma(xp: Any, x: Any) -> Any:
    """``log |gamma(x)|``; narrower floats are computed in float64."""
    return in_blocks(lgamma_block, x)


# ---------------------------------------------------------------------- its derivative


def _digamma_of_some(a: Any) -> Any:
    """For positive numbers below 10: to a place between 1 and 2, by terms."""
    below = a < 1.0
    rest = np.where(below, -1.0 / a, 0.0)
    a = np.where(below, a + 1.0, a)
    while (above := a > 2.0).any():
        a[above] -= 1.0
        rest[above] += 1.0 / a[above]
    return ((a - _ZERO) - _ZERO_REST) * polynomial(a - 1.5, _SLOPE) + rest


def _digamma_of_many(a: Any) -> Any:
    small = 1.0 / a
    square = small * small
    return np.log(a) - (0.5 * small + square * polynomial(square, _SLOPE_SERIES))


def _digamma_block(x: Any) -> Any:
    y = np.full_like(x, np.nan)
    with np.errstate(all="ignore"):
        next_to_0, left = (x <= 0) & (x > -0.5), x <= -0.5
        # What is left of 0 is taken one place to the right, or mirrored.
        a = np.where(next_to_0, x + 1.0, np.where(left, -x, x))
        for here, function in ((a < FAR, _digamma_of_some), (a >= FAR, _digamma_of_many)):
            if here.any():
                y[here] = function(a[here])
        y[next_to_0] -= 1.0 / x[next_to_0]
        if left.any():
            v = x[left]
            slope = np.pi / np.tan(np.pi * (v - np.rint(v)))
            y[left] = np.where(v == np.rint(v), np.nan, y[left] - 1.0 / v - slope)
    return y


def digamma(xp: Any, x: Any) -> Any:
    """The derivative of `lgamma`; narrower floats are computed in float64."""
    return in_blocks(_digamma_block, x)
