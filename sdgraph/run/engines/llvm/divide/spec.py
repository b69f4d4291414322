"""What a division promises to those who write and run its code. Each function tells what is wrong.

Must not know how plans are divided.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sdgraph.infer.aval import Aval
from sdgraph.lower.contracts import hold
from sdgraph.plan.plan import NO_SLOT, Plan
from sdgraph.plan.spec import leaves
from sdgraph.run.engines.llvm.divide.checks import GUARDS
from sdgraph.run.engines.llvm.divide.region import COLUMN_INDEX, ONCE, TAKEN, Node, Region, read_shapes, size_of
from sdgraph.run.engines.llvm.divide.segments import Division, Segment


def check(plan: Plan, division: Division) -> None:
    """Raise ContractError unless the division and its regions keep every promise."""
    regions = [region for part in division.parts if isinstance(part, Segment) for region in part.regions]
    hold(
        "A division",
        parts_read_what_is_there(plan, division),
        segments_are_whole(division),
        nobody_reads_what_is_left_alone(division),
        every_step_is_done(plan, division),
        checks_are_counted(plan, division),
        slots_of_their_own(plan, division),
        freed_once(plan, division),
        *(found for region in regions for found in (nodes_fit(region), shapes_fit(region))),
    )


def parts_read_what_is_there(plan: Plan, division: Division) -> Iterator[str]:
    """A part reads leaves and what parts before it leave, and so does the caller."""
    there = set(leaves(plan))
    for k, part in enumerate(division.parts):
        reads, writes = (part.reads, part.writes) if isinstance(part, Segment) else (part.inputs, (part.out,))
        wrong = [j for j in reads if j != NO_SLOT and j not in there]
        if wrong:
            yield f"part {k} reads values {wrong} before they are made"
        there.update(writes)
    missing = [o for o in plan.outs if o not in there]
    if missing:
        yield f"results {missing} are never made"


def segments_are_whole(division: Division) -> Iterator[str]:
    """A node reads numbers, what its segment reads, and nodes before it; a segment writes what its nodes make."""
    for k, part in enumerate(division.parts):
        if not isinstance(part, Segment):
            continue
        known = {*part.reads, *division.constants}
        for n in (n for region in part.regions for n in region.nodes):
            wrong = [x.memory for x in n.operands if x.memory not in known]
            if wrong:
                yield f"node {n.id} ({n.op}) of part {k} reads values {wrong}, which are not there"
            if n.id in known:
                yield f"value {n.id} is made twice"
            known.update((n.id, n.memory))
        foreign = set(part.writes) - {n.memory for region in part.regions for n in region.nodes}
        if foreign:
            yield f"part {k} writes values {sorted(foreign)}, which it does not make"


def nobody_reads_what_is_left_alone(division: Division) -> Iterator[str]:
    """What a segment says that no later part reads, none does."""
    left: set[int] = set()
    for k, part in enumerate(division.parts):
        read = left.intersection(part.reads if isinstance(part, Segment) else part.inputs)
        if read:
            yield f"part {k} reads values {sorted(read)}, which were left alone"
        if isinstance(part, Segment):
            left.update(part.alone)


def every_step_is_done(plan: Plan, division: Division) -> Iterator[str]:
    """A numpy step is one of the plan's, and runs once."""
    alone = [part for part in division.parts if not isinstance(part, Segment)]
    if len({s.out for s in alone}) < len(alone):
        yield "a step runs twice"
    steps = {s.out: s for s in plan.steps}
    for s in alone:
        if steps.get(s.out) is not s:
            yield f"{s.op.qualname} -> {s.out} is no step of the plan"


