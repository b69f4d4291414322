"""The check that an unknown size never broadcasts.

Gradients are built while sizes are unknown, and an unknown size counts as equal to what it meets. So one that turns out
to be 1 must not meet another size: the gradient would lack a sum. Every shape rule broadcasts by one function, which
tells here; so the check holds for each op that there is or will be. Must not know any particular op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sdgraph.errors import SDGraphError, ShapeError
from sdgraph.infer.aval import Aval, TurnedOne, UnknownBroadcastError, shape_str

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.build.op import Op
    from sdgraph.lower.nodes import LoweredNode


def broadcast_of_unknown(
    op: Op, attrs: Mapping[str, Any], symbolic: Sequence[Any], concrete: Sequence[Any]
) -> UnknownBroadcastError | None:
    """What an op's shape rule says of the unknown sizes that turned out to be 1: the first that it would broadcast."""
    marked = _marked(symbolic, concrete)
    if marked is None:
        return None
    assert op.infer is not None
    try:
        op.infer(*marked, **attrs)
    except UnknownBroadcastError as e:
        return e
    except SDGraphError:
        return None  # The rule has accepted the sizes themselves; what it misses in names is no broadcast.
    return None


def _marked(symbolic: Sequence[Any], concrete: Sequence[Any]) -> list[Any] | None:
    """The concrete avals with unknown sizes that turned out to be 1 marked; None if there are none."""
    marked = list(concrete)
    found = False
    for k, (was, now) in enumerate(zip(symbolic, concrete, strict=True)):
        ones = turned_one(was, now)
        if ones:
            shape = [TurnedOne.of(was.shape[axis], k, axis) if axis in ones else d for axis, d in enumerate(now.shape)]
            marked[k] = Aval(tuple(shape), now.dtype)
            found = True
    return marked if found else None


def turned_one(was: Any, now: Any) -> list[int]:
    """The axes of an operand whose size was unknown and turned out to be 1."""
    if type(was) is not Aval or was.shape == now.shape:
        return []
    sizes = zip(was.shape, now.shape, strict=True)
    return [axis for axis, (d, n) in enumerate(sizes) if n == 1 and type(d) is not int]


def unknown_broadcast(
    found: UnknownBroadcastError,
    nodes: Sequence[LoweredNode],
    culprit: int,
    source: Node,
    operands: Sequence[tuple[Node, Any] | None],
) -> ShapeError:
    """The error for a size that must not broadcast, in terms of the call that the user wrote.

    Args:
        found: The size, and what it met.
        nodes: All lowered nodes.
        culprit: The lowered node whose size it is; it may lie inside the body of the user's op.
        source: The user's node.
        operands: For each operand of that node its own node and the id it was lowered to; None for an absent one.
    """
    op = source.op
    names = [f"operand {k}" for k in range(len(operands))] if op.variadic else op.operand_names
    given = {k: x for k, x in enumerate(operands) if x is not None and type(x[1]) is int}
    from_operands = _origins(nodes, culprit, {i for _, i in given.values()})
    guilty = [names[k] for k, (node, i) in given.items() if i in from_operands and turned_one(node.aval, nodes[i].aval)]
    return ShapeError(
        f"An unknown dimension turned out to be 1 where {' or '.join(guilty) or op.qualname} needs {found.size}.",
        expected="unknown dimensions never broadcast: only a dimension declared as 1 does",
        fix="Declare that dimension as 1 in the placeholder's shape, or feed the full size.",
    )


def operand_lines(source: Node, nodes: Sequence[LoweredNode], operands: Sequence[tuple[Node, Any] | None]) -> str:
    """The operands of the user's call with their shapes as they were declared, and as they turned out."""
    names = [f"operand {k}" for k in range(len(operands))] if source.op.variadic else source.op.operand_names
    lines = [
        _operand(name, x[0], nodes[x[1]].aval)
        for name, x in zip(names, operands, strict=True)
        if x is not None and type(x[1]) is int
    ]
    return "\n".join(lines)


def _origins(nodes: Sequence[LoweredNode], start: int, operands: set[int]) -> set[int]:
    """The operands that a lowered node is computed from; the search ends at each."""
    found: set[int] = set()
    seen, stack = {start}, [start]
    while stack:
        i = stack.pop()
        if i in operands:
            found.add(i)
            continue
        for j in nodes[i].inputs:
            if j >= 0 and j not in seen:
                seen.add(j)
                stack.append(j)
    return found


def _operand(name: str, node: Node, now: Any) -> str:
    was = node.aval
    turned = f", which turned out to be {shape_str(now.shape)}" if was.shape != now.shape else ""
    return f"{name} {node.name!r}: {was}{turned}"


def check_gradient(variable: Node, shape: tuple[int, ...], gradient: tuple[int, ...]) -> None:
    """Raise ShapeError if a gradient has another shape than its variable.

    No rule that broadcasts by `sdgraph.infer.aval.broadcast_shapes` comes here: this is for those that do not.
    """
    if shape != gradient:
        raise ShapeError(
            f"An unknown dimension turned out to be 1 where the gradient of {variable.name!r} needs another size.",
            given=f"{variable.name!r} {shape_str(shape)}, its gradient {shape_str(gradient)}",
            expected="unknown dimensions never broadcast: only a dimension declared as 1 does",
            fix="Declare that dimension as 1 in the placeholder's shape, or feed the full size.",
        )
