"""The directive ``keras-lacking``: layers of Keras that sdgraph has not, with the reason.

The rows are the library's own table, which errors are made of.
"""

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from sdgraph.keras.layers.lacking import LACKING


def by_reason() -> dict[str, list[str]]:
    """Names of classes by the reason."""
    found: dict[str, list[str]] = {}
    for name, why in LACKING.items():
        found.setdefault(why, []).append(name)
    return found


def table() -> list[str]:
    """A row for each reason."""
    rows = [f"| {', '.join(f'`{name}`' for name in sorted(names))} | {why} |" for why, names in by_reason().items()]
    return ["| layers of Keras | why they are not there |", "|---|---|", *rows]


class KerasLacking(Directive):
    """The table of all of them."""

    def run(self) -> list[nodes.Node]:
        container = nodes.container(classes=["names"])
        self.state.nested_parse(StringList(table(), source="keras/layers/lacking.py"), self.content_offset, container)
        return [container]


def setup(app):
    app.add_directive("keras-lacking", KerasLacking)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
