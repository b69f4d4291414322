"""Cuts of a space against the places of its elements, counted one by one."""

import itertools
import math

import numpy as np
import pytest

from sdgraph.run.engines.llvm.divide.cuts import (
    COLUMN,
    ELEMENT,
    ONCE,
    OUTER,
    PART,
    ROW,
    WIDE,
    Cut,
    best,
    cuts_of,
    divisible,
    full,
    kept,
    lying,
    reductions,
)

DIMS = [(3,), (2, 3), (2, 3, 4), (4, 2, 3, 5)]
PATTERNS = [(dims, p) for dims in DIMS for p in itertools.product((False, True), repeat=len(dims))]


def all_cuts(rank):
    return [Cut(a, b) for a in range(rank) for b in range(a + 1, rank + 1)]


def places(dims, pattern):
    """For each element of the space the place in the array that has these axes."""
    shape = tuple(d if p else 1 for d, p in zip(dims, pattern, strict=True))
    return np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), dims)


@pytest.mark.parametrize("dims, pattern", PATTERNS)
def test_places_follow_from_outer_axes_columns_and_inner_axes(dims, pattern):
    want = places(dims, pattern)
    for cut in all_cuts(len(dims)):
        found = lying(pattern, cut)
        if found is None:
            continue
        outer, columns, inner = dims[: cut.first], dims[cut.first : cut.last], dims[cut.last :]
        o, m, i = np.ogrid[: math.prod(outer), : math.prod(columns), : math.prod(inner)]
        first, last = found.outer
        k = o // math.prod(outer[last:]) % math.prod(outer[first:last])
        if found.columns:
            k = k * math.prod(columns) + m
        if found.inner:
            k = k * math.prod(inner) + i
        got = np.broadcast_to(k, (o.size, m.size, i.size)).reshape(dims)
        np.testing.assert_array_equal(got, want, err_msg=f"{cut}")


@pytest.mark.parametrize("dims, pattern", PATTERNS)
def test_levels_say_what_changes_along_rows_and_columns(dims, pattern):
    for cut in all_cuts(len(dims)):
        found = lying(pattern, cut)
        if found is None:
            continue
        rows = {p for k, p in enumerate(pattern) if not cut.first <= k < cut.last}
        columns = {p for k, p in enumerate(pattern) if cut.first <= k < cut.last}
        whole_rows, whole_columns = rows <= {True}, columns <= {True}
        want = {
            (True, True): ELEMENT,
            (True, False): ROW,
            (False, True): COLUMN,
        }.get((whole_rows, whole_columns), ONCE)
        if len(columns) > 1 or len(rows) > 1:
            want = PART
        if True not in pattern:
            want = ONCE
        assert found.level == want, cut


@pytest.mark.parametrize("dims", [(2, 3, 8), (2, 3, 4, 9), (8, 16), (5, 4, 3, 2, 8)])
def test_reductions_give_what_their_level_says(dims):
    rank = len(dims)
    for n in range(1, rank + 1):
        for axes in itertools.combinations(range(rank), n):
            left = kept(dims, axes)
            found = reductions(left, dims)
            if n == rank:
                assert found == {None: ONCE}
                continue
            for cut, level in found.items():
                columns = set(range(cut.first, cut.last))
                rows = set(range(rank)) - columns
                if level == ROW:
                    assert set(axes) == columns
                elif level == COLUMN:
                    assert set(axes) == rows
                else:
                    assert level == OUTER and cut.last == rank
                    stay = sorted(rows - set(axes))
                    assert columns <= set(axes) and stay == list(range(stay[0], cut.first)) and stay[0] > 0


@pytest.mark.parametrize(
    "axes, level, cut",
    [
        ((2, 3), ROW, Cut(2, 4)),
        ((0, 1), COLUMN, Cut(2, 4)),
        ((1,), ROW, Cut(1, 2)),
        ((0, 2, 3), OUTER, Cut(2, 4)),
        ((0, 1, 3), OUTER, Cut(3, 4)),
    ],
)
def test_what_is_made_of_an_image(axes, level, cut):
    dims = (4, 3, 10, 12)
    found = reductions(kept(dims, axes), dims)
    chosen = best(frozenset(found), len(dims))
    assert (chosen, found[chosen]) == (cut, level)


def test_narrow_rows_side_by_side_are_left_to_numpy():
    assert divisible(((4, 5, WIDE),), (4, 5, WIDE), (1,))
    assert not divisible(((4, 5, WIDE - 1),), (4, 5, WIDE - 1), (1,))
    assert not divisible(((5, 1), (4, 5, WIDE - 1)), (4, 5, WIDE - 1))
    assert divisible(((5, 1), (4, 5, WIDE)), (4, 5, WIDE))


def test_axes_of_size_one_are_no_axes():
    assert full((3, 1), (2, 3, 1)) == (False, True)
    assert full((1, 3, 1), (2, 3, 8)) == (False, True, False)
    assert kept((2, 1, 3), (1,)) == (True, True)
    assert cuts_of(full((2, 1, 3), (2, 1, 3)), (2, 3)) is None


def test_operands_that_need_other_cuts_have_none_in_common():
    assert divisible(((2, 1, 4, 9), (1, 3, 4, 9)), (2, 3, 4, 9))
    assert divisible(((2, 3, 1, 9), (2, 1, 4, 1)), (2, 3, 4, 9))
    assert not divisible(((2, 3, 1, 9), (2, 1, 4, 1)), (2, 3, 4, 9), (3,))
    assert not divisible(((2, 1, 4, 1, 9),), (2, 3, 4, 5, 9))
    # In the middle axis of three lies what neither rows nor columns have: both are pieces of rows side by side.
    assert divisible(((2, 1, 9), (3, 1)), (2, 3, 9), (1,))
