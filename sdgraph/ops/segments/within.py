"""What runs through the rows of each segment, one after the other: gradients of products are written with it.

Each segment is on its own: an infinite or NaN row does no harm to others. Must not know what is made of it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.decorators import primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, promote, shape_str
from sdgraph.ops.indexing import SEGMENTS
from sdgraph.ops.precision import wide

if TYPE_CHECKING:
    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand


def _per_row(x: Aval, segment_ids: Aval, **_: Any) -> Aval:
    """The same shape and dtype; there is one id per row.

    Returns:
        The same shape and dtype.

    Raises:
        DTypeError: If the ids are not integers.
        ShapeError: If there is not one id per row.
    """
    shapes.integer_index(segment_ids, "Segment ids")
    if not shapes.same_sizes(x.shape[: len(segment_ids.shape)], segment_ids.shape):
        raise ShapeError(
            "There must be one segment id per row.",
            given=f"rows {shape_str(x.shape)}, segment ids {shape_str(segment_ids.shape)}",
        )
    return x


def _recurring(a: Aval, b: Aval, segment_ids: Aval, *, reverse: bool) -> Aval:
    """The shape of both; there is one id per row.

    Returns:
        The same shape, the promoted dtype.

    Raises:
        DTypeError: If the ids are not integers.
        ShapeError: If the shapes differ, or there is not one id per row.
    """
    shapes.must_have(a, b.shape, "Both have one shape.")
    return Aval(_per_row(b, segment_ids).shape, promote(a.dtype, b.dtype))


class Order(NamedTuple):
    """Rows by segment, those of one segment in their order."""

    rows: np.ndarray[Any, Any]
    """The numbers of the rows."""
    ids: np.ndarray[Any, Any]
    """Their segments, sorted."""
    starts: np.ndarray[Any, Any]
    """Where each segment that has rows begins."""


def ordered(segment_ids: Any) -> Order:
    """The rows by segment.

    Example:
        >>> [k.tolist() for k in ordered(np.array([2, 0, 2]))]
        [[1, 0, 2], [0, 2, 2], [0, 1]]
    """
    ids = np.reshape(segment_ids, -1)
    rows = np.argsort(ids, kind="stable")
    ids = ids[rows]
    is_first = np.ones(ids.size, bool)
    np.not_equal(ids[1:], ids[:-1], out=is_first[1:])
    return Order(rows, ids, np.flatnonzero(is_first))


def as_rows(x: Any, n: int) -> Any:
    """``x`` as a matrix of ``n`` rows."""
    return np.reshape(x, (n, x.size // n if n else 0))


def _moved(xp: Any, x: Any, segment_ids: Any, *, back: bool) -> Any:
    order = ordered(segment_ids)
    rows = as_rows(x, order.rows.size)
    is_edge = np.zeros(order.rows.size + 1, bool)
    is_edge[order.starts] = True
    here, there = (order.rows[:-1], order.rows[1:]) if back else (order.rows[1:], order.rows[:-1])
    inside = ~is_edge[1:-1]
    out = np.zeros_like(rows)
    out[here[inside]] = rows[there[inside]]
    return np.reshape(out, x.shape)


def _recurrence(xp: Any, a: Any, b: Any, segment_ids: Any, *, reverse: bool) -> Any:
    """All segments at once: first the first row of each, then the second of those that have one, and so on."""
    order = ordered(segment_ids)
    n, dtype = order.rows.size, np.result_type(a, b)
    factors, out = as_rows(a, n), np.array(as_rows(b, n), wide(dtype))
    sizes = np.diff(order.starts, append=n)
    place = np.arange(n) - np.repeat(order.starts, sizes)
    place = np.repeat(sizes, sizes) - 1 - place if reverse else place
    by_place = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place))
    step = 1 if reverse else -1
    for start, stop in itertools.pairwise(ends.tolist()):
        at = by_place[start:stop]
        here = order.rows[at]
        out[here] += factors[here] * out[order.rows[at + step]]
    return np.reshape(out.astype(dtype, copy=False), b.shape)


def _recurrence_vjp(
    g: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable, segment_ids: SDVariable, reverse: bool
) -> tuple[SDVariable, SDVariable, None]:
    sd = g.sd
    s = sd.recurrence_in_segments(sd.moved_in_segments(a, segment_ids, not reverse), g, segment_ids, not reverse)
    return s * sd.moved_in_segments(y, segment_ids, reverse), s, None


def _later(live: SDVariable, y: SDVariable, segment_ids: SDVariable, reverse: bool) -> SDVariable:
    """Whether a row's own result counts, or one of its segment further on."""
    sd = y.sd
    counts = sd.cast(sd.broadcast_like(live, y), y.dtype)
    return sd.recurrence_in_segments(sd.ones_like(counts), counts, segment_ids, not reverse).neq(0)


