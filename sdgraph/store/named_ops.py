"""Ops as a file names them, and the ops of this program that these names mean.

A name is only ever looked up in the registry and among the ops that a caller gave: no file can make a program load or
run anything. Must not know nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sdgraph.build.op import CONSTANT, HELPERS, ITEM, PLACEHOLDER, REGISTRY, VARIABLE, Op
from sdgraph.differentiate.gradients import vjp_op
from sdgraph.errors import ArgumentTypeError, UnknownOpError, shown
from sdgraph.store.plain import NotPlain

_OWN: Final[Mapping[str, Op]] = {f":{op.name}": op for op in (PLACEHOLDER, VARIABLE, CONSTANT, ITEM)}
"""What a graph is made of itself. No op of a user's has such a name."""
_NAMES: Final = {op: name for name, op in _OWN.items()}
_HELPER: Final = ":of rules "
_GRADIENT: Final = ":gradient"


class OpTable:
    """The ops of a graph, each once, in the order in which they are met."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self._places: dict[Op, int] = {}

    def place(self, op: Op) -> int:
        """The row of an op."""
        found = self._places.get(op)
        if found is None:
            row = self._row(op)
            found = self._places[op] = len(self.rows)
            self.rows.append(row)
        return found

    def _row(self, op: Op) -> list[Any]:
        if op in _NAMES:
            return [_NAMES[op]]
        if (of := op.gradient_of) is not None:
            return [_GRADIENT, self.place(of.op), of.k, of.n, list(of.masked), of.asked]
        name = _HELPER + op.name if HELPERS.get(op.name) is op else op.qualname
        return [name, list(op.operand_names), list(op.attr_names)]


def given_ops(ops: Iterable[Any]) -> dict[str, Op]:
    """Ops by qualified name, for decorated functions and for classes that have some.

    Raises:
        ArgumentTypeError: For anything else.
    """
    found: dict[str, Op] = {}
    for x in [ops] if callable(ops) else ops:
        named = [op for member in (x, *vars(x).values()) if isinstance(op := getattr(member, "op", None), Op)]
        if not named:
            raise ArgumentTypeError(
                "This is no op.", given=shown(x), expected="decorated functions, or classes that have them as methods"
            )
        found.update((op.qualname, op) for op in named)
    return found


def read_ops(rows: Any, given: Mapping[str, Op]) -> list[Op]:
    """The ops that the rows of a file mean.

    Raises:
        NotPlain: If a row is none.
        UnknownOpError: If this program does not have some; names them all.
    """
    found: list[Op | None] = []
    for row in rows:
        if type(row) is not list or not row or type(row[0]) is not str:
            raise NotPlain("the table of ops has a row that is none")
        found.append(_gradient(row, found) if row[0] == _GRADIENT else _plain(row, given))
    missing = [row[0] for row, op in zip(rows, found, strict=True) if op is None and row[0] != _GRADIENT]
    if missing:
        raise UnknownOpError(
            "The graph has ops that this program does not have.",
            given=", ".join(missing),
            fix="Import the module that defines them, or pass them: SameDiff.load(path, ops=[...]).",
        )
    return [op for op in found if op is not None]


def _plain(row: Sequence[Any], given: Mapping[str, Op]) -> Op | None:
    name = row[0]
    if name in _OWN and len(row) == 1:
        return _OWN[name]
    if len(row) != 3 or not all(_are_names(part) for part in row[1:]):
        raise NotPlain(f"the op {name[:80]!r} is not described")
    if name.startswith(_HELPER):
        return HELPERS.get(name.removeprefix(_HELPER))
    return given.get(name) or REGISTRY.get(name)


def _are_names(names: Any) -> bool:
    return type(names) is list and all(type(name) is str for name in names)


def _gradient(row: Sequence[Any], before: Sequence[Op | None]) -> Op | None:
    """The op that is the gradient of a composite above it in the table."""
    if len(row) != 6 or type(row[4]) is not list:
        raise NotPlain("a gradient in the table of ops is not described")
    _, of, k, n, masked, asked = row
    if not all(type(x) is int and 0 <= x < 1_000_000 for x in (of, k, n)) or of >= len(before) or k >= n:
        raise NotPlain("a gradient in the table of ops is of nothing")
    if not all(type(x) is bool for x in (*masked, asked)) or not 1 <= len(masked) <= 1000:
        raise NotPlain("a gradient in the table of ops has no masks")
    op = before[of]
    if op is None:
        return None
    if not op.is_composite or (not op.variadic and n != op.n_operands):
        raise NotPlain(f"the op {op.qualname!r} has no such gradient")
    return vjp_op(op, k, n, tuple(masked), asked)
