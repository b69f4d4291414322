"""Settings that many layers share, and those that are refused."""

from __future__ import annotations

from typing import Any

from sdgraph.errors import ArgumentError, shown


def refuse(layer: Any, **given: Any) -> None:
    """Raise for settings that a layer of Keras has and ours has not, unless they say nothing.

    Raises:
        ArgumentError: For one that is neither None nor False.
    """
    for name, value in given.items():
        if value is not None and value is not False:
            raise ArgumentError(
                f"{type(layer).__name__} has no {name} here.", given=f"{name}={shown(value)} for {layer.name!r}"
            )


def refuse_constraints(layer: Any, **given: Any) -> None:
    """Raise for constraints on weights.

    Raises:
        ArgumentError: For one that is not None.
    """
    for name, value in given.items():
        if value is not None:
            raise ArgumentError(
                f"Weights of {layer.name!r} cannot be held to a constraint: it is not applied in training.",
                given=f"{name}={shown(value)}",
                fix="Leave it out, or apply it between steps: layer.set_weights([constraint(w) for w in ...]).",
            )
