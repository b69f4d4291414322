"""Bytes as tables: what is not there is not read, and what is shared does not grow."""

import random
import struct
import time

import pytest

pytest.importorskip("flatbuffers")

from sdgraph.errors import MissingDependencyError
from sdgraph.files.samediff import schema
from sdgraph.files.samediff.schema import NODE, Table, Vector
from sdgraph.files.samediff.tables import Damaged, TableReader
from tests.files.samediff import flat, real

PAIRS = Table("Pairs", (("pairs", Vector(schema.PAIR)), ("name", "text"), ("data", "bytes")))


def read(data, table=schema.GRAPH):
    return TableReader(data).root(table)


def test_a_record_comes_back():
    record = {
        "op_name": "add", "op_type": 21, "op_number": -(2**62), "t": [0.5, float("inf")], "i": [-1, 2**60],
        "b": [True, False], "d": [6], "s": ["a", "ü"], "dimensions": [2147483647], "output_names": ["x", "x:1"],
        "inputs": [{"first": 1, "second": 0}, {"first": 7, "second": 2}],
    }  # fmt: skip
    found = read(flat.encode(record, NODE), NODE)
    assert {name: found[name] for name in record} | {"inputs": None} == record | {"inputs": None}
    assert [(pair["first"], pair["second"] or 0) for pair in found["inputs"]] == [(1, 0), (7, 2)]
    assert found["scalar"] is None and found["control_deps"] is None


def test_fields_of_a_newer_schema_are_left_alone():
    newer = Table("Newer", (*PAIRS.fields, ("more", "text")))
    data = flat.encode({"name": "a", "more": "b"}, newer)
    assert dict(read(data, PAIRS)) == {"name": "a"}


@pytest.mark.parametrize("name", ["loss_huber", "updater_Adam", "net_cnn_nchw"])
def test_the_end_is_missing(name):
    data = real.path(name).read_bytes()
    for n in [*range(64), *range(64, len(data), 61)]:
        try:
            read(data[:n])
        except Damaged:
            continue
        # What is cut off may be nothing but padding.
        assert n > len(data) - 8


def test_offsets_that_lead_out():
    data = bytearray(real.path("updater_Adam").read_bytes())
    refused = 0
    for at in range(0, len(data) - 4, 4):
        for value in (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, len(data)):
            damaged = bytearray(data)
            struct.pack_into("<I", damaged, at, value)
            try:
                read(bytes(damaged))
            except Damaged:
                refused += 1
    assert refused > 500


def test_parts_that_are_shared_do_not_grow():
    """Each of many nodes points to the same long vector: a file of 100 kB would be 2.5 GB of tables."""
    n = 5000
    inner = flat.encode({"variables": [], "nodes": [{"op_name": "add"}]})
    graph = bytearray(inner)
    assert len(read(inner)["nodes"]) == 1
    # Another vector of nodes at the end, each of whose entries is one node: offsets lead forward only.
    vector = len(graph)
    node = vector + 4 + 4 * n
    graph += struct.pack("<I", n) + b"".join(struct.pack("<I", node - (vector + 4 + 4 * k)) for k in range(n))
    graph += _node_of_numbers(n)
    _point_nodes_to(graph, inner, vector)
    start = time.perf_counter()
    with pytest.raises(Damaged, match="share their places"):
        read(bytes(graph))
    assert time.perf_counter() - start < 5


def _field_place(data, table_at, slot):
    fields = table_at - struct.unpack_from("<i", data, table_at)[0]
    return table_at + struct.unpack_from("<H", data, fields + 4 + 2 * slot)[0]


def _follow(data, at):
    return at + struct.unpack_from("<I", data, at)[0]


def _node_of_numbers(n):
    """A node with one field, a vector of numbers, behind the list of its fields."""
    fields = struct.pack("<HH", 4 + 2 * 10, 8) + b"".join(struct.pack("<H", 4 if k == 9 else 0) for k in range(10))
    return struct.pack("<iI", -8, 4 + len(fields)) + fields + struct.pack("<I", n) + bytes(8 * n)


def _point_nodes_to(graph, data, vector):
    place = _field_place(data, _follow(data, 0), 2)
    struct.pack_into("<I", graph, place, vector - place)


def test_random_bytes():
    rng = random.Random(0)
    for n in [*range(40), 100, 1000, 100_000]:
        for _ in range(20):
            with pytest.raises(Damaged):
                read(rng.randbytes(n))


def test_without_the_package(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(MissingDependencyError, match=r"sdgraph\[samediff\]"):
        read(b"")
