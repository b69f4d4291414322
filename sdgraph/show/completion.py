"""What a notebook offers inside of quotes: variables, placeholders, and the texts that a parameter may be.

Notebooks know attributes and keywords by themselves, and ask a graph for its names after ``sd["``. What stands in
quotes elsewhere, as in ``sd.plot(view="`` and ``f({"``, they leave to packages. Looks only at things of this package,
and runs nothing of a user's.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from sdgraph.build.annotations import written
from sdgraph.build.kinds import VariableKind
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.ops.graph import OpGraph
from sdgraph.run.executable import Executable

_PIECE: Final = re.compile(r"#[^\n]*|\"\"\"|\'\'\'|[\"'()\[\]{},]")
_REST_OF_QUOTED: Final = {
    q: re.compile(rf"(?:\\.|(?!{q})[^\\{newline}])*({q}{or_newline})?", re.DOTALL)
    for quote in "\"'"
    for q, newline, or_newline in ((quote, r"\n", r"|\n"), (quote * 3, "", ""))
}
"""What ends a text in quotes; one quote also ends with its line."""
_PATH: Final = re.compile(r"(\w+)((?:\s*\.\s*\w+|\[\s*(?:\"[^\"\n]*\"|'[^'\n]*')\s*\])*)\s*\Z")
_LONGEST_PATH: Final = 500
_STEP: Final = re.compile(r"\.\s*(\w+)|\[\s*[\"']([^\"'\n]*)[\"']\s*\]")
_KEYWORD: Final = re.compile(r"\s*(\w+)\s*=\s*\Z")
_LITERAL: Final = re.compile(r"Literal(\[.*?\])")


class Offer(NamedTuple):
    """What fits where the cursor is."""

    begun: str
    """What stands between the quote and the cursor; the texts begin with it."""
    texts: Sequence[str]


NOTHING: Final = Offer("", ())


def offered(code: str, names: Mapping[str, Any]) -> Offer:
    """What fits at the end of a text of Python, where quotes are open there.

    Args:
        code: All that stands before the cursor.
        names: What is defined.

    Example:
        >>> from sdgraph import SameDiff
        >>> offered("sd.plot(view='g", {"sd": SameDiff()})
        Offer(begun='g', texts=['gradient'])
    """
    brackets, quote = _opened(code)
    if quote is None:
        return NOTHING
    begun = code[quote:].lstrip("\"'")
    inner: list[_Bracket] = []
    end = quote
    while brackets:
        bracket = brackets.pop()
        lead = code[bracket.since : end]
        path = _PATH.search(code, max(0, bracket.at - _LONGEST_PATH), bracket.at) if bracket.kind == "(" else None
        if path is not None:
            found = _argument(_value(path, names), lead, bracket.commas, [b.kind for b in inner])
            return Offer(begun, [text for text in dict.fromkeys(found) if text.startswith(begun)])
        if lead.strip():
            break
        inner.append(bracket)
        end = bracket.at
    return NOTHING


# ---------------------------------------------------------------------- what stands before the cursor


@dataclass(slots=True)
class _Bracket:
    kind: str
    at: int
    since: int
    """Where its last element begins."""
    commas: int = 0


def _opened(code: str) -> tuple[list[_Bracket], int | None]:
    """The brackets that are open at the end of a text, and where the quotes begin that are."""
    brackets: list[_Bracket] = []
    piece = _PIECE.search(code)
    while piece:
        text, end = piece[0], piece.end()
        if text in _REST_OF_QUOTED:
            rest = _REST_OF_QUOTED[text].match(code, end)
            if rest is None or rest[1] is None:
                return brackets, piece.start()
            end = rest.end()
        elif text in "([{":
            brackets.append(_Bracket(text, piece.start(), end))
        elif text in ")]}" and brackets:
            brackets.pop()
        elif text == "," and brackets:
            brackets[-1].commas += 1
            brackets[-1].since = end
        piece = _PIECE.search(code, end)
    return brackets, None


def _value(path: re.Match[str], names: Mapping[str, Any]) -> Any:
    """What a dotted name means, looked up in things of this package only; None for anything else."""
    value = names.get(path[1])
    for attribute, key in _STEP.findall(path[2]):
        if not _is_ours(value):
            return None
        if attribute:
            kind = inspect.getattr_static(value, attribute, None)
            value = None if isinstance(kind, property | cached_property) else getattr(value, attribute, None)
        else:
            value = value[key] if isinstance(value, OpGraph) and key in value else None
    return value


def _is_ours(value: Any) -> bool:
    where = value.__name__ if isinstance(value, ModuleType) else type(value).__module__
    return isinstance(value, Namespace) or where.partition(".")[0] == "sdgraph"


# ---------------------------------------------------------------------- what fits there


def _argument(function: Any, lead: str, position: int, inside: Sequence[str]) -> Sequence[str]:
    """What an argument may be: with what stands before it, and in which brackets it stands."""
    owner = getattr(function, "__self__", function)
    plain = inspect.unwrap(getattr(function, "__func__", function))
    if not (_is_ours(owner) or (isinstance(plain, FunctionType | type) and plain.__module__.startswith("sdgraph."))):
        return ()
    parameter = _parameter(function, lead, position)
    if parameter is None:
        return ()
    if parameter.name == "feeds":
        return _placeholders(owner) if [*inside] == ["{"] else ()
    told = repr(written(parameter.annotation))
    texts = [] if inside else [t for found in _LITERAL.findall(told) for t in ast.literal_eval(found)]
    if "SDVariable | str" in told and [*inside] in ([], ["["], ["("]):
        texts += [v.name for v in _graph_of(owner)]
    return [t for t in texts if isinstance(t, str)]


def _parameter(function: Any, lead: str, position: int) -> inspect.Parameter | None:
    """The parameter that an argument is for."""
    parameters = inspect.signature(function).parameters
    by_name = _KEYWORD.match(lead)
    if by_name:
        return parameters.get(by_name[1])
    if lead.strip():
        return None
    by_position = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    several = [p for p in parameters.values() if p.kind is p.VAR_POSITIONAL]
    return next(iter([*by_position[position : position + 1], *several]), None)


def _graph_of(owner: Any) -> Sequence[SDVariable]:
    """The variables of the graph that a method belongs to."""
    graph = owner if isinstance(owner, OpGraph) else getattr(owner, "sd", None)
    return graph.variables() if isinstance(graph, OpGraph) else ()


def _placeholders(owner: Any) -> Sequence[str]:
    """What may be fed to a call of a method."""
    if isinstance(owner, Executable):
        return [p.name for p in owner.placeholders]
    needed = owner.sd.reachable([owner.id]) if isinstance(owner, SDVariable) else None
    found = [v for v in _graph_of(owner) if v.kind is VariableKind.PLACEHOLDER]
    return [v.name for v in found if needed is None or needed[v.id]]


# ---------------------------------------------------------------------- in a notebook


def teach(shell: Any) -> None:
    """Let an IPython shell offer what fits; nothing happens where it has no way to learn."""
    matchers = getattr(getattr(shell, "Completer", None), "custom_matchers", None)
    if not isinstance(matchers, list):
        return

    def sdgraph_matcher(context: Any) -> dict[str, Any]:
        from IPython.core.completer import SimpleCompletion

        before = [*context.full_text.split("\n")[: context.cursor_line], context.text_until_cursor]
        try:
            offer = offered("\n".join(before), shell.user_ns)
        except Exception:
            offer = NOTHING  # Half a line of code may be anything, and TAB must not raise.
        found = [SimpleCompletion(text=text, type="text") for text in offer.texts]
        return {"completions": found, "matched_fragment": offer.begun, "suppress": bool(found), "ordered": True}

    sdgraph_matcher.matcher_api_version = 2  # type: ignore[attr-defined]
    # A package that is loaded again teaches again.
    matchers[:] = [m for m in matchers if getattr(m, "__name__", "") != sdgraph_matcher.__name__]
    matchers.append(sdgraph_matcher)
    _let_look_up(shell.Completer)


def _let_look_up(completer: Any) -> None:
    """Let IPython look attributes and items of our things up, as it does for those of pandas.

    It does not look into classes that answer for attributes they do not have, since that may run anything. Ours only
    say what was meant.
    """
    try:
        from IPython.core.guarded_eval import EVALUATION_POLICIES

        trusted = dict(completer.policy_overrides)
        for kind in ("allowed_getattr_external", "allowed_getitem_external"):
            known = trusted.get(kind, getattr(EVALUATION_POLICIES["limited"], kind))
            trusted[kind] = {*known, ("sdgraph",)}
        completer.policy_overrides = trusted
    except (ImportError, AttributeError, KeyError):
        return  # A version that asks nobody.
