"""Which elements of a cotangent count: what a selection leaves out, carried back beside the cotangent.

A cotangent is exactly 0 where its mask does not hold, but 0 times infinity is not: whoever multiplies it selects again.
A mask is a disjunction of conjunctions of conditions, so that both branches of a selection, where they meet, are
everything again. Knows how masks combine and move. Must not know which op reaches what: ops say so themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from sdgraph.build.attributes import attr_key
from sdgraph.build.kinds import AnyGraph, VariableKind
from sdgraph.build.variable import SDVariable

Literal = tuple[int, bool]
"""A boolean variable's id, and whether it or its opposite is meant."""
Term = frozenset[Literal]
"""Literals that all hold; without one, everything."""

_MOST_LITERALS = 8
"""A mask of more is computed once and then one literal: masks of a long recursion must not grow with it."""


class Pool:
    """The conditions of one backward sweep. Equal computations on conditions are one node here."""

    def __init__(self, sd: AnyGraph, asked: bool = False, leaves_out: bool = True) -> None:
        self.sd = sd
        self.leaves_out = leaves_out
        """Whether selections met in the sweep make masks; those of selections further on count in any case."""
        self.asked = asked
        """Whether the masks of leaves are asked for; they have nothing behind them that would need one."""
        self.computed: dict[frozenset[Term], SDVariable] = {}
        self._known: dict[Any, int] = {}
        self.marks: dict[int, SDVariable] = {}
        self.everything = Mask(self, frozenset([frozenset()]))
        self.nothing = Mask(self, frozenset())

    def of(self, condition: SDVariable, holds: bool = True) -> Mask:
        """The mask that holds where a condition does, or where it does not."""
        if condition.dtype.kind != "b":
            condition = self.one(lambda: condition.neq(0))
        return Mask(self, frozenset([frozenset([(condition.id, holds)])]))

    def of_marks(self, marks: SDVariable) -> Mask:
        """The mask that holds where numbers, none of them negative, are not 0. It knows them: see `Mask.added`."""
        mask = self.of(marks)
        (((i, _),),) = mask.terms
        self.marks[i] = marks
        return mask

    def one(self, make: Callable[[], SDVariable]) -> SDVariable:
        """What ``make`` returns, or what an earlier call made that is computed alike."""
        nodes = self.sd.nodes
        start = len(nodes)
        made = make()
        same: dict[int, int] = {}
        for i in range(start, len(nodes)):
            node = nodes[i]
            if node.op.kind is VariableKind.ARRAY:
                key = node.op, tuple([same.get(j, j) for j in node.inputs]), attr_key(node.attrs)
                same[i] = self._known.setdefault(key, i)
        return SDVariable(self.sd, same.get(made.id, made.id))


