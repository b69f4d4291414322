"""Names that users of other libraries know, and what to write here: the tables beside this file, read when asked for.

Only names that no operation has, and whose spelling leads nowhere. Must not know what a message looks like.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path


@functools.cache
def methods(receiver: str) -> Mapping[str, str]:
    """What to write for methods of SameDiff's graphs, ``"sd"``, or of its variables, ``"x"``; nothing if not there yet.

    Example:
        >>> methods("x")["getArr"], methods("sd")["asFlatGraph"]
        ('`w.value`, or `x.eval(feeds)` for what an operation computes', '')
    """
    return {name: text for kind, name, text in _rows("samediff_methods.tsv", 3) if kind == receiver}


@functools.cache
def other_libraries() -> Mapping[str, str]:
    """What to write for names of numpy, torch, Keras, TensorFlow and JAX; nothing for what is not there yet.

    Example:
        >>> other_libraries()["concatenate"]
        '`sd.concat(x, y, axis=0)`'
    """
    return {row[0]: row[1] for row in _rows("other_libraries.tsv", 2)}


def _rows(file: str, columns: int) -> list[list[str]]:
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return [line + [""] * (columns - len(line)) for line in lines]
