"""Writing a graph: the arrays, then what the graph is as one text, then the digest of that text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

from sdgraph._version import __version__
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.ops.graph import OpGraph
from sdgraph.store.arrays import array_parts
from sdgraph.store.atomic import replaced
from sdgraph.store.container import Writer
from sdgraph.store.functions import FunctionTable
from sdgraph.store.nodes import write_nodes
from sdgraph.store.plain import NotPlain, checked_text, dtype_name, dumps
from sdgraph.store.record import FOLDER, Record, write_record
from sdgraph.store.sums import Summer
from sdgraph.store.tables import write_tables

FORMAT: Final = 1
"""The version of the format that is written for a graph without loops and branches,"""
WITH_FUNCTIONS: Final = 2
"""and for one with them: readers of version 1 do not know what these are."""

FUNCTIONS: Final = "functions"
"""The key that only graphs with loops and branches have."""
GRAPH: Final = "graph.json"
DIGEST: Final = "graph.json.sha256"

_PART: Final = r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|/|$))\w(?:[\w.\-]*[\w\-])?"
_PLAIN_NAME: Final = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII | re.IGNORECASE)
"""What is a path on every system: some take a few names for devices, and drop a dot at the end."""


def save(
    sd: OpGraph,
    path: Path,
    *,
    user: Mapping[str, str],
    origins: bool,
    keep: bool,
    fsync: bool,
    record: Record | None = None,
) -> Path:
    """Write a graph into a file, and what is to be kept beside it; see `SameDiff.save`."""

    def fill(file: BinaryIO) -> None:
        write(sd, file, user=user, origins=origins, fsync=fsync, record=record)

    return replaced(path, fill, fsync=fsync, keep=keep)


def to_bytes(sd: OpGraph) -> bytes:
    """A graph as the bytes of its file."""
    file = io.BytesIO()
    write(sd, file, user=sd.user, origins=True)
    return file.getvalue()


def write(
    sd: OpGraph,
    file: BinaryIO,
    *,
    user: Mapping[str, str],
    origins: bool,
    fsync: bool = False,
    record: Record | None = None,
) -> None:
    """Write a graph into an empty file, and what is to be kept beside it.

    With ``fsync``, the disk begins to work before the file is complete.

    Raises:
        ArgumentError: If it has what no file can hold.
    """
    try:
        with sd.appending:
            # Other threads may go on with the graph while its values are written.
            values, content = sorted(sd.values.items()), _content(sd, user, origins)
        members = member_names((i, sd.nodes[i].name) for i, _ in values)
        arrays = [(members[i], array) for i, array in values]
        if record is not None:
            beside = record_members(record.arrays)
            content["record"] = write_record(record, beside)
            arrays += [(beside[name], array) for name, array in record.arrays.items()]
    except NotPlain as e:
        raise ArgumentError(f"This graph cannot be saved: {e}.") from None
    with Summer() as summer:
        writer = Writer(file, summer)
        for member, array in arrays:
            writer.add(member, array_parts(array))
        digests = writer.digests(fsync=fsync)
        text = dumps({**content, "values": [[i, members[i]] for i, _ in values], "sha256": digests})
        writer.add(GRAPH, [text])
        writer.add(DIGEST, [sha256(text).hexdigest().encode("ascii")])
        writer.finish()


def _content(sd: OpGraph, user: Mapping[str, str], origins: bool) -> dict[str, Any]:
    functions = FunctionTable(partial(write_nodes, origins=origins))
    nodes = write_nodes(sd, functions, origins=origins)
    version = WITH_FUNCTIONS if functions.rows else FORMAT
    return {
        "format": version,
        "min_reader": version,
        "writer": f"sdgraph {__version__}",
        "dtype": dtype_name(sd.dtype),
        "seed": str(sd.seed),
        "nodes": nodes,
        **({FUNCTIONS: functions.rows} if functions.rows else {}),
        "tables": write_tables(sd),
        "user": _checked_user(user),
    }


def record_members(names: Iterable[str]) -> dict[str, str]:
    """The member of each array of a record."""
    listed = [*names]
    found = member_names(enumerate(listed), FOLDER)
    return {name: found[k] for k, name in enumerate(listed)}


def member_names(variables: Iterable[tuple[int, str]], folder: str = "tensors") -> dict[int, str]:
    """A member's name for each array: its own, where every system and every zip program can have it as a file."""
    taken: set[str] = set()
    found: dict[int, str] = {}
    for i, name in variables:
        plain = len(name) <= 200 and _PLAIN_NAME.fullmatch(name) is not None and name.lower() not in taken
        found[i] = f"{folder}/{name}.npy" if plain else f"{folder}/#{i}.npy"
        if plain:
            taken.add(name.lower())
    return found


def _checked_user(user: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(user, Mapping) or not all(type(x) is str for pair in user.items() for x in pair):
        raise ArgumentTypeError(
            "What a file keeps for you is texts by name.", given=shown(user), expected="{'author': 'me'}"
        )
    for text in (x for pair in user.items() for x in pair):
        checked_text(text)
    return dict(user)
