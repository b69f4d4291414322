"""Reverse-mode differentiation: a transform that appends the gradient of a graph to the same graph.

The driver here undoes broadcasting, casts and sums contributions, so that an op's rule is one line. The gradient of a
composite is again a composite, whose body is the gradient of its body. Must not know any particular loss or engine.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdgraph.aval import Aval, is_floating
from sdgraph.errors import GradientError
from sdgraph.graph import ABSENT, Node, VariableKind, reachable
from sdgraph.op import ITEM, NOT_DIFFERENTIABLE, Body, Op
from sdgraph.totals import total
from sdgraph.variable import SDVariable

if TYPE_CHECKING:
    from sdgraph.samediff import SameDiff


def gradients(sd: SameDiff, ys: Sequence[SDVariable], wrt: Sequence[SDVariable]) -> list[SDVariable]:
    """Append the gradient of the sum of all elements of ``ys`` with respect to each of ``wrt``.

    A variable that no y depends on gets zeros.

    Raises:
        GradientError: If no y depends on any of ``wrt``, a variable is not floating, or a path leads through an op
            that has no gradient.
    """
    for v in (*ys, *wrt):
        if not is_floating(v.dtype):
            raise GradientError(
                f"{v.name!r} is {v.dtype.name}: only floating variables have gradients.",
                node=v.name,
                node_origin=v.origin,
                fix="Cast it where it is made, for example v.cast('float32').",
            )
    _check_paths(sd, ys, wrt)
    start = len(sd.nodes)
    with sd.transaction(), sd.gradient_scope(), sd.one_origin():
        suffixes = sd.name_counters()
        seeds = [(y, sd.ones_like(y)) for y in ys]
        cotangent_of: dict[int, int] = {}
        found = backpropagate(sd, seeds, wrt, cotangent_of)
        results: list[int] = []
        for w, g in zip(wrt, found, strict=True):
            g = sd.zeros_like(w) if g is None else g
            if g.id < start or g.id in results:
                g = sd.identity(g)
            _refine(sd, g, w)
            cotangent_of[g.id] = w.id
            results.append(g.id)
        sd.restore_name_counters(suffixes)
        moved = sd.keep_only(start, results, cotangent_of)
        sd.gradient_ranges.append((start, len(sd.nodes)))
    return [SDVariable(sd, moved[r]) for r in results]


def _refine(sd: SameDiff, g: SDVariable, w: SDVariable) -> None:
    """Give a gradient the sizes known of its variable: shape rules may have lost them among unknown ones."""
    if g.shape != w.shape:
        sizes = tuple(n if isinstance(n, int) else d for d, n in zip(g.shape, w.shape, strict=True))
        sd.nodes[g.id].aval = Aval(sizes, g.dtype)


def backpropagate(
    sd: SameDiff,
    seeds: Sequence[tuple[SDVariable, SDVariable]],
    wrt: Sequence[SDVariable],
    cotangent_of: dict[int, int] | None = None,
) -> list[SDVariable | None]:
    """The reverse sweep: cotangents of ``wrt`` for given cotangents of outputs; None where there is no path.

    Fills ``cotangent_of`` with the forward node that each new cotangent node belongs to.
    """
    nodes = sd.nodes
    top = max(y.id for y, _ in seeds)
    active = _active(nodes, reachable(nodes, [y.id for y, _ in seeds]), wrt)
    low = min(w.id for w in wrt)
    wanted = {w.id for w in wrt}
    terms: dict[int, list[SDVariable]] = {}
    of_items: dict[int, dict[int, list[SDVariable]]] = {}
    kept: dict[int, SDVariable] = {}
    for y, g in seeds:
        if active[y.id]:
            terms.setdefault(y.id, []).append(g)
    first = len(nodes)
    for i in range(top, low - 1, -1):
        if not active[i] or (i not in terms and i not in of_items):
            continue
        node = nodes[i]
        if i in of_items:
            g: Any = _item_cotangents(sd, i, node, of_items.pop(i))
        else:
            g = total(sd, terms.pop(i))
            if cotangent_of is not None and g.id >= first:
                cotangent_of.setdefault(g.id, i)
            if i in wanted:
                kept[i] = g
        if node.op.kind is not VariableKind.ARRAY:
            continue
        if node.op is ITEM:
            of_items.setdefault(node.inputs[0], {}).setdefault(node.attrs["index"], []).append(g)
            continue
        for j, term in zip(node.inputs, _operand_cotangents(sd, i, node, g, active), strict=True):
            if term is not None and j >= 0 and active[j]:
                terms.setdefault(j, []).append(_fit(sd, term, SDVariable(sd, j)))
    return [kept.get(w.id) for w in wrt]


def _active(nodes: list[Node], need: bytearray, wrt: Sequence[SDVariable]) -> bytearray:
    """A flag per node: whether it carries a cotangent, being floating, needed and dependent on one of ``wrt``."""
    active = bytearray(len(need))
    low = len(need)
    for w in wrt:
        if w.id < len(need) and need[w.id]:
            active[w.id] = 1
            low = min(low, w.id)
    for i in range(low, len(need)):
        if need[i] and not active[i]:
            for j in nodes[i].inputs:
                if j >= 0 and active[j]:
                    active[i] = _carries_gradient(nodes[i].aval)
                    break
    return active


def _carries_gradient(aval: Any) -> bool:
    return is_floating(aval.dtype) if type(aval) is Aval else any(is_floating(a.dtype) for a in aval)


def _operand_cotangents(sd: SameDiff, i: int, node: Node, g: Any, active: bytearray) -> Sequence[SDVariable | None]:
    """One cotangent per operand, by the op's rule or by differentiating its body."""
    op = node.op
    if op.vjp is None:
        return _composite_cotangents(sd, node, g, active)
    if op.vjp is NOT_DIFFERENTIABLE:
        raise _not_differentiable(node)
    operands = [SDVariable(sd, j) if j >= 0 else None for j in node.inputs]
    y: Any = SDVariable(sd, i)
    if type(node.aval) is not Aval:
        y = tuple(_item(sd, i, k) for k in range(len(node.aval)))
    out = op.vjp(g, y, *operands, **node.attrs)
    if out is None:
        return [None] * len(operands)
    out = out if isinstance(out, tuple | list) else (out,)
    if len(out) != len(operands):
        raise GradientError(f"The gradient rule of {op.qualname} gave {len(out)} terms for {len(operands)} operands.")
    return out


