"""Which steps have loops of their own beside regions: `sdgraph.run.engines.llvm.windows`. Must not know LLVM."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdgraph.plan.plan import Step

CONVOLUTION, WINDOWS = "a convolution", "windows that slide"

_WHY = {
    "cnn.conv": CONVOLUTION,
    "cnn.conv_input": CONVOLUTION,
    "cnn.conv_kernel": CONVOLUTION,
    "cnn.window_max": WINDOWS,
    "cnn.window_first": WINDOWS,
}
OWN_LOOPS = frozenset(_WHY.values())
"""Why such steps are in no region."""
_TYPES = {CONVOLUTION: "efd", WINDOWS: "fd"}
"""The types of numbers, as numpy writes them in one letter."""
_MOST = 1 << 31
"""Elements of an array of which 32 bits tell a place."""


def own_loops(step: Step, dtypes: Mapping[int, np.dtype[Any]], shapes: Mapping[int, Sequence[int]]) -> str | None:
    """Why a step has loops of its own: one of real numbers of one type, in which there is something to compute."""
    why, of = _WHY.get(step.op.key), {dtypes.get(j) for j in step.inputs}
    if why is None or len(of) > 1 or not all(d is not None and d.char in _TYPES[why] for d in of):
        return None
    sizes = [math.prod(shape) for shape in (*(shapes[j] for j in step.inputs), step.aval.shape)]
    return why if min(sizes) > 0 and (why == CONVOLUTION or sizes[0] < _MOST) else None
