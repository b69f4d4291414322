"""Weights of examples, classes and losses, against numpy."""

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.train.weighting import class_weights, loss_weights, weighted

R = np.random.default_rng(8)
X, W = R.normal(size=(12, 3)), R.uniform(0.5, 2.0, size=12)
CLASS = R.integers(0, 3, size=12)
BY_CLASS = {0: 2.0, 2: 0.25}
OF_CLASS = np.array([2.0, 1.0, 0.25])[CLASS]
LOG = X - np.log(np.exp(X).sum(1, keepdims=True))
CROSS = -LOG[np.arange(12), CLASS]


def graph(make):
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (None, 3))
    y = sd.placeholder("y", (None,), "int64")
    loss = make(sd, x, y)
    sd.set_loss_variables(loss)
    return sd, loss


def value(sd, v, w=None):
    feeds = {"x": X, "y": CLASS}
    return sd.output(feeds if w is None else feeds | {w.name: W}, [v])[v.name]


ONE_HOT = {
    "sparse": lambda sd, x, y: sd.loss.sparse_softmax_cross_entropy(x, y, loss_reduce=LossReduce.MEAN_BY_WEIGHT),
    "one hot": lambda sd, x, y: sd.loss.softmax_cross_entropy(
        sd.one_hot(y, 3), x, loss_reduce=LossReduce.MEAN_BY_WEIGHT
    ),
    "weighed already": lambda sd, x, y: sd.loss.softmax_cross_entropy(
        sd.one_hot(y, 3), x, weights=3.0, loss_reduce=LossReduce.MEAN_BY_WEIGHT
    ),
    "further on": lambda sd, x, y: (
        2 * sd.loss.sparse_softmax_cross_entropy(x, y, loss_reduce=LossReduce.MEAN_BY_WEIGHT) / 2 + 0 * x.sum()
    ),
    "keras": lambda sd, x, y: sd.keras.sparse_categorical_crossentropy(
        y, x, from_logits=True, reduction="mean_with_sample_weight"
    ),
    "keras, one hot": lambda sd, x, y: sd.keras.categorical_crossentropy(
        sd.one_hot(y, 3), x, from_logits=True, reduction="mean_with_sample_weight"
    ),
}


@pytest.mark.parametrize("form", ONE_HOT)
@pytest.mark.parametrize("examples", [False, True])
@pytest.mark.parametrize("classes", [None, BY_CLASS])
def test_classes_and_examples_are_weighed(form, examples, classes):
    if not examples and classes is None:
        return
    sd, loss = graph(ONE_HOT[form])
    before = [v.name for v in sd.variables()]
    found = weighted(sd, [loss], counts={}, classes=classes, examples=examples)
    w = (W if examples else np.ones(12)) * (OF_CLASS if classes else 1)
    got = value(sd, found.trained[0], found.examples)
    np.testing.assert_allclose(got, (w * CROSS).sum() / w.sum(), rtol=1e-12)
    # The user's graph looks as it did.
    assert [v.name for v in sd.variables()] == before and sd.loss_variables() == [loss]
    assert [p.name for p in sd.placeholders()] == ["x", "y"]


@pytest.mark.parametrize("reduce", list(LossReduce))
def test_weights_count_as_the_reduction_counts_them(reduce):
    sd, loss = graph(lambda sd, x, y: sd.loss.mean_squared_error(x, 2 * x, loss_reduce=reduce))
    found = weighted(sd, [loss], counts={}, classes=None, examples=True)
    each = X**2 * W[:, None]
    expected = {
        LossReduce.NONE: each,
        LossReduce.SUM: each.sum(),
        LossReduce.MEAN_BY_WEIGHT: each.sum() / (3 * W.sum()),
        LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT: each.sum() / 36,
    }[reduce]
    np.testing.assert_allclose(value(sd, found.trained[0], found.examples), expected, rtol=1e-12)


