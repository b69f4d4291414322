"""Sequences of several lengths, arrays made of their few entries, and what an array holds.

Must not know networks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR, NOT_DIFFERENTIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, LabelError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, as_shape, promote, shape_str
from sdgraph.ops.precision import cast_to
from sdgraph.wording import first_where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand


def _backwards(x: Aval, seq_lengths: Aval, *, seq_dim: int, batch_dim: int) -> Aval:
    """The operand's aval; there is one length per sequence.

    Returns:
        The same shape and dtype.

    Raises:
        DTypeError: If the lengths are not integers.
        ShapeError: If there is not one length per sequence.
        ArgumentError: If there is no such axis, or both are one.
        LabelError: At run time, for a length that is negative or above the size of the axis.
    """
    shapes.integer_index(seq_lengths, "Lengths")
    n = len(x.shape)
    k, batch = (shapes.one_axis(d, n, what=w) for d, w in ((seq_dim, "seq_dim"), (batch_dim, "batch_dim")))
    if k == batch:
        raise ArgumentError("The axes of time and of the batch are one.", given=f"{seq_dim} and {batch_dim}")
    shapes.must_have(seq_lengths, (x.shape[batch],), "There must be one length per sequence.")
    return x


def _reverse(xp: Any, x: Any, seq_lengths: Any, *, seq_dim: int, batch_dim: int) -> Any:
    n = x.shape[seq_dim]
    bad = (seq_lengths < 0) | (seq_lengths > n)
    if bad.any():
        raise LabelError(f"Length {first_where(bad, seq_lengths)} is out of range.", expected=f"0 to {n}")
    time, ends = np.arange(n), seq_lengths.astype(np.int64)[:, None]
    places = np.where(time < ends, ends - 1 - time, time)
    moved = np.moveaxis(x, (batch_dim, seq_dim), (0, 1))
    out = moved[np.arange(len(ends))[:, None], places]
    return np.moveaxis(out, (0, 1), (batch_dim, seq_dim))


def _dense(indices: Aval, values: Aval, default_value: Aval, *, shape: Any) -> Aval:
    """An array of the shape, of the promoted dtype; raises what `SDSequences.sparse_to_dense` tells."""
    shapes.integer_index(indices, "Indices")
    sizes = as_shape(shape)
    if any(type(d) is not int for d in sizes):
        raise ArgumentError("All sizes must be known.", given=shape_str(sizes))
    if len(indices.shape) > 2:
        raise ShapeError("Indices are rows of coordinates.", given=shape_str(indices.shape), expected="rank 2 or less")
    depth = indices.shape[1] if len(indices.shape) == 2 else 1
    if depth != len(sizes):
        raise ShapeError(
            "Each index names a place on every axis.",
            given=f"indices {shape_str(indices.shape)} for {shape_str(sizes)}",
            expected=f"{len(sizes)} coordinates",
        )
    if default_value.shape:
        raise ShapeError("The default is a number.", given=shape_str(default_value.shape))
    if values.shape:
        shapes.must_have(values, indices.shape[:1], "There must be one value per index.")
    return Aval(sizes, promote(values.dtype, default_value.dtype))


_SHARED = {"x": "An array of any shape and dtype."}


class SDSequences(Namespace, prefix="", shared=_SHARED):
    """Sequences and sparse arrays of the base namespace."""

    @primitive(
        infer=_backwards,
        kernel=_reverse,
        vjp=lambda g, y, x, seq_lengths, seq_dim, batch_dim: (
            g.sd.reverse_sequence(g, seq_lengths, seq_dim, batch_dim),
            None,
        ),
        reach=LINEAR,
        literals={"seq_lengths": "int64"},
    )
    def reverse_sequence(
        self, x: Operand, seq_lengths: Operand, seq_dim: int = -1, batch_dim: int = 0, *, name: str | None = None
    ) -> SDVariable:
        """The first entries of each sequence in reverse order, as many as its length; the rest stays in place.

        Args:
            x: Sequences, of rank 2 or more and any dtype.
            seq_lengths: One whole number per sequence.
            seq_dim: The axis of time.
            batch_dim: The axis of the sequences.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.reverse_sequence([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [2, 3]).eval()
            array([[2., 1., 3.],
                   [6., 5., 4.]])
        """
        ...

    @composite(literals={"indices": "int64"})
    def sparse_to_dense(
        self,
        indices: Operand,
        shape: Sequence[int],
        values: Operand,
        default_value: Operand = 0,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """An array of ``shape`` with ``values`` at the places that ``indices`` name, and a default everywhere else.

        Args:
            indices: Shape ``(n, rank)``, one place per row; ``(n,)`` for places in a vector, or a number for one.
            shape: The sizes of the result.
            values: One number per place, or one for all of them. Of repeated places the last one counts.
            default_value: A number.

        Returns:
            An array of ``shape``, of the promoted dtype of the values and the default.

        Raises:
            DTypeError: If the indices are not integers.
            ShapeError: If there is not one value per index, an index does not name each axis, or the default has axes.
            ArgumentError: If a size is unknown.
            LabelError: At run time, for an index out of range.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.sparse_to_dense([[0, 1], [2, 0]], (3, 2), [5.0, 6.0]).eval()
            array([[0., 5.],
                   [0., 0.],
                   [6., 0.]])
        """
        sd = self.sd
        places, values, default = (sd.as_variable(v) for v in (indices, values, default_value))
        dtype = _dense(places.aval, values.aval, default.aval, shape=shape).dtype
        if places.ndim < 2:
            places = sd.reshape(places, (-1, 1))
        values = cast_to(values, dtype)
        values = values if values.ndim else sd.broadcast_like(values, places[:, 0])
        return sd.scatter_nd_update(sd.broadcast_to(cast_to(default, dtype), shape), places, values)

    @primitive(
        infer=lambda x: Aval((), shapes.BOOL),
        kernel=lambda xp, x: xp.asarray(x.dtype.kind in "iufc"),
        vjp=NOT_DIFFERENTIABLE,
    )
    def is_numeric_tensor(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Whether ``x`` holds numbers: True unless it holds bools.

        Returns:
            A bool. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> bool(sd.is_numeric_tensor([1.0, 2.0]).eval()), bool(sd.is_numeric_tensor([True]).eval())
            (True, False)
        """
        ...
