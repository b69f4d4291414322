r"""How names, numbers and ops read in LaTeX: the tables, and the rules for brackets.

An op that is in no table reads ``\operatorname{name}(operands)``. Must not know graphs.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sdgraph.wording import clean, number, shortened

_MAX_NAME: Final = 40
_MAX_TERMS: Final = 8

ATOM: Final = 4
POWER: Final = 3
PRODUCT: Final = 2
SUM: Final = 1
RELATION: Final = 0


class Term(NamedTuple):
    """A formula and how tightly it holds together: one that binds less than its place asks for gets brackets."""

    text: str
    binds: int = ATOM
    is_scalar: bool = False

    def at(self, least: int) -> str:
        """The formula as it stands at a place that asks for ``least``."""
        return self.text if self.binds >= least else rf"\left({self.text}\right)"


class Form(NamedTuple):
    """How an op reads: a pattern over its operands, what they must bind, and what the result binds."""

    pattern: str
    binds: int = ATOM
    needs: tuple[int, ...] = (RELATION,) * 4

    def of(self, operands: Sequence[Term]) -> Term:
        """The op applied."""
        places = self.pattern.count("%s")
        shown = tuple(t.at(n) for t, n in zip(operands[:places], self.needs, strict=False))
        return Term(self.pattern % shown, self.binds)


def _call(name: str) -> Form:
    return Form(rf"{name}\left(%s\right)")


def _infix(sign: str, binds: int, *needs: int) -> Form:
    return Form(f"%s {sign} %s", binds, needs or (binds, binds))


_FORMS: Final[dict[str, Form]] = {
    "math.add": _infix("+", SUM),
    "math.sub": _infix("-", SUM, SUM, PRODUCT),
    "math.div": Form(r"\frac{%s}{%s}", PRODUCT),
    "math.divide_no_nan": Form(r"\frac{%s}{%s}", PRODUCT),
    "math.floor_div": Form(r"\left\lfloor \frac{%s}{%s} \right\rfloor"),
    "math.floor_mod": _infix(r"\bmod", PRODUCT, POWER, POWER),
    "math.mod": _infix(r"\bmod", PRODUCT, POWER, POWER),
    "math.neg": Form("-%s", SUM, (PRODUCT,)),
    "math.pow": Form("%s^{%s}", POWER, (ATOM, RELATION)),
    "math.square": Form("%s^{2}", POWER, (ATOM,)),
    "math.cube": Form("%s^{3}", POWER, (ATOM,)),
    "math.reciprocal": Form(r"\frac{1}{%s}", PRODUCT),
    "math.squared_difference": Form(r"\left(%s - %s\right)^{2}", POWER, (SUM, PRODUCT)),
    "math.abs": Form(r"\left|%s\right|"),
    "math.sqrt": Form(r"\sqrt{%s}"),
    "math.rsqrt": Form(r"\frac{1}{\sqrt{%s}}", PRODUCT),
    "math.exp": Form("e^{%s}", POWER),
    "math.expm1": Form("e^{%s} - 1", SUM),
    "math.log1p": Form(r"\log\left(1 + %s\right)", ATOM, (SUM,)),
    "math.ln": _call(r"\log"),
    "math.xlogy": Form(r"%s \log\left(%s\right)", PRODUCT, (PRODUCT, RELATION)),
    "math.floor": Form(r"\left\lfloor %s \right\rfloor"),
    "math.ceil": Form(r"\left\lceil %s \right\rceil"),
    "math.max": Form(r"\max\left(%s, %s\right)"),
    "math.min": Form(r"\min\left(%s, %s\right)"),
    "math.asin": _call(r"\arcsin"),
    "math.acos": _call(r"\arccos"),
    "math.atan": _call(r"\arctan"),
    "math.and_": _infix(r"\land", RELATION, SUM, SUM),
    "math.or_": _infix(r"\lor", RELATION, SUM, SUM),
    "math.xor": _infix(r"\oplus", RELATION, SUM, SUM),
    "math.not_": Form(r"\lnot %s", PRODUCT, (ATOM,)),
    **{f"math.{n}": _call(rf"\{n}") for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "eq": _infix("=", RELATION, SUM, SUM),
    "neq": _infix(r"\neq", RELATION, SUM, SUM),
    "lt": _infix("<", RELATION, SUM, SUM),
    "lte": _infix(r"\leq", RELATION, SUM, SUM),
    "gt": _infix(">", RELATION, SUM, SUM),
    "gte": _infix(r"\geq", RELATION, SUM, SUM),
    "transpose": Form(r"%s^{\top}", POWER, (ATOM,)),
    "squared_norm": Form(r"\left\lVert %s \right\rVert_{2}^{2}", POWER),
    "norm1": Form(r"\left\lVert %s \right\rVert_{1}"),
    "norm2": Form(r"\left\lVert %s \right\rVert_{2}"),
    "normmax": Form(r"\left\lVert %s \right\rVert_{\infty}"),
    "dot": Form(r"\left\langle %s, %s \right\rangle"),
    "gather": Form("%s_{%s}", ATOM, (ATOM, RELATION)),
    "zeros_like": Form("0"),
    "ones_like": Form("1"),
    "nn.sigmoid": _call(r"\sigma"),
    "nn.tanh": _call(r"\tanh"),
    "nn.log_softmax": _call(r"\log \operatorname{softmax}"),
    "nn.log_sigmoid": _call(r"\log \sigma"),
    "linalg.matrix_inverse": Form("%s^{-1}", POWER, (ATOM,)),
    "linalg.matrix_determinant": _call(r"\det"),
    "linalg.logdet": _call(r"\log \det"),
    "math.trace": _call(r"\operatorname{tr}"),
}

SILENT: Final = frozenset(
    {"identity", "cast", "broadcast_like", "broadcast_to", "expand_dims", "squeeze", "mask_gradient", "assign"}
)
"""Ops that change no number: they read as their first operand."""


# ---------------------------------------------------------------------- ops that need more than a pattern


def _product(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """A dot between numbers, a ring between arrays, nothing where one factor is a scalar."""
    for k in (0, 1):
        if operands[k].text == "1":
            return operands[1 - k]
    x, y = operands[0].at(PRODUCT), operands[1].at(PRODUCT)
    if not (operands[0].is_scalar or operands[1].is_scalar):
        return Term(rf"{x} \odot {y}", PRODUCT)
    return Term(rf"{x} \cdot {y}" if y[0].isdigit() else rf"{x}\, {y}", PRODUCT)


def _matrix_product(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    flags = [bool(v) for k, v in attrs.items() if k.startswith("transpose_")]
    turned = [*flags, False, False, False]
    parts = [rf"{t.at(ATOM)}^{{\top}}" if turned[k] else t.at(POWER) for k, t in enumerate(operands[:2])]
    product = Term(r"\, ".join(parts), PRODUCT)
    return Term(rf"\left({product.text}\right)^{{\top}}", POWER) if turned[2] else product


def _total(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    shown = [t.at(SUM) for t in operands[:_MAX_TERMS]]
    return Term(" + ".join([*shown, *([r"\dots"] if len(operands) > _MAX_TERMS else [])]), SUM)


def _cases(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    condition, x, y = (t.text for t in operands)
    return Term(rf"\begin{{cases}} {x} & \text{{if }} {condition} \\ {y} & \text{{otherwise}} \end{{cases}}", RELATION)


def _large(sign: str) -> Callable[[Sequence[Term], Mapping[str, Any]], Term]:
    def write(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
        return Term(f"{sign}{_axis(attrs)} {operands[0].at(PRODUCT)}", SUM)

    return write


def _reduction(name: str) -> Callable[[Sequence[Term], Mapping[str, Any]], Term]:
    def write(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
        return Term(rf"{name}{_axis(attrs)}\left({operands[0].text}\right)")

    return write


def _index(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
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


def _axis(attrs: Mapping[str, Any]) -> str:
    axis = attrs.get("axis")
    if axis is None:
        return ""
    axes = axis if isinstance(axis, tuple) else (axis,)
    return rf"_{{\text{{axis }} {', '.join(map(str, axes))}}}"


def _size(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    """The number of elements, or of those along an axis; the operand's values do not matter."""
    return Term(f"N{_axis(attrs)}", ATOM, True)


