"""Labels that are class numbers beside logits: what fits, and what the caller may have meant where they do not.

Must not know any formula.
"""

from __future__ import annotations

from typing import Final

from sdgraph.errors import DTypeError, ShapeError
from sdgraph.infer.aval import Aval, Dim, is_floating, shape_str
from sdgraph.infer.shapes import same_sizes

ONE_HOT: Final = "For one-hot labels, or probabilities, use softmax_cross_entropy(labels, logits)."
SWAPPED: Final = "The operands look swapped"
CAST: Final = "Cast them, labels.cast('int64'), or make their placeholder with dtype='int64'."


def check_class_numbers(labels: Aval, logits: Aval) -> None:
    """Raise unless there is one integer label where the logits, the first operand, hold their classes.

    A cast is advised only where it is the labels that are no integers, and not logits in their place.

    Raises:
        DTypeError: If the labels are no integers.
        ShapeError: If the shapes do not fit.
    """
    integers = labels.dtype.kind in "iu"
    if look_swapped(labels, logits):
        error = ShapeError if integers else DTypeError
        raise error(f"{SWAPPED}: logits come first, then labels.", fix=_in_order(labels, logits))
    if not logits.shape:
        raise ShapeError("Scalars have no class axis.", given=shape_str(logits.shape), expected="shape [..., classes]")
    fits, one_hot = _fit(labels.shape, logits.shape), same_sizes(labels.shape, logits.shape)
    if not integers:
        fix = ONE_HOT if one_hot and not fits else CAST
        raise DTypeError("labels must be integers.", given=labels.dtype.name, fix=fix)
    if not fits:
        raise ShapeError(
            "labels must have the shape of the logits without the class axis.",
            given=f"logits {shape_str(logits.shape)}, labels {shape_str(labels.shape)}",
            expected=f"labels {shape_str(logits.shape[:-1])}",
            fix="Drop their last axis: sd.squeeze(labels, -1)." if _is_column(labels, logits) else ONE_HOT,
        )


def refuse_class_numbers(labels: Aval, logits: Aval) -> None:
    """Raise if an operand of a loss that has an entry per class holds class numbers.

    Raises:
        ShapeError: If the one operand could be the class numbers of the other.
    """
    for a, b in ((labels, logits), (logits, labels)):
        if a.dtype.kind in "iu" and _fit(a.shape, b.shape):
            raise ShapeError(
                "Class numbers are no one-hot labels.",
                given=f"{a}, {b}",
                expected=f"labels {shape_str(b.shape)}",
                fix="Use sparse_softmax_cross_entropy(logits, labels), logits first.",
            )


def look_swapped(labels: Aval, logits: Aval) -> bool:
    """Whether the one stands where the other belongs: the shapes say so or, where they fit in no order, the dtypes."""
    by_dtype = is_floating(labels.dtype) and not is_floating(logits.dtype)
    return _fit(logits.shape, labels.shape) or (by_dtype and not _fit(labels.shape, logits.shape))


def _fit(labels: tuple[Dim, ...], logits: tuple[Dim, ...]) -> bool:
    return bool(logits) and same_sizes(labels, logits[:-1])


def _is_column(labels: Aval, logits: Aval) -> bool:
    """Whether the labels have a class axis of size 1."""
    return labels.shape[-1:] == (1,) and _fit(labels.shape[:-1], logits.shape)


def _in_order(labels: Aval, logits: Aval) -> str:
    """The call with operands exchanged; what was given as logits holds the labels."""
    call = "Exchange them: sparse_softmax_cross_entropy(logits, labels)"
    return f"{call}." if logits.dtype.kind in "iu" else f"{call}, and labels.cast('int64') if these are whole numbers."
