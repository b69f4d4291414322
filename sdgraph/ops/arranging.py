"""Ops that rearrange elements without computing: reshaping, permuting, joining, splitting, repeating.

Knows shapes only. Where a gradient needs a size that is unknown yet, an operand serves as witness of the shape.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import ELEMENTWISE, LINEAR, Linear
from sdgraph.build.reading import BY_NAME, Reading
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, Shape, as_shape, broadcasts_to, normalize_axis, promote, shape_str
from sdgraph.ops import written
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Axis, Operand


# ---------------------------------------------------------------------- shape rules


def _reshaped(x: Aval, *, shape: Any) -> Aval:
    """The same elements in another shape.

    Returns:
        ``shape``, with what was to be inferred; the same dtype.

    Raises:
        ShapeError: If the new shape holds another number of elements.
        ArgumentError: If more than one size is to be inferred, or one is negative.
    """
    wanted = as_shape(shape)
    if sum(type(d) is not int for d in wanted) > 1:
        raise ArgumentError("Only one dimension can be inferred.", given=shape_str(wanted))
    if not x.is_static:
        size = shapes.inferred_size(x.shape, wanted)
        return Aval(tuple(size if d is None else d for d in wanted), x.dtype)
    return shapes.reshaped(x, shape=tuple(d if type(d) is int else None for d in wanted))


def _sizes(shape: Any) -> tuple[int, ...]:
    """A user's shape for numpy: -1 for what is inferred."""
    return tuple(d if isinstance(d, int) else -1 for d in as_shape(shape))


def _reshaped_like(x: Aval, like: Aval) -> Aval:
    """The shape of ``like``.

    Returns:
        The shape of ``like``, the dtype of ``x``.

    Raises:
        ShapeError: If that holds another number of elements.
    """
    if x.is_static and like.is_static:
        shapes.reshaped(x, shape=like.shape)
    return Aval(like.shape, x.dtype)


def _target(shape: Shape, wanted: Shape) -> Shape:
    """The shape that an array is broadcast to: its own size where none is given.

    Raises:
        ArgumentError: If the array has no such axis.
    """
    lead = len(wanted) - len(shape)
    if any(type(d) is not int for d in wanted[: max(lead, 0)]):
        raise ArgumentError("The size of an axis that is added must be known.", given=shape_str(wanted))
    return tuple(
        d if type(d) is int or type(shape[k - lead]) is not int else shape[k - lead] for k, d in enumerate(wanted)
    )


def _broadcast_to(x: Aval, *, shape: Any) -> Aval:
    """Broadcast to a shape.

    Returns:
        ``shape``, with what was to be inferred; the same dtype. The gradient adds up the repetitions.

    Raises:
        ShapeError: If ``x`` does not broadcast to that shape.
        ArgumentError: If the size of an axis that ``x`` lacks is not given.
    """
    return _broadcast_like(x, Aval(_target(x.shape, as_shape(shape)), x.dtype))


def _broadcast_like(x: Aval, like: Aval) -> Aval:
    """Broadcast to the shape of ``like``.

    Returns:
        The shape of ``like``, the dtype of ``x``. The gradient adds up the repetitions.

    Raises:
        ShapeError: If ``x`` does not broadcast to that shape.
    """
    if not broadcasts_to(x.shape, like.shape):
        raise ShapeError(
            "This does not broadcast to that shape.", given=f"{shape_str(x.shape)} to {shape_str(like.shape)}"
        )
    return Aval(like.shape, x.dtype)


def _expanded(x: Aval, *, axis: Any) -> Aval:
    """More axes of size 1.

    Returns:
        The shape with more axes of size 1, the same dtype.

    Raises:
        ArgumentError: If the result has no such axis, or one is named twice.
    """
    n = len(x.shape) + (1 if isinstance(axis, int) else len(axis))
    axes = normalize_axis(axis, n)
    dims = iter(x.shape)
    return Aval(tuple(1 if k in axes else next(dims) for k in range(n)), x.dtype)


