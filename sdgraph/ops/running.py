"""Ops that run along axes: sums and products up to each place, linear recurrences, and moves by one place.

Several axes are run through as one. Must not know reductions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR
from sdgraph.build.variable import SDVariable
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, normalize_axis
from sdgraph.ops.precision import rounded_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Axis, Operand


# ---------------------------------------------------------------------- shape rules


def _running(x: Aval, *, axis: Axis, **_: Any) -> Aval:
    """The same shape, or a vector; the dtype of a sum.

    Returns:
        The same shape, or without an axis a vector of all elements; the dtype of ``numpy.cumsum``.

    Raises:
        ArgumentError: If there is no such axis, or one is named twice.
    """
    dtype = shapes.sum_dtype(x.dtype)
    if axis is not None:
        normalize_axis(axis, len(x.shape))
    if axis is not None or len(x.shape) == 1:
        return Aval(x.shape, dtype)
    return Aval((math.prod(x.shape) if x.is_static else None,), dtype)  # type: ignore[arg-type]


def _recurrence(a: Aval, b: Aval, *, axis: Any, **_: Any) -> Aval:
    out = shapes.elementwise(a, b)
    _run_along(axis, len(out.shape))
    return out


def _shifted(x: Aval, *, axis: Any, back: bool) -> Aval:
    """The same shape and dtype.

    Returns:
        The same shape and dtype.

    Raises:
        ArgumentError: If there is no such axis, or one is named twice.
    """
    _run_along(axis, len(x.shape))
    return x


def _run_along(axis: Any, ndim: int) -> None:
    """Raise unless there are such axes; all of them must be named."""
    if isinstance(axis, tuple):
        normalize_axis(axis, ndim)
    else:
        shapes.one_axis(axis, ndim)


# ---------------------------------------------------------------------- kernels


def merged(xp: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """``x`` with its axes ``axes`` as one, the last; of several the last moves fastest, as in memory."""
    rest = [k for k in range(x.ndim) if k not in axes]
    sizes = [x.shape[k] for k in rest]
    return xp.reshape(xp.transpose(x, (*rest, *axes)), (*sizes, math.prod(x.shape[k] for k in axes)))


def parted(xp: Any, y: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """What `merged` made of an array of ``shape``, in that shape again."""
    order = [*(k for k in range(len(shape)) if k not in axes), *axes]
    back = sorted(range(len(order)), key=order.__getitem__)
    return xp.transpose(xp.reshape(y, [shape[k] for k in order]), back)


def _along_several(kernel: Any) -> Any:
    """A kernel that runs along one axis, for several too: it runs through them as through one."""

    def along(xp: Any, *operands: Any, axis: Axis, **options: Any) -> Any:
        if not isinstance(axis, tuple):
            return kernel(xp, *operands, axis=axis, **options)
        operands = xp.broadcast_arrays(*operands) if len(operands) > 1 else operands
        shape = operands[0].shape
        axes = normalize_axis(axis, len(shape))
        y = kernel(xp, *(merged(xp, x, axes) for x in operands), axis=-1, **options)
        return parted(xp, y, shape, axes)

    return along


def _accumulate(name: str, start: int) -> Any:
    """A kernel for running sums or products, formed in double precision: a rounding stays in all that follows it."""

    @_along_several
    def kernel(xp: Any, x: Any, *, axis: int | None, exclusive: bool, reverse: bool) -> Any:
        if axis is None:
            x, axis = xp.reshape(x, -1), 0
        if reverse:
            x = xp.flip(x, axis)
        dtype = shapes.sum_dtype(x.dtype)
        y = getattr(xp, name)(x, axis=axis, dtype=np.promote_types(dtype, np.float64) if x.dtype.kind == "f" else dtype)
        if exclusive and y.shape[axis]:
            head = xp.full_like(y[_along(y, axis, slice(0, 1))], start)
            y = xp.concatenate([head, y[_along(y, axis, slice(0, -1))]], axis=axis)
        y = y.astype(dtype, copy=False)
        return xp.flip(y, axis) if reverse else y

    return kernel


def _along(x: Any, axis: int, part: slice | int) -> tuple[Any, ...]:
    return (slice(None),) * (axis % x.ndim) + (part,)


def _recurrence_of_numbers(a: list[float], b: list[float]) -> list[float]:
    """The recurrence of one row; Python's own numbers are the same doubles in a fifth of the time."""
    last = b[0]
    out = [last]
    for x, y in zip(a[1:], b[1:], strict=True):
        last = y + x * last
        out.append(last)
    return out


