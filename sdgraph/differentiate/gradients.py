"""Reverse-mode differentiation: a transform that appends the gradient of a graph to the same graph.

The driver here undoes broadcasting, casts and sums contributions, so that an op's rule is one line. The gradient of a
composite is again a composite, whose body is the gradient of its body. Must not know any particular loss or engine.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, VariableKind
from sdgraph.build.masks import Pool
from sdgraph.build.op import ITEM, NOT_DIFFERENTIABLE, GradientOf, Op
from sdgraph.build.reach import reachable
from sdgraph.build.tracing import Body, trace
from sdgraph.build.variable import SDVariable
from sdgraph.differentiate.bodies import body_cotangents
from sdgraph.differentiate.flows import Flow, masked_flows, one_each, total
from sdgraph.errors import GradientError
from sdgraph.infer.aval import Aval, is_floating

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


def gradients(sd: OpGraph, ys: Sequence[SDVariable], wrt: Sequence[SDVariable]) -> list[SDVariable]:
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
        suffixes = dict(sd.names.suffixes)
        seeds = [(y, Flow(sd.ones_like(y))) for y in ys]
        cotangent_of: dict[int, int] = {}
        found = backpropagate(sd, seeds, wrt, Pool(sd), cotangent_of)
        results: list[int] = []
        for w, flow in zip(wrt, found, strict=True):
            g = sd.zeros_like(w) if flow is None else flow.g
            if g.id < start or g.id in results:
                g = sd.identity(g)
            _refine(sd, g, w)
            cotangent_of[g.id] = w.id
            results.append(g.id)
        sd.names.suffixes = suffixes
        moved = sd.keep_only(start, results, cotangent_of)
        sd.marks.gradient_ranges.append((start, len(sd.nodes)))
    return [SDVariable(sd, moved[r]) for r in results]


def _refine(sd: OpGraph, g: SDVariable, w: SDVariable) -> None:
    """Give a gradient the sizes known of its variable: shape rules may have lost them among unknown ones."""
    if g.shape != w.shape:
        sizes = tuple(n if isinstance(n, int) else d for d, n in zip(g.shape, w.shape, strict=True))
        sd.nodes[g.id].aval = Aval(sizes, g.dtype)


def backpropagate(
    sd: OpGraph,
    seeds: Sequence[tuple[SDVariable, Flow]],
    wrt: Sequence[SDVariable],
    pool: Pool,
    cotangent_of: dict[int, int] | None = None,
) -> list[Flow | None]:
    """The reverse sweep: cotangents of ``wrt`` for given cotangents of outputs; None where there is no path.

    Fills ``cotangent_of`` with the forward node that each new cotangent node belongs to.
    """
    nodes = sd.nodes
    top = max(y.id for y, _ in seeds)
    active = _active(nodes, reachable(nodes, [y.id for y, _ in seeds]), wrt)
    low = min(w.id for w in wrt)
    wanted = {w.id for w in wrt}
    terms: dict[int, list[Flow]] = {}
    of_items: dict[int, dict[int, list[Flow]]] = {}
    kept: dict[int, Flow] = {}
    for y, flow in seeds:
        if active[y.id]:
            terms.setdefault(y.id, []).append(flow)
    first = len(nodes)
    for i in range(top, low - 1, -1):
        if not active[i] or (i not in terms and i not in of_items):
            continue
        node = nodes[i]
        if i in of_items:
            found = of_items.pop(i)
            flows = [total(found[k]) if k in found else None for k in range(len(node.aval))]  # type: ignore[arg-type]
        else:
            flow = total(terms.pop(i))
            if i in wanted:
                flow = kept[i] = flow.cleaned()
            if cotangent_of is not None and flow.clean and flow.g.id >= first:
                cotangent_of.setdefault(flow.g.id, i)
            if node.op is ITEM:
                of_items.setdefault(node.inputs[0], {}).setdefault(node.attrs["index"], []).append(flow)
                continue
            flows = [flow]
        if node.op.kind is not VariableKind.ARRAY:
            continue
        for j, term in zip(node.inputs, _operand_flows(sd, i, node, flows, active, pool), strict=True):
            if term is not None and j >= 0 and active[j]:
                terms.setdefault(j, []).append(_fitted(sd, term, SDVariable(sd, j)))
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
    if type(aval) is Aval:
        return is_floating(aval.dtype)
    return any(a is not None and is_floating(a.dtype) for a in aval)


def _operand_flows(
    sd: OpGraph, i: int, node: Node, flows: Sequence[Flow | None], active: bytearray, pool: Pool
) -> Sequence[Flow | None]:
    """One cotangent per operand, by the op's rule or by differentiating its body."""
    op = node.op
    if op.vjp is None:
        return _composite_flows(sd, i, node, flows, active, pool)
    if op.has_bodies:
        given = {k: flow.cleaned().g for k, flow in enumerate(flows) if flow is not None}
        return [None if g is None else Flow(g) for g in body_cotangents(sd, i, node, given, _swept)]
    if op.vjp is NOT_DIFFERENTIABLE:
        raise _not_differentiable(node)
    for k in op.without_gradient:
        if (j := node.inputs[k]) >= 0 and active[j]:
            raise _not_differentiable(node, op.operand_names[k])
    operands = [SDVariable(sd, j) if j >= 0 else None for j in node.inputs]
    y: Any = SDVariable(sd, i)
    if type(node.aval) is not Aval:
        y = tuple(_item(sd, i, k) for k in range(len(node.aval)))
    if (op.selects and pool.leaves_out) or any(flow is not None and flow.mask is not None for flow in flows):
        return masked_flows(op, flows, y, operands, node.attrs, pool)
    g = _cotangents(sd, i, flows)
    out = op.vjp(g if type(y) is tuple else g[0], y, *operands, **node.attrs)
    return [None if term is None else Flow(term) for term in one_each(op, out, operands)]


