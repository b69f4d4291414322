r"""A variable as formulas: one equation per named variable it is computed from, in an ``align*``.

Reads the graph through `visible`; how things are written is in `notation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from sdgraph.build.kinds import VariableKind
from sdgraph.build.operands import operand_avals
from sdgraph.build.reading import ATOM, POWER, Term, literal
from sdgraph.build.tracing import trace
from sdgraph.checks import flag, whole
from sdgraph.infer.aval import Aval
from sdgraph.lower.expansion import opened
from sdgraph.show.formulas import notation
from sdgraph.show.visible import Item, Listing, visible

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable

_MAX_EXPRESSION: Final = 240
"""A formula longer than this is not put into another one: it becomes an equation of its own."""
_MAX_EXPANDED: Final = 1200
_AUTOMATIC: Final = re.compile(r"constant(_\d+)?")


class Latex(str):
    r"""LaTeX source, which a notebook shows as formulas.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> print(sd.placeholder("x").mul(2, name="y").to_latex())
        \begin{align*}
        y &= x \cdot 2
        \end{align*}
    """

    __slots__ = ()

    def _repr_latex_(self) -> str:
        return str(self)


class _Equation(NamedTuple):
    left: str
    right: str
    uses: frozenset[int]


def to_latex(v: SDVariable, depth: int | None = None, *, expand: bool = False, max_length: int = 2000) -> Latex:
    """The formulas of a variable; see `SDVariable.to_latex`."""
    if depth is not None:
        whole("depth", depth, least=1, message="depth must be 1 or more, or None.")
    whole("max_length", max_length, message="max_length is a number of characters.")
    flag("expand", expand)
    listing = visible(v.sd)
    writer = _Writer(listing, expand=expand)
    equations = writer.equations(v.id)
    order = _from_the_top(equations, v.id, depth)
    if not order:
        return Latex(_aligned([writer.names[v.id]]))
    lines: list[str] = []
    length = len(_aligned([])) + 60
    for k, i in enumerate(order):
        equation = equations[i]
        line = f"{equation.left} &= {equation.right}"
        if length + len(line) > max_length:
            if not k:
                lines.append(rf"{equation.left} &= \dots")
                continue
            rest = len(order) - k
            lines.append(rf"& \text{{{rest} more equation{'s' * (rest != 1)} left out}}")
            break
        lines.append(line)
        length += len(line) + 4
    return Latex(_aligned(lines))


def _aligned(lines: Iterable[str]) -> str:
    inside = " \\\\\n".join(lines)
    return f"\\begin{{align*}}\n{inside}\n\\end{{align*}}"


def _from_the_top(equations: Mapping[int, _Equation], top: int, depth: int | None) -> list[int]:
    """The equations that ``top`` needs, itself first, down to ``depth`` levels."""
    level = {top: 1} if top in equations else {}
    for i in sorted(equations, reverse=True):
        if i in level:
            for j in equations[i].uses:
                if j in equations:
                    level[j] = min(level.get(j, level[i] + 1), level[i] + 1)
    return sorted((i for i, n in level.items() if depth is None or n <= depth), reverse=True)


class _Writer:
    """Turns what a variable is computed from into formulas, in creation order."""

    def __init__(self, listing: Listing, *, expand: bool) -> None:
        self.listing = listing
        self.expand = expand
        self.names: dict[int, str] = {}

    def equations(self, top: int) -> dict[int, _Equation]:
        """One equation per named variable under ``top``."""
        items = self.listing.items
        needed = self._needed(top)
        self.names = self._names(needed)
        uses = _count_uses(items, needed)
        terms: dict[int, Term] = {}
        inside: dict[int, frozenset[int]] = {}
        found: dict[int, _Equation] = {}
        for i in needed:
            item = items[i]
            scalar = item.aval.shape == ()
            own = Term(self.names[i], _name_binds(self.names[i]), scalar)
            if item.op is None:
                value = self._scalar_value(item)
                if value is not None and (item.is_literal or _AUTOMATIC.fullmatch(item.short_name)):
                    terms[i], inside[i] = value, frozenset()
                    continue
                terms[i], inside[i] = own, frozenset({i})
                if value is not None:
                    found[i] = _Equation(own.text, value.text, frozenset())
                continue
            term = self._applied(item, [terms[o.id] for o in item.operands])._replace(is_scalar=scalar)
            if i != top and item.wrt is not None and item.op.key == "ones_like":
                # Where a sweep begins: a factor of 1 that need not be named.
                terms[i], inside[i] = term, frozenset()
                continue
            used = frozenset().union(*(inside[o.id] for o in item.operands))
            silent = notation.shown_as(item.op) is not None
            if i != top and self._is_helper(item) and (silent or (uses[i] == 1 and len(term.text) <= _MAX_EXPRESSION)):
                terms[i], inside[i] = term, used
                continue
            found[i] = _Equation(own.text, term.text, used)
            terms[i], inside[i] = own, frozenset({i})
        return found

    def _needed(self, top: int) -> list[int]:
        need = self.listing.sd.reachable([top])
        return [i for i in self.listing.items if i < len(need) and need[i]]

    def _scalar_value(self, item: Item) -> Term | None:
        if item.kind is not VariableKind.CONSTANT or item.aval.shape != ():
            return None
        return literal(self.listing.sd.values[item.id])

    def _is_helper(self, item: Item) -> bool:
        """Whether the library named the variable, or the one it is the gradient of, so that nobody looks for it."""
        while item.wrt is not None and item.wrt in self.listing.items:
            item = self.listing.items[item.wrt]
        automatic = item.op is not None and re.fullmatch(rf"{re.escape(item.op.name)}(_\d+)?(:\d+)?", item.short_name)
        return bool(automatic) and not item.is_loss

    # ------------------------------------------------------------------ one op

    def _applied(self, item: Item, operands: list[Term]) -> Term:
        node = self.listing.sd.nodes[item.id]
        if node.op is not item.op:
            k = node.attrs["index"]
            node = self.listing.sd.nodes[node.inputs[0]]
            term = notation.applied(node.op, operands, node.attrs)
            return Term(f"{term.at(ATOM)}_{{{k}}}")
        # What no namespace offers is for gradients only: that it is written out is all that anybody wants to see of it.
        if self.expand and node.op.is_composite and (node.op.owner is not None or node.op.reads is None):
            opened = self._opened(item, operands)
            if opened is not None and len(opened.text) <= _MAX_EXPANDED:
                return opened
        return notation.applied(node.op, operands, node.attrs)

    def _opened(self, item: Item, operands: list[Term]) -> Term | None:
        """A composite written with the ops of its body; None where the body depends on sizes not known yet."""
        sd = self.listing.sd
        node = sd.nodes[item.id]
        avals = operand_avals(sd.nodes, node.inputs)
        if node.op.infer is not None and not all(
            a is None or a.is_static for a in avals if a is None or type(a) is Aval
        ):
            return None
        body = opened(trace(node.op, sd, avals, node.attrs))
        if len(body.outs) != 1:
            return None
        listing = visible(body.graph)
        given = dict(zip([p for p in body.params if p >= 0], operands, strict=True))
        inner = _Writer(listing, expand=True)
        terms: dict[int, Term] = {}
        for i in inner._needed(body.outs[0]):
            part = listing.items[i]
            if part.op is None:
                value = inner._scalar_value(part)
                terms[i] = given[i] if i in given else value or Term(notation.name(part.short_name))
                continue
            term = inner._applied(part, [terms[o.id] for o in part.operands])
            if len(term.text) > _MAX_EXPANDED:
                return None
            terms[i] = term._replace(is_scalar=part.aval.shape == ())
        return terms[body.outs[0]]

    # ------------------------------------------------------------------ names

    def _names(self, ids: list[int]) -> dict[int, str]:
        """What each variable is called; where short names clash, the ones with their scopes."""
        items = self.listing.items
        plain = [i for i in ids if items[i].wrt is None]
        short = {i: notation.name(items[i].short_name) for i in plain}
        taken: dict[str, int] = {}
        for text in short.values():
            taken[text] = taken.get(text, 0) + 1
        names = {i: text if taken[text] == 1 else notation.upright(items[i].name) for i, text in short.items()}
        for i in ids:
            if items[i].wrt is not None:
                names[i] = self._derivative(items[i], names)
        return names

    def _derivative(self, item: Item, names: Mapping[int, str]) -> str:
        """The gradient of one variable as a quotient of differentials."""
        wrt = item.wrt
        assert wrt is not None
        parts = [names.get(y) or notation.name(self.listing.sd.nodes[y].name.rsplit("/", 1)[-1]) for y in item.of]
        several = " + ".join([*parts[:3], *([r"\dots"] if len(parts) > 3 else [])])
        above = parts[0] if len(parts) == 1 else rf"\left({several}\right)"
        below = names.get(wrt) or notation.name(self.listing.sd.nodes[wrt].name.rsplit("/", 1)[-1])
        return rf"\frac{{\partial {above}}}{{\partial {below}}}"


def _name_binds(text: str) -> int:
    return POWER if text.startswith(r"\frac") else ATOM


def _count_uses(items: Mapping[int, Item], needed: Iterable[int]) -> dict[int, int]:
    """How often each variable is used under the top; through a silent op it is used as often as that."""
    uses: dict[int, int] = {}
    for i in sorted(needed, reverse=True):
        item = items[i]
        silent = None if item.op is None else notation.shown_as(item.op)
        for position, _, j in item.operands:
            if silent is None or position == silent:
                uses[j] = uses.get(j, 0) + (1 if silent is None else max(1, uses.get(i, 1)))
        uses.setdefault(i, 0)
    return uses
