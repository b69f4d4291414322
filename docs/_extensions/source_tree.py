"""The directives ``layers``, ``source-tree`` and ``doors``: what stands where, read from the source itself.

The order of the layers and the doors to other packages are those that ``tests/test_architecture.py`` checks, so the
pages cannot say anything else. What a folder or a module is comes from the first sentence of its docstring.
"""

import ast
import functools
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

import sdgraph

PACKAGE = Path(sdgraph.__file__).parent
RULES = Path(__file__).parents[2] / "tests" / "test_architecture.py"


@functools.cache
def rules() -> dict[str, ast.expr]:
    """The constants of the test, by name."""
    found = {}
    for node in ast.parse(RULES.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
    return found


def layers() -> list[list[str]]:
    """Folders and root modules by layer, lowest first, in the order in which the test has them."""
    value = rules()["LAYERS"]
    assert isinstance(value, ast.List)
    return [[ast.literal_eval(name) for name in layer.elts] for layer in value.elts]  # type: ignore[attr-defined]


def doors() -> dict[str, list[str]]:
    """For each module that is a door, the packages that come in there."""
    found: dict[str, list[str]] = {}
    for package, door in ast.literal_eval(rules()["DOORS"]).items():
        found.setdefault(door, []).append(package)
    return found


def place(name: str) -> Path:
    """The file of a module or folder, named with dots below the package; the package itself is the empty name."""
    path = PACKAGE.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def first_sentence(path: Path) -> str:
    """The first paragraph of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def label(path: Path) -> str:
    """A file as it stands in the tree; a folder for its ``__init__.py``."""
    if path == PACKAGE / "__init__.py":
        return f"`{path.name}`"
    return f"`{path.parent.name}/`" if path.name == "__init__.py" else f"`{path.name}`"


def layers_table() -> list[str]:
    lines = ["| layer | module | what it is |", "|---|---|---|"]
    for k, names in enumerate(layers()):
        for n, name in enumerate(names):
            path = place(name)
            lines.append(f"| {'' if n else k} | {label(path)} | {first_sentence(path)} |")
    return lines


def _inside(folder: Path, indent: str) -> list[str]:
    """The lines of a folder's modules, then of its folders."""
    lines = []
    for path in sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name)):
        if path.suffix == ".py" and path.name != "__init__.py":
            lines.append(f"{indent}- {label(path)} {first_sentence(path)}")
        elif (path / "__init__.py").exists():
            lines.append(f"{indent}- **{label(path / '__init__.py')}** {first_sentence(path / '__init__.py')}")
            lines += _inside(path, indent + "  ")
    return lines


def tree() -> list[str]:
    """Every folder and module, in the order of the layers."""
    lines = []
    for name in (name for layer in layers() for name in layer):
        path = place(name)
        folder = name and path.name == "__init__.py"
        lines.append(f"- {f'**{label(path)}**' if folder else label(path)} {first_sentence(path)}")
        if folder:
            lines += _inside(path.parent, "  ")
    return lines


def doors_table() -> list[str]:
    lines = ["| packages | come in through |", "|---|---|"]
    for door, packages in doors().items():
        where = place(door).relative_to(PACKAGE).as_posix().removesuffix("__init__.py")
        lines.append(f"| {', '.join(f'`{name}`' for name in packages)} | `{where}` |")
    return lines


def _directive(made: Any) -> type[Directive]:
    class Made(Directive):
        def run(self) -> list[nodes.Node]:
            self.state.document.settings.env.note_dependency(str(RULES))
            holder = nodes.container(classes=["source"])
            self.state.nested_parse(StringList(made(), str(RULES)), self.content_offset, holder)
            return [holder]

    return Made


def setup(app):
    app.add_directive("layers", _directive(layers_table))
    app.add_directive("source-tree", _directive(tree))
    app.add_directive("doors", _directive(doors_table))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
