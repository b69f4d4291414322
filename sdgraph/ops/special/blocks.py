"""What kernels of special functions share: passes over small pieces, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_BLOCK = 8192
"""Elements worked on at a time: the polynomials pass over them some sixty times, which should happen in cache."""


def polynomial(t: Any, coefficients: tuple[float, ...]) -> Any:
    """Horner's rule in place; the coefficient of the highest power comes first."""
    p = np.full_like(t, coefficients[0])
    for c in coefficients[1:]:
        p *= t
        p += c
    return p


def in_blocks(block: Callable[..., Any], *xs: Any) -> Any:
    """Apply ``block`` to float64 pieces of operands that broadcast; the result has the dtype of numpy's functions."""
    dtype = np.result_type(*(x.dtype for x in xs))
    dtype = dtype if dtype.kind == "f" else np.exp(np.zeros(1, dtype)).dtype
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    flat = [np.ravel(x if x.shape == shape else np.broadcast_to(x, shape)) for x in xs]
    out = np.empty(flat[0].shape, dtype)
    with np.errstate(over="ignore"):
        for k in range(0, out.size, _BLOCK):
            out[k : k + _BLOCK] = block(*(x[k : k + _BLOCK].astype(np.float64) for x in flat))
    return out.reshape(shape)
