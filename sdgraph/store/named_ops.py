"""Ops as a file names them, and the ops of this program that these names mean.

A name is only ever looked up in the registry and among the ops that a caller gave: no file can make a program load or
run anything. Must not know nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sdgraph.build.bodies import WITH_BODIES
from sdgraph.build.op import CONSTANT, HELPERS, ITEM, PLACEHOLDER, REGISTRY, VARIABLE, Op
from sdgraph.differentiate.gradients import vjp_op
from sdgraph.errors import ArgumentError, ArgumentTypeError, UnknownOpError, shown
from sdgraph.store.plain import NotPlain, checked_text

_OWN: Final[Mapping[str, Op]] = {
    f":{op.name}": op for op in (PLACEHOLDER, VARIABLE, CONSTANT, ITEM, *WITH_BODIES.values())
}
"""What a graph is made of itself. No op of a user's has such a name."""
_NAMES: Final = {op: name for name, op in _OWN.items()}
_HELPER: Final = ":of rules "
_FUNCTION: Final = ":function "
"""What begins the name of a function of a user's, which may be that of an op of ours."""
_GRADIENT: Final = ":gradient"
_MOST_ORDERS: Final = 32
"""Of a gradient of a gradient of a composite."""
_MOST_TRACED: Final = 5
"""Of one that says where it counts: that follows from its body, which grows threefold from each to the next."""


class OpTable:
    """The ops of a graph, each once, in the order in which they are met."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self._places: dict[Op, int] = {}
        self._known: set[str] = set()

    def place(self, op: Op) -> int:
        """The row of an op."""
        found = self._places.get(op)
        if found is None:
            row = self._row(op)
            if repr(row) in self._known:
                raise NotPlain(f"two of its ops are called {op.qualname}; build it again with one of them")
            found = self._places[op] = len(self.rows)
            self.rows.append(row)
            self._known.add(repr(row))
        return found

    def _row(self, op: Op) -> list[Any]:
        if op in _NAMES:
            return [_NAMES[op]]
        if (of := op.gradient_of) is not None:
            _check_orders(op)
            return [_GRADIENT, self.place(of.op), of.k, of.n, list(of.masked), of.asked]
        name = _HELPER + op.name if HELPERS.get(op.name) is op else checked_text(_name_of(op))
        return [name, list(op.operand_names), list(op.attr_names)]


def _check_orders(op: Op) -> None:
    """Refuse gradients that a small file could have, and that would take for ever to infer."""
    order = order_of(op)
    if order > (_MOST_TRACED if op.gradient_of is not None and op.gradient_of.asked else _MOST_ORDERS):
        raise NotPlain(f"{op.qualname}, a gradient of order {order}, is more than a file can hold")


def order_of(op: Op) -> int:
    """How often an op is the gradient of another: 0 for one that is none."""
    order = 0
    while op.gradient_of is not None:
        order, op = order + 1, op.gradient_of.op
    return order


def given_ops(ops: Iterable[Any]) -> dict[str, Op]:
    """Ops by qualified name, for decorated functions and for classes that have some.

    Raises:
        ArgumentTypeError: For anything else.
    """
    found: dict[str, Op] = {}
    for x in ops if isinstance(ops, Iterable) and not callable(ops) else [ops]:
        named = _ops_in(x)
        if not named:
            raise ArgumentTypeError(
                "This is no op.", given=shown(x), expected="decorated functions, or classes that have them as methods"
            )
        for op in named:
            if found.setdefault(_name_of(op), op) is not op:
                raise ArgumentError(
                    f"Two of these ops are called {op.qualname}.", given=shown(x), fix="Pass one of them."
                )
    return found


def _name_of(op: Op) -> str:
    """What a file calls an op that is no helper of rules."""
    return op.qualname if op.owner is not None else _FUNCTION + op.name


def read_ops(rows: Any, given: Mapping[str, Op], used: Iterable[int], most_operands: int) -> list[Op]:
    """The ops that the rows of a file mean.

    Args:
        rows: The table.
        given: Ops that are not in the registry, by name.
        used: The rows that nodes are made by, in the order in which these are met.
        most_operands: More than any node has.

    Raises:
        NotPlain: If a row is none.
        UnknownOpError: If this program does not have some; names them all.
    """
    _check_order(rows, used)
    found: list[Op | None] = []
    for row in rows:
        found.append(_gradient(row, found, most_operands) if row[0] == _GRADIENT else _plain(row, given))
    missing = [row[0] for row, op in zip(rows, found, strict=True) if op is None and row[0] != _GRADIENT]
    if missing:
        raise UnknownOpError(
            "The graph has ops that this program does not have.",
            names=missing,
            given=", ".join(name.removeprefix(_FUNCTION) for name in missing),
            fix="Import the module that defines them, or pass them: SameDiff.load(path, ops=[...]).",
        )
    return [op for op in found if op is not None]


def has_ops(x: Any) -> bool:
    """Whether something is a decorated function, or a class that has some."""
    return callable(x) and bool(_ops_in(x))


def _ops_in(x: Any) -> list[Op]:
    if isinstance(x, Op):
        return [x]
    members = (x, *getattr(x, "__dict__", {}).values())
    return [op for member in members if isinstance(op := getattr(member, "op", None), Op)]


def _check_order(rows: Any, used: Iterable[int]) -> None:
    """See that the table is the one that `OpTable` makes: no row twice, none that is not used."""
    expected: dict[int, None] = {}
    for row in rows:
        if type(row) is not list or not row or type(row[0]) is not str:
            raise NotPlain("the table of ops has a row that is none")
    for k in used:
        chain: list[int] = []
        while k not in expected:
            chain.append(k)
            if rows[k][0] != _GRADIENT or len(rows[k]) < 2 or type(of := rows[k][1]) is not int or not 0 <= of < k:
                break
            k = of
        expected.update(dict.fromkeys(reversed(chain)))
    if [*expected] != [*range(len(rows))] or len({repr(row) for row in rows}) != len(rows):
        raise NotPlain("the table of ops is not in order")


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


def _gradient(row: Sequence[Any], before: Sequence[Op | None], most_operands: int) -> Op | None:
    """The op that is the gradient of a composite above it in the table."""
    if len(row) != 6 or type(row[4]) is not list:
        raise NotPlain("a gradient in the table of ops is not described")
    _, of, k, n, masked, asked = row
    if not all(type(x) is int and x >= 0 for x in (of, k, n)) or of >= len(before) or not k < n <= most_operands:
        raise NotPlain("a gradient in the table of ops is of nothing")
    if not all(type(x) is bool for x in (*masked, asked)) or not 1 <= len(masked) <= most_operands:
        raise NotPlain("a gradient in the table of ops has no masks")
    op = before[of]
    if op is None:
        return None
    if not op.is_composite or (not op.variadic and n != op.n_operands):
        raise NotPlain(f"the op {op.qualname!r} has no such gradient")
    found = vjp_op(op, k, n, tuple(masked), asked)
    _check_orders(found)
    return found
