"""Optimizers as any version of Keras wrote them. Must not know files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from sdgraph.checks import is_finite
from sdgraph.errors import ArgumentError, shown
from sdgraph.keras import optimizers
from sdgraph.keras.files.canonical import unwrapped
from sdgraph.keras.optimizers.identifiers import CLASSES
from sdgraph.keras.optimizers.schedules import InverseTimeDecay
from sdgraph.wording import number

_RENAMED: Final = {"lr": "learning_rate"}
"""Settings of Keras 1 and 2 under their names in Keras 3."""

_WITHOUT_EFFECT: Final = {"jit_compile", "is_legacy_optimizer"}

_DEFAULT_IF_NONE: Final = {"epsilon"}
"""Settings that Keras 2 wrote as null where it meant its default."""

_NONE_IF_ZERO: Final = {"clipnorm", "clipvalue", "global_clipnorm", "weight_decay"}
"""Settings that were off when they were 0."""

_ABSENT: Final[Mapping[str, Mapping[str, Any]]] = {"adagrad": {"initial_accumulator_value": 0.0}}
"""Defaults of Keras 1 and 2 that are others in Keras 3, where a file does not tell."""

_OTHERWISE: Final = {"schedule_decay": "Nadam's momentum grows as Keras 3 lets it grow"}
"""Settings that Keras 3 does not have, and what happens instead."""

_INSIDE: Final = ("inner_optimizer", "optimizer")
"""Where an optimizer that only scales losses has the real one."""


def optimizer_of(
    config: Any, version: tuple[int, ...], custom_objects: Mapping[str, Any] | None = None
) -> tuple[Any, list[str]]:
    """The optimizer that a file describes, and the settings that were ignored, each in a sentence.

    Args:
        config: A name, or ``class_name`` and ``config``.
        version: The version of Keras that wrote it.
        custom_objects: Classes of your own by name; they come first.

    Raises:
        ArgumentError: If it describes none.

    Example:
        >>> found, ignored = optimizer_of({"class_name": "SGD", "config": {"lr": 0.5, "decay": 0.1}}, (2, 2))
        >>> found.learning_rate
        InverseTimeDecay(initial_learning_rate=0.5, decay_steps=1, decay_rate=0.1, staircase=False)
    """
    if isinstance(config, str):
        return optimizers.get(config), []
    name = config.get("class_name") if isinstance(config, Mapping) else None
    settings = config.get("config", {}) if isinstance(config, Mapping) else None
    if not isinstance(name, str) or not isinstance(settings, Mapping):
        raise ArgumentError("This describes no optimizer.", given=shown(config), expected="class_name and config")
    own = _own(name, config.get("registered_name"), custom_objects)
    if own is not None:
        make = getattr(own, "from_config", None)
        return make(dict(settings)) if make is not None else own(**settings), []
    if name.endswith("LossScaleOptimizer"):
        inner = next((settings[key] for key in _INSIDE if key in settings), None)
        found, ignored = optimizer_of(inner, version, custom_objects)
        return found, ["LossScaleOptimizer: losses are not scaled", *ignored]
    short = name.rpartition(">")[2].rpartition(".")[2]
    known, ignored = _settings(short, settings, version)
    return optimizers.get({"class_name": short, "config": known}), ignored


def _own(name: str, registered: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    names = [registered, name, name.rpartition(">")[2]]
    return (
        next((custom_objects[one] for one in names if isinstance(one, str) and one in custom_objects), None)
        if (custom_objects)
        else None
    )


def _settings(name: str, settings: Mapping[str, Any], version: tuple[int, ...]) -> tuple[dict[str, Any], list[str]]:
    """Settings under the names of Keras 3, and what is ignored."""
    cls = CLASSES.get(name.lower())
    known = {f.name for f in fields(cls)} if cls is not None else set()
    found = dict(_ABSENT.get(name.lower(), {})) if version < (3,) else {}
    ignored: list[str] = []
    decay: Any = None
    for key, value in settings.items():
        key = _RENAMED.get(key, key)
        value = unwrapped(value)
        if key == "decay":
            decay = value
        elif key in _OTHERWISE:
            ignored.append(f"{name}: {key}={shown(value)}; {_OTHERWISE[key]}")
        elif key in known:
            if value is None and key in _DEFAULT_IF_NONE:
                continue
            found[key] = None if key in _NONE_IF_ZERO and not value else value
        elif key not in _WITHOUT_EFFECT and known:
            ignored.append(f"{name} has no setting {shown(key)} (it was {shown(value)})")
    if decay:
        rate = found.get("learning_rate")
        if not (is_finite(rate) and is_finite(decay)):
            raise ArgumentError(
                "A decay needs a learning rate that is a number.", given=f"{shown(rate)}, {shown(decay)}"
            )
        found["learning_rate"] = InverseTimeDecay(rate, 1, decay)
    return found, ignored


def told(optimizer: Any) -> str:
    """An optimizer with the settings that are not its defaults, in few digits: files hold rates in float32.

    Example:
        >>> told(optimizers.Adam(0.009999999776482582, beta_1=0.8))
        'Adam(learning_rate=0.01, beta_1=0.8)'
    """
    try:
        settings = {f.name: (getattr(optimizer, f.name), f.default) for f in fields(optimizer)}
    except TypeError:
        return shown(optimizer)
    parts = [
        f"{key}={number(value) if is_finite(value) else shown(value)}"
        for key, (value, default) in sorted(settings.items(), key=lambda item: item[0] != "learning_rate")
        if key != "name" and (key == "learning_rate" or value != default)
    ]
    return f"{type(optimizer).__name__}({', '.join(parts)})"
