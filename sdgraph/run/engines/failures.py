"""Errors of kernels as users see them: with the op, its operands, the line that made it. Must not know any engine."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from sdgraph.errors import ExecutionError, SDGraphError
from sdgraph.infer.aval import shape_str
from sdgraph.plan.plan import Step

_LOOKED_AT = 1 << 28
"""Elements of an operand that a message has statistics of, at most: repeated ones may be more than memory holds."""


def reraise(error: Exception, step: Step, slots: list[Any]) -> NoReturn:
    """Raise what a kernel raised again: an error of ours with its place added, whatever else as an ExecutionError."""
    found = error if isinstance(error, SDGraphError) else ExecutionError(f"{type(error).__name__}: {error}")
    locate(found, step, slots)
    try:
        raise found from (found.__cause__ if found is error else error)
    finally:
        del found, error  # They refer to this frame: without that, arrays of the run would outlive them.


def locate(error: SDGraphError, step: Step, slots: list[Any]) -> None:
    """Add the op, its operands and the user's line to an error of a step."""
    error.in_call(_op_label(step), _operand_lines(step, slots))
    if step.source is not None and error.node is None:
        error.node, error.node_origin = step.source.name, step.source.origin


def described(value: Any) -> str:
    """Statistics of an operand: what a reader needs to see where a bad value comes from."""
    if value is None:
        return "not given"
    a = np.asarray(value)
    text = f"{a.dtype.name} {shape_str(a.shape)}"
    if a.dtype.kind not in "fc" or not 0 < a.size <= _LOOKED_AT:
        return text
    good = a[np.isfinite(a)]
    spread = f", finite values from {good.min():.6g} to {good.max():.6g}" if good.size and a.dtype.kind == "f" else ""
    return f"{text}{spread}, {np.isnan(a).sum()} NaN, {np.isinf(a).sum()} infinite"


def _operand_lines(step: Step, slots: list[Any]) -> str:
    names = step.op.operand_names if not step.op.variadic else ()
    lines = []
    for k, j in enumerate(step.inputs):
        label = names[k] if k < len(names) else f"operand {k}"
        lines.append(f"{label}: {described(slots[j] if j >= 0 else None)}")
    return "\n".join(lines)


def _op_label(step: Step) -> str:
    """The op the user called, and the primitive inside it that this step is."""
    if step.source is None or step.source.op is step.op:
        return f"sd.{step.op.qualname}"
    return f"sd.{step.source.op.qualname}, in its {step.op.qualname}"
