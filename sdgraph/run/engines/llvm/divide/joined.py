"""Steps that only put arrays into a larger one: each is written where it belongs, by the loop that makes it.

An op says where its operands go by views of an array of its result's shape. Each operand is a node that writes a part
of the result, and so is each block of what is left around one. Where blocks are too narrow for loops, they reach into
it, and it is written over them. Must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide import views
from sdgraph.run.engines.llvm.divide.cuts import WIDE, size_of
from sdgraph.run.engines.llvm.divide.region import Operand, countable, readable
from sdgraph.run.engines.llvm.divide.strided import Window, in_order
from sdgraph.run.engines.llvm.divide.values import Values
from sdgraph.run.engines.llvm.scalars.scalar_ops import compute_dtypes, is_native

_NOT_HERE = "no compiled form"
_ApartFrom = tuple[tuple[int, int], ...]
"""By axis from where to before where a block reaches."""


class Part(NamedTuple):
    """What is written to a part of the result."""

    x: Operand
    shape: tuple[int, ...]
    target: Window
    over: bool = False
    """Whether something else was written there before."""

    def is_followed(self) -> bool:
        """Whether loops can read and write it."""
        return readable([self.x, Operand(self.target.memory, self.shape, self.target)], self.shape)


def parts(v: Values, step: Step) -> str | None:
    """One node for each part of the result, or why numpy does it."""
    dtype = step.aval.dtype
    if not is_native(dtype) or not countable(step.aval.shape) or size_of(step.aval.shape) == 0:
        return _NOT_HERE
    try:
        found = _found(v, step)
    except Exception:  # Sizes that no computer has: whoever runs the step tells.
        return _NOT_HERE
    if not found:
        return _NOT_HERE
    stage = max(v.stage[part.x.memory].segment_after() for part in found)
    known = [v.stage[part.x.memory] != stage for part in found if part.x.value not in v.constants]
    if 2 * sum(known) > len(known):
        return "most of its operands are there before"
    for part in found:
        if not part.is_followed() or compute_dtypes("cast", [v.dtypes[part.x.value]], dtype) is None:
            return "its parts are too small"
    for part in found:
        node = v.apart(v.new(), "cast", [part.x], {}, dtype, part.shape, part.shape, step=step)
        v.stage[node.id] = stage
        v.nodes.setdefault(stage, []).append(node._replace(target=part.target, over=part.over))
    v.add(step.out, step.aval.shape, dtype, stage)
    return None


def _found(v: Values, step: Step) -> list[Part] | None:
    """The parts of the result; None where loops cannot write them."""
    shape, places = step.aval.shape, step.op.places
    assert places is not None
    operands = [views.of_shape(v.shapes[j]) for j in step.inputs]
    memory = views.memory_of(shape)
    where, rest = places(memory.reshape(shape), *operands, **step.attrs)
    found = []
    for j, place in zip(step.inputs, where, strict=True):
        if place is None or place.size == 0:
            continue
        view = views.view(step.out, memory, place)
        if view is None or place.shape != v.shapes[j] or not is_native(v.dtypes[j]):
            return None
        found.append(Part(v.operand(j), place.shape, view.window))
    if rest is None or not found:
        return found
    only = found[0]
    block = _block(only, shape)
    if block is None or len(found) > 1:
        return None
    number = v.number(rest, step.aval.dtype)
    around = [Part(number, *_at(step.out, part, shape)) for part in _around(block, shape)]
    if all(part.is_followed() for part in around):
        return [only, *around]
    around = [
        Part(number, *_at(step.out, (*rows, _wider(last, shape[-1])), shape)) for *rows, last in _around(block, shape)
    ]
    if not all(part.is_followed() for part in around):
        around = [Part(number, shape, Window(step.out, 0, in_order(shape)))]
    return [*around, only._replace(over=True)]


def _block(part: Part, shape: tuple[int, ...]) -> _ApartFrom | None:
    """The block of an array of this shape that a part covers; None if it leaves something out there."""
    steps = [(d - 1) * s for d, s in zip(part.shape, part.target.strides, strict=True)]
    ends = [part.target.offset + sum(f(0, s) for s in steps) for f in (min, max)]
    first, last = (np.unravel_index(end, shape) for end in ends)
    block = tuple((int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    return block if size_of(tuple(b - a for a, b in block)) == size_of(part.shape) else None


def _around(block: _ApartFrom, shape: tuple[int, ...]) -> Iterator[_ApartFrom]:
    """What is left of an array around a block, as blocks."""
    for k, (first, last) in enumerate(block):
        for between in ((0, first), (last, shape[k])):
            if between[0] < between[1]:
                yield (*block[:k], between, *((0, d) for d in shape[k + 1 :]))


def _wider(part: tuple[int, int], size: int) -> tuple[int, int]:
    """A part of the last axis, with neighbours so that loops can follow it if there are enough."""
    first = max(0, min(part[0], size - WIDE))
    return first, max(part[1], min(first + WIDE, size))


def _at(memory: int, block: _ApartFrom, shape: tuple[int, ...]) -> tuple[tuple[int, ...], Window]:
    """The shape of a block, and where it lies."""
    strides = in_order(shape)
    offset = sum(a * s for (a, _), s in zip(block, strides, strict=True))
    sizes = tuple(b - a for a, b in block)
    return sizes, Window(memory, offset, tuple(0 if d == 1 else s for d, s in zip(sizes, strides, strict=True)))
