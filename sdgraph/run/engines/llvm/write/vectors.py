"""How a pass goes over its elements: by vectors, of which four make a turn, since sums add four before they widen.

Code without masks is quicker, but each copy of what is done to an element takes time to compile. So it stands there
twice: in whole turns, and with a mask for what is left after them. Brief code and long code have it once, always with a
mask. All visit the same elements in the same order, and add up the same numbers in the same order. Must not know
regions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.write.memory import array, either_way, element, lanes_below, loop, smaller
from sdgraph.run.engines.llvm.write.side_by_side import turn

TURN = 4
"""Vectors that sums add up before they are widened."""
_LONG = 150
"""Instructions of an element from which masks cost little beside them, and the registers do not hold two vectors."""

Each = Callable[[Val, Val | None], dict[int, Val]]
"""Works on the vector that begins at a place, on the lanes that a mask gives or all; its values that are gathered."""
Taken = dict[int, list[tuple[Val, Val | None]]]
"""By reduction the vectors that it takes, with the lanes that count."""


class Gather(NamedTuple):
    """What is gathered."""

    take: Callable[[Taken], None]
    """Gathers the vectors of a turn."""
    take_left: Callable[[int, Val, Val], None]
    """The same of one reduction, of vectors that lie in memory, and are like one of them: in brief."""
    blank: Callable[[int, Val], Val]
    """What gathering changes nothing, of a reduction and like a value."""


def over(b: Builder, count: Val, instructions: int, each: Each, gather: Gather) -> None:
    """A pass over ``count`` elements, of so many instructions each."""
    start = const(0, "i64")
    if not b.brief and (instructions <= _LONG or "avx512f" not in b.features):  # Elsewhere masks take more than that.
        whole = b.binary("and", count, const(-TURN * b.width, "i64"))
        loop(b, start, whole, TURN * b.width, lambda j: _unmasked(b, j, each, gather))
        start = whole
    loop(b, start, count, TURN * b.width, lambda j: _masked(b, j, count, each, gather))


def in_order(b: Builder, count: Val, each: Each, gather: Gather, *, backward: bool) -> None:
    """A pass over ``count`` elements whose vectors wait for one another, from the last one if ``backward``.

    Turns have the same vectors as elsewhere, but stay loops: written out, no vector would wait.
    """
    start, size = const(0, "i64"), TURN * b.width
    whole = start if b.brief else b.binary("and", count, const(-size, "i64"))

    def unmasked() -> None:
        either_way(b, start, whole, size, lambda j: _one_by_one(b, j, each, gather, backward), backward=backward)

    def masked() -> None:
        either_way(b, whole, count, size, lambda j: _masked(b, j, count, each, gather, backward), backward=backward)

    parts = [masked] if b.brief else [masked, unmasked] if backward else [unmasked, masked]
    for part in parts:
        part()


def _one_by_one(b: Builder, j: Val, each: Each, gather: Gather, backward: bool) -> None:
    """The turn that begins at ``j``, a vector at a time."""
    left = Left(b)

    def one(i: Val) -> None:
        left.put(each(i, None), _number(b, i, j))

    either_way(b, j, b.binary("add", j, const(TURN * b.width, "i64")), b.width, one, backward=backward)
    gather.take(left.turn())


def _number(b: Builder, i: Val, j: Val) -> Val:
    """Which vector of its turn begins at ``i``."""
    return b.binary("lshr", b.binary("sub", i, j), const(b.width.bit_length() - 1, "i64"))


def _unmasked(b: Builder, j: Val, each: Each, gather: Gather) -> None:
    """All lanes of the turn that begins at ``j``."""
    left = Left(b)

    def one(u: Val) -> None:
        left.put(each(b.binary("add", j, b.binary("mul", u, const(b.width, "i64"))), None), u)

    turn(b, TURN, one)
    gather.take(left.turn())


def _masked(b: Builder, j: Val, count: Val, each: Each, gather: Gather, backward: bool = False) -> None:
    """What there is of the turn that begins at ``j``; for reductions the rest is blank."""
    left = Left(b)
    before = b.here()

    def one(i: Val) -> None:
        mask = lanes_below(b, i, count)
        left.put({k: b.select(mask, v, gather.blank(k, v)) for k, v in each(i, mask).items()}, _number(b, i, j))

    end = smaller(b, b.binary("add", j, const(TURN * b.width, "i64")), count)
    either_way(b, j, end, b.width, one, backward=backward)
    with b.back(before):
        left.put_all({k: gather.blank(k, v) for k, (_, v) in left.places.items()})
    if b.brief:
        for k, (place, v) in left.places.items():
            gather.take_left(k, place, v)
    else:
        gather.take(left.turn())


class Left:
    """Values of a turn's vectors, left in memory by one loop for what comes after it."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.places: dict[int, tuple[Val, Val]] = {}
        """By key the memory, and one of the values."""

    def put(self, values: dict[int, Val], u: Val) -> None:
        """Leave the values of one vector of the turn."""
        b = self.b
        for i, value in values.items():
            v = b.splat(value)
            if i not in self.places:
                self.places[i] = Val(array(b, v.type, TURN), "ptr", False, 0), v
            b.line(f"store {b.typed(v)}, ptr {element(b, self.places[i][0], v.type, u).text}")

    def put_all(self, values: dict[int, Val]) -> None:
        """Leave the same values for all vectors."""
        for u in range(TURN):
            self.put(values, const(u, "i64"))

    def turn(self) -> Taken:
        """The values of all vectors of the turn."""
        return {i: [(self._get(i, const(u, "i64")), None) for u in range(TURN)] for i in self.places}

    def _get(self, i: int, u: Val) -> Val:
        place, v = self.places[i]
        return self.b.know(from_turn(self.b, place, v.type, u), self.b.range(v))


def from_turn(b: Builder, place: Val, type_: str, u: Val) -> Val:
    """One vector of a turn that was left in memory."""
    return b.effect(f"load {b.type(type_, True)}, ptr {element(b, place, type_, u).text}", type_, True)
