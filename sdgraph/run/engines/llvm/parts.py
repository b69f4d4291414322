"""The parts of a divided plan one by one, for measuring, and what each does at least. Must not know LLVM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines.interface import Part
from sdgraph.run.engines.limits import Instructions, Work
from sdgraph.run.engines.llvm import describe, running, work
from sdgraph.run.engines.llvm.divide.segments import Division
from sdgraph.run.engines.llvm.segment import Compiled, Runner
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.steps import avals_of, memory_of, work_of

_Run = Callable[[list[Any]], object]


def measurable(plan: Plan, division: Division, runners: Mapping[int, Runner]) -> list[Part]:
    """Each part by itself: the regions of a large segment one after another, those of a small one together."""
    found: list[Part] = []
    avals, memory = avals_of(plan), memory_of(plan)
    for k, (part, do) in enumerate(zip(division.parts, running.parts_of(plan, division, runners), strict=True)):
        if isinstance(part, Step):
            does = work_of(part, avals, memory)
            names = (part.source.name,) if part.source is not None else ()
            found.append(Part(describe.alone_title(part, division), does.bytes, _quiet(do), names, does))
        elif runners[k].small or len(part.regions) == 1:
            found.append(_segment(do, runners[k], division))
        else:
            found += _one_by_one(runners[k], division, running.as_planned(plan, division))
    return found


def _segment(do: _Run, runner: Runner, division: Division) -> Part:
    several = runner.regions
    does = [work_of_region(one, division, shared=not runner.small) for one in several]
    together = does[0]
    for more in does[1:]:
        together = together._replace(
            touches=together.touches + more.touches,
            instructions=together.instructions + more.instructions,
            is_shared=together.is_shared or more.is_shared,
        )
    title = " and ".join(dict.fromkeys(describe.title(one.region) for one in several))
    names = tuple(dict.fromkeys(name for one in several for name in describe.holds(one.region)))
    return Part(title, together.bytes, _quiet(do), names, together, "llvm")


def _one_by_one(runner: Runner, division: Division, sure: set[int]) -> list[Part]:
    """The regions of a segment, of which the first also makes the arrays."""
    _, arrays = running.arrays_of(division, runner.reads, runner.writes, sure)
    waiting: list[Callable[[], object]] = []

    def first(slots: list[Any]) -> None:
        waiting[:] = reversed(runner.steps(arrays(slots)))
        waiting.pop()()

    def following(slots: list[Any]) -> None:
        waiting.pop()()

    found = []
    for k, one in enumerate(runner.regions):
        does = work_of_region(one, division, shared=True)
        run = following if k else first
        found.append(
            Part(describe.title(one.region), does.bytes, _quiet(run), describe.holds(one.region), does, "llvm")
        )
    return found


def work_of_region(one: Compiled, division: Division, *, shared: bool) -> Work:
    """What a region does at least."""
    region = one.region
    stored = describe.stored(one)
    values = work.Values.of(division)
    count = Instructions()
    if region.dims is not None:
        count = work.instructions(region, stored, values, one.task.width, machine.computer().features)
    return Work(
        touches=tuple(work.touches(region, stored, values)),
        instructions=count,
        is_shared=shared and one.shared,
        loops=max(1, one.code.phases),
    )


def _quiet(do: _Run) -> Callable[[list[Any]], None]:
    def run(slots: list[Any]) -> None:
        with np.errstate(all="ignore"):
            do(slots)

    return run
