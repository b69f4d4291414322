"""Annotations as documentation shows them: without quotes, and with what an alias stands for.

Annotations of this package are texts, since evaluating them would slow its import down. `help` and notebooks would
show them in quotes. Must not know ops.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any, ForwardRef, TypeVar

T = TypeVar("T")

_meanings: dict[str, Any] = {}
"""What each alias stands for."""


class Written(str):
    """The text of an annotation; it still is the text that Python's own tools evaluate."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _aliases(len(_meanings)).sub(lambda found: repr(written(_meanings[found[0]])), self)


def means(alias: str, meaning: Any) -> None:
    """Let documentation show an alias as what it stands for."""
    _meanings[alias] = meaning


@functools.cache
def _aliases(n: int) -> re.Pattern[str]:
    """The names of all ``n`` of them."""
    return re.compile(rf"(?<![\w.])(?:{'|'.join(_meanings) or '(?!)'})(?!\w)")


@functools.cache
def _left_out() -> list[tuple[re.Pattern[str], str]]:
    """What to leave out of an annotation as Python writes it: marks of texts and of operands, where our classes are."""
    return [
        (re.compile(r"ForwardRef\('([^']*)'\)"), r"\1"),
        (re.compile(r"Annotated\[([^][]*), sdgraph\.Operand\]"), r"\1"),
        (re.compile(r"\bsdgraph\.(?:\w+\.)*(?=\w+)"), ""),
    ]


def written(annotation: Any) -> Written:
    """An annotation of any form as a text without quotes.

    Example:
        >>> from typing import Literal, Optional
        >>> written("int | None"), written(Literal["a", "b"]), written(Optional["list[int]"])
        (int | None, Literal['a', 'b'], Optional[list[int]])
    """
    if isinstance(annotation, str):
        return Written(annotation)
    if isinstance(annotation, ForwardRef):
        return Written(annotation.__forward_arg__)
    text = inspect.formatannotation(annotation)
    for pattern, plainer in _left_out():
        text = pattern.sub(plainer, text)
    return Written(text)


def readable(thing: T) -> T:
    """Let documentation show annotations without quotes: of the decorated function, or of a class and its bases."""
    if not isinstance(thing, type):
        unquote(thing)
        return thing
    for cls in thing.__mro__:
        if cls.__module__.startswith("sdgraph."):
            for member in vars(cls).values():
                unquote(member)
    return thing


def unquote(function: Any) -> None:
    """Let documentation show the annotations of a function, a property or a class method without quotes."""
    if type(function) is not FunctionType:
        function = getattr(function, "fget", None) or getattr(function, "__func__", None)
        if type(function) is not FunctionType:
            return
    annotations = function.__annotations__
    for name, text in annotations.items():
        if type(text) is str:
            annotations[name] = Written(text)


def signature_in_words(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function with all annotations as texts."""
    signature = inspect.signature(function)
    parameters = [
        p if p.annotation is p.empty else p.replace(annotation=written(p.annotation))
        for p in signature.parameters.values()
    ]
    result = signature.return_annotation
    return inspect.Signature(parameters, return_annotation=result if result is signature.empty else written(result))
