"""Kernels of functions that numpy lacks. Knows numerics only; must not know ops or graphs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def erf(xp: Any, x: Any) -> Any:
    """The error function, in float64 whatever the operand's dtype."""
    return np.asarray(_erf(x.astype(np.float64))).astype(_result(x))


def erfc(xp: Any, x: Any) -> Any:
    """The complementary error function ``1 - erf(x)``, accurate where that is tiny."""
    return np.asarray(_erfc(x.astype(np.float64))).astype(_result(x))


def _result(x: Any) -> Any:
    return x.dtype if x.dtype.kind == "f" else np.exp(np.zeros(1, x.dtype)).dtype
