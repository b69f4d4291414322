"""Half precision inside an op: computed with in single precision, rounded once at the end.

Neither a sum of many halves nor their number fits into float16, next to 2048 a half of 1 is lost, and what is below
2^-24 is nothing. The one place that says so; must not know any op.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable

_HALF, _SINGLE = np.dtype("float16"), np.dtype("float32")


def wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype to compute with: single precision for halves, else the same."""
    return _SINGLE if dtype == _HALF else dtype


def widened(x: SDVariable) -> SDVariable:
    """The variable in the dtype to compute with."""
    return cast_to(x, wide(x.dtype))


def cast_to(x: Any, dtype: np.dtype[Any]) -> SDVariable:
    """The variable itself if it has that dtype, else cast."""
    return x if x.dtype == dtype else x.sd.cast(x, dtype)


def rounded_once(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that computes halves in single precision; other arrays are left to it as they are."""

    def rounding(xp: Any, *xs: Any, **attrs: Any) -> Any:
        if (xs[0].dtype if len(xs) == 1 else xp.result_type(*xs)) != _HALF:
            return kernel(xp, *xs, **attrs)
        return kernel(xp, *(x.astype(_SINGLE) for x in xs), **attrs).astype(_HALF)

    return rounding
