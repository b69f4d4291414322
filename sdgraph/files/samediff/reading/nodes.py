"""The operations of a file: what each reads and makes by name, and an order in which all can be computed.

Must not know graphs, nor what any operation means.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from sdgraph.errors import shown
from sdgraph.files.samediff.op_table import rows
from sdgraph.files.samediff.reading.stored import Stored
from sdgraph.files.samediff.schema import Record
from sdgraph.files.samediff.tables import Damaged

Place = tuple[int, int]
"""The number of an operation or a variable, and which of its outputs."""


class Node:
    """An operation of a file."""

    __slots__ = ("_record", "inputs", "name", "op", "outputs")

    def __init__(self, record: Record, outputs: Sequence[str]) -> None:
        self._record = record
        self.op: str = record["op_name"] or _legacy_name(record)
        """What SameDiff calls it."""
        self.outputs = tuple(outputs)
        """The names of the variables that it makes."""
        self.name: str = record["name"] or (outputs[0] if outputs else "")
        self.inputs: tuple[str, ...] = ()
        """The names of the variables that it reads."""

    @property
    def places(self) -> list[Place]:
        """Where the variables stand that it reads."""
        pairs = self._record["inputs"] or []
        if not pairs and self._record["old_inputs"]:
            return [(i, 0) for i in self._record["old_inputs"]]
        return [_place(pair) for pair in pairs]

    def stored(self, dtypes: Sequence[np.dtype[Any] | None]) -> Stored:
        """Its arguments.

        Raises:
            Damaged: If one of them is none.
        """
        return Stored.of(self._record, self.op, self.outputs, dtypes)


def _place(pair: Record | None) -> Place:
    return (0, 0) if pair is None else (pair["first"] or 0, pair["second"] or 0)


def _legacy_name(record: Record) -> str:
    """The name of an operation that has only numbers."""
    kind, number = record["op_type"] or 0, record["op_number"] or 0
    names = (row.name for row in rows() if (row.type, row.number) == (kind, number))
    return next(names, f"(type {kind}, number {number})")


def read_nodes(records: Iterable[Record], variables: Mapping[str, Record]) -> list[Node]:
    """The operations of a file, with the names of what they read and make.

    Raises:
        Damaged: If two make the same variable, or one reads a variable that is not there.
    """
    names: dict[Place, str] = {}
    outputs_by_id: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for name, record in variables.items():
        place = _place(record["id"])
        if place in names:
            raise Damaged(f"{shown(names[place], 60)} and {shown(name, 60)} have one number")
        names[place] = name
        if record["kind"] == 2:
            outputs_by_id[place[0]].append((place[1], name))
    nodes, made = [], set()
    for record in records:
        number = record["id"] or 0
        outputs = record["output_names"] or [name for _, name in sorted(outputs_by_id[number])]
        node = Node(record, outputs or [record["name"] or ""])
        for k, name in enumerate(node.outputs):
            if not name or name in made:
                raise Damaged(f"two operations make {shown(name, 60)}")
            made.add(name)
            names.setdefault((number, k), name)
        nodes.append(node)
    for node in nodes:
        lost = [place for place in node.places if place not in names]
        if lost:
            raise Damaged(f"the operation {shown(node.name, 60)} reads a variable that is not there")
        node.inputs = tuple(names[place] for place in node.places)
    return nodes


class _Reader(Protocol):
    """What reads variables and makes others."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def outputs(self) -> Sequence[str]: ...


R = TypeVar("R", bound=_Reader)


def in_order(nodes: Sequence[R]) -> list[R]:
    """Operations so that each comes after those whose outputs it reads; otherwise as in the file.

    Raises:
        Damaged: If some wait for each other.
    """
    maker = {name: node for node in nodes for name in node.outputs}
    waits: dict[R, int] = {}
    readers: dict[R, list[R]] = defaultdict(list)
    for node in nodes:
        before = dict.fromkeys(maker[name] for name in node.inputs if name in maker)
        waits[node] = len(before)
        for other in before:
            readers[other].append(node)
    ready = deque(node for node in nodes if not waits[node])
    found = []
    while ready:
        node = ready.popleft()
        found.append(node)
        for reader in readers[node]:
            waits[reader] -= 1
            if not waits[reader]:
                ready.append(reader)
    if len(found) < len(nodes):
        name = next(node.name for node in nodes if waits[node])
        raise Damaged(f"the operation {shown(name, 60)} waits for itself")
    return found
