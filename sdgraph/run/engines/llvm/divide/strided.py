"""Parts of arrays seen as arrays of their own, and how loops over rows and columns can follow them.

A window is a part of an array that is told by its first element and, for each axis, how far apart neighbours are: a
slice, every second row, an array whose axes were exchanged. Pure reasoning about shapes. Must not know nodes.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from sdgraph.run.engines.llvm.divide.cuts import MOST_REMEMBERED, WIDE, Cut, all_cuts, size_of

Strides = tuple[int, ...]
"""By axis how many elements lie between neighbours; 0 where there is one entry only."""


class Window(NamedTuple):
    """Where the elements of something lie in the memory of another value."""

    memory: int
    """The value whose array it is a part of."""
    offset: int
    """Elements before its first one."""
    strides: Strides
    """By axis of its shape."""


class Layout(NamedTuple):
    """How a loop gets from one element of a window to another."""

    outer: tuple[tuple[int, int], ...]
    """Ranges of outer axes, from and to before, within which one step leads from each place to the next."""
    steps: tuple[int, ...]
    """Elements before the first one, the step of each of these ranges, and that from one column to the next."""


def in_order(shape: tuple[int, ...]) -> Strides:
    """The strides of an array of its own."""
    found = []
    step = 1
    for d in reversed(shape):
        found.append(0 if d == 1 else step)
        step *= d
    return tuple(reversed(found))


def along(strides: Strides, shape: tuple[int, ...], space: tuple[int, ...]) -> Strides:
    """The strides along the axes of a space, those of size 1 left out, of what broadcasts to it."""
    lead = len(space) - len(shape)
    return tuple(0 if k < lead or shape[k - lead] == 1 else strides[k - lead] for k, d in enumerate(space) if d != 1)


def _is_one_step(strides: Strides, dims: tuple[int, ...]) -> bool:
    """Whether one step leads from each place along these axes to the next."""
    return all(strides[k] == strides[k + 1] * dims[k + 1] for k in range(len(dims) - 1))


def _lies_in_order(strides: Strides, dims: tuple[int, ...]) -> bool:
    return in_order(tuple(d if s else 1 for s, d in zip(strides, dims, strict=True))) == strides


@functools.lru_cache(MOST_REMEMBERED)
def follows(strides: Strides, dims: tuple[int, ...], cut: Cut) -> bool:
    """Whether a loop over rows and columns can follow a window: what belongs to lanes is a piece of memory."""
    n = len(dims)
    columns, lanes = slice(cut.first, cut.last), slice(cut.first if cut.last == n else cut.last, n)
    if any(strides[lanes]) and not (strides[-1] == 1 and _is_one_step(strides[lanes], dims[lanes])):
        return False
    return size_of(dims[lanes]) >= WIDE and _is_one_step(strides[columns], dims[columns])


@functools.lru_cache(MOST_REMEMBERED)
def cuts_along(strides: Strides, dims: tuple[int, ...]) -> frozenset[Cut] | None:
    """The cuts of a space under which loops can follow a window, or None for all."""
    if _lies_in_order(strides, dims):
        return None
    return frozenset(cut for cut in all_cuts(dims) if follows(strides, dims, cut))


@functools.lru_cache(MOST_REMEMBERED)
def layout(offset: int, strides: Strides, dims: tuple[int, ...], cut: Cut) -> Layout:
    """How a loop with this cut goes through a window."""
    ranges: list[tuple[int, int]] = []
    k = 0
    while k < cut.first:
        last = k + 1
        while last < cut.first and _is_one_step(strides[k : last + 1], dims[k : last + 1]):
            last += 1
        if any(strides[k:last]):
            ranges.append((k, last))
        k = last
    column = strides[cut.last - 1] if cut.last > cut.first else 0
    return Layout(tuple(ranges), (offset, *(strides[last - 1] for _, last in ranges), column))
