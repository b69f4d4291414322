"""Ops that make arrays: filled ones, ranges, masks, one-hot rows, and facts about shapes.

What depends on no operand is a constant of the traced body. Must not know variables' values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import NOT_DIFFERENTIABLE, ZERO_GRADIENT
from sdgraph.build.reading import Reading
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, shown
from sdgraph.infer import shapes
from sdgraph.infer.arrays import own_array
from sdgraph.infer.aval import Aval, as_dtype, as_shape, known_size, shape_str
from sdgraph.ops import written
from sdgraph.ops.guards import check_whole
from sdgraph.ops.indexing import must_be_given, one_above

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand


def _like(x: Aval, *, dtype: np.dtype[Any] | None, **_: Any) -> Aval:
    """The operand's shape.

    Returns:
        The shape of ``x``, ``dtype``. The gradient is 0.
    """
    return x if dtype is None else Aval(x.shape, dtype)


def _number(value: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """One number as a scalar of a dtype that can hold it."""
    return own_array(value, dtype)


def _full_like(x: Aval, *, value: Any, dtype: np.dtype[Any] | None) -> Aval:
    """The operand's shape.

    Returns:
        The shape of ``x``, ``dtype``. The gradient is 0.

    Raises:
        DTypeError: If the dtype cannot hold the value.
    """
    out = _like(x, dtype=dtype)
    _number(value, out.dtype)
    return out


def _filled_like(xp: Any, x: Any, *, dtype: Any, value: Any) -> Any:
    return xp.full(x.shape, value, dtype=x.dtype if dtype is None else dtype)


def _mask(lengths: Aval, *, max_len: int | None, dtype: np.dtype[Any]) -> Aval:
    """A row per length.

    Returns:
        The shape of ``lengths`` and ``max_len``, ``dtype``. There is no gradient.

    Raises:
        DTypeError: If the lengths are not integers.
        ArgumentError: If ``max_len`` is negative or no whole number.
        ArgumentTypeError: If it is left out, and the lengths are no constant.
    """
    shapes.integer_index(lengths, "Lengths")
    if max_len is None:
        raise must_be_given("max_len", "the lengths")
    if not is_whole(max_len, 0):
        raise ArgumentError("max_len is a size.", given=repr(max_len), expected="an integer >= 0")
    return Aval((*lengths.shape, max_len), dtype)


def _sequence_mask(xp: Any, lengths: Any, *, max_len: int, dtype: Any) -> Any:
    return (xp.arange(max_len) < xp.expand_dims(lengths, -1)).astype(dtype)


def _ranged(*, start: float, stop: float | None, step: float, dtype: Any) -> Aval:
    return Aval((_range_length(*_bounds(start, stop), step),), dtype)


def _bounds(start: float, stop: float | None) -> tuple[float, float]:
    return (0, start) if stop is None else (start, stop)


def _range_length(start: float, stop: float, step: float) -> int:
    """How many values numpy's ``arange`` has."""
    if step == 0:
        raise ArgumentError("The step of a range is zero.")
    try:
        steps = (stop - start) / step
        # So few of them that they are none as a float are one.
        n = int(stop != start and (stop > start) == (step > 0)) if steps == 0 else max(0, math.ceil(steps))
        return known_size(n)
    except (ArithmeticError, ValueError, ArgumentError) as e:
        bounds = f"start={shown(start)}, stop={shown(stop)}, step={shown(step)}"
        raise ArgumentError("No array is as long as this range.", given=bounds) from e


def _spaced(*, start: float, stop: float, number: int, dtype: Any) -> Aval:
    if not is_whole(number, 0):
        raise ArgumentError("number counts values.", given=repr(number), expected="an integer >= 0")
    return Aval((known_size(number),), dtype)


def _whole_indices(attrs: Any, avals: Any, values: Sequence[np.ndarray[Any, Any] | None]) -> Mapping[str, Any]:
    """The rule that looks at constant indices."""
    (indices,) = values
    if indices is not None and indices.dtype.kind == "f":
        check_whole(indices)
    return attrs


_SHARED = {
    "x": "Lends its shape to the result; its values do not matter.",
    "dtype": "The dtype of the result; the graph's own without it.",
}


