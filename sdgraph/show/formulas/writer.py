r"""Which variables of a graph become equations, and what stands on either side.

A variable that has no name of its own is written inside its reader; it gets a letter and an equation where it is read
more than once, or is too long. Must not know how lines are laid out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sdgraph.build.bodies import output_place
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import Op
from sdgraph.build.reading import ATOM, POWER, Term, escaped, literal
from sdgraph.show.formulas import naming, notation
from sdgraph.show.formulas.arrays import matrix
from sdgraph.show.visible import Item, Listing, Operand

_MAX_WIDTH: Final = 64
"""A formula wider than this, in letters, is not put into another one: it becomes an equation of its own."""
_MAX_LENGTH: Final = 600
"""The same in characters of source."""
_MAX_DIFFERENTIATED: Final = 4
"""What is wider than this is not written behind the sign of a derivative."""

_INVISIBLE: Final = re.compile(r"\\(?:left|right|mathrm|mathit|operatorname|text|frac|begin|end)\b|\\[ ,;]|[{}_^ ]")
_TURNED: Final = re.compile(r"[^\s()]{1,40}\^\{\\top\}")
"""The transpose of what has a name."""
_COMMAND: Final = re.compile(r"\\[A-Za-z]+")


def width(text: str) -> int:
    r"""About how many letters wide a formula is.

    Example:
        >>> width(r"\sigma\left(X\, w_{1}\right) + \mathrm{bias}")
        11
    """
    return len(_COMMAND.sub("x", _INVISIBLE.sub("", text)))


class Equation(NamedTuple):
    """A variable's name, what it equals, and the variables that are named there."""

    left: str
    right: str
    uses: frozenset[int]


