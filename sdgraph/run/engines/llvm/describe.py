"""Telling what the engine made of a plan: regions, what fused and what did not, bytes, operations, code.

Must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdgraph.infer.aval import shape_str
from sdgraph.plan.made import Alone, Group, Made
from sdgraph.plan.plan import NO_SLOT, Plan, Step
from sdgraph.run.engines.llvm import work
from sdgraph.run.engines.llvm.divide.advice import VIEW, advice
from sdgraph.run.engines.llvm.divide.cuts import COLUMN, ELEMENT, ONCE, OUTER, ROW
from sdgraph.run.engines.llvm.divide.own_loops import OWN_LOOPS
from sdgraph.run.engines.llvm.divide.region import Region, is_scan
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.liveness import peak_bytes
from sdgraph.run.engines.llvm.segment import Compiled, Runner
from sdgraph.wording import byte_size

_NAMES_IN_A_LINE = 8
_WHERE = {ELEMENT: "each element", ROW: "each row", ONCE: "once"}


_REDUCED = {ROW: "over its row", ONCE: "over all", COLUMN: "over rows", OUTER: "over columns and some rows"}


def stored(one: Compiled) -> set[int]:
    """The results of a region that it leaves in memory."""
    kept = {p.value for p in one.code.pointers}
    return {n.id for n in one.region.nodes if n.memory in kept}


def title(region: Region) -> str:
    """What a region is called."""
    return f"region over {_space(region)}"


def alone_title(step: Step, division: Division) -> str:
    """What a step is called that is in no region."""
    who = "loops of" if division.reasons.get(step.out) in OWN_LOOPS else "numpy"
    return f"{who} {step.op.qualname}"


def holds(region: Region) -> tuple[str, ...]:
    """The variables of the graph whose operations a region has, in its order."""
    return tuple(dict.fromkeys(n.source for n in region.nodes if n.source))


def described(plan: Plan, division: Division, runners: dict[int, Runner]) -> Made:
    """The plan as this engine runs it."""
    groups: list[Group] = []
    alone: list[Alone] = []
    labels = plan.labels()
    lines = ["engine llvm:"]
    for k, part in enumerate(division.parts):
        if type(part) is Segment:
            for one in runners[k].regions:
                group = _group(one, plan, division, len(groups) + len(alone))
                groups.append(group)
                lines.append(f"  {group.title}: {', '.join(group.facts)}")
                lines += [f"    holds {', '.join(several)}" for several in _in_lines(group.holds)]
                lines += [f"      {line}" for line in pseudo_code(one.region, labels, division.constants)]
            lines += [f"  {c.step.op.qualname}  u{c.nodes[-1].id} must be 0, else numpy tells why" for c in part.checks]
        else:
            assert isinstance(part, Step)
            step = _alone(part, division, len(groups) + len(alone))
            alone.append(step)
            name = f"  # {step.name}" if step.name else ""
            lines.append(f"  {step.title} {_aval(part)}{name}  not fused: {step.why}")
            lines += [f"    {step.advice}"] if step.advice else []
    remarks = {step.out: f"{'loops' if step.why in OWN_LOOPS else 'numpy kernel'}: {step.why}" for step in alone}
    return Made.of(
        plan,
        steps=_steps(plan, division),
        peak_bytes=peak_bytes(division, runners),
        notes="\n".join(lines),
        groups=_with_views(plan, groups, remarks),
        alone=tuple(alone),
        remarks=remarks,
    )


def _in_lines(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[k : k + _NAMES_IN_A_LINE] for k in range(0, len(names), _NAMES_IN_A_LINE)]


def _group(one: Compiled, plan: Plan, division: Division, place: int) -> Group:
    region, kept = one.region, stored(one)
    moved = sum(t.read + t.written for t in work.touches(region, kept, work.Values.of(division)))
    facts = (
        _fused(region, one.code.phases),
        f"{byte_size(moved)} moved, {work.operations(region, kept):,} operations",
    )
    outs = tuple(i for i in sorted({i for n in region.nodes for i in (n.id, n.memory)}) if i < plan.n_slots)
    return Group(title(region), facts, outs, holds(region), place)


def _alone(step: Step, division: Division, place: int) -> Alone:
    why = division.reasons.get(step.out, VIEW)
    name = step.source.name if step.source is not None else ""
    return Alone(alone_title(step, division), step.out, name, why, advice(why, step.op.key), place)


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
        columns = region.dims[region.cut.first : region.cut.last]
        how = "rows side by side" if region.turned else "rows"
        return f"{shape_str(region.row_dims)} {how} of {shape_str(columns)}"
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
            to = _REDUCED[region.level[n.id]]
            where = f"{where}, {to}"
        if is_scan(n):
            where = f"{where}, {'from the last' if n.attrs['backward'] else 'in order'}"
        if n.target is not None:
            where = f"{where}, a part of {label(n.memory)}"
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
            blocks.append("\n".join([*text, one.source()]))
    return "\n\n".join(blocks)
