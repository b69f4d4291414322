"""Ops that put elements in order, and tell where they were. Must not know quantiles or reductions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdgraph.build.decorators import primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR, NOT_DIFFERENTIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand

_SHARED = {
    "x": "Numbers of rank 1 or more.",
    "axis": "The axis to sort along.",
    "descending": "Whether the largest comes first.",
}


def _ordered(x: Aval, *, axis: int, descending: bool) -> Aval:
    """The operand's aval; complex numbers have no order.

    Returns:
        The same shape and dtype.

    Raises:
        ArgumentError: If there is no such axis.
        DTypeError: If ``x`` is complex.
    """
    shapes.one_axis(axis, len(x.shape))
    if x.dtype.kind == "c":
        raise DTypeError("Complex numbers have no order.", given=x.dtype.name)
    return x


def _places(x: Aval, *, axis: int, descending: bool) -> Aval:
    """The same shape, int64.

    Returns:
        The same shape, int64. There is no gradient.

    Raises:
        ArgumentError: If there is no such axis.
        DTypeError: If ``x`` is complex.
    """
    return _ordered(x, axis=axis, descending=descending)._replace(dtype=shapes.INT64)


def _sort(xp: Any, x: Any, *, axis: int, descending: bool) -> Any:
    y = xp.sort(x, axis=axis)
    return xp.flip(y, axis) if descending else y


def _argsort(xp: Any, x: Any, *, axis: int, descending: bool) -> Any:
    if not descending:
        return xp.argsort(x, axis=axis, stable=True).astype(xp.int64)
    # Sorting the reversed array keeps equal elements in their order, without negating unsigned numbers.
    order = xp.flip(xp.argsort(xp.flip(x, axis), axis=axis, stable=True), axis)
    return (x.shape[axis] - 1 - order).astype(xp.int64)


class SDSorting(Namespace, prefix="", shared=_SHARED):
    """What sorts, in the base namespace."""

    @primitive(
        infer=_ordered,
        kernel=_sort,
        vjp=lambda g, y, x, axis, descending: g.sd.add_along_axis(
            g.sd.zeros_like(x, g.dtype), g.sd.argsort(x, axis, descending), g, axis
        ),
        reach=LINEAR,
    )
    def sort(self, x: Operand, axis: int = -1, descending: bool = False, *, name: str | None = None) -> SDVariable:
        """The elements along ``axis`` from the smallest to the largest, or the other way round.

        NaN counts as larger than every number. The gradient goes to the places that `argsort` tells.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.sort([3.0, 1.0, 2.0]).eval(), sd.sort([3.0, 1.0, 2.0], descending=True).eval()
            (array([1., 2., 3.]), array([3., 2., 1.]))
        """
        ...

    @primitive(infer=_places, kernel=_argsort, vjp=NOT_DIFFERENTIABLE)
    def argsort(self, x: Operand, axis: int = -1, descending: bool = False, *, name: str | None = None) -> SDVariable:
        """Where the elements of `sort` stand along ``axis``; equal ones keep their order.

        ``sd.take_along_axis(x, sd.argsort(x))`` is sorted.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.argsort([3.0, 1.0, 2.0]).eval()
            array([1, 2, 0])
        """
        ...
