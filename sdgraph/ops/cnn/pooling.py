"""Pooling under SameDiff's names: the largest number, or the mean, of each window of each channel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, one_of
from sdgraph.errors import DTypeError
from sdgraph.infer import shapes, windows
from sdgraph.infer.aval import Aval
from sdgraph.ops.cnn import layouts
from sdgraph.ops.cnn.layouts import Each, Padding, Sliding
from sdgraph.ops.precision import cast_to, wide

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand


# ---------------------------------------------------------------------- shapes


def _slid(space: Any, size: Any, strides: Any, padding: Any, dilation: Any, ceil: bool) -> Sliding:
    """The windows of a call. They stand side by side if their strides are left out."""
    k = windows.per_axis("size", size, len(space))
    flag("ceil", ceil)
    slid = layouts.sliding(space, k, k if strides is None else strides, padding, dilation, ceil)
    known = [0 if pair is None else n for n, pair in zip(space, slid.pads, strict=True)]
    pads = tuple((0, 0) if pair is None else pair for pair in slid.pads)
    windows.must_read_something(known, k, slid.strides, slid.dilation, pads)
    return slid


def _pooled(axes: int, x: Aval, size: Any, strides: Any, padding: Any, dilation: Any, ceil: bool, fmt: str) -> Aval:
    first = layouts.with_rank(x, axes, fmt)
    n, *space, c = layouts.channels_last_shape(x.shape, first)
    outs = _slid(space, size, strides, padding, dilation, ceil).outs(space)
    return Aval(layouts.as_given_shape((n, *outs, c), first), x.dtype)


_POOLED = """A place for each window.

    Returns:
        The axes of ``x``, with ``(n + before + behind - dilation (k - 1) - 1) // stride + 1`` places along each that
        windows slide along, at least 0; {dtype}.

    Raises:
        ShapeError: If ``x`` has another rank, no window fits into it, or one lies in the padding alone.
        ArgumentError: If there is no such padding or format, or a setting is no whole number, or one for each axis.
        ArgumentTypeError: If a flag is neither True nor False.
    """


def _real(x: Aval) -> Aval:
    if x.dtype.kind == "c":
        raise DTypeError("Complex numbers have no order.", given=x.dtype.name)
    return x


def _for_max(axes: int) -> Any:
    def infer(x: Aval, *, size: Any, strides: Any, padding: Any, dilation: Any, ceil: Any, data_format: Any) -> Aval:
        return _pooled(axes, _real(x), size, strides, padding, dilation, ceil, data_format)

    told = _POOLED.format(dtype="the same dtype")
    infer.__doc__ = told.replace("Raises:\n", "Raises:\n        DTypeError: If ``x`` is complex.\n")
    return infer


def _for_mean(axes: int) -> Any:
    def infer(
        x: Aval,
        *,
        size: Any,
        strides: Any,
        padding: Any,
        dilation: Any,
        ceil: Any,
        count_padding: Any,
        data_format: Any,
    ) -> Aval:
        flag("count_padding", count_padding)
        narrow = shapes.averaging(x, axis=None, keepdims=False).dtype
        return _pooled(axes, Aval(x.shape, narrow), size, strides, padding, dilation, ceil, data_format)

    infer.__doc__ = _POOLED.format(dtype="float64 for integers and bools, else the same dtype")
    return infer


def _with_positions(x: Aval, **settings: Any) -> tuple[Aval, Aval]:
    """A place for each window, twice.

    Returns:
        The largest numbers, of the dtype of ``x``, and their positions, int64; both of the shape of `max_pooling2d`.

    Raises:
        DTypeError: If ``x`` is complex.
        ShapeError: If ``x`` has another rank, no window fits into it, or one lies in the padding alone.
        ArgumentError: If there is no such padding or format, or a setting is no whole number, or one for each axis.
        ArgumentTypeError: If a flag is neither True nor False.
    """
    y = _for_max(2)(x, **settings)
    return y, Aval(y.shape, shapes.INT64)


# ---------------------------------------------------------------------- bodies


def _over_all_axes(
    x: SDVariable, size: Any, strides: Any, padding: Any, dilation: Any, ceil: bool, data_format: str
) -> dict[str, Any]:
    """The settings of the primitives, for which windows have one place along the other axes."""
    first = layouts.channels_first(data_format, x.ndim - 2)
    space = x.shape[2:] if first else x.shape[1:-1]
    k, s, d, pads = _slid(space, size, strides, padding, dilation, ceil)

    def spread(values: Any, other: Any) -> tuple[Any, ...]:
        return (other, other, *values) if first else (other, *values, other)

    return {
        "sizes": spread(k, 1),
        "strides": spread(s, 1),
        "dilation": spread(d, 1),
        "pads": spread(pads, (0, 0)),
    }


def _mean(
    x: Any, size: Any, strides: Any, padding: Any, dilation: Any, ceil: bool, count_padding: bool, data_format: str
) -> SDVariable:
    """Sums by a convolution of each channel with ones, divided by how many numbers there are."""
    sd, first = x.sd, layouts.channels_first(data_format, x.ndim - 2)
    dtype = shapes.averaging(x.aval, axis=None, keepdims=False).dtype
    v = layouts.channels_last(cast_to(x, wide(dtype)), first)
    space, c = cast("tuple[int, ...]", v.shape[1:-1]), cast("int", v.shape[-1])
    slid = _slid(space, size, strides, padding, dilation, ceil)
    asked = _slid(space, size, strides, padding, dilation, False).pads if count_padding else ((0, 0),) * len(space)
    ones = np.ones((*slid.k, min(c, 1), c), v.dtype)
    sums = sd.cnn.conv(v, ones, strides=slid.strides, dilation=slid.dilation, pads=slid.pads, groups=max(c, 1))
    counts = np.ones((1,) * len(space), np.int64)
    for axis, each in enumerate(zip(space, *slid, asked, strict=True)):
        counts = counts * windows.places_read(*each).reshape([-1 if k == axis else 1 for k in range(len(space))])
    if counts.size and (counts == counts.flat[0]).all():
        counts = counts.reshape(-1)[:1].reshape(())
    counts = counts[..., None] if counts.ndim else counts
    return layouts.as_given(cast_to(sums / counts.astype(v.dtype), dtype), first)


_ANY = {name: axes for axes, names in layouts.FORMATS.items() for name in names}


def _space_of(x: Aval, data_format: str, keepdims: Any) -> tuple[int, ...]:
    """The axes of a picture that are neither batch nor channels."""
    flag("keepdims", keepdims)
    axes = _ANY[one_of("data format", data_format, _ANY)]
    return tuple(range(2, axes + 2)) if layouts.with_rank(x, axes, data_format) else tuple(range(1, axes + 1))


# ---------------------------------------------------------------------- the namespace


class SDPooling(Namespace, prefix="cnn", shared=layouts.SHARED):
    """The largest number, or the mean, of each window."""

    @composite(infer=_for_max(2))
    def max_pooling2d(
        self,
        x: Operand,
        size: Each,
        strides: Each | None = None,
        padding: Padding = "valid",
        dilation: Each = 1,
        ceil: bool = False,
        data_format: Literal["NHWC", "NCHW"] = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The largest number of each window of pictures, channel by channel. Padding is never read, and NaN wins.

        The whole gradient goes to the first of the largest entries.

        Args:
            x: Shape ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``data_format="NCHW"``.
            strides: How far apart windows are; as far as they are wide if left out.
            ceil: Whether a last window counts that ends behind the array and its padding, if it does not begin there.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
            >>> nd.cnn.max_pooling2d(x, 2).ravel()
            array([ 5.,  7., 13., 15.])
        """
        settings = _over_all_axes(self.sd.as_variable(x), size, strides, padding, dilation, ceil, data_format)
        return self.sd.cnn.window_max(x, **settings)

    @composite(infer=_for_max(3))
    def max_pooling3d(
        self,
        x: Operand,
        size: Each,
        strides: Each | None = None,
        padding: Padding = "valid",
        dilation: Each = 1,
        ceil: bool = False,
        data_format: Literal["NDHWC", "NCDHW"] = "NDHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The largest number of each window of volumes, channel by channel. Padding is never read, and NaN wins.

        The whole gradient goes to the first of the largest entries.

        Args:
            x: Shape ``(N, D, H, W, C)``, or ``(N, C, D, H, W)`` with ``data_format="NCDHW"``.
            strides: How far apart windows are; as far as they are wide if left out.
            ceil: Whether a last window counts that ends behind the array and its padding, if it does not begin there.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> x = np.arange(64.0).reshape(1, 4, 4, 4, 1)
            >>> nd.cnn.max_pooling3d(x, 2).ravel()
            array([21., 23., 29., 31., 53., 55., 61., 63.])
        """
        settings = _over_all_axes(self.sd.as_variable(x), size, strides, padding, dilation, ceil, data_format)
        return self.sd.cnn.window_max(x, **settings)

    @composite(infer=_for_mean(2), grows=True)
    def avg_pooling2d(
        self,
        x: Operand,
        size: Each,
        strides: Each | None = None,
        padding: Padding = "valid",
        dilation: Each = 1,
        ceil: bool = False,
        count_padding: bool = False,
        data_format: Literal["NHWC", "NCHW"] = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The mean of each window of pictures, channel by channel: the sum of what is in the array over their number.

        Args:
            x: Shape ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``data_format="NCHW"``.
            strides: How far apart windows are; as far as they are wide if left out.
            ceil: Whether a last window counts that ends behind the array and its padding, if it does not begin there.
            count_padding: Whether the number is that of the places in the padding, too.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
            >>> nd.cnn.avg_pooling2d(x, 2).ravel()
            array([ 2.5,  4.5, 10.5, 12.5])
        """
        return _mean(self.sd.as_variable(x), size, strides, padding, dilation, ceil, count_padding, data_format)

    @composite(infer=_for_mean(3), grows=True)
    def avg_pooling3d(
        self,
        x: Operand,
        size: Each,
        strides: Each | None = None,
        padding: Padding = "valid",
        dilation: Each = 1,
        ceil: bool = False,
        count_padding: bool = False,
        data_format: Literal["NDHWC", "NCDHW"] = "NDHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The mean of each window of volumes, channel by channel: the sum of what is in the array over their number.

        Args:
            x: Shape ``(N, D, H, W, C)``, or ``(N, C, D, H, W)`` with ``data_format="NCDHW"``.
            strides: How far apart windows are; as far as they are wide if left out.
            ceil: Whether a last window counts that ends behind the array and its padding, if it does not begin there.
            count_padding: Whether the number is that of the places in the padding, too.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> x = np.arange(64.0).reshape(1, 4, 4, 4, 1)
            >>> nd.cnn.avg_pooling3d(x, 2).ravel()
            array([10.5, 12.5, 18.5, 20.5, 42.5, 44.5, 50.5, 52.5])
        """
        return _mean(self.sd.as_variable(x), size, strides, padding, dilation, ceil, count_padding, data_format)

    @composite(infer=_with_positions)
    def max_pool_with_argmax(
        self,
        x: Operand,
        size: Each,
        strides: Each | None = None,
        padding: Padding = "valid",
        dilation: Each = 1,
        ceil: bool = False,
        data_format: Literal["NHWC", "NCHW"] = "NHWC",
        *,
        name: str | None = None,
    ) -> tuple[SDVariable, SDVariable]:
        """`max_pooling2d`, and where the largest numbers are: their positions in the flat array of their picture.

        Of channel ``c`` at row ``y`` and column ``x`` that is ``(y W + x) C + c``, or with ``data_format="NCHW"``
        ``(c H + y) W + x``. The position is that of the first of the largest; it has no gradient.

        Args:
            x: Shape ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``data_format="NCHW"``.
            strides: How far apart windows are; as far as they are wide if left out.
            ceil: Whether a last window counts that ends behind the array and its padding, if it does not begin there.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> values, positions = nd.cnn.max_pool_with_argmax(np.arange(16.0).reshape(1, 4, 4, 1), 2)
            >>> positions.ravel()
            array([ 5,  7, 13, 15])
        """
        sd = self.sd
        v = sd.as_variable(x)
        settings = _over_all_axes(v, size, strides, padding, dilation, ceil, data_format)
        y = sd.cnn.window_max(v, **settings)
        at = sd.cnn.window_first(v, y, **settings)
        return y, at % max(math.prod(cast("tuple[int, ...]", v.shape[1:])), 1)

    @composite
    def global_max_pooling(
        self,
        x: Operand,
        keepdims: bool = False,
        data_format: Literal["NWC", "NCW", "NHWC", "NCHW", "NDHWC", "NCDHW"] = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The largest number of each channel of each picture. Of several equal ones each gets a part of the gradient.

        Args:
            x: Shape ``(N, *space, C)``, or ``(N, C, *space)``, with 1 to 3 axes between or behind.
            keepdims: Whether these axes stay, with size 1.
            data_format: Where the channels are.

        Returns:
            Shape ``(N, C)``, the same dtype.

        Raises:
            ShapeError: If ``x`` has another rank than the format.
            ArgumentError: If the format is unknown, or there is nothing to choose from.
            ArgumentTypeError: If ``keepdims`` is neither True nor False.

        Example:
            >>> import sdgraph.nd as nd
            >>> nd.cnn.global_max_pooling([[[1.0, 2.0], [3.0, 0.0]]], data_format="NWC")
            array([[3., 2.]])
        """
        v = self.sd.as_variable(x)
        return self.sd.max(v, _space_of(v.aval, data_format, keepdims), keepdims)

    @composite
    def global_avg_pooling(
        self,
        x: Operand,
        keepdims: bool = False,
        data_format: Literal["NWC", "NCW", "NHWC", "NCHW", "NDHWC", "NCDHW"] = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The mean of each channel of each picture.

        Args:
            x: Shape ``(N, *space, C)``, or ``(N, C, *space)``, with 1 to 3 axes between or behind.
            keepdims: Whether these axes stay, with size 1.
            data_format: Where the channels are.

        Returns:
            Shape ``(N, C)``; float64 for integers and bools, else the same dtype.

        Raises:
            ShapeError: If ``x`` has another rank than the format.
            ArgumentError: If the format is unknown.
            ArgumentTypeError: If ``keepdims`` is neither True nor False.

        Example:
            >>> import sdgraph.nd as nd
            >>> nd.cnn.global_avg_pooling([[[1.0, 2.0], [3.0, 0.0]]], data_format="NWC")
            array([[2., 1.]])
        """
        v = self.sd.as_variable(x)
        return self.sd.mean(v, _space_of(v.aval, data_format, keepdims), keepdims)
