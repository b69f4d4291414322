"""Which variables of a graph are its losses.

Explicit ones win. Otherwise the outputs of loss ops that nothing consumes are, and without any the single floating
output that feeds nothing. Extra terms come on top of any of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.errors import GradientError
from sdgraph.infer.aval import is_floating

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


def check_loss(v: SDVariable) -> None:
    """Raise GradientError unless ``v`` can be a loss: a floating output of an op."""
    if v.kind is not VariableKind.ARRAY or not is_floating(v.dtype):
        raise GradientError(
            f"{v.name!r} cannot be a loss.",
            given=repr(v),
            expected="a floating variable that an op computes",
            node=v.name,
            node_origin=v.origin,
        )


def current_losses(sd: OpGraph) -> list[SDVariable]:
    """The losses of the graph as it is now: the main ones, then the extra terms.

    Raises:
        GradientError: If they are not clear; lists the candidates.
    """
    with sd.appending:
        main = sd.marks.explicit_losses or _implicit_losses(sd, sd.marks.extra_losses)
        return [SDVariable(sd, i) for i in dict.fromkeys((*main, *sd.marks.extra_losses))]


def _implicit_losses(sd: OpGraph, extra: list[int]) -> list[int]:
    """The losses nobody named. A loss that an extra term is computed from is a part of that term."""
    consumed = _consumed(sd)
    parts = sd.reachable(extra) if extra else bytearray()
    implicit = [i for i in sd.marks.losses if i >= len(parts) or not parts[i]]
    if implicit:
        if not any(consumed[i] for i in implicit):
            return implicit
        raise _unclear(sd, "A loss is used to compute something else, so the losses are not clear.", consumed)
    found = [v.id for v in _candidates(sd, consumed) if v.id not in extra]
    if len(found) == 1 and not extra:
        return found
    if not found and extra:
        return []
    what = "The graph has no loss." if not found else "Several variables could be the loss."
    if extra and found:
        # The one output may be the loss or a prediction; taking the wrong one would go unnoticed.
        what = "The graph has extra loss terms, but what its loss is itself is not clear."
    raise _unclear(sd, what, consumed)


def _consumed(sd: OpGraph) -> bytearray:
    """A flag per node: whether a node that is no gradient uses it."""
    consumed = bytearray(len(sd.nodes))
    for i, node in enumerate(sd.nodes):
        if not sd.is_gradient(i):
            for j in node.inputs:
                if j >= 0:
                    consumed[j] = 1
    return consumed


def _candidates(sd: OpGraph, consumed: bytearray) -> list[SDVariable]:
    return [
        v
        for v in sd.variables()
        if v.kind is VariableKind.ARRAY and not consumed[v.id] and not sd.is_gradient(v.id) and is_floating(v.dtype)
    ]


def _unclear(sd: OpGraph, message: str, consumed: bytearray) -> GradientError:
    ids = {*sd.marks.losses, *(v.id for v in _candidates(sd, consumed))}
    lines = [
        f"{SDVariable(sd, i)!r}" + (", used by another op" if consumed[i] else ", feeds nothing") for i in sorted(ids)
    ]
    return GradientError(
        message,
        given="candidates:\n" + "\n".join(lines) if lines else "no floating output that feeds nothing",
        fix="Say which: sd.set_loss_variables('name', ...) or variable.mark_as_loss().",
    )
