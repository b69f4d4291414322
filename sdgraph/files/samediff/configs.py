"""Settings of training as plain values, and the training configuration that they stand for.

A class of Java's is one of `sdgraph.train` where there is one of its meaning; everything else stays a plain value, so
that a file that is written again has it. Must not know files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from sdgraph.errors import ArgumentError, SDGraphError, shown
from sdgraph.files.samediff import evaluations
from sdgraph.train.config import TrainingConfig
from sdgraph.train.updating import schedules, transforms, updaters
from sdgraph.train.updating.schedules import ScheduleType

_MAPPINGS: Final = (
    "data_set_feature_mapping",
    "data_set_label_mapping",
    "data_set_feature_mask_mapping",
    "data_set_label_mask_mapping",
    "loss_variables",
)
_COUNTS: Final = ("iteration_count", "epoch_count")
_READ: Final = frozenset(
    {"updater", "regularization", "minimize", *_MAPPINGS, *_COUNTS, *evaluations.FIELDS, *evaluations.FIELDS.values()}
)

_UPDATERS: Final = {
    name: getattr(updaters, name)
    for name in (
        *("AMSGrad", "AdaBelief", "AdaDelta", "AdaGrad", "AdaMax", "Adam"),
        *("Nadam", "Nesterovs", "NoOp", "RmsProp", "Sgd"),
    )
}
_SCHEDULES: Final = {
    f"{name}Schedule": getattr(schedules, f"{name}Schedule")
    for name in ("Cycle", "Exponential", "Fixed", "Inverse", "Map", "Poly", "Ramp", "Sigmoid", "Step")
}
_REGULARIZATIONS: Final = {
    name: getattr(transforms, name) for name in ("L1Regularization", "L2Regularization", "WeightDecay")
}
_RENAMED: Final = {"base": "base_schedule"}
"""Fields of ours that Java calls something else."""


class _Unlike(Exception):
    """Settings that stand for nothing here."""


# ---------------------------------------------------------------------- from plain values


def to_config(settings: Mapping[str, Any], called: Callable[[str], str] = str) -> TrainingConfig:
    """The configuration that settings stand for.

    An updater, a regularization or an evaluation that sdgraph does not have stays a plain value in ``others``.

    Args:
        settings: Plain values.
        called: What a variable of the file is called here.

    Example:
        >>> to_config({"updater": {"class": "Sgd", "learning_rate": 0.1}, "iteration_count": 3}).updater
        Sgd(learning_rate=0.1)
    """
    found: dict[str, Any] = {}
    others = {name: value for name, value in settings.items() if name not in _READ}
    for name, read in (("updater", _updater), ("regularization", _regularization), ("minimize", _flag)):
        try:
            found[name] = read(settings.get(name))
        except _Unlike:
            others[name] = settings[name]
    for name in _MAPPINGS:
        given = settings.get(name) or ()
        if isinstance(given, list | tuple) and all(x is None or isinstance(x, str) for x in given):
            found[name] = tuple(None if x is None else called(x) for x in given)
        else:
            others[name] = given
    for name, labels in evaluations.FIELDS.items():
        try:
            found[name] = evaluations.to_evaluated(settings.get(name), settings.get(labels), called)
        except evaluations.Unlike:
            others |= {key: settings[key] for key in (name, labels) if key in settings}
    return TrainingConfig(**{name: value for name, value in found.items() if value is not None}, others=others)


def _updater(given: Any) -> updaters.Updater | None:
    return None if given is None else _made(given, _UPDATERS, _rate)


def _regularization(given: Any) -> tuple[Any, ...]:
    if not isinstance(given, list | tuple | None):
        raise _Unlike
    return tuple(_made(one, _REGULARIZATIONS, _rate) for one in given or ())


def _flag(given: Any) -> bool:
    if given is None:
        return True
    if not isinstance(given, bool):
        raise _Unlike
    return given


def _rate(name: str, given: Any) -> Any:
    """A setting of an updater or a regularization."""
    if isinstance(given, Mapping):
        return _schedule(given)
    if name == "apply_lr":
        return _flag(given)
    return _number(given)


def _number(given: Any) -> float:
    if type(given) not in (int, float):
        raise _Unlike
    return float(given)


def _made(given: Any, classes: Mapping[str, Any], read: Callable[[str, Any], Any]) -> Any:
    """The dataclass that a mapping with a class and settings stands for; what is missing has its default."""
    make = classes.get(str(given.get("class"))) if isinstance(given, Mapping) else None
    if make is None:
        raise _Unlike
    known = {f.name: _RENAMED.get(f.name, f.name) for f in fields(make)}
    try:
        return make(**{ours: read(ours, given[java]) for ours, java in known.items() if java in given})
    except (TypeError, ValueError, SDGraphError) as e:
        raise _Unlike from e


def _schedule(given: Mapping[str, Any]) -> Any:
    made = _made(given, _SCHEDULES, _schedule_setting)
    return _other_sign(made)


def _other_sign(made: Any) -> Any:
    """Java's PolySchedule raises to the power where its documentation, and ours, divides by it."""
    if isinstance(made, schedules.PolySchedule):
        return schedules.PolySchedule(made.schedule_type, made.initial_value, -made.power, made.max_iter)
    return made


