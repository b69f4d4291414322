"""Reading a table by index, where the index may be anything: a bad one reads another element, and is told of elsewhere.

Must not know regions or plans.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.scalars.scalar_ops import convert
from sdgraph.run.engines.llvm.write.memory import from_memory, gather, iota, masked_load, memory_type

_ZERO, _ONE, _INDEX = const(0, "i64"), const(1, "i64"), np.dtype("int64")


class Along(NamedTuple):
    """A place for each lane: that of the first, and how far the next is away."""

    first: Val
    step: Val = _ZERO


class Where(NamedTuple):
    """Where in a table: along the axis of the index, along those before, and along those behind."""

    number: Val
    dtype: np.dtype[Any]
    """Those of the index."""
    before: Along = Along(_ZERO)
    behind: Along = Along(_ZERO)


def taken(
    b: Builder, base: Val, table: np.dtype[Any], where: Where, size: Val, stride: Val, mask: Val | None = None
) -> Val:
    """An element of a table whose axis has ``size`` indices of ``stride`` elements; masked lanes read none."""
    at = convert(b, where.number, where.dtype, _INDEX)
    # As unsigned numbers negative ones are too large. Nothing outside of the table is read.
    at = b.select(b.compare("icmp ult", at, size), at, _ZERO)
    whole = b.binary("mul", size, stride)
    at = b.binary("add", b.binary("mul", at, stride), where.behind.first)
    at = b.binary("add", at, b.binary("mul", where.before.first, whole))
    t = memory_type(table)
    if not at.vec and where.before.step == _ZERO and where.behind.step in (_ZERO, _ONE):
        p = b.instruction(f"getelementptr {t}, ptr {base.text}, i64 {at.text}", "ptr", False, base, at)
        if where.behind.step == _ONE:
            return from_memory(b, masked_load(b, p, t, mask), table)
        return from_memory(b, b.instruction(f"load {t}, ptr {p.text}, align 1", t, False, p), table)
    step = b.binary("add", b.binary("mul", where.before.step, whole), where.behind.step)
    lanes = b.binary("mul", Val(iota(b, "i64"), "i64", True, 0), b.splat(step))
    return from_memory(b, gather(b, base, b.binary("add", lanes, at), t, mask), table)
