"""The page of what SameDiff has and sdgraph does not: every operation without a counterpart has a row that says why."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from sdgraph.build.spelling.samediff import operations

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def extension(monkeypatch):
    pytest.importorskip("docutils")
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    yield importlib.import_module("samediff_lacking")
    sys.modules.pop("samediff_lacking", None)


def test_the_page_has_every_operation_without_a_counterpart(extension):
    shown = re.findall(r"^\| `(\w+)` \| `(\w+)\(", "\n".join(extension.table()), re.MULTILINE)
    assert sorted(shown) == sorted((row.namespace, row.name) for row in operations() if not row.op)


def test_every_operation_has_a_counterpart_or_a_row_that_says_why_not():
    assert not [row for row in operations() if not row.op and not row.instead]


@pytest.mark.parametrize("row", [row for row in operations() if row.instead], ids=str)
def test_what_is_said_instead_is_something(row):
    assert "`" in row.instead and not row.op


def test_limits_of_a_type_are_numpys():
    (said,) = [row.instead for row in operations() if row.name == "minMax"]
    codes = re.findall(r"`([^`]+)`", said)
    assert [eval(code, {"np": np}) for code in codes] == [np.finfo(np.float32).max, np.iinfo(np.int32).min]
