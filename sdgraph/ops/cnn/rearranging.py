"""Ops of ``sd.cnn`` that move the pixels of pictures without computing: enlarged, between space and depth or batch.

Knows the axes of pictures. Windows that slide over them are in `sdgraph.ops.cnn.sliding`.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from sdgraph.build.annotations import means
from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR
from sdgraph.checks import flag, is_whole, one_of
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, Shape, shape_str
from sdgraph.infer.windows import per_axis
from sdgraph.ops.precision import cast_to, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand, SDVariable

ImageFormat: TypeAlias = Literal["NCHW", "NHWC"]
means("ImageFormat", ImageFormat)


def of_rank(x: Aval, rank: int, axes: str) -> None:
    """Raise unless an array has the rank of a picture, a sequence or a volume."""
    if len(x.shape) != rank:
        raise ShapeError(f"This needs rank {rank}: {axes}.", given=shape_str(x.shape))


def space_axes(data_format: Any) -> tuple[int, int]:
    """The axes of height and width.

    Raises:
        ArgumentError: If it is unknown.
    """
    return (2, 3) if one_of("format of pictures", data_format, get_args(ImageFormat)) == "NCHW" else (1, 2)


def _times(d: Dim, n: int) -> Dim:
    return d * n if type(d) is int else d if n == 1 else None


# ---------------------------------------------------------------------- enlarging


def _enlarged(x: Aval, *, factors: Any) -> Aval:
    """Sizes times factors.

    Returns:
        The sizes times their factors; the same dtype.

    Raises:
        ArgumentError: If there is not one factor per axis, each a whole number, 1 or more.
    """
    return Aval(tuple(map(_times, x.shape, per_axis("factors", factors, len(x.shape)))), x.dtype)


def _block_sums(g: Aval, like: Aval, *, factors: Any) -> Aval:
    """What was enlarged.

    Returns:
        The shape of ``like``, the dtype of ``g``.

    Raises:
        ShapeError: If ``g`` does not have the shape of ``like`` enlarged.
        ArgumentError: As for `enlarge`.
    """
    shapes.must_have(g, _enlarged(like, factors=factors).shape, "This is not the shape of what is enlarged.")
    return Aval(like.shape, g.dtype)


def _blocks(shape: Shape, factors: Sequence[int]) -> list[Dim]:
    """An axis for the blocks and one inside of them, for each axis that is enlarged; the others as they are."""
    return [n for d, factor in zip(shape, factors, strict=True) for n in ((d, factor) if factor != 1 else (d,))]


def inside_blocks(factors: Sequence[int]) -> tuple[int, ...]:
    """Of the axes of pictures cut into blocks, those inside of a block."""
    flags = [inside for factor in factors for inside in ((False, True) if factor != 1 else (False,))]
    return tuple(k for k, inside in enumerate(flags) if inside)


_MOST_SLICES: Final = 9
"""Entries of a block up to which slices are added up: sums over axes of so few entries take longer."""


def _scale(name: str, value: Any) -> int:
    if not is_whole(value, 1):
        raise ArgumentError(f"{name} must be a whole number, 1 or more.", given=f"{name}={value!r}")
    return int(value)


# ---------------------------------------------------------------------- space and depth


def _deeper(x: Aval, *, block_size: Any, data_format: Any) -> Aval:
    """Blocks of pixels as channels.

    Returns:
        Height and width divided by ``block_size``, the channels times its square; the same dtype.

    Raises:
        ShapeError: If ``x`` does not have rank 4, or a height or a width is no multiple of ``block_size``.
        ArgumentError: If the format is unknown, or ``block_size`` is no whole number, 1 or more.
    """
    space, n = space_axes(data_format), _scale("block_size", block_size)
    of_rank(x, 4, "pictures, rows, columns and channels")
    shape = list(x.shape)
    for k in space:
        d = shape[k]
        if type(d) is int and d % n:
            raise ShapeError(
                f"Axis {k} cannot be cut into blocks of {n}.", given=shape_str(x.shape), expected=f"a multiple of {n}"
            )
        shape[k] = d // n if type(d) is int else d if n == 1 else None
    channels = 1 if data_format == "NCHW" else 3
    shape[channels] = _times(shape[channels], n * n)
    return Aval(tuple(shape), x.dtype)


def _flatter(x: Aval, *, block_size: Any, data_format: Any) -> Aval:
    """Channels as blocks of pixels.

    Returns:
        Height and width times ``block_size``, the channels divided by its square; the same dtype.

    Raises:
        ShapeError: If ``x`` does not have rank 4, or the channels are no multiple of the square of ``block_size``.
        ArgumentError: If the format is unknown, or ``block_size`` is no whole number, 1 or more.
    """
    space, n = space_axes(data_format), _scale("block_size", block_size)
    of_rank(x, 4, "pictures, rows, columns and channels")
    shape = list(x.shape)
    channels = 1 if data_format == "NCHW" else 3
    d = shape[channels]
    if type(d) is int and d % (n * n):
        raise ShapeError(
            f"The channels do not fill blocks of {n} by {n}.",
            given=f"{d} channels of {shape_str(x.shape)}",
            expected=f"a multiple of {n * n}",
        )
    shape[channels] = d // (n * n) if type(d) is int else d if n == 1 else None
    for k in space:
        shape[k] = _times(shape[k], n)
    return Aval(tuple(shape), x.dtype)


# ---------------------------------------------------------------------- space and batch


def pairs(blocks: Any, name: str, *sides: Any) -> tuple[tuple[int, int], ...]:
    """Entries before and after along two axes."""
    for side in (blocks, *sides):
        if not isinstance(side, tuple) or len(side) != 2 or not all(is_whole(n, 0) for n in side):
            raise ArgumentError(
                f"Blocks and {name} are two whole numbers each.", given=f"blocks={blocks!r}, {name} {sides!r}"
            )
    if not all(blocks):
        raise ArgumentError("A block has at least one entry along each axis.", given=f"blocks={blocks!r}")
    return sides


def _into_batch(x: Aval, *, blocks: Any, padding_top: Any, padding_bottom: Any) -> Aval:
    """Each pixel of a block as a picture of its own.

    Returns:
        The batch times the size of a block, the padded height and width divided by its sides; the same dtype.

    Raises:
        ShapeError: If ``x`` does not have rank 4, or a padded height or width is no multiple of the block's.
        ArgumentError: If blocks or padding are not two whole numbers each, of blocks above 0.
    """
    widths = pairs(blocks, "padding", padding_top, padding_bottom)
    of_rank(x, 4, "pictures, rows, columns and channels")
    space: list[Dim] = []
    for k, (n, width) in enumerate(zip(blocks, widths, strict=True), 1):
        d = x.shape[k]
        if type(d) is int and (d + sum(width)) % n:
            raise ShapeError(
                f"Axis {k} cannot be cut into blocks of {n}.",
                given=f"{shape_str(x.shape)}, padded by {width}",
                expected=f"a multiple of {n}",
            )
        space.append((d + sum(width)) // n if type(d) is int else d if n == 1 and not any(width) else None)
    return Aval((_times(x.shape[0], math.prod(blocks)), *space, x.shape[3]), x.dtype)


def _out_of_batch(x: Aval, *, blocks: Any, cropping_top: Any, cropping_bottom: Any) -> Aval:
    """Pictures that are pixels of a block, put together.

    Returns:
        The batch divided by the size of a block, height and width times its sides less what is cropped; the same
        dtype.

    Raises:
        ShapeError: If ``x`` does not have rank 4, the batch is no multiple of the size of a block, or more is cropped
            than there is.
        ArgumentError: If blocks or croppings are not two whole numbers each, of blocks above 0.
    """
    widths, per_block = pairs(blocks, "cropping", cropping_top, cropping_bottom), math.prod(blocks)
    of_rank(x, 4, "pictures, rows, columns and channels")
    batch = x.shape[0]
    if type(batch) is int and batch % per_block:
        raise ShapeError(
            f"The pictures do not make blocks of {blocks[0]} by {blocks[1]}.",
            given=f"{batch} pictures of {shape_str(x.shape)}",
            expected=f"a multiple of {per_block}",
        )
    space: list[Dim] = []
    for k, (n, width) in enumerate(zip(blocks, widths, strict=True), 1):
        d = _times(x.shape[k], n)
        if type(d) is int and d < sum(width):
            raise ShapeError(f"More is cropped from axis {k} than there is.", given=f"{width} of {d} entries")
        space.append(d - sum(width) if type(d) is int else None if any(width) else d)
    return Aval(
        (batch // per_block if type(batch) is int else batch if per_block == 1 else None, *space, x.shape[3]), x.dtype
    )


_SHARED = {
    "x": "Pictures of any dtype, rank 4.",
    "block_size": "How many rows and columns a block has.",
    "data_format": '``"NCHW"`` if channels are axis 1, ``"NHWC"`` if they are the last one.',
    "blocks": "Rows and columns of a block.",
}


class SDRearranging(Namespace, prefix="cnn", shared=_SHARED):
    """Pixels in other places."""

    # ------------------------------------------------------------------ enlarging

    @composite(infer=_enlarged, vjp=lambda g, y, x, factors: g.sd.cnn.block_sums(g, x, factors), reach=LINEAR)
    def enlarge(self, x: Operand, factors: Sequence[int], *, name: str | None = None) -> SDVariable:
        """Each entry repeated ``factors[k]`` times along axis k: it becomes a block.

        Args:
            x: An array of any shape and dtype.
            factors: One for each axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.enlarge([[1.0, 2.0]], (1, 2)).eval()
            array([[1., 1., 2., 2.]])
        """
        sd, v = self.sd, self.sd.as_variable(x)
        apart = sd.expand_dims(v, inside) if (inside := inside_blocks(factors)) else v
        spread = sd.broadcast_to(apart, _blocks(v.shape, factors))
        return sd.reshape(spread, [_times(d, n) for d, n in zip(v.shape, factors, strict=True)])

    @composite(
        infer=_block_sums,
        vjp=lambda h, y, g, like, factors: (h.sd.cnn.enlarge(h, factors), None),
        reach=LINEAR,
        shape_of=(1,),
    )
    def block_sums(self, g: Operand, like: Operand, factors: Sequence[int], *, name: str | None = None) -> SDVariable:
        """The transpose of `enlarge`: the sum of each block.

        Args:
            g: An array of the shape of ``like`` enlarged.
            like: Lends its shape to the result; its values do not matter.
            factors: The sizes of a block, one for each axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.block_sums([[1.0, 2.0, 3.0, 4.0]], [[0.0, 0.0]], (1, 2)).eval()
            array([[3., 7.]])
        """
        sd, v, shape = self.sd, self.sd.as_variable(g), self.sd.as_variable(like).shape
        inside = inside_blocks(factors)
        if not inside:
            return v
        wide = widened(v)
        if math.prod(factors) <= _MOST_SLICES:
            places = itertools.product(*map(range, factors))
            steps = [tuple(slice(k, None, n) for k, n in zip(at, factors, strict=True)) for at in places]
            return cast_to(sd.math.merge_add(*(wide[key] for key in steps)), v.dtype)
        return cast_to(sd.sum(sd.reshape(wide, _blocks(shape, factors)), inside), v.dtype)

    @composite
    def upsampling2d(
        self,
        x: Operand,
        scale_h: int,
        scale_w: int | None = None,
        nchw: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Pictures enlarged: each pixel becomes a block of ``scale_h`` rows and ``scale_w`` columns.

        Args:
            scale_h: How many times the height.
            scale_w: How many times the width; None for as many.
            nchw: Whether axis 1 holds the channels; else the last axis does.

        Returns:
            Height and width times their scales; the same dtype. The gradient adds up each block.

        Raises:
            ShapeError: If ``x`` does not have rank 4.
            ArgumentError: If a scale is no whole number, 1 or more.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.upsampling2d([[[[1.0, 2.0]]]], 2, nchw=True).eval()
            array([[[[1., 1., 2., 2.],
                     [1., 1., 2., 2.]]]])
        """
        v = self.sd.as_variable(x)
        of_rank(v.aval, 4, "pictures, rows, columns and channels")
        scales = (_scale("scale_h", scale_h), _scale("scale_w", scale_h if scale_w is None else scale_w))
        return self.sd.cnn.enlarge(v, factors=(1, 1, *scales) if flag("nchw", nchw) else (1, *scales, 1))

    @composite
    def upsampling3d(
        self, x: Operand, ncdhw: bool, scale_d: int, scale_h: int, scale_w: int, *, name: str | None = None
    ) -> SDVariable:
        """Volumes enlarged: each entry becomes a block of ``scale_d`` by ``scale_h`` by ``scale_w``.

        Args:
            x: Volumes of any dtype, rank 5.
            ncdhw: Whether axis 1 holds the channels; else the last axis does.
            scale_d: How many times the depth.
            scale_h: How many times the height.
            scale_w: How many times the width.

        Returns:
            Depth, height and width times their scales; the same dtype. The gradient adds up each block.

        Raises:
            ShapeError: If ``x`` does not have rank 5.
            ArgumentError: If a scale is no whole number, 1 or more.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.upsampling3d([[[[[1.0, 2.0]]]]], True, 1, 1, 2).eval()
            array([[[[[1., 1., 2., 2.]]]]])
        """
        v = self.sd.as_variable(x)
        of_rank(v.aval, 5, "volumes, planes, rows, columns and channels")
        scales = tuple(_scale(*given) for given in (("scale_d", scale_d), ("scale_h", scale_h), ("scale_w", scale_w)))
        return self.sd.cnn.enlarge(v, factors=(1, 1, *scales) if flag("ncdhw", ncdhw) else (1, *scales, 1))

    # ------------------------------------------------------------------ space and depth

    @composite(infer=_deeper, vjp=lambda g, y, x, **attrs: g.sd.cnn.depth_to_space(g, **attrs), reach=LINEAR)
    def space_to_depth(
        self, x: Operand, block_size: int, data_format: ImageFormat, *, name: str | None = None
    ) -> SDVariable:
        """Blocks of pixels become channels of one pixel: row by row of the block, each with all channels.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.space_to_depth([[[[1.0, 2.0], [3.0, 4.0]]]], 2, "NCHW").eval().ravel()
            array([1., 2., 3., 4.])
        """
        sd, v, n = self.sd, self.sd.as_variable(x), block_size
        out = _deeper(v.aval, block_size=n, data_format=data_format).shape
        if data_format == "NCHW":
            apart = sd.reshape(v, (*v.shape[:2], out[2], n, out[3], n))
            return sd.reshape(sd.permute(apart, (0, 3, 5, 1, 2, 4)), out)
        apart = sd.reshape(v, (v.shape[0], out[1], n, out[2], n, v.shape[3]))
        return sd.reshape(sd.permute(apart, (0, 1, 3, 2, 4, 5)), out)

    @composite(infer=_flatter, vjp=lambda g, y, x, **attrs: g.sd.cnn.space_to_depth(g, **attrs), reach=LINEAR)
    def depth_to_space(
        self, x: Operand, block_size: int, data_format: ImageFormat, *, name: str | None = None
    ) -> SDVariable:
        """Channels of a pixel become a block of pixels: the inverse of `space_to_depth`.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.depth_to_space([[[[1.0, 2.0, 3.0, 4.0]]]], 2, "NHWC").eval()[0, :, :, 0]
            array([[1., 2.],
                   [3., 4.]])
        """
        sd, v, n = self.sd, self.sd.as_variable(x), block_size
        a, b, c, d = v.shape
        out = _flatter(v.aval, block_size=n, data_format=data_format).shape
        if data_format == "NCHW":
            moved = sd.permute(sd.reshape(v, (a, n, n, out[1], c, d)), (0, 3, 4, 1, 5, 2))
        else:
            moved = sd.permute(sd.reshape(v, (a, b, c, n, n, out[3])), (0, 1, 3, 2, 4, 5))
        return sd.reshape(moved, out)

    # ------------------------------------------------------------------ space and batch

    @composite(
        infer=_into_batch,
        vjp=lambda g, y, x, blocks, padding_top, padding_bottom: g.sd.cnn.batch_to_space(
            g, blocks, padding_top, padding_bottom
        ),
        reach=LINEAR,
    )
    def space_to_batch(
        self,
        x: Operand,
        blocks: Sequence[int],
        padding_top: Sequence[int] = (0, 0),
        padding_bottom: Sequence[int] = (0, 0),
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Pixels that have the same place in a block become a picture: those of the first place come first.

        Args:
            x: Pictures of any dtype, channels last, rank 4.
            padding_top: Rows of zeros before and after.
            padding_bottom: Columns of zeros before and after.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.space_to_batch([[[[1.0], [2.0]], [[3.0], [4.0]]]], (2, 2)).shape
            (4, 1, 1, 1)
        """
        sd, v = self.sd, self.sd.as_variable(x)
        batch, _, _, channels = v.shape
        out = _into_batch(v.aval, blocks=blocks, padding_top=padding_top, padding_bottom=padding_bottom).shape
        (n, m), (_, h, w, _) = blocks, out
        if any((*padding_top, *padding_bottom)):
            v = sd.nn.pad(v, ((0, 0), padding_top, padding_bottom, (0, 0)))
        moved = sd.permute(sd.reshape(v, (batch, h, n, w, m, channels)), (2, 4, 0, 1, 3, 5))
        return sd.reshape(moved, out)

    @composite(
        infer=_out_of_batch,
        vjp=lambda g, y, x, blocks, cropping_top, cropping_bottom: g.sd.cnn.space_to_batch(
            g, blocks, cropping_top, cropping_bottom
        ),
        reach=LINEAR,
    )
    def batch_to_space(
        self,
        x: Operand,
        blocks: Sequence[int],
        cropping_top: Sequence[int] = (0, 0),
        cropping_bottom: Sequence[int] = (0, 0),
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Pictures become pixels of blocks: the inverse of `space_to_batch`.

        Args:
            x: Pictures of any dtype, channels last, rank 4.
            cropping_top: Rows to leave out before and after.
            cropping_bottom: Columns to leave out before and after.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.batch_to_space([[[[1.0]]], [[[2.0]]], [[[3.0]]], [[[4.0]]]], (2, 2)).eval()[0, :, :, 0]
            array([[1., 2.],
                   [3., 4.]])
        """
        sd, v = self.sd, self.sd.as_variable(x)
        (n, m), (batch, h, w, channels) = blocks, v.shape
        apart = sd.reshape(v, (n, m, batch // (n * m), h, w, channels))  # type: ignore[operator]
        joined = sd.reshape(sd.permute(apart, (2, 3, 0, 4, 1, 5)), (batch // (n * m), h * n, w * m, channels))  # type: ignore[operator]
        if not any((*cropping_top, *cropping_bottom)):
            return joined
        rows, columns = ((a, d - b) for (a, b), d in ((cropping_top, h * n), (cropping_bottom, w * m)))  # type: ignore[operator]
        return joined[:, slice(*rows), slice(*columns)]
