"""The drawing model: cards, arrows, boxes and words, ready for DOT or Mermaid, without any syntax.

Must not know Graphviz, nor read a graph beyond what `parts` and `grouping` hand over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sdgraph.build.bodies import in_words
from sdgraph.show.options import Options
from sdgraph.show.pictures.choose.grouping import DEEPEST, Group, Groups
from sdgraph.show.pictures.choose.parts import Arc, Parts
from sdgraph.show.pictures.choose.values import Values
from sdgraph.show.pictures.dress.colouring import Colouring, Scale, dtype_family, make_colouring
from sdgraph.show.pictures.dress.local_derivative import local_derivative
from sdgraph.show.pictures.dress.sizes import sizes
from sdgraph.show.pictures.dress.theme import KINDS, LEAVES
from sdgraph.show.table import FROZEN
from sdgraph.show.visible import Item, Listing
from sdgraph.wording import MAX_NAME, counted, number, shortened

_MOST_NAMED: Final = 3
"""Variables that a title names."""

_GRADIENT_WIDTH: Final = 2 * MAX_NAME + len("∂/∂")
"""Characters of a gradient's title: of two names, or more of them where it is of a higher order."""

_POSITIONAL: Final = frozenset({"x", "y", "a", "b", "z", "u", "v"})
"""Parameter names that say no more than their place does."""


class Line(NamedTuple):
    """A line on a card below its title; ``tone`` is an ink role, ``heat`` the step of its background."""

    text: str
    tone: str = "detail"
    heat: int | None = None


@dataclass(slots=True)
class Card:
    """One card. ``outline`` is the kind whose shape it has; ``heat`` the step of its colour, if it has one."""

    kind: str
    title: str
    word: str
    lines: list[Line]
    tooltip: str
    path: tuple[str, ...] = ()
    order: int = 0
    base: int = 0
    outline: str = ""
    heat: int | None = None
    names: tuple[str, ...] = ()
    dtype: str = ""
    """The family of dtypes that colours it, if they do."""


@dataclass(slots=True)
class Link:
    """One arrow between cards, by index. ``upward`` means that the head stands above the tail."""

    tail: int
    head: int
    kind: str
    label: str = ""
    operand: str = ""
    upward: bool = False
    level: bool = False


@dataclass(slots=True)
class Scene:
    """A whole picture."""

    title: str
    subtitle: str
    cards: list[Card] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scale: Scale | None = None
    mirrored: bool = False
    ranks: list[list[int]] = field(default_factory=list)
    """Cards that stand at one height: a forward card and its gradients."""
    dtypes: dict[str, list[str]] = field(default_factory=dict)
    """The dtypes in each family, where these colour the cards."""
    facts: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    """Lines that boxes have below their title, by path."""

    @property
    def kinds(self) -> list[str]:
        """The kinds of cards in it, in the legend's order."""
        present = {c.kind for c in self.cards}
        return [k for k in KINDS if k in present]

    @property
    def alt(self) -> str:
        """The picture in one sentence, for readers who do not see it."""
        return f"{self.title}: {self.subtitle}." + "".join(f" {n[0].upper()}{n[1:]}." for n in self.notes)


def make_scene(found: Parts, grouped: Groups, values: Values, options: Options) -> Scene:
    """Turn groups into cards and arrows."""
    colours = make_colouring(found, grouped, values, options)
    cards = [_card(found, g, values, options, colours) for g in grouped.groups]
    links = [_link(found, grouped, a, options) for a in grouped.arcs]
    title, subtitle = _heading(found, grouped, values, options)
    mirrored = options.view == "gradient"
    dtypes = _coloured_by_dtype(grouped, cards) if options.color_by == "dtype" else {}
    notes = list(grouped.notes)
    return Scene(title, subtitle, cards, links, notes, colours.scale, mirrored, _ranks(grouped), dtypes)


def _coloured_by_dtype(grouped: Groups, cards: list[Card]) -> dict[str, list[str]]:
    """Give cards of single variables the colour of their dtype; return what the legend must explain."""
    found: dict[str, set[str]] = {}
    for g, card in zip(grouped.groups, cards, strict=True):
        if not g.is_scope:
            aval = g.members[0].item.aval
            card.dtype, card.heat = dtype_family(aval), None
            found.setdefault(card.dtype, set()).add(aval.dtype.name)
    return {family: sorted(names) for family, names in sorted(found.items())}


def _ranks(grouped: Groups) -> list[list[int]]:
    """A forward card with the gradients of its variables, wherever there are any."""
    place = {p.item.id: k for k, g in enumerate(grouped.groups) if not g.order for p in g.members}
    ranks: dict[int, list[int]] = {}
    for k, g in enumerate(grouped.groups):
        if g.order and g.base in place:
            ranks.setdefault(place[g.base], [place[g.base]]).append(k)
    return list(ranks.values())


# ---------------------------------------------------------------------- headings


