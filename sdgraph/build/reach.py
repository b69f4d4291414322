"""What depends on what in a list of nodes. Must not know what nodes are, beyond where their operands stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class HasInputs(Protocol):
    """Anything that says where its operands stand, a negative place for one that is absent."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """The places of the operands."""
        ...


def reachable(nodes: Sequence[HasInputs], outs: Sequence[int]) -> bytearray:
    """A flag per node up to the last of ``outs``: whether one of ``outs`` needs it."""
    need = bytearray(max(outs, default=-1) + 1)
    for o in outs:
        need[o] = 1
    for i in range(len(need) - 1, -1, -1):
        if need[i]:
            for j in nodes[i].inputs:
                if j >= 0:
                    need[j] = 1
    return need
