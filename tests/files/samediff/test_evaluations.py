"""What is evaluated in training, as SameDiff writes it into a file, and what stands for it here."""

import json

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError
from sdgraph.files import samediff
from sdgraph.files.samediff.configs import to_config, to_settings
from sdgraph.files.samediff.training import read_settings, write_settings
from sdgraph.train import Sgd, TrainingConfig
from sdgraph.train.config import Evaluated
from sdgraph.train.evaluation import (
    ROC,
    Evaluation,
    EvaluationBinary,
    EvaluationCalibration,
    RegressionEvaluation,
    ROCBinary,
    ROCMultiClass,
)
from sdgraph.train.evaluation.base import Evaluator

CLASSES, REGRESSION = "org.nd4j.evaluation.classification.", "org.nd4j.evaluation.regression."
CASES = {
    "classes": (
        Evaluation(3, top_n=2),
        {"@class": CLASSES + "Evaluation", "axis": 1, "topN": 2, "labelsList": ["0", "1", "2"]},
    ),
    "names": (
        Evaluation(labels=["no", "yes"], binary_threshold=0.25, axis=2),
        {
            "@class": CLASSES + "Evaluation",
            "axis": 2,
            "topN": 1,
            "binaryPositiveClass": 1,
            "labelsList": ["no", "yes"],
            "binaryDecisionThreshold": 0.25,
        },
    ),
    "costs": (
        Evaluation(cost=[1.0, 2.5]),
        {"@class": CLASSES + "Evaluation", "axis": 1, "topN": 1, "binaryPositiveClass": 1, "costArray": [1.0, 2.5]},
    ),
    "binary": (
        EvaluationBinary(threshold=[0.25, 0.75], labels=["a", "b"]),
        {"@class": CLASSES + "EvaluationBinary", "axis": 1, "labels": ["a", "b"], "decisionThreshold": [0.25, 0.75]},
    ),
    "binary as it is": (EvaluationBinary(), {"@class": CLASSES + "EvaluationBinary", "axis": 1}),
    "calibration": (
        EvaluationCalibration(5, 20),
        {
            "@class": CLASSES + "EvaluationCalibration",
            "axis": 1,
            "reliabilityDiagNumBins": 5,
            "histogramNumBins": 20,
            "excludeEmptyBins": True,
        },
    ),
    "roc": (
        ROC(),
        {"@class": CLASSES + "ROC", "axis": 1, "thresholdSteps": 0, "rocRemoveRedundantPts": True, "isExact": True},
    ),
    "roc of outputs": (
        ROCBinary(30),
        {"@class": CLASSES + "ROCBinary", "axis": 1, "thresholdSteps": 30, "rocRemoveRedundantPts": True},
    ),
    "roc of classes": (
        ROCMultiClass(axis=3),
        {"@class": CLASSES + "ROCMultiClass", "axis": 3, "thresholdSteps": 0, "rocRemoveRedundantPts": True},
    ),
    "regression": (
        RegressionEvaluation(columns=["height"]),
        {"@class": REGRESSION + "RegressionEvaluation", "axis": 1, "columnNames": ["height"], "precision": 5},
    ),
}


def config(*evaluations, **more):
    return TrainingConfig(
        updater=Sgd(0.1),
        data_set_feature_mapping="x",
        data_set_label_mapping=("y", "z"),
        validation_evaluations=(Evaluated("p", 1, evaluations),),
        **more,
    )


def facts(e):
    return {name: value for name, value in vars(e).items() if name != "_fresh"}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_in_java_words_and_back(case):
    e, java = CASES[case]
    text = write_settings(to_settings(config(e)))
    found = json.loads(text)
    assert found["validationEvaluations"] == {"p": [java]}
    assert found["validationEvaluationLabels"] == {"p": 1}
    assert (found["trainEvaluations"], found["trainEvaluationLabels"]) == ({}, {})
    (one,) = to_config(read_settings(text)).validation_evaluations
    (again,) = one.evaluations
    assert (one.variable, one.label_index, type(again)) == ("p", 1, type(e))
    np.testing.assert_equal(
        {k: v for k, v in facts(again).items() if not k.startswith("_")},
        {k: v for k, v in facts(e).items() if not k.startswith("_")},
    )


