"""Figures of benchmarks as tables of the documentation."""

import importlib
import json
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def tables():
    pytest.importorskip("sphinx")
    sys.path.insert(0, str(DOCS / "_extensions"))
    try:
        return importlib.import_module("measured_tables")
    finally:
        sys.path.remove(str(DOCS / "_extensions"))


def cells(lines):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("file", sorted((DOCS / "_data").glob("*.json")), ids=lambda p: p.name)
def test_every_file_is_a_table_with_as_many_cells_in_each_line(file, tables):
    figures = json.loads(file.read_text())
    found = [cells(tables.PARTS[part](figures[part])) for part in tables.PARTS if part in figures]
    assert found
    for lines in found:
        assert len(lines) > 2 and {len(line) for line in lines} == {len(lines[0])}


def test_two_versions_and_how_near_they_come(tables):
    row = {"row": "MSE", "old": 4e-4, "new": 1e-4, "gain": 4.0, "limit": 8e-5, "share": 0.8, "same": True}
    head, _, first, second = cells(tables.PARTS["rows"]([row, row | {"row": "small", "limit": None, "share": None}]))
    assert head == ["", "before", "now", "gain", "limit", "before", "now"]
    assert first == ["MSE", "400 µs", "100 µs", "**4.0x**", "80 µs", "20 %", "80 %"]
    assert second == ["small", "400 µs", "100 µs", "**4.0x**", "-", "-", "-"]


def test_first_calls_and_memory_of_two_versions(tables):
    lines = cells(tables.PARTS["first"]([{"row": "chain", "old": 0.1, "new": 0.05}]))
    assert lines[0] == ["", "before", "now", "now / before"] and lines[2] == ["chain", "100 ms", "50 ms", "0.50"]
    lines = cells(tables.PARTS["memory"]([{"row": "MSE", "old": 1e6, "new": 2e6}]))
    assert lines[2] == ["MSE", "1.0 MB", "2.0 MB", "2.00"]


def test_what_a_machine_can_do(tables):
    limits = [
        {"what": "L2", "kind": "stream_2_1", "threads": 1, "rate": 1e11},
        {"what": "L2", "kind": "stream_2_1", "threads": 2, "rate": 2e11},
        {"what": "arithmetic", "kind": "exp", "threads": 1, "rate": 7e9},
    ]
    assert cells(tables.PARTS["limits"](limits))[2:] == [
        ["L2", "stream_2_1", "100", "200"],
        ["arithmetic", "exp", "7", "-"],
    ]
