"""What a user who walks a graph sees next: what an op reads, and what reads a variable.

An op with several outputs is one node for all of them, and one more for each. The first is hidden: walking passes
through it. Must not know what any op computes.
"""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from sdgraph.build.op import ITEM, Op
from sdgraph.infer.aval import Aval


class _Node(Protocol):
    op: Op
    inputs: tuple[int, ...]
    aval: Any


AnyNode = TypeVar("AnyNode", bound=_Node)


class Operand(NamedTuple):
    """One operand of an op: its position in the call, its parameter's name and the variable's id."""

    position: int
    name: str
    id: int


def is_hidden(node: _Node) -> bool:
    """Whether a node stands for all outputs of an op that has several."""
    return type(node.aval) is not Aval


def source(nodes: Sequence[AnyNode], node: AnyNode) -> AnyNode:
    """The call that makes a variable: for one of several outputs the node of all."""
    return nodes[node.inputs[0]] if node.op is ITEM else node


def operands(nodes: Sequence[AnyNode], node: AnyNode) -> tuple[Operand, ...]:
    """What the call that makes a variable is given; an operand that was left out is missing."""
    call = source(nodes, node)
    names: Sequence[str] = call.op.operand_names
    if call.op.variadic:
        base = names[0] if names else "operand"
        names = [f"{base}[{k}]" for k in range(len(call.inputs))]
    return tuple(Operand(k, n, j) for k, (n, j) in enumerate(zip(names, call.inputs, strict=False)) if j >= 0)


class _Followed(ABC):
    """What is known of a list of nodes that grows: each is looked at once, and all again when some have gone."""

    def __init__(self) -> None:
        self._size = 0
        self._last: Any = None

    @abstractmethod
    def begin(self) -> None:
        """Forget all."""

    @abstractmethod
    def see(self, k: int, node: _Node) -> None:
        """Look at node ``k``; seeing it once more, after an interrupt, changes nothing."""

    def follow(self, nodes: Sequence[_Node]) -> None:
        """Look at what is new.

        Nodes come and go at the end only, so the last one that was seen tells whether all still stand.
        """
        size = self._size
        if size and (size > len(nodes) or nodes[size - 1] is not self._last):
            self._size = size = 0
            self.begin()
        for k in range(size, len(nodes)):
            self.see(k, nodes[k])
        if size < len(nodes):
            self._last, self._size = nodes[-1], len(nodes)


class Readers(_Followed):
    """Which nodes read each node."""

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[int, list[int]] = {}

    def begin(self) -> None:
        """Forget all."""
        self._of = {}

    def see(self, k: int, node: _Node) -> None:
        """Enter node ``k`` at each of its operands, once."""
        for j in node.inputs:
            found = self._of.setdefault(j, [])
            if not found or found[-1] < k:
                found.append(k)

    def of(self, nodes: Sequence[_Node], i: int) -> list[int]:
        """The variables that are computed from variable ``i`` by one op, in creation order."""
        self.follow(nodes)
        found: list[int] = []
        for k in self._of.get(i, ()):
            found += self._of.get(k, ()) if is_hidden(nodes[k]) else (k,)
        return found


class Hidden(_Followed):
    """The nodes that are no variables."""

    def __init__(self) -> None:
        super().__init__()
        self._ids: list[int] = []

    def begin(self) -> None:
        """Forget all."""
        self._ids = []

    def see(self, k: int, node: _Node) -> None:
        """Keep the number of node ``k`` if it is hidden."""
        if is_hidden(node) and (not self._ids or self._ids[-1] < k):
            self._ids.append(k)

    def n_visible(self, nodes: Sequence[_Node], start: int, end: int) -> int:
        """How many nodes of a half-open range are variables."""
        self.follow(nodes)
        return end - start - (bisect.bisect_left(self._ids, end) - bisect.bisect_left(self._ids, start))
