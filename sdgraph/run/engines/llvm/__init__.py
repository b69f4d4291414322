"""The fused engine: regions of a plan as compiled loops, everything else as numpy kernels between them.

Needs llvmlite. Results equal the numpy engine's up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sdgraph.plan.made import Made
from sdgraph.plan.plan import Plan
from sdgraph.run.engines import inner
from sdgraph.run.engines.interface import Again, Copies, Follows, InARow, Part, Program, Run, Standing, no_copies
from sdgraph.run.engines.llvm import running, standing
from sdgraph.run.engines.llvm.divide.partition import divide
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.translate.entry import entry


def probe() -> None:
    """Raise if LLVM cannot compile and load code on this computer."""
    if entry() is None:  # Otherwise that was compiled, and every program needs it.
        machine.kernel("define i64 @.probe() {\n  ret i64 7\n}")


def compile_plan(plan: Plan, *, check_numerics: bool) -> Program | None:
    """The plan as segments of compiled code and numpy steps; None where this engine cannot run it."""
    # Looking at every intermediate result is what fusing does away with.
    return None if check_numerics else _fused(plan)


def _fused(plan: Plan) -> Program:
    return _Fused(inner.bound(plan, "llvm", _fused, strict=True))


class _Fused(Program):
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._division = division = divide(plan)
        self._runners = {
            k: _runner(part, division, plan) for k, part in enumerate(division.parts) if isinstance(part, Segment)
        }
        self.n_slots = division.n_slots
        self.run = running.run_of(plan, division, self._runners)

    def stand(
        self,
        feeds: Mapping[int, np.ndarray[Any, Any] | None],
        places: Sequence[int | None],
        elsewhere: Callable[[int], np.ndarray[Any, Any]],
        copies: Copies = no_copies,
    ) -> Standing | None:
        return standing.stand(self._plan, self._division, self._runners, feeds, places, elsewhere, copies)

    def again(
        self,
        slots: Sequence[Any],
        given: Sequence[tuple[int, tuple[int, ...], np.dtype[Any]]],
        step: int,
        away: int,
        follows: Follows,
    ) -> Again | None:
        from sdgraph.run.engines.llvm import repeating

        return repeating.again(self._plan, self._division, self._runners, slots, given, step, away, follows)

    @property
    def muted_run(self) -> Run:
        return running.run_of(self._plan, self._division, self._runners, muted=True)

    def in_a_row(self) -> InARow | None:
        from sdgraph.run.engines.llvm import in_a_row

        return in_a_row.in_a_row(self._plan, self._division, self._runners)

    def settle(self) -> None:
        machine.settled()

    # What tells of a program is loaded when somebody asks, as the first call waits for all that is loaded here.
    def explain(self) -> Made:
        from sdgraph.run.engines.llvm import describe

        return describe.described(self._plan, self._division, self._runners)

    def source(self) -> str:
        from sdgraph.run.engines.llvm import describe

        return describe.source(self._plan, self._division, self._runners)

    def parts(self) -> Sequence[Part]:
        from sdgraph.run.engines.llvm import parts

        return parts.measurable(self._plan, self._division, self._runners)


def _runner(segment: Segment, division: Division, plan: Plan) -> Runner:
    return Runner(segment, division.dtypes, division.shapes, division.constants, tiny=plan.tiny)
