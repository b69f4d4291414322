"""A reader of files that knows zip, JSON and numpy, and docs/reference/file_format.md; nothing of sdgraph.

It reads what the page says, and checks what the page says that a file must be.
"""

import base64
import io
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

DTYPES = {
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
}
FULL16, FULL32 = 2**16 - 1, 2**32 - 1


class Setting(NamedTuple):
    """A value that JSON has no type for."""

    kind: str
    value: Any


class Node(NamedTuple):
    op: list
    """The row of the table."""
    operands: list
    settings: dict
    avals: list
    """Shape and dtype of each output."""
    name: str
    origin: list | None


class Read(NamedTuple):
    nodes: list[Node]
    values: dict[str, np.ndarray]
    tables: dict
    bodies: list
    dtype: str
    seed: int
    writer: str
    user: dict
    record: tuple[str, Any, dict[str, np.ndarray]] | None
    """Kind, facts and arrays of what stands beside the graph."""


def read(data: bytes) -> Read:
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        names = z.namelist()
        assert [i.compress_type for i in z.infolist()] == [zipfile.ZIP_STORED] * len(names)
        members = {name: z.read(name) for name in names}
    assert names[-2:] == ["graph.json", "graph.json.sha256"] and len(members) == len(names)
    text = members["graph.json"]
    assert members["graph.json.sha256"] == sha256(text).hexdigest().encode()
    graph = json.loads(text.decode("utf-8"))
    assert canonical(graph) == text
    assert set(graph) - {"record", "functions"} == {
        *("format", "min_reader", "writer", "dtype", "seed", "nodes", "values", "sha256", "tables", "user")
    }
    assert graph["format"] == graph["min_reader"] == (2 if "functions" in graph else 1)
    for k, row in enumerate(graph.get("functions", [])):
        check_function(row, k)
    nodes = nodes_of(graph["nodes"])
    assert graph["sha256"] == {name: sha256(members[name]).hexdigest() for name in names[:-2]}
    record = record_of(graph["record"], members) if "record" in graph else None
    n_beside = 0 if record is None else len(record[2])
    assert [name for _, name in graph["values"]] == names[: len(names) - 2 - n_beside] == member_names(nodes)
    assert n_beside == 0 or names[-2 - n_beside : -2] == [row[1] for row in graph["record"]["arrays"]]
    values = {nodes[i].name: array_of(members[name], nodes[i].avals) for i, name in graph["values"]}
    user, seed = graph["user"], int(graph["seed"])
    bodies, writer = graph["nodes"]["bodies"], graph["writer"]
    return Read(nodes, values, graph["tables"], bodies, graph["dtype"], seed, writer, user, record)


# ---------------------------------------------------------------------- the graph


def canonical(x: Any) -> bytes:
    """JSON as the page spells it."""
    if isinstance(x, dict):
        return b"{" + b",".join(canonical(k) + b":" + canonical(x[k]) for k in sorted(x)) + b"}"
    if isinstance(x, list):
        return b"[" + b",".join(map(canonical, x)) + b"]"
    if isinstance(x, str):
        escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
        escape = re.compile(r'["\\\x00-\x1f]')
        return b'"' + escape.sub(lambda m: escapes.get(m[0], f"\\u{ord(m[0]):04x}"), x).encode() + b'"'
    return {None: b"null", True: b"true", False: b"false"}[x] if x is None or type(x) is bool else repr(x).encode()


def nodes_of(given: dict) -> list[Node]:
    assert set(given) == {"columns", "ops", "avals", "settings", "origins", "bodies"}
    columns = given["columns"]
    assert set(columns) == {"op", "n_inputs", "inputs", "settings", "aval", "name", "origin"}
    n = len(columns["op"])
    origins = columns["origin"] or [-1] * n
    found, at = [], 0
    for i in range(n):
        operands = columns["inputs"][at : at + columns["n_inputs"][i]]
        at += len(operands)
        assert all(-1 <= j < i for j in operands)
        op, settings = given["ops"][columns["op"][i]], given["settings"][columns["settings"][i]]
        avals = avals_of(given["avals"][columns["aval"][i]])
        origin = None if origins[i] < 0 else given["origins"][origins[i]]
        decoded = {name: setting(v) for name, v in settings.items()}
        found.append(Node(op, operands, decoded, avals, columns["name"][i], origin))
    assert at == len(columns["inputs"]) and len({node.name for node in found}) == n
    for table, column in (("avals", "aval"), ("settings", "settings"), ("origins", "origin")):
        used = [k for k in dict.fromkeys(columns[column]) if k >= 0]
        assert used == list(range(len(given[table]))), table
        assert len({canonical(row) for row in given[table]}) == len(given[table]), table
    return found


