"""Metrics by name and as data, in what files of Keras 1 to 3 have."""

import copy
import json
import pickle

import numpy as np
import pytest

from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError
from sdgraph.keras import losses, metrics
from tests.keras.metrics import cases


@pytest.mark.parametrize(("cls", "kind", "settings"), cases.CASES, ids=cases.NAMES)
def test_a_metric_comes_back_from_its_data(cls, kind, settings):
    m = getattr(metrics, cls)(**settings, name="mine")
    data = json.loads(json.dumps(metrics.serialize(m)))
    assert (data["module"], data["class_name"]) == ("keras.metrics", cls)
    again = metrics.deserialize(data)
    assert type(again) is type(m)
    assert again.get_config() == m.get_config()
    y, p = cases.arrays(kind)[2]
    want = m(y, p)
    for other in (again, copy.deepcopy(again), pickle.loads(pickle.dumps(again))):
        np.testing.assert_array_equal(other(y, p), want)


POLICY = {"class_name": "DTypePolicy", "config": {"name": "float32"}}
FUNCTION = {"class_name": "function", "config": "mae", "module": "builtins", "registered_name": "function"}


@pytest.mark.parametrize(
    ("cls", "config", "name"),
    [
        ("MeanMetricWrapper", {"name": "acc", "dtype": "float32", "fn": "binary_accuracy"}, "acc"),
        ("MeanMetricWrapper", {"name": "a", "fn": FUNCTION}, "a"),
        ("BinaryAccuracy", {"dtype": "float32", "threshold": 0.25}, "binary_accuracy"),
        ("AUC", {"name": "auc", "curve": "PR", "thresholds": [0.2, 0.4]}, "auc"),
        ("Precision", {"name": "p", "thresholds": None, "top_k": None, "class_id": None}, "p"),
        ("MeanSquaredError", {"dtype": POLICY}, "mean_squared_error"),
    ],
)
def test_data_of_files(cls, config, name):
    found = metrics.deserialize({"class_name": cls, "config": config})
    assert (type(found).__name__, found.name) == (cls, name)
    found.update_state([[0.0], [1.0]], [[0.3], [0.4]])
    assert np.isfinite(found.result())


def test_a_wrapper_comes_back_from_its_settings():
    for fn in (metrics.binary_accuracy, losses.mean_squared_error, losses.Huber(delta=2.0)):
        m = metrics.MeanMetricWrapper(fn, name="mine")
        again = metrics.MeanMetricWrapper.from_config(m.get_config())
        assert (again.name, again([[0.0]], [[3.0]])) == ("mine", m([[0.0]], [[3.0]]))
    strict = metrics.deserialize({"class_name": "MeanMetricWrapper", "config": {"name": "a", "fn": "accuracy"}})
    assert strict([1, 2], [1, 3]) == 0.5


def test_all_metrics_of_a_model_keep_the_names_that_are_ours():
    auc = {"class_name": "AUC", "config": {"name": "auc"}}
    found = metrics.deserialize({"a": ["accuracy", auc], "b": None})
    assert found["a"][0] == "accuracy"
    assert found["a"][1].name == "auc"
    assert found["b"] is None

    def mine(y, p):
        return abs(y - p)

    assert metrics.deserialize([["mse"], ["mine"]], {"mine": mine}) == [["mse"], [mine]]


def test_names():
    assert type(metrics.get("mse")) is metrics.MeanSquaredError
    assert type(metrics.get("AUC")) is type(metrics.get("auc")) is metrics.AUC
    assert type(metrics.get("f1_score")) is type(metrics.get("F1Score")) is metrics.F1Score
    assert type(metrics.get("true_positives")) is metrics.TruePositives
    assert metrics.get("huber") is losses.huber
    assert metrics.get(None) is None
    assert metrics.get(metrics.AUC).thresholds[1] == 1 / 199


def test_automatic_names_count():
    class Rare(metrics.AUC):
        pass

    assert [Rare().name, Rare().name, Rare(name="mine").name, Rare().name] == ["rare", "rare_1", "mine", "rare_2"]
    assert metrics.MeanSquaredError().name == "mean_squared_error"
    assert (metrics.LogCoshError().name, metrics.R2Score().name) == ("logcosh", "r2_score")


def _off(y_true, y_pred):
    return abs(y_true - y_pred)


class _Mine(metrics.MeanMetricWrapper):
    def __init__(self, name="mine", dtype=None, power=1):
        super().__init__(lambda y, p: abs(y - p) ** power, name, dtype)
        self.power = power

    def get_config(self):
        return {"name": self.name, "power": self.power}


