"""What an equation of ``einsum`` says: a label for each axis, and in which order labels stand in the result.

Knows texts and sizes only. Axes that an ellipsis stands for are labelled by their distance from its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import Dim, Shape, shape_str
from sdgraph.infer.shapes import known_to_differ

Labels = tuple[str, ...]
"""One label per axis."""


class Equation(NamedTuple):
    """The labels of the operands and of the result."""

    terms: tuple[Labels, ...]
    result: Labels


def is_shared(label: str) -> bool:
    """Whether a label is one of those axes that an ellipsis stands for, which broadcast."""
    return label.startswith("...")


def parsed(equation: object, ranks: Sequence[int]) -> Equation:
    """The labels of operands of these ranks.

    Raises:
        ArgumentTypeError: If the equation is no text.
        ArgumentError: If it does not fit the operands, or makes no sense.

    Example:
        >>> parsed("...ij,jk->...ik", [3, 2])
        Equation(terms=(('...1', 'i', 'j'), ('j', 'k')), result=('...1', 'i', 'k'))
    """
    if not isinstance(equation, str):
        raise ArgumentTypeError("An equation is a text.", given=shown(equation), expected='such as "ij,jk->ik"')
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(ranks):
        raise _wrong(f"The equation has {len(texts)} terms for {len(ranks)} operands.", equation)
    terms = tuple(_labels(text, rank, equation) for text, rank in zip(texts, ranks, strict=True))
    most = max([sum(map(is_shared, term)) for term in terms])
    shared = tuple(f"...{k}" for k in range(most, 0, -1))
    if not arrow:
        flat = [c for term in terms for c in term if not is_shared(c)]
        return Equation(terms, (*shared, *sorted(c for c in set(flat) if flat.count(c) == 1)))
    result = tuple(c for part in _split(right, equation) for c in (shared if part == "..." else (part,)))
    if len(set(result)) != len(result):
        raise _wrong("A label stands twice in the result.", equation)
    if unknown := [c for c in result if not any(c in term for term in terms)]:
        raise _wrong(f"No operand has the label {unknown[0]!r}.", equation)
    return Equation(terms, result)


def _split(text: str, equation: str) -> list[str]:
    """The labels of a term, with one ellipsis at most."""
    before, dots, after = text.partition("...")
    parts = [*before, *([dots] if dots else []), *after]
    if bad := [c for c in parts if c != "..." and not (c.isascii() and c.isalpha())]:
        raise _wrong(f"Labels are letters, not {bad[0]!r}.", equation)
    return parts


def _labels(text: str, rank: int, equation: str) -> Labels:
    parts = _split(text, equation)
    named = sum(c != "..." for c in parts)
    shared = rank - named if "..." in parts else 0
    if named + shared != rank or shared < 0:
        raise _wrong(f"The term {text!r} does not fit an operand of rank {rank}.", equation)
    return tuple(c for p in parts for c in ([f"...{k}" for k in range(shared, 0, -1)] if p == "..." else [p]))


def sizes_of(found: Equation, shapes: Sequence[Shape]) -> dict[str, Dim]:
    """The size of each label.

    Raises:
        ShapeError: If axes of one label differ in size; those of an ellipsis may be 1.
    """
    sizes: dict[str, Dim] = {}
    for term, shape in zip(found.terms, shapes, strict=True):
        for label, size in zip(term, shape, strict=True):
            known = sizes.get(label)
            if label not in sizes or (is_shared(label) and known == 1) or (type(known) is not int and size != 1):
                sizes[label] = size
            elif known_to_differ(size, known) and not (is_shared(label) and size == 1):
                raise ShapeError(
                    f"Axes with the label {label[:3]!r} differ in size: {known} and {size}.",
                    given=", ".join(map(shape_str, shapes)),
                )
    return sizes


def _wrong(message: str, equation: str) -> ArgumentError:
    return ArgumentError(message, given=shown(equation), expected='an equation such as "ij,jk->ik" or "...i->..."')
