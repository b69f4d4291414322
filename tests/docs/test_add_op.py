"""What the page on adding an operation says: two files are written, and all tests of the registry hold for it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "add_op.md"
SUITES = ("tests/ops/test_every_op.py", "tests/ops/test_facts.py", "tests/test_architecture.py")
pytestmark = pytest.mark.slow

FUSED = "tests/run/engines/llvm/test_every_op.py"


def written_into(path, place, text):
    """Put lines after the only line that matches ``place``."""
    before = path.read_text(encoding="utf-8")
    after, n = re.subn(place, lambda found: found[0] + text, before, flags=re.MULTILINE)
    assert n == 1, place
    path.write_text(after, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The library and its tests with the page's operation in the two files that the page names."""
    root = tmp_path_factory.mktemp("library")
    for folder in ("sdgraph", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "golden"))
    shutil.copytree(ROOT / "tests" / "golden", root / "tests" / "golden")
    for file in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / file, root)
    page = PAGE.read_text(encoding="utf-8")
    (method,) = re.findall(r"^    @primitive\(\n.*?^        \.\.\.\n", page, re.MULTILINE | re.DOTALL)
    (reference,) = re.findall(r"^\+(    .*\n)", page, re.MULTILINE)
    written_into(root / "sdgraph/ops/functions.py", r"^class SDFunctions.*\n    \"\"\".*\"\"\"\n", f"\n{method}")
    written_into(root / "tests/ops/references.py", r"^REFERENCES = \{\n", reference)
    return root


def run(copy, *command):
    environment = os.environ | {"PYTHONPATH": str(copy), "SDGRAPH_CACHE_DIR": str(copy / "cache")}
    done = subprocess.run([sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def passed(copy, chosen, *files):
    """How many tests of these files passed; none failed."""
    out = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *files)
    (count,) = re.findall(r"(\d+) passed", out)
    assert "skipped" not in out
    return int(count)


def test_every_test_of_the_registry_holds_for_it(copy):
    assert passed(copy, "lorentzian or every_op_ or in_decorators", *SUITES) >= 17


def test_its_example_runs(copy):
    assert passed(copy, "lorentzian", "sdgraph/ops/functions.py") == 1


def test_the_fused_engine_computes_it(copy):
    pytest.importorskip("llvmlite")
    assert passed(copy, "lorentzian", FUSED) == 2
    code = (
        "import sdgraph; sd = sdgraph.SameDiff(); x = sd.placeholder('x', (8,)); y = sd.math.lorentzian(sd.math.exp(x))"
        "; f = sd.compile(y, engine='llvm'); f({'x': [0.0] * 8}); print(f.plan)"
    )
    plan = run(copy, "-c", code)
    assert "lorentzian" in plan and "not fused" not in plan


def test_it_is_written_as_it_says(copy):
    code = (
        "import sdgraph; sd = sdgraph.SameDiff(); x = sd.var('x', 1.0); print(sd.math.lorentzian(x).to_latex())"
        "; from sdgraph import nd; print(nd.math.lorentzian(3.0))"
    )
    out = run(copy, "-c", code)
    assert r"\frac{1}{1 + x^{2}}" in out
    assert "0.1" in out
