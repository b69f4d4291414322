"""Quantiles, percentiles and medians of ``sd.math``: places in the sorted elements, and what lies between two of them.

Must not know how elements are sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from sdgraph.build.annotations import means
from sdgraph.build.decorators import composite
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of
from sdgraph.errors import ArgumentError, DTypeError
from sdgraph.infer.aval import normalize_axis
from sdgraph.ops.reductions import working_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Axis, Operand

Interpolation: TypeAlias = Literal["linear", "lower", "higher", "midpoint", "nearest"]
means("Interpolation", Interpolation)


def _shares(q: float | Sequence[float], most: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The shares of the elements that lie below what is asked for."""
    given = np.asarray(q, np.float64)
    if given.ndim > 1 or not ((given >= 0) & (given <= most)).all():
        raise ArgumentError(
            "This is no share of the elements.", given=f"q={q!r}", expected=f"numbers from 0 to {most:g}, one or a list"
        )
    return given / most


def _rows(x: SDVariable, axis: Axis) -> SDVariable:
    """``x`` with its axes ``axis`` as one, the last."""
    sd = x.sd
    axes = normalize_axis(axis, x.ndim)
    rest = [k for k in range(x.ndim) if k not in axes]
    if not rest:
        return sd.reshape(x, (-1,))
    if len(axes) != 1:
        x = sd.permute(x, (*rest, *axes))
        return sd.reshape(x, (*x.shape[: len(rest)], -1))
    return x if axes == (x.ndim - 1,) else sd.permute(x, (*rest, *axes))


def _between(low: SDVariable, high: SDVariable, weight: SDVariable) -> SDVariable:
    """``low + weight (high - low)`` from the nearer end, where no difference overflows and 0 times infinity is 0."""
    sd, m = low.sd, low.sd.math
    half = 0.5 * high - 0.5 * low  # The difference may not fit, but its half does.
    near = low + half * m.min(2.0 * weight, 1.0)
    far = high - half * m.min(2.0 - 2.0 * weight, 1.0)
    unbounded = m.multiply_no_nan(low, 1.0 - weight) + m.multiply_no_nan(high, weight)
    return sd.where(m.and_(m.is_finite(low), m.is_finite(high)), sd.where(weight < 0.5, near, far), unbounded)


def _picked(rows: SDVariable, share: float, interpolation: str) -> SDVariable:
    """What stands at a share of the way through sorted rows."""
    sd, m = rows.sd, rows.sd.math
    place = share * (sd.axis_size(rows, -1, "float64") - 1.0)
    low, high = (sd.cast(f(place), "int64") for f in (m.floor, m.ceil))
    if interpolation == "nearest":
        return sd.gather(rows, sd.cast(m.round(place), "int64"), axis=-1)
    if interpolation in ("lower", "higher"):
        return sd.gather(rows, low if interpolation == "lower" else high, axis=-1)
    weight = place - m.floor(place)
    if interpolation == "midpoint":
        weight = sd.where(weight > 0, 0.5, 0.0)
    return _between(sd.gather(rows, low, axis=-1), sd.gather(rows, high, axis=-1), sd.cast(weight, rows.dtype))


def _quantiles(
    x: SDVariable, shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]], axis: Axis, keepdims: bool, how: str
) -> SDVariable:
    one_of("interpolation", how, get_args(Interpolation))
    sd = x.sd
    if x.dtype.kind == "c":
        raise DTypeError("Complex numbers have no order.", given=x.dtype.name)
    if any(x.shape[k] == 0 for k in normalize_axis(axis, x.ndim)):
        raise ArgumentError("There is no quantile of no elements.", given=f"{x.aval}, axis={axis!r}")
    work = working_dtype(x)
    rows = sd.sort(_rows(sd.cast(x, work.wide), axis))
    last = sd.gather(rows, sd.cast(sd.axis_size(rows, -1) - 1, "int64"), axis=-1)
    # NaN is sorted to the end: one that is there makes all quantiles of its row NaN.
    found = [sd.where(sd.math.is_nan(last), last, _picked(rows, share, how)) for share in shares.reshape(-1).tolist()]
    found = [sd.expand_dims(v, normalize_axis(axis, x.ndim)) if keepdims and x.ndim else v for v in found]
    return sd.cast(sd.stack(found, axis=0) if shares.ndim else found[0], work.narrow)


_SHARED = {
    "x": "Real numbers of any shape.",
    "axis": Meaning(
        "The axis, or several, to reduce; None for all.",
        "ArgumentError: If there is no such axis, or one is named twice.",
    ),
    "keepdims": "Whether the reduced axes stay, with size 1.",
    "interpolation": "What is taken where the place lies between two elements: ``linear`` goes in proportion from the"
    " one to the other, ``midpoint`` half the way, ``lower`` and ``higher`` are these elements, and ``nearest`` the"
    " nearer one, halfway that of even index.",
}


class SDQuantiles(Namespace, prefix="math", shared=_SHARED):
    """Quantiles of ``sd.math``."""

    @composite
    def quantile(
        self,
        x: Operand,
        q: float | Sequence[float],
        axis: Axis = None,
        keepdims: bool = False,
        interpolation: Interpolation = "linear",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The number that a share ``q`` of the elements over ``axis`` lies below: at place ``q (n - 1)`` when sorted.

        NaN among the elements makes it NaN. The gradient goes to the one or two elements that it is made of.

        Args:
            q: Shares from 0 to 1, one or a list.

        Returns:
            The shape without the reduced axes, for a list of shares with one more axis in front; float64 for integers
            and bools, else the same dtype.

        Raises:
            ArgumentError: If a share is not between 0 and 1, or there are no elements.
            DTypeError: If ``x`` is complex.

        References:
            R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50, 1996,
            definition 7.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.quantile([4.0, 1.0, 2.0, 3.0], [0.0, 0.5, 0.9]).eval()
            array([1. , 2.5, 3.7])
        """
        return _quantiles(self.sd.as_variable(x), _shares(q, 1.0), axis, keepdims, interpolation)

    @composite
    def percentile(
        self,
        x: Operand,
        q: float | Sequence[float],
        axis: Axis = None,
        keepdims: bool = False,
        interpolation: Interpolation = "linear",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The `quantile` at ``q / 100``, with its gradient.

        Args:
            q: Shares from 0 to 100, one or a list.

        Returns:
            The shape and dtype of the `quantile`.

        Raises:
            ArgumentError: If a share is not between 0 and 100, or there are no elements.
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.percentile([4.0, 1.0, 2.0, 3.0], 90, interpolation="lower").eval()
            array(3.)
        """
        return _quantiles(self.sd.as_variable(x), _shares(q, 100.0), axis, keepdims, interpolation)

    @composite
    def median(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """The middle one of the sorted elements over ``axis``; of an even number the mean of the middle two.

        NaN among the elements makes it NaN. The gradient goes to the one or two elements that it is made of.

        Returns:
            The shape without the reduced axes; float64 for integers and bools, else the same dtype.

        Raises:
            ArgumentError: If there are no elements.
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.median([[5.0, 1.0, 2.0], [4.0, 4.0, 0.0]], axis=1).eval()
            array([2., 4.])
        """
        return _quantiles(self.sd.as_variable(x), _shares(0.5, 1.0), axis, keepdims, "linear")
