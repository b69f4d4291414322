"""Pooling as layers: the largest number, or the mean, of each window of each channel, or of all of its space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, one_of
from sdgraph.infer.windows import per_axis
from sdgraph.keras.layers.spaced import Spaced, floating
from sdgraph.ops.cnn.layouts import as_given, channels_last

Each = int | Sequence[int]


class Pooling(Spaced):
    """Base of layers that make one number of each window."""

    settled = ("pool_size", "strides", "padding", "data_format")
    told = """    Args:
        pool_size: The sizes of the window: a whole number, or one for each axis of space.
        strides: How far apart windows are, likewise; None for side by side.
        padding: ``"valid"`` for none, or ``"same"`` for ``ceil(n / stride)`` windows, with the odd place behind.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        name: What it is called.
        **kwargs: As for `Layer`."""
    kind: ClassVar[str]
    """What `sd.cnn` calls it."""

    def __init__(
        self,
        pool_size: Each,
        strides: Each | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, name=name, **kwargs)
        self.pool_size = per_axis("pool_size", pool_size, self.axes)
        self.strides = self.pool_size if strides is None else per_axis("strides", strides, self.axes)
        self.padding = one_of("padding", padding.lower() if isinstance(padding, str) else padding, ("valid", "same"))

    def computed(self, x: SDVariable) -> SDVariable:
        """One number of each window."""
        # With the channels last: quicker, and what turns them there goes where the layer before turned them back.
        v = channels_last(x, self.channels_first)
        row = () if self.axes > 1 else (1,)
        op = getattr(x.sd.cnn, f"{self.kind}{self.axes + len(row)}d")
        y = op(x.sd.expand_dims(v, 1) if row else v, (*row, *self.pool_size), (*row, *self.strides), self.padding)
        return as_given(x.sd.squeeze(y, 1) if row else y, self.channels_first)


class MaxPooling(Pooling):
    """Base of layers that take the largest number of each window."""

    kind = "max_pooling"

    def __init__(
        self,
        pool_size: Each = 2,
        strides: Each | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class AveragePooling(Pooling):
    """Base of layers that take the mean of each window."""

    kind = "avg_pooling"

    def computed(self, x: SDVariable) -> SDVariable:
        """The mean of each window."""
        return super().computed(floating(self, x))


@readable
class MaxPooling1D(MaxPooling):
    """The largest number of each window of sequences, channel by channel. Padding is never read.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.MaxPooling1D(2)(np.array([1.0, 3.0, 2.0, 5.0]).reshape(1, 4, 1)).ravel()
        array([3., 5.], dtype=float32)
    """

    axes = 1


@readable
class MaxPooling2D(MaxPooling):
    """The largest number of each window of pictures, channel by channel. Padding is never read.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.MaxPooling2D()(np.ones((1, 28, 28, 8))).shape
        (1, 14, 14, 8)
    """

    axes = 2


@readable
class MaxPooling3D(MaxPooling):
    """The largest number of each window of volumes, channel by channel. Padding is never read.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.MaxPooling3D((1, 2, 2))(np.ones((1, 4, 4, 4, 8))).shape
        (1, 4, 2, 2, 8)
    """

    axes = 3


@readable
class AveragePooling1D(AveragePooling):
    """The mean of each window of sequences, channel by channel: of those numbers that are not padding.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.AveragePooling1D(2, padding="same")(np.array([1.0, 3.0, 5.0]).reshape(1, 3, 1)).ravel()
        array([2., 5.], dtype=float32)
    """

    axes = 1


@readable
class AveragePooling2D(AveragePooling):
    """The mean of each window of pictures, channel by channel: of those numbers that are not padding.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.AveragePooling2D(2)(np.ones((1, 28, 28, 8))).shape
        (1, 14, 14, 8)
    """

    axes = 2


@readable
class AveragePooling3D(AveragePooling):
    """The mean of each window of volumes, channel by channel: of those numbers that are not padding.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.AveragePooling3D(2)(np.ones((1, 4, 4, 4, 8))).shape
        (1, 2, 2, 2, 8)
    """

    axes = 3


# ---------------------------------------------------------------------- all of space


class GlobalPooling(Spaced):
    """Base of layers that make one number of each channel."""

    settled = ("data_format",)
    told = """    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        keepdims: Whether the axes of space stay, with size 1.
        **kwargs: As for `Layer`."""

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.keepdims = flag("keepdims", keepdims)


class GlobalMaxPooling(GlobalPooling):
    """Base of layers that take the largest number of each channel."""

    def computed(self, x: SDVariable) -> SDVariable:
        """The largest number of each channel."""
        return x.sd.cnn.global_max_pooling(x, self.keepdims, self.format_of(self.axes))


class GlobalAveragePooling(GlobalPooling):
    """Base of layers that take the mean of each channel."""

    def computed(self, x: SDVariable) -> SDVariable:
        """The mean of each channel."""
        return x.sd.cnn.global_avg_pooling(floating(self, x), self.keepdims, self.format_of(self.axes))


@readable
class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest number of each channel of sequences: ``(batch, channels)``. A mask has no effect.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.GlobalMaxPooling1D()(np.array([[[1.0, 2.0], [3.0, 0.0]]]))
        array([[3., 2.]], dtype=float32)
    """

    axes = 1


@readable
class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest number of each channel of pictures: ``(batch, channels)``.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.GlobalMaxPooling2D(keepdims=True)(np.ones((2, 4, 4, 3))).shape
        (2, 1, 1, 3)
    """

    axes = 2


@readable
class GlobalMaxPooling3D(GlobalMaxPooling):
    """The largest number of each channel of volumes: ``(batch, channels)``.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.GlobalMaxPooling3D()(np.ones((2, 4, 4, 4, 3))).shape
        (2, 3)
    """

    axes = 3


@readable
class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean of each channel of sequences: ``(batch, channels)``.

    With a mask ``m`` it is ``sum(x m) / sum(m)`` over the steps, which is no number where no step counts. What it gives
    has no mask.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.GlobalAveragePooling1D()(np.array([[[1.0, 2.0], [3.0, 0.0]]]))
        array([[2., 1.]], dtype=float32)
    """

    axes = 1
    supports_masking = True

    def call(self, inputs: SDVariable, mask: SDVariable | None = None) -> SDVariable:
        """The mean of the steps that count."""
        if mask is None:
            return super().call(inputs)
        self.must_have_axes(inputs.shape)
        sd, x, axis = inputs.sd, floating(self, inputs), 2 if self.channels_first else 1
        counts = sd.cast(sd.expand_dims(mask, 1 if self.channels_first else 2), "bool")
        total = sd.sum(sd.where(counts, x, sd.zeros_like(x)), axis, self.keepdims)
        return total / sd.sum(sd.cast(counts, x.dtype), axis, self.keepdims)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """None."""
        return None


@readable
class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean of each channel of pictures: ``(batch, channels)``.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.GlobalAveragePooling2D()(np.ones((2, 4, 4, 3))).shape
        (2, 3)
    """

    axes = 2


@readable
class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean of each channel of volumes: ``(batch, channels)``.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.GlobalAveragePooling3D()(np.ones((2, 4, 4, 4, 3))).shape
        (2, 3)
    """

    axes = 3


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
