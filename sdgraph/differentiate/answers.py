"""Gradients that a graph was asked for: the same variables for the same question. Must not know how they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from sdgraph.build.variable import SDVariable
from sdgraph.differentiate.gradients import gradients
from sdgraph.differentiate.which_losses import current_losses

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

Question: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]


def gradients_of(sd: OpGraph, ys: Sequence[SDVariable], wrt: Sequence[SDVariable]) -> list[SDVariable]:
    """The gradients of the sum of all elements of ``ys``, appended to the graph if it has them not yet.

    Raises:
        GradientError: If nothing can be reached, a variable is not floating, or an op on the path has no gradient.
    """
    if not wrt:
        return []
    question = _question(ys, wrt)
    with sd.appending:
        if question not in sd.marks.gradients:
            sd.marks.gradients[question] = tuple(g.id for g in gradients(sd, list(ys), list(wrt)))
        return [SDVariable(sd, i) for i in sd.marks.gradients[question]]


def gradient_of(sd: OpGraph, y: SDVariable, x: SDVariable) -> SDVariable:
    """The gradient of one variable by one."""
    (g,) = gradients_of(sd, [y], [x])
    return g


def loss_gradients(sd: OpGraph, wrt: Sequence[SDVariable]) -> list[SDVariable]:
    """Gradients of the current losses."""
    with sd.appending:
        return gradients_of(sd, current_losses(sd), wrt)


def are_known(sd: OpGraph, ys: Sequence[SDVariable], wrt: Sequence[SDVariable]) -> bool:
    """Whether the graph has these gradients."""
    return not wrt or _question(ys, wrt) in sd.marks.gradients


def known_gradients(sd: OpGraph, ys: Sequence[int]) -> list[int]:
    """The gradients of the sum of all elements of ``ys`` that the graph has, by whatever they were asked for."""
    return [g for (of, _), answer in sd.marks.gradients.items() if set(of) == set(ys) for g in answer]


def _question(ys: Sequence[SDVariable], wrt: Sequence[SDVariable]) -> Question:
    """What is differentiated, by what."""
    return tuple(y.id for y in ys), tuple(w.id for w in wrt)
