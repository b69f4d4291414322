"""Which losses and other composite ops of a formula are written out. Must not know how anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from sdgraph.build.op import REGISTRY
from sdgraph.build.operands import operand_avals
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.aval import Aval
from sdgraph.lower.expansion import expanded
from sdgraph.show.formulas import notation
from sdgraph.wording import did_you_mean

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.ops.graph import OpGraph

_MOST_ROUNDS: Final = 12
"""How deep bodies within bodies are opened."""
_MOST_NODES: Final = 3000
"""A formula that needs more nodes is opened no further: nobody could read it."""


def opened(v: SDVariable, expand: Any) -> tuple[OpGraph, int]:
    """The variable in a graph in which the composites that ``expand`` tells are replaced by their bodies."""
    sd: OpGraph = v.sd
    if expand is False:
        return sd, v.id
    if expand is True:
        return _all_opened(sd, v.id)
    chosen = _chosen(sd, v, expand)
    if not chosen:
        return sd, v.id
    graph = expanded(sd, chosen)
    return graph, graph.id_of(v.name)


def _all_opened(sd: OpGraph, top: int) -> tuple[OpGraph, int]:
    name = sd.nodes[top].name
    for _ in range(_MOST_ROUNDS):
        need = sd.reachable([top])
        chosen = {i for i in range(len(need)) if need[i] and _opens(sd, sd.nodes[i])}
        if not chosen or sum(need) > _MOST_NODES:
            break
        sd = expanded(sd, chosen)
        top = sd.id_of(name)
    return sd, top


def _opens(sd: OpGraph, node: Node) -> bool:
    """Whether a node is written out where all are: a formula has no sign for its op, and its body is known."""
    op = node.op
    if not _has_inside(node) or notation.shown_as(op) is not None:
        return False
    if op.reads is not None and (op.reads.latex is not None or op.reads.by_name):
        return False
    avals = operand_avals(sd.nodes, node.inputs)
    return op.infer is None or all(a is None or (type(a) is Aval and a.is_static) for a in avals)


def _chosen(sd: OpGraph, v: SDVariable, expand: Any) -> set[int]:
    """The nodes that are told by name or as variables, among those that ``v`` needs."""
    told: Iterable[Any]
    if isinstance(expand, str | SDVariable):
        told = [expand]
    else:
        try:
            told = list(expand)
        except Exception as e:
            raise ArgumentTypeError(
                "expand tells what to write out.",
                given=shown(expand),
                expected="True, False, or names of ops or variables",
            ) from e
    need = sd.reachable([v.id])
    return {i for each in told for i in _nodes_of(sd, each) if i < len(need) and need[i]}


def _nodes_of(sd: OpGraph, told: Any) -> list[int]:
    """The nodes of a variable or of an op; one name may be that of both."""
    found = (
        [n.id for n in sd.nodes if told in (n.op.name, n.op.qualname) and _has_inside(n)] if type(told) is str else []
    )
    if not isinstance(told, str) or told in sd:
        node = sd.own(told).node
        if _has_inside(node):
            return [*found, node.id]
        if not found:
            raise ArgumentError(
                f"{node.name!r} cannot be written out.",
                given=repr(SDVariable(sd, node.id)),
                expected="the only output of a composite op, such as a loss",
                node=node.name,
                node_origin=node.origin,
            )
    elif not found and not any(told in (op.name, op.qualname) for op in REGISTRY.values()):
        known = [*sd.names.ids, *(n.op.name for n in sd.nodes if n.op.is_composite and n.op.owner)]
        raise ArgumentError(
            "expand tells what to write out: names of ops or variables.",
            given=shown(told),
            fix=did_you_mean(told, dict.fromkeys(known)),
        )
    return found


def _has_inside(node: Node) -> bool:
    return node.op.is_composite and type(node.aval) is Aval
