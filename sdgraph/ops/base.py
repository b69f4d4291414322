"""The base namespace, what hangs on `SameDiff` itself: ``sd.sum(x)``, ``sd.concat(a, b)``, ``sd.gt(x, 0)``.

Holds casts, comparisons, selection and products; the other groups are mixed in. Must not know losses.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import GraphLike
from sdgraph.build.op import ELEMENTWISE, NOT_DIFFERENTIABLE, ZERO_GRADIENT
from sdgraph.build.reading import BY_NAME, RELATION, SUM, Reading, infix
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, LabelError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, shape_str, ufunc_dtype
from sdgraph.ops import written
from sdgraph.ops.arranging import SDArranging
from sdgraph.ops.creation import SDCreation
from sdgraph.ops.indexing import SDIndexing
from sdgraph.ops.matrices import swap_last
from sdgraph.ops.products.einsum import SDEinsum
from sdgraph.ops.reductions import SDReductions
from sdgraph.ops.running import SDRunning
from sdgraph.ops.segments.reducing import SDSegments
from sdgraph.ops.segments.scattering import SDScattering
from sdgraph.ops.segments.within import SDWithin
from sdgraph.ops.selecting.conditions import SDConditions
from sdgraph.ops.sequences.parts import SDParts
from sdgraph.ops.sequences.reversing import SDSequences
from sdgraph.ops.slicing import SDSlicing
from sdgraph.ops.statistics.sorting import SDSorting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand


def _cast(xp: Any, x: Any, *, dtype: np.dtype[Any]) -> Any:
    # Numpy warns when a cast drops an imaginary part; here that is what was asked for.
    return (x.real if x.dtype.kind == "c" and dtype.kind not in "cb" else x).astype(dtype)


def _contracted(x: Aval, y: Aval, *, axes_x: Any, axes_y: Any) -> Aval:
    """What is left of both shapes.

    Raises:
        ShapeError: If two axes of a pair differ in size.
        ArgumentError: If there is no such axis, or the axes do not pair up.
    """
    a = [shapes.one_axis(k, len(x.shape)) for k in axes_x]
    b = [shapes.one_axis(k, len(y.shape)) for k in axes_y]
    if len(a) != len(b) or len(set(a)) != len(a) or len(set(b)) != len(b):
        raise ArgumentError("The contracted axes do not pair up.", given=f"axes_x={axes_x}, axes_y={axes_y}")
    for i, j in zip(a, b, strict=True):
        d, e = x.shape[i], y.shape[j]
        if shapes.known_to_differ(d, e):
            raise ShapeError(
                f"Axis {i} of x and axis {j} of y differ in size.", given=f"{shape_str(x.shape)}, {shape_str(y.shape)}"
            )
    free = [d for k, d in enumerate(x.shape) if k not in a] + [d for k, d in enumerate(y.shape) if k not in b]
    return Aval(tuple(free), ufunc_dtype(np.multiply, (x.dtype, y.dtype)))


def _tensordot_vjp(
    g: SDVariable, z: SDVariable, x: SDVariable, y: SDVariable, axes_x: tuple[int, ...], axes_y: tuple[int, ...]
) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    a, b = [k % x.ndim for k in axes_x], [k % y.ndim for k in axes_y]
    free_x = [k for k in range(x.ndim) if k not in a]
    free_y = [k for k in range(y.ndim) if k not in b]
    # Axes of dx as they come: those free in x, then the contracted ones in the order they have in y.
    dx = sd.tensordot(g, y, tuple(range(len(free_x), g.ndim)), tuple(free_y))
    order_x = free_x + [a[b.index(k)] for k in sorted(b)]
    dy = sd.tensordot(x, g, tuple(free_x), tuple(range(len(free_x))))
    order_y = [b[a.index(k)] for k in sorted(a)] + free_y
    return (
        sd.permute(dx, tuple(np.argsort(order_x).tolist())),
        sd.permute(dy, tuple(np.argsort(order_y).tolist())),
    )


def _tensordot_reach(
    mask: Mask, z: SDVariable, x: SDVariable, y: SDVariable, axes_x: tuple[int, ...], axes_y: tuple[int, ...]
) -> tuple[Mask, Mask]:
    """An entry counts with any result that has its place on the free axes."""

    def counts(v: SDVariable, axes: tuple[int, ...], others: tuple[int, ...]) -> Mask:
        axes = tuple(k % v.ndim for k in axes)

        def spread(c: SDVariable) -> SDVariable:
            c = c.sd.squeeze(c, others) if others else c
            return c.sd.expand_dims(c, axes) if axes else c

        return mask.over(*others).moved(spread)

    n = x.ndim - len(axes_x)
    return counts(x, axes_x, tuple(range(n, z.ndim))), counts(y, axes_y, tuple(range(n)))


def _tensordot_masked_vjp(
    vjp: Any,
    g: SDVariable,
    live: SDVariable,
    z: SDVariable,
    x: SDVariable,
    y: SDVariable,
    axes_x: tuple[int, ...],
    axes_y: tuple[int, ...],
) -> tuple[SDVariable, SDVariable]:
    sd = g.sd
    a, b = [k % x.ndim for k in axes_x], [k % y.ndim for k in axes_y]
    free_x, free_y = ([k for k in range(v.ndim) if k not in axes] for v, axes in ((x, a), (y, b)))
    n, rest = tuple(range(len(free_x))), tuple(range(len(free_x), z.ndim))
    live = sd.broadcast_like(live, z)
    dx = _tensordot_where(sd, g, y, live, rest, tuple(free_y))
    dy = _tensordot_where(sd, g, x, live, n, tuple(free_x))
    order_x = free_x + [a[b.index(k)] for k in sorted(b)]
    order_y = free_y + [b[a.index(k)] for k in sorted(a)]
    return sd.permute(dx, np.argsort(order_x).tolist()), sd.permute(dy, np.argsort(order_y).tolist())


@composite(infer=lambda x, y, where_x, axes_x, axes_y: _contracted(x, y, axes_x=axes_x, axes_y=axes_y))
def _tensordot_where(
    sd: GraphLike, x: Operand, y: Operand, where_x: Operand, axes_x: Sequence[int], axes_y: Sequence[int]
) -> SDVariable:
    """`SDBase.tensordot` without the products of entries of ``x`` that do not count: a product of matrices."""
    x, y, where_x = (cast("SDVariable", v) for v in (x, y, where_x))
    free_x, free_y = ([k for k in range(v.ndim) if k not in axes] for v, axes in ((x, axes_x), (y, axes_y)))

    def size(v: SDVariable, axes: Sequence[int]) -> int:
        return math.prod(cast("int", v.shape[k]) for k in axes)

    def matrix(v: SDVariable, first: Sequence[int], last: Sequence[int]) -> SDVariable:
        return sd.reshape(sd.permute(v, (*first, *last)), (size(v, first), size(v, last)))

    counts = matrix(sd.broadcast_like(where_x, x), free_x, axes_x)
    out = sd.linalg.matmul_where(matrix(x, free_x, axes_x), matrix(y, axes_y, free_y), counts)
    return sd.reshape(out, [v.shape[k] for v, free in ((x, free_x), (y, free_y)) for k in free])


def _permutation(x: Aval) -> Aval:
    """The operand's aval; it must be a vector of integers.

    Returns:
        The same shape and dtype. There is no gradient.

    Raises:
        DTypeError: If the entries are not integers.
        ShapeError: If it is not a vector.
    """
    shapes.integer_index(x, "The entries of a permutation")
    if len(x.shape) != 1:
        raise ShapeError("A permutation is a vector.", given=shape_str(x.shape))
    return x


def _invert(xp: Any, x: Any) -> Any:
    inverse = xp.argsort(x)
    if xp is np and not np.array_equal(x[inverse], np.arange(x.size)):
        raise LabelError(
            "This is not a permutation.", given=f"{x.tolist()!r:.200}", expected=f"each of 0 to {x.size - 1} once"
        )
    return inverse.astype(x.dtype)


def _branches(mask: Any, y: SDVariable, condition: SDVariable, x: SDVariable, other: SDVariable) -> tuple[Any, ...]:
    return None, mask & mask.pool.of(condition), mask & mask.pool.of(condition, False)


_SHARED = {
    "x": "Numbers of any shape.",
    "y": Meaning("Numbers whose shape broadcasts with that of ``x``.", "ShapeError: If the shapes do not broadcast."),
    "transpose_x": "Whether to transpose ``x`` first.",
    "transpose_y": "Whether to transpose ``y`` first.",
    "transpose_z": "Whether to transpose the product.",
}


class SDBase(
    SDReductions,
    SDRunning,
    SDSorting,
    SDArranging,
    SDSlicing,
    SDIndexing,
    SDScattering,
    SDSegments,
    SDWithin,
    SDParts,
    SDSequences,
    SDConditions,
    SDEinsum,
    SDCreation,
    prefix="",
    shared=_SHARED,
):
    """Ops of the graph itself (``sd``)."""

    @primitive(
        infer=shapes.same,
        kernel=lambda xp, x: x,
        vjp=lambda g, y, x: g,
        reach=ELEMENTWISE,
        is_strided=True,
        passes_on=0,
    )
    def identity(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` under another name; gradients pass as they are.

        Args:
            x: An array of any shape and dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.identity([1.0, 2.0], name="copy").eval()
            array([1., 2.])
        """
        ...

    @primitive(
        infer=shapes.same,
        kernel=lambda xp, x: x,
        vjp=ZERO_GRADIENT,
        is_strided=True,
        reads=BY_NAME,
        passes_on=0,
    )
    def stop_gradient(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` as a constant to gradients: none passes.

        Args:
            x: An array of any shape and dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.stop_gradient([1.0, 2.0]).eval()
            array([1., 2.])
        """
        ...

    @composite(passes_on=1)
    def assign(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """The values of ``y`` in the shape and dtype of ``x``. Nothing is written: ``x`` keeps its value.

        Args:
            x: Lends its shape and dtype to the result; its values do not matter.
            y: Numbers that broadcast to the shape of ``x``.

        Returns:
            The shape and dtype of ``x``. The gradient goes to ``y``.

        Raises:
            ShapeError: If ``y`` does not broadcast to the shape of ``x``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.assign([1.0, 2.0], 7.0).eval()
            array([7., 7.])
        """
        sd = self.sd
        return sd.broadcast_like(sd.cast(y, sd.as_variable(x).dtype), x)

    @primitive(
        infer=lambda x, dtype: Aval(x.shape, dtype),
        kernel=_cast,
        vjp=lambda g, y, x, dtype: g,
        reach=ELEMENTWISE,
        passes_on=0,
    )
    def cast(self, x: Operand, dtype: DTypeLike, *, name: str | None = None) -> SDVariable:
        """The same values as another dtype; gradients are cast back. Complex to real keeps the real part.

        Args:
            x: Numbers or bools of any shape.
            dtype: Any dtype of numbers, or bool.

        Returns:
            The same shape, ``dtype``.

        Raises:
            DTypeError: If ``dtype`` is not one of numbers or bools.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cast([1.7, -1.7], "int64").eval()
            array([ 1, -1])
        """
        ...

    cast_to = cast

    @primitive(
        infer=shapes.select,
        kernel="where",
        kernels={"numpy": "sdgraph.run.engines.reference.select:select"},
        vjp=lambda g, y, condition, x, otherwise: (
            None,
            g.sd.where(condition, g, 0.0),
            g.sd.where(condition, 0.0, g),
        ),
        reach=_branches,
        selects=True,
        literals={"condition": "bool"},
        reads=Reading(written.cases),
        advice="Both branches are needed: shapes do not depend on values. Where something holds tells"
        " np.argwhere(condition.eval(feeds)).",
    )
    def where(self, condition: Operand, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` where the condition holds, ``y`` elsewhere; all three broadcast.

        The order is numpy's; SameDiff's is (x, y, condition). What is not taken contributes exactly 0 to gradients of
        any order, also where its own value or derivative is infinite or NaN. What is taken keeps its NaN.

        Args:
            condition: Bools; numbers count as True where they are not 0.
            x: Numbers; the shapes broadcast.
            y: Numbers; the shapes broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.var("x", [0.0, 1.0])
            >>> y = sd.where(x > 0, sd.math.log(x), 2 * x)
            >>> y.eval()
            array([0., 0.])
            >>> sd.grad(y, x).eval()
            array([2., 1.])
        """
        ...

    # ------------------------------------------------------------------ comparisons

    @primitive(
        infer=shapes.predicate,
        kernel="equal",
        vjp=NOT_DIFFERENTIABLE,
        reads=infix("=", RELATION, SUM, SUM),
        commutes=True,
    )
    def eq(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``x == y``, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.eq([1.0, 2.0], 2.0).eval()
            array([False,  True])
        """
        ...

    @primitive(
        infer=shapes.predicate,
        kernel="not_equal",
        vjp=NOT_DIFFERENTIABLE,
        reads=infix(r"\neq", RELATION, SUM, SUM),
        commutes=True,
    )
    def neq(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``x != y``, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.neq([1.0, 2.0], 2.0).eval()
            array([ True, False])
        """
        ...

    @primitive(infer=shapes.predicate, kernel="less", vjp=NOT_DIFFERENTIABLE, reads=infix("<", RELATION, SUM, SUM))
    def lt(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``x < y``, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.lt([1.0, 2.0], 2.0).eval()
            array([ True, False])
        """
        ...

    @primitive(
        infer=shapes.predicate, kernel="less_equal", vjp=NOT_DIFFERENTIABLE, reads=infix(r"\leq", RELATION, SUM, SUM)
    )
    def lte(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``x <= y``, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.lte([1.0, 2.0, 3.0], 2.0).eval()
            array([ True,  True, False])
        """
        ...

    @primitive(infer=shapes.predicate, kernel="greater", vjp=NOT_DIFFERENTIABLE, reads=infix(">", RELATION, SUM, SUM))
    def gt(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``x > y``, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.gt([1.0, 2.0, 3.0], 2.0).eval()
            array([False, False,  True])
        """
        ...

    @primitive(
        infer=shapes.predicate, kernel="greater_equal", vjp=NOT_DIFFERENTIABLE, reads=infix(r"\geq", RELATION, SUM, SUM)
    )
    def gte(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``x >= y``, bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.gte([1.0, 2.0, 3.0], 2.0).eval()
            array([False,  True,  True])
        """
        ...

    # ------------------------------------------------------------------ products

    @composite(reads=written.MATRIX_PRODUCT)
    def mmul(
        self,
        x: Operand,
        y: Operand,
        transpose_x: bool = False,
        transpose_y: bool = False,
        transpose_z: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Matrix product; each flag exchanges the last two axes of an operand or of the result.

        Args:
            x: Shape ``(..., n, k)`` or ``(k,)``.
            y: Shape ``(..., k, m)`` or ``(k,)``.

        Returns:
            Shape ``(..., n, m)``; the axis that a vector lacks is missing from the result too. The promoted dtype.

        Raises:
            ShapeError: If the inner sizes differ, batch axes do not broadcast, or an operand is a scalar.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.mmul([[1.0, 2.0]], [[3.0, 4.0]], transpose_y=True).eval()
            array([[11.]])
        """
        a, b = self.sd.as_variable(x), self.sd.as_variable(y)
        z = self.sd.linalg.matmul(swap_last(a) if transpose_x else a, swap_last(b) if transpose_y else b)
        return swap_last(z) if transpose_z else z

    @primitive(
        infer=_contracted,
        kernel=lambda xp, x, y, axes_x, axes_y: xp.tensordot(x, y, (axes_x, axes_y)),
        vjp=_tensordot_vjp,
        reach=_tensordot_reach,
        masked_vjp=_tensordot_masked_vjp,
    )
    def tensordot(
        self, x: Operand, y: Operand, axes_x: Sequence[int], axes_y: Sequence[int], *, name: str | None = None
    ) -> SDVariable:
        """Sum of products over pairs of axes: ``axes_x[k]`` of ``x`` with ``axes_y[k]`` of ``y``.

        Args:
            y: Numbers of any shape.
            axes_x: Axes of ``x``.
            axes_y: As many axes of ``y``, of the same sizes.

        Returns:
            Shape: the axes left in ``x``, then those left in ``y``. The promoted dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.tensordot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0], (0,), (0,)).eval()
            array([4., 6.])
        """
        ...

    @composite
    def tensor_mmul(
        self,
        x: Operand,
        y: Operand,
        dimensions_x: Sequence[int],
        dimensions_y: Sequence[int],
        transpose_x: bool = False,
        transpose_y: bool = False,
        transpose_z: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """`tensordot` whose flags first reverse the axes of an operand, or last those of the result.

        Args:
            y: Numbers of any shape.
            dimensions_x: Axes of ``x``, after its flag.
            dimensions_y: As many axes of ``y``, of the same sizes.

        Returns:
            Shape: the axes left in ``x``, then those left in ``y``, reversed by the last flag. The promoted dtype.

        Raises:
            ShapeError: If two axes of a pair differ in size.
            ArgumentError: If there is no such axis, or the axes do not pair up.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.tensor_mmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0], (0,), (0,)).eval()
            array([4., 6.])
        """
        sd = self.sd
        x, y = sd.transpose(x) if transpose_x else x, sd.transpose(y) if transpose_y else y
        z = sd.tensordot(x, y, dimensions_x, dimensions_y)
        return sd.transpose(z) if transpose_z else z

    @primitive(
        infer=_permutation,
        kernel=_invert,
        vjp=NOT_DIFFERENTIABLE,
        literals={"x": "int64"},
    )
    def invert_permutation(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """For a permutation of ``0 ... n - 1`` the one that undoes it: ``y[x[k]] = k``.

        Args:
            x: A vector of integers, each of ``0 ... n - 1`` once.

        Raises:
            LabelError: At run time, if it is no permutation.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.invert_permutation([2, 0, 1]).eval()
            array([1, 2, 0])
        """
        ...
