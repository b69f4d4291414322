"""Shapes and places: reshape, transpose, join, split, repeat, take, sort. No entry changes its value."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.keras.ops.axes import in_order, one_axis
from sdgraph.keras.ops.operation import Apart, Tensor, Tensors, arithmetic, operation
from sdgraph.keras.ops.sizes import Shape, Size, blank, entries, reshaped

# ---------------------------------------------------------------------- shapes


def reshape(x: Any, newshape: Shape) -> Any:
    """``x`` in another shape: whole numbers, -1 or None for what is left, and entries of `shape`.

    Example:
        >>> import numpy as np
        >>> reshape(np.arange(6), (2, -1)).shape
        (2, 3)
    """
    return _reshaped(x, entries(newshape))


@operation
def _reshaped(x: Tensor, newshape: Any) -> Any:
    return reshaped(x, newshape)


@operation
def ravel(x: Tensor) -> Any:
    """``x`` along one axis."""
    return x.sd.reshape(x, -1)


@operation
def expand_dims(x: Tensor, axis: int | Sequence[int]) -> Any:
    """``x`` with new axes of size 1."""
    return x.sd.expand_dims(x, axis)


@operation
def squeeze(x: Tensor, axis: int | Sequence[int] | None = None) -> Any:
    """``x`` without axes of size 1: those named, or all whose size is known to be 1."""
    if axis is None:
        axis = [k for k, d in enumerate(x.shape) if d == 1]
        return x.sd.squeeze(x, axis) if axis else x
    return x.sd.squeeze(x, axis)


@operation
def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Any:
    """``x`` with its axes in another order, or the other way round (None)."""
    return x.sd.permute(x, axes)


@operation
def moveaxis(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """``x`` with axes moved to other places; the others keep their order.

    Raises:
        ArgumentError: If there are not as many places as axes.
    """
    start, end = in_order(source, x.ndim), in_order(destination, x.ndim)
    if len(start) != len(end):
        raise ArgumentError("Each axis goes to one place.", given=f"{shown(source)} to {shown(destination)}")
    order = [k for k in range(x.ndim) if k not in start]
    for place, k in sorted(zip(end, start, strict=True)):
        order.insert(place, k)
    return x.sd.permute(x, order)


@operation
def swapaxes(x: Tensor, axis1: int, axis2: int) -> Any:
    """``x`` with two axes exchanged."""
    order = list(range(x.ndim))
    first, second = one_axis(axis1, x.ndim), one_axis(axis2, x.ndim)
    order[first], order[second] = second, first
    return x.sd.permute(x, order)


def broadcast_to(x: Any, shape: Shape) -> Any:
    """``x`` repeated to another shape."""
    sizes = entries(shape)
    if builtins.any(isinstance(d, Size) for d in sizes):
        return _broadcast_like(x, blank(sizes, None))
    return _broadcast(x, sizes)


@operation
def _broadcast(x: Tensor, shape: Any) -> Any:
    return x.sd.broadcast_to(x, shape)


@operation
def _broadcast_like(x: Tensor, like: Tensor) -> Any:
    return x.sd.broadcast_like(x, like)


# ---------------------------------------------------------------------- joining and splitting


@arithmetic
def concatenate(xs: Tensors, axis: int = 0) -> Any:
    """Operands one after the other along an axis."""
    return xs[0].sd.concat(*xs, axis=axis)


@arithmetic
def stack(x: Tensors, axis: int = 0) -> Any:
    """Operands of one shape along a new axis."""
    return x[0].sd.stack(*x, axis=axis)


@arithmetic
def hstack(xs: Tensors) -> Any:
    """Operands one after the other along the second axis, or the first of vectors."""
    xs = [x if x.ndim else x.sd.reshape(x, 1) for x in xs]
    return xs[0].sd.concat(*xs, axis=0 if xs[0].ndim == 1 else 1)


@arithmetic
def vstack(xs: Tensors) -> Any:
    """Operands one below the other; vectors are rows."""
    xs = [x if x.ndim > 1 else x.sd.reshape(x, (1, -1)) for x in xs]
    return xs[0].sd.concat(*xs, axis=0)


@arithmetic
def append(x1: Tensor, x2: Tensor, axis: int | None = None) -> Any:
    """``x2`` after ``x1`` along an axis; both flattened if it is None."""
    sd = x1.sd
    if axis is None:
        return sd.concat(sd.reshape(x1, -1), sd.reshape(x2, -1), axis=0)
    return sd.concat(x1, x2, axis=axis)


@operation
def split(x: Tensor, indices_or_sections: int | Sequence[int], axis: int = 0) -> Any:
    """Parts of ``x`` along an axis, as a list: so many equal ones, or those that begin at 0 and at the given places."""
    if isinstance(indices_or_sections, int | np.integer):
        return list(x.sd.split(x, int(indices_or_sections), axis))
    place, size = one_axis(axis, x.ndim), x.shape[axis]
    ends = [*indices_or_sections, size]
    if not isinstance(size, int) or builtins.any(not is_whole(k, 0, size) for k in ends) or ends != sorted(ends):
        raise ArgumentError(
            "The places to split at rise within the size of the axis.",
            given=f"{shown(indices_or_sections)} of {shown(size)}",
        )
    return list(x.sd.split_v(x, [b - a for a, b in zip([0, *ends[:-1]], ends, strict=True)], axis=place))


@operation
def unstack(x: Tensor, num: int | None = None, axis: int = 0) -> Any:
    """The entries of ``x`` along an axis, as a list."""
    return list(x.sd.unstack(x, axis, num))


# ---------------------------------------------------------------------- repeating and moving


@operation
def repeat(x: Tensor, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Each entry along an axis so many times in a row; of the flattened array if the axis is None."""
    return x.sd.repeat(x, repeats, axis)


