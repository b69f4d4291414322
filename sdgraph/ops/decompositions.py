"""Decompositions of matrices: one part of ``sd.linalg``.

Everything works on the last two axes of real matrices; axes before them are batches. Gradient rules are matrix formulas
written with the ops here and those on triangles, so each can be differentiated again.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import NOT_DIFFERENTIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError, GradientError, ShapeError
from sdgraph.infer.aval import Aval, shape_str
from sdgraph.infer.shapes import INT64, known_to_differ, smaller
from sdgraph.ops import singular
from sdgraph.ops.matrices import matrix, swap_last

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand

# ---------------------------------------------------------------------- shape rules


def real_matrix(x: Aval) -> Aval:
    """Matrices of real floating numbers; numpy decomposes single and double precision only.

    Raises:
        ShapeError: If ``x`` has less than two axes.
        DTypeError: For complex and half precision numbers.
    """
    matrix(x)
    dtype = x.dtype if x.dtype.kind in "fc" else np.dtype("float64")
    if dtype.kind == "c" or dtype.itemsize not in (4, 8):
        raise DTypeError("Only float32 and float64 matrices can be decomposed.", given=x.dtype.name)
    return Aval(x.shape, dtype)


def square_matrix(x: Aval) -> Aval:
    """Square matrices of real floating numbers.

    Returns:
        The same shape, floating dtype.

    Raises:
        ShapeError: If ``x`` is not square.
        DTypeError: For complex and half precision numbers.
    """
    out = real_matrix(x)
    n, m = x.shape[-2:]
    if known_to_differ(n, m):
        raise ShapeError("A square matrix is needed.", given=shape_str(x.shape))
    return out


def _infer_qr(x: Aval, *, full: bool) -> tuple[Aval, Aval]:
    """Two factors.

    Raises:
        ShapeError: If ``x`` has less than two axes.
        DTypeError: For complex and half precision numbers.
    """
    out = real_matrix(x)
    n, m = x.shape[-2:]
    k = n if full else smaller(*x.shape[-2:])
    return Aval((*x.shape[:-2], n, k), out.dtype), Aval((*x.shape[:-2], k, m), out.dtype)


def _infer_svd(x: Aval, *, full_uv: bool, compute_uv: bool) -> Any:
    """Three factors, or the singular values.

    Raises:
        ShapeError: If ``x`` has less than two axes.
        DTypeError: For complex and half precision numbers.
    """
    out = real_matrix(x)
    n, m = x.shape[-2:]
    batch, k = x.shape[:-2], smaller(*x.shape[-2:])
    s = Aval((*batch, k), out.dtype)
    if not compute_uv:
        return s
    return Aval((*batch, n, n if full_uv else k), out.dtype), s, Aval((*batch, m if full_uv else k, m), out.dtype)


def _infer_lu(x: Aval) -> tuple[Aval, Aval]:
    """The factors and the order.

    Raises:
        ShapeError: If ``x`` is not square.
        DTypeError: For complex and half precision numbers.
    """
    return square_matrix(x), Aval(x.shape[:-1], INT64)


def _infer_eig(x: Aval) -> tuple[Aval, Aval]:
    """Values and vectors.

    Raises:
        ShapeError: If ``x`` is not square.
        DTypeError: For complex and half precision numbers.
    """
    dtype = np.promote_types(square_matrix(x).dtype, np.dtype("complex64"))
    return Aval(x.shape[:-1], dtype), Aval(x.shape, dtype)


# ---------------------------------------------------------------------- kernels


def _symmetric(a: Any) -> Any:
    return (a + a.mT) / 2


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


def matrices_reach(mask: Any, y: Any, *xs: SDVariable, **_: Any) -> tuple[Mask, ...]:
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


def matrices_masked_vjp(vjp: Any, g: Any, live: Any, y: Any, *xs: SDVariable, **attrs: Any) -> list[SDVariable]:
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


def _half_diagonal(x: SDVariable) -> SDVariable:
    """The lower triangle with half of the diagonal: the part of a symmetric matrix that, mirrored, gives it back."""
    linalg = x.sd.linalg
    return 0.5 * (linalg.tril(x) + linalg.tril(x, -1))


def _cholesky_vjp(g: SDVariable, y: SDVariable, x: SDVariable) -> SDVariable:
    linalg = g.sd.linalg
    inner = _half_diagonal(linalg.matmul(swap_last(y), g))
    left = linalg.triangular_solve(y, inner, lower=True, adjoint=True)
    full = linalg.triangular_solve(y, swap_last(left), lower=True, adjoint=True)
    return 0.5 * (full + swap_last(full))


def _qr_vjp(
    g: tuple[SDVariable, SDVariable], y: tuple[SDVariable, SDVariable], x: SDVariable, *, full: bool
) -> SDVariable:
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


class SDDecompositions(Namespace, prefix="linalg", shared={"x": "Shape ``(..., n, n)``."}):
    """Decompositions of ``sd.linalg``."""

    @primitive(
        infer=square_matrix,
        kernel=lambda xp, x: xp.linalg.cholesky(_symmetric(x)),
        vjp=_cholesky_vjp,
        reach=matrices_reach,
        masked_vjp=matrices_masked_vjp,
    )
    def cholesky(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The lower triangular ``L`` with ``L @ L.T = x``.

        Args:
            x: Positive definite matrices, shape ``(..., n, n)``. The symmetric part ``(x + x.T) / 2`` is decomposed, so
                value and gradient treat both triangles alike.

        Returns:
            ``x``'s shape, floating dtype. The gradient is symmetric.

        Raises:
            ExecutionError: When evaluated, if a matrix is not positive definite.

        References:
            I. Murray, "Differentiation of the Cholesky decomposition", 2016, arXiv:1602.07527: the gradient.

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

        Returns:
            Both factors in one matrix of ``x``'s shape (``U`` on and above the diagonal, ``L`` below it with a diagonal
            of ones that is not stored), and the order of the rows, shape ``(..., n)``, int64. There is no gradient.

        References:
            G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th edition, 2013, chapter 3.

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
        reach=matrices_reach,
        masked_vjp=matrices_masked_vjp,
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
            GradientError: When differentiated, for wide matrices, and for tall ones with ``full=True``.

        References:
            S. F. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions with application in
            optimum experimental design", 2010, arXiv:1001.1654: the gradient.

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
        reach=matrices_reach,
        masked_vjp=matrices_masked_vjp,
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
            GradientError: When differentiated, for ``full_uv=True`` unless ``x`` is square.

        References:
            J. Townsend, "Differentiating the singular value decomposition", 2016: the gradient.

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

        Returns:
            Values of shape ``(..., n)`` and vectors of shape ``(..., n, n)``, one per column, both complex. There is no
            gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> values, vectors = sd.linalg.eig([[2.0, 0.0], [0.0, 3.0]])
            >>> values.eval()
            array([2.+0.j, 3.+0.j])
        """
        ...
