r"""A variable as formulas: one equation per named variable it is computed from, in an ``align*``.

Which equations there are is up to `writer`; this lays them out, from the variable down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sdgraph.checks import whole
from sdgraph.show.formulas.arrays import USUAL
from sdgraph.show.formulas.opening import opened
from sdgraph.show.formulas.writer import Equation, Writer
from sdgraph.show.visible import visible

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable


class Latex(str):
    r"""LaTeX source, which a notebook shows as formulas.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> print(sd.placeholder("x").mul(2, name="y").to_latex())
        \begin{align*}
        y &= 2\, x
        \end{align*}
    """

    __slots__ = ()

    def _repr_latex_(self) -> str:
        return str(self)


def to_latex(
    v: SDVariable, depth: int | None = None, *, expand: Any = False, values: bool | int = False, max_length: int = 2000
) -> Latex:
    """The formulas of a variable; see `SDVariable.to_latex`."""
    if depth is not None:
        whole("depth", depth, least=1, message="depth must be 1 or more, or None.")
    whole("max_length", max_length, message="max_length is a number of characters.")
    if not isinstance(values, bool):
        whole("values", values, message="values is True, False, or a number of rows and columns.")
    graph, top = opened(v, expand)
    writer = Writer(visible(graph), top, most=USUAL if values is True else int(values))
    equations = _counted_from_one(writer.equations(), top, writer.letters.used)
    order = _from_the_top(equations, top, depth)
    if not order:
        return Latex(_aligned([writer.terms[top].text]))
    return Latex(_aligned(_as_many_as_fit([equations[i] for i in order], max_length)))


def _counted_from_one(equations: Mapping[int, Equation], top: int, letters: Iterable[str]) -> dict[int, Equation]:
    """The equations, in which no number of a letter is left out: some were given to what need not be written."""
    found = {i: equations[i] for i in _from_the_top(equations, top, None)}
    for letter in letters:
        numbered = re.compile(rf"(?<![A-Za-z\\]){re.escape(letter)}_\{{(\d+)\}}")
        seen = {int(n) for e in found.values() for n in numbered.findall(f"{e.left} {e.right}")}
        new = {str(n): f"{letter}_{{{k}}}" for k, n in enumerate(sorted(seen), 1)}
        for i, e in found.items():
            found[i] = Equation(_renamed(numbered, new, e.left), _renamed(numbered, new, e.right), e.uses)
    return found


def _renamed(numbered: re.Pattern[str], new: Mapping[str, str], text: str) -> str:
    return numbered.sub(lambda found: new[found[1]], text)


def _as_many_as_fit(equations: list[Equation], max_length: int) -> list[str]:
    """The lines, and one that says how many there is no room for."""
    lines: list[str] = []
    length = len(_aligned([])) + 60
    for k, equation in enumerate(equations):
        line = f"{equation.left} &= {equation.right}"
        if length + len(line) > max_length:
            if not k:
                lines.append(rf"{equation.left} &= \dots")
                continue
            rest = len(equations) - k
            lines.append(rf"& \text{{{rest} more equation{'s' * (rest != 1)} left out}}")
            break
        lines.append(line)
        length += len(line) + 4
    return lines


def _aligned(lines: Iterable[str]) -> str:
    inside = " \\\\\n".join(lines)
    return f"\\begin{{align*}}\n{inside}\n\\end{{align*}}"


def _from_the_top(equations: Mapping[int, Equation], top: int, depth: int | None) -> list[int]:
    """The equations that ``top`` needs, itself first, down to ``depth`` levels."""
    level = {top: 1} if top in equations else {}
    for i in sorted(equations, reverse=True):
        if i in level:
            for j in equations[i].uses:
                if j in equations:
                    level[j] = min(level.get(j, level[i] + 1), level[i] + 1)
    return sorted((i for i, n in level.items() if depth is None or n <= depth), reverse=True)
