"""Labels, predictions and masks as evaluations take them: tables with a row for each example.

Must not know measures.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str

Array = np.ndarray[Any, Any]


class Rows(NamedTuple):
    """Examples that count."""

    labels: Array
    """Shape (rows, columns), float64; (rows,), int64, where they are class numbers."""
    predictions: Array
    """Shape (rows, columns), float64."""
    counts: Array
    """Shape (rows, columns), bool: which elements count. A mask of rows leaves rows out altogether."""


def rows(labels: Any, predictions: Any, mask: Any = None, *, axis: int = 1, sparse: bool = False) -> Rows:
    """Tables of what was given; axes other than that of the classes become rows.

    Args:
        labels: As many elements as predictions; with ``sparse`` also class numbers, one fewer axis.
        predictions: Shape (examples,), or any with a class axis.
        mask: Which examples count, or which elements.
        axis: The axis of the classes, where there are three or more axes.
        sparse: Whether labels may be class numbers.

    Raises:
        ShapeError: If the shapes do not fit.
        ArgumentError: If a prediction or a label that counts is NaN.
    """
    p = np.asarray(predictions, np.float64)
    if p.ndim == 0:
        raise ShapeError("Predictions are a table, or a column of it.", given="a number")
    y = np.asarray(labels)
    along = axis if p.ndim > 2 else p.ndim - 1 if p.ndim == 2 else None
    table = _table(p, along)
    if sparse and y.dtype.kind in "iu" and p.ndim > 1 and y.size == len(table) and y.shape != p.shape:
        y = np.asarray(y, np.int64).reshape(-1)
    elif y.shape == p.shape:
        y = _table(np.asarray(y, np.float64), along)
    else:
        classes = " or class numbers, one for each example" if sparse else ""
        raise ShapeError(
            "Labels and predictions differ in shape.",
            given=f"labels {shape_str(y.shape)}, predictions {shape_str(p.shape)}",
            expected=f"labels of the predictions' shape{classes}",
        )
    counts = np.ones(table.shape, bool)
    if mask is not None:
        keep, counts = _masked(np.asarray(mask, bool), p.shape, along, counts)
        y, table, counts = y[keep], table[keep], counts[keep]
    for what, a in (("prediction", table), ("label", y)):
        if a.dtype.kind == "f" and np.isnan(a[counts]).any():
            row = int(np.flatnonzero((np.isnan(a) & counts).any(axis=1))[0])
            raise ArgumentError(f"A {what} is NaN.", given=f"row {row}: {shown(a[row])}")
    return Rows(y, table, counts)


def _table(a: Array, along: int | None) -> Array:
    """An array as rows by classes."""
    if along is None:
        return a.reshape(-1, 1)
    moved = np.moveaxis(a, along, -1)
    return moved.reshape(-1, moved.shape[-1])


def _masked(mask: Any, shape: tuple[int, ...], along: int | None, counts: Array) -> tuple[Array, Array]:
    """Which rows to keep, and which elements of rows count."""
    if mask.shape == shape and along is not None and shape[along] != 1:
        counts = _table(mask, along)
        return np.asarray(counts.any(axis=1)), counts
    if mask.size != len(counts):
        raise ShapeError(
            "A mask has one element for each example, or for each prediction.",
            given=f"mask {shape_str(mask.shape)}, predictions {shape_str(shape)}",
        )
    return mask.reshape(-1), counts


def ratio(above: Any, below: Any, otherwise: float = 0.0) -> Array:
    """``above / below``, and something else where ``below`` is 0."""
    a, b = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    return np.divide(a, b, out=np.full(a.shape, otherwise), where=b != 0)


def mean_of_known(values: Array) -> float:
    """The mean without NaN; NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
