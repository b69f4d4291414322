"""How large the caches of this computer are, as the system tells. Must not know what lies in them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

_TOLD = Path("/sys/devices/system/cpu/cpu0/cache")
"""Where Linux tells: a folder for each cache of the first core."""


class Caches(NamedTuple):
    """Bytes of each cache that holds data; what the system does not tell is as on a common computer of today."""

    first: int = 32 << 10
    """Of each core."""
    second: int = 1 << 20
    """Of each core."""
    last: int = 32 << 20
    """Of several cores together, or the second where there is no third."""

    @property
    def to_count_on(self) -> int:
        """Bytes of the last cache that one may count on: others share it, and it gives up some lines before others."""
        return max(self.last * 5 // 8, self.second)


@functools.cache
def caches(told: Path = _TOLD) -> Caches:
    """The caches of this computer."""
    found: dict[int, int] = {}
    for folder in sorted(told.glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
            if kind != "Instruction":
                found[int(level)] = _bytes(size)
        except (OSError, ValueError):
            continue
    usual = Caches()
    first, second = found.get(1, usual.first), found.get(2, usual.second)
    return Caches(first, second, max(found.get(3, second if found else usual.last), second))


def _bytes(size: str) -> int:
    """A size as Linux writes it: ``32K``."""
    return int(size.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(size[-1:], 0)
