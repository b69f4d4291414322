"""Products of vectors and matrices, and linear algebra; of ``linalg`` the norm is in `sdgraph.keras.ops.reducing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.keras.ops.axes import in_order, one_axis
from sdgraph.keras.ops.operation import Tensor, Tensors, arithmetic, on_floats


@arithmetic
def matmul(x1: Tensor, x2: Tensor) -> Any:
    """The matrix product, of the last two axes; of vectors as ``numpy.matmul`` has it."""
    return x1.sd.linalg.matmul(x1, x2)


@arithmetic
def dot(x1: Tensor, x2: Tensor) -> Any:
    """Products added up along the last axis of ``x1`` and the last but one of ``x2``, as ``numpy.dot`` has it."""
    if not x1.ndim or not x2.ndim:
        return x1 * x2
    return x1.sd.tensordot(x1, x2, (x1.ndim - 1,), (max(x2.ndim - 2, 0),))


@arithmetic
def vdot(x1: Tensor, x2: Tensor) -> Any:
    """The sum of the products of all entries."""
    return x1.sd.sum(x1.sd.reshape(x1, -1) * x1.sd.reshape(x2, -1))


@arithmetic
def outer(x1: Tensor, x2: Tensor) -> Any:
    """Every entry of ``x1`` times every entry of ``x2``."""
    return x1.sd.reshape(x1, (-1, 1)) * x1.sd.reshape(x2, (1, -1))


@arithmetic
def tensordot(x1: Tensor, x2: Tensor, axes: int | Sequence[Any] = 2) -> Any:
    """Products added up along axes: the last of ``x1`` and the first of ``x2``, so many; or those that are named.

    Raises:
        ArgumentError: If ``axes`` is neither a number nor a pair.
    """
    if is_whole(axes, 0):
        left, right = range(x1.ndim - axes, x1.ndim), range(axes)  # type: ignore[operator]
    elif isinstance(axes, Sequence) and len(axes) == 2:
        left, right = in_order(axes[0], x1.ndim), in_order(axes[1], x2.ndim)
    else:
        raise ArgumentError("axes is a number of axes, or a pair of lists of them.", given=f"axes={shown(axes)}")
    return x1.sd.tensordot(x1, x2, tuple(left), tuple(right))


@arithmetic
def _einsum(operands: Tensors, subscripts: str) -> Any:
    return operands[0].sd.einsum(subscripts, *operands)


def einsum(subscripts: str, *operands: Any) -> Any:
    """Products added up as an equation says: ``einsum("bij,bjk->bik", x, y)``."""
    return _einsum(operands, subscripts)


@arithmetic
def cross(x1: Tensor, x2: Tensor, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of three numbers along ``axisa`` and ``axisb``, or both along ``axis``."""
    if axis is not None:
        axisa = axisb = axisc = axis
    sd = x1.sd
    out = sd.linalg.cross(_moved(x1, axisa, -1), _moved(x2, axisb, -1))
    return _moved(out, -1, axisc)


def _moved(x: Any, source: int, destination: int) -> Any:
    start, end = one_axis(source, x.ndim), one_axis(destination, x.ndim)
    order = [k for k in range(x.ndim) if k != start]
    order.insert(end, start)
    return x if start == end else x.sd.permute(x, order)


# ---------------------------------------------------------------------- linear algebra


@on_floats
def cholesky(x: Tensor, upper: bool = False) -> Any:
    """The triangular matrix whose product with its transpose is ``x``: the lower one, or the upper one."""
    out = x.sd.linalg.cholesky(x)
    return _moved(out, -1, -2) if upper else out


@on_floats
def det(x: Tensor) -> Any:
    """Determinants of square matrices."""
    return x.sd.linalg.matrix_determinant(x)


@on_floats
def logdet(x: Tensor) -> Any:
    """Logarithms of the determinants of positive definite matrices."""
    return x.sd.linalg.logdet(x)


@on_floats
def inv(x: Tensor) -> Any:
    """Inverses of square matrices."""
    return x.sd.linalg.matrix_inverse(x)


@on_floats
def qr(x: Tensor, mode: str = "reduced") -> Any:
    """``x`` as an orthogonal matrix times an upper triangular one.

    Raises:
        ArgumentError: If ``mode`` is neither ``"reduced"`` nor ``"complete"``.
    """
    if mode not in ("reduced", "complete"):
        raise ArgumentError("mode is 'reduced' or 'complete'.", given=f"mode={shown(mode)}")
    return x.sd.linalg.qr(x, mode == "complete")


@on_floats
def solve(a: Tensor, b: Tensor) -> Any:
    """The ``x`` for which ``a @ x = b``; ``b`` holds vectors in its columns, or is one for each matrix."""
    if b.ndim == a.ndim - 1:
        return a.sd.squeeze(a.sd.linalg.solve(a, a.sd.expand_dims(b, -1)), -1)
    return a.sd.linalg.solve(a, b)


@on_floats
def solve_triangular(a: Tensor, b: Tensor, lower: bool = False) -> Any:
    """As `solve`, for triangular matrices ``a``, of which the other half is not looked at."""
    if b.ndim == a.ndim - 1:
        return a.sd.squeeze(a.sd.linalg.triangular_solve(a, a.sd.expand_dims(b, -1), lower), -1)
    return a.sd.linalg.triangular_solve(a, b, lower)


@on_floats
def svd(x: Tensor, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular value decomposition ``x = U @ diag(s) @ Vh``: U, s and Vh, or s alone."""
    return x.sd.linalg.svd(x, full_matrices, compute_uv)


@on_floats
def lstsq(a: Tensor, b: Tensor, rcond: float | None = None) -> Any:
    """The ``x`` for which ``a @ x`` is nearest to ``b``; ``a`` has independent columns, or independent rows.

    Raises:
        ArgumentError: If ``rcond`` is given: singular values are not cut off.
        ShapeError: If ``a`` is no matrix.
    """
    if rcond is not None:
        raise ArgumentError("rcond must be None: no singular value is left out.", given=f"rcond={shown(rcond)}")
    if a.ndim != 2:
        raise ShapeError("lstsq takes a matrix.", given=str(a.shape))
    sd = a.sd
    if b.ndim == 1:
        return sd.squeeze(sd.linalg.lstsq(a, sd.expand_dims(b, -1), 0.0, False), -1)
    return sd.linalg.lstsq(a, b, 0.0, False)


__all__ = [
    "cholesky",
    "cross",
    "det",
    "dot",
    "einsum",
    "inv",
    "logdet",
    "lstsq",
    "matmul",
    "outer",
    "qr",
    "solve",
    "solve_triangular",
    "svd",
    "tensordot",
    "vdot",
]
