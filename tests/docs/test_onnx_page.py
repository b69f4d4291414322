"""The tables of the page about ONNX have what the exporter's rules say."""

import importlib.util
from pathlib import Path

import pytest

from sdgraph.build.op import REGISTRY
from sdgraph.files.onnx.registry import REASONS, RULES

EXTENSION = Path(__file__).parents[2] / "docs" / "_extensions" / "onnx_ops.py"


def test_tables_name_every_op_once():
    pytest.importorskip("docutils")
    spec = importlib.util.spec_from_file_location("onnx_ops", EXTENSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    losing = {op for (op, _), exported in RULES.items() if exported.loses}
    for table, names in ((module.lacking(), REASONS.keys()), (module.otherwise(), losing)):
        text = "\n".join(table)
        assert len(table) > 3 and all(line.count("|") == 3 for line in table)
        for name in names:
            assert text.count(f"`sd.{name}`") == 1 and name in REGISTRY, name
