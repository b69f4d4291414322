"""Layers against fitting too well: what drops or disturbs entries at random in training, and what makes outputs cost.

Random layers hand on what they get where a model is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, not_negative, one_of, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras import regularizers
from sdgraph.keras.layers.demands import ranked
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.phases import at, chosen


class _Random(Layer):
    """A layer that does something at random in training only."""

    supports_masking = True

    def __init__(self, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = None if seed is None else whole("seed", seed, least=0)

    def call(self, inputs: SDVariable, training: bool | None = None) -> SDVariable:
        """The inputs, disturbed in training."""
        if training is False or not self.strength():
            return inputs
        return self.disturbed(inputs, training)

    def strength(self) -> float:
        """How much is done: 0 for nothing at all."""
        raise NotImplementedError

    def disturbed(self, x: SDVariable, training: bool | None) -> SDVariable:
        """What is done in training, and, if ``training`` is None, in a graph that is trained."""
        raise NotImplementedError


class _Dropping(_Random):
    """A layer that drops entries with the probability ``rate``, several together where ``shared`` says so."""

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.rate = between("rate", rate, 0, 1, ends=True)

    def strength(self) -> float:
        """The rate."""
        return self.rate

    def shared(self, x: SDVariable) -> tuple[int, ...]:
        """The axes along which entries are dropped or kept together."""
        return ()

    def kept(self, x: SDVariable, training: bool | None) -> SDVariable:
        """For entries, 0 if they are dropped and else ``1 / (1 - rate)``; 1 where the graph is used."""
        alike = self.shared(x)
        like = x[tuple(slice(0, 1) if k in alike else slice(None) for k in range(x.ndim))] if alike else x
        ones = x.sd.ones_like(like, x.dtype)
        return at(training, x.sd.nn.dropout)(ones, self.rate, seed=self.seed)

    def disturbed(self, x: SDVariable, training: bool | None) -> SDVariable:
        """What is kept, as much larger as it is rarer."""
        sd = x.sd
        if self.rate == 1:
            return chosen(training, sd.zeros_like(x), x)
        if not self.shared(x):
            return at(training, sd.nn.dropout)(x, self.rate, seed=self.seed)
        factor = self.kept(x, training)
        return sd.where(sd.neq(factor, 0), x * factor, 0)


def _noise_shape(given: Any) -> tuple[int | None, ...] | None:
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ArgumentTypeError("noise_shape is a list of sizes.", given=f"noise_shape={shown(given)}")
    return tuple(None if n is None else whole("noise_shape", n, least=1) for n in given)


class _Shaped(_Dropping):
    """A layer whose argument ``noise_shape`` says what is dropped together."""

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = _noise_shape(noise_shape)

    def shared(self, x: SDVariable) -> tuple[int, ...]:
        """The axes that have the size 1 in ``noise_shape``.

        Raises:
            ShapeError: If ``noise_shape`` is no shape for these inputs.
        """
        given = self.noise_shape
        if given is None:
            return ()
        fits = len(given) == x.ndim and all(
            n in (None, 1) or not isinstance(size, int) or n == size for n, size in zip(given, x.shape, strict=True)
        )
        if not fits:
            raise ShapeError(
                f"The noise_shape of {self.name!r} does not fit its inputs.",
                given=f"{shape_str(given)} for {shape_str(x.shape)}",
                expected="for each axis its size, or None, or 1 where entries are dropped together",
            )
        return tuple(k for k, n in enumerate(given) if n == 1)


@readable
class Dropout(_Shaped):
    """Sets entries to 0 at random in training; those kept are divided by the chance of being kept.

    Args:
        rate: The chance of an entry to be dropped, from 0 to 1.
        noise_shape: For each axis 1 where entries are dropped together, else None or the size; None for no such axis.
        seed: Where its draws begin; by default where those of the graph do.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layer = layers.Dropout(0.5, seed=1)
        >>> layer(ops.ones((1, 3)))
        array([[1., 1., 1.]], dtype=float32)
        >>> sorted(set(layer(ops.ones((1, 100)), training=True)[0].tolist()))
        [0.0, 2.0]
    """


class _Spatial(_Dropping):
    """Drops whole channels."""

    rank: int

    def __init__(self, rate: float, seed: Any, data_format: Any, kwargs: dict[str, Any]) -> None:
        super().__init__(rate, seed, **kwargs)
        self.data_format = one_of("data_format", data_format or "channels_last", ("channels_last", "channels_first"))

    def shared(self, x: SDVariable) -> tuple[int, ...]:
        """The axes of space."""
        ranked(self, x, self.rank)
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank - 2))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data; Keras' own has nothing that could be trained."""
        return {k: v for k, v in super().get_config().items() if k != "trainable"}


@readable
class SpatialDropout1D(_Spatial):
    """`Dropout` of whole channels of inputs ``(batch, steps, channels)``.

    Args:
        rate: The chance of a channel to be dropped, from 0 to 1.
        seed: Where its draws begin; by default where those of the graph do.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> x = layers.SpatialDropout1D(0.5, seed=1)(ops.ones((2, 5, 8)), training=True)
        >>> bool((x == x[:, :1]).all())
        True
    """

    rank = 3

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, "channels_last", kwargs)