class Mask:
    """Where a cotangent counts. The shapes of its conditions broadcast to the cotangent's."""

    __slots__ = ("pool", "terms")

    def __init__(self, pool: Pool, terms: frozenset[Term]) -> None:
        self.pool = pool
        self.terms = terms

    # ------------------------------------------------------------------ logic

    @property
    def is_everything(self) -> bool:
        """Whether all elements count."""
        return frozenset() in self.terms

    @property
    def is_nothing(self) -> bool:
        """Whether no element counts."""
        return not self.terms

    @property
    def added(self) -> SDVariable | None:
        """The numbers of `Pool.of_marks`, if it is such a mask: where either of two holds, their sum is not 0."""
        if not self.is_literal:
            return None
        (((i, holds),),) = self.terms
        return self.pool.marks.get(i) if holds else None

    def __or__(self, other: Mask) -> Mask:
        return self._of(_simplified(self.terms | other.terms))

    def __and__(self, other: Mask) -> Mask:
        return self._of(_simplified(a | b for a in self.terms for b in other.terms))

    def _of(self, terms: frozenset[Term]) -> Mask:
        mask = Mask(self.pool, terms)
        if sum(map(len, terms)) <= _MOST_LITERALS:
            return mask
        return self.pool.of(mask.variable())

    @property
    def is_literal(self) -> bool:
        """Whether it is one condition, or the opposite of one."""
        return len(self.terms) == 1 and all(len(term) == 1 for term in self.terms)

    def variable(self) -> SDVariable:
        """The mask as one boolean variable."""
        found = self.pool.computed.get(self.terms)
        if found is None:
            found = self.pool.computed[self.terms] = self._computed()
        return found

    def _computed(self) -> SDVariable:
        sd = self.pool.sd
        if self.is_nothing or self.is_everything:
            return sd.as_variable(np.array(self.is_everything))
        both: list[SDVariable] = []
        for term in sorted(map(sorted, self.terms)):
            parts = [SDVariable(sd, i) if holds else sd.math.not_(SDVariable(sd, i)) for i, holds in term]
            both.append(_joined(sd.math.and_, parts))
        return _joined(sd.math.or_, both)

    def select(self, g: SDVariable) -> SDVariable:
        """``g`` with exactly 0 wherever it does not count."""
        sd = self.pool.sd
        if self.is_literal:
            (((i, holds),),) = self.terms
            condition = SDVariable(sd, i)
            return sd.where(condition, g, 0.0) if holds else sd.where(condition, 0.0, g)
        return sd.where(self.variable(), g, 0.0)

    # ------------------------------------------------------------------ to another shape

    def _shapes(self) -> list[tuple[Any, ...]]:
        nodes = self.pool.sd.nodes
        return [nodes[i].aval.shape for i in self._ids()]

    def _ids(self) -> list[int]:
        return sorted({i for term in self.terms for i, _ in term})

    @property
    def is_scalar(self) -> bool:
        """Whether all elements count or none does."""
        return all(d == 1 for shape in self._shapes() for d in shape)

    def moved(self, rule: Callable[[SDVariable], SDVariable]) -> Mask:
        """The mask of something each of whose elements is an element of the cotangent: ``rule`` rearranges."""
        pool, moved = self.pool, {}
        for i in self._ids():
            moved[i] = pool.one(lambda i=i: rule(SDVariable(pool.sd, i))).id
        return self._of(_simplified(frozenset((moved[i], holds) for i, holds in term) for term in self.terms))

    def as_scalar(self) -> Mask:
        """A mask that `is_scalar`, without axes."""
        return self.moved(lambda c: c.sd.reshape(c, ()) if c.ndim else c)

    def marks(self, y: SDVariable) -> SDVariable:
        """1 where the mask holds and 0 elsewhere, in the shape and dtype of ``y``."""
        sd = self.pool.sd
        return sd.broadcast_like(sd.cast(self.variable(), y.dtype), y)

    def aligned(self, ndim: int) -> Mask:
        """The same mask with conditions of rank ``ndim``."""
        return self.moved(lambda c: c if c.ndim == ndim else c.sd.expand_dims(c, tuple(range(ndim - c.ndim))))

    def over(self, *axes: int) -> Mask:
        """Whether an element counts anywhere along axes, which stay with size 1; negative ones count from the end."""
        wide = {k for k in axes for s in self._shapes() if -len(s) <= k < len(s) and s[k] != 1}
        if not wide:
            return self
        v = self.variable()
        wide = tuple(sorted(k for k in wide if -v.ndim <= k < v.ndim))
        return self.pool.of(self.pool.one(lambda: v.sd.any(v, axis=wide, keepdims=True)))

    def fitted(self, shape: tuple[Any, ...]) -> Mask:
        """The mask of a variable of this shape, whose cotangent is summed over the axes that the shape lacks."""
        n = len(shape)
        lead = max((len(s) for s in self._shapes()), default=0) - n
        lacking = [k - n for k, d in enumerate(shape) if d == 1]
        mask = self.over(*range(-n - lead, -n), *lacking)
        return mask.moved(lambda c: c.sd.squeeze(c, tuple(range(c.ndim - n))) if c.ndim > n else c)


def _joined(op: Callable[..., SDVariable], parts: list[SDVariable]) -> SDVariable:
    joined = parts[0]
    for part in parts[1:]:
        joined = op(joined, part)
    return joined


def _simplified(terms: Iterable[Term]) -> frozenset[Term]:
    """The same disjunction without terms that cannot hold, that follow from others, or that differ in one opposite."""
    kept = {t for t in terms if not any((i, not holds) in t for i, holds in t)}
    again = True
    while again:
        again = False
        for a in sorted(kept, key=len):
            for b in list(kept):
                if a is b or a not in kept:
                    continue
                opposite = [(i, not holds) for i, holds in a if (i, not holds) in b]
                if a < b or (len(opposite) == 1 and a - {(opposite[0][0], not opposite[0][1])} <= b):
                    kept.remove(b)
                    if opposite:
                        kept.add(b - set(opposite))
                    again = True
    return frozenset(kept)
