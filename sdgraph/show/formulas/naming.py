r"""What each variable of a formula is called, so that no two look alike and none looks like an operation.

Names that somebody chose are kept, with as many of their scopes as it takes to tell them apart. What has only the name
of its op gets a letter with a number: ``h_{1}`` for an intermediate result, ``L`` for a loss, ``c_{1}`` for an array.
Must not know how ops are written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sdgraph.build.reading import ATOM, POWER, PRODUCT, SUM, Term
from sdgraph.show.formulas import notation
from sdgraph.show.formulas.notation import Label
from sdgraph.show.visible import Item

_SIGN: Final = re.compile(r"\\[A-Za-z]+|[A-Za-z]")
_NUMBERED: Final = re.compile(r"(.*?[^\W\d])[_ -]?(\d+)")

_RESULTS: Final = (*"hzauvsrqptmk", r"\eta")
_LOSSES: Final = ("L", r"\mathcal{L}", "J", "E", "C")
_ARRAYS: Final = (*"ckCKA", r"\kappa")
_MOST_TERMS: Final = 3
"""Of a sum that is differentiated."""
_GRADIENTS: Final = (*"gdGD", r"\delta")


# ---------------------------------------------------------------------- names that somebody chose


def chosen_names(items: Sequence[Item]) -> dict[int, Term]:
    """The name of each of some variables, no two alike."""
    shown = _scopes_that_tell(items)
    above = _numbers(shown)
    found: dict[int, Term] = {}
    for item in items:
        label = notation.label(item.short_name)
        scopes = [p for p in _prefixes(item.scope) if p in shown]
        below = tuple(notation.word(p[-1]) for p in scopes if p not in above)
        found[item.id] = Label(label.base, label.below + below, tuple(above[p] for p in scopes if p in above)).term
    return _told_apart(items, found)


def _scopes_that_tell(items: Sequence[Item]) -> set[tuple[str, ...]]:
    """The scopes in which variables of one name differ. Whatever else is in such a scope shows it, too."""
    alike: dict[str, list[Item]] = {}
    for item in items:
        alike.setdefault(notation.name(item.short_name), []).append(item)
    shown: set[tuple[str, ...]] = set()
    for group in alike.values():
        paths = [item.scope for item in group]
        if len(set(paths)) < 2:
            continue
        for k in range(max(map(len, paths))):
            if len({path[: k + 1][k:] for path in paths}) > 1:
                shown |= {path[: k + 1] for path in paths if len(path) > k}
    return shown


def _numbers(shown: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The numbers of scopes that are counted, such as ``layer1`` and ``layer2``: a parent has only one such stem."""
    siblings: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path in shown:
        siblings.setdefault(path[:-1], []).append(path)
    found: dict[tuple[str, ...], str] = {}
    for paths in siblings.values():
        counted = [(path, part) for path in paths if (part := _NUMBERED.fullmatch(path[-1]))]
        numbers = {path: str(int(part[2])) for path, part in counted}
        if len({part[1] for _, part in counted}) == 1 and len(set(numbers.values())) == len(counted) > 1:
            found |= numbers
    return found


def _prefixes(scope: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [scope[: k + 1] for k in range(len(scope))]


def _told_apart(items: Sequence[Item], names: Mapping[int, Term]) -> dict[int, Term]:
    """Names that still are alike are written in full, and numbered where that is too long to show the difference."""
    times = Counter(term.text for term in names.values())
    found = dict(names)
    taken = {text for text, n in times.items() if n == 1}
    for item in items:
        if times[names[item.id].text] == 1:
            continue
        text = full = notation.word(item.name)
        k = 1
        while text in taken:
            k += 1
            text = f"{full}_{{({k})}}"
        taken.add(text)
        found[item.id] = Term(text)
    return found


def signs_of(names: Iterable[Term]) -> frozenset[str]:
    """The letters that names begin with."""
    found = {m[0] for term in names if (m := _SIGN.match(term.text))}
    return frozenset(sign for sign in found if sign not in (r"\mathrm", r"\mathit", r"\frac"))


# ---------------------------------------------------------------------- names of what has none


class Letters:
    """Letters with numbers, none of which is a variable's."""

    def __init__(self, taken: frozenset[str], n_losses: int) -> None:
        self._counts: Counter[str] = Counter()
        self._one_loss = n_losses == 1
        self._result, self._loss, self._array, self._gradient = (
            next((letter for letter in letters if letter not in taken), rf"\hat{{{letters[0]}}}")
            for letters in (_RESULTS, _LOSSES, _ARRAYS, _GRADIENTS)
        )

    @property
    def used(self) -> list[str]:
        """The letters that were given numbers."""
        return list(self._counts)

    def result(self) -> Term:
        """For an intermediate result."""
        return self._numbered(self._result)

    def array(self) -> Term:
        """For a constant array."""
        return self._numbered(self._array)

    def gradient(self) -> Term:
        """For what is a gradient of nothing that has a name."""
        return self._numbered(self._gradient)

    def loss(self) -> Term:
        """For a loss."""
        return Term(self._loss) if self._one_loss else self._numbered(self._loss)

    def _numbered(self, letter: str) -> Term:
        self._counts[letter] += 1
        return Term(f"{letter}_{{{self._counts[letter]}}}", ATOM)


# ---------------------------------------------------------------------- derivatives


def derivative(above: Term, below: Sequence[Term], *, named: bool = True) -> Term:
    r"""The derivative of something by some variables, the last of them first; an operator before what has no name.

    Example:
        >>> derivative(Term("u"), [Term("x")]).text, derivative(Term("u"), [Term("x"), Term("x")]).text
        ('\\frac{\\partial u}{\\partial x}', '\\frac{\\partial^{2} u}{\\partial x^{2}}')
        >>> derivative(Term("u"), [Term("t"), Term("x")]).text
        '\\frac{\\partial^{2} u}{\\partial t\\, \\partial x}'
        >>> derivative(Term(r"\sum u", PRODUCT, is_open=True), [Term("x")], named=False).text
        '\\frac{\\partial}{\\partial x} \\sum u'
    """
    runs: list[tuple[Term, int]] = []
    for term in below:
        if runs and runs[-1][0].text == term.text:
            runs[-1] = (term, runs[-1][1] + 1)
        else:
            runs.append((term, 1))
    by = r"\, ".join(rf"\partial {t.text}" if n == 1 else rf"\partial {t.at(ATOM)}^{{{n}}}" for t, n in runs)
    order = f"^{{{len(below)}}}" if len(below) > 1 else ""
    if named:
        return Term(rf"\frac{{\partial{order} {above.at(ATOM)}}}{{{by}}}", POWER)
    return Term(rf"\frac{{\partial{order}}}{{{by}}} {above.at(PRODUCT)}", PRODUCT, is_open=True)


def several(terms: Sequence[Term]) -> Term:
    """A sum of a few names."""
    more = [r"\dots"] * (len(terms) > _MOST_TERMS)
    return Term(" + ".join([*(t.text for t in terms[:_MOST_TERMS]), *more]), SUM if len(terms) > 1 else terms[0].binds)
