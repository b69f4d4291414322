"""The page about the format says enough: a reader that follows it, and knows nothing else, finds what `load` finds."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from sdgraph.build.function import Function
from sdgraph.infer.aval import Aval
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes
from tests.fuzz.build import build
from tests.fuzz.generate import generate
from tests.golden.files.graphs import GRAPHS
from tests.golden.files.make import written
from tests.store import independent_reader
from tests.store.hostile_files import recorded, rich


def graph_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return json.loads(z.read("graph.json"))


def same_setting(found, value):
    """Whether what was read is a setting of the graph."""
    if isinstance(found, independent_reader.Setting):
        return {
            "dtype": lambda: value == np.dtype(found.value) and isinstance(value, np.dtype),
            "ellipsis": lambda: value is Ellipsis,
            "LossReduce": lambda: value is LossReduce[found.value],
            "function": lambda: isinstance(value, Function) and type(found.value) is int,
        }[found.kind]()
    if type(found) is not type(value):
        return False
    if type(found) is tuple:
        return len(found) == len(value) and all(map(same_setting, found, value))
    return repr(found) == repr(value)


def same_op(rows, row, op):
    """Whether a row of the table of ops says what made a node."""
    if (of := op.gradient_of) is not None:
        name, inner, k, n, masked, asked = row
        assert name == ":gradient"
        return (k, n, tuple(masked), asked) == of[1:] and same_op(rows, rows[inner], of.op)
    names = {f":{op.name}", f":of rules {op.name}", f":function {op.name}", op.qualname}
    return row[0] in names and row[1:] in ([], [list(op.operand_names), list(op.attr_names)])


def avals(aval):
    several = [aval] if type(aval) is Aval else aval
    return [None if a is None else (tuple(a.shape), a.dtype.name) for a in several]


def check(data, ops=()):
    found, sd = independent_reader.read(data), from_bytes(SameDiff, data, ops=ops)
    assert independent_reader.rewritten(data) == data
    assert (found.dtype, found.seed, found.user) == (sd.dtype.name, sd.seed, sd.user)
    rows = graph_of(data)["nodes"]["ops"]
    assert len(found.nodes) == len(sd.nodes)
    for read, node in zip(found.nodes, sd.nodes, strict=True):
        assert same_op(rows, read.op, node.op), read
        assert (read.name, tuple(read.operands)) == (node.name, node.inputs)
        assert read.avals == avals(node.aval)
        assert read.settings.keys() == node.attrs.keys()
        assert all(same_setting(v, node.attrs[k]) for k, v in read.settings.items()), (read.settings, node.attrs)
        assert (None if read.origin is None else read.origin[3]) == (node.origin and str(node.origin))
    assert {sd[name].id: v.tobytes() for name, v in found.values.items()} == {
        i: v.tobytes() for i, v in sd.values.items()
    }
    check_tables(found, sd)


def check_tables(found, sd):
    tables, marks = found.tables, sd.marks
    assert set(tables["given"]) == sd.names.given and tables["suffixes"] == sd.names.suffixes
    for name in ("losses", "explicit_losses", "extra_losses"):
        assert tables[name] == getattr(marks, name)
    assert set(tables["frozen"]) == marks.frozen
    assert {(tuple(ys), tuple(xs)): tuple(gs) for ys, xs, gs in tables["gradients"]} == marks.gradients
    assert dict(tables["cotangents"]) == marks.cotangents
    for name in ("gradient_ranges", "gradient_spans"):
        assert [*map(tuple, tables[name])] == getattr(marks, name)
    for (node, scope, dtype, value), (key, i) in zip(tables["literals"], marks.literals.items(), strict=True):
        assert (node, scope, np.dtype(dtype)) == (i, key[0], key[1])
        if value is None:
            assert found.values[found.nodes[node].name].tobytes() == key[2]
        else:
            assert same_setting(independent_reader.setting(value), key[2])


@pytest.mark.parametrize("name", GRAPHS)
def test_golden_graphs(name):
    golden = GRAPHS[name]()
    check(written(golden), golden.ops)


def test_a_graph_of_all_sorts():
    check(to_bytes(rich()))


def test_a_record():
    data, record = recorded()
    check(data)
    kind, facts, arrays = independent_reader.read(data).record
    assert kind == record.kind and repr(facts) == repr(record.facts) and list(arrays) == list(record.arrays)
    assert all(np.array_equal(arrays[name], array) for name, array in record.arrays.items())


@pytest.mark.parametrize("seed", range(15))
def test_random_programs(seed):
    check(to_bytes(build(generate(seed)).sd))


def test_the_page_names_every_part():
    """Whatever a file has, the page tells of."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "file_format.md").read_text()
    content = graph_of(written(GRAPHS["model"]()))
    record = graph_of(recorded()[0])
    parts = [*record, *record["record"]]
    for name in (*content, *parts, *content["nodes"], *content["nodes"]["columns"], *content["tables"]):
        assert f"`{name}`" in page or f"`nodes.{name}`" in page, name
