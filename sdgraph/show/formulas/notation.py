r"""How ops, settings and names read in LaTeX.

What an op looks like is said in its decorator; one that says nothing reads ``\operatorname{name}(operands)``. Must not
know graphs.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sdgraph.build.op import REGISTRY, Op
from sdgraph.build.reading import ATOM, GREEK, POWER, Form, Term, Writer, escaped, literal
from sdgraph.ops.written import MAX_TERMS, axis_index, key_text, times
from sdgraph.wording import shortened

_MAX_NAME: Final = 40

_KEEP_ATTRS: Final = frozenset({"keepdims", "stream", "seed"})
"""Attributes that say nothing about the numbers, or nothing to a reader."""

# ---------------------------------------------------------------------- ops


def shown_as(op: Op) -> int | None:
    """The operand that stands for the op, where that changes no number and does not say how else it is written."""
    reads = op.reads
    return op.passes_on if reads is None or (reads.latex is None and not reads.by_name) else None


def hides_operands(op: Op, taken: frozenset[str] = frozenset()) -> bool:
    """Whether an op is written without its operands, because only their shapes matter."""
    return op.shape_only and op.reads is not None and op.reads.latex is not None and not op.reads.signs() & taken


def slope_of(op: Op, taken: frozenset[str]) -> Writer | None:
    """The factor by which the gradient of a composite multiplies, where that is written without operands."""
    reads = op.gradient_of and op.gradient_of[0].reads
    return reads.slope if reads and not reads.slope_letters & taken else None


def applied(
    op: Op,
    operands: Sequence[Term],
    attrs: Mapping[str, Any],
    *,
    labels: Sequence[str | None] = (),
    taken: frozenset[str] = frozenset(),
) -> Term:
    r"""An op's formula.

    Args:
        op: The op.
        operands: The formulas of the operands that are given.
        attrs: The settings.
        labels: Names of the operands where their places do not tell which they are, else None.
        taken: Letters that are variables, so that no op may be written with them.

    Example:
        >>> from sdgraph.build.reading import SUM
        >>> applied(REGISTRY["math.mul"], [Term("a + b", SUM), Term("c")], {}).text
        '\\left(a + b\\right) \\odot c'
        >>> applied(REGISTRY["nn.elu"], [Term("x")], {"alpha": 2.0}).text
        '\\operatorname{elu}\\left(x;\\ \\alpha = 2\\right)'
    """
    silent = shown_as(op)
    if silent is not None:
        return operands[silent]
    latex = op.reads and op.reads.latex
    if op.reads is not None and taken and op.reads.signs() & taken:
        latex = None
    if isinstance(latex, Form):
        if len(operands) >= latex.places and not axis_index(_unusual(op, attrs)):
            return latex.of(operands)
    elif latex is not None:
        found = latex(operands, attrs)
        if found is not None:
            return found
    return _by_name(op, operands, attrs, labels, taken)


def _by_name(
    op: Op, operands: Sequence[Term], attrs: Mapping[str, Any], labels: Sequence[str | None], taken: frozenset[str]
) -> Term:
    """The op's name before its operands, and its settings where they are not the usual ones."""
    if op.gradient_of is not None and len(operands) > 1:
        slope = slope_of(op, taken)
        if slope is not None:
            return times(slope(operands[:-1], attrs)._replace(is_scalar=True), operands[-1])
        inner = ", ".join(t.text for t in operands[:-1])
        call = Term(rf"\operatorname{{{_function(op.gradient_of[0])}}}'\left({inner}\right)", POWER)
        return times(call, operands[-1]._replace(is_scalar=True))
    each = [t.text if label is None else f"{_setting(label)} = {t.text}" for t, label in _labelled(operands, labels)]
    shown = each[:MAX_TERMS] + [r"\dots"] * (len(each) > MAX_TERMS)
    # A formula has no room for the functions of a loop or of branches.
    told = {} if op.has_bodies else _unusual(op, attrs)
    settings = [f"{_setting(k)} = {_value(v)}" for k, v in told.items() if k not in _KEEP_ATTRS]
    inside = r";\ ".join(", ".join(part) for part in (shown, settings) if part)
    return Term(rf"\operatorname{{{_function(op)}}}\left({inside}\right)", POWER)


