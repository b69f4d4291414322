"""Cotangents on their way back through an op, where a selection further on lets only a part of them count.

What an op's gradient rule makes of them, and where its results count. Must not walk graphs, nor know particular ops
beyond those that turn zeros into zeros.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build import totals
from sdgraph.build.kinds import VariableKind
from sdgraph.build.masks import Mask, Pool
from sdgraph.build.op import ELEMENTWISE, Linear, Op
from sdgraph.build.variable import SDVariable
from sdgraph.errors import GradientError

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

Operands = Sequence[SDVariable | None]
Attrs = Mapping[str, Any]


class Flow(NamedTuple):
    """The cotangent of one variable."""

    g: SDVariable
    mask: Mask | None = None
    """Where it counts; None is everywhere."""
    clean: bool = True
    """Whether it is 0 where it does not count. If not, it may be anything there, NaN included."""

    def cleaned(self) -> Flow:
        """The same cotangent, 0 where it does not count."""
        return self if self.clean or self.mask is None else Flow(self.mask.select(self.g), self.mask)


def total(flows: list[Flow]) -> Flow:
    """The sum of all contributions to one variable; one node however many there are."""
    if len(flows) == 1:
        return flows[0]
    mask, clean = flows[0].mask, True
    if any(flow.mask is not None for flow in flows):
        if mask is not None and all(flow.mask is not None and flow.mask.terms == mask.terms for flow in flows):
            clean = all(flow.clean for flow in flows)
        else:
            flows = [flow.cleaned() for flow in flows]
            mask = _union([flow.mask for flow in flows])
    return Flow(totals.total(flows[0].g.sd, [flow.g for flow in flows]), mask, clean)


def _union(masks: list[Mask | None]) -> Mask | None:
    """Where any of them counts; None is everywhere."""
    union, marks = None, []
    for mask in masks:
        if mask is None:
            return None
        if mask.added is None:
            union = mask if union is None else union | mask
        else:
            marks.append(mask.added)
    if marks:
        # Of n pieces of an array each has a mask as large as all; they are added up as their cotangents are.
        pool = next(mask.pool for mask in masks if mask is not None)
        added = pool.of(totals.total(pool.sd, marks))
        union = added if union is None else union | added
    return None if union is None or union.is_everything else union


def one_each(op: Op, out: Any, operands: Operands) -> Sequence[Any]:
    """What a rule gave, as one entry per operand."""
    if out is None:
        return [None] * len(operands)
    out = out if isinstance(out, tuple | list) else (out,)
    if len(out) != len(operands):
        raise GradientError(f"The gradient rule of {op.qualname} gave {len(out)} terms for {len(operands)} operands.")
    return out


def masked_flows(
    op: Op, flows: Sequence[Flow | None], y: Any, operands: Operands, attrs: Attrs, pool: Pool
) -> list[Flow | None]:
    """What the op's rule makes of cotangents of its outputs that do not count everywhere.

    A flow of None is that of an output nobody used.
    """
    several = isinstance(y, tuple)
    masks = [pool.nothing if f is None else f.mask or pool.everything for f in flows]
    whole = masks[0].is_scalar and op.masked_vjp is None
    if not several and flows[0] is not None and (op.reach is ELEMENTWISE or op.broadcasts or whole):
        return _elementwise_flows(op, flows[0], masks[0], y, operands, attrs)
    ys = y if several else (y,)
    gs = [pool.sd.zeros_like(v) if f is None else f.cleaned().g for f, v in zip(flows, ys, strict=True)]
    masks = [m.aligned(v.ndim) for m, v in zip(masks, ys, strict=True)]
    g = tuple(gs) if several else gs[0]
    if op.masked_vjp is None or all(m.is_everything for m in masks):
        out = op.vjp(g, y, *operands, **attrs)  # type: ignore[misc]
    else:
        live = [m.variable() for m in masks]
        out = op.masked_vjp(op.vjp, g, tuple(live) if several else live[0], y, *operands, **attrs)
    clean = op.masked_vjp is not None or isinstance(op.reach, Linear)
    return [
        _flow(term, reached, clean)
        for term, reached in zip(
            one_each(op, out, operands), _reached(op, tuple(masks), y, operands, attrs, pool), strict=True
        )
    ]


def _flow(term: SDVariable | None, mask: Mask | None, clean: bool) -> Flow | None:
    if term is None or mask is None or mask.is_nothing:
        return None
    return Flow(term) if mask.is_everything else Flow(term, mask, clean)


def _reached(
    op: Op, masks: tuple[Mask, ...], y: Any, operands: Operands, attrs: Attrs, pool: Pool
) -> Sequence[Mask | None]:
    """Where each operand counts."""
    several = isinstance(y, tuple)
    ys = y if several else (y,)
    if op.reach is None:
        whole = pool.nothing
        for m, v in zip(masks, ys, strict=True):
            whole |= m.over(*range(v.ndim)).as_scalar()
        return [whole] * len(operands)
    rule = op.reach.rule if isinstance(op.reach, Linear) else op.reach
    if rule is not None:
        return one_each(op, rule(masks if several else masks[0], y, *operands, **attrs), operands)
    # Where the gradient rule makes something of ones that count.
    marks = tuple(m.marks(v) for m, v in zip(masks, ys, strict=True))
    found = one_each(op, op.vjp(marks if several else marks[0], y, *operands, **attrs), operands)  # type: ignore[misc]
    return [None if v is None else pool.of_marks(v) for v in found]


def _elementwise_flows(
    op: Op, flow: Flow, mask: Mask, y: SDVariable, operands: Operands, attrs: Attrs
) -> list[Flow | None]:
    """What does not count stays where it is, so that it need not be 0 until it is added to something that does."""
    start = len(y.sd.nodes)
    terms = one_each(op, op.vjp(flow.g, y, *operands, **attrs), operands)  # type: ignore[misc]
    if op.selects and not mask.pool.leaves_out:
        masks: Sequence[Mask] = [mask] * len(operands)
    elif op.broadcasts or op.reach is ELEMENTWISE:
        masks = op.reach(mask, y, *operands, **attrs)  # type: ignore[misc,operator]
    else:
        masks = [mask.as_scalar()] * len(operands)
    found: list[Flow | None] = []
    for term, reached in zip(terms, masks, strict=True):
        if term is None:
            found.append(None)
            continue
        # A selection leaves zeros where its own condition wants them, whatever was there.
        clean = flow.clean or (op.selects and mask.pool.leaves_out and reached.is_literal)
        found.append(_flow(term, reached, clean and keeps_zeros(term, flow.g, start)))
    return found


# ---------------------------------------------------------------------- what a rule does to zeros

_EXACT = {"identity", "cast", "mask_gradient", "math.neg", "math.add", "math.sub", "math.merge_add"}
"""Elementwise ops that make zeros of zeros."""


def keeps_zeros(term: SDVariable, g: SDVariable, start: int) -> bool:
    """Whether what a rule made of ``g``, from node ``start`` on, is sure to be 0 where ``g`` is.

    Besides ops without factors only products and quotients with finite numbers, and selections, are.
    """
    sd = g.sd
    pending = [term.id]
    while pending:
        i = pending.pop()
        node = sd.nodes[i]
        name = node.op.qualname
        if i == g.id:
            continue
        if i < start or node.op.kind is not VariableKind.ARRAY:
            if _number(sd, i) != 0:
                return False
        elif name in _EXACT:
            pending += node.inputs
        elif name == "where":
            pending += node.inputs[1:]
        elif name in ("math.mul", "math.div") and 0 < abs(_number(sd, node.inputs[1])) < math.inf:
            pending.append(node.inputs[0])
        elif name == "math.mul" and 0 < abs(_number(sd, node.inputs[0])) < math.inf:
            pending.append(node.inputs[1])
        else:
            return False
    return True


def _number(sd: OpGraph, i: int) -> float:
    """The value of a constant scalar; NaN for anything else."""
    value = sd.values.get(i) if sd.nodes[i].op.kind is VariableKind.CONSTANT else None
    return math.nan if value is None or value.ndim or value.dtype.kind == "c" else float(value)
