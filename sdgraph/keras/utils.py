"""Helpers that Keras users expect next to its losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, DTypeError, LabelError, shown
from sdgraph.infer.arrays import converted, own_array
from sdgraph.keras.seeds import set_random_seed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["set_random_seed", "to_categorical"]


def __dir__() -> list[str]:
    return __all__


@readable
def to_categorical(labels: ArrayLike, num_classes: int | None = None) -> np.ndarray[Any, Any]:
    """Integer labels as one-hot rows.

    Args:
        labels: Whole numbers from 0 on, of any shape; a last axis of size 1 is dropped.
        num_classes: The number of classes; by default one more than the largest label.

    Returns:
        A float64 array of shape ``(*labels.shape, num_classes)``.

    Raises:
        LabelError: For a label outside ``[0, num_classes)``; names it and its position.
        DTypeError: For labels that are not whole numbers.

    Example:
        >>> to_categorical([0, 2, 1])
        array([[1., 0., 0.],
               [0., 0., 1.],
               [0., 1., 0.]])
    """
    given = own_array(labels)
    try:
        values = converted(given, np.dtype("int64"), literal=True)
    except DTypeError as e:
        raise DTypeError("Labels are whole numbers.", given=f"{given.dtype.name}: {shown(given)}") from e
    if values.ndim > 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if num_classes is None:
        num_classes = int(values.max()) + 1 if values.size else 0
    if not is_whole(num_classes, 0, 2**31 - 1):
        raise ArgumentError("num_classes is a number of classes.", given=f"num_classes={shown(num_classes)}")
    bad = (values < 0) | (values >= num_classes)
    if bad.any():
        at = tuple(int(k) for k in np.argwhere(bad)[0])
        raise LabelError(
            f"Label {values[at]} at position {at[0] if len(at) == 1 else at} is out of range.",
            expected=f"0 <= label < {num_classes}, the number of classes",
        )
    if not values.size:
        return np.zeros((*values.shape, num_classes))
    try:
        out = np.zeros((*values.shape, num_classes))
    except (MemoryError, ValueError) as e:
        raise ArgumentError("There is no room for so many classes.", given=f"num_classes={num_classes}") from e
    out.reshape(-1, num_classes)[np.arange(values.size), values.ravel()] = 1.0
    return out