def test_weights_that_a_loss_has_already_stay():
    own = R.uniform(size=(1, 3))
    sd, loss = graph(lambda sd, x, y: sd.loss.absolute_difference(x, 2 * x, weights=own, loss_reduce=LossReduce.SUM))
    found = weighted(sd, [loss], counts={}, classes=None, examples=True)
    got = value(sd, found.trained[0], found.examples)
    np.testing.assert_allclose(got, (np.abs(X) * own * W[:, None]).sum(), rtol=1e-12)


def test_a_class_that_is_a_number_near_it():
    sd = SameDiff(dtype="float64")
    x, y = sd.placeholder("x", (None, 1)), sd.placeholder("y", (None, 1))
    loss = sd.loss.sigmoid_cross_entropy(y, x, loss_reduce=LossReduce.SUM)
    found = weighted(sd, [loss], counts={}, classes={1: 5.0}, examples=False)
    labels, logits = np.array([[1.0], [0.0], [7.0], [-1.0]]), np.array([[0.5], [1.0], [0.25], [2.0]])
    each = np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits)))
    got = found.trained[0].eval({"x": logits, "y": labels})
    np.testing.assert_allclose(got, (each[:, 0] * [5, 1, 1, 1]).sum(), rtol=1e-12)


def test_losses_count_by_their_weights_and_are_reported_without():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (None, 3))
    a, b = sd.loss.mean_squared_error(x, 2 * x, name="a"), sd.loss.absolute_difference(x, 2 * x, name="b")
    found = weighted(sd, [a, b], counts={"b": 0.25}, classes=None, examples=False)
    assert found.reported == (a, b) and found.examples is None
    values = sd.output({"x": X}, list(found.trained))
    np.testing.assert_allclose(list(values.values()), [np.mean(X**2), 0.25 * np.mean(np.abs(X))], rtol=1e-12)


def test_a_penalty_beside_it_stays_as_it_is():
    sd = SameDiff(dtype="float64")
    x, w = sd.placeholder("x", (None, 3)), sd.var("w", np.ones(3))
    loss = sd.loss.mean_squared_error(x, w * x * 0, loss_reduce=LossReduce.SUM)
    penalty = sd.add_loss((w**2).sum())
    found = weighted(sd, sd.loss_variables(), counts={}, classes=None, examples=True)
    assert found.trained[1] == penalty
    got = found.trained[0].eval({"x": X, found.examples.name: W})
    np.testing.assert_allclose(got, (X**2 * W[:, None]).sum(), rtol=1e-12)
    assert sd.loss_variables() == [loss, penalty]


def test_what_cannot_be_weighed_says_so():
    for make in (lambda sd, x, y: (x**2).mean(), lambda sd, x, y: sd.loss.l2_loss(x)):
        sd, loss = graph(make)
        n = len(sd.nodes)
        with pytest.raises(ArgumentError, match=r"can weigh(.|\n)*sd.loss or sd.keras"):
            weighted(sd, [loss], counts={}, classes=None, examples=True)
        assert len(sd.nodes) == n


def test_weights_are_given_in_these_forms():
    sd = SameDiff()
    a, b = sd.loss.l2_loss(sd.var("w", [1.0]), name="a"), sd.loss.l2_loss(sd["w"], name="b")
    assert loss_weights([a, b], None) == {}
    assert loss_weights([a, b], [1, 2]) == loss_weights([a, b], {"a": 1, "b": 2}) == {"a": 1.0, "b": 2.0}
    for wrong, words in (([1], "one weight for each"), ({"c": 1}, "no loss 'c'"), ({"a": float("nan")}, "finite")):
        with pytest.raises(ArgumentError, match=words):
            loss_weights([a, b], wrong)
    assert class_weights({0: 1, np.int64(2): 0.5}) == {0: 1.0, 2: 0.5}
    for wrong in ([1, 2], {"a": 1}, {-1: 1.0}, {0.5: 1}):
        with pytest.raises(ArgumentTypeError, match="by class"):
            class_weights(wrong)
    with pytest.raises(ArgumentError, match="class_weight"):
        class_weights({0: -1.0})
