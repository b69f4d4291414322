"""What is about tensors as such: conversions, shapes, parts that are written over, segments, branches and loops."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.keras.config import floatx
from sdgraph.keras.ops.operation import Apart, Tensor, arithmetic, operation
from sdgraph.keras.ops.sizes import Shape, Size, entries, filled, shape_of
from sdgraph.samediff import SameDiff

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

# ---------------------------------------------------------------------- conversions and shapes


@operation
def _as_tensor(x: Tensor, dtype: DTypeLike | None) -> Any:
    return x if dtype is None else x.sd.cast_to(x, dtype)


def convert_to_tensor(x: Any, dtype: DTypeLike | None = None, sparse: bool | None = None) -> Any:
    """``x`` as an array, or as the variable it is: whole numbers of Python's become int32, others float32.

    Raises:
        ArgumentError: If it shall be sparse: there are no sparse tensors here.
    """
    if sparse:
        raise ArgumentError("There are no sparse tensors.", given="sparse=True", fix="Leave it out.")
    return _as_tensor(x, dtype)


def array(x: Any, dtype: DTypeLike | None = None) -> Any:
    """As `convert_to_tensor`."""
    return _as_tensor(x, dtype)


def copy(x: Any) -> Any:
    """``x`` as a tensor of its own."""
    return _copy(x)


@operation
def _copy(x: Tensor) -> Any:
    return x.sd.identity(x)


def convert_to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """``x`` as a numpy array.

    Raises:
        ArgumentTypeError: If it is a variable: its value is known only when the graph runs.
    """
    if isinstance(x, SDVariable | Size):
        raise ArgumentTypeError(
            "A variable has no value before its graph runs.", given=repr(x), fix="Evaluate it: x.eval({...})."
        )
    return _as_tensor(x, None)


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a variable or an array."""
    return isinstance(x, SDVariable | np.ndarray)


@operation
def cast(x: Tensor, dtype: DTypeLike) -> Any:
    """``x`` in another dtype."""
    return x.sd.cast_to(x, dtype)


def dtype(x: Any) -> str:
    """The name of the dtype of ``x``."""
    return np.dtype((x if is_tensor(x) else _as_tensor(x, None)).dtype).name


def shape(x: Any) -> tuple[Any, ...]:
    """The sizes of ``x``: whole numbers, and where a variable's size is unknown what stands for it.

    Such an entry equals None. In `reshape`, `zeros`, `broadcast_to`, `arange` and `sdgraph.keras.random.normal` it
    stands for the size that there will be; in arithmetic it is a variable.

    Example:
        >>> from sdgraph import SameDiff
        >>> x = SameDiff().placeholder("x", (None, 3))
        >>> shape(x), shape(x) == (None, 3)
        ((<size of axis 0 of 'x'>, 3), True)
    """
    return shape_of(x) if isinstance(x, SDVariable) else np.shape(x)


def ndim(x: Any) -> int:
    """The number of axes of ``x``."""
    return x.ndim if is_tensor(x) else np.ndim(x)


def size(x: Any) -> Any:
    """The number of entries of ``x``; a variable if it is unknown."""
    if isinstance(x, SDVariable) and None in x.shape:
        return x.sd.cast_to(x.sd.size(x), "int32")
    return math.prod(shape(x))


@operation
def stop_gradient(variable: Tensor) -> Any:
    """``variable``, of which no gradient is taken."""
    return variable.sd.stop_gradient(variable)


# ---------------------------------------------------------------------- parts


@operation
def slice(inputs: Tensor, start_indices: Sequence[int], shape: Sequence[int]) -> Any:
    """The block of a shape that begins at a place."""
    return inputs.sd.slice(inputs, start_indices, shape)


@arithmetic
def slice_update(inputs: Tensor, start_indices: Sequence[int], updates: Tensor) -> Any:
    """``inputs`` with a block in it written over, which begins at a place.

    Raises:
        ShapeError: If a size is unknown, or the block does not lie inside.
    """
    sd, sizes, block = inputs.sd, inputs.shape, updates.shape
    begin = [int(k) for k in start_indices]
    known = builtins.all(isinstance(d, int) for d in (*sizes, *block)) and len(begin) == len(sizes) == len(block)
    if not known or builtins.any(k < 0 or k + b > d for k, b, d in zip(begin, block, sizes, strict=True)):
        raise ShapeError("The block must lie inside.", given=f"{block} at {shown(begin)} of {sizes}")
    border = [(k, d - k - b) for k, b, d in zip(begin, block, sizes, strict=True)]
    inside = np.zeros(sizes, bool)
    inside[tuple(builtins.slice(k, k + b) for k, b in zip(begin, block, strict=True))] = True
    return sd.where(inside, sd.nn.pad(updates, border), inputs)


