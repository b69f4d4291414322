"""A copy of a graph in which chosen ops are replaced by their bodies.

A picture shows what is inside of composites so, and a graph becomes its form for inference. Must not know either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final

from sdgraph.build.bodies import bodies_of
from sdgraph.build.bookkeeping import Numbering, carry
from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, NO_ATTRS, AnyGraph
from sdgraph.build.op import ITEM, REGISTRY, Op
from sdgraph.build.operands import operand_avals
from sdgraph.build.reach import reachable
from sdgraph.build.tracing import Body, trace
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.aval import Aval
from sdgraph.lower.opened_bodies import opened_bodies, opened_item

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

_NUMBERED: Final = re.compile(r"_\d+$")
"""What tells an automatic name from others of the same op."""


def expanded(sd: OpGraph, chosen: set[int]) -> OpGraph:
    """A graph with the same variables, and for each of ``chosen`` its body in a scope of its name.

    Raises:
        ArgumentError: If one of them is neither the only output of a composite op, nor one of a loop or a branch.
    """
    calls = {sd.call_of(sd.nodes[i]).id if sd.call_of(sd.nodes[i]).op.has_bodies else i for i in chosen}
    for i in calls:
        node = sd.nodes[i]
        if node.op.has_bodies:
            continue
        if not node.op.is_composite or type(node.aval) is not Aval:
            raise ArgumentError(
                f"{node.name!r} cannot be expanded.",
                given=repr(SDVariable(sd, i)),
                expected="the only output of a composite op, such as a loss, or one of a loop or a branch",
            )
    return replaced(sd, calls, named=True)[0]


def inside(v: SDVariable, branch: int = 0) -> AnyGraph:
    """The inside of the composite, the loop or the branch that makes ``v``; its placeholders are the operands.

    Raises:
        ArgumentTypeError: If the variable is no output of such.
        ArgumentError: If there is no such branch.
    """
    sd: OpGraph = v.sd
    node = v.node
    if node.op is ITEM:
        node = sd.nodes[node.inputs[0]]
    if node.op.has_bodies:
        functions = bodies_of(node.attrs)
        if not is_whole(branch, 0, len(functions) - 1):
            raise ArgumentError(
                f"There is no such body in {v.name!r}.",
                given=f"branch={shown(branch)}",
                expected=f"0 to {len(functions) - 1}",
            )
        return functions[branch].graph
    if not node.op.is_composite:
        raise ArgumentTypeError(
            f"{v.name!r} has nothing inside.",
            given=repr(v),
            expected="the output of a composite op, such as a loss",
        )
    avals = operand_avals(sd.nodes, node.inputs)
    return opened(trace(node.op, sd, avals, node.attrs)).graph


def opened(body: Body) -> Body:
    """A traced body with what is inside its helpers: composites with a leading underscore, which no user calls.

    A helper that says how it reads stays: that is shorter.
    """
    graph, params, outs = body.graph, body.params, body.outs
    while helpers := {i for i, node in enumerate(graph.nodes) if _is_helper(node)}:
        graph, mapped = replaced(graph, helpers, named=False)
        params, outs = tuple(mapped[p] if p >= 0 else p for p in params), tuple(mapped[o] for o in outs)
    return body._replace(graph=graph, params=params, outs=outs, need=reachable(graph.nodes, list(outs)))


def _is_helper(node: Node) -> bool:
    op = node.op
    return op.is_composite and op.name.startswith("_") and op.reads is None and type(node.aval) is Aval


def replaced(
    sd: OpGraph,
    chosen: set[int],
    *,
    named: bool,
    op: Callable[[Op], Op] = lambda op: op,
    without: Collection[int] = (),
) -> tuple[OpGraph, dict[int, int]]:
    """The graph with bodies in place of composites, and where each variable is in it.

    Args:
        sd: The graph.
        chosen: The nodes whose bodies are put in their place.
        named: Whether what is inside is named after the composite, or as if its body had been written where it is
            called.
        op: What makes the op whose body that is of the node's.
        without: Nodes that are left out; no other reads them.
    """
    work = sd.scratch()
    firsts: list[int] = []
    mapped: dict[int, int] = {}
    several: dict[int, Any] = {}
    for i, node in enumerate(sd.nodes):
        firsts.append(len(work.nodes))
        if i in without:
            continue
        if node.op is ITEM and node.inputs[0] in several:
            mapped[i] = _item_of(sd, work, node, several[node.inputs[0]][node.attrs["index"]])
            continue
        inputs = tuple(mapped[j] if j >= 0 else ABSENT for j in node.inputs)
        if i not in chosen:
            mapped[i] = _copy(work, node, inputs, node.name)
            continue
        if node.op.has_bodies:
            several[i] = opened_bodies(sd, work, i, inputs)
            continue
        outs = _inline(sd, work, i, inputs, named, op(node.op))
        if type(node.aval) is Aval:
            mapped[i] = outs[0]
        else:
            several[i] = outs
    firsts.append(len(work.nodes))
    ids, given, values, implicit = work.names.ids, work.names.given, work.values, work.marks.literals
    carry(sd, work, Numbering(mapped.get, firsts.__getitem__))
    work.names.ids |= ids
    work.names.given |= given
    work.values |= values
    both = {**implicit, **work.marks.literals}
    work.marks.literals = dict(sorted(both.items(), key=lambda entry: entry[1]))
    return work, mapped


def _item_of(sd: OpGraph, work: OpGraph, node: Node, made: Any) -> int:
    """An output of a call whose body is there: a node of the body, or what an opened loop makes of some."""
    call = sd.nodes[node.inputs[0]]
    return opened_item(work, call, node, made) if call.op.has_bodies else _same(work, node, made)


def _copy(work: OpGraph, node: Node, inputs: tuple[int, ...], name: str) -> int:
    i = work.append(node.op, inputs, node.attrs, node.aval, name)
    work.nodes[i].origin = node.origin
    return i


def _same(work: OpGraph, node: Node, i: int) -> int:
    """A node's value under its own name, where it is that of another."""
    name = work.names.free(node.name) if node.name in work.names.ids else node.name
    found = work.append(REGISTRY["identity"], (i,), NO_ATTRS, node.aval, name)
    work.nodes[found].origin = node.origin
    return found