@operation
def tile(x: Tensor, repeats: int | Sequence[int]) -> Any:
    """``x`` side by side so many times along each axis."""
    return x.sd.tile(x, repeats)


@operation
def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Any:
    """``x`` the other way round along axes, or along all (None)."""
    return x.sd.reverse(x, axis)


@operation
def roll(x: Tensor, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """``x`` moved along axes; what leaves at the end comes in at the beginning. Flattened and back if axis is None.

    Raises:
        ShapeError: If the size of the axis is unknown.
    """
    sd = x.sd
    if axis is None:
        return sd.reshape_like(_rolled(sd.reshape(x, -1), _sole(shift), 0), x)
    axes = in_order(axis, x.ndim)
    shifts = [shift] * len(axes) if is_whole(shift) else list(shift)  # type: ignore[arg-type]
    if len(shifts) != len(axes):
        raise ArgumentError("Each axis has one shift.", given=f"shift={shown(shift)}, axis={shown(axis)}")
    for by, k in zip(shifts, axes, strict=True):
        x = _rolled(x, by, k)
    return x


def _sole(shift: Any) -> int:
    if not is_whole(shift):
        raise ArgumentTypeError("A flattened array is moved by one number.", given=f"shift={shown(shift)}")
    return shift


def _rolled(x: Any, shift: Any, axis: int) -> Any:
    size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeError("An axis of unknown size cannot be rolled.", given=f"axis {axis} of {x.shape}")
    by = int(shift) % size if size else 0
    if not by:
        return x
    left, right = x.sd.split_v(x, [size - by, by], axis=axis)
    return x.sd.concat(right, left, axis=axis)


@operation
def pad(x: Tensor, pad_width: Any, mode: str = "constant", constant_values: float | None = None) -> Any:
    """``x`` with a border: so many entries before and after, for each axis or for all.

    Args:
        x: A variable or an array.
        pad_width: A number, a pair, or a pair for each axis.
        mode: ``"constant"``, ``"reflect"`` or ``"symmetric"``.
        constant_values: What a constant border holds; 0 without it.

    Raises:
        ArgumentError: If the widths are none of these.
    """
    widths = np.asarray(pad_width)
    if widths.dtype.kind not in "iu" or widths.shape not in ((), (1,), (2,), (1, 2), (x.ndim, 2)):
        raise ArgumentError(
            "pad_width is a number, a pair, or a pair for each axis.", given=f"{shown(pad_width)} for {x.ndim} axes"
        )
    pairs = np.broadcast_to(widths, (x.ndim, 2)).tolist()
    return x.sd.nn.pad(x, pairs, mode, 0.0 if constant_values is None else constant_values)


# ---------------------------------------------------------------------- taking entries


def _from_the_front(indices: Any, x: Any, axis: int) -> Any:
    """Indices of which negative ones count from the end."""
    sd = x.sd
    size = x.shape[axis]
    whole = sd.cast_to(indices, "int64") if indices.dtype.itemsize < 4 else indices
    count = size if isinstance(size, int) else sd.axis_size(x, axis, whole.dtype)
    return sd.where(whole < 0, whole + count, whole)


@operation
def take(x: Tensor, indices: Apart, axis: int | None = None) -> Any:
    """The entries of ``x`` along an axis that indices name; of the flattened array if it is None.

    Negative indices count from the end. An index that is out of range is an error when it runs.
    """
    x, axis = (x.sd.reshape(x, -1), 0) if axis is None else (x, one_axis(axis, x.ndim))
    return x.sd.gather(x, _from_the_front(indices, x, axis), axis)


@operation
def take_along_axis(x: Tensor, indices: Apart, axis: int | None = None) -> Any:
    """For each place of ``indices`` the entry of ``x`` that it names along an axis."""
    if axis is None:
        x, indices, axis = x.sd.reshape(x, -1), x.sd.reshape(indices, -1), 0
    return x.sd.take_along_axis(x, _from_the_front(indices, x, axis), axis)


@operation
def sort(x: Tensor, axis: int | None = -1) -> Any:
    """``x`` in rising order along an axis; of the flattened array if it is None."""
    return x.sd.sort(x.sd.reshape(x, -1), 0) if axis is None else x.sd.sort(x, axis)


@operation
def argsort(x: Tensor, axis: int | None = -1) -> Any:
    """The places of the entries in rising order, as int32; equal ones keep their order."""
    out = x.sd.argsort(x.sd.reshape(x, -1), 0) if axis is None else x.sd.argsort(x, axis)
    return x.sd.cast_to(out, "int32")


@operation
def diff(a: Tensor, n: int = 1, axis: int = -1) -> Any:
    """The differences of neighbours along an axis, ``n`` times.

    Raises:
        ArgumentError: If ``n`` is negative.
    """
    if not is_whole(n, 0):
        raise ArgumentError("n must be a whole number, 0 or more.", given=f"n={shown(n)}")
    place = one_axis(axis, a.ndim)
    before = (builtins.slice(None),) * place
    for _ in range(n):
        a = a[(*before, builtins.slice(1, None))] - a[(*before, builtins.slice(None, -1))]
    return a


@operation
def tril(x: Tensor, k: int = 0) -> Any:
    """``x`` with zeros above the diagonal that is ``k`` above the main one."""
    return x.sd.linalg.tril(x, k)


@operation
def triu(x: Tensor, k: int = 0) -> Any:
    """``x`` with zeros below the diagonal that is ``k`` above the main one."""
    return x.sd.linalg.triu(x, k)


@operation
def diag(x: Tensor, k: int = 0) -> Any:
    """A vector as a diagonal of a matrix, or the diagonal of a matrix as a vector; ``k`` above the main one.

    Raises:
        ShapeError: If ``x`` is neither.
    """
    sd = x.sd
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError("diag takes a vector or a matrix.", given=str(x.shape))
    out = sd.linalg.diag(x)
    return sd.nn.pad(out, [(builtins.max(-k, 0), builtins.max(k, 0)), (builtins.max(k, 0), builtins.max(-k, 0))])


@operation
def diagonal(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of the matrices in two axes, along a new last axis.

    Raises:
        ShapeError: If the size of one of them is unknown.
    """
    first, second = one_axis(axis1, x.ndim), one_axis(axis2, x.ndim)
    rest = [k for k in range(x.ndim) if k not in (first, second)]
    x = x.sd.permute(x, [*rest, first, second])
    rows, columns = x.shape[-2:]
    if not (isinstance(rows, int) and isinstance(columns, int)):
        raise ShapeError("The sizes of a matrix must be known to take its diagonal.", given=str(x.shape))
    top, left = builtins.max(-offset, 0), builtins.max(offset, 0)
    count = builtins.max(builtins.min(rows - top, columns - left), 0)
    along = np.arange(count)
    flat = x.sd.reshape(x, [*[None if d is None else d for d in x.shape[:-2]], rows * columns])
    return x.sd.gather(flat, (along + top) * columns + along + left, flat.ndim - 1)


@operation
def trace(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of `diagonal`."""
    return x.sd.sum(diagonal(x, offset, axis1, axis2), -1)


__all__ = [
    "append",
    "argsort",
    "broadcast_to",
    "concatenate",
    "diag",
    "diagonal",
    "diff",
    "expand_dims",
    "flip",
    "hstack",
    "moveaxis",
    "pad",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "sort",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "take",
    "take_along_axis",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "unstack",
    "vstack",
]
