"""Python's collector, which would go through all nodes again and again while they are made, in vain."""

from __future__ import annotations

import gc
from typing import Final

_MANY: Final = 1000


class Resting:
    """A block in which the collector rests, but for what was made since it last looked."""

    def __init__(self) -> None:
        self._enabled = False
        self._waste = 0

    def __enter__(self) -> Resting:
        self._enabled = gc.isenabled()
        gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        if self._enabled:
            gc.enable()

    def waste(self) -> None:
        """Say that something was made that is in no use any more, and may be in a circle."""
        self._waste += 1
        if self._waste % _MANY == 0 and self._enabled:
            gc.collect(0)
