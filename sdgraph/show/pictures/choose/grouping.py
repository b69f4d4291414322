"""Keeping a picture small: scopes collapsed to one card, repeated scopes folded to a stack, a window on the rest.

Says what it left out. Must not know cards or layout.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Any, Final

from sdgraph.show.pictures.choose.parts import Arc, Part, Parts, nearest
from sdgraph.wording import counted

DEEPEST: Final = 50
"""Levels of scopes that are drawn open, at most: no reader follows more boxes in boxes, and no layout either."""
_MIN_STACK: Final = 3
_NUMBERED: Final = re.compile(r"^(.*?)(\d+)$")


@dataclass(slots=True)
class Group:
    """What one card stands for: one variable, a scope, or a stack of like scopes."""

    members: list[Part]
    path: tuple[str, ...] | None = None
    repeats: tuple[tuple[str, ...], ...] = ()

    @property
    def is_scope(self) -> bool:
        """Whether the card stands for a scope or a stack of them."""
        return self.path is not None

    @property
    def order(self) -> int:
        """0 in the forward pass, k for gradients of order k."""
        return self.members[0].order

    @property
    def base(self) -> int:
        """The forward variable that decides its height."""
        return max(p.base for p in self.members)


@dataclass(slots=True)
class Groups:
    """The cards to be and the arrows between them, as indices; ``notes`` say what is not shown."""

    groups: list[Group] = field(default_factory=list)
    arcs: list[Arc] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def group(found: Parts, depth: int | None, max_nodes: int | None, opened: Collection[tuple[str, ...]] = ()) -> Groups:
    """Group the parts of a picture so that at most ``max_nodes`` cards are left; scopes in ``opened`` stay open."""
    limit = max_nodes if max_nodes is not None else len(found.parts)
    paths = {i: _path(found, p) for i, p in found.parts.items()}
    deepest = min(max((len(p) for p in paths.values()), default=0), DEEPEST)
    level = deepest if depth is None else min(depth, deepest)
    keyed = _keyed(found, paths, level, opened)
    if depth is None:
        while len(keyed) > limit and level > 0:
            level -= 1
            keyed = _keyed(found, paths, level, opened)
    groups = list(keyed.values())
    notes = []
    if len(groups) > limit:
        groups = _folded(groups)
    collapsed = [g for g in groups if g.is_scope]
    if collapsed:
        notes.append(_collapse_note(collapsed))
    result = _connect(found, groups)
    result.notes = notes
    return _window(result, limit) if len(groups) > limit else result


def _path(found: Parts, part: Part) -> tuple[str, ...]:
    """The scopes a part is drawn in: a gradient's are those of its forward variable."""
    base = found.listing.items.get(part.base)
    return (part.item if base is None else base).scope


def _keyed(
    found: Parts, paths: dict[int, tuple[str, ...]], level: int, opened: Collection[tuple[str, ...]]
) -> dict[Hashable, Group]:
    """Groups when ``level`` levels of scopes are open, and those ``opened``; one member alone is not worth a box."""
    keyed: dict[Hashable, Group] = {}
    for i, part in found.parts.items():
        deeper = (paths[i][: k + 1] for k in range(level, len(paths[i])))
        path = next((p for p in deeper if p not in opened), None)
        key: Hashable = i if path is None else (part.order, path)
        if key in keyed:
            keyed[key].members.append(part)
        else:
            keyed[key] = Group([part], path)
    for g in keyed.values():
        if len(g.members) == 1:
            g.path = None
    return keyed


def _collapse_note(collapsed: list[Group]) -> str:
    n = sum(len(g.repeats) or 1 for g in collapsed)
    inside = sum(len(g.members) for g in collapsed)
    stacks = sum(bool(g.repeats) for g in collapsed)
    folded = f", like ones folded into {counted(stacks, 'stack')}" if stacks else ""
    return f"{counted(n, 'scope')} with {counted(inside, 'variable')} collapsed{folded}"


# ---------------------------------------------------------------------- stacks


def _folded(groups: list[Group]) -> list[Group]:
    """Fold runs of sibling scopes ``layer3, layer4, ...`` that hold the same ops and shapes."""
    result: list[Group] = []
    runs: dict[Any, Group] = {}
    last: dict[Any, int] = {}
    for g in groups:
        match = _NUMBERED.match(g.path[-1]) if g.path else None
        if match is None or g.path is None:
            result.append(g)
            continue
        key = (g.order, g.path[:-1], match[1], _signature(g))
        k = int(match[2])
        if key in runs and abs(last[key] - k) == 1:
            run = runs[key]
            run.members += g.members
            run.repeats = (*run.repeats, g.path)
        else:
            runs[key] = run = Group(list(g.members), g.path, (g.path,))
            result.append(run)
        last[key] = k
    return [g for run in result for g in _unstacked(run)]


def _unstacked(run: Group) -> list[Group]:
    """A run too short to be a stack, as single scopes again."""
    n = len(run.repeats)
    if n == 0 or n >= _MIN_STACK:
        return [run]
    size = len(run.members) // n
    return [Group(run.members[k * size : (k + 1) * size], path) for k, path in enumerate(run.repeats)]


def _signature(g: Group) -> tuple[Any, ...]:
    return tuple((p.item.kind, p.item.op, p.item.aval) for p in g.members)


# ---------------------------------------------------------------------- arrows and windows


def _connect(found: Parts, groups: list[Group]) -> Groups:
    """Arrows between groups; several between the same two become one where a scope is involved."""
    place = {p.item.id: k for k, g in enumerate(groups) for p in g.members}
    arcs: list[Arc] = []
    seen: set[tuple[int, int, str]] = set()
    for arc in found.arcs:
        tail, head = place[arc.tail], place[arc.head]
        if groups[tail].is_scope or groups[head].is_scope:
            if tail == head or (tail, head, arc.kind) in seen:
                continue
            seen.add((tail, head, arc.kind))
            arcs.append(Arc(tail, head, arc.kind))
        else:
            arcs.append(Arc(tail, head, arc.kind, arc.position, arc.operand))
    return Groups(groups, arcs)


def _window(full: Groups, limit: int) -> Groups:
    """The ``limit`` cards nearest to the losses, or to the outputs if there is none."""
    marked = [k for k, g in enumerate(full.groups) if any(p.item.is_loss for p in g.members)]
    what = "the loss" if len(marked) == 1 else "the losses"
    if not marked:
        marked, what = [k for k, g in enumerate(full.groups) if any(p.item.is_output for p in g.members)], "the outputs"
    start = (marked or [len(full.groups) - 1])[-limit:]
    near = sorted(nearest(range(len(full.groups)), full.arcs, start, most=limit))
    place = {k: n for n, k in enumerate(near)}
    groups = [full.groups[k] for k in near]
    arcs = [
        Arc(place[a.tail], place[a.head], a.kind, a.position, a.operand)
        for a in full.arcs
        if a.tail in place and a.head in place
    ]
    cards = counted(len(full.groups), "card")
    note = f"the {len(near)} of {cards} nearest to {what} are shown; see focus, depth, max_nodes"
    return Groups(groups, arcs, [*full.notes, note])
