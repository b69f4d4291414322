"""Integer class labels: their dtype, their shape next to the predictions, and what binary labels are."""

from __future__ import annotations

from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError, ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.infer.shapes import same_sizes
from sdgraph.ops.losses.class_numbers import SWAPPED, look_swapped
from sdgraph.ops.losses.keras.weighting import Traced


def as_integers(labels: Traced, what: str = "y_true") -> SDVariable:
    """Labels as int64. Keras' users give them as floats, too."""
    if labels.dtype.kind == "c":
        raise DTypeError(f"{what} holds class labels.", given=labels.dtype.name, expected="integers")
    return labels if labels.dtype.kind in "iu" else labels.sd.cast(labels, "int64")


def class_labels(y_true: Traced, y_pred: SDVariable, axis: int) -> SDVariable:
    """Integer labels of the shape of ``y_pred`` without its class axis; a class axis of size 1 is dropped."""
    sd = y_true.sd
    if look_swapped(y_true.aval, y_pred.aval):
        raise ShapeError(f"{SWAPPED}: y_true comes first, then y_pred.", fix="Exchange them.")
    expected = tuple(d for k, d in enumerate(y_pred.shape) if k != axis)
    labels = as_integers(y_true)
    if labels.ndim == y_pred.ndim and labels.shape[axis] == 1:
        labels = sd.squeeze(labels, axis)
    if not same_sizes(labels.shape, expected):
        raise ShapeError(
            "y_true must hold one integer label where y_pred holds its classes.",
            given=f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}, class axis {axis}",
            expected=f"y_true {shape_str(expected)}",
            fix="For one-hot labels use categorical_crossentropy.",
        )
    return labels


def signed(y: SDVariable) -> SDVariable:
    """Labels 0 and 1 as -1 and 1, if there are no others in the whole of ``y``; else ``y``."""
    sd = y.sd
    binary = sd.all(sd.math.or_(y.eq(0), y.eq(1)))
    return sd.where(binary, 2 * y - 1, y)


__all__ = ["as_integers", "class_labels", "signed"]
