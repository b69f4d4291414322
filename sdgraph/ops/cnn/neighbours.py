"""Ops of ``sd.cnn`` that look at each window of a picture: columns, patches, grey-scale dilation.

All of them are written with `windows` and `add_windows`. Convolution and pooling are elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.checks import flag
from sdgraph.errors import ArgumentError, DTypeError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, promote, shape_str
from sdgraph.infer.windows import pads_of, per_axis, sizes_of
from sdgraph.ops.cnn.layouts import SHARED, Padding
from sdgraph.ops.cnn.rearranging import ImageFormat, of_rank, space_axes
from sdgraph.ops.cnn.sliding import Sliding, taken
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand, SDVariable

_AXES = "pictures, rows, columns and channels"


class Grid(NamedTuple):
    """Windows over height and width."""

    rows: Sliding
    columns: Sliding
    padding: Any
    """As a call has it."""

    @property
    def settings(self) -> dict[str, tuple[int, ...]]:
        """What `windows` is told."""
        axes, sizes, strides, dilation = zip(*self[:2], strict=True)
        return {"axis": axes, "size": sizes, "strides": strides, "dilation": dilation}

    def pads(self, space: Sequence[Dim]) -> tuple[Any, ...]:
        """Entries before and after along height and width; None where that hangs on a size that is not known."""
        _, *settings = zip(*self[:2], strict=True)
        return pads_of(self.padding, space, *settings)

    def counts(self, space: Sequence[Dim]) -> tuple[Dim, ...]:
        """How many windows there are along height and width.

        Raises:
            ShapeError: If there is none.
        """
        out: list[Dim] = []
        for n, one, pair in zip(space, self[:2], self.pads(space), strict=True):
            if type(n) is not int or pair is None:
                out.append(n if pair is not None and one.stride == 1 and sum(pair) == one.span - 1 else None)
                continue
            if n + sum(pair) < one.span:
                raise ShapeError(
                    f"Axis {one.axis} is shorter than a window.",
                    given=f"{n + sum(pair)} entries with padding, windows that reach over {one.span}",
                    fix='Pad it: padding="same", or a number.',
                )
            out.append(one.count(n + sum(pair)))
        return tuple(out)


def grid_of(axes: Sequence[int], size: Any, strides: Any, padding: Any, dilation: Any) -> Grid:
    """Windows over height and width, which are these axes, as they are told.

    Raises:
        ArgumentError: If a setting is none.
    """
    given = (("size", size), ("strides", strides), ("dilation", dilation))
    rows, columns = (Sliding(*one) for one in zip(axes, *(per_axis(*v, 2) for v in given), strict=True))
    grid = Grid(rows, columns, padding)
    if any(pair is not None and min(pair) < 0 for pair in grid.pads((None, None))):
        raise ArgumentError("padding is 0 or more.", given=f"padding={padding!r}", fix="Cut x off with a slice.")
    return grid


def _known(kernel: Sequence[Dim]) -> tuple[Dim, ...]:
    """The size of a window; 1 where it is not known yet, of which nothing is too short."""
    return tuple(d if type(d) is int else 1 for d in kernel)


def _padded(v: SDVariable, grid: Grid, constant: float = 0.0) -> SDVariable:
    """A picture of known height and width with what its windows need around it."""
    pads = grid.pads([v.shape[one.axis] for one in grid[:2]])
    if not any(map(any, pads)):
        return v
    widths = [(0, 0)] * v.ndim
    for one, pad in zip(grid[:2], pads, strict=True):
        widths[one.axis] = pad
    return v.sd.nn.pad(v, widths, constant=constant)


# ---------------------------------------------------------------------- columns


def _im2_col(x: Aval, *, size: Any, strides: Any, padding: Any, dilation: Any, data_format: Any) -> Aval:
    """A window for each place, its entries as axes of their own.

    Returns:
        Shape ``(batch, channels, *size, rows, columns)``, where the last two count the windows; the same dtype.

    Raises:
        ShapeError: If ``x`` does not have rank 4, or is smaller than a window.
        ArgumentError: If the padding or the format is unknown, or a size, a stride or a dilation is no whole number, 1
            or more.
    """
    axes = space_axes(data_format)
    of_rank(x, 4, _AXES)
    grid = grid_of(axes, size, strides, padding, dilation)
    channels = x.shape[1 if axes == (2, 3) else 3]
    counts = grid.counts([x.shape[k] for k in axes])
    return Aval((x.shape[0], channels, grid.rows.size, grid.columns.size, *counts), x.dtype)


def _col2_im(x: Aval, *, sizes: Any, strides: Any, padding: Any, dilation: Any, data_format: Any) -> Aval:
    """The pictures that have such columns.

    Returns:
        Shape ``(batch, channels, *sizes)``, or with the channels last; the same dtype.

    Raises:
        ShapeError: If ``x`` does not have rank 6, or pictures of these sizes have another number of windows.
        ArgumentError: If the padding or the format is unknown, or a size, a stride or a dilation is no whole number, 1
            or more.
    """
    axes = space_axes(data_format)
    of_rank(x, 6, "pictures, channels, rows and columns of a window, rows and columns of windows")
    space = sizes_of(sizes, 2)
    kernel = x.shape[2:4]
    counts = grid_of(axes, _known(kernel), strides, padding, dilation).counts(space)
    if _known(kernel) == kernel and any(shapes.known_to_differ(d, n) for d, n in zip(x.shape[4:], counts, strict=True)):
        raise ShapeError(
            "Pictures of these sizes have another number of windows.",
            given=f"{shape_str(x.shape[4:])} windows, sizes={space}",
            expected=f"{shape_str(counts)} windows",
        )
    batch, channels = x.shape[:2]
    return Aval((batch, channels, *space) if axes == (2, 3) else (batch, *space, channels), x.dtype)


# ---------------------------------------------------------------------- patches and dilation


def _patches(x: Aval, *, k_h: Any, k_w: Any, s_h: Any, s_w: Any, r_h: Any, r_w: Any, same_mode: Any) -> Aval:
    """A window for each place, its entries as channels.

    Returns:
        Shape ``(batch, rows, columns, k_h * k_w * channels)``, the same dtype.

    Raises:
        ShapeError: If ``x`` does not have rank 4, or is smaller than a window.
        ArgumentError: If a size, a stride or a rate is no whole number, 1 or more.
    """
    of_rank(x, 4, _AXES)
    grid = grid_of((1, 2), (k_h, k_w), (s_h, s_w), _mode("same_mode", same_mode), (r_h, r_w))
    d = x.shape[3]
    depth = d * grid.rows.size * grid.columns.size if type(d) is int else None
    return Aval((x.shape[0], *grid.counts(x.shape[1:3]), depth), x.dtype)


def _mode(name: str, same: Any) -> str:
    return "same" if flag(name, same) else "valid"


def steps_of(name: str, value: Any) -> tuple[int, ...]:
    """Two numbers for rows and columns, or four, of which those of pictures and channels are 1."""
    if isinstance(value, tuple | list) and len(value) == 4:
        if (value[0], value[3]) != (1, 1):
            raise ArgumentError(f"{name} of pictures and channels are 1.", given=f"{name}={value!r}")
        value = value[1:3]
    return per_axis(name, value, 2)


def _dilated(x: Aval, weights: Aval, *, strides: Any, rates: Any, is_same_mode: Any) -> Aval:
    """The largest sum in each window.

    Returns:
        Shape ``(batch, rows, columns, channels)``, the promoted dtype.

    Raises:
        ShapeError: If the ranks are not 4 and 3, the channels differ, or ``x`` is smaller than a window.
        DTypeError: If the numbers have no order: for complex numbers and bools.
        ArgumentError: If a stride or a rate is no whole number, 1 or more.
    """
    of_rank(x, 4, _AXES)
    of_rank(weights, 3, "rows, columns and channels")
    dtype = promote(x.dtype, weights.dtype)
    if dtype.kind in "cb":
        raise DTypeError("This takes the largest of sums of real numbers.", given=dtype.name)
    if shapes.known_to_differ(x.shape[3], weights.shape[2]):
        raise ShapeError("The channels differ.", given=f"{shape_str(x.shape)} and {shape_str(weights.shape)}")
    steps = steps_of("strides", strides), steps_of("rates", rates)
    kernel = weights.shape[:2]
    grid = grid_of((1, 2), _known(kernel), steps[0], _mode("is_same_mode", is_same_mode), steps[1])
    counts = grid.counts(x.shape[1:3] if _known(kernel) == kernel else (None, None))
    channels = x.shape[3] if type(x.shape[3]) is int else weights.shape[2]
    return Aval((x.shape[0], *counts, channels), dtype)


def _inside(grid: Grid, space: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Which entries of each window are none of the padding."""
    ones = np.pad(np.ones(space, bool), grid.pads(space))
    return taken(ones[None, :, :, None], **grid.settings)


