"""How a space is cut into rows and columns, and what lies how in it: pure reasoning about shapes.

Columns are axes that follow one another. The axes before them and after them are rows: outer and inner ones. Without
inner ones a row is a piece of memory. With inner ones rows lie side by side, as for a softmax over an axis in the
middle. Must not know nodes.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

ELEMENT, ROW, ONCE, COLUMN, OUTER, PART = "element", "row", "once", "column", "outer", "part"
"""Levels. The result of a reduction over rows is of level COLUMN, and of one over columns and some outer axes OUTER:
arrays that exist only when the loop is over. What is read may have other axes than whole rows or columns: PART."""

WIDE = 8
"""Elements along lanes from which it pays to work on rows side by side, or to look up what belongs to each row."""

MOST_REMEMBERED = 1 << 12
"""Answers about shapes kept: long graphs ask the same all the time."""
Pattern = tuple[bool, ...]
"""By axis of a space, those of size 1 left out, whether something has it."""


class Cut(NamedTuple):
    """The axes that are columns: from ``first`` to before ``last``."""

    first: int
    last: int


class Lying(NamedTuple):
    """How something lies in rows and columns."""

    level: str
    outer: tuple[int, int]
    """The outer axes that it has, from and to before."""
    columns: bool
    inner: bool


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without axes of size 1."""
    return tuple(d for d in shape if d != 1)


def size_of(shape: tuple[int, ...]) -> int:
    """Number of elements."""
    n = 1
    for d in shape:
        n *= d
    return n


@functools.lru_cache(MOST_REMEMBERED)
def full(shape: tuple[int, ...], space: tuple[int, ...]) -> Pattern:
    """Which axes of a space an operand of this shape has."""
    lead = len(space) - len(shape)
    return tuple(k >= lead and shape[k - lead] == d for k, d in enumerate(space) if d != 1)


@functools.lru_cache(MOST_REMEMBERED)
def kept(space: tuple[int, ...], axes: tuple[int, ...]) -> Pattern:
    """Which axes of a space a reduction leaves."""
    return tuple(k not in axes for k, d in enumerate(space) if d != 1)


@functools.lru_cache(MOST_REMEMBERED)
def lying(pattern: Pattern, cut: Cut) -> Lying | None:
    """How something with these axes lies in a space with this cut; None where its elements follow no simple rule."""
    outer, columns, inner = pattern[: cut.first], pattern[cut.first : cut.last], pattern[cut.last :]
    start = outer.index(True) if True in outer else 0
    stop = len(outer) - outer[::-1].index(True) if True in outer else 0
    if not all(outer[start:stop]) or len({*columns}) > 1 or len({*inner}) > 1:
        return None
    rows = (*outer, *inner)
    if all(pattern):
        level = ELEMENT if pattern else ONCE
    elif not any(pattern):
        level = ONCE
    elif all(rows):
        level = ROW
    elif all(columns) and not any(rows):
        level = COLUMN
    else:
        level = PART
    return Lying(level, (start, stop), any(columns), any(inner))


@functools.lru_cache(MOST_REMEMBERED)
def cuts_of(pattern: Pattern, dims: tuple[int, ...]) -> frozenset[Cut] | None:
    """The cuts of a space under which something with these axes can be read, or None for all."""
    if all(pattern) or not any(pattern):
        return None
    return frozenset(cut for cut in all_cuts(dims) if _pays(lying(pattern, cut), cut, dims))


def _pays(found: Lying | None, cut: Cut, dims: tuple[int, ...]) -> bool:
    along = dims[cut.last :] or dims[cut.first :]
    return found is not None and (found.level != PART or size_of(along) >= WIDE)


@functools.lru_cache(MOST_REMEMBERED)
def all_cuts(dims: tuple[int, ...]) -> tuple[Cut, ...]:
    """All ways to have rows and columns."""
    n = len(dims)
    turned = (Cut(a, b) for b in range(1, n) if size_of(dims[b:]) >= WIDE for a in range(b))
    return (*(Cut(a, n) for a in range(1, n)), *turned)


@functools.lru_cache(MOST_REMEMBERED)
def reductions(left: Pattern, dims: tuple[int, ...]) -> dict[Cut | None, str]:
    """By cut the level of a reduction's result that leaves these axes; None stands for any cut.

    Empty where no loop has such a result, or nothing is reduced.
    """
    if not any(left):
        return {None: ONCE}
    found: dict[Cut | None, str] = {}
    for cut in () if all(left) else all_cuts(dims):
        there = lying(left, cut)
        if there is None:
            continue
        if there.level in (ROW, COLUMN):
            found[cut] = there.level
        elif cut.last == len(dims) and 0 < there.outer[0] < there.outer[1] == cut.first and not there.columns:
            found[cut] = OUTER
    return found


@functools.lru_cache(MOST_REMEMBERED)
def runs(left: Pattern, dims: tuple[int, ...]) -> frozenset[Cut]:
    """The cut whose columns are the axes that are not left, so that what runs along these goes through its columns.

    Empty where there is none. Without axes that are left there are no rows either.
    """
    first, last = left.index(False), len(left) - left[::-1].index(False)
    cut = Cut(first, last)
    return frozenset((cut,)) if not any(left[first:last]) and (not any(left) or cut in all_cuts(dims)) else frozenset()


def best(cuts: frozenset[Cut], rank: int) -> Cut:
    """Of several cuts the one to take: rows that are pieces of memory, and long ones."""
    return min(cuts, key=lambda cut: (cut.last < rank, cut))


def both(a: frozenset[Cut] | None, b: frozenset[Cut] | None) -> frozenset[Cut] | None:
    """The cuts in both; None is all."""
    return b if a is None else a if b is None else a & b


@functools.lru_cache(MOST_REMEMBERED)
def divisible(
    shapes: tuple[tuple[int, ...], ...],
    space: tuple[int, ...],
    axes: tuple[int, ...] = (),
    *,
    per_row: bool = False,
    along: bool = False,
    left: frozenset[Cut] | None = None,
) -> bool:
    """Whether one cut of the space, of those ``left``, serves operands of all these shapes, and a reduction.

    ``per_row`` wants one result of that for each row; ``along`` wants no reduction, but to run along these axes.
    """
    dims = squeezed(space)
    cuts = left
    for shape in shapes:
        cuts = both(cuts, cuts_of(full(shape, space), dims))
    remains = kept(space, axes)
    if along:
        cuts = both(cuts, runs(remains, dims))
    elif not all(remains):
        found = reductions(remains, dims)
        if None not in found:
            cuts = both(cuts, frozenset(c for c, to in found.items() if c and (to == ROW or not per_row)))
    return cuts is None or bool(cuts)
