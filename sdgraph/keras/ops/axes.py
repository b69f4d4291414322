"""Axes as they are named, each counted from the front, in the order in which they are named. Knows no function."""

from __future__ import annotations

from collections.abc import Sequence

from sdgraph.infer.aval import normalize_axis


def one_axis(axis: int, rank: int) -> int:
    """An axis, counted from the front.

    Raises:
        ArgumentError: If it is none of ``rank`` axes.
    """
    return normalize_axis(axis, rank)[0]


def in_order(axes: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes, counted from the front, in their order.

    Raises:
        ArgumentError: If one is none of ``rank`` axes, or one is named twice.
    """
    normalize_axis(axes, rank)
    return tuple(one_axis(k, rank) for k in ((axes,) if isinstance(axes, int) else axes))


__all__ = ["in_order", "one_axis"]
