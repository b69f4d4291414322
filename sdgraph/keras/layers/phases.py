"""One graph for training and for use: which of the two it is evaluated for, and ops that do not care."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdgraph.build.kinds import AnyGraph
    from sdgraph.build.variable import SDVariable


def in_training(sd: AnyGraph) -> SDVariable:
    """A scalar bool: True where the graph is trained, False where it is used.

    A number that is dropped or doubled in training is what it was otherwise.
    """
    return sd.neq(sd.nn.dropout(sd.constant(1.0), 0.5, seed=0), 1.0)


def always(method: Callable[..., Any]) -> Callable[..., Any]:
    """An op of a graph as it is in training, also where the graph is used: what it is made of has no other rule."""
    return functools.partial(method.__wrapped__, method.__self__)  # type: ignore[attr-defined]


def at(training: bool | None, method: Callable[..., Any]) -> Callable[..., Any]:
    """An op with a rule for inference, as a call asks for it: always as in training, or as the graph is evaluated."""
    return always(method) if training else method


def chosen(training: bool | None, trained: SDVariable, used: SDVariable) -> SDVariable:
    """``trained`` in training, else ``used``, for a call that may be of either kind."""
    return trained if training else trained.sd.where(in_training(trained.sd), trained, used)
