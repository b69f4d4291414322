"""Sums of many large arrays, added up as the arrays come: then no more than two of them are alive.

A variable that is used n times has a gradient of n terms, and one node that adds them up waits for the last. Here each
term is added as soon as it exists, in the same order, to the same bits. Sums of halves stay whole, since they are not
rounded until the end. Must not know where the sums come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdgraph.build.op import REGISTRY
from sdgraph.infer.aval import Aval
from sdgraph.ops.precision import wide

if TYPE_CHECKING:
    from sdgraph.lower.nodes import LoweredNode

_WORTH = 1 << 20
"""Bytes of all terms together from which on memory counts; below, one step is the quickest."""


def accumulate(nodes: list[LoweredNode], outs: Sequence[int]) -> tuple[list[LoweredNode], list[int]]:
    """The same nodes with large sums as chains of additions, each right behind its term; and the ids of ``outs``."""
    sums = {i for i, node in enumerate(nodes) if node.op.key == "math.merge_add" and _is_large(nodes, node)}
    if not sums:
        return nodes, list(outs)
    return _Chains(nodes, sums).run(outs)


def _is_large(nodes: list[LoweredNode], node: LoweredNode) -> bool:
    aval = node.aval
    return (
        type(aval) is Aval
        and len(node.inputs) > 2
        and wide(aval.dtype) == aval.dtype
        and len(node.inputs) * aval.nbytes >= _WORTH
        and all(nodes[j].aval == aval for j in node.inputs)
    )


class _Chains:
    """The list of nodes while it is written anew."""

    def __init__(self, nodes: list[LoweredNode], sums: set[int]) -> None:
        self.nodes = nodes
        self.fresh: list[LoweredNode] = []
        self.moved: dict[int, int] = {}
        self.waiting: dict[int, list[int]] = {}
        """The sums that have a node as a term."""
        self.added = dict.fromkeys(sums, 0)
        """How many terms of a sum have been added."""
        self.so_far: dict[int, int] = {}
        for i in sums:
            for j in set(nodes[i].inputs):
                self.waiting.setdefault(j, []).append(i)

    def run(self, outs: Sequence[int]) -> tuple[list[LoweredNode], list[int]]:
        for i, node in enumerate(self.nodes):
            if i in self.added:
                self.moved[i] = self.so_far[i]  # All terms come before their sum.
            else:
                self.moved[i] = self._emit(node, tuple([self.moved[j] if j >= 0 else j for j in node.inputs]))
            for total in self.waiting.get(i, ()):
                self._advance(total)
        return self.fresh, [self.moved[o] for o in outs]

    def _emit(self, node: LoweredNode, inputs: tuple[int, ...]) -> int:
        node.inputs = inputs
        self.fresh.append(node)
        return len(self.fresh) - 1

    def _advance(self, i: int) -> None:
        """Add what is there of a sum's terms, in their order."""
        node = self.nodes[i]
        while self.added[i] < len(node.inputs) and node.inputs[self.added[i]] in self.moved:
            term = self.moved[node.inputs[self.added[i]]]
            if self.added[i]:
                step = type(node)(REGISTRY["math.add"], (), {}, node.aval, node.source, node.source_id)
                term = self._emit(step, (self.so_far[i], term))
            self.so_far[i] = term
            self.added[i] += 1