def check_function(row: dict, k: int) -> None:
    """A body of a loop or a branch, which may have those before it inside."""
    assert set(row) == {"nodes", "params", "outs", "values"}
    nodes = nodes_of(row["nodes"])
    kinds = [node.op[0] for node in nodes]
    assert sorted(p for p in row["params"] if p >= 0) == [i for i, kind in enumerate(kinds) if kind == ":placeholder"]
    assert ":variable" not in kinds and all(0 <= o < len(nodes) for o in row["outs"])
    assert [i for i, _ in row["values"]] == [i for i, kind in enumerate(kinds) if kind == ":constant"]
    for i, text in row["values"]:
        ((shape, dtype),) = nodes[i].avals
        assert len(base64.b64decode(text, validate=True)) == math.prod(shape) * np.dtype(dtype).itemsize
    for node in nodes:
        assert all(v.value < k for v in node.settings.values() if isinstance(v, Setting) and v.kind == "function")


def avals_of(row: Any) -> list:
    if isinstance(row, dict):
        assert set(row) == {"outputs"}
        return [None if inner is None else avals_of(inner)[0] for inner in row["outputs"]]
    shape, dtype = row
    assert dtype in DTYPES and all(d is None or type(d) in (int, str) for d in shape)
    return [(tuple(shape), dtype)]


def setting(x: Any) -> Any:
    if isinstance(x, list):
        return tuple(map(setting, x))
    if not isinstance(x, dict):
        return x
    ((kind, value),) = x.items()
    if kind == "int":
        assert abs(int(value)) >= 2**53
        return int(value)
    if kind == "float":
        assert value in ("inf", "-inf", "nan")
        return float(value)
    if kind == "complex":
        return complex(*map(setting, value))
    assert kind in ("dtype", "ellipsis", "LossReduce", "function")
    return Setting(kind, value)


# ---------------------------------------------------------------------- the record


def record_of(given: dict, members: dict[str, bytes]) -> tuple[str, Any, dict[str, np.ndarray]]:
    assert set(given) == {"kind", "facts", "arrays"}
    names = [row[0] for row in given["arrays"]]
    assert [row[1] for row in given["arrays"]] == named_members(enumerate(names), "record")
    arrays = {name: array_of(members[member], [(tuple(s), dtype)]) for name, member, s, dtype in given["arrays"]}
    assert len(arrays) == len(names)
    return given["kind"], fact(given["facts"]), arrays


def fact(x: Any) -> Any:
    if isinstance(x, list):
        return [*map(fact, x)]
    if isinstance(x, dict) and set(x) == {"map"}:
        return {key: fact(value) for key, value in x["map"]}
    return setting(x)


# ---------------------------------------------------------------------- arrays


def member_names(nodes: list[Node]) -> list[str]:
    leaves = [(i, node.name) for i, node in enumerate(nodes) if node.op[0] in (":variable", ":constant")]
    return named_members(leaves, "tensors")


def named_members(numbered: Iterable[tuple[int, str]], folder: str) -> list[str]:
    part = r"(?!(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$))[a-z0-9_]([a-z0-9_.-]*[a-z0-9_-])?"
    found, taken = [], set()
    for i, name in numbered:
        lower = name.lower()
        plain = name.isascii() and len(lower) <= 200 and lower not in taken
        if plain and all(re.fullmatch(part, piece) for piece in lower.split("/")):
            taken.add(lower)
            found.append(f"{folder}/{name}.npy")
        else:
            found.append(f"{folder}/#{i}.npy")
    return found


def array_of(data: bytes, avals: list) -> np.ndarray:
    ((shape, dtype),) = avals
    assert data.startswith(bytes.fromhex("934E554D50590100"))
    start = 10 + struct.unpack("<H", data[8:10])[0]
    kind = {"bool": "b", "int": "i", "uint": "u", "float": "f", "complex": "c"}[dtype.rstrip("0123456789")]
    size = 1 if dtype == "bool" else int(dtype.lstrip("abcdefghijklmnopqrstuvwxyz")) // 8
    descr = f"{'|' if size == 1 else '<'}{kind}{size}"
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    blanks = -(10 + len(header) + 1) % 64
    assert data[10:start] == header + b" " * blanks + b"\n"
    array = np.frombuffer(data, descr, offset=start).reshape(shape)
    np.testing.assert_array_equal(np.load(io.BytesIO(data)), array)
    return array


# ---------------------------------------------------------------------- every byte


def rewritten(data: bytes) -> bytes:
    """The file as the page says that its bytes must be, from names and data alone."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        members = [(name, z.read(name)) for name in z.namelist()]
    out, directory = b"", b""
    for name, content in members:
        offset, size, crc = len(out), len(content), zlib.crc32(content)
        assert size < FULL32 > offset
        fixed = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 0, 0, 33, crc, size, size, len(name), 0)
        zeros = -(offset + len(fixed) + len(name) + 4) % 64
        extra = b"\x35\xd9" + struct.pack("<H", zeros) + bytes(zeros)
        out += fixed[:-2] + struct.pack("<H", len(extra)) + name.encode() + extra + content
        directory += struct.pack(
            "<4sBBHHHHHIIIHHHHH", b"PK\1\2", 20, 3, 20, 0, 0, 0, 33, crc, size, size, len(name), 0, 0, 0, 0
        )
        directory += bytes.fromhex("0000A481") + struct.pack("<I", offset) + name.encode()
    assert len(members) < FULL16
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(out), 0)
    return out + directory + end