def _swept(
    graph: OpGraph, seeds: Sequence[tuple[SDVariable, SDVariable]], wrt: Sequence[SDVariable]
) -> list[SDVariable | None]:
    """Cotangents of ``wrt`` in a graph of its own."""
    flows = backpropagate(graph, [(y, Flow(g)) for y, g in seeds], wrt, Pool(graph))
    return [None if flow is None else flow.g for flow in flows]


def _item(sd: OpGraph, i: int, index: int) -> SDVariable:
    return sd.apply(ITEM, (SDVariable(sd, i),), {"index": index})


def _cotangents(sd: OpGraph, i: int, flows: Sequence[Flow | None]) -> tuple[SDVariable, ...]:
    """Cotangents of all outputs of a node; zeros for those nobody used."""
    return tuple(sd.zeros_like(_item(sd, i, k)) if flow is None else flow.g for k, flow in enumerate(flows))


def _fitted(sd: OpGraph, flow: Flow, x: SDVariable) -> Flow:
    """A cotangent and its mask brought to the shape and dtype of its variable."""
    given, wanted = flow.g.shape, x.shape
    if flow.mask is None:
        return Flow(_fit(sd, flow.g, x))
    if given == wanted:
        return flow._replace(g=_fit(sd, flow.g, x))
    return Flow(_fit(sd, flow.cleaned().g, x), flow.mask.fitted(wanted))


def _fit(sd: OpGraph, g: SDVariable, x: SDVariable) -> SDVariable:
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


def _composite_flows(
    sd: OpGraph, i: int, node: Node, flows: Sequence[Flow | None], active: bytearray, pool: Pool
) -> list[Flow | None]:
    """One application of the op's own gradient composite per active operand."""
    whole = pool.everything
    if len(flows) == 1 and flows[0] is not None and flows[0].mask is not None and flows[0].mask.is_scalar:
        # All or nothing: whatever comes out of nothing is left out later.
        whole, flows = flows[0].mask.as_scalar(), [Flow(flows[0].g)]
    masks = [None if flow is None else flow.mask for flow in flows]
    masked = tuple(mask is not None for mask in masks)
    gs: Sequence[SDVariable | None] = (
        [flow and flow.cleaned().g for flow in flows] if any(masked) else _cotangents(sd, i, flows)
    )
    lives = [mask.variable() for mask in masks if mask is not None]
    operands = [SDVariable(sd, j) if j >= 0 else None for j in node.inputs]
    found: list[Flow | None] = []
    for k, j in enumerate(node.inputs):
        if j < 0 or not active[j]:
            found.append(None)
            continue
        asked = pool.asked or sd.nodes[j].op.kind is VariableKind.ARRAY
        out = sd.apply(vjp_op(node.op, k, len(operands), masked, asked), [*operands, *gs, *lives], node.attrs)
        if not asked:
            found.append(Flow(out) if whole.is_everything else Flow(out, whole, False))
            continue
        mask = next((mask for mask in masks if mask is not None), pool.everything)
        if type(out) is tuple:
            out, live = out
            mask = pool.of(live)
        mask &= whole
        found.append(Flow(out) if mask.is_everything else Flow(out, mask, whole.is_everything))
    return found


