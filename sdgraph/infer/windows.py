"""Geometry of windows that slide over axes: how many there are, and the padding around the array.

Plain integers per axis: sizes ``n``, window ``k``, stride ``s``, dilation ``d``, padding ``(low, high)``. A window
reads ``span = d (k - 1) + 1`` places. Must know neither arrays nor graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.checks import is_whole, one_of
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
        pairs: list[Any] = [(v, v) if is_whole(v) else v for v in values]
        two = all(isinstance(p, tuple | list) and len(p) == 2 for p in pairs)
        if two and all(is_whole(v, -_LARGEST, _LARGEST) for p in pairs for v in p):
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
    space: Sequence[Dim],
    k: Sequence[Dim],
    strides: Sequence[int],
    dilation: Sequence[int],
    pads: Sequence[tuple[int, int] | None],
) -> tuple[Dim, ...]:
    """The number of windows along each axis, None where that is not known."""
    return tuple(_windows(*each) for each in zip(space, k, strides, dilation, pads, strict=True))


def _windows(n: Dim, k: Dim, s: int, d: int, pair: tuple[int, int] | None) -> Dim:
    if type(k) is not int or pair is None:
        return None
    if type(n) is int:
        return out_size(n, k, s, d, *pair)
    return n if s == 1 and sum(pair) == span(k, d) - 1 else None


def must_read_something(
    space: Sequence[Dim], k: Sequence[int], strides: Sequence[int], dilation: Sequence[int], pads: Pads
) -> None:
    """Raise ShapeError if a window lies in the padding alone, as far as sizes are known."""
    for axis, (n, kk, s, d, (low, high)) in enumerate(zip(space, k, strides, dilation, pads, strict=True)):
        if type(n) is int and (low > 0 or high > 0) and not _all_read(n, kk, s, d, low, high):
            raise ShapeError(
                f"A window lies in the padding alone along axis {axis}: it has no largest number, and no mean.",
                given=f"shape {shape_str(space)}, window {tuple(k)}, strides {tuple(strides)}, padding {tuple(pads)}",
                fix="Pad by less than the window is wide.",
            )


def _all_read(n: int, k: int, s: int, d: int, low: int, high: int) -> bool:
    """Whether each window along an axis has a place in the array."""
    count = out_size(n, k, s, d, low, high)
    if not count:
        return True
    if low > d * (k - 1) or (count - 1) * s - low >= n:
        return False  # The first window ends before the array, or the last begins behind it.
    # Windows that begin before it step over it where places are further apart than it is long.
    before = min(-(-max(low, 0) // s), count)
    return d <= n or _floors(before, d, s, d - n - low) == _floors(before, d, s, -low)


def _floors(count: int, d: int, s: int, b: int) -> int:
    """The sum of ``(s i + b) // d`` for ``i`` from 0 to ``count - 1``, in as few steps as Euclid's algorithm."""
    total = 0
    while count:
        total += count * (count - 1) // 2 * (s // d) + count * (b // d)
        s, b = s % d, b % d
        last = s * count + b
        if last < d:
            break
        count, b, s, d = last // d, last % d, d, s
    return total


# ---------------------------------------------------------------------- padding by name

NAMED = ("valid", "same", "same_lower", "causal")


def pads_of(
    padding: Any, space: Sequence[Dim], k: Sequence[Dim], strides: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, int] | None, ...]:
    """The padding of each axis, None where it hangs on a size that is not known.

    "valid" is none; "same" makes ``ceil(n / s)`` windows, with the odd place behind ("same_lower": before);
    "causal" pads before only, so that no window looks ahead.

    Raises:
        ArgumentError: If it is no name, no number and no pairs, or "causal" for several axes.
    """
    if not isinstance(padding, str):
        return per_side(padding, len(space), "padding")
    one_of("padding", padding, NAMED, also="numbers of places")
    if padding == "causal" and len(space) > 1:
        raise ArgumentError("Only along one axis is there a past.", given=f"padding='causal' for {len(space)} axes")
    return tuple(_named(padding, *each) for each in zip(space, k, strides, dilation, strict=True))


