"""Kernels of the error function. Knows numerics only; must not know ops or graphs.

Below 1/2, ``erf(x) / x - 1`` is a polynomial in ``x^2``. Above, ``(1 + 2x) exp(x^2) erfc(x)`` varies little and is a
polynomial in ``(x - 3) / (x + 3)``. Both interpolate 50-digit values at Chebyshev nodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.ops.special.blocks import in_blocks, polynomial

EDGE = 0.5
FAR = 28.0
"""From here on erfc is 0 in float64."""

NEAR_POLYNOMIAL = (
    -1.462091340945175e-07,
    1.637123442577e-06,
    -1.4923003368152099e-05,
    0.00012055286202005714,
    -0.0008548326510724796,
    0.0052239776220169365,
    -0.02686617064499972,
    0.1128379167095487,
    -0.3761263890318375,
    0.1283791670955126,
)
TAIL_POLYNOMIAL = (
    -4.325370719107278e-09,
    -1.0659628807393203e-08,
    3.42329907978226e-08,
    9.877438074940672e-08,
    -1.3432312409451292e-07,
    -6.146346341425417e-07,
    3.52693258412998e-07,
    3.471616676593574e-06,
    -7.300550882569987e-07,
    -2.0100376113106087e-05,
    4.9491714476033325e-06,
    0.00012509932758636072,
    -0.00010515976008945177,
    -0.0007798322714918795,
    0.0018886903564002055,
    0.002529391816335117,
    -0.02377051491853638,
    0.06830802734394434,
    -0.11927366341531179,
    0.12964515870276203,
    -0.0475622943534507,
    -0.1356211061245812,
    1.2530080582697296,
)


def _near(x: Any) -> Any:
    """The error function for ``|x| <= 1/2``."""
    return x + x * polynomial(x * x, NEAR_POLYNOMIAL)


def _tail(x: Any) -> Any:
    """The complementary error function for ``x >= 1/2``."""
    x = np.minimum(x, FAR)
    scaled = polynomial((x - 3) / (x + 3), TAIL_POLYNOMIAL) / (1 + 2 * x)
    # x^2 rounded would cost exp up to 250 ulp: the square of x's upper half is exact, the rest is a small correction.
    upper = x.astype(np.float32).astype(np.float64)
    rest = (x - upper) * (x + upper)
    bell = np.exp(-upper * upper)
    bell -= bell * (rest * (1 - rest * (0.5 - rest / 6)))
    return scaled * bell


def _erf_block(x: Any) -> Any:
    y = _near(x)
    far = ~(np.abs(x) < EDGE)
    if far.any():
        y[far] = np.copysign(1 - _tail(np.abs(x[far])), x[far])
    return y


def _erfc_block(x: Any) -> Any:
    y = 1 - _near(x)
    far = ~(np.abs(x) < EDGE)
    if far.any():
        z = x[far]
        tail = _tail(np.abs(z))
        y[far] = np.where(z < 0, 2 - tail, tail)
    return y


def erf(xp: Any, x: Any) -> Any:
    """The error function, within 2 ulp in float64; narrower floats are computed in float64."""
    return in_blocks(_erf_block, x)


def erfc(xp: Any, x: Any) -> Any:
    """The complementary error function ``1 - erf(x)``, within 4 ulp in float64 also where it is tiny."""
    return in_blocks(_erfc_block, x)
