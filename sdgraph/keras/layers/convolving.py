"""Convolutions as layers: plain, transposed, of each channel by itself, and in two steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, one_of, whole
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer.windows import per_axis
from sdgraph.keras import activations, initializers, regularizers
from sdgraph.keras.layers.settings import refuse, refuse_constraints
from sdgraph.keras.layers.spaced import Spaced, floating

Each = int | Sequence[int]

SAME = '``"valid"`` for none, or ``"same"`` for ``ceil(n / stride)`` windows, with the odd place behind.'
"""What padding by name means, of windows that slide."""


_SPREAD = """``"valid"`` for ``n stride + max(span - stride, 0)`` places, where a window spans
            ``dilation (kernel_size - 1) + 1``, or ``"same"`` for ``n stride``."""


def told_windows(padding: str, biases: str) -> str:
    """What docstrings say of windows, of what follows the products, and of the bias."""
    return f"""
        kernel_size: The sizes of the window: a whole number, or one for each axis of space.
        strides: How far apart windows are, likewise.
        padding: {padding}
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``. The weights are the same.
        dilation_rate: How far apart the places are that a window reads, likewise.
        activation: A function of the result, its name, or None for none.
        use_bias: Whether there is a bias ``({biases},)``.
        bias_initializer: How the bias is filled.
        bias_regularizer: What of the bias is added to what is minimised.
        bias_constraint: Anything but None is refused: constraints are not applied in training.
        activity_regularizer: What of the output is added to what is minimised."""


def told_kernel(which: str, shape: str) -> str:
    """What docstrings say of the settings of one kernel."""
    return f"""
        {which}_initializer: How the {which} weights ``{shape}`` are filled.
        {which}_regularizer: What of them is added to what is minimised.
        {which}_constraint: Anything but None is refused: constraints are not applied in training."""


class Filtering(Spaced):
    """Base of layers that slide filters: their windows, their bias and their activation."""

    settled = ("kernel_size", "strides", "padding", "data_format", "dilation_rate")
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def __init__(
        self,
        *,
        kernel_size: Each,
        strides: Each,
        padding: str,
        dilation_rate: Each,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = per_axis("kernel_size", kernel_size, self.axes)
        self.strides = per_axis("strides", strides, self.axes)
        self.dilation_rate = per_axis("dilation_rate", dilation_rate, self.axes)
        self.padding = one_of("padding", padding.lower() if isinstance(padding, str) else padding, self.paddings)
        self.activation = activations.get(activation)
        self.use_bias = flag("use_bias", use_bias)
        self.settle("bias", bias_initializer, bias_regularizer, bias_constraint)

    def settle(self, which: str, initializer: Any, regularizer: Any, constraint: Any) -> None:
        """Take the settings of one weight."""
        refuse_constraints(self, **{f"{which}_constraint": constraint})
        setattr(self, f"{which}_initializer", initializers.get(initializer))
        setattr(self, f"{which}_regularizer", regularizers.get(regularizer))

    def made(self, shape: Sequence[int], which: str, name: str | None = None) -> SDVariable:
        """A weight with the settings that were taken."""
        given = {"initializer": getattr(self, f"{which}_initializer")}
        return self.add_weight(shape, regularizer=getattr(self, f"{which}_regularizer"), name=name or which, **given)

    def add_bias(self, n: int) -> None:
        """Make the bias, if there is one."""
        self.bias = self.made((n,), "bias") if self.use_bias else None

    def computed(self, x: SDVariable) -> SDVariable:
        """The activation of the convolution."""
        return self.activation(self.convolved(floating(self, x)))

    def convolved(self, x: SDVariable) -> SDVariable:
        """The convolution with its bias."""
        raise NotImplementedError

    def over_rows(self, op: Any, x: SDVariable, *kernels: Any, **settings: Any) -> SDVariable:
        """A convolution of sequences as one of pictures of one row."""
        sd, row = x.sd, 2 if self.channels_first else 1
        flat = [sd.expand_dims(w, 0) for w in kernels]
        each = {"strides": (1, *self.strides), "dilation": (1, *self.dilation_rate), "padding": self.padding}
        y = op(sd.expand_dims(x, row), *flat, self.bias, **each, **settings, data_format=self.format_of(2))
        return sd.squeeze(y, row)

    def over_space(self, op: Any, x: SDVariable, *kernels: Any, **settings: Any) -> SDVariable:
        """A convolution with the settings of the layer."""
        each = {"strides": self.strides, "dilation": self.dilation_rate, "padding": self.padding}
        return op(x, *kernels, self.bias, **each, **settings, data_format=self.format_of(self.axes))


# ---------------------------------------------------------------------- plain convolutions


class Convolving(Filtering):
    """Base of convolutions."""

    told = f"""    Args:
        filters: How many filters there are: the channels of the output.
        groups: Into how many groups channels and filters are divided; each filter reads the channels of its group.\
{told_windows(SAME, "filters")}{told_kernel("kernel", "(*kernel_size, channels / groups, filters)")}
        lora_rank: Anything but None is refused.
        lora_alpha: Anything but None is refused.
        **kwargs: As for `Layer`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Each,
        strides: Each = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Each = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
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
        refuse(self, lora_rank=lora_rank, lora_alpha=lora_alpha)
        self.settle("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.filters = whole("filters", filters, least=1)
        self.groups = whole("groups", groups, least=1)
        if self.filters % self.groups:
            raise ArgumentError("Filters are divided among groups.", given=f"filters={filters}, groups={groups}")

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias."""
        c = self.channels_of(input_shape)
        if c % self.groups:
            raise ShapeError(
                f"The channels that {self.name!r} is fed are divided among its groups.",
                given=f"{c} channels, groups={self.groups}",
            )
        self.kernel = self.made((*self.kernel_size, c // self.groups, self.filters), "kernel")
        self.add_bias(self.filters)

    def convolved(self, x: SDVariable) -> SDVariable:
        """The convolution with its bias."""
        op = getattr(x.sd.cnn, f"conv{self.axes}d")
        return self.over_space(op, x, self.kernel, groups=self.groups)


@readable
class Conv1D(Convolving):
    """Convolution of sequences: at each step the sum of a window times the filters, plus the bias, then the activation.

    ``y[n, o, f] = sum x[n, stride o + dilation k - before, c] kernel[k, c, f] + bias[f]``; outside of ``x`` is 0.
    ``padding="causal"``, too: all of it is before, so that no step sees a later one.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layer = layers.Conv1D(1, 2, padding="causal", kernel_initializer="ones")
        >>> layer(np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)).ravel()
        array([ 1.,  3.,  6., 12.], dtype=float32)
    """

    axes = 1
    paddings = ("valid", "same", "causal")


@readable
class Conv2D(Convolving):
    """Convolution of pictures: at each place the sum of a window times the filters, plus the bias, then the activation.

    ``y[n, o, f] = sum x[n, stride o + dilation k - before, c] kernel[k, c, f] + bias[f]`` over the places ``k`` of the
    window, here with two axes, and the channels ``c``; outside of ``x`` is 0.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(np.ones((1, 28, 28, 1))).shape
        (1, 14, 14, 8)
    """

    axes = 2


@readable
class Conv3D(Convolving):
    """Convolution of volumes: at each place the sum of a window times the filters, plus the bias, then the activation.

    ``y[n, o, f] = sum x[n, stride o + dilation k - before, c] kernel[k, c, f] + bias[f]`` over the places ``k`` of the
    window, here with three axes, and the channels ``c``; outside of ``x`` is 0.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.Conv3D(3, 2, strides=2)(np.ones((1, 4, 4, 4, 2))).shape
        (1, 2, 2, 2, 3)
    """

    axes = 3


# ---------------------------------------------------------------------- transposed convolutions


class Transposing(Filtering):
    """Base of transposed convolutions."""

    settled = (*Filtering.settled, "output_padding")
    told = f"""    Args:
        filters: The channels of the output.
        output_padding: Places more behind, below the stride: a whole number, or one for each axis. There are
            ``(n - 1) stride + span + output_padding`` then, and with ``"same"``
            ``(n - 1) stride + span % 2 + output_padding``.\
{told_windows(_SPREAD, "filters")}{told_kernel("kernel", "(*kernel_size, filters, channels)")}
        **kwargs: As for `Layer`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Each,
        strides: Each = 1,
        padding: str = "valid",
        output_padding: Each | None = None,
        data_format: str | None = None,
        dilation_rate: Each = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
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
        self.settle("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.filters = whole("filters", filters, least=1)
        self.output_padding = self._behind(output_padding)

    def _behind(self, output_padding: Each | None) -> tuple[int, ...] | None:
        if output_padding is None:
            return None
        found = per_axis("output_padding", output_padding, self.axes, least=0)
        if any(n >= s for n, s in zip(found, self.strides, strict=True)):
            raise ArgumentError(
                "output_padding is below the strides.", given=f"output_padding={found}, strides={self.strides}"
            )
        return found

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias."""
        self.kernel = self.made((*self.kernel_size, self.filters, self.channels_of(input_shape)), "kernel")
        self.add_bias(self.filters)

    def convolved(self, x: SDVariable) -> SDVariable:
        """The transposed convolution with its bias."""
        extra = self.output_padding
        if self.axes == 1:
            extra = None if extra is None else (0, *extra)
            return self.over_rows(x.sd.cnn.deconv2d, x, self.kernel, output_padding=extra)
        return self.over_space(getattr(x.sd.cnn, f"deconv{self.axes}d"), x, self.kernel, output_padding=extra)


@readable
class Conv1DTranspose(Transposing):
    """Transposed convolution of sequences: each step is spread over a window, and what meets is added up.

    ``y[n, stride o + dilation k - before, f] = sum x[n, o, c] kernel[k, f, c] + bias[f]``, then the activation.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.Conv1DTranspose(3, 2, strides=2)(np.ones((1, 4, 5))).shape
        (1, 8, 3)
    """

    axes = 1


@readable
class Conv2DTranspose(Transposing):
    """Transposed convolution of pictures: each place is spread over a window, and what meets is added up.

    ``y[n, stride o + dilation k - before, f] = sum x[n, o, c] kernel[k, f, c] + bias[f]``, then the activation.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.Conv2DTranspose(8, 3, strides=2, padding="same")(np.ones((1, 7, 7, 4))).shape
        (1, 14, 14, 8)
    """

    axes = 2


@readable
class Conv3DTranspose(Transposing):
    """Transposed convolution of volumes: each place is spread over a window, and what meets is added up.

    ``y[n, stride o + dilation k - before, f] = sum x[n, o, c] kernel[k, f, c] + bias[f]``, then the activation.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.Conv3DTranspose(2, 2, strides=2)(np.ones((1, 3, 3, 3, 1))).shape
        (1, 6, 6, 6, 2)
    """

    axes = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Each,
        strides: Each = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Each | None = None,
        dilation_rate: Each = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        # Keras has output_padding behind data_format here.
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
