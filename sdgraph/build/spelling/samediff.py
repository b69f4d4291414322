"""SameDiff's operations and what stands for each of them here: the table beside this file, read when it is asked for.

The one place for both the porting page and messages. Must not know what a message looks like.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One operation of Java. ``op`` names ours in the registry; ``instead`` is what to write where there is none."""

    namespace: str
    name: str
    parameters: str
    op: str = ""
    instead: str = ""

    @property
    def java(self) -> str:
        """The call in Java."""
        return f"{self.name}({self.parameters})"


@functools.cache
def operations() -> tuple[Row, ...]:
    """Every operation of SameDiff's namespaces, in the order of the table.

    Example:
        >>> [row.op for row in operations() if row.name == "huberLoss"]
        ['loss.huber_loss']
    """
    text = Path(__file__).with_name("samediff_operations.tsv").read_text(encoding="utf-8")
    return tuple(Row(*line.split("\t")) for line in text.splitlines() if not line.startswith("#"))
