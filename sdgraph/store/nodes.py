"""The nodes of a graph as columns, and back: every node that a file describes is inferred again before it counts.

Must not know files, nor values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sdgraph.build.attributes import attr_key
from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, NO_ATTRS, VariableKind
from sdgraph.build.op import ITEM, STREAM, Op
from sdgraph.build.tracing import output_aval
from sdgraph.errors import ArgumentError, SDGraphError, shown
from sdgraph.frames.origin import Place
from sdgraph.infer.aval import Aval, as_shape
from sdgraph.infer.names import is_short, is_writable
from sdgraph.ops.graph import OpGraph
from sdgraph.store.bodies import Bodies
from sdgraph.store.named_ops import OpTable
from sdgraph.store.plain import NotPlain, decode, dtype_name, dtype_of, encode

MOST: Final = 10_000_000
"""Nodes of a graph in a file."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class _Table:
    """Things that many nodes have in common, each once."""

    def __init__(self, write: Callable[[Any], Any]) -> None:
        self.rows: list[Any] = []
        self._write = write
        self._places: dict[Any, int] = {}

    def place(self, key: Any, x: Any) -> int:
        found = self._places.get(key)
        if found is None:
            row = self._write(x)
            found = self._places[key] = len(self.rows)
            self.rows.append(row)
        return found


def write_nodes(sd: OpGraph, *, origins: bool) -> dict[str, Any]:
    """The columns of a graph's nodes and the tables that they point to.

    Raises:
        ArgumentError: If a node has what no file can hold.
    """
    ops, avals, settings, places = OpTable(), _Table(_aval_row), _Table(_settings_row), _Table(_origin_row)
    columns: dict[str, list[Any]] = {k: [] for k in ("op", "n_inputs", "inputs", "settings", "aval", "name", "origin")}
    add = {k: column.append for k, column in columns.items()}
    calls: dict[tuple[int, tuple[int, ...], int], Node] = {}
    for node in sd.nodes:
        try:
            add["op"](ops.place(node.op))
            add["settings"](settings.place(attr_key(node.attrs), node.attrs))
            add["aval"](avals.place(node.aval, node.aval))
        except NotPlain as e:
            raise _not_saved(node, e) from None
        add["n_inputs"](len(node.inputs))
        columns["inputs"] += node.inputs
        add["name"](node.name)
        if origins:
            # Nodes of one line share the object.
            add["origin"](ABSENT if node.origin is None else places.place(id(node.origin), node.origin))
        if node.op.is_composite:
            operands = tuple([ABSENT if j < 0 else columns["aval"][j] for j in node.inputs])
            calls.setdefault((columns["op"][-1], operands, columns["settings"][-1]), node)
    tables = {"ops": ops.rows, "avals": avals.rows, "settings": settings.rows, "origins": places.rows}
    return {"columns": columns, **tables, "bodies": _body_rows(sd, calls)}


def _body_rows(sd: OpGraph, calls: Mapping[tuple[int, tuple[int, ...], int], Node]) -> list[Any]:
    """For each call of a composite that differs from the others, what its body is."""
    bodies = Bodies(sd)
    rows = []
    for (op, operands, settings), node in calls.items():
        avals = tuple(None if j < 0 else sd.nodes[j].aval for j in node.inputs)
        digest = bodies.digest(node.op, avals, node.attrs)
        if digest is not None:
            rows.append([op, list(operands), settings, digest])
    return rows


def _not_saved(node: Node, why: NotPlain) -> ArgumentError:
    return ArgumentError(
        f"This graph cannot be saved: {why}.",
        given=", ".join(f"{k}={shown(v)}" for k, v in node.attrs.items()) or str(node.aval),
        expected="settings that are numbers, texts, dtypes, or sequences of them",
        node=node.name,
        node_origin=node.origin,
    )


def _aval_row(aval: Any) -> Any:
    if type(aval) is not Aval:
        return {"outputs": [_aval_row(a) for a in aval]}
    return [list(aval.shape), dtype_name(aval.dtype)]


