"""Pages that are made from the library and its notebooks at each build: nothing has to be listed by hand.

One reference page per op namespace that a graph really has, one page per notebook, and an index for each group.
"""

import functools
from pathlib import Path

from sdgraph import SameDiff
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import Op

_NAMESPACE = """\
# `sd.{attribute}`

```{{eval-rst}}
.. autoclass:: {module}.{name}
   :members:
   :inherited-members: Namespace
```
"""

_OPERATIONS = """\
# Operations

Each operation is a method of a namespace of a graph, and a function on arrays under the same name in `sdgraph.nd`.
The operations without a namespace are methods of the graph itself.
"""

_NOTEBOOKS = """\
# Notebooks

They are in the folder `notebooks` of the source and are executed with the tests.
"""


@functools.cache
def namespaces() -> dict[str, type]:
    sd = SameDiff()
    found = {name: value for name, value in vars(sd).items() if isinstance(value, Namespace) and value is not sd}
    return {name: type(value) for name, value in sorted(found.items())}


def documented_name(op: Op) -> str:
    """Where the reference documents an operation: with the class of its namespace, or with graphs."""
    if not op.namespace:
        return f"sdgraph.SameDiff.{op.name}"
    kind = namespaces()[op.namespace]
    return f"{kind.__module__}.{kind.__qualname__}.{op.name}"


def with_toctree(text: str, entries: list[str]) -> str:
    return "\n".join([text, "```{toctree}", *entries, "```", ""]) if entries else text


def write_folder(folder: Path, pages: dict[str, str]) -> None:
    """Make the folder hold exactly these pages; an unchanged one keeps its date, so that Sphinx need not read it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _operations() -> dict[str, str]:
    found = namespaces()
    pages = {
        f"{attribute}.md": _NAMESPACE.format(attribute=attribute, module=kind.__module__, name=kind.__qualname__)
        for attribute, kind in found.items()
    }
    return {"index.md": with_toctree(_OPERATIONS, list(found)), **pages}


def _notebooks(folder: Path) -> dict[str, str]:
    pages = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.ipynb"))}
    return {"index.md": with_toctree(_NOTEBOOKS, [Path(name).stem for name in pages]), **pages}


def _generate(app) -> None:
    source = Path(app.srcdir)
    write_folder(source / "reference" / "ops", _operations())
    write_folder(source / "notebooks", _notebooks(source.parent / "notebooks"))


def setup(app):
    app.connect("builder-inited", _generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
