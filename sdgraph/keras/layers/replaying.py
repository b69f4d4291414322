"""What variables are computed from, step by step: calls of layers, and ops between them; and doing that again.

So a model is called on other variables, and what was made in one graph goes on in another. Must not know models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import ITEM
from sdgraph.build.variable import SDVariable
from sdgraph.keras.layers import tracing
from sdgraph.keras.layers.notes import Call, notes_of
from sdgraph.keras.layers.trees import leaves, mapped
from sdgraph.keras.layers.weights import Weight, weight_of

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.build.kinds import AnyGraph

Step: TypeAlias = Any
"""A `Call`, or a node of the graph."""


def steps(sd: AnyGraph, outputs: Iterable[SDVariable], inputs: Iterable[SDVariable] = ()) -> list[Step]:
    """What leads to outputs, in order; what is before the inputs is left out, they themselves too."""
    calls = notes_of(sd).calls
    seen = {v.node for v in inputs}
    found: dict[Step, int] = {}
    waiting = [v.node for v in outputs]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        step: Step = calls.get(node, node)
        if step in found:
            found[step] = min(found[step], node.id)
            continue
        found[step] = node.id
        if isinstance(step, Call):
            waiting += [v.node for v in leaves((step.args, step.kwargs)) if isinstance(v, SDVariable)]
        else:
            waiting += [sd.nodes[i] for i in step.inputs if i >= 0]
    return sorted(found, key=found.__getitem__)


class Replay:
    """Steps of a graph, done again from other variables.

    Args:
        source: The graph that the steps are of.
        sd: The graph that they are done in, which may be the same.
        given: What stands for variables of ``source``, by their nodes; it gets all that is made.
        training: Whether layers are called as in training.
    """

    def __init__(self, source: AnyGraph, sd: AnyGraph, given: dict[Node, Any], training: bool | None = None) -> None:
        self._source, self._sd, self._given, self._training = source, sd, given, training

    def __call__(self, path: Sequence[Step], outputs: Iterable[SDVariable]) -> list[SDVariable]:
        """Do the steps, and return what outputs are then."""
        for step in path:
            if isinstance(step, Call):
                self._call(step)
            elif step not in self._given:
                self._given[step] = self._node(step)
        return [self._given.get(v.node, v) for v in outputs]

    def _call(self, call: Call) -> None:
        def new(v: Any) -> Any:
            return self._given.get(v.node, v) if isinstance(v, SDVariable) else v

        kwargs = mapped(new, call.kwargs)
        if self._training is not None:
            kwargs.setdefault("training", self._training)
        again = call.layer.on_variables(self._sd, mapped(new, call.args), kwargs)
        for v, w in zip(leaves(call.outputs), leaves(again), strict=True):
            if isinstance(v, SDVariable):
                self._given[v.node] = w

    def _node(self, node: Node) -> Any:
        kind, given = node.op.kind, self._given
        if kind is not VariableKind.ARRAY:
            return SDVariable(self._source, node.id) if self._source is self._sd else self._leaf(node)
        if node.op is ITEM:
            return given[self._source.nodes[node.inputs[0]]][node.attrs["index"]]
        operands = [None if i < 0 else given[self._source.nodes[i]] for i in node.inputs]
        if self._source is self._sd and all(v is None or v.id == i for v, i in zip(operands, node.inputs, strict=True)):
            return _itself(self._source, node)
        return self._sd.apply(node.op, operands, node.attrs)

    def _leaf(self, node: Node) -> SDVariable:
        """A leaf of another graph."""
        v, name = SDVariable(self._source, node.id), node.name.rpartition("/")[2]
        scope = node.name[: len(node.name) - len(name)]
        known = weight_of(v)
        if known is None and node.op.kind is VariableKind.VARIABLE:
            known = Weight(name, np.array(self._source.values[node.id]))
            known.stands(v)
        if known is not None:
            return known.of(self._sd, scope)
        with self._sd.names.only(scope):
            free = self._sd.names.free(name).rpartition("/")[2]
            if node.op.kind is VariableKind.CONSTANT:
                return self._sd.constant(free, self._source.values[node.id])
            return self._sd.placeholder(free, v.shape, v.dtype)


def _itself(sd: AnyGraph, node: Node) -> Any:
    if not isinstance(node.aval, tuple):
        return SDVariable(sd, node.id)
    return tuple(SDVariable(sd, n.id) for n in sd.nodes if n.op is ITEM and n.inputs[0] == node.id)


def brought(v: SDVariable, sd: AnyGraph) -> SDVariable:
    """What stands in a graph for a variable of another: all that leads to it is done there once more.

    Weights are shared, and placeholders of the other graph have one each here.
    """
    notes = notes_of(sd)
    known = {node: w for node, w in notes.brought.items() if not node.is_gone and not _gone(w)}
    if v.node not in known:
        with tracing.nobody():
            Replay(v.sd, sd, known)(steps(v.sd, [v]), [v])
        notes.brought.update(known)
    return known[v.node]


def _gone(v: Any) -> bool:
    return isinstance(v, SDVariable) and v.node.is_gone
