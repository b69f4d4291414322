"""Settings that many layers share, and those that are refused."""

from __future__ import annotations

from typing import Any

from sdgraph.checks import is_whole, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown


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


def wholes(name: str, value: Any, *, least: int | None = None) -> tuple[int, ...]:
    """A setting that is a whole number or a list of them.

    Raises:
        ArgumentTypeError: If it is none.
        ArgumentError: If one is less than ``least``.
    """
    given = (value,) if is_whole(value) else value
    if not isinstance(given, list | tuple):
        raise ArgumentTypeError(f"{name} is a whole number, or a list of them.", given=f"{name}={shown(value)}")
    return tuple(whole(name, n, least=least) for n in given)


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
