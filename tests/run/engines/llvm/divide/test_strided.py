"""How loops go through parts of arrays, against numpy's own indexing."""

import itertools

import numpy as np
import pytest

from sdgraph.run.engines.llvm.divide.cuts import WIDE, Cut, all_cuts
from sdgraph.run.engines.llvm.divide.strided import along, cuts_along, follows, in_order, layout

VIEWS = {
    "columns": lambda a: a[:, :, 2:12],
    "all": lambda a: a,
    "rows": lambda a: a[1:3],
    "every second row": lambda a: a[::2],
    "rows from the last": lambda a: a[::-1, :, 3:],
    "exchanged rows": lambda a: a.transpose(1, 0, 2),
    "the middle axis": lambda a: a[:, 1:, ::1],
    "every second column": lambda a: a[:, :, ::2],
    "columns from the last": lambda a: a[:, :, ::-1],
    "exchanged columns": lambda a: a.transpose(2, 0, 1),
    "columns first": lambda a: a.transpose(0, 2, 1),
    "one column of all": lambda a: a[:, :, 5:6],
    "one row of all": lambda a: a[2:3],
}


def seen(view):
    """The numbers of the elements that a view of 0, 1, 2, ... has, its offset, and its strides by axis."""
    strides = tuple(0 if d == 1 else s // view.itemsize for s, d in zip(view.strides, view.shape, strict=True))
    return int(view.flat[0]), strides


def followed(steps, ranges, dims, cut, lanes_of_rows):
    """The places that a loop over rows and columns gets to, in the order of the space."""
    first, *outer, column = steps
    places = np.zeros(dims, int)
    for at in itertools.product(*map(range, dims)):
        k = first
        for (a, b), step in zip(ranges, outer, strict=True):
            k += int(np.ravel_multi_index(at[a:b], dims[a:b])) * step
        k += int(np.ravel_multi_index(at[cut.first : cut.last], dims[cut.first : cut.last])) * column
        if lanes_of_rows:
            k += int(np.ravel_multi_index(at[cut.last :], dims[cut.last :]))
        places[at] = k
    return places


@pytest.mark.parametrize("name", VIEWS)
def test_loops_get_to_the_elements_of_a_view(name):
    base = np.arange(4 * 3 * 16).reshape(4, 3, 16)
    view = VIEWS[name](base)
    offset, strides = seen(view)
    dims = tuple(d for d in view.shape if d != 1)
    strides = along(strides, view.shape, view.shape)
    for cut in all_cuts(dims):
        if follows(strides, dims, cut):
            found = layout(offset, strides, dims, cut)
            places = followed(found.steps, found.outer, dims, cut, cut.last < len(dims))
            assert np.array_equal(places, view.reshape(dims)), cut


def test_which_cuts_follow_a_view():
    base = np.zeros((4, 3, 16))

    def left(view):
        return cuts_along(seen(view)[1], view.shape)

    assert left(base) is None and left(base[1:3]) is None
    assert left(base[:, :, 2:12]) == {Cut(2, 3), Cut(0, 2), Cut(1, 2)}
    assert left(base[::-1]) == {Cut(1, 3), Cut(2, 3), Cut(0, 1), Cut(1, 2)}
    assert not left(base[:, :, ::2]) and not left(base[:, :, ::-1]) and not left(base.transpose(2, 1, 0))
    assert not left(base[:, :, : WIDE - 1]) and left(base[:, :, :WIDE])


def test_strides_along_a_space():
    assert in_order((2, 1, 3)) == (3, 0, 1)
    assert along((5, 1), (3, 4), (2, 3, 4)) == (0, 5, 1)
    assert along((0, 7), (1, 6), (8, 6)) == (0, 7)
    assert along((7, 0), (6, 1), (1, 6, 9)) == (7, 0)
