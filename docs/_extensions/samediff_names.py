"""The directive ``samediff-operations``: a table of SameDiff's operations in Java and in Python.

The Java side, and which operation of sdgraph stands for which, is the library's own table, from which its messages are
made as well. The signatures on the Python side are read from the library, and so is the list of operations that Java
does not have.
"""

import inspect
from enum import Enum

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from generated_pages import documented_name
from samediff_differences import links

from sdgraph.build.op import REGISTRY, Op
from sdgraph.build.spelling.samediff import Row, operations


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
    found = [row for row in operations() if row.namespace == namespace]
    there = [row for row in found if row.op]
    lines = ["| Java | Python | differs in |", "|---|---|---|"] if there else []
    lines += [f"| `{row.java}` | {reference(REGISTRY[row.op])} | {_differs(row)} |" for row in there]
    elsewhere = [row for row in found if row.instead]
    if elsewhere:
        lines += ["", "Without an operation of their own:", "", "| Java | write | differs in |", "|---|---|---|"]
        lines += [f"| `{row.name}` | {row.instead} | {_differs(row)} |" for row in elsewhere]
    if own := own_operations(namespace, {row.op for row in operations()}):
        lines += ["", f"Only in sdgraph: {', '.join(f'`{name}`' for name in own)}."]
    return lines


def _differs(row: Row) -> str:
    return links(f"{row.namespace}.{row.name}")


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
        source = StringList(table(self.arguments[0]), source="samediff_operations.tsv")
        self.state.nested_parse(source, self.content_offset, container)
        return [container]


def setup(app):
    app.add_directive("samediff-operations", SameDiffOperations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
