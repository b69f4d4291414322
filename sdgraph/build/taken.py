"""Why a name is taken, from the line that gave it before and the line that gives it now, and what to do about it.

Most often they are one line: the cell ran again, or a loop or a function comes by more than once. Knows places in the
user's code and how it is written. Must not know graphs.
"""

from __future__ import annotations

import ast
import re
from typing import Final, NamedTuple

from sdgraph.errors import VariableNameError
from sdgraph.frames.origin import Origin, Place, Span, user_origin

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_SCOPE: Final = "sd.name_scope('...')"
_ANOTHER: Final = f"Choose another name, or open a scope: with {_SCOPE}."
_FIRST_CELL: Final = "the cell that makes the graph"
_WRITTEN_AS_LOOP: Final = re.compile(r"((\.<locals>\.|^)<(listcomp|setcomp|dictcomp|genexpr)>)+$")
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def name_is_taken(full: str, name: str, before: Origin | Place | None) -> VariableNameError:
    """The error for a name that a variable has.

    Args:
        full: The name with its scopes.
        name: The name as it was given.
        before: Where it was given before.
    """
    now = user_origin()
    if not isinstance(before, Origin) or now is None:
        return VariableNameError(f"The name {full!r} is taken.", node=full, node_origin=before, fix=_ANOTHER)
    # Not the instruction: a test of a loop stands in the code twice.
    ran_on = before.code is now.code and before.span == now.span
    if ran_on or _is_compiled_again(before, now):
        message = f"The name {full!r} is taken: this line made it before."
        fix = _of_a_line_that_ran_on(name, now) if ran_on else _made_anew(now)
    else:
        message, fix = f"The name {full!r} is taken.", _ANOTHER
        if before.filename != now.filename and (before.is_in_cell or now.is_in_cell):
            fix = f"If this cell ran before, with other text: run {_FIRST_CELL} again. Else c{_ANOTHER[1:]}"
    return VariableNameError(message, node=full, node_origin=before, fix=fix)


def _is_compiled_again(before: Origin, now: Origin) -> bool:
    """Whether one piece of text did both: a cell that ran again, perhaps with other lines around, or a module."""
    if (before.function, before.source) != (now.function, now.source) or not now.source:
        return False
    if (before.span.columns, before.code is now.code) != (now.span.columns, False):
        return False
    return (before.filename, before.line) == (now.filename, now.line) or (before.is_in_cell and now.is_in_cell)


def _made_anew(now: Origin) -> str:
    if now.is_in_session:
        return f"Run {_FIRST_CELL} again, then this one."
    return "Make the graph anew as well, where this code runs again."


def _of_a_line_that_ran_on(name: str, now: Origin) -> str:
    """What to do where a line gives a name twice without being compiled again: a loop, or a function."""
    if not now.text:
        fix = f"Give each run of this line a scope of its own: with {_SCOPE}."
    else:
        call = _Call.at(now, name)
        function = _function(now)
        if call.in_loop and (call.spells_name or function == "<module>"):
            return f'Give each pass of the loop a name of its own, such as f"{name}_{{i}}", or a scope: with {_SCOPE}.'
        if function == "<module>":
            return _made_anew(now)
        fix = f"Give each call of {function!r} a scope of its own: with {_SCOPE}."
    return f"{fix} If the cell ran again: run {_FIRST_CELL} first." if now.is_in_session else fix


def _function(place: Origin) -> str:
    """The function that a user knows the place to be in; a list that is written as a loop is none."""
    name = _WRITTEN_AS_LOOP.sub("", place.function)
    return name.rpartition("<locals>.")[2] or "<module>"


class _Call(NamedTuple):
    """What the text of a call tells."""

    in_loop: bool
    """Whether a loop of the same function comes by it more than once."""
    spells_name: bool
    """Whether the name is written out in it, so that all its runs give the same."""

    @classmethod
    def at(cls, place: Origin, name: str) -> _Call:
        """The call at a place; nothing is known of it where nobody has its text."""
        try:
            node: ast.AST = ast.parse(place.text)
        except (SyntaxError, ValueError):
            return cls(in_loop=False, spells_name=False)
        in_loop, span = False, place.span
        while (child := next((c for c in ast.iter_child_nodes(node) if _holds(c, span)), None)) is not None:
            in_loop = _repeats(node, child) or (in_loop and not isinstance(node, _FUNCTIONS))
            node = child
        words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
        return cls(in_loop, isinstance(node, ast.Call) and name in words)


def _holds(node: ast.AST, span: Span) -> bool:
    """Whether a piece of code holds another."""
    if not isinstance(node, ast.stmt | ast.expr):
        return any(_holds(child, span) for child in ast.iter_child_nodes(node))
    start, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    return start <= span.start and span.end <= end


def _repeats(node: ast.AST, child: ast.AST) -> bool:
    """Whether ``node`` runs its ``child`` more than once."""
    if isinstance(node, ast.For | ast.AsyncFor):
        return child in node.body
    if isinstance(node, ast.While):
        return child in node.body or child is node.test
    if isinstance(node, ast.comprehension):
        return child in node.ifs
    return isinstance(node, _COMPREHENSIONS) and child is not node.generators[0]