_SHARED = {
    **SHARED,
    "x": "Pictures of any dtype, rank 4.",
    "data_format": '"NCHW" if channels are axis 1, "NHWC" if they are the last one.',
}


class SDNeighbours(Namespace, prefix="cnn", shared=_SHARED):
    """What is made of windows of pictures."""

    @composite(infer=_im2_col)
    def im2_col(
        self,
        x: Operand,
        size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        dilation: int | Sequence[int] = 1,
        data_format: ImageFormat = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The windows of pictures as columns, so that a convolution with them is a product of matrices.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.im2_col([[[[1.0], [2.0], [3.0]]]], size=(1, 2)).eval()[0, 0, 0, :, 0]
            array([[1., 2.],
                   [2., 3.]])
        """
        sd, axes = self.sd, space_axes(data_format)
        grid = grid_of(axes, size, strides, padding, dilation)
        found = sd.cnn.windows(_padded(sd.as_variable(x), grid), **grid.settings)
        return sd.permute(found, (0, 1, 4, 5, 2, 3) if axes == (2, 3) else (0, 3, 4, 5, 1, 2))

    @composite(infer=_col2_im)
    def col2_im(
        self,
        x: Operand,
        sizes: Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        dilation: int | Sequence[int] = 1,
        data_format: ImageFormat = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The transpose of `im2_col`: each entry of a column is added to the pixel that it was taken from.

        Args:
            x: Columns, as `im2_col` gives them.
            sizes: Height and width of the pictures.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> columns = sd.cnn.im2_col([[[[1.0], [2.0], [3.0]]]], size=(1, 2))
            >>> sd.cnn.col2_im(columns, sizes=(1, 3)).eval().ravel()
            array([1., 4., 3.])
        """
        sd, v, axes = self.sd, self.sd.as_variable(x), space_axes(data_format)
        grid = grid_of(axes, v.shape[2:4], strides, padding, dilation)
        pads = grid.pads(sizes)
        nchw = axes == (2, 3)
        moved = sd.permute(v, (0, 1, 4, 5, 2, 3) if nchw else (0, 4, 5, 1, 2, 3))
        space = [n + sum(pad) for n, pad in zip(sizes, pads, strict=True)]
        whole_shape = (*v.shape[:2], *space) if nchw else (v.shape[0], *space, v.shape[1])
        like = sd.broadcast_to(sd.as_variable(np.zeros((), v.dtype)), whole_shape)
        added = sd.cnn.add_windows(moved, like, **grid.settings)
        inner = tuple(slice(pad[0], pad[0] + n) for n, pad in zip(sizes, pads, strict=True))
        return added[(slice(None), slice(None), *inner) if nchw else (slice(None), *inner)]

    @composite(infer=_patches)
    def extract_image_patches(
        self,
        x: Operand,
        k_h: int,
        k_w: int,
        s_h: int = 1,
        s_w: int = 1,
        r_h: int = 1,
        r_w: int = 1,
        same_mode: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The windows of pictures as channels: row by row of the window, each pixel with all its channels.

        Args:
            x: Pictures of any dtype, channels last, rank 4.
            k_h: Rows of a window.
            k_w: Columns of a window.
            s_h: How many rows apart windows begin.
            s_w: How many columns apart windows begin.
            r_h: How many rows apart the entries of a window are.
            r_w: How many columns apart the entries of a window are.
            same_mode: Whether there are zeros around, so that there is a window at each stride; the odd one behind.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.extract_image_patches([[[[1.0], [2.0], [3.0]]]], 1, 2).eval()
            array([[[[1., 2.],
                     [2., 3.]]]])
        """
        sd, v = self.sd, self.sd.as_variable(x)
        grid = grid_of((1, 2), (k_h, k_w), (s_h, s_w), _mode("same_mode", same_mode), (r_h, r_w))
        found = sd.permute(sd.cnn.windows(_padded(v, grid), **grid.settings), (0, 1, 2, 4, 5, 3))
        (batch, rows, columns), (h, w, channels) = found.shape[:3], found.shape[3:]
        return sd.reshape(found, (batch, rows, columns, h * w * channels))  # type: ignore[operator]

    @composite(infer=_dilated, grows=True)
    def dilation2d(
        self,
        x: Operand,
        weights: Operand,
        strides: Sequence[int] = (1, 1),
        rates: Sequence[int] = (1, 1),
        is_same_mode: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Grey-scale dilation: the largest ``x + weights`` in each window, channel by channel.

        What lies outside of a picture counts as minus infinity. Entries of a window that are all the largest share the
        gradient.

        Args:
            x: Pictures, channels last, rank 4.
            weights: Shape ``(rows, columns, channels)``: what is added to the entries of a window.
            strides: How far apart windows begin: rows and columns, or four numbers with 1 at both ends.
            rates: How far apart the entries of a window are, in the same way.
            is_same_mode: Whether there is a window at each stride, the odd row and column outside behind.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.dilation2d([[[[1.0], [5.0], [2.0]]]], [[[0.0], [1.0]]]).eval().ravel()
            array([6., 5.])
        """
        sd, v, w = self.sd, self.sd.as_variable(x), self.sd.as_variable(weights)
        steps = steps_of("strides", strides), steps_of("rates", rates)
        grid = grid_of((1, 2), w.shape[:2], steps[0], _mode("is_same_mode", is_same_mode), steps[1])
        space = v.shape[1:3]
        is_float = promote(v.dtype, w.dtype).kind == "f"
        around = _padded(cast_to(v, promote(v.dtype, w.dtype)), grid, -np.inf if is_float else 0)
        sums = sd.cnn.windows(around, **grid.settings) + sd.permute(w, (2, 0, 1))
        if not is_float:
            sums = sd.where(_inside(grid, space), sums, int(np.iinfo(sums.dtype).min))
        return sd.max(sums, (4, 5))
