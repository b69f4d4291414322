"""Evaluations of a variable over data, and while a graph is trained."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError
from sdgraph.train import DataSet, Sgd, TrainingConfig
from sdgraph.train.evaluation import ROC, Evaluation, RegressionEvaluation, ROCMultiClass

RNG = np.random.default_rng(5)
X = RNG.normal(size=(50, 4))
CLASSES = RNG.integers(0, 3, 50)
Y = np.eye(3)[CLASSES]
MASK = RNG.random(50) < 0.7


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def classifier(config=True):
    """A classifier with dropout, and what it says without."""
    sd = SameDiff("float64", seed=3)
    x, y = sd.placeholder("x", (None, 4)), sd.placeholder("y", (None, 3))
    sd.placeholder("m", (None,))
    w = sd.var("w", np.linspace(-1, 1, 12).reshape(4, 3))
    z = sd.nn.dropout(x, 0.5) @ w
    sd.nn.softmax(z, name="p")
    sd.loss.softmax_cross_entropy(y, z, name="loss")
    if config:
        sd.set_training_config(
            TrainingConfig.builder()
            .updater(Sgd(0.5))
            .data_set_feature_mapping("x")
            .data_set_label_mapping("y")
            .data_set_label_mask_mapping("m")
            .train_evaluation("p", 0, Evaluation())
            .validation_evaluation("p", 0, Evaluation(), ROCMultiClass())
            .build()
        )
    return sd, softmax(X @ w.value)


def batches(n=10, mask=False):
    rows = [slice(k, k + n) for k in range(0, 50, n)]
    return [DataSet(X[r], Y[r], labels_mask=MASK[r] if mask else None) for r in rows]


@pytest.mark.parametrize(
    "data", [(X, Y), {"x": X, "y": Y}, batches(), DataSet(X, Y), lambda: iter(batches(7))],
    ids=["tuple", "dict", "batches", "one", "function"],
)  # fmt: skip
def test_a_variable_over_data_of_every_kind(data):
    sd, p = classifier()
    record = sd.evaluate(data, "p", Evaluation(), ROCMultiClass(), batch_size=16)
    assert record.evaluation(Evaluation).num_rows == 50
    assert record.value("accuracy") == pytest.approx((p.argmax(axis=1) == CLASSES).mean())
    np.testing.assert_allclose(record.value("auc"), ROCMultiClass().add(Y, p).auc())


def test_without_a_configuration_the_label_is_named():
    sd, p = classifier(config=False)
    own = Evaluation()
    record = sd.evaluate((X, Y), sd["p"], own, label=sd["y"])
    assert record.evaluation("p") is own and own.accuracy() == pytest.approx((p.argmax(axis=1) == CLASSES).mean())
    sd.evaluate({"x": X, "y": Y}, "p", own, label="y")
    assert own.num_rows == 100
    with pytest.raises(ArgumentError, match="not clear which placeholder"):
        sd.evaluate((X, Y), "p", Evaluation())


def test_masks_leave_examples_out():
    sd, p = classifier()
    e = sd.evaluate(batches(mask=True), "p", Evaluation()).evaluation(Evaluation)
    assert e.num_rows == MASK.sum()
    assert e.accuracy() == pytest.approx((p.argmax(axis=1) == CLASSES)[MASK].mean())


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda sd: sd.evaluate((X, Y), "p"), ArgumentError, "nothing to evaluate with"),
        (lambda sd: sd.evaluate((X, Y), "p", Evaluation), ArgumentTypeError, "no evaluation"),
        (lambda sd: sd.evaluate((X, Y), None, Evaluation()), ArgumentError, "one variable"),
        (lambda sd: sd.evaluate((X, Y), "p", Evaluation(), metrics="loss"), ArgumentError, "one variable"),
        (lambda sd: sd.evaluate((X, Y), "p", Evaluation(), label_index=1), ArgumentError, "not mapped"),
        (lambda sd: sd.evaluate([DataSet(X)], "p", Evaluation()), ArgumentError, "is not fed"),
        (lambda sd: sd.evaluate({"y": Y}, "p", Evaluation()), FeedError, "x"),
    ],
)
def test_what_cannot_be_evaluated(call, kind, said):
    with pytest.raises(kind, match=said):
        call(classifier()[0])


def test_epochs_are_evaluated():
    sd, _ = classifier()
    seen = []
    history = sd.fit(
        batches(),
        epochs=3,
        validation=batches(25),
        callbacks=[lambda event, run: seen.append(run.values["p"]) if event == "batch_end" else None],
    )
    # In training dropout is at work: what counts is what the step computed.
    guessed = np.array(seen).reshape(3, 50, 3).argmax(axis=2)
    np.testing.assert_allclose(history.training_eval("accuracy"), (guessed == CLASSES).mean(axis=1))
    assert len(history.validation_evaluations) == 3 and len(history.training_evaluations) == 3
    last = history.final_validation_evaluations()
    p = softmax(X @ sd["w"].value)
    assert last.value("accuracy") == pytest.approx((p.argmax(axis=1) == CLASSES).mean())
    np.testing.assert_allclose(last.evaluation(ROCMultiClass).auc(), ROCMultiClass().add(Y, p).auc())
    assert history.final_training_evaluations().evaluation(Evaluation).num_rows == 50
    # What the configuration was given has counted nothing.
    assert sd.training_config.train_evaluations[0].evaluations[0].num_rows == 0


def test_one_regression_output():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None,))
    sd.placeholder("y", (None,))
    sd.math.mul(x, sd.var("w", 2.0), name="p")
    sd.set_training_config(TrainingConfig(data_set_feature_mapping="x", data_set_label_mapping="y"))
    record = sd.evaluate((X[:, 0], 2 * X[:, 0] + 1), "p", RegressionEvaluation())
    assert record.value("average_mean_squared_error") == pytest.approx(1.0)
    assert sd.evaluate((X[:, 0], X[:, 0] > 0), "p", ROC()).value("auc") == 1.0