@operation
def scatter_update(inputs: Tensor, indices: Apart, updates: Tensor, reduction: str | None = None) -> Any:
    """``inputs`` with the entries that ``indices`` name, one row for each, written over.

    Args:
        inputs: What is written over.
        indices: Whole numbers, of shape ``(n, k)`` for entries of the first ``k`` axes.
        updates: One entry for each row.
        reduction: None to write over, ``"add"`` to add.

    Raises:
        ArgumentError: For another reduction.
    """
    sd = inputs.sd
    if reduction is not None:
        one_of("reduction", reduction, ("add",))
    updates = sd.cast_to(updates, inputs.dtype)
    if reduction is None:
        return sd.scatter_nd_update(inputs, indices, updates)
    return sd.scatter_nd_add(inputs, indices, updates)


def scatter(indices: Any, values: Any, shape: Shape) -> Any:
    """Zeros of a shape, to which values are added at the places that ``indices`` name, one row for each."""
    return _scattered(filled(entries(shape), 0, dtype(values)), indices, values)


@operation
def _scattered(zeros: Tensor, indices: Apart, values: Tensor) -> Any:
    return zeros.sd.scatter_nd_add(zeros, indices, values)


# ---------------------------------------------------------------------- branches and loops


def _graph(*things: Any) -> Any:
    """The graph of the first variable in nested things."""
    for thing in things:
        if isinstance(thing, SDVariable):
            return thing.sd
        if isinstance(thing, dict | list | tuple):
            found = _graph(*(thing.values() if isinstance(thing, dict) else thing))
            if found is not None:
                return found
    return None


def _callable(name: str, f: Any) -> None:
    if not callable(f):
        raise ArgumentTypeError(f"{name} is a function.", given=f"{name}={shown(f)}")


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What one of two functions gives: the first if ``pred`` holds, else the second.

    A variable as ``pred`` makes a branch of its graph, of which only the chosen side runs.
    """
    _callable("true_fn", true_fn)
    _callable("false_fn", false_fn)
    if isinstance(pred, SDVariable):
        return pred.sd.cond(pred, true_fn, false_fn)
    return true_fn() if bool(pred) else false_fn()


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """What one of several functions gives for the operands; beyond the ends it is the first or the last.

    Raises:
        ArgumentError: If there is no function.
    """
    if not branches:
        raise ArgumentError("switch chooses among functions.", given="none")
    if isinstance(index, SDVariable):
        return index.sd.switch(index, branches, *operands)
    return branches[builtins.min(builtins.max(int(index), 0), len(branches) - 1)](*operands)


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """``while cond(*loop_vars): loop_vars = body(*loop_vars)``.

    Args:
        cond: Called with the loop variables; says whether to go on.
        body: Called with the same; returns the new ones.
        loop_vars: A tuple or list of tensors, or one.
        maximum_iterations: How often at most. In a graph it also gives the loop a gradient.
    """
    _callable("cond", cond)
    _callable("body", body)
    several = isinstance(loop_vars, list | tuple)
    now = tuple(loop_vars) if several else (loop_vars,)

    def step(carry: Any) -> tuple[Any, ...]:
        out = body(*carry)
        return tuple(out) if isinstance(out, list | tuple) else (out,)

    sd = _graph(now)
    if sd is not None:
        now = sd.while_loop(lambda carry: cond(*carry), step, now, max_steps=maximum_iterations)
    else:
        now, done = tuple([convert_to_tensor(x) for x in now]), 0
        while (maximum_iterations is None or done < maximum_iterations) and bool(cond(*now)):
            now, done = step(now), done + 1
    return type(loop_vars)(now) if several else now[0]


def fori_loop(lower: int, upper: int, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """``for i in range(lower, upper): val = body_fun(i, val)``; the last value."""
    _callable("body_fun", body_fun)
    steps = np.arange(whole("lower", lower), whole("upper", upper), dtype="int32")
    sd = _graph(init_val)
    if sd is not None:
        return sd.scan(lambda val, i: (body_fun(i, val), i), init_val, steps)[0]
    for i in steps:
        init_val = body_fun(i, init_val)
    return init_val


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """A loop that carries something along: ``carry, y = f(carry, x)`` for every entry ``x`` of ``xs``.

    Args:
        f: Called with the carry and one entry; returns the new carry and an output.
        init: The first carry: a tensor, or tuples, lists and dicts of them.
        xs: What to run over, along its first axis; None for a loop that only counts.
        length: The number of steps, where ``xs`` does not say it.
        reverse: Whether to begin at the last entry.
        unroll: Accepted, and of no effect.

    Returns:
        The last carry, and the outputs stacked along a new first axis.
    """
    _callable("f", f)
    del unroll
    sd = _graph(init, xs)
    if sd is not None:
        return sd.scan(f, init, xs, length=length, reverse=reverse)
    sd = SameDiff(dtype=floatx())
    carry, outputs = sd.scan(f, init, xs, length=length, reverse=reverse)
    return _values(carry), _values(outputs)


def _values(thing: Any) -> Any:
    if isinstance(thing, SDVariable):
        return thing.eval()
    if isinstance(thing, dict):
        return {k: _values(x) for k, x in thing.items()}
    return type(thing)([_values(x) for x in thing]) if isinstance(thing, list | tuple) else thing


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """``f`` of every entry of ``xs`` along its first axis, stacked."""
    _callable("f", f)
    return scan(lambda carry, x: (carry, f(x)), 0.0, xs)[1]


# ---------------------------------------------------------------------- segments and sequences


@operation
def _segments(data: Tensor, segment_ids: Apart, reduce: str, count: int) -> Any:
    return getattr(data.sd, f"unsorted_segment_{reduce}")(data, segment_ids, count)


def _count(segment_ids: Any, num_segments: int | None) -> int:
    """The number of segments: as told, or as the ids of an array say."""
    if num_segments is not None:
        return whole("num_segments", num_segments, least=0)
    if isinstance(segment_ids, SDVariable):
        raise ArgumentError(
            "How many segments there are must be known before the graph runs.",
            given="num_segments=None",
            fix="Give num_segments.",
        )
    ids = np.asarray(segment_ids)
    return int(ids.max()) + 1 if ids.size else 0


def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The sums of the entries of ``data`` along its first axis that have one id; 0 for an id that none has."""
    return _segments(data, segment_ids, "sum", _count(segment_ids, num_segments))