def _squeezed(x: Aval, *, axis: Any) -> Aval:
    """Fewer axes of size 1.

    Returns:
        The shape without these axes, the same dtype.

    Raises:
        ShapeError: If an axis has another size.
        ArgumentError: If there is no such axis, or none is named and sizes are unknown.
    """
    if axis is None:
        if not x.is_static:
            raise ArgumentError(
                "Which axes have size 1 is unknown.", given=shape_str(x.shape), fix="Name the axis: axis=..."
            )
        return Aval(tuple(d for d in x.shape if d != 1), x.dtype)
    axes = normalize_axis(axis, len(x.shape))
    for k in axes:
        if type(x.shape[k]) is int and x.shape[k] != 1:
            raise ShapeError(f"Axis {k} has size {x.shape[k]}, not 1.", given=f"{shape_str(x.shape)}, axis={axis!r}")
    return Aval(tuple(d for k, d in enumerate(x.shape) if k not in axes), x.dtype)


def _total(dims: Sequence[Dim]) -> Dim:
    return sum(dims) if all(type(d) is int for d in dims) else None  # type: ignore[arg-type]


def _concatenated(*avals: Aval, axis: int) -> Aval:
    """The sizes along the axis added up.

    Returns:
        The shape with the sizes along ``axis`` added up, the promoted dtype.

    Raises:
        ShapeError: If they differ in another axis, or are scalars.
        ArgumentError: If there is no operand, or no such axis.
    """
    if not avals:
        raise ArgumentError("There is nothing to concatenate.")
    first = avals[0].shape
    if not first:
        raise ShapeError("Scalars cannot be concatenated.", fix=shapes.axis_by_name("concat", avals) or "Use sd.stack.")
    k = shapes.one_axis(axis, len(first))
    joint = first
    for a in avals[1:]:
        joint = (*joint[:k], None, *joint[k + 1 :])
        if not shapes.same_sizes(joint, a.shape):
            raise ShapeError(
                f"Only axis {axis} may differ between concatenated arrays.",
                given=", ".join(shape_str(v.shape) for v in avals),
            )
        joint = tuple(d if type(d) is int else e for d, e in zip(joint, a.shape, strict=True))
    joined = _total([a.shape[k] for a in avals])
    return Aval((*joint[:k], joined, *joint[k + 1 :]), functools.reduce(promote, (a.dtype for a in avals)))


def _unconcatenated(x: Aval, *inputs: Aval, axis: int) -> tuple[Aval, ...]:
    """The shapes of what was joined.

    Returns:
        As many arrays as there are ``inputs``, of their shapes and the dtype of ``x``.

    Raises:
        ShapeError: If ``x`` does not have the shape of their `concat`.
        ArgumentError: If there are no ``inputs``, or there is no such axis.
    """
    shapes.must_have(x, _concatenated(*inputs, axis=axis).shape, "This is not the shape of the operands' concat.")
    return tuple(Aval(v.shape, x.dtype) for v in inputs)


def _parts(x: Aval, *, num_split: int, axis: int) -> tuple[Aval, ...]:
    """Equal parts of an axis.

    Returns:
        ``num_split`` arrays of the same dtype.

    Raises:
        ArgumentError: If there is no such axis, its size is not a multiple of ``num_split``, or these are too many.
    """
    k = shapes.one_axis(axis, len(x.shape))
    d = x.shape[k]
    if not is_whole(num_split, 1) or (type(d) is int and d % num_split):
        raise ArgumentError("The axis cannot be split evenly.", given=f"size {d} into {num_split!r} parts")
    size = d // num_split if type(d) is int else None
    return shapes.outputs(Aval((*x.shape[:k], size, *x.shape[k + 1 :]), x.dtype), num_split)


def _unstacked(x: Aval, *, axis: int, num: int | None) -> tuple[Aval, ...]:
    """One array per entry of an axis.

    Returns:
        As many arrays as the axis has entries, of the shape without it and the same dtype.

    Raises:
        ArgumentError: If there is no such axis, or the number of arrays is unknown, another one, or too large.
    """
    k = shapes.one_axis(axis, len(x.shape))
    d = x.shape[k]
    if type(d) is int and num is not None and num != d:
        raise ArgumentError("num is not the size of the axis.", given=f"num={num}, size {d}")
    n = d if type(d) is int else num
    if n is None:
        raise ArgumentError("How many parts there are is unknown.", given=shape_str(x.shape), fix="Pass num=...")
    return shapes.outputs(Aval(x.shape[:k] + x.shape[k + 1 :], x.dtype), n)