class Writer:
    """Turns what a variable is computed from into formulas, in creation order."""

    def __init__(self, listing: Listing, top: int, *, most: int = 0) -> None:
        self.listing = listing
        self.items = listing.items
        self.top = top
        self.most = most
        """Arrays of at most as many rows and columns are written as numbers."""
        self.losses = _meant_as_losses(listing)
        self.by_top = self._variables_of_top()
        self.needed = self._reached([top])
        self.differentiated = self._differentiated()
        self.shown = sorted({*self.needed, *self._reached(self.differentiated)})
        """What is needed, and what the names of gradients speak of."""
        self.names = naming.chosen_names([self.items[i] for i in self.shown if self.items[i].is_named])
        self.taken = naming.signs_of(self.names.values()) | self._ambiguous_signs()
        # What is only spoken of may be read there as often as it likes.
        self.uses = _count_uses(self.items, self.differentiated, self.taken) | _count_uses(
            self.items, [top], self.taken
        )
        self.letters = naming.Letters(self.taken, sum(self._is_unnamed_loss(i) for i in self.shown))
        self.terms: dict[int, Term] = {}
        self.inside: dict[int, frozenset[int]] = {}
        """The variables that are named in each term."""
        self.found: dict[int, Equation] = {}
        self._lefts: set[str] = set()
        self._losses: dict[int, Term] = {}

    def equations(self) -> dict[int, Equation]:
        """One equation per variable under the top that has a name or gets one."""
        for i in self.shown:
            item = self.items[i]
            if item.op is None:
                self._leaf(item)
            else:
                self._result(item)
        return self.found

    # ------------------------------------------------------------------ what there is

    def _ambiguous_signs(self) -> frozenset[str]:
        """``N`` where it would stand for the numbers of elements of several arrays."""
        sized = [item for i in self.shown if (item := self.items[i]).op is not None and _counts(item.op)]
        arrays = [self.items[item.operands[0].id] for item in sized]
        # Of two unknown sizes without names nobody knows that they are one.
        sizes = {(x.aval.shape, x.id if None in x.aval.shape else None) for x in arrays}
        return frozenset("N" * (len(sizes) > 1))

    def _reached(self, tops: Iterable[int]) -> list[int]:
        need = self.listing.sd.reachable([*tops])
        return [i for i in self.items if i < len(need) and need[i]]

    def _differentiated(self) -> set[int]:
        """Variables without a name that the names of gradients speak of."""
        gradients = [item for i in self.needed if (item := self.items[i]).wrt is not None and not item.is_named]
        spoken = {i for item in gradients for i in self._targets(item) if not self._has_name(i)}
        return spoken | self.by_top

    def _variables_of_top(self) -> set[int]:
        """Variables without a name by which the top is a derivative."""
        item = self.items[self.top]
        found: set[int] = set()
        while item.wrt is not None and not item.is_named:
            found |= {item.wrt} if not self._has_name(item.wrt) else set()
            targets = self._targets(item)
            inner = self.items.get(targets[0])
            if len(targets) != 1 or inner is None:
                break
            item = inner
        return found

    def _targets(self, item: Item) -> list[int]:
        """What a gradient is the derivative of. That of a sum is written as that of an array, which is the same."""
        return [self._summed(y) for y in item.of]

    def _summed(self, i: int) -> int:
        """What an unnamed sum of all elements adds up, else the variable itself."""
        while (item := self.items.get(i)) is not None and not self._has_name(i) and item.op is not None:
            silent = notation.shown_as(item.op)
            if silent is None and (item.op.key != "sum" or self.listing.sd.nodes[i].attrs.get("axis") is not None):
                break
            i = item.operands[silent or 0].id
        return i

    def _has_name(self, i: int) -> bool:
        item = self.items.get(i)
        return item is None or item.is_named or item.wrt is not None or self._is_unnamed_loss(i)

    def _is_unnamed_loss(self, i: int) -> bool:
        item = self.items.get(i)
        return item is not None and i in self.losses and not item.is_named and item.wrt is None

    def _is_helper(self, item: Item) -> bool:
        """Whether nobody named the variable, nor the one it is the gradient of."""
        forward = item if item.wrt is None else self.items.get(item.wrt, item)
        return not (item.is_named or forward.is_named)

    # ------------------------------------------------------------------ leaves

    def _leaf(self, item: Item) -> None:
        i = item.id
        value = self._value(item)
        if value is not None and not item.is_named:
            self.terms[i], self.inside[i] = value, frozenset()
            return
        own = self.names[i] if item.is_named else self.letters.array()
        self.terms[i], self.inside[i] = own._replace(is_scalar=item.aval.shape == ()), frozenset({i})
        if value is not None:
            self.found[i] = Equation(own.text, value.text, frozenset())

    def _value(self, item: Item) -> Term | None:
        """What a leaf holds, where that is written: numbers that stay, and small arrays if they are asked for."""
        value = self.listing.sd.values.get(item.id)
        if value is None:
            return None
        if not value.ndim:
            return literal(value) if item.kind is VariableKind.CONSTANT or self.most else None
        return matrix(value, self.most)

    # ------------------------------------------------------------------ results

    def _result(self, item: Item) -> None:
        i = item.id
        term = self._applied(item)
        used = frozenset().union(*(self.inside[o.id] for o in _written_operands(item, self.taken)))
        if self._is_inside(item, term):
            self.terms[i], self.inside[i] = term, used
            return
        own, spoken = self._own_name(item)
        self.found[i] = Equation(own.text, term.text, used | spoken)
        self._lefts.add(own.text)
        self.terms[i], self.inside[i] = own._replace(is_scalar=term.is_scalar), frozenset({i})

    def _is_inside(self, item: Item, term: Term) -> bool:
        """Whether the variable is written where it is read."""
        assert item.op is not None
        if item.id == self.top:
            return False
        if item.wrt is not None and not item.is_named and item.op.key == "ones_like":
            # Where a sweep begins: a factor of 1 that need not be named.
            return True
        if not item.is_named and item.id not in self.by_top and (term.is_number or _TURNED.fullmatch(term.text)):
            # As short as any name for it.
            return True
        if not self._is_helper(item):
            return False
        if item.id in self.by_top or (item.id in self.differentiated and width(term.text) > _MAX_DIFFERENTIATED):
            return False
        if notation.shown_as(item.op) is not None:
            return True
        fits = len(term.text) <= _MAX_LENGTH and width(term.text) <= _MAX_WIDTH
        return fits and self.uses.get(item.id, 0) <= 1

    def _applied(self, item: Item) -> Term:
        sd = self.listing.sd
        node = sd.nodes[item.id]
        op, attrs = item.op, node.attrs
        assert op is not None
        if node.op is not op:
            attrs = sd.nodes[node.inputs[0]].attrs
        operands = [self.terms[o.id] for o in item.operands]
        # Behind an operand that was left out, the places no longer tell which ones are given.
        labels = [o.name if o.position != k and not op.variadic else None for k, o in enumerate(item.operands)]
        term = notation.applied(op, operands, attrs, labels=labels, taken=self.taken)
        if node.op is not op:
            place = output_place(op, attrs, node.attrs["index"])
            which = str(place) if type(place) is int else rf"\mathrm{{{escaped(str(place))}}}"
            term = Term(f"{term.at(POWER)}_{{{which}}}")
        scalar = item.aval.shape == () or term.is_number
        return term._replace(is_scalar=scalar, negated=term.negated and term.negated._replace(is_scalar=scalar))

    # ------------------------------------------------------------------ names

    def _own_name(self, item: Item) -> tuple[Term, frozenset[int]]:
        """What a variable is called, and the variables that the name speaks of."""
        if item.is_named:
            return self.names[item.id], frozenset()
        if item.wrt is not None:
            found = self._derivative(item)
            if found is not None and found[0].text not in self._lefts:
                return found
            return self.letters.gradient(), frozenset()
        return self._loss_name(item.id) if self._is_unnamed_loss(item.id) else self.letters.result(), frozenset()

    def _loss_name(self, i: int) -> Term:
        if i not in self._losses:
            self._losses[i] = self.letters.loss()
        return self._losses[i]

    def _derivative(self, item: Item) -> tuple[Term, frozenset[int]] | None:
        """The gradient of one variable as a quotient of differentials; None if that has no name either."""
        below: list[Term] = []
        spoken: frozenset[int] = frozenset()
        while True:
            assert item.wrt is not None
            by = self._name_of(item.wrt)
            if by is None or by[0].text.startswith(r"\frac"):
                return None
            below.append(by[0])
            spoken |= by[1]
            targets = self._targets(item)
            inner = self.items.get(targets[0]) if len(targets) == 1 else None
            if inner is None or inner.wrt is None or inner.is_named:
                break
            item = inner
        names = [self._name_of(y) for y in targets]
        if None not in names:
            above = naming.several([name[0] for name in names if name])
            # Of a variable with scopes above it, the name binds less than a letter, and still needs no brackets.
            above = above._replace(binds=ATOM) if len(names) == 1 else above
            return naming.derivative(above, below), spoken.union(*(name[1] for name in names if name))
        what = self._short_form(targets[0]) if len(targets) == 1 else None
        return None if what is None else (naming.derivative(what, below, named=False), spoken | self.inside[targets[0]])

    def _name_of(self, i: int) -> tuple[Term, frozenset[int]] | None:
        """The name of a variable that a gradient's name speaks of, if it has one."""
        if i in self.names:
            return self.names[i], frozenset()
        item = self.items.get(i)
        if item is None or item.is_named:
            return Term(notation.name(self.listing.sd.nodes[i].name.rsplit("/", 1)[-1])), frozenset()
        if i in self.found:
            return self.terms[i], frozenset({i})
        if self._is_unnamed_loss(i):
            return self._loss_name(i), frozenset()
        return None

    def _short_form(self, i: int) -> Term | None:
        """What a variable is computed from, if that is short."""
        term = self.terms.get(i)
        return None if term is None or width(term.text) > _MAX_DIFFERENTIATED else term


