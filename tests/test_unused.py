"""Nothing stands in the package that neither the package nor a page uses."""

import ast
import re
from collections import Counter
from pathlib import Path

import sdgraph
from sdgraph.keras import losses

PACKAGE = Path(sdgraph.__file__).parent
ROOT = PACKAGE.parent
SOURCES = {p: p.read_text("utf-8") for p in sorted(PACKAGE.rglob("*.py"))}
PAGES = [path.read_text("utf-8") for glob in ("*.md", "docs/**/*.md", "notebooks/*.ipynb") for path in ROOT.glob(glob)]
FOR_OTHERS = re.compile(r"__\w+|_repr_\w+_|_ipython_\w+_|_fields_")
"""Names that Python, IPython or ctypes look for."""


def defined(node):
    """Names that a statement of a module or a class defines; what is decorated goes into a registry."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [] if node.decorator_list and isinstance(node, ast.FunctionDef) else [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [t.id for t in targets if isinstance(t, ast.Name)]


def test_every_name_is_used_somewhere():
    words = Counter(word for text in [*SOURCES.values(), *PAGES] for word in re.findall(r"\w+", text))
    assert words["shape_str"] > 1 and words["no_such_name_anywhere"] == 0
    unused = []
    for path, text in SOURCES.items():
        tree = ast.parse(text)
        for owner in (tree, *(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef))):
            names = [name for node in owner.body for name in defined(node) if words[name] < 2]
            unused += [f"{path.name}: {n}" for n in names if not FOR_OTHERS.fullmatch(n) and n not in losses.__all__]
    assert not unused
