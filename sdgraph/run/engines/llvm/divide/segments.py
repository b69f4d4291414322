"""What a plan is divided into, in the order it runs: segments of regions, and numpy steps. Must not know LLVM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.plan.plan import NO_SLOT, Plan, Step
from sdgraph.run.engines.llvm.divide.region import Node, Region
from sdgraph.run.engines.llvm.divide.stages import FIRST_SEGMENT, LEAVES, Stage
from sdgraph.run.engines.llvm.divide.values import Check, Values

_LOOK_BACK = 8
"""Among how many of the last regions a node looks for a place."""
_Users = Mapping[int, set["Stage | None"]]
"""By value the stages that read it; None stands for the caller."""


class Segment(NamedTuple):
    """Regions that run in one call, in order, and which values they read and must leave behind."""

    regions: tuple[Region, ...]
    reads: tuple[int, ...]
    """Values that come from outside, as arrays."""
    writes: tuple[int, ...]
    """Values that steps, later segments or the caller need."""
    alone: tuple[int, ...]
    """Those that no step or later segment reads."""
    checks: tuple[Check, ...] = ()
    """What must hold once it has run, else numpy tells what is wrong."""


class Division(NamedTuple):
    """A plan divided: segments and numpy steps in the order they run."""

    parts: tuple[Segment | Step, ...]
    dtypes: dict[int, np.dtype[Any]]
    shapes: dict[int, tuple[int, ...]]
    constants: dict[int, float]
    """Values that are one known number."""
    reasons: dict[int, str]
    """Why a step does not fuse, by its slot."""
    frees: tuple[tuple[int, ...], ...]
    """Per part the values that it is the last to use."""
    own: dict[int, int]
    """Slots, after those of the plan, of values that are not the plan's and that one part leaves for another."""
    n_slots: int

    def slot(self, value: int) -> int:
        """Where a value that parts exchange stands in a run."""
        return self.own.get(value, value)


def in_order(plan: Plan, values: Values, steps: Mapping[Stage, list[Step]]) -> list[Segment | Step]:
    """The nodes of each stage as one segment, and between them the steps in the order of the plan."""
    _drop_unread(plan, values, steps)
    _sink(plan, values, steps)
    checks = _by_stage(values)
    regions = {stage: grouped(nodes, checks.get(stage, ())) for stage, nodes in values.nodes.items()}
    users = _users(plan, regions, steps)
    place = {step.out: k for k, step in enumerate(plan.steps)}
    parts: list[Segment | Step] = []
    for stage in sorted({*regions, *steps}):
        if stage.is_steps:
            parts += sorted(steps[stage], key=lambda s: place[s.out])
        else:
            segment = _segment(regions[stage], values, users, stage)
            parts.append(segment._replace(checks=tuple(checks.get(stage, ()))))
    return parts


def _drop_unread(plan: Plan, values: Values, steps: Mapping[Stage, list[Step]]) -> None:
    """Leave out nodes that nobody reads, since others were made of what they are made of."""
    read = {*plan.outs, *(j for several in steps.values() for step in several for j in step.inputs)}
    for check in values.checks:
        read.update((check.beside, *(x.memory for n in check.nodes for x in n.operands)))
    for stage in sorted(values.nodes, reverse=True):
        kept: list[Node] = []
        for n in reversed(values.nodes[stage]):
            if n.memory in read:
                read.update(x.memory for x in n.operands)
                kept.append(n)
        values.nodes[stage] = kept[::-1]
    values.nodes = {stage: nodes for stage, nodes in values.nodes.items() if nodes}


