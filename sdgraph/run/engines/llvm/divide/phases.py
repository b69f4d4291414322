"""The order inside a region: phases one after another over the whole space, and in each, passes over every row.

A reduction to one number or to columns ends a phase, a reduction of a row ends a pass. Each reduction is made as late
as its users allow, so that it shares one pass with as much as possible. Elements are computed anew in every pass that
needs them; only what is costly is kept for the row's later passes. Must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sdgraph.run.engines.llvm.divide.cuts import COLUMN, ELEMENT, ONCE, OUTER, ROW
from sdgraph.run.engines.llvm.divide.region import Node, Region


class Pass(NamedTuple):
    """One run over the elements of a row."""

    elements: tuple[Node, ...]
    """Nodes to compute on each element."""
    keeps: tuple[Node, ...]
    """Those of them that a later pass reads again."""
    kept: tuple[Node, ...]
    """What it reads of an earlier pass."""
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
    homes: Mapping[int, int]
    """For what passes keep, the result in whose memory it lies until that is written; others lie apart."""
    sweeps: bool
    """Whether the last pass has sums of columns and none of rows, so that it can take several rows at a time."""


class Manner(NamedTuple):
    """What a division into passes is made for."""

    costly: Callable[[Node], bool]
    """What is computed in one pass only."""
    apart: bool
    """Whether rows are short enough for what is kept to lie in memory of its own."""
    sweeps: bool
    """Whether sums of columns ask for a last pass without sums of rows."""


def schedule(region: Region, stored: Collection[int], manner: Manner) -> tuple[list[Phase], dict[int, int]]:
    """The phases of a region whose results ``stored`` are needed outside.

    Also tells for each node that is one number after which phase it can be computed; 0 is before the first.
    """
    loops = [n for n in region.nodes if region.works[n.id] != ONCE]
    ends = {n.id for n in loops if region.level[n.id] in (ONCE, COLUMN, OUTER)}
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
        found.append(_phase(region, reductions, stores, manner))
    after = {i: latest[i] for i in ends}
    for n in region.nodes:
        if n.id in once:
            after[n.id] = max((after.get(x.value, 0) for x in n.operands), default=0)
    return found, after


def _later(value: int, user: int, ends: set[int], once: set[int]) -> int:
    """1 if a loop that reads ``value`` must come after the phase that makes it."""
    return int(user not in once and (value in ends or value in once))


def _phase(region: Region, reductions: list[Node], stores: list[Node], manner: Manner) -> Phase:
    roots = [*reductions, *stores]
    inside = _needed(region, roots)
    element_roots = [n for n in roots if region.works[n.id] == ELEMENT and region.level[n.id] != ROW]
    sums = {n.id for n in inside if region.works[n.id] == ELEMENT and region.level[n.id] == ROW}
    sweeps = manner.sweeps and any(region.level[n.id] == COLUMN for n in element_roots)
    last, latest = _latest(region, inside, sums, element_roots, sweeps=sweeps)
    rows = _rows(region, inside, {i: latest[i] for i in sums}, reductions, last)
    ending = [[n for n in inside if n.id in sums and latest[n.id] == k] for k in range(last + 1)]
    ends = [[*found, *(element_roots if k == last else [])] for k, found in enumerate(ending)]
    used, keeps, kept = _elements(region, ends, manner.costly)
    # A sweep may take rows again when it has written their results.
    kept_somewhere = set().union(*keeps)
    homes = {} if sweeps else _homes([n for n in inside if n.id in kept_somewhere], element_roots)
    if not manner.apart:
        used, keeps, kept = _elements(region, ends, lambda n: n.id in homes)
    passes = []
    for k in range(last + 1):
        elements, keep, read = ([n for n in inside if n.id in ids[k]] for ids in (used, keeps, kept))
        passes.append(Pass(tuple(elements), tuple(keep), tuple(read), tuple(ending[k]), tuple(rows[k + 1])))
    row_roots = [n for n in roots if region.works[n.id] == ROW or region.level[n.id] == ROW]
    return Phase(
        tuple(rows[0]), tuple(passes), tuple(reductions), tuple(element_roots), tuple(row_roots), homes, sweeps
    )


def _latest(
    region: Region, inside: list[Node], sums: set[int], roots: Sequence[Node], *, sweeps: bool
) -> tuple[int, dict[int, int]]:
    """The number of the last pass, and for each node that of the latest in which it is early enough."""
    first: dict[int, int] = {}
    for n in inside:
        first[n.id] = max((first[x.value] + (x.value in sums) for x in n.operands if x.value in first), default=0)
    last = max((first[n.id] for n in inside if region.works[n.id] == ELEMENT), default=0)
    if sweeps:
        last = max([last, *(first[i] + 1 for i in sums)])
    latest = {n.id: last + (region.works[n.id] == ROW) - (sweeps and n.id in sums) for n in inside}
    for n in reversed(inside):
        for x in n.operands:
            if x.value in latest:
                latest[x.value] = min(latest[x.value], latest[n.id] - (x.value in sums))
    _settle(region, inside, sums, roots, latest, last)
    return last, latest


def _settle(
    region: Region, inside: Sequence[Node], sums: set[int], roots: Sequence[Node], latest: dict[int, int], last: int
) -> None:
    """Move sums into the first pass that reads all their arrays anyway, so that a later one need not read them."""
    arrays = _arrays(region)
    waits: dict[int, set[int]] = {}
    """By node the sums that must be there first."""
    for n in inside:
        waits[n.id] = set().union(*({x.value} if x.value in sums else waits.get(x.value, ()) for x in n.operands))
    read: list[set[int]] = [set() for _ in range(last + 1)]
    for n in roots:
        read[last] |= arrays[n.id]
    # What a sum waits for ends in an earlier pass than it, and so has moved by then.
    for i in sorted(sums, key=latest.__getitem__):
        first = max((latest[s] + 1 for s in waits[i]), default=0)
        k = latest[i] = next((k for k in range(first, latest[i]) if arrays[i] <= read[k]), latest[i])
        read[k] |= arrays[i]


def _arrays(region: Region) -> dict[int, set[int]]:
    """By node the arrays of which one element is read for each that it computes."""
    found: dict[int, set[int]] = {}
    for n in region.nodes:
        found[n.id] = set()
        for x in n.operands:
            if x.value not in region.level and region.lies(x.shape, n).level == ELEMENT:
                found[n.id].add(x.value)
            elif region.level.get(x.value) == ELEMENT:
                found[n.id] |= found[x.value]
    return found


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


def _homes(kept: Iterable[Node], roots: Iterable[Node]) -> dict[int, int]:
    """Which result's memory holds what is kept, where there is one of the same dtype for it alone."""
    free = [n for n in roots if n.reduce is None and n.target is None]
    homes: dict[int, int] = {}
    for node in kept:
        home = next((n for n in free if n.dtype == node.dtype), None)
        if home is not None:
            homes[node.id] = home.id
            free.remove(home)
    return homes


