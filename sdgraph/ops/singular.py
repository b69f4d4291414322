"""Kernels that rest on singular values. Knows numerics only; must not know ops.

They are the decomposition itself and the derivatives of a determinant, which exist for every matrix: for ``X = U S V``
with orthogonal U and V they follow from products of all singular values but one or two, which need no division.
"""

from __future__ import annotations

from typing import Any


def svd(xp: Any, x: Any, *, full_uv: bool, compute_uv: bool) -> Any:
    """As numpy's, but NaN for a matrix that is not finite: LAPACK may never come back from one."""
    finite = xp.all(xp.isfinite(x), axis=(-2, -1), keepdims=True)
    parts = xp.linalg.svd(xp.where(finite, x, 0), full_matrices=full_uv, compute_uv=compute_uv)
    if not compute_uv:
        return xp.where(finite[..., 0], parts, xp.nan)
    return tuple(xp.where(finite if k != 1 else finite[..., 0], v, xp.nan) for k, v in enumerate(parts))


def cofactors(xp: Any, x: Any) -> Any:
    """``det(X) inv(X)^T`` where that can be had, else from singular values."""
    x = _as_float(xp, x)
    quick = _by_inverse(xp, x)
    if quick is not None:
        return quick
    u, s, v, sign = _decomposed(xp, x)
    before, after = _products_around(xp, s)
    return sign * ((u * (before * after)[..., None, :]) @ v)


def cofactors_gradient(xp: Any, g: Any, x: Any) -> Any:
    """The gradient of ``sum(G * cofactors(X))``.

    For a diagonal matrix S it is, with ``P_ij`` the product of all but the i-th and the j-th entry: ``-P_ij G_ji``
    beside the diagonal, and the sum of ``P_ij G_jj`` on it. Rotating S and G rotates it along.
    """
    u, s, v, sign = _decomposed(xp, _as_float(xp, x))
    turned = u.mT @ g @ v.mT
    pairs = _products_without_pairs(xp, s)
    diagonal = pairs @ xp.linalg.diagonal(turned)[..., None]
    inner = xp.where(xp.eye(s.shape[-1], dtype=bool), diagonal, -pairs * turned.mT)
    return sign * (u @ inner @ v)


def _as_float(xp: Any, x: Any) -> Any:
    return x if x.dtype.kind == "f" else x.astype(xp.float64)


def _by_inverse(xp: Any, x: Any) -> Any:
    """None where a matrix is singular, or a determinant too large or too small for the dtype."""
    det = xp.linalg.det(x)
    least = xp.finfo(x.dtype).tiny
    if not xp.all(xp.isfinite(det) & (xp.abs(det) >= least)):
        return None
    return det[..., None, None] * xp.linalg.inv(x).mT


def _decomposed(xp: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """U, S, V, and the determinant of U V, 1 or -1."""
    u, s, v = svd(xp, x, full_uv=True, compute_uv=True)
    sign = xp.sign(xp.linalg.det(u) * xp.linalg.det(v)).astype(x.dtype)
    return u, s, v, sign[..., None, None]


def _products_around(xp: Any, s: Any) -> tuple[Any, Any]:
    """For each entry the product of those before it and of those after it."""
    one = xp.ones((*s.shape[:-1], 1), s.dtype)
    before = xp.concatenate([one, xp.cumprod(s[..., :-1], axis=-1)], axis=-1)
    after = xp.concatenate([one, xp.cumprod(s[..., :0:-1], axis=-1)], axis=-1)[..., ::-1]
    return before, after


def _products_without_pairs(xp: Any, s: Any) -> Any:
    """``P_ij``, symmetric, 0 for ``i = j``: before i, between i and j, and after j."""
    n = s.shape[-1]
    before, after = _products_around(xp, s)
    i, j = xp.arange(n)[:, None], xp.arange(n)
    # Row i of the running product starts behind i, so that entry j holds what lies between and j itself.
    between = xp.cumprod(xp.where(j > i, s[..., None, :], 1), axis=-1)
    between = xp.concatenate([xp.ones((*between.shape[:-1], 1), s.dtype), between[..., :-1]], axis=-1)
    upper = xp.where(j > i, before[..., :, None] * between * after[..., None, :], 0)
    return upper + upper.mT
