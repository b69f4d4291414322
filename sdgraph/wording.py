"""Short texts: numbers, sizes, names, counts, hints, tables, and what must be escaped.

Must not know graphs or pictures.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import numpy as np

MAX_NAME: Final = 24
_MAX_TEXT: Final = 500
"""Characters of any text in a picture's source: Graphviz refuses the whole source for one of more than 16,384."""

_LONGEST_NAME: Final = 200
_SHORTEST_BEGINNING: Final = 3
_AS_LIKELY: Final = 0.12
"""How much less like a name another one may be than the first, to be named beside it."""


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


def first_where(bad: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> str:
    """The first of the values that a mask picks, and its position.

    Example:
        >>> first_where(np.array([False, True]), np.array([3, 7])), first_where(np.array(True), np.array(0.5))
        ('7 at position 1', '0.5')
    """
    at: tuple[int, ...] = tuple(np.argwhere(bad)[0].tolist())
    return f"{values[at]}" + (f" at position {at[0] if len(at) == 1 else at}" if at else "")


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
    import html  # Only pictures escape, and not every program draws.

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


def counted(n: int, word: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "card"), counted(1200, "card")
        ('1 card', '1,200 cards')
    """
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def byte_size(n: int) -> str:
    """A number of bytes in three digits, in powers of ten: 1 kB are 1000 B.

    Example:
        >>> byte_size(24), byte_size(4100), byte_size(999_600), byte_size(3_500_000_000)
        ('24 B', '4.1 kB', '1 MB', '3.5 GB')
    """
    size = float(n)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        text = f"{size:.3g}"
        if float(text) < 1000:
            return f"{text} {unit}"
        size /= 1000
    return f"{size:.3g} EB"


def binary_size(n: int) -> str:
    """A number of bytes as Keras tells it, in powers of 1024.

    Example:
        >>> binary_size(0), binary_size(60), binary_size(139_304)
        ('0.00 B', '60.00 B', '136.04 KB')
    """
    size, units = float(n), ["B", "KB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.2f} {units[0]}"


def duration(seconds: float) -> str:
    """A time in three digits.

    Example:
        >>> duration(2.66e-6), duration(0.0123), duration(75.0), duration(3e-10)
        ('2.66 µs', '12.3 ms', '75 s', '0.3 ns')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if float(f"{seconds / size:.3g}") >= 1:
            return f"{seconds / size:.4g} {unit}" if seconds >= 1000 else f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def with_article(noun: str) -> str:
    """A noun or the name of a type as it reads in a sentence.

    Example:
        >>> with_article("graph"), with_article("int")
        ('a graph', 'an int')
    """
    return f"{'an' if noun[:1].lower() in set('aeiou') else 'a'} {noun}"


def listed(names: Iterable[object], last: str = "or") -> str:
    """Names in quotes, as a sentence lists them.

    Example:
        >>> listed(["TB", "LR", "BT"]), listed(["a"])
        ("'TB', 'LR' or 'BT'", "'a'")
    """
    *others, final = [repr(name) if isinstance(name, str) else str(name) for name in names] or ["nothing"]
    return f"{', '.join(others)} {last} {final}" if others else final


def did_you_mean(name: object, known: Iterable[object]) -> str | None:
    """A hint with the names most like ``name``, or None.

    Example:
        >>> did_you_mean("hubber", ["huber", "hinge"])
        "Did you mean 'huber'?"
    """
    near = nearest(name, known)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else None


def nearest(name: object, known: Iterable[object], most: int = 3) -> list[str]:
    """The names most like ``name``, best first.

    Case, underscores and the like do not count; then spelling does, then what a name begins with.

    Example:
        >>> nearest("X", ["x", "y"]), nearest("truncatedNormal", ["normal", "truncated_normal"])
        (['x'], ['truncated_normal'])
        >>> nearest("rellu", ["relu", "relu6", "elu"]), nearest("acc", ["accuracy", "loss"])
        (['relu', 'relu6'], ['accuracy'])
    """
    import difflib  # Only what goes wrong asks for it.

    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return []
    wanted = folded(name)
    by_spelling: dict[str, list[str]] = {}
    for k in map(str, known):
        by_spelling.setdefault(folded(k), []).append(k)
    if wanted in by_spelling:
        return by_spelling[wanted][:most]
    close = difflib.get_close_matches(wanted, by_spelling, n=most, cutoff=0.6)
    likeness = [difflib.SequenceMatcher(None, k, wanted).ratio() for k in close]
    close = [k for k, ratio in zip(close, likeness, strict=True) if ratio > likeness[0] - _AS_LIKELY]
    begins = [k for k in by_spelling if len(wanted) >= _SHORTEST_BEGINNING and k.startswith(wanted) and k not in close]
    return [k for spelling in [*close, *begins] for k in by_spelling[spelling]][:most]


def folded(name: str) -> str:
    """A name without what spellings differ in: case, underscores, hyphens and blanks."""
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


# ---------------------------------------------------------------------- tables


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> list[str]:
    """The lines of a table in columns: the headings, a rule, and one line per row.

    Args:
        headings: The heading of each column.
        rows: The cells of each row.
        right: The columns that stand at the right, by their headings.

    Example:
        >>> for line in text_table(["part", "time"], [["a", "10 s"], ["long", "1 s"]], right={"time"}):
        ...     print(line)
        part  time
        ----  ----
        a     10 s
        long   1 s
    """
    widths = [max(map(columns, column)) for column in zip(headings, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        parts = []
        for heading, cell, width in zip(headings, cells, widths, strict=True):
            blank = " " * (width - columns(cell))
            parts.append(blank + cell if heading in right else cell + blank)
        return "  ".join(parts).rstrip()

    return [line(headings), line(["-" * width for width in widths]), *map(line, rows)]


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def html_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[str] = (),
    below: Sequence[str] = (),
    left_out: int = 0,
) -> str:
    """A table in HTML, without styles that need trust; its first column names the rows.

    Args:
        headings: The heading of each column.
        rows: The cells of each row.
        right: The columns that stand at the right, by their headings.
        below: Lines under the table.
        left_out: How many more rows there are; a last row says so.
    """
    import html  # Only notebooks show it.

    sides = ["right" if heading in right else "left" for heading in headings]
    head = "".join(f"<th style='text-align:{side}'>{h}</th>" for h, side in zip(headings, sides, strict=True))
    body = []
    for row in rows:
        cells = [html.escape(clean(cell)) for cell in row]
        cells[0] = f"<b>{cells[0]}</b>"
        parts = [f"<td style='text-align:{side}'>{cell}</td>" for side, cell in zip(sides, cells, strict=True)]
        body.append(f"<tr>{''.join(parts)}</tr>")
    if left_out:
        body.append(f"<tr><td colspan='{len(headings)}'>… {left_out:,} more rows</td></tr>")
    foot = "<br>".join(html.escape(clean(text)) for text in below)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table><p>{foot}</p>"
