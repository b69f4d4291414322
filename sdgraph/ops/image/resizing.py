"""Resizing: along one axis in any of the usual ways, and of images under SameDiff's names.

All of it is linear: a matrix per axis, whose entries `sdgraph.ops.image.taps` knows. Its transpose is the gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

import numpy as np

from sdgraph.build.annotations import means
from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import Linear
from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, flag, one_of, positive, whole
from sdgraph.errors import ArgumentError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim
from sdgraph.ops.image import taps
from sdgraph.ops.image.pixels import as_averaged, averaged, image_axes, must_have_entries, pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand

Method: TypeAlias = Literal["nearest", "linear", "cubic", "area", "gaussian", "lanczos3", "lanczos5", "mitchell"]
means("Method", Method)
ImageMethod: TypeAlias = Literal[
    "bilinear", "nearest", "bicubic", "area", "gaussian", "lanczos3", "lanczos5", "mitchell"
]
means("ImageMethod", ImageMethod)
Coordinates: TypeAlias = Literal[
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"
]
means("Coordinates", Coordinates)
Border: TypeAlias = Literal["edge", "inside"]
means("Border", Border)
Rounding: TypeAlias = Literal["round_prefer_ceil", "round_prefer_floor", "floor", "ceil"]
means("Rounding", Rounding)

# ---------------------------------------------------------------------- along one axis


def _dtype(dtype: np.dtype[Any], method: str) -> np.dtype[Any]:
    return dtype if method == "nearest" else averaged(dtype)


def _sampling(
    *,
    size: int,
    method: str,
    coordinates: str,
    antialias: bool,
    border: str,
    scale: float | None,
    coefficient: float,
    rounding: str,
    absolute: bool,
) -> taps.Sampling:
    return taps.Sampling(size, method, coordinates, antialias, border, scale, coefficient, rounding, absolute)


def _resampled(x: Aval, *, size: Any, axis: Any, **settings: Any) -> Aval:
    """Another size of an axis.

    Returns:
        The shape with ``size`` entries along the axis. The nearest ones keep their dtype; otherwise whole numbers
        become floating.

    Raises:
        ArgumentError: If there is no such axis, a setting is unknown, or a number is out of range.
        ShapeError: If the axis has no entries.
    """
    k = shapes.one_axis(axis, len(x.shape))
    whole("size", size, least=1)
    method = one_of("method of resizing", settings["method"], get_args(Method))
    one_of("kind of coordinates", settings["coordinates"], get_args(Coordinates))
    one_of("border", settings["border"], get_args(Border))
    one_of("rounding", settings["rounding"], get_args(Rounding))
    finite("coefficient", settings["coefficient"])
    if settings["scale"] is not None:
        positive("scale", settings["scale"])
    must_have_entries(x.shape[k], "the axis that is resized", x.shape)
    return Aval((*x.shape[:k], size, *x.shape[k + 1 :]), _dtype(x.dtype, method))


def _unresampled(g: Aval, x: Aval, **settings: Any) -> Aval:
    """The shape before resizing.

    Returns:
        The shape of ``x``; the dtype of ``g``, floating.

    Raises:
        ShapeError: If ``g`` does not have the shape of the `resample` of ``x``, or the axis has no entries.
        ArgumentError: As for `resample`.
    """
    resized = _resampled(x, **settings)
    shapes.must_have(g, resized.shape, "This is not the shape of what is resized.")
    return Aval(x.shape, averaged(g.dtype))


def _resample(xp: Any, x: Any, *, axis: int, **settings: Any) -> Any:
    s = _sampling(**settings)
    old = x.shape[axis]
    if s.method == "nearest":
        return xp.take(x, taps.pairs_of(s, old).columns, axis=axis)
    return _product(xp, x.astype(_dtype(x.dtype, s.method)), axis, s, old, transposed=False)


def _unresample(xp: Any, g: Any, x: Any, *, axis: int, **settings: Any) -> Any:
    return _product(xp, g.astype(averaged(g.dtype)), axis, _sampling(**settings), x.shape[axis], transposed=True)


def _product(xp: Any, x: Any, axis: int, s: taps.Sampling, old: int, *, transposed: bool) -> Any:
    if xp is np:
        return taps.product(x, axis % x.ndim, s, old, transposed)
    matrix = xp.asarray(taps.dense(s, old, transposed), dtype=x.dtype)
    return xp.moveaxis(xp.matmul(xp.moveaxis(x, axis, -1), matrix.T), -1, axis)


def _marked(mask: Mask, made: SDVariable) -> Mask:
    return mask.pool.of_marks(made)


def _resample_reach(mask: Mask, y: SDVariable, x: SDVariable, **settings: Any) -> Mask:
    marks = y.sd.image.unresample(mask.marks(y), x, **{**settings, "absolute": True})
    return _marked(mask, marks)


def _unresample_reach(mask: Mask, y: SDVariable, g: SDVariable, x: SDVariable, **settings: Any) -> tuple[Any, ...]:
    marks = y.sd.image.resample(mask.marks(y), **{**settings, "absolute": True})
    return _marked(mask, marks), None


# ---------------------------------------------------------------------- images


def _of_size(x: Aval, size: tuple[Any, Any], method: str) -> Aval:
    h, w = image_axes(x)
    for k in (h, w):
        must_have_entries(x.shape[k], "the height or the width", x.shape)
    return Aval((*x.shape[:h], *size, x.shape[-1]), _dtype(x.dtype, method))


def _resized_image(x: Aval, *, size: Any, preserve_aspect_ratio: bool, antialias: bool, method: str) -> Aval:
    """Another height and width.

    Returns:
        The shape with the new height and width. The nearest pixels keep their dtype; otherwise whole numbers become
        floating.

    Raises:
        ArgumentError: If the size is no pair of whole numbers above 0, or the method is unknown.
        ShapeError: If ``x`` has another rank than 3 or 4, or no pixels.
    """
    one_of("method of resizing", method, get_args(ImageMethod))
    flag("preserve_aspect_ratio", preserve_aspect_ratio)
    flag("antialias", antialias)
    wanted: tuple[Any, Any] = pair("size", size)
    if preserve_aspect_ratio:
        h, w = image_axes(x)
        wanted = _within(x.shape[h], x.shape[w], *wanted)
    return _of_size(x, wanted, method)


def _within(height: Dim, width: Dim, most_h: int, most_w: int) -> tuple[int | None, int | None]:
    """The largest size of an image's proportions within another one."""
    if type(height) is not int or type(width) is not int or not height or not width:
        return None, None
    if most_h * width <= most_w * height:
        return most_h, max(1, (2 * width * most_h + height) // (2 * height))
    return max(1, (2 * height * most_w + width) // (2 * width)), most_w


def _resized_linearly(x: Aval, *, height: Any, width: Any, align_corners: bool, half_pixel_centers: bool) -> Aval:
    """Another height and width.

    Returns:
        The shape with the new height and width; whole numbers become floating.

    Raises:
        ArgumentError: If a size is no whole number above 0, or both flags are set.
        ShapeError: If ``x`` has another rank than 3 or 4, or no pixels.
    """
    whole("height", height, least=1)
    whole("width", width, least=1)
    _one_flag(align_corners, half_pixel_centers, "half_pixel_centers")
    return _of_size(x, (height, width), "bilinear")


def _resized_cubically(x: Aval, *, size: Any, align_corners: bool, align_pixel_centers: bool) -> Aval:
    """Another height and width.

    Returns:
        The shape with the new height and width; whole numbers become floating.

    Raises:
        ArgumentError: If the size is no pair of whole numbers above 0, or both flags are set.
        ShapeError: If ``x`` has another rank than 3 or 4, or no pixels.
    """
    _one_flag(align_corners, align_pixel_centers, "align_pixel_centers")
    return _of_size(x, pair("size", size), "bicubic")


def _one_flag(corners: bool, centres: bool, name: str) -> None:
    if flag("align_corners", corners) and flag(name, centres):
        raise ArgumentError(
            "Pixels are aligned by their corners or by their centres, not both.",
            given=f"align_corners=True, {name}=True",
            fix="Leave one of them out.",
        )


_SHARED = {"x": "Images, channels last: shape ``(batch, height, width, channels)``, or without the batch."}
_ALONG = {
    "size": "How many entries the axis gets.",
    "axis": "The axis.",
    "method": '"nearest", "linear", "cubic", "area" (the mean of what an entry covers), "gaussian", "lanczos3",\n'
    '        "lanczos5", or "mitchell" (the cubic of B = C = 1/3).',
    "coordinates": 'Where entry i of ``new`` lies among ``old`` ones: "half_pixel" at ``(i + 1/2) old / new - 1/2``,\n'
    '        "asymmetric" at ``i old / new``, "align_corners" at ``i (old - 1) / (new - 1)``;\n'
    '        "pytorch_half_pixel" and "half_pixel_symmetric" are the first one, but for a result of one entry and for\n'
    "        a ``scale``.",
    "antialias": "Whether windows widen as the axis shrinks, so that all entries count.",
    "border": 'What stands beyond the ends: the last entry, "edge", or nothing, "inside", which leaves weights out\n'
    "        and makes the others add up to 1.",
    "scale": "What stands for ``new / old`` in the coordinates; None for the quotient of the sizes.",
    "coefficient": 'The a of "cubic", its slope at distance 1: -1/2 is exact for parabolas.',
    "rounding": 'Which entry is the "nearest": "round_prefer_ceil", "round_prefer_floor", "floor" or "ceil".',
    "absolute": "Whether to take weights without their sign: what is not 0 then tells what is read.",
}


class SDResampling(Namespace, prefix="image", shared=_ALONG):
    """Resizing of one axis."""

    @primitive(
        infer=_resampled,
        kernel=_resample,
        vjp=lambda g, y, x, **settings: g.sd.image.unresample(g, x, **settings),
        reach=Linear(_resample_reach),
    )
    def resample(
        self,
        x: Operand,
        size: int,
        axis: int = -1,
        method: Method = "linear",
        coordinates: Coordinates = "half_pixel",
        antialias: bool = False,
        *,
        border: Border = "edge",
        scale: float | None = None,
        coefficient: float = -0.75,
        rounding: Rounding = "round_prefer_ceil",
        absolute: bool = False,
        name: str | None = None,
    ) -> SDVariable:
        """An axis with another number of entries: each is a sum of old ones near its place, whose weights add up to 1.

        No entry reads what has the weight 0, so that what is infinite or no number stays where it is.

        Args:
            x: Numbers of rank 1 or more.

        References:
            R. Keys, "Cubic convolution interpolation for digital image processing", 1981,
            doi:10.1109/TASSP.1981.1163711: the cubic.

            D. Mitchell, A. Netravali, "Reconstruction filters in computer graphics", 1988, doi:10.1145/54852.378514.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.resample([0.0, 4.0], 4).eval()
            array([0., 1., 3., 4.])
        """
        ...

    @primitive(
        infer=_unresampled,
        kernel=_unresample,
        vjp=lambda u, y, g, x, **settings: (u.sd.image.resample(u, **settings), None),
        reach=Linear(_unresample_reach),
        shape_of=(1,),
    )
    def unresample(
        self,
        g: Operand,
        x: Operand,
        size: int,
        axis: int = -1,
        method: Method = "linear",
        coordinates: Coordinates = "half_pixel",
        antialias: bool = False,
        *,
        border: Border = "edge",
        scale: float | None = None,
        coefficient: float = -0.75,
        rounding: Rounding = "round_prefer_ceil",
        absolute: bool = False,
        name: str | None = None,
    ) -> SDVariable:
        """The gradient of `resample`: each entry of ``g`` goes where it came from, times its weight, and adds up there.

        Args:
            g: Numbers of the shape of the `resample` of ``x``.
            x: Lends its shape to the result; its values do not matter.
            size: How many entries ``g`` has along the axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.unresample([1.0, 1.0, 0.0, 0.0], [0.0, 0.0], 4).eval()
            array([1.75, 0.25])
        """
        ...


class SDResizing(SDResampling, prefix="image", shared=_SHARED):
    """Resizing of images."""

    def _along_both(self, x: Any, size: tuple[int, int], **settings: Any) -> SDVariable:
        """Both axes of images, first the one that makes less work."""
        v = self.sd.as_variable(x)
        axes = image_axes(v.aval)
        old_h, old_w = cast("tuple[int, int]", tuple(v.shape[k] for k in axes))
        # Along the width an entry of the result costs about twice as much.
        order = (0, 1) if size[0] * (old_w + size[1]) <= 2 * old_h * size[1] else (1, 0)
        same = settings["method"] in ("nearest", "linear", "cubic", "area")
        for k in order:
            if size[k] != v.shape[axes[k]] or not same:
                v = self.resample(v, size[k], axes[k], **settings)
        return v

    @composite(infer=_resized_image)
    def image_resize(
        self,
        x: Operand,
        size: Sequence[int],
        preserve_aspect_ratio: bool = False,
        antialias: bool = False,
        method: ImageMethod = "bilinear",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Images of another height and width, by any of the usual methods; pixels are aligned by their centres.

        What lies beyond the border is left out. Bicubic has a = -1/2, Gaussian a standard deviation of half a pixel.

        Args:
            size: Height and width of the result.
            preserve_aspect_ratio: Whether to take the largest size of the same proportions that fits into ``size``.
            antialias: Whether windows widen as images shrink. Without, bilinear reads 2 x 2 pixels however many there
                are; "nearest" and "area" do not change.
            method: How pixels are made of others.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.image_resize([[[0.0], [4.0]]], (1, 4)).eval().reshape(-1)
            array([0., 1., 3., 4.])
        """
        sd = self.sd
        v = sd.as_variable(x)
        wanted = _resized_image(
            v.aval, size=size, preserve_aspect_ratio=preserve_aspect_ratio, antialias=antialias, method=method
        )
        h, w = image_axes(v.aval)
        along = {"bilinear": "linear", "bicubic": "cubic"}.get(method, method)
        size = cast("tuple[int, int]", (wanted.shape[h], wanted.shape[w]))
        out = self._along_both(v, size, method=along, antialias=antialias, border="inside", coefficient=-0.5)
        return sd.cast(out, wanted.dtype) if out.dtype != wanted.dtype else out

    @composite(infer=_resized_linearly)
    def resize_bi_linear(
        self,
        x: Operand,
        height: int,
        width: int,
        align_corners: bool = False,
        half_pixel_centers: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Images of another height and width, each pixel between the 2 x 2 around its place.

        Args:
            height: Height of the result.
            width: Width of the result.
            align_corners: Whether the centres of the corner pixels stay where they are.
            half_pixel_centers: Whether pixels are aligned by their centres, as in `image_resize`. With neither flag
                they are aligned by their upper left corners.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.resize_bi_linear([[[0.0], [4.0]]], 1, 3, align_corners=True).eval().reshape(-1)
            array([0., 2., 4.])
        """
        coordinates = "align_corners" if align_corners else "half_pixel" if half_pixel_centers else "asymmetric"
        return as_averaged(self._along_both(x, (height, width), method="linear", coordinates=coordinates))

    @composite(infer=_resized_cubically)
    def resize_bi_cubic(
        self,
        x: Operand,
        size: Sequence[int],
        align_corners: bool = False,
        align_pixel_centers: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Images of another height and width, each pixel from the 4 x 4 around its place by cubic convolution.

        Weights are computed, not taken from a table. With ``align_pixel_centers`` a is -1/2, and taps beyond the border
        are left out; otherwise a is -3/4, and the border repeats.

        Args:
            size: Height and width of the result.
            align_corners: Whether the centres of the corner pixels stay where they are.
            align_pixel_centers: Whether pixels are aligned by their centres, as in `image_resize`. With neither flag
                they are aligned by their upper left corners.

        References:
            R. Keys, "Cubic convolution interpolation for digital image processing", 1981,
            doi:10.1109/TASSP.1981.1163711.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.resize_bi_cubic([[[0.0], [4.0]]], (1, 3), align_corners=True).eval().reshape(-1)
            array([0., 2., 4.])
        """
        coordinates = "align_corners" if align_corners else "half_pixel" if align_pixel_centers else "asymmetric"
        border, a = ("inside", -0.5) if align_pixel_centers else ("edge", -0.75)
        out = self._along_both(
            x, pair("size", size), method="cubic", coordinates=coordinates, border=border, coefficient=a
        )
        return as_averaged(out)
