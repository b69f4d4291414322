"""Optimizers by name, and as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sdgraph.checks import is_finite
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.optimizers import classes, schedules
from sdgraph.train.updating.updaters import Updater
from sdgraph.wording import did_you_mean, listed

CLASSES: dict[str, type[Any]] = {
    cls.__name__.lower(): cls
    for cls in vars(classes).values()
    if isinstance(cls, type) and issubclass(cls, Updater) and hasattr(cls, "learning_rate")
}
"""By names in small letters, as Keras compares them."""


def get(identifier: Any) -> Updater:
    """The optimizer that an identifier stands for.

    Args:
        identifier: A name in any letters, a configuration of Keras', or an optimizer.

    Raises:
        ArgumentError: For a name that nothing has; lists similar ones.
        ArgumentTypeError: For what is none of these.

    Example:
        >>> type(get("adam")).__name__, get("RMSprop").rho
        ('Adam', 0.9)
        >>> get({"class_name": "SGD", "config": {"learning_rate": 0.1, "momentum": 0.9}}).momentum
        0.9
    """
    if isinstance(identifier, str):
        return _class(identifier)()
    if isinstance(identifier, Mapping):
        return _configured(identifier)
    if isinstance(identifier, type):
        raise ArgumentTypeError(
            "This is a class, not an optimizer.", given=identifier.__name__, fix=f"Make one: {identifier.__name__}()."
        )
    if isinstance(identifier, Updater):
        return identifier
    raise ArgumentTypeError(
        "This does not name an optimizer.",
        given=shown(identifier),
        expected="a name, a configuration, or an optimizer of sdgraph.keras.optimizers",
    )


def _class(name: str) -> type[Any]:
    found = CLASSES.get(name.rpartition(">")[2].lower())
    if found is None:
        names = [cls.__name__ for cls in CLASSES.values()]
        raise ArgumentError(
            f"There is no optimizer {name!r}.", given=name, expected=listed(names), fix=did_you_mean(name, names)
        )
    return found


def _configured(config: Mapping[Any, Any]) -> Updater:
    name, settings = config.get("class_name"), config.get("config", {})
    if not isinstance(name, str) or not isinstance(settings, Mapping):
        raise ArgumentError(
            "This describes no optimizer.", given=shown(dict(config)), expected="a dict with class_name and config"
        )
    cls = _class(name)
    known = {f.name for f in fields(cls)}
    unknown = sorted(key for key in settings if key not in known)
    if unknown:
        raise ArgumentError(
            f"{cls.__name__} has no setting {listed(unknown)}.",
            given=shown(dict(settings)),
            expected=listed(sorted(known)),
        )
    rate = settings.get("learning_rate")
    if isinstance(rate, Mapping):
        settings = {**settings, "learning_rate": _schedule(rate)}
    return cls(**settings)


def _schedule(config: Mapping[Any, Any]) -> Any:
    name = config.get("class_name")
    if name not in schedules.__all__ or name == "LearningRateSchedule":
        raise ArgumentError(
            f"There is no schedule {name!r}.", given=shown(dict(config)), expected=listed(schedules.__all__)
        )
    cls = getattr(schedules, name)
    known = {f.name for f in fields(cls)}
    return cls(**{k: v for k, v in config.get("config", {}).items() if k in known})


def serialize(optimizer: Any) -> dict[str, Any]:
    """An optimizer as plain data, in Keras 3's format, which `get` takes; without what it is at.

    Args:
        optimizer: An optimizer of `sdgraph.keras.optimizers`, or that of a model, with the rate it has now.

    Raises:
        ArgumentTypeError: For another one, or a schedule that is none of Keras'.

    Example:
        >>> from sdgraph.keras import optimizers
        >>> found = serialize(optimizers.SGD(0.1, momentum=0.9))
        >>> found["class_name"], found["config"]["momentum"]
        ('SGD', 0.9)
        >>> optimizers.get(found) == optimizers.SGD(0.1, momentum=0.9, name="sgd")
        True
    """
    settings = getattr(optimizer, "settings", optimizer)
    cls = type(settings)
    if CLASSES.get(cls.__name__.lower()) is not cls:
        raise ArgumentTypeError(
            "This optimizer is none of Keras'.",
            given=shown(settings),
            expected=f"one of sdgraph.keras.optimizers: {listed([c.__name__ for c in CLASSES.values()])}",
        )
    config = {f.name: getattr(settings, f.name) for f in fields(cls)}
    config |= {"name": settings.name or cls.__name__.lower(), "learning_rate": _rate(optimizer, settings)}
    return _written("keras.optimizers", cls.__name__, config)


def _rate(optimizer: Any, settings: Any) -> Any:
    rate = settings.learning_rate
    if is_finite(rate):
        return float(optimizer.learning_rate)
    cls = type(rate)
    if getattr(schedules, cls.__name__, None) is not cls:
        raise ArgumentTypeError(
            "This learning rate is neither a number nor a schedule of Keras'.",
            given=shown(rate),
            expected=listed([name for name in schedules.__all__ if name != "LearningRateSchedule"]),
        )
    config = {f.name: getattr(rate, f.name) for f in fields(rate)}
    return _written(
        "keras.optimizers.schedules",
        cls.__name__,
        {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()},
    )


def _written(module: str, name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}
