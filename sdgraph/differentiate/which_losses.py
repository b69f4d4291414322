"""Which variables of a graph are its losses.

Explicit ones win. Otherwise the outputs of loss ops are, and where others are computed from them the one scalar that
these lead to. Without loss ops it is the single floating output that feeds nothing. Extra terms come on top of any of
these. Whoever shows losses, evaluates or differentiates them asks here. Must not know gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sdgraph.build.graph import Node
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import NOT_DIFFERENTIABLE, ZERO_GRADIENT
from sdgraph.build.variable import SDVariable
from sdgraph.errors import GradientError
from sdgraph.infer.aval import Aval, is_floating

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

_MOST: Final = 8
"""Candidates that an error lists."""


class Losses(NamedTuple):
    """The losses of a graph by id, or why they are not clear, which ones they could be, and what to do."""

    ids: tuple[int, ...]
    why: str = ""
    candidates: tuple[int, ...] = ()
    fix: str = ""


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
        found = find_losses(sd)
        if found.why:
            raise _unclear(sd, found)
        return [SDVariable(sd, i) for i in found.ids]


def find_losses(sd: OpGraph) -> Losses:
    """What `current_losses` returns or raises, in time linear in the nodes."""
    with sd.appending:
        extra = sd.marks.extra_losses
        found = Losses(tuple(sd.marks.explicit_losses))
        if not found.ids:
            found = _implicit(sd, extra)
        return found if found.why else Losses(tuple(dict.fromkeys((*found.ids, *extra))))


def _implicit(sd: OpGraph, extra: Sequence[int]) -> Losses:
    """The losses nobody named. A loss that an extra term is computed from is a part of that term."""
    uses = _Uses(sd)
    parts = sd.reachable(list(extra)) if extra else bytearray()
    made = [i for i in sd.marks.losses if i >= len(parts) or not parts[i]]
    consumed = [i for i in made if uses.used[i]]
    if consumed:
        return _led_to(uses, made, consumed, extra)
    return Losses(tuple(made)) if made else _only_output(uses, extra)


def _led_to(uses: _Uses, made: Sequence[int], consumed: Sequence[int], extra: Sequence[int]) -> Losses:
    """The scalar that all consumed losses lead to, if there is one and no other loss beside it."""
    ends = uses.ends(consumed)
    candidates = tuple(dict.fromkeys((*ends, *made)))
    scalars = [i for i in ends if uses.nodes[i].aval.shape == ()]
    if not scalars:
        a = uses.names(ends[:1])
        fix = f"Reduce it, sd[{a}].mean() for example. sd[{a}].mark_as_loss() makes the sum of its elements the loss."
        return Losses((), f"{a} is computed from losses, but it is not a scalar.", candidates, fix)
    if len(scalars) > 1:
        why = f"Several scalars are computed from losses: {uses.names(scalars)}."
        return Losses((), why, candidates, _say_which(uses, scalars))
    total, parts = scalars[0], uses.needed(scalars[0])
    if beside := [i for i in made if i > total or not parts[i]]:
        why = f"{uses.names([total])} is computed from losses, but {uses.names(beside)} is no part of it."
        return Losses((), why, candidates, _say_which(uses, [total, *beside]))
    if twice := [i for i in extra if i < total and parts[i]]:
        a, b = uses.names([total]), uses.names(twice)
        fix = f"Leave it out of {a}, or do not give it to sd.add_loss. sd.set_loss_variables({a}) counts it twice."
        return Losses((), f"{a} contains the extra loss term {b}, which would count twice.", candidates, fix)
    return Losses((total,))


def _only_output(uses: _Uses, extra: Sequence[int]) -> Losses:
    """The single floating output that feeds nothing, in a graph without loss ops."""
    outputs = [i for i in uses.outputs() if i not in extra]
    # What stops gradients is a loss only where there is nothing else.
    found = tuple([i for i in outputs if not _stops(uses.nodes[i])] or outputs)
    if (len(found) == 1 and not extra) or (extra and not found):
        return Losses(found)
    if not found:
        fix = "Make one, with sd.loss for example, or mark a variable: variable.mark_as_loss()."
        return Losses((), "The graph has no loss.", (), fix)
    # With extra terms the one output may be the loss or a prediction; taking the wrong one would go unnoticed.
    extra_terms = "The graph has extra loss terms, but what its loss is itself is not clear."
    return Losses((), extra_terms if extra else "Several variables could be the loss.", found, _say_which(uses, found))


def _say_which(uses: _Uses, ids: Sequence[int]) -> str:
    one, several = uses.names(ids[:1]), uses.names(ids)
    fix = f"Say which: sd[{one}].mark_as_loss()"
    return f"{fix}, or sd.set_loss_variables({several}) for their sum." if 1 < len(ids) <= _MOST else f"{fix}."


def _unclear(sd: OpGraph, found: Losses) -> GradientError:
    lines = [repr(SDVariable(sd, i)) for i in found.candidates[:_MOST]]
    if len(found.candidates) > _MOST:
        lines.append(f"and {len(found.candidates) - _MOST:,} more")
    return GradientError(
        found.why,
        given="candidates:\n" + "\n".join(lines) if lines else "no floating output that feeds nothing",
        fix=found.fix,
    )


def _apart(sd: OpGraph) -> bytearray:
    """A flag per node: whether it was made to hold a gradient, or only values after a step are computed from it."""
    apart = sd.gradient_flags()
    if not sd.marks.updates:
        return apart
    after, losses = set(sd.marks.updates.values()), {*sd.marks.losses, *sd.marks.extra_losses}
    read, counts = bytearray(len(apart)), bytearray(len(apart))
    for node in reversed(sd.nodes):
        i = node.id
        if not apart[i]:
            apart[i] = i not in losses and not counts[i] and (i in after or bool(read[i]))
            for j in node.inputs:
                if j >= 0:
                    read[j] = 1
                    counts[j] |= not apart[i]
    return apart


class _Uses:
    """What is computed from what in the forward pass, where gradients can flow.

    What is no float does not count, nor what stops gradients, as `stop_gradient` and `floor` do.
    """

    def __init__(self, sd: OpGraph) -> None:
        self.nodes: list[Node] = sd.nodes
        self.apart = _apart(sd)
        """A flag per node: whether it is there for gradients, or for values after a step."""
        self.used = bytearray(len(sd.nodes))
        """A flag per node: whether another one is computed from it."""
        for node in reversed(sd.nodes):
            if self._passes(node, self.used):
                self._flag_operands(self.used, node)

    def outputs(self) -> list[int]:
        """The floating variables from which nothing is computed."""
        return [i for i in range(len(self.nodes)) if self._is_output(i)]

    def ends(self, starts: Sequence[int]) -> list[int]:
        """Those of the `outputs` that are computed from ``starts``."""
        first = min(starts)
        reached = bytearray(len(self.nodes))
        for i in starts:
            reached[i] = 1
        for i in range(first, len(self.nodes)):
            node = self.nodes[i]
            if any(j >= first and reached[j] for j in node.inputs):
                floats = type(node.aval) is not Aval or is_floating(node.aval.dtype)
                reached[i] |= floats and not self.apart[i] and not _stops(node)
        return [i for i in range(first, len(self.nodes)) if reached[i] and self._is_output(i)]

    def needed(self, end: int) -> bytearray:
        """A flag per node up to ``end``: whether that is computed from it."""
        flags = bytearray(end + 1)
        flags[end] = 1
        for node in reversed(self.nodes[: end + 1]):
            if flags[node.id] and self._passes(node, flags):
                self._flag_operands(flags, node)
        return flags

    def names(self, ids: Sequence[int]) -> str:
        """The names of some variables, as code writes them."""
        more = f" and {len(ids) - _MOST:,} more" if len(ids) > _MOST else ""
        return ", ".join(repr(self.nodes[i].name) for i in ids[:_MOST]) + more

    def _passes(self, node: Node, flags: bytearray) -> bool:
        """Whether a gradient could flow from a node to its operands; from one with several outputs, if one has it."""
        if self.apart[node.id] or _stops(node):
            return False
        return is_floating(node.aval.dtype) if type(node.aval) is Aval else bool(flags[node.id])

    def _flag_operands(self, flags: bytearray, node: Node) -> None:
        for j in node.inputs:
            if j >= 0:
                flags[j] = 1

    def _is_output(self, i: int) -> bool:
        node = self.nodes[i]
        is_end = not self.used[i] and not self.apart[i] and node.op.kind is VariableKind.ARRAY
        return is_end and type(node.aval) is Aval and is_floating(node.aval.dtype)


def _stops(node: Node) -> bool:
    return node.op.vjp is ZERO_GRADIENT or node.op.vjp is NOT_DIFFERENTIABLE
