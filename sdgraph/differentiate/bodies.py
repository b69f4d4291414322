"""Gradients of loops and branches: a loop backward over what the loop forward leaves, a choice of the gradients.

Both are nodes of the same kinds, so that gradients of any order follow. Must not know how a graph is swept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build import totals
from sdgraph.build.bodies import LOOPS, SCAN, Parts, append, item
from sdgraph.build.function import Function, function_of
from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, AnyGraph, VariableKind
from sdgraph.build.op import ITEM, STREAM
from sdgraph.build.operands import operand_avals
from sdgraph.build.tracing import trace
from sdgraph.build.variable import SDVariable
from sdgraph.errors import GradientError
from sdgraph.infer.aval import Aval, is_floating, normalize_axis

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

Found = list[SDVariable | None]
Sweep = Callable[[Any, Sequence[tuple[SDVariable, SDVariable]], Sequence[SDVariable]], Found]
"""From a graph, outputs with their cotangents, and variables to cotangents of these; None where there is no path."""


def body_cotangents(sd: OpGraph, i: int, node: Node, g: Mapping[int, SDVariable], sweep: Sweep) -> Found:
    """A cotangent for each operand of a node with bodies, from those of its outputs that have one."""
    whole = SDVariable(sd, i)
    operands = [SDVariable(sd, j) if j >= 0 else None for j in node.inputs]
    if node.op in LOOPS:
        return _LoopBackward(whole, node, operands, g, sweep).run()
    return _branch_cotangents(whole, node, operands, g, sweep)


class _Backward:
    """A copy of a body, and the reverse sweep through it."""

    def __init__(self, f: Function, sweep: Sweep) -> None:
        self.graph: AnyGraph = f.graph.scratch()
        self._sweep = sweep
        self.params = [self.leaf("p", f.graph.nodes[p].aval) if p >= 0 else None for p in f.params]
        self.at = f.copied_into(self.graph, self.params)
        """Where each node of the body is in the copy."""
        self.source = {j: i for i, j in enumerate(self.at)}
        self.param_of = {v.id: k for k, v in enumerate(self.params) if v is not None}
        self.forward = len(self.graph.nodes)

    def variable(self, i: int) -> SDVariable:
        """A node of the body in the copy."""
        return self.graph.handle(self.at[i])

    def leaf(self, name: str, aval: Aval) -> SDVariable:
        """A parameter of the backward body."""
        return self.graph.placeholder(self.graph.names.free(name), aval.shape, aval.dtype)

    def cotangents(self, seeds: Sequence[tuple[SDVariable, SDVariable]], wrt: Sequence[SDVariable]) -> Found:
        """Those of ``wrt`` for given ones of outputs."""
        return self._sweep(self.graph, seeds, wrt) if seeds and wrt else [None] * len(wrt)

    def read(self, outs: Sequence[int], captured: int, *, checkpoint: bool) -> list[int]:
        """The forward values that are given to the backward body: the others are cheap to make again.

        Args:
            outs: What the backward body computes.
            captured: How many parameters are the same in every step.
            checkpoint: Whether only parameters are given.
        """
        nodes = self.graph.nodes
        varies = bytearray(self.forward)
        for i in range(self.forward):
            k = self.param_of.get(i)
            given = k is not None and k >= captured
            varies[i] = given or STREAM in nodes[i].attrs or any(j >= 0 and varies[j] for j in nodes[i].inputs)
        need, found = bytearray(len(nodes)), []
        for o in outs:
            need[o] = 1
        for i in range(len(nodes) - 1, -1, -1):
            if not need[i]:
                continue
            if i < self.forward:
                if i in self.param_of:
                    found.append(i)
                    continue
                if varies[i] and not checkpoint and type(nodes[i].aval) is Aval and not _is_cheap(self.graph, nodes[i]):
                    found.append(i)
                    continue
            for j in nodes[i].inputs:
                if j >= 0:
                    need[j] = 1
        return sorted(found)


def _is_cheap(graph: AnyGraph, node: Node) -> bool:
    """Whether to make a value again costs no more than to keep it: elementwise ops, and composites of nothing else."""
    op = node.op
    if not op.is_composite:
        return op.kind is not VariableKind.ARRAY or op.broadcasts or op.is_view or op.shape_only or op is ITEM
    if op.infer is not None:
        return False  # Its body is traced for known sizes only.
    body = trace(op, graph, operand_avals(graph.nodes, node.inputs), node.attrs)
    pairs = zip(body.graph.nodes, body.need, strict=False)
    return all(_is_cheap(body.graph, inner) for inner, needed in pairs if needed)


# ---------------------------------------------------------------------- loops


class _Term(NamedTuple):
    """A part of the cotangent of what a body captured, which is computed after the loop from what the steps left."""

    inside: int
    """What is stacked, by its place in the backward graph."""
    left: int | None
    """The forward value whose product with it is summed over steps and rows, or None for a plain sum,"""
    axes: tuple[int, ...] = ()
    """and the axes of that, those of the stack."""


class _LoopBackward:
    """The gradient of one loop while it is made."""

    def __init__(
        self,
        whole: SDVariable,
        node: Node,
        operands: Sequence[SDVariable | None],
        g: Mapping[int, SDVariable],
        sweep: Sweep,
    ) -> None:
        self.sd: AnyGraph = whole.sd
        self.whole, self.node, self.operands, self.g = whole, node, operands, g
        self.attrs = attrs = node.attrs
        self.f: Function = attrs["body"]
        self.n_carry: int = attrs["n_carry"]
        self.parts = parts = Parts.of(attrs, len(operands))
        self.h, self.x = parts.carries - parts.captured, parts.xs - parts.captured
        if attrs["length"] is None and not attrs["n_xs"]:
            raise GradientError(
                "The gradient of a while loop needs a bound on its steps.",
                node=node.name.removesuffix(":all"),
                node_origin=node.origin,
                fix="Give while_loop(..., max_steps=...): what the gradient reads is kept for each step.",
            )
        self.work = _Backward(self.f, sweep)

    def run(self) -> Found:
        """Append the loop backward; a cotangent per operand."""
        work, params, n = self.work, self.work.params, self.n_carry
        floating = [p is not None and is_floating(p.dtype) for p in params]
        ct = {k: work.leaf("g", params[self.h + k].aval) for k in range(n) if floating[self.h + k]}  # type: ignore[union-attr]
        stacked = {i - n - 1: v for i, v in self.g.items() if i > n and is_floating(v.dtype)}
        gx = {i: work.leaf("gy", work.variable(i).aval) for i in stacked}
        seeds = [(work.variable(self.f.outs[k]), v) for k, v in ct.items()]
        seeds += [(work.variable(i), v) for i, v in gx.items()]
        wrt = [p for p, ok in zip(params, floating, strict=True) if ok and p is not None]
        found = dict(zip((p.id for p in wrt), work.cotangents(seeds, wrt), strict=True))
        by_param = [None if p is None else found.get(p.id) for p in params]
        new_ct = [self._carried(by_param[self.h + k], params[self.h + k]) for k in ct]
        after, sums = self._over_steps(by_param)
        for_xs = {k: v for k, v in enumerate(by_param) if k >= self.x and v is not None}
        outs = [v.id for v in new_ct] + [total.id for _, total in sums.values()]
        extra = [v.id for v in for_xs.values()] + [t.inside for terms in after.values() for t in terms]
        read = work.read([*outs, *extra], self.h, checkpoint=self.attrs["checkpoint"])
        captured = [(j, self._operand(j)) for j in read if work.param_of.get(j, self.h) < self.h]
        seqs = [(j, self._kept(j)) for j in read if work.param_of.get(j, self.h) >= self.h]
        seqs += [(gx[i].id, v) for i, v in stacked.items()]
        if not seqs and self.attrs["length"] is None:  # The first of what it runs over tells how many steps there are.
            seqs.append((params[self.x].id, self._captured(self.x)))  # type: ignore[union-attr]
        firsts = [(v.id, self._first(k)) for k, v in ct.items()]
        firsts += [(start.id, self.sd.zeros_like(self._captured(k))) for k, (start, _) in sums.items()]
        loop, moved = self._append(captured, firsts, seqs, [*outs, *extra])
        first, result = len(firsts) + 1, [None] * len(self.operands)
        found_: Found = result  # type: ignore[assignment]
        for m, k in enumerate(ct):
            found_[self.parts.carries + k] = item(self.sd, loop, m)
        for m, k in enumerate(sums):
            found_[self.parts.captured + k] = item(self.sd, loop, len(ct) + m)
        for k, v in for_xs.items():
            found_[self.parts.captured + k] = item(self.sd, loop, first + moved[v.id])
        for k, terms in after.items():
            stacks = [item(self.sd, loop, first + moved[t.inside]) for t in terms]
            found_[self.parts.captured + k] = self._summed(terms, stacks)
        return found_

    def _carried(self, g: SDVariable | None, param: SDVariable | None) -> SDVariable:
        return self.work.graph.zeros_like(param) if g is None else g

    def _first(self, k: int) -> SDVariable:
        """The cotangent of a final carry."""
        found = self.g.get(k)
        return self.sd.zeros_like(item(self.sd, self.whole, k)) if found is None else found

    def _captured(self, k: int) -> SDVariable:
        found = self.operands[self.parts.captured + k]
        assert found is not None
        return found

    def _operand(self, j: int) -> SDVariable:
        """The operand that a parameter of the copy is."""
        return self._captured(self.work.param_of[j])

    def _kept(self, j: int) -> SDVariable:
        """A value of the forward body for all steps: what the loop runs over, or a stack that it leaves."""
        k = self.work.param_of.get(j)
        if k is not None and k >= self.x:
            return self._captured(k)
        return item(self.sd, self.whole, self.n_carry + 1 + self.work.source[j])

    def _append(
        self,
        captured: Sequence[tuple[int, SDVariable]],
        firsts: Sequence[tuple[int, SDVariable]],
        seqs: Sequence[tuple[int, SDVariable]],
        outs: Sequence[int],
    ) -> tuple[SDVariable, dict[int, int]]:
        """The loop backward, and where the nodes of the backward graph are in its body."""
        attrs = self.attrs
        given = [*captured, *firsts, *seqs]
        body, moved = function_of(self.work.graph, [j for j, _ in given], outs)
        counted = attrs["counted"] or attrs["test"]
        new = {
            "body": body,
            "n_carry": len(firsts),
            "n_xs": len(seqs),
            "length": attrs["length"],
            "reverse": not attrs["reverse"],
            "test": False,
            "counted": counted,
            "checkpoint": attrs["checkpoint"],
        }
        if body.is_random:
            new[STREAM] = attrs[STREAM]
        count = [item(self.sd, self.whole, self.n_carry)] if counted else []
        loop, _ = append(self.sd, SCAN, [*count, *(v for _, v in given)], new)
        return loop, moved

    # ------------------------------------------------------------------ what is captured

    def _over_steps(
        self, by_param: Sequence[SDVariable | None]
    ) -> tuple[dict[int, list[_Term]], dict[int, tuple[SDVariable, SDVariable]]]:
        """Captured variables whose cotangent is computed after the loop, and those that a carry sums up.

        The latter with the carry and what it becomes.
        """
        after: dict[int, list[_Term]] = {}
        sums: dict[int, tuple[SDVariable, SDVariable]] = {}
        for k, v in enumerate(by_param[: self.h]):
            if v is None:
                continue
            terms = self._terms(v)
            if terms is not None:
                after[k] = terms
            else:
                start = self.work.leaf("sum", self.work.params[k].aval)  # type: ignore[union-attr]
                sums[k] = start, start + v
        return after, sums

    def _terms(self, v: SDVariable) -> list[_Term] | None:
        """A cotangent as products and sums that can be taken over all steps at once; None where it is no such."""
        graph, node = self.work.graph, v.node
        name = node.op.key
        if name in ("math.add", "math.merge_add"):
            parts = [graph.handle(j) for j in node.inputs]
            if any(p.aval != v.aval for p in parts):
                return None
            found = [self._terms(p) for p in parts]
            return None if any(f is None for f in found) else [t for f in found for t in f or ()]
        if name == "linalg.matmul" and len(v.shape) == 2:
            a, g = (graph.nodes[j] for j in node.inputs)
            turned = a.op.key == "permute" and len(a.aval.shape) == 2 and tuple(a.attrs["axes"]) in ((1, 0), (-1, -2))
            left = a.inputs[0] if turned else self.work.forward
            if left < self.work.forward and len(g.aval.shape) == 2 and self.work.param_of.get(left, self.h) >= self.h:
                return [_Term(node.inputs[1], left)]
        if name == "sum" and not node.attrs["keepdims"]:
            axes = normalize_axis(node.attrs["axis"], len(graph.nodes[node.inputs[0]].aval.shape))
            return [_Term(node.inputs[0], None, (0, *(k + 1 for k in axes)))]
        return None

    def _summed(self, terms: Sequence[_Term], stacks: Sequence[SDVariable]) -> SDVariable:
        sd, made = self.sd, []
        for term, stack in zip(terms, stacks, strict=True):
            if term.left is None:
                made.append(sd.sum(stack, axis=term.axes))
            else:
                made.append(sd.tensordot(self._kept(term.left), stack, axes_x=(0, 1), axes_y=(0, 1)))
        return totals.total(sd, made)


# ---------------------------------------------------------------------- branches


def _branch_cotangents(
    whole: SDVariable, node: Node, operands: Sequence[SDVariable | None], g: Mapping[int, SDVariable], sweep: Sweep
) -> Found:
    """A choice of the branches' gradients, which compute what they need of the branches again."""
    sd = whole.sd
    index, *given = operands
    got = {k: v for k, v in g.items() if is_floating(v.dtype)}
    targets = [k for k, v in enumerate(given) if v is not None and is_floating(v.dtype)]
    branches = tuple(_branch_backward(f, given, got, targets, sweep) for f in node.attrs["branches"])
    attrs: dict[str, Any] = {"branches": branches}
    if any(f.is_random for f in branches):
        attrs[STREAM] = node.attrs[STREAM]
    back, _ = append(sd, node.op, [index, *given, *got.values()], attrs)
    found: Found = [None] * len(operands)
    for m, k in enumerate(targets):
        found[1 + k] = item(sd, back, m)
    return found


def _branch_backward(
    f: Function,
    operands: Sequence[SDVariable | None],
    got: Mapping[int, SDVariable],
    targets: Sequence[int],
    sweep: Sweep,
) -> Function:
    """The gradient of one branch: from its operands and the cotangents of its results to cotangents of ``targets``."""
    work = _Backward(f, sweep)
    gs = {k: work.leaf("g", v.aval) for k, v in got.items()}
    wrt = [p for k in targets if (p := work.params[k]) is not None]
    cotangents = work.cotangents([(work.variable(f.outs[k]), v) for k, v in gs.items()], wrt)
    found = dict(zip((p.id for p in wrt), cotangents, strict=True))
    params = list(work.params)
    outs = []
    for k in targets:
        x = params[k]
        if x is None:
            operand = operands[k]
            assert operand is not None
            x = params[k] = work.leaf("like", operand.aval)
        v = found.get(x.id)
        outs.append((work.graph.zeros_like(x) if v is None else v).id)
    given = [p for p in (*params, *gs.values()) if p is not None]
    function, moved = function_of(work.graph, [p.id for p in given], outs)
    places = [ABSENT if p is None else moved[p.id] for p in (*params, *gs.values())]
    return Function(function.graph, places, function.outs)
