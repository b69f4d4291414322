"""Values that variables take after each step of training, such as moving means: which, and whether they fit.

Must not know gradients, updaters or steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, DTypeError, ShapeError
from sdgraph.infer.aval import compatible, shape_str

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


def set_after(sd: OpGraph, v: SDVariable, value: SDVariable | None) -> None:
    """Let a variable take a value after each step, or leave that again; see `SameDiff.update`."""
    if v.kind is not VariableKind.VARIABLE:
        raise ArgumentTypeError(
            f"Only variables take values after a step: {v.name!r} is {v.kind.in_words}.",
            given=repr(v),
            node=v.name,
            node_origin=v.origin,
        )
    if value is None:
        sd.marks.updates.pop(v.id, None)
        return
    if not compatible(value.shape, v.shape):  # type: ignore[arg-type]
        raise ShapeError(
            f"{value.name!r} does not have the shape of {v.name!r}, which is to take it.",
            given=shape_str(value.shape),
            expected=shape_str(v.shape),
            node=value.name,
            node_origin=value.origin,
        )
    if value.dtype != v.dtype and not np.can_cast(value.dtype, v.dtype, "same_kind"):
        raise DTypeError(
            f"{v.name!r} cannot hold {value.name!r}.",
            given=value.dtype.name,
            expected=v.dtype.name,
            node=value.name,
            node_origin=value.origin,
        )
    with sd.transaction():
        taken = value if value.dtype == v.dtype else sd.cast(value, v.dtype)
        sd.marks.updates[v.id] = taken.id


def values_after(sd: OpGraph) -> dict[SDVariable, SDVariable]:
    """What each variable becomes; one that was made a constant since stays as it is."""
    found = {SDVariable(sd, i): SDVariable(sd, j) for i, j in sd.marks.updates.items()}
    return {v: value for v, value in found.items() if v.kind is VariableKind.VARIABLE}
