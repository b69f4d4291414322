"""Weights, masks and reductions against their definition, written out with numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgraph import SameDiff
from sdgraph.errors import ShapeError
from sdgraph.keras import losses
from tests.accuracy import assert_same

MEANS = ("sum_over_batch_size", "mean")


def written_out(values, weight, mask, reduction):
    """Operands must broadcast as they are; the mean over a mask is over what it leaves."""
    factor = None
    if mask is not None:
        factor = mask * (mask.size / mask.sum() if reduction in MEANS and mask.any() else 1.0)
    if weight is not None:
        factor = weight if factor is None else weight * factor
    weighted = values if factor is None else np.where(factor == 0, 0.0, values * factor)
    if reduction in (None, "none"):
        return weighted
    if reduction == "sum":
        return weighted.sum()
    if reduction == "mean_with_sample_weight" and factor is not None:
        return weighted.sum() / factor.sum() if factor.sum() else 0.0
    return weighted.mean() if weighted.size else 0.0


@st.composite
def calls(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, time = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    values = rng.normal(size=(batch, time))
    weight = draw(st.sampled_from([None, (), (batch, 1), (1, time), (batch, time), (1, 1)]))
    mask = draw(st.sampled_from([None, (batch, 1), (batch, time)]))
    w = None if weight is None else rng.choice([0.0, 0.5, 1.0, 2.0], size=weight)
    m = None if mask is None else rng.random(mask) < 0.6
    return values, w, m, draw(st.sampled_from([*MEANS, "sum", "mean_with_sample_weight", "none", None]))


@given(calls())
def test_against_the_definition(call):
    values, weight, mask, reduction = call
    want = written_out(values, weight, mask, reduction)
    got = SameDiff(dtype="float64").keras.reduce(values, weight, mask, reduction=reduction).eval()
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15)

    class Given(losses.Loss):
        def call(self, y_true, y_pred):
            return y_pred

    assert_same(Given(reduction=reduction)(values, values, weight, mask), got, rtol=1e-14, atol=1e-15)


@given(calls())
def test_as_a_trailing_axis(call):
    """What has one axis of size 1 more than the losses means the same without it."""
    values, weight, mask, reduction = call
    if weight is None or weight.shape != values.shape:
        return
    reduce = SameDiff(dtype="float64").keras.reduce
    np.testing.assert_array_equal(
        reduce(values, weight[..., None], mask, reduction=reduction).eval(),
        reduce(values, weight, mask, reduction=reduction).eval(),
    )


@pytest.mark.parametrize("shape", [(4, 4, 3), (4, 5, 3), (4, 2, 4, 3)])
def test_a_vector_of_weights_belongs_to_the_batch(shape):
    rng = np.random.default_rng(0)
    y, p, w = rng.normal(size=shape), rng.normal(size=shape), rng.random(4)
    column = w.reshape(-1, *(1,) * (len(shape) - 2))
    for reduction in ("none", "sum", "mean", "mean_with_sample_weight"):
        loss = losses.MeanSquaredError(reduction=reduction)
        np.testing.assert_array_equal(loss(y, p, w), loss(y, p, column))
        np.testing.assert_array_equal(loss(y, p, None, w > 0.5), loss(y, p, None, column > 0.5))
    np.testing.assert_allclose(losses.MeanSquaredError("none")(y, p, w), ((y - p) ** 2).mean(-1) * column)


def test_a_vector_along_time_where_it_can_be_nothing_else():
    rng = np.random.default_rng(0)
    y, p, w = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 3)), rng.random(5)
    np.testing.assert_allclose(losses.MeanSquaredError("none")(y, p, w), ((y - p) ** 2).mean(-1) * w)


def test_what_only_the_sizes_could_decide_is_refused():
    sd = SameDiff()
    y = sd.placeholder("y", shape=(None, 5, 3))
    with pytest.raises(ShapeError, match="batch or to the last axis"):
        losses.MeanSquaredError()(y, y, np.ones(5))
    assert losses.MeanSquaredError("none")(y, y, np.ones(2)).shape[1] == 5
    with pytest.raises(ShapeError, match="leaves open"):
        losses.MeanSquaredError()(np.ones((2, 2, 2, 3)), np.ones((2, 2, 2, 3)), np.ones((2, 2)))


@pytest.mark.parametrize("reduction", ["none", "sum", "mean", "mean_with_sample_weight"])
@pytest.mark.parametrize("by", ["sample_weight", "mask"])
def test_what_does_not_count_may_be_nan(reduction, by):
    sd = SameDiff(dtype="float64")
    y = np.array([[1.0, 0.0], [0.0, 1.0]])
    p = sd.var("p", np.array([[np.nan, np.inf], [0.25, 0.75]]))
    w = sd.var("w", np.array([0.0, 1.0]))
    counts = {"sample_weight": w} if by == "sample_weight" else {"mask": [False, True]}
    for loss in (
        losses.MeanSquaredError,
        losses.CategoricalCrossentropy,
        losses.KLDivergence,
        losses.LogCosh,
        losses.CosineSimilarity,
        losses.MeanAbsolutePercentageError,
    ):
        out = loss(reduction=reduction)(y, p, **counts)
        value, grad = out.eval(), sd.grad(out, p).eval()
        assert np.isfinite(value).all()
        assert np.isfinite(grad).all()
        assert (grad[0] == 0).all()
        alone = loss(reduction="none")(y[1:], p.value[1:])
        np.testing.assert_allclose(value if reduction != "none" else value[1:], alone[0] * _share(reduction, by))


def _share(reduction, by):
    # A weight of 0 is still one of the losses that a mean divides by; a mask takes it out.
    return 0.5 if reduction == "mean" and by == "sample_weight" else 1.0


@pytest.mark.parametrize("weights", [(3,), (3, 1)])
@pytest.mark.parametrize("masked", [(3,), (3, 1)])
def test_weights_and_mask_of_one_loss_for_all_samples(weights, masked):
    """Of a scalar loss, as of vectors, each may be a vector or a column."""
    y, p = np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.25, 1.0])
    w, m = np.array([1.0, 2.0, 3.0]), np.array([True, False, True])
    loss, counted = ((y - p) ** 2).mean(), w * m
    shape = (3, 1) if weights == masked == (3, 1) else (3,)
    want = {
        "none": (loss * counted).reshape(shape),
        "sum": loss * counted.sum(),
        "mean": loss * counted.sum() / m.sum(),
        "mean_with_sample_weight": loss,
    }
    for reduction, expected in want.items():
        got = losses.MeanSquaredError(reduction=reduction)(y, p, w.reshape(weights), m.reshape(masked))
        assert np.shape(got) == np.shape(expected)
        np.testing.assert_allclose(got, expected)


def test_nothing_counts():
    sd = SameDiff(dtype="float64")
    p = sd.var("p", np.ones((3, 2)))
    for reduction in (*MEANS, "sum", "mean_with_sample_weight"):
        for kind in ({"mask": np.zeros(3, bool)}, {"sample_weight": np.zeros(3)}):
            out = losses.MeanSquaredError(reduction)(np.zeros((3, 2)), p, **kind)
            assert out.eval() == 0
            np.testing.assert_array_equal(sd.grad(out, p).eval(), np.zeros((3, 2)))


def test_empty_batch():
    for reduction in (*MEANS, "sum", "mean_with_sample_weight"):
        got = losses.MeanSquaredError(reduction)(np.zeros((0, 2)), np.zeros((0, 2)))
        assert got.shape == ()
        assert got == 0


def test_column_weights_keep_their_shape():
    y = np.zeros((3, 2))
    assert losses.MeanSquaredError("none")(y, y, np.ones((3, 1))).shape == (3, 1)
    assert losses.MeanSquaredError("none")(y, y, np.ones((3, 1)), np.ones(3, bool)).shape == (3, 1)


def test_a_mask_of_numbers():
    y, p = np.zeros((3, 1)), np.array([[1.0], [2.0], [3.0]])
    np.testing.assert_allclose(losses.MeanSquaredError()(y, p, mask=[1, 0, 0.5]), 5.0)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"])
@pytest.mark.parametrize(("weight_shape", "mask_shape"), [((3,), (3, 1)), ((3, 1), (3,)), ((3,), (3,))])
def test_weights_and_a_mask_of_one_loss_for_all_samples(weight_shape, mask_shape, reduction):
    """Dice over all axes is one number; each sample counts it once, whichever of weights and mask has an axis more."""
    rng = np.random.default_rng(2)
    y, p = rng.random((3, 2)), rng.random((3, 2))
    weight, mask = np.array([0.5, 2.0, 4.0]), np.array([True, False, True])
    dice = 1.0 - 2.0 * (y * p).sum() / (y.sum() + p.sum() + 1e-7)
    want = written_out(np.full(3, dice), weight, mask, reduction)
    loss = losses.Dice(axis=None, reduction=reduction, dtype="float64")
    got = loss(y, p, weight.reshape(weight_shape), mask.reshape(mask_shape))
    np.testing.assert_allclose(got, want, rtol=1e-12)
