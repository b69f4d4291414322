"""Functions of labels and predictions that metrics are made of: those that take arrays, too, and their names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, shown
from sdgraph.keras.losses import registry as losses
from sdgraph.keras.metrics.small_graphs import SmallGraphs, as_arrays
from sdgraph.nd.calls import as_operands, graph_of
from sdgraph.wording import did_you_mean

Formula = Callable[..., SDVariable]

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""The functions of Keras' metrics that are no losses, by name."""

_UNDER: dict[str, Callable[..., Any]] = {}
"""Functions that configurations call by a name that is not theirs alone: a loss or a class has it, too."""


def under(*names: str) -> Callable[[Formula], Formula]:
    """Let configurations call a function by these names."""

    def entered(formula: Formula) -> Formula:
        _UNDER.update(dict.fromkeys(names, formula))
        return formula

    return entered


def function_described(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The function, or the loss, that a configuration of a metric names.

    Args:
        config: A name, the description of a function or of a loss, or a function itself.
        custom_objects: Functions of the caller by name; they come first.

    Raises:
        ArgumentError: For a name that nothing has, and for a lambda.
    """
    if callable(config):
        return config
    if isinstance(config, Mapping):
        if config.get("class_name") == "__lambda__":
            raise ArgumentError(
                "This metric was a lambda, saved as machine code, which is never executed.",
                fix="Give the function itself to compile.",
            )
        if config.get("class_name") != "function":
            return losses.deserialize(config, custom_objects)
        config = config.get("config")
    if not isinstance(config, str):
        raise ArgumentError("This describes a function without a name.", given=f"config={shown(config)}")
    short = config.rpartition(">")[2]
    for known in (custom_objects or {}, _UNDER, FUNCTIONS):
        for name in (config, short):
            if name in known:
                return known[name]
    try:
        return losses.get(short)
    except ArgumentError:
        near = did_you_mean(short, [*FUNCTIONS, *losses.FUNCTIONS, *losses.ALIASES])
        own = f'If it is your own, pass it: custom_objects={{"{short}": it}}.'
        raise ArgumentError(
            f"There is no function {config!r} to make a metric of.",
            given=shown(config),
            fix=" ".join(filter(None, (near, own))),
        ) from None


def on_both(formula: Formula) -> Callable[..., Any]:
    """A function of variables as one that gives an array for arrays."""

    @functools.wraps(formula)
    def call(y_true: Any, y_pred: Any, *args: Any, **settings: Any) -> Any:
        sd = graph_of((y_true, y_pred))
        if sd is not None:
            y, p = (sd.as_variable(x) for x in as_operands((y_true, y_pred)))
            return formula(y, p, *args, **settings)

        def build(operands: Any) -> tuple[None, list[SDVariable]]:
            return None, [formula(operands["y_true"], operands["y_pred"], *args, **settings)]

        return SmallGraphs().computed(build, as_arrays({"y_true": y_true, "y_pred": y_pred}))[1][0]

    FUNCTIONS[formula.__name__] = readable(call)
    return call
