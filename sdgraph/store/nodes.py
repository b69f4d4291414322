"""The nodes of a graph as columns, and back: every node that a file describes is inferred again before it counts.

Must not know files, nor values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sdgraph.build.attributes import attr_key
from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, NO_ATTRS, VariableKind
from sdgraph.build.op import ITEM, STREAM, Op
from sdgraph.build.tracing import output_aval
from sdgraph.errors import ArgumentError, SDGraphError, shown
from sdgraph.frames.origin import Place
from sdgraph.infer.aval import Aval, as_shape, is_floating
from sdgraph.ops.graph import OpGraph
from sdgraph.store.bodies import Bodies
from sdgraph.store.collector import Resting
from sdgraph.store.columns import check_table, checked_columns
from sdgraph.store.functions import FunctionReader, FunctionTable, check_bodies, has_function
from sdgraph.store.named_ops import OpTable, order_of, read_ops
from sdgraph.store.plain import NotPlain, decode, dtype_name, dtype_of, dumps, encode


class _Table:
    """Things that many nodes have in common, each once, in the order in which they are met.

    A key is what is quickly at hand; two keys may stand for the same.
    """

    def __init__(self, write: Callable[[Any], Any]) -> None:
        self.rows: list[Any] = []
        self._write = write
        self._places: dict[Any, int] = {}
        self._of_text: dict[bytes, int] = {}

    def place(self, key: Any, x: Any) -> int:
        found = self._places.get(key)
        if found is None:
            row = self._write(x)
            found = self._places[key] = self._of_text.setdefault(dumps(row), len(self.rows))
            if found == len(self.rows):
                self.rows.append(row)
        return found


def write_nodes(sd: OpGraph, functions: FunctionTable, *, origins: bool) -> dict[str, Any]:
    """The columns of a graph's nodes and the tables that they point to. Functions among settings go to their table.

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
            add["settings"](settings.place(attr_key(node.attrs), functions.placed(node.attrs)))
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
        given=", ".join([str(node.aval), *(f"{k}={shown(v)}" for k, v in node.attrs.items())]),
        expected="dtypes that every computer has, and settings that are numbers, texts, dtypes, or sequences of them",
        node=node.name,
        node_origin=node.origin,
    )


def _aval_row(aval: Any) -> Any:
    if type(aval) is not Aval:
        return {"outputs": [None if a is None else _aval_row(a) for a in aval]}
    return [list(aval.shape), dtype_name(aval.dtype)]


