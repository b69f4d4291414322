r"""How ops are written for which a pattern is not enough, in LaTeX and in words. Must not know graphs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sdgraph.build.reading import (
    ATOM,
    POWER,
    PRODUCT,
    RELATION,
    SUM,
    Derived,
    Reading,
    Term,
    Writer,
    bracketed,
    literal,
)

MAX_TERMS: Final = 8
"""How many operands of one op are written."""


def turned(x: Term) -> Term:
    """The transpose of a term; of a transpose, what that is the transpose of."""
    return x.turned or Term(rf"{_as_array(x).at(ATOM)}^{{\top}}", POWER, turned=x)


def _as_array(x: Term) -> Term:
    """A term where it must be a matrix: one of ones or zeros in bold type."""
    return Term(rf"\mathbf{{{x.text}}}") if _is(x, "1") or _is(x, "0") else x


# ---------------------------------------------------------------------- sums and products


def minus(x: Term) -> Term:
    """The negative of a term; of a negative, what that is the negative of."""
    if x.negated is not None or _is(x, "0"):
        return x.negated or x
    return Term(f"-{x.at(PRODUCT)}", SUM, x.is_scalar, is_number=x.is_number, is_open=x.is_open, negated=x)


def plus(x: Term, y: Term) -> Term:
    """A sum; what is negative is taken away, and zero is left out.

    Example:
        >>> plus(Term("a"), minus(Term("b"))).text, plus(Term("a"), Term("0", is_number=True)).text
        ('a - b', 'a')
    """
    if _is(x, "0"):
        return y
    if _is(y, "0"):
        return x
    left = x.at(SUM)
    if y.negated is not None:
        return Term(f"{left} - {y.negated.at(PRODUCT)}", SUM)
    right = y.at(SUM)
    return Term(f"{left} - {right[1:]}" if right.startswith("-") else f"{left} + {right}", SUM)


def less(x: Term, y: Term) -> Term:
    """A difference."""
    if _is(y, "0"):
        return x
    if _is(x, "0"):
        return minus(y)
    if y.negated is not None:
        return plus(x, y.negated)
    return Term(f"{x.at(SUM)} - {y.at(PRODUCT)}", SUM)


def times(x: Term, y: Term) -> Term:
    r"""A ring between arrays, nothing where one factor is a scalar; numbers and signs in front, without a factor 1.

    Example:
        >>> two, b = Term("2", is_scalar=True, is_number=True), Term("b")
        >>> times(Term("a"), b).text, times(b, two).text, times(minus(b), two).text
        ('a \\odot b', '2\\, b', '-2\\, b')
    """
    if x.negated is not None or y.negated is not None:
        product = times(x.negated or x, y.negated or y)
        return product if x.negated is not None and y.negated is not None else minus(product)
    if _is(x, "1"):
        return y
    if _is(y, "1"):
        return x
    if y.is_number and not x.is_number:
        x, y = y, x
    left, right = x.at(PRODUCT, closed=True), y.at(PRODUCT)
    is_open = y.is_open and right == y.text
    if not (x.is_scalar or y.is_scalar):
        return Term(rf"{left} \odot {right}", PRODUCT, is_open=is_open)
    return Term(_beside(left, right), PRODUCT, is_open=is_open)


def over(x: Term, y: Term) -> Term:
    """A quotient."""
    if x.negated is not None or y.negated is not None:
        quotient = over(x.negated or x, y.negated or y)
        return quotient if x.negated is not None and y.negated is not None else minus(quotient)
    return x if _is(y, "1") else Term(rf"\frac{{{x.text}}}{{{y.text}}}", PRODUCT)


def _is(x: Term, digit: str) -> bool:
    return x.text == digit and x.is_number


def _beside(left: str, right: str) -> str:
    """Two factors: with a dot where they would read as one number, or as a function of what stands in brackets."""
    calls = right.startswith(r"\left(") and _WORD.search(left)
    return rf"{left} \cdot {right}" if right[0].isdigit() or calls or _FUNCTION.search(left) else rf"{left}\, {right}"


_WORD: Final = re.compile(r"\\math(?:rm|it)\{(?:[^{}]|\{[^{}]*\})*\}(?:_\{[^{}]*\})?$")
_FUNCTION: Final = re.compile(r"\\mathit\{(?:[^{}]|\{[^{}]*\})*\}(?:_\{[^{}]*\})?$")
"""A variable with the name of a function."""


# ---------------------------------------------------------------------- ops


def of_two(rule: Callable[[Term, Term], Term]) -> Writer:
    """An op of two operands."""
    return lambda operands, attrs: rule(operands[0], operands[1])


def reversed_two(rule: Callable[[Term, Term], Term]) -> Writer:
    """An op of two operands, the second of which comes first."""
    return lambda operands, attrs: rule(operands[1], operands[0])


def negative(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """Minus the operand."""
    return minus(operands[0])


def total(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The first few of the terms."""
    more = [Term(r"\dots")] * (len(operands) > MAX_TERMS)
    return functools.reduce(plus, [*operands[:MAX_TERMS], *more])


