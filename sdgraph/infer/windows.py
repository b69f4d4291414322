"""Geometry of windows that slide over axes: how many there are, and the padding around the array.

Plain integers per axis: sizes ``n``, window ``k``, stride ``s``, dilation ``d``, padding ``(low, high)``. A window
reads ``span = d (k - 1) + 1`` places. Must know neither arrays nor graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import MAX_SIZE, Dim, shape_str

Pads = tuple[tuple[int, int], ...]

_LARGEST = 2**31
"""No stride, dilation or padding is larger."""


def per_axis(name: str, value: Any, axes: int, least: int = 1) -> tuple[int, ...]:
    """A setting that is one whole number, or one for each axis, as one for each axis.

    Raises:
        ArgumentError: If it is neither, or a number is below ``least``.
    """
    values = (value,) * axes if is_whole(value) else value
    whole = isinstance(values, tuple | list) and all(is_whole(v, least, _LARGEST) for v in values)
    if not whole or len(values) != axes:
        raise ArgumentError(
            f"{name} is a whole number, {least} or more, or one for each of {axes} axes.",
            given=f"{name}={shown(value)}",
        )
    return tuple(int(v) for v in values)


def per_side(value: Any, axes: int, name: str = "pads") -> Pads:
    """Padding as one pair (low, high) per axis; a number is for both sides. Negative padding cuts off.

    Raises:
        ArgumentError: If it is none of that.
    """
    values = (value,) * axes if is_whole(value) else value
    if isinstance(values, tuple | list) and len(values) == axes:
        pairs = [(v, v) if is_whole(v) else v for v in values]
        if all(isinstance(p, tuple | list) and len(p) == 2 for p in pairs):
            if all(is_whole(v, -_LARGEST, _LARGEST) for p in pairs for v in p):
                return tuple((int(low), int(high)) for low, high in pairs)
    raise ArgumentError(
        f"{name} is a whole number, or for each of {axes} axes a number or a pair (before, behind).",
        given=f"{name}={shown(value)}",
    )


def sizes_of(value: Any, axes: int, name: str = "sizes") -> tuple[int, ...]:
    """Sizes of axes, one for each.

    Raises:
        ArgumentError: If they are not whole numbers, or not as many.
    """
    whole = isinstance(value, tuple | list) and all(is_whole(v, 0, MAX_SIZE) for v in value)
    if not whole or len(value) != axes:
        raise ArgumentError(f"{name} has a whole number for each of {axes} axes.", given=f"{name}={shown(value)}")
    return tuple(int(v) for v in value)


def span(k: int, d: int) -> int:
    """How many places a window reaches over."""
    return d * (k - 1) + 1


def out_size(n: int, k: int, s: int, d: int, low: int, high: int) -> int:
    """How many windows fit along an axis; 0 where none does.

    Example:
        >>> out_size(7, 3, 2, 1, 0, 0), out_size(7, 3, 2, 1, 1, 1), out_size(2, 3, 1, 1, 0, 0)
        (3, 4, 0)
    """
    return max((n + low + high - span(k, d)) // s + 1, 0)


def out_sizes(
    space: Sequence[Dim], k: Sequence[Dim], strides: Sequence[int], dilation: Sequence[int], pads: Pads
) -> tuple[Dim, ...]:
    """The number of windows along each axis, None where sizes are not known."""
    return tuple(
        out_size(n, kk, s, d, *pair) if type(n) is int and type(kk) is int else None
        for n, kk, s, d, pair in zip(space, k, strides, dilation, pads, strict=True)
    )


def must_read_something(
    space: Sequence[Dim], k: Sequence[int], strides: Sequence[int], dilation: Sequence[int], pads: Pads
) -> None:
    """Raise ShapeError if a window lies in the padding alone, as far as sizes are known."""
    for axis, (n, kk, s, d, (low, high)) in enumerate(zip(space, k, strides, dilation, pads, strict=True)):
        if type(n) is not int or (low <= 0 and high <= 0):
            continue
        starts = np.arange(out_size(n, kk, s, d, low, high), dtype=np.int64) * s - low
        first = np.maximum(-(starts // d), 0)  # The first entry that is not before the array.
        if ((first >= kk) | (starts + first * d >= n)).any():
            raise ShapeError(
                f"A window lies in the padding alone along axis {axis}: it has no largest number, and no mean.",
                given=f"shape {shape_str(space)}, window {tuple(k)}, strides {tuple(strides)}, padding {pads}",
                fix="Pad by less than the window is wide.",
            )


# ---------------------------------------------------------------------- settings of a call in their one form


def settled(attrs: Mapping[str, Any], axes: int) -> dict[str, Any]:
    """Strides, dilation and pads of a call with one entry for each axis."""
    return {
        **attrs,
        "strides": per_axis("strides", attrs["strides"], axes),
        "dilation": per_axis("dilation", attrs["dilation"], axes),
        "pads": per_side(attrs["pads"], axes),
    }