def _needed(region: Region, roots: Iterable[Node]) -> list[Node]:
    """What a phase computes for its roots: everything back to memory, numbers and column sums, in order."""
    wanted = {n.id for n in roots}
    for n in reversed(region.nodes):
        if n.id in wanted:
            wanted.update(x.value for x in n.operands if region.level.get(x.value) in (ELEMENT, ROW))
    return [n for n in region.nodes if n.id in wanted]


def _elements(
    region: Region, ends: Sequence[Sequence[Node]], costly: Callable[[Node], bool]
) -> tuple[list[set[int]], list[set[int]], list[set[int]]]:
    """Per pass, by what ends it: the nodes to compute on elements, those of them to keep, and those kept before."""
    used: list[set[int]] = []
    keeps: list[set[int]] = [set() for _ in ends]
    kept: list[set[int]] = []
    first: dict[int, int] = {}
    by_id = {n.id: n for n in region.nodes}
    for k, last in enumerate(ends):
        before = {i for i in first if costly(by_id[i])}
        now, read = _computed(region, last, before)
        for i in read:
            keeps[first[i]].add(i)
        for i in now:
            first.setdefault(i, k)
        used.append(now)
        kept.append(read)
    return used, keeps, kept


def _computed(region: Region, ends: Iterable[Node], before: Collection[int]) -> tuple[set[int], set[int]]:
    """Nodes to compute on elements for what ends a pass, and what they read of the nodes that were kept before."""
    used: set[int] = {n.id for n in ends if n.reduce is None} - set(before)
    read: set[int] = {n.id for n in ends if n.id in before}
    wanted = {n.id for n in ends} - read
    for n in reversed(region.nodes):
        if n.id in wanted:
            for x in n.operands:
                if region.level.get(x.value) != ELEMENT:
                    continue
                if x.value in before:
                    read.add(x.value)
                else:
                    wanted.add(x.value)
                    used.add(x.value)
    return used, read
