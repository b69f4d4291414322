"""Names of metrics, and metrics as plain data: `get`, `serialize`, `deserialize`.

Nothing in a configuration is executed, and no module is imported because a configuration names it: names are looked up
here, among the losses, and in what the caller gives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, shown
from sdgraph.keras.catalogue import unwrapped
from sdgraph.keras.losses import registry as losses
from sdgraph.keras.metrics import (
    accuracies,
    counts,
    curves,
    f_scores,
    means,
    overlaps,
    probabilities,
    regression,
)
from sdgraph.keras.metrics.functions import FUNCTIONS, function_described
from sdgraph.keras.metrics.metric import Metric
from sdgraph.ops.losses.keras.loss import Loss, snake_case
from sdgraph.wording import did_you_mean

FAMILIES = (means, accuracies, regression, probabilities, counts, curves, f_scores, overlaps)
"""The files that define Keras' metrics."""

_BUILDING_BLOCKS = ("OfFunction", "OfCounts")

CLASSES: dict[str, type[Metric]] = {"Metric": Metric} | {
    name: thing
    for family in FAMILIES
    for name, thing in vars(family).items()
    if isinstance(thing, type)
    and issubclass(thing, Metric)
    and not name.startswith("_")
    and name not in _BUILDING_BLOCKS
}
"""Classes by the name that configurations use."""

LOSSES = (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "squared_hinge",
)
"""The functions of losses that Keras has among its metrics, too."""

_BY_NAME = {snake_case(name): cls for name, cls in CLASSES.items()}
"""Classes by the names that Keras makes of theirs, and by those that people write."""
_BY_NAME |= {name.replace("_", ""): cls for name, cls in _BY_NAME.items()}
_BY_NAME |= {
    "acc": accuracies.Accuracy,
    "bce": probabilities.BinaryCrossentropy,
    "cosine": regression.CosineSimilarity,
    "cosine_proximity": regression.CosineSimilarity,
    "kld": probabilities.KLDivergence,
    "logcosh": regression.LogCoshError,
    "log_cosh": regression.LogCoshError,
    "mae": regression.MeanAbsoluteError,
    "mape": regression.MeanAbsolutePercentageError,
    "mse": regression.MeanSquaredError,
    "msle": regression.MeanSquaredLogarithmicError,
    "rmse": regression.RootMeanSquaredError,
}


def everything() -> dict[str, Any]:
    """All classes, and all functions, those of losses included, by name."""
    return {**{name: losses.FUNCTIONS[name] for name in LOSSES}, **FUNCTIONS, **CLASSES}


def class_named(name: str) -> type[Metric] | None:
    """The class that a name stands for, however it is written."""
    return CLASSES.get(name) or _BY_NAME.get(snake_case(re.sub(r"\W", "", name)))


def _look_up(name: str, custom_objects: Mapping[str, Any] | None) -> Any:
    """The class or function of this name, with or without its package.

    Raises:
        ArgumentError: If there is none; says how to pass one.
    """
    short = name.rpartition(">")[2]
    for key in (name, short):
        if key in (custom_objects or {}):
            return (custom_objects or {})[key]
    found = class_named(short)
    if found is None:
        try:
            return losses.get(short)
        except ArgumentError:
            raise unknown(name) from None
    return found


def unknown(name: str) -> ArgumentError:
    """What is said of a name that nothing has."""
    short = name.rpartition(">")[2]
    near = did_you_mean(short, list(dict.fromkeys([*CLASSES, *_BY_NAME, *losses.FUNCTIONS, *losses.ALIASES])))
    own = f'If it is your own, pass it: custom_objects={{"{short}": it}}.'
    return ArgumentError(
        f"There is no metric {name!r}.",
        given=shown(name),
        expected="the name of a metric of Keras or of a loss",
        fix=" ".join(filter(None, (near, own))),
    )


