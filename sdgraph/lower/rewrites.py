"""Rewrites applied while lowering. Each is exact: the value keeps every bit, NaN, infinity and sign of zero.

A rule gets the lowering, the operand ids, the attributes and the output's aval, and returns the id of a node that has
the value, or None. Rules see concrete shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sdgraph.build.op import REGISTRY, Op
from sdgraph.infer.aval import Aval, broadcast_shapes
from sdgraph.infer.shapes import permutation

if TYPE_CHECKING:
    from sdgraph.lower.nodes import Emitter

Rule: TypeAlias = "Callable[[Emitter, tuple[int, ...], Mapping[str, Any], Any], int | None]"


def _first(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    return inputs[0]


def _unchanged(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """The operand, if the op changes neither shape nor dtype."""
    return inputs[0] if low.nodes[inputs[0]].aval == aval else None


def _broadcast_to(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """None for the shape it has; else with every size, of which a user may leave out those that stay."""
    if attrs["shape"] == aval.shape:
        return _unchanged(low, inputs, attrs, aval)
    return broadcast(low, inputs[0], aval.shape)


def _reshape(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """One reshape for a chain of them, none if the shape is the operand's."""
    source = low.nodes[inputs[0]]
    if source.aval == aval:
        return inputs[0]
    if source.op.key == "reshape":
        return low.emit(source.op, source.inputs, {"shape": aval.shape}, aval)
    return None


def _permute(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """One permutation for a chain of them, none for the identity: gradients turn what is turned already."""
    axes = permutation(attrs["axes"], len(aval.shape))
    source = low.nodes[inputs[0]]
    if source.op.key == "permute":
        inner = permutation(source.attrs["axes"], len(axes))
        both = tuple(inner[k] for k in axes)
        return low.emit(source.op, source.inputs, {"axes": both}, aval)
    return inputs[0] if axes == tuple(range(len(axes))) else None


def _same_value(low: Emitter, i: int, value: float) -> bool:
    known = low.nodes[i].value
    return known is not None and known.ndim == 0 and bool(known == value)


def _mul(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """``x * 1`` is x."""
    a, b = inputs
    if _same_value(low, b, 1.0) and low.nodes[a].aval == aval:
        return a
    if _same_value(low, a, 1.0) and low.nodes[b].aval == aval:
        return b
    return None


def _div(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """``x / 1`` is x."""
    return inputs[0] if _same_value(low, inputs[1], 1.0) and low.nodes[inputs[0]].aval == aval else None


def _neg(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """``-(-x)`` is x."""
    source = low.nodes[inputs[0]]
    return source.inputs[0] if source.op.key == "math.neg" else None


def _multiply_no_nan(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """With a constant weight that is nowhere zero it is an ordinary product."""
    weight = low.nodes[inputs[1]].value
    if weight is not None and np.all(weight != 0):
        return low.emit(REGISTRY["math.mul"], inputs, {}, aval)
    return None


def _filled(value: float) -> Rule:
    def rule(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
        """A scalar, broadcast: what uses it elementwise never sees a full array."""
        scalar = low.constant(np.array(value, aval.dtype))
        return broadcast(low, scalar, aval.shape)

    return rule


def _full(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """As zeros and ones."""
    return _filled(attrs["value"])(low, inputs, attrs, aval)


def broadcast(low: Emitter, i: int, shape: tuple[Any, ...]) -> int:
    """Node ``i`` broadcast to ``shape``."""
    aval = low.nodes[i].aval
    if aval.shape == shape:
        return i
    return low.emit(REGISTRY["broadcast_to"], (i,), {"shape": shape}, Aval(shape, aval.dtype))


def _abs(low: Emitter, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """``|-x|`` is ``|x|``: a loss that uses x and -x computes what it derives from the size once."""
    source = low.nodes[inputs[0]]
    return low.emit(REGISTRY["math.abs"], source.inputs, attrs, aval) if source.op.key == "math.neg" else None


_RESHAPES = ("expand_dims", "reshape")


def _unbroadcast(low: Emitter, i: int) -> int:
    """The node that ``i`` broadcasts, or ``i`` itself; a constant of one element counts as a broadcast scalar."""
    if i < 0:
        return i
    node = low.nodes[i]
    if node.op.key == "broadcast_to":
        return node.inputs[0]
    if node.op.key in _RESHAPES and not low.nodes[node.inputs[0]].aval.shape:
        return node.inputs[0]
    if node.value is not None and node.aval.shape and node.value.size == 1:
        return low.constant(node.value.reshape(()))
    return i


def strip_broadcasts(low: Emitter, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int | None:
    """Compute an elementwise op before its operands are broadcast, and broadcast the result."""
    nodes = low.nodes
    small = tuple([_unbroadcast(low, j) for j in inputs])
    if small == inputs:
        return None
    shape = broadcast_shapes(*(nodes[j].aval.shape for j in small if j >= 0))
    return broadcast(low, low.emit(op, small, attrs, Aval(shape, aval.dtype)), aval.shape)


RULES: dict[str, Rule] = {
    "identity": _first,
    "stop_gradient": _first,
    "mask_gradient": _first,
    "cast": _unchanged,
    "broadcast_to": _broadcast_to,
    "squeeze": _unchanged,
    "expand_dims": _unchanged,
    "reshape": _reshape,
    "permute": _permute,
    "math.mul": _mul,
    "math.div": _div,
    "math.neg": _neg,
    "math.abs": _abs,
    "math.multiply_no_nan": _multiply_no_nan,
    "zeros_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "full_like": _full,
}
"""Rewrite per op, by `sdgraph.build.op.Op.key`."""
