"""Telling what the engine made of a plan: regions, what fused and what did not, bytes, operations, code.

Must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sdgraph.infer.aval import shape_str
from sdgraph.plan.made import Group, Made
from sdgraph.plan.plan import NO_SLOT, Plan, Step
from sdgraph.run.engines.llvm.divide.phases import schedule
from sdgraph.run.engines.llvm.divide.region import COLUMN, ELEMENT, ONCE, ROW, Node, Region, size_of
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.liveness import peak_bytes
from sdgraph.run.engines.llvm.scalars.scalar_ops import rule_of
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.wording import byte_size

_WHERE = {ELEMENT: "each element", ROW: "each row", ONCE: "once"}


class Cost(NamedTuple):
    """What a part does at least: bytes it reads and writes, floating operations."""

    bytes: int
    operations: int


def cost(region: Region, division: Division, stored: set[int]) -> Cost:
    """The cost of a region: every array is read once per phase that uses it, every result written once."""
    phases, _ = schedule(region, stored)
    inside = {n.id for n in region.nodes}
    moved = operations = 0
    for phase in phases:
        nodes = [n for p in phase.passes for n in (*p.elements, *p.sums, *p.rows)]
        nodes += [*phase.first_rows, *phase.element_roots, *phase.row_roots]
        known = inside | division.constants.keys()
        read = {x.value for n in nodes for x in n.operands} - known
        moved += sum(_bytes(v, division) for v in read)
        operations += sum(_work(n) * size_of(n.space if n.reduce else n.shape) for n in nodes)
    moved += sum(_bytes(n.id, division) for n in region.nodes if n.id in stored)
    return Cost(moved, operations)


def _work(node: Node) -> int:
    rule = rule_of(node.op)
    return rule.cost if rule is not None else 1


def _bytes(value: int, division: Division) -> int:
    return size_of(division.shapes[value]) * division.dtypes[value].itemsize


def described(plan: Plan, division: Division, runners: dict[int, Runner]) -> Made:
    """The plan as this engine runs it."""
    groups: list[Group] = []
    remarks: dict[int, str] = {}
    labels = plan.labels()
    lines = ["engine llvm:"]
    for k, part in enumerate(division.parts):
        if type(part) is Segment:
            for one, region in zip(runners[k].regions, part.regions, strict=True):
                inside = {n.id for n in region.nodes}
                stored = {p.value for p in one.code.pointers if p.value in inside}
                spent = cost(region, division, stored)
                title, fused = f"region over {_space(region)}", _fused(region, one.code.phases)
                facts = fused, f"{byte_size(spent.bytes)} moved, {spent.operations:,} operations"
                groups.append(Group(title, facts, tuple(i for i in sorted(inside) if i < plan.n_slots)))
                lines.append(f"  {title}: {fused}, {spent.bytes} bytes, {spent.operations} operations")
                lines += [f"      {line}" for line in pseudo_code(region, labels, division.constants)]
        else:
            assert isinstance(part, Step)
            reason = division.reasons.get(part.out, "a view that is needed as an array")
            remarks[part.out] = f"numpy kernel: {reason}"
            lines.append(f"  numpy {part.op.qualname} {_aval(part)}  not fused: {reason}")
    return Made.of(
        plan,
        steps=_steps(plan, division),
        peak_bytes=peak_bytes(division, runners),
        notes="\n".join(lines),
        groups=_with_views(plan, groups, remarks),
        remarks=remarks,
    )


def _steps(plan: Plan, division: Division) -> tuple[Step, ...]:
    """The steps with what each frees here; nothing is written in place of something else."""
    dead = zip(division.parts, division.frees, strict=True)
    freed = {part.out: slots for part, slots in dead if isinstance(part, Step)}
    return tuple(s._replace(frees=freed.get(s.out, ()), reuse=NO_SLOT) for s in plan.steps)


def _with_views(plan: Plan, groups: list[Group], remarks: Mapping[int, str]) -> tuple[Group, ...]:
    """The groups with the steps that only look at something in another shape: each beside who reads it first."""
    home = {i: k for k, group in enumerate(groups) for i in group.outs}
    first: dict[int, int] = {}
    """By slot the first group that reads it."""
    for step in reversed(plan.steps):
        if step.out not in home and step.out not in remarks:
            made = [home[j] for j in step.inputs if j in home]
            if step.out in first or made:
                home[step.out] = first[step.out] if step.out in first else made[0]
        if step.out in home:
            k = home[step.out]
            first.update((j, min(k, first.get(j, k))) for j in step.inputs)
    return tuple(
        group._replace(outs=tuple(s.out for s in plan.steps if home.get(s.out) == k)) for k, group in enumerate(groups)
    )


def _aval(step: Step) -> str:
    return str(step.aval) if hasattr(step.aval, "shape") else "several results"


def _space(region: Region) -> str:
    if region.dims is None:
        return "numbers"
    if region.split:
        return f"{shape_str(region.dims[: region.split])} rows of {shape_str(region.dims[region.split :])}"
    return shape_str(region.dims)


def _fused(region: Region, phases: int) -> str:
    """What is inside, and how often it goes over memory."""
    n = len(region.nodes)
    return f"{n} op{'s' if n != 1 else ''} fused, {phases} pass{'es' if phases != 1 else ''} over memory"


def pseudo_code(region: Region, labels: Sequence[str], constants: Mapping[int, float]) -> list[str]:
    """A region's nodes as readable lines."""

    def label(i: int) -> str:
        if i in constants:
            return f"{constants[i]:.6g}"
        return labels[i] if i < len(labels) else f"u{i}"

    lines = []
    for n in region.nodes:
        operands = ", ".join(label(x.value) for x in n.operands)
        where = _WHERE[region.works[n.id]]
        if n.reduce is not None and region.level[n.id] != region.works[n.id]:
            to = {ROW: "over its row", ONCE: "over all", COLUMN: "over rows"}[region.level[n.id]]
            where = f"{where}, {to}"
        source = f"  # {n.source}" if n.source else ""
        lines.append(f"{label(n.id)} = {n.op}({operands})  {where}{source}")
    return lines


def source(plan: Plan, division: Division, runners: dict[int, Runner]) -> str:
    """Pseudo-code and LLVM IR of every region."""
    labels = plan.labels()
    blocks = []
    for k, part in enumerate(division.parts):
        if type(part) is not Segment:
            continue
        for one, region in zip(runners[k].regions, part.regions, strict=True):
            text = [f"; {line}" for line in pseudo_code(region, labels, division.constants)]
            blocks.append("\n".join([*text, one.code.text]))
    return "\n\n".join(blocks)
