"""Ops that run along an axis, as nodes of regions whose columns are that axis. Must not know LLVM."""

from __future__ import annotations

from sdgraph.infer.aval import normalize_axis
from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide.cuts import kept, size_of
from sdgraph.run.engines.llvm.divide.region import Operand, readable
from sdgraph.run.engines.llvm.divide.values import Values
from sdgraph.run.engines.llvm.scalars.scans import is_backward

_LONGEST_ALONE = 8192
"""Elements up to which an array may be one row. Nothing shares a row, and all beside the scan would wait for it."""


def scan(v: Values, step: Step) -> str | None:
    """One node that runs along rows, or a copy where a row has one element."""
    name, attrs, dtype = step.op.key, step.attrs, step.aval.dtype
    operands = [v.operand(j) for j in step.inputs]
    shape = space = step.aval.shape
    if any(x.window for x in operands) and (attrs["axis"] is None or not readable(operands, space)):
        return "a part of a larger array"
    if attrs["axis"] is None:
        # The array as one row, which is not repeated in memory.
        operands = [Operand(x.value, shape) for x in operands if size_of(x.shape) == size_of(shape)]
        axes: tuple[int, ...] = (0,)
    else:
        axes = normalize_axis(attrs["axis"], len(shape))
    if size_of(shape) == 0:
        return "empty"
    if len(operands) < len(step.inputs):
        return "a smaller array, repeated"
    mixed = len(operands) > 1 and any(v.dtypes[x.value] != dtype for x in operands)
    if mixed or dtype.kind not in ("fiub" if name == "shifted" else "fiu"):
        return "dtype"
    exclusive = attrs.get("exclusive", name == "shifted")
    if all(kept(space, axes)):
        if exclusive:
            return "one element at a time"
        v.node(step.out, "cast", operands[-1:], {}, dtype, shape, space, step=step)
        return None
    if not readable(operands, space, axes, along=True):
        return "no rows along its axis"
    if not any(kept(space, axes)) and size_of(space) > _LONGEST_ALONE:
        return "one long row"
    plain = {"exclusive": exclusive, "backward": is_backward(name, attrs)}
    v.node(step.out, name, operands, plain, dtype, shape, space, None, axes, step=step)
    return None