def _tile_counts(reps: Any, ndim: int) -> tuple[int, ...]:
    counts = reps if isinstance(reps, tuple) else (reps,)
    if not all(is_whole(r, 0) for r in counts):
        raise ArgumentError("Counts of repetition are integers >= 0.", given=repr(reps))
    return (1,) * (ndim - len(counts)) + tuple(counts)


def _times(d: Dim, n: int) -> Dim:
    return d * n if type(d) is int else d if n == 1 else None


def _tiled(x: Aval, *, reps: Any) -> Aval:
    """Sizes times counts.

    Returns:
        The sizes times their counts, the same dtype.

    Raises:
        ArgumentError: If a count is negative or no whole number.
    """
    counts = _tile_counts(reps, len(x.shape))
    dims: Shape = (1,) * (len(counts) - len(x.shape)) + x.shape
    return Aval(tuple(map(_times, dims, counts)), x.dtype)


def _untiled(x: Aval, like: Aval, *, reps: Any) -> Aval:
    """What `_tiled` was given.

    Returns:
        The shape of ``like``, the dtype of ``x``.

    Raises:
        ShapeError: If ``x`` does not have the shape of the `tile` of ``like``.
        ArgumentError: As for `tile`.
    """
    shapes.must_have(x, _tiled(like, reps=reps).shape, "This is not the shape of what is tiled.")
    return Aval(like.shape, x.dtype)


def _repeated(x: Aval, *, repeats: Any, axis: int | None) -> Aval:
    """Sizes times repetitions.

    Returns:
        The shape with the repetitions added up along the axis, or without one a vector; the same dtype.

    Raises:
        ArgumentError: If there is no such axis, a count is negative, or there is not one per element.
    """
    if axis is None:
        d, before, after = math.prod(x.shape) if x.is_static else None, (), ()  # type: ignore[arg-type]
    else:
        k = shapes.one_axis(axis, len(x.shape))
        d, before, after = x.shape[k], x.shape[:k], x.shape[k + 1 :]
    if isinstance(repeats, int):
        n = _times(d, *_tile_counts(repeats, 0))
    else:
        n = sum(_tile_counts(repeats, 0))
        if type(d) is int and d != len(repeats):
            raise ArgumentError("repeats names each element or none.", given=f"{len(repeats)} counts for {d} elements")
    return Aval((*before, n, *after), x.dtype)


def _unrepeated(x: Aval, like: Aval, *, repeats: Any, axis: int | None) -> Aval:
    """What `_repeated` was given.

    Returns:
        The shape of ``like``, the dtype of ``x``.

    Raises:
        ShapeError: If ``x`` does not have the shape of the `repeat` of ``like``.
        ArgumentError: As for `repeat`.
    """
    shapes.must_have(x, _repeated(like, repeats=repeats, axis=axis).shape, "This is not the shape of what is repeated.")
    return Aval(like.shape, x.dtype)


def _flipped(x: Aval, *, axis: Any) -> Aval:
    """The operand's aval.

    Returns:
        The same shape and dtype.

    Raises:
        ArgumentError: If there is no such axis, or one is named twice.
    """
    normalize_axis(axis, len(x.shape))
    return x


# ---------------------------------------------------------------------- kernels and gradients


def _unconcat(xp: Any, x: Any, *inputs: Any, axis: int) -> tuple[Any, ...]:
    ends = np.cumsum([v.shape[axis] for v in inputs])
    return tuple(xp.split(x, ends[:-1].tolist(), axis=axis))


def _as_before(mask: Mask, y: SDVariable, x: SDVariable) -> Mask:
    """The mask of ``y``, an array of the elements of ``x`` in their order, for ``x``."""
    return mask.moved(lambda c: c.sd.reshape_like(c.sd.broadcast_like(c, y), x))


