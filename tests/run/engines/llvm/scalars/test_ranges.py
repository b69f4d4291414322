"""What is known of ranges holds for the numbers themselves."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.scalars import ranges
from sdgraph.run.engines.llvm.scalars.ranges import Range

NUMBERS = st.floats(allow_nan=False, width=32)
RULES = {
    "add": (ranges.add, np.add),
    "multiply": (ranges.multiply, np.multiply),
    "larger": (ranges.larger, np.maximum),
    "smaller": (ranges.smaller, np.minimum),
    "union": (ranges.union, lambda x, y: x),
    "absolute": (lambda a, _: ranges.absolute(a), lambda x, y: np.abs(x)),
    "negative": (lambda a, _: ranges.negative(a), lambda x, y: -x),
    "square": (lambda a, _: ranges.square(a), lambda x, y: x * x),
}


@st.composite
def member(draw):
    """A range and a number in it."""
    low, x, high = sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)))
    return Range(low, high, False), x


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(a=member(), b=member())
def test_results_lie_in_the_range(rule, dtype, a, b):
    derived, function = RULES[rule]
    known = derived(a[0], b[0])
    with np.errstate(all="ignore"):
        y = float(function(dtype(a[1]), dtype(b[1])))
    assert known.nan if math.isnan(y) else known.low <= y <= known.high


ENDS = (-math.inf, -2.0, -0.0, 0.0, 3.0, math.inf)
RANGES = [Range(low, high, False) for low in ENDS for high in ENDS if low <= high]


@pytest.mark.parametrize("rule", RULES)
def test_ranges_with_infinite_and_zero_ends(rule):
    derived, function = RULES[rule]
    for a, b in itertools.product(RANGES, RANGES):
        known = derived(a, b)
        inside = [[x for x in (*ENDS, 1.0, -1.0, 2.5) if r.low <= x <= r.high] for r in (a, b)]
        for x, y in itertools.product(*inside):
            with np.errstate(all="ignore"):
                z = float(function(np.float64(x), np.float64(y)))
            assert known.nan if math.isnan(z) else known.low <= z <= known.high, (a, b, x, y)


def test_opposite_infinities_make_nan_in_code():
    """A shortcut for what cannot be NaN would give something else."""
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (None,))
    total = sd.math.exp(x) - sd.math.exp(y)
    f = sd.compile([sd.max(total), sd.math.maximum(total, 0.0), sd.math.maximum(0.0, total)], engine="llvm")
    assert all(np.isnan(v).all() for v in f(x=[1000.0], y=[1000.0]).values())


def test_nan_is_not_forgotten():
    nan = Range(0.0, 1.0, True)
    for rule in (ranges.add, ranges.multiply, ranges.larger, ranges.smaller, ranges.union):
        assert rule(nan, Range(0.0, 1.0, False)).nan and rule(Range(0.0, 1.0, False), nan).nan


def test_one_plus_a_fraction_lies_between_one_and_two():
    assert ranges.add(ranges.number(1.0), Range(0.0, 1.0, False)) == Range(1.0, 2.0, False)
