"""How a file says that its graph is trained: settings as plain values, and what an updater keeps of each variable.

SameDiff writes its settings as JSON with the names of Java's classes. A class here is a text in a table, and never
more: nothing that a file names is looked up. Must not know how anything is trained.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from sdgraph.files.samediff import arrays
from sdgraph.files.samediff.schema import Record
from sdgraph.files.samediff.tables import Damaged

_PACKAGES: Final = {
    "org.nd4j.evaluation.classification": (
        *("Evaluation", "EvaluationBinary", "EvaluationCalibration", "ROC", "ROCBinary", "ROCMultiClass"),
    ),
    "org.nd4j.evaluation.regression": ("RegressionEvaluation",),
    "org.nd4j.linalg.learning.config": (
        *("AMSGrad", "AdaBelief", "AdaDelta", "AdaGrad", "AdaMax", "Adam"),
        *("Nadam", "Nesterovs", "NoOp", "RmsProp", "Sgd"),
    ),
    "org.nd4j.linalg.learning.regularization": ("L1Regularization", "L2Regularization", "WeightDecay"),
    "org.nd4j.linalg.schedule": (
        *("CycleSchedule", "ExponentialSchedule", "FixedSchedule", "InverseSchedule", "MapSchedule"),
        *("PolySchedule", "RampSchedule", "SigmoidSchedule", "StepSchedule"),
    ),
}
_FULL_NAMES: Final = {name: f"{package}.{name}" for package, names in _PACKAGES.items() for name in names}
_SHORT_NAMES: Final = {full: name for name, full in _FULL_NAMES.items()}

_SCHEDULED: Final = {"learning_rate": "learning_rate_schedule", "momentum": "momentum_i_schedule"}
"""Settings that are a number or a schedule, and what the schedule is called in a file."""

_COEFFICIENTS: Final = ("l1", "l2", "coeff")
"""Settings that are schedules in every file, also where they are one number."""

_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Numbers that JSON lacks, as Java writes them."""


@dataclass(frozen=True)
class Training:
    """How a graph of SameDiff's is trained, and how far that is.

    Example:
        >>> training = Training({"updater": {"class": "Sgd", "learning_rate": 0.1}, "iteration_count": 3})
        >>> training.updater["learning_rate"], training.iteration
        (0.1, 3)
    """

    settings: dict[str, Any]
    """What Java calls a training configuration, under the same names in snake_case: ``updater``, ``regularization``,
    ``minimize``, ``data_set_feature_mapping``, ``iteration_count`` and others. An updater, a schedule or a
    regularization is a mapping with its settings and its ``class``, such as ``"Adam"``."""
    state: dict[str, dict[str, np.ndarray[Any, Any]]] = field(default_factory=dict)
    """For each variable what the updater keeps of it: arrays by the names that SameDiff has for them, as ``"M"`` and
    ``"V"`` of Adam. Empty if the file has none."""

    @property
    def updater(self) -> dict[str, Any]:
        """The updater's settings, with its name as ``class``; empty if there is none."""
        return self.settings.get("updater") or {}

    @property
    def iteration(self) -> int:
        """How many steps were made."""
        return self.settings.get("iteration_count") or 0

    @property
    def epoch(self) -> int:
        """How many epochs were completed."""
        return self.settings.get("epoch_count") or 0


# ---------------------------------------------------------------------- reading


def read_training(graph: Record) -> Training | None:
    """The settings and the state that a file has; None if it has no settings.

    Raises:
        Damaged: If either is none.
    """
    text = graph["training_config"]
    return None if not text else Training(read_settings(text), _state(graph))


def read_settings(text: str) -> dict[str, Any]:
    """Settings from SameDiff's JSON.

    Raises:
        Damaged: If they are none.
    """
    try:
        found = json.loads(text)
        settings = {_snake(key): _plain(value) for key, value in found.items()} if type(found) is dict else None
    except (ValueError, RecursionError):
        settings = None
    if settings is None:
        raise Damaged("its training configuration is no JSON")
    for key in ("iteration_count", "epoch_count"):
        if type(settings.get(key, 0)) is not int or settings.get(key, 0) < 0:
            raise Damaged(f"its training configuration has the {key} {settings[key]!r:.40}")
    if type(settings.get("updater", {})) not in (dict, type(None)):
        raise Damaged("its training configuration has an updater that is none")
    return settings


def _plain(value: Any) -> Any:
    if type(value) is list:
        return [_plain(x) for x in value]
    if type(value) is str:
        return _SPECIAL.get(value, value)
    if type(value) is not dict:
        return value
    name = value.get("@class")
    if type(name) is not str:
        return {key: _plain(x) for key, x in value.items()}
    found = {_snake(key): _plain(x) for key, x in value.items() if key != "@class"}
    for setting, schedule in _SCHEDULED.items():
        given = found.pop(schedule, None)
        if given is not None:
            found[setting] = given
    for setting in _COEFFICIENTS:
        given = found.get(setting)
        if type(given) is dict and given.keys() == {"class", "value"} and given["class"] == "FixedSchedule":
            found[setting] = given["value"]
    return {"class": _SHORT_NAMES.get(name, name), **found}


def _state(graph: Record) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    found: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
    for record in graph["updater_state"] or ():
        name, keys, values = record["variable"], record["keys"] or [], record["values"] or []
        if not name or name in found or len(keys) != len(values) or len(set(keys)) != len(keys):
            raise Damaged("its updater keeps something that has no name, or two of one")
        found[name] = {key: arrays.to_numpy(value) for key, value in zip(keys, values, strict=True)}
    return found


# ---------------------------------------------------------------------- writing


def write_settings(settings: Mapping[str, Any]) -> str:
    """Settings as SameDiff's JSON.

    Example:
        >>> read_settings(write_settings({"updater": {"class": "Sgd", "learning_rate": 0.1}}))
        {'updater': {'class': 'Sgd', 'learning_rate': 0.1}}
    """
    return json.dumps({_camel(key): _java(value) for key, value in settings.items()}, indent=2, allow_nan=False)


def _java(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "class" not in value:
            return {key: _java(x) for key, x in value.items()}
        found: dict[str, Any] = {"@class": _FULL_NAMES.get(value["class"], value["class"])}
        for setting, x in value.items():
            if setting in _SCHEDULED and isinstance(x, Mapping):
                found[_camel(setting)] = "NaN"
                found[_camel(_SCHEDULED[setting])] = _java(x)
            elif setting in _COEFFICIENTS and not isinstance(x, Mapping):
                found[_camel(setting)] = _java({"class": "FixedSchedule", "value": x})
            elif setting != "class":
                found[_camel(setting)] = _java(x)
        return found
    if isinstance(value, list | tuple):
        return [_java(x) for x in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


# ---------------------------------------------------------------------- names


def _snake(name: str) -> str:
    """What a setting of Java's is called here.

    Example:
        >>> _snake("dataSetFeatureMapping"), _snake("momentumISchedule"), _snake("applyLR"), _snake("l2")
        ('data_set_feature_mapping', 'momentum_i_schedule', 'apply_lr', 'l2')
    """
    return _CASES.get(name) or re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _camel(name: str) -> str:
    """What a setting is called in Java.

    Example:
        >>> _camel("data_set_feature_mapping"), _camel("momentum_i_schedule"), _camel("apply_lr")
        ('dataSetFeatureMapping', 'momentumISchedule', 'applyLR')
    """
    return _CASES_BACK.get(name) or re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


_CASES: Final = {"applyLR": "apply_lr"}
_CASES_BACK: Final = {here: there for there, here in _CASES.items()}
