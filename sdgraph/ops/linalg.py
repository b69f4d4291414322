"""Equations, inverses and determinants, and the whole of ``sd.linalg``.

Everything works on the last two axes of real matrices; axes before them are batches. Gradient rules are matrix formulas
written with the ops here, so each can be differentiated again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.reading import ATOM, POWER, call, form
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, broadcast_shapes, shape_str
from sdgraph.ops import singular
from sdgraph.ops.decompositions import SDDecompositions, matrices_masked_vjp, matrices_reach, real_matrix, square_matrix
from sdgraph.ops.matrices import SDMatrices, outer, product_for, swap_last

if TYPE_CHECKING:
    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand

# ---------------------------------------------------------------------- shape rules


def _scalar_per_matrix(x: Aval) -> Aval:
    """A number per matrix.

    Returns:
        Shape ``(...)``, floating dtype.

    Raises:
        ShapeError: If ``x`` is not square.
        DTypeError: For complex and half precision numbers.
    """
    return Aval(x.shape[:-2], square_matrix(x).dtype)


def _infer_solve(matrix: Aval, rhs: Aval, **_: Any) -> Aval:
    """The unknowns in place of the rows.

    Returns:
        Shape ``(..., n, m)`` or ``(..., n)``, floating dtype.

    Raises:
        ShapeError: If the matrix is not square, or the numbers of rows differ.
        DTypeError: For complex and half precision numbers.
        ExecutionError: When evaluated, if the matrix is singular.
    """
    a = square_matrix(matrix)
    if not rhs.shape:
        raise ShapeError("The right-hand side is a vector or a matrix.", given=shape_str(rhs.shape))
    vector = len(rhs.shape) == 1
    rows, n = rhs.shape[0 if vector else -2], a.shape[-1]
    if shapes.known_to_differ(rows, n):
        raise ShapeError(
            "Matrix and right-hand side differ in the number of rows.",
            given=f"{shape_str(matrix.shape)} and {shape_str(rhs.shape)}",
        )
    dtype = np.promote_types(a.dtype, real_matrix(Aval((1, 1), rhs.dtype)).dtype)
    if vector:
        return Aval((*a.shape[:-2], n), dtype)
    return Aval((*broadcast_shapes(a.shape[:-2], rhs.shape[:-2]), n, rhs.shape[-1]), dtype)


def _infer_lstsq(matrix: Aval, rhs: Aval, **_: Any) -> Aval:
    """The unknowns in place of the rows.

    Returns:
        Shape ``(..., m, k)``, floating dtype.

    Raises:
        ShapeError: If the numbers of rows differ.
        DTypeError: For complex and half precision numbers.
    """
    a = real_matrix(matrix)
    if len(rhs.shape) < 2:
        raise ShapeError("The right-hand side is a matrix.", given=shape_str(rhs.shape), expected="rank 2 or more")
    n, m = a.shape[-2:]
    rows = rhs.shape[-2]
    if shapes.known_to_differ(rows, n):
        raise ShapeError(
            "Matrix and right-hand side differ in the number of rows.",
            given=f"{shape_str(matrix.shape)} and {shape_str(rhs.shape)}",
        )
    dtype = np.promote_types(a.dtype, real_matrix(Aval((1, 1), rhs.dtype)).dtype)
    return Aval((*broadcast_shapes(a.shape[:-2], rhs.shape[:-2]), m, rhs.shape[-1]), dtype)


def _infer_cofactors_gradient(g: Aval, x: Aval) -> Aval:
    """The operand's shape.

    Returns:
        The same shape, floating dtype.

    Raises:
        ShapeError: If ``x`` is not square, or ``g`` has another shape.
        DTypeError: For complex and half precision numbers.
    """
    out = square_matrix(x)
    shapes.must_have(g, x.shape, "A cotangent has the shape of its value.")
    return out


# ---------------------------------------------------------------------- kernels


def _triangle(xp: Any, a: Any, lower: bool) -> Any:
    return xp.tril(a) if lower else xp.triu(a)


def _triangular_solve(xp: Any, a: Any, b: Any, *, lower: bool, adjoint: bool) -> Any:
    a = _triangle(xp, a, lower)
    return xp.linalg.solve(a.mT if adjoint else a, b)


def _logdet(xp: Any, x: Any) -> Any:
    sign, log = xp.linalg.slogdet(x)
    return xp.where(sign > 0, log, xp.where(sign == 0, -xp.inf, xp.nan)).astype(log.dtype)


# ---------------------------------------------------------------------- gradient rules


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


_SHARED = {
    "x": "Shape ``(..., n, n)``.",
    "rhs": "Shape ``(..., n, m)`` or ``(n,)``.",
    "adjoint": "Whether to solve with the transposed matrix.",
}


class SDLinalg(SDMatrices, SDDecompositions, prefix="linalg", shared=_SHARED):
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

        References:
            M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation",
            2008, doi:10.1007/978-3-540-68942-3_4: the gradient.

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
            lower: Whether the matrix is the lower triangle.

        Returns:
            Shape ``(..., n, m)`` or ``(..., n)``, floating dtype. The gradient of the other triangle is 0.

        References:
            M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation",
            2008, doi:10.1007/978-3-540-68942-3_4: the gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.triangular_solve([[2.0, 9.0], [1.0, 1.0]], [2.0, 3.0]).eval()
            array([1., 2.])
        """
        ...

    @composite(infer=_infer_lstsq, grows=True)
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

        Raises:
            ExecutionError: When evaluated, if the equations to solve are singular.

        References:
            G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th edition, 2013, chapter 5.

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
        infer=square_matrix,
        kernel=lambda xp, x: xp.linalg.inv(x),
        vjp=_inverse_vjp,
        reach=matrices_reach,
        masked_vjp=matrices_masked_vjp,
        reads=form("%s^{-1}", POWER, (ATOM,)),
    )
    def matrix_inverse(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The inverse of square matrices; to solve equations, `solve` is faster and more accurate.

        Raises:
            ExecutionError: When evaluated, if a matrix is singular.

        References:
            M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation",
            2008, doi:10.1007/978-3-540-68942-3_4: the gradient.

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
        reach=matrices_reach,
        masked_vjp=matrices_masked_vjp,
        reads=call(r"\det"),
    )
    def matrix_determinant(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The determinant of square matrices.

        Returns:
            Shape ``(...)``, floating dtype. The gradient is the matrix of `cofactors`, also for singular matrices.

        References:
            M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation",
            2008, doi:10.1007/978-3-540-68942-3_4: the gradient of an invertible matrix.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> float(sd.linalg.matrix_determinant([[2.0, 1.0], [0.0, 4.0]]).eval().round(12))
            8.0
        """
        ...

    @primitive(
        infer=square_matrix,
        kernel=singular.cofactors,
        vjp=lambda g, y, x: g.sd.linalg.cofactors_gradient(g, x),
        reach=matrices_reach,
        masked_vjp=matrices_masked_vjp,
    )
    def cofactors(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The cofactors of square matrices: the derivatives of the determinant by each entry.

        For an invertible matrix they are the determinant times the transposed inverse; they exist for every matrix.

        References:
            G. W. Stewart, "On the adjugate matrix", Linear Algebra and its Applications 283, 1998: cofactors from
            singular values.

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
        reach=matrices_reach,
        masked_vjp=matrices_masked_vjp,
    )
    def cofactors_gradient(self, g: Operand, x: Operand, *, name: str | None = None) -> SDVariable:
        """The gradient of ``sum(g * cofactors(x))``: the second derivative of the determinant, for every matrix.

        Its own gradient for ``x`` needs an invertible matrix.

        Args:
            g: Shape ``(..., n, n)``.
            x: Matrices of the same shape.

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
        reach=matrices_reach,
        masked_vjp=matrices_masked_vjp,
        reads=call(r"\log \det"),
    )
    def logdet(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The logarithm of the determinant, without forming the determinant.

        Returns:
            Shape ``(...)``, floating dtype; NaN where the determinant is negative, -inf where it is 0.

        References:
            M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation",
            2008, doi:10.1007/978-3-540-68942-3_4: the gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> float(sd.linalg.logdet([[2.0, 0.0], [0.0, 0.5]]).eval().round(12))
            0.0
        """
        ...