def _permuted(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    axes = attrs.get("axes")
    if axes is None or tuple(axes) == tuple(range(len(axes)))[::-1]:
        return _FORMS["transpose"].of(operands)
    return Term(rf"{operands[0].at(ATOM)}^{{\left({', '.join(map(str, axes))}\right)}}", POWER)


def _rsub(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    return _FORMS["math.sub"].of(operands[::-1])


def _rdiv(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    return _FORMS["math.div"].of(operands[::-1])


def _log(operands: Sequence[Term], attrs: Mapping[str, Any]) -> Term:
    base = attrs.get("base")
    return Term(rf"\log{'' if base is None else f'_{{{_value(base)}}}'}\left({operands[0].text}\right)")


_WRITERS: Final[dict[str, Callable[[Sequence[Term], Mapping[str, Any]], Term]]] = {
    "math.mul": _product,
    "math.multiply_no_nan": _product,
    "math.merge_add": _total,
    "math.rsub": _rsub,
    "math.rdiv": _rdiv,
    "math.log": _log,
    "linalg.matmul": _matrix_product,
    "linalg.mmul": _matrix_product,
    "mmul": _matrix_product,
    "where": _cases,
    "index": _index,
    "axis_size": _size,
    "size": _size,
    "permute": _permuted,
    "sum": _large(r"\sum"),
    "prod": _large(r"\prod"),
    "mean": _reduction(r"\operatorname{mean}"),
    "max": _reduction(r"\max"),
    "min": _reduction(r"\min"),
}
_KEEP_ATTRS: Final = frozenset({"keepdims"})
"""Attributes that say nothing about the numbers."""


def written(pattern: str, x: Term) -> Term:
    r"""A function that is written out, by the pattern of a `sdgraph.build.op.Reading`.

    Example:
        >>> written(r"\frac{1}{1 + %(atom)s^{2}}", Term("a + b", SUM)).text
        '\\frac{1}{1 + \\left(a + b\\right)^{2}}'
    """
    return Term(pattern % {"x": x.text, "atom": x.at(ATOM)}, PRODUCT)


def applied(op: str, operands: Sequence[Term], attrs: Mapping[str, Any], defaults: Mapping[str, Any]) -> Term:
    r"""An op's formula; ``op`` is its qualified name.

    Example:
        >>> applied("math.mul", [Term("a + b", SUM), Term("c")], {}, {}).text
        '\\left(a + b\\right) \\odot c'
        >>> applied("mine.twice", [Term("x")], {"times": 2}, {"times": 1}).text
        '\\operatorname{twice}\\left(x;\\ \\mathrm{times} = 2\\right)'
    """
    name = op.rsplit(".", 1)[-1]
    if op in SILENT:
        return operands[0]
    if op in _WRITERS:
        return _WRITERS[op](operands, attrs)
    if op in _FORMS and len(operands) >= _FORMS[op].pattern.count("%s") and not _axis(attrs):
        return _FORMS[op].of(operands)
    if name.endswith("_vjp") and len(operands) > 1:
        inner = ", ".join(t.text for t in operands[:-1])
        call = Term(rf"\operatorname{{{_escaped(name.removesuffix('_vjp'))}}}'\left({inner}\right)")
        return _product([call, operands[-1]._replace(is_scalar=True)], {})
    shown = [t.text for t in operands[:_MAX_TERMS]] + [r"\dots"] * (len(operands) > _MAX_TERMS)
    settings = [
        rf"\mathrm{{{_escaped(k)}}} = {_value(v)}"
        for k, v in attrs.items()
        if k not in _KEEP_ATTRS and k not in ("stream", "seed") and (k not in defaults or defaults[k] != v)
    ]
    inside = ", ".join(shown) + (rf";\ {', '.join(settings)}" if settings else "")
    return Term(rf"\operatorname{{{_escaped(name)}}}\left({inside}\right)")


def _value(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return rf"\mathrm{{{_escaped(value.name)}}}"
    if isinstance(value, bool | int | float):
        return literal(value).text
    if isinstance(value, tuple):
        shown = [_value(v) for v in value[:_MAX_TERMS]] + [r"\dots"] * (len(value) > _MAX_TERMS)
        return rf"\left({', '.join(shown)}\right)"
    return rf"\mathrm{{{_escaped(shortened(str(value)))}}}"


# ---------------------------------------------------------------------- names and numbers

_GREEK: Final = re.findall(
    r"\w+",
    """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi
    psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega""",
)
_LETTERS: Final = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", _GREEK, strict=True))
_INDEXED: Final = re.compile(r"([^\W\d_]+)(?:_?(\d+)|_([^\W_]+))?")
_ESCAPES: Final = {
    **{c: f"\\{c}" for c in "{}$&#%_"},
    "\\": r"{\backslash}",
    "^": r"{\wedge}",
    "~": r"{\sim}",
    "'": r"{\prime}",
    # The empty group keeps a name from starting a tag where the formula is put into a page as it stands.
    "<": "<{}",
    " ": r"\ ",
}


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(c, c) for c in clean(text))


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
    return rf"{base}_{{\mathrm{{{_escaped(found[3])}}}}}" if found[3] else base


def upright(text: str) -> str:
    r"""A name as an upright word, letter by letter.

    Example:
        >>> upright("a_b/50%")
        '\\mathrm{a\\_b/50\\%}'
    """
    return rf"\mathrm{{{_escaped(shortened(text, _MAX_NAME))}}}"


def _letter(text: str) -> str | None:
    if len(text) == 1 and text.isascii():
        return text
    if text in _LETTERS:
        return f"\\{_LETTERS[text]}"
    return f"\\{text}" if text in _GREEK else None


def literal(value: Any) -> Term:
    r"""A number.

    Example:
        >>> literal(0.5).text, literal(-2).text, literal(1e-9).text, literal(float("inf")).text
        ('0.5', '-2', '1 \\cdot 10^{-9}', '\\infty')
    """
    text = number(value).replace("−", "-")
    if "j" in text or text[-1:].isalpha():
        return Term(rf"\mathrm{{{_escaped(text)}}}", ATOM, True)
    text = text.replace("∞", r"\infty")
    mantissa, e, exponent = text.partition("e")
    binds = SUM if text.startswith("-") else PRODUCT if e else ATOM
    return Term(rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else text, binds, True)
