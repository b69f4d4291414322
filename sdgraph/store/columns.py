"""The columns of nodes as a file has them: every entry is looked at, a whole column at a time.

What is said here of a million nodes at once need not be asked of each. Must not know what an op is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.build.kinds import ABSENT
from sdgraph.build.names import are_full_names
from sdgraph.errors import shown
from sdgraph.store.plain import NotPlain, dumps

MOST: Final = 10_000_000
"""Nodes of a graph in a file."""


class Columns(NamedTuple):
    """One list for each property, with an entry for each node; ``inputs`` has those of all nodes in a row."""

    op: list[int]
    n_inputs: list[int]
    inputs: list[int]
    settings: list[int]
    aval: list[int]
    name: list[str]
    origin: list[int]

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self.op)


def checked_columns(given: Any, sizes: Mapping[str, int]) -> Columns:
    """The columns, whose entries are names that nothing else has, rows of tables, and nodes that come before.

    Args:
        given: What the file has.
        sizes: How many rows a table has, by its name.

    Raises:
        NotPlain: If they are none.
    """
    if type(given) is not dict or given.keys() != {*Columns._fields} or {*map(type, given.values())} != {list}:
        raise NotPlain("the columns of nodes are other ones")
    columns = Columns(**given)
    n = columns.size
    if n > MOST:
        raise NotPlain(f"it has more than {MOST:,} nodes")
    for name, least, end in (
        ("op", 0, sizes["ops"]),
        ("n_inputs", 0, len(columns.inputs) + 1),
        ("inputs", ABSENT, n),
        ("settings", 0, sizes["settings"]),
        ("aval", 0, sizes["avals"]),
        ("origin", ABSENT, sizes["origins"]),
    ):
        numbers = given[name]
        if {*map(type, numbers)} - {int} or (numbers and not least <= min(numbers) <= max(numbers) < end):
            raise NotPlain(f"the column {name!r} has something else in it")
        if name != "inputs" and len(numbers) != n and not (name == "origin" and not numbers):
            raise NotPlain(f"the column {name!r} has another length")
    _check_order(columns)
    _check_names(columns.name, n)
    return columns


def _check_order(columns: Columns) -> None:
    """See that operands come before what is made of them."""
    if sum(columns.n_inputs) != len(columns.inputs):
        raise NotPlain("the column 'inputs' has another length")
    nodes = np.repeat(np.arange(columns.size, dtype=np.int32), columns.n_inputs)
    late = np.flatnonzero(np.array(columns.inputs, np.int32) >= nodes)
    if late.size:
        raise NotPlain(f"node {nodes[late[0]]} has an operand that comes after it")


def _check_names(names: list[Any], n: int) -> None:
    if len(names) != n or {*map(type, names)} - {str} or not are_full_names(names):
        raise NotPlain("the column of names has something else in it")
    if len({*names}) != n:
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise NotPlain(f"two variables have the name {shown(twice)}")


def check_table(rows: Sequence[Any], column: Sequence[int], name: str) -> None:
    """See that a table is the one that a writer makes: in the order of its use, no row twice, none that is not used."""
    used = dict.fromkeys(column)
    used.pop(ABSENT, None)
    if [*used] != [*range(len(rows))] or len({*map(dumps, rows)}) != len(rows):
        raise NotPlain(f"the table {name!r} is not in order")