def raised(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """One to the power of the other."""
    x, y = operands
    return x if _is(y, "1") else Term(f"{x.at(ATOM)}^{{{y.text}}}", POWER)


def squared_difference(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The square of one less the other."""
    return Term(f"{less(*operands[:2]).at(ATOM)}^{{2}}", POWER)


def exponential(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """A power of e, or a function where the exponent would be too large to read up there."""
    x = operands[0].text
    if len(x) <= MAX_EXPONENT and not _TALL.search(x):
        return Term(f"e^{{{x}}}", POWER)
    return Term(rf"\exp\left({x}\right)", POWER)


def exponential_less_one(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The exponential less 1."""
    return Term(f"{exponential(operands, attrs).text} - 1", SUM)


MAX_EXPONENT: Final = 40
_TALL: Final = re.compile(r"\\(frac|sum|prod|begin)")


def log_of_one_plus(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The logarithm of 1 plus the operand."""
    return Term(rf"\log\left({plus(_ONE, operands[0]).text}\right)", POWER)


def times_log(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The first, times the logarithm of the second."""
    return times(operands[0], Term(rf"\log\left({operands[1].text}\right)", POWER, operands[1].is_scalar))


_ONE: Final = Term("1", ATOM, True, True)


def matrix_product(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """Side by side, turned as the flags say."""
    flags = [*(bool(v) for k, v in attrs.items() if k.startswith("transpose_")), False, False, False]
    x, y = (turned(t) if flag else _as_array(t) for t, flag in zip(operands[:2], flags, strict=False))
    if x.negated is not None or y.negated is not None:
        product = matrix_product([x.negated or x, y.negated or y], {})
        product = product if x.negated is not None and y.negated is not None else minus(product)
    else:
        product = Term(_beside(x.at(POWER), y.at(POWER)), PRODUCT)
    return turned(product) if flags[2] else product


def affine(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """A matrix product, and what is added to it if that is given."""
    product = matrix_product(operands[:2], attrs)
    return plus(product, operands[2]) if len(operands) > 2 else product


def with_bias(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term | None:
    """A sum, where the bias belongs to the last axis."""
    return None if attrs.get("nchw") else plus(*operands)


def cases(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """One value if a condition holds, another otherwise."""
    condition, x, y = (t.text for t in operands)
    return Term(rf"\begin{{cases}} {x} & \text{{if }} {condition} \\ {y} & \text{{otherwise}} \end{{cases}}", RELATION)


def large(sign: str) -> Writer:
    """A large operator before what it runs over."""

    def write(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
        return Term(f"{sign}{axis_index(attrs)} {operands[0].at(PRODUCT)}", PRODUCT, is_open=True)

    return write


def summed(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """A sum over elements, with the sign in front."""
    x = operands[0]
    return minus(_SUM([x.negated], attrs)) if x.negated is not None else _SUM([x], attrs)


_SUM: Final = large(r"\sum")


def reduction(name: str) -> Writer:
    """A function of all elements along the axes that stand as its index."""

    def write(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
        return Term(rf"{name}{axis_index(attrs)}\left({operands[0].text}\right)", POWER)

    return write


def reduced_losses(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term | None:
    """The sum or the mean of losses that have no weights."""
    if len(operands) > 1:
        return None
    how = attrs["reduction"]
    if how in (None, "none") or operands[0].is_scalar:
        return operands[0]
    return summed(operands, {}) if how == "sum" else _MEAN(operands, {})


_MEAN: Final = reduction(r"\operatorname{mean}")


def index(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The key as an index."""
    return indexed(operands[0], ", ".join(key_text(k) for k in attrs["key"]))


def gathered(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The second operand as an index of its axis."""
    axis = attrs.get("axis", 0)
    before, behind = ([r"\dots"], -1 - axis) if axis < 0 else ([":"] * axis, 0)
    return indexed(operands[0], ", ".join([*before, operands[1].text, *[":"] * behind]))


def indexed(x: Term, index: str) -> Term:
    r"""A term with an index, in brackets if it has one already: LaTeX knows no second one.

    Example:
        >>> indexed(Term("x"), "i").text, indexed(Term("x_{1}"), "i").text
        ('x_{i}', '\\left(x_{1}\\right)_{i}')
    """
    text = x.at(ATOM)
    if _has_index(text):
        text = rf"\left({text}\right)"
    return Term(f"{text}_{{{index}}}", is_scalar=x.is_scalar)


def _has_index(text: str) -> bool:
    """Whether a text ends with an index."""
    if not text.endswith("}"):
        return False
    depth = 0
    for k in range(len(text) - 1, -1, -1):
        if text[k - 1 : k] != "\\":
            depth += (text[k] == "}") - (text[k] == "{")
        if not depth:
            return text[k - 1 : k] == "_"
    return False


def key_text(k: Any) -> str:
    """One part of an index: a number, a slice as Python writes it, or what stands for others."""
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


def one_over(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """One over the number of elements."""
    return over(_ONE, size(operands, attrs))


def permuted(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """Transposed, or with the new order of the axes."""
    axes = attrs.get("axes")
    if axes is None or tuple(axes) == tuple(range(len(axes)))[::-1]:
        return turned(operands[0])
    return Term(rf"{operands[0].at(ATOM)}^{{\left({', '.join(map(str, axes))}\right)}}", POWER)


def transposed(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The axes in reverse order."""
    return turned(operands[0])


def constant(digit: str) -> Writer:
    """The same number everywhere."""
    return lambda operands, attrs: Term(digit, is_number=True)


def sum_of_others(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """For each entry all others of its row."""
    return Term(rf"\left({less(_SUM(operands, attrs), operands[0]).text}\right)")


def logarithm(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """With its base, unless that is e."""
    base = attrs.get("base")
    below = "" if base is None else f"_{{{literal(base).text}}}"
    return Term(rf"\log{below}\left({operands[0].text}\right)", POWER)


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
