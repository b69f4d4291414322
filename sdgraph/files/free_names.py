"""Names that are all different, where a file is written or read, numbered as a graph numbers its own."""

from __future__ import annotations

from collections.abc import Iterable

from sdgraph.build.names import Names


class FreeNames:
    """Gives names that nothing else has.

    Args:
        taken: Names that are in use already.

    Example:
        >>> names = FreeNames(["add"])
        >>> names.take("add"), names.take("add"), names.take("loss")
        ('add_1', 'add_2', 'loss')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._names = Names([])
        self.reserve(taken)

    def reserve(self, names: Iterable[str]) -> None:
        """Let nobody have these names from now on."""
        self._names.ids.update(dict.fromkeys(names, -1))

    def take(self, base: str) -> str:
        """The first free name of ``base``, ``base_1``, ``base_2`` ..., which is free no longer."""
        name = self._names.free(base)
        self.reserve([name])
        return name
