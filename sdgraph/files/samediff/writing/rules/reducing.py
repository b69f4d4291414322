"""Rules of the ops that run along axes: sums and other reductions, places of extremes, running sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sdgraph.files.samediff.writing.call import BOOL, FLOAT, INT64, Call, Written, along, axes_of, known, size_of
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.files.samediff.writing.rules.choosing import kept

Rule = Callable[[Call], Written]

MOST_STEPS: Final = 64
"""Elements along an axis that are written one by one, where SameDiff has no op for all of them."""


_TO_FLOATS: Final = {"reduce_mean", "reduce_norm1", "reduce_norm2", "reduce_normmax", "reduce_sqnorm"}
"""Reductions whose result SameDiff makes floating, of integers too."""


def _reduced(c: Call, op_name: str) -> Value:
    if op_name in _TO_FLOATS and c.dtype.kind != "f":
        raise Refused("SameDiff makes a float of it")
    x = c.cast(c.x, c.dtype)
    return c.reduce(op_name, x, axes_of(c, x.rank), keep=bool(c.attrs["keepdims"]))


def _reduction(op_name: str) -> Rule:
    return lambda c: _reduced(c, op_name)


def _question(op_name: str) -> Rule:
    """Whether all or any are true."""
    return lambda c: _asked(c, op_name)


def _asked(c: Call, op_name: str) -> Value:
    x, axes, keep = c.truth(c.x), axes_of(c, c.x.rank), bool(c.attrs["keepdims"])
    if not axes or all(x.shape[a] == 1 for a in axes):
        return x if keep else c.squeeze(x, axes)
    return c.reduce(op_name, x, axes, keep=keep)


def _count(c: Call) -> Value:
    x, keep = _no_bool(c, c.x), bool(c.attrs["keepdims"])
    return c.cast(c.reduce("countNonZero", x, axes_of(c, x.rank), keep=keep, dtype=INT64), c.dtype)


def _no_bool(c: Call, x: Value) -> Value:
    return c.cast(x, FLOAT) if x.dtype == BOOL else x


def _extreme(op_name: str) -> Rule:
    """On a gradient's path the sum of what equals it, in equal parts: SameDiff's goes to the first of them."""

    def rule(c: Call) -> Value:
        if c.dtype == BOOL:
            return _asked(c, "any" if op_name == "reduce_max" else "all")
        x, keep = c.cast(c.x, c.dtype), bool(c.attrs["keepdims"])
        axes = axes_of(c, x.rank)
        if not c.on_path or all(x.shape[a] == 1 for a in axes):
            return c.reduce(op_name, x, axes, keep=keep)
        best = c.compared("equals", x, c.reduce(op_name, x, axes, keep=True))
        hits = c.mask(best)
        share = c.div(hits, c.reduce("reduce_sum", hits, axes, keep=True))
        return c.reduce("reduce_sum", c.mul(share, x if x.finite else kept(c, x, best)), axes, keep=keep)

    return rule


def _normmax(c: Call) -> Value:
    c.off_path("SameDiff gives the first of equal ones all of the gradient")
    return _reduced(c, "reduce_normmax")


def _norm2(c: Call) -> Value:
    """On a gradient's path from squares that are 1 where their sum is 0: SameDiff's gradient is NaN there."""
    if not c.on_path:
        return _reduced(c, "reduce_norm2")
    x = c.cast(c.x, c.dtype)
    squares = c.reduce("reduce_sum", c.node("square", x), axes_of(c, x.rank), keep=bool(c.attrs["keepdims"]))
    zero = c.one_less(c.mask(c.truth(squares)))
    return c.sub(c.node("sqrt", c.add(squares, zero)), zero)


def _spread_about_mean(op_name: str) -> Rule:
    """SameDiff reads a biased variance back as the corrected one, and its gradients have single precision."""

    def rule(c: Call) -> Value:
        corrected = bool(c.attrs["bias_corrected"])
        c.off_path("SameDiff's gradient has single precision")
        if op_name == "var" and not corrected:
            raise Refused("SameDiff reads the biased variance back as the corrected one")
        more = {"mean": 0.0, "bias": 0.0, "biasCorrected": corrected}
        x = c.cast(c.x, c.dtype)
        return c.reduce(op_name, x, axes_of(c, x.rank), keep=bool(c.attrs["keepdims"]), more=more)

    return rule


def _product(c: Call) -> Value:
    """On a gradient's path factor by factor: where one is 0, SameDiff's gradient is NaN."""
    x, keep = c.cast(c.x, c.dtype), bool(c.attrs["keepdims"])
    axes = axes_of(c, x.rank)
    sizes = [x.shape[a] for a in axes]
    count = size_of(sizes)
    if not c.on_path or not count or count > MOST_STEPS:
        return c.reduce("reduce_prod", x, axes, keep=keep)
    for axis in axes:
        x = _folded(c, x, axis)
    return x if keep else c.squeeze(x, axes)


def _folded(c: Call, x: Value, axis: int) -> Value:
    """The product along an axis, which stays with size 1: halves are multiplied until there is one."""
    while (size := x.shape[axis]) > 1:  # type: ignore[operator]
        half = size // 2  # type: ignore[operator]
        folded = c.mul(c.cut(x, axis, 0, half), c.cut(x, axis, half, 2 * half))
        x = c.concat([folded, c.cut(x, axis, 2 * half, size)], axis) if size % 2 else folded  # type: ignore[arg-type]
    return x


def _largest(c: Call) -> Value:
    axes = axes_of(c, c.x.rank)
    if not axes or all(c.x.shape[a] == 1 for a in axes):
        return c.stopped(c.x)
    return c.stopped(c.reduce("reduce_max", c.x, axes, keep=True))


def _place(op_name: str) -> Rule:
    """Along one axis; without one, of the elements in a row."""

    def rule(c: Call) -> Value:
        x, axes = _no_bool(c, c.x), axes_of(c, c.x.rank)
        if len(axes) == 1 and x.rank:
            return _found_along(c, op_name, x, axes[0], bool(c.attrs["keepdims"]))
        rest = [k for k in range(x.rank) if k not in axes]
        size = math.prod(known([x.shape[a] for a in axes], "the sizes of what is searched"))
        flat = c.reshape(c.permute(x, [*rest, *axes]), (*[x.shape[k] for k in rest], size))
        return c.reshape(_found_along(c, op_name, flat, len(rest), False), c.shape)

    return rule


def _found_along(c: Call, op_name: str, x: Value, axis: int, keep: bool) -> Value:
    shape = tuple(1 if k == axis else d for k, d in enumerate(x.shape) if keep or k != axis)
    return c.node(op_name, x, shape=shape, dtype=INT64, i=[axis], b=[keep], d=[INT64])


def _axis_size(c: Call) -> Value:
    axes = axes_of(c, c.x.rank)
    count = size_of([c.x.shape[a] for a in axes])
    if count is not None:
        return c.array("size", count)
    if len(axes) == c.x.rank:
        return c.cast(c.node("size", c.x, shape=(), dtype=INT64), c.dtype)
    found = [c.node("size_at", c.x, shape=(), dtype=INT64, i=[a]) for a in axes]
    total = c.cast(found[0], c.dtype)
    for size in found[1:]:
        total = c.mul(total, c.cast(size, c.dtype))
    return total


def _softmax(c: Call) -> Value:
    return c.node("softmax", c.cast(c.x, c.dtype), i=[c.attrs["axis"] % c.x.rank])


def _log_softmax(c: Call) -> Value:
    """Written out: SameDiff's is the logarithm of a softmax that may be 0, and knows the last axis only."""
    x = c.cast(c.x, c.dtype)
    axis = c.attrs["axis"] % x.rank
    shifted = c.sub(x, c.stopped(c.reduce("reduce_max", x, [axis], keep=True)))
    return c.sub(shifted, c.node("log", c.reduce("reduce_sum", c.node("exp", shifted), [axis], keep=True)))


