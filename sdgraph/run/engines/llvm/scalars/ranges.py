"""What is known about a value before it is computed: between which numbers it lies, and whether it may be NaN.

Shortcuts rest on it: an exponential of something negative cannot overflow, a logarithm of something positive needs no
test for zero. Every rule errs on the wide side by a rounding. Must not know how code is written.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_INFINITY = math.inf


class Range(NamedTuple):
    """All numbers from ``low`` to ``high``, infinities included, and NaN if ``nan``."""

    low: float = -_INFINITY
    high: float = _INFINITY
    nan: bool = True

    def inside(self, low: float, high: float) -> bool:
        """Whether every number lies there; NaN is not looked at."""
        return low <= self.low and self.high <= high

    @property
    def bounded(self) -> bool:
        """Whether there are no infinities."""
        return self.low > -_INFINITY and self.high < _INFINITY


ANY = Range()
_WIDER = 1e-6
"""Relative allowance for rounding, enough for float32."""


def number(value: float) -> Range:
    """A known number."""
    return ANY if math.isnan(value) else Range(value, value, False)


def union(a: Range, b: Range) -> Range:
    """Either of both."""
    return Range(min(a.low, b.low), max(a.high, b.high), a.nan or b.nan)


def absolute(a: Range) -> Range:
    """``|a|``."""
    low = 0.0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
    return Range(low, max(abs(a.low), abs(a.high)), a.nan)


def negative(a: Range) -> Range:
    """``-a``."""
    return Range(-a.high, -a.low, a.nan)


def larger(a: Range, b: Range) -> Range:
    """``max(a, b)``, NaN if either is."""
    return Range(max(a.low, b.low), max(a.high, b.high), a.nan or b.nan)


def smaller(a: Range, b: Range) -> Range:
    """``min(a, b)``, NaN if either is."""
    return Range(min(a.low, b.low), min(a.high, b.high), a.nan or b.nan)


def add(a: Range, b: Range) -> Range:
    """``a + b``; opposite infinities make NaN."""
    opposite = a.high == _INFINITY == -b.low or b.high == _INFINITY == -a.low
    nan = a.nan or b.nan or opposite
    return _widened(_sum(a.low, b.low, -_INFINITY), _sum(a.high, b.high, _INFINITY), nan)


def multiply(a: Range, b: Range) -> Range:
    """``a b``; zero times infinity makes NaN."""
    nan = a.nan or b.nan or not ((a.bounded or not _has_zero(b)) and (b.bounded or not _has_zero(a)))
    corners = [_product(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return _widened(min(corners), max(corners), nan)


def square(a: Range) -> Range:
    """``a a``."""
    a = absolute(a)
    return _widened(_product(a.low, a.low), _product(a.high, a.high), a.nan)


def _has_zero(a: Range) -> bool:
    return a.low <= 0 <= a.high


def _sum(x: float, y: float, otherwise: float) -> float:
    return otherwise if math.isnan(x + y) else x + y


def _product(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y


def _widened(low: float, high: float, nan: bool) -> Range:
    """With room for rounding, which does not reach past 0 and whole numbers, since rounding keeps order."""
    return Range(_outward(low, -1), _outward(high, 1), nan)


def _outward(x: float, sign: int) -> float:
    # Small whole numbers are numbers of every dtype: what lies above one is never rounded to below it.
    if math.isinf(x) or (x == round(x) and abs(x) < 2048):
        return x
    # What exceeds the largest float32 may be infinite there.
    wide = x + sign * abs(x) * _WIDER + sign * 1e-38
    return wide if abs(wide) < 3e38 else sign * _INFINITY if wide * sign > 0 else wide
