"""What is reported: names, sums and means over examples."""

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from sdgraph.errors import ArgumentError
from sdgraph.train import Sgd

X = np.random.default_rng(2).normal(size=(11, 2))


def graph(*names, reduce=LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT):
    sd = SameDiff(dtype="float64")
    x, w = sd.placeholder("x", (None, 2)), sd.var("w", np.array([1.0, -2.0]))
    for k, name in enumerate(names):
        sd.loss.mean_squared_error(x * (k + 1), x * w, loss_reduce=reduce, name=name)
    sd.sum(x, axis=1, name="row")
    return sd


def errors(k):
    return (X * (k + 1) - X * [1.0, -2.0]) ** 2


@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_means_are_weighted_by_examples(batch_size):
    sd = graph("loss")
    found = sd.evaluate(X, metrics={"rows": "row"}, batch_size=batch_size)
    assert found == pytest.approx({"loss": errors(0).mean(), "rows": X.sum(1).mean()}, rel=1e-13)


@pytest.mark.parametrize("reduce", [LossReduce.SUM, LossReduce.NONE])
@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_sums_add_up(reduce, batch_size):
    found = graph("loss", reduce=reduce).evaluate(X, batch_size=batch_size)
    assert found == pytest.approx({"loss": errors(0).sum()}, rel=1e-13)


def test_keras_sums_add_up_too():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (None, 2))
    for reduction in ("sum", "mean", None):
        loss = sd.keras.mean_squared_error(x, 3 * x, reduction=reduction)
        sd.set_loss_variables(loss)
        each = (2 * X).__pow__(2).mean(1)
        expected = each.mean() if reduction == "mean" else each.sum()
        assert sd.evaluate(X, batch_size=4)["loss"] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["loss"], ["loss"]),
        (["mse"], ["loss", "mse"]),
        (["a", "b"], ["loss", "a", "b"]),
        (["loss", "b"], ["total_loss", "loss", "b"]),
    ],
)
def test_each_loss_has_its_name_and_their_sum_is_the_loss(names, columns):
    sd = graph(*names)
    found = sd.evaluate(X, batch_size=3)
    assert list(found) == columns
    assert found[columns[0]] == pytest.approx(sum(errors(k).mean() for k in range(len(names))), rel=1e-13)
    history = sd.fit(X, updater=Sgd(0.0), validation=X, batch_size=3)
    assert list(history[0]) == [*columns, *(f"val_{name}" for name in columns)]
    assert history[0] == pytest.approx({**found, **{f"val_{k}": v for k, v in found.items()}}, rel=1e-13)


def test_many_batches_are_all_counted():
    sd = graph("loss")
    x = np.tile(X, (100, 1))
    assert sd.evaluate(x, batch_size=1)["loss"] == pytest.approx(errors(0).mean(), rel=1e-12)


def test_a_metric_has_a_name_of_its_own():
    for metrics in ({"loss": "row"}, {"mse": "row"}):
        with pytest.raises(ArgumentError, match="already"):
            graph("mse").evaluate(X, metrics=metrics)
