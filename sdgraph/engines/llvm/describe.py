"""Telling what the engine made of a plan: regions, what fused and what did not, bytes, operations, code.

Must not know LLVM.
"""

from __future__ import annotations

from typing import NamedTuple

from sdgraph.aval import shape_str
from sdgraph.engines.llvm.partition import Division, Segment
from sdgraph.engines.llvm.phases import schedule
from sdgraph.engines.llvm.region import COLUMN, ELEMENT, ONCE, ROW, Node, Region, size_of
from sdgraph.engines.llvm.scalar_ops import RULES
from sdgraph.engines.llvm.segment import Runner
from sdgraph.plan import Plan, Step

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
    rule = RULES.get(node.op)
    return rule.cost if rule is not None else 1


def _bytes(value: int, division: Division) -> int:
    return size_of(division.shapes[value]) * division.dtypes[value].itemsize


def notes(plan: Plan, division: Division, runners: dict[int, Runner]) -> str:
    """The parts of a plan in the order they run."""
    lines = ["engine llvm:"]
    for k, part in enumerate(division.parts):
        if type(part) is Segment:
            for one, region in zip(runners[k].regions, part.regions, strict=True):
                stored = {p.value for p in one.code.pointers if p.value in {n.id for n in region.nodes}}
                lines.append(_headline(region, cost(region, division, stored), one.code.phases))
                lines += [f"      {line}" for line in pseudo_code(region, plan)]
        else:
            assert isinstance(part, Step)
            reason = division.reasons.get(part.out, "a view that is needed as an array")
            lines.append(f"  numpy {part.op.qualname} {_aval(part)}  not fused: {reason}")
    return "\n".join(lines)


def _aval(step: Step) -> str:
    return str(step.aval) if hasattr(step.aval, "shape") else "several results"


def _headline(region: Region, spent: Cost, phases: int) -> str:
    if region.dims is None:
        space = "numbers"
    elif region.split:
        space = f"{shape_str(region.dims[: region.split])} rows of {shape_str(region.dims[region.split :])}"
    else:
        space = shape_str(region.dims)
    return (
        f"  region over {space}: {len(region.nodes)} ops fused, {phases} pass{'es' if phases != 1 else ''} "
        f"over memory, {spent.bytes} bytes, {spent.operations} operations"
    )


def pseudo_code(region: Region, plan: Plan) -> list[str]:
    """A region's nodes as readable lines."""
    labels = plan.labels()

    def label(i: int) -> str:
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
    blocks = []
    for k, part in enumerate(division.parts):
        if type(part) is not Segment:
            continue
        for one, region in zip(runners[k].regions, part.regions, strict=True):
            text = [f"; {line}" for line in pseudo_code(region, plan)]
            blocks.append("\n".join([*text, one.code.text]))
    return "\n\n".join(blocks)