def test_what_is_ones_own():
    m = _Mine(power=2)
    data = metrics.serialize(m)
    for name in ("_Mine", "pkg>_Mine"):
        again = metrics.deserialize({**data, "class_name": name, "registered_name": name}, {"_Mine": _Mine})
        assert again([[0.0]], [[3.0]]) == 9
    wrapped = metrics.serialize(metrics.MeanMetricWrapper(_off, name="off"))
    assert metrics.deserialize(wrapped, {"_off": _off})([[0.0]], [[3.0]]) == 3


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"class_name": "Precisio", "config": {}}, "'Precision'"),
        (["acuracy"], "'accuracy'"),
        ({"class_name": "Pkg>Mine", "config": {}, "registered_name": "Pkg>Mine"}, "custom_objects"),
        ({"class_name": "MeanMetricWrapper", "config": {"fn": {"class_name": "__lambda__"}}}, "lambda"),
        ({"class_name": "MeanMetricWrapper", "config": {"fn": "nothing"}}, "'nothing'"),
        ({"class_name": "MeanMetricWrapper", "config": {"name": "x"}}, "make no MeanMetricWrapper"),
        ({"class_name": "AUC", "config": 5}, "no dict"),
        ({"class_name": "AUC", "config": {"curve": "X"}}, "'ROC'"),
        ({"class_name": "AUC", "config": {"num_thresholds": 10**12}}, "too many"),
        ({"class_name": "MeanIoU", "config": {"num_classes": 10**9}}, "too many"),
        ({"class_name": "AUC", "config": {"label_weights": {"a": 1}}}, "label_weights"),
        ({"class_name": 3}, "class_name"),
        ([5], "5"),
    ],
)
def test_data_that_describe_no_metric(config, match):
    with pytest.raises(SDGraphError, match=match):
        metrics.deserialize(config)


def test_data_nested_in_itself():
    deep = []
    deep.append(deep)
    with pytest.raises(ArgumentError, match="nested"):
        metrics.deserialize(deep)


def test_a_setting_that_there_is_not_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="no setting 'other'"):
        metrics.deserialize({"class_name": "AUC", "config": {"other": 1}})


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: metrics.Precision(1.5), "between 0 and 1"),
        (lambda: metrics.Precision([]), "no thresholds"),
        (lambda: metrics.Recall(top_k=0), "top_k"),
        (lambda: metrics.AUC(1), "num_thresholds"),
        (lambda: metrics.AUC(num_labels=3), "multi_label"),
        (lambda: metrics.AUC(label_weights=[-1.0]), "label_weights"),
        (lambda: metrics.FBetaScore(beta=0), "beta"),
        (lambda: metrics.F1Score(threshold=0.0), "above 0"),
        (lambda: metrics.F1Score("mean"), "'macro'"),
        (lambda: metrics.R2Score("mean"), "uniform_average"),
        (lambda: metrics.IoU(3, [3]), "no class 3"),
        (lambda: metrics.BinaryIoU([]), "target_class_ids"),
        (lambda: metrics.SensitivityAtSpecificity(2), "between 0 and 1"),
        (lambda: metrics.TopKCategoricalAccuracy(k=1.5), "whole number"),
        (lambda: metrics.MeanMetricWrapper("mse"), "function"),
        (lambda: metrics.Mean(name=3), "name"),
        (lambda: metrics.get("IoU"), "num_classes="),
        (lambda: metrics.get(3), "name a metric"),
        (lambda: metrics.get("mse", custom_objects=[1]), "custom_objects"),
    ],
)
def test_settings_that_are_wrong(make, match):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=match):
        make()


@pytest.mark.parametrize(
    ("metric", "arrays", "match"),
    [
        (metrics.Precision, ([0, 1], [0.1, 0.2, 0.3]), "same examples"),
        (metrics.Precision, (np.ones((2, 3)), np.ones((2, 4))), "same shape"),
        (metrics.MeanSquaredError, (np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3))), "more weights"),
        (metrics.AUC, (np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 2))), "Weights do not fit"),
        (metrics.F1Score, (np.ones(3), np.ones(3)), "tables"),
        (metrics.R2Score, (np.ones(3), np.ones(3)), "table"),
        (lambda: metrics.Precision(class_id=3), (np.ones((2, 3)), np.ones((2, 3))), "no class 3"),
        (lambda: metrics.AUC(multi_label=True, num_labels=2), (np.ones((2, 3)), np.ones((2, 3))), "2 columns"),
        (lambda: metrics.MeanIoU(3), (np.ones((2, 4)), np.ones((2, 3))), "one prediction"),
        (metrics.Precision, (["a"], [0.5]), "not an array of numbers"),
    ],
)
def test_arrays_that_do_not_fit_change_nothing(metric, arrays, match):
    m = metric()
    with pytest.raises(SDGraphError, match=match):
        m.update_state(*arrays)
    assert m.snapshot()[0] is None
