"""What a step of a plan does at least that runs as a numpy kernel. Must not know engines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sdgraph.infer.aval import Aval
from sdgraph.plan.plan import NO_SLOT, Plan, Step
from sdgraph.run.engines.limits import Touch, Work

_PICKS = frozenset(("gather", "gather_nd", "take_along_axis"))
"""Ops that read no more of their first operand than they return."""
_PLACES = {"cnn.conv": (-1, 1), "cnn.conv_input": (0, 1), "cnn.conv_kernel": (1, -1)}
"""Which operand of a convolution or its gradients is the places of windows, and which the filters; -1: the result."""


def work_of(step: Step, avals: Mapping[int, Any], memory: Mapping[int, int]) -> Work:
    """The arrays that a step reads and writes, and the numbers that a product of matrices multiplies.

    Args:
        step: The step.
        avals: What is in the slots.
        memory: Slots that are other memory than their own: that of what they are views of.
    """
    if step.op.is_view and step.out in memory:
        return Work()
    made = _bytes(step.aval)
    touches = []
    for k, j in enumerate(dict.fromkeys(j for j in step.inputs if j >= 0)):
        size = _bytes(avals[j])
        touches.append(Touch(memory.get(j, j), min(size, made) if k == 0 and step.op.key in _PICKS else size, 0))
    touches.append(Touch(memory.get(step.out, step.out), 0, made))
    multiplied = _multiplied(step, avals)
    item = step.aval.dtype.itemsize if multiplied else 4
    # BLAS has threads of its own, and knows when they are worth waking.
    return Work(tuple(touches), multiplied=multiplied, item=item, is_shared=multiplied > 0, loops=0)


def avals_of(plan: Plan) -> dict[int, Any]:
    """What every slot of a plan holds."""
    found: dict[int, Any] = dict(plan.leaf_avals)
    found.update((slot, Aval(value.shape, value.dtype)) for slot, value in plan.constants)
    found.update((step.out, step.aval) for step in plan.steps)
    if plan.step_slot != NO_SLOT:
        found[plan.step_slot] = Aval((), np.dtype("int64"))
    return found


def memory_of(plan: Plan) -> dict[int, int]:
    """Slots whose arrays are the memory of another one: views, and what is written in place of an operand.

    What numpy must put in order first is none: a reshaped array whose axes were exchanged.
    """
    found: dict[int, int] = {}
    exchanged: set[int] = set()
    for step in plan.steps:
        of = step.inputs[0] if step.op.is_view and step.inputs else step.reuse
        if of in exchanged and step.op.key == "reshape":
            continue
        if of >= 0:
            found[step.out] = found.get(of, of)
        if step.op.key == "permute" or (step.op.is_view and of in exchanged):
            exchanged.add(step.out)
    return found


def _bytes(aval: Any) -> int:
    if type(aval) is tuple:
        return sum(map(_bytes, aval))
    shape = getattr(aval, "shape", None)
    return 0 if shape is None else math.prod(shape) * aval.dtype.itemsize


def _multiplied(step: Step, avals: Mapping[int, Any]) -> float:
    """Multiplications of a product of matrices, or 0."""
    if step.op.key == "linalg.matmul":
        return float(math.prod(step.aval.shape) * avals[step.inputs[0]].shape[-1])
    if step.op.key == "tensordot":
        first = avals[step.inputs[0]].shape
        return float(math.prod(step.aval.shape) * math.prod(first[k] for k in step.attrs["axes_x"]))
    if step.op.key in _PLACES:
        # Each place of the windows is multiplied with all that a filter has.
        places, kernel = (_of_conv(step, avals, k) for k in _PLACES[step.op.key])
        return float(math.prod(places) * math.prod(kernel[:-1]))
    return 0.0


def _of_conv(step: Step, avals: Mapping[int, Any], k: int) -> tuple[int, ...]:
    """The shape of one of the three arrays of a convolution: an operand, or the result."""
    return step.aval.shape if k < 0 else avals[step.inputs[k]].shape