def _heading(found: Parts, grouped: Groups, values: Values, options: Options) -> tuple[str, str]:
    listing = found.listing
    forward = [p.item for p in found.parts.values() if p.order == 0]
    losses = [i for i in listing.losses.ids if i in found.parts]
    shown = [
        f"{shortened(listing.items[i].short_name)} = {number(values.arrays[i])}" for i in losses if i in values.arrays
    ]
    if options.view == "gradient":
        title = options.title or _gradient_title(found)
        by = [f"by {_told_apart(listing, found.wrt)}"] if 0 < len(found.wrt) <= _MOST_NAMED else []
        facts = [*by, counted(sum(p.order > 0 for p in found.parts.values()), "gradient")]
        if any(a.kind == "kept" for a in grouped.arcs):
            facts.append("dotted: array kept for the backward pass")
        return title, " · ".join([*facts, *shown[:3]])
    title = options.title or ("Graph with gradients" if options.view == "both" else "Graph")
    parameters = sum(i.parameters for i in forward)
    facts = [counted(len(forward), "variable")]
    if parameters:
        facts.append(counted(parameters, "parameter"))
    return title, " · ".join([*facts, *shown[:3]])


def _gradient_title(found: Parts) -> str:
    """What is differentiated, unless that is too much for a title."""
    items = found.listing.items
    of = found.of or dict.fromkeys(y for p in found.parts.values() for y in p.item.of if not items[y].is_gradient)
    if not 0 < len(of) <= _MOST_NAMED:
        return "Gradients"
    return f"Gradient of {_told_apart(found.listing, [*of])}"


def _told_apart(listing: Listing, ids: Sequence[int]) -> str:
    """Names without their scopes, but for those that would be equal."""
    short = [listing.items[i].short_name for i in ids]
    names = [name if short.count(name) == 1 else listing.items[i].name for i, name in zip(ids, short, strict=True)]
    return ", ".join(map(shortened, names))


# ---------------------------------------------------------------------- cards


def _card(found: Parts, g: Group, values: Values, options: Options, colours: Colouring) -> Card:
    if g.path is not None:
        return _scope_card(g, g.path, values, colours)
    part = g.members[0]
    item, listing = part.item, found.listing
    kind = "gradient" if part.order else card_kind(item)
    lines = _lines(item, options)
    word = _word(listing, item)
    title = item.short_name if options.show_scopes and not part.order else item.name
    heat = colours.heat([item.id])
    base = listing.items.get(part.base)
    if part.order:
        name = listing.gradient_name(item, short=True)
        scope = shortened("/".join(base.scope)) if base is not None and not base.is_gradient else ""
        title, word = (name, scope) if name is not None else (item.short_name, word)
    lines += _value_lines(found, item, part.order, values, options, colours)
    if item.id in values.bad:
        kind, heat = "bad", None
    path = item.scope[:DEEPEST] if not part.order else ()
    outline = card_kind(base) if part.order and base is not None and item.wrt is not None else kind
    tooltip = f"{listing.gradient_name(item) or item.name} = {_call(listing, item)}: {item.aval}"
    return Card(
        kind,
        shortened(title, _GRADIENT_WIDTH if part.order else MAX_NAME),
        word,
        lines,
        tooltip,
        path if options.show_scopes else (),
        part.order,
        part.base,
        outline if outline in LEAVES else kind,
        heat,
        (item.name,),
    )


def _scope_card(g: Group, path: tuple[str, ...], values: Values, colours: Colouring) -> Card:
    names = [p.item.name for p in g.members]
    parameters = sum(p.item.parameters for p in g.members)
    title, word = path[-1], "scope"
    if g.repeats:
        title, word = f"{path[-1]} … {g.repeats[-1][-1]}", f"× {len(g.repeats)}"
    if g.order:
        title = f"∂ {title}"
    facts = counted(len(g.members), "variable" if not g.order else "gradient")
    if parameters:
        facts += f", {counted(parameters, 'parameter')}"
    tooltip = f"scope {'/'.join(path)}: " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    kind, lines, heat = "gradient" if g.order else "scope", [Line(facts)], colours.heat([p.item.id for p in g.members])
    norms = [values.norms[p.item.id] for p in g.members if p.item.id in values.norms] if g.order else []
    bad = sum(p.item.id in values.bad for p in g.members)
    if bad:
        kind, heat = "bad", None
        lines.append(Line(f"NaN or infinity in {counted(bad, 'array')}", "bad"))
    elif norms:
        lines.append(Line(f"largest ‖·‖₂ = {number(max(norms))}", "value"))
    return Card(
        kind, shortened(title, 32), word, lines, tooltip, path[:-1] if not g.order else (), g.order, g.base,
        "scope", heat, tuple(names),
    )  # fmt: skip


