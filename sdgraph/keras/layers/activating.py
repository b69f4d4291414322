"""Activations that are layers of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, not_negative
from sdgraph.errors import ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.infer.shapes import known_to_differ
from sdgraph.keras import activations, initializers, regularizers
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.settings import refuse_constraints, wholes


@readable
class ReLU(Layer):
    """``x`` from the threshold up to ``max_value``, and ``negative_slope * (x - threshold)`` below.

    Args:
        max_value: What outputs do not exceed; None for no bound.
        negative_slope: The slope below the threshold.
        threshold: Where the function bends.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.ReLU(max_value=6.0, negative_slope=0.5)([-2.0, 1.0, 9.0])
        array([-1.,  1.,  6.], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else not_negative("max_value", max_value)
        self.negative_slope = not_negative("negative_slope", negative_slope)
        self.threshold = not_negative("threshold", threshold)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The activation of the inputs."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


@readable
class LeakyReLU(Layer):
    """``x`` where it is positive, else ``negative_slope * x``.

    Args:
        negative_slope: The slope below 0. Old programs call it ``alpha``.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.LeakyReLU(0.5)([-2.0, 1.0])
        array([-1.,  1.], dtype=float32)
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        self.negative_slope = not_negative("negative_slope", slope)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The activation of the inputs."""
        return activations.leaky_relu(inputs, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data; the slope by its new name."""
        return {k: v for k, v in super().get_config().items() if k != "alpha"} | {"negative_slope": self.negative_slope}


@readable
class PReLU(Layer):
    """``x`` where it is positive, else ``alpha * x``, where ``alpha`` is trained.

    Args:
        alpha_initializer: How the slopes are filled. They have the shape of an example.
        alpha_regularizer: What of the slopes is added to what is minimised.
        alpha_constraint: Anything but None is refused: constraints are not applied in training.
        shared_axes: The axes, counted from 1 behind the batch, along which there is one slope.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.PReLU(alpha_initializer="ones")([[-2.0, 1.0]])
        array([[-2.,  1.]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_constraints(self, alpha_constraint=alpha_constraint)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.shared_axes = [] if shared_axes is None else [*wholes("shared_axes", shared_axes, least=1)]

    def build(self, input_shape: Any) -> None:
        """Make the slopes.

        Raises:
            ShapeError: If the inputs lack an axis of ``shared_axes``.
        """
        if any(k >= len(input_shape) for k in self.shared_axes):
            raise ShapeError(
                f"The inputs of {self.name!r} lack an axis of shared_axes.",
                given=f"shared_axes={self.shared_axes} for {shape_str(input_shape)}",
            )
        shape = [1 if k in self.shared_axes else n for k, n in enumerate(input_shape)][1:]
        self.alpha = self.add_weight(shape, self.alpha_initializer, name="alpha", regularizer=self.alpha_regularizer)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The activation of the inputs."""
        return inputs.sd.where(inputs > 0, inputs, self.alpha * inputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        return super().get_config() | {"shared_axes": self.shared_axes or None}


@readable
class ELU(Layer):
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    Args:
        alpha: Minus the limit for small numbers.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.ELU()([-1.0, 2.0])
        array([-0.63212055,  2.        ], dtype=float32)
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = finite("alpha", alpha)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The activation of the inputs."""
        return activations.elu(inputs, self.alpha)


_LOW = {"float16": -3e4}
"""What Keras gives entries that do not count; -1e9 in other dtypes."""


@readable
class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` over an axis, or over several. Entries that a mask leaves out are 0.

    Args:
        axis: The axis, or a list of axes.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.Softmax()([[0.0, 0.0]])
        array([[0.5, 0.5]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        several = wholes("axis", axis)
        self.axis = axis if isinstance(axis, int) else list(several)

    def call(self, inputs: SDVariable, mask: SDVariable | None = None) -> SDVariable:
        """The probabilities.

        Raises:
            ShapeError: If the mask does not broadcast to the inputs.
        """
        sd, x = inputs.sd, inputs
        if mask is not None:
            if mask.dtype.kind != "b":
                mask = mask > 0.5
            _check_mask(self, mask, x)
            x = sd.where(mask, x, _LOW.get(x.dtype.name, -1e9))
        out = activations.softmax(x, self.axis if isinstance(self.axis, int) else tuple(self.axis))
        return out if mask is None else sd.where(mask, out, 0)


def _check_mask(layer: Layer, mask: SDVariable, x: SDVariable) -> None:
    behind = x.shape[x.ndim - mask.ndim :]
    if mask.ndim > x.ndim or any(m != 1 and known_to_differ(m, n) for m, n in zip(mask.shape, behind, strict=True)):
        raise ShapeError(
            f"The mask of {layer.name!r} does not broadcast to its inputs.",
            given=f"{shape_str(mask.shape)} for {shape_str(x.shape)}",
        )


@readable
class ThresholdedReLU(Layer):
    """``x`` where it is above ``theta``, else 0. Keras 3 has it no more; files of older ones do.

    Args:
        theta: The threshold.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.ThresholdedReLU(theta=1.0)([0.5, 1.0, 2.0])
        array([0., 0., 2.], dtype=float32)
    """

    supports_masking = True

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = not_negative("theta", theta)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The activation of the inputs."""
        return activations.threshold(inputs, self.theta, 0.0)
