"""What a graph keeps besides its nodes, and how that is copied, renumbered and taken back.

A record lists its tables as the fields of a dataclass. Whatever copies a graph, drops nodes or undoes a failed call
goes through all fields of all records, so that no table can be left out and a new one is one field. Knows ids and
containers of ids. Must not know what a table means.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from sdgraph.build.kinds import AnyGraph


class Numbering(NamedTuple):
    """Where nodes stand after a change: ``node`` gives a new id, or None for a node that is gone.

    ``bound`` gives the new place of a boundary between nodes, such as the end of a range. Below ``first`` all stays as
    it is, so that a change at the end of a large graph costs what lies there.
    """

    node: Callable[[int], int | None]
    bound: Callable[[int], int]
    first: int = 0


def up_to(size: int) -> Numbering:
    """Nodes below ``size`` stay as they are, others are gone."""
    return Numbering(lambda i: i if i < size else None, lambda i: min(i, size), size)


SAME = Numbering(lambda i: i, lambda i: i)
"""Every node keeps its id."""


Form: TypeAlias = Callable[[Any, Numbering], Any]


class Table(NamedTuple):
    """How one attribute of a record is kept.

    Args:
        name: The attribute.
        form: How the ids in it change with the numbering; None if it holds no ids.
        saved: Whether undoing a call puts back what was there before. It must be small, since it is copied whenever a
            call that can be undone begins. Other tables only lose what belongs to the nodes that go.
        copied: Whether a copy of the graph has it, too.
    """

    name: str
    form: Form | None = None
    saved: bool = False
    copied: bool = True


# ---------------------------------------------------------------------- forms of tables

# Each changes the table it is given. What is kept about a node is entered when the node is made, so that what belongs
# to the last nodes stands at the end.


def _taken_from_end(table: dict[Any, Any], first: int, last_id: Callable[[Any, Any], int]) -> list[tuple[Any, Any]]:
    """Take the entries that belong to nodes from ``first`` on out of a table, in their order, and touch no other."""
    keys = []
    for key in reversed(table):
        if last_id(key, table[key]) < first:
            break
        keys.append(key)
    return [(key, table.pop(key)) for key in reversed(keys)]


def listed(table: list[int], new: Numbering) -> list[int]:
    """A list of ids, in any order."""
    if table and max(table) >= new.first:
        table[:] = [i for i in map(new.node, table) if i is not None]
    return table


def members(table: set[int], new: Numbering) -> set[int]:
    """A set of ids."""
    moved = {k for k in table if k >= new.first}
    table -= moved
    table |= set(listed(list(moved), new))
    return table


def by_id(table: dict[int, Any], new: Numbering) -> dict[int, Any]:
    """Anything by id."""
    for k, x in _taken_from_end(table, new.first, lambda k, _: k):
        if (i := new.node(k)) is not None:
            table[i] = x
    return table


def to_id(table: dict[Any, int], new: Numbering) -> dict[Any, int]:
    """An id for anything."""
    for x, k in _taken_from_end(table, new.first, lambda _, k: k):
        if (i := new.node(k)) is not None:
            table[x] = i
    return table


def names(table: dict[str, int], new: Numbering) -> dict[str, int]:
    """An id for a name, in any order: a name may be given later than its node is made."""
    for name in [name for name, k in table.items() if k >= new.first]:
        i = new.node(table.pop(name))
        if i is not None:
            table[name] = i
    return table


def id_to_id(table: dict[int, int], new: Numbering) -> dict[int, int]:
    """One id for another."""
    for k, x in _taken_from_end(table, new.first, lambda k, _: k):
        i, j = new.node(k), new.node(x)
        if i is not None and j is not None:
            table[i] = j
    return table


def pairs(table: dict[int, int], new: Numbering) -> dict[int, int]:
    """One id for another, in any order: a pair may be made later than its nodes are."""
    moved = [(k, table.pop(k)) for k in [k for k, x in table.items() if max(k, x) >= new.first]]
    renumbered = [(new.node(k), new.node(x)) for k, x in moved]
    table |= {i: j for i, j in renumbered if i is not None and j is not None}
    return table


def ranges(table: list[tuple[int, int]], new: Numbering) -> list[tuple[int, int]]:
    """Half-open ranges of ids."""
    taken = []
    while table and table[-1][1] > new.first:
        taken.append(table.pop())
    moved = [(new.bound(start), new.bound(end)) for start, end in reversed(taken)]
    table += [(start, end) for start, end in moved if start < end]
    return table


def answers(table: dict[Any, tuple[int, ...]], new: Numbering) -> dict[Any, tuple[int, ...]]:
    """Ids that answer a question, which is a tuple of tuples of ids that were there before."""
    for question, answer in _taken_from_end(table, new.first, lambda _, answer: max(answer)):
        asked = tuple(tuple(listed(list(ids), new)) for ids in question)
        found = tuple(listed(list(answer), new))
        if len(found) == len(answer) and [*map(len, asked)] == [*map(len, question)]:
            table[asked] = found
    return table


def caches(table: dict[Any, Any], new: Numbering) -> dict[Any, Any]:
    """Anything under a key that begins with a tuple of ids; kept only where all of them stay."""
    for key in [key for key in table if key[0] and max(key[0]) >= new.first]:
        del table[key]
    return table


# ---------------------------------------------------------------------- copying and renumbering


def kept(make: Callable[[], Any], form: Form | None = None, *, saved: bool = False, copied: bool = True) -> Any:
    """A field of a record that is a table; see `Table`."""
    return dataclasses.field(default_factory=make, metadata={"table": (form, saved, copied)})


def tables_of(graph: AnyGraph) -> list[tuple[Any, Table]]:
    """Every table of a graph, with the record that has it."""
    own = [(graph, table) for table in graph.tables]
    records = (graph.table, graph.names, graph.marks)
    return own + [(record, table) for record in records for table in _listed(type(record))]


@functools.cache
def _listed(record: type) -> tuple[Table, ...]:
    fields = dataclasses.fields(record)
    return tuple(Table(field.name, *field.metadata["table"]) for field in fields if "table" in field.metadata)


def carry(source: AnyGraph, target: AnyGraph, new: Numbering) -> None:
    """Give ``target``, whose nodes are numbered by ``new``, what ``source`` keeps about them."""
    for (record, table), (other, _) in zip(tables_of(source), tables_of(target), strict=True):
        if table.copied:
            found = copy.copy(getattr(record, table.name))
            setattr(other, table.name, found if table.form is None else table.form(found, new))


def renumber(graph: AnyGraph, new: Numbering) -> None:
    """Let all tables follow nodes that have moved or gone."""
    for record, table in tables_of(graph):
        if table.form is not None:
            table.form(getattr(record, table.name), new)


# ---------------------------------------------------------------------- taking back


class Journal:
    """What a call that can be undone did to what existed before, and what it made of nodes."""

    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []
        """How to undo each change of an older node; running one twice does no more than once."""
        self.made: list[Callable[[int, int], None]] = []
        """Called with the first id that is gone and the version that is put back."""

    def lose(self, size: int, version: int, since: int = 0) -> None:
        """Say to all that was made since then that nodes from ``size`` on are gone, and what the version is now."""
        for notice in self.made[since:]:
            notice(size, version)


class Mark:
    """A moment to come back to."""

    def __init__(self, graph: AnyGraph) -> None:
        self.graph = graph
        self.size = len(graph.nodes)
        self.version = graph.version
        self.saved = [(r, t.name, copy.copy(getattr(r, t.name))) for r, t in tables_of(graph) if t.saved]
        journal = graph.journal
        self.outermost = journal is None
        self.undo, self.made = (0, 0) if journal is None else (len(journal.undo), len(journal.made))

    def take_back(self) -> None:
        """Make the graph what it was. It may be done again where it was interrupted."""
        graph, journal = self.graph, self.graph.journal
        graph.drop_nodes(self.size)
        if journal is not None:
            for undo in reversed(journal.undo[self.undo :]):
                undo()
            journal.lose(self.size, self.version, self.made)
        renumber(graph, up_to(self.size))
        for record, name, value in self.saved:
            setattr(record, name, copy.copy(value))
        if journal is not None:
            del journal.undo[self.undo :], journal.made[self.made :]
