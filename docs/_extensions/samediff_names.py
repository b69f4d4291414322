"""The directive ``samediff-operations``: a table of SameDiff's operations in Java and in Python.

The Java side is ``_data/samediff_operations.tsv``, which also says which operation of sdgraph stands for which. The
signatures on the Python side are read from the library, and so is the list of operations that Java does not have.
"""

import inspect
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from generated_pages import documented_name

from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY, Op

DATA = Path(__file__).parents[1] / "_data" / "samediff_operations.tsv"


class Row(NamedTuple):
    """One operation of Java. ``op`` names ours in the registry; ``instead`` is what to write where there is none."""

    namespace: str
    name: str
    parameters: str
    op: str = ""
    instead: str = ""

    @property
    def java(self) -> str:
        return f"{self.name}({self.parameters})"


def rows() -> list[Row]:
    SameDiff()
    lines = DATA.read_text(encoding="utf-8").splitlines()
    return [Row(*line.split("\t")) for line in lines if not line.startswith("#")]


def call_of(op: Op) -> str:
    """The operation's call as a reader would write it: without types, and without what many operations take."""
    parts, stars = [], 0
    for p in list(op.signature.parameters.values())[1:]:
        if p.name == "name":
            continue
        if p.kind is p.KEYWORD_ONLY and not stars and not op.variadic:
            parts.append("*")
            stars = 1
        default = "" if p.default is p.empty else f"={'…' if isinstance(p.default, Enum) else repr(p.default)}"
        parts.append(f"{'*' if p.kind is p.VAR_POSITIONAL else ''}{p.name}{default}")
    return f"sd.{op.qualname}({', '.join(parts)})"


def reference(op: Op) -> str:
    """A link to the operation's entry in the reference."""
    return f"{{py:meth}}`{call_of(op)} <{documented_name(op)}>`"


def table(namespace: str) -> list[str]:
    found = [row for row in rows() if row.namespace == namespace]
    there = [row for row in found if row.op]
    lines = ["| Java | Python |", "|---|---|"] if there else []
    lines += [f"| `{row.java}` | {reference(REGISTRY[row.op])} |" for row in there]
    elsewhere = [row for row in found if row.instead]
    if elsewhere:
        lines += ["", "Without an operation of their own:", "", "| Java | write |", "|---|---|"]
        lines += [f"| `{row.name}` | {row.instead} |" for row in elsewhere]
    if absent := [f"`{row.name}`" for row in found if not row.op and not row.instead]:
        lines += ["", f"Not there: {', '.join(absent)}."]
    if own := own_operations(namespace, {row.op for row in rows()}):
        lines += ["", f"Only in sdgraph: {', '.join(f'`{name}`' for name in own)}."]
    return lines


def own_operations(namespace: str, known: set[str]) -> list[str]:
    """Operations of our namespace that no Java name stands for, and that have a documentation with an example."""
    wanted = "" if namespace == "sd" else namespace
    return sorted(
        op.name
        for op in REGISTRY.values()
        if op.namespace == wanted and op.qualname not in known and ">>>" in (inspect.cleandoc(op.doc or ""))
    )


class SameDiffOperations(Directive):
    """The table of one namespace."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        container = nodes.container(classes=["names"])
        source = StringList(table(self.arguments[0]), source=str(DATA))
        self.state.nested_parse(source, self.content_offset, container)
        return [container]


def setup(app):
    app.add_directive("samediff-operations", SameDiffOperations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