@readable
class SpatialDropout2D(_Spatial):
    """`Dropout` of whole channels of images.

    Args:
        rate: The chance of a channel to be dropped, from 0 to 1.
        data_format: "channels_last" or "channels_first".
        seed: Where its draws begin; by default where those of the graph do.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.SpatialDropout2D(0.5)(ops.ones((1, 1, 1, 2)))
        array([[[[1., 1.]]]], dtype=float32)
    """

    rank = 4

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, data_format, kwargs)


@readable
class SpatialDropout3D(_Spatial):
    """`Dropout` of whole channels of volumes.

    Args:
        rate: The chance of a channel to be dropped, from 0 to 1.
        data_format: "channels_last" or "channels_first".
        seed: Where its draws begin; by default where those of the graph do.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.SpatialDropout3D(0.5)(ops.ones((1, 1, 1, 1, 2)))
        array([[[[[1., 1.]]]]], dtype=float32)
    """

    rank = 5

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, data_format, kwargs)


_ALPHA = 1.6732632423543772
_SCALE = 1.0507009873554805
"""The numbers of `selu`."""


def _below_one(name: str, rate: float) -> float:
    if rate == 1:
        raise ArgumentError("With a rate of 1 nothing would be left to scale.", given=f"{name}(1)", expected="below 1")
    return rate


@readable
class AlphaDropout(_Shaped):
    """Sets entries to the lower limit of `selu` at random in training, and keeps mean and variance.

    With p the rate and l the limit, ``a (x or l) + b``, where ``a = ((1 - p) (1 + p l^2))^(-1/2)`` and ``b = -a l p``.

    Args:
        rate: The chance of an entry to be dropped, from 0 up to 1, but not 1.
        noise_shape: As for `Dropout`.
        seed: Where its draws begin; by default where those of the graph do.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentError: If the rate is 1.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> x = layers.AlphaDropout(0.5, seed=0)(ops.zeros((100,)), training=True)
        >>> sorted({round(v, 3) for v in x.tolist()})
        [-0.779, 0.779]
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)
        _below_one("AlphaDropout", self.rate)

    def disturbed(self, x: SDVariable, training: bool | None) -> SDVariable:
        """What is kept, and the limit elsewhere, scaled."""
        sd, p, low = x.sd, self.rate, -_ALPHA * _SCALE
        a = ((1 - p) * (1 + p * low**2)) ** -0.5
        dropped = sd.where(sd.neq(self.kept(x, training), 0), x, low)
        return chosen(training, a * dropped - a * low * p, x)


@readable
class GaussianDropout(_Random):
    """Multiplies entries in training by normal numbers of mean 1 and deviation ``sqrt(rate / (1 - rate))``.

    Args:
        rate: As for `Dropout`, from 0 up to 1, but not 1.
        seed: Where its draws begin; by default where those of the graph do.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentError: If the rate is 1.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> x = layers.GaussianDropout(0.2, seed=0)(ops.ones((10000,)), training=True)
        >>> round(float(x.std()), 2)
        0.5
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.rate = _below_one("GaussianDropout", between("rate", rate, 0, 1, ends=True))

    def strength(self) -> float:
        """The rate."""
        return self.rate

    def disturbed(self, x: SDVariable, training: bool | None) -> SDVariable:
        """The products."""
        noise = x.sd.random.normal_like(x, 1.0, math.sqrt(self.rate / (1 - self.rate)), x.dtype, seed=self.seed)
        return chosen(training, x * noise, x)


@readable
class GaussianNoise(_Random):
    """Adds normal numbers of mean 0 in training.

    Args:
        stddev: Their deviation, from 0 to 1.
        seed: Where its draws begin; by default where those of the graph do.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> x = layers.GaussianNoise(0.5, seed=0)(ops.zeros((10000,)), training=True)
        >>> round(float(x.std()), 1)
        0.5
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.stddev = between("stddev", stddev, 0, 1, ends=True)

    def strength(self) -> float:
        """The deviation."""
        return self.stddev

    def disturbed(self, x: SDVariable, training: bool | None) -> SDVariable:
        """The sums."""
        noise = x.sd.random.normal_like(x, 0.0, self.stddev, x.dtype, seed=self.seed)
        return chosen(training, x + noise, x)


@readable
class ActivityRegularization(Layer):
    """Hands on what it gets, and adds ``l1 * sum |x| + l2 * sum x^2``, divided by the batch, to what is minimised.

    Args:
        l1: The factor of absolute values.
        l2: The factor of squares.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layer = layers.ActivityRegularization(l1=0.5)
        >>> layer(ops.ones((2, 3)))
        array([[1., 1., 1.],
               [1., 1., 1.]], dtype=float32)
        >>> layer.losses
        [array(1.5, dtype=float32)]
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        self.l1, self.l2 = not_negative("l1", l1), not_negative("l2", l2)
        if "activity_regularizer" in kwargs:
            raise ArgumentTypeError("ActivityRegularization has no setting activity_regularizer.", fix="l1=, l2=.")
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The inputs."""
        return inputs