def _without_axes(g: SDVariable, x: SDVariable, axis: Axis) -> SDVariable:
    """``g`` without the axes that ``expand_dims`` gave it."""
    return g.sd.squeeze(g, normalize_axis(axis, g.ndim)) if g.ndim != x.ndim else g


def _back(g: SDVariable, axes: Sequence[int] | None) -> SDVariable:
    """``g`` with its axes where they were before a permutation."""
    return g.sd.permute(g, tuple(np.argsort(shapes.permutation(axes, g.ndim)).tolist()))


def _concat_vjp(g: SDVariable, y: SDVariable, *inputs: SDVariable, axis: int) -> tuple[SDVariable, ...]:
    sd, k, start = g.sd, axis % g.ndim, 0
    if not all(type(v.shape[k]) is int for v in inputs):
        return sd.unconcat(g, *inputs, axis=axis)
    parts = []
    for v in inputs:
        d: Any = v.shape[k]
        parts.append(sd.index(g, key=(*(("slice", None, None, None),) * k, ("slice", start, start + d, None))))
        start += d
    return tuple(parts)


def _stack_vjp(g: SDVariable, y: SDVariable, *inputs: SDVariable, axis: int) -> tuple[SDVariable, ...]:
    before = (("slice", None, None, None),) * (axis % g.ndim)
    return tuple(g.sd.index(g, key=(*before, k)) for k in range(len(inputs)))


def _repeat_indices(n: int, repeats: int | tuple[int, ...]) -> Any:
    return np.repeat(np.arange(n), repeats)


_SHARED = {
    "x": "An array of any shape and dtype.",
    "like": "Lends its shape to the result; its values do not matter.",
    "inputs": "Arrays of equal rank, one by one or as a list.",
}


