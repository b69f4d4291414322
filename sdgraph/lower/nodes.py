"""What a graph is lowered to, and what a rewrite may call while it is. Must not know any rewrite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sdgraph.build.graph import Node
from sdgraph.build.op import Op


class LoweredNode:
    """A primitive with concrete avals. ``source`` is the user's node it comes from; a constant has a ``value``.

    A loop or a choice of branches has its lowered ``bodies``, until it is settled which of its outputs are made.
    """

    __slots__ = ("attrs", "aval", "bodies", "inputs", "op", "source", "source_id", "value")

    def __init__(
        self,
        op: Op,
        inputs: tuple[int, ...],
        attrs: Mapping[str, Any],
        aval: Any,
        source: Node | None,
        source_id: int,
        value: Any = None,
        bodies: tuple[Any, ...] = (),
    ) -> None:
        self.bodies = bodies
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.aval = aval
        self.source = source
        self.source_id = source_id
        self.value = value


class Emitter(Protocol):
    """A list of primitives that grows."""

    nodes: list[LoweredNode]

    def emit(self, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int:
        """Append one primitive, or return an existing node that has its value."""
        ...

    def constant(self, value: Any) -> int:
        """A lowered constant; equal small ones are one."""
        ...
