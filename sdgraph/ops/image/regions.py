"""Parts of images: crops, patches, boxes, borders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import NOT_DIFFERENTIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, finite, flag, is_whole, whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, promote, shape_str
from sdgraph.ops.image.pixels import (
    as_averaged,
    averaged,
    must_be_batch,
    must_be_real,
    must_have_entries,
    pair,
)
from sdgraph.ops.layers import PadMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand

# ---------------------------------------------------------------------- crops


def _must_be_boxes(boxes: Aval) -> Dim:
    """How many boxes there are."""
    if len(boxes.shape) != 2 or shapes.known_to_differ(boxes.shape[1], 4):
        raise ShapeError("Boxes are rows of four numbers.", given=shape_str(boxes.shape), expected="shape (boxes, 4)")
    return boxes.shape[0]


def _cropped(
    image: Aval, crop_boxes: Aval, box_indices: Aval, *, crop_out_size: Any, extrapolation_value: float
) -> Aval:
    """One image of the new size per box.

    Returns:
        Shape ``(boxes, *crop_out_size, channels)``, the promoted dtype of images and boxes; whole numbers become
        floating.

    Raises:
        ShapeError: If the images are no batch, or have no pixels, the boxes are no rows of four, or there is not one
            index per box.
        DTypeError: If the numbers are complex, or the indices are no integers.
        ArgumentError: If the size is no pair of whole numbers above 0, or the value outside is not finite.
        LabelError: At run time, for an index of no image.
    """
    size = pair("crop_out_size", crop_out_size)
    finite("extrapolation_value", extrapolation_value)
    must_be_batch(image)
    must_be_real(image, crop_boxes)
    for k in (1, 2):
        must_have_entries(image.shape[k], "the height or the width", image.shape)
    shapes.integer_index(box_indices, "Indices of images")
    n = _must_be_boxes(crop_boxes)
    shapes.must_have(box_indices, (n,), "There must be one index per box.")
    dtype = promote(averaged(image.dtype), averaged(crop_boxes.dtype))
    return Aval((n if n is not None else box_indices.shape[0], *size, image.shape[3]), dtype)


def _places(low: SDVariable, high: SDVariable, n: int, old: int) -> SDVariable:
    """Where ``n`` entries lie between the ends of boxes, which are given as parts of an axis; one is in the middle."""
    sd = low.sd
    if n == 1:
        return sd.expand_dims((low + high) * (0.5 * (old - 1)), -1)
    # Each end with its own weights, so that the last place is on the border where the box ends there.
    part = np.arange(n) / (n - 1) * (old - 1)
    before, behind = (v.astype(low.dtype) for v in (part[::-1], part))
    return sd.expand_dims(low, -1) * before + sd.expand_dims(high, -1) * behind


def _neighbours(at: SDVariable, old: int) -> tuple[SDVariable, SDVariable, SDVariable, SDVariable]:
    """Whether places lie on the axis, the whole ones before and behind them, and how far they are from the first."""
    sd, m = at.sd, at.sd.math
    inside = m.and_(at >= 0, at <= old - 1)
    at = sd.where(inside, at, 0.0)
    before = m.floor(at)
    return inside, sd.cast(before, "int64"), sd.cast(m.ceil(at), "int64"), at - before


# ---------------------------------------------------------------------- patches


def _patched(image: Aval, *, k_sizes: Any, strides: Any, rates: Any, same_mode: bool) -> Aval:
    """Patches in place of pixels.

    Returns:
        Shape ``(batch, rows, columns, kh * kw * channels)``, the same dtype.

    Raises:
        ShapeError: If the images are no batch, or smaller than a patch.
        ArgumentError: If sizes, strides or rates are no pairs of whole numbers above 0.
    """
    sizes, steps, spaces = pair("k_sizes", k_sizes), pair("strides", strides), pair("rates", rates)
    flag("same_mode", same_mode)
    must_be_batch(image)
    counts = [_patches(image.shape[k + 1], sizes[k], steps[k], spaces[k], same_mode) for k in (0, 1)]
    if any(type(n) is int and n < 1 for n in counts):
        raise ShapeError(
            "The images are smaller than a patch.",
            given=f"{shape_str(image.shape)}, k_sizes={k_sizes}, rates={rates}",
            fix="same_mode=True puts zeros around them." if 0 not in image.shape[1:3] else None,
        )
    depth = image.shape[3]
    return Aval((image.shape[0], *counts, depth * k_sizes[0] * k_sizes[1] if type(depth) is int else None), image.dtype)


def _patches(n: Dim, k: int, stride: int, rate: int, same: bool) -> int | None:
    """How many patches there are along an axis."""
    if type(n) is not int:
        return None
    return -(-n // stride) if same else (n - ((k - 1) * rate + 1)) // stride + 1


def _border(n: int, k: int, stride: int, rate: int) -> tuple[int, int]:
    """Zeros before and behind an axis for the first patch of each stride; the odd one stands behind."""
    total = max((-(-n // stride) - 1) * stride + (k - 1) * rate + 1 - n, 0)
    return total // 2, total - total // 2


# ---------------------------------------------------------------------- boxes


def _suppressed(boxes: Aval, scores: Aval, *, max_out_size: int, iou_threshold: float, score_threshold: float) -> Aval:
    """One number per box that may be kept.

    Returns:
        Shape ``(min(max_out_size, boxes),)``, int64. There is no gradient.

    Raises:
        ShapeError: If the boxes are no rows of four, or there is not one score per box.
        DTypeError: If the numbers are complex.
        ArgumentError: If the number is negative, or a threshold is out of range.
    """
    whole("max_out_size", max_out_size, least=0)
    between("iou_threshold", iou_threshold, 0, 1, ends=True)
    if not isinstance(score_threshold, int | float) or score_threshold != score_threshold:
        raise ArgumentError("score_threshold must be a number.", given=f"score_threshold={shown(score_threshold)}")
    must_be_real(boxes, scores)
    n = _must_be_boxes(boxes)
    shapes.must_have(scores, (n,), "There must be one score per box.")
    return Aval((shapes.smaller(max_out_size, n if n is not None else scores.shape[0]),), shapes.INT64)


def _suppress(
    xp: Any, boxes: Any, scores: Any, *, max_out_size: int, iou_threshold: float, score_threshold: float
) -> Any:
    boxes, scores = np.asarray(boxes), np.asarray(scores)
    wide = np.promote_types(averaged(boxes.dtype), np.float32)
    corners = boxes.astype(wide).reshape(-1, 2, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    area = np.prod(high - low, axis=1)
    # Sorting the reversed array keeps equal scores in their order, without negating unsigned numbers.
    left = len(scores) - 1 - np.argsort(scores[::-1], kind="stable")[::-1]
    left = left[scores[left] >= score_threshold]
    kept = np.full(min(max_out_size, len(scores)), -1, shapes.INT64)
    for k in range(len(kept)):
        if not left.size:
            break
        kept[k], left = left[0], left[1:]
        best = kept[k]
        shared = np.prod(np.maximum(np.minimum(high[best], high[left]) - np.maximum(low[best], low[left]), 0), axis=1)
        # Without a division, because both may be points.
        left = left[~(shared > iou_threshold * (area[best] + area[left] - shared))]
    return xp.asarray(kept)


# ---------------------------------------------------------------------- random crops


def _must_be_part(x: Aval, shape: Any) -> None:
    """Raise ArgumentError or ShapeError for what is no shape of a part of an array."""
    if not isinstance(shape, tuple) or len(shape) != len(x.shape) or not all(is_whole(n, 0) for n in shape):
        raise ArgumentError(
            "shape is one whole number per axis.", given=f"shape={shown(shape)} for {shape_str(x.shape)}"
        )
    if any(type(d) is int and n > d for n, d in zip(shape, x.shape, strict=True)):
        raise ShapeError("The part is larger than the whole.", given=f"shape={shape} of {shape_str(x.shape)}")


_SHARED = {"image": "Images, channels last: shape ``(batch, height, width, channels)``."}


class SDRegions(Namespace, prefix="image", shared=_SHARED):
    """Parts of images."""

    @composite(infer=_cropped, grows=True, literals={"box_indices": "int64"})
    def crop_and_resize(
        self,
        image: Operand,
        crop_boxes: Operand,
        box_indices: Operand,
        crop_out_size: Sequence[int],
        extrapolation_value: float = 0.0,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Boxes cut out of images, each resized bilinearly to one size.

        A box ``(y1, x1, y2, x2)`` is given as parts of the image: 0 is the centre of its first pixel and 1 that of its
        last. ``y1`` above ``y2`` turns it upside down. There are gradients by the images and by the boxes; a place that
        is whole reads one pixel, and has no slope. Behind the border the gradient is 0.

        Args:
            crop_boxes: Shape ``(boxes, 4)``.
            box_indices: Which image each box is of, shape ``(boxes,)``.
            crop_out_size: Height and width of what is cut out. One entry is taken from the middle of the box.
            extrapolation_value: What stands beyond the border.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> image = [[[[0.0], [1.0]], [[2.0], [3.0]]]]
            >>> sd.image.crop_and_resize(image, [[0.0, 0.0, 1.0, 1.0]], [0], (1, 3)).eval().reshape(-1)
            array([1. , 1.5, 2. ])
        """
        sd = self.sd
        v, boxes = as_averaged(sd.as_variable(image)), as_averaged(sd.as_variable(crop_boxes))
        # Sizes are known where a body is traced that has a rule for shapes.
        batch, height, width, channels = cast("tuple[int, ...]", v.shape)
        y1, x1, y2, x2 = sd.unstack(boxes, -1, 4)  # type: ignore[misc]
        in_y, top, bottom, down = _neighbours(_places(y1, y2, crop_out_size[0], height), height)
        in_x, left, right, across = _neighbours(_places(x1, x2, crop_out_size[1], width), width)
        rows = sd.reshape(v, (batch * height, width, channels))
        first = sd.expand_dims(sd.cast(box_indices, "int64") * height, -1)

        def pixels(y: SDVariable, x: SDVariable) -> SDVariable:
            flat = sd.reshape(rows, (batch * height * width, channels))
            return sd.gather(flat, sd.expand_dims((y + first) * width, -1) + sd.expand_dims(x, 1))

        fx, fy = sd.expand_dims(across, (1, 3)), sd.expand_dims(down, (2, 3))
        upper, upper_right = pixels(top, left), pixels(top, right)
        lower, lower_right = pixels(bottom, left), pixels(bottom, right)
        upper = upper + (upper_right - upper) * fx
        lower = lower + (lower_right - lower) * fx
        inside = sd.math.and_(sd.expand_dims(in_y, (2, 3)), sd.expand_dims(in_x, (1, 3)))
        return sd.where(inside, upper + (lower - upper) * fy, extrapolation_value)

    @composite(infer=_patched, grows=True)
    def extract_image_patches(
        self,
        image: Operand,
        k_sizes: Sequence[int],
        strides: Sequence[int] = (1, 1),
        rates: Sequence[int] = (1, 1),
        same_mode: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The patches around each place, side by side on the last axis: row by row, and in a pixel channel by channel.

        Args:
            k_sizes: Height and width of a patch, in pixels.
            strides: How far apart patches are, down and across.
            rates: How far apart the pixels of a patch are.
            same_mode: Whether zeros stand around the images so that there is one patch per stride. Without, patches lie
                within the images.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.extract_image_patches([[[[1.0], [2.0], [3.0]]]], (1, 2)).eval().tolist()
            [[[[1.0, 2.0], [2.0, 3.0]]]]
        """
        sd = self.sd
        v = sd.as_variable(image)
        settings = list(zip(k_sizes, strides, rates, strict=True))
        counts = [_patches(v.shape[k + 1], *settings[k], same_mode) for k in (0, 1)]
        if same_mode:
            around = tuple(_border(v.shape[k + 1], *settings[k]) for k in (0, 1))  # type: ignore[arg-type]
            v = v if around == ((0, 0), (0, 0)) else sd.nn.pad(v, ((0, 0), *around, (0, 0)))
        for axis, n, (k, stride, rate) in zip((1, 3), counts, settings, strict=True):
            places = np.arange(n)[:, None] * stride + np.arange(k) * rate  # type: ignore[arg-type]
            v = sd.gather(v, places, axis)
        # Now (batch, rows, kh, columns, kw, channels).
        v = sd.permute(v, (0, 1, 3, 2, 4, 5))
        return sd.reshape(v, _patched_shape(v.shape))

    @primitive(infer=_suppressed, kernel=_suppress, vjp=NOT_DIFFERENTIABLE)
    def non_max_suppression(
        self,
        boxes: Operand,
        scores: Operand,
        max_out_size: int,
        iou_threshold: float = 0.5,
        score_threshold: float = float("-inf"),
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Which boxes to keep of many that overlap: the best one, then the best of those that do not overlap it, etc.

        Boxes overlap by what they share over what they cover together. Of equal scores the first one is the best.

        Args:
            boxes: Shape ``(boxes, 4)``: two opposite corners, ``(y1, x1, y2, x2)``.
            scores: How good each is, shape ``(boxes,)``.
            max_out_size: How many to keep at most.
            iou_threshold: A box that overlaps one that is kept by more is left out.
            score_threshold: Boxes with a lower score are left out, and those of which it is no number.

        Returns:
            The numbers of the boxes that are kept, best first, shape ``(min(max_out_size, boxes),)``, int64; -1 behind
            the last one, where fewer are kept. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> boxes = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.1, 1.0, 1.1], [0.0, 2.0, 1.0, 3.0]]
            >>> sd.image.non_max_suppression(boxes, [0.7, 0.9, 0.8], 3).eval()
            array([ 1,  2, -1])
        """
        ...

    @composite
    def random_crop(
        self, x: Operand, shape: Sequence[int], *, seed: int | None = None, name: str | None = None
    ) -> SDVariable:
        """A part of an array, at a place that is drawn: all are equally likely.

        Args:
            x: Any shape.
            shape: The shape of the part.
            seed: Seed of this draw; None for the graph's. Another ``step=`` of an evaluation gives other draws.

        Returns:
            ``shape``, the same dtype. The gradient goes to the part.

        Raises:
            ArgumentError: If ``shape`` has not one whole number per axis, or the seed is negative.
            ShapeError: If it is larger than ``x``.
            LabelError: At run time, if it is larger along an axis of unknown size.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> part = sd.image.random_crop([1.0, 2.0, 3.0, 4.0], (2,)).eval()
            >>> part[1] - part[0]
            np.float64(1.0)
        """
        sd = self.sd
        v = sd.as_variable(x)
        _must_be_part(v.aval, shape)
        if tuple(shape) == v.shape:
            return sd.identity(v)
        # One number per axis, whether or not its size is known to be that of the part: the same place in any case.
        drawn = sd.unstack(sd.random.uniform(shape=(v.ndim,), dtype="float64", seed=seed), 0, v.ndim)
        for k, (u, n) in enumerate(zip(drawn, shape, strict=True)):
            if n != v.shape[k]:
                start = sd.math.floor(u * (sd.axis_size(v, k, "float64") - (n - 1)))
                v = sd.gather(v, sd.cast(start, "int64") + sd.range(0, n, 1, dtype="int64"), k)
        return v

    @composite
    def pad(
        self,
        x: Operand,
        padding: Sequence[Sequence[int]],
        mode: PadMode = "constant",
        pad_value: float = 0.0,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Values around an array, as `SDLayers.pad`.

        Args:
            x: Any shape.
            padding: One ``(before, after)`` pair per axis.
            mode: "constant", or "reflect" and "symmetric", which mirror without and with the border entry.
            pad_value: The value of mode "constant".

        Returns:
            The larger shape, the same dtype.

        Raises:
            ArgumentError: If ``padding`` is not one pair per axis, or ``mode`` is unknown.
            ShapeError: If an axis has too few entries to mirror.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.pad([1.0, 2.0], ((1, 1),), "reflect").eval()
            array([2., 1., 2., 1.])
        """
        return self.sd.nn.pad(x, padding, mode, pad_value)


def _patched_shape(shape: Sequence[Any]) -> tuple[Any, ...]:
    batch, rows, columns, kh, kw, channels = shape
    return batch, rows, columns, kh * kw * channels