@_along_several
def _shift(xp: Any, x: Any, *, axis: int, back: bool) -> Any:
    kept = x[_along(x, axis, slice(1, None) if back else slice(None, -1))]
    hole = xp.zeros_like(x[_along(x, axis, slice(0, 1))])
    return xp.concatenate([kept, hole] if back else [hole, kept], axis=axis)


@_along_several
@rounded_once
def _linear_recurrence(xp: Any, a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    a, b = xp.broadcast_arrays(a, b)
    if not b.shape[axis]:
        return xp.zeros(b.shape, xp.result_type(a, b))
    if xp is np and b.ndim == 1 and a.dtype == b.dtype == np.float64:
        step = -1 if reverse else 1
        return np.array(_recurrence_of_numbers(a[::step].tolist(), b[::step].tolist())[::step])
    out: list[Any] = []
    order = range(b.shape[axis])
    for k in reversed(order) if reverse else order:
        here = _along(b, axis, k)
        out.append(b[here] if not out else b[here] + a[here] * out[-1])
    return xp.stack(out[::-1] if reverse else out, axis=axis)


# ---------------------------------------------------------------------- gradients


def _cumprod_vjp(g: SDVariable, y: SDVariable, x: SDVariable, axis: Axis, exclusive: bool, reverse: bool) -> SDVariable:
    """With p the product before k: dL/dx_k = p_k r_k, where r_k = g_k + x_{k+1} r_{k+1}."""
    sd = x.sd
    if axis is None:
        flat = sd.reshape(x, -1)
        return sd.reshape_like(_cumprod_vjp(g, y, flat, 0, exclusive, reverse), x)
    if exclusive:
        g = sd.shifted(g, axis, not reverse)
    before = sd.cumprod(x, axis, True, reverse)
    return before * sd.linear_recurrence(sd.shifted(x, axis, not reverse), g, axis, not reverse)


def _in_later(live: SDVariable, y: SDVariable, axis: Axis, exclusive: bool, reverse: bool) -> SDVariable:
    """Whether an element's own result, left out if ``exclusive``, or a later one counts."""
    sd = y.sd
    return sd.cumsum(sd.cast(sd.broadcast_like(live, y), y.dtype), axis, exclusive, not reverse).neq(0)


def _cumprod_later(live: SDVariable, y: SDVariable, x: SDVariable, axis: Axis, **options: bool) -> SDVariable:
    later = _in_later(live, y, 0 if axis is None else axis, **options)
    return y.sd.reshape_like(later, x) if axis is None else later


def _cumprod_masked_vjp(
    vjp: Any, g: SDVariable, live: SDVariable, y: SDVariable, x: SDVariable, axis: Axis, **options: bool
) -> SDVariable:
    """Factors of products that do not count must not meet those of others."""
    sd = x.sd
    later = _cumprod_later(live, y, x, axis, **options)
    return sd.where(later, vjp(g, y, sd.where(later, x, 1.0), axis, **options), 0.0)


def _recurrence_masked_vjp(
    vjp: Any, g: SDVariable, live: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable, axis: Any, reverse: bool
) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    later = _in_later(live, y, axis, False, reverse)
    da, db = vjp(g, y, sd.where(later, a, 0.0), b, axis, reverse)
    return sd.where(later, da, 0.0), db


def _recurrence_vjp(
    g: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable, axis: Any, reverse: bool
) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    if a.shape != b.shape:
        a = sd.broadcast_like(a, y)
    s = sd.linear_recurrence(sd.shifted(a, axis, not reverse), g, axis, not reverse)
    return s * sd.shifted(y, axis, reverse), s


_SHARED = {
    "x": "Numbers of any shape.",
    "reverse": "Run from the end.",
}


class SDRunning(Namespace, prefix="", shared=_SHARED):
    """What runs along axes, in the base namespace."""

    @primitive(
        infer=_running,
        kernel=_accumulate("cumsum", 0),
        vjp=lambda g, y, x, axis, exclusive, reverse: x.sd.reshape_like(
            x.sd.cumsum(g, axis, exclusive, not reverse), x
        ),
        reach=LINEAR,
    )
    def cumsum(
        self,
        x: Operand,
        axis: Axis = None,
        exclusive: bool = False,
        reverse: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Running sum along ``axis``; of the flattened array without one.

        Several axes are run through as one, of which the last moves fastest; the result keeps its shape.

        Args:
            axis: The axis, or several; None for the flattened array.
            exclusive: Leave each element out of its own sum, so that the first is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cumsum([1.0, 2.0, 3.0], exclusive=True).eval()
            array([0., 1., 3.])
            >>> sd.cumsum([[1.0, 2.0], [3.0, 4.0]], axis=(0, 1)).eval()
            array([[ 1.,  3.],
                   [ 6., 10.]])
        """
        ...

    @primitive(
        infer=_running,
        kernel=_accumulate("cumprod", 1),
        vjp=_cumprod_vjp,
        reach=lambda mask, *args, **attrs: mask.pool.of(_cumprod_later(mask.variable(), *args, **attrs)),
        masked_vjp=_cumprod_masked_vjp,
    )
    def cumprod(
        self,
        x: Operand,
        axis: Axis = None,
        exclusive: bool = False,
        reverse: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Running product along ``axis``; of the flattened array without one. Zeros do not spoil its gradient.

        Several axes are run through as one, of which the last moves fastest; the result keeps its shape.

        Args:
            axis: The axis, or several; None for the flattened array.
            exclusive: Leave each element out of its own product, so that the first is 1.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cumprod([1.0, 2.0, 3.0], reverse=True).eval()
            array([6., 6., 3.])
        """
        ...

    @primitive(
        infer=_recurrence,
        kernel=_linear_recurrence,
        vjp=_recurrence_vjp,
        reach=lambda mask, y, a, b, axis, reverse: (
            (mask.pool.of(_in_later(mask.variable(), y, axis, False, reverse)),) * 2
        ),
        masked_vjp=_recurrence_masked_vjp,
    )
    def linear_recurrence(
        self, a: Operand, b: Operand, axis: int | Sequence[int] = 0, reverse: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Solution of ``r_k = a_k r_{k-1} + b_k`` along ``axis``, from ``r_0 = b_0``; from the end with ``reverse``.

        Args:
            a: Factors, of any shape with the axis.
            b: What is added, of a shape that broadcasts with that of ``a``.
            axis: The axis to run along; several are run through as one, of which the last moves fastest.

        Returns:
            The broadcast shape, the promoted dtype.

        Raises:
            ShapeError: If the shapes do not broadcast.
            ArgumentError: If there is no such axis, or one is named twice.

        References:
            G. E. Blelloch, "Prefix sums and their applications", Carnegie Mellon University, CMU-CS-90-190, 1990.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linear_recurrence([2.0, 2.0, 2.0], [1.0, 1.0, 1.0]).eval()
            array([1., 3., 7.])
        """
        ...

    @primitive(
        infer=_shifted,
        kernel=_shift,
        vjp=lambda g, y, x, axis, back: g.sd.shifted(g, axis, not back),
        reach=LINEAR,
    )
    def shifted(
        self, x: Operand, axis: int | Sequence[int] = 0, back: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``x`` moved one place along ``axis``: 0 comes in first and the last goes; the other way with ``back``.

        Args:
            axis: The axis to move along; several are gone through as one, of which the last moves fastest.
            back: Move towards the beginning.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.shifted([1.0, 2.0, 3.0]).eval(), sd.shifted([1.0, 2.0, 3.0], back=True).eval()
            (array([0., 1., 2.]), array([2., 3., 0.]))
        """
        ...