class SDArranging(Namespace, prefix="", shared=_SHARED):
    """Shape changes of the base namespace."""

    @primitive(
        infer=_reshaped,
        kernel=lambda xp, x, shape: xp.reshape(x, _sizes(shape)),
        vjp=lambda g, y, x, shape: g.sd.reshape_like(g, x),
        reach=Linear(lambda mask, y, x, shape: _as_before(mask, y, x)),
        is_strided=True,
        reads=BY_NAME,
        passes_on=0,
    )
    def reshape(self, x: Operand, shape: Sequence[Dim] | int, *, name: str | None = None) -> SDVariable:
        """The same elements, in row order, in another shape; one dimension may be -1, None or a name: it is inferred.

        Where the one unknown size of ``x`` is what is left, the result has that size: ``(batch, 4, 2)`` as ``(-1, 8)``
        is ``(batch, 8)``.

        Args:
            shape: The sizes; one may be -1, None or a name.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.reshape([1.0, 2.0, 3.0, 4.0], (2, -1)).eval()
            array([[1., 2.],
                   [3., 4.]])
        """
        ...

    @composite(
        infer=_reshaped_like,
        vjp=lambda g, y, x, like: (g.sd.reshape_like(g, x), None),
        reach=Linear(lambda mask, y, x, like: (_as_before(mask, y, x), None)),
        reads=BY_NAME,
        passes_on=0,
        shape_of=(1,),
    )
    def reshape_like(self, x: Operand, like: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` in the shape of ``like``, whose values do not matter.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.reshape_like([1.0, 2.0], [[0.0, 0.0]]).eval()
            array([[1., 2.]])
        """
        x, like = self.sd.as_variable(x), self.sd.as_variable(like)
        return x if x.shape == like.shape else self.sd.reshape(x, like.shape)

    @primitive(
        infer=_broadcast_to,
        kernel=lambda xp, x, shape: xp.broadcast_to(x, _target(x.shape, as_shape(shape))),
        vjp=lambda g, y, x, shape: g,
        reach=ELEMENTWISE,
        is_strided=True,
        passes_on=0,
    )
    def broadcast_to(self, x: Operand, shape: Sequence[Dim] | int, *, name: str | None = None) -> SDVariable:
        """``x`` broadcast to ``shape``; where that has -1, None or a name, ``x`` keeps its size.

        Args:
            shape: The sizes; -1, None or a name where ``x`` keeps its own.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.broadcast_to([1.0, 2.0], (2, 2)).eval()
            array([[1., 2.],
                   [1., 2.]])
        """
        ...

    @composite(
        infer=_broadcast_like, vjp=lambda g, y, x, like: (g, None), reach=ELEMENTWISE, passes_on=0, shape_of=(1,)
    )
    def broadcast_like(self, x: Operand, like: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` broadcast to the shape of ``like``, whose values do not matter.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.broadcast_like(7.0, [0.0, 0.0]).eval()
            array([7., 7.])
        """
        x, like = self.sd.as_variable(x), self.sd.as_variable(like)
        return x if x.shape == like.shape else self.sd.broadcast_to(x, like.shape)

    @primitive(
        infer=_expanded,
        kernel=lambda xp, x, axis: xp.expand_dims(x, axis),
        vjp=lambda g, y, x, axis: _without_axes(g, x, axis),
        reach=Linear(lambda mask, y, x, axis: mask.moved(lambda c: _without_axes(c, x, axis))),
        is_strided=True,
        passes_on=0,
    )
    def expand_dims(self, x: Operand, axis: int | Sequence[int], *, name: str | None = None) -> SDVariable:
        """Insert axes of size 1 that stand at ``axis`` in the result.

        Args:
            axis: The axis, or several, as the result counts them.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.expand_dims([1.0, 2.0], -1).eval()
            array([[1.],
                   [2.]])
        """
        ...

    @primitive(
        infer=_squeezed,
        kernel=lambda xp, x, axis: xp.squeeze(x, axis),
        vjp=lambda g, y, x, axis: g.sd.reshape_like(g, x),
        reach=Linear(lambda mask, y, x, axis: _as_before(mask, y, x)),
        is_strided=True,
        passes_on=0,
    )
    def squeeze(self, x: Operand, axis: Axis = None, *, name: str | None = None) -> SDVariable:
        """Drop axes of size 1; all of them without ``axis``.

        Args:
            axis: The axis, or several; None for all of size 1.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.squeeze([[1.0, 2.0]], 0).eval()
            array([1., 2.])
        """
        ...

    @primitive(
        infer=shapes.permuted,
        kernel=lambda xp, x, axes: xp.transpose(x, axes),
        vjp=lambda g, y, x, axes: _back(g, axes),
        reach=Linear(lambda mask, y, x, axes: mask.moved(lambda c: _back(c, axes))),
        is_strided=True,
        reads=Reading(written.permuted, "%(x_atom)sᵀ", "ᵀ"),
    )
    def permute(self, x: Operand, axes: Sequence[int] | None = None, *, name: str | None = None) -> SDVariable:
        """The axes in another order: axis k of the result is ``axes[k]`` of ``x``; reversed by default.

        Args:
            axes: Each axis once; None for the reverse order.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.permute([[1.0, 2.0]], (1, 0)).eval()
            array([[1.],
                   [2.]])
        """
        ...

    @composite(reads=Reading(written.transposed, "%(x_atom)sᵀ", "ᵀ"))
    def transpose(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """The axes in reverse order.

        Returns:
            The sizes in reverse order, the same dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.transpose([[1.0, 2.0]]).eval()
            array([[1.],
                   [2.]])
        """
        x = self.sd.as_variable(x)
        return self.sd.permute(x, tuple(reversed(range(x.ndim))))

    @primitive(
        infer=_flipped,
        kernel=lambda xp, x, axis: xp.flip(x, axis),
        vjp=lambda g, y, x, axis: g.sd.reverse(g, axis),
        reach=Linear(lambda mask, y, x, axis: mask.moved(lambda c: c.sd.reverse(c, axis))),
        is_strided=True,
    )
    def reverse(self, x: Operand, axis: Axis = None, *, name: str | None = None) -> SDVariable:
        """The elements along ``axis`` in reverse order; along all axes by default.

        Args:
            axis: The axis, or several; None for all.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.reverse([1.0, 2.0, 3.0]).eval()
            array([3., 2., 1.])
        """
        ...

    # ------------------------------------------------------------------ joining and splitting

    @primitive(
        infer=_concatenated,
        kernel=lambda xp, *inputs, axis: xp.concatenate(inputs, axis=axis),
        vjp=_concat_vjp,
        reach=LINEAR,
        places=lambda y, *inputs, axis: (_unconcat(np, y, *inputs, axis=axis), None),
    )
    def concat(self, *inputs: Operand | Sequence[Operand], axis: int = 0, name: str | None = None) -> SDVariable:
        """The operands one after another along ``axis``; give them one by one or as a list.

        Args:
            axis: The axis to join along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.concat([1.0, 2.0], [3.0]).eval()
            array([1., 2., 3.])
        """
        ...

    @primitive(
        infer=_unconcatenated,
        kernel=_unconcat,
        vjp=lambda g, y, x, *inputs, axis: (x.sd.concat(*g, axis=axis), *(None,) * len(inputs)),
        reach=LINEAR,
        is_strided=True,
    )
    def unconcat(self, x: Operand, *inputs: Operand, axis: int, name: str | None = None) -> tuple[SDVariable, ...]:
        """What each of ``inputs`` became in ``x``, which has the shape of their `concat`; their values do not matter.

        Args:
            x: An array of the shape of the operands' `concat`.
            inputs: Lend their shapes to the results; their values do not matter.
            axis: The axis they were joined along.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> first, second = sd.unconcat([1.0, 2.0, 3.0], [0.0], [0.0, 0.0], axis=0)
            >>> second.eval()
            array([2., 3.])
        """
        ...

    @composite(vjp=_stack_vjp, reach=LINEAR)
    def stack(self, *inputs: Operand | Sequence[Operand], axis: int = 0, name: str | None = None) -> SDVariable:
        """The operands along a new axis; give them one by one or as a list.

        Args:
            inputs: Arrays of one shape, one by one or as a list.
            axis: The new axis, as the result counts it.

        Returns:
            The shape with an axis more, as long as there are operands; the promoted dtype.

        Raises:
            ShapeError: If the shapes differ.
            ArgumentError: If there is no operand, or the result has no such axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.stack([1.0, 2.0], [3.0, 4.0], axis=1).eval()
            array([[1., 3.],
                   [2., 4.]])
        """
        sd = self.sd
        if not inputs:
            raise ArgumentError("There is nothing to stack.")
        avals = [sd.as_variable(v).aval for v in inputs]
        if not all(shapes.same_sizes(a.shape, avals[0].shape) for a in avals):
            raise ShapeError(
                "Stacked arrays must have one shape.",
                given=", ".join(shape_str(a.shape) for a in avals),
                fix=shapes.axis_by_name("stack", avals),
            )
        k = shapes.one_axis(axis, len(avals[0].shape) + 1)
        return sd.concat(*[sd.expand_dims(v, k) for v in inputs], axis=k)  # type: ignore[arg-type]

    @primitive(
        infer=_parts,
        kernel=lambda xp, x, num_split, axis: tuple(xp.split(x, num_split, axis=axis)),
        vjp=lambda g, y, x, num_split, axis: x.sd.concat(*g, axis=axis),
        reach=LINEAR,
        is_strided=True,
    )
    def split(self, x: Operand, num_split: int, axis: int = 0, *, name: str | None = None) -> tuple[SDVariable, ...]:
        """``x`` cut into ``num_split`` equal parts along ``axis``.

        Args:
            num_split: How many parts.
            axis: The axis to cut.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> a, b = sd.split([1.0, 2.0, 3.0, 4.0], 2)
            >>> b.eval()
            array([3., 4.])
        """
        ...

    @primitive(
        infer=_unstacked,
        kernel=lambda xp, x, axis, num: tuple(xp.moveaxis(x, axis, 0)),
        vjp=lambda g, y, x, axis, num: x.sd.stack(*g, axis=axis % x.ndim) if g else None,
        reach=LINEAR,
        is_strided=True,
    )
    def unstack(
        self, x: Operand, axis: int = 0, num: int | None = None, *, name: str | None = None
    ) -> tuple[SDVariable, ...]:
        """The slices of ``x`` along ``axis``, without that axis.

        Args:
            axis: The axis that goes.
            num: Their number, needed where the size of the axis is unknown.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> a, b = sd.unstack([[1.0, 2.0], [3.0, 4.0]])
            >>> b.eval()
            array([3., 4.])
        """
        ...

    # ------------------------------------------------------------------ repeating

    @composite(infer=_tiled, vjp=lambda g, y, x, reps: g.sd.untile(g, x, reps), reach=LINEAR)
    def tile(self, x: Operand, reps: int | Sequence[int], *, name: str | None = None) -> SDVariable:
        """``x`` repeated ``reps[k]`` times along axis k; fewer counts than axes name the last ones.

        Args:
            reps: One count for the last axis, or one per axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.tile([1.0, 2.0], 2).eval()
            array([1., 2., 1., 2.])
        """
        sd, x = self.sd, self.sd.as_variable(x)
        counts = _tile_counts(reps, x.ndim)
        dims = (1,) * (len(counts) - x.ndim) + x.shape
        one_each = sd.reshape(x, tuple(n for d in dims for n in (1, d)))
        spread = sd.broadcast_to(one_each, tuple(n for r, d in zip(counts, dims, strict=True) for n in (r, d)))
        return sd.reshape(spread, _tiled(x.aval, reps=reps).shape)

    @composite(infer=_untiled, vjp=lambda g, y, x, like, reps: (g.sd.tile(g, reps), None), reach=LINEAR)
    def untile(self, x: Operand, like: Operand, reps: int | Sequence[int], *, name: str | None = None) -> SDVariable:
        """The copies that `tile` made of something shaped like ``like``, added up.

        Args:
            x: An array of the shape of the `tile` of ``like``.
            reps: As for `tile`.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.untile([1.0, 2.0, 3.0, 4.0], [0.0, 0.0], 2).eval()
            array([4., 6.])
        """
        sd, x, like = self.sd, self.sd.as_variable(x), self.sd.as_variable(like)
        counts = _tile_counts(reps, like.ndim)
        dims = (1,) * (len(counts) - like.ndim) + like.shape
        parted = sd.reshape(x, tuple(n for r, d in zip(counts, dims, strict=True) for n in (r, d)))
        added = sd.sum(parted, tuple(range(0, 2 * len(counts), 2))) if counts else parted
        return sd.reshape(cast_to(added, x.dtype), like.shape)

    @composite(
        infer=_repeated, grows=True, reach=LINEAR, vjp=lambda g, y, x, repeats, axis: g.sd.unrepeat(g, x, repeats, axis)
    )
    def repeat(
        self, x: Operand, repeats: int | Sequence[int], axis: int | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Each element along ``axis`` repeated in place; of the flattened array without one.

        Args:
            repeats: One count for all elements, or one per element.
            axis: The axis to repeat along; None for the flattened array.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.repeat([1.0, 2.0], (1, 2)).eval()
            array([1., 2., 2.])
        """
        sd, x = self.sd, self.sd.as_variable(x)
        if axis is None:
            x, axis = sd.reshape(x, -1), 0
        return sd.gather(x, _repeat_indices(x.shape[axis], repeats), axis)  # type: ignore[arg-type]

    @composite(
        infer=_unrepeated,
        grows=True,
        vjp=lambda g, y, x, like, repeats, axis: (g.sd.repeat(g, repeats, axis), None),
        reach=LINEAR,
    )
    def unrepeat(
        self,
        x: Operand,
        like: Operand,
        repeats: int | Sequence[int],
        axis: int | None = None,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The copies that `repeat` made of something shaped like ``like``, added up.

        Args:
            x: An array of the shape of the `repeat` of ``like``.
            repeats: As for `repeat`.
            axis: As for `repeat`.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.unrepeat([1.0, 2.0, 3.0], [0.0, 0.0], (1, 2)).eval()
            array([1., 5.])
        """
        sd, x, like = self.sd, self.sd.as_variable(x), self.sd.as_variable(like)
        target = sd.reshape(like, -1) if axis is None else like
        k = axis or 0
        indices = _repeat_indices(target.shape[k], repeats)  # type: ignore[arg-type]
        return sd.reshape(sd.scatter_add(sd.zeros_like(target, x.dtype), indices, x, k), like.shape)
