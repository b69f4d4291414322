"""A graph's form for inference as a graph: ops that have a rule for it are what the rule makes of them.

Must not know any op, nor what is done with the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.kinds import AnyGraph
from sdgraph.build.operands import operand_avals
from sdgraph.build.reach import reachable
from sdgraph.build.tracing import trace
from sdgraph.lower.expansion import replaced

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.build.op import Op
    from sdgraph.ops.graph import OpGraph


def at_inference(sd: OpGraph) -> AnyGraph:
    """The graph as it is when it is used, without the gradients of what it is in training.

    A composite stays one, unless there is something inside of it that has a rule.
    """
    without = _gradients(sd)
    found = sd
    while outer := {i for i, node in enumerate(found.nodes) if i not in without and _holds(found, node)}:
        found, _ = replaced(found, outer, named=True, without=without)
        without = set()
    chosen = {i for i, node in enumerate(found.nodes) if i not in without and node.op.inference is not None}
    found, _ = replaced(found, chosen, named=True, op=lambda op: op.at_inference, without=without)
    found.marks.updates.clear()
    return found


def _gradients(sd: OpGraph) -> set[int]:
    """The nodes that were made for gradients, without those that something else reads."""
    made = {i for start, end in sd.marks.gradient_spans for i in range(start, end)}
    others = [i for i in range(len(sd.nodes)) if i not in made]
    need = reachable(sd.nodes, others)
    return {i for i in made if i >= len(need) or not need[i]}


def _holds(sd: OpGraph, node: Node) -> bool:
    """Whether a composite is made of something that has a rule, at any depth, and has none itself."""
    op: Op = node.op
    if op.inference is not None or not op.is_composite:
        return False
    waiting = [(sd, node)]
    while waiting:
        graph, outer = waiting.pop()
        body = trace(outer.op, graph, operand_avals(graph.nodes, outer.inputs), outer.attrs)
        for k, inner in enumerate(body.graph.nodes[: len(body.need)]):
            if not body.need[k]:
                continue
            if inner.op.inference is not None:
                return True
            if inner.op.is_composite:
                waiting.append((body.graph, inner))
    return False
