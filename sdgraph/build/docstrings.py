"""What the docstring of an op need not repeat is added to it when the op is registered.

Parameters that mean the same in a whole namespace are told by the class, what comes out of an op and which errors there
are by its shape rule, where that stands. Docstrings are in Google's style. Must not know any op.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

SECTIONS = ("Args", "Returns", "Raises", "References", "Example")
"""In the order in which they stand."""


class Meaning(NamedTuple):
    """What a parameter means in a whole namespace, and an error that it is the reason of: ``"Kind: If ..."``."""

    text: str
    error: str


Shared: TypeAlias = Mapping[str, str | Meaning]

EVERYWHERE: Shared = {"name": "Name of the result; without it one is made from that of the op."}
"""Parameters that mean the same in every op."""

_HEADING = re.compile(rf"^({'|'.join(SECTIONS)}):$")
_ENTRY = re.compile(r"^    (\w+):")


def sections(doc: str) -> dict[str, list[str]]:
    """The lines of each section of a docstring, indented as they are; those before the first under ``""``."""
    found: dict[str, list[str]] = {"": []}
    title = ""
    for line in doc.splitlines():
        heading = _HEADING.match(line)
        if heading:
            title = heading[1]
            found[title] = []
        else:
            found[title].append(line)
    return {name: _trimmed(lines) for name, lines in found.items()}


def entries(lines: Iterable[str]) -> dict[str, list[str]]:
    """The lines of each entry of a section such as Args or Raises, by the name it starts with."""
    found: dict[str, list[str]] = {}
    for line in lines:
        start = _ENTRY.match(line)
        if start:
            found[start[1]] = []
        if found:
            found[next(reversed(found))].append(line)
    return found


def completed(doc: str, signature: inspect.Signature, shared: Shared, infer: Callable[..., Any] | None) -> str:
    """A docstring with what it leaves to its namespace and to its shape rule. What it says itself stays.

    Args:
        doc: The docstring, without indentation.
        signature: The parameters; the first is the namespace.
        shared: What parameters mean in the whole namespace.
        infer: The shape rule, whose docstring may have the sections Returns and Raises.
    """
    own, rule = sections(doc), sections(inspect.getdoc(infer) or "")
    told, errors = entries(own.get("Args", ())), {}
    for name in list(signature.parameters)[1:]:
        meaning = shared.get(name) or EVERYWHERE.get(name, "")
        if isinstance(meaning, Meaning):
            errors |= entries([f"    {meaning.error}"])
            meaning = meaning.text
        lines = told.pop(name, [f"    {name}: {meaning}"] if meaning else [])
        if lines:
            told[name] = lines  # Last, so that the order is that of the signature.
    errors |= entries(rule.get("Raises", ())) | entries(own.get("Raises", ()))
    whole = {**own, "Args": _joined(told), "Raises": _joined(errors)}
    whole.setdefault("Returns", rule.get("Returns", []))
    parts = ["\n".join(own[""])]
    parts += ["\n".join([f"{title}:", *whole[title]]) for title in SECTIONS if whole.get(title)]
    return "\n\n".join(parts)


def _joined(told: Mapping[str, list[str]]) -> list[str]:
    return [line for lines in told.values() for line in lines]


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1].strip():
        lines.pop()
    return lines
