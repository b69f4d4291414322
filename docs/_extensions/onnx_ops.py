"""The directive ``onnx-ops lacking|otherwise``: operations without a counterpart, and those that lose something.

The tables are made from the rules of the exporter; nothing is typed by hand.
"""

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from sdgraph.files.onnx import rules
from sdgraph.files.onnx.registry import REASONS, RULES


def by_words(said):
    """Operations under what is said of them, in the order in which it is said first."""
    found = {}
    for name, words in said:
        if name not in found.setdefault(words, []):
            found[words].append(name)
    return found


def table(head, said):
    lines = [f"| {words} | {', '.join(f'`sd.{n}`' for n in names)} |" for words, names in by_words(said).items()]
    return [f"| {head} | operations |", "|---|---|", *lines]


def lacking():
    """The table of operations that are refused."""
    assert rules.reason("random.draw")
    return table("why", REASONS.items())


def otherwise():
    """The table of operations that a runtime computes otherwise in some way."""
    return table("what is otherwise", [(op, e.loses) for (op, _), e in RULES.items() if e.loses])


class OnnxOps(Directive):
    required_arguments = 1

    def run(self):
        lines = {"lacking": lacking, "otherwise": otherwise}[self.arguments[0]]()
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, "onnx-ops"), self.content_offset, holder)
        return [holder]


def setup(app):
    app.add_directive("onnx-ops", OnnxOps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
