"""Sums over rows that are there already: of the same values, or of values times a number. Must not know LLVM."""

from __future__ import annotations

import math

from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide.region import Operand
from sdgraph.run.engines.llvm.divide.values import Values


def of_rows(v: Values, step: Step, x: Operand, space: tuple[int, ...], axis: int) -> Operand:
    """The sum over one axis, which is kept with size 1; others may use it again."""
    kept = (*space[:axis], 1, *space[axis + 1 :])
    key = x.value, space, (axis,)
    found = v.row_sums.get(key)
    if found is None or x.shape != space:
        dtype = v.dtypes[x.value]
        found = v.node(v.new(), "sum", [x], {}, dtype, kept, space, "sum", (axis,), step=step, per_row=True)
        v.row_sums[key] = found
    return found


def take_note(v: Values, step: Step) -> None:
    """Remember which values are another one times a finite number."""
    name, inputs = step.op.key, step.inputs
    if name not in ("math.neg", "math.mul", "math.multiply_no_nan"):
        return
    x = v.operand(inputs[-1])
    if x.shape != step.aval.shape or v.dtypes[x.value] != step.aval.dtype or step.aval.dtype.kind != "f":
        return
    if name == "math.neg":
        of, number, minus = v.multiples.get(x.value, (x, v.number(1.0, step.aval.dtype), False))
        v.multiples[step.out] = of, number, not minus
        return
    number = v.operand(inputs[0])
    value = v.constants.get(number.value)
    if value is not None and math.isfinite(value) and v.dtypes[number.value] == step.aval.dtype:
        v.multiples[step.out] = x, number, False


def again(v: Values, step: Step, x: Operand, space: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Take a sum from one that is there."""
    of, number, minus = v.multiples.get(x.value, (x, None, False))
    found = v.row_sums.get((of.value, space, axes))
    dtype = step.aval.dtype
    if found is None or x.shape != space or v.dtypes[found.value] != dtype:
        return False
    kept = tuple(1 if k in axes else d for k, d in enumerate(space))
    if number is not None:
        found = v.node(v.new(), "math.mul", [found, number], {}, dtype, kept, kept, step=step)
    if of.value in v.spikes and number is None:
        v.spike_sums[step.out] = of.value
    v.node(step.out, "math.neg" if minus else "cast", [found], {}, dtype, step.aval.shape, kept, step=step)
    return True
