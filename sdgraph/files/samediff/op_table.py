"""Which op of sdgraph an operation of SameDiff's files is, and which of its arguments stands where: for both ways.

The table beside this file has a row for each form in which an operation is stored. The slots of a row are templates
with the names of sdgraph's operands and settings:

| template | meaning |
|---|---|
| ``x`` in inputs | an operand; ``bias?`` may be missing, ``inputs...`` are any number |
| ``weights=1`` in inputs | an operand that is 1 where ours is not given |
| ``=shape`` in inputs | a setting that stands in a constant |
| ``axis``, ``axis=-1`` | a setting; -1 where the file has none |
| ``shape...`` | a list; several in one slot are equally long, and equal if they have one name |
| ``axis...*`` | a list, or for all axes nothing, or one number that says so |
| ``axis!`` | one number, several, or nothing for None |
| ``reverse?`` | a flag that stands as a number |
| ``@gamma`` | 1 where that operand is given, else 0 |
| ``0``, ``true`` | always that |
| ``~10`` | written so, and read whatever it is |
| ``*`` | nothing, and read whatever it is |
| ``keepdims:keepDims`` in properties | a setting, and the property in which it stands |

``scalar`` names the setting or the operand that is a number beside the node. ``fixed`` are settings of ours that
SameDiff does not have, with what it computes with. The first row of a name that fits is what is read, and the first of
an op what is written. Must not know how files are read or written.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

Form: TypeAlias = Literal["one", "list", "axes", "optional", "flag", "given", "literal", "ignored", "rest"]

_FORMS: Final[dict[str, Form]] = {"": "one", "...": "list", "...*": "axes", "!": "optional", "?": "flag"}
_TOKEN: Final = re.compile(
    r"(?P<given>@?)(?P<name>[a-z_][a-z_0-9]*)(?P<form>\.\.\.\*|\.\.\.|!|\?|)(?:=(?P<default>.+))?"
)


@dataclass(frozen=True, slots=True)
class Slot:
    """What stands at a place of a node's arguments."""

    name: str
    """A setting of ours, the operand that is ``given``, or nothing if it is a literal."""
    form: Form
    default: float | bool | None = None
    """What a literal is, and what a setting is where a file has none; None if it must have one."""


@dataclass(frozen=True, slots=True)
class Input:
    """An operand of a node."""

    name: str
    """An operand of ours, or a setting."""
    is_setting: bool = False
    optional: bool = False
    several: bool = False
    default: float | None = None
    """What the operand is where ours is not given, but the operation must have one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One form in which an operation is stored."""

    name: str
    type: int
    number: int
    op: str
    """Ours, by qualified name."""
    inputs: tuple[Input, ...]
    t: tuple[Slot, ...]
    i: tuple[Slot, ...]
    b: tuple[Slot, ...]
    d: tuple[Slot, ...]
    dimensions: tuple[Slot, ...]
    scalar: str
    properties: tuple[tuple[str, str], ...]
    """A setting of ours, and the name of the property in which it stands."""
    fixed: tuple[tuple[str, float | bool | str], ...]
    """Settings of ours and their values, which stand nowhere."""


def _literal(text: str) -> float | bool | None:
    """The number or the flag that a template writes; None for what is neither."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return None


def _slot(token: str) -> Slot:
    if token == "*":
        return Slot("", "rest")
    if token.startswith("~"):
        return Slot("", "ignored", _literal(token[1:]))
    value = _literal(token)
    if value is not None:
        return Slot("", "literal", value)
    match = _TOKEN.fullmatch(token)
    assert match is not None, f"{token!r} is no template"
    default = None if match["default"] is None else _literal(match["default"])
    return Slot(match["name"], "given" if match["given"] else _FORMS[match["form"]], default)


def _slots(text: str) -> tuple[Slot, ...]:
    return tuple(_slot(token.strip()) for token in text.split(",") if token.strip())


def _input(token: str) -> Input:
    if token.startswith("="):
        return Input(token[1:], is_setting=True)
    name, _, default = token.partition("=")
    return Input(
        name.rstrip("?."),
        optional=name.endswith("?"),
        several=name.endswith("..."),
        default=float(default) if default else None,
    )


def _pairs(text: str, separator: str) -> list[tuple[str, str]]:
    return [(a.strip(), b.strip()) for a, _, b in (pair.partition(separator) for pair in text.split(",")) if b]


def _row(line: str) -> Row:
    columns = line.split("\t")
    name, kind, number, op, inputs, t, i, b, d, dimensions, scalar, properties, fixed = columns + [""] * (
        13 - len(columns)
    )
    literals = ((setting, _literal(value)) for setting, value in _pairs(fixed, "="))
    return Row(
        name,
        int(kind),
        int(number),
        op,
        tuple(map(_input, inputs.split())),
        _slots(t),
        _slots(i),
        _slots(b),
        _slots(d),
        _slots(dimensions),
        scalar,
        tuple(_pairs(properties, ":")),
        tuple(
            (setting, text if value is None else value)
            for (setting, value), (_, text) in zip(literals, _pairs(fixed, "="), strict=True)
        ),
    )


@functools.cache
def rows() -> tuple[Row, ...]:
    """All rows in the order of the table.

    Example:
        >>> [row.op for row in rows() if row.name == "huber_loss"]
        ['loss.huber_loss']
    """
    text = Path(__file__).with_name("operations.tsv").read_text(encoding="utf-8")
    return tuple(_row(line) for line in text.splitlines() if not line.startswith("#"))


@functools.cache
def forms_of(name: str) -> tuple[Row, ...]:
    """The forms in which an operation of SameDiff's is stored, by its name there."""
    return tuple(row for row in rows() if row.name == name)


@functools.cache
def forms_for(op: str) -> tuple[Row, ...]:
    """The forms in which an op of ours is stored, by its qualified name."""
    return tuple(row for row in rows() if row.op == op)
