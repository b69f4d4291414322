"""`BatchNormalization`: by the statistics of the batch in training, by moving ones otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, not_negative, whole
from sdgraph.errors import ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras import initializers
from sdgraph.keras.config import epsilon as fuzz
from sdgraph.keras.layers.demands import axes_of
from sdgraph.keras.layers.normalizing import Affine, weighed
from sdgraph.keras.layers.phases import at, chosen
from sdgraph.keras.layers.settings import refuse


@readable
class BatchNormalization(Affine):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with one mean and variance for each channel.

    In training these are the mean and the biased variance of the batch, over all axes but ``axis`` and what a mask
    leaves in, and moving ones become ``momentum * moving + (1 - momentum) * batch``. Where a model is used, and where
    ``trainable`` is False, the moving ones are taken and stay; a model that was compiled has to be compiled again.

    Args:
        axis: The axis of the channels.
        momentum: How much of the moving statistics stays.
        epsilon: Added to the variance.
        center: Whether there is an offset ``beta``.
        scale: Whether there is a scale ``gamma``.
        beta_initializer: How the offset is filled.
        gamma_initializer: How the scale is filled.
        moving_mean_initializer: How the moving mean is filled.
        moving_variance_initializer: How the moving variance is filled.
        beta_regularizer: What of the offset is added to what is minimised.
        gamma_regularizer: What of the scale is.
        beta_constraint: Anything but None is refused: constraints are not applied in training.
        gamma_constraint: The same.
        renorm: Anything but False is refused.
        renorm_clipping: Anything but None is refused.
        renorm_momentum: Has no effect without ``renorm``.
        synchronized: Anything but False is refused.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layer = layers.BatchNormalization(epsilon=0.0, momentum=0.5)
        >>> layer([[1.0], [3.0]], training=True)
        array([[-1.],
               [ 1.]], dtype=float32)
        >>> layer.moving_mean.value
        array([1.], dtype=float32)
    """

    does_less_when_frozen = True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(center, scale, weighed(locals()), **kwargs)
        refuse(self, renorm=renorm, renorm_clipping=renorm_clipping, synchronized=synchronized)
        self.axis = _one_axis(axis)
        self.momentum = between("momentum", momentum, 0, 1, ends=True)
        self.epsilon = not_negative("epsilon", epsilon)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the scale, the offset and the moving statistics."""
        (k,) = axes_of(self, self.axis, len(input_shape))
        shape = (input_shape[k],)
        self.build_affine(shape, self.scale, self.center)
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, trainable=False, name="moving_variance"
        )

    def call(self, inputs: SDVariable, training: bool | None = None, mask: SDVariable | None = None) -> SDVariable:
        """What is normalised.

        Raises:
            ShapeError: If a mask has not one axis less than the inputs.
        """
        sd, (axis,) = inputs.sd, axes_of(self, self.axis, inputs.ndim)
        if mask is not None and mask.ndim != inputs.ndim - 1:
            raise ShapeError(
                f"A mask of {self.name!r} has one axis less than the inputs.",
                given=f"{shape_str(mask.shape)} for {shape_str(inputs.shape)}",
            )
        mean, variance, rest = self.moving_mean, self.moving_variance, (self.gamma, self.beta, self.epsilon, axis)
        if training is False or not self.trainable:
            return sd.nn.batch_norm(inputs, mean, variance, *rest)
        if mask is None:
            y, *batch = at(training, sd.nn.batch_norm_training)(inputs, mean, variance, *rest, 0.0)
        else:
            batch = _masked_moments(inputs, mask, axis)
            used = [chosen(training, b, m) for b, m in zip(batch, (mean, variance), strict=True)]
            y = sd.nn.batch_norm(inputs, *used, *rest)
        for moving, value in zip((mean, variance), batch, strict=True):
            self.update_weight(moving, value, self.momentum)
        return y


def _one_axis(axis: int | Sequence[int]) -> int:
    """The axis; some files have it as a list.

    Raises:
        ArgumentTypeError: If it is none, or there are several.
    """
    if isinstance(axis, list | tuple):
        if len(axis) != 1:
            raise ArgumentTypeError("Statistics are those of one axis.", given=f"axis={shown(axis)}")
        (axis,) = axis
    return whole("axis", axis)


def _masked_moments(x: SDVariable, mask: SDVariable, axis: int) -> tuple[SDVariable, SDVariable]:
    """Mean and biased variance of what counts, as Keras has them: of nothing, 0."""
    sd = x.sd
    over = tuple(k for k in range(x.ndim) if k != axis)
    spread = sd.broadcast_like(sd.expand_dims(mask, -1), x)
    count = sd.sum(sd.cast(spread, x.dtype), axis=over, keepdims=True) + fuzz()
    mean = sd.sum(sd.where(spread, x, 0), axis=over, keepdims=True) / count
    square = sd.where(spread, sd.math.square(x - mean), 0)
    variance = sd.sum(square, axis=over, keepdims=True) / count
    return sd.squeeze(mean, over), sd.squeeze(variance, over)
