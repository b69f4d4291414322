"""The order inside a region: phases one after another over the whole space, and in each, passes over every row.

A reduction to one number or to columns ends a phase, a reduction of a row ends a pass. Each reduction is made as late
as its users allow, so that it shares one pass with as much as possible; elements are computed anew in every pass that
needs them, never stored. Must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from sdgraph.run.engines.llvm.divide.region import COLUMN, ELEMENT, ONCE, ROW, Node, Region


class Pass(NamedTuple):
    """One run over the elements of a row."""

    elements: tuple[Node, ...]
    """Nodes to compute on each element."""
    sums: tuple[Node, ...]
    """Row reductions to accumulate."""
    rows: tuple[Node, ...]
    """Nodes to compute once per row afterwards."""


class Phase(NamedTuple):
    """One run over the space."""

    first_rows: tuple[Node, ...]
    """Nodes to compute once per row before its first pass."""
    passes: tuple[Pass, ...]
    reductions: tuple[Node, ...]
    """Reductions to one number or to columns."""
    element_roots: tuple[Node, ...]
    """Reductions and results to write in the last pass."""
    row_roots: tuple[Node, ...]
    """Those of a row, when its passes are over."""


def schedule(region: Region, stored: Collection[int]) -> tuple[list[Phase], dict[int, int]]:
    """The phases of a region whose results ``stored`` are needed outside.

    Also tells for each node that is one number after which phase it can be computed; 0 is before the first.
    """
    loops = [n for n in region.nodes if region.works[n.id] != ONCE]
    ends = {n.id for n in loops if region.level[n.id] in (ONCE, COLUMN)}
    once = {n.id for n in region.nodes if region.works[n.id] == ONCE}
    first: dict[int, int] = {}
    for n in region.nodes:
        start = 0 if n.id in once else 1
        first[n.id] = max(
            [start, *(first[x.value] + _later(x.value, n.id, ends, once) for x in n.operands if x.value in first)]
        )
    count = max((first[n.id] for n in loops), default=0)
    latest = {n.id: count for n in region.nodes}
    for n in reversed(region.nodes):
        for x in n.operands:
            if x.value in latest:
                latest[x.value] = min(latest[x.value], latest[n.id] - _later(x.value, n.id, ends, once))
    found = []
    for k in range(1, count + 1):
        reductions = [n for n in loops if n.id in ends and latest[n.id] == k]
        stores = [n for n in loops if n.id in stored and n.id not in ends and k == count]
        found.append(_phase(region, reductions, stores))
    after = {i: latest[i] for i in ends}
    for n in region.nodes:
        if n.id in once:
            after[n.id] = max((after.get(x.value, 0) for x in n.operands), default=0)
    return found, after


def _later(value: int, user: int, ends: set[int], once: set[int]) -> int:
    """1 if a loop that reads ``value`` must come after the phase that makes it."""
    return int(user not in once and (value in ends or value in once))


def _phase(region: Region, reductions: list[Node], stores: list[Node]) -> Phase:
    roots = [*reductions, *stores]
    inside = _needed(region, roots)
    sums = {n.id for n in inside if region.works[n.id] == ELEMENT and region.level[n.id] == ROW}
    first: dict[int, int] = {}
    for n in inside:
        first[n.id] = max((first[x.value] + (x.value in sums) for x in n.operands if x.value in first), default=0)
    last = max((first[n.id] for n in inside if region.works[n.id] == ELEMENT), default=0)
    latest = {n.id: last + (region.works[n.id] == ROW) for n in inside}
    for n in reversed(inside):
        for x in n.operands:
            if x.value in latest:
                latest[x.value] = min(latest[x.value], latest[n.id] - (x.value in sums))
    element_roots = [n for n in roots if region.works[n.id] == ELEMENT and region.level[n.id] != ROW]
    rows = _rows(region, inside, {i: latest[i] for i in sums}, reductions, last)
    passes = []
    for k in range(last + 1):
        ending = [n for n in inside if n.id in sums and latest[n.id] == k]
        ends = ending + (element_roots if k == last else [])
        used = _elements(region, ends)
        passes.append(Pass(tuple(n for n in inside if n.id in used), tuple(ending), tuple(rows[k + 1])))
    row_roots = [n for n in roots if region.works[n.id] == ROW or region.level[n.id] == ROW]
    return Phase(tuple(rows[0]), tuple(passes), tuple(reductions), tuple(element_roots), tuple(row_roots))


def _rows(
    region: Region, inside: list[Node], sums: dict[int, int], reductions: Collection[Node], last: int
) -> list[list[Node]]:
    """Nodes per row by the number of passes they must wait for."""
    after = {i: k + 1 for i, k in sums.items()}
    rows: list[list[Node]] = [[] for _ in range(last + 2)]
    final = {n.id for n in reductions}
    for n in inside:
        if region.works[n.id] == ROW and n.id not in final:
            after[n.id] = max((after.get(x.value, 0) for x in n.operands), default=0)
            rows[after[n.id]].append(n)
    return rows


def _needed(region: Region, roots: Iterable[Node]) -> list[Node]:
    """What a phase computes for its roots: everything back to memory, numbers and column sums, in order."""
    wanted = {n.id for n in roots}
    for n in reversed(region.nodes):
        if n.id in wanted:
            wanted.update(x.value for x in n.operands if region.level.get(x.value) in (ELEMENT, ROW))
    return [n for n in region.nodes if n.id in wanted]


def _elements(region: Region, ends: Iterable[Node]) -> set[int]:
    """Nodes to compute on elements in one pass: what its reductions read, and what it writes."""
    used: set[int] = {n.id for n in ends if n.reduce is None}
    wanted = {n.id for n in ends}
    for n in reversed(region.nodes):
        if n.id in wanted:
            inner = [x.value for x in n.operands if region.level.get(x.value) == ELEMENT]
            wanted.update(inner)
            used.update(inner)
    return used
