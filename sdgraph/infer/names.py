"""What a text must be to name anything: a variable, a scope, a size, a picture. Must not know what is named."""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 1000
"""Characters of a name. Longer ones are no use to a reader, and programs that draw or list names have limits."""

_HALF: Final = re.compile("[\ud800-\udfff]")

EXPECTED: Final = f"at most {MOST:,} characters that can be written to a file: no half of a surrogate pair"


def is_short(text: str) -> bool:
    """Whether a text is short enough for a name."""
    return len(text) <= MOST


def is_writable(text: str) -> bool:
    """Whether a text can be encoded: half a surrogate pair cannot, so no file could hold it and nobody print it."""
    return _HALF.search(text) is None
