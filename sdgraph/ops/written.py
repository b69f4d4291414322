r"""How ops are written for which a pattern is not enough, in LaTeX and in words. Must not know graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sdgraph.build.reading import (
    ATOM,
    POWER,
    PRODUCT,
    RELATION,
    SUM,
    Derived,
    Form,
    Reading,
    Term,
    Writer,
    bracketed,
    literal,
)

MAX_TERMS: Final = 8
"""How many operands of one op are written."""

DIFFERENCE: Final = Form("%s - %s", SUM, (SUM, PRODUCT))
QUOTIENT: Final = Form(r"\frac{%s}{%s}", PRODUCT)
TRANSPOSED: Final = Form(r"%s^{\top}", POWER, (ATOM,))


# ---------------------------------------------------------------------- in LaTeX


def product(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """A dot between numbers, a ring between arrays, nothing where one factor is a scalar."""
    for k in (0, 1):
        if operands[k].text == "1":
            return operands[1 - k]
    x, y = operands[0].at(PRODUCT), operands[1].at(PRODUCT)
    if not (operands[0].is_scalar or operands[1].is_scalar):
        return Term(rf"{x} \odot {y}", PRODUCT)
    return Term(rf"{x} \cdot {y}" if y[0].isdigit() else rf"{x}\, {y}", PRODUCT)


def matrix_product(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """Side by side, turned as the flags say."""
    flags = [bool(v) for k, v in attrs.items() if k.startswith("transpose_")]
    turned = [*flags, False, False, False]
    parts = [rf"{t.at(ATOM)}^{{\top}}" if turned[k] else t.at(POWER) for k, t in enumerate(operands[:2])]
    whole = Term(r"\, ".join(parts), PRODUCT)
    return Term(rf"\left({whole.text}\right)^{{\top}}", POWER) if turned[2] else whole


def total(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The first few of the terms."""
    shown = [t.at(SUM) for t in operands[:MAX_TERMS]]
    return Term(" + ".join([*shown, *([r"\dots"] if len(operands) > MAX_TERMS else [])]), SUM)


def cases(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """One value if a condition holds, another otherwise."""
    condition, x, y = (t.text for t in operands)
    return Term(rf"\begin{{cases}} {x} & \text{{if }} {condition} \\ {y} & \text{{otherwise}} \end{{cases}}", RELATION)


def large(sign: str) -> Writer:
    """A large operator before what it runs over."""

    def write(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
        return Term(f"{sign}{axis_index(attrs)} {operands[0].at(PRODUCT)}", SUM)

    return write


def reduction(name: str) -> Writer:
    """A function of all elements along the axes that stand as its index."""

    def write(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
        return Term(rf"{name}{axis_index(attrs)}\left({operands[0].text}\right)")

    return write


def index(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The key as an index."""
    return Term(f"{operands[0].at(ATOM)}_{{{', '.join(_key(k) for k in attrs['key'])}}}")


def _key(k: Any) -> str:
    if k is None:
        return r"\mathrm{new}"
    if k is Ellipsis:
        return r"\dots"
    if isinstance(k, tuple):
        start, stop, step = ("" if b is None else str(b) for b in k[1:])
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return str(k)


def axis_index(attrs: Mapping[str, Any]) -> str:
    """The axes an op works along, as an index; empty for all of them."""
    axis = attrs.get("axis")
    if axis is None:
        return ""
    axes = axis if isinstance(axis, tuple) else (axis,)
    return rf"_{{\text{{axis }} {', '.join(map(str, axes))}}}"


def size(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The number of elements, or of those along an axis; the operand's values do not matter."""
    return Term(f"N{axis_index(attrs)}", ATOM, True)


def permuted(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """Transposed, or with the new order of the axes."""
    axes = attrs.get("axes")
    if axes is None or tuple(axes) == tuple(range(len(axes)))[::-1]:
        return TRANSPOSED.of(operands)
    return Term(rf"{operands[0].at(ATOM)}^{{\left({', '.join(map(str, axes))}\right)}}", POWER)


def sum_of_others(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """For each entry all others of its row."""
    return Term(rf"\left(\sum {operands[0].text} - {operands[0].at(ATOM)}\right)", PRODUCT)


def reversed_difference(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The second less the first."""
    return DIFFERENCE.of(operands[::-1])


def reversed_quotient(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The second over the first."""
    return QUOTIENT.of(operands[::-1])


def logarithm(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """With its base, unless that is e."""
    base = attrs.get("base")
    return Term(rf"\log{'' if base is None else f'_{{{literal(base).text}}}'}\left({operands[0].text}\right)")


# ---------------------------------------------------------------------- in words, on arrows

_POWERS: Final = {2.0: "²", 3.0: "³", -1.0: "⁻¹", -2.0: "⁻²", 0.5: "^½"}

TIMES_A_MATRIX: Final = ("· %(x_atom)s", "%(x_atom)s ·")
"""What a matrix product multiplies a gradient by that is its first operand, and its second."""


def power(operands: Sequence[str]) -> str:
    """The base with its exponent on high, if there is a letter for that."""
    base, exponent = operands
    try:
        value = float(exponent)
    except ValueError:
        return f"{bracketed(base)}^{bracketed(exponent)}"
    if value == 1.0:
        return base
    return bracketed(base) + _POWERS.get(value, f"^{exponent}")


def other_matrix(at: Derived) -> str | None:
    """The other factor of a product of matrices, transposed."""
    if len(at.names) != 2 or any(at.attrs.values()):
        return None
    return f"· {at.names[1]}ᵀ" if at.k == 0 else f"{at.names[0]}ᵀ ·"


def one_over_size(at: Derived) -> str | None:
    """``1 / n`` for the mean over n elements."""
    if len(at.shapes) != 1:
        return None
    shape, axis = at.shapes[0], at.attrs.get("axis")
    axes = tuple(range(len(shape))) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    sizes = [str(shape[k]) for k in axes if shape[k] is not None]
    if len(sizes) != len(axes):
        return None
    return f"1 / {' '.join(sizes)}" if len(sizes) == 1 else f"1 / ({' · '.join(sizes)})"


MATRIX_PRODUCT: Final = Reading(matrix_product, factor=TIMES_A_MATRIX, derivative=other_matrix)