def checks_are_counted(plan: Plan, division: Division) -> Iterator[str]:
    """A segment with a check counts for it; a step that looks at values is a part, or a segment looks for it."""
    looking = {part.out for part in division.parts if not isinstance(part, Segment)}
    for k, part in enumerate(division.parts):
        if not isinstance(part, Segment):
            continue
        level = {i: region.level[i] for region in part.regions for i in region.level}
        for check in part.checks:
            count = check.nodes[-1]
            if level.get(count.id) != ONCE or count.dtype != np.dtype("int64"):
                yield f"part {k} does not count for {check.step.op.qualname} -> {check.step.out}"
            looking.add(check.step.out)
    for s in plan.steps:
        if s.op.key in GUARDS and s.out not in looking and _may_be_bad(s.op.key, s.aval):
            yield f"nobody looks for {s.op.qualname} -> {s.out}"


def _may_be_bad(name: str, aval: Aval) -> bool:
    """Whether an array can hold something that such a step finds, for all that its dtype and size tell."""
    return 0 not in aval.shape and aval.dtype.kind == ("f" if name == "checked_whole" else "i")


def slots_of_their_own(plan: Plan, division: Division) -> Iterator[str]:
    """Values that parts exchange have slots inside the program's, each its own."""
    exchanged = {i for part in division.parts if isinstance(part, Segment) for i in (*part.reads, *part.writes)}
    home: dict[int, int] = {}
    for value in sorted(exchanged):
        slot = division.slot(value)
        if not 0 <= slot < division.n_slots:
            yield f"value {value} goes to slot {slot}; there are {division.n_slots}"
        if home.setdefault(slot, value) != value:
            yield f"values {home[slot]} and {value} share slot {slot}"
        if (slot < plan.n_slots) != (value < plan.n_slots):
            yield f"value {value} goes to slot {slot}, on the other side of the plan's {plan.n_slots}"


def freed_once(plan: Plan, division: Division) -> Iterator[str]:
    """No part reads what one before it freed; nothing is freed twice; results are not."""
    gone: set[int] = set()
    for k, (part, freed) in enumerate(zip(division.parts, division.frees, strict=True)):
        reads = part.reads if isinstance(part, Segment) else part.inputs
        late = gone.intersection(reads)
        if late:
            yield f"part {k} reads values {sorted(late)} after they were freed"
        again = gone.intersection(freed)
        if again:
            yield f"part {k} frees values {sorted(again)} again"
        gone.update(freed)
    if gone.intersection(plan.outs):
        yield f"results {sorted(gone.intersection(plan.outs))} are freed"


def nodes_fit(region: Region) -> Iterator[str]:
    """Nodes come in an order in which each fits beside those before it, and lie in the region as it says."""
    again = Region()
    for n in region.nodes:
        if not again.add(n):
            yield f"node {n.id} ({n.op}) does not fit: {again.fit(n)}"
    if (again.dims, again.works, again.level) != (region.dims, region.works, region.level):
        yield "nodes lie on other levels, or in another space, than the region says"
    if again.cuts != region.cuts:
        yield f"rows and columns are cut at {again.cut}, not {region.cut}"


def shapes_fit(region: Region) -> Iterator[str]:
    """What a node reads broadcasts to its space, and its result has the elements that are left."""
    for n in region.nodes:
        wrong = [shape for shape in read_shapes(n) if not _broadcasts(shape, n.space)]
        if wrong:
            yield f"node {n.id} ({n.op}) over {n.space} reads shapes {wrong}"
        if size_of(n.shape) != size_of(_left(n)):
            yield f"node {n.id} ({n.op}) over {n.space} makes {n.shape}"
        if (n.op == COLUMN_INDEX) != (not n.operands):
            yield f"node {n.id} ({n.op}) has {len(n.operands)} operands"
        if len(n.counts) != {COLUMN_INDEX: 1, TAKEN: 2}.get(n.op, 0):
            yield f"node {n.id} ({n.op}) counts along {n.counts}"


def _broadcasts(shape: tuple[int, ...], space: tuple[int, ...]) -> bool:
    # By hand: numpy broadcasts shapes of at most 32 axes, and arrays may have 64.
    return len(shape) <= len(space) and all(d in (1, n) for d, n in zip(shape[::-1], space[::-1], strict=False))


def _left(node: Node) -> tuple[int, ...]:
    return tuple(d for k, d in enumerate(node.space) if node.reduce is None or k not in node.axes)