def _schedule_setting(name: str, given: Any) -> Any:
    if name == "schedule_type":
        if given not in ScheduleType.__members__:
            raise _Unlike
        return ScheduleType[given]
    if name == "base":
        if not isinstance(given, Mapping):
            raise _Unlike
        return _schedule(given)
    if name == "values":
        if not isinstance(given, Mapping) or not all(str(place).isdecimal() for place in given):
            raise _Unlike
        return {int(place): _number(value) for place, value in given.items()}
    number = _number(given)
    return int(number) if number.is_integer() and isinstance(given, int) else number


# ---------------------------------------------------------------------- to plain values


def slots_of(updater: str) -> frozenset[str] | None:
    """What an updater keeps of a variable; None if sdgraph does not have it."""
    make = _UPDATERS.get(updater)
    return None if make is None else frozenset(make().slots())


def to_settings(config: TrainingConfig, iteration: int = 0, epoch: int = 0) -> dict[str, Any]:
    """A configuration as settings, with the counters of how far training is.

    Raises:
        ArgumentError: If Java has no such updater, schedule, regularization or evaluation.

    Example:
        >>> from sdgraph.train import Sgd
        >>> settings = to_settings(TrainingConfig(updater=Sgd(0.1), data_set_feature_mapping="x"), iteration=3)
        >>> settings["updater"], settings["data_set_feature_mapping"], settings["iteration_count"]
        ({'class': 'Sgd', 'learning_rate': 0.1}, ['x'], 3)
    """
    found: dict[str, Any] = {"updater": None if config.updater is None else _plain(config.updater, _UPDATERS)}
    found["regularization"] = [_plain(one, _REGULARIZATIONS) for one in config.regularization]
    found["minimize"] = config.minimize
    for name in _MAPPINGS:
        names = list(getattr(config, name))
        found[name] = names if names or name in _MAPPINGS[:2] else None
    for name in evaluations.FIELDS:
        found |= evaluations.to_plain(name, getattr(config, name))
    return {**found, **dict(zip(_COUNTS, (iteration, epoch), strict=True)), **config.others}


def _plain(given: Any, classes: Mapping[str, Any]) -> Any:
    name = type(given).__name__
    if classes.get(name) is not type(given):
        raise ArgumentError(
            "SameDiff has nothing that trains so.",
            given=shown(given),
            expected=", ".join(classes),
            fix="training=False writes the graph without its training.",
        )
    ours = _other_sign(given)
    found = {"class": name, **{_RENAMED.get(f.name, f.name): _plain_value(getattr(ours, f.name)) for f in fields(ours)}}
    if isinstance(ours, schedules.CycleSchedule):
        rise = (ours.max_learning_rate - ours.lowest) / ours.half
        found |= {"initial_learning_rate": ours.lowest, "annealing_length": ours.annealing}
        found |= {"step_size": ours.half, "increment": rise}
    elif isinstance(ours, schedules.MapSchedule):
        found["all_keys_sorted"] = sorted(ours.values)
    return found


def _plain_value(value: Any) -> Any:
    if isinstance(value, ScheduleType):
        return value.name
    if isinstance(value, Mapping):
        return {str(place): float(x) for place, x in value.items()}
    return _plain(value, _SCHEDULES) if callable(value) else value
