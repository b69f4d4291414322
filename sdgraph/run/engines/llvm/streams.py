"""Which results a region stores past the caches.

A store that misses the caches reads its line first, and drives out what the caches hold. Where a region's arrays do not
fit into the last cache together, a result that is written whole vectors at a time, and that nobody reads soon, goes
past it. Where they do fit this costs more than it saves. Must not know LLVM.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sdgraph.run.engines import buffers
from sdgraph.run.engines.llvm.divide.region import ELEMENT, Region, elements_moved, size_of
from sdgraph.run.engines.llvm.write.space import rows_and_columns, short_rows

_LEAST = 16
"""Bytes of a vector, and of its alignment, that can be stored so."""
_LONG_ROW = 1 << 13
"""Bytes of a row from which it need not begin with a line of the caches. A line that two rows share is written in part
past the caches and in part not, which takes as long as some fifty whole ones."""


def streamed(
    region: Region,
    stored: Collection[int],
    alone: Collection[int],
    dtypes: Mapping[int, np.dtype[Any]],
    shapes: Mapping[int, tuple[int, ...]],
    width: int,
    cache: int,
) -> dict[int, int]:
    """Those of the results ``stored`` that go past a last cache of so many bytes, and how their vectors are aligned.

    Results in ``alone`` are read by nothing that comes later in the plan; others count if they alone are too large.
    """
    if region.dims is None or short_rows(region) or region.turned:
        return {}

    def bytes_of(value: int) -> int:
        return size_of(shapes[value]) * dtypes[value].itemsize

    parts = {n.id for n in region.nodes if n.target is not None}
    used = {x.value for n in region.nodes for x in n.operands if x.value not in region.level} | set(stored)
    moved = elements_moved(region, shapes)
    if sum(moved(v) * dtypes[v].itemsize for v in used if v in shapes) <= cache:
        return {}
    columns = rows_and_columns(region)[1] if region.split else 0
    found = {}
    for v in (v for v in stored if v not in parts):
        size, item = bytes_of(v), dtypes[v].itemsize
        # Where a row begins; without rows chunks do, which are whole lines. Memory is aligned where it is large.
        row = columns * item
        alignment = math.gcd(buffers.ALIGN, row)
        whole = alignment == buffers.ALIGN or row >= _LONG_ROW
        large = size >= buffers.LARGE and (v in alone or size > cache)
        if region.level[v] == ELEMENT and large and whole and min(alignment, width * item) >= _LEAST:
            found[v] = alignment
    return found
