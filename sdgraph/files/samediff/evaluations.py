"""What is evaluated in training, as plain values under Java's names, and the evaluations that these stand for.

Counts are no part of it: each epoch begins to count anew, here and in Java. Must not know files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sdgraph.errors import ArgumentError, SDGraphError, shown
from sdgraph.train import evaluation as kinds
from sdgraph.train.config import Evaluated
from sdgraph.train.evaluation.base import Evaluator

FIELDS: Final = {
    "train_evaluations": "train_evaluation_labels",
    "validation_evaluations": "validation_evaluation_labels",
}
"""What is evaluated by variable, and the label of each."""

_Plain = dict[str, Any]
_ROCS: Final = {"ROC": kinds.ROC, "ROCBinary": kinds.ROCBinary, "ROCMultiClass": kinds.ROCMultiClass}


class Unlike(Exception):
    """Settings that stand for nothing here."""


# ---------------------------------------------------------------------- from plain values


def to_evaluated(given: Any, labels: Any, called: Callable[[str], str] = str) -> tuple[Evaluated, ...]:
    """What settings say is evaluated.

    Raises:
        Unlike: If sdgraph has no such evaluation, or it is said otherwise than Java does.
    """
    given, labels = given or {}, labels or {}
    if not (isinstance(given, Mapping) and isinstance(labels, Mapping)):
        raise Unlike
    found = []
    for variable, several in given.items():
        index = labels.get(variable)
        if type(index) is not int or index < 0 or not isinstance(several, list | tuple):
            raise Unlike
        if several:
            found.append(Evaluated(called(variable), index, tuple(map(_evaluation, several))))
    return tuple(found)


def _evaluation(given: Any) -> Evaluator:
    make = _READ.get(str(given.get("class"))) if isinstance(given, Mapping) else None
    if make is None:
        raise Unlike
    try:
        return make(given)
    except (TypeError, ValueError, SDGraphError) as e:
        raise Unlike from e


def _axis(given: Mapping[str, Any]) -> int:
    axis = given.get("axis", 1)
    if type(axis) is not int:
        raise Unlike
    return axis


def _names(given: Any) -> list[str] | None:
    if given is not None and not (isinstance(given, list | tuple) and all(isinstance(x, str) for x in given)):
        raise Unlike
    return list(given) if given else None


def _numbers(given: Any) -> list[float]:
    if not isinstance(given, list | tuple) or not all(type(x) in (int, float) for x in given):
        raise Unlike
    return [float(x) for x in given]


def _classification(given: Mapping[str, Any]) -> kinds.Evaluation:
    names, cost, threshold = (
        _names(given.get("labels_list")),
        given.get("cost_array"),
        given.get("binary_decision_threshold"),
    )
    numbered = names == _numbered(len(names or ()))
    return kinds.Evaluation(
        len(names) if names and numbered else None,
        labels=None if numbered else names,
        top_n=given.get("top_n", 1),
        binary_threshold=None if threshold is None else _numbers([threshold])[0],
        cost=None if cost is None else _numbers(cost),
        axis=_axis(given),
    )


def _binary(given: Mapping[str, Any]) -> kinds.EvaluationBinary:
    threshold = given.get("decision_threshold")
    return kinds.EvaluationBinary(
        threshold=0.5 if threshold is None else _numbers(threshold),
        labels=_names(given.get("labels")),
        axis=_axis(given),
    )


def _calibration(given: Mapping[str, Any]) -> kinds.EvaluationCalibration:
    bins = given.get("reliability_diag_num_bins", 10), given.get("histogram_num_bins", 50)
    return kinds.EvaluationCalibration(*bins, axis=_axis(given))


def _roc(given: Mapping[str, Any]) -> Evaluator:
    return _ROCS[given["class"]](given.get("threshold_steps", 0), axis=_axis(given))


def _regression(given: Mapping[str, Any]) -> kinds.RegressionEvaluation:
    return kinds.RegressionEvaluation(columns=_names(given.get("column_names")), axis=_axis(given))


_READ: Final[Mapping[str, Callable[[Mapping[str, Any]], Evaluator]]] = {
    "Evaluation": _classification,
    "EvaluationBinary": _binary,
    "EvaluationCalibration": _calibration,
    "RegressionEvaluation": _regression,
    **dict.fromkeys(_ROCS, _roc),
}


def _numbered(n: int) -> list[str]:
    """What Java calls classes of which only the number is known."""
    return [str(k) for k in range(n)]


# ---------------------------------------------------------------------- to plain values


def to_plain(field: str, several: Sequence[Evaluated]) -> _Plain:
    """The settings that say what is evaluated.

    Raises:
        ArgumentError: If Java has no such evaluation, or could not say so.
    """
    found: dict[str, list[_Plain]] = {}
    labels: dict[str, int] = {}
    for variable, index, evaluations in several:
        if labels.setdefault(variable, index) != index:
            raise ArgumentError(
                "SameDiff evaluates a variable against one label.",
                given=f"{variable!r} against the labels {labels[variable]} and {index}",
                fix="training=False writes the graph without its training.",
            )
        found.setdefault(variable, []).extend(map(_written, evaluations))
    return {field: found, FIELDS[field]: labels}


def _written(e: Evaluator) -> _Plain:
    write = _WRITTEN.get(type(e))
    if write is None:
        raise ArgumentError(
            "SameDiff has nothing that evaluates so.",
            given=shown(e),
            expected=", ".join(_READ),
            fix="training=False writes the graph without its training.",
        )
    more = {name: value for name, value in write(e.fresh()).items() if value is not None}
    return {"class": type(e).__name__, "axis": getattr(e, "axis", 1), **more}


def _of_classification(e: Any) -> _Plain:
    names = e.names or (_numbered(e.num_classes) if e.num_classes else None)
    return {
        "binary_positive_class": 1 if names is None or len(names) == 2 else None,
        "top_n": e.top_n,
        "labels_list": names,
        "binary_decision_threshold": e.binary_threshold,
        "cost_array": None if e.cost is None else e.cost.tolist(),
    }


def _of_binary(e: Any) -> _Plain:
    threshold = e.threshold.tolist()
    return {"labels": e.names, "decision_threshold": None if threshold == [0.5] else threshold}


def _of_calibration(e: Any) -> _Plain:
    bins = {"reliability_diag_num_bins": e.reliability_bins, "histogram_num_bins": e.histogram_bins}
    return {**bins, "exclude_empty_bins": True}


def _of_roc(e: Any) -> _Plain:
    found = {"threshold_steps": e.steps, "roc_remove_redundant_pts": True}
    return {**found, "is_exact": e.steps == 0} if type(e) is kinds.ROC else found


def _of_regression(e: Any) -> _Plain:
    return {"column_names": e.names, "precision": 5}


_WRITTEN: Final[Mapping[type, Callable[[Any], _Plain]]] = {
    kinds.Evaluation: _of_classification,
    kinds.EvaluationBinary: _of_binary,
    kinds.EvaluationCalibration: _of_calibration,
    kinds.RegressionEvaluation: _of_regression,
    **dict.fromkeys(_ROCS.values(), _of_roc),
}
