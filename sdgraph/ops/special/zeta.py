"""Kernels of Hurwitz' zeta function and of the polygamma functions. Know numerics only; must not know ops or graphs.

The first terms are added up; the rest is Euler's and Maclaurin's formula. Polygamma functions of positive numbers are
zeta functions, those of negative ones are mirrored.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from sdgraph.ops.special.blocks import in_blocks
from sdgraph.ops.special.gamma import digamma

_TERMS: Final = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
    43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
    77683 / 14101100039391805440000,
    -236364091 / 1693824136731743669452800000,
)
"""``B(2k) / (2k)!``."""
_FROM: Final = 10.0
"""The formula is for the terms from here on, and as many more as the exponent is large."""
MOST_ORDER: Final = 100


def _zeta_block(s: Any, q: Any) -> Any:
    """For ``s > 1`` and ``q > 0``, and the limits."""
    with np.errstate(all="ignore"):
        total, a, enough = np.zeros_like(q), q.copy(), _FROM + s
        term = a**-s
        # Until the formula holds, or all that is left does not count.
        while (more := (a < enough) & (term * (1.0 + a / (s - 1.0)) > 1e-18 * total)).any():
            total[more] += term[more]
            a[more] += 1.0
            term[more] = a[more] ** -s[more]
        rest = a ** (1.0 - s) / (s - 1.0) + 0.5 * term
        factor = s * (term / a)
        for k, c in enumerate(_TERMS):
            rest += c * factor
            factor *= ((s + (2 * k + 1)) / a) * ((s + (2 * k + 2)) / a)
        total = np.where(a < enough, total, total + rest)
        total = np.where(q == 0, np.inf, total)
        return np.where((s > 1) & (q >= 0), total, np.where((s == 1) & (q >= 0), np.inf, np.nan))


def zeta(xp: Any, x: Any, q: Any) -> Any:
    """``sum((q + k)^-x)`` for k from 0 on; narrower floats are computed in float64."""
    return in_blocks(_zeta_block, x, q)


def _of_cotangent(n: int) -> list[int]:
    """``d^n cot(x) / dx^n`` as a polynomial in the cotangent, the lowest power first."""
    p = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return p


def _mirrored(x: Any, n: int) -> Any:
    """For numbers below -1/2, out of ``(-1)^n polygamma(n, 1 - x)`` and a derivative of the cotangent."""
    c = 1.0 / np.tan(np.pi * (x - np.rint(x)))
    p = np.zeros_like(c)
    for k in reversed(_of_cotangent(n)):
        p = p * c + float(k)
    poles = np.inf if n % 2 else np.nan
    y = math.pi ** (n + 1) * p
    return np.where(x == np.rint(x), poles, (-1) ** n * _of_positive(1.0 - x, n) - y)


def _of_positive(x: Any, n: int) -> Any:
    return (-1) ** (n + 1) * (math.factorial(n) * _zeta_block(np.full_like(x, n + 1.0), x))


def _polygamma_block(x: Any, n: int) -> Any:
    with np.errstate(all="ignore"):
        y = _of_positive(np.where(x > 0, x, x + 1.0), n)
        next_to_0, left = (x <= 0) & (x > -0.5), x <= -0.5
        y[next_to_0] -= (-1) ** n * (math.factorial(n) * x[next_to_0] ** -(n + 1.0))
        if left.any():
            y[left] = _mirrored(x[left], n)
    return y


def polygamma(xp: Any, x: Any, *, n: int) -> Any:
    """The derivative of order n of the digamma function; narrower floats are computed in float64."""
    return in_blocks(lambda v: _polygamma_block(v, n), x) if n else digamma(xp, x)