def _named(padding: str, n: Dim, k: Dim, s: int, d: int) -> tuple[int, int] | None:
    if padding == "valid":
        return 0, 0
    if type(k) is not int:
        return None
    if padding == "causal":
        return span(k, d) - 1, 0
    if type(n) is not int and s > 1:
        return None
    total = max((-(-n // s) - 1) * s + span(k, d) - n, 0) if type(n) is int else span(k, d) - 1
    less, more = total // 2, total - total // 2
    return (less, more) if padding == "same" else (more, less)


def partly_filled(
    space: Sequence[Dim],
    k: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    pads: Sequence[tuple[int, int] | None],
) -> tuple[tuple[int, int] | None, ...]:
    """The padding with as much more behind as the last window lacks that begins before the padding there."""
    found: list[tuple[int, int] | None] = []
    for n, kk, s, d, pair in zip(space, k, strides, dilation, pads, strict=True):
        if type(n) is not int or pair is None:
            found.append(None)
            continue
        low, high = pair
        count = -(-(n + low + high - span(kk, d)) // s) + 1
        count -= (count - 1) * s >= n + low
        found.append((low, max((count - 1) * s + span(kk, d) - n - low, high)))
    return tuple(found)


def places_read(
    n: int, k: int, s: int, d: int, pair: tuple[int, int], counted: tuple[int, int] = (0, 0)
) -> np.ndarray[Any, Any]:
    """How many places of each window along an axis are in the array, or in the padding that is ``counted``."""
    starts = np.arange(out_size(n, k, s, d, *pair), dtype=np.int64) * s - pair[0]
    at = starts[:, None] + np.arange(k, dtype=np.int64) * d
    return ((at >= -counted[0]) & (at < n + counted[1])).sum(axis=1)


class Transposed(NamedTuple):
    """Where a transposed convolution puts what it adds up."""

    sizes: tuple[int | None, ...]
    pads: tuple[tuple[int, int], ...]


def transposed(
    padding: Any,
    space: Sequence[Dim],
    k: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    extra: Sequence[int] | None,
) -> Transposed:
    """Sizes of a transposed convolution's result, and the padding of the convolution whose gradient it is.

    "valid" gives ``n s + max(span - s, 0)``, "same" ``n s``, padding in numbers ``(n - 1) s + span - low - high``.
    ``extra`` are more places behind; with "same" there are ``(n - 1) s + span % 2 + extra`` then, as in Keras.

    Raises:
        ArgumentError: If the padding is another.
    """
    if isinstance(padding, str):
        one_of("padding", padding, NAMED[:2], also="numbers of places")
    given = None if isinstance(padding, str) else per_side(padding, len(space), "padding")
    sizes, pads = [], []
    for axis, (n, kk, s, d) in enumerate(zip(space, k, strides, dilation, strict=True)):
        wide, more = span(kk, d), 0 if extra is None else extra[axis]
        if given is not None:
            low, grown = given[axis][0], wide - s + more - sum(given[axis])
        elif padding == "valid":
            low, grown = 0, max(wide - s, 0) if extra is None else wide - s + more
        elif extra is None:
            low, grown = max(wide - s, 0) // 2, 0
        else:
            total = wide + wide % 2 - 2 + more
            low, grown = wide - 1 - min(-(-total // 2), wide - 1), wide % 2 + more - s
        size = max(n * s + grown, 0) if type(n) is int else None
        sizes.append(size)
        # Behind there is what makes it n windows.
        pads.append((low, 0 if size is None or type(n) is not int else (n - 1) * s + wide - size - low))
    return Transposed(tuple(sizes), tuple(pads))


# ---------------------------------------------------------------------- settings of a call in their one form


def settled(attrs: Mapping[str, Any], axes: int) -> dict[str, Any]:
    """Strides, dilation and pads of a call with one entry for each axis."""
    return {
        **attrs,
        "strides": per_axis("strides", attrs["strides"], axes),
        "dilation": per_axis("dilation", attrs["dilation"], axes),
        "pads": per_side(attrs["pads"], axes),
    }
