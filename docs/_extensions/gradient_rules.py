"""The directive ``gradient-rules``: every gradient rule of the library as it stands in the source.

Which operations there are, and which have a rule, is read from the registry; the text of a rule from the decorator of
the operation. Operations that share a rule share a row.
"""

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from generated_pages import documented_name
from source_links import link

from sdgraph import NOT_DIFFERENTIABLE, ZERO_GRADIENT, SameDiff
from sdgraph.build.op import REGISTRY, Op

WITHOUT = (None, ZERO_GRADIENT, NOT_DIFFERENTIABLE)


class Rule(NamedTuple):
    """A rule, and the operations that have it."""

    text: str
    ops: tuple[Op, ...]


def ops() -> list[Op]:
    """The operations of the library; tests that ran before may have registered some of their own."""
    SameDiff()
    return [op for op in REGISTRY.values() if op.is_ours]


def function_of(op: Op) -> Any:
    """The decorated function."""
    return inspect.unwrap(getattr(op.owner, op.name))


@functools.cache
def _source(file: str) -> tuple[str, ast.Module]:
    text = Path(file).read_text(encoding="utf-8")
    return text, ast.parse(text)


def _definition(fn: Any) -> ast.FunctionDef:
    """A function in the syntax tree of its file, by its first line, that of its first decorator."""
    code = fn.__code__
    for node in ast.walk(_source(code.co_filename)[1]):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if node.name == fn.__name__ and first == code.co_firstlineno:
                return node
    raise LookupError(fn)


def _text(file: str, node: ast.expr | ast.stmt) -> str:
    """The source of a node, moved to the left as a whole."""
    source = _source(file)[0]
    text = ast.get_source_segment(source, node)
    line = source.splitlines()[node.lineno - 1]
    assert text is not None
    return textwrap.dedent(line[: len(line) - len(line.lstrip())] + text)


def _without_docstring(fn: Any) -> str:
    """The source of a named rule. What it says in words is in the file."""
    file, node = fn.__code__.co_filename, _definition(fn)
    first = node.body[0]
    lines = _text(file, node).splitlines()
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        del lines[first.lineno - node.lineno : (first.end_lineno or first.lineno) - node.lineno + 1]
    return "\n".join(lines)


def text_of(op: Op) -> str:
    """The rule of an operation that has one: the lambda in its decorator, or the function that the decorator names."""
    if op.vjp.__name__ != "<lambda>":
        return _without_docstring(op.vjp)
    fn = function_of(op)
    for decorator in _definition(fn).decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if keyword.arg == "vjp" and isinstance(keyword.value, ast.Lambda):
                return _text(fn.__code__.co_filename, keyword.value)
    raise LookupError(f"the rule of {op.qualname} is not in its decorator")


def rules() -> list[Rule]:
    """All rules in the order of the registry, each once."""
    found: dict[str, list[Op]] = {}
    for op in ops():
        if op.vjp not in WITHOUT:
            found.setdefault(text_of(op), []).append(op)
    return [Rule(text, tuple(group)) for text, group in found.items()]


def without(rule: Any) -> list[Op]:
    """The operations without a rule of their own that have this instead."""
    return [op for op in ops() if op.vjp is rule]


def reference(op: Op) -> str:
    """A link to the operation's entry in the reference."""
    return f"{{py:meth}}`{op.qualname} <{documented_name(op)}>`"


class GradientRules(Directive):
    """With no argument the table of rules; with one, the operations that are ``composite``, ``zero`` or ``none``."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.docname = self.state.document.settings.env.docname
        if self.arguments:
            kind = {"composite": None, "zero": ZERO_GRADIENT, "none": NOT_DIFFERENTIABLE}[self.arguments[0]]
            return self._parsed(", ".join(map(reference, without(kind))) + ".")
        return [self._table()]

    def _parsed(self, text: str) -> list[nodes.Node]:
        holder = nodes.container()
        self.state.nested_parse(StringList([text], "registry"), self.content_offset, holder)
        return holder.children

    def _table(self) -> nodes.table:
        group = nodes.tgroup("", nodes.colspec(colwidth=22), nodes.colspec(colwidth=78), cols=2)
        group += nodes.thead("", _row([nodes.paragraph(text="operation")], [nodes.paragraph(text="rule")]))
        group += nodes.tbody("", *self._rows())
        return nodes.table("", group, classes=["rules"])

    def _rows(self) -> Iterator[nodes.row]:
        for rule in rules():
            names = []
            for op in rule.ops:
                (paragraph,) = self._parsed(reference(op) + (", composite" if op.is_composite else ""))
                paragraph += [nodes.Text(" "), link(function_of(op), "[source]", self.docname)]
                names.append(paragraph)
            yield _row(names, [nodes.literal_block(rule.text, rule.text, language="python")])


def _row(*cells: list[Any]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", *cell) for cell in cells))


def setup(app):
    app.add_directive("gradient-rules", GradientRules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
