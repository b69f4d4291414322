"""Shape and dtype rules that ops share.

Each rule maps operand avals and attributes to the aval of the output. What the docstring of a rule says under Returns
and Raises becomes part of that of every op with this rule. Must not know kernels or gradients.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, DTypeError, ShapeError, shown
from sdgraph.infer.aval import Aval, Dim, Shape, broadcast_shapes, normalize_axis, promote, shape_str, ufunc_dtype

BOOL = np.dtype(bool)
INT64 = np.dtype("int64")


def elementwise(*avals: Aval, **_: Any) -> Aval:
    """Broadcast shape, promoted dtype.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        ShapeError: If the shapes do not broadcast.
    """
    first = avals[0]
    if len(avals) == 1:
        return first
    shape, dtype = first
    for other in avals[1:]:
        if other is first:
            continue
        if other.shape != shape:
            shape = broadcast_shapes(*(a.shape for a in avals))
        if other.dtype != dtype:
            dtype = promote(dtype, other.dtype)
    return first if shape == first.shape and dtype == first.dtype else Aval(shape, dtype)


def floating(*avals: Aval, **_: Any) -> Aval:
    """Broadcast shape; integers and bools become the floating dtype that numpy's functions return for them.

    Returns:
        The broadcast shape, the promoted dtype; for integers and bools the floating one of numpy's functions.

    Raises:
        ShapeError: If the shapes do not broadcast.
    """
    out = elementwise(*avals)
    return out if out.dtype.kind in "fc" else Aval(out.shape, ufunc_dtype(np.exp, (out.dtype,)))


def real(*avals: Aval, **_: Any) -> Aval:
    """Broadcast shape, floating dtype; complex numbers are refused.

    Returns:
        The same shape, floating dtype.

    Raises:
        DTypeError: If ``x`` is complex.
    """
    out = floating(*avals)
    if out.dtype.kind == "c":
        raise DTypeError("This function is for real numbers.", given=out.dtype.name)
    return out


def like_ufunc(ufunc: np.ufunc) -> Any:
    """The rule of an elementwise op whose kernel is this numpy ufunc: numpy's own dtype."""
    of_same: dict[np.dtype[Any], np.dtype[Any]] = {}

    def infer(*avals: Aval, **_: Any) -> Aval:
        first = avals[0]
        dtype = first.dtype
        if len(avals) == 1 or (len(avals) == 2 and avals[1].dtype is dtype):
            # The common case, without building a key: all operands have one dtype.
            out = of_same.get(dtype)
            if out is None:
                out = of_same[dtype] = ufunc_dtype(ufunc, (dtype,) * len(avals))
            shape = first.shape
            if len(avals) == 2 and avals[1].shape != shape:
                shape = broadcast_shapes(shape, avals[1].shape)
        else:
            out = ufunc_dtype(ufunc, tuple(a.dtype for a in avals))
            shape = broadcast_shapes(*(a.shape for a in avals))
        return first if out is dtype and shape is first.shape else Aval(shape, out)

    infer.broadcasts = True  # type: ignore[attr-defined]
    infer.__doc__ = _of_ufunc(ufunc)
    return infer


_KINDS = {"bools": BOOL, "complex numbers": np.dtype("complex128")}


def _of_ufunc(ufunc: np.ufunc) -> str:
    """What the rule of a ufunc tells the ops that have it."""
    refused = [words for words, dtype in _KINDS.items() if not _takes(ufunc, dtype)]
    shape = "The broadcast shape" if ufunc.nin > 1 else "The same shape"
    is_predicate = ufunc_dtype(ufunc, (np.dtype("float64"),) * ufunc.nin) == BOOL
    dtype = "bool. There is no gradient" if is_predicate else f"the dtype of ``numpy.{ufunc.__name__}``"
    lines = ["Numpy's rule.", "", "Returns:", f"    {shape}, {dtype}."]
    lines += ["", "Raises:"]
    lines += ["    ShapeError: If the shapes do not broadcast."] if ufunc.nin > 1 else []
    lines += [f"    DTypeError: For {' and '.join(refused)}."] if refused else []
    return "\n".join(lines)


def _takes(ufunc: np.ufunc, dtype: np.dtype[Any]) -> bool:
    try:
        ufunc.resolve_dtypes((*(dtype,) * ufunc.nin, None))
    except TypeError:
        return False
    return True


def predicate(*avals: Aval, **_: Any) -> Aval:
    """Broadcast shape, bool.

    Returns:
        Bools of the broadcast shape. There is no gradient.

    Raises:
        ShapeError: If the shapes do not broadcast.
    """
    return Aval(elementwise(*avals).shape, BOOL)


