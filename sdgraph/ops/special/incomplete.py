"""Kernels of the incomplete gamma and beta functions. Know numerics only; must not know ops or graphs.

Power series where the argument is small beside the parameters, continued fractions where it is large, and Temme's
uniform expansion for large parameters in between. The factor in front is formed from what is left of large logarithms
that cancel.
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any, Final

import numpy as np

from sdgraph.ops.special.blocks import in_blocks, polynomial
from sdgraph.ops.special.error import erfc
from sdgraph.ops.special.gamma import FAR, lgamma_block, lgamma_next, stirling

_EPS: Final = 2.0**-54
_LEAST: Final = 1e-300
_MOST_TERMS: Final = 50000
_UNIFORM: Final = 100.0
"""From this parameter on there is the uniform expansion, next to it."""
_BREADTH: Final = 0.3
_ORDERS, _POWERS = 8, 16
_ATANH: Final = tuple(2.0 / (2 * k + 3) for k in reversed(range(24)))


def _log1p_less(u: Any) -> Any:
    """``log(1 + u) - u``, which is next to nothing where u is small."""
    near = (u > -0.6) & (u < 1.0)
    v = np.where(near, u, 0.0)
    s = v / (2.0 + v)
    square = s * s
    return np.where(near, s * square * polynomial(square, _ATANH) - s * v, np.log1p(u) - u)


# ---------------------------------------------------------------------- gamma


def _power(a: Any, x: Any) -> Any:
    """``x^a exp(-x) / gamma(a + 1)``."""
    large = np.maximum(a, FAR)
    far = np.exp(large * _log1p_less((x - large) / large) - stirling(large)) / np.sqrt(2 * np.pi * large)
    small = np.minimum(a, FAR)
    near = np.exp(small * np.log(x) - x - lgamma_next(small))
    return np.where(x == np.inf, 0.0, np.where(a < FAR, near, far))


def _lower_series(a: Any, x: Any) -> Any:
    term, total, n = np.ones_like(x), np.ones_like(x), 0.0
    while (term > _EPS * total).any():
        n += 1.0
        term *= x / (a + n)
        total += term
    return _power(a, x) * total


def _upper_series(a: Any, x: Any) -> Any:
    """``1 - x^a / gamma(1 + a) (1 + a sum((-x)^n / (n! (a + n))))`` for x up to 1.1, where a is small beside it."""
    term, total, n = np.ones_like(x), np.zeros_like(x), 0.0
    while n < 30:
        n += 1.0
        term *= -x / n
        total += term / (a + n)
    exponent = a * np.log(x) - lgamma_next(a)
    return -np.expm1(exponent) - np.exp(exponent) * (a * total)


def _upper_fraction(a: Any, x: Any) -> Any:
    """Legendre's continued fraction, from front to back."""
    b = x + 1.0 - a
    c, d, n = np.full_like(x, 1.0 / _LEAST), 1.0 / b, 0.0
    total, more = d.copy(), np.ones(x.shape, bool)
    while more.any():
        n += 1.0
        b += 2.0
        factor = -n * (n - a)
        d = 1.0 / _not_zero(factor * d + b)
        c = _not_zero(b + factor / c)
        change = c * d
        # What has arrived stays: each further step would round it once more.
        more &= np.abs(change - 1.0) > 8 * _EPS
        total = np.where(more, total * change, total)
    return _power(a, x) * a * total


def _not_zero(x: Any) -> Any:
    return np.where(np.abs(x) < _LEAST, _LEAST, x)


