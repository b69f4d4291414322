"""Short texts on cards: numbers, names, counts, and what must be escaped. Must not know graphs or pictures."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sdgraph.infer.aval import Aval, Dim, shape_str

MAX_NAME: Final = 24
_MAX_TEXT: Final = 500
"""Characters of any text in a picture's source: Graphviz refuses the whole source for one of more than 16,384."""


def number(value: Any) -> str:
    """A scalar in at most about eight characters.

    Example:
        >>> number(0.86234), number(3.0), number(1.5e-9), number(True), number(float("nan"))
        ('0.8623', '3', '1.5e-09', 'true', 'NaN')
    """
    x = np.asarray(value)[()]
    if isinstance(x, np.bool_):
        return "true" if x else "false"
    if isinstance(x, np.complexfloating):
        return f"{complex(x):.3g}"
    if isinstance(x, np.integer):
        return str(int(x)) if abs(int(x)) < 10**9 else f"{float(x):.4g}"
    x = float(x)
    if np.isnan(x):
        return "NaN"
    if np.isinf(x):
        return "∞" if x > 0 else "−∞"
    return f"{x:.4g}" if x else "0"


def clean(text: str) -> str:
    """The text with what cannot be printed replaced."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def escaped(text: str) -> str:
    r"""The text made safe inside HTML-like labels and quoted attributes alike.

    A very long text is cut. A backslash would start an escape sequence in either, so it becomes a character reference.

    Example:
        >>> escaped('a<b> "c" & \\N')
        'a&lt;b&gt; &quot;c&quot; &amp; &#92;N'
    """
    return html.escape(shortened(text, _MAX_TEXT)).replace("\\", "&#92;")


def shortened(text: str, width: int = MAX_NAME) -> str:
    """The text, cut in the middle if it is longer than ``width``.

    Example:
        >>> shortened("a_very_long_name_for_one_variable")
        'a_very_long…one_variable'
    """
    text = clean(text)
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return text[:head] + "…" + text[len(text) - (width - 1 - head) :]


def sizes(shape: Sequence[Dim]) -> str:
    """A shape, the names of sizes shortened.

    Example:
        >>> sizes((None, "the_length_of_the_longest_sentence", 3))
        '(?, the_length_…est_sentence, 3)'
    """
    return shape_str([shortened(d) if isinstance(d, str) else d for d in shape])


def typed(aval: Aval) -> str:
    """A dtype and a shape.

    Example:
        >>> typed(Aval(("batch", 3), np.dtype("float32")))
        'float32 (batch, 3)'
    """
    return f"{aval.dtype.name} {sizes(aval.shape)}"


def counted(n: int, word: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "card"), counted(1200, "card")
        ('1 card', '1,200 cards')
    """
    return f"{n:,} {word}{'' if n == 1 else 's'}"
