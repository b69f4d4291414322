"""What a graph keeps besides its nodes, as lists and numbers.

There is one codec per form of table, so that a table that is new is saved with all others. Must not know what a table
means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.build import bookkeeping
from sdgraph.build.bookkeeping import Form, tables_of
from sdgraph.ops.graph import OpGraph
from sdgraph.store.plain import NotPlain, decode, dtype_name, dtype_of, encode


class Codec(NamedTuple):
    """How tables of one form are written and read; ``read`` gets the number of nodes, and checks."""

    write: Callable[[Any], Any]
    read: Callable[[Any, int], Any]


def _list(x: Any) -> list[Any]:
    if type(x) is not list:
        raise NotPlain("something is no list that should be one")
    return x


def _id(x: Any, size: int) -> int:
    if type(x) is not int or not 0 <= x < size:
        raise NotPlain("a table speaks of a node that is not there")
    return x


def _ids(x: Any, size: int) -> list[int]:
    return [_id(i, size) for i in _list(x)]


def _pairs(x: Any) -> list[tuple[Any, Any]]:
    if not all(type(pair) is list and len(pair) == 2 for pair in _list(x)):
        raise NotPlain("a table of pairs has something else in it")
    return [(a, b) for a, b in x]


def _id_to_id(x: Any, size: int) -> dict[int, int]:
    found = {_id(k, size): _id(v, size) for k, v in _pairs(x)}
    if [*found] != sorted(found) or len(found) != len(x):
        raise NotPlain("a table of pairs is not in order")
    return found


def _in_any_order(x: Any, size: int) -> dict[int, int]:
    found = {_id(k, size): _id(v, size) for k, v in _pairs(x)}
    if len(found) != len(x):
        raise NotPlain("a table of pairs has a node twice")
    return found


def _ranges(x: Any, size: int) -> list[tuple[int, int]]:
    last, found = 0, []
    for start, end in _pairs(x):
        if not (type(start) is int and type(end) is int and last <= start < end <= size):
            raise NotPlain("ranges of nodes overlap, or are not in order")
        found.append((start, end))
        last = end
    return found


def _answers(x: Any, size: int) -> dict[Any, tuple[int, ...]]:
    found: dict[Any, tuple[int, ...]] = {}
    for row in _list(x):
        if len(_list(row)) != 3:
            raise NotPlain("a gradient that was asked for is not described")
        ys, wrt, answer = (tuple(_ids(part, size)) for part in row)
        if not answer or len(answer) != len(wrt):
            raise NotPlain("a gradient that was asked for has no answer")
        found[ys, wrt] = answer
    return found


def _suffixes(x: Any, _: int) -> dict[str, int]:
    if type(x) is not dict or not all(type(n) is int and 0 <= n < 2**53 for n in x.values()):
        raise NotPlain("the next numbers of names are no numbers")
    return x


def _literals_written(table: Mapping[Any, int]) -> list[Any]:
    return [
        [i, scope, dtype_name(np.dtype(dtype)), encode(value) if type(value) is float else None]
        for (scope, dtype, value), i in table.items()
    ]


def _literals(x: Any, size: int) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for row in _list(x):
        if type(row) is not list or len(row) != 4 or type(row[1]) is not str:
            raise NotPlain("the table of numbers that became constants has something else in it")
        i, scope, dtype, value = row[0], row[1], row[2], decode(row[3])
        if type(value) not in (float, type(None)) or value != value:
            raise NotPlain("the table of numbers that became constants has one that is none")
        found[scope, dtype_of(dtype), Bits(_id(i, size)) if value is None else value] = i
    if len(found) != len(x) or [*found.values()] != sorted(found.values()):
        raise NotPlain("the table of numbers that became constants is not in order")
    return found


class Bits(NamedTuple):
    """Stands in a key for the bytes of a constant, whose value is read later."""

    id: int


CODECS: Final[Mapping[Form | None, Codec]] = {
    bookkeeping.listed: Codec(list, _ids),
    bookkeeping.members: Codec(sorted, lambda x, size: set(_ids(x, size))),
    bookkeeping.id_to_id: Codec(lambda table: [[k, v] for k, v in table.items()], _id_to_id),
    bookkeeping.pairs: Codec(lambda table: [[k, v] for k, v in table.items()], _in_any_order),
    bookkeeping.ranges: Codec(lambda table: [list(pair) for pair in table], _ranges),
    bookkeeping.answers: Codec(
        lambda t: [[list(ys), list(wrt), list(found)] for (ys, wrt), found in t.items()], _answers
    ),
    bookkeeping.to_id: Codec(_literals_written, _literals),
    None: Codec(dict, _suffixes),
}

_WHERE_NEEDED: Final = frozenset({"updates"})
"""Tables that files have only if there is something in them: the first files had none of these."""

_APART: Final = {bookkeeping.by_id, bookkeeping.names}
"""Forms of what the columns of nodes say already: values and names."""


def write_tables(sd: OpGraph) -> dict[str, Any]:
    """All tables of a graph that a copy of it has, by name."""
    held = [(t, getattr(record, t.name)) for record, t in _saved(sd)]
    return {t.name: CODECS[t.form].write(table) for t, table in held if table or t.name not in _WHERE_NEEDED}


def read_tables(sd: OpGraph, given: Any, size: int) -> None:
    """Give a graph of ``size`` nodes its tables.

    Raises:
        NotPlain: If they are not those of any graph.
    """
    saved = _saved(sd)
    known = {t.name for _, t in saved}
    if type(given) is not dict or not known - _WHERE_NEEDED <= given.keys() <= known:
        raise NotPlain("the tables of the graph are other ones")
    for record, table in saved:
        if table.name in given:
            setattr(record, table.name, CODECS[table.form].read(given[table.name], size))


def _saved(sd: OpGraph) -> list[tuple[Any, Any]]:
    return [(record, t) for record, t in tables_of(sd) if t.copied and t.form not in _APART]


def with_bits(sd: OpGraph) -> None:
    """Put the bytes of constants where `Bits` stands for them, now that their values are there."""
    literals = sd.marks.literals
    sd.marks.literals = {
        (scope, dtype, sd.values[x.id].tobytes() if type(x) is Bits else x): i
        for (scope, dtype, x), i in literals.items()
    }
