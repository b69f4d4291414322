"""Conditions by name, each of them, at its bounds and at numbers that are none."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.ops.selecting.conditions import CONDITIONS

X = np.array([-0.5, 0.0, 0.5, 0.500001, 2.0, np.nan, np.inf, -np.inf])
WANT = {
    "equals": [2], "not_equals": [0, 1, 3, 4, 5, 6, 7], "eps_equals": [2, 3], "eps_not_equals": [0, 1, 4, 5, 6, 7],
    "greater_than": [3, 4, 6], "greater_than_or_equal": [2, 3, 4, 6], "less_than": [0, 1, 7],
    "less_than_or_equal": [0, 1, 2, 7], "abs_equals": [0, 2], "abs_not_equals": [1, 3, 4, 5, 6, 7],
    "abs_greater_than": [3, 4, 6, 7], "abs_greater_than_or_equal": [0, 2, 3, 4, 6, 7], "abs_less_than": [1],
    "abs_less_than_or_equal": [0, 1, 2], "is_nan": [5], "is_infinite": [6, 7], "is_finite": [0, 1, 2, 3, 4],
    "not_finite": [5, 6, 7],
}  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONS)
def test_what_meets_a_condition(name):
    sd = SameDiff(dtype="float64")
    x = sd.var("x", X)
    assert np.flatnonzero(sd.match_condition(x, name, 0.5).eval()).tolist() == WANT[name]
    assert sd.match_condition_count(x, name, 0.5).eval() == len(WANT[name])
    replaced = sd.replace_where(x, 9.0, name, 0.5)
    np.testing.assert_array_equal(replaced.eval(), [9.0 if k in WANT[name] else v for k, v in enumerate(X)])
    slopes = sd.grad(sd.sum(sd.where(np.isfinite(X), replaced, 0.0)), x).eval()
    assert (slopes == [np.isfinite(v) and k not in WANT[name] for k, v in enumerate(X)]).all()


def test_nan_that_is_replaced_leaves_nothing():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [-1.0, 4.0])
    y = sd.replace_where(sd.math.log(x), 0.0, "is_nan")
    assert sd.grad(sd.sum(y), x).eval().tolist() == [0, 0.25]
