"""Gradients of picked logarithms of softmax: rows that are 0 but for one entry, and what is made of them.

The gradient of ``log p[k]`` with factor c is ``c (1 - p)`` at k and ``-c p`` elsewhere. The rule for any gradient g of
the logarithms, ``-g (p - 1) - p (sum(g) - g)``, comes to that when g is c at k and 0 elsewhere. Must not know LLVM.
"""

from __future__ import annotations

import math

from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide.region import Operand
from sdgraph.run.engines.llvm.divide.values import Values


def take_note(v: Values, step: Step) -> None:
    """Remember a step of the rule: what it makes, of which spike, and of which probabilities."""
    name, inputs = step.op.key, step.inputs
    if name == "math.mul":
        for spike, factor in (inputs, inputs[::-1]):
            if spike in v.spikes and v.less_one.get(factor) is not None:
                v.spiked[step.out] = "g (p - 1)", spike, factor
            others = v.spiked.get(spike)
            if others is not None and others[0] == "sum(g) - g" and factor in v.probabilities:
                v.spiked[step.out] = "p (sum(g) - g)", others[1], factor
    elif name == "math.neg":
        what, spike, factor = v.spiked.get(inputs[0], ("", 0, 0))
        if what == "g (p - 1)":
            v.spiked[step.out] = "-g (p - 1)", spike, factor
    elif name == "math.sub" and inputs[1] in v.spikes and v.spike_sums.get(inputs[0]) == inputs[1]:
        v.spiked[step.out] = "sum(g) - g", inputs[1], 0


def gradient(v: Values, step: Step) -> bool:
    """Take the last step of the rule."""
    if step.op.key != "math.sub":
        return False
    (first, spike, less), (last, other, p) = (v.spiked.get(j, ("", 0, 0)) for j in step.inputs)
    if (first, last) != ("-g (p - 1)", "p (sum(g) - g)") or spike != other or v.less_one[less] != v.probabilities[p]:
        return False
    here, factor = v.spikes[spike]
    shape, dtype = step.aval.shape, step.aval.dtype
    if {v.shapes[j] for j in (spike, less, p)} != {shape} or v.stage[spike] != v.stage[p]:
        return False

    def node(op: str, *operands: Operand, of: tuple[int, ...] = shape, out: int = -1) -> Operand:
        return v.node(v.new() if out < 0 else out, op, operands, {}, dtype, of, of, step=step)

    chosen = node("where", here, v.operand(less), v.operand(p))
    number = v.constants.get(factor.value, math.nan)
    if math.isfinite(number):
        minus = v.number(-number, dtype)
    else:
        of = factor.shape
        all_of_it = node("math.neg", factor, of=of)
        # An infinite factor leaves nothing of itself in ``sum(g) - g`` but NaN.
        at_entry = node("math.add", all_of_it, node("math.sub", all_of_it, all_of_it, of=of), of=of)
        minus = node("where", here, at_entry, all_of_it)
    node("math.mul", chosen, minus, out=step.out)
    return True
