"""The table that tells SameDiff's users what to write: complete, and true of the library."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from sdgraph import SameDiff, SDVariable
from sdgraph.build.op import REGISTRY
from sdgraph.build.spelling.samediff import operations

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "howto" / "from_samediff.md").read_text(encoding="utf-8")
ROWS = operations()


def test_every_operation_named_in_the_table_exists():
    SameDiff()
    assert {op for *_, op, _ in ROWS if op} <= set(REGISTRY)


def test_no_java_name_stands_twice_in_a_namespace():
    names = [(namespace, name) for namespace, name, *_ in ROWS]
    assert len(names) == len(set(names))


def test_every_loss_of_sd_loss_is_in_the_table():
    SameDiff()
    losses = {name for name in REGISTRY if name.startswith("loss.")}
    assert losses == {op for namespace, _, _, op, _ in ROWS if namespace == "loss"}


def test_every_namespace_of_the_table_is_on_the_page():
    shown = set(re.findall(r"^```\{samediff-operations\} (\w+)$", PAGE, re.MULTILINE))
    assert shown == {namespace for namespace, *_ in ROWS}


@pytest.mark.parametrize(("receiver", "kind"), [("sd", SameDiff), ("x", SDVariable)])
def test_methods_named_on_the_page_exist(receiver, kind):
    python = "\n".join(row.split("|")[2] for row in PAGE.splitlines() if row.startswith("| ") and row.count("|") == 3)
    names = set(re.findall(rf"(?<![\w.]){receiver}\.([a-z_]\w*)", python))
    instance = kind() if kind is SameDiff else SameDiff().constant("x", 1.0)
    missing = {name for name in names if not hasattr(instance, name)}
    assert names and not missing


def test_the_page_can_be_made():
    pytest.importorskip("docutils")
    sys.path.insert(0, str(DOCS / "_extensions"))
    try:
        path = DOCS / "_extensions" / "samediff_names.py"
        spec = importlib.util.spec_from_file_location("samediff_names", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DOCS / "_extensions"))
    text = "\n".join(module.table("loss"))
    assert "huberLoss" in text and "sd.loss.huber_loss" in text
