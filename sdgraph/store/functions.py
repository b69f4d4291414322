"""Functions among the settings of nodes, each once: the bodies of loops and branches, as tables like a graph's own.

A setting refers to one by its number. What a file says of them is inferred and compared as everything else. Must not
know files.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.build.bodies import COND, LOOPS, bodies_of, may_be
from sdgraph.build.function import Function
from sdgraph.build.kinds import ABSENT, AnyGraph, VariableKind
from sdgraph.build.op import STREAM, Op
from sdgraph.infer.aval import Aval
from sdgraph.store.plain import FunctionNumber, NotPlain

DEEPEST: Final = 32
"""How deep loops and branches may stand in each other."""
_KEYS: Final = {"nodes", "params", "outs", "values"}
_LOOP: Final = {
    "body": Function,
    "n_carry": int,
    "n_xs": int,
    "length": int | None,
    "reverse": bool,
    "test": bool,
    "counted": bool,
    "checkpoint": bool,
}
"""The settings of a loop, and what they are."""


class FunctionTable:
    """The functions of a graph, each once, those inside of others before them."""

    def __init__(self, write: Callable[[AnyGraph, FunctionTable], dict[str, Any]]) -> None:
        self.rows: list[dict[str, Any]] = []
        self._write = write
        self._places: dict[Function, int] = {}
        self._depth = 0

    def place(self, f: Function) -> int:
        """The row of a function."""
        found = self._places.get(f)
        if found is None:
            if self._depth == DEEPEST:
                raise NotPlain(f"loops and branches stand in each other more than {DEEPEST} deep")
            self._depth += 1
            row = {
                "nodes": self._write(f.graph, self),
                "params": list(f.params),
                "outs": list(f.outs),
                "values": [[i, _text(a)] for i, a in sorted(f.graph.values.items())],
            }
            self._depth -= 1
            found = self._places[f] = len(self.rows)
            self.rows.append(row)
        return found

    def placed(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings with numbers in place of functions."""
        if not bodies_of(attrs):
            return attrs
        return {k: self._numbers(v) for k, v in attrs.items()}

    def _numbers(self, value: Any) -> Any:
        if type(value) is tuple:
            return tuple(map(self._numbers, value))
        return FunctionNumber(self.place(value)) if type(value) is Function else value


