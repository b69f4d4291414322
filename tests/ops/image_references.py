"""Operations on images pixel by pixel: positions as fractions, weights one at a time, colours by Python's colorsys."""

import colorsys
import math
from fractions import Fraction

import numpy as np

# ---------------------------------------------------------------------- resizing


def _position(i, old, new, coordinates, scale):
    """Where entry i lies, exactly; a scale is taken as the number that it is."""
    ratio = Fraction(old, new) if scale is None else 1 / Fraction(scale)
    centre = (i + Fraction(1, 2)) * ratio - Fraction(1, 2)
    if coordinates == "align_corners":
        length = old / ratio
        return i * (old - 1) / (length - 1) if length > 1 else Fraction(0)
    if coordinates == "half_pixel_symmetric":
        return centre + (old - new * ratio) / 2
    if coordinates == "pytorch_half_pixel" and new == 1:
        return Fraction(0)
    return i * ratio if coordinates == "asymmetric" else centre


def _cubic(x, a):
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def _mitchell(x):
    if x < 1:
        return (7 * x**3 - 12 * x**2 + 16 / 3) / 6
    return (-7 / 3 * x**3 + 12 * x**2 - 20 * x + 32 / 3) / 6 if x < 2 else 0.0


def _lanczos(x, r):
    if x == 0:
        return 1.0
    return r * math.sin(math.pi * x) * math.sin(math.pi * x / r) / (math.pi * x) ** 2 if x < r else 0.0


WINDOWS = {
    "linear": (1, lambda x, a: max(1 - x, 0.0)),
    "cubic": (2, _cubic),
    "mitchell": (2, lambda x, a: _mitchell(x)),
    "gaussian": (1.5, lambda x, a: math.exp(-(x**2) / (2 * 0.5**2)) if x < 1.5 else 0.0),
    "lanczos3": (3, lambda x, a: _lanczos(x, 3)),
    "lanczos5": (5, lambda x, a: _lanczos(x, 5)),
}
ROUNDINGS = {
    "round_prefer_ceil": lambda p: math.floor(p + Fraction(1, 2)),
    "round_prefer_floor": lambda p: math.ceil(p - Fraction(1, 2)),
    "floor": math.floor,
    "ceil": math.ceil,
}


def _weights(i, old, new, method, coordinates, antialias, border, scale, a, rounding):
    """The weight of each old entry in entry i."""
    found = np.zeros(old)
    if method == "area":
        begin, end = Fraction(i * old, new), Fraction((i + 1) * old, new)
        for j in range(old):
            found[j] = max(min(end, j + 1) - max(begin, j), 0) / (end - begin)
        return found
    at = _position(i, old, new, coordinates, scale)
    if method == "nearest":
        found[min(max(ROUNDINGS[rounding](at), 0), old - 1)] = 1.0
        return found
    radius, window = WINDOWS[method]
    widened = max(1.0, 1 / scale if scale else old / new) if antialias else 1.0
    reach = math.ceil(radius * widened) + 1
    for j in range(math.floor(at) - reach, math.ceil(at) + reach + 1):
        if border == "edge" or 0 <= j < old:
            found[min(max(j, 0), old - 1)] += window(abs(float(j - at)) / widened, a)
    return found / found.sum()


def matrix(old, size, method="linear", coordinates="half_pixel", antialias=False, border="edge", scale=None,
           coefficient=-0.75, rounding="round_prefer_ceil", absolute=False):  # fmt: skip
    """The matrix of `resample`."""
    rows = [
        _weights(i, old, size, method, coordinates, antialias, border, scale, coefficient, rounding)
        for i in range(size)
    ]
    return np.abs(rows) if absolute else np.array(rows)


def resample(x, size, axis=-1, **settings):
    return np.moveaxis(np.tensordot(matrix(x.shape[axis], size, **settings), x, (1, axis)), 0, axis)


def unresample(g, x, size, axis=-1, **settings):
    return np.moveaxis(np.tensordot(matrix(x.shape[axis], size, **settings), g, (0, axis)), 0, axis)


def _both(x, height, width, **settings):
    x = np.asarray(x, float) if np.asarray(x).dtype.kind != "f" else x
    return resample(resample(x, height, x.ndim - 3, **settings), width, x.ndim - 2, **settings)


def image_resize(x, size, preserve_aspect_ratio=False, antialias=False, method="bilinear"):
    height, width = size
    if preserve_aspect_ratio:
        ratio = min(Fraction(height, x.shape[-3]), Fraction(width, x.shape[-2]))
        height, width = (max(1, math.floor(ratio * n + Fraction(1, 2))) for n in x.shape[-3:-1])
    along = {"bilinear": "linear", "bicubic": "cubic"}.get(method, method)
    return _both(x, height, width, method=along, antialias=antialias, border="inside", coefficient=-0.5)


def _coordinates(corners, centres):
    return "align_corners" if corners else "half_pixel" if centres else "asymmetric"


def resize_bi_linear(x, height, width, align_corners=False, half_pixel_centers=False):
    return _both(x, height, width, coordinates=_coordinates(align_corners, half_pixel_centers))


def resize_bi_cubic(x, size, align_corners=False, align_pixel_centers=False):
    border, a = ("inside", -0.5) if align_pixel_centers else ("edge", -0.75)
    coordinates = _coordinates(align_corners, align_pixel_centers)
    return _both(x, *size, method="cubic", coordinates=coordinates, border=border, coefficient=a)


# ---------------------------------------------------------------------- colours


def _by_colour(fn):
    return lambda x, *args, **settings: np.array(
        [fn(*map(float, c), *args, **settings) for c in x.reshape(-1, 3)]
    ).reshape(x.shape)