@functools.cache
def vjp_op(op: Op, k: int, n: int, masked: tuple[bool, ...] = (False,), asked: bool = False) -> Op:
    """The gradient composite of operand ``k`` of a composite called with ``n`` operands.

    It takes the operands, a cotangent for each output, and for each one that is ``masked`` where it counts. It gives
    the operand's cotangent; and, if that is ``asked``, where it counts, unless that is everywhere or, with one mask
    given, just there.
    """
    n_outputs = len(masked)

    def body(scratch: OpGraph, *args: SDVariable | None, **attrs: Any) -> Any:
        operands, gs, lives = args[:n], args[n : n + n_outputs], iter(args[n + n_outputs :])
        avals = tuple(None if x is None else x.aval for x in operands)
        traced = trace(op, scratch, avals, attrs)
        ys = inline(scratch, traced, operands)
        pool = Pool(scratch, asked, op.leaves_out)
        given = [pool.of(cast("SDVariable", next(lives))) if m else None for m in masked]
        seeds = [
            (y, Flow(g, mask))
            for y, g, mask in zip(ys, gs, given, strict=True)
            if g is not None and is_floating(y.dtype)
        ]
        x = operands[k]
        assert x is not None
        (flow,) = backpropagate(scratch, seeds, [x], pool) if seeds else (None,)
        g, mask = (scratch.zeros_like(x), pool.everything) if flow is None else (flow.g, flow.mask or pool.everything)
        if not asked:
            return g
        if op.infer is not None:
            return (g, scratch.broadcast_like(mask.variable(), x)) if any(masked) else g
        known = [pool.everything.terms] if not any(masked) else [m.terms for m in given if m is not None]
        return g if len(known) == 1 and mask.terms in known else (g, mask.variable())

    def infer(*avals: Any, **attrs: Any) -> Any:
        assert op.infer is not None
        op.infer(*avals[:n], **attrs)
        x = avals[k]
        return (x, Aval(x.shape, np.dtype(bool))) if asked and any(masked) else x

    # A composite that is traced for concrete shapes only has a gradient that is, too; its aval is the operand's.
    return Op(
        f"{op.name}_vjp",
        op.signature.with_cotangents(n, n_outputs, sum(masked)),
        body=body,
        infer=None if op.infer is None else infer,
        leaves_out=op.leaves_out,
        gradient_of=GradientOf(op, k, n, masked, asked),
        namespace=op.namespace,
        qualname=f"{op.qualname}_vjp",
    )


def inline(sd: OpGraph, body: Body, operands: Sequence[SDVariable | None]) -> list[SDVariable]:
    """Append a traced body with its parameters bound to ``operands``; return its outputs."""
    mapped = {p: x.id for p, x in zip(body.params, operands, strict=True) if x is not None}
    source = body.graph
    for i, node in enumerate(source.nodes[: len(body.need)]):
        if i in mapped or not body.need[i]:
            continue
        name = sd.names.free(node.op.name)
        if node.op.kind is VariableKind.ARRAY:
            inputs = tuple(mapped[j] if j >= 0 else ABSENT for j in node.inputs)
            mapped[i] = sd.table.append(node.op, inputs, node.attrs, node.aval, name).id
        else:
            mapped[i] = sd.add_leaf(node.op, node.aval, name, source.values.get(i))
    return [SDVariable(sd, mapped[o]) for o in body.outs]


# ---------------------------------------------------------------------- errors


def _check_paths(sd: OpGraph, ys: Sequence[SDVariable], wrt: Sequence[SDVariable]) -> None:
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


def _not_differentiable(node: Node, operand: str | None = None) -> GradientError:
    what = "discrete" if not _carries_gradient(node.aval) else "without a gradient rule"
    what = what if operand is None else f"{what} for {operand!r}"
    return GradientError(
        f"The gradient would have to pass {node.name!r}, made by sd.{node.op.qualname}, which is {what}.",
        node=node.name,
        node_origin=node.origin,
        fix="Differentiate with respect to something after it, or put sd.stop_gradient(...) before it.",
    )


__all__ = ["backpropagate", "gradients", "inline", "vjp_op"]