def _sink(plan: Plan, values: Values, steps: Mapping[Stage, list[Step]]) -> None:
    """Move what depends on leaves alone to the first segment that uses it: there it needs no memory."""
    stages = values.stage
    nodes = [n for stage in sorted(values.nodes) for n in values.nodes[stage]]
    movable: set[int] = set()
    for n in nodes:
        if n.target is None and all(stages[x.memory] == LEAVES or x.memory in movable for x in n.operands):
            movable.add(n.id)
    first: dict[int, Stage] = dict.fromkeys(plan.outs, FIRST_SEGMENT)
    for several in steps.values():
        first.update(dict.fromkeys((j for step in several for j in step.inputs), FIRST_SEGMENT))
    for n in reversed(nodes):
        if n.id in movable:
            stages[n.id] = max(stages[n.id], first.get(n.id, FIRST_SEGMENT))
        for x in n.operands:
            first[x.memory] = min(first.get(x.memory, stages[n.id]), stages[n.id])
    values.nodes = {}
    for n in nodes:
        values.nodes.setdefault(stages[n.id], []).append(n)


def _by_stage(values: Values) -> dict[Stage, list[Check]]:
    """The checks of each segment: it has the nodes beside which they are counted."""
    found: dict[Stage, list[Check]] = {}
    for check in values.checks:
        found.setdefault(values.stage[check.beside], []).append(check)
    return found


def _users(plan: Plan, regions: Mapping[Stage, list[Region]], steps: Mapping[Stage, list[Step]]) -> _Users:
    users: dict[int, set[Stage | None]] = {}
    for stage, several in regions.items():
        for region in several:
            for n in region.nodes:
                for x in n.operands:
                    users.setdefault(x.memory, set()).add(stage)
    for stage, several in steps.items():
        for step in several:
            for j in step.inputs:
                users.setdefault(j, set()).add(stage)
    for o in plan.outs:
        users.setdefault(o, set()).add(None)
    return users


def _segment(regions: list[Region], values: Values, users: _Users, stage: Stage) -> Segment:
    made = {n.memory for region in regions for n in region.nodes}
    reads = dict.fromkeys(
        x.memory
        for region in regions
        for n in region.nodes
        for x in n.operands
        if x.memory not in made and x.memory not in values.constants
    )
    writes = [i for i in sorted(made) if users.get(i, set()) - {stage}]
    alone = [i for i in writes if users[i] <= {stage, None}]
    return Segment(tuple(regions), tuple(reads), tuple(writes), tuple(alone))


def grouped(nodes: list[Node], checks: Sequence[Check] = ()) -> list[Region]:
    """Put each node into the first region that takes it and comes after all its operands' regions.

    What counts for checks comes when all else has its place, next to the node beside which it belongs if it fits
    there: how a region goes through its space is not for a check to say.
    """
    regions: list[Region] = []
    home: dict[int, int] = {}
    for node in nodes:
        before = [x.memory for x in node.operands] + [node.memory] * node.over
        first = max((home.get(i, 0) for i in before), default=0)
        _place(node, regions, home, max(first, len(regions) - _LOOK_BACK))
    for check in checks:
        for node in check.nodes:
            _place(
                node,
                regions,
                home,
                max(home[i] for i in (check.beside, *(x.memory for x in node.operands)) if i in home),
            )
    return regions


def _place(node: Node, regions: list[Region], home: dict[int, int], first: int) -> None:
    """Into one of the regions from the first that may have it, or into a new one."""
    for k in range(first, len(regions)):
        if regions[k].add(node):
            break
    else:
        region = Region()
        taken = region.add(node)
        assert taken, node
        regions.append(region)
        k = len(regions) - 1
    # What has parts is there when the last of them is.
    home[node.memory] = max(k, home.get(node.memory, 0))


def last_uses(plan: Plan, parts: Sequence[Segment | Step]) -> list[tuple[int, ...]]:
    """Per part the values that nobody reads any more, leaves among them; not those that are returned."""
    last: dict[int, int] = {}
    for k, part in enumerate(parts):
        used = (*part.writes, *part.reads) if isinstance(part, Segment) else (*part.inputs, part.out)
        last.update({j: k for j in used if j != NO_SLOT})
    for o in plan.outs:
        last.pop(o, None)
    dead: list[list[int]] = [[] for _ in parts]
    for j, k in last.items():
        dead[k].append(j)
    return [tuple(d) for d in dead]
