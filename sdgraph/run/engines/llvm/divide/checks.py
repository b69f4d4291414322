"""Checks inside regions: how many numbers are not what they must be, counted next to who reads them first.

Regions compare indices and never use one as an address, so a bad number does no harm before it is told. Who runs the
code looks at the counts afterwards, and leaves it to numpy to say what is wrong. Must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdgraph.checks import is_whole
from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide.region import Node, Operand, countable, readable, size_of
from sdgraph.run.engines.llvm.divide.values import Values
from sdgraph.run.engines.llvm.scalars.scalar_ops import is_native

_BOOL, _COUNT = np.dtype(bool), np.dtype("int64")


def looks_for(v: Values, step: Step) -> list[Node] | None:
    """The count of what a step looks for in its first operand, which it passes on.

    The last node has the number. There are none where nothing can be bad; None if this is no such step, or regions
    cannot count for it.
    """
    found = GUARDS.get(step.op.key)
    x = v.operand(step.inputs[0])
    if found is None or not is_native(v.dtypes[x.value]) or not countable(x.shape) or not readable([x], x.shape):
        return None
    return found(v, step, x) if size_of(x.shape) else []


def out_of_range(v: Values, step: Step, x: Operand, size: int) -> list[Node] | None:
    """The count of integers outside of ``0 ... size - 1``; None for other numbers."""
    dtype = v.dtypes[x.value]
    if dtype.kind not in "iu" or size < 0:
        return None
    count = _Count(v, step, x)
    tests = [count.true("lt", x, v.number(0, dtype))] if dtype.kind == "i" else []
    if size <= np.iinfo(dtype).max:
        tests.append(count.true("gte", x, v.number(size, dtype)))
    return count.of(tests)


class _Count:
    """Nodes that count bad elements of an operand."""

    def __init__(self, v: Values, step: Step, x: Operand) -> None:
        self.v, self.step, self.x = v, step, x
        self.nodes: list[Node] = []

    def node(self, op: str, *operands: Operand, dtype: np.dtype[Any]) -> Operand:
        """One value for each element."""
        shape = self.x.shape
        self.nodes.append(self.v.apart(self.v.new(), op, operands, {}, dtype, shape, shape, step=self.step))
        return Operand(self.nodes[-1].id, shape)

    def true(self, op: str, *operands: Operand) -> Operand:
        """Whether something holds, for each element."""
        return self.node(op, *operands, dtype=_BOOL)

    def of(self, tests: list[Operand]) -> list[Node]:
        """The nodes that count the elements for which one of the tests holds."""
        if not tests:
            return []
        bad = tests[0]
        for other in tests[1:]:
            bad = self.true("math.or_", bad, other)
        space, axes = self.x.shape, tuple(range(len(self.x.shape)))
        total = self.v.apart(self.v.new(), "sum", [bad], {}, _COUNT, (), space, "sum", axes, step=self.step)
        return [*self.nodes, total]


def _labels(v: Values, step: Step, x: Operand) -> list[Node] | None:
    return out_of_range(v, step, x, v.shapes[step.inputs[1]][-1])


def _lengths(v: Values, step: Step, x: Operand) -> list[Node] | None:
    limit = step.attrs["limit"]
    return out_of_range(v, step, x, limit + 1) if is_whole(limit) else None


def _whole(v: Values, step: Step, x: Operand) -> list[Node] | None:
    dtype = v.dtypes[x.value]
    if dtype.kind != "f":
        return []
    count = _Count(v, step, x)
    # NaN is not what it is rounded to, and infinity is.
    fraction = count.true("neq", x, count.node("math.floor", x, dtype=dtype))
    return count.of([fraction, count.true("math.is_infinite", x)])


GUARDS: dict[str, Callable[[Values, Step, Operand], list[Node] | None]] = {
    "checked_labels": _labels,
    "checked_lengths": _lengths,
    "checked_whole": _whole,
}
"""Ops that pass their first operand on once it is found good, and what counts the bad elements."""
