"""Views: steps that make nothing, and where in memory what they give lies.

An op says that it is one. What it makes of an array that nobody wrote then tells offset and strides, so its kernel is
the only place that knows them. Must not know LLVM.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide.cuts import size_of
from sdgraph.run.engines.llvm.divide.region import View
from sdgraph.run.engines.llvm.divide.strided import Window, in_order
from sdgraph.run.engines.llvm.divide.values import Values

_Array = np.ndarray[Any, Any]
_BYTE = np.dtype("int8")
"""Elements of one byte, so that strides count elements."""


def seen(v: Values, step: Step) -> list[View] | None:
    """What a step gives if all that it gives is its first operand's memory seen in another way."""
    if not step.op.is_strided:
        return None
    x = v.operand(step.inputs[0])
    if step.op.passes_on == 0 and x.window is None and size_of(x.shape) == size_of(step.aval.shape):
        return [View(step.aval.shape, Window(x.value, 0, ()), True)]  # The same numbers in another shape: most are.
    several = step.aval if type(step.aval) is tuple else (step.aval,)
    if size_of(v.shapes[x.memory]) == 0:
        return [View(a.shape, Window(x.memory, 0, in_order(a.shape)), True) for a in several]
    if not all(size_of(a.shape) for a in several):
        return None
    try:
        memory = memory_of(v.shapes[x.memory])
        arrays = [_array(v, step.inputs[0], memory), *(of_shape(v.shapes[j]) for j in step.inputs[1:])]
        made = step.op.bind_kernel(np, "numpy", step.attrs)(*arrays)
    except Exception:  # Sizes that no computer has, too many axes for numpy: whoever runs the step tells.
        return None
    views = [view(x.memory, memory, a) for a in (made if type(step.aval) is tuple else (made,))]
    if any(one is None or (not one.is_whole and x.memory in v.loose) for one in views):
        return None
    return [one for one in views if one is not None]


def _array(v: Values, slot: int, memory: _Array) -> _Array:
    """An array that lies in some memory as the value of a slot lies in its own."""
    x, shape = v.operand(slot), v.shapes[slot]
    offset, strides = (0, in_order(x.shape)) if x.window is None else (x.window.offset, x.window.strides)
    strides = (0,) * (len(shape) - len(x.shape)) + strides
    return np.ndarray(shape, _BYTE, memory, offset, strides)


def memory_of(shape: tuple[int, ...]) -> _Array:
    """Memory for an array of this shape, which nobody writes."""
    return np.empty(size_of(shape), _BYTE)


def of_shape(shape: tuple[int, ...]) -> _Array:
    """An array of which only the shape is real."""
    return np.ndarray(shape, _BYTE, np.empty(1, _BYTE), 0, (0,) * len(shape))


def view(value: int, memory: _Array, a: Any) -> View | None:
    """How an array lies in some memory; None where it has its own."""
    offset = _address(a) - _address(memory) if type(a) is np.ndarray else -1
    if not 0 <= offset < memory.size:
        return None
    strides = tuple([0 if d == 1 else s for d, s in zip(a.shape, a.strides, strict=True)])
    shape = tuple([d if s else 1 for d, s in zip(a.shape, strides, strict=True)])
    return View(shape, Window(value, offset, strides), size_of(shape) == memory.size and strides == in_order(shape))


def _address(a: _Array) -> int:
    return a.__array_interface__["data"][0]