def _settings_row(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {k: encode(v) for k, v in attrs.items()}


def _origin_row(origin: Any) -> list[Any]:
    """A place without the folders of the computer it is on."""
    folder = origin.filename[: max(map(origin.filename.rfind, "/\\")) + 1]
    told = (origin.filename.removeprefix(folder), origin.function, str(origin).removeprefix(folder))
    # The name of a file may have bytes that are no text.
    name, function, words = (text.encode("utf-8", "replace").decode("utf-8") for text in told)
    return [name, origin.line, function, words]


# ---------------------------------------------------------------------- reading


class NodeReader:
    """Appends the nodes that a file describes to an empty graph, and infers each as a call would.

    What a rule says of operands and settings that were met before is not asked again, so that a graph of a million
    nodes takes seconds.
    """

    def __init__(
        self, sd: OpGraph, content: Mapping[str, Any], given: Mapping[str, Op], functions: FunctionReader
    ) -> None:
        self.sd = sd
        rows = {name: _rows(content[name]) for name in ("ops", "avals", "settings", "origins")}
        self.columns = columns = checked_columns(content["columns"], {name: len(table) for name, table in rows.items()})
        for column, name in ((columns.aval, "avals"), (columns.settings, "settings"), (columns.origin, "origins")):
            check_table(rows[name], column, name)
        most_operands = max(columns.n_inputs, default=0) + 1
        self.ops = read_ops(rows["ops"], given, dict.fromkeys(columns.op), most_operands)
        self.avals = [read_aval(row) for row in rows["avals"]]
        self.settings = [functions.settings(_read_settings(row)) for row in rows["settings"]]
        self.origins = [*map(_read_origin, rows["origins"]), None]
        self._calls: dict[tuple[int, tuple[int, ...], int], None] = {}

    def read(self) -> None:
        """Append all nodes.

        Raises:
            NotPlain: If a node is none of any graph.
        """
        with Resting() as collector:
            self._append_all(collector)
        self.sd.names.ids.update(zip(self.columns.name, range(self.columns.size), strict=True))

    def _append_all(self, collector: Resting) -> None:
        columns, ops, origins, append = self.columns, self.ops, self.origins, self.sd.nodes.append
        composite = [op.is_composite for op in ops]
        # Equal avals have equal numbers here, and what is absent has that of the last place, which is what -1 means.
        kinds: list[int] = [0] * columns.size + [ABSENT]
        inferred: dict[tuple[int, ...], tuple[Any, Any, int]] = {}
        numbers: dict[Any, int] = {}
        inputs_of_all, end = tuple(columns.inputs), 0
        where = columns.origin or [ABSENT] * columns.size
        rows = zip(columns.op, columns.n_inputs, columns.settings, columns.aval, columns.name, where, strict=True)
        for i, (op, n_inputs, settings, aval, name, origin) in enumerate(rows):
            start, end = end, end + n_inputs
            inputs = inputs_of_all[start:end]
            key = (op, settings, aval, *[kinds[j] for j in inputs])
            found = inferred.get(key)
            if found is None:
                avals, attrs = self._inferred(i, ops[op], inputs, settings, aval)
                found = inferred[key] = avals, attrs, numbers.setdefault(avals, len(numbers))
                collector.waste()  # The body that a rule may have traced.
            avals, attrs, kinds[i] = found
            if composite[op]:
                self._calls[op, tuple([ABSENT if j < 0 else columns.aval[j] for j in inputs]), settings] = None
            append(Node(ops[op], inputs, attrs, avals, name, origins[origin], i))

    def changed_ops(self, rows: Any) -> list[str]:
        """The composites that are written otherwise now than when the file was made."""
        bodies, found, calls = Bodies(self.sd), set(), iter(self._calls)
        for row in _rows(rows):
            if type(row) is not list or [*map(type, row)] != [int, list, int, str]:
                raise NotPlain("the table of bodies has something else in it")
            # As far as this call; those before it have no digest.
            if (row[0], tuple(row[1]), row[2]) not in calls:
                raise NotPlain("the table of bodies speaks of what is not there, or is not in order")
            op, avals = self.ops[row[0]], tuple(None if k == ABSENT else self.avals[k] for k in row[1])
            attrs = _checked_call(op, avals, self.settings[row[2]], f"the body of {op.qualname} ")
            if bodies.digest(op, avals, attrs) not in (row[3], None):
                found.add(op.qualname)
        return sorted(found)

    def _inferred(self, i: int, op: Op, inputs: tuple[int, ...], settings: int, aval: int) -> tuple[Any, Any]:
        """Aval and settings that a node has by the rules of its op, which the file must agree with."""
        nodes = self.sd.nodes
        operands = tuple([None if j < 0 else nodes[j].aval for j in inputs])
        return self._infer(op, operands, self.settings[settings], self.avals[aval], i)

    def _infer(self, op: Op, operands: tuple[Any, ...], attrs: Mapping[str, Any], stored: Any, i: int) -> Any:
        what = f"node {i}, made by {op.qualname}, "
        if op.kind is not VariableKind.ARRAY:
            if operands or attrs or type(stored) is not Aval:
                raise NotPlain(what + "has operands or settings")
            return stored, attrs
        attrs = _checked_call(op, operands, attrs, what)
        try:
            aval = _inferred_aval(self.sd, op, operands, attrs, stored)
        except SDGraphError as e:
            raise NotPlain(f"{what}is no call that can be: {e.message}") from e
        except NotPlain:
            raise
        except Exception as e:
            raise NotPlain(f"{what}is no call that can be") from e
        if not _agree(aval, stored):
            raise NotPlain(f"{what}is {_words(stored)} in the file, and {_words(aval)} by its operands")
        return aval, attrs


def _checked_call(op: Op, operands: tuple[Any, ...], attrs: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """The settings, with those that the op got since; raises unless it can have these and the operands."""
    if op is ITEM:
        (source,) = operands if len(operands) == 1 else (None,)
        k = attrs.get("index")
        if type(source) is not tuple or attrs.keys() != {"index"} or type(k) is not int or not 0 <= k < len(source):
            raise NotPlain(what + "is no output of anything")
        if source[k] is None:
            raise NotPlain(what + "is what no loop leaves")
        return attrs
    if op.has_bodies:
        check_bodies(op, operands, attrs)
        _check_stream(attrs, what)
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
        if attr_key({k: same}) != attr_key({k: attrs[k]}):
            raise NotPlain(f"{what}has the setting {k!r} in another form")
    if any(map(has_function, attrs.values())):
        raise NotPlain(what + "has a function that it does not take")
    _check_stream(attrs, what)
    return attrs


def _check_stream(attrs: Mapping[str, Any], what: str) -> None:
    stream = attrs.get(STREAM, ())
    if type(stream) is not tuple or not all(type(k) is int and 0 <= k < 2**32 for k in stream):
        raise NotPlain(what + "has no numbers to draw from")


_TRACED: Final = 4
"""The highest order of gradients whose bodies are traced: they grow threefold from each to the next."""


def _inferred_aval(sd: OpGraph, op: Op, operands: tuple[Any, ...], attrs: Mapping[str, Any], stored: Any = None) -> Any:
    """What a call gives by the rules of its op; sizes of gradients of high orders that no rule tells are as stored."""
    of = op.gradient_of
    if of is None:
        return output_aval(op, sd, operands, attrs)
    result = _inferred_aval(sd, of.op, operands[: of.n], attrs)
    ys, x = result if type(result) is tuple else (result,), operands[of.k]
    gs, lives = operands[of.n : of.n + len(of.masked)], operands[of.n + len(of.masked) :]
    if x is None or not is_floating(x.dtype) or len(ys) != len(gs):
        raise NotPlain(f"{op.qualname} is the gradient of nothing")
    if not all(g is None or _agree(g, y) for g, y in zip(gs, ys, strict=True)):
        raise NotPlain(f"{op.qualname} has a cotangent of another shape or dtype than what it is of")
    if any(live is None or live.dtype.kind != "b" for live in lives):
        raise NotPlain(f"{op.qualname} has a mask that is none")
    if of.asked or order_of(op) <= _TRACED:
        return output_aval(op, sd, operands, attrs)
    return stored if stored is not None and _agree(stored, x) else x


def _agree(aval: Any, stored: Any) -> bool:
    """Whether two avals are the same, but for sizes that only one of them knows."""
    if aval is None or stored is None:
        return aval is stored
    if type(aval) is not Aval or type(stored) is not Aval:
        return type(aval) is type(stored) is tuple and len(aval) == len(stored) and all(map(_agree, aval, stored))
    if aval.dtype != stored.dtype or len(aval.shape) != len(stored.shape):
        return False
    return all(a == b or not (type(a) is type(b) is int) for a, b in zip(aval.shape, stored.shape, strict=True))


def _words(aval: Any) -> str:
    return str(aval) if type(aval) is Aval else " and ".join(map(str, aval))


def _rows(x: Any) -> list[Any]:
    if type(x) is not list:
        raise NotPlain("a table is no list")
    return x


def read_aval(row: Any) -> Any:
    """A shape with its dtype, or several of them.

    Raises:
        NotPlain: If it is none.
    """
    if type(row) is dict and row.keys() == {"outputs"}:
        if any(type(a) not in (list, type(None)) for a in _rows(row["outputs"])):
            raise NotPlain("an output is none")
        return tuple([None if a is None else read_aval(a) for a in row["outputs"]])
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