@functools.cache
def _uniform_coefficients() -> tuple[tuple[float, ...], ...]:
    """Polynomials in eta, the highest power first, that stand at the powers of ``1 / a``."""
    n = _POWERS + 2 * _ORDERS + 2
    # The argument as a series: x / a - 1 = eta + eta^2 / 3 + eta^3 / 36 - ..., and what divides by it.
    m = [Fraction(0), Fraction(1)]
    for k in range(2, n + 1):
        others = sum(((k + 1 - i) * m[i] * m[k + 1 - i] for i in range(2, k)), Fraction(0))
        m.append((m[k - 1] - others) / (k + 1))
    v = [Fraction(1)]
    for k in range(1, n):
        v.append(-sum((m[i + 1] * v[k - i] for i in range(1, k + 1)), Fraction(0)))
    rows = [v[1:]]
    for _ in range(_ORDERS):
        last = rows[-1]
        rows.append([(i + 2) * last[i + 2] - last[1] * v[i + 1] for i in range(len(last) - 2)])
    return tuple(tuple(float(c) for c in reversed(row[:_POWERS])) for row in rows)


def _uniform(a: Any, x: Any) -> tuple[Any, Any]:
    """Both functions where x is next to a, which is large."""
    u = (x - a) / a
    half_square = -_log1p_less(u)
    eta = np.copysign(np.sqrt(2.0 * half_square), u)
    total = np.zeros_like(a)
    for row in reversed(_uniform_coefficients()):
        total = total / a + polynomial(eta, row)
    rest = np.exp(-a * half_square) / np.sqrt(2 * np.pi * a) * total
    far = eta * np.sqrt(0.5 * a)
    return 0.5 * erfc(np, -far) - rest, 0.5 * erfc(np, far) + rest


def _both(a: Any, x: Any) -> tuple[Any, Any]:
    """The lower and the upper function for positive numbers."""
    lower, upper = np.full_like(x, np.nan), np.full_like(x, np.nan)
    middle = (a >= _UNIFORM) & (np.abs(x - a) <= _BREADTH * a)
    large = ~middle & (x > 1.1) & (x >= a + 1.0)
    edge = np.where(x <= 0.5, -0.4 / np.log(x), 1.1 * x)
    least = ~middle & (x <= 1.1) & (a <= edge)
    if middle.any():
        lower[middle], upper[middle] = _uniform(a[middle], x[middle])
    if large.any():
        upper[large] = _upper_fraction(a[large], x[large])
        lower[large] = 1.0 - upper[large]
    if (rest := ~(middle | large)).any():
        lower[rest] = _lower_series(a[rest], x[rest])
        upper[rest] = 1.0 - lower[rest]
    if least.any():
        upper[least] = _upper_series(a[least], x[least])
    return lower, upper


def _gamma_block(a: Any, x: Any, upper: bool) -> Any:
    y = np.full_like(x, np.nan)
    with np.errstate(all="ignore"):
        inside = (a > 0) & (x > 0) & (a < np.inf) & (x < np.inf)
        if inside.any():
            y[inside] = _both(a[inside], x[inside])[upper]
        none = ((x == 0) & (a > 0)) | ((a == np.inf) & (x >= 0) & (x < np.inf))
        all_of_it = ((x == np.inf) & (a >= 0) & (a < np.inf)) | ((a == 0) & (x > 0))
        y[none], y[all_of_it] = float(upper), float(not upper)
    return y


def igamma(xp: Any, a: Any, x: Any) -> Any:
    """The regularized lower incomplete gamma function."""
    return in_blocks(lambda a, x: _gamma_block(a, x, False), a, x)


def igammac(xp: Any, a: Any, x: Any) -> Any:
    """The regularized upper incomplete gamma function, accurate also where it is tiny."""
    return in_blocks(lambda a, x: _gamma_block(a, x, True), a, x)


def _gamma_slope_block(a: Any, x: Any) -> Any:
    with np.errstate(all="ignore"):
        at_0 = np.where(a < 1, np.inf, np.where(a == 1, 1.0, np.where(a > 1, 0.0, np.nan)))
        y = np.where(x == 0, at_0, _power(a, x) * (a / x))
        return np.where((x >= 0) & (a > 0), np.where(x == np.inf, 0.0, y), np.nan)


