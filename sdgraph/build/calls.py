"""Calls of plain methods with arguments that they do not have: an error of ours, which shows how the call is written.

Operations sort their arguments themselves. Must not know any method.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, NoReturn, TypeVar

from sdgraph.build.corrected import as_argument
from sdgraph.build.signature import written
from sdgraph.errors import ArgumentTypeError, SDGraphError
from sdgraph.wording import counted, did_you_mean

C = TypeVar("C", bound=type)


def told_in_calls(code: str) -> Callable[[C], C]:
    """Let all methods of a class, which code calls ``code``, say what is wrong with their arguments."""

    def decorate(cls: C) -> C:
        for name, method in list(vars(cls).items()):
            if type(method) is FunctionType and not name.startswith("_") and not hasattr(method, "op"):
                setattr(cls, name, _told(f"{code}.{name}", method))
        return cls

    return decorate


def _told(place: str, method: Callable[..., Any]) -> Callable[..., Any]:
    of_variable = place.startswith("v.")

    @functools.wraps(method)
    def call(self: Any, /, *args: Any, **keywords: Any) -> Any:
        try:
            return method(self, *args, **keywords)
        except SDGraphError as e:
            # A method of a variable may have taken a name for its first setting.
            if of_variable and args and not e.fix and (fix := _name_last(place, method, args, keywords)):
                e.fix = fix
            raise
        except TypeError as e:
            # Without a further frame it was not called: Python found that the arguments do not fit.
            if e.__traceback__ is not None and e.__traceback__.tb_next is not None:
                raise
        _refuse(place, method, args, keywords)

    return call


def _refuse(place: str, method: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> NoReturn:
    parameters = _parameters(method)
    by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    names = [p.name for p in parameters]
    unknown = next((k for k in keywords if k not in names), None)
    twice = next((k for k in by_position[: len(args)] if k in keywords), None)
    fix = None
    if unknown is not None:
        what = f"has no argument {unknown!r}"
        fix = did_you_mean(unknown, names)
    elif len(args) > len(by_position):
        what = f"takes {counted(len(by_position), 'argument')} by position, {len(args)} were given"
        fix = _name_last(place, method, args, keywords)
    elif twice is not None:
        what = f"got {twice!r} twice"
    else:
        given = {*by_position[: len(args)], *keywords}
        missing = next(p.name for p in parameters if p.default is p.empty and p.name not in given)
        what = f"lacks its argument {missing!r}"
    raise ArgumentTypeError(f"{place} {what}.", expected=written(place, parameters), fix=fix)


def _parameters(method: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())[1:]


def _name_last(
    place: str, method: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> str | None:
    """The call as it is written here, if a name stands first as in Java."""
    parameters = _parameters(method)
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    takes_name = any(p.name == "name" and p.kind is p.KEYWORD_ONLY for p in parameters)
    if type(args[0]) is not str or not takes_name or "name" in keywords or (names == ["dtype"] and len(args) == 1):
        return None
    parts = [*map(as_argument, args[1:]), *(f"{k}={as_argument(v)}" for k, v in keywords.items()), f"name={args[0]!r}"]
    return f"Write {place}({', '.join(parts)})."