def _hue(r, g, b, delta):
    h, s, v = colorsys.rgb_to_hsv(r, g, b)
    return colorsys.hsv_to_rgb((h + delta) % 1.0, s, v)


def _saturation(r, g, b, factor):
    h, s, v = colorsys.rgb_to_hsv(r, g, b)
    return colorsys.hsv_to_rgb(h, min(max(s * factor, 0.0), 1.0), v)


rgb_to_hsv = _by_colour(colorsys.rgb_to_hsv)
hsv_to_rgb = _by_colour(lambda h, s, v: colorsys.hsv_to_rgb(h % 1.0, s, v))
adjust_hue = _by_colour(_hue)
adjust_saturation = _by_colour(_saturation)


def adjust_contrast(x, factor):
    means = np.array([[np.mean(image[..., c]) for c in range(x.shape[-1])] for image in x.reshape(-1, *x.shape[-3:])])
    means = means.reshape(*x.shape[:-3], 1, 1, x.shape[-1])
    return means + (x - means) * factor


def mixed(*rows):
    return lambda x: np.stack([sum(w * x[..., k] for k, w in enumerate(row)) for row in rows], axis=-1)


# ---------------------------------------------------------------------- parts


def _bilinear(image, y, x, outside):
    height, width = image.shape[:2]
    if not (0 <= y <= height - 1 and 0 <= x <= width - 1):
        return np.full(image.shape[2:], outside)
    total = 0.0
    for j in (math.floor(y), math.floor(y) + 1):
        for i in (math.floor(x), math.floor(x) + 1):
            weight = (1 - abs(y - j)) * (1 - abs(x - i))
            if weight:
                total = total + weight * image[j, i]
    return total


def _along(low, high, n, old):
    return [(low + high) / 2 * (old - 1)] if n == 1 else [
        ((n - 1 - k) * low + k * high) / (n - 1) * (old - 1) for k in range(n)]  # fmt: skip


def crop_and_resize(image, crop_boxes, box_indices, crop_out_size, extrapolation_value=0.0):
    height, width = crop_out_size
    out = np.zeros((len(crop_boxes), height, width, image.shape[3]))
    for k, (y1, x1, y2, x2) in enumerate(crop_boxes):
        for j, y in enumerate(_along(y1, y2, height, image.shape[1])):
            for i, x in enumerate(_along(x1, x2, width, image.shape[2])):
                out[k, j, i] = _bilinear(image[box_indices[k]], y, x, extrapolation_value)
    return out


def extract_image_patches(image, k_sizes, strides=(1, 1), rates=(1, 1), same_mode=False):
    spans = [(k - 1) * r + 1 for k, r in zip(k_sizes, rates, strict=True)]
    sizes = image.shape[1:3]
    if same_mode:
        counts = [math.ceil(n / s) for n, s in zip(sizes, strides, strict=True)]
        lacking = [max((c - 1) * s + k - n, 0) for c, s, k, n in zip(counts, strides, spans, sizes, strict=True)]
        image = np.pad(image, [(0, 0), *((m // 2, m - m // 2) for m in lacking), (0, 0)])
    else:
        counts = [(n - k) // s + 1 for n, s, k in zip(sizes, strides, spans, strict=True)]
    out = np.zeros((len(image), *counts, k_sizes[0] * k_sizes[1] * image.shape[3]), image.dtype)
    for j, i in np.ndindex(*counts):
        y, x = j * strides[0], i * strides[1]
        patch = image[:, y : y + spans[0] : rates[0], x : x + spans[1] : rates[1]]
        out[:, j, i] = patch.reshape(len(image), out.shape[-1])
    return out


def _shared(a, b):
    """What two boxes share over what they cover together."""
    a, b = ([min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])] for c in (a, b))
    sides = [max(min(a[k + 2], b[k + 2]) - max(a[k], b[k]), 0) for k in (0, 1)]
    both = sides[0] * sides[1]
    together = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - both
    return both / together if together else 0.0


def non_max_suppression(boxes, scores, max_out_size, iou_threshold=0.5, score_threshold=-math.inf):
    kept = []
    for k in sorted(range(len(scores)), key=lambda k: -scores[k]):
        if len(kept) == max_out_size or not scores[k] >= score_threshold:
            break
        if all(_shared(boxes[k], boxes[j]) <= iou_threshold for j in kept):
            kept.append(k)
    return np.array(kept + [-1] * (min(max_out_size, len(scores)) - len(kept)), np.int64)


REFERENCES = {
    f"image.{fn.__name__}": fn
    for fn in (resample, unresample, image_resize, resize_bi_linear, resize_bi_cubic, adjust_contrast,
               crop_and_resize, extract_image_patches, non_max_suppression)
} | {
    "image.rgb_to_hsv": rgb_to_hsv, "image.hsv_to_rgb": hsv_to_rgb,
    "image.adjust_hue": adjust_hue, "image.adjust_saturation": adjust_saturation,
    "image.rgb_to_yiq": mixed((0.299, 0.587, 0.114), (0.59590059, -0.27455667, -0.32134392),
                              (0.2115, -0.52273617, 0.31119955)),
    "image.yiq_to_rgb": mixed((1, 0.95598634, 0.6208248), (1, -0.27201283, -0.64720424),
                              (1, -1.10674021, 1.70423049)),
    "image.rgb_to_yuv": mixed((0.299, 0.587, 0.114), (-0.14714119, -0.2888691, 0.43601035),
                              (0.61497538, -0.51496512, -0.10001026)),
    "image.yuv_to_rgb": mixed((1, 0, 1.13988303), (1, -0.394642334, -0.58062185), (1, 2.03206185, 0)),
    "image.pad": lambda x, padding, mode="constant", pad_value=0.0: np.pad(
        x, padding, mode, **({"constant_values": pad_value} if mode == "constant" else {})),
}  # fmt: skip
