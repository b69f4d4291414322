"""The Python code in the README and on the documentation's pages runs as printed, page by page from top to bottom."""

import doctest
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NEEDS = {"from_keras.md": ["h5py"], "to_onnx.md": ["onnx", "onnxruntime"]}
"""Pages whose code needs packages that not everybody has."""
FILES = {"from_keras.md": ["notebooks/data/digits.keras"]}
"""Files that pages open."""


def pages_with_code() -> list[Path]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if BLOCK.search(page.read_text(encoding="utf-8"))]


def run_prompt_block(source: str, names: dict, page: str, line: int) -> None:
    test = doctest.DocTestParser().get_doctest(source, names, page, page, line)
    test.globs = names  # the parser copies them, but later blocks need what this one defines
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("page", pages_with_code(), ids=lambda page: page.name)
def test_code_on_page(page, tmp_path, monkeypatch):
    for package in NEEDS.get(page.name, ()):
        pytest.importorskip(package)
    for file in FILES.get(page.name, ()):
        shutil.copy(ROOT / file, tmp_path)
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    names: dict = {"__name__": "__main__"}
    for block in BLOCK.finditer(text):
        source, line = block[1], text[: block.start(1)].count("\n")
        if source.startswith(">>>"):
            run_prompt_block(source, names, page.name, line)
        else:
            exec(compile("\n" * line + source, str(page), "exec"), names)