def _instance(cls: type) -> Any:
    needed = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty and p.kind < 2]
    if needed:
        raise ArgumentError(
            f"{cls.__name__} cannot be asked for by its name alone.",
            given=cls.__name__,
            fix=f"Make one: {cls.__name__}({', '.join(f'{n}=...' for n in needed)}).",
        )
    return cls()


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric that an identifier stands for.

    Args:
        identifier: A name, a configuration, a class, a metric, a function, or None.
        custom_objects: Functions and classes of your own by name; they come first.

    Returns:
        For a name or a class a metric with its default settings, or the loss function of that name; for a configuration
        what `deserialize` makes of it; for None None, and for a metric or function itself.

    Raises:
        ArgumentError: For a name that nothing has; lists similar ones.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.get("mse")
        <MeanSquaredError name=mean_squared_error>
        >>> metrics.get({"class_name": "BinaryAccuracy", "config": {"threshold": 0.25}}).threshold
        0.25
    """
    if not isinstance(custom_objects, Mapping | None):
        raise ArgumentTypeError("custom_objects is a dict of functions and classes.", given=shown(custom_objects))
    found = _look_up(identifier, custom_objects) if isinstance(identifier, str) else identifier
    if isinstance(found, Mapping):
        return deserialize(found, custom_objects)
    if isinstance(found, type):
        return _instance(found)
    if found is None or callable(found):
        return found
    raise ArgumentTypeError(
        "This does not name a metric.",
        given=shown(identifier),
        expected="a name, a configuration, a metric or a function",
    )


# ---------------------------------------------------------------------- metrics as data


def serialize(metric: Any) -> Any:
    """A metric as plain data, in Keras 3's format.

    Args:
        metric: A metric, a function or a loss; names and None stay as they are.

    Raises:
        ArgumentTypeError: For a lambda: it has no name to be found by again.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.serialize(metrics.TopKCategoricalAccuracy(k=3))["config"]
        {'name': 'top_k_categorical_accuracy', 'dtype': None, 'k': 3}
    """
    if not isinstance(metric, Metric):
        return losses.serialize(metric)
    cls = type(metric)
    own = CLASSES.get(cls.__name__) is cls
    return {
        "module": "keras.metrics" if own else cls.__module__,
        "class_name": cls.__name__,
        "config": metric.get_config(),
        "registered_name": None if own else cls.__name__,
    }


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric that plain data describe, in the formats of Keras 1 to 3.

    Settings that a metric does not have are ignored with a warning. Nothing in the data is executed, and a module it
    names is not imported.

    Args:
        config: A name, or a dict with "class_name" and "config". Or what a file says of all metrics of a model: a list,
            or a dict of lists by the names of outputs.
        custom_objects: Functions and classes of your own by name; they come first.

    Returns:
        A metric, or for a function that function. For a list or a dict of outputs the same of these, as
        `sdgraph.keras.Model.compile` takes it: names that are ours stay names there, because shapes say which accuracy
        ``"accuracy"`` is, and results are reported under them.

    Raises:
        ArgumentError: For an unknown name, a lambda, or data that describe no metric.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.deserialize({"class_name": "MeanMetricWrapper", "config": {"name": "acc", "fn": "binary_accuracy"}})
        <MeanMetricWrapper name=acc>
        >>> metrics.deserialize({"species": ["accuracy", {"class_name": "F1Score", "config": {}}], "length": None})
        {'species': ['accuracy', <F1Score name=f1_score>], 'length': None}
    """
    try:
        several = isinstance(config, list | tuple) or (isinstance(config, Mapping) and "class_name" not in config)
        return _entry(config, custom_objects) if several else _deserialized(config, custom_objects)
    except RecursionError as e:
        raise ArgumentError("This configuration is nested too deeply, or in itself.", given=shown(config)) from e


def _entry(config: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    """Part of what a file says of all metrics of a model."""
    if isinstance(config, list | tuple):
        return [_entry(one, custom_objects) for one in config]
    if isinstance(config, Mapping) and "class_name" not in config:
        return {name: _entry(one, custom_objects) for name, one in config.items()}
    found = _deserialized(config, custom_objects)
    mine = isinstance(config, str) and config not in (custom_objects or {})
    return config if mine else found


def _deserialized(config: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    if not isinstance(config, Mapping):
        return get(config, custom_objects)
    name, settings = config.get("class_name"), config.get("config")
    if name == "function" or name == "__lambda__":
        return function_described(config, custom_objects)
    if not isinstance(name, str):
        raise ArgumentError(
            "This does not describe a metric: it has no class_name.",
            given=f"a dict with the keys {shown(list(config))}",
        )
    registered = config.get("registered_name")
    if isinstance(registered, str) and registered in (custom_objects or {}):
        name = registered
    found = _look_up(name, custom_objects)
    if not isinstance(found, type):
        return found if not isinstance(found, Loss) else losses.deserialize(config, custom_objects)
    if not isinstance(settings, Mapping | None):
        raise ArgumentError(f"The settings of {name!r} are no dict.", given=f"config={shown(settings)}")
    plain = _settings(found, settings or {}, custom_objects)
    make: Callable[..., Any] = getattr(found, "from_config", lambda given: found(**given))
    try:
        return make(plain)
    except SDGraphError:
        raise
    except Exception as e:
        if found is not class_named(name):
            raise
        raise ArgumentError(f"These settings make no {name}.", given=shown(plain)) from e


def _settings(cls: type, given: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> dict[str, Any]:
    """Settings as this version understands them."""
    found = {k: v if k == "fn" else unwrapped(v) for k, v in given.items()}
    if "fn" not in found:
        return found
    if issubclass(cls, means.MeanMetricWrapper) and "fn" in inspect.signature(cls).parameters:
        return {**found, "fn": function_described(found["fn"], custom_objects)}
    del found["fn"]
    return found
