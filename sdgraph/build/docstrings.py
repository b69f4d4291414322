"""What the docstring of an op need not repeat is added to it when the op is registered.

Parameters that mean the same in a whole namespace are told by the class, what comes out of an op and which errors there
are by its shape rule, where that stands. Docstrings are in Google's style. Must not know any op.
"""

from __future__ import annotations

import functools
import inspect
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


def cleaned(doc: str | None) -> str:
    """What `inspect.cleandoc` makes of a docstring whose quotes end on a line of their own, in a third of its time."""
    margin = (doc or "").rpartition("\n")[2]
    return doc.replace(f"\n{margin}", "\n").strip() if doc and margin.isspace() else inspect.cleandoc(doc or "")


def sections(doc: str) -> dict[str, str]:
    """The text of each section of a docstring, indented as it is; that before the first under ``""``."""
    found: dict[str, str] = {}
    # By searches for text, because this is done for every op when the package is imported.
    for title in reversed(SECTIONS):
        before, heading, text = doc.rpartition(f"\n{title}:\n")
        if heading:
            found[title], doc = text.rstrip(), before
    return {"": doc.rstrip(), **found}


def entries(text: str) -> dict[str, str]:
    """The entries of a section such as Args or Raises, by the name each starts with."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[4:5] == " ":
            found[name] += f"\n{line}"
        else:
            name = line[4:].partition(":")[0]
            found[name] = line
    return found


def completed(doc: str, names: Iterable[str], shared: Shared, infer: Callable[..., Any] | None) -> str:
    """A docstring with what it leaves to its namespace and to its shape rule. What it says itself stays.

    Args:
        doc: The docstring, without indentation.
        names: The parameters.
        shared: What parameters mean in the whole namespace.
        infer: The shape rule, whose docstring may have the sections Returns and Raises.
    """
    own, rule = sections(doc), _told_by(infer)
    told, meant, errors = entries(own.get("Args", "")), {**EVERYWHERE, **shared}, {}
    for name in names:
        meaning = meant.get(name)
        if isinstance(meaning, Meaning):
            errors |= entries(f"    {meaning.error}")
            meaning = meaning.text
        if name in told or meaning:
            # Last, so that the order is that of the signature.
            told[name] = told.pop(name, f"    {name}: {meaning}")
    errors |= rule["Raises"] | entries(own.get("Raises", ""))
    own |= {"Args": "\n".join(told.values()), "Raises": "\n".join(errors.values())}
    own.setdefault("Returns", rule["Returns"])
    return "\n\n".join([own[""], *[f"{title}:\n{own[title]}" for title in SECTIONS if own.get(title)]])


@functools.cache
def _told_by(infer: Callable[..., Any] | None) -> Mapping[str, Any]:
    """What comes out according to a shape rule, and its errors."""
    found = sections(cleaned(getattr(infer, "__doc__", None)))
    return {"Returns": found.get("Returns", ""), "Raises": entries(found.get("Raises", ""))}
