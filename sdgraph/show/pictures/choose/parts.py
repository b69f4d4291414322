"""Which variables a picture shows, and which arrows run between them.

Numbers in expressions are folded into the cards that use them. In gradient views, helper nodes of a sweep are folded
into arrows between gradients. Must not know colours, cards or layout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import Op
from sdgraph.build.operands import operand_avals
from sdgraph.build.tracing import trace
from sdgraph.show.pictures.choose.backward import Backward
from sdgraph.show.visible import Item, Listing

ArcKind = Literal["data", "backward", "kept"]


@dataclass(slots=True)
class Part:
    """A variable to draw. ``order`` is 0 for the forward pass, k for a gradient of order k.

    ``base`` is the forward variable beside which a gradient stands.
    """

    item: Item
    order: int
    base: int


@dataclass(slots=True)
class Arc:
    """An arrow between two variables: data, a cotangent flowing back, or an array kept for the backward pass."""

    tail: int
    head: int
    kind: ArcKind
    position: int = 0
    operand: str = ""


@dataclass(slots=True)
class Parts:
    """What a picture shows, by id, with the gradients that stand for the same derivative merged."""

    listing: Listing
    parts: dict[int, Part] = field(default_factory=dict)
    arcs: list[Arc] = field(default_factory=list)
    badges: dict[int, int] = field(default_factory=dict)
    """For each forward variable its first-order gradient, where the view shows gradients on forward cards."""
    of: tuple[int, ...] = ()
    """What is differentiated, if the view was asked for its gradient."""
    wrt: tuple[int, ...] = ()
    """By what, if that was asked for."""


def forward_parts(listing: Listing, targets: Iterable[int] | None) -> Parts:
    """The forward pass: all of it, or what ``targets`` need. Gradients that ops use appear without their insides."""
    items = listing.items
    if targets is None:
        chosen = {i for i, item in items.items() if not item.is_gradient}
    else:
        chosen = closure(listing, targets, into_gradients=False)
    used = {o.id for i in chosen for o in items[i].operands if not items[i].is_gradient}
    found = Parts(listing)
    for i in sorted(chosen | {j for j in used if items[j].is_gradient}):
        if _is_drawn_leaf(items[i], used):
            found.parts[i] = Part(items[i], 1 if items[i].is_gradient else 0, i)
    found.arcs = [a for a in _data_arcs(found) if not items[a.head].is_gradient]
    return found


def all_parts(listing: Listing, focus: int) -> Parts:
    """Everything as it is computed: gradients with all their helper nodes, nothing mirrored or folded into arrows."""
    items = listing.items
    used = {o.id for item in items.values() for o in item.operands} - {focus}
    found = Parts(listing)
    found.parts = {
        i: Part(item, 1 if item.is_gradient else 0, i) for i, item in items.items() if _is_drawn_leaf(item, used)
    }
    found.arcs = _data_arcs(found)
    return found


def _is_drawn_leaf(item: Item, used: set[int]) -> bool:
    """Whether the variable gets a card: a number inside an expression does not, unless nothing shows it otherwise."""
    return not (item.is_literal and item.id in used)


def _data_arcs(found: Parts) -> list[Arc]:
    return [
        Arc(o.id, i, "data", o.position, o.name)
        for i, part in found.parts.items()
        for o in part.item.operands
        if o.id in found.parts
    ]


def closure(listing: Listing, ids: Iterable[int], *, into_gradients: bool = True) -> set[int]:
    """The variables that ``ids`` are computed from, themselves included."""
    items = listing.items
    found: set[int] = set()
    stack = [i for i in ids if i in items]
    while stack:
        i = stack.pop()
        if i in found:
            continue
        found.add(i)
        if into_gradients or not items[i].is_gradient:
            stack += [o.id for o in items[i].operands]
    return found


# ---------------------------------------------------------------------- gradients


def gradient_parts(shown: Backward, targets: Iterable[int] | None) -> Parts:
    """The forward pass with the gradients of interest."""
    listing = shown.listing
    gradients, merged = _gradients(shown)
    wanted = closure(listing, [*gradients, *shown.of, *(targets or ())])
    used = {o.id for i in wanted for o in listing.items[i].operands}
    found = Parts(listing, of=shown.of, wrt=shown.wrt)
    read = {o.id for i in wanted if not listing.items[i].is_gradient for o in listing.items[i].operands}
    for i in sorted(wanted):
        item = listing.items[i]
        if not item.is_gradient and _is_drawn_leaf(item, used):
            found.parts[i] = Part(item, 0, i)
        elif item.is_gradient and i in read and i not in gradients and i not in merged:
            # What is differentiated is computed from a gradient of something else.
            found.parts[i] = Part(item, max(1, listing.orders[i]), i)
    bases: dict[int, int] = {}
    for g in sorted(gradients):
        base = _base(listing, g, merged, bases)
        if base is None or (base in listing.items and base not in found.parts):
            continue
        bases[g] = base
    for g, base in bases.items():
        found.parts[g] = Part(listing.items[g], max(1, listing.orders[g]), base)
    found.arcs = [a for a in _data_arcs(found) if not listing.items[a.head].is_gradient]
    for g in bases:
        _contract(found, g, merged)
    return found


def _gradients(shown: Backward) -> tuple[set[int], dict[int, int]]:
    """Gradients to draw, and for each further one of the same derivative the one it is merged into."""
    listing, flags = shown.listing, shown.flags
    items = listing.items
    first: dict[tuple[tuple[int, ...], int], int] = {}
    merged: dict[int, int] = {}
    for i, item in items.items():
        if not flags[i] or item.wrt is None:
            continue
        key = (tuple(merged.get(y, y) for y in item.of), merged.get(item.wrt, item.wrt))
        kept = first.setdefault(key, i)
        if kept != i:
            merged[i] = kept
    gradients = set(first.values())
    used = {o.id for i, item in items.items() if flags[i] for o in item.operands}
    for i, item in items.items():
        ends = item.is_gradient and item.op is not None and i not in used and item.wrt is None
        if flags[i] and ends and closure_meets(listing, i, gradients):
            gradients.add(i)
    gradients |= {y for s in listing.sweeps if flags[s.start] for y in s.ys if y in items and items[y].is_gradient}
    return {g for g in gradients if g not in merged}, merged


def closure_meets(listing: Listing, i: int, others: set[int]) -> bool:
    """Whether ``i`` is computed from one of ``others``."""
    return not others.isdisjoint(closure(listing, [i]) - {i})


def _base(listing: Listing, g: int, merged: dict[int, int], bases: dict[int, int]) -> int | None:
    """The forward variable beside which gradient ``g`` stands; None if it belongs to a helper that is not drawn."""
    item = listing.items[g]
    if item.wrt is not None:
        below = merged.get(item.wrt, item.wrt)
        if below not in listing.items:
            return None
        return bases.get(below) if listing.items[below].is_gradient else below
    ingredients = [bases[j] for j in closure(listing, [g]) if j in bases]
    return max(ingredients, default=None)


def _contract(found: Parts, g: int, merged: dict[int, int]) -> None:
    """Arrows into gradient ``g``: from other gradients, and from arrays of the forward pass that it reads."""
    items = found.listing.items
    sources: set[int] = set()
    kept: set[int] = set()
    seen: set[int] = set()
    stack = [g]
    while stack:
        item = items[stack.pop()]
        for o in item.operands:
            j = merged.get(o.id, o.id)
            if j in seen or j == g or not _uses_elements(item.op, o.position):
                continue
            if items[j].is_gradient:
                seen.add(j)
                sources.add(j) if j in found.parts else stack.append(j)
            elif j in found.parts and _reads_array(found.listing, item, o.position, items[j]):
                seen.add(j)
                kept.add(j)
    of = items[g].of
    for j in sorted(sources):
        # Within a sweep, and into what is built from gradients, cotangents flow; other sweeps only read an array.
        flows = items[g].wrt is None or items[j].of == of
        found.arcs.append(Arc(j, g, "backward" if flows else "kept"))
    found.arcs += [Arc(j, g, "kept") for j in sorted(kept)]


def _uses_elements(op: Op | None, position: int) -> bool:
    """Whether an op looks at an operand's elements, not only at its shape."""
    return op is not None and position not in op.shape_of


