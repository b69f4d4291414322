"""One call of an op of ours while it is written: its operands, its results, and what rules are made of.

A rule is given a `Call`, adds nodes and returns what they compute; what it returns last gets the name of the result.
Arithmetic broadcasts here as in numpy, and where SameDiff's gradient of a broadcast operand is wrong, the operand is
given the full shape first. Must not know which rule is for which op.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sdgraph.files.samediff.schema import ALL_AXES, CODES
from sdgraph.files.samediff.writing.records import Records, Value, check_dtype
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.infer.aval import Aval, Dim, Shape

BOOL = np.dtype("bool")
FLOAT = np.dtype("float32")
INT64 = np.dtype("int64")

Written: TypeAlias = "Value | list[Value]"

_KEEP_ONE_ELEMENT = {"reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"}
"""Reductions that change nothing along an axis of size 1."""


def broadcast(*shapes: Shape) -> Shape:
    """Numpy's broadcasting, in which an unknown size is no 1."""
    rank = max(len(s) for s in shapes)
    out: list[Dim] = []
    for dims in zip(*[(1,) * (rank - len(s)) + tuple(s) for s in shapes], strict=True):
        known = [d for d in dims if type(d) is int and d != 1]
        unknown = [d for d in dims if type(d) is not int]
        out.append(known[0] if known else unknown[0] if unknown else 1)
    return tuple(out)


def same_shape(a: Shape, b: Shape) -> bool:
    """Whether two shapes that broadcast are equal in any run. An unknown size never broadcasts, so it is no 1."""
    return len(a) == len(b) and all((x == 1) == (y == 1) for x, y in zip(a, b, strict=True))


