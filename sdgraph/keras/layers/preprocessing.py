"""Layers that prepare numbers: by fixed factors, by the statistics of data, and categories as numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, one_of, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.arrays import own_array
from sdgraph.infer.aval import shape_str
from sdgraph.keras.config import epsilon
from sdgraph.keras.layers.demands import axes_of
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.settings import refuse, wholes

Array = np.ndarray[Any, Any]


@readable
class Rescaling(Layer):
    """``x * scale + offset``.

    Args:
        scale: The factor, or one for each channel.
        offset: What is added, or one number for each channel.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.Rescaling(1 / 4, offset=-1.0)([0, 4, 8])
        array([-1.,  0.,  1.], dtype=float32)
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = _numbers("scale", scale), _numbers("offset", offset)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The scaled inputs, in the dtype of the layer."""
        x = inputs.sd.cast(inputs, self.dtype)
        return x * self.scale.astype(self.dtype) + self.offset.astype(self.dtype)


def _numbers(name: str, given: Any) -> Array:
    found = own_array(given)
    if found.dtype.kind not in "fiu":
        raise ArgumentTypeError(f"{name} is a number, or a list of numbers.", given=f"{name}={shown(given)}")
    return found


@readable
class Normalization(Layer):
    """``(x - mean) / max(sqrt(variance), 1e-7)`` with statistics that are given, or taken from data by `adapt`.

    Args:
        axis: The axis, or axes, that have statistics of their own; None for one mean and variance of all.
        mean: The mean; for some axes one number for each place. Without it, `adapt` finds it.
        variance: The variance.
        invert: Whether to undo it instead: ``mean + x * max(sqrt(variance), 1e-7)``.
        **kwargs: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layer = layers.Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer([[2.0], [4.0]])
        array([[0.],
               [2.]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else wholes("axis", axis)
        self.invert = flag("invert", invert)
        if (mean is None) != (variance is None):
            raise ArgumentError(
                "Mean and variance are given both, or neither.", given=f"mean={shown(mean)}, variance={shown(variance)}"
            )
        self.fixed = None if mean is None else (_numbers("mean", mean), _numbers("variance", variance))
        if self.fixed is not None:
            m, v = self.fixed
            if m.shape != v.shape or m.ndim > len(self.axis):
                raise ShapeError(
                    "Mean and variance have one shape, with an axis for each one that has statistics at most.",
                    given=f"mean {shape_str(m.shape)}, variance {shape_str(v.shape)}, axis={self.axis}",
                )

    def build(self, input_shape: Any) -> None:
        """Make the statistics, unless they were given: weights that are not trained."""
        shape = [input_shape[k] for k in sorted(axes_of(self, self.axis, len(input_shape)))]
        if self.fixed is None:
            self.adapt_mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(shape, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", "int32", trainable=False, name="count")

    def call(self, inputs: SDVariable) -> SDVariable:
        """What is normalised, in the dtype of the layer."""
        sd = inputs.sd
        x = sd.cast(inputs, self.dtype)
        axes = sorted(axes_of(self, self.axis, x.ndim))
        mean, variance = (
            self._placed(sd, v, axes, x.ndim) for v in self.fixed or (self.adapt_mean, self.adapt_variance)
        )
        spread = sd.math.max(sd.math.sqrt(variance), epsilon())
        return mean + x * spread if self.invert else (x - mean) / spread

    def _placed(self, sd: Any, given: Any, axes: Sequence[int], rank: int) -> SDVariable:
        """Statistics along the last of their axes, of the rank of the inputs."""
        v = sd.cast(sd.as_variable(given), self.dtype)
        shape = [1] * rank
        for k, n in zip(axes[len(axes) - v.ndim :], v.shape, strict=True):
            shape[k] = n
        return sd.reshape(v, shape)

    def adapt(self, data: Any) -> None:
        """Take mean and variance from data.

        Args:
            data: An array, or an iterable of arrays, which are batches; of a tuple the first entry is one.

        Raises:
            ArgumentError: If mean and variance were given, or there is no data.
            ArgumentTypeError: If it is neither.
            ShapeError: If batches do not have the same sizes where there are statistics.
        """
        if self.fixed is not None:
            raise ArgumentError(f"The statistics of {self.name!r} were given.", fix="Leave mean and variance out.")
        count, mean, variance = 0, 0.0, 0.0
        for batch in _batches(data):
            if not self.built:
                self(batch[:1])
            over = tuple(k for k in range(batch.ndim) if k not in axes_of(self, self.axis, batch.ndim))
            n = math.prod(batch.shape[k] for k in over)
            if not n:
                continue
            share = n / (count + n)
            values = batch.astype("float64")
            # The mean of both parts, and the spread within and between them.
            own, spread = values.mean(over), values.var(over)
            variance = (1 - share) * variance + share * spread + share * (1 - share) * np.square(own - mean)
            mean = (1 - share) * mean + share * own
            count += n
        if not count:
            raise ArgumentError(f"There is no data that {self.name!r} could adapt to.", given=shown(data))
        self.set_weights([mean, variance, self.get_weights()[2]])


def _batches(data: Any) -> Iterator[Array]:
    """Arrays, one after another.

    Raises:
        ArgumentTypeError: If it is no data.
    """
    if hasattr(data, "__array__"):
        yield own_array(data)
        return
    if not isinstance(data, Iterable) or isinstance(data, str | bytes):
        raise ArgumentTypeError("A layer adapts to an array, or to batches.", given=shown(data))
    for batch in data:
        batch = batch[0] if isinstance(batch, tuple) else batch
        if not hasattr(batch, "__array__"):
            raise ArgumentTypeError("A batch is an array.", given=shown(batch), fix="adapt(np.array(data)).")
        yield own_array(batch)


@readable
class CategoryEncoding(Layer):
    """Categories, whole numbers from 0 on, as rows of 0 and 1, or of how often each one occurs.

    Args:
        num_tokens: How many categories there are; other numbers count for none.
        output_mode: "one_hot" for a row for each number, "multi_hot" for one for each example, with 1 for each category
            that occurs, and "count" for how often it does.
        sparse: Anything but False is refused.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.CategoryEncoding(num_tokens=4, output_mode="count")([[0, 1], [3, 3]])
        array([[1., 1., 0., 0.],
               [0., 0., 0., 2.]], dtype=float32)
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        refuse(self, sparse=sparse)
        self.num_tokens = whole("num_tokens", num_tokens, least=1)
        mode = "multi_hot" if isinstance(output_mode, str) and output_mode == "binary" else output_mode
        self.output_mode = one_of("output_mode", mode, ("multi_hot", "one_hot", "count"))

    def call(self, inputs: SDVariable, count_weights: SDVariable | None = None) -> SDVariable:
        """The rows.

        Args:
            inputs: The categories.
            count_weights: What each of them counts, for "count".

        Raises:
            ArgumentError: If there are weights for another mode.
        """
        sd, x = inputs.sd, inputs
        if count_weights is not None and self.output_mode != "count":
            raise ArgumentError("Weights are for counts.", given=f"output_mode={self.output_mode!r} and count_weights")
        if self.output_mode == "one_hot":
            if x.ndim > 1 and x.shape[-1] == 1:
                x = sd.squeeze(x, -1)
            return sd.one_hot(x, self.num_tokens, dtype=self.dtype)
        if not x.ndim:
            x = sd.expand_dims(x, 0)
        rows = sd.one_hot(x, self.num_tokens, dtype=self.dtype)
        axis = 1 if x.ndim > 1 else 0
        if self.output_mode == "multi_hot":
            return sd.cast(sd.any(sd.neq(rows, 0), axis=axis), self.dtype)
        if count_weights is not None:
            rows = rows * sd.expand_dims(sd.cast(count_weights, self.dtype), -1)
        return sd.sum(rows, axis=axis)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        return super().get_config() | {"output_mode": self.output_mode}