def igamma_slope(xp: Any, a: Any, x: Any) -> Any:
    """``x^(a - 1) exp(-x) / gamma(a)``."""
    return in_blocks(_gamma_slope_block, a, x)


# ---------------------------------------------------------------------- beta


def _front(a: Any, b: Any, x: Any) -> Any:
    """``x^a (1 - x)^b / B(a, b)``."""
    p, q = np.maximum(a, FAR), np.maximum(b, FAR)
    apart = x * q - p * (1.0 - x)
    exponent = p * _log1p_less(apart / p) + q * _log1p_less(-apart / q)
    exponent += stirling(p + q) - stirling(p) - stirling(q)
    far = np.exp(exponent) * np.sqrt(p / (2 * np.pi) * (q / (p + q)))
    least, most = np.minimum(np.minimum(a, b), FAR), np.maximum(a, b)
    large = np.maximum(most, FAR)
    ratio = (large - 0.5) * np.log1p(least / large) + least * (np.log(large + least) - 1.0)
    ratio += stirling(large + least) - stirling(large)
    ratio = np.where(most < FAR, lgamma_block(most + least) - lgamma_block(most), ratio)
    near = np.exp(a * np.log(x) + b * np.log1p(-x) + (ratio - lgamma_block(least)))
    return np.where((a < FAR) | (b < FAR), near, far)


def _beta_fraction(a: Any, b: Any, x: Any) -> Any:
    c, d = np.ones_like(x), 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    total, n, more = d.copy(), 0.0, np.ones(x.shape, bool)
    while more.any() and n < _MOST_TERMS:
        n += 1.0
        even = n * (b - n) * x / ((a + 2 * n - 1.0) * (a + 2 * n))
        odd = -(a + n) * (a + b + n) * x / ((a + 2 * n) * (a + 2 * n + 1.0))
        for factor in (even, odd):
            d = 1.0 / _not_zero(1.0 + factor * d)
            c = _not_zero(1.0 + factor / c)
            change = c * d
            total = np.where(more, total * change, total)
        more &= np.abs(change - 1.0) > 8 * _EPS
    return np.where(more, np.nan, total)


def _beta_block(a: Any, b: Any, x: Any) -> Any:
    y = np.full_like(x, np.nan)
    with np.errstate(all="ignore"):
        valid = (a > 0) & (b > 0) & (a < np.inf) & (b < np.inf)
        inside = valid & (x > 0) & (x < 1)
        if inside.any():
            p, q, u = a[inside], b[inside], x[inside]
            turned = u > (p + 1.0) / (p + q + 2.0)
            first, second = np.where(turned, q, p), np.where(turned, p, q)
            part = _front(p, q, u) * (_beta_fraction(first, second, np.where(turned, 1.0 - u, u)) / first)
            y[inside] = np.where(turned, 1.0 - part, part)
        y[valid & (x == 0)], y[valid & (x == 1)] = 0.0, 1.0
    return y


def betainc(xp: Any, a: Any, b: Any, x: Any) -> Any:
    """The regularized incomplete beta function."""
    return in_blocks(_beta_block, a, b, x)


def _beta_slope_block(a: Any, b: Any, x: Any) -> Any:
    with np.errstate(all="ignore"):
        y = _front(a, b, x) / x / (1.0 - x)
        ends = np.where(x == 0, a, b)
        at_end = np.where(ends < 1, np.inf, np.where(ends == 1, np.where(x == 0, b, a), 0.0))
        y = np.where((x == 0) | (x == 1), at_end, y)
        return np.where((a > 0) & (b > 0) & (x >= 0) & (x <= 1), y, np.nan)


def betainc_slope(xp: Any, a: Any, b: Any, x: Any) -> Any:
    """``x^(a - 1) (1 - x)^(b - 1) / B(a, b)``."""
    return in_blocks(_beta_slope_block, a, b, x)
