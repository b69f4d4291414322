"""Rules of products of matrices, of their diagonals, and of linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from sdgraph.files.samediff.writing.call import BOOL, Call, Written, broadcast, known, same_shape, size_of
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.files.samediff.writing.rules.choosing import chosen

Rule = Callable[[Call], Written]

# ---------------------------------------------------------------------- products


def product(c: Call, x: Value, y: Value) -> Value:
    """A product as numpy's: vectors are matrices of one row or column, and stacks broadcast."""
    if c.dtype.kind != "f":
        raise Refused("SameDiff multiplies matrices of floats only")
    vector, other = x.rank == 1, y.rank == 1
    x = c.expand(x, 0) if vector else x
    y = c.expand(y, 1) if other else y
    if x.rank == y.rank == 2 or (x.rank == y.rank and same_shape(x.shape[:-2], y.shape[:-2])):
        z = c.matmul(x, y)
    elif y.rank == 2 and size_of(x.shape[-1:]) is not None:
        flat = c.matmul(c.reshape(x, (size_of(x.shape[:-1]), x.shape[-1])), y)
        z = c.reshape(flat, (*x.shape[:-1], y.shape[-1]))
    else:
        z = c.matmul(*_stacked(c, x, y))
    return c.squeeze(z, [*[z.rank - 2] * vector, *[z.rank - 1] * other])


def _stacked(c: Call, x: Value, y: Value) -> tuple[Value, Value]:
    """Both with the stack of both: each added to zeros that have it."""
    stack = broadcast(x.shape[:-2], y.shape[:-2])

    def with_stack(v: Value, like: Value) -> Value:
        if same_shape(v.shape[:-2], stack):
            return v
        corner = c.node(
            "strided_slice",
            like,
            shape=(*like.shape[:-2], 1, 1),
            i=_corner(like.rank),
        )
        return c.add(c.zeros(corner), v)

    return with_stack(x, y), with_stack(y, x)


def _corner(rank: int) -> list[int]:
    """The arguments of a slice that takes the first element of the last two axes."""
    whole = (1 << (rank - 2)) - 1
    return [whole, 0, whole, 0, 0, *[0] * rank, *[0] * (rank - 2), 1, 1, *[1] * rank]


def _matmul(c: Call) -> Value:
    return product(c, *(c.cast(x, c.dtype) for x in c.inputs))


def _mmul(c: Call) -> Value:
    """The factor is multiplied afterwards: SameDiff's gradient leaves it out."""
    turned = [bool(c.attrs[f"transpose_{k}"]) for k in "xyz"]
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    if not any(turned):
        z = product(c, x, y)
    elif x.rank == y.rank == 2 and c.dtype.kind == "f":
        z = c.matmul(x, y, turned)
    else:
        raise Refused("SameDiff transposes matrices only")
    alpha = float(c.attrs.get("alpha", 1.0))
    return z if alpha == 1 else c.mul(z, c.number(alpha))


def _tensordot(c: Call) -> Value:
    """A product of two matrices, between permutations."""
    if c.dtype.kind != "f":
        raise Refused("SameDiff multiplies matrices of floats only")
    x, y = (c.cast(v, c.dtype) for v in c.inputs)
    over_x, over_y = ([a % v.rank for a in c.attrs[name]] for v, name in ((x, "axes_x"), (y, "axes_y")))
    rest_x, rest_y = ([k for k in range(v.rank) if k not in over] for v, over in ((x, over_x), (y, over_y)))
    inner = size_of([x.shape[a] for a in over_x])
    rows = c.permute(x, [*rest_x, *over_x])
    columns = c.permute(y, [*over_y, *rest_y])
    rows = rows if rows.rank == 2 and len(over_x) == 1 else c.reshape(rows, (size_of(rows.shape[: len(rest_x)]), inner))
    if not (columns.rank == 2 and len(over_y) == 1):
        columns = c.reshape(columns, (inner, size_of(columns.shape[len(over_y) :])))
    z = c.matmul(rows, columns)
    return z if len(c.shape) == 2 else c.reshape(z, c.shape)


def _cross(c: Call) -> Value:
    """From the entries ahead and behind: the gradient of SameDiff's own op is wrong."""
    a, b = (c.cast(x, c.dtype) for x in c.inputs)
    if not c.on_path and same_shape(a.shape, b.shape):
        return c.node("cross", a, b)
    return c.sub(c.mul(_rolled(c, a, 1), _rolled(c, b, 2)), c.mul(_rolled(c, a, 2), _rolled(c, b, 1)))


def _rolled(c: Call, x: Value, by: int) -> Value:
    axis = x.rank - 1
    return c.concat([c.cut(x, axis, by, 3), c.cut(x, axis, 0, by)], axis)


# ---------------------------------------------------------------------- parts of matrices


def _masked(c: Call, x: Value, mask: np.ndarray) -> Value:
    """``x`` where a mask of its last axes is true, else 0."""
    if c.on_path:
        return c.mul(x, c.array("mask", mask, x.dtype))
    condition = c.array("mask", mask, BOOL)
    if x.dtype == BOOL:
        return c.node("boolean_and", x, c.filled(condition, x))
    return chosen(c, condition, x, c.number(0, x))