# ---------------------------------------------------------------------- running sums and products


def _running(op_name: str, on_path: Callable[[Call, Value, int], Value]) -> Rule:
    """Along one axis; several are made one first, and without any the array is flat."""

    def rule(c: Call) -> Value:
        x, axis = c.cast(c.x, c.dtype), c.attrs["axis"]
        if axis == ():
            neutral = "ones_as" if op_name == "cumprod" else "zeroslike"
            return c.node(neutral, x, d=[x.dtype]) if c.attrs["exclusive"] else x
        if axis is not None:
            return along(c, [x], lambda xs, k: _run(c, op_name, on_path, xs[0], k))
        flat = x if x.rank == 1 else c.reshape(x, (math.prod(known(x.shape, "the sizes of a flat array")),))
        return _run(c, op_name, on_path, flat, 0)

    return rule


def _run(c: Call, op_name: str, on_path: Callable[[Call, Value, int], Value], x: Value, axis: int) -> Value:
    if c.on_path:
        return on_path(c, x, axis)
    i = [bool(c.attrs["exclusive"]), bool(c.attrs["reverse"]), axis]
    if x.dtype.kind == "f":
        return c.node(op_name, x, i=i)
    return c.cast(c.node(op_name, c.cast(x, np.float64), i=i), x.dtype)  # SameDiff has it for floats only.


