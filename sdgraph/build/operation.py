"""One call of an op in a graph, for those who walk it. Must not know what any op computes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sdgraph.build.neighbours import operands
from sdgraph.build.op import STREAM
from sdgraph.build.variable import SDVariable

if TYPE_CHECKING:
    from sdgraph.frames.origin import Origin


class Operation:
    """One call of an op: what it was given and what it makes.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> y = sd.sum(sd.var("x", [[1.0, 2.0]]), axis=1, name="y")
        >>> (op,) = sd.ops()
        >>> op
        <Operation sum: x -> y>
        >>> op.name, op.inputs, op.outputs == (y,), op.attrs["axis"]
        ('sum', (<SDVariable 'x': variable, float32 (1, 2)>,), True, 1)
    """

    __slots__ = ("attrs", "name", "operands", "outputs")

    def __init__(self, outputs: tuple[SDVariable, ...]) -> None:
        sd, first = outputs[0].sd, outputs[0].node
        call = sd.call_of(first)
        self.name: str = call.op.qualname
        """The op, such as ``"loss.huber_loss"``: what `SDVariable.op_name` says of its outputs."""
        self.operands: Mapping[str, SDVariable] = MappingProxyType(
            {o.name: SDVariable(sd, o.id) for o in operands(sd.nodes, first)}
        )
        """The variables it was given, by parameter; an optional one that was left out is missing."""
        self.outputs = outputs
        """The variables it makes."""
        self.attrs: Mapping[str, Any] = MappingProxyType({k: v for k, v in call.attrs.items() if k != STREAM})
        """The settings of the call, defaults among them."""

    @property
    def inputs(self) -> tuple[SDVariable, ...]:
        """The variables it was given, in the order of its parameters."""
        return tuple(self.operands.values())

    @property
    def origin(self) -> Origin | None:
        """The line of the user's code that made it."""
        return self.outputs[0].origin

    def __eq__(self, other: object) -> bool:
        """Whether both are the same call in the same graph."""
        return type(other) is Operation and other.outputs == self.outputs

    def __hash__(self) -> int:
        return hash(self.outputs)

    def __repr__(self) -> str:
        inputs, outputs = (", ".join(v.name for v in vs) for vs in (self.inputs, self.outputs))
        return f"<Operation {self.name}: {inputs or 'nothing'} -> {outputs}>"
