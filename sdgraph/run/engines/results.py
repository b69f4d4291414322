"""Results of a run taken out of its slots, as arrays of the caller's own. Must not know any engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.errors import ExecutionError
from sdgraph.plan.plan import Plan
from sdgraph.run.engines.interface import Run


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