def _recurrence_reach(
    mask: Mask, y: SDVariable, a: SDVariable, b: SDVariable, segment_ids: SDVariable, reverse: bool
) -> tuple[Mask, Mask, None]:
    later = mask.pool.of(_later(mask.variable(), y, segment_ids, reverse))
    return later, later, None


def _recurrence_masked_vjp(
    vjp: Any,
    g: SDVariable,
    live: SDVariable,
    y: SDVariable,
    a: SDVariable,
    b: SDVariable,
    segment_ids: SDVariable,
    reverse: bool,
) -> tuple[SDVariable, SDVariable, None]:
    sd = g.sd
    later = _later(live, y, segment_ids, reverse)
    da, db, _ = vjp(g, y, sd.where(later, a, 0.0), b, segment_ids, reverse)
    return sd.where(later, da, 0.0), db, None


def product_of_others(x: SDVariable, segment_ids: SDVariable) -> SDVariable:
    """For each row the product of all others of its segment; no division, so zeros do no harm."""
    sd, rest = x.sd, tuple(range(segment_ids.ndim, x.ndim))

    def those(behind: bool) -> SDVariable:
        """The product of the rows before, or of those behind."""
        is_first = sd.moved_in_segments(sd.ones_like(segment_ids), segment_ids, behind).eq(0)
        is_first = sd.expand_dims(is_first, rest) if rest else is_first
        factors = sd.moved_in_segments(x, segment_ids, behind)
        return sd.recurrence_in_segments(factors, sd.broadcast_like(sd.cast(is_first, x.dtype), x), segment_ids, behind)

    return those(False) * those(True)


_SHARED = {
    "x": "Rows of numbers.",
    "segment_ids": "One integer per row.",
    "back": "Move towards the beginning.",
    "reverse": "Run from the end.",
}


class SDWithin(Namespace, prefix="", shared=_SHARED):
    """What runs through the rows of segments, in the base namespace."""

    @primitive(
        infer=_per_row,
        kernel=_moved,
        vjp=lambda g, y, x, segment_ids, back: (g.sd.moved_in_segments(g, segment_ids, not back), None),
        reach=LINEAR,
        literals=SEGMENTS,
    )
    def moved_in_segments(
        self, x: Operand, segment_ids: Operand, back: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Each row in the place of the next one of its segment, 0 in that of the first; the other way with ``back``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.moved_in_segments([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1]).eval()
            array([0., 0., 1., 2.])
        """
        ...

    @primitive(
        infer=_recurring,
        kernel=_recurrence,
        vjp=_recurrence_vjp,
        reach=_recurrence_reach,
        masked_vjp=_recurrence_masked_vjp,
        literals=SEGMENTS,
    )
    def recurrence_in_segments(
        self, a: Operand, b: Operand, segment_ids: Operand, reverse: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """``r_k = a_k r_{k-1} + b_k`` through the rows of each segment, from ``r_0 = b_0``; from the end in reverse.

        Segments do not meet: an infinite or NaN row of one changes no other.

        Args:
            a: Factors; that of the first row of a segment does not matter.
            b: What is added, of the shape of ``a``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.recurrence_in_segments([2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 5.0], [0, 0, 0, 1]).eval()
            array([1., 3., 7., 5.])
        """
        ...
