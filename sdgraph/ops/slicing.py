"""Ops that cut rectangular parts out of arrays and put them back: basic indexing, blocks, strided slices.

What they cut is fixed when the graph is built; indices that are computed are in `sdgraph.ops.indexing`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR
from sdgraph.build.reading import Reading
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, LabelError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, promote
from sdgraph.ops import written
from sdgraph.ops.pieces import total_of_slices
from sdgraph.ops.precision import wide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand


# ---------------------------------------------------------------------- shape rules


def _index(x: Aval, *, key: tuple[Any, ...]) -> Aval:
    """The shape of ``x[key]``.

    Returns:
        The shape that numpy gives ``x[key]``, the same dtype.

    Raises:
        LabelError: If an index is out of range.
        ArgumentError: If there are more parts than axes, or a step is 0.
    """
    taken = sum(k is not None and k is not Ellipsis for k in key)
    if taken > len(x.shape) or sum(k is Ellipsis for k in key) > 1:
        raise ArgumentError(
            "The index has too many parts.", given=f"{_key_str(key)} for an array of rank {len(x.shape)}"
        )
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    dims = iter(enumerate(x.shape))
    out: list[Dim] = []
    for k in key:
        if k is None:
            out.append(1)
        elif k is Ellipsis:
            out.extend(next(dims)[1] for _ in range(len(x.shape) - taken))
        else:
            axis, d = next(dims)
            if isinstance(k, tuple):
                out.append(_sliced(d, k[1:]))
            elif type(d) is int and not -d <= k < d:
                raise LabelError(f"Index {k} is out of range for axis {axis}, which has size {d}.", given=_key_str(key))
    return Aval(tuple(out), x.dtype)


def _sliced(d: Dim, bounds: tuple[int | None, int | None, int | None]) -> Dim:
    if bounds[2] == 0:
        raise ArgumentError("The step of a slice is zero.")
    if type(d) is int:
        return len(range(d)[slice(*bounds)])
    return d if bounds in ((None, None, None), (None, None, 1), (None, None, -1), (0, None, None)) else None


def _key_str(key: tuple[Any, ...]) -> str:
    parts = []
    for k in key:
        if isinstance(k, tuple):
            parts.append(":".join("" if b is None else str(b) for b in k[1:]))
        else:
            parts.append("..." if k is Ellipsis else str(k))
    return f"[{', '.join(parts)}]"


def _put_back(x: Aval, like: Aval, *, key: tuple[Any, ...]) -> Aval:
    """The shape of ``like``.

    Returns:
        The shape of ``like``, the dtype of ``x``.

    Raises:
        ShapeError: If ``x`` does not have the shape that ``key`` picks out.
        LabelError: As for `index`.
        ArgumentError: As for `index`.
    """
    shapes.must_have(x, _index(like, key=key).shape, "This is not the shape of what is picked out.")
    return Aval(like.shape, x.dtype)


def _put_all(like: Aval, *parts: Aval, keys: tuple[tuple[Any, ...], ...]) -> Aval:
    """The shape of ``like``.

    Returns:
        The shape of ``like``, the promoted dtype of the parts.

    Raises:
        ShapeError: If a part does not have the shape of what is picked out.
        LabelError: As for `index`.
        ArgumentError: If there is not one part per key, or as for `index`.
    """
    if not parts or len(parts) != len(keys):
        raise ArgumentError("There must be one part per key.", given=f"{len(parts)} parts, {len(keys)} keys")
    for part, key in zip(parts, keys, strict=True):
        _put_back(part, like, key=key)
    return Aval(like.shape, functools.reduce(promote, (a.dtype for a in parts)))


# ---------------------------------------------------------------------- blocks as keys


def _block_key(begin: Sequence[int], size: Sequence[int]) -> tuple[Any, ...]:
    return tuple(("slice", b, None if s == -1 else b + s, None) for b, s in zip(begin, size, strict=True))


def _block(x: Aval, *, begin: Sequence[int], size: Sequence[int]) -> Aval:
    """The size of the block.

    Returns:
        The size of the block, the same dtype.

    Raises:
        ArgumentError: If the block does not lie inside ``x``, or not every axis is named.
    """
    if len(begin) != len(x.shape) or len(size) != len(x.shape):
        raise ArgumentError("begin and size name every axis.", given=f"begin={begin}, size={size}, rank {len(x.shape)}")
    for d, b, s in zip(x.shape, begin, size, strict=True):
        if b < 0 or s < -1 or (type(d) is int and b + max(s, 0) > d):
            raise ArgumentError("The block does not lie inside the array.", given=f"begin={begin}, size={size}, {x}")
    rest = _index(x, key=_block_key(begin, size)).shape
    return Aval(tuple(d if s == -1 else s for d, s in zip(rest, size, strict=True)), x.dtype)


def _strided_key(
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int] | None,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> tuple[Any, ...]:
    """The key that a strided slice with its masks stands for."""
    steps = (1,) * len(begin) if strides is None else strides
    if not len(begin) == len(end) == len(steps):
        raise ArgumentError(
            "begin, end and strides differ in length.", given=f"{begin}, {end}, {steps}", expected="one per axis"
        )
    key: list[Any] = []
    for k, (b, e, s) in enumerate(zip(begin, end, steps, strict=True)):
        bit = 1 << k
        if ellipsis_mask & bit:
            key.append(Ellipsis)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(b)
        else:
            key.append(("slice", None if begin_mask & bit else b, None if end_mask & bit else e, s))
    return tuple(key)


# ---------------------------------------------------------------------- kernels


def _slices(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(slice(*k[1:]) if isinstance(k, tuple) else k for k in key)


def _put(xp: Any, g: Any, like: Any, *, key: tuple[Any, ...]) -> Any:
    out = xp.zeros(like.shape, g.dtype)
    if xp is not np:
        return out.at[_slices(key)].set(g)
    out[_slices(key)] = g
    return out


def _put_all_kernel(xp: Any, like: Any, *parts: Any, keys: tuple[tuple[Any, ...], ...]) -> Any:
    dtype = xp.result_type(*parts)
    out = xp.zeros(like.shape, wide(dtype))
    for part, key in zip(parts, keys, strict=True):
        if xp is not np:
            out = out.at[_slices(key)].add(part)
        else:
            out[_slices(key)] += part
    return out.astype(dtype, copy=False)


_SHARED = {
    "x": "An array of any dtype.",
    "like": "Lends its shape to the result; its values do not matter.",
    "key": "As for `index`.",
}


class SDSlicing(Namespace, prefix="", shared=_SHARED):
    """Slices of the base namespace."""

    @primitive(
        infer=_index,
        kernel=lambda xp, x, key: x[_slices(key)],
        vjp=lambda g, y, x, key: g.sd.index_scatter(g, x, key=key),
        reach=LINEAR,
        is_strided=True,
        reads=Reading(written.index),
    )
    def index(self, x: Operand, *, key: tuple[Any, ...], name: str | None = None) -> SDVariable:
        """Basic indexing, what ``x[...]`` stands for.

        Args:
            key: Integers, None, ``...`` and slices, written ``("slice", start, stop, step)``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.index([[1.0, 2.0], [3.0, 4.0]], key=(1, ("slice", None, 1, None))).eval()
            array([3.])
        """
        ...

    @primitive(
        infer=_put_back,
        kernel=_put,
        vjp=lambda g, y, x, like, key: (g.sd.index(g, key=key), None),
        total=total_of_slices,
        reach=LINEAR,
        places=lambda y, x, like, key: ((y[_slices(key)], None), 0),
    )
    def index_scatter(self, x: Operand, like: Operand, *, key: tuple[Any, ...], name: str | None = None) -> SDVariable:
        """``x`` put at ``key`` into zeros of the shape of ``like``: the gradient of `index`.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.index_scatter(7.0, [1.0, 2.0, 3.0], key=(1,)).eval()
            array([0., 7., 0.])
        """
        ...

    @primitive(
        infer=_put_all,
        kernel=_put_all_kernel,
        vjp=lambda g, y, like, *parts, keys: (None, *[g.sd.index(g, key=key) for key in keys]),
        reach=LINEAR,
    )
    def scatter_slices(
        self, like: Operand, *parts: Operand, keys: tuple[tuple[Any, ...], ...], name: str | None = None
    ) -> SDVariable:
        """Several arrays added at their ``keys`` to zeros of the shape of ``like``: the gradient of several `index`.

        Args:
            parts: One array per key, of the shape that `index` picks out with it.
            keys: As for `index`. Where they overlap, the parts add up.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> keys = ((0,), (("slice", 0, 2, None),))
            >>> sd.scatter_slices([0.0, 0.0, 0.0], 7.0, [1.0, 2.0], keys=keys).eval()
            array([8., 2., 0.])
        """
        ...

    @composite(
        infer=_block,
        vjp=lambda g, y, x, begin, size: g.sd.index_scatter(g, x, key=_block_key(begin, size)),
        reach=LINEAR,
    )
    def slice(self, x: Operand, begin: Sequence[int], size: Sequence[int], *, name: str | None = None) -> SDVariable:
        """The block of ``size`` that starts at ``begin``; a size of -1 reaches to the end.

        Args:
            begin: The first place on each axis.
            size: How many entries on each axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.slice([[1.0, 2.0], [3.0, 4.0]], (0, 1), (2, 1)).eval()
            array([[2.],
                   [4.]])
        """
        return self.sd.index(x, key=_block_key(begin, size))

    @composite(vjp=lambda g, y, x, **attrs: g.sd.index_scatter(g, x, key=_strided_key(**attrs)), reach=LINEAR)
    def strided_slice(
        self,
        x: Operand,
        begin: Sequence[int],
        end: Sequence[int],
        strides: Sequence[int] | None = None,
        begin_mask: int = 0,
        end_mask: int = 0,
        ellipsis_mask: int = 0,
        new_axis_mask: int = 0,
        shrink_axis_mask: int = 0,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``x[begin:end:strides]`` along the first axes, with the meaning of Python's slices.

        Args:
            begin: First places, one per axis.
            end: The places before which to stop.
            strides: Steps; None for 1.
            begin_mask: Bit k set: ignore ``begin[k]`` and start at the first element.
            end_mask: Bit k set: ignore ``end[k]`` and run to the last element.
            ellipsis_mask: Bit k set: entry k stands for all axes in between.
            new_axis_mask: Bit k set: entry k inserts an axis of size 1.
            shrink_axis_mask: Bit k set: take ``begin[k]`` alone and drop the axis.

        Returns:
            The shape that numpy gives the same slices, the same dtype.

        Raises:
            LabelError: If a place to take alone is out of range.
            ArgumentError: If the lengths of begin, end and strides differ, there are more than axes, or a step is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.strided_slice([1.0, 2.0, 3.0, 4.0], (0,), (4,), (2,)).eval()
            array([1., 3.])
        """
        masks = begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask
        return self.sd.index(x, key=_strided_key(begin, end, strides, *masks))
