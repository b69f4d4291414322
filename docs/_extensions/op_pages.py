"""Writes one reference page per op namespace, and their index, from the namespaces a graph really has.

A namespace added to the library gets its page without a change here.
"""

from pathlib import Path

from sdgraph import SameDiff
from sdgraph.variable import Namespace

_PAGE = """\
# `sd.{attribute}`

```{{eval-rst}}
.. autoclass:: {module}.{name}
   :members:
   :inherited-members: Namespace
```
"""

_INDEX = """\
# Operations

Each operation is a method of a namespace of a graph, and a function on arrays under the same name in `sdgraph.nd`.
The operations without a namespace are methods of the graph itself and stand on the page of `SameDiff`.

```{{toctree}}
{entries}
```
"""


def namespaces() -> dict[str, type]:
    members = vars(SameDiff()).items()
    return {name: type(value) for name, value in sorted(members) if isinstance(value, Namespace)}


def _write(path: Path, text: str) -> None:
    # An unchanged page keeps its date, so that Sphinx need not read it again.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _write_pages(app) -> None:
    folder = Path(app.srcdir) / "reference" / "ops"
    folder.mkdir(parents=True, exist_ok=True)
    found = namespaces()
    for attribute, kind in found.items():
        page = _PAGE.format(attribute=attribute, module=kind.__module__, name=kind.__qualname__)
        _write(folder / f"{attribute}.md", page)
    _write(folder / "index.md", _INDEX.format(entries="\n".join(found)))
    for stale in {path.stem for path in folder.glob("*.md")} - {*found, "index"}:
        (folder / f"{stale}.md").unlink()


def setup(app):
    app.connect("builder-inited", _write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
