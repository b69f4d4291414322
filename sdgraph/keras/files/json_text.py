"""JSON as a file of Keras has it: bounded in size, depth and number of parts, and every key once.

Must not know what it describes.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from sdgraph.errors import FormatError, shown

LONGEST: Final = 64 << 20
"""Bytes of a text: a network of a thousand layers takes one or two millions."""

DEEPEST: Final = 100
"""Brackets inside each other; each step into a nested model takes some five."""

_MOST_PARTS: Final = 4_000_000
"""Members of all lists and objects together, each of which takes memory of its own."""

_STEP: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def parsed(text: str | bytes, where: str) -> Any:
    """What a JSON text says.

    Args:
        text: The text.
        where: Its place in the file, for errors.

    Raises:
        FormatError: If it is no JSON, too large, too deep, or has a key twice.

    Example:
        >>> parsed('{"units": 4}', "config.json")
        {'units': 4}
    """
    if len(text) > LONGEST:
        raise FormatError(f"{where} is too long for a configuration.", given=f"{len(text):,} bytes")
    try:
        plain = text if isinstance(text, str) else text.decode("utf-8")
        _look_at_size(plain, where)
        return json.loads(plain, object_pairs_hook=lambda pairs: _once(pairs, where))
    except (ValueError, RecursionError) as e:
        raise FormatError(f"{where} is no JSON.", given=f"{str(e)[:200]}") from e


def _look_at_size(text: str, where: str) -> None:
    if sum(map(text.count, ",[{")) > _MOST_PARTS:
        raise FormatError(f"{where} has more parts than any model.")
    depth = 0
    for match in _STEP.finditer(text):
        step = match[0]
        if step[0] == '"':
            continue
        depth += 1 if step in "[{" else -1
        if depth > DEEPEST:
            raise FormatError(f"{where} is nested too deeply.", expected=f"at most {DEEPEST} levels")


def _once(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise FormatError(f"{where} has a key twice in one object.", given=shown(twice))
    return found
