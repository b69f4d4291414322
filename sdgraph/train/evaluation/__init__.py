"""Evaluations: counts over examples, and the measures that follow from them."""

from sdgraph.build.annotations import readable
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.train.evaluation.binary import EvaluationBinary
from sdgraph.train.evaluation.calibration import EvaluationCalibration
from sdgraph.train.evaluation.classification import Evaluation
from sdgraph.train.evaluation.regression import RegressionEvaluation
from sdgraph.train.evaluation.roc import ROC, ROCBinary, ROCMultiClass

__all__ = [
    "ROC",
    "Evaluation",
    "EvaluationBinary",
    "EvaluationCalibration",
    "Evaluator",
    "ROCBinary",
    "ROCMultiClass",
    "RegressionEvaluation",
]

for _name in __all__:
    readable(globals()[_name])
