"""An operation of a file with its operands in a graph: what makes ops of ours of it is written with this.

Must not know any operation, nor what others a file has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import REGISTRY
from sdgraph.build.variable import SDVariable
from sdgraph.files.samediff.reading.stored import Stored, Unfit
from sdgraph.samediff import SameDiff

_FOLDED: Final = frozenset(
    (
        *("cast", "concat", "expand_dims", "gather", "identity", "math.add", "math.floor_div", "math.max", "math.min"),
        *("math.mul", "math.neg", "math.sub", "prod", "reshape", "slice", "squeeze", "stack", "strided_slice", "sum"),
    )
)
"""What a setting may be computed with, if it is computed from constants."""
_MOST_FOLDED: Final = 50
_LARGEST_FOLDED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """An operation of a file with its operands in a graph."""

    sd: SameDiff
    stored: Stored
    operands: Sequence[SDVariable]
    fresh: Callable[[str], str]
    """Makes a name that neither the graph nor the file has, from one that says what it is for."""
    own: str | None = None
    """The name of its only output, if that is one that can be given."""
    named_literals: bool = False
    """Whether numbers need names of their own, because the file has those that a graph would give them."""

    def apply(self, op: str, *operands: Any, name: str | None = None, **attrs: Any) -> Any:
        """Append one op of ours, under a name that the file does not have."""
        found = REGISTRY[op]
        group = getattr(self.sd, found.namespace) if found.namespace else self.sd
        base = self.stored.outputs[0] if self.stored.outputs else found.name
        return getattr(group, found.name)(*operands, name=name or self.fresh(f"{base}/{found.name}"), **attrs)

    def literal(self, value: Any, like: SDVariable | None = None) -> Any:
        """A number as an operand, of the dtype of a variable if there is one."""
        array = np.asarray(value, None if like is None else like.dtype)
        return self.sd.constant(self.fresh("constant"), array) if self.named_literals else array

    def known(self, k: int, what: str) -> np.ndarray[Any, Any]:
        """The value of an operand that does not change.

        Raises:
            Unfit: If it is computed when the graph runs, from what is fed or trained.
        """
        return known(self.operands[k], what)


def known(v: SDVariable, what: str) -> np.ndarray[Any, Any]:
    """The value of a variable that does not change; ``what`` says what it is for.

    Raises:
        Unfit: If it is computed when the graph runs, from what is fed or trained.
    """
    seen, waiting = {v.id}, [v]
    while waiting:
        one = waiting.pop()
        kind, size = one.kind, one.node.aval.size if one.kind is VariableKind.ARRAY else 0
        fixed = kind is VariableKind.CONSTANT or (kind is VariableKind.VARIABLE and one.dtype.kind in "iu")
        if fixed:
            continue
        if one.op_name not in _FOLDED or size is None or size > _LARGEST_FOLDED or len(seen) > _MOST_FOLDED:
            raise Unfit(f"its {what} is computed when the graph runs")
        new = [x for x in one.inputs if x.id not in seen]
        seen.update(x.id for x in new)
        waiting.extend(new)
    return v.eval() if v.kind is VariableKind.ARRAY else v.sd.get_value(v)
