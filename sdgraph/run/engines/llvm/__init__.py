"""The fused engine: regions of a plan as compiled loops, everything else as numpy kernels between them.

Needs llvmlite. Results equal the numpy engine's up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

from sdgraph.plan.made import Made
from sdgraph.plan.plan import Plan
from sdgraph.run.engines.interface import Part, Program
from sdgraph.run.engines.llvm import describe, running
from sdgraph.run.engines.llvm.divide.partition import divide
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.llvm.translate import machine


def probe() -> None:
    """Raise if LLVM cannot compile and load code on this computer."""
    machine.kernel("define i64 @.probe() {\n  ret i64 7\n}")


def compile_plan(plan: Plan, *, check_numerics: bool) -> Program | None:
    """The plan as segments of compiled code and numpy steps; None where this engine cannot run it."""
    # Looking at every intermediate result is what fusing does away with.
    return None if check_numerics else _Fused(plan)


class _Fused(Program):
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._division = division = divide(plan)
        self._runners = {
            k: _runner(part, division) for k, part in enumerate(division.parts) if isinstance(part, Segment)
        }
        self.n_slots = division.n_slots
        self.run = running.run_of(plan, division, self._runners)

    def explain(self) -> Made:
        return describe.described(self._plan, self._division, self._runners)

    def source(self) -> str:
        return describe.source(self._plan, self._division, self._runners)

    def parts(self) -> Sequence[Part]:
        return running.measurable(self._plan, self._division, self._runners)


def _runner(segment: Segment, division: Division) -> Runner:
    return Runner(segment.regions, segment.reads, segment.writes, division.dtypes, division.shapes, division.constants)
