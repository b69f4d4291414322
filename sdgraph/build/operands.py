"""What is known of a call's operands, as tracing its body asks for it. Must not know graphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol


class _Known(Protocol):
    aval: Any


def operand_avals(nodes: Sequence[_Known], inputs: Iterable[int]) -> tuple[Any, ...]:
    """Shape and dtype of each operand, None for one that is left out.

    Args:
        nodes: A graph's nodes, or those that they are lowered to.
        inputs: The operands by their places among them.
    """
    return tuple([nodes[j].aval if j >= 0 else None for j in inputs])
