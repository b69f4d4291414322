"""The namespace ``sd.math``: its groups put together, and its few ops on matrices.

Must not know losses or networks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.op import LINEAR, ZERO_GRADIENT
from sdgraph.build.reading import call
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, broadcast_shapes, known_size, shape_str
from sdgraph.ops.arithmetic import SDArithmetic
from sdgraph.ops.functions import SDFunctions
from sdgraph.ops.indexing import add_at, check_range, must_be_given, one_above
from sdgraph.ops.measures import SDMeasures
from sdgraph.ops.sequences.lists import SDLists
from sdgraph.ops.special.functions import SDSpecial
from sdgraph.ops.statistics.counting import SDCounting
from sdgraph.ops.statistics.quantiles import SDQuantiles
from sdgraph.ops.statistics.spreads import SDSpreads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand


def _diagonal_part(x: Aval) -> Aval:
    n = len(x.shape)
    half = x.shape[: n // 2]
    if not n or not shapes.same_sizes(half, x.shape[n // 2 :]):
        raise ShapeError("There is no diagonal.", given=shape_str(x.shape), expected="a shape (d, ..., d, ...) twice")
    return Aval(half, x.dtype)


def _diagonal(x: Aval) -> Aval:
    if not x.shape:
        raise ShapeError("A scalar spans no diagonal.", fix="Reshape it to (1,).")
    return Aval(x.shape * 2, x.dtype)


def _matrices(x: Aval) -> Aval:
    if len(x.shape) < 2:
        raise ShapeError("This needs at least two axes.", given=shape_str(x.shape))
    return x


def _traced(x: Aval) -> Aval:
    return Aval(_matrices(x).shape[:-2], shapes.sum_dtype(x.dtype))


def _identity(*, rows: int, cols: int | None, dtype: Any, dimensions: tuple[int, ...]) -> Aval:
    sizes = (rows, rows if cols is None else cols, *dimensions)
    if not all(is_whole(n, 0) for n in sizes):
        raise ArgumentError("Sizes are integers >= 0.", given=repr(sizes))
    return Aval(tuple(map(known_size, (*dimensions, *sizes[:2]))), dtype)


def _counts(labels: Aval, pred: Aval, weights: Aval | None, *, num_classes: int | None, dtype: Any) -> Aval:
    if num_classes is None:
        raise must_be_given("num_classes", "the labels and predictions")
    if not is_whole(num_classes, 0):
        raise ArgumentError("num_classes counts classes.", given=repr(num_classes), expected="an integer >= 0")
    shapes.integer_index(labels, "Labels")
    shapes.integer_index(pred, "Predicted classes")
    joint = labels.shape
    for other in (pred, weights):
        if other is not None and (len(other.shape) != len(joint) or broadcast_shapes(joint, other.shape) is None):
            raise ShapeError("Labels, predictions and weights must have one shape.", given=shape_str(other.shape))
    return Aval((num_classes, num_classes), dtype or (shapes.INT64 if weights is None else weights.dtype))


def _confusion(xp: Any, labels: Any, pred: Any, weights: Any = None, *, num_classes: int, dtype: Any) -> Any:
    dtype = dtype or (np.dtype("int64") if weights is None else weights.dtype)
    check_range(xp, labels, num_classes, "Label")
    check_range(xp, pred, num_classes, "Predicted class")
    amounts = xp.ones(labels.shape, dtype) if weights is None else weights.astype(dtype)
    return add_at(xp, xp.zeros((num_classes, num_classes), dtype), (labels, pred), amounts)


def _diag_kernel(xp: Any, x: Any) -> Any:
    return xp.reshape(xp.diag(xp.reshape(x, -1)), x.shape * 2)


def _diag_part_kernel(xp: Any, x: Any) -> Any:
    half = x.shape[: x.ndim // 2]
    n = math.prod(half)
    return xp.reshape(xp.diagonal(xp.reshape(x, (n, n))), half)


class SDMath(
    SDArithmetic,
    SDFunctions,
    SDSpecial,
    SDMeasures,
    SDLists,
    SDCounting,
    SDQuantiles,
    SDSpreads,
    prefix="math",
    shared={"x": "Numbers of any shape."},
):
    """Mathematics (``sd.math``)."""

    @primitive(infer=_diagonal, kernel=_diag_kernel, vjp=lambda g, y, x: g.sd.math.diag_part(g), reach=LINEAR)
    def diag(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` on the diagonal, zeros elsewhere; the result has the shape of ``x`` twice.

        Args:
            x: An array of rank 1 or more.

        Returns:
            The shape of ``x`` twice, the same dtype.

        Raises:
            ShapeError: If ``x`` is a scalar.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.diag([1.0, 2.0]).eval()
            array([[1., 0.],
                   [0., 2.]])
        """
        ...

    @primitive(
        infer=_diagonal_part,
        kernel=_diag_part_kernel,
        vjp=lambda g, y, x: g.sd.math.diag(g),
        reach=LINEAR,
        is_strided=True,
    )
    def diag_part(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The diagonal that `diag` would fill.

        Args:
            x: An array whose shape is some shape twice.

        Returns:
            That shape once, the same dtype.

        Raises:
            ShapeError: If the shape is not one twice.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.diag_part([[1.0, 2.0], [3.0, 4.0]]).eval()
            array([1., 4.])
        """
        ...

    @composite
    def set_diag(self, x: Operand, diag: Operand, *, name: str | None = None) -> SDVariable:
        """The matrices in the last two axes with another diagonal.

        Args:
            x: Shape ``(..., n, m)``.
            diag: The new diagonals, shape ``(..., min(n, m))``.

        Returns:
            The shape of ``x``, the promoted dtype.

        Raises:
            ShapeError: If ``x`` has less than two axes, or ``diag`` is not as long as its diagonals.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.set_diag([[1.0, 2.0], [3.0, 4.0]], [8.0, 9.0]).eval()
            array([[8., 2.],
                   [3., 9.]])
        """
        sd = self.sd
        return sd.where(sd.cast(sd.math.eye_like(x), "bool"), sd.linalg.on_diagonal(diag, x), x)

    @composite
    def meshgrid(
        self, *inputs: Operand | Sequence[Operand], cartesian: bool = True, name: str | None = None
    ) -> tuple[SDVariable, ...]:
        """Coordinates of the points of a grid: each vector laid along an axis of its own and repeated along the others.

        Args:
            inputs: One or more vectors; a scalar counts as a vector of one element.
            cartesian: Whether the first two vectors change places, so that the first runs along the columns.

        Returns:
            As many arrays as there are vectors, with an axis for each, in the dtypes of the vectors.

        Raises:
            ArgumentError: If there is no vector.
            ShapeError: If one has more than one axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x, y = sd.math.meshgrid([1.0, 2.0], [3.0, 4.0, 5.0], cartesian=False)
            >>> x.eval()
            array([[1., 1., 1.],
                   [2., 2., 2.]])
        """
        sd = self.sd
        vectors = [sd.as_variable(v) for v in inputs]
        if not vectors:
            raise ArgumentError("There is nothing to span a grid.")
        for v in vectors:
            if v.ndim > 1:
                raise ShapeError("A grid is spanned by vectors.", given=shape_str(v.shape))
        rank, laid = len(vectors), []
        for k, v in enumerate(vectors):
            along = 1 - k if cartesian and rank > 1 and k < 2 else k
            others = tuple(axis for axis in range(rank) if axis != along)
            laid.append(sd.expand_dims(v if v.ndim else sd.expand_dims(v, 0), others))
        joint = sd.math.merge_add(*(sd.zeros_like(v, "bool") for v in laid))
        return tuple(sd.broadcast_like(v, joint) for v in laid)

    @composite(literals={"indices": "int64"})
    def embedding_lookup(self, x: Operand, indices: Operand, *, name: str | None = None) -> SDVariable:
        """Rows of a table by their numbers: ``sd.gather(x, indices, axis=0)``.

        Args:
            x: The table: a row for each number, of rank 1 or more.
            indices: Whole numbers, counted from 0, of any shape.

        Returns:
            Shape ``indices.shape + x.shape[1:]``, the same dtype.

        Raises:
            DTypeError: If the indices are not integers.
            ArgumentError: If the table is a scalar.
            LabelError: At run time, for an index out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.embedding_lookup([[1.0, 2.0], [3.0, 4.0]], [1, 0, 1]).eval()
            array([[3., 4.],
                   [1., 2.],
                   [3., 4.]])
        """
        return self.sd.gather(x, indices, axis=0)

    @composite(infer=_identity, grows=True)
    def eye(
        self,
        rows: int,
        cols: int | None = None,
        dtype: DTypeLike | None = None,
        dimensions: Sequence[int] = (),
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Identity matrix, square without ``cols``.

        Args:
            rows: Number of rows.
            cols: Number of columns; None for as many as rows.
            dtype: The graph's own by default.
            dimensions: Leading axes over which the matrix is repeated.

        Returns:
            Shape ``(*dimensions, rows, cols)``.

        Raises:
            ArgumentError: If a size is negative or no whole number.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.eye(2).eval()
            array([[1., 0.],
                   [0., 1.]])
        """
        columns = rows if cols is None else cols
        one = self.sd.as_variable(np.eye(rows, columns, dtype=self.sd.dtype if dtype is None else dtype))
        return self.sd.broadcast_to(one, (*dimensions, rows, columns)) if dimensions else one

    @primitive(
        infer=_matrices,
        kernel=lambda xp, x: xp.zeros(x.shape, x.dtype) + xp.eye(*x.shape[-2:], dtype=x.dtype),
        vjp=ZERO_GRADIENT,
        shape_of=(0,),
    )
    def eye_like(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Identity matrices in the shape and dtype of ``x``.

        Args:
            x: Lends its shape, of rank 2 or more, and its dtype to the result; its values do not matter.

        Returns:
            The same shape and dtype. The gradient is 0.

        Raises:
            ShapeError: If ``x`` has less than two axes.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.eye_like([[5.0, 5.0]]).eval()
            array([[1., 0.]])
        """
        ...

    @primitive(
        infer=_traced,
        kernel=lambda xp, x: xp.trace(x, axis1=-2, axis2=-1),
        vjp=lambda g, y, x: g.sd.expand_dims(g, (-2, -1)) * g.sd.math.eye_like(x),
        reach=LINEAR,
        reads=call(r"\operatorname{tr}"),
    )
    def trace(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Sum of the diagonal of each matrix in the last two axes.

        Args:
            x: Shape ``(..., n, m)``.

        Returns:
            Shape ``(...)``; the dtype of ``numpy.sum``.

        Raises:
            ShapeError: If ``x`` has less than two axes.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.trace([[1.0, 2.0], [3.0, 4.0]]).eval()
            array(5.)
        """
        ...

    @primitive(
        infer=_counts,
        kernel=_confusion,
        vjp=lambda g, y, labels, pred, weights, num_classes, dtype: (
            None,
            None,
            None if weights is None else g.sd.gather_nd(g, g.sd.stack(labels, pred, axis=-1)),
        ),
        reach=LINEAR,
        literals={"labels": "int64", "pred": "int64"},
        settle=one_above("num_classes", 0, 1),
    )
    def confusion_matrix(
        self,
        labels: Operand,
        pred: Operand,
        weights: Operand | None = None,
        *,
        num_classes: int | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """How often each label (row) was predicted as each class (column).

        Args:
            labels: Integer classes.
            pred: Integer classes, of the same shape.
            weights: What each sample counts, 1 by default; the same shape.
            num_classes: Size of the matrix; may be left out for constants: one more than the largest class.
            dtype: That of the weights by default, int64 without them.

        Returns:
            Shape ``(num_classes, num_classes)``. The gradient goes to the weights.

        Raises:
            LabelError: At run time, for a class outside ``0 ... num_classes - 1``.
            DTypeError: If classes are not integers.
            ShapeError: If the shapes differ.
            ArgumentError: If ``num_classes`` is negative or no whole number.
            ArgumentTypeError: If it is left out, and classes are no constants.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.math.confusion_matrix([0, 1, 1], [0, 1, 0]).eval()
            array([[1, 0],
                   [1, 1]])
        """
        ...
