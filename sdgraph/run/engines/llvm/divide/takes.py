"""Reading by index inside regions: rows of an embedding, entries along an axis. Must not know LLVM.

What is read is a table that is there as a whole before the region begins. Indices are looked at where they are used:
a bad one reads something else, and the count of these tells afterwards.
"""

from __future__ import annotations

import numpy as np

from sdgraph.infer.aval import normalize_axis
from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide.checks import out_of_range
from sdgraph.run.engines.llvm.divide.cuts import divisible, size_of
from sdgraph.run.engines.llvm.divide.region import TAKEN, Operand
from sdgraph.run.engines.llvm.divide.values import Check, Values

_NUMBER = np.dtype("int64")
_SHORT = range(6, 40)
"""Elements behind an index that numpy copies in less time: here a row costs more than its elements."""
_MANY = 1 << 14
"""Elements from which that time counts more than a call of numpy."""


def take(v: Values, step: Step) -> str | None:
    """Elements of a table, whose index stands in place of one axis or is one for each of them."""
    table, index = (v.operand(j) for j in step.inputs)
    whole, space = v.shapes[step.inputs[0]], step.aval.shape
    axis = normalize_axis(step.attrs["axis"], len(whole))[0]
    ahead, size, behind = whole[:axis], whole[axis], whole[axis + 1 :]
    if size_of(whole) == 0 or size_of(space) == 0:
        return "empty"
    if table.window or index.window:
        return "a part of a larger array"
    if size_of(table.shape) != size_of(whole) or table.value in v.constants:
        return "a table of equal elements"
    one_each = step.op.key == "take_along_axis"
    seen = index.shape if one_each else (*index.shape, *(1 for _ in behind))
    counts = (*ahead, *(1 for _ in space[axis:])), behind
    if not divisible((seen, *counts), space):
        return "places that follow no simple rule"
    if not one_each and size_of(behind) in _SHORT and size_of(space) >= _MANY:
        return "short pieces of memory"
    if not look_at(v, step, index, size):
        return "dtype"
    operands = [Operand(table.value, ()), Operand(index.value, seen), v.number(size, _NUMBER)]
    operands.append(v.number(size_of(behind), _NUMBER))
    v.node(step.out, TAKEN, operands, {}, v.dtypes[table.value], space, space, step=step, counts=counts)
    return None


def look_at(v: Values, step: Step, index: Operand, size: int) -> bool:
    """Let the region that has the step look whether indices lie between 0 and a size; not where one does already."""
    if size in v.classes.get(index.value, ()) or (index.value, size) in v.in_range:
        return True
    nodes = out_of_range(v, step, index, size)
    if nodes is None:
        return False
    if nodes:
        v.in_range.add((index.value, size))
        v.checks.append(Check(step, tuple(nodes), step.out))
    return True
