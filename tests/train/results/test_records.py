"""Records of evaluations: found by variable, class and measure."""

import pytest

from sdgraph.errors import ArgumentError
from sdgraph.train.evaluation import ROC, Evaluation, RegressionEvaluation
from sdgraph.train.results.records import EvaluationRecord

P = [[0.9, 0.1], [0.4, 0.6]]
ONE, TWO = Evaluation().add([0, 1], P), Evaluation().add([0, 0], P)
RECORD = EvaluationRecord({"a": [ONE, RegressionEvaluation().add([[1.0]], [[2.0]])], "b": [TWO]})


def test_one_is_found():
    assert RECORD.evaluation("a", Evaluation) is ONE and RECORD.evaluation("b") is TWO
    assert RECORD.evaluation(RegressionEvaluation).mean_squared_error().tolist() == [1.0]
    assert RECORD.value("accuracy", "a") == 1.0 and RECORD.value("accuracy", "b") == 0.5
    assert RECORD.value("mean_squared_error") == [1.0]
    assert RECORD.variables == ["a", "b"] and RECORD and not EvaluationRecord({})
    assert "b, Evaluation:" in RECORD.stats() and "column" in repr(RECORD)


def test_none_or_several():
    for wrong in (("a",), (Evaluation,), (ROC,), ("b", ROC)):
        with pytest.raises(ArgumentError, match="not exactly one such"):
            RECORD.evaluation(*wrong)
    with pytest.raises(ArgumentError, match="'c' was not evaluated"):
        RECORD.evaluation("c")
    for measure in ("accuracy", "auc", "_fresh", "names"):
        with pytest.raises(ArgumentError, match="not exactly one evaluation"):
            RECORD.value(measure)
