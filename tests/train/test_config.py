"""Training configurations: what each word of the builder means, and which arrays go where."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError
from sdgraph.train import (
    Adam,
    DataSet,
    FixedSchedule,
    L1Regularization,
    L2Regularization,
    MultiDataSet,
    Nesterovs,
    Sgd,
    TrainingConfig,
    WeightDecay,
)
from sdgraph.train.evaluation import Evaluation, RegressionEvaluation


def test_builder_and_keywords_say_the_same():
    built = (
        TrainingConfig.builder()
        .updater(Adam(1e-2))
        .l1(0.1)
        .l2(0.2)
        .minimize(False)
        .data_set_feature_mapping("a", "b")
        .data_set_label_mapping("y")
        .build()
    )
    assert built == TrainingConfig(
        updater=Adam(1e-2),
        l1=0.1,
        l2=0.2,
        minimize=False,
        data_set_feature_mapping=["a", "b"],
        data_set_label_mapping="y",
    )
    assert built.regularization == (L1Regularization(0.1), L2Regularization(0.2))


def test_variables_are_names():
    sd = SameDiff()
    x, y = sd.placeholder("x", (None, 2)), sd.placeholder("y", (None,))
    config = TrainingConfig(data_set_feature_mapping=x, data_set_label_mapping=[y], loss_variables=y)
    assert config.data_set_feature_mapping == ("x",)
    assert (config.data_set_label_mapping, config.loss_variables) == (("y",), ("y",))
    built = TrainingConfig.builder().updater(Sgd()).minimize(y).data_set_feature_mapping([x]).build()
    assert (built.loss_variables, built.data_set_feature_mapping, built.minimize) == (("y",), ("x",), True)


def test_one_regularization_of_a_kind():
    b = TrainingConfig.builder().updater(Sgd()).l1(0.1).l1(0.2).l2(0.3)
    with pytest.warns(UserWarning, match="L2Regularization is taken out"):
        b.weight_decay(0.4, apply_lr=False)
    assert b.build().regularization == (L1Regularization(0.2), WeightDecay(0.4, False))
    with pytest.warns(UserWarning, match="WeightDecay is taken out"):
        b.l2(0.5)
    assert b.l1(0).build().regularization == (L2Regularization(0.5),)
    assert b.add_regularization(L2Regularization(1.0)).build().regularization[-1] == L2Regularization(1.0)
    assert b.regularization(L1Regularization(FixedSchedule(0.1))).build().regularization == (
        L1Regularization(FixedSchedule(0.1)),
    )


def test_an_updater_is_needed_in_the_end():
    with pytest.raises(ArgumentError, match="needs an updater"):
        TrainingConfig.builder().build()
    assert TrainingConfig.builder().skip_builder_validation(True).build().updater is None
    with pytest.raises(ArgumentTypeError, match="updater says"):
        TrainingConfig(updater=0.1)
    with pytest.raises(ArgumentTypeError, match="updater says"):
        TrainingConfig(updater={"w*": Sgd(), "*": "adam"})


X, Y, M = np.ones((3, 2)), np.zeros((3, 1)), np.array([1, 1, 0])
TWO = TrainingConfig(
    data_set_feature_mapping=("a", "b"),
    data_set_label_mapping=("y", "z"),
    data_set_feature_mask_mapping=(None, "mb"),
    data_set_label_mask_mapping=("my", None),
)
ONE = TrainingConfig(data_set_feature_mapping="x", data_set_label_mapping="y", data_set_label_mask_mapping="m")


@pytest.mark.parametrize(
    "item", [(X, Y), [X, Y], DataSet(X, Y), MultiDataSet([X], [Y]), ((X,), (Y,)), {"x": X, "y": Y}]
)
def test_one_array_of_each(item):
    feeds = ONE.feeds(item)
    assert list(feeds) == ["x", "y"] and feeds["x"] is X and feeds["y"] is Y


@pytest.mark.parametrize("item", [(X, Y, None, M), DataSet(X, Y, labels_mask=M), MultiDataSet([X], [Y], None, [M])])
def test_masks(item):
    assert list(ONE.feeds(item)) == ["x", "y", "m"]


def test_lists_of_numbers_are_arrays():
    assert ONE.feeds(([[1.0, 2.0]], [[3.0]])) == {"x": [[1.0, 2.0]], "y": [[3.0]]}


@pytest.mark.parametrize(
    "item", [((X, X), (Y, Y), (None, M), (M, None)), MultiDataSet([X, X], [Y, Y], [None, M], [M, None])]
)
def test_several_arrays_of_each(item):
    assert list(TWO.feeds(item)) == ["a", "b", "y", "z", "mb", "my"]


def test_labels_may_be_missing():
    assert list(ONE.feeds(DataSet(X))) == ["x"]
    assert list(ONE.feeds((X,))) == ["x"]


@pytest.mark.parametrize(
    ("config", "item", "match"),
    [
        (ONE, ((X, X), Y), "another number of features"),
        (TWO, (X, Y), "another number of features"),
        (TWO, ((X, X), Y), "another number of labels"),
        (ONE, (X, Y, M), "another number of feature masks"),
        (ONE, X, "no batch"),
        (ONE, (X, Y, M, M, M), "no batch"),
    ],
)
def test_other_numbers_of_arrays_are_refused(config, item, match):
    with pytest.raises(FeedError, match=match):
        config.feeds(item)


class TorchLike:
    """A batch of another library's, by what it has."""

    features, labels = X, Y


def test_a_batch_by_what_it_has():
    assert list(ONE.feeds(TorchLike())) == ["x", "y"]


def test_evaluations():
    config = (
        TrainingConfig.builder()
        .updater(Nesterovs())
        .data_set_feature_mapping("x")
        .data_set_label_mapping("y", "z")
        .data_set_label_mask_mapping(None, "mz")
        .train_evaluation("out", 0, Evaluation(), RegressionEvaluation())
        .validation_evaluation("out", 1, Evaluation())
        .build()
    )
    (train,), (validation,) = config.train_evaluations, config.validation_evaluations
    assert (train.variable, train.label_index, len(train.evaluations)) == ("out", 0, 2)
    assert config.label(train.label_index) == ("y", None)
    assert config.label(validation.label_index) == ("z", "mz")
    with pytest.raises(ArgumentError, match="not mapped"):
        config.label(2)
    for wrong in ((), (Evaluation,), (3,)):
        with pytest.raises((ArgumentError, ArgumentTypeError)):
            TrainingConfig.builder().train_evaluation("out", 0, *wrong)
