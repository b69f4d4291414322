"""The table that tells SameDiff's users what to write: complete, and true of the library."""

import importlib
import operator
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from sdgraph import SameDiff, SDVariable
from sdgraph.build.op import REGISTRY
from sdgraph.build.spelling.samediff import operations
from tests.golden import cases

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


@pytest.fixture
def extension(monkeypatch):
    """A module of the documentation's extensions, by name."""
    pytest.importorskip("docutils")
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    yield importlib.import_module
    for name in ("samediff_names", "samediff_differences"):
        sys.modules.pop(name, None)


def test_the_page_can_be_made(extension):
    text = "\n".join(extension("samediff_names").table("loss"))
    assert "huberLoss" in text and "sd.loss.huber_loss" in text
    assert "{differs}`gradient <differs-0-loss-huberloss>`" in text


# ---------------------------------------------------------------------- what gives other numbers

DIFFERENCES = [
    line.split("\t")
    for line in (DOCS / "_data" / "samediff_differences.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
NAMED = {name for _, names, *_ in DIFFERENCES for name in names.split()}
# Names of SameDiff 1.0.0-M2.1 that are methods of another kind, or were renamed later.
EARLIER = {"nn.dropoutInverted", "nn.softmaxDerivative", "sd.ifCond", "sd.whileLoop"}


def test_every_row_says_what_differs():
    assert all(len(row) == 4 and all(row) for row in DIFFERENCES)
    assert len({(names, there) for _, names, there, _ in DIFFERENCES}) == len(DIFFERENCES)


def test_operations_with_a_row_are_those_of_the_table():
    known = {f"{row.namespace}.{row.name}" for row in ROWS}
    assert {name for name in NAMED if "." in name} <= known | EARLIER


def test_every_group_of_rows_is_on_the_page(extension):
    shown = re.findall(r"^```\{samediff-differences\} ([\w-]+)$", PAGE, re.MULTILINE)
    groups = [group for group, *_ in DIFFERENCES]
    assert sorted(shown) == sorted(set(groups)) == sorted(extension("samediff_differences").KINDS)


def test_places_are_different_ones(extension):
    places = [row.place(name) for row in extension("samediff_differences").differences() for name in row.names]
    assert len(places) == len(set(places)) == sum(len(names.split()) for _, names, *_ in DIFFERENCES)


@pytest.mark.parametrize("file", ["samediff_ops", "samediff_losses"])
def test_whatever_is_wrong_or_missing_in_samediff_has_a_row(file):
    """An operation one of whose recorded values or gradients is doubted, or that cannot be differentiated."""
    wrong = set()
    for case in cases.load(file):
        if {"suspect", "suspect_gradient", "documentation", "crash", "gradient_error"} & case.keys():
            wrong.add(f"{case.get('namespace', 'loss')}.{case['op']}")
    wrong -= {"loss.ctc_loss", "loss.ctc_loss_grad", "loss.weighted_cross_entropy_with_logits"}  # native operations
    assert wrong and wrong <= NAMED


def test_what_the_rows_say_to_write_runs():
    sd = SameDiff()
    x = sd.var("x", np.linspace(0.1, 1.0, 24).reshape(2, 3, 4))
    loss = sd.loss.l2_loss(x)
    names = {
        "sd": sd,
        "x": x,
        "y": 2 * x,
        "a": x,
        "b": x,
        "np": np,
        "loss": loss,
        "feeds": {},
        "condition": x[0, :, 0] > 0,
    }
    tried = 0
    for code in {code for *_, here in DIFFERENCES for code in re.findall(r"`([^`]+)`", here)}:
        if re.match(r"(sd|x|np|loss)\.", code) and code.endswith(")"):
            scope = dict(names, condition=x > 0.5) if code.startswith(("sd.where", "np.")) else names
            assert eval(code, scope) is not None or "set_loss" in code
            tried += 1
        elif code.startswith("sd."):
            operator.attrgetter(code.removeprefix("sd."))(sd)
            tried += 1
    assert tried > 20
