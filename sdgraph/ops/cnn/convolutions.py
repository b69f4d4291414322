"""Convolutions under SameDiff's names: layouts, padding by name and a bias around the primitives.

Each is a composite whose body is written when all sizes are known, so that "same" may mean another padding for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of, whole
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer import shapes, windows
from sdgraph.infer.aval import Aval, promote, shape_str
from sdgraph.ops.cnn import layouts
from sdgraph.ops.cnn.layouts import Each, Padding, Sliding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Operand

WEIGHTS = {"YXIO": (0, 1, 2, 3), "OIYX": (2, 3, 1, 0), "OYXI": (1, 2, 3, 0)}
"""How the axes of filters are ordered, and the permutation to the first of these."""


# ---------------------------------------------------------------------- shapes


def _filters(w: Aval, axes: int) -> None:
    if len(w.shape) != axes + 2:
        raise ShapeError(f"Filters have {axes + 2} axes here.", given=shape_str(w.shape))


def _channels(c: Any, wanted: Any, w: Aval, groups: int = 1) -> None:
    """Raise ShapeError unless the filters take the channels that there are, as far as both are known."""
    if type(wanted) is int and shapes.known_to_differ(c, wanted * groups):
        raise ShapeError(
            "The filters do not take as many channels as there are.",
            given=f"{c} channels, filters {shape_str(w.shape)}" + (f", groups={groups}" if groups > 1 else ""),
            expected=f"{wanted * groups} channels",
            fix="Give data_format=... if the channels are on another axis.",
        )


def _with_bias(bias: Aval | None, shape: Any, dtype: Any, first: bool) -> Aval:
    if bias is not None:
        shapes.must_have(bias, shape[-1:], "The bias has one number per filter.")
        dtype = promote(dtype, bias.dtype)
    return Aval(layouts.as_given_shape(shape, first), dtype)


def _convolved(
    axes: int,
    x: Aval,
    w: Aval,
    bias: Aval | None,
    *,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    data_format: str,
    weights_format: str = "YXIO",
) -> Aval:
    first = layouts.with_rank(x, axes, data_format)
    _filters(w, axes)
    if axes == 2:
        order = WEIGHTS[one_of("weights format", weights_format, WEIGHTS)]
        w = Aval(tuple(w.shape[k] for k in order), w.dtype)
    whole("groups", groups, least=1)
    n, *space, c = layouts.channels_last_shape(x.shape, first)
    f = w.shape[-1]
    _channels(c, w.shape[-2], w, groups)
    if type(f) is int and f % groups:
        raise ShapeError("Filters are divided among groups.", given=f"{f} filters, groups={groups}")
    outs = _slid(space, w, strides, padding, dilation).outs(space)
    return _with_bias(bias, (n, *outs, f), promote(x.dtype, w.dtype), first)


def _slid(space: Any, w: Aval, strides: Any, padding: Any, dilation: Any) -> Sliding:
    """The windows of filters ``(*k, ., .)``."""
    k = w.shape[:-2]
    if any(n == 0 for n in k):
        raise ShapeError("A window has at least one place along each axis.", given=f"filters {shape_str(w.shape)}")
    return layouts.sliding(space, k, strides, padding, dilation)


def _depth_wise(
    x: Aval, w: Aval, bias: Aval | None, *, strides: Any, padding: Any, dilation: Any, data_format: str
) -> Aval:
    """A place for each window, and so many filters for each channel.

    Returns:
        ``(N, *out, C m)``, or with ``"NCHW"`` ``(N, C m, *out)``: that of filter ``j`` of channel ``c`` is
        ``c m + j``. The promoted dtype.

    Raises:
        ShapeError: If ranks, channels, filters or bias do not fit each other, or no window fits into the array.
        ArgumentError: If there is no such padding or format, or a setting is no whole number, or one for each axis.
    """
    first = layouts.with_rank(x, 2, data_format)
    _filters(w, 2)
    n, *space, c = layouts.channels_last_shape(x.shape, first)
    _channels(c, w.shape[-2], w)
    a, m = w.shape[-2:]
    f = a * m if type(a) is int and type(m) is int else None
    outs = _slid(space, w, strides, padding, dilation).outs(space)
    return _with_bias(bias, (n, *outs, f), promote(x.dtype, w.dtype), first)


def _separable(x: Aval, w: Aval, point: Aval, bias: Aval | None, *, data_format: str, **a: Any) -> Aval:
    """A place for each window of the first step, and the filters of the second.

    Returns:
        ``(N, *out, F)``, or with ``"NCHW"`` ``(N, F, *out)``; the promoted dtype.

    Raises:
        ShapeError: If ranks, channels, filters or bias do not fit each other, or no window fits into the array.
        ArgumentError: If there is no such padding or format, or a setting is no whole number, or one for each axis.
    """
    y = _depth_wise(x, w, None, data_format=data_format, **a)
    _filters(point, 2)
    if any(shapes.known_to_differ(k, 1) for k in point.shape[:2]):
        raise ShapeError("The filters of the second step have one place.", given=shape_str(point.shape))
    return _convolved(2, y, point, bias, strides=1, padding="valid", dilation=1, groups=1, data_format=data_format)


def _deconvolved(
    axes: int,
    x: Aval,
    w: Aval,
    bias: Aval | None,
    *,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    output_padding: Any,
    data_format: str,
) -> Aval:
    first = layouts.with_rank(x, axes, data_format)
    _filters(w, axes)
    whole("groups", groups, least=1)
    n, *space, c = layouts.channels_last_shape(x.shape, first)
    f, wanted = w.shape[-2:]
    _channels(c, wanted, w)
    if type(c) is int and c % groups:
        raise ShapeError("Channels are divided among groups.", given=f"{c} channels, groups={groups}")
    sizes: tuple[Any, ...] = (None,) * axes
    s, d, extra = _deconvolution(axes, strides, dilation, output_padding)
    windows.transposed(padding, (1,) * axes, (1,) * axes, s, d, extra)  # For its errors.
    if all(type(k) is int and k > 0 for k in w.shape[:-2]):
        sizes = windows.transposed(padding, space, cast("Sequence[int]", w.shape[:-2]), s, d, extra).sizes
    elif any(k == 0 for k in w.shape[:-2]):
        raise ShapeError("A window has at least one place along each axis.", given=f"filters {shape_str(w.shape)}")
    return _with_bias(bias, (n, *sizes, f * groups if type(f) is int else None), promote(x.dtype, w.dtype), first)


def _deconvolution(axes: int, strides: Any, dilation: Any, output_padding: Any) -> tuple[Any, Any, Any]:
    s, d = windows.per_axis("strides", strides, axes), windows.per_axis("dilation", dilation, axes)
    extra = None if output_padding is None else windows.per_axis("output_padding", output_padding, axes, least=0)
    if extra is not None and any(e >= max(ss, dd) for e, ss, dd in zip(extra, s, d, strict=True)):
        raise ArgumentError(
            "More places behind than a stride or the dilation apart come from nowhere.",
            given=f"output_padding={output_padding}, strides={strides}",
        )
    return s, d, extra


_CONVOLVED = """A place for each window.

    Returns:
        The batch, then ``(n + before + behind - dilation (k - 1) - 1) // stride + 1`` places along each axis, at least
        0, and the filters where the channels are in ``x``; the promoted dtype.

    Raises:
        ShapeError: If ranks, channels, filters, groups or bias do not fit each other, or no window fits into the array.
        ArgumentError: If there is no such padding or format, or a setting is no whole number, or one for each axis.
    """
_DECONVOLVED = """The array that the windows slide over.

    Returns:
        The batch, for ``n`` places along each axis ``n stride + max(dilation (k - 1) + 1 - stride, 0)`` with padding
        "valid", ``n stride`` with "same", and ``(n - 1) stride + dilation (k - 1) + 1 - before - behind`` with padding
        in numbers; and the filters where the channels are in ``x``. The promoted dtype.

    Raises:
        ShapeError: If ranks, channels, filters, groups or bias do not fit each other.
        ArgumentError: If there is no such padding or format, or a setting is no whole number, or one for each axis.
    """


def _for(axes: int, rule: Any, doc: str) -> Any:
    """A shape rule for so many axes."""

    def infer(*avals: Any, **attrs: Any) -> Aval:
        return rule(axes, *avals, **attrs)

    infer.__doc__ = doc
    return infer


# ---------------------------------------------------------------------- bodies


def _plus(y: SDVariable, bias: Any, first: bool) -> SDVariable:
    return layouts.as_given(y if bias is None else y + bias, first)


def _convolution(
    x: Any,
    weights: Any,
    bias: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    data_format: str,
) -> SDVariable:
    first = layouts.channels_first(data_format, x.ndim - 2)
    x = layouts.channels_last(x, first)
    slid = layouts.sliding(x.shape[1:-1], weights.shape[:-2], strides, padding, dilation)
    y = x.sd.cnn.conv(x, weights, strides=slid.strides, dilation=slid.dilation, pads=slid.pads, groups=groups)
    return _plus(y, bias, first)


def _deconvolve(
    x: Any,
    weights: Any,
    bias: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    output_padding: Any,
    data_format: str,
) -> SDVariable:
    axes = x.ndim - 2
    first = layouts.channels_first(data_format, axes)
    x = layouts.channels_last(x, first)
    s, d, extra = _deconvolution(axes, strides, dilation, output_padding)
    sizes, pads = windows.transposed(padding, x.shape[1:-1], weights.shape[:-2], s, d, extra)
    y = x.sd.cnn.conv_input(x, weights, sizes=sizes, strides=s, dilation=d, pads=pads, groups=groups)
    return _plus(y, bias, first)


def _by_channel(x: SDVariable, weights: SDVariable, **a: Any) -> SDVariable:
    """Each channel with its own filters."""
    k, (c, m) = weights.shape[:-2], cast("tuple[int, int]", weights.shape[-2:])
    w = x.sd.reshape(weights, (*k, min(c, 1), c * m))
    return x.sd.cnn.conv(x, w, groups=max(c, 1), **a)


# ---------------------------------------------------------------------- the namespace


class SDConvolutions(Namespace, prefix="cnn", shared=layouts.SHARED):
    """Convolutions, and convolutions transposed."""

    @composite(infer=_for(1, _convolved, _CONVOLVED))
    def conv1d(
        self,
        x: Operand,
        weights: Operand,
        bias: Operand | None = None,
        strides: Each = 1,
        padding: Padding = "valid",
        dilation: Each = 1,
        groups: int = 1,
        data_format: Literal["NWC", "NCW"] = "NWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Convolution of sequences: at each place the sum of a window times the filters, plus the bias.

        ``y[n, o, f] = sum x[n, stride o + dilation k - before, c] weights[k, c, f] + bias[f]`` over all places ``k`` of
        the window and channels ``c``; outside of ``x`` is 0. The window is not turned around.

        Args:
            x: Shape ``(N, W, C)``, or ``(N, C, W)`` with ``data_format="NCW"``.
            weights: Shape ``(k, C / groups, F)``.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> x = np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)
            >>> nd.cnn.conv1d(x, np.ones((2, 1, 1)), padding="causal").ravel()
            array([ 1.,  3.,  6., 12.])
        """
        return _convolution(x, weights, bias, strides, padding, dilation, groups, data_format)

    @composite(infer=_for(2, _convolved, _CONVOLVED))
    def conv2d(
        self,
        x: Operand,
        weights: Operand,
        bias: Operand | None = None,
        strides: Each = 1,
        padding: Padding = "valid",
        dilation: Each = 1,
        groups: int = 1,
        data_format: Literal["NHWC", "NCHW"] = "NHWC",
        weights_format: Literal["YXIO", "OIYX", "OYXI"] = "YXIO",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Convolution of pictures: at each place the sum of a window times the filters, plus the bias.

        ``y[n, o, f] = sum x[n, stride o + dilation k - before, c] weights[k, c, f] + bias[f]`` over all places ``k`` of
        the window and channels ``c``; outside of ``x`` is 0. The window is not turned around.

        Args:
            x: Shape ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``data_format="NCHW"``.
            weights: Shape ``(kH, kW, C / groups, F)``.
            data_format: Where the channels are.
            weights_format: The axes of the filters: ``"YXIO"`` for those above, or ``"OIYX"`` (as in PyTorch and ONNX),
                ``"OYXI"``.

        Example:
            >>> import numpy as np
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x", (None, 28, 28, 1))
            >>> w = sd.var("w", shape=(3, 3, 1, 8))
            >>> sd.cnn.conv2d(x, w, strides=2, padding="same").shape
            (None, 14, 14, 8)
        """
        sd, order = self.sd, WEIGHTS[weights_format]
        w = sd.as_variable(weights)
        w = w if weights_format == "YXIO" else sd.permute(w, order)
        return _convolution(x, w, bias, strides, padding, dilation, groups, data_format)

    @composite(infer=_for(3, _convolved, _CONVOLVED))
    def conv3d(
        self,
        x: Operand,
        weights: Operand,
        bias: Operand | None = None,
        strides: Each = 1,
        padding: Padding = "valid",
        dilation: Each = 1,
        groups: int = 1,
        data_format: Literal["NDHWC", "NCDHW"] = "NDHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Convolution of volumes: at each place the sum of a window times the filters, plus the bias.

        ``y[n, o, f] = sum x[n, stride o + dilation k - before, c] weights[k, c, f] + bias[f]`` over all places ``k`` of
        the window and channels ``c``; outside of ``x`` is 0. The window is not turned around.

        Args:
            x: Shape ``(N, D, H, W, C)``, or ``(N, C, D, H, W)`` with ``data_format="NCDHW"``.
            weights: Shape ``(kD, kH, kW, C / groups, F)``.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> nd.cnn.conv3d(np.ones((1, 4, 4, 4, 2)), np.ones((2, 2, 2, 2, 3)), strides=2).shape
            (1, 2, 2, 2, 3)
        """
        return _convolution(x, weights, bias, strides, padding, dilation, groups, data_format)

    @composite(infer=_depth_wise)
    def depth_wise_conv2d(
        self,
        x: Operand,
        depth_weights: Operand,
        bias: Operand | None = None,
        strides: Each = 1,
        padding: Padding = "valid",
        dilation: Each = 1,
        data_format: Literal["NHWC", "NCHW"] = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Convolution of each channel with filters of its own: ``m`` of them, whose results stand side by side.

        ``y[n, o, c m + j] = sum x[n, stride o + dilation k - before, c] depth_weights[k, c, j] + bias[c m + j]``.

        Args:
            x: Shape ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``data_format="NCHW"``.
            depth_weights: Shape ``(kH, kW, C, m)``.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> nd.cnn.depth_wise_conv2d(np.ones((1, 4, 4, 2)), np.ones((3, 3, 2, 3)), padding="same").shape
            (1, 4, 4, 6)
        """
        first = layouts.channels_first(data_format, 2)
        v, w = layouts.channels_last(self.sd.as_variable(x), first), self.sd.as_variable(depth_weights)
        slid = layouts.sliding(v.shape[1:-1], w.shape[:-2], strides, padding, dilation)
        y = _by_channel(v, w, strides=slid.strides, dilation=slid.dilation, pads=slid.pads)
        return _plus(y, bias, first)

    @composite(infer=_separable)
    def separable_conv2d(
        self,
        x: Operand,
        depth_weights: Operand,
        point_weights: Operand,
        bias: Operand | None = None,
        strides: Each = 1,
        padding: Padding = "valid",
        dilation: Each = 1,
        data_format: Literal["NHWC", "NCHW"] = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Convolution in two steps: each channel with filters of its own, then all channels at each place.

        It is `depth_wise_conv2d` with the strides, padding and dilation, then `conv2d` with filters of one place.

        Args:
            x: Shape ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``data_format="NCHW"``.
            depth_weights: Shape ``(kH, kW, C, m)``.
            point_weights: Shape ``(1, 1, C m, F)``.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> nd.cnn.separable_conv2d(np.ones((1, 4, 4, 2)), np.ones((3, 3, 2, 1)), np.ones((1, 1, 2, 5))).shape
            (1, 2, 2, 5)
        """
        cnn = self.sd.cnn
        y = cnn.depth_wise_conv2d(
            x, depth_weights, strides=strides, padding=padding, dilation=dilation, data_format=data_format
        )
        return cnn.conv2d(y, point_weights, bias, data_format=data_format)

    @composite(infer=_for(2, _deconvolved, _DECONVOLVED))
    def deconv2d(
        self,
        x: Operand,
        weights: Operand,
        bias: Operand | None = None,
        strides: Each = 1,
        padding: Literal["valid", "same"] | int | Sequence[int | Sequence[int]] = "valid",
        dilation: Each = 1,
        groups: int = 1,
        output_padding: Each | None = None,
        data_format: Literal["NHWC", "NCHW"] = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Transposed convolution of pictures: each place is spread over a window, and what meets is added up.

        ``y[n, stride o + dilation k - before, f] = sum x[n, o, c] weights[k, f, c] + bias[f]``. It has the sizes that a
        convolution would need to give those of ``x``.

        Args:
            x: Shape ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``data_format="NCHW"``.
            weights: Shape ``(kH, kW, F / groups, C)``.
            padding: "valid" for none; "same" for ``n stride`` places; or what is cut off: a number of places, or for
                each axis a number or a pair (before, behind).
            output_padding: Places more behind, a whole number or one for each axis. With "same" there are
                ``(n - 1) stride + span % 2 + output_padding`` places, where a window spans ``dilation (k - 1) + 1``.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> y = nd.cnn.deconv2d(np.ones((1, 2, 2, 1)), np.ones((3, 3, 1, 1)), strides=2)
            >>> y.shape
            (1, 5, 5, 1)
        """
        return _deconvolve(x, weights, bias, strides, padding, dilation, groups, output_padding, data_format)

    @composite(infer=_for(3, _deconvolved, _DECONVOLVED))
    def deconv3d(
        self,
        x: Operand,
        weights: Operand,
        bias: Operand | None = None,
        strides: Each = 1,
        padding: Literal["valid", "same"] | int | Sequence[int | Sequence[int]] = "valid",
        dilation: Each = 1,
        groups: int = 1,
        output_padding: Each | None = None,
        data_format: Literal["NDHWC", "NCDHW"] = "NDHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Transposed convolution of volumes: each place is spread over a window, and what meets is added up.

        ``y[n, stride o + dilation k - before, f] = sum x[n, o, c] weights[k, f, c] + bias[f]``. It has the sizes that a
        convolution would need to give those of ``x``.

        Args:
            x: Shape ``(N, D, H, W, C)``, or ``(N, C, D, H, W)`` with ``data_format="NCDHW"``.
            weights: Shape ``(kD, kH, kW, F / groups, C)``.
            padding: "valid" for none; "same" for ``n stride`` places; or what is cut off: a number of places, or for
                each axis a number or a pair (before, behind).
            output_padding: Places more behind, a whole number or one for each axis. With "same" there are
                ``(n - 1) stride + span % 2 + output_padding`` places, where a window spans ``dilation (k - 1) + 1``.
            data_format: Where the channels are.

        Example:
            >>> import numpy as np
            >>> import sdgraph.nd as nd
            >>> y = nd.cnn.deconv3d(np.ones((1, 2, 2, 2, 1)), np.ones((3, 3, 3, 1, 1)), strides=2)
            >>> y.shape
            (1, 5, 5, 5, 1)
        """
        return _deconvolve(x, weights, bias, strides, padding, dilation, groups, output_padding, data_format)
