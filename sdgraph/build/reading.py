r"""How an op is written in formulas and on pictures: what its decorator says about that. Must not know ops.

Patterns have ``%s`` for the operands in order, or names: ``%(x)s`` and ``%(y)s`` for the first and second operand,
``%(x_atom)s`` and ``%(y_atom)s`` for them in brackets if they need some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from sdgraph.wording import clean, number

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
            shown = tuple(t.at(n) for t, n in zip(operands[: self.places], self.needs, strict=False))
            return Term(self.pattern % shown, self.binds)
        return Term(self.pattern % _named([t.text for t in operands], [t.at(ATOM) for t in operands]), self.binds)


Writer: TypeAlias = Callable[[Sequence[Term], Mapping[str, Any]], Term]
"""What writes an op for which a pattern is not enough: from its operands and attributes to LaTeX."""


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

    latex: Form | Writer | None = None
    """In formulas."""
    text: str | Callable[[Sequence[str]], str] | None = None
    """In a few characters, on the arrows of a picture: a pattern or a function of the operands."""
    factor: str | tuple[str | None, ...] | None = None
    """What the op multiplies a gradient by that is its operand: one word, or one for each operand that this may be.

    In the pattern, ``x`` is the other operand. None where no word says it.
    """
    derivative: Callable[[Derived], str | None] | None = None
    """What a composite's gradient multiplies by, where it has a short name; None where it has none after all."""
    by_name: bool = False
    """Whether a formula says the name of an op that passes an operand on, and is not silent about it: because what
    follows counts other axes, or has no gradient."""


BY_NAME: Final = Reading(by_name=True)


def form(pattern: str, binds: int = ATOM, needs: tuple[int, ...] = (RELATION,) * 4, text: str | None = None) -> Reading:
    """An op that is written by a pattern."""
    return Reading(Form(pattern, binds, needs), text)


def call(name: str) -> Reading:
    """An op of one operand that has a name in LaTeX."""
    return form(rf"{name}\left(%s\right)")


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


def escaped(text: str) -> str:
    """A text as LaTeX shows it, letter by letter."""
    return "".join(_ESCAPES.get(c, c) for c in clean(text))


def literal(value: Any) -> Term:
    r"""A number.

    Example:
        >>> literal(0.5).text, literal(-2).text, literal(1e-9).text, literal(float("inf")).text
        ('0.5', '-2', '1 \\cdot 10^{-9}', '\\infty')
    """
    text = number(value).replace("−", "-")
    if "j" in text or text[-1:].isalpha():
        return Term(rf"\mathrm{{{escaped(text)}}}", ATOM, True)
    text = text.replace("∞", r"\infty")
    mantissa, e, exponent = text.partition("e")
    binds = SUM if text.startswith("-") else PRODUCT if e else ATOM
    return Term(rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else text, binds, True)
