"""Intersection over union of classes, as in segmentations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, flag, whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.infer.shapes import known_to_differ
from sdgraph.keras.metrics.metric import Array, BatchSums, Metric
from sdgraph.keras.metrics.weights import weights_like
from sdgraph.ops.losses.keras.weighting import EPSILON, same_rank

_NONE = 1e-9
"""What a union is above, so that its class is there at all."""


_MOST = 1 << 14
"""Classes whose counts in pairs are kept: files say how many, too."""


class IoU(Metric):
    """The mean over some classes of intersection over union, ``tp / (tp + fp + fn)``.

    Classes that neither labels nor predictions have are left out of the mean. Labels and predictions that are no class
    do not count. As in Keras 1e-7 is added to each denominator.

    Args:
        num_classes: How many classes there are.
        target_class_ids: The classes of the mean.
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        ignore_class: A label that does not count.
        sparse_y_true: Whether labels are numbers of classes; else the largest of ``axis`` is taken.
        sparse_y_pred: The same of predictions.
        axis: The axis of classes, where there is one.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1]).round(4)
        np.float64(0.3333)
    """

    options: Any = (
        "num_classes",
        "target_class_ids",
        "ignore_class",
        "sparse_y_true",
        "sparse_y_pred",
        "axis",
    )
    direction = "max"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        self.num_classes = _how_many(num_classes)
        self.target_class_ids = _classes(target_class_ids, num_classes)
        self.ignore_class = None if ignore_class is None else whole("ignore_class", ignore_class)
        self.sparse_y_true = flag("sparse_y_true", sparse_y_true)
        self.sparse_y_pred = flag("sparse_y_pred", sparse_y_pred)
        self.axis = whole("axis", axis)
        super().__init__(dtype, name)

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """How much weight has each class as its label, in rows, and as its prediction, in columns."""
        sd, n = y_pred.sd, self.num_classes
        y = y_true if self.sparse_y_true else sd.argmax(y_true, self.axis)
        p = y_pred if self.sparse_y_pred else sd.argmax(y_pred, self.axis)
        y, p = same_rank(y, p)
        if y.ndim != p.ndim or any(map(known_to_differ, y.shape, p.shape)):
            raise ShapeError(
                "There is one prediction for each label.",
                given=f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}",
                fix=None if not self.sparse_y_pred else "For predictions of classes say sparse_y_pred=False.",
            )
        p_real = sd.cast(p, np.result_type(sd.dtype, "float32"))
        weights = sd.ones_like(p_real) if sample_weight is None else weights_like(p_real, sample_weight)
        y, p, w = (sd.reshape(v, (-1,)) for v in (y, p, weights))
        y, p = sd.cast(y, "int64"), sd.cast(p, "int64")
        if self.ignore_class is not None:
            w = sd.where(y.neq(self.ignore_class), w, 0.0)
        # What is no class has a row of zeros.
        rows, columns = (sd.one_hot(v, n, dtype=w.dtype) for v in (y, p))
        return BatchSums((sd.mmul(rows * sd.expand_dims(w, -1), columns, transpose_x=True),))

    def empty(self) -> list[Array]:
        """No counts."""
        return [np.zeros((self.num_classes, self.num_classes))]

    def value(self, sums: Sequence[Array]) -> Any:
        """The mean over classes."""
        (counts,) = sums
        own = counts.diagonal()
        union = (counts.sum(0) + counts.sum(1) - own)[self.target_class_ids]
        there = union > _NONE
        shares = np.where(there, own[self.target_class_ids] / (union + EPSILON), 0.0)
        return shares.sum() / (there.sum() + EPSILON)


def _how_many(num_classes: Any) -> int:
    n = whole("num_classes", num_classes, least=1)
    if n > _MOST:
        raise ArgumentError("There are too many classes.", given=f"num_classes={n}", expected=f"{_MOST} or fewer")
    return n


def _classes(given: Any, n: int) -> list[int]:
    found = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(found, list | tuple | range) or not len(found):
        raise ArgumentError("target_class_ids are classes.", given=f"target_class_ids={shown(given)}")
    for k in found:
        if whole("A target class", k, least=0) >= n:
            raise ArgumentError(f"There is no class {k}.", given=shown(given), expected=f"0 to {n - 1}")
    return [int(k) for k in found]


class BinaryIoU(IoU):
    """Intersection over union of predictions above or at a threshold, and of those below it: see `IoU`.

    Args:
        target_class_ids: The classes of the mean: 0, 1, or both.
        threshold: What predictions of class 1 are at least.
        name: What the metric is called.
        dtype: Of the result; float64 without it.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]).round(4)
        np.float64(0.3333)
    """

    options = ("target_class_ids", "threshold")

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.threshold = between("threshold", threshold, 0, 1, ends=True)
        super().__init__(2, target_class_ids, name, dtype)

    def batch_sums(self, y_true: SDVariable, y_pred: SDVariable, sample_weight: SDVariable | None) -> BatchSums:
        """The counts of classes 0 and 1."""
        return super().batch_sums(y_true, y_pred.sd.cast(y_pred >= self.threshold, "int64"), sample_weight)


class MeanIoU(IoU):
    """The mean over all classes of intersection over union: see `IoU`.

    Args:
        num_classes: How many classes there are.
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        ignore_class: A label that does not count.
        sparse_y_true: Whether labels are numbers of classes; else the largest of ``axis`` is taken.
        sparse_y_pred: The same of predictions.
        axis: The axis of classes, where there is one.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> metrics.MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1]).round(4)
        np.float64(0.3333)
    """

    options = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        classes = range(_how_many(num_classes))
        super().__init__(num_classes, classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """Intersection over union of one-hot labels: see `IoU`.

    Args:
        num_classes: How many classes there are.
        target_class_ids: The classes of the mean.
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        ignore_class: A label that does not count.
        sparse_y_pred: Whether predictions are numbers of classes; else the largest of ``axis`` is taken.
        axis: The axis of classes.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> labels, said = [[0, 0, 1], [1, 0, 0], [0, 1, 0]], [[0.1, 0.2, 0.7], [0.4, 0.5, 0.1], [0.2, 0.7, 0.1]]
        >>> metrics.OneHotIoU(num_classes=3, target_class_ids=[1, 2])(labels, said).round(4)
        np.float64(0.75)
    """

    options = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """The mean over all classes of intersection over union of one-hot labels: see `IoU`.

    Args:
        num_classes: How many classes there are.
        name: What the metric is called.
        dtype: Of the result; float64 without it.
        ignore_class: A label that does not count.
        sparse_y_pred: Whether predictions are numbers of classes; else the largest of ``axis`` is taken.
        axis: The axis of classes.

    Raises:
        ArgumentError: If a setting is not in its range.

    Example:
        >>> from sdgraph.keras import metrics
        >>> labels, said = [[0, 0, 1], [1, 0, 0], [0, 1, 0]], [[0.1, 0.2, 0.7], [0.4, 0.5, 0.1], [0.2, 0.7, 0.1]]
        >>> metrics.OneHotMeanIoU(num_classes=3)(labels, said).round(4)
        np.float64(0.5)
    """

    options = ("num_classes", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
