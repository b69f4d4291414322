"""Products and parts of matrices: one part of ``sd.linalg``.

Everything works on the last two axes; axes before them are batches. Decompositions are in `sdgraph.ops.decompositions`,
solvers in `sdgraph.ops.linalg`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR
from sdgraph.build.reading import Reading
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole, whole
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, broadcast_shapes, known_size, shape_str, ufunc_dtype
from sdgraph.ops import written
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand


def _triangular(*, rows: int, columns: int | None, diagonal: int, dtype: Any) -> Aval:
    whole("diagonal", diagonal)
    size = (rows, rows if columns is None else columns)
    if not all(is_whole(n, 0) for n in size):
        raise ArgumentError("Sizes are whole numbers >= 0.", given=f"rows={rows!r}, columns={columns!r}")
    return Aval(tuple(map(known_size, size)), dtype)


def swap_last(x: SDVariable) -> SDVariable:
    """``x`` with its last two axes exchanged."""
    n = x.ndim
    return x.sd.permute(x, (*range(n - 2), n - 1, n - 2))


def _times_vector(a: SDVariable, v: SDVariable) -> SDVariable:
    """Matrix times vector, per batch of either."""
    sd = a.sd
    if v.ndim == 1:
        return sd.linalg.matmul(a, v)
    return sd.squeeze(sd.linalg.matmul(a, sd.expand_dims(v, -1)), -1)


def outer(a: SDVariable, b: SDVariable) -> SDVariable:
    """Column times row, per batch."""
    return a.sd.expand_dims(a, -1) * a.sd.expand_dims(b, -2)


def product_for(like: SDVariable, a: SDVariable, b: SDVariable) -> SDVariable:
    """``a @ b`` for the gradient of ``like``: added up over the batch axes along which that was broadcast."""
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    same = len(batch) == like.ndim - 2 and all(
        (d == 1) == (e == 1) for d, e in zip(batch, like.shape[:-2], strict=True)
    )
    return a.sd.linalg.matmul(a, b) if same else a.sd.linalg.matmul_like(a, b, like)


def _matmul_vjp(g: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    if a.ndim == 1 and b.ndim == 1:
        return g * b, g * a
    if a.ndim == 1:
        return _times_vector(b, g), outer(a, g)  # The driver sums over batches.
    if b.ndim == 1:
        if a.ndim == 2:
            return outer(g, b), _times_vector(swap_last(a), g)
        column = product_for(sd.expand_dims(b, 1), swap_last(a), sd.expand_dims(g, -1))
        return outer(g, b), sd.squeeze(column, 1)
    return product_for(a, g, swap_last(b)), product_for(b, swap_last(a), g)


def _matmul_like_vjp(
    g: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable, like: SDVariable
) -> tuple[SDVariable, SDVariable, None]:
    return product_for(a, g, swap_last(b)), product_for(b, swap_last(a), g), None


def _merged_rows(x: SDVariable, batches: Sequence[int]) -> SDVariable:
    """The rows of several batches as the rows of one matrix; sizes are known."""
    rest = [k for k in range(x.ndim - 2) if k not in batches]
    ordered = x.sd.permute(x, (*rest, *batches, x.ndim - 2, x.ndim - 1))
    sizes: Any = x.shape
    rows = math.prod(sizes[k] for k in (*batches, x.ndim - 2))
    return x.sd.reshape(ordered, (*[sizes[k] for k in rest], rows, sizes[-1]))


# ---------------------------------------------------------------------- products of which a part counts


def _as_product(g: SDVariable, a: SDVariable, b: SDVariable) -> SDVariable:
    """``g``, which has the axes of ``a @ b``, with the rows and columns that vectors lack."""
    g = g.sd.expand_dims(g, -1) if b.ndim == 1 else g
    return g.sd.expand_dims(g, -2) if a.ndim == 1 else g


def _as_vector(x: SDVariable, axis: int, like: SDVariable) -> SDVariable:
    return x.sd.squeeze(x, axis) if like.ndim == 1 else x


def _matmul_masked_vjp(
    vjp: Any, g: SDVariable, live: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable
) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    g, live = _as_product(g, a, b), _as_product(live, a, b)
    rows = sd.expand_dims(a, 0) if a.ndim == 1 else a
    columns = sd.expand_dims(b, 1) if b.ndim == 1 else b
    if live.shape[-1] == 1:
        # Whole rows count or do not: what is not needed of the other products is one factor of theirs.
        da, db = vjp(g, y, sd.where(live, rows, 0.0), columns)
        da = sd.where(live, da, 0.0)
    elif live.shape[-2] == 1:
        da, db = vjp(g, y, rows, sd.where(live, columns, 0.0))
        db = sd.where(live, db, 0.0)
    else:
        da, db, *_ = _matmul_where_vjp(g, live, y, rows, columns, None, None)
    return _as_vector(da, -2, a), _as_vector(db, -1, b)


def _matmul_reach(mask: Mask, y: SDVariable, a: SDVariable, b: SDVariable) -> tuple[Mask, Mask]:
    mask = mask.moved(lambda c: _as_product(c, a, b))
    rows = mask.over(-1).moved(lambda c: _as_vector(c, -2, a))
    columns = mask.over(-2).moved(lambda c: _as_vector(c, -1, b))
    return rows.fitted(a.shape), columns.fitted(b.shape)


def _matmul_like_masked_vjp(
    vjp: Any, g: SDVariable, live: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable, like: SDVariable
) -> tuple[SDVariable, SDVariable, None]:
    da, db = _matmul_masked_vjp(lambda g, y, a, b: vjp(g, y, a, b, like)[:2], g, live, y, a, b)
    return da, db, None


def _matmul_where_vjp(
    g: SDVariable,
    live: SDVariable | None,
    y: SDVariable,
    a: SDVariable,
    b: SDVariable,
    where_a: SDVariable | None,
    where_b: SDVariable | None,
) -> tuple[SDVariable, SDVariable, None, None]:
    sd, product = g.sd, g.sd.linalg.matmul_where
    da = product(g, swap_last(b), live, None if where_b is None else swap_last(_as_matrix(where_b)))
    db = product(swap_last(a), g, None if where_a is None else swap_last(_as_matrix(where_a)), live)
    da = da if where_a is None else sd.where(where_a, da, 0.0)
    return da, db if where_b is None else sd.where(where_b, db, 0.0), None, None


def _as_matrix(x: SDVariable) -> SDVariable:
    return x.sd.expand_dims(x, tuple(range(2 - x.ndim))) if x.ndim < 2 else x


def _matmul_where_reach(
    mask: Mask,
    y: SDVariable,
    a: SDVariable,
    b: SDVariable,
    where_a: SDVariable | None,
    where_b: SDVariable | None,
) -> tuple[Mask, Mask, None, None]:
    rows, columns = _matmul_reach(mask, y, a, b)
    rows = rows if where_a is None else rows & mask.pool.of(where_a)
    return rows, columns if where_b is None else columns & mask.pool.of(where_b), None, None


def _infer_matmul_where(a: Aval, b: Aval, where_a: Aval | None, where_b: Aval | None) -> Aval:
    """The shape of the product.

    Returns:
        Shape ``(..., n, m)``, the promoted dtype of ``a`` and ``b``.

    Raises:
        ShapeError: If an operand has less than two axes, sizes do not match, or bools do not broadcast.
    """
    for x, where in ((matrix(a), where_a), (matrix(b), where_b)):
        if where is not None and broadcast_shapes(x.shape, where.shape) != x.shape:
            raise ShapeError(
                "What counts of a matrix must broadcast to its shape.",
                given=f"{shape_str(where.shape)} for {shape_str(x.shape)}",
            )
    return shapes.matmul(a, b)


def _matmul_where(xp: Any, a: Any, b: Any, where_a: Any = None, where_b: Any = None) -> Any:
    a = a if where_a is None else xp.where(where_a, a, xp.zeros((), a.dtype))
    b = b if where_b is None else xp.where(where_b, b, xp.zeros((), b.dtype))
    product = xp.matmul(a, b)
    if xp.isfinite(product).all():
        return product
    # Where an infinite or NaN factor meets one that does not count, their product does not either.
    count_a = xp.broadcast_to(True if where_a is None else where_a, a.shape)
    count_b = xp.broadcast_to(True if where_b is None else where_b, b.shape)
    over_a, over_b = (*range(a.ndim - 2), -2), (*range(b.ndim - 2), -1)
    plain = xp.isfinite(a).all(axis=over_a) & xp.isfinite(b).all(axis=over_b)
    product = xp.matmul(a[..., plain], b[..., plain, :])
    for k in xp.flatnonzero(~plain & count_a.any(axis=over_a) & count_b.any(axis=over_b)):
        both = count_a[..., :, k, None] & count_b[..., k, None, :]
        product = product + xp.where(both, a[..., :, k, None] * b[..., k, None, :], xp.zeros((), product.dtype))
    return product


def _cross_masked_vjp(
    vjp: Any, g: SDVariable, live: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable
) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    live = sd.broadcast_like(live, y)

    def product(x: SDVariable, ahead: bool) -> SDVariable:
        """Entries of ``x`` times the cotangents behind them, or ahead of them."""
        x_at, g_at = (_BEHIND, _AHEAD) if ahead else (_AHEAD, _BEHIND)
        return sd.where(_entries(live, g_at), _entries(x, x_at) * _entries(g, g_at), 0.0)

    return product(b, False) - product(b, True), product(a, True) - product(a, False)


def _cross_reach(mask: Mask, y: SDVariable, a: SDVariable, b: SDVariable) -> tuple[Mask, Mask]:
    mask = mask.moved(lambda c: c.sd.broadcast_like(c, y))
    others = mask.moved(lambda c: _entries(c, _AHEAD)) | mask.moved(lambda c: _entries(c, _BEHIND))
    return others, others


def _entries(x: SDVariable, at: list[int]) -> SDVariable:
    return x.sd.gather(x, at, axis=-1)


# ---------------------------------------------------------------------- shape rules


def matrix(x: Aval) -> Aval:
    """Raise unless the operand has a row and a column axis.

    Raises:
        ShapeError: If ``x`` has less than two axes.
    """
    if len(x.shape) < 2:
        raise ShapeError("A matrix is needed.", given=shape_str(x.shape), expected="rank 2 or more")
    return x


def _infer_matmul_like(a: Aval, b: Aval, like: Aval) -> Aval:
    """The shape of ``like``.

    Returns:
        The shape of ``like``, the promoted dtype of ``a`` and ``b``.

    Raises:
        ShapeError: If sizes do not match, or an operand has less than two axes.
    """
    out = shapes.matmul(matrix(a), matrix(b))
    shapes.must_have(Aval(matrix(like).shape[-2:], out.dtype), out.shape[-2:], "These are not the product's sizes.")
    broadcast_shapes(out.shape[:-2], like.shape[:-2])
    return Aval(like.shape, out.dtype)


def _triangle(x: Aval, *, diagonal: int) -> Aval:
    """The operand's aval; it must be a matrix.

    Returns:
        The same shape and dtype.

    Raises:
        ShapeError: If ``x`` has less than two axes.
        ArgumentError: If ``diagonal`` is no whole number.
    """
    whole("diagonal", diagonal)
    return matrix(x)


def _infer_band(x: Aval, *, min_lower: int, max_upper: int) -> Aval:
    """The operand's aval; it must be a matrix.

    Returns:
        The same shape and dtype.

    Raises:
        ShapeError: If ``x`` has less than two axes.
        ArgumentError: If a number of diagonals is no whole number.
    """
    for name, n in (("min_lower", min_lower), ("max_upper", max_upper)):
        whole(name, n)
    return matrix(x)


def _band(xp: Any, x: Any, *, min_lower: int, max_upper: int) -> Any:
    rows, columns = xp.arange(x.shape[-2])[:, None], xp.arange(x.shape[-1])
    keep = xp.ones(x.shape[-2:], bool)
    if min_lower >= 0:
        keep = keep & (rows - columns <= min_lower)
    if max_upper >= 0:
        keep = keep & (columns - rows <= max_upper)
    return xp.where(keep, x, xp.zeros((), x.dtype))


def _infer_diag(x: Aval) -> Aval:
    """The last axis twice.

    Returns:
        Shape ``(..., n, n)``, the same dtype.

    Raises:
        ShapeError: If ``x`` is a scalar.
    """
    if not x.shape:
        raise ShapeError("A diagonal needs a vector.", given=shape_str(x.shape), expected="rank 1 or more")
    return Aval((*x.shape, x.shape[-1]), x.dtype)


def _diag(xp: Any, x: Any) -> Any:
    return xp.where(xp.eye(x.shape[-1], dtype=bool), x[..., None], xp.zeros((), x.dtype))


def _infer_diag_part(x: Aval) -> Aval:
    """The shorter of the last two axes.

    Returns:
        Shape ``(..., min(n, m))``, the same dtype.

    Raises:
        ShapeError: If ``x`` has less than two axes.
    """
    matrix(x)
    return Aval((*x.shape[:-2], shapes.smaller(*x.shape[-2:])), x.dtype)


def _infer_on_diagonal(g: Aval, x: Aval) -> Aval:
    """The shape of ``x``.

    Returns:
        The shape of ``x``, the dtype of ``g``.

    Raises:
        ShapeError: If ``x`` has less than two axes, or ``g`` is not shaped like its diagonals.
    """
    matrix(x)
    shapes.must_have(g, (*x.shape[:-2], shapes.smaller(*x.shape[-2:])), "These are not the diagonals.")
    return Aval(x.shape, g.dtype)


def _infer_cross(a: Aval, b: Aval) -> Aval:
    """Broadcast shape, promoted dtype.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        ShapeError: If a last axis does not have 3 entries, or the shapes do not broadcast.
    """
    for v in (a, b):
        if not v.shape or (v.shape[-1] not in (3, None) and type(v.shape[-1]) is int):
            raise ShapeError(
                "A cross product is for vectors of three entries.",
                given=f"{shape_str(a.shape)} and {shape_str(b.shape)}",
                expected="3 entries on the last axis",
            )
    return Aval(broadcast_shapes(a.shape, b.shape), ufunc_dtype(np.subtract, (a.dtype, b.dtype)))


_AHEAD, _BEHIND = [1, 2, 0], [2, 0, 1]


def _cross(xp: Any, a: Any, b: Any) -> Any:
    return a[..., _AHEAD] * b[..., _BEHIND] - a[..., _BEHIND] * b[..., _AHEAD]


_SHARED = {"x": "Shape ``(..., n, m)``."}


class SDMatrices(Namespace, prefix="linalg", shared=_SHARED):
    """Products and parts of matrices of ``sd.linalg``."""

    # ------------------------------------------------------------------ products

    @primitive(
        infer=shapes.matmul,
        kernel="matmul",
        vjp=_matmul_vjp,
        reach=_matmul_reach,
        masked_vjp=_matmul_masked_vjp,
        reads=Reading(written.matrix_product, factor=written.TIMES_A_MATRIX),
    )
    def matmul(self, a: Operand, b: Operand, *, name: str | None = None) -> SDVariable:
        """Matrix product ``a @ b`` with the rules of ``numpy.matmul``.

        Args:
            a: Shape ``(..., n, k)`` or ``(k,)``.
            b: Shape ``(..., k, m)`` or ``(k,)``. Axes before the last two broadcast.

        Returns:
            Shape ``(..., n, m)``; the axis that a vector lacks is missing from the result too. The promoted dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]).eval()
            array([3., 7.])
        """
        ...

    @composite(
        infer=_infer_matmul_like,
        vjp=_matmul_like_vjp,
        reach=lambda mask, y, a, b, like: (*_matmul_reach(mask, y, a, b), None),
        masked_vjp=_matmul_like_masked_vjp,
    )
    def matmul_like(self, a: Operand, b: Operand, like: Operand, *, name: str | None = None) -> SDVariable:
        """``a @ b`` added up over the batch axes that ``like`` lacks or has with size 1: its gradient in a product.

        The sum over batches is part of one matrix product of all rows; no product per batch is kept.

        Args:
            a: Shape ``(..., n, k)``.
            b: Shape ``(..., k, m)``. Axes before the last two broadcast.
            like: Lends its shape ``(..., n, m)`` to the result; its values do not matter. Where only it has a batch
                axis, the result repeats.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.matmul_like([[[1.0, 2.0]], [[3.0, 4.0]]], [[[1.0], [1.0]], [[2.0], [2.0]]], [[0.0]]).eval()
            array([[17.]])
        """
        sd = self.sd
        a, b, like = sd.as_variable(a), sd.as_variable(b), sd.as_variable(like)
        rank = max(a.ndim, b.ndim, like.ndim)
        shape = (1,) * (rank - like.ndim) + like.shape
        a, b = (x if x.ndim == rank else sd.reshape(x, (1,) * (rank - x.ndim) + x.shape) for x in (a, b))
        over_a = tuple(k for k in range(rank - 2) if shape[k] == 1 != a.shape[k] and b.shape[k] == 1)
        over_b = tuple(k for k in range(rank - 2) if shape[k] == 1 != b.shape[k] and a.shape[k] == 1)
        # What one factor alone brings is added up before the product, what both bring is part of it.
        a = cast_to(sd.sum(a, over_a, True), a.dtype) if over_a else a
        b = cast_to(sd.sum(b, over_b, True), b.dtype) if over_b else b
        both = [k for k in range(rank - 2) if shape[k] == 1 != a.shape[k]]
        if both:
            a, b = swap_last(_merged_rows(swap_last(a), both)), _merged_rows(b, both)
        out = self.matmul(a, b)
        kept = [d for k, d in enumerate(shape) if k not in both]
        return sd.reshape(sd.broadcast_to(out, kept), like.shape)

    @primitive(
        infer=_infer_matmul_where,
        kernel=_matmul_where,
        vjp=lambda g, y, *operands: _matmul_where_vjp(g, None, y, *operands),
        reach=_matmul_where_reach,
        masked_vjp=lambda vjp, *args: _matmul_where_vjp(*args),
        selects=True,
        literals={"where_a": "bool", "where_b": "bool"},
    )
    def matmul_where(
        self,
        a: Operand,
        b: Operand,
        where_a: Operand | None = None,
        where_b: Operand | None = None,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Matrix product ``a @ b`` that leaves out the products of entries that do not count.

        They are left out even if the other factor is infinite or NaN. Gradients of products behind a `sd.where` use it.

        Args:
            a: Shape ``(..., n, k)``.
            b: Shape ``(..., k, m)``; leading axes broadcast.
            where_a: Bools that broadcast to the shape of ``a``: which of its entries count. All, without them.
            where_b: The same for ``b``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.matmul_where([[0.0, 2.0]], [[float("inf")], [3.0]], [[False, True]]).eval()
            array([[6.]])
        """
        ...

    @composite(reads=written.MATRIX_PRODUCT)
    def mmul(
        self,
        x: Operand,
        y: Operand,
        transpose_x: bool = False,
        transpose_y: bool = False,
        transpose_z: bool = False,
        alpha: float = 1.0,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``alpha * (x @ y)``, with transposes of the last two axes on the way.

        Args:
            x: Shape ``(..., n, k)`` or ``(k,)``.
            y: Shape ``(..., k, m)`` or ``(k,)``.
            transpose_x: Whether to transpose ``x`` first; a vector stays as it is.
            transpose_y: Whether to transpose ``y`` first.
            transpose_z: Whether to transpose the product.
            alpha: Factor of the product.

        Returns:
            Shape ``(..., n, m)``, the promoted dtype.

        Raises:
            ShapeError: If the inner sizes differ, batch axes do not broadcast, or an operand is a scalar.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.mmul([[1.0, 2.0]], [[3.0, 4.0]], transpose_y=True).eval()
            array([[11.]])
        """
        a, b = self.sd.as_variable(x), self.sd.as_variable(y)
        a = swap_last(a) if transpose_x and a.ndim > 1 else a
        b = swap_last(b) if transpose_y and b.ndim > 1 else b
        out = self.matmul(a, b)
        out = swap_last(out) if transpose_z and out.ndim > 1 else out
        return out if alpha == 1 else alpha * out

    @primitive(
        infer=_infer_cross,
        kernel=_cross,
        vjp=lambda g, y, a, b: (g.sd.linalg.cross(b, g), g.sd.linalg.cross(g, a)),
        reach=_cross_reach,
        masked_vjp=_cross_masked_vjp,
    )
    def cross(self, a: Operand, b: Operand, *, name: str | None = None) -> SDVariable:
        """Cross product of vectors of three entries, on the last axis.

        Args:
            a: Shape ``(..., 3)``.
            b: Shape ``(..., 3)``; axes before the last broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]).eval()
            array([0., 0., 1.])
        """
        ...

    # ------------------------------------------------------------------ diagonals and triangles

    @primitive(infer=_infer_diag, kernel=_diag, vjp=lambda g, y, x: g.sd.linalg.diag_part(g), reach=LINEAR)
    def diag(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Matrices with given diagonals and 0 elsewhere.

        Args:
            x: Diagonals, shape ``(..., n)``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.diag([1.0, 2.0]).eval()
            array([[1., 0.],
                   [0., 2.]])
        """
        ...

    @primitive(
        infer=_infer_diag_part,
        kernel=lambda xp, x: xp.diagonal(x, axis1=-2, axis2=-1),
        vjp=lambda g, y, x: g.sd.linalg.on_diagonal(g, x),
        reach=LINEAR,
        is_strided=True,
    )
    def diag_part(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The main diagonals of matrices.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.diag_part([[1.0, 2.0], [3.0, 4.0]]).eval()
            array([1., 4.])
        """
        ...

    @composite(infer=_infer_on_diagonal)
    def on_diagonal(self, g: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """Matrices of the shape of ``x`` with ``g`` on their diagonals and 0 elsewhere: the transpose of `diag_part`.

        Args:
            g: Diagonals, shape ``(..., min(n, m))``.
            x: Lends its shape ``(..., n, m)`` to the result; its values do not matter.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.on_diagonal([1.0, 2.0], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).eval()
            array([[1., 0., 0.],
                   [0., 2., 0.]])
        """
        sd = self.sd
        n, m = sd.as_variable(x).shape[-2:]
        k = min(n, m)  # type: ignore[type-var]
        square = self.diag(g)
        if n == m:
            return square
        return sd.nn.pad(square, ((0, 0),) * (square.ndim - 2) + ((0, n - k), (0, m - k)))  # type: ignore[operator]

    @composite(infer=_triangular, grows=True)
    def tri(
        self,
        rows: int,
        columns: int | None = None,
        diagonal: int = 0,
        dtype: DTypeLike | None = None,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """A matrix of ones at and below a diagonal, and zeros above it.

        Args:
            rows: Number of rows.
            columns: Number of columns; None for as many as rows.
            diagonal: The last diagonal of ones: 0 is the main one, negative ones are below it.
            dtype: The dtype; None for the graph's.

        Returns:
            Shape ``(rows, columns)``.

        Raises:
            ArgumentError: If a size is negative, or a number is no whole one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.tri(2).eval()
            array([[1., 0.],
                   [1., 1.]])
        """
        return self.sd.as_variable(np.tri(rows, columns, diagonal, dtype or self.sd.dtype))

    @primitive(
        infer=_triangle,
        kernel=lambda xp, x, *, diagonal: xp.triu(x, diagonal),
        vjp=lambda g, y, x, *, diagonal: g.sd.linalg.triu(g, diagonal),
        reach=LINEAR,
    )
    def triu(self, x: Operand, diagonal: int = 0, *, name: str | None = None) -> SDVariable:
        """Matrices with everything below a diagonal set to 0.

        Args:
            diagonal: The first diagonal that stays: 0 is the main one, negative ones are below it.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.triu([[1.0, 2.0], [3.0, 4.0]]).eval()
            array([[1., 2.],
                   [0., 4.]])
        """
        ...

    @primitive(
        infer=_triangle,
        kernel=lambda xp, x, *, diagonal: xp.tril(x, diagonal),
        vjp=lambda g, y, x, *, diagonal: g.sd.linalg.tril(g, diagonal),
        reach=LINEAR,
    )
    def tril(self, x: Operand, diagonal: int = 0, *, name: str | None = None) -> SDVariable:
        """Matrices with everything above a diagonal set to 0.

        Args:
            diagonal: The last diagonal that stays: 0 is the main one, negative ones are below it.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.tril([[1.0, 2.0], [3.0, 4.0]]).eval()
            array([[1., 0.],
                   [3., 4.]])
        """
        ...

    @primitive(
        infer=_infer_band,
        kernel=_band,
        vjp=lambda g, y, x, *, min_lower, max_upper: g.sd.linalg.matrix_band_part(g, min_lower, max_upper),
        reach=LINEAR,
    )
    def matrix_band_part(self, x: Operand, min_lower: int, max_upper: int, *, name: str | None = None) -> SDVariable:
        """Matrices with everything outside a band around the main diagonal set to 0.

        Args:
            min_lower: How many diagonals below the main one stay; a negative number keeps all.
            max_upper: How many diagonals above the main one stay; a negative number keeps all.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.matrix_band_part([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], 0, 1).eval()
            array([[1., 2., 0.],
                   [0., 5., 6.]])
        """
        ...
