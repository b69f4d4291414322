"""Small arrays in formulas, as rows and columns of numbers. Must not know graphs."""

from __future__ import annotations

from typing import Any, Final

from sdgraph.build.reading import Term, literal

USUAL: Final = 6
"""Most rows and columns of an array that is written out when nobody says how many."""


def matrix(array: Any, most: int) -> Term | None:
    r"""An array of one or two axes in brackets; None if it has more, or more rows or columns than ``most``.

    Example:
        >>> import numpy as np
        >>> matrix(np.array([[1.0, -0.5], [0.0, 1e-9]]), 6).text
        '\\begin{pmatrix} 1 & -0.5 \\\\ 0 & 10^{-9} \\end{pmatrix}'
        >>> matrix(np.zeros(7), 6) is None
        True
    """
    if array.ndim not in (1, 2) or not array.size or max(array.shape) > most:
        return None
    rows = array if array.ndim == 2 else array[None]
    inside = r" \\ ".join(" & ".join(_entry(x) for x in row) for row in rows)
    return Term(rf"\begin{{pmatrix}} {inside} \end{{pmatrix}}")


def _entry(x: Any) -> str:
    """A number in four digits at most."""
    return literal(float(f"{float(x):.4g}") if x.dtype.kind == "f" else x).text
