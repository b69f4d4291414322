"""Which rows lie across lanes, and how a space is cut into chunks."""

import numpy as np
import pytest

from sdgraph.run.engines.llvm.divide.region import ROW, Node, Operand, Region
from sdgraph.run.engines.llvm.write.space import Sweeps, short_rows, sizes

FLOAT = np.dtype("float32")


def region(rows, columns, sums, arrays=1):
    """Rows with that many sums, of products of that many arrays."""
    made = Region()
    space = (rows, columns)
    last = 0
    for k in range(1, arrays):
        operands = (Operand(last, space), Operand(-k, space))
        last = 1000 + k
        assert made.add(Node(last, "math.mul", operands, {}, FLOAT, space, space, None, (), ""))
    if not sums:
        operands = (Operand(last, space), Operand(-arrays, space[1:]))
        assert made.add(Node(1, "math.add", operands, {}, FLOAT, space, space, None, (), ""))
    for k in range(sums):
        assert made.add(Node(k + 1, "sum", (Operand(last, space),), {}, FLOAT, (rows, 1), space, "sum", (1,), ""))
    return made


@pytest.mark.parametrize("sums, longest", [(0, 5), (1, 32), (2, 63), (5, 63)])
def test_longer_ones_where_a_row_has_several_sums(sums, longest):
    for columns in range(2, 130):
        assert short_rows(region(16, columns, sums)) == (columns <= longest)
        assert short_rows(region(15, columns, sums)) == (columns <= min(longest, 32))  # Most lanes would be idle.


def test_a_row_of_many_arrays_takes_too_much_memory():
    assert short_rows(region(70, 60, 2, arrays=20))
    assert not short_rows(region(70, 60, 2, arrays=80))
    assert short_rows(region(7, 5, 2, arrays=60))


def test_chunks_are_whole_groups_of_rows():
    for columns in (2, 3, 10, 31, 63):
        numbers = sizes(region(100000, columns, 2), 16, Sweeps())
        assert numbers["per_chunk"] % 16 == 0
        assert (numbers["chunks"] - 1) * numbers["per_chunk"] < 100000 <= numbers["chunks"] * numbers["per_chunk"]


def summed(rows, columns):
    """A sum of columns."""
    made = Region()
    space = (rows, columns)
    assert made.add(Node(1, "sum", (Operand(0, space),), {}, FLOAT, (columns,), space, "sum", (0,), ""))
    return made


@pytest.mark.parametrize("rows", [2, 7, 8, 9, 16, 100, 1000, 100_000])
@pytest.mark.parametrize("columns", [33, 100, 2048, 2049, 100_000, 10_000_000])
def test_stripes_leave_few_partial_sums_and_enough_chunks(rows, columns):
    numbers = sizes(summed(rows, columns), 16, Sweeps(striped=True))
    assert (numbers["parts"] - 1) * numbers["per_chunk"] < rows <= numbers["parts"] * numbers["per_chunk"]
    assert (numbers["stripes"] - 1) * numbers["stripe"] < columns <= numbers["stripes"] * numbers["stripe"]
    assert numbers["chunks"] == numbers["parts"] * numbers["stripes"]
    assert numbers["parts"] <= max(1, -(-rows // 8))
    if rows * columns > 1_000_000:
        assert numbers["chunks"] >= 12


def test_rows_that_wait_for_each_other_are_few_where_they_are_long_or_keep_much():
    """Their elements are to be in the cache yet, and what is kept of them is on the stack."""
    made = summed(1000, 1000)
    assert sizes(made, 16, Sweeps())["block"] == 8
    assert made.add(Node(2, "sum", (Operand(0, (1000, 1000)),), {}, FLOAT, (1000, 1), (1000, 1000), "sum", (1,), ""))
    assert sizes(made, 16, Sweeps())["block"] == 8
    for kept in (4, 8, 40, 400, 4000):
        block = sizes(made, 16, Sweeps(kept=kept))["block"]
        assert block == 1 or block * 1000 * kept <= 1 << 17


def test_what_is_computed_once_per_row_is_computed_for_many_rows_at_a_time():
    made, space, row = Region(), (100, 30), (100, 1)
    assert made.add(Node(1, "math.mul", (Operand(-1, space), Operand(0, row)), {}, FLOAT, space, space, None, (), ""))
    assert not short_rows(made)
    assert made.add(Node(2, "math.exp", (Operand(0, row),), {}, FLOAT, row, row, None, (), ""))
    assert made.works[2] == ROW
    assert short_rows(made)
