"""A function inside a graph: the bodies of loops and branches.

A function is a graph of its own with some leaves as parameters and some nodes as results, and nothing else in it. It
never changes, so that nodes may share one. Must not know loops, gradients or engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sdgraph.build.attributes import attr_key
from sdgraph.build.kinds import ABSENT, NO_ATTRS, AnyGraph, VariableKind
from sdgraph.build.op import CONSTANT, PLACEHOLDER, STREAM, VARIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError

_MOST_LOWERED: Final = 64


class Function:
    """Nodes ``outs`` of ``graph`` as a function of its placeholders ``params``. Two that compute the same are equal."""

    __slots__ = ("_hash", "_key", "graph", "is_random", "lowered", "outs", "params")

    def __init__(self, graph: AnyGraph, params: Sequence[int], outs: Sequence[int]) -> None:
        self.graph = graph
        self.params = tuple(params)
        self.outs = tuple(outs)
        self.is_random = any(STREAM in node.attrs for node in graph.nodes)
        """Whether the results depend on the step as well."""
        self._key = self._structure()
        self._hash = hash(self._key)
        self.lowered: dict[Any, Any] = {}
        """What it was lowered to, by the avals of its parameters."""

    def _structure(self) -> Any:
        rows: list[Any] = [self.params, self.outs, self.graph.dtype, self.graph.seed if self.is_random else None]
        for i, node in enumerate(self.graph.nodes):
            if node.op is CONSTANT:
                a = self.graph.values[i]
                rows.append((a.dtype, a.shape, a.tobytes()))
            else:
                rows.append((node.op, node.inputs, attr_key(node.attrs), node.aval))
        return tuple(rows)

    def keep_lowered(self, key: Any, made: Any) -> Any:
        """Keep what the function was lowered to, and give it back."""
        if len(self.lowered) >= _MOST_LOWERED:
            self.lowered.clear()
        self.lowered[key] = made
        return made

    @property
    def avals(self) -> list[Any]:
        """What is known of each node."""
        return [node.aval for node in self.graph.nodes]

    def copied_into(self, graph: AnyGraph, operands: Sequence[SDVariable | None]) -> list[int]:
        """Append what is in the function to ``graph``, its parameters bound to ``operands``; the new id of each node.

        A parameter without an operand is ABSENT, and so must be all that reads it.
        """
        bound = {p: ABSENT if x is None else x.id for p, x in zip(self.params, operands, strict=True)}
        moved: list[int] = []
        for i, node in enumerate(self.graph.nodes):
            moved.append(bound[i] if i in bound else _copy(self.graph, i, graph, moved, graph.names.free(node.op.name)))
        return moved

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Function and self._hash == other._hash and self._key == other._key)

    def __copy__(self) -> Function:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Function:
        return self

    def __repr__(self) -> str:
        n = sum(node.op.kind is VariableKind.ARRAY for node in self.graph.nodes)
        return f"<body of {n} ops>"


def function_of(graph: AnyGraph, params: Sequence[int], outs: Sequence[int]) -> tuple[Function, dict[int, int]]:
    """What ``outs`` need of a graph as a function of ``params``, and where each node of the graph is in it.

    The parameters need not be leaves: what they are computed from is left out. Each of them stays, needed or not.

    Raises:
        ArgumentError: If they need a placeholder that is no parameter, or a variable.
    """
    nodes, given = graph.nodes, set(params)
    need = bytearray(max((*outs, *params), default=-1) + 1)
    for i in (*outs, *params):
        need[i] = 1
    for i in range(len(need) - 1, -1, -1):
        if need[i] and i not in given:
            for j in nodes[i].inputs:
                if j >= 0:
                    need[j] = 1
    new = graph.scratch()
    moved: dict[int, int] = {}
    for i, flag in enumerate(need):
        if flag and i in given:
            moved[i] = new.append(PLACEHOLDER, (), NO_ATTRS, nodes[i].aval, nodes[i].name)
            new.nodes[moved[i]].origin = nodes[i].origin
        elif flag and nodes[i].op in (PLACEHOLDER, VARIABLE):
            raise ArgumentError(
                f"{nodes[i].name!r} was made in the graph of a body, which has only what it is given.",
                node=nodes[i].name,
                node_origin=nodes[i].origin,
                fix="Make it with the graph that the loop or the branch is in: sd.var(...), not v.sd.var(...).",
            )
        elif flag:
            moved[i] = _copy(graph, i, new, moved, nodes[i].name)
    return Function(new, [moved[p] for p in params], [moved[o] for o in outs]), moved


def _copy(source: AnyGraph, i: int, target: AnyGraph, moved: Any, name: str) -> int:
    """Append node ``i`` of one graph to another, where its operands stand at their ``moved`` places."""
    node = source.nodes[i]
    if node.op.kind is VariableKind.ARRAY:
        inputs = tuple([moved[j] if j >= 0 else ABSENT for j in node.inputs])
        k = target.append(node.op, inputs, node.attrs, node.aval, name)
    else:
        k = target.add_leaf(node.op, node.aval, name, source.values.get(i))
    target.nodes[k].origin = node.origin
    return k
