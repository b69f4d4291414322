"""Dropout within a layer that does more than that. Must not know any layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdgraph.checks import between
from sdgraph.keras.layers.phases import at

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable


def rate(name: str, value: Any) -> float:
    """The share of entries that is dropped.

    Raises:
        ArgumentError: If it is none, or nothing would be left.
    """
    message = f"{name} is a share of entries: at least 0, and less than 1."
    found = between(name, value, 0, 1, ends=True, message=message)
    return between(name, value, 0, 1, ends=False, message=message) if found else 0.0


def dropped(x: SDVariable, share: float, seed: int | None, training: bool | None) -> SDVariable:
    """Entries dropped at random, and those that are left made larger.

    Args:
        x: What entries are of.
        share: The share that is dropped.
        seed: The seed of the draw; None for that of the graph.
        training: False for ``x`` itself; True for draws also where a graph predicts; None for draws in training.
    """
    return at(training, x.sd.nn.dropout)(x, share, seed=seed) if share and training is not False else x
