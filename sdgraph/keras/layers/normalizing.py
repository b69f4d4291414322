"""Layers that give examples the same mean, spread or length, each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, is_whole, not_negative, whole
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.keras import initializers, regularizers
from sdgraph.keras.layers.demands import axes_of, ranked
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.scaling import by_root_mean_square, unit
from sdgraph.keras.layers.settings import refuse_constraints


def _axis(axis: int | Sequence[int]) -> int | list[int]:
    if is_whole(axis):
        return axis
    return [whole("axis", k) for k in axis] if isinstance(axis, list | tuple) else whole("axis", axis)


def _along(v: SDVariable, x: SDVariable, axes: Sequence[int]) -> SDVariable:
    """A weight that has one axis for each of ``axes``, shaped to broadcast against ``x``."""
    return v.sd.reshape(v, tuple(x.shape[k] if k in axes else 1 for k in range(x.ndim)))


def weighed(given: dict[str, Any]) -> dict[str, Any]:
    """Of the arguments of a layer, those about its scale and its offset."""
    return {k: v for k, v in given.items() if k.startswith(("beta_", "gamma_"))}


class Affine(Layer):
    """Base of layers that may have a scale ``gamma`` and an offset ``beta``.

    Args:
        center: Whether there is an offset.
        scale: Whether there is a scale.
        settings: Initializers, regularizers and constraints of the two, by Keras' names of the arguments.
        **kwargs: As for `Layer`.
    """

    supports_masking = True

    def __init__(self, center: bool, scale: bool, settings: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        constraints = {k: settings[k] for k in ("beta_constraint", "gamma_constraint")}
        refuse_constraints(self, **constraints)
        self.center, self.scale = flag("center", center), flag("scale", scale)
        self.beta_initializer = initializers.get(settings["beta_initializer"])
        self.gamma_initializer = initializers.get(settings["gamma_initializer"])
        self.beta_regularizer = regularizers.get(settings["beta_regularizer"])
        self.gamma_regularizer = regularizers.get(settings["gamma_regularizer"])
        self.gamma = self.beta = None

    def build_affine(self, shape: Sequence[Any], scale: bool, center: bool) -> None:
        """Make the weights."""
        if scale:
            self.gamma = self.add_weight(
                shape, self.gamma_initializer, name="gamma", regularizer=self.gamma_regularizer
            )
        if center:
            self.beta = self.add_weight(shape, self.beta_initializer, name="beta", regularizer=self.beta_regularizer)

    def affine(self, y: SDVariable, axes: Sequence[int]) -> SDVariable:
        """``gamma * y + beta`` along axes."""
        if self.gamma is not None:
            y = y * _along(self.gamma, y, axes)
        return y if self.beta is None else y + _along(self.beta, y, axes)


@readable
class LayerNormalization(Affine):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with the statistics of each example over axes.

    Args:
        axis: The axis, or axes, that statistics are taken over and the weights have.
        epsilon: Added to the variance.
        center: Whether there is an offset ``beta``.
        scale: Whether there is a scale ``gamma``.
        beta_initializer: How the offset is filled.
        gamma_initializer: How the scale is filled.
        beta_regularizer: What of the offset is added to what is minimised.
        gamma_regularizer: What of the scale is.
        beta_constraint: Anything but None is refused: constraints are not applied in training.
        gamma_constraint: The same.
        rms_scaling: Whether to compute ``gamma * x / sqrt(variance + epsilon)`` instead, as Keras does by this
            name. `RMSNormalization` is what divides by the root mean square.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.LayerNormalization(epsilon=0.0)([[1.0, 3.0]])
        array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(center, scale, weighed(locals()), **kwargs)
        self.axis = _axis(axis)
        self.epsilon = not_negative("epsilon", epsilon)
        self.rms_scaling = flag("rms_scaling", rms_scaling)

    def build(self, input_shape: Any) -> None:
        """Make the scale and the offset."""
        shape = [input_shape[k] for k in axes_of(self, self.axis, len(input_shape))]
        self.build_affine(shape, self.scale or self.rms_scaling, self.center and not self.rms_scaling)

    def call(self, inputs: SDVariable) -> SDVariable:
        """What is normalised."""
        axes = axes_of(self, self.axis, inputs.ndim)
        if self.rms_scaling:
            return self.affine(by_root_mean_square(inputs, axes, self.epsilon, centred=True), axes)
        return self.affine(inputs.sd.nn.layer_norm(inputs, axis=axes, epsilon=self.epsilon), axes)


@readable
class GroupNormalization(Affine):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with the statistics of groups of channels.

    Channels that stand together are a group; statistics are of one example, over a group and all axes of space.

    Args:
        groups: How many groups there are; -1 for one for each channel.
        axis: The axis of the channels.
        epsilon: Added to the variance.
        center: Whether there is an offset ``beta``, one number for each channel.
        scale: Whether there is a scale ``gamma``.
        beta_initializer: How the offset is filled.
        gamma_initializer: How the scale is filled.
        beta_regularizer: What of the offset is added to what is minimised.
        gamma_regularizer: What of the scale is.
        beta_constraint: Anything but None is refused: constraints are not applied in training.
        gamma_constraint: The same.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.GroupNormalization(2, epsilon=0.0)([[1.0, 3.0, 10.0, 30.0]])
        array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(center, scale, weighed(locals()), **kwargs)
        self.groups = whole("groups", groups, least=-1)
        if self.groups == 0:
            raise ArgumentError("There is a group at least.", given="groups=0", expected="1 or more, or -1")
        self.axis = whole("axis", axis)
        self.epsilon = not_negative("epsilon", epsilon)

    def build(self, input_shape: Any) -> None:
        """Make the scale and the offset.

        Raises:
            ShapeError: If the channels cannot be put into so many groups.
        """
        (k,) = axes_of(self, self.axis, len(input_shape))
        channels = input_shape[k]
        if k == 0 or channels is None or channels % self._groups(channels):
            raise ShapeError(
                f"The channels of {self.name!r} cannot be put into groups of one size.",
                given=f"axis {k} of {shape_str(input_shape)}, {self.groups} groups",
                expected="a number of channels that the number of groups divides, not the batch",
            )
        self.build_affine((channels,), self.scale, self.center)

    def _groups(self, channels: Any) -> int:
        return channels if self.groups == -1 else self.groups

    def call(self, inputs: SDVariable) -> SDVariable:
        """What is normalised."""
        sd, (k,) = inputs.sd, axes_of(self, self.axis, inputs.ndim)
        x = ranked(self, inputs, least=2)
        n = self._groups(x.shape[k])
        # Several sizes may be unknown, so nothing is reshaped.
        apart = sd.stack(sd.split(x, n, axis=k), axis=1) if n > 1 else sd.expand_dims(x, 1)
        normal = sd.nn.layer_norm(apart, axis=tuple(range(2, apart.ndim)), epsilon=self.epsilon)
        together = sd.concat(sd.unstack(normal, axis=1), axis=k) if n > 1 else sd.squeeze(normal, 1)
        return self.affine(together, (k,))


@readable
class UnitNormalization(Layer):
    """``x`` divided by its length over axes, or by 1e-12 if that is more.

    Args:
        axis: The axis, or axes, of what gets the length 1.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.UnitNormalization()([[3.0, 4.0]])
        array([[0.6, 0.8]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = _axis(axis)

    def call(self, inputs: SDVariable) -> SDVariable:
        """What has the length 1."""
        return unit(inputs, axes_of(self, self.axis, inputs.ndim), 1e-12)


@readable
class RMSNormalization(Layer):
    """``scale * x / sqrt(mean x^2 + epsilon)`` with the mean over axes.

    Args:
        axis: The axis, or axes, that the mean is taken over. The scale has their sizes, and broadcasts as arrays do:
            as in Keras they are the last axes.
        epsilon: Added to the mean.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.RMSNormalization(epsilon=0.0)([[1.0, 7.0]])
        array([[0.2, 1.4]], dtype=float32)
    """

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = _axis(axis)
        self.epsilon = not_negative("epsilon", epsilon)

    def build(self, input_shape: Any) -> None:
        """Make the scale."""
        shape = [input_shape[k] for k in axes_of(self, self.axis, len(input_shape))]
        self.scale = self.add_weight(shape, "ones", name="scale")

    def call(self, inputs: SDVariable) -> SDVariable:
        """What is normalised."""
        axes = axes_of(self, self.axis, inputs.ndim)
        return by_root_mean_square(inputs, axes, self.epsilon) * self.scale
