"""Weights that have a shape and no values yet: for models whose weights are about to be read.

A file may say that a layer has any size. Until its arrays were compared with that, no memory is taken for it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from sdgraph.errors import ShapeError
from sdgraph.infer.aval import shape_str


class _Mode(threading.local):
    on: bool = False


_mode = _Mode()


@contextlib.contextmanager
def hollow() -> Iterator[None]:
    """Make weights without values in the block."""
    before, _mode.on = _mode.on, True
    try:
        yield
    finally:
        _mode.on = before


def is_hollow() -> bool:
    """Whether weights are made without values."""
    return _mode.on


def hollow_array(sizes: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """An array of zeros that takes no memory.

    Raises:
        ShapeError: If no array has so many numbers.
    """
    try:
        return np.broadcast_to(np.zeros((), dtype), sizes)
    except ValueError as e:
        raise ShapeError("No weight is as large as this one.", given=shape_str(sizes)) from e
