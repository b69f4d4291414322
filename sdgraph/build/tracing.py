"""Tracing: the body of a composite, written once into a scratch graph for operands of given shapes and dtypes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sdgraph.build.attributes import attr_key
from sdgraph.build.kinds import AnyGraph
from sdgraph.build.op import STREAM, Op
from sdgraph.build.reach import reachable
from sdgraph.infer.aval import Aval

_MOST_BODIES: Final = 4096


class Body(NamedTuple):
    """A traced composite: its scratch graph, the ids of its operands (ABSENT ones are -1) and of its outputs."""

    graph: AnyGraph
    params: tuple[int, ...]
    outs: tuple[int, ...]
    aval: Any
    need: bytearray
    is_random: bool


def trace(op: Op, sd: AnyGraph, avals: tuple[Any, ...], attrs: Mapping[str, Any]) -> Body:
    """The body of a composite for operands of these avals; traced once per signature."""
    assert op.body is not None
    key = (avals, attr_key({k: v for k, v in attrs.items() if k != STREAM}), sd.dtype)
    found = op.bodies.get(key)
    if found is not None:
        return found
    scratch = sd.scratch()
    names = op.signature.names_of(len(avals))
    operands = [
        None if aval is None else scratch.placeholder(name, aval.shape, aval.dtype)
        for name, aval in zip(names, avals, strict=True)
    ]
    receiver = op.owner(scratch) if op.owner is not None else scratch
    keywords = {k: v for k, v in attrs.items() if k != STREAM}
    if op.variadic:
        leading = [keywords.pop(k) for k in op.signature.leading]
        result = op.body(receiver, *leading, *operands, **keywords)
    elif op.signature.operands_first:
        result = op.body(receiver, *operands, **keywords)
    else:
        result = op.body(receiver, **dict(zip(names, operands, strict=True)), **keywords)
    several = isinstance(result, tuple)
    outs = tuple(scratch.as_variable(r).id for r in (result if several else (result,)))
    aval = tuple(scratch.nodes[o].aval for o in outs) if several else scratch.nodes[outs[0]].aval
    params = tuple(-1 if v is None else v.id for v in operands)
    if len(op.bodies) >= _MOST_BODIES:
        op.bodies.clear()
    need = reachable(scratch.nodes, list(outs))
    is_random = any(n and STREAM in node.attrs for n, node in zip(need, scratch.nodes, strict=False))
    body = Body(scratch, params, outs, aval, need, is_random)
    op.bodies[key] = body
    return body


def output_aval(op: Op, sd: AnyGraph, avals: tuple[Any, ...], attrs: Mapping[str, Any]) -> Any:
    """The aval of the output (a tuple of them for several) for operands of these avals."""
    if op.infer is not None:
        aval = op.infer(*avals, **{k: v for k, v in attrs.items() if k != STREAM} if STREAM in attrs else attrs)
        return Aval(aval.shape, sd.dtype) if type(aval) is Aval and aval.dtype is None else aval
    return trace(op, sd, avals, attrs).aval