def _labelled(operands: Sequence[Term], labels: Sequence[str | None]) -> list[tuple[Term, str | None]]:
    return [(t, labels[k] if k < len(labels) else None) for k, t in enumerate(operands)]


def _function(op: Op) -> str:
    """An op's name without the underscores that keep it from being a word of Python's or a user's."""
    return escaped(op.name.strip("_") or op.name)


def _unusual(op: Op, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not the op's defaults."""
    defaults = op.attr_defaults
    return {k: v for k, v in attrs.items() if k not in defaults or (defaults[k] is not v and defaults[k] != v)}


def _setting(key: str) -> str:
    return _letter(key) or rf"\mathrm{{{escaped(key)}}}"


def _value(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return rf"\mathrm{{{escaped(value.name)}}}"
    if isinstance(value, bool | int | float):
        return literal(value).text
    if isinstance(value, tuple) and value[:1] == ("slice",):
        return key_text(value)
    if isinstance(value, tuple):
        shown = [_value(v) for v in value[:MAX_TERMS]] + [r"\dots"] * (len(value) > MAX_TERMS)
        return rf"\left({', '.join(shown)}\right)"
    return rf"\mathrm{{{escaped(shortened(str(value)))}}}"


# ---------------------------------------------------------------------- names

_LETTERS: Final = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", GREEK, strict=True))
_INDEXED: Final = re.compile(r"([^\W\d_]+)(?:_?(\d+)|_([^\W_]+))?")
_WORD_WITH_NUMBER: Final = re.compile(r"([^\W\d]\w*?[^\W\d_])_?(\d+)")
_FUNCTIONS: Final = frozenset(
    re.findall(r"\w+", "arccos arcsin arctan arg csc deg dim exp gcd hom inf ker lg lim log sec sgn sup")
)
"""Functions that LaTeX knows by name and sdgraph does not."""


class Label(NamedTuple):
    """A name taken apart: what stands on the line, and what stands below and above it."""

    base: str
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = ()

    @property
    def term(self) -> Term:
        """How the name is written."""
        below = f"_{{{', '.join(self.below)}}}" if self.below else ""
        above = rf"^{{({', '.join(self.above)})}}" if self.above else ""
        return Term(f"{self.base}{below}{above}", POWER if above else ATOM)


def label(text: str) -> Label:
    """A variable's name without scopes: a letter or Greek letter, perhaps with an index, or else a word."""
    found = _INDEXED.fullmatch(text)
    base = found and _letter(found[1])
    if found and base:
        if found[2]:
            return Label(base, (found[2],))
        return Label(base, (_roman(found[3]),) if found[3] else ())
    numbered = _WORD_WITH_NUMBER.fullmatch(text)
    if numbered and len(text) <= _MAX_NAME:
        return Label(word(numbered[1]), (numbered[2],))
    return Label(word(text))


def name(text: str) -> str:
    r"""A variable's name as it is written.

    Example:
        >>> name("x"), name("w1"), name("lambda"), name("σ_2"), name("y_pred"), name("data_loss"), name("weight_2")
        ('x', 'w_{1}', '\\lambda', '\\sigma_{2}', 'y_{\\mathrm{pred}}', '\\mathrm{data\\_loss}', '\\mathrm{weight}_{2}')
    """
    return label(text).term.text


def word(text: str) -> str:
    r"""A name as an upright word, letter by letter; one that is also a function's name is slanted, as variables are.

    Example:
        >>> word("a_b 50%"), word("tanh")
        ('\\mathrm{a\\_b\\ 50\\%}', '\\mathit{tanh}')
    """
    style = "mathit" if text in _FUNCTIONS or text in _op_names() else "mathrm"
    return rf"\{style}{{{escaped(shortened(text, _MAX_NAME))}}}"


def _roman(text: str) -> str:
    return rf"\mathrm{{{escaped(shortened(text, _MAX_NAME))}}}"


def _letter(text: str) -> str | None:
    if len(text) == 1 and text.isascii():
        return text
    if text in _LETTERS:
        return f"\\{_LETTERS[text]}"
    return f"\\{text}" if text in GREEK else None


def _op_names() -> frozenset[str]:
    return _names_of(len(REGISTRY))


@functools.lru_cache(maxsize=1)
def _names_of(n: int) -> frozenset[str]:
    """The bare names of all ops; ``n`` is how many there are, so that new ones are seen."""
    return frozenset(op.name for op in REGISTRY.values())