def _triangle(keep: Callable[[Call, int, int], np.ndarray]) -> Rule:
    def rule(c: Call) -> Value:
        rows, columns = known(c.x.shape[-2:], "the sizes of the matrices")
        return _masked(c, c.x, keep(c, rows, columns))

    return rule


def _band(c: Call, rows: int, columns: int) -> np.ndarray:
    lower, upper = c.attrs["min_lower"], c.attrs["max_upper"]
    ones = np.ones((rows, columns), bool)
    kept = np.tril(ones, upper) if upper >= 0 else ones
    return np.triu(kept, -lower) if lower >= 0 else kept


def _diagonal_matrix(c: Call) -> Value:
    if c.x.rank == 1 or c.x.dtype == BOOL:
        if c.x.rank > 1:
            raise Refused("SameDiff has no such op for bools")
        return c.node("diag", c.x, shape=c.shape)
    (n,) = known(c.x.shape[-1:], "the size of the axis")
    return _masked(c, c.expand(c.x, c.x.rank), np.eye(n, dtype=bool))


def _diagonal(c: Call) -> Value:
    """The sum of what a mask leaves of each row, or of each column."""
    x = c.x
    rows, columns = known(x.shape[-2:], "the sizes of the matrices")
    if x.rank == 2 and rows == columns:
        return c.node("diag_part", x, shape=c.shape)
    n = min(rows, columns)
    square = c.cut(c.cut(x, x.rank - 2, 0, n), x.rank - 1, 0, n)
    if x.dtype == BOOL:
        raise Refused("SameDiff has no such op for bools")
    return c.reduce("reduce_sum", _masked(c, square, np.eye(n, dtype=bool)), [x.rank - 1])


def _trace(c: Call) -> Value:
    x = c.cast(c.x, c.dtype)
    rows, columns = known(x.shape[-2:], "the sizes of the matrices")
    kept = _masked(c, x, np.eye(rows, columns, dtype=bool))
    return c.reduce("reduce_sum", c.reduce("reduce_sum", kept, [x.rank - 1]), [x.rank - 2])


def _diagonal_tensor(c: Call) -> Value:
    return c.node("diag", c.x, shape=c.shape)


def _diagonal_part(c: Call) -> Value:
    return c.node("diag_part", c.x, shape=c.shape)


# ---------------------------------------------------------------------- linear algebra


def _forward(op_name: str, *flags: str) -> Rule:
    """An operation whose gradient SameDiff lacks, or has wrong."""

    def rule(c: Call) -> Value:
        c.off_path("SameDiff's gradient is missing or wrong")
        inputs = [c.cast(x, c.dtype) for x in c.inputs]
        return c.node(op_name, *inputs, shape=c.shape, b=[bool(c.attrs[name]) for name in flags])

    return rule


def _solved(op_name: str, *flags: str) -> Rule:
    """The right side as matrices, as many as there are matrices on the left."""

    def rule(c: Call) -> Value:
        c.off_path("SameDiff has no gradient for it")
        matrix, rhs = (c.cast(x, c.dtype) for x in c.inputs)
        vector = rhs.rank == matrix.rank - 1
        rhs = c.expand(rhs, rhs.rank) if vector else rhs
        if not same_shape(matrix.shape[:-2], rhs.shape[:-2]):
            matrix, rhs = _stacked(c, matrix, rhs)
        z = c.node(op_name, matrix, rhs, shape=rhs.shape, b=[bool(c.attrs[name]) for name in flags])
        return c.squeeze(z, [z.rank - 1]) if vector else z

    return rule


def _logdet(c: Call) -> Value:
    """SameDiff's own op knows positive definite matrices only."""
    c.off_path("SameDiff's gradient is missing")
    return c.node("log", c.node("matrix_determinant", c.cast(c.x, c.dtype), shape=c.shape))


RULES: Final[dict[str, Rule]] = {
    "linalg.matmul": _matmul,
    "mmul": _mmul,
    "linalg.mmul": _mmul,
    "tensordot": _tensordot,
    "linalg.cross": _cross,
    "linalg.triu": _triangle(lambda c, n, m: np.triu(np.ones((n, m), bool), c.attrs["diagonal"])),
    "linalg.tril": _triangle(lambda c, n, m: np.tril(np.ones((n, m), bool), c.attrs["diagonal"])),
    "linalg.matrix_band_part": _triangle(_band),
    "linalg.diag": _diagonal_matrix,
    "linalg.diag_part": _diagonal,
    "math.diag": _diagonal_tensor,
    "math.diag_part": _diagonal_part,
    "math.trace": _trace,
    "linalg.cholesky": _forward("cholesky"),
    "linalg.matrix_inverse": _forward("matrix_inverse"),
    "linalg.matrix_determinant": _forward("matrix_determinant"),
    "linalg.logdet": _logdet,
    "linalg.solve": _solved("solve", "adjoint"),
    "linalg.triangular_solve": _solved("triangular_solve", "lower", "adjoint"),
}
