"""Windows that slide over axes: a view of them, and its transpose, which adds them up where they came from.

What looks at neighbours along an axis is written with these two. Knows places, and not what is done with them.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sdgraph.build.decorators import primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, known_size, normalize_axis
from sdgraph.infer.windows import out_size, per_axis, span
from sdgraph.ops.precision import wide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand, SDVariable


class Sliding(NamedTuple):
    """How windows slide along one axis."""

    axis: int
    size: int
    stride: int
    dilation: int

    @property
    def span(self) -> int:
        """How many entries a window reaches over."""
        return span(self.size, self.dilation)

    def count(self, n: int) -> int:
        """How many windows there are in n entries: none if these are too few."""
        return out_size(n, self.size, self.stride, self.dilation, 0, 0)


def _along(ndim: int, axis: Any, size: Any, strides: Any, dilation: Any) -> list[Sliding]:
    axes = [shapes.one_axis(k, ndim) for k in (axis if isinstance(axis, tuple) else (axis,))]
    normalize_axis(tuple(axes), ndim)
    settings = [per_axis(*given, len(axes)) for given in (("size", size), ("strides", strides))]
    return [Sliding(*one) for one in zip(axes, *settings, per_axis("dilation", dilation, len(axes)), strict=True)]


def _windows(x: Aval, *, axis: Any, size: Any, strides: Any, dilation: Any) -> Aval:
    """How many windows there are, and their sizes at the end.

    Returns:
        The shape with the number of windows along each of these axes, and the sizes of a window as axes behind all
        others; the same dtype.

    Raises:
        ArgumentError: If there is no such axis, or one is named twice; or a size, a stride or a dilation is no whole
            number, 1 or more.
    """
    shape = list(x.shape)
    sliding = _along(len(shape), axis, size, strides, dilation)
    for one in sliding:
        d = shape[one.axis]
        shape[one.axis] = one.count(d) if type(d) is int else None
    sizes: list[Dim] = [known_size(one.size) for one in sliding]
    return Aval((*shape, *sizes), x.dtype)


def _added(g: Aval, like: Aval, *, axis: Any, size: Any, strides: Any, dilation: Any) -> Aval:
    """What the windows were taken from.

    Returns:
        The shape of ``like``, the dtype of ``g``.

    Raises:
        ShapeError: If ``g`` does not have the shape of the `windows` of ``like``.
        ArgumentError: As for `windows`.
    """
    taken = _windows(like, axis=axis, size=size, strides=strides, dilation=dilation)
    shapes.must_have(g, taken.shape, "This is not the shape of such windows.")
    return Aval(like.shape, g.dtype)


def taken(x: Any, *, axis: Any, size: Any, strides: Any, dilation: Any) -> Any:
    """The windows of an array of numpy's, as a view."""
    sliding = _along(x.ndim, axis, size, strides, dilation)
    counts = [one.count(x.shape[one.axis]) for one in sliding]
    if not x.size or 0 in counts:
        shape = list(x.shape)
        for one, count in zip(sliding, counts, strict=True):
            shape[one.axis] = count
        return np.zeros((*shape, *(one.size for one in sliding)), x.dtype)
    view = sliding_window_view(x, tuple(one.span for one in sliding), tuple(one.axis for one in sliding))
    key = [slice(None)] * x.ndim
    for one in sliding:
        key[one.axis] = slice(None, None, one.stride)
    return view[(*key, *(slice(None, None, one.dilation) for one in sliding))]


def _add(xp: Any, g: Any, like: Any, *, axis: Any, size: Any, strides: Any, dilation: Any) -> Any:
    sliding = _along(like.ndim, axis, size, strides, dilation)
    out = xp.zeros(like.shape, wide(g.dtype))
    if not g.size:
        return out.astype(g.dtype)
    for at in itertools.product(*(range(one.size) for one in sliding)):
        key = [slice(None)] * like.ndim
        for one, k in zip(sliding, at, strict=True):
            first = k * one.dilation
            key[one.axis] = slice(first, first + one.stride * (g.shape[one.axis] - 1) + 1, one.stride)
        out[tuple(key)] += g[(..., *at)]
    return out.astype(g.dtype, copy=False)


_SHARED = {
    "x": "An array of any shape and dtype.",
    "axis": "The axis, or several, that windows slide along.",
    "size": "How many entries a window has: one number for all of these axes, or one for each.",
    "strides": "How far apart windows begin, in the same way.",
    "dilation": "How far apart the entries of a window are, in the same way.",
}


class SDSliding(Namespace, prefix="cnn", shared=_SHARED):
    """Windows of ``sd.cnn``."""

    @primitive(
        infer=_windows,
        kernel=lambda xp, x, **sliding: taken(x, **sliding),
        vjp=lambda g, y, x, **sliding: g.sd.cnn.add_windows(g, x, **sliding),
        reach=LINEAR,
        is_strided=True,
    )
    def windows(
        self,
        x: Operand,
        axis: int | Sequence[int],
        size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """All windows of a size inside of ``x`` along one or several axes; none if it is shorter than a window.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.windows([1.0, 2.0, 3.0, 4.0], axis=0, size=2).eval()
            array([[1., 2.],
                   [2., 3.],
                   [3., 4.]])
        """
        ...

    @primitive(
        infer=_added,
        kernel=_add,
        vjp=lambda h, y, g, like, **sliding: (h.sd.cnn.windows(h, **sliding), None),
        reach=LINEAR,
        shape_of=(1,),
    )
    def add_windows(
        self,
        g: Operand,
        like: Operand,
        axis: int | Sequence[int],
        size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The transpose of `windows`: each entry of a window is added to where it was taken from.

        Args:
            g: Windows, of the shape that `windows` gives.
            like: Lends its shape to the result; its values do not matter.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.add_windows([[1.0, 2.0], [10.0, 20.0]], [0.0, 0.0, 0.0], axis=0, size=2).eval()
            array([ 1., 12., 20.])
        """
        ...