def _meant_as_losses(listing: Listing) -> set[int]:
    """The losses that somebody meant: the only output of a graph is none unless it has a loss inside, or a gradient."""
    marks, found = listing.sd.marks, {*listing.losses.ids}
    if marks.losses or marks.explicit_losses:
        return found or {*marks.losses}
    return found & {*marks.extra_losses, *(y for sweep in listing.sweeps for y in sweep.ys)}


def _counts(op: Op) -> bool:
    """Whether an op is written with the number of elements of its first operand."""
    if op.gradient_of is None:
        return op.reads is not None and "N" in op.reads.letters
    source = op.gradient_of[0].reads
    return source is not None and "N" in source.slope_letters


def _written_operands(item: Item, taken: frozenset[str]) -> Iterable[Operand]:
    """The operands that are seen in the formula of a variable."""
    if item.op is None or notation.hides_operands(item.op, taken):
        return ()
    if notation.slope_of(item.op, taken) is not None:
        return item.operands[-1:]
    silent = notation.shown_as(item.op)
    return item.operands if silent is None else [o for o in item.operands if o.position == silent]


def _count_uses(items: Mapping[int, Item], tops: Iterable[int], taken: frozenset[str]) -> dict[int, int]:
    """How often each variable is written under some; what a silent op passes on is written as often as that."""
    uses = dict.fromkeys(tops, 0)
    for i in range(max(uses, default=-1), -1, -1):
        if i not in uses:
            continue
        op = items[i].op
        silent = op is not None and notation.shown_as(op) is not None
        for operand in _written_operands(items[i], taken):
            uses[operand.id] = uses.get(operand.id, 0) + (max(1, uses[i]) if silent else 1)
    return uses
