"""What an engine makes of a plan: a function of slots, how many slots that needs, and what a run ends with.

Must not know any engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sdgraph.errors import ExecutionError
from sdgraph.plan.plan import Plan

Run = Callable[[list[Any]], list[Any]]
"""From filled slots, which it may change, to the arrays of the outputs."""


class Program(NamedTuple):
    """A plan made to run. What an engine does not tell is None."""

    run: Run
    n_slots: int
    """Those of the plan, and after them those of the engine's own values."""
    describe: Callable[[], Plan] | None = None
    """The plan with what the engine made of it."""
    source: Callable[[], str] | None = None
    """The code it made."""
    parts: Callable[[], list[tuple[str, int, Run]]] | None = None
    """What runs one after another: for each part what it is, the bytes it moves, and a function of the slots."""

    def slots(self, plan: Plan) -> list[Any]:
        """What every run starts from a copy of: the constants, and room for everything else."""
        slots: list[Any] = [None] * self.n_slots
        for slot, value in plan.constants:
            slots[slot] = value
        return slots


def outputs(plan: Plan) -> Run:
    """A function that takes the outputs out of the slots, as arrays of the caller's own."""
    outs = tuple(zip(plan.outs, plan.copied, strict=True))

    def run(slots: list[Any]) -> list[Any]:
        try:
            # Kernels return numbers for arrays of rank 0.
            return [np.array(slots[o]) if copy else np.asarray(slots[o]) for o, copy in outs]
        except MemoryError as e:
            raise ExecutionError(f"MemoryError: {e}", given=f"the results {', '.join(plan.names):.200}") from e

    return run
