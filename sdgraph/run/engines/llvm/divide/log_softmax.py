"""What is made of a logarithm of softmax: exponentials, sums with weights, single entries.

A logarithm is an element's distance from the largest of its row, less one number for the row. So a weighted sum of
logarithms is a sum over distances, which the pass that adds up the exponentials has at hand, and a product of two
numbers for each row. Must not know LLVM.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide import sums
from sdgraph.run.engines.llvm.divide.region import Operand, readable
from sdgraph.run.engines.llvm.divide.values import Logs, Values

_PRODUCTS = ("math.mul", "math.multiply_no_nan")


def exponentials(v: Values, step: Step) -> bool:
    """Take ``exp`` or ``expm1`` of a logarithm of softmax, whose exponentials are there already.

    ``p - 1`` is ``-rest / total`` where a power is 1. Elsewhere p is at most a half, so that nothing cancels.
    """
    logs = v.logs.get(step.inputs[0])
    if logs is None or logs.weight is not None or logs.negative:
        return False
    found = logs.softmax
    dtype, shape = step.aval.dtype, step.aval.shape

    def node(op: str, *operands: Operand, last: bool = False, dt: Any = dtype) -> Operand:
        row = all(x.shape != shape for x in operands)
        of = operands[0].shape if row else shape
        return v.node(step.out if last else v.new(), op, operands, {}, dt, of, of, step=step)

    is_exp = step.op.key == "math.exp"
    (v.probabilities if is_exp else v.less_one)[step.out] = found
    p = node("math.div", found.powers, found.total, last=is_exp)
    if not is_exp:
        one = v.number(1.0, dtype)
        surest = node("math.div", node("math.neg", found.rest), found.total)
        sure = node("eq", found.powers, one, dt=np.dtype(bool))
        node("where", sure, surest, node("math.sub", p, one), last=True)
    return True


def plain(v: Values, slot: int) -> Logs | None:
    """The logarithm of softmax in a slot, if it has no weight and the distances are there when it is."""
    logs = v.logs.get(slot)
    if logs is None or logs.weight is not None or v.stage[logs.softmax.shifted.value] != v.stage[slot]:
        return None
    return logs


def entry(v: Values, step: Step, logs: Logs, distance: Operand) -> None:
    """Make of one entry's distance its logarithm."""
    operands = (logs.softmax.log, distance) if logs.negative else (distance, logs.softmax.log)
    v.node(step.out, "math.sub", operands, {}, step.aval.dtype, step.aval.shape, distance.shape, step=step)


def take_note(v: Values, step: Step) -> None:
    """Remember which values are logarithms of softmax with a sign and with weights."""
    name, inputs = step.op.key, step.inputs
    if name == "math.neg" or (name == "math.sub" and v.constants.get(v.operand(inputs[0]).value) == 0):
        logs = v.logs.get(inputs[-1])
        if logs is not None and logs.weight is None and v.shapes[inputs[-1]] == step.aval.shape:
            v.logs[step.out] = logs._replace(negative=not logs.negative)
    elif name in _PRODUCTS:
        # Where a weight is 0 there is no product, but not the other way round.
        for j, other in (inputs, inputs[::-1])[: 1 + (name == "math.mul")]:
            logs, weight = v.logs.get(j), v.operand(other)
            if logs is None or logs.weight is not None or other in v.logs:
                continue
            if weight.shape == v.shapes[j] == step.aval.shape and v.dtypes[weight.value] == step.aval.dtype:
                v.logs[step.out] = logs._replace(weight=weight, product=name)


def weighted_sum(v: Values, step: Step, axes: tuple[int, ...]) -> bool:
    """Take the sum of weighted logarithms over rows, or over everything."""
    logs = v.logs.get(step.inputs[0])
    if logs is None or logs.weight is None:
        return False
    softmax, space = logs.softmax, v.shapes[step.inputs[0]]
    others = [k in axes for k, d in enumerate(space) if d != 1 and k != softmax.axis]
    if softmax.axis not in axes or (any(others) and not all(others)) or step.aval.dtype != v.dtypes[logs.weight.value]:
        return False
    # Distances exist in the region that makes them only.
    there = v.stage[logs.weight.value].segment_after() <= v.stage[softmax.shifted.value]
    if not there or not readable([softmax.shifted, logs.weight], space, (softmax.axis,), per_row=True):
        return False
    _write_sum(v, step, logs, space, whole=any(others))
    return True


def _write_sum(v: Values, step: Step, logs: Logs, space: tuple[int, ...], *, whole: bool) -> None:
    axis, dtype = logs.softmax.axis, step.aval.dtype
    kept = (*space[:axis], 1, *space[axis + 1 :])
    assert logs.weight is not None

    def node(op: str, *operands: Operand, dt: Any = dtype, over: tuple[int, ...] = kept) -> Operand:
        return v.node(v.new(), op, operands, {}, dt, over, over, step=step)

    def total(x: Operand) -> Operand:
        return sums.of_rows(v, step, x, space, axis)

    weights, zero, truth = total(logs.weight), v.number(0.0, dtype), np.dtype(bool)
    of_rows = node(logs.product, logs.softmax.log, weights)
    is_0 = node("eq", logs.softmax.log, zero, dt=truth)
    # What follows is for infinite weights. They meet an element's distance from the largest apart from the row's
    # number here, either of which may be 0, and must make what they make of both together.
    if logs.product == "math.multiply_no_nan":
        distances = total(node(logs.product, logs.softmax.shifted, logs.weight, over=space))
        finite = node("where", is_0, zero, of_rows)
    else:
        distances = total(node("math.multiply_no_nan", logs.weight, logs.softmax.shifted, over=space))
        at_largest = node("math.is_finite", distances, dt=truth)
        lost = node("math.or_", at_largest, node("math.is_nan", weights, dt=truth), dt=truth)
        finite = node("where", is_0, node("where", lost, node("math.mul", weights, zero), zero), of_rows)
    row = node("math.sub", *((finite, distances) if logs.negative else (distances, finite)))
    if logs.product == "math.multiply_no_nan":
        signed = of_rows if logs.negative else node("math.neg", of_rows)
        row = node("where", node("math.is_infinite", of_rows, dt=truth), signed, row)
    if whole:
        every = tuple(range(len(kept)))
        v.node(step.out, "sum", [row], {}, dtype, step.aval.shape, kept, "sum", every, step=step)
    else:
        v.node(step.out, "cast", [row], {}, dtype, step.aval.shape, kept, step=step)
