"""The order of the layers of a functional model, which is that of its weights: by depth, as Keras has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdgraph.build.variable import SDVariable
from sdgraph.keras.layers.notes import Call, notes_of
from sdgraph.keras.layers.replaying import Step
from sdgraph.keras.layers.trees import leaves_by_key

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.build.kinds import AnyGraph


def by_depth(sd: AnyGraph, inputs: Sequence[SDVariable], outputs: Sequence[SDVariable]) -> list[Step]:
    """Calls of layers, nodes of ops, and the nodes of inputs: what is farthest from the outputs first.

    What is called several times is as deep as its deepest call. Of what is equally deep, that comes first which a walk
    from the outputs to the inputs meets first.
    """
    after = _walked(sd, inputs, outputs)
    met = {_who(step): k for k, step in reversed([*enumerate(after.met)])}
    depths: dict[Step, int] = {}
    of_layer: dict[object, int] = {}
    for step in reversed(after.done):
        depth = max(depths.get(step, 0), of_layer.get(_who(step), 0))
        depths[step] = of_layer[_who(step)] = depth
        for parent in after.parents[step]:
            depths[parent] = max(depth + 1, depths.get(parent, 0))
    order = sorted(of_layer, key=lambda who: (-of_layer[who], met[who]))
    first = {_who(step): step for step in reversed(after.done)}
    return [first[who] for who in order]


def _who(step: Step) -> object:
    return step.layer if isinstance(step, Call) else step


class _walked:
    """A walk from outputs to inputs: the steps in the order they are met, and in the order they are done with."""

    def __init__(self, sd: AnyGraph, inputs: Sequence[SDVariable], outputs: Sequence[SDVariable]) -> None:
        self._sd, self._calls = sd, notes_of(sd).calls
        self._ends = {v.node for v in inputs}
        self.met: dict[Step, None] = {}
        self.done: dict[Step, None] = {}
        self.parents: dict[Step, list[Step]] = {}
        for v in outputs:
            stack = [self._step(v.node)]
            while stack:
                step = stack[-1]
                self.met.setdefault(step)
                if step not in self.parents:
                    self.parents[step] = list(dict.fromkeys(self._step(node) for node in self._needs(step)))
                waiting = next((p for p in self.parents[step] if p not in self.done), None)
                if waiting is None or step in self.done:
                    self.done.setdefault(stack.pop())
                else:
                    stack.append(waiting)

    def _step(self, node: Node) -> Step:
        return node if node in self._ends else self._calls.get(node, node)

    def _needs(self, step: Step) -> list[Node]:
        if isinstance(step, Call):
            return [v.node for v in leaves_by_key((step.args, step.kwargs)) if isinstance(v, SDVariable)]
        return [] if step in self._ends else [self._sd.nodes[i] for i in step.inputs if i >= 0]
