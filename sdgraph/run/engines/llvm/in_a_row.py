"""A plan that is one small segment, run many times in one call, on arrays that move on from time to time.

The code is in ``translate/steps.ll``. Must not know loops.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.plan.plan import NO_SLOT, Plan
from sdgraph.run.engines.interface import InARow
from sdgraph.run.engines.llvm.divide.segments import Division
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.translate.entry import answering, builtin, reads_arrays

_CALL: Final = 500.0
"""Microseconds that a call may take, about: between two of them others run, and signals are handled."""


@functools.cache
def _steps() -> Callable[..., bool | None] | None:
    return builtin(machine.kernel(answering("steps")), "steps") if reads_arrays() else None


def in_a_row(plan: Plan, division: Division, runners: Mapping[int, Runner]) -> InARow | None:
    """See `Program.in_a_row`."""
    if len(division.parts) != 1 or not runners or plan.step_slot != NO_SLOT:
        return None
    runner, steps = runners[0], _steps()
    if steps is None or not runner.small or {*plan.outs} != {*runner.writes}:
        return None
    program = runner.program

    def run(times: int, arrays: Sequence[np.ndarray[Any, Any]], moves: Sequence[int]) -> bool:
        return bool(steps(program, np.array([times, *moves], np.int64), *arrays))

    reads, writes = (tuple(map(division.slot, values)) for values in (runner.reads, runner.writes))
    return InARow(run, reads, writes, max(1, int(_CALL / max(runner.time, 0.1))))