def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The largest of the entries of ``data`` along its first axis that have one id."""
    return _segments(data, segment_ids, "max", _count(segment_ids, num_segments))


def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The smallest of the entries of ``data`` along its first axis that have one id."""
    return _segments(data, segment_ids, "min", _count(segment_ids, num_segments))


def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The products of the entries of ``data`` along its first axis that have one id; 1 for an id that none has."""
    return _segments(data, segment_ids, "prod", _count(segment_ids, num_segments))


@operation
def top_k(x: Tensor, k: int, sorted: bool = True) -> Any:
    """The ``k`` largest entries along the last axis, in falling order, and their places as int32."""
    values, places = x.sd.nn.top_k(x, k, sorted)
    return values, x.sd.cast_to(places, "int32")


@operation
def in_top_k(targets: Apart, predictions: Tensor, k: int) -> Any:
    """Whether the prediction of each target is among the ``k`` largest of its row; one that ties with the last is."""
    sd = predictions.sd
    own = sd.take_along_axis(predictions, sd.expand_dims(targets, -1), -1)
    return sd.math.count_non_zero(predictions > own, -1) < k


@operation
def extract_sequences(x: Tensor, sequence_length: int, sequence_stride: int) -> Any:
    """The pieces of a length along the last axis, one every ``sequence_stride`` entries, along a new axis before it.

    Raises:
        ShapeError: If the size of the last axis is unknown.
    """
    length, stride = (
        whole("sequence_length", sequence_length, least=1),
        whole("sequence_stride", sequence_stride, least=1),
    )
    count = x.shape[-1] if x.ndim else None
    if not isinstance(count, int):
        raise ShapeError("The size of the last axis must be known.", given=str(x.shape))
    starts = np.arange(0, builtins.max(count - length + 1, 0), stride)
    return x.sd.gather(x, starts[:, None] + np.arange(length), x.ndim - 1)


__all__ = [
    "array",
    "cast",
    "cond",
    "convert_to_numpy",
    "convert_to_tensor",
    "copy",
    "dtype",
    "extract_sequences",
    "fori_loop",
    "in_top_k",
    "is_tensor",
    "map",
    "ndim",
    "scan",
    "scatter",
    "scatter_update",
    "segment_max",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "shape",
    "size",
    "slice",
    "slice_update",
    "stop_gradient",
    "switch",
    "top_k",
    "while_loop",
]