@dataclass(eq=False, slots=True)
class Call:
    """An op of ours, and where its nodes go."""

    records: Records
    name: str
    """Of the first result, which names what is made on the way."""
    attrs: Mapping[str, Any]
    inputs: list[Any]
    """The operands as `Value`; None for one that is not given."""
    avals: tuple[Aval, ...]
    """Of the results."""
    needed: bool
    """Whether a loss is computed from the results."""
    used: bool
    """Whether a loss is computed from the results by other ops."""

    @property
    def x(self) -> Value:
        """The first operand."""
        return self.inputs[0]

    @property
    def aval(self) -> Aval:
        """Of the first result."""
        return self.avals[0]

    @property
    def shape(self) -> Shape:
        """Of the first result."""
        return self.avals[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the first result."""
        return self.avals[0].dtype

    @property
    def on_path(self) -> bool:
        """Whether SameDiff takes a gradient through this op."""
        return any(a.dtype.kind == "f" for a in self.avals) and any(map(self.flows, self.inputs))

    def flows(self, x: Value | None) -> bool:
        """Whether SameDiff takes a gradient to this operand."""
        return self.needed and x is not None and x.trained

    def off_path(self, why: str) -> None:
        """Raise Refused where a gradient passes."""
        if self.on_path:
            raise Refused(why)

    # ------------------------------------------------------------------ nodes

    def nodes(self, op_name: str, inputs: Sequence[Value], avals: Sequence[Aval], **slots: Any) -> list[Value]:
        """A node with these results."""
        outs = [(self.records.fresh(f"{self.name}/{op_name}"), aval) for aval in avals]
        return self.records.node(op_name, inputs, outs, **slots)

    def node(self, op_name: str, *inputs: Value, shape: Shape | None = None, dtype: Any = None, **slots: Any) -> Value:
        """A node with one result, of the shape and dtype of the first operand unless others are given."""
        first = inputs[0].aval if inputs else self.avals[0]
        aval = Aval(first.shape if shape is None else shape, first.dtype if dtype is None else np.dtype(dtype))
        return self.nodes(op_name, inputs, [aval], **slots)[0]

    def array(self, what: str, value: Any, dtype: Any = None) -> Value:
        """A constant."""
        array = np.asarray(value, self.dtype if dtype is None else dtype)
        return self.records.constant(f"{self.name}/{what}", array)

    def number(self, value: float, like: Value | None = None) -> Value:
        """A constant number, of the dtype of another value or of the result."""
        return self.array("number", value, None if like is None else like.dtype)

    # ------------------------------------------------------------------ elementwise

    def cast(self, x: Value, dtype: Any) -> Value:
        """A value in another dtype; itself if it has it."""
        dtype = np.dtype(dtype)
        return x if x.dtype == dtype else self.node("cast", x, dtype=dtype, i=[_code(dtype)])

    def pair(self, op_name: str, x: Value, y: Value, dtype: Any = None) -> Value:
        """An op of two arrays that broadcasts."""
        return self.node(op_name, x, y, shape=broadcast(x.shape, y.shape), dtype=x.dtype if dtype is None else dtype)

    def add(self, x: Value, y: Value) -> Value:
        """The sum of two arrays that broadcast."""
        return self.pair("add", x, y)

    def sub(self, x: Value, y: Value) -> Value:
        """Their difference."""
        return self.pair("subtract", x, y)

    def mul(self, x: Value, y: Value) -> Value:
        """Their product."""
        return self.pair("multiply", x, y)

    def div(self, x: Value, y: Value) -> Value:
        """Their quotient."""
        return self.pair("divide", *self.spread(x, y))

    def neg(self, x: Value) -> Value:
        """``-x``."""
        return self.node("neg", x)

    def one_less(self, x: Value) -> Value:
        """``1 - x``."""
        return self.pair("reversesubtract", x, self.number(1, x))

    def mask(self, condition: Value, dtype: Any = None) -> Value:
        """1 where a bool is true, else 0."""
        return self.cast(condition, self.dtype if dtype is None else dtype)

    def compared(self, op_name: str, x: Value, y: Value | float) -> Value:
        """A comparison with another value or a number."""
        return self.pair(op_name, x, y if isinstance(y, Value) else self.number(y, x), BOOL)

    def truth(self, x: Value) -> Value:
        """Whether numbers are not 0."""
        return x if x.dtype == BOOL else self.compared("not_equals", x, 0)

    def zeros(self, x: Value) -> Value:
        """Zeros of the same shape and dtype."""
        return self.node("zeroslike", x, d=[x.dtype])

    # ------------------------------------------------------------------ shapes

    def filled(self, x: Value, like: Value) -> Value:
        """An operand broadcast to the shape of another value: added to zeros, which has a right gradient."""
        if same_shape(x.shape, like.shape):
            return x
        if x.dtype == BOOL:
            return self.truth(self.filled(self.cast(x, FLOAT), like))
        return self.add(self.zeros(self.cast(like, x.dtype)), x)

    def spread(self, x: Value, y: Value) -> tuple[Value, Value]:
        """Both operands in their common shape, if a gradient goes to one that would be broadcast.

        SameDiff's gradient of division and some other ops is wrong for operands that are broadcast; of sums it is not.
        """
        full = broadcast(x.shape, y.shape)
        if not any(self.flows(v) and not same_shape(v.shape, full) for v in (x, y)):
            return x, y
        if same_shape(x.shape, full) or same_shape(y.shape, full):
            whole = x if same_shape(x.shape, full) else y
            return self.filled(x, whole), self.filled(y, whole)
        zeros = self.add(self.zeros(x), self.zeros(y))
        return self.add(zeros, x), self.add(zeros, y)

    def reshape(self, x: Value, shape: Sequence[Dim]) -> Value:
        """Raises Refused for more than one unknown size."""
        sizes = [d if type(d) is int else -1 for d in shape]
        if sizes.count(-1) > 1:
            raise Refused("SameDiff works out one unknown size of a shape, not several")
        return self.node("reshape", x, shape=tuple(shape), i=[-99, *sizes])

    def permute(self, x: Value, order: Sequence[int]) -> Value:
        """The axes in another order."""
        if list(order) == list(range(x.rank)):
            return x
        return self.node("permute", x, shape=tuple(x.shape[k] for k in order), i=order)

    def expand(self, x: Value, axis: int) -> Value:
        """A new axis of size 1."""
        if x.rank == 0:
            return self.reshape(x, (1,))
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        return self.node("expand_dims", x, shape=shape, i=[axis])

    def squeeze(self, x: Value, axes: Sequence[int]) -> Value:
        """Without some axes of size 1."""
        shape = tuple(d for k, d in enumerate(x.shape) if k not in axes)
        return self.node("squeeze", x, shape=shape, i=sorted(axes)) if axes else x

    def cut(self, x: Value, axis: int, start: int, stop: int) -> Value:
        """The part of an axis of known size from ``start`` to ``stop``."""
        begin, end = [0] * x.rank, [d if type(d) is int else 0 for d in x.shape]
        begin[axis], end[axis] = start, stop
        to_the_end = sum(1 << k for k, d in enumerate(x.shape) if type(d) is not int and k != axis)
        shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
        masks = [to_the_end, 0, to_the_end, 0, 0]
        return self.node("strided_slice", x, shape=shape, i=[*masks, *begin, *end, *[1] * x.rank])

    def concat(self, parts: Sequence[Value], axis: int) -> Value:
        """Arrays behind each other along an axis."""
        if len(parts) == 1:
            return parts[0]
        sizes = [p.shape[axis] for p in parts]
        size = sum(sizes) if all(type(d) is int for d in sizes) else None  # type: ignore[arg-type]
        shape = (*parts[0].shape[:axis], size, *parts[0].shape[axis + 1 :])
        return self.node("concat", *parts, shape=shape, i=[axis])

    # ------------------------------------------------------------------ reductions and products

    def reduce(
        self, op_name: str, x: Value, axes: Sequence[int], *, keep: bool = False, dtype: Any = None, **slots: Any
    ) -> Value:
        """A reduction along some axes, where SameDiff fails along those of size 1 by doing without it.

        Raises:
            Refused: If an axis has size 1, and the op is not the identity of one number.
        """
        axes = sorted(axes)
        shape = tuple(1 if k in axes else d for k, d in enumerate(x.shape) if keep or k not in axes)
        if not axes or (x.rank != 1 and all(x.shape[a] == 1 for a in axes)):
            if op_name not in _KEEP_ONE_ELEMENT:
                raise Refused("SameDiff fails along an axis of size 1")
            return x if keep else self.squeeze(x, axes)
        if x.rank == 2 and len(axes) == 1 and type(x.shape[axes[0]]) is not int:
            # A matrix of one row or one column fails along it; an array of three axes never does.
            deep = self._reduced(op_name, self.expand(x, 2), axes, (*shape, 1), keep, dtype, slots)
            return self.squeeze(deep, [len(shape)])
        return self._reduced(op_name, x, axes, shape, keep, dtype, slots)

    def _reduced(
        self,
        op_name: str,
        x: Value,
        axes: Sequence[int],
        shape: Shape,
        keep: bool,
        dtype: Any,
        slots: Mapping[str, Any],
    ) -> Value:
        dimensions = [ALL_AXES] if len(axes) == x.rank and not keep else axes
        flags = {} if op_name in ("std", "var") else {"b": [keep, True]}
        return self.node(op_name, x, shape=shape, dtype=dtype, dimensions=dimensions, keep=keep, **flags, **slots)

    def matmul(self, x: Value, y: Value, turned: Sequence[bool] = (False, False, False)) -> Value:
        """A product of two matrices, or of two stacks of equally many."""
        rows, inner = x.shape[-2:] if not turned[0] else x.shape[:-3:-1]
        columns = y.shape[-2] if turned[1] else y.shape[-1]
        if rows == columns == inner == 1 and x.rank == 2 and not any(turned):
            return self.mul(x, y)  # The gradient of a product of 1 x 1 matrices fails.
        out = (columns, rows) if turned[2] else (rows, columns)
        return self.node("matmul", x, y, shape=(*x.shape[:-2], *out), t=[1.0, 0.0], i=list(turned))

    def one_hot(self, indices: Value, depth: int, dtype: Any) -> Value:
        """A new last axis with 1 where an index says."""
        shape = (*indices.shape, depth)
        return self.cast(self.node("onehot", indices, shape=shape, dtype=FLOAT, t=[1.0, 0.0], i=[-1, depth]), dtype)

    def stopped(self, x: Value) -> Value:
        """A value that is a constant to gradients."""
        return self.node("stop_gradient", x)


def _code(dtype: np.dtype[Any]) -> int:
    check_dtype(dtype)
    return CODES[dtype]


def axes_of(c: Call, rank: int, axis: Any = ...) -> list[int]:
    """The axes that a setting names, counted from the first; all of them for None."""
    axis = c.attrs["axis"] if axis is ... else axis
    if axis is None or rank == 0:
        return list(range(rank))
    return sorted(a % rank for a in (axis if isinstance(axis, tuple) else (axis,)))


def along(c: Call, values: Sequence[Value], run: Callable[[list[Value], int], Value]) -> Value:
    """Run along the axis of a call; several are made one first, the last, and taken apart afterwards."""
    axis, rank, shape = c.attrs["axis"], values[0].rank, values[0].shape
    if not isinstance(axis, tuple) or len(axis) == 1:
        return run(list(values), (axis[0] if isinstance(axis, tuple) else axis) % rank)
    axes = sorted(a % rank for a in axis)
    order = [*(k for k in range(rank) if k not in axes), *axes]
    n = rank - len(axes)
    size = math.prod(known([shape[a] for a in axes], "sizes that are made one"))
    moved = [c.permute(x, order) for x in values]
    found = run([c.reshape(x, (*x.shape[:n], size)) for x in moved], n)
    return c.permute(c.reshape(found, moved[0].shape), [order.index(k) for k in range(rank)])


def known(shape: Sequence[Dim], what: str) -> list[int]:
    """Sizes that must be known. Raises Refused if one is not."""
    sizes = [d for d in shape if type(d) is int]
    if len(sizes) < len(shape):
        raise Refused(f"{what} must be known")
    return sizes


def size_of(shape: Sequence[Dim]) -> int | None:
    """How many elements a shape has, if that is known."""
    return math.prod(d for d in shape if type(d) is int) if all(type(d) is int for d in shape) else None