def _text(a: np.ndarray[Any, Any]) -> str:
    """The bytes of an array, of which the aval is known, as text."""
    little = np.ascontiguousarray(a).astype(a.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(little.tobytes()).decode("ascii")


def _array(text: Any, aval: Aval) -> np.ndarray[Any, Any]:
    if type(text) is not str or not aval.is_static:
        raise NotPlain("a number inside of a loop or a branch is none")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise NotPlain("a number inside of a loop or a branch is none") from e
    if len(data) != aval.nbytes or base64.b64encode(data).decode("ascii") != text:
        raise NotPlain("an array inside of a loop or a branch has another size than its shape says")
    little = np.frombuffer(data, aval.dtype.newbyteorder("<")).reshape(aval.shape)  # type: ignore[arg-type]
    found = little.astype(aval.dtype)
    if found.dtype.kind == "b" and any(b > 1 for b in data):
        raise NotPlain("a bool inside of a loop or a branch is none")
    return found


# ---------------------------------------------------------------------- reading


class FunctionReader:
    """The functions that a file describes, read in their order."""

    def __init__(self, read: Callable[[Any, FunctionReader], AnyGraph]) -> None:
        self._read = read
        self._found: list[Function] = []
        self._depths: list[int] = []
        self._used: set[int] = set()

    def read(self, rows: Any) -> None:
        """Read all of them.

        Raises:
            NotPlain: If one is none.
        """
        if type(rows) is not list or not rows:
            raise NotPlain("the table of bodies of loops and branches is none")
        for row in rows:
            if type(row) is not dict or row.keys() != _KEYS:
                raise NotPlain("the body of a loop or a branch is not described")
            before, self._used = self._used, set()
            graph = self._read(row["nodes"], self)
            depth = 1 + max((self._depths[k] for k in self._used), default=0)
            if depth > DEEPEST:
                raise NotPlain("loops and branches stand in each other beyond measure")
            self._used |= before
            f = _function(graph, row)
            if f in self._found:
                raise NotPlain("the table of bodies of loops and branches has one twice")
            self._found.append(f)
            self._depths.append(depth)

    def check_used(self) -> None:
        """Raise NotPlain if no node has one of them."""
        if self._used != {*range(len(self._found))}:
            raise NotPlain("the table of bodies of loops and branches has one that nothing uses")

    def settings(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings with functions in place of their numbers."""
        return {k: self._function(v) for k, v in attrs.items()}

    def _function(self, value: Any) -> Any:
        if type(value) is tuple:
            return tuple(map(self._function, value))
        if type(value) is not FunctionNumber:
            return value
        if not 0 <= value.number < len(self._found):
            raise NotPlain("a setting speaks of a body that is not there")
        self._used.add(value.number)
        return self._found[value.number]


def _function(graph: AnyGraph, row: Mapping[str, Any]) -> Function:
    nodes, params, outs, values = graph.nodes, row["params"], row["outs"], row["values"]
    for ids in (params, outs):
        if type(ids) is not list or not all(type(i) is int and ABSENT <= i < len(nodes) for i in ids):
            raise NotPlain("the body of a loop or a branch has parameters or results that are none")
    given = [p for p in params if p != ABSENT]
    leaves = [i for i, node in enumerate(nodes) if node.op.kind is VariableKind.PLACEHOLDER]
    if sorted(given) != leaves or not all(o >= 0 and type(nodes[o].aval) is Aval for o in outs):
        raise NotPlain("the body of a loop or a branch has other parameters than it reads")
    if any(node.op.kind is VariableKind.VARIABLE for node in nodes):
        raise NotPlain("a variable stands in the body of a loop or a branch")
    constants = [i for i, node in enumerate(nodes) if node.op.kind is VariableKind.CONSTANT]
    if type(values) is not list or [v[:1] if type(v) is list and len(v) == 2 else 0 for v in values] != [
        [i] for i in constants
    ]:
        raise NotPlain("the body of a loop or a branch has values of other nodes than its constants")
    for i, text in values:
        graph.values[i] = _array(text, nodes[i].aval)
        graph.values[i].flags.writeable = False
    return Function(graph, params, outs)


# ---------------------------------------------------------------------- calls


def check_bodies(op: Op, operands: Sequence[Any], attrs: Mapping[str, Any]) -> None:
    """Raise NotPlain unless a loop or a choice of branches can have these operands and settings."""
    wrong = next((_loop_faults if op in LOOPS else _branch_faults)(op, operands, attrs), None)
    if wrong is not None:
        raise NotPlain(f"{op.qualname} {wrong}")
    if (STREAM in attrs) != any(f.is_random for f in bodies_of(attrs)):
        raise NotPlain(f"{op.qualname} draws numbers, or does not, and says otherwise")


def has_function(value: Any) -> bool:
    """Whether a setting is a function, or has one in it."""
    return any(map(has_function, value)) if type(value) is tuple else type(value) is Function


def _loop_faults(op: Op, operands: Sequence[Any], attrs: Mapping[str, Any]) -> Iterator[str]:
    if attrs.keys() - {STREAM} != _LOOP.keys() or not all(_is(attrs[k], kind) for k, kind in _LOOP.items()):
        yield "has other settings than it takes"
    f: Function = attrs["body"]
    counted, n_carry, n_xs = int(attrs["counted"]), attrs["n_carry"], attrs["n_xs"]
    n = len(f.params)
    if len(operands) != counted + n or n_carry + n_xs > n or len(f.outs) < n_carry + attrs["test"]:
        yield "has other operands than it takes"
    if any(type(a) is not Aval for a in operands) or ABSENT in f.params:
        yield "lacks an operand"
    if counted and not (operands[0].shape == () and operands[0].dtype.kind in "iu"):
        yield "has a number of steps that is none"
    nodes = f.graph.nodes
    if attrs["test"] and not (nodes[f.outs[-1]].aval.shape == () and nodes[f.outs[-1]].aval.dtype.kind == "b"):
        yield "has a condition that is none"
    for k, (p, a) in enumerate(zip(f.params, operands[counted:], strict=True)):
        if k >= n - n_xs:
            if not a.shape:
                yield "runs over a scalar"
            a = Aval(a.shape[1:], a.dtype)
        if not may_be(nodes[p].aval, a):
            yield "has an operand of another shape or dtype than its body takes"
    for o, a in zip(f.outs, operands[counted + n - n_xs - n_carry :][:n_carry], strict=False):
        if not may_be(nodes[o].aval, a):
            yield "has a carry that changes"


def _branch_faults(op: Op, operands: Sequence[Any], attrs: Mapping[str, Any]) -> Iterator[str]:
    branches = attrs.get("branches")
    if attrs.keys() - {STREAM} != {"branches"} or type(branches) is not tuple or not branches:
        yield "has other settings than it takes"
    if any(type(f) is not Function or len(f.params) != len(operands) - 1 for f in branches or ()):
        yield "has other operands than its branches take"
    index = operands[0] if operands else None
    if type(index) is not Aval or index.shape != () or index.dtype.kind not in ("b" if op is COND else "iu"):
        yield "has nothing to choose by"
    for f in branches or ():
        if len(f.outs) != len(branches[0].outs):  # type: ignore[index]
            yield "has branches that give different numbers of results"
        for p, a in zip(f.params, operands[1:], strict=True):
            if type(a) is not Aval or (p != ABSENT and not may_be(f.graph.nodes[p].aval, a)):
                yield "has an operand of another shape or dtype than a branch takes"


def _is(value: Any, kind: Any) -> bool:
    """Whether a setting is of a kind; a bool is no number."""
    right = isinstance(value, kind) and (type(value) is not bool or kind is bool)
    return right and (type(value) is not int or value >= 0)
