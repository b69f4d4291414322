"""plot_contributions: bars add up to the loss for every way to reduce."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sdgraph import LossReduce, SameDiff, viz
from sdgraph.errors import ArgumentError

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(3)
Y, P = RNG.normal(size=(2, 6, 3))
W = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 0.0])[:, None]


def heights(ax):
    return np.array([bar.get_height() for bar in ax.patches])


@pytest.mark.parametrize("reduce", LossReduce)
@pytest.mark.parametrize("weights", [None, 2.0, W, W.T[:, :3]])
def test_bars_add_up(reduce, weights):
    sd = SameDiff("float64")
    p = sd.placeholder("p", (None, 3))
    loss = sd.loss.mean_squared_error(Y, p, weights, loss_reduce=reduce, name="loss")
    before = len(sd.nodes)
    bars = heights(viz.plot_contributions(loss, {p: P}))
    assert_allclose(bars.sum(), loss.eval({p: P}).sum())
    each = (np.square(Y - P) * (1 if weights is None else weights)).sum(axis=1)
    assert_allclose(bars / bars.sum(), each / each.sum())
    assert len(sd.nodes) == before


def test_weights_have_a_strip_of_their_own():
    sd = SameDiff("float64")
    loss = sd.loss.absolute_difference(Y, P, W)
    ax = viz.plot_contributions(loss)
    (strip,) = [a for a in ax.figure.axes if a is not ax]
    assert_allclose(heights(strip), W[:, 0])
    assert heights(ax)[1] == 0


def test_sorting_and_leaving_out():
    sd = SameDiff("float64")
    loss = sd.loss.absolute_difference(np.zeros(5), np.array([1.0, 5.0, 2.0, 4.0, 3.0]), loss_reduce=LossReduce.SUM)
    assert_allclose(heights(viz.plot_contributions(loss, sort=True)), [5, 4, 3, 2, 1])
    ax = viz.plot_contributions(loss, max_bars=3)
    assert_allclose(heights(ax), [5, 4, 3])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "3", "4"]
    assert "the 3 largest of 5" in ax.get_xlabel()


def test_a_loss_that_is_not_reduced():
    sd = SameDiff("float64")
    loss = sd.loss.sparse_softmax_cross_entropy(np.zeros((2, 2)), np.array([0, 1]))
    assert_allclose(heights(viz.plot_contributions(loss)), np.log([2, 2]))


def test_class_numbers_with_weights():
    sd = SameDiff("float64")
    mode = LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT
    loss = sd.loss.sparse_softmax_cross_entropy(np.zeros((2, 2)), [0, 1], weights=[1.0, 3.0], loss_reduce=mode)
    assert_allclose(heights(viz.plot_contributions(loss)), np.log(2) * np.array([0.5, 1.5]))


def test_a_sum_names_its_parts():
    sd = SameDiff("float64")
    w = sd.var("w", [1.0])
    total = sd.loss.hinge_loss([1.0], w, name="data") + sd.loss.l2_loss(w, name="penalty")
    with pytest.raises(ArgumentError, match="'data', 'penalty'"):
        viz.plot_contributions(total)
    with pytest.raises(ArgumentError, match="bar"):
        viz.plot_contributions(total, max_bars=0)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"])
def test_keras_losses(reduction):
    from sdgraph.keras import losses

    sd = SameDiff("float64")
    p = sd.placeholder("p", (None, 3))
    loss = losses.MeanSquaredError(reduction=reduction)(Y, p, sample_weight=W[:, 0])
    ax = viz.plot_contributions(sd[loss.name], {"p": P})
    each = np.square(Y - P).mean(axis=1) * W[:, 0]
    assert_allclose(heights(ax) / heights(ax).sum(), each / each.sum())
    assert_allclose(heights(ax).sum(), loss.eval({"p": P}).sum())
    (strip,) = [a for a in ax.figure.axes if a is not ax]
    assert_allclose(heights(strip), W[:, 0])


def test_a_count_of_bars_is_a_whole_number_of_any_kind():
    sd = SameDiff("float64")
    loss = sd.loss.absolute_difference(Y, P)
    assert len(heights(viz.plot_contributions(loss, max_bars=np.int64(2)))) == len(
        heights(viz.plot_contributions(loss, max_bars=2))
    )
    with pytest.raises(ArgumentError):
        viz.plot_contributions(loss, max_bars=True)