def test_what_java_writes_of_counts_is_left_out():
    """All fields that Java's class has, as it writes one that has counted nothing."""
    counter = {"map": {}, "totalCount": 0.0, "dirty": True}
    java = {
        "@class": CLASSES + "Evaluation",
        "axis": 1,
        "binaryPositiveClass": 1,
        "topN": 1,
        "topNCorrectCount": 0,
        "topNTotalCount": 0,
        "truePositives": counter,
        "falsePositives": counter,
        "trueNegatives": counter,
        "falseNegatives": counter,
        "confusion": None,
        "numRowCounter": 0,
        "labelsList": [],
        "binaryDecisionThreshold": None,
        "costArray": None,
        "maxClassesToPrint": 50,
    }
    text = json.dumps({"trainEvaluations": {"p": [java]}, "trainEvaluationLabels": {"p": 0}})
    (one,) = to_config(read_settings(text)).train_evaluations
    np.testing.assert_equal(facts(one.evaluations[0]), facts(Evaluation()))


@pytest.mark.parametrize(
    ("evaluations", "labels"),
    [
        ({"p": [{"@class": "com.example.Own", "goodness": 3}]}, {"p": 0}),
        ({"p": [{"@class": CLASSES + "Evaluation", "topN": 0}]}, {"p": 0}),
        ({"p": [{"@class": CLASSES + "ROC", "thresholdSteps": "many"}]}, {"p": 0}),
        ({"p": [{"@class": CLASSES + "Evaluation"}]}, {}),
        ({"p": 3}, {"p": 0}),
        ([1], {"p": 0}),
    ],
)
def test_what_sdgraph_does_not_have_stays_as_it_is(evaluations, labels):
    given = {"trainEvaluations": evaluations, "trainEvaluationLabels": labels}
    found = to_config(read_settings(json.dumps(given)))
    assert found.train_evaluations == ()
    again = json.loads(write_settings(to_settings(found)))
    assert {key: again[key] for key in given} == given


class Own(Evaluator):
    def add(self, labels, predictions, mask=None):
        return self

    def _merged(self, other):
        pass

    def stats(self):
        return ""


def test_what_java_does_not_have():
    with pytest.raises(ArgumentError, match="nothing that evaluates so"):
        to_settings(config(Own()))
    several = (Evaluated("p", 0, (Evaluation(),)), Evaluated("p", 1, (ROC(),)))
    with pytest.raises(ArgumentError, match="against one label"):
        to_settings(config(Evaluation(), train_evaluations=several))


def test_a_file_is_trained_on_with_its_evaluations(tmp_path):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 3)), np.eye(2)[rng.integers(0, 2, 20)]
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 2))
    z = x @ sd.var("w", rng.normal(size=(3, 2)))
    sd.nn.softmax(z, name="p")
    sd.loss.softmax_cross_entropy(y, z, name="loss")
    sd.set_training_config(
        TrainingConfig.builder()
        .updater(Sgd(0.1))
        .data_set_feature_mapping("x")
        .data_set_label_mapping("y")
        .train_evaluation("p", 0, Evaluation(2), ROC(10))
        .validation_evaluation("p", 0, ROCMultiClass())
        .build()
    )
    sd.fit((X, Y), epochs=2)
    again = samediff.load(samediff.save(sd, tmp_path / "model.fb"))
    one, other = (g.fit((X, Y), epochs=2, validation=(X, Y), seed=0) for g in (sd, again))
    for record, its in zip(one.training_evaluations, other.training_evaluations, strict=True):
        np.testing.assert_array_equal(record.evaluation(Evaluation).confusion, its.evaluation(Evaluation).confusion)
    assert one.final_validation_evaluations().value("auc") == other.final_validation_evaluations().value("auc")
