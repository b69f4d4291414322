"""What recurrent operations have in common before and after their formulas: types of numbers, shapes, zeros.

Knows no formula.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.errors import DTypeError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Dim, shape_str
from sdgraph.ops.precision import cast_to, wide

if TYPE_CHECKING:
    from sdgraph.build.namespace import GraphLike
    from sdgraph.build.variable import Operand, SDVariable


class Operands:
    """The operands of a call by name, in the one type of numbers to compute with.

    Integers become float64. Halves are computed with in single precision, over all steps, and results rounded once.

    Raises:
        DTypeError: If an operand is complex.
    """

    def __init__(self, sd: GraphLike, **given: Operand | None) -> None:
        self.sd = sd
        found = {k: sd.as_variable(x) for k, x in given.items() if x is not None}
        narrow = np.result_type(*(v.dtype for v in found.values()))
        if narrow.kind == "c":
            raise DTypeError("Recurrent layers are for real numbers.", given=narrow.name)
        self.narrow = narrow if narrow.kind == "f" else np.dtype("float64")
        self.all: dict[str, SDVariable] = {k: cast_to(v, wide(self.narrow)) for k, v in found.items()}

    def __getitem__(self, name: str) -> SDVariable:
        return self.all[name]

    def get(self, name: str) -> Any:
        """The operand, or None."""
        return self.all.get(name)

    def rounded(self, results: Iterable[SDVariable]) -> tuple[SDVariable, ...]:
        """The results in the type that the caller sees."""
        return tuple(cast_to(v, self.narrow) for v in results)

    def must_have_rank(self, name: str, rank: int, axes: str) -> None:
        """Raise ShapeError unless the operand has so many axes."""
        shape = self[name].shape
        if len(shape) != rank:
            raise ShapeError(
                f"{name} must have rank {rank}: {axes}.", given=shape_str(shape), expected=f"one axis each for {axes}"
            )

    def must_have(self, name: str, shape: tuple[Dim, ...], axes: str) -> None:
        """Raise ShapeError unless the operand, if it is there, can have this shape."""
        if name in self.all:
            shapes.must_have(self[name].aval, shape, f"{name} does not fit the other operands: it must be {axes}.")


def times(n: int, size: Dim) -> Dim:
    """So many times a size, if that is known."""
    return n * size if type(size) is int else None


def parts(v: SDVariable, n: int) -> tuple[SDVariable, ...]:
    """The last axis cut into equal parts."""
    return v.sd.split(v, n, axis=-1)  # type: ignore[return-value]
