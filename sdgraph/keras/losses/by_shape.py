"""The cross entropy that Keras means by "crossentropy": which one, the shapes say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdgraph.infer.arrays import own_array
from sdgraph.ops.losses.keras.crossentropies import (
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)


def crossentropy(y_true: Any, y_pred: Any, **settings: Any) -> Any:
    """The cross entropy that the shapes call for: binary, sparse or categorical.

    Binary if ``y_pred`` has one class, sparse if ``y_true`` has a lower rank or one entry where ``y_pred`` has several
    classes, else categorical.

    Args:
        y_true: Labels.
        y_pred: Predictions ``(..., classes)``.
        **settings: For the cross entropy chosen.

    Example:
        >>> crossentropy([1, 0], [[0.25, 0.75], [0.5, 0.5]]).round(4)
        array([0.2877, 0.6931], dtype=float32)
    """
    return crossentropy_for(y_true, y_pred)(y_true, y_pred, **settings)


def crossentropy_for(y_true: Any, y_pred: Any) -> Callable[..., Any]:
    """The function that `crossentropy` chooses."""
    y, p = (x.shape if hasattr(x, "shape") else own_array(x).shape for x in (y_true, y_pred))
    if p and p[-1] == 1:
        return binary_crossentropy
    if len(y) < len(p) or (y and p and y[-1] == 1 and p[-1] != 1):
        return sparse_categorical_crossentropy
    return categorical_crossentropy


__all__ = ["crossentropy", "crossentropy_for"]
