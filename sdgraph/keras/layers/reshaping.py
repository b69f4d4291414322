"""Layers that give examples another shape; the batch stays the first axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of, whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.layers.demands import ranked
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.settings import wholes
from sdgraph.keras.ops.sizes import reshaped, shape_of


@readable
class Flatten(Layer):
    """All numbers of an example in one axis.

    Args:
        data_format: "channels_last", or "channels_first" for channels that come right behind the batch and are to
            be the last ones to vary: so the weights behind it are the same.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Flatten()(ops.ones((1, 2, 2)))
        array([[1., 1., 1., 1.]], dtype=float32)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = one_of("data_format", data_format or "channels_last", ("channels_last", "channels_first"))

    def call(self, inputs: SDVariable) -> SDVariable:
        """The numbers in row order."""
        sd, x = inputs.sd, ranked(self, inputs, least=1)
        if self.data_format == "channels_first" and x.ndim > 1:
            x = sd.permute(x, (0, *range(2, x.ndim), 1))
        known = [n for n in x.shape[1:] if isinstance(n, int)]
        return sd.reshape(x, (x.shape[0], math.prod(known) if len(known) == x.ndim - 1 else -1))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        return super().get_config() | {"data_format": self.data_format}


@readable
class Reshape(Layer):
    """Examples in another shape, in row order.

    Args:
        target_shape: The shape without the batch; one size may be -1, which is what is left.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentError: If more than one size is to be found out.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Reshape((2, -1))(ops.ones((5, 6))).shape
        (5, 2, 3)
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = wholes("target_shape", target_shape, least=-1)
        if self.target_shape.count(-1) > 1:
            raise ArgumentError("One size at most is what is left.", given=f"target_shape={shown(target_shape)}")

    def call(self, inputs: SDVariable) -> SDVariable:
        """The same numbers.

        Raises:
            ShapeError: If an example has more or fewer of them.
        """
        sizes, target = ranked(self, inputs, least=1).shape[1:], self.target_shape
        known = [n for n in sizes if isinstance(n, int)]
        if len(known) == len(sizes):
            total, rest = math.prod(known), math.prod(n for n in target if n != -1)
            fits = total == rest if -1 not in target else rest and not total % rest
            if not fits:
                raise ShapeError(
                    f"The inputs of {self.name!r} do not fit its target_shape.",
                    given=f"{shape_str(sizes)} for an example, {total} numbers",
                    expected=shape_str(target),
                )
            target = tuple(total // rest if n == -1 else n for n in target)
        return reshaped(inputs, (shape_of(inputs)[0], *target))


@readable
class Permute(Layer):
    """The axes of examples in another order.

    Args:
        dims: The axes, counted from 1, in their new order.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentError: If ``dims`` is no order of axes.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Permute((2, 1))(ops.ones((5, 3, 2))).shape
        (5, 2, 3)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = wholes("dims", dims, least=1)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(
                "dims has every axis of an example once.",
                given=f"dims={shown(dims)}",
                expected=f"an order of 1 to {len(self.dims)}: 0 is the batch, which stays",
            )

    def call(self, inputs: SDVariable) -> SDVariable:
        """The inputs with the axes in that order."""
        return inputs.sd.permute(ranked(self, inputs, len(self.dims) + 1), (0, *self.dims))


@readable
class RepeatVector(Layer):
    """Vectors ``(batch, features)`` as sequences ``(batch, n, features)`` of the same at each step.

    Args:
        n: The number of steps.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.RepeatVector(2)(ops.ones((1, 3)))
        array([[[1., 1., 1.],
                [1., 1., 1.]]], dtype=float32)
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = whole("n", n, least=1)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The sequences."""
        sd = inputs.sd
        return sd.repeat(sd.expand_dims(ranked(self, inputs, 2), 1), self.n, axis=1)