class SDCreation(Namespace, prefix="", shared=_SHARED):
    """Array makers of the base namespace. Without a dtype the graph's own is taken."""

    @composite
    def fill(
        self, shape: Sequence[int] | int, value: float, dtype: DTypeLike | None = None, *, name: str | None = None
    ) -> SDVariable:
        """An array of ``shape`` that is ``value`` everywhere.

        Args:
            shape: The sizes, all of them known.
            value: A number.

        Returns:
            Shape ``shape``, ``dtype``.

        Raises:
            ArgumentError: If a size is unknown.
            DTypeError: If the dtype cannot hold the value.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.fill((2,), 7).eval()
            array([7., 7.])
        """
        sd = self.sd
        sizes = as_shape(shape)
        if not all(isinstance(d, int) for d in sizes):
            raise ArgumentError(
                "An array is filled at a known shape.",
                given=shape_str(sizes),
                fix="sd.full_like(x, value) takes the shape of a variable.",
            )
        number = _number(value, sd.dtype if dtype is None else as_dtype(dtype))
        return sd.broadcast_to(sd.as_variable(number), sizes)

    @composite(infer=_ranged, grows=True)
    def range(
        self,
        start: float,
        stop: float | None = None,
        step: float = 1,
        dtype: DTypeLike | None = None,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``start, start + step, ...`` up to but without ``stop``; ``range(n)`` counts from 0.

        Args:
            start: The first value; the end, if it is the only one given.
            stop: The end, left out.
            step: The distance of two values, not 0.

        Returns:
            A vector of ``dtype``.

        Raises:
            ArgumentError: If the step is 0, or no array is that long.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.range(1, 7, 2).eval()
            array([1., 3., 5.])
        """
        start, stop = _bounds(start, stop)
        # Numpy fails where it counts far below 0.
        values = np.arange(start, stop, step) if _range_length(start, stop, step) else np.arange(0)
        return self.sd.as_variable(values.astype(self.sd.dtype if dtype is None else dtype))

    @composite(infer=_spaced, grows=True)
    def linspace(
        self, start: float, stop: float, number: int, dtype: DTypeLike | None = None, *, name: str | None = None
    ) -> SDVariable:
        """``number`` evenly spaced values from ``start`` to ``stop``, both included.

        Args:
            start: The first value.
            stop: The last value.
            number: How many values, 0 or more.

        Returns:
            Shape ``(number,)``, ``dtype``.

        Raises:
            ArgumentError: If ``number`` is negative or no whole number.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.linspace(0, 1, 5).eval()
            array([0.  , 0.25, 0.5 , 0.75, 1.  ])
        """
        values = np.linspace(float(start), float(stop), number)
        return self.sd.as_variable(values.astype(self.sd.dtype if dtype is None else dtype))

    @primitive(
        infer=_like,
        kernel=lambda xp, x, dtype: _filled_like(xp, x, dtype=dtype, value=0),
        vjp=ZERO_GRADIENT,
        shape_of=(0,),
        reads=Reading(written.constant("0")),
    )
    def zeros_like(self, x: Operand, dtype: DTypeLike | None = None, *, name: str | None = None) -> SDVariable:
        """Zeros in the shape, and unless told otherwise the dtype, of ``x``.

        Args:
            dtype: The dtype of the result; that of ``x`` without it.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.zeros_like([1.0, 2.0]).eval()
            array([0., 0.])
        """
        ...

    @primitive(
        infer=_like,
        kernel=lambda xp, x, dtype: _filled_like(xp, x, dtype=dtype, value=1),
        vjp=ZERO_GRADIENT,
        shape_of=(0,),
        reads=Reading(written.constant("1")),
    )
    def ones_like(self, x: Operand, dtype: DTypeLike | None = None, *, name: str | None = None) -> SDVariable:
        """Ones in the shape, and unless told otherwise the dtype, of ``x``.

        Args:
            dtype: The dtype of the result; that of ``x`` without it.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.ones_like([1.0, 2.0]).eval()
            array([1., 1.])
        """
        ...

    @primitive(
        infer=_full_like,
        kernel=lambda xp, x, value, dtype: _filled_like(xp, x, dtype=dtype, value=value),
        vjp=ZERO_GRADIENT,
        shape_of=(0,),
    )
    def full_like(
        self, x: Operand, value: float, dtype: DTypeLike | None = None, *, name: str | None = None
    ) -> SDVariable:
        """``value`` everywhere, in the shape and unless told otherwise the dtype of ``x``.

        Args:
            value: A number.
            dtype: The dtype of the result; that of ``x`` without it.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.full_like([1.0, 2.0], 7).eval()
            array([7., 7.])
        """
        ...

    @composite(settle=_whole_indices)
    def one_hot(
        self,
        indices: Operand,
        depth: int,
        axis: int = -1,
        on: float = 1.0,
        off: float = 0.0,
        dtype: DTypeLike | None = None,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``on`` where the new axis of size ``depth`` equals the index, ``off`` elsewhere.

        An index outside ``0 ... depth - 1`` gives ``off`` throughout.

        Args:
            indices: Whole numbers of any shape, also as floats.
            depth: Size of the new axis.
            axis: Where the new axis stands in the result.
            on: The value at the index.
            off: The value elsewhere.

        Returns:
            The shape of the indices with the new axis, ``dtype``. There is no gradient.

        Raises:
            DTypeError: If the indices are bools or complex, or the dtype cannot hold a value.
            ArgumentError: If ``depth`` is negative or no whole number, or the result has no such axis.
            LabelError: For a float that is no whole number: at once in a constant, else at run time.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.one_hot([0, 2], 3).eval()
            array([[1., 0., 0.],
                   [0., 0., 1.]])
        """
        sd, indices = self.sd, self.sd.as_variable(indices)
        if indices.dtype.kind == "f":
            indices = sd.checked_whole(indices)
        else:
            shapes.integer_index(indices.aval, "Indices")
        if not is_whole(depth, 0):
            raise ArgumentError("depth is a size.", given=repr(depth), expected="an integer >= 0")
        depth = known_size(depth)
        n = indices.ndim + 1
        k = shapes.one_axis(axis, n)
        places = sd.reshape(sd.range(0, depth, dtype="int64"), (depth,) + (1,) * (n - k - 1))
        values = [_number(v, sd.dtype if dtype is None else as_dtype(dtype)) for v in (on, off)]
        return sd.where(sd.eq(sd.expand_dims(indices, k), places), *values)

    @primitive(
        infer=_mask,
        kernel=_sequence_mask,
        vjp=NOT_DIFFERENTIABLE,
        literals={"lengths": "int64"},
        settle=one_above("max_len", 0, step=0),
    )
    def sequence_mask(
        self, lengths: Operand, max_len: int | None = None, dtype: DTypeLike = "bool", *, name: str | None = None
    ) -> SDVariable:
        """For each length a row whose first ``length`` entries are True and the others False.

        Args:
            lengths: Whole numbers of any shape.
            max_len: Size of the rows; may be left out for a constant: its largest length.
            dtype: Of the result; 1 and 0 for number dtypes.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.sequence_mask([1, 3], dtype="int64").eval()
            array([[1, 0, 0],
                   [1, 1, 1]])
        """
        ...

    # ------------------------------------------------------------------ facts about shapes

    @primitive(
        infer=lambda x: Aval((len(x.shape),), shapes.INT64),
        kernel=lambda xp, x: xp.asarray(x.shape, dtype=xp.int64),
        vjp=NOT_DIFFERENTIABLE,
        shape_of=(0,),
    )
    def shape(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The shape of ``x`` at run time, as a vector of int64.

        Returns:
            Shape ``(rank,)``, int64. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.shape([[1.0, 2.0, 3.0]]).eval()
            array([1, 3])
        """
        ...

    @primitive(
        infer=lambda x: Aval((), shapes.INT64),
        kernel=lambda xp, x: xp.asarray(x.ndim, dtype=xp.int64),
        vjp=NOT_DIFFERENTIABLE,
        shape_of=(0,),
    )
    def rank(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The number of axes, int64.

        Returns:
            A scalar, int64. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.rank([[1.0, 2.0, 3.0]]).eval()
            array(2)
        """
        ...

    @composite(reads=Reading(written.size, letters=frozenset("N")))
    def size(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The number of elements at run time, int64.

        Returns:
            A scalar, int64. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.size([[1.0, 2.0, 3.0]]).eval()
            array(3)
        """
        return self.sd.axis_size(x, None, "int64")