def select(condition: Aval, x: Aval, y: Aval, **_: Any) -> Aval:
    """``where``: everything broadcasts, the branches' dtypes are promoted.

    Returns:
        The broadcast shape, the promoted dtype of both branches.

    Raises:
        ShapeError: If the shapes do not broadcast.
        DTypeError: For numbers as the condition and bools as what else is taken: their places were exchanged.
    """
    if y.dtype == BOOL and condition.dtype != BOOL and x.dtype != BOOL:
        raise DTypeError(
            "The condition of where comes first.",
            given=f"condition {condition}, y {y}",
            fix="Write sd.where(condition, x, y); SameDiff's order is (x, y, condition).",
        )
    try:
        shape = broadcast_shapes(condition.shape, x.shape, y.shape)
    except ShapeError as e:
        e.fix = _one_per_row(condition, x, y) or e.fix
        raise
    return Aval(shape, promote(x.dtype, y.dtype))


def _one_per_row(condition: Aval, *branches: Aval) -> str | None:
    """What to do if a condition is a vector with an entry per row of the branches."""
    rank = max(len(a.shape) for a in branches)
    rows = [a.shape[0] for a in branches if len(a.shape) == rank]
    if rank < 2 or len(condition.shape) != 1 or any(known_to_differ(condition.shape[0], n) for n in rows):
        return None
    axis = 1 if rank == 2 else tuple(range(1, rank))
    return f"For one condition per row write sd.expand_dims(condition, {axis})."


def alike(x: Aval, **_: Any) -> Aval:
    """The operand's aval, of an op that works elementwise.

    Returns:
        The same shape and dtype.
    """
    return x


for _rule in (elementwise, floating, real, predicate, select, alike):
    _rule.broadcasts = True  # type: ignore[attr-defined]


def same(x: Aval, *_: Any, **__: Any) -> Aval:
    """The first operand's aval.

    Returns:
        The same shape and dtype.
    """
    return x


def integer_index(x: Aval, what: str) -> None:
    """Raise unless an operand that serves as index has an integer dtype."""
    if x.dtype.kind not in "iu":
        fix = "Cast them: v.cast('int64')."
        if x.dtype.kind == "b":
            fix = "A mask gives no places: sd.where(mask, v, 0) keeps all, with 0 for what is left out."
        raise DTypeError(f"{what} must be integers.", given=x.dtype.name, fix=fix)


def known_to_differ(a: Dim, b: Dim) -> bool:
    """Whether two sizes are known and different; an unknown one may turn out equal to any.

    Example:
        >>> known_to_differ(2, 3), known_to_differ(2, 2), known_to_differ(2, None), known_to_differ("m", "n")
        (True, False, False, False)
    """
    return type(a) is int and type(b) is int and a != b


def same_sizes(a: Shape, b: Shape) -> bool:
    """Whether two shapes are the same, as far as their sizes are known.

    Example:
        >>> same_sizes((2, None), (2, 3)), same_sizes((2, None), (3, 3)), same_sizes((2,), (2, 1))
        (True, False, False)
    """
    return len(a) == len(b) and not any(map(known_to_differ, a, b))


def smaller(a: Dim, b: Dim) -> Dim:
    """The smaller of two sizes, None if that is unknown."""
    return min(a, b) if type(a) is int and type(b) is int else a if a == b else None


def axis_by_name(op: str, avals: Sequence[Aval]) -> str | None:
    """What to do about a scalar before arrays: it is the axis, which comes first in Java."""
    if avals[0].shape or len(avals) < 2 or not all(a.shape for a in avals[1:]):
        return None
    return f"Give the axis by name: sd.{op}(a, b, axis=...); only SameDiff's call begins with it."


def must_have(x: Aval, shape: Shape, what: str) -> None:
    """Raise ShapeError unless an operand can have a shape, as far as sizes are known."""
    if not same_sizes(x.shape, shape):
        raise ShapeError(what, given=shape_str(x.shape), expected=shape_str(shape))


# ---------------------------------------------------------------------- reductions


def reduced_shape(shape: Shape, axis: Any, keepdims: bool) -> Shape:
    """The shape after reducing ``axis``."""
    axes = normalize_axis(axis, len(shape))
    if keepdims:
        return tuple(1 if k in axes else d for k, d in enumerate(shape))
    return tuple(d for k, d in enumerate(shape) if k not in axes)


def reduction(x: Aval, *, axis: Any, keepdims: bool, **_: Any) -> Aval:
    """Reduced shape, same dtype.

    Returns:
        The shape without the reduced axes, the same dtype.

    Raises:
        ArgumentError: If there is no such axis, or one is named twice.
    """
    return Aval(reduced_shape(x.shape, axis, keepdims), x.dtype)


def summing(x: Aval, *, axis: Any, keepdims: bool, **_: Any) -> Aval:
    """Reduced shape; small integers and bools widen as in ``numpy.sum``.

    Returns:
        The shape without the reduced axes; the dtype of ``numpy.sum``, which widens bools and small integers.

    Raises:
        ArgumentError: If there is no such axis, or one is named twice.
    """
    return Aval(reduced_shape(x.shape, axis, keepdims), sum_dtype(x.dtype))


def averaging(x: Aval, *, axis: Any, keepdims: bool, **_: Any) -> Aval:
    """Reduced shape; integers and bools become float64 as in ``numpy.mean``."""
    dtype = x.dtype if x.dtype.kind in "fc" else np.dtype("float64")
    return Aval(reduced_shape(x.shape, axis, keepdims), dtype)


