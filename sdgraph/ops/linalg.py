"""Matrix products, decompositions and solvers: ``sd.linalg``.

Everything works on the last two axes; axes before them are batches. Knows matrices only: sums and reshapes are in
`sdgraph.ops.base`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph import shapes
from sdgraph.op import primitive
from sdgraph.variable import Namespace, SDVariable

if TYPE_CHECKING:
    from sdgraph.variable import Operand


def swap_last(x: SDVariable) -> SDVariable:
    """``x`` with its last two axes exchanged."""
    n = x.ndim
    return x.sd.permute(x, (*range(n - 2), n - 1, n - 2))


def _matmul_vjp(g: SDVariable, y: SDVariable, a: SDVariable, b: SDVariable) -> tuple[SDVariable, SDVariable]:
    """The product rule; sums over broadcast batch axes are left to the driver."""
    sd = g.sd
    if a.ndim == 1 and b.ndim == 1:
        return g * b, g * a
    if a.ndim == 1:
        return sd.linalg.matmul(b, g), sd.expand_dims(a, -1) * sd.expand_dims(g, -2)
    if b.ndim == 1:
        return sd.expand_dims(g, -1) * b, sd.linalg.matmul(g, a) if g.ndim == 1 else _rows(g, a)
    return sd.linalg.matmul(g, swap_last(b)), sd.linalg.matmul(swap_last(a), g)


def _rows(g: SDVariable, a: SDVariable) -> SDVariable:
    """The sum of ``a``'s rows weighted with ``g``, per batch."""
    return g.sd.sum(g.sd.expand_dims(g, -1) * a, axis=-2)


class SDLinalg(Namespace, prefix="linalg"):
    """Linear algebra (``sd.linalg``)."""

    @primitive(infer=shapes.matmul, kernel="matmul", vjp=_matmul_vjp)
    def matmul(self, a: Operand, b: Operand, *, name: str | None = None) -> SDVariable:
        """Matrix product ``a @ b`` with the rules of ``numpy.matmul``.

        Args:
            a: Shape ``(..., n, k)`` or ``(k,)``.
            b: Shape ``(..., k, m)`` or ``(k,)``. Axes before the last two broadcast.

        Returns:
            Shape ``(..., n, m)``; the axis that a vector lacks is missing from the result too. The promoted dtype.

        Raises:
            ShapeError: If the inner sizes differ, batch axes do not broadcast, or an operand is a scalar.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linalg.matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]).eval()
            array([3., 7.])
        """
        ...
