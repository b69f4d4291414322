"""What of a graph some of its nodes need: which outputs of loops and branches, and so which of their operands.

A loop could give every value inside of it. Must not know what is made of what is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sdgraph.build.bodies import LOOPS, Parts
from sdgraph.build.graph import Node
from sdgraph.build.op import ITEM


class Use(NamedTuple):
    """What is needed of a loop or of branches."""

    gives: tuple[int, ...]
    """Outputs that somebody reads, in order."""
    reads: tuple[int, ...]
    """Places of operands that these need."""
    carries: tuple[int, ...] = ()
    """Carries of a loop that these need."""


class Demand(NamedTuple):
    """What some nodes need."""

    need: bytearray
    """A flag per node, up to the last that is needed."""
    uses: dict[int, Use]
    """For each loop and each choice of branches that is needed."""


def demand(nodes: Sequence[Node], outs: Sequence[int]) -> Demand:
    """What nodes ``outs`` need."""
    need = bytearray(max(outs, default=-1) + 1)
    for o in outs:
        need[o] = 1
    items: dict[int, set[int]] = {}
    uses: dict[int, Use] = {}
    for i in range(len(need) - 1, -1, -1):
        if not need[i]:
            continue
        node = nodes[i]
        read = node.inputs
        if node.op is ITEM:
            items.setdefault(node.inputs[0], set()).add(node.attrs["index"])
        elif node.op.has_bodies:
            uses[i] = use = _use(node, tuple(sorted(items.get(i, ()))))
            read = tuple([node.inputs[k] for k in use.reads])
        for j in read:
            if j >= 0:
                need[j] = 1
    return Demand(need, uses)


def _use(node: Node, gives: tuple[int, ...]) -> Use:
    given = {k for k, j in enumerate(node.inputs) if j >= 0}
    if node.op in LOOPS:
        return _use_of_loop(node.attrs, len(node.inputs), gives)
    read = {0}
    for f in node.attrs["branches"]:
        need = demand(f.graph.nodes, [f.outs[k] for k in gives]).need
        read |= {1 + k for k, p in enumerate(f.params) if 0 <= p < len(need) and need[p]}
    return Use(gives, tuple(sorted(read & given)))


def _use_of_loop(attrs: Mapping[str, Any], n_operands: int, gives: tuple[int, ...]) -> Use:
    """What a loop reads for some of its outputs, and the carries that these hang on from step to step."""
    f, n, parts = attrs["body"], attrs["n_carry"], Parts.of(attrs, n_operands)
    always = [*(k - n - 1 for k in gives if k > n), *(f.outs[-1:] if attrs["test"] else ())]
    more = {k for k in gives if k < n}
    alive: set[int] = set()
    read: set[int] = set()
    first = True
    while more or first:
        first = False
        alive |= more
        need = demand(f.graph.nodes, [*(f.outs[k] for k in alive), *always]).need
        read = {parts.captured + k for k, p in enumerate(f.params) if p < len(need) and need[p]}
        more = {k - parts.carries for k in read if parts.carries <= k < parts.xs} - alive
    read |= {parts.carries + k for k in alive} | set(range(parts.captured))
    xs = range(parts.xs, n_operands)
    if xs and read.isdisjoint(xs) and attrs["length"] is None:
        read.add(parts.xs)  # It tells how many steps there are.
    return Use(gives, tuple(sorted(read)), tuple(sorted(alive)))
