"""Batches as SameDiff has them: features, labels and masks, one array of each or several. Must not know graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class DataSet(NamedTuple):
    """One batch: arrays of examples, what is known of them, and which of both count.

    Example:
        >>> DataSet([[1.0, 2.0]], [[0.0]]).labels
        [[0.0]]
    """

    features: Any
    labels: Any = None
    features_mask: Any = None
    labels_mask: Any = None


class MultiDataSet(NamedTuple):
    """One batch of several arrays each.

    Example:
        >>> len(MultiDataSet([[[1.0]], [[2.0]]], [[[0.0]]]).features)
        2
    """

    features: Sequence[Any]
    labels: Sequence[Any] = ()
    features_masks: Sequence[Any] | None = None
    labels_masks: Sequence[Any] | None = None


_PARTS = (
    ("features",),
    ("labels",),
    ("features_mask", "features_masks"),
    ("labels_mask", "labels_masks"),
)
"""What the parts of a batch are called, in their order in a tuple."""


def is_batch(item: Any) -> bool:
    """Whether something is one batch by what it has: a `DataSet`, a `MultiDataSet`, or one of another library's."""
    return hasattr(item, "features") and hasattr(item, "labels")


def parts_of(item: Any) -> list[list[Any]]:
    """Features, labels and their masks, each as a list of arrays, of a batch or a tuple of these.

    Example:
        >>> parts_of(([1.0], [2.0])), parts_of(DataSet([1.0]))
        ([[[1.0]], [[2.0]], [], []], [[[1.0]], [], [], []])
    """
    if is_batch(item):
        given = [next((getattr(item, name) for name in names if hasattr(item, name)), None) for names in _PARTS]
    else:
        given = [*item, *[None] * (len(_PARTS) - len(item))]
    several = isinstance(item, MultiDataSet)
    return [_arrays(part, several) for part in given]


def _arrays(part: Any, several: bool) -> list[Any]:
    """A part as a list of arrays; a list of numbers is one array."""
    if part is None:
        return []
    if isinstance(part, tuple) or (isinstance(part, list) and (several or any(hasattr(a, "shape") for a in part))):
        return list(part)
    return [part]
