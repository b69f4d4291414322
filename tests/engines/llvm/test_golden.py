"""The golden files and the torture cases once more, on the fused engine."""

import pytest

pytest.importorskip("llvmlite")

from tests import test_golden_matrix, test_torture


@pytest.fixture(autouse=True)
def fused(monkeypatch):
    monkeypatch.setenv("SDGRAPH_ENGINE", "llvm")


TORTURE = [c for c in test_torture.TORTURE if c["loss"] in test_torture.OPS]


@pytest.mark.parametrize("case", TORTURE, ids=lambda c: c["id"])
def test_torture_case(case):
    test_torture.test_torture(case)


@pytest.mark.parametrize("case", test_golden_matrix.MATRIX, ids=lambda c: c["case"])
def test_matrix_case(case):
    test_golden_matrix.test_matrix(case)
