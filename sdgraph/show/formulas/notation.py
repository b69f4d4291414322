r"""How ops, settings and names read in LaTeX.

What an op looks like is said in its decorator; one that says nothing reads ``\operatorname{name}(operands)``. Must not
know graphs.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sdgraph.build.op import Op
from sdgraph.build.reading import Form, Term, escaped, literal
from sdgraph.ops.written import MAX_TERMS, axis_index, product
from sdgraph.wording import shortened

_MAX_NAME: Final = 40

_KEEP_ATTRS: Final = frozenset({"keepdims"})
"""Attributes that say nothing about the numbers."""


def shown_as(op: Op) -> int | None:
    """The operand that stands for the op, where that changes no number and does not say how else it is written."""
    reads = op.reads
    return op.passes_on if reads is None or (reads.latex is None and not reads.by_name) else None


def applied(op: Op, operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    r"""An op's formula, from those of the operands that are given.

    Example:
        >>> from sdgraph.build.op import REGISTRY
        >>> from sdgraph.build.reading import SUM
        >>> applied(REGISTRY["math.mul"], [Term("a + b", SUM), Term("c")], {}).text
        '\\left(a + b\\right) \\odot c'
        >>> applied(REGISTRY["nn.elu"], [Term("x")], {"alpha": 2.0}).text
        '\\operatorname{elu}\\left(x;\\ \\mathrm{alpha} = 2\\right)'
    """
    silent = shown_as(op)
    if silent is not None:
        return operands[silent]
    latex = op.reads and op.reads.latex
    if isinstance(latex, Form):
        if len(operands) >= latex.places and not axis_index(attrs):
            return latex.of(operands)
    elif latex is not None:
        return latex(operands, attrs)
    if op.gradient_of is not None and len(operands) > 1:
        inner = ", ".join(t.text for t in operands[:-1])
        call = Term(rf"\operatorname{{{escaped(op.gradient_of[0].name)}}}'\left({inner}\right)")
        return product([call, operands[-1]._replace(is_scalar=True)], {})
    shown = [t.text for t in operands[:MAX_TERMS]] + [r"\dots"] * (len(operands) > MAX_TERMS)
    defaults = op.attr_defaults
    settings = [
        rf"\mathrm{{{escaped(k)}}} = {_value(v)}"
        for k, v in attrs.items()
        if k not in _KEEP_ATTRS and k not in ("stream", "seed") and (k not in defaults or defaults[k] != v)
    ]
    inside = ", ".join(shown) + (rf";\ {', '.join(settings)}" if settings else "")
    return Term(rf"\operatorname{{{escaped(op.name)}}}\left({inside}\right)")


def _value(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return rf"\mathrm{{{escaped(value.name)}}}"
    if isinstance(value, bool | int | float):
        return literal(value).text
    if isinstance(value, tuple):
        shown = [_value(v) for v in value[:MAX_TERMS]] + [r"\dots"] * (len(value) > MAX_TERMS)
        return rf"\left({', '.join(shown)}\right)"
    return rf"\mathrm{{{escaped(shortened(str(value)))}}}"


# ---------------------------------------------------------------------- names and numbers

_GREEK: Final = re.findall(
    r"\w+",
    """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi
    psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega""",
)
_LETTERS: Final = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", _GREEK, strict=True))
_INDEXED: Final = re.compile(r"([^\W\d_]+)(?:_?(\d+)|_([^\W_]+))?")


def name(text: str) -> str:
    r"""A variable's name: a letter or Greek letter, perhaps with an index, or else an upright word.

    Example:
        >>> name("x"), name("w1"), name("lambda"), name("σ_2"), name("y_pred"), name("data_loss")
        ('x', 'w_{1}', '\\lambda', '\\sigma_{2}', 'y_{\\mathrm{pred}}', '\\mathrm{data\\_loss}')
    """
    found = _INDEXED.fullmatch(text)
    base = found and _letter(found[1])
    if not found or not base:
        return upright(text)
    if found[2]:
        return f"{base}_{{{found[2]}}}"
    return rf"{base}_{{\mathrm{{{escaped(found[3])}}}}}" if found[3] else base


def upright(text: str) -> str:
    r"""A name as an upright word, letter by letter.

    Example:
        >>> upright("a_b/50%")
        '\\mathrm{a\\_b/50\\%}'
    """
    return rf"\mathrm{{{escaped(shortened(text, _MAX_NAME))}}}"


def _letter(text: str) -> str | None:
    if len(text) == 1 and text.isascii():
        return text
    if text in _LETTERS:
        return f"\\{_LETTERS[text]}"
    return f"\\{text}" if text in _GREEK else None
