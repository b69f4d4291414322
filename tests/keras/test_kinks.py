"""Gradients at the kinks of losses are those that the losses' docstrings tell."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.keras import losses

KINKS = {
    "mean_absolute_error": ([[1.0, 0.0]], [[1.0, 2.0]], [[0.0, 0.5]]),
    "mean_absolute_percentage_error": ([[1.0, 1.0]], [[1.0, 2.0]], [[0.0, 50.0]]),
    "root_mean_squared_error": ([[1.0, 2.0]], [[1.0, 2.0]], [[0.0, 0.0]]),
    "hinge": ([[-1.0, 1.0]], [[-1.0, 0.0]], [[0.25, -0.5]]),
    "squared_hinge": ([[-1.0, 1.0]], [[-1.0, 0.0]], [[0.0, -1.0]]),
    "categorical_hinge": ([[1.0, 0.0]], [[2.0, 1.0]], [[-0.5, 0.5]]),
    "huber": ([[0.0, 0.0]], [[1.0, -3.0]], [[0.5, -0.5]]),
    "mean_squared_logarithmic_error": ([[1.0]], [[-0.5]], [[0.0]]),
    "kl_divergence": ([[0.5, 0.5]], [[-0.5, 1.5]], [[0.0, 0.0]]),
    "binary_crossentropy": ([[1.0, 0.0]], [[-0.5, 1.5]], [[0.0, 0.0]]),
    "cosine_similarity": ([[1.0, 0.0]], [[0.0, 0.0]], [[-1e7, 0.0]]),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks(name):
    y, p, want = KINKS[name]
    sd = SameDiff("float64")
    x = sd.var("x", p)
    found = sd.grad(getattr(losses, name)(y, x, reduction="sum"), x).eval()
    np.testing.assert_allclose(found, want, rtol=1e-12)


def test_equal_largest_scores_share_the_gradient():
    sd = SameDiff("float64")
    x = sd.var("x", [[0.0, 1.0, 1.0]])
    np.testing.assert_allclose(sd.grad(losses.categorical_hinge([[1.0, 0.0, 0.0]], x), x).eval(), [[-1.0, 0.5, 0.5]])


def test_rates_below_zero():
    assert np.isnan(losses.poisson([[1.0]], [[-1.0]]))
    assert losses.poisson([[0.0]], [[-1.0]]) == -1
