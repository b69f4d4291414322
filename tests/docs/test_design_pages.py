"""The pages about the source say what the source says: layers, the tree, gradient rules, names of files."""

import importlib
import re
import sys
from pathlib import Path
from types import CodeType, ModuleType

import pytest

import sdgraph
from sdgraph import NOT_DIFFERENTIABLE, ZERO_GRADIENT

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(sdgraph.__file__).parent
PAGES = [
    DOCS.parent / "README.md",
    *sorted(page for folder in (".", "design", "howto") for page in (DOCS / folder).glob("*.md")),
]


def extension(name: str) -> ModuleType:
    pytest.importorskip("sphinx")
    sys.path.insert(0, str(DOCS / "_extensions"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(DOCS / "_extensions"))


# ---------------------------------------------------------------------- the tree


def test_the_tree_has_every_module_once():
    shown = [line.lstrip(" -*").partition("`")[2].partition("`")[0] for line in extension("source_tree").tree()]
    files = [p for p in PACKAGE.rglob("*.py") if p.name != "__main__.py"]
    names = [f"{p.parent.name}/" if p.name == "__init__.py" and p.parent != PACKAGE else p.name for p in files]
    assert sorted(shown) == sorted(names)


def test_all_that_is_on_a_layer_exists_and_says_what_it_is():
    module = extension("source_tree")
    names = [name for layer in module.layers() for name in layer]
    assert len(names) == len(set(names))
    assert all(module.first_sentence(module.place(name)) for name in names)
    assert len(module.layers_table()) == 2 + len(names)


def test_every_door_exists():
    module = extension("source_tree")
    assert module.doors()
    assert all(module.place(door).exists() for door in module.doors())


# ---------------------------------------------------------------------- gradient rules


def test_every_gradient_rule_is_on_the_page_as_it_runs():
    """The text shown for an operation, compiled, is the function that differentiates it."""
    module = extension("gradient_rules")
    with_rule = [op for op in module.ops() if op.vjp not in (None, ZERO_GRADIENT, NOT_DIFFERENTIABLE)]
    shown = {op: rule.text for rule in module.rules() for op in rule.ops}
    assert set(shown) == set(with_rule)
    for op in with_rule:
        # Parentheses, as those of the decorator around a lambda that goes over several lines.
        text = f"({shown[op]})" if shown[op].startswith("lambda") else shown[op]
        (code,) = [c for c in compile(text, "page", "exec").co_consts if isinstance(c, CodeType)]
        assert uses(code) == uses(op.vjp.__code__), op


def uses(code: CodeType) -> tuple[object, ...]:
    """The variables, names and numbers of a function, in the order in which it comes upon them."""
    numbers = [c for c in code.co_consts if isinstance(c, int | float | complex | tuple)]
    return code.co_varnames, code.co_names, code.co_freevars, numbers


def test_every_operation_is_on_the_page_of_rules():
    module = extension("gradient_rules")
    found = [op for rule in module.rules() for op in rule.ops]
    found += [op for kind in (None, ZERO_GRADIENT, NOT_DIFFERENTIABLE) for op in module.without(kind)]
    assert len(found) == len(module.ops()) and set(found) == set(module.ops())


# ---------------------------------------------------------------------- names of files


def named_files(text: str) -> set[str]:
    """Files and folders of the source that a page names between backquotes, below the package or the whole source."""
    return set(re.findall(r"`((?:[a-z_0-9.]+/)+(?:[a-z_0-9]+\.[a-z]+)?|[a-z_]+\.py)`", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS.parent).as_posix())
def test_files_that_pages_name_exist(page):
    missing = {
        name
        for name in named_files(page.read_text(encoding="utf-8")) - {"grad/"}  # a name scope
        if not (PACKAGE / name).exists() and not (DOCS.parent / name).exists()
    }
    assert not missing


def test_modules_of_the_fused_engine_exist():
    page = (DOCS / "design" / "fused_engine.md").read_text(encoding="utf-8")
    rows = [row.split("|")[2] for row in page.splitlines() if row.startswith("| ")][1:]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    engines = PACKAGE / "run" / "engines"
    there = {path.stem for path in [*engines.glob("*.py"), *(engines / "llvm").rglob("*")]}
    assert named and named <= there


# ---------------------------------------------------------------------- the small sdgraph


def test_two_hundred_lines_are_about_that_many():
    text = (DOCS / "design" / "two_hundred_lines.md").read_text(encoding="utf-8").partition("## It works")[0]
    code = "".join(re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert 150 < len([line for line in code.splitlines() if line.strip()]) <= 230
