"""Lists without what another one holds: one part of ``sd.math``.

How long such a list is follows from values, and a graph knows shapes before: it is read off constants, or given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import GraphLike, Namespace
from sdgraph.build.op import NOT_DIFFERENTIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, LabelError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, known_size, shape_str
from sdgraph.ops.indexing import must_be_given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand


def _not_in(x: Any, y: Any) -> Any:
    """Where the entries are that another list lacks; NaN is equal to nothing."""
    return np.flatnonzero(~np.isin(x, y))


def _count(attrs: Any, avals: Any, values: Sequence[np.ndarray[Any, Any] | None]) -> Mapping[str, Any]:
    x, y = values
    if attrs["size"] is not None or x is None or y is None:
        return attrs
    return {**attrs, "size": len(_not_in(x, y))}


def _left(x: Aval, y: Aval, *, size: int | None) -> tuple[Aval, Aval]:
    """The entries and their places.

    Returns:
        The entries of the dtype of ``x``, and their places in it, int64: two vectors of ``size`` entries.

    Raises:
        ShapeError: If an operand is no vector.
        ArgumentError: If ``size`` is no size.
        ArgumentTypeError: If it is left out, and the lists are no constants.
        LabelError: At run time, if there are more entries.
    """
    for v in (x, y):
        if len(v.shape) != 1:
            raise ShapeError("A list is a vector.", given=f"{shape_str(x.shape)} and {shape_str(y.shape)}")
    if size is None:
        raise must_be_given("size", "the lists")
    if not is_whole(size, 0):
        raise ArgumentError("size counts entries.", given=repr(size), expected="an integer >= 0")
    known_size(size)
    return Aval((size,), x.dtype), Aval((size,), shapes.INT64)


def _places(xp: Any, x: Any, y: Any, *, size: int) -> Any:
    found = _not_in(x, y)
    if len(found) > size:
        raise LabelError(f"{len(found)} entries are in no other list.", expected=f"at most size={size}")
    return np.concatenate([found, np.full(size - len(found), -1)]).astype(np.int64)


@primitive(
    infer=lambda x, y, size: Aval((size,), shapes.INT64),
    kernel=_places,
    vjp=NOT_DIFFERENTIABLE,
)
def places_not_in(sd: GraphLike, x: Operand, y: Operand, size: int) -> SDVariable:
    """Where the entries of ``x`` are that ``y`` lacks, then -1."""
    ...


_SHARED = {"x": "A vector.", "y": "A vector."}


class SDLists(Namespace, prefix="math", shared=_SHARED):
    """Lists of ``sd.math``."""

    @composite(infer=_left, settle=_count)
    def list_diff(
        self, x: Operand, y: Operand, size: int | None = None, *, name: str | None = None
    ) -> tuple[SDVariable, SDVariable]:
        """The entries of ``x`` that are not in ``y``, in their order, and their places in ``x``.

        If there are fewer than ``size``, 0 and the place -1 fill up the rest. The gradient goes to the entries.

        Args:
            size: How long the results are; may be left out where both lists are constants.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> values, places = sd.math.list_diff([1.0, 2.0, 3.0, 4.0], [2.0, 4.0])
            >>> values.eval(), places.eval()
            (array([1., 3.]), array([0, 2]))
        """
        sd, x, y = self.sd, self.sd.as_variable(x), self.sd.as_variable(y)
        places = places_not_in(sd, x, y, size)  # type: ignore[arg-type]
        with_hole = sd.concat(x, np.zeros(1, x.dtype))
        return sd.gather(with_hole, sd.where(places < 0, sd.axis_size(x, 0, "int64"), places)), places
