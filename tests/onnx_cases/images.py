"""ONNX's Resize: along each axis by itself, or as a crop."""

import math

from tests.onnx_cases.translation import onnx_op


def _sizes(t, x, axes, scales, sizes, policy):
    """The new sizes of the axes, and by what their coordinates are scaled."""
    old = [x.shape[k] for k in axes]
    if sizes is None:
        scales = [float(v) for v in t.read(scales)]
        return [math.floor(n * s) for n, s in zip(old, scales, strict=True)], scales
    new = t.ints(sizes)
    if policy != "stretch":
        ratios = [n / o for n, o in zip(new, old, strict=True)]
        ratio = min(ratios) if policy == "not_larger" else max(ratios)
        return [math.floor(ratio * o + 0.5) for o in old], [ratio] * len(old)
    return new, [None] * len(new)


@onnx_op("Resize")
def resize(t, x, roi=None, scales=None, sizes=None, *, mode, coordinate_transformation_mode, nearest_mode,
           cubic_coeff_a, exclude_outside, extrapolation_value, antialias=0, axes=None,
           keep_aspect_ratio_policy="stretch"):  # fmt: skip
    axes = list(range(len(x.shape))) if axes is None else [k % len(x.shape) for k in axes]
    sizes = None if sizes is None or not sizes.shape[0] else sizes
    new, scales = _sizes(t, x, axes, scales, sizes, keep_aspect_ratio_policy)
    if coordinate_transformation_mode == "tf_crop_and_resize":
        return _cropped(t, x, axes, new, t.read(roi).tolist(), extrapolation_value)
    for k, n, scale in zip(axes, new, scales, strict=True):
        if n != x.shape[k] or (scale is not None and scale != 1):
            x = t.sd.image.resample(
                x, n, k, {"linear": "linear", "cubic": "cubic", "nearest": "nearest"}[mode],
                coordinate_transformation_mode, bool(antialias), scale=scale, coefficient=cubic_coeff_a,
                border="inside" if exclude_outside else "edge", rounding=nearest_mode,
            )  # fmt: skip
    return x


def _cropped(t, x, axes, new, roi, value):
    """The same box of every image; the axes before and behind make one each."""
    sd, n = t.sd, len(axes)
    boxes = dict(zip(axes, zip(new, roi[:n], roi[n:], strict=True), strict=True))
    new, low, high = zip(*(boxes.get(k, (x.shape[k], 0.0, 1.0)) for k in (2, 3)), strict=True)
    images = sd.permute(x, (0, 2, 3, 1))
    box = sd.constant([[*low, *high]] * x.shape[0])
    found = sd.image.crop_and_resize(images, box, list(range(x.shape[0])), new, value)
    return sd.permute(found, (0, 3, 1, 2))


@onnx_op("Upsample")
def upsample(t, x, scales, *, mode):
    for k, scale in enumerate(t.read(scales).tolist()):
        if scale != 1:
            x = t.sd.image.resample(
                x, math.floor(x.shape[k] * scale), k, mode, "asymmetric", scale=scale, rounding="floor"
            )
    return x
