"""Who computes a loss of arrays: that takes a graph that runs, and such graphs are made further up.

`sdgraph.keras.losses` says at its import who does it; nobody meets a loss of arrays before that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sdgraph.build.op import Op
    from sdgraph.build.variable import SDVariable


class OnArrays(Protocol):
    """Calls of ops and of losses on arrays."""

    def as_operands(self, operands: Sequence[Any]) -> list[Any]:
        """Operands of one call as variables, arrays, Python numbers and None."""
        ...

    def graph_of(self, operands: Sequence[Any]) -> Any:
        """The graph of the variables among the operands; None if all are arrays."""
        ...

    def call(self, op: Op, operands: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        """What an op makes of arrays."""
        ...

    def evaluate(self, build: Callable[..., SDVariable], operands: Mapping[str, Any]) -> Any:
        """The value of what ``build(sd, **operands)`` makes of arrays."""
        ...


_chosen: list[OnArrays] = []


def compute_arrays_with(arrays: OnArrays) -> None:
    """Say who computes losses of arrays."""
    _chosen[:] = [arrays]


def on_arrays() -> OnArrays:
    """Who computes losses of arrays."""
    return _chosen[0]


__all__ = ["OnArrays", "compute_arrays_with", "on_arrays"]
