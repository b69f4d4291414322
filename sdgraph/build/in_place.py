"""Operators in place: what ``w -= g`` means for a variable. Must not know ops.

``h += b`` binds the name h to a new node, as Python does for every number. On a variable that holds a value nobody
means that: its value would stay what it is, and each turn of a loop would add nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sdgraph.build.kinds import VariableKind
from sdgraph.errors import ArgumentTypeError

V = TypeVar("V")


def in_place(symbol: str) -> Callable[[V, Any], V]:
    """The method for an operator in place: Python goes on to the operator itself, unless it must not."""

    def method(self: Any, other: Any) -> Any:
        if self.kind is not VariableKind.VARIABLE:
            return NotImplemented
        raise ArgumentTypeError(
            f"{self.name!r} is a variable: {symbol}= would make a node and leave its value as it is.",
            given=repr(self),
            fix=f"For another value: v.value = v.value {symbol} ..., or sd.set_values({{v: ..., w: ...}}) for several "
            f"at once. For a node: y = v {symbol} ...",
        )

    return method
