"""What a user sees of a graph: its variables, with the hidden nodes of multi-output ops resolved, and their roles.

The table, the export and the pictures all read a graph through this. Must not know how anything is shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sdgraph.build.kinds import VariableKind
from sdgraph.build.neighbours import Operand, is_hidden, operands
from sdgraph.build.op import Op
from sdgraph.differentiate.which_losses import Losses, find_losses
from sdgraph.infer.aval import Aval, is_floating
from sdgraph.wording import shortened

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


@dataclass(slots=True)
class Item:
    """One variable as a user sees it. ``op`` is None for leaves; ``wrt`` is set for the gradient of a variable."""

    id: int
    name: str
    kind: VariableKind
    op: Op | None
    aval: Aval
    operands: tuple[Operand, ...]
    is_gradient: bool = False
    is_loss: bool = False
    is_output: bool = False
    is_literal: bool = False
    is_frozen: bool = False
    is_named: bool = False
    """Whether somebody chose the name, so that it says more than the op's."""
    wrt: int | None = None
    of: tuple[int, ...] = ()

    @property
    def scope(self) -> tuple[str, ...]:
        """The name scopes the variable is in, outermost first."""
        return tuple(self.name.split("/")[:-1])

    @property
    def short_name(self) -> str:
        """The name without its scopes."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def size(self) -> int | None:
        """Number of elements; None if a dimension is unknown."""
        return math.prod(self.aval.shape) if self.aval.is_static else None  # type: ignore[arg-type]

    @property
    def is_trainable(self) -> bool:
        """Whether it is one of the graph's trainable variables."""
        return self.kind is VariableKind.VARIABLE and is_floating(self.aval.dtype)

    @property
    def parameters(self) -> int:
        """How many numbers of it are trained."""
        return (self.size or 0) if self.is_trainable else 0

    @property
    def nbytes(self) -> int | None:
        """Size in bytes; None if a dimension is unknown."""
        size = self.size
        return None if size is None else size * self.aval.dtype.itemsize


class Sweep(NamedTuple):
    """One reverse sweep: what was differentiated, where its nodes are, and of which order its results are."""

    start: int
    end: int
    ys: tuple[int, ...]
    order: int


@dataclass(slots=True)
class Listing:
    """All visible variables of a graph by id, in creation order."""

    sd: OpGraph
    items: dict[int, Item]
    sweeps: list[Sweep]
    losses: Losses
    orders: list[int]
    """For each node the order of the latest gradient it depends on, 0 for none."""

    def gradient_name(self, item: Item, *, short: bool = False) -> str | None:
        """Such as ``∂loss/∂layer1/w``; None for what is not the gradient of one variable.

        In a ``short`` one names are as on cards: without scopes, and cut.
        """
        if item.wrt is None:
            return None
        names = [self._derived_name(y, short) for y in item.of]
        numerator = _bracketed(names[0]) if len(names) == 1 else f"({' + '.join(names)})"
        if len(names) > 3:
            numerator = "(sum of losses)"
        return f"∂{numerator}/∂{_bracketed(self._derived_name(item.wrt, short))}"

    def _derived_name(self, i: int, short: bool) -> str:
        item = self.items.get(i)
        if item is None:
            return self.sd.nodes[i].name
        return self.gradient_name(item, short=short) or (shortened(item.short_name) if short else item.name)


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("∂") else text


def visible(sd: OpGraph) -> Listing:
    """Read a graph; the time is linear in its nodes."""
    nodes = sd.nodes
    gradient = sd.gradient_flags()
    sweeps, orders = _sweeps(sd)
    sweep_of = _sweep_of(sweeps, len(nodes))
    items: dict[int, Item] = {}
    consumed = bytearray(len(nodes))
    for i, node in enumerate(nodes):
        if is_hidden(node):
            continue
        op = sd.call_of(node).op
        known = op if op.kind is VariableKind.ARRAY else None
        item = Item(i, node.name, node.op.kind, known, node.aval, operands(nodes, node), bool(gradient[i]))
        if not gradient[i]:
            for operand in item.operands:
                consumed[operand.id] = 1
        items[i] = item
    for i in literal_ids(sd):
        if i in items:
            items[i].is_literal = True
    for i in sd.marks.frozen:
        items[i].is_frozen = True
    for i in sd.names.given & items.keys():
        items[i].is_named = True
    _mark_gradients(sd, items, sweeps, sweep_of)
    losses = find_losses(sd)
    for i in losses.ids:
        items[i].is_loss = True
    for i, item in items.items():
        item.is_output = not (item.op is None or consumed[i] or gradient[i] or item.is_loss)
    return Listing(sd, items, sweeps, losses, orders)


def literal_ids(sd: OpGraph) -> list[int]:
    """Scalar constants that a number in an expression made, not a call of ``constant``."""
    return sorted(set(sd.marks.literals.values()))


def _sweeps(sd: OpGraph) -> tuple[list[Sweep], list[int]]:
    """One sweep per range of gradient nodes, and for each node the order of the latest gradient it depends on."""
    starts = {start: (start, end, _differentiated(sd, start, end)) for start, end in sd.marks.gradient_ranges}
    orders = [0] * len(sd.nodes)
    sweeps: list[Sweep] = []
    current, until = 0, 0
    for i, node in enumerate(sd.nodes):
        if i in starts:
            start, end, ys = starts[i]
            if ys:
                current, until = 1 + max(orders[y] for y in ys), end
            sweeps.append(Sweep(start, end, ys, current))
        orders[i] = current if i < until else max((orders[j] for j in node.inputs if j >= 0), default=0)
    return sweeps, orders


def _differentiated(sd: OpGraph, start: int, end: int) -> tuple[int, ...]:
    """What a sweep differentiates: it begins with a node of ones for each."""
    ys = []
    for node in sd.nodes[start:end]:
        if node.op.key != "ones_like":
            break
        ys.append(node.inputs[0])
    return tuple(ys)


def _sweep_of(sweeps: list[Sweep], n: int) -> list[int]:
    """For each node the sweep that made it, -1 for none; where ranges nest, the inner one."""
    found = [-1] * n
    for k, sweep in sorted(enumerate(sweeps), key=lambda pair: pair[1].start - pair[1].end):
        found[sweep.start : sweep.end] = [k] * (sweep.end - sweep.start)
    return found


def _mark_gradients(sd: OpGraph, items: dict[int, Item], sweeps: list[Sweep], sweep_of: list[int]) -> None:
    for g, v in sd.marks.cotangents.items():
        if g in items and sweep_of[g] >= 0 and sweeps[sweep_of[g]].ys:
            items[g].wrt, items[g].of = v, sweeps[sweep_of[g]].ys
    for sweep in sweeps:
        for k, y in enumerate(sweep.ys):
            seed = items[sweep.start + k]
            seed.wrt, seed.of = y, sweep.ys
