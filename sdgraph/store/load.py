"""Reading a graph: nothing in a file is believed before it was checked, and nothing in it can run.

Must not know how a graph is built by calls: what a file describes is inferred and compared node by node.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, NamedTuple, NoReturn, TypeVar

from sdgraph.build.initializers import as_seed
from sdgraph.build.kinds import VariableKind
from sdgraph.errors import ChangedOpWarning, FormatError, SDGraphError, shown
from sdgraph.infer.aval import Aval, compatible, is_floating
from sdgraph.ops.graph import OpGraph
from sdgraph.store.arrays import ArrayReader, mapped
from sdgraph.store.container import Reader
from sdgraph.store.functions import FunctionReader
from sdgraph.store.named_ops import given_ops
from sdgraph.store.nodes import NodeReader
from sdgraph.store.plain import NotPlain, dtype_of, loads
from sdgraph.store.record import Outline, Record, read_record
from sdgraph.store.save import DIGEST, FUNCTIONS, GRAPH, WITH_FUNCTIONS, member_names, record_members
from sdgraph.store.sums import Summer
from sdgraph.store.tables import read_tables, with_bits
from sdgraph.store.zipped import Member

G = TypeVar("G", bound=OpGraph)

_HAVE_VALUES: Final = (VariableKind.VARIABLE, VariableKind.CONSTANT)

_LONGEST_TEXT: Final = 1 << 30
_KEYS: Final = {"format", "min_reader", "writer", "dtype", "seed", "nodes", "tables", "values", "sha256", "user"}
_NODES: Final = {"columns", "ops", "avals", "settings", "origins", "bodies"}
_RECORD: Final = "record"
"""The key that only files have which hold something beside their graph."""


class _Found(NamedTuple, Generic[G]):
    """A graph without its values, and where these are, with their digests."""

    sd: G
    members: dict[int, Member]
    digests: Mapping[str, str]
    record: Outline | None


def load(make: type[G], path: Path, *, ops: Iterable[Any], mmap: bool, verify: bool) -> G:
    """Read a graph from a file; see `SameDiff.load`."""
    with open(path, "rb") as file:
        return _read_all(make, file, str(path), ops=ops, mmap=mmap, verify=verify)[0]


def from_bytes(make: type[G], data: bytes, name: str = "The file", ops: Iterable[Any] = ()) -> G:
    """Read a graph from the bytes of a file."""
    return read(make, io.BytesIO(data), name, ops=ops, mmap=False, verify=True)


def structure(make: type[G], path: Path, ops: Iterable[Any] = ()) -> G:
    """Read a graph from a file without its values: in a time that does not depend on how large they are."""
    with open(path, "rb") as file:
        return _read_graph(make, Reader(file, str(path)), ops).sd


def outline(path: Path) -> Outline | None:
    """What a file holds beside its graph, without arrays; neither is the graph made."""
    with open(path, "rb") as file:
        reader = Reader(file, str(path))
        text = graph_text(reader)
        try:
            content = _content(reader, text)
            return read_record(content[_RECORD]) if _RECORD in content else None
        except (NotPlain, RecursionError) as e:
            _refuse_text(reader, e)


def with_record(make: type[G], path: Path, ops: Iterable[Any] = ()) -> tuple[G, Record | None]:
    """Read a graph from a file, and what stands beside it; every byte is compared."""
    with open(path, "rb") as file:
        return _read_all(make, file, str(path), ops=ops, mmap=False, verify=True)


def read(make: type[G], file: BinaryIO, name: str, *, ops: Iterable[Any], mmap: bool, verify: bool) -> G:
    """Read a graph from an open file."""
    return _read_all(make, file, name, ops=ops, mmap=mmap, verify=verify)[0]


def _read_all(
    make: type[G], file: BinaryIO, name: str, *, ops: Iterable[Any], mmap: bool, verify: bool
) -> tuple[G, Record | None]:
    reader = Reader(file, name)
    sd, members, digests, beside = _read_graph(make, reader, ops)
    record = None
    with Summer() as summer:
        arrays = ArrayReader(reader, mapped(reader, file) if mmap else None, summer if verify else None)
        for i, member in members.items():
            sd.values[i] = arrays.read(member, sd.nodes[i].aval, digests[member.name])
        if beside is not None and verify:  # Who wants only the graph need not read it, but to compare.
            found = {k: arrays.read(reader.members[m], beside.avals[k], digests[m]) for k, m in beside.members.items()}
            record = Record(beside.kind, beside.facts, found)
        arrays.settle()
    with_bits(sd)
    return sd, record


def _read_graph(make: type[G], reader: Reader, ops: Iterable[Any]) -> _Found[G]:
    given = given_ops(ops)
    text = graph_text(reader)
    try:
        content = _content(reader, text)
        sd = _graph(make, content, given)
        read_tables(sd, content["tables"], len(sd.nodes))
        _check_marks(sd)
        record = read_record(content[_RECORD]) if _RECORD in content else None
        members = _members(reader, sd, content, record)
    except (NotPlain, RecursionError) as e:
        _refuse_text(reader, e)
    sd.user = content["user"]
    return _Found(sd, members, content["sha256"], record)


def _refuse_text(reader: Reader, why: Exception) -> NoReturn:
    words = str(why) if isinstance(why, NotPlain) else "lists stand in lists beyond measure"
    reader.refuse(words, reader.members[GRAPH].data, GRAPH)


def graph_text(reader: Reader) -> bytes:
    """The text that says what the graph is, compared with its digest."""
    for name in (GRAPH, DIGEST):
        if name not in reader.members:
            reader.refuse(f"it has no member {name!r}", 0)
    text = reader.read(reader.members[GRAPH], _LONGEST_TEXT)
    if reader.read(reader.members[DIGEST], 64) != sha256(text).hexdigest().encode("ascii"):
        reader.refuse("the graph has another digest", reader.members[GRAPH].data, GRAPH)
    return text


def _content(reader: Reader, text: bytes) -> dict[str, Any]:
    content = loads(text)
    if type(content) is not dict or type(content.get("min_reader")) is not int:
        raise NotPlain("it does not say which version it is")
    if content["min_reader"] > WITH_FUNCTIONS:
        raise FormatError(
            f"{reader.name} was written by a newer version of sdgraph.",
            given=f"format {content.get('format')}, for readers of format {content['min_reader']} and newer",
            expected=f"at most format {WITH_FUNCTIONS}",
            fix="pip install --upgrade sdgraph",
        )
    known = _KEYS | {FUNCTIONS} if content["min_reader"] >= WITH_FUNCTIONS else _KEYS
    if content.keys() - {_RECORD} != known:
        raise NotPlain("it has other parts than a graph has")
    if type(content["user"]) is not dict or not all(type(text) is str for text in content["user"].values()):
        raise NotPlain("what it keeps for its user is no texts")
    for key in ("values", "sha256", "nodes"):
        if type(content[key]) is not (list if key == "values" else dict):
            raise NotPlain(f"its part {key!r} is none")
    return content


def _graph(make: type[G], content: Mapping[str, Any], given: Mapping[str, Any]) -> G:
    """The graph with its nodes, without tables and values."""
    dtype, seed = content["dtype"], content["seed"]
    if type(seed) is not str or not seed.isdecimal() or len(seed) > 1000:
        raise NotPlain("its seed is no number")
    try:
        # A class of a user's may want other arguments, and make variables.
        sd = make.__new__(make)
        OpGraph.__init__(sd, dtype_of(dtype), seed=as_seed(int(seed)))
    except SDGraphError as e:
        raise NotPlain(e.message) from e
    changed: set[str] = set()

    def nodes(into: OpGraph, described: Any, functions: FunctionReader) -> OpGraph:
        if type(described) is not dict or described.keys() != _NODES:
            raise NotPlain("its nodes are none")
        node_reader = NodeReader(into, described, given, functions)
        node_reader.read()
        changed.update(node_reader.changed_ops(described["bodies"]))
        return into

    functions = FunctionReader(lambda described, found: nodes(sd.scratch(), described, found))
    if FUNCTIONS in content:
        functions.read(content[FUNCTIONS])
    nodes(sd, content["nodes"], functions)
    functions.check_used()
    _warn_of(sorted(changed), content["writer"])
    return sd


def _warn_of(changed: list[str], writer: Any) -> None:
    """Say which composites compute something else than they did when the file was written."""
    if changed:
        warnings.warn(
            f"Since this graph was saved, by {shown(writer, 40)}, these ops have been written otherwise: "
            f"{', '.join(changed)}. Values may differ from those of then.",
            ChangedOpWarning,
            stacklevel=6,
        )


def _check_marks(sd: OpGraph) -> None:
    """Whatever is marked must be of the kind that can be."""
    marks, nodes = sd.marks, sd.nodes
    if not all(nodes[i].op.kind is VariableKind.CONSTANT for i in (*marks.frozen, *marks.literals.values())):
        raise NotPlain("a variable is marked as a constant")
    for i in (*marks.losses, *marks.explicit_losses, *marks.extra_losses):
        v = nodes[i]
        if v.op.kind is not VariableKind.ARRAY or type(v.aval) is not Aval or not is_floating(v.aval.dtype):
            raise NotPlain("something is marked as a loss that cannot be one")
    for i, j in marks.updates.items():
        if nodes[i].op.kind not in _HAVE_VALUES or nodes[i].inputs or not _may_take(nodes[i].aval, nodes[j].aval):
            raise NotPlain("something is to take a value after each step that cannot take it")


def _may_take(variable: Any, value: Any) -> bool:
    known = type(variable) is type(value) is Aval
    return known and variable.dtype == value.dtype and compatible(value.shape, variable.shape)


def _members(reader: Reader, sd: OpGraph, content: Mapping[str, Any], record: Outline | None) -> dict[int, Member]:
    """The member that holds the value of each leaf; every member is one of them, or of the record, or the graph."""
    leaves = [i for i, n in enumerate(sd.nodes) if not n.inputs and n.op.kind in _HAVE_VALUES]
    names = member_names((i, sd.nodes[i].name) for i in leaves)
    if content["values"] != [[i, names[i]] for i in leaves]:
        raise NotPlain("its values are not those of its variables and constants")
    beside = {} if record is None else record.members
    if beside != record_members(beside):
        raise NotPlain("its record speaks of other members")
    held = {*names.values(), *beside.values()}
    if content["sha256"].keys() != held or reader.members.keys() != {*held, GRAPH, DIGEST}:
        raise NotPlain("its members are not those that the graph speaks of")
    return {i: reader.members[names[i]] for i in leaves}