@functools.cache
def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of ``numpy.sum``."""
    return np.sum(np.zeros(1, dtype)).dtype


# ---------------------------------------------------------------------- shape changes


def reshaped(x: Aval, *, shape: tuple[Dim, ...]) -> Aval:
    """Reshape with at most one -1; unknown sizes stay unknown."""
    if sum(d == -1 or d is None for d in shape) > 1:
        raise ArgumentError("Only one dimension can be inferred.", given=shape_str(shape))
    if any(isinstance(d, int) and d < -1 for d in shape):
        raise ArgumentError("A size is negative.", given=shape_str(shape))
    known = 1
    for d in shape:
        if isinstance(d, int) and d != -1:
            known *= d
    if not x.is_static:
        return Aval(tuple(None if d == -1 else d for d in shape), x.dtype)
    size = x.size
    out = list(shape)
    if -1 in out or None in out:
        k = out.index(-1) if -1 in out else out.index(None)
        if known == 0 or size % known:
            raise _cannot_reshape(x, shape)
        out[k] = size // known
    elif known != size:
        raise _cannot_reshape(x, shape)
    return Aval(tuple(out), x.dtype)


def inferred_size(shape: Shape, wanted: Shape) -> Dim:
    """The size that a reshape of an array with unknown sizes infers: its only one, if the others fill up the rest.

    Example:
        >>> inferred_size(("batch", 4, 2), (None, 8)), inferred_size(("batch", 4), (None, 2))
        ('batch', None)
    """
    unknown = [d for d in shape if type(d) is not int]
    left, given = (math.prod(d for d in sizes if type(d) is int) for sizes in (shape, wanted))
    # With a size of 0 every number would do, and numpy refuses to choose one.
    return unknown[0] if len(unknown) == 1 and left == given != 0 else None


def _cannot_reshape(x: Aval, shape: tuple[Dim, ...]) -> ShapeError:
    return ShapeError(
        "The new shape holds another number of elements.", given=f"{shape_str(x.shape)} to {shape_str(shape)}"
    )


def permutation(axes: Any, ndim: int) -> tuple[int, ...]:
    """A checked permutation of all axes; None reverses them."""
    if axes is None:
        return tuple(range(ndim - 1, -1, -1))
    out = tuple(k + ndim if isinstance(k, int) and k < 0 else k for k in axes)
    if sorted(map(str, out)) != sorted(map(str, range(ndim))):
        raise ArgumentError(
            "Not a permutation of the axes.", given=repr(axes), expected=f"each of 0 to {ndim - 1} once"
        )
    return out


def permuted(x: Aval, *, axes: Any) -> Aval:
    """The axes in another order.

    Returns:
        The sizes in that order, the same dtype.

    Raises:
        ArgumentError: If ``axes`` does not name each axis once.
    """
    return Aval(tuple(x.shape[k] for k in permutation(axes, len(x.shape))), x.dtype)


def one_axis(axis: Any, ndim: int, *, what: str = "axis") -> int:
    """One axis as a non-negative integer."""
    if not is_whole(axis):
        fix = "Make them one axis first, with reshape." if isinstance(axis, list | tuple) else None
        raise ArgumentError(f"{what} must be one axis.", given=repr(axis), fix=fix)
    return normalize_axis(axis, ndim, what=what)[0]


_MOST_OUTPUTS: Final = 1_000_000


def outputs(each: Aval, n: Any) -> tuple[Aval, ...]:
    """As many equal outputs of one call; raises ArgumentError for more than a graph is for."""
    if not is_whole(n, 0, _MOST_OUTPUTS):
        raise ArgumentError("No call has so many outputs.", given=shown(n), expected=f"at most {_MOST_OUTPUTS:,}")
    return (each,) * n


# ---------------------------------------------------------------------- matrix product


def matmul(a: Aval, b: Aval) -> Aval:
    """``numpy.matmul``: vectors allowed, leading dimensions broadcast.

    Raises:
        ShapeError: If the inner sizes differ, batch axes do not broadcast, or an operand is a scalar.
    """
    if not a.shape or not b.shape:
        raise ShapeError(
            "A matrix product needs at least vectors.", given=f"{shape_str(a.shape)} @ {shape_str(b.shape)}"
        )
    x = a.shape if len(a.shape) > 1 else (1, *a.shape)
    y = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    inner, other = x[-1], y[-2]
    if known_to_differ(inner, other):
        raise ShapeError(
            "The inner dimensions of this matrix product differ.",
            given=f"{shape_str(a.shape)} @ {shape_str(b.shape)}",
            expected="as many columns on the left as rows on the right",
        )
    shape = broadcast_shapes(x[:-2], y[:-2])
    if len(a.shape) > 1:
        shape += (x[-2],)
    if len(b.shape) > 1:
        shape += (y[-1],)
    return Aval(shape, ufunc_dtype(np.matmul, (a.dtype, b.dtype)))