def _inline(sd: OpGraph, work: OpGraph, i: int, inputs: tuple[int, ...], named: bool, op: Op) -> tuple[int, ...]:
    """Append the body of node ``i``; a result takes the node's name, if what is inside is ``named`` after it."""
    node = sd.nodes[i]
    avals = operand_avals(sd.nodes, node.inputs)
    body = opened(trace(op, sd, avals, node.attrs))
    mapped = {p: j for p, j in zip(body.params, inputs, strict=True) if p >= 0}
    out = body.outs[0] if type(node.aval) is Aval else None
    passed_on = out in mapped
    for k, inner in enumerate(body.graph.nodes[: len(body.need)]):
        if k in mapped or not body.need[k]:
            continue
        name = inner.name if not named else node.name if k == out else f"{node.name}/{inner.name}"
        while name in work.names.ids or (name != node.name and name in sd.names.ids):
            name = work.names.free(_NUMBERED.sub("", name))
        mapped[k] = _copy(work, inner, tuple(mapped[j] if j >= 0 else ABSENT for j in inner.inputs), name)
        work.nodes[mapped[k]].origin = node.origin
        if k != out and k in body.graph.names.given:
            work.names.given.add(mapped[k])
        if k in body.graph.values:
            work.values[mapped[k]] = body.graph.values[k]
    for (scope, dtype, value), k in body.graph.marks.literals.items():
        if k in mapped:
            work.marks.literals[f"{node.name}/{scope}", dtype, value] = mapped[k]
    if passed_on and named:
        return (_same(work, node, mapped[body.outs[0]]),)
    return tuple(mapped[k] for k in body.outs)
