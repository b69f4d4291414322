r"""How an op is written in formulas and on pictures: what its decorator says about that. Must not know ops.

Patterns have ``%s`` for the operands in order, or names: ``%(x)s`` and ``%(y)s`` for the first and second operand,
``%(x_atom)s`` and ``%(y_atom)s`` for them in brackets if they need some.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from sdgraph.wording import clean, number

ATOM: Final = 4
POWER: Final = 3
PRODUCT: Final = 2
SUM: Final = 1
RELATION: Final = 0

_MOST_DIGITS: Final = 6
"""Of a number in a formula."""


class Term(NamedTuple):
    """A formula and how tightly it holds together: one that binds less than its place asks for gets brackets."""

    text: str
    binds: int = ATOM
    is_scalar: bool = False
    is_number: bool = False
    is_open: bool = False
    """Whether it ends with what a large operator runs over: a factor behind it would seem to be part of that."""
    turned: Term | None = None
    """What it is the transpose of, if it is that."""
    negated: Term | None = None
    """What it is minus of, if it is that: a sum then writes a difference, and a product has its sign in front."""

    def at(self, least: int, *, closed: bool = False) -> str:
        """The formula as it stands at a place that asks for ``least``, ``closed`` where a factor may follow."""
        holds = self.binds >= least and not (closed and self.is_open)
        return self.text if holds else rf"\left({self.text}\right)"


class Form(NamedTuple):
    """A pattern over an op's operands, in LaTeX; what they must bind, and what the result binds."""

    pattern: str
    binds: int = ATOM
    needs: tuple[int, ...] = (RELATION,) * 4

    @property
    def places(self) -> int:
        """How many operands it needs."""
        return max(self.pattern.count("%s"), "%(x" in self.pattern, 2 * ("%(y" in self.pattern))

    def of(self, operands: Sequence[Term]) -> Term:
        r"""The op applied.

        Example:
            >>> Form("%s^{2}", POWER, (ATOM,)).of([Term("a + b", SUM)]).text
            '\\left(a + b\\right)^{2}'
            >>> Form(r"\frac{1}{1 + %(x_atom)s^{2}}", PRODUCT).of([Term("a + b", SUM)]).text
            '\\frac{1}{1 + \\left(a + b\\right)^{2}}'
        """
        if "%s" in self.pattern:
            last = self.places - 1 if self.pattern.endswith("%s") else -1
            shown = tuple(
                t.at(n, closed=n >= PRODUCT and k != last)
                for k, (t, n) in enumerate(zip(operands[: self.places], self.needs, strict=False))
            )
            is_open = last >= 0 and operands[last].is_open and shown[last] == operands[last].text
            return Term(self.pattern % shown, self.binds, is_open=is_open)
        return Term(self.pattern % _named([t.text for t in operands], [t.at(ATOM) for t in operands]), self.binds)


Writer: TypeAlias = Callable[[Sequence[Term], Mapping[str, Any]], Term]
"""What writes an op for which a pattern is not enough: from its operands and attributes to LaTeX."""

PartialWriter: TypeAlias = Callable[[Sequence[Term], Mapping[str, Any]], Term | None]
"""One that knows a form for some calls only. For others it gives None, and the formula says the op's name."""


class Derived(NamedTuple):
    """What is known where the derivative of a composite by one of its operands is to be put into words."""

    names: Sequence[str]
    """What the gradient is computed from besides the cotangent: the operands that are given, perhaps masks."""
    shapes: Sequence[tuple[Any, ...]]
    k: int
    """The operand by which the derivative is taken."""
    attrs: Mapping[str, Any]


class Reading(NamedTuple):
    """How an op is written. What is not said is made from its name."""

    latex: Form | Writer | PartialWriter | None = None
    """In formulas."""
    text: str | Callable[[Sequence[str]], str] | None = None
    """In a few characters, on the arrows of a picture: a pattern or a function of the operands."""
    factor: str | tuple[str | None, ...] | None = None
    """What the op multiplies a gradient by that is its operand: one word, or one for each operand that this may be.

    In the pattern, ``x`` is the other operand. None where no word says it.
    """
    derivative: Callable[[Derived], str | None] | None = None
    """What a composite's gradient multiplies by, where it has a short name; None where it has none after all."""
    slope: Writer | None = None
    """The same in formulas."""
    slope_letters: frozenset[str] = frozenset()
    """Letters that this uses as signs."""
    by_name: bool = False
    """Whether a formula says the name of an op that passes an operand on, and is not silent about it: because what
    follows counts other axes, or has no gradient."""
    letters: frozenset[str] = frozenset()
    """Letters that a writer uses as signs. Where a variable has one of them, the formula says the op's name instead."""

    def signs(self) -> frozenset[str]:
        r"""The letters that the formula has besides its operands.

        Example:
            >>> sorted(form(r"e^{-%s} \sigma\left(%s\right) \operatorname{erf} \frac{1}{2}").signs())
            ['\\sigma', 'e']
        """
        if not isinstance(self.latex, Form):
            return self.letters
        pattern = _IN_PATTERNS.sub(" ", self.latex.pattern)
        return self.letters | {found for found in _SIGNS.findall(pattern) if len(found) == 1 or found[1:] in GREEK}