def _reads_array(listing: Listing, item: Item, position: int, operand: Item) -> bool:
    """Whether the backward pass holds on to an array for this; variables and constants are held anyway."""
    if operand.kind not in (VariableKind.ARRAY, VariableKind.PLACEHOLDER) or operand.aval.shape == ():
        return False
    return item.op is None or not item.op.is_composite or _body_reads(listing, item, position)


def _body_reads(listing: Listing, item: Item, position: int) -> bool:
    """Whether the outputs of a composite depend on an operand's elements, not only on its shape."""
    sd = listing.sd
    node = sd.nodes[item.id]
    if node.op is not item.op:
        return True
    avals = operand_avals(sd.nodes, node.inputs)
    body = trace(node.op, sd, avals, node.attrs)
    used = bytearray(len(body.need))
    for out in body.outs:
        used[out] = 1
    for i in range(len(used) - 1, -1, -1):
        if used[i]:
            inner = body.graph.nodes[i]
            for k, j in enumerate(inner.inputs):
                if j >= 0 and _uses_elements(inner.op, k):
                    used[j] = 1
    return bool(used[body.params[position]])


def with_badges(found: Parts, shown: Backward) -> Parts:
    """Remember each forward variable's first-order gradient."""
    items = found.listing.items
    for i, item in items.items():
        if shown.flags[i] and item.wrt in found.parts and not items[item.wrt].is_gradient:
            found.badges.setdefault(item.wrt, i)
    return found


# ---------------------------------------------------------------------- neighbourhoods


def neighbourhood(found: Parts, focus: int, radius: int) -> Parts:
    """What lies within ``radius`` arrows of ``focus``."""
    near = nearest(found.parts, found.arcs, [focus], radius=radius)
    parts = {i: p for i, p in found.parts.items() if i in near}
    arcs = [a for a in found.arcs if a.tail in parts and a.head in parts]
    return replace(found, parts=parts, arcs=arcs)


def nearest(
    nodes: Iterable[int],
    arcs: Iterable[Arc],
    start: Iterable[int],
    *,
    radius: int | None = None,
    most: int | None = None,
) -> set[int]:
    """Breadth first from ``start`` along arrows both ways, until ``radius`` steps or ``most`` nodes."""
    around: dict[int, list[int]] = {i: [] for i in nodes}
    for arc in arcs:
        around[arc.tail].append(arc.head)
        around[arc.head].append(arc.tail)
    found: dict[int, int] = {i: 0 for i in start if i in around}
    queue = list(found)
    for i in queue:
        if radius is not None and found[i] >= radius:
            continue
        for j in around[i]:
            if j not in found and (most is None or len(found) < most):
                found[j] = found[i] + 1
                queue.append(j)
    return set(found)
