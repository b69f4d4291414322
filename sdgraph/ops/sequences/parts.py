"""Rows dealt out to parts and put together again, and axes cut in parts of several sizes.

How many rows a part has follows from values, and a graph knows shapes before: sizes are read off constants, or given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR, NOT_DIFFERENTIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole, one_of
from sdgraph.errors import ArgumentError, LabelError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, known_size, promote, shape_str
from sdgraph.ops.indexing import check_range, must_be_given
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand


# ---------------------------------------------------------------------- dealing out


def _counted(attrs: Any, avals: Any, values: Sequence[np.ndarray[Any, Any] | None]) -> Mapping[str, Any]:
    """Sizes of the parts, where the numbers of the parts are constants."""
    ids, n = values[1], attrs["num_partitions"]
    if attrs["sizes"] is not None or ids is None or ids.dtype.kind not in "iu" or not is_whole(n, 0):
        return attrs
    check_range(np, ids, n, "Partition")
    return {**attrs, "sizes": tuple(np.bincount(ids.reshape(-1).astype(np.int64), minlength=n).tolist())}


def _dealt_out(x: Aval, partitions: Aval, *, num_partitions: int, sizes: Any) -> tuple[Aval, ...]:
    """One array per part.

    Returns:
        ``num_partitions`` arrays: the rows of each part in their order, of the same dtype.

    Raises:
        DTypeError: If the partitions are not integers.
        ShapeError: If there is not one partition per row.
        ArgumentError: If ``num_partitions`` is no number of parts, or there is not a size for each of them.
        ArgumentTypeError: If the sizes are left out, and the partitions are no constant.
        LabelError: At run time, for a partition outside ``0 ... num_partitions - 1``, or a part of another size.
    """
    shapes.integer_index(partitions, "Partitions")
    n = len(partitions.shape)
    if not shapes.same_sizes(x.shape[:n], partitions.shape):
        raise ShapeError(
            "There must be one partition per row.",
            given=f"x {shape_str(x.shape)}, partitions {shape_str(partitions.shape)}",
        )
    if not is_whole(num_partitions, 0):
        raise ArgumentError("num_partitions counts parts.", given=repr(num_partitions), expected="an integer >= 0")
    if sizes is None:
        raise must_be_given("sizes", "the partitions")
    if not isinstance(sizes, tuple) or len(sizes) != num_partitions or not all(is_whole(k, 0) for k in sizes):
        raise ArgumentError("There is one size per part.", given=repr(sizes), expected=f"{num_partitions} sizes")
    return tuple(Aval((known_size(k), *x.shape[n:]), x.dtype) for k in sizes)


def _in_order(partitions: Aval, *, sizes: Any) -> Aval:
    """One number per row.

    Returns:
        A vector of int64. There is no gradient.

    Raises:
        DTypeError: If the partitions are not integers.
        ShapeError: If there are more or fewer of them than the sizes say.
        ArgumentError: If a size is none.
        LabelError: At run time, for a partition without a size, or a part of another size.
    """
    shapes.integer_index(partitions, "Partitions")
    if not isinstance(sizes, tuple) or not all(is_whole(k, 0) for k in sizes):
        raise ArgumentError("There is one size per part.", given=repr(sizes))
    if partitions.is_static and partitions.size != sum(sizes):
        raise ShapeError(
            "The sizes do not add up to the number of rows.", given=f"{shape_str(partitions.shape)}, sizes {sizes}"
        )
    return Aval((known_size(sum(sizes)),), shapes.INT64)


def _order(xp: Any, partitions: Any, *, sizes: tuple[int, ...]) -> Any:
    check_range(xp, partitions, len(sizes), "Partition")
    ids = np.reshape(partitions, -1)
    found = np.bincount(ids.astype(np.int64), minlength=len(sizes))
    for k, size in enumerate(sizes):
        if found[k] != size:
            raise LabelError(f"Part {k} has {found[k]} rows.", expected=f"{size}, as sizes says")
    return np.argsort(ids, kind="stable")


# ---------------------------------------------------------------------- putting together


def _halves(inputs: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    n = len(inputs) // 2
    return inputs[:n], inputs[n:]


def _with_size(attrs: Any, avals: Any, values: Sequence[np.ndarray[Any, Any] | None]) -> Mapping[str, Any]:
    """One more than the largest index, where all of them are constants."""
    indices = _halves(values)[0]
    known = [v for v in indices if v is not None and v.dtype.kind in "iu"]
    if attrs["size"] is not None or len(known) < len(indices):
        return attrs
    return {**attrs, "size": max([0, *(int(v.max()) + 1 for v in known if v.size)])}


def _stitched(*inputs: Aval, size: int | None) -> Aval:
    """The rows at their places; raises what `SDParts.dynamic_stitch` tells."""
    if not inputs or len(inputs) % 2:
        raise ArgumentError(
            "Each array of rows needs its indices.",
            given=f"{len(inputs)} arrays",
            expected="the arrays of indices, then as many arrays of rows",
        )
    indices, rows = _halves(inputs)
    row = rows[0].shape[len(indices[0].shape) :]
    for i, x in zip(indices, rows, strict=True):
        shapes.integer_index(i, "Indices")
        if not shapes.same_sizes(x.shape, (*i.shape, *row)):
            raise ShapeError(
                "There must be one index per row, and all rows have one shape.",
                given=f"indices {shape_str(i.shape)}, rows {shape_str(x.shape)}",
                expected=shape_str((*i.shape, *row)),
            )
        row = tuple(d if type(d) is int else e for d, e in zip(row, x.shape[len(i.shape) :], strict=True))
    if size is None:
        raise must_be_given("size", "the indices")
    if not is_whole(size, 0):
        raise ArgumentError("size counts rows.", given=repr(size), expected="an integer >= 0")
    dtype = rows[0].dtype
    for x in rows[1:]:
        dtype = promote(dtype, x.dtype)
    return Aval((known_size(size), *row), dtype)


# ---------------------------------------------------------------------- cutting and joining


def _cut(x: Aval, *, sizes: Any, num_split: int | None, axis: int) -> tuple[Aval, ...]:
    """Parts of an axis, of the sizes that are given.

    Returns:
        One array per size, of the same dtype.

    Raises:
        ArgumentError: If there is no such axis, sizes do not add up to its own, or ``num_split`` is another number.
    """
    k = shapes.one_axis(axis, len(x.shape))
    given = sizes if isinstance(sizes, tuple) else (sizes,)
    if not all(is_whole(n, 0) for n in given):
        raise ArgumentError("Sizes of parts are integers >= 0.", given=repr(sizes))
    if num_split is not None and num_split != len(given):
        raise ArgumentError("num_split is not the number of sizes.", given=f"num_split={num_split!r}, sizes={sizes!r}")
    if shapes.known_to_differ(x.shape[k], sum(given)):
        raise ArgumentError("The sizes do not add up to that of the axis.", given=f"{sizes!r} of {x.shape[k]}")
    return tuple(Aval((*x.shape[:k], known_size(n), *x.shape[k + 1 :]), x.dtype) for n in given)


def _split_at(xp: Any, x: Any, *, sizes: Any, num_split: int | None, axis: int) -> tuple[Any, ...]:
    given = sizes if isinstance(sizes, tuple) else (sizes,)
    if x.shape[axis] != sum(given):
        raise ShapeError("The sizes do not add up to that of the axis.", given=f"{sizes!r} of {x.shape[axis]}")
    return tuple(xp.split(x, np.cumsum(given[:-1], dtype=int).tolist(), axis=axis)) if given else ()


def _split_vjp(g: Any, y: Any, x: SDVariable, sizes: Any, num_split: int | None, axis: int) -> SDVariable | None:
    return x.sd.concat(*g, axis=axis) if g else None


_SHARED = {"x": "An array of any dtype.", "axis": "The axis to cut."}


class SDParts(Namespace, prefix="", shared=_SHARED):
    """Taking apart and putting together, in the base namespace."""

    @primitive(
        infer=_in_order,
        kernel=_order,
        vjp=NOT_DIFFERENTIABLE,
        literals={"partitions": "int64"},
    )
    def rows_by_part(self, partitions: Operand, sizes: Sequence[int], *, name: str | None = None) -> SDVariable:
        """The numbers of the rows of the first part, in their order, then of the second, and so on.

        Args:
            partitions: One integer per row.
            sizes: How many rows each part has.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.rows_by_part([1, 0, 1], (1, 2)).eval()
            array([1, 0, 2])
        """
        ...

    @composite(infer=_dealt_out, settle=_counted, literals={"partitions": "int64"})
    def dynamic_partition(
        self,
        x: Operand,
        partitions: Operand,
        num_partitions: int,
        sizes: Sequence[int] | None = None,
        *,
        name: str | None = None,
    ) -> tuple[SDVariable, ...]:
        """The rows of ``x`` dealt out to parts: row k goes to part ``partitions[k]``.

        Args:
            partitions: One integer per row.
            num_partitions: How many parts there are.
            sizes: How many rows each part has; may be left out for constant partitions.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> a, b = sd.dynamic_partition([1.0, 2.0, 4.0], [1, 0, 1], 2)
            >>> a.eval(), b.eval()
            (array([2.]), array([1., 4.]))
        """
        sd, x, ids = self.sd, self.sd.as_variable(x), self.sd.as_variable(partitions)
        rest: Any = x.shape[ids.ndim :]
        rows = sd.reshape(x, (math.prod(ids.shape), *rest))  # type: ignore[arg-type]
        return sd.split_v(sd.gather(rows, sd.rows_by_part(ids, sizes)), sizes)  # type: ignore[arg-type]

    @composite(
        settle=_with_size,
        advice="The arrays of indices come first, then the arrays of rows: sd.dynamic_stitch(i, j, x, y).",
    )
    def dynamic_stitch(
        self, *inputs: Operand | Sequence[Operand], size: int | None = None, name: str | None = None
    ) -> SDVariable:
        """Rows put together from several arrays: row ``i[k]`` of the result is row k of the array that i belongs to.

        Of repeated indices the last one counts, for the gradient too. Rows without an index are 0.

        Args:
            inputs: The arrays of indices, then as many arrays of rows, one by one or as a list.
            size: How many rows the result has; may be left out for constant indices: one more than the largest.

        Returns:
            ``size`` rows of the shape of a row; the promoted dtype of the arrays of rows.

        Raises:
            DTypeError: If indices are not integers.
            ShapeError: If there is not one index per row, or rows differ in shape.
            ArgumentError: If there are not as many arrays of indices as of rows, or ``size`` is no size.
            ArgumentTypeError: If it is left out, and the indices are no constants.
            LabelError: At run time, for an index outside ``0 ... size - 1``.

        Example:
            >>> import numpy as np
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.dynamic_stitch(np.array([0, 2]), np.array([1]), [1.0, 2.0], [5.0]).eval()
            array([1., 5., 2.])
        """
        sd = self.sd
        variables = [sd.as_variable(v) for v in inputs]
        (_, *row), dtype = _stitched(*(v.aval for v in variables), size=size)
        indices, rows = _halves(variables)
        places = sd.concat(*[sd.reshape(sd.cast(i, "int64"), (-1,)) for i in indices])
        parts = [x if i.ndim == 1 else sd.reshape(x, (-1, *row)) for i, x in zip(indices, rows, strict=True)]
        updates = cast_to(sd.concat(*parts), dtype)
        # As many rows of zeros, whose sizes may be unknown.
        zeros = sd.sum(sd.zeros_like(updates, dtype), 0, True)
        return sd.scatter_update(sd.broadcast_to(cast_to(zeros, dtype), (size, *row)), places, updates)

    @primitive(infer=_cut, kernel=_split_at, vjp=_split_vjp, reach=LINEAR, is_strided=True)
    def split_v(
        self,
        x: Operand,
        sizes: Sequence[int],
        num_split: int | None = None,
        axis: int = 0,
        *,
        name: str | None = None,
    ) -> tuple[SDVariable, ...]:
        """``x`` cut into parts of several sizes along ``axis``.

        Args:
            sizes: The size of each part.
            num_split: Their number; it may be left out.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> a, b = sd.split_v([1.0, 2.0, 3.0], (1, 2))
            >>> b.eval()
            array([2., 3.])
        """
        ...

    @composite
    def flatten(self, *inputs: Operand | Sequence[Operand], order: str = "c", name: str | None = None) -> SDVariable:
        """The elements of all operands, one after another, as one vector.

        Args:
            inputs: Arrays of any shape, one by one or as a list.
            order: ``"c"``: the last axis moves fastest; ``"f"``: the first one.

        Returns:
            A vector of the promoted dtype.

        Raises:
            ArgumentError: If there is no operand, or ``order`` is another one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [[1.0, 2.0], [3.0, 4.0]])
            >>> sd.flatten(x, [5.0]).eval(), sd.flatten(x, order="f").eval()
            (array([1., 2., 3., 4., 5.]), array([1., 3., 2., 4.]))
        """
        sd = self.sd
        one_of("order", order, ("c", "f"))
        variables = [sd.as_variable(v) for v in inputs]
        if not variables:
            raise ArgumentError("There is nothing to flatten.")
        turned = [sd.transpose(v) if order == "f" and v.ndim > 1 else v for v in variables]
        flat = [sd.reshape(v, (-1,)) if v.ndim != 1 else v for v in turned]
        return sd.concat(*flat) if len(flat) > 1 else sd.identity(flat[0])