BY_NAME: Final = Reading(by_name=True)


def form(pattern: str, binds: int = ATOM, needs: tuple[int, ...] = (RELATION,) * 4, text: str | None = None) -> Reading:
    """An op that is written by a pattern."""
    return Reading(Form(pattern, binds, needs), text)


def call(name: str) -> Reading:
    """An op of one operand that has a name in LaTeX."""
    return form(rf"{name}\left(%s\right)", POWER)


def infix(sign: str, binds: int, *needs: int) -> Reading:
    """An op that stands between its two operands."""
    return form(f"%s {sign} %s", binds, needs or (binds, binds))


# ---------------------------------------------------------------------- words on arrows


def bracketed(text: str) -> str:
    """A few words in brackets, unless they hold together without."""
    plain = " " not in text or (text.endswith(")") and text.count("(") == 1)
    return text if plain else f"({text})"


def filled(pattern: str, operands: Sequence[str]) -> str:
    """A pattern with words for its operands.

    Example:
        >>> filled("%(x_atom)s / %(y_atom)s", ["a + b", "c"])
        '(a + b) / c'
    """
    return pattern % _named(operands, [bracketed(text) for text in operands])


def _named(plain: Sequence[str], atoms: Sequence[str]) -> dict[str, str]:
    """What the names in a pattern stand for."""
    found: dict[str, str] = {}
    for name, text, atom in zip(("x", "y"), plain, atoms, strict=False):
        found |= {name: text, f"{name}_atom": atom}
    return found


# ---------------------------------------------------------------------- numbers and names in LaTeX

GREEK: Final = re.findall(
    r"\w+",
    """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi
    psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega""",
)
"""Letters as commands of LaTeX, in the order of the Greek alphabet."""

_IN_PATTERNS: Final = re.compile(r"%\(\w+\)s|%s|\\(?:operatorname|mathrm|text)\{[^}]*\}|\\frac|\\(?:left|right)")
_SIGNS: Final = re.compile(r"\\[A-Za-z]+|[A-Za-z]")

_ESCAPES: Final = {
    **{c: f"\\{c}" for c in "{}$&#%_"},
    "\\": r"{\backslash}",
    "^": r"{\wedge}",
    "~": r"{\sim}",
    "'": r"{\prime}",
    # The empty group keeps a name from starting a tag where the formula is put into a page as it stands.
    "<": "<{}",
    " ": r"\ ",
    # Signs that would calculate, or that some readers of LaTeX take for a command.
    **{c: rf"\text{{{c}}}" for c in "-+*=:@"},
    "/": "{/}",
}


def escaped(text: str) -> str:
    """A text as LaTeX shows it, letter by letter. Accents that no letter takes up would be taken up by a bracket."""
    if text.isascii():
        return "".join([_ESCAPES.get(c, c) for c in clean(text)])
    import unicodedata  # Few names need it.

    composed = unicodedata.normalize("NFC", clean(text))
    return "".join("�" if unicodedata.combining(c) else _ESCAPES.get(c, c) for c in composed)


def literal(value: Any) -> Term:
    r"""A number, in as many digits as it has, six at most.

    Example:
        >>> literal(0.5).text, literal(-2).text, literal(1e-9).text, literal(-2.5e8).text, literal(float("inf")).text
        ('0.5', '-2', '10^{-9}', '-2.5 \\cdot 10^{8}', '\\infty')
    """
    x = np.asarray(value)[()]
    if isinstance(x, np.bool_ | np.complexfloating) or np.isnan(x):
        return Term(rf"\mathrm{{{escaped(number(x))}}}", ATOM, True)
    if x < 0:
        size = literal(-float(x) if x.dtype.kind == "i" else -x)
        return Term(f"-{size.text}", SUM, True, True, negated=size)
    if np.isinf(x):
        return Term(r"\infty", ATOM, True, True)
    if x == 0 or 1e-4 <= x < 1e6:
        return Term(_digits(np.format_float_positional, x), ATOM, True, True)
    mantissa, exponent = _digits(np.format_float_scientific, x).split("e")
    power = f"10^{{{int(exponent)}}}"
    if mantissa == "1":
        return Term(power, POWER, True, True)
    return Term(rf"{mantissa} \cdot {power}", PRODUCT, True, True)


def _digits(write: Callable[..., str], x: Any) -> str:
    """The shortest digits that are the number, or six of them."""
    x = float(x) if x.dtype.kind in "iu" else x
    text = write(x, trim="-")
    if sum(c.isdigit() for c in text.partition("e")[0].lstrip("0.")) <= _MOST_DIGITS:
        return text
    return write(float(f"{float(x):.{_MOST_DIGITS}g}"), trim="-")