def card_kind(item: Item) -> str:
    """The kind of card that a variable of the forward pass gets."""
    if item.is_loss:
        return "loss"
    if item.is_output:
        return "output"
    if item.is_frozen:
        return "frozen"
    return "op" if item.op is not None else item.kind.value


def _word(listing: Listing, item: Item) -> str:
    """The op's name, with the numbers among its operands: ``mul(·, 2)``."""
    if item.op is None:
        return _leaf_word(item)
    if item.op.has_bodies:
        call = listing.sd.call_of(listing.sd.nodes[item.id])
        return in_words(call.op, call.attrs, call.aval)
    name = item.op.name.rstrip("_")
    literals = [o for o in item.operands if listing.items[o.id].is_literal]
    if not literals or len(item.operands) > 3:
        return "" if _is_automatic(item) else name
    inner = [number(listing.sd.values[o.id]) if o in literals else "·" for o in item.operands]
    return f"{'' if _is_automatic(item) else name}({', '.join(inner)})"


def _leaf_word(item: Item) -> str:
    return FROZEN if item.is_frozen else item.kind.value


def _is_automatic(item: Item) -> bool:
    """Whether the name says the op already: ``add``, ``add_1``."""
    assert item.op is not None
    stem, _, suffix = item.short_name.rpartition("_")
    return item.short_name == item.op.name or (stem == item.op.name and suffix.isdigit())


def _call(listing: Listing, item: Item) -> str:
    if item.op is None:
        return _leaf_word(item)
    return f"{item.op.qualname}({', '.join(listing.items[o.id].name for o in item.operands[:8])})"


def _lines(item: Item, options: Options) -> list[Line]:
    words = []
    if options.show_dtypes:
        words.append(item.aval.dtype.name)
    if options.show_shapes:
        words.append(sizes(item.aval.shape))
    return [Line(" ".join(words))] if words else []


def _value_lines(
    found: Parts, item: Item, order: int, values: Values, options: Options, colours: Colouring
) -> list[Line]:
    lines = []
    if item.id in values.bad:
        return [Line(values.bad[item.id], "bad")]
    if order and item.id in values.norms:
        lines.append(Line(f"‖·‖₂ = {number(values.norms[item.id])}", "value"))
    elif options.values != "none" and item.id in values.arrays:
        lines.append(Line(number(values.arrays[item.id]), "value"))
    if item.id in values.stats:
        lines.append(Line(values.stats[item.id], "value"))
    badge = found.badges.get(item.id) if options.view == "both" else None
    if badge is not None:
        norm = values.norms.get(badge)
        name = shortened(found.listing.gradient_name(found.listing.items[badge], short=True) or "gradient", 32)
        words = f"‖{name}‖ = {number(norm)}" if norm is not None else name
        lines.append(Line(words, "gradient", colours.heat([badge])))
    return lines


# ---------------------------------------------------------------------- arrows


def _link(found: Parts, grouped: Groups, arc: Arc, options: Options) -> Link:
    tail, head = grouped.groups[arc.tail], grouped.groups[arc.head]
    plain = not tail.is_scope and not head.is_scope
    label = operand = ""
    if arc.kind == "backward":
        if plain and options.edge_labels != "none":
            label = _derivative_label(found, tail, head)
    elif arc.kind == "data" and plain:
        operand = _operand_label(head.members[0].item, arc, options, found.listing)
    upward = arc.kind == "backward" and head.base < tail.base
    level = arc.kind == "kept" or (arc.kind == "backward" and head.base == tail.base)
    return Link(arc.tail, arc.head, arc.kind, label, operand, upward, level)


def _derivative_label(found: Parts, tail: Group, head: Group) -> str:
    """The factor between two gradients; nothing if it is 1, or if the title of the arrow's head says it already."""
    y, x = tail.members[0].item, head.members[0].item
    words = local_derivative(found.listing, y.id, x.id, found.parts)
    if words is not None:
        return words
    items = found.listing.items
    if y.wrt is None or x.wrt is None or y.wrt in y.of or y.of != x.of:
        return ""
    above, below = items[y.wrt], items[x.wrt]
    if above.is_gradient or below.is_gradient or above.short_name == below.short_name:
        return "⋯"
    return f"∂{shortened(above.short_name, 10)}/∂{shortened(below.short_name, 10)}"


def _operand_label(item: Item, arc: Arc, options: Options, listing: Listing) -> str:
    """The operand's place or name, where exchanging operands would change the result."""
    if options.edge_labels == "none" or item.op is None:
        return ""
    drawn = [o for o in item.operands if not listing.items[o.id].is_literal]
    if options.edge_labels == "auto" and (len(drawn) < 2 or item.op.commutes):
        return ""
    if item.op.variadic or arc.operand in _POSITIONAL:
        return str(arc.position + 1)
    given = next(o.id for o in item.operands if o.position == arc.position)
    same = options.edge_labels == "auto" and arc.operand == listing.items[given].short_name
    return "" if same else shortened(arc.operand.replace("_", " "), 20)
