"""Arrays from nothing: constants, ranges, grids. Their shapes may have sizes that are known when the graph runs."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.literals import python_number
from sdgraph.checks import is_whole, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.aval import as_dtype
from sdgraph.keras.config import floatx
from sdgraph.keras.ops.axes import one_axis
from sdgraph.keras.ops.operation import Tensor, Tensors, arithmetic, operation
from sdgraph.keras.ops.sizes import Shape, Size, filled

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def zeros(shape: Shape, dtype: DTypeLike | None = None) -> Any:
    """Zeros; float32 without a dtype. A shape with a size of `shape` of a variable gives a variable.

    Example:
        >>> zeros((2, 2))
        array([[0., 0.],
               [0., 0.]], dtype=float32)
    """
    return filled(shape, 0, dtype)


def ones(shape: Shape, dtype: DTypeLike | None = None) -> Any:
    """Ones; else as `zeros`."""
    return filled(shape, 1, dtype)


def empty(shape: Shape, dtype: DTypeLike | None = None) -> Any:
    """An array whose values do not matter: `zeros`."""
    return filled(shape, 0, dtype)


def full(shape: Shape, fill_value: Any, dtype: DTypeLike | None = None) -> Any:
    """One value everywhere; it may be an array or a variable that is broadcast."""
    if isinstance(fill_value, bool | int | float | np.number | np.bool):
        if dtype is None and not isinstance(fill_value, float | np.floating):
            dtype = "bool" if isinstance(fill_value, bool | np.bool) else "int32"
        return filled(shape, python_number(fill_value), dtype)
    return _spread(fill_value, filled(shape, 0, dtype), dtype=dtype)


@operation
def _spread(x: Tensor, like: Tensor, dtype: DTypeLike | None) -> Any:
    out = x.sd.broadcast_like(x, like)
    return out if dtype is None or out.dtype == as_dtype(dtype) else x.sd.cast(out, dtype)


@operation
def zeros_like(x: Tensor, dtype: DTypeLike | None = None) -> Any:
    """Zeros in the shape of ``x``, and in its dtype without another."""
    return x.sd.zeros_like(x, dtype)


@operation
def ones_like(x: Tensor, dtype: DTypeLike | None = None) -> Any:
    """Ones in the shape of ``x``, and in its dtype without another."""
    return x.sd.ones_like(x, dtype)


@operation
def full_like(x: Tensor, fill_value: float, dtype: DTypeLike | None = None) -> Any:
    """One value in the shape of ``x``, and in its dtype without another."""
    return x.sd.full_like(x, fill_value, dtype)


def arange(start: Any, stop: Any = None, step: Any = None, dtype: DTypeLike | None = None) -> Any:
    """Numbers from ``start`` up to ``stop``, which is left out; with one argument from 0 up to it.

    Without a dtype whole numbers are int32, others float32. ``ops.arange(ops.shape(x)[1])`` counts along an axis whose
    size is unknown.

    Raises:
        ArgumentError: If an unknown size is the end of a range that does not begin at a whole number, or has a step.
        ArgumentTypeError: If a bound is no number.

    Example:
        >>> arange(3), arange(0.0, 1.0, 0.5)
        (array([0, 1, 2], dtype=int32), array([0. , 0.5], dtype=float32))
    """
    if stop is None:
        start, stop = 0, start
    if isinstance(stop, Size):
        if not is_whole(start) or start != 0 or step not in (None, 1):
            raise ArgumentError(
                "A range up to a size that is unknown begins at 0 and has no step.",
                given=f"start={shown(start)}, step={shown(step)}",
                fix="Scale and shift it afterwards: start + step * ops.arange(size).",
            )
        counted = stop.zeros(as_dtype(dtype or "int32"))
        return counted.sd.cumsum(counted.sd.ones_like(counted), 0, True)
    bounds = (start, stop, 1 if step is None else step)
    if any(np.ndim(b) or not np.issubdtype(np.asarray(b).dtype, np.number) for b in bounds):
        raise ArgumentTypeError(
            "The bounds of a range are numbers.", given=shown(bounds), expected="numbers, or a size of ops.shape(x)"
        )
    if not bounds[2]:
        raise ArgumentError("The step of a range is not 0.", given=f"step={shown(step)}")
    kind = np.result_type(*(np.asarray(b).dtype for b in bounds)).kind
    return np.arange(*bounds).astype(as_dtype(dtype or ("int32" if kind in "iu" else floatx())))


@arithmetic
def linspace(
    start: Tensor,
    stop: Tensor,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike | None = None,
    axis: int = 0,
) -> Any:
    """``num`` numbers from ``start`` to ``stop`` at even distances, along a new axis; with ``retstep`` the step, too.

    Raises:
        ArgumentError: If ``num`` is negative.
    """
    if not is_whole(num, 0):
        raise ArgumentError("num must be a whole number, 0 or more.", given=f"num={shown(num)}")
    sd = start.sd
    floating = start.dtype if start.dtype.kind == "f" else sd.dtype
    start, stop = sd.cast_to(start, floating), sd.cast_to(stop, floating)
    parts = builtins.max(num - 1 if endpoint else num, 1)
    weights = np.arange(num, dtype="float64") / parts
    span = stop - start
    place = one_axis(axis, span.ndim + 1)
    at = sd.as_variable(weights.astype(floating).reshape([-1 if k == place else 1 for k in range(span.ndim + 1)]))
    # From both ends, so that both are exact.
    begin, end = (sd.expand_dims(sd.broadcast_like(v, span), place) for v in (start, stop))
    out = begin * (1 - at) + end * at
    out = out if dtype is None else sd.cast_to(out, dtype)
    return (out, span / parts) if retstep else out


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: DTypeLike | None = None,
    axis: int = 0,
) -> Any:
    """``base`` to the powers that `linspace` gives."""
    return _raised(linspace(start, stop, num, endpoint, axis=axis), base, dtype)


@operation
def _raised(x: Tensor, base: float, dtype: DTypeLike | None) -> Any:
    out = x.sd.math.pow(float(base), x)
    return out if dtype is None else x.sd.cast_to(out, dtype)


def _matrix(rows: Any, columns: Any, k: Any) -> tuple[int, int, int]:
    """The sizes of a matrix and the place of a diagonal."""
    rows = whole("N", rows, least=0)
    return rows, rows if columns is None else whole("M", columns, least=0), whole("k", k)


def eye(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike | None = None) -> Any:
    """Ones on the diagonal that is ``k`` above the main one, zeros elsewhere."""
    return np.eye(*_matrix(N, M, k), dtype=as_dtype(dtype or floatx()))


def identity(n: int, dtype: DTypeLike | None = None) -> Any:
    """A square matrix with ones on the diagonal."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike | None = None) -> Any:
    """Ones on the diagonal that is ``k`` above the main one and below it, zeros above."""
    return np.tri(*_matrix(N, M, k), dtype=as_dtype(dtype or floatx()))


def meshgrid(*x: Any, indexing: str = "xy") -> Any:
    """Grids of coordinates, one for each vector.

    Raises:
        ArgumentError: If ``indexing`` is neither ``"xy"`` nor ``"ij"``.
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError("indexing is 'xy' or 'ij'.", given=f"indexing={shown(indexing)}")
    return _grids(x, indexing == "xy")


@operation
def _grids(xs: Tensors, cartesian: bool) -> Any:
    sd = xs[0].sd
    return list(sd.math.meshgrid(*[sd.reshape(x, -1) for x in xs], cartesian=cartesian))


__all__ = [
    "arange",
    "empty",
    "eye",
    "full",
    "full_like",
    "identity",
    "linspace",
    "logspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tri",
    "zeros",
    "zeros_like",
]
