"""Windows, which SameDiff has no op for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Final

from sdgraph.files.samediff.writing.call import Call, Written
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.infer.windows import per_axis

_MOST_ENTRIES: Final = 200
"""Of a window: each one is a node."""


def _windows(c: Call) -> Value:
    """For each entry of a window a strided slice; all of them side by side."""
    x, axis = c.x, c.attrs["axis"]
    axes = [k % x.rank for k in (axis if isinstance(axis, tuple) else (axis,))]
    sizes, strides, dilation = (per_axis(k, c.attrs[k], len(axes)) for k in ("size", "strides", "dilation"))
    if math.prod(sizes) > _MOST_ENTRIES:
        raise Refused(f"SameDiff has no such op, and an op for each of {math.prod(sizes)} entries is too much")
    if not all(type(d) is int for d in x.shape):
        raise Refused("SameDiff has to know the sizes of what windows are taken from")
    shape = c.shape[: x.rank]
    parts = []
    for at in itertools.product(*map(range, sizes)):
        begin, end, step = [0] * x.rank, list(x.shape), [1] * x.rank
        for k, j, stride, gap in zip(axes, at, strides, dilation, strict=True):
            begin[k], step[k] = j * gap, stride
            end[k] = j * gap + stride * (shape[k] - 1) + 1  # type: ignore[operator]
        parts.append(c.node("strided_slice", x, shape=shape, i=[0, 0, 0, 0, 0, *begin, *end, *step]))  # type: ignore[list-item]
    stacked = c.node("stack", *parts, shape=(*shape, len(parts)), i=[x.rank])
    return c.reshape(stacked, c.shape)


RULES: Final[dict[str, Callable[[Call], Written]]] = {"cnn.windows": _windows}
