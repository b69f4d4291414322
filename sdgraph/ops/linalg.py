"""Decompositions and solvers, and the whole of ``sd.linalg``.

Everything works on the last two axes of real matrices; axes before them are batches. Gradient rules are matrix formulas
written with the ops here, so each can be differentiated again.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.op import NOT_DIFFERENTIABLE
from sdgraph.build.reading import ATOM, POWER, call, form
from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError, GradientError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, broadcast_shapes, shape_str
from sdgraph.infer.shapes import INT64
from sdgraph.ops import singular
from sdgraph.ops.matrices import SDMatrices, matrix, outer, product_for, swap_last

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand

# ---------------------------------------------------------------------- shape rules


def _real(x: Aval) -> Aval:
    """Matrices of real floating numbers; numpy decomposes single and double precision only."""
    matrix(x)
    dtype = x.dtype if x.dtype.kind in "fc" else np.dtype("float64")
    if dtype.kind == "c" or dtype.itemsize not in (4, 8):
        raise DTypeError("Only float32 and float64 matrices can be decomposed.", given=x.dtype.name)
    return Aval(x.shape, dtype)


def _square(x: Aval) -> Aval:
    out = _real(x)
    n, m = x.shape[-2:]
    if type(n) is int and type(m) is int and n != m:
        raise ShapeError("A square matrix is needed.", given=shape_str(x.shape))
    return out


def _scalar_per_matrix(x: Aval) -> Aval:
    return Aval(x.shape[:-2], _square(x).dtype)


def _infer_solve(matrix: Aval, rhs: Aval, **_: Any) -> Aval:
    a = _square(matrix)
    if not rhs.shape:
        raise ShapeError("The right-hand side is a vector or a matrix.", given=shape_str(rhs.shape))
    vector = len(rhs.shape) == 1
    rows, n = rhs.shape[0 if vector else -2], a.shape[-1]
    if type(rows) is int and type(n) is int and rows != n:
        raise ShapeError(
            "Matrix and right-hand side differ in the number of rows.",
            given=f"{shape_str(matrix.shape)} and {shape_str(rhs.shape)}",
        )
    dtype = np.promote_types(a.dtype, _real(Aval((1, 1), rhs.dtype)).dtype)
    if vector:
        return Aval((*a.shape[:-2], n), dtype)
    return Aval((*broadcast_shapes(a.shape[:-2], rhs.shape[:-2]), n, rhs.shape[-1]), dtype)


def _fewer(x: Aval) -> Dim:
    n, m = x.shape[-2:]
    return min(n, m) if type(n) is int and type(m) is int else (n if n == m else None)


def _infer_lstsq(matrix: Aval, rhs: Aval, **_: Any) -> Aval:
    a = _real(matrix)
    if len(rhs.shape) < 2:
        raise ShapeError("The right-hand side is a matrix.", given=shape_str(rhs.shape), expected="rank 2 or more")
    n, m = a.shape[-2:]
    rows = rhs.shape[-2]
    if type(rows) is int and type(n) is int and rows != n:
        raise ShapeError(
            "Matrix and right-hand side differ in the number of rows.",
            given=f"{shape_str(matrix.shape)} and {shape_str(rhs.shape)}",
        )
    dtype = np.promote_types(a.dtype, _real(Aval((1, 1), rhs.dtype)).dtype)
    return Aval((*broadcast_shapes(a.shape[:-2], rhs.shape[:-2]), m, rhs.shape[-1]), dtype)


def _infer_cofactors_gradient(g: Aval, x: Aval) -> Aval:
    out = _square(x)
    shapes.must_have(g, x.shape, "A cotangent has the shape of its value.")
    return out


def _infer_qr(x: Aval, *, full: bool) -> tuple[Aval, Aval]:
    out = _real(x)
    n, m = x.shape[-2:]
    k = n if full else _fewer(x)
    return Aval((*x.shape[:-2], n, k), out.dtype), Aval((*x.shape[:-2], k, m), out.dtype)


def _infer_svd(x: Aval, *, full_uv: bool, compute_uv: bool) -> Any:
    out = _real(x)
    n, m = x.shape[-2:]
    batch, k = x.shape[:-2], _fewer(x)
    s = Aval((*batch, k), out.dtype)
    if not compute_uv:
        return s
    return Aval((*batch, n, n if full_uv else k), out.dtype), s, Aval((*batch, m if full_uv else k, m), out.dtype)


def _infer_lu(x: Aval) -> tuple[Aval, Aval]:
    return _square(x), Aval(x.shape[:-1], INT64)


def _infer_eig(x: Aval) -> tuple[Aval, Aval]:
    dtype = np.promote_types(_square(x).dtype, np.dtype("complex64"))
    return Aval(x.shape[:-1], dtype), Aval(x.shape, dtype)


# ---------------------------------------------------------------------- kernels


def _symmetric(a: Any) -> Any:
    return (a + a.mT) / 2


def _triangle(xp: Any, a: Any, lower: bool) -> Any:
    return xp.tril(a) if lower else xp.triu(a)


def _triangular_solve(xp: Any, a: Any, b: Any, *, lower: bool, adjoint: bool) -> Any:
    a = _triangle(xp, a, lower)
    return xp.linalg.solve(a.mT if adjoint else a, b)


def _logdet(xp: Any, x: Any) -> Any:
    sign, log = xp.linalg.slogdet(x)
    return xp.where(sign > 0, log, xp.where(sign == 0, -xp.inf, xp.nan)).astype(log.dtype)


def _lu(xp: Any, x: Any) -> tuple[Any, Any]:
    """Elimination with the largest pivot of each column; every step makes new arrays, as some array types demand."""
    n = x.shape[-1]
    rows = xp.arange(n)
    a = x if x.dtype.kind == "f" else x.astype("float64")
    order = xp.broadcast_to(rows, a.shape[:-1])
    for k in range(n):
        below = xp.where(rows >= k, xp.abs(a[..., :, k]), -1)
        pivot = xp.argmax(below, axis=-1)[..., None]
        swap = xp.where(rows == k, pivot, xp.where(rows == pivot, k, rows))
        a = xp.take_along_axis(a, swap[..., None], axis=-2)
        order = xp.take_along_axis(order, swap, axis=-1)
        head = a[..., k : k + 1, k]
        factor = xp.where((rows > k) & (head != 0), a[..., :, k] / xp.where(head == 0, 1, head), 0)
        rest = a - factor[..., None] * a[..., k : k + 1, :]
        a = xp.where((rows > k)[:, None] & (rows > k), rest, a)
        a = xp.where((rows > k)[:, None] & (rows == k), factor[..., None], a)
    return a, order.astype(INT64)


def _eig(xp: Any, x: Any) -> tuple[Any, Any]:
    values, vectors = xp.linalg.eig(x)
    dtype = np.promote_types(values.dtype, np.dtype("complex64"))
    return values.astype(dtype), vectors.astype(dtype)


# ---------------------------------------------------------------------- gradient rules


def _half_diagonal(x: SDVariable) -> SDVariable:
    """The lower triangle with half of the diagonal: the part of a symmetric matrix that, mirrored, gives it back."""
    linalg = x.sd.linalg
    return 0.5 * (linalg.tril(x) + linalg.tril(x, -1))


def _cholesky_vjp(g: SDVariable, y: SDVariable, x: SDVariable) -> SDVariable:
    # I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527.
    linalg = g.sd.linalg
    inner = _half_diagonal(linalg.matmul(swap_last(y), g))
    left = linalg.triangular_solve(y, inner, lower=True, adjoint=True)
    full = linalg.triangular_solve(y, swap_last(left), lower=True, adjoint=True)
    return 0.5 * (full + swap_last(full))


def _solution_products(
    matrix: SDVariable, y: SDVariable, b: SDVariable, adjoint: bool, solved: SDVariable
) -> SDVariable:
    """The cotangent of the matrix, given that of the right-hand side."""
    if b.ndim == 1:
        return -(outer(y, solved) if adjoint else outer(solved, y))
    left, right = (y, solved) if adjoint else (solved, y)
    return -product_for(matrix, left, swap_last(right))


def _solve_vjp(
    g: SDVariable, y: SDVariable, matrix: SDVariable, rhs: SDVariable, *, adjoint: bool
) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    if rhs.ndim == 1:
        solved = sd.squeeze(sd.linalg.solve(matrix, sd.expand_dims(g, -1), adjoint=not adjoint), -1)
    else:
        solved = sd.linalg.solve(matrix, g, adjoint=not adjoint)
    return _solution_products(matrix, y, rhs, adjoint, solved), solved


def _triangular_solve_vjp(
    g: SDVariable, y: SDVariable, matrix: SDVariable, rhs: SDVariable, *, lower: bool, adjoint: bool
) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    h = sd.expand_dims(g, -1) if rhs.ndim == 1 else g
    solved = sd.linalg.triangular_solve(matrix, h, lower=lower, adjoint=not adjoint)
    solved = sd.squeeze(solved, -1) if rhs.ndim == 1 else solved
    full = _solution_products(matrix, y, rhs, adjoint, solved)
    return sd.linalg.tril(full) if lower else sd.linalg.triu(full), solved


def _solved(live: SDVariable, rhs: SDVariable, forward: bool | None) -> SDVariable:
    """Which entries of a right-hand side reach a solution that counts.

    All in its column do; of triangular equations those that are not after it, or if not ``forward`` not before it.
    """
    sd = live.sd
    axis = -1 if rhs.ndim == 1 else -2
    if forward is None:
        return sd.any(live, axis=axis, keepdims=True)
    return sd.cumsum(sd.cast(live, rhs.dtype), axis, False, forward).neq(0)


def _equations(reached: SDVariable, rhs: SDVariable, adjoint: bool) -> SDVariable:
    """The same for the equations, which are rows of the matrix, or columns of an adjoint."""
    sd = reached.sd
    rows = sd.expand_dims(reached, -1) if rhs.ndim == 1 else sd.any(reached, axis=-1, keepdims=True)
    return swap_last(rows) if adjoint else rows


def _solve_reach(
    mask: Mask, y: SDVariable, matrix: SDVariable, rhs: SDVariable, *, adjoint: bool, lower: bool | None = None
) -> tuple[Mask, Mask]:
    reached = _solved(mask.variable(), rhs, None if lower is None else lower != adjoint)
    return mask.pool.of(_equations(reached, rhs, adjoint)), mask.pool.of(reached)


def _solve_masked_vjp(
    vjp: Any,
    g: SDVariable,
    live: SDVariable,
    y: SDVariable,
    matrix: SDVariable,
    rhs: SDVariable,
    *,
    adjoint: bool,
    **options: bool,
) -> tuple[SDVariable, SDVariable]:
    """Equations that do not count say that something is 0."""
    sd = g.sd
    reached = _solved(sd.broadcast_like(live, y), rhs, options["lower"] != adjoint if options else None)
    equations = _equations(reached, rhs, adjoint)
    matrix = sd.where(equations, matrix, sd.math.eye_like(matrix))
    d_matrix, d_rhs = vjp(g, sd.where(reached, y, 0.0), matrix, rhs, adjoint=adjoint, **options)
    return sd.where(equations, d_matrix, 0.0), sd.where(reached, d_rhs, 0.0)


def _matrices_reach(mask: Any, y: Any, *xs: SDVariable, **_: Any) -> tuple[Mask, ...]:
    """All of a matrix counts with any part of what is made of it."""
    masks = mask if isinstance(mask, tuple) else (mask,)
    counts = _counting([m.variable() for m in masks], y if isinstance(y, tuple) else (y,), xs[0])
    return (masks[0].pool.of(counts),) * len(xs)


def _counting(live: Sequence[SDVariable], ys: Sequence[SDVariable], x: SDVariable) -> SDVariable:
    """Which matrices count, for results that are matrices, vectors or numbers per matrix."""
    sd = x.sd
    counts: list[SDVariable] = []
    for v, y in zip(live, ys, strict=True):
        lacking = x.ndim - y.ndim
        v = sd.any(v, axis=tuple(range(lacking - 2, 0)), keepdims=True) if lacking < 2 else v
        counts.append(sd.expand_dims(v, tuple(range(-lacking, 0))) if lacking else v)
    return functools.reduce(sd.math.or_, counts)


def _matrices_masked_vjp(vjp: Any, g: Any, live: Any, y: Any, *xs: SDVariable, **attrs: Any) -> list[SDVariable]:
    """Matrices that do not count are those whose results are known: identities."""
    sd, several = xs[0].sd, isinstance(y, tuple)
    counts = _counting(live if several else (live,), y if several else (y,), xs[0])

    def known(v: SDVariable) -> SDVariable:
        lacking = xs[0].ndim - v.ndim
        if lacking:
            return sd.where(sd.squeeze(counts, tuple(range(-lacking, 0))), v, 1.0)
        return sd.where(counts, v, sd.math.eye_like(v))

    terms = vjp(g, tuple(map(known, y)) if several else known(y), *map(known, xs), **attrs)
    return [sd.where(counts, term, 0.0) for term in (terms if isinstance(terms, tuple) else (terms,))]


def _per_matrix(g: SDVariable) -> SDVariable:
    return g.sd.expand_dims(g.sd.expand_dims(g, -1), -1)


def _cofactors_gradient_vjp(
    g: SDVariable, y: SDVariable, h: SDVariable, x: SDVariable
) -> tuple[SDVariable, SDVariable]:
    """The third derivative of the determinant, by way of the inverse.

    With ``Y`` the inverse, ``D = det(X)`` and ``t`` the trace, the second one is ``D (t(YG) t(YH) - t(YGYH))``.
    """
    linalg, trace = g.sd.linalg, g.sd.math.trace
    inverse = linalg.matrix_inverse(x)
    p, q = linalg.matmul(inverse, g), linalg.matmul(inverse, h)
    pq, qp = linalg.matmul(p, q), linalg.matmul(q, p)
    second = _per_matrix(trace(p) * trace(q) - trace(pq))
    inner = second * g.sd.math.eye_like(x) - _per_matrix(trace(q)) * p - _per_matrix(trace(p)) * q + pq + qp
    scale = _per_matrix(linalg.matrix_determinant(x))
    return linalg.cofactors_gradient(g, x), scale * swap_last(linalg.matmul(inner, inverse))


def _inverse_vjp(g: SDVariable, y: SDVariable, x: SDVariable) -> SDVariable:
    t = swap_last(y)
    return -g.sd.linalg.matmul(g.sd.linalg.matmul(t, g), t)


def _qr_vjp(
    g: tuple[SDVariable, SDVariable], y: tuple[SDVariable, SDVariable], x: SDVariable, *, full: bool
) -> SDVariable:
    # S. F. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions", arXiv:1001.1654.
    linalg = x.sd.linalg
    n, m = x.shape[-2:]
    if type(n) is int and type(m) is int and (n < m or (full and n != m)):
        raise GradientError(
            "QR has a gradient for square matrices, and for tall ones with full=False.",
            given=f"{shape_str(x.shape)}, full={full}",
        )
    (gq, gr), (q, r) = g, y
    m_ = linalg.matmul(r, swap_last(gr)) - linalg.matmul(swap_last(gq), q)
    mirrored = linalg.tril(m_) + swap_last(linalg.tril(m_, -1))
    inner = gq + linalg.matmul(q, mirrored)
    return swap_last(linalg.triangular_solve(r, swap_last(inner), lower=False))


def _svd_vjp(g: Any, y: Any, x: SDVariable, *, full_uv: bool, compute_uv: bool) -> SDVariable:
    # J. Townsend, "Differentiating the singular value decomposition", 2016.
    sd, linalg = x.sd, x.sd.linalg
    if not compute_uv:
        u, _, vh = linalg.svd(x)
        return linalg.matmul(u * sd.expand_dims(g, -2), vh)
    n, m = x.shape[-2:]
    if full_uv and n != m:
        raise GradientError("SVD has a gradient with full_uv=False only.", given=shape_str(x.shape))
    (gu, gs, gvh), (u, s, vh) = g, y
    ut, v, gv = swap_last(u), swap_last(vh), swap_last(gvh)
    row, column = sd.expand_dims(s, -2), sd.expand_dims(s, -1)
    # Pairs of equal singular values, the diagonal among them, are left out: their rotation is not determined.
    gaps = (row - column) * (row + column)
    weights = sd.where(sd.eq(gaps, 0), 0, 1 / sd.where(sd.eq(gaps, 0), 1, gaps))
    pu, pv = linalg.matmul(ut, gu), linalg.matmul(vh, gv)
    inner = weights * (pu - swap_last(pu)) * row + column * weights * (pv - swap_last(pv)) + linalg.diag(gs)
    out = linalg.matmul(linalg.matmul(u, inner), vh)
    if type(n) is int and n == m:
        return out
    inverse = sd.where(sd.eq(row, 0), 0, 1 / sd.where(sd.eq(row, 0), 1, row))
    outside_u = (gu - linalg.matmul(u, pu)) * inverse
    outside_v = (gv - linalg.matmul(v, pv)) * inverse
    return out + linalg.matmul(outside_u, vh) + linalg.matmul(u, swap_last(outside_v))


class SDLinalg(SDMatrices, prefix="linalg"):
    """Linear algebra (``sd.linalg``)."""

    # ------------------------------------------------------------------ solving

    @primitive(
        infer=_infer_solve,
        kernel=lambda xp, a, b, *, adjoint: xp.linalg.solve(a.mT if adjoint else a, b),
        vjp=_solve_vjp,
        reach=_solve_reach,
        masked_vjp=_solve_masked_vjp,
    )
    def solve(self, matrix: Operand, rhs: Operand, adjoint: bool = False, *, name: str | None = None) -> SDVariable:
        """The solution ``x`` of ``matrix @ x = rhs``.

        Args:
            matrix: Shape ``(..., n, n)``.
            rhs: Shape ``(..., n, m)`` or ``(n,)``.
            adjoint: Whether to solve with the transposed matrix.

        Returns:
            Shape ``(..., n, m)`` or ``(..., n)``, floating dtype.

        Raises:
            ShapeError: If the matrix is not square, or the numbers of rows differ.
            DTypeError: For complex and half precision numbers.
            ExecutionError: When evaluated, if the matrix is singular.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0]).eval()
            array([1. , 0.5])
        """
        ...

    @primitive(
        infer=_infer_solve,
        kernel=_triangular_solve,
        vjp=_triangular_solve_vjp,
        reach=_solve_reach,
        masked_vjp=_solve_masked_vjp,
    )
    def triangular_solve(
        self, matrix: Operand, rhs: Operand, lower: bool = True, adjoint: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """The solution ``x`` of ``matrix @ x = rhs`` for a triangular matrix.

        Args:
            matrix: Shape ``(..., n, n)``; the other triangle is not read.
            rhs: Shape ``(..., n, m)`` or ``(n,)``.
            lower: Whether the matrix is the lower triangle.
            adjoint: Whether to solve with the transposed matrix.

        Returns:
            Shape ``(..., n, m)`` or ``(..., n)``, floating dtype. The gradient of the other triangle is 0.

        Raises:
            ShapeError: If the matrix is not square, or the numbers of rows differ.
            DTypeError: For complex and half precision numbers.
            ExecutionError: When evaluated, if the matrix is singular.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.triangular_solve([[2.0, 9.0], [1.0, 1.0]], [2.0, 3.0]).eval()
            array([1., 2.])
        """
        ...

    @composite(infer=_infer_lstsq)
    def lstsq(
        self,
        matrix: Operand,
        rhs: Operand,
        l2_regularizer: float = 0.0,
        fast: bool = True,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The ``x`` with the least ``sum((matrix @ x - rhs)**2) + l2_regularizer * sum(x**2)``.

        Where a matrix has more columns than rows and there is no penalty, many ``x`` solve the equations exactly: it is
        the one of least norm.

        Args:
            matrix: Shape ``(..., n, m)`` with independent columns, or independent rows if ``n < m``.
            rhs: Shape ``(..., n, k)``.
            l2_regularizer: Weight of the penalty, 0 or more.
            fast: Whether to solve the normal equations, which square the condition number; else QR is used. With a
                penalty it is always the normal equations.

        Returns:
            Shape ``(..., m, k)``, floating dtype.

        Raises:
            ShapeError: If the numbers of rows differ.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.lstsq([[1.0], [1.0]], [[1.0], [3.0]]).eval()
            array([[2.]])
            >>> sd.linalg.lstsq([[3.0, 4.0]], [[5.0]]).eval()
            array([[0.6],
                   [0.8]])
        """
        a, b = self.sd.as_variable(matrix), self.sd.as_variable(rhs)
        n, m = a.shape[-2:]
        t = swap_last(a)
        if l2_regularizer:
            penalty = l2_regularizer * np.eye(m, dtype=a.dtype)  # type: ignore[arg-type]
            return self.solve(self.matmul(t, a) + penalty, self.matmul(t, b))
        wide = n < m  # type: ignore[operator]
        if fast:
            if wide:
                return self.matmul(t, self.solve(self.matmul(a, t), b))
            return self.solve(self.matmul(t, a), self.matmul(t, b))
        q, r = self.qr(t if wide else a)
        if wide:
            return self.matmul(q, self.triangular_solve(r, b, lower=False, adjoint=True))
        return self.triangular_solve(r, self.matmul(swap_last(q), b), lower=False)

    @primitive(
        infer=_square,
        kernel=lambda xp, x: xp.linalg.inv(x),
        vjp=_inverse_vjp,
        reach=_matrices_reach,
        masked_vjp=_matrices_masked_vjp,
        reads=form("%s^{-1}", POWER, (ATOM,)),
    )
    def matrix_inverse(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The inverse of square matrices; to solve equations, `solve` is faster and more accurate.

        Args:
            x: Shape ``(..., n, n)``.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            ShapeError: If ``x`` is not square.
            DTypeError: For complex and half precision numbers.
            ExecutionError: When evaluated, if a matrix is singular.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.matrix_inverse([[2.0, 0.0], [0.0, 4.0]]).eval()
            array([[0.5 , 0.  ],
                   [0.  , 0.25]])
        """
        ...

    @primitive(
        infer=_scalar_per_matrix,
        kernel=lambda xp, x: xp.linalg.det(x),
        vjp=lambda g, y, x: _per_matrix(g) * g.sd.linalg.cofactors(x),
        reach=_matrices_reach,
        masked_vjp=_matrices_masked_vjp,
        reads=call(r"\det"),
    )
    def matrix_determinant(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The determinant of square matrices.

        Args:
            x: Shape ``(..., n, n)``.

        Returns:
            Shape ``(...)``, floating dtype. The gradient is the matrix of `cofactors`, also for singular matrices.

        Raises:
            ShapeError: If ``x`` is not square.
            DTypeError: For complex and half precision numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> float(sd.linalg.matrix_determinant([[2.0, 1.0], [0.0, 4.0]]).eval().round(12))
            8.0
        """
        ...

    @primitive(
        infer=_square,
        kernel=singular.cofactors,
        vjp=lambda g, y, x: g.sd.linalg.cofactors_gradient(g, x),
        reach=_matrices_reach,
        masked_vjp=_matrices_masked_vjp,
    )
    def cofactors(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The cofactors of square matrices: the derivatives of the determinant by each entry.

        For an invertible matrix they are the determinant times the transposed inverse; they exist for every matrix.

        Args:
            x: Shape ``(..., n, n)``.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            ShapeError: If ``x`` is not square.
            DTypeError: For complex and half precision numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.cofactors([[1.0, 2.0], [2.0, 4.0]]).eval().round(12)
            array([[ 4., -2.],
                   [-2.,  1.]])
        """
        ...

    @primitive(
        infer=_infer_cofactors_gradient,
        kernel=singular.cofactors_gradient,
        vjp=_cofactors_gradient_vjp,
        reach=_matrices_reach,
        masked_vjp=_matrices_masked_vjp,
    )
    def cofactors_gradient(self, g: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """The gradient of ``sum(g * cofactors(x))``: the second derivative of the determinant, for every matrix.

        Its own gradient for ``x`` needs an invertible matrix.

        Args:
            g: Shape ``(..., n, n)``.
            x: Matrices of the same shape.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            ShapeError: If ``x`` is not square, or ``g`` has another shape.
            DTypeError: For complex and half precision numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.cofactors_gradient([[1.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [2.0, 4.0]]).eval().round(12) + 0.0
            array([[0., 0.],
                   [0., 1.]])
        """
        ...

    @primitive(
        infer=_scalar_per_matrix,
        kernel=_logdet,
        vjp=lambda g, y, x: _per_matrix(g) * swap_last(g.sd.linalg.matrix_inverse(x)),
        reach=_matrices_reach,
        masked_vjp=_matrices_masked_vjp,
        reads=call(r"\log \det"),
    )
    def logdet(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The logarithm of the determinant, without forming the determinant.

        Args:
            x: Shape ``(..., n, n)``.

        Returns:
            Shape ``(...)``, floating dtype; NaN where the determinant is negative, -inf where it is 0.

        Raises:
            ShapeError: If ``x`` is not square.
            DTypeError: For complex and half precision numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> float(sd.linalg.logdet([[2.0, 0.0], [0.0, 0.5]]).eval().round(12))
            0.0
        """
        ...

    # ------------------------------------------------------------------ decompositions

    @primitive(
        infer=_square,
        kernel=lambda xp, x: xp.linalg.cholesky(_symmetric(x)),
        vjp=_cholesky_vjp,
        reach=_matrices_reach,
        masked_vjp=_matrices_masked_vjp,
    )
    def cholesky(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The lower triangular ``L`` with ``L @ L.T = x``.

        Args:
            x: Positive definite matrices, shape ``(..., n, n)``. The symmetric part ``(x + x.T) / 2`` is decomposed, so
                value and gradient treat both triangles alike.

        Returns:
            ``x``'s shape, floating dtype. The gradient is symmetric.

        Raises:
            ShapeError: If ``x`` is not square.
            DTypeError: For complex and half precision numbers.
            ExecutionError: When evaluated, if a matrix is not positive definite.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]]).eval()
            array([[2., 0.],
                   [1., 2.]])
        """
        ...

    @primitive(infer=_infer_lu, kernel=_lu, vjp=NOT_DIFFERENTIABLE)
    def lu(self, x: Operand, *, name: str | None = None) -> tuple[SDVariable, SDVariable]:
        """LU decomposition with row exchanges: ``x[order] = L @ U``.

        Args:
            x: Shape ``(..., n, n)``.

        Returns:
            Both factors in one matrix of ``x``'s shape (``U`` on and above the diagonal, ``L`` below it with a diagonal
            of ones that is not stored), and the order of the rows, shape ``(..., n)``, int64. There is no gradient.

        Raises:
            ShapeError: If ``x`` is not square.
            DTypeError: For complex and half precision numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> factors, order = sd.linalg.lu([[1.0, 2.0], [2.0, 8.0]])
            >>> factors.eval(), order.eval()
            (array([[ 2. ,  8. ],
                   [ 0.5, -2. ]]), array([1, 0]))
        """
        ...

    @primitive(
        infer=_infer_qr,
        kernel=lambda xp, x, *, full: tuple(xp.linalg.qr(x, mode="complete" if full else "reduced")),
        vjp=_qr_vjp,
        reach=_matrices_reach,
        masked_vjp=_matrices_masked_vjp,
    )
    def qr(self, x: Operand, full: bool = False, *, name: str | None = None) -> tuple[SDVariable, SDVariable]:
        """QR decomposition: ``x = Q @ R`` with orthonormal columns ``Q`` and upper triangular ``R``.

        Args:
            x: Shape ``(..., n, m)``.
            full: Whether ``Q`` is square; else it has ``min(n, m)`` columns.

        Returns:
            ``Q`` of shape ``(..., n, k)`` and ``R`` of shape ``(..., k, m)``, floating dtype. There is a gradient for
            square matrices, and for tall ones of full rank with ``full=False``.

        Raises:
            ShapeError: If ``x`` has less than two axes.
            DTypeError: For complex and half precision numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> q, r = sd.linalg.qr([[3.0, 1.0], [4.0, 2.0], [0.0, 2.0]])
            >>> (q @ r).eval().round(12)
            array([[3., 1.],
                   [4., 2.],
                   [0., 2.]])
        """
        ...

    @primitive(
        infer=_infer_svd,
        kernel=singular.svd,
        vjp=_svd_vjp,
        reach=_matrices_reach,
        masked_vjp=_matrices_masked_vjp,
    )
    def svd(
        self, x: Operand, full_uv: bool = False, compute_uv: bool = True, *, name: str | None = None
    ) -> tuple[SDVariable, SDVariable, SDVariable]:
        """Singular value decomposition ``x = U @ diag(s) @ Vh``, as ``numpy.linalg.svd`` returns it.

        Args:
            x: Shape ``(..., n, m)``.
            full_uv: Whether ``U`` and ``Vh`` are square.
            compute_uv: Whether to return more than the singular values.

        Returns:
            ``U`` of shape ``(..., n, k)``, ``s`` of shape ``(..., k)`` in falling order and ``Vh`` of shape
            ``(..., k, m)``, with ``k = min(n, m)``; or ``s`` alone. The gradient of ``U`` and ``Vh`` needs distinct
            singular values and ``full_uv=False``.

        Raises:
            ShapeError: If ``x`` has less than two axes.
            DTypeError: For complex and half precision numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.svd([[3.0, 0.0], [0.0, -2.0]], compute_uv=False).eval()
            array([3., 2.])
        """
        ...

    @primitive(infer=_infer_eig, kernel=_eig, vjp=NOT_DIFFERENTIABLE)
    def eig(self, x: Operand, *, name: str | None = None) -> tuple[SDVariable, SDVariable]:
        """Eigenvalues and right eigenvectors of square matrices.

        Args:
            x: Shape ``(..., n, n)``.

        Returns:
            Values of shape ``(..., n)`` and vectors of shape ``(..., n, n)``, one per column, both complex. There is no
            gradient.

        Raises:
            ShapeError: If ``x`` is not square.
            DTypeError: For complex and half precision numbers.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> values, vectors = sd.linalg.eig([[2.0, 0.0], [0.0, 3.0]])
            >>> values.eval()
            array([2.+0.j, 3.+0.j])
        """
        ...
