"""Loops and branches opened for a picture: their bodies, with what enters a step and what leaves it as nodes.

Nobody computes these: a step stands for all of them. Must not know how anything is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from sdgraph.build.bodies import LOOPS, Parts, bodies_of
from sdgraph.build.function import Function
from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, NO_ATTRS, VariableKind
from sdgraph.build.op import LINEAR, Op
from sdgraph.build.signature import Signature
from sdgraph.errors import GradientError

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


def _no_gradient(g: Any, y: Any, *operands: Any, **_: Any) -> NoReturn:
    raise GradientError(
        f"{y.name!r} is drawn with its inside, which has no gradient of its own: that of a loop is another loop.",
        fix="Expand it in view='forward', or look at sd.expand(v).plot().",
    )


def _drawn(name: str) -> Op:
    return Op(name, Signature(None, (), (name,), {}, (), {}, variadic=True), vjp=_no_gradient, reach=LINEAR)


CARRY: Final = _drawn("carry")
"""What a step gets of the one before it."""
ENTRY: Final = _drawn("entry")
"""What a step gets of an array that a loop runs over."""
LAST: Final = _drawn("last")
"""A carry after the last step."""
STACKED: Final = _drawn("stacked")
"""A value of all steps."""
CHOSEN: Final = _drawn("chosen")
"""The result of one of the branches."""


def opened_bodies(sd: OpGraph, work: OpGraph, i: int, inputs: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Append the bodies of node ``i`` to ``work``, in a scope of its name.

    Returns:
        For each of its outputs what it is made of.
    """
    node = sd.nodes[i]
    base = node.name.removesuffix(":all")
    if node.op not in LOOPS:
        moved = [
            _appended(work, f, f"{base}/{k}", dict(zip(f.params, inputs[1:], strict=True)))
            for k, f in enumerate(bodies_of(node.attrs))
        ]
        columns = zip(*([m[o] for o in f.outs] for m, f in zip(moved, bodies_of(node.attrs), strict=True)), strict=True)
        return {k: (inputs[0], *column) for k, column in enumerate(columns)}
    (f,) = bodies_of(node.attrs)
    parts, given = Parts.of(node.attrs, len(inputs)), {}
    for k, p in enumerate(f.params, parts.captured):
        op = None if k < parts.carries else CARRY if k < parts.xs else ENTRY
        inner = f.graph.nodes[p]
        given[p] = inputs[k] if op is None else _append(work, inner, op, (inputs[k],), f"{base}/{inner.name}")
    moved = _appended(work, f, base, given)
    n = node.attrs["n_carry"]
    outs = {k: (moved[f.outs[k]],) for k in range(n)}
    return outs | {n + 1 + k: (j,) for k, j in enumerate(moved) if j >= 0}


def opened_item(work: OpGraph, call: Node, node: Node, inputs: tuple[int, ...]) -> int:
    """Append an output of an opened call, under its own name."""
    leaves = LAST if node.attrs["index"] < call.attrs.get("n_carry", 0) else STACKED
    return _append(work, node, leaves if call.op in LOOPS else CHOSEN, inputs, node.name)


def _appended(work: OpGraph, f: Function, scope: str, given: dict[int, int]) -> list[int]:
    """Append what is in a function; the new place of each of its nodes."""
    moved: list[int] = []
    for k, inner in enumerate(f.graph.nodes):
        if k in given:
            moved.append(given[k])
            continue
        inputs = tuple(moved[j] if j >= 0 else ABSENT for j in inner.inputs)
        moved.append(_append(work, inner, inner.op, inputs, f"{scope}/{inner.name}"))
        if inner.op.kind is not VariableKind.ARRAY and k in f.graph.values:
            work.values[moved[k]] = f.graph.values[k]
            if not inner.aval.shape:
                work.marks.literals[f"{scope}#{k}", inner.aval.dtype, f.graph.values[k].tobytes()] = moved[k]
    return moved


def _append(work: OpGraph, like: Node, op: Op, inputs: tuple[int, ...], name: str) -> int:
    while name in work.names.ids:
        name = work.names.free(name)
    attrs = like.attrs if op is like.op else NO_ATTRS
    i = work.append(op, inputs, attrs, like.aval, name)
    work.nodes[i].origin = like.origin
    return i
