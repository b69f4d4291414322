"""Convolutions of each channel by itself as layers, alone and as the first of two steps."""

from __future__ import annotations

from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import whole
from sdgraph.keras.layers.convolving import SAME, Each, Filtering, told_kernel, told_windows


class Depthwise(Filtering):
    """Base of convolutions of each channel by itself."""

    told = f"""    Args:
        depth_multiplier: How many filters each channel has.\
{told_windows(SAME, "channels depth_multiplier")}\
{told_kernel("depthwise", "(*kernel_size, channels, depth_multiplier)")}
        **kwargs: As for `Layer`."""

    def __init__(
        self,
        kernel_size: Each,
        strides: Each = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Each = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.settle("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self.depth_multiplier = whole("depth_multiplier", depth_multiplier, least=1)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias."""
        c = self.channels_of(input_shape)
        self.kernel = self.made((*self.kernel_size, c, self.depth_multiplier), "depthwise", "kernel")
        self.add_bias(c * self.depth_multiplier)

    def convolved(self, x: SDVariable) -> SDVariable:
        """The convolution with its bias."""
        over = self.over_rows if self.axes == 1 else self.over_space
        return over(x.sd.cnn.depth_wise_conv2d, x, self.kernel)


@readable
class DepthwiseConv1D(Depthwise):
    """Convolution of each channel of sequences with filters of its own, whose results stand side by side.

    ``y[n, o, c m + j] = sum x[n, stride o + dilation k - before, c] kernel[k, c, j] + bias[c m + j]`` for ``m``
    filters, then the activation.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.DepthwiseConv1D(3, depth_multiplier=2)(np.ones((1, 8, 4))).shape
        (1, 6, 8)
    """

    axes = 1


@readable
class DepthwiseConv2D(Depthwise):
    """Convolution of each channel of pictures with filters of its own, whose results stand side by side.

    ``y[n, o, c m + j] = sum x[n, stride o + dilation k - before, c] kernel[k, c, j] + bias[c m + j]`` for ``m``
    filters, then the activation.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(np.ones((1, 8, 8, 4))).shape
        (1, 8, 8, 8)
    """

    axes = 2


class Separable(Filtering):
    """Base of convolutions in two steps."""

    told = f"""    Args:
        filters: How many filters the second step has: the channels of the output.
        depth_multiplier: How many filters each channel has in the first step.\
{told_windows(SAME, "filters")}{told_kernel("depthwise", "(*kernel_size, channels, depth_multiplier)")}\
{told_kernel("pointwise", "(1, ..., channels depth_multiplier, filters)")}
        **kwargs: As for `Layer`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Each,
        strides: Each = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Each = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.settle("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self.settle("pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint)
        self.filters = whole("filters", filters, least=1)
        self.depth_multiplier = whole("depth_multiplier", depth_multiplier, least=1)

    def build(self, input_shape: Any) -> None:
        """Make both kernels and the bias."""
        c, m = self.channels_of(input_shape), self.depth_multiplier
        self.depthwise_kernel = self.made((*self.kernel_size, c, m), "depthwise", "depthwise_kernel")
        ones = (1,) * self.axes
        self.pointwise_kernel = self.made((*ones, c * m, self.filters), "pointwise", "pointwise_kernel")
        self.add_bias(self.filters)

    def convolved(self, x: SDVariable) -> SDVariable:
        """Both steps and the bias."""
        over = self.over_rows if self.axes == 1 else self.over_space
        return over(x.sd.cnn.separable_conv2d, x, self.depthwise_kernel, self.pointwise_kernel)


@readable
class SeparableConv1D(Separable):
    """Convolution of sequences in two steps: each channel by itself, then all channels at each step.

    It is that of `DepthwiseConv1D` without bias, then that of `Conv1D` with a window of one step, then the activation.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.SeparableConv1D(5, 3)(np.ones((1, 8, 4))).shape
        (1, 6, 5)
    """

    axes = 1


@readable
class SeparableConv2D(Separable):
    """Convolution of pictures in two steps: each channel by itself, then all channels at each place.

    It is that of `DepthwiseConv2D` without bias, then that of `Conv2D` with a window of one place, then the activation.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.SeparableConv2D(5, 3, padding="same")(np.ones((1, 8, 8, 4))).shape
        (1, 8, 8, 5)
    """

    axes = 2


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
