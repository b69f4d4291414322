"""Helpers that Keras users expect next to its losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.initializers import made_of
from sdgraph.checks import is_finite, is_whole, one_of, whole
from sdgraph.errors import ArgumentError, DTypeError, LabelError, ShapeError, shown
from sdgraph.infer.arrays import converted, own_array
from sdgraph.infer.aval import as_dtype, normalize_axis
from sdgraph.keras.layers.inputs import clear_session
from sdgraph.keras.seeds import set_random_seed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = ["clear_session", "normalize", "pad_sequences", "set_random_seed", "to_categorical"]


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


@readable
def normalize(x: ArrayLike, axis: int = -1, order: float = 2) -> np.ndarray[Any, Any]:
    """An array divided by its norms along an axis, so that these are 1; where a norm is 0 it stays as it is.

    Args:
        x: Numbers.
        axis: The axis.
        order: The norm's order: 2, 1, ``inf``, or another number above 0.

    Returns:
        An array of the same shape; float64 for integers.

    Raises:
        ArgumentError: If there is no such axis or order.

    Example:
        >>> from sdgraph.keras import utils
        >>> utils.normalize([[3.0, 4.0], [0.0, 0.0]])
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    array = own_array(x)
    if array.dtype.kind in "iub":
        array = array.astype("float64")
    (axis,) = normalize_axis(axis, array.ndim)
    if order != np.inf and (not is_finite(order) or order <= 0):
        raise ArgumentError("The order of a norm is a number above 0.", given=f"order={shown(order)}")
    largest = abs(array).max(axis, keepdims=True, initial=0)
    # Scaled by the largest, so that no power overflows.
    scaled = array / np.where(largest > 0, largest, 1)
    norm = np.linalg.norm(scaled, order, axis, keepdims=True) if array.size else 1
    return (scaled / np.where(norm > 0, norm, 1)).astype(array.dtype, copy=False)


@readable
def pad_sequences(
    sequences: Sequence[ArrayLike],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float = 0.0,
) -> np.ndarray[Any, Any]:
    """Sequences of different lengths as rows of one array: short ones are filled up, long ones cut.

    Args:
        sequences: Sequences of numbers, or of arrays of one shape.
        maxlen: How long they become; as long as the longest by default.
        dtype: The array's dtype.
        padding: Where short ones are filled up: ``"pre"`` for the beginning, ``"post"`` for the end.
        truncating: Where long ones are cut: ``"pre"`` or ``"post"``.
        value: What they are filled up with.

    Returns:
        An array of shape ``(len(sequences), maxlen, ...)``.

    Raises:
        ArgumentError: If there is no such side or length.
        ShapeError: If the elements of sequences differ in shape.
        DTypeError: If the dtype cannot hold the numbers.

    Example:
        >>> from sdgraph.keras import utils
        >>> utils.pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2)
        array([[0, 1],
               [2, 3],
               [5, 6]], dtype=int32)
    """
    sides = ("pre", "post")
    one_of("padding", padding, sides)
    one_of("truncating", truncating, sides)
    kind = as_dtype(dtype)
    rows = [converted(own_array(row), kind, literal=True, what=f"Sequence {k}") for k, row in enumerate(sequences)]
    if any(not row.ndim for row in rows):
        raise ShapeError("A sequence is a number.", given=shown(sequences), expected="a list of sequences")
    filled = [row for row in rows if len(row)]
    shapes = {row.shape[1:] for row in filled} or {()}
    if len(shapes) > 1:
        raise ShapeError("The elements of sequences differ in shape.", given=shown(sorted(shapes)))
    length = max(map(len, rows), default=0) if maxlen is None else whole("maxlen", maxlen, least=0)
    fill = converted(own_array(value), kind, literal=True, what="The value that fills up")
    out = made_of(lambda: np.full((len(rows), length, *shapes.pop()), fill, kind), (len(rows), length))
    for k, row in enumerate(rows):
        n = min(len(row), length)
        kept = row[len(row) - n :] if truncating == "pre" else row[:n]
        begin = length - n if padding == "pre" else 0
        if n:
            out[k, begin : begin + n] = kept
    return out
