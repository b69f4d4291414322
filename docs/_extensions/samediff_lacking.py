"""The directive ``samediff-lacking``: operations of SameDiff without one of sdgraph, with what to write or the reason.

The rows are the library's own table of SameDiff's operations.
"""

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from sdgraph.build.spelling.samediff import Row, operations

NAMESPACES = ("sd", "math", "nn", "cnn", "rnn", "image", "linalg", "random", "bitwise", "loss")
"""All namespaces, in the order of the page."""


def lacking() -> list[Row]:
    """The operations without one here."""
    return [row for row in operations() if not row.op]


def table() -> list[str]:
    """A row for each of them, by namespace."""
    lines = ["| Namespace | Java | instead, or why not |", "|---|---|---|"]
    for space in NAMESPACES:
        lines += [f"| `{space}` | `{row.java}` | {row.instead} |" for row in lacking() if row.namespace == space]
    return lines


class SameDiffLacking(Directive):
    """The table of all of them."""

    def run(self) -> list[nodes.Node]:
        container = nodes.container(classes=["names"])
        source = StringList(table(), source="samediff_operations.tsv")
        self.state.nested_parse(source, self.content_offset, container)
        return [container]


def setup(app):
    app.add_directive("samediff-lacking", SameDiffLacking)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
