"""A graph's form for inference as a graph: ops that have a rule for it are what the rule makes of them.

Must not know any op, nor what is done with the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.bodies import bodies_of
from sdgraph.build.function import Function, function_of
from sdgraph.build.kinds import AnyGraph
from sdgraph.build.op import ITEM, STREAM
from sdgraph.build.operands import operand_avals
from sdgraph.build.reach import reachable
from sdgraph.build.tracing import output_aval, trace
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
    _bodies_at_inference(found)
    return found


def _bodies_at_inference(sd: OpGraph) -> None:
    """Give loops and branches bodies that are what theirs are when the graph is used."""
    moved: dict[int, tuple[Node, dict[int, int]]] = {}
    for i, node in enumerate(sd.nodes):
        if node.op is ITEM and node.inputs[0] in moved:
            call, places = moved[node.inputs[0]]
            k, first = node.attrs["index"], call.attrs.get("n_carry", len(call.aval)) + 1  # type: ignore[arg-type]
            node.attrs = {"index": k if k < first else first + places[k - first]}
        if not any(_is_other(f.graph) for f in bodies_of(node.attrs)):
            continue
        made = [_function_at_inference(f) for f in bodies_of(node.attrs)]
        functions = [f for f, _ in made]
        inside = {"body": functions[0]} if "body" in node.attrs else {"branches": tuple(functions)}
        attrs = {**node.attrs, **inside}
        if not any(f.is_random for f in functions):
            attrs.pop(STREAM, None)
        node.attrs = attrs
        node.aval = output_aval(node.op, sd, operand_avals(sd.nodes, node.inputs), attrs)
        moved[i] = node, made[0][1]


def _is_other(sd: OpGraph) -> bool:
    """Whether something in a graph, at any depth, has a rule for inference."""
    return any(
        node.op.inference is not None or _holds(sd, node) or any(_is_other(f.graph) for f in bodies_of(node.attrs))
        for node in sd.nodes
    )


def _function_at_inference(f: Function) -> tuple[Function, dict[int, int]]:
    """A function as it is at inference, and where what it gives is in it, by where it was."""
    work, names = at_inference(f.graph), [node.name for node in f.graph.nodes]
    given = [work.names.ids[names[p]] for p in f.params if p >= 0]
    made, moved = function_of(work, given, [work.names.ids[names[o]] for o in f.outs])
    places = iter(made.params)
    params = [next(places) if p >= 0 else p for p in f.params]
    return Function(made.graph, params, made.outs), {o: moved[work.names.ids[names[o]]] for o in f.outs}


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
            if inner.op.inference is not None or any(_is_other(f.graph) for f in bodies_of(inner.attrs)):
                return True
            if inner.op.is_composite:
                waiting.append((body.graph, inner))
    return False