def _triangle(c: Call, x: Value, axis: int) -> Value:
    """A product with a triangle of ones: SameDiff reads the axes of a running sum back wrongly."""
    (n,) = known([x.shape[axis]], "the size of the axis")
    ones = np.triu(np.ones((n, n)), 1 if c.attrs["exclusive"] else 0)
    triangle = c.array("triangle", ones.T if c.attrs["reverse"] else ones)
    order = [*(k for k in range(x.rank) if k != axis), axis]
    moved = c.permute(x, order)
    y = c.matmul(c.reshape(moved, (None, n)), triangle)
    return c.permute(c.reshape(y, moved.shape), [order.index(k) for k in range(x.rank)])


def _recurrence(c: Call) -> Value:
    """``y[k] = b[k] + a[k] y[k - 1]``, one after the other."""
    a, b = (c.cast(x, c.dtype) for x in c.inputs)
    zeros = c.add(c.zeros(a), c.zeros(b))
    return along(c, [c.add(zeros, a), c.add(zeros, b)], lambda xs, axis: _recurrence_along(c, xs[0], xs[1], axis))


def _recurrence_along(c: Call, a: Value, b: Value, axis: int) -> Value:
    n = _few(b, axis, "SameDiff has no such op")
    parts: dict[int, Value] = {}
    last = None
    for k in range(n)[::-1] if c.attrs["reverse"] else range(n):
        here = c.cut(b, axis, k, k + 1)
        last = here if last is None else c.add(here, c.mul(c.cut(a, axis, k, k + 1), last))
        parts[k] = last
    return c.concat([parts[k] for k in range(n)], axis)


def _few(x: Value, axis: int, why: str) -> int:
    """The size of an axis whose elements are written one by one."""
    (n,) = known([x.shape[axis]], "the size of the axis")
    if n > MOST_STEPS:
        raise Refused(f"{why}, and more than {MOST_STEPS} elements are not written one by one")
    return n


def _one_by_one(c: Call, x: Value, axis: int) -> Value:
    """Running products as products of single factors."""
    n = _few(x, axis, "SameDiff's gradient is wrong")
    order = range(n)[::-1] if c.attrs["reverse"] else range(n)
    parts: dict[int, Value] = {}
    last: Any = None
    for k in order:
        factor = c.cut(x, axis, k, k + 1)
        if c.attrs["exclusive"]:
            parts[k] = c.node("ones_as", factor, d=[x.dtype]) if last is None else last
        last = factor if last is None else c.mul(last, factor)
        parts.setdefault(k, last)
    return c.concat([parts[k] for k in range(n)], axis)


RULES: Final[dict[str, Rule]] = {
    "sum": _reduction("reduce_sum"),
    "mean": _reduction("reduce_mean"),
    "max": _extreme("reduce_max"),
    "min": _extreme("reduce_min"),
    "prod": _product,
    "norm1": _reduction("reduce_norm1"),
    "norm2": _norm2,
    "normmax": _normmax,
    "squared_norm": _reduction("reduce_sqnorm"),
    "all": _question("all"),
    "any": _question("any"),
    "math.count_non_zero": _count,
    "variance": _spread_about_mean("var"),
    "standard_deviation": _spread_about_mean("std"),
    "largest": _largest,
    "argmax": _place("argmax"),
    "argmin": _place("argmin"),
    "axis_size": _axis_size,
    "nn.softmax": _softmax,
    "nn.log_softmax": _log_softmax,
    "linear_recurrence": _recurrence,
    "cumsum": _running("cumsum", _triangle),
    "cumprod": _running("cumprod", _one_by_one),
}
