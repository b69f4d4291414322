"""The table of what formats notice: ours notices everything, as often as it is counted again."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.damage import ARRAYS, CAUGHT, HARMLESS, KINDS, LOST, SDGRAPH, WRONG, damaged, outcome
from tests.benchmarks.machine import installed

TABLE = Path(__file__).parents[2] / "docs" / "_data" / "damage.json"


def test_our_row_is_all():
    rows = {row["format"]: row for row in json.loads(TABLE.read_text())["rows"]}
    assert rows.keys() == KINDS.keys()
    ours = rows[SDGRAPH]
    assert ours["flips"] == {CAUGHT: 8 * ours["size"], HARMLESS: 0, WRONG: 0, LOST: 0}
    assert ours["truncations"] == {CAUGHT: ours["size"], HARMLESS: 0, WRONG: 0, LOST: 0}
    for row in rows.values():
        assert sum(row["flips"].values()) == 8 * row["size"] and sum(row["truncations"].values()) == row["size"]


def test_it_is_so_now(tmp_path):
    """One bit of each byte; `tests/store/test_container.py` flips them all."""
    path = tmp_path / "m.sdg"
    KINDS[SDGRAPH].save(path, ARRAYS)
    data = path.read_bytes()
    assert outcome(KINDS[SDGRAPH], path, data) == HARMLESS
    bits = np.random.default_rng(0).integers(8, size=len(data))
    for k in range(len(data)):
        other = bytearray(data)
        other[k] ^= 1 << int(bits[k])
        assert outcome(KINDS[SDGRAPH], path, bytes(other)) == CAUGHT, k


# Of a damaged file, numpy leaves its own open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("name", KINDS)
def test_each_format_gives_the_arrays_back_and_is_damaged_everywhere(name, tmp_path):
    kind = KINDS[name]
    if not all(map(installed, kind.packages)):
        pytest.skip("not installed")
    path = tmp_path / "file"
    kind.save(path, ARRAYS)
    data = path.read_bytes()
    assert outcome(kind, path, data) == HARMLESS
    assert outcome(kind, path, data[: len(data) // 2]) == CAUGHT
    what = [w for w, _ in damaged(data[:50])]
    assert what == ["flips"] * 400 + ["truncations"] * 50


def test_other_arrays_count_as_wrong(tmp_path):
    path = tmp_path / "file"
    KINDS["np.savez"].save(path, {**ARRAYS, "w": ARRAYS["w"] + 1})
    assert outcome(KINDS["np.savez"], path, path.read_bytes()) == WRONG
