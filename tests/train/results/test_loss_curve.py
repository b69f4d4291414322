"""Loss curves in SameDiff's words."""

import math

import numpy as np
import pytest

from sdgraph.errors import ArgumentError
from sdgraph.train.results.loss_curve import Loss, LossCurve

CURVE = LossCurve(["a", "b"], [{"a": 1.0, "b": 2.0, "val_a": 9.0}, {"a": 0.5}, {"a": 0.25, "b": 1.0}])


def test_values():
    assert CURVE.mean_loss("a") == [1.0, 0.5, 0.25] and CURVE.mean_loss("a", 1) == 0.5
    assert CURVE.mean_loss(0) == {"a": 1.0, "b": 2.0} and CURVE.mean_loss(0).total_loss() == 3.0
    assert math.isnan(CURVE.mean_loss("b", 1))
    assert CURVE.last_mean_loss() == Loss(a=0.25, b=1.0) and CURVE.last_mean_loss("a") == 0.25
    assert CURVE.last_mean_delta("a") == -0.25 and set(CURVE.last_mean_delta()) == {"a", "b"}
    np.testing.assert_array_equal(CURVE.loss_values, [[1, 2], [0.5, np.nan], [0.25, 1]])
    assert CURVE.losses()[0].losses == (1.0, 2.0) and len(CURVE) == 3
    assert LossCurve(["a"], []).loss_values.shape == (0, 1)


def test_what_is_not_there():
    with pytest.raises(ArgumentError, match="no loss 'c'"):
        CURVE.mean_loss("c")
    for epoch in (3, -4):
        with pytest.raises(ArgumentError, match="no such epoch"):
            CURVE.mean_loss(epoch)
    with pytest.raises(ArgumentError, match="no such epoch"):
        LossCurve(["a"], [{"a": 1.0}]).last_mean_delta("a")