def _item(sd: SameDiff, i: int, index: int) -> SDVariable:
    return sd.apply(ITEM, (SDVariable(sd, i),), {"index": index})


def _item_cotangents(sd: SameDiff, i: int, node: Node, found: dict[int, list[SDVariable]]) -> tuple[Any, ...]:
    """Cotangents of all outputs of a node that has several; zeros for those nobody used."""
    return tuple(
        total(sd, found[k]) if k in found else sd.zeros_like(_item(sd, i, k))
        for k in range(len(node.aval))  # type: ignore[arg-type]
    )


def _fit(sd: SameDiff, g: SDVariable, x: SDVariable) -> SDVariable:
    """A cotangent brought to its variable's shape and dtype: sum over broadcast axes, broadcast, cast."""
    shape, target = g.shape, x.shape
    if shape != target:
        lead = len(shape) - len(target)
        if lead >= 0:
            leading = tuple(range(lead))
            ones = tuple(lead + k for k, d in enumerate(target) if d == 1 and shape[lead + k] != 1)
            if ones:
                g = sd.sum(g, axis=leading + ones, keepdims=True)
                g = sd.squeeze(g, axis=leading) if leading else g
            elif leading:
                g = sd.sum(g, axis=leading)
        if len(g.shape) < len(target) or any(a == 1 and b != 1 for a, b in zip(g.shape, target, strict=True)):
            g = sd.broadcast_like(g, x)
    return g if g.dtype == x.dtype else sd.cast(g, x.dtype)


# ---------------------------------------------------------------------- composites


def _composite_cotangents(sd: SameDiff, node: Node, g: Any, active: bytearray) -> list[SDVariable | None]:
    """One application of the op's own gradient composite per active operand."""
    gs = g if isinstance(g, tuple) else (g,)
    operands = [SDVariable(sd, j) if j >= 0 else None for j in node.inputs]
    return [
        sd.apply(vjp_op(node.op, k, len(operands), len(gs)), [*operands, *gs], node.attrs)
        if j >= 0 and active[j]
        else None
        for k, j in enumerate(node.inputs)
    ]


