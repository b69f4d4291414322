"""What operations on images ask of their operands: axes of height and width, pairs of sizes, dtypes of averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, DTypeError, ShapeError, shown
from sdgraph.infer.aval import Aval, Dim, shape_str


def averaged(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of sums with weights: floating ones stay, whole numbers get one that holds them."""
    if dtype.kind in "fc":
        return dtype
    return np.dtype("float64" if dtype.itemsize > 2 else "float32")


def as_averaged(x: SDVariable) -> SDVariable:
    """The variable, or whole numbers in the dtype of their averages."""
    dtype = averaged(x.dtype)
    return x if x.dtype == dtype else x.sd.cast(x, dtype)


def image_axes(x: Aval) -> tuple[int, int]:
    """The axes of height and width of images, channels last.

    Raises:
        ShapeError: If ``x`` has another rank than 3 or 4.
    """
    n = len(x.shape)
    if n not in (3, 4):
        raise ShapeError(
            "Images have the shape (height, width, channels), or one more axis in front.",
            given=shape_str(x.shape),
            expected="rank 3 or 4",
        )
    return n - 3, n - 2


def must_be_batch(x: Aval) -> None:
    """Raise ShapeError for what is no batch of images."""
    if len(x.shape) != 4:
        raise ShapeError(
            "This takes a batch of images, (batch, height, width, channels).",
            given=shape_str(x.shape),
            expected="rank 4",
            fix="For one image: sd.expand_dims(x, 0)." if len(x.shape) == 3 else None,
        )


def must_be_real(*operands: Aval) -> None:
    """Raise DTypeError for complex numbers."""
    if any(x.dtype.kind == "c" for x in operands):
        raise DTypeError("Images are of real numbers.", given=", ".join(x.dtype.name for x in operands))


def must_have_entries(d: Dim, what: str, shape: Sequence[Dim]) -> None:
    """Raise ShapeError for an axis of size 0, of which nothing can be read."""
    if d == 0:
        raise ShapeError(f"There is nothing to read: {what} has size 0.", given=shape_str(shape))


def pair(name: str, value: Any) -> tuple[int, int]:
    """A setting of two whole numbers, 1 or more: one for the height and one for the width.

    Raises:
        ArgumentError: If it is none.
    """
    if not isinstance(value, tuple) or len(value) != 2 or not all(is_whole(n, 1) for n in value):
        raise ArgumentError(
            f"{name} is a pair of whole numbers, 1 or more.", given=f"{name}={shown(value)}", expected="(height, width)"
        )
    return value