def _settings_row(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {k: encode(v) for k, v in attrs.items()}


def _origin_row(origin: Any) -> list[Any]:
    """A place without the folders of the computer it is on."""
    folder = origin.filename[: max(map(origin.filename.rfind, "/\\")) + 1]
    return [origin.filename.removeprefix(folder), origin.line, origin.function, str(origin).removeprefix(folder)]


# ---------------------------------------------------------------------- reading


class NodeReader:
    """Appends the nodes that a file describes to an empty graph, and infers each as a call would.

    What a rule says of operands and settings that were met before is not asked again, so that a graph of a million
    nodes takes seconds.
    """

    def __init__(self, sd: OpGraph, given: Mapping[str, Any], ops: Sequence[Op]) -> None:
        self.sd = sd
        self.ops = ops
        self.avals = [_read_aval(row) for row in _rows(given["avals"])]
        self.settings = [_read_settings(row) for row in _rows(given["settings"])]
        self.origins = [_read_origin(row) for row in _rows(given["origins"])]
        self.columns = given["columns"]
        self._inferred: dict[Any, Any] = {}

    def read(self) -> None:
        """Append all nodes.

        Raises:
            NotPlain: If a column is none, or a node is none of any graph.
        """
        sd, n = self.sd, self._checked_columns()
        columns = self.columns
        origins = columns["origin"] or [ABSENT] * n
        nodes, ids, all_inputs = sd.nodes, sd.names.ids, columns["inputs"]
        at = 0
        rows = zip(
            columns["op"],
            columns["n_inputs"],
            columns["settings"],
            columns["aval"],
            columns["name"],
            origins,
            strict=True,
        )
        for i, (op, n_inputs, settings, aval, name, origin) in enumerate(rows):
            inputs = tuple(all_inputs[at : at + n_inputs])
            at += n_inputs
            if name in ids:
                raise NotPlain(f"two variables have the name {shown(name)}")
            found, attrs = self._inferred_call(i, op, inputs, settings, aval)
            where = self.origins[origin] if origin >= 0 else None
            nodes.append(Node(self.ops[op], inputs, attrs, found, name, where, i))
            ids[name] = i

    def changed_ops(self, rows: Any) -> list[str]:
        """The composites that are written otherwise now than when the file was made."""
        bodies, found = Bodies(self.sd), set()
        for row in _rows(rows):
            if type(row) is not list or len(row) != 4 or type(row[1]) is not list or type(row[3]) is not str:
                raise NotPlain("the table of bodies has something else in it")
            op, settings = self._entry(self.ops, row[0]), self._entry(self.settings, row[2])
            avals = tuple(None if k == ABSENT else self._entry(self.avals, k) for k in row[1])
            call = _checked_call(op, avals, settings, f"the body of {op.qualname} ")
            if bodies.digest(op, avals, call) not in (row[3], None):
                found.add(op.qualname)
        return sorted(found)

    def _entry(self, table: Sequence[Any], k: Any) -> Any:
        if type(k) is not int or not 0 <= k < len(table):
            raise NotPlain("the table of bodies speaks of what is not there")
        return table[k]

    def _checked_columns(self) -> int:
        """Look at every number of every column once; return how many nodes there are."""
        columns = self.columns
        if (
            type(columns) is not dict
            or columns.keys() != _COLUMNS
            or any(type(c) is not list for c in columns.values())
        ):
            raise NotPlain("the columns of nodes are other ones")
        n = len(columns["op"])
        if n > MOST:
            raise NotPlain(f"it has more than {MOST:,} nodes")
        for column, least, most in (
            ("op", 0, len(self.ops)),
            ("n_inputs", 0, len(columns["inputs"]) + 1),
            ("inputs", ABSENT, n),
            ("settings", 0, len(self.settings)),
            ("aval", 0, len(self.avals)),
            ("origin", ABSENT, len(self.origins)),
        ):
            numbers = columns[column]
            if any(type(k) is not int for k in numbers) or (
                numbers and not least <= min(numbers) <= max(numbers) < most
            ):
                raise NotPlain(f"the column {column!r} has something else in it")
            if column != "inputs" and len(numbers) != n and not (column == "origin" and not numbers):
                raise NotPlain(f"the column {column!r} has another length")
        if sum(columns["n_inputs"]) != len(columns["inputs"]):
            raise NotPlain("the column 'inputs' has another length")
        names = columns["name"]
        if len(names) != n or not all(map(_is_name, names)):
            raise NotPlain("the column of names has something else in it")
        return n

    def _inferred_call(self, i: int, op: int, inputs: tuple[int, ...], settings: int, aval: int) -> Any:
        """Aval and settings that the node has by the rules of its op, which the file must agree with."""
        nodes = self.sd.nodes
        if inputs and max(inputs) >= i:
            raise NotPlain(f"node {i} has an operand that comes after it")
        operands = tuple([None if j < 0 else nodes[j].aval for j in inputs])
        key = (op, operands, settings, aval)
        found = self._inferred.get(key)
        if found is None:
            found = self._inferred[key] = self._infer(
                self.ops[op], operands, self.settings[settings], self.avals[aval], i
            )
        return found

    def _infer(self, op: Op, operands: tuple[Any, ...], attrs: Mapping[str, Any], stored: Any, i: int) -> Any:
        what = f"node {i}, made by {op.qualname}, "
        if op.kind is not VariableKind.ARRAY:
            if operands or attrs or type(stored) is not Aval:
                raise NotPlain(what + "has operands or settings")
            return stored, attrs
        attrs = _checked_call(op, operands, attrs, what)
        try:
            aval = output_aval(op, self.sd, operands, attrs)
        except SDGraphError as e:
            raise NotPlain(f"{what}is no call that can be: {e.message}") from e
        except Exception as e:
            raise NotPlain(f"{what}is no call that can be") from e
        if not _agree(aval, stored):
            raise NotPlain(f"{what}is {_words(stored)} in the file, and {_words(aval)} by its operands")
        return aval, attrs


_COLUMNS: Final = {"op", "n_inputs", "inputs", "settings", "aval", "name", "origin"}


def _checked_call(op: Op, operands: tuple[Any, ...], attrs: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """The settings, with those that the op got since; raises unless it can have these and the operands."""
    if op is ITEM:
        (source,) = operands if len(operands) == 1 else (None,)
        k = attrs.get("index")
        if type(source) is not tuple or attrs.keys() != {"index"} or type(k) is not int or not 0 <= k < len(source):
            raise NotPlain(what + "is no output of anything")
        return attrs
    if any(type(a) is tuple for a in operands) or (not op.variadic and len(operands) != op.n_operands):
        raise NotPlain(what + "has other operands than it takes")
    if any(a is None and not op.signature.is_optional(k) for k, a in enumerate(operands)):
        raise NotPlain(what + "lacks an operand")
    if op.attr_defaults.keys() - attrs.keys():
        attrs = {**op.attr_defaults, **attrs}
    names = attrs.keys() - {STREAM}
    if names != set(op.attr_names):
        raise NotPlain(what + "has other settings than it takes")
    for k in names:
        try:
            same = op.signature.setting(op.name, k, attrs[k])
        except SDGraphError as e:
            raise NotPlain(f"{what}has a setting that it cannot have: {e.message}") from e
        if type(same) is not type(attrs[k]) or same != attrs[k]:
            raise NotPlain(f"{what}has the setting {k!r} in another form")
    stream = attrs.get(STREAM, ())
    if type(stream) is not tuple or not all(type(k) is int and 0 <= k < 2**32 for k in stream):
        raise NotPlain(what + "has no numbers to draw from")
    return attrs


def _agree(aval: Any, stored: Any) -> bool:
    """Whether two avals are the same, but for sizes that only one of them knows."""
    if type(aval) is not Aval or type(stored) is not Aval:
        return type(aval) is type(stored) is tuple and len(aval) == len(stored) and all(map(_agree, aval, stored))
    if aval.dtype != stored.dtype or len(aval.shape) != len(stored.shape):
        return False
    return all(a == b or not (type(a) is type(b) is int) for a, b in zip(aval.shape, stored.shape, strict=True))


def _words(aval: Any) -> str:
    return str(aval) if type(aval) is Aval else " and ".join(map(str, aval))


def _is_name(name: Any) -> bool:
    return type(name) is str and is_short(name) and is_writable(name) and bool(name) and not _CONTROL.search(name)


def _rows(x: Any) -> list[Any]:
    if type(x) is not list:
        raise NotPlain("a table is no list")
    return x


def _read_aval(row: Any) -> Any:
    if type(row) is dict and row.keys() == {"outputs"}:
        found = tuple([_read_aval(a) for a in _rows(row["outputs"])])
        if any(type(a) is not Aval for a in found):
            raise NotPlain("an output has outputs")
        return found
    if type(row) is not list or len(row) != 2 or any(type(d) not in (int, str, type(None)) for d in _rows(row[0])):
        raise NotPlain("a shape with its dtype is none")
    try:
        shape = as_shape(row[0])
    except SDGraphError as e:
        raise NotPlain(f"a shape is none: {e.message}") from e
    if list(shape) != row[0]:
        raise NotPlain("a shape is not written in its one form")
    return Aval(shape, dtype_of(row[1]))


def _read_settings(row: Any) -> Mapping[str, Any]:
    if type(row) is not dict:
        raise NotPlain("settings that are none")
    return {k: decode(v) for k, v in row.items()} if row else NO_ATTRS


def _read_origin(row: Any) -> Any:
    if type(row) is not list or [*map(type, row)] != [str, int, str, str]:
        raise NotPlain("a line of a program is none")
    return Place(*row)
