"""Which steps are convolutions that loops of their own do: `sdgraph.run.engines.llvm.windows`. Must not know LLVM."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdgraph.plan.plan import Step

CONVOLUTION = "a convolution"
"""Why such a step is in no region."""

_OPS = frozenset(("cnn.conv", "cnn.conv_input", "cnn.conv_kernel"))
_DTYPES = (np.dtype("float32"), np.dtype("float64"))


def is_convolution(step: Step, dtypes: Mapping[int, np.dtype[Any]], shapes: Mapping[int, Sequence[int]]) -> bool:
    """Whether loops of their own do a step: one of real numbers of one type, in which there is something to compute."""
    if step.op.key not in _OPS:
        return False
    a, b = step.inputs
    if dtypes.get(a) not in _DTYPES or dtypes.get(a) != dtypes.get(b):
        return False
    return all(math.prod(shape) > 0 for shape in (shapes[a], shapes[b], step.aval.shape))
