"""Exact derivatives of any order: truncated Taylor series over mpmath's numbers.

A jet holds the coefficients of ``f(x + t)`` up to a power of t. Functions that are integrals of simpler ones (the
logarithm, inverse and error functions) are integrated; everything else is arithmetic and recurrences.
"""

from __future__ import annotations

import mpmath
from mpmath import mpf


class Jet:
    """``c[0] + c[1] t + c[2] t^2 + ...``."""

    def __init__(self, c):
        self.c = list(c)

    @classmethod
    def at(cls, x, order):
        """The variable itself at x."""
        return cls([mpf(x), mpf(1), *[mpf(0)] * (order - 1)][: order + 1])

    def derivatives(self):
        """``f, f', f'' ...`` at the point."""
        return [v * mpmath.factorial(k) for k, v in enumerate(self.c)]

    def _like(self, other):
        return other if isinstance(other, Jet) else Jet([mpf(other), *[mpf(0)] * (len(self.c) - 1)])

    def __add__(self, other):
        return Jet([a + b for a, b in zip(self.c, self._like(other).c, strict=True)])

    def __sub__(self, other):
        return Jet([a - b for a, b in zip(self.c, self._like(other).c, strict=True)])

    def __mul__(self, other):
        a, b = self.c, self._like(other).c
        return Jet([mpmath.fsum(a[i] * b[k - i] for i in range(k + 1)) for k in range(len(a))])

    def __truediv__(self, other):
        a, b = self.c, self._like(other).c
        q = []
        for k in range(len(a)):
            q.append((a[k] - mpmath.fsum(q[i] * b[k - i] for i in range(k))) / b[0])
        return Jet(q)

    def __neg__(self):
        return Jet([-v for v in self.c])

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other):
        return self._like(other) - self

    def __rtruediv__(self, other):
        return self._like(other) / self


def integral(start, slope, x):
    """The function with value ``start`` and the derivative ``slope``, a function of jets, along the jet ``x``."""
    if len(x.c) == 1:
        return Jet([start])
    inner = slope(Jet(x.c[:-1])).c
    change = [(k + 1) * v for k, v in enumerate(x.c[1:])]
    product = (Jet(inner) * Jet(change)).c
    return Jet([start, *(v / (k + 1) for k, v in enumerate(product))])


def exp(x):
    out = [mpmath.exp(x.c[0])]
    for k in range(1, len(x.c)):
        out.append(mpmath.fsum(i * x.c[i] * out[k - i] for i in range(1, k + 1)) / k)
    return Jet(out)


def power(x, p):
    """``x^p`` for a fixed p and x that is not 0."""
    out = [mpmath.power(x.c[0], p)]
    for k in range(1, len(x.c)):
        terms = ((p * i - (k - i)) * x.c[i] * out[k - i] for i in range(1, k + 1))
        out.append(mpmath.fsum(terms) / (k * x.c[0]))
    return Jet(out)


def sqrt(x):
    return power(x, mpf(1) / 2)


def log(x):
    return integral(mpmath.log(x.c[0]), lambda u: 1 / u, x)


def log1p(x):
    return integral(mpmath.log1p(x.c[0]), lambda u: 1 / (1 + u), x)


def expm1(x):
    return integral(mpmath.expm1(x.c[0]), exp, x)


def sine_and_cosine(x):
    s, c = [mpmath.sin(x.c[0])], [mpmath.cos(x.c[0])]
    for k in range(1, len(x.c)):
        s.append(mpmath.fsum(i * x.c[i] * c[k - i] for i in range(1, k + 1)) / k)
        c.append(-mpmath.fsum(i * x.c[i] * s[k - i] for i in range(1, k + 1)) / k)
    return Jet(s), Jet(c)


def sin(x):
    return sine_and_cosine(x)[0]


def cos(x):
    return sine_and_cosine(x)[1]


def tan(x):
    s, c = sine_and_cosine(x)
    return s / c


def sinh(x):
    return integral(mpmath.sinh(x.c[0]), cosh, x)


def cosh(x):
    return (exp(x) + exp(-x)) / 2


def logistic(x):
    return 1 / (1 + exp(-x)) if x.c[0] > 0 else exp(x) / (1 + exp(x))


def tanh(x):
    """From the side where the exponential is small: what is left of 1 counts."""
    return 1 - 2 / (1 + exp(2 * x)) if x.c[0] > 0 else 2 / (1 + exp(-2 * x)) - 1


def softplus(x):
    return integral(mpmath.log1p(mpmath.exp(x.c[0])), logistic, x)


def asin(x):
    return integral(mpmath.asin(x.c[0]), lambda u: power(1 - u * u, -mpf(1) / 2), x)


def atan(x):
    return integral(mpmath.atan(x.c[0]), lambda u: 1 / (1 + u * u), x)


def asinh(x):
    return integral(mpmath.asinh(x.c[0]), lambda u: power(1 + u * u, -mpf(1) / 2), x)


def acosh(x):
    return integral(mpmath.acosh(x.c[0]), lambda u: power(u * u - 1, -mpf(1) / 2), x)


def atanh(x):
    return integral(mpmath.atanh(x.c[0]), lambda u: 1 / (1 - u * u), x)


def _bell(u):
    return 2 / mpmath.sqrt(mpmath.pi) * exp(-(u * u))


def erf(x):
    return integral(mpmath.erf(x.c[0]), _bell, x)


def erfc(x):
    return integral(mpmath.erfc(x.c[0]), lambda u: -_bell(u), x)


def erfinv(x):
    return integral(mpmath.erfinv(x.c[0]), lambda u: mpmath.sqrt(mpmath.pi) / 2 * exp(erfinv(u) * erfinv(u)), x)


def trigamma(x):
    """At the variable itself: a Taylor series of it alone."""
    return Jet([mpmath.psi(k + 1, x.c[0]) / mpmath.factorial(k) for k in range(len(x.c))])


def digamma(x):
    return integral(mpmath.psi(0, x.c[0]), trigamma, x)


def lgamma(x):
    return integral(mpmath.loggamma(x.c[0]), digamma, x)
