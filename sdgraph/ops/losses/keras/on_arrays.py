"""Who computes a loss of arrays: that takes a graph that runs, and such graphs are made further up.

The package itself says who, before any of its modules can be used: a loss may come out of a pickle in a process that
has imported nothing else.
"""

from __future__ import annotations

import functools
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


_chosen: list[Callable[[], OnArrays]] = []


def compute_arrays_with(load: Callable[[], OnArrays]) -> None:
    """Say who computes losses of arrays, by a function that is called when there is one."""
    _chosen[:] = [load]


@functools.cache
def on_arrays() -> OnArrays:
    """Who computes losses of arrays."""
    return _chosen[0]()


__all__ = ["OnArrays", "compute_arrays_with", "on_arrays"]