@functools.cache
def vjp_op(op: Op, k: int, n: int, n_outputs: int) -> Op:
    """The composite ``(operands, cotangents) -> cotangent of operand k`` of a composite called with ``n`` operands."""
    names = tuple(f"{op.operand_names[0]}_{m}" for m in range(n)) if op.variadic else op.operand_names

    def body(scratch: SameDiff, *args: SDVariable | None, **attrs: Any) -> SDVariable:
        operands, gs = args[:n], args[n:]
        avals = tuple(None if x is None else x.aval for x in operands)
        traced = op.trace(scratch, avals, attrs)
        ys = inline(scratch, traced, operands)
        seeds = [(y, g) for y, g in zip(ys, gs, strict=True) if g is not None and is_floating(y.dtype)]
        x = operands[k]
        assert x is not None
        (result,) = backpropagate(scratch, seeds, [x]) if seeds else (None,)
        return scratch.zeros_like(x) if result is None else result

    def infer(*avals: Any, **attrs: Any) -> Aval:
        assert op.infer is not None
        op.infer(*avals[:n], **attrs)
        return avals[k]

    # A composite that is traced for concrete shapes only has a gradient that is, too; its aval is the operand's.
    result = Op(f"{op.name}_vjp", body=body, infer=None if op.infer is None else infer)
    result.namespace = op.namespace
    result.qualname = f"{op.qualname}_vjp"
    prefix = "g"
    while any(name.startswith(prefix) for name in names):
        prefix += "g"
    result.operand_names = (*names, *(f"{prefix}{m or ''}" for m in range(n_outputs)))
    result.n_operands = len(result.operand_names)
    result.operand_defaults = dict.fromkeys(result.operand_names)
    result.variadic = False
    result.attr_names, result.attr_defaults = op.attr_names, op.attr_defaults
    return result


def inline(sd: SameDiff, body: Body, operands: Sequence[SDVariable | None]) -> list[SDVariable]:
    """Append a traced body with its parameters bound to ``operands``; return its outputs."""
    mapped = {p: x.id for p, x in zip(body.params, operands, strict=True) if x is not None}
    source = body.graph
    for i, node in enumerate(source.nodes[: len(body.need)]):
        if i in mapped or not body.need[i]:
            continue
        name = sd.free_name(node.op.name)
        if node.op.kind is VariableKind.ARRAY:
            inputs = tuple(mapped[j] if j >= 0 else ABSENT for j in node.inputs)
            mapped[i] = sd.append(node.op, inputs, node.attrs, node.aval, name)
        else:
            mapped[i] = sd.add_leaf(node.op, node.aval, name, source.values.get(i))
    return [SDVariable(sd, mapped[o]) for o in body.outs]


# ---------------------------------------------------------------------- errors


def _check_paths(sd: SameDiff, ys: Sequence[SDVariable], wrt: Sequence[SDVariable]) -> None:
    """Raise unless each of ``wrt`` either reaches a y through floating values or does not influence any."""
    nodes = sd.nodes
    need = reachable(nodes, [y.id for y in ys])
    active = _active(nodes, need, wrt)
    if any(active[y.id] for y in ys):
        reached = _reached(nodes, active, ys)
        lost = [w for w in wrt if w.id < len(need) and need[w.id] and not reached[w.id]]
    else:
        lost = list(wrt)
    for w in lost:
        blocker = _blocking_node(nodes, need, w)
        if blocker is not None:
            raise _not_differentiable(blocker)
    if len(lost) == len(wrt) and not any(active[y.id] for y in ys):
        targets, names = " or ".join(repr(y.name) for y in ys), ", ".join(repr(w.name) for w in wrt)
        raise GradientError(
            f"{targets} does not depend on {names}: there is no gradient.",
            fix="Differentiate with respect to a variable that the output is computed from.",
        )


def _reached(nodes: list[Node], active: bytearray, ys: Sequence[SDVariable]) -> bytearray:
    """A flag per node: whether a cotangent of some y arrives there."""
    reached = bytearray(len(active))
    for y in ys:
        reached[y.id] = active[y.id]
    for i in range(len(active) - 1, -1, -1):
        if reached[i]:
            for j in nodes[i].inputs:
                if j >= 0 and active[j]:
                    reached[j] = 1
    return reached


def _blocking_node(nodes: list[Node], need: bytearray, w: SDVariable) -> Node | None:
    """The first node on a needed path from ``w`` whose output carries no gradient; None if there is no path."""
    depends = bytearray(len(need))
    if w.id < len(need) and need[w.id]:
        depends[w.id] = 1
        for i in range(w.id + 1, len(need)):
            if need[i] and any(j >= 0 and depends[j] for j in nodes[i].inputs):
                depends[i] = 1
                if not _carries_gradient(nodes[i].aval):
                    return nodes[i]
    return None


def _not_differentiable(node: Node) -> GradientError:
    what = "discrete" if not _carries_gradient(node.aval) else "without a gradient rule"
    return GradientError(
        f"The gradient would have to pass {node.name!r}, made by sd.{node.op.qualname}, which is {what}.",
        node=node.name,
        node_origin=node.origin,
        fix="Differentiate with respect to something after it, or put sd.stop_gradient(...) before it.",
    )


__all__ = ["backpropagate", "gradients", "inline", "vjp_op"]
