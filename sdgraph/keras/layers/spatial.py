"""Layers that make space larger or smaller: zeros around it, its border cut off, each entry repeated or in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdgraph.build.annotations import readable
from sdgraph.build.decorators import composite
from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of, whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import Aval, shape_str
from sdgraph.infer.windows import per_axis, per_side
from sdgraph.keras.layers.spaced import Spaced
from sdgraph.ops.cnn.layouts import as_given, channels_last

if TYPE_CHECKING:
    from sdgraph.build.namespace import GraphLike
    from sdgraph.build.variable import Operand

Sides = int | Sequence[int | Sequence[int]]
_SIDES = "a whole number, for each axis of space one, or for each a pair (before, behind)"


def _sides(name: str, value: Any, axes: int) -> Any:
    """How much before and behind each axis; along one axis a pair is that.

    Raises:
        ArgumentError: If it is none of that, or negative.
    """
    several = axes > 1 or isinstance(value, int)
    found = per_side(value if several else (value,), axes, name)
    if any(n < 0 for pair in found for n in pair):
        raise ArgumentError(f"{name} is not negative.", given=f"{name}={shown(value)}")
    return found if axes > 1 else found[0]


class _Bordered(Spaced):
    """Base of layers with a border, which they add or cut off."""

    def border(self) -> list[tuple[int, int]]:
        """Their border, along all axes of the inputs."""
        sides = getattr(self, self.settled[0])
        each = list(sides) if self.axes > 1 else [sides]
        return [(0, 0), (0, 0), *each] if self.channels_first else [(0, 0), *each, (0, 0)]


class ZeroPadding(_Bordered):
    """Base of layers that put zeros around space."""

    settled = ("padding", "data_format")
    told = f"""    Args:
        padding: How many zeros: {_SIDES}.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: As for `Layer`."""

    def __init__(self, padding: Sides = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.padding = _sides("padding", padding, self.axes)

    def computed(self, x: SDVariable) -> SDVariable:
        """The inputs with zeros around them."""
        return x.sd.nn.pad(x, self.border())


@readable
class ZeroPadding1D(ZeroPadding):
    """Zeros before and behind sequences.

    Args:
        padding: How many zeros: a whole number, or a pair (before, behind).
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.ZeroPadding1D((1, 0))(np.ones((1, 2, 1))).ravel()
        array([0., 1., 1.], dtype=float32)
    """

    axes = 1


@readable
class ZeroPadding2D(ZeroPadding):
    """Zeros around pictures.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.ZeroPadding2D(((1, 0), (2, 2)))(np.ones((1, 4, 4, 3))).shape
        (1, 5, 8, 3)
    """

    axes = 2


@readable
class ZeroPadding3D(ZeroPadding):
    """Zeros around volumes.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.ZeroPadding3D(1)(np.ones((1, 4, 4, 4, 3))).shape
        (1, 6, 6, 6, 3)
    """

    axes = 3


class Cropping(_Bordered):
    """Base of layers that cut off the border of space."""

    settled = ("cropping", "data_format")
    told = f"""    Args:
        cropping: How much is cut off: {_SIDES}.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: As for `Layer`."""

    def __init__(self, cropping: Sides = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.cropping = _sides("cropping", cropping, self.axes)

    def computed(self, x: SDVariable) -> SDVariable:
        """What is left of the inputs."""
        border = self.border()
        if any(isinstance(n, int) and 0 < n <= sum(pair) for n, pair in zip(x.shape, border, strict=True)):
            raise ShapeError(
                f"Nothing would be left by {self.name!r}.",
                given=f"shape {shape_str(x.shape)}, cropping={self.cropping}",
            )
        return x[tuple(slice(low, -high if high else None) for low, high in border)]


@readable
class Cropping1D(Cropping):
    """Sequences without their first and last steps.

    Args:
        cropping: How many steps are cut off: a whole number, or a pair (before, behind).
        **kwargs: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.Cropping1D((1, 0))(np.array([[[1.0], [2.0], [3.0]]])).ravel()
        array([2., 3.], dtype=float32)
    """

    axes = 1
    settled = ("cropping",)

    def __init__(self, cropping: int | Sequence[int] = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, **kwargs)


@readable
class Cropping2D(Cropping):
    """Pictures without their border.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.Cropping2D(((1, 0), (2, 1)))(np.ones((1, 6, 6, 3))).shape
        (1, 5, 3, 3)
    """

    axes = 2

    def __init__(self, cropping: Sides = 0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


@readable
class Cropping3D(Cropping):
    """Volumes without their border.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.Cropping3D(1)(np.ones((1, 4, 4, 4, 3))).shape
        (1, 2, 2, 2, 3)
    """

    axes = 3


# ---------------------------------------------------------------------- enlarging


class UpSampling(Spaced):
    """Base of layers that repeat entries."""

    settled = ("size", "data_format")

    def enlarged(self, x: SDVariable, factors: Sequence[int]) -> SDVariable:
        """Each entry as a block of so many along each axis of space."""
        return x.sd.cnn.enlarge(x, (1, 1, *factors) if self.channels_first else (1, *factors, 1))


@readable
class UpSampling1D(UpSampling):
    """Sequences with each step repeated.

    Args:
        size: How many times each step is there.
        **kwargs: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.UpSampling1D(2)(np.array([[[1.0], [2.0]]])).ravel()
        array([1., 1., 2., 2.], dtype=float32)
    """

    axes = 1
    settled = ("size",)

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = whole("size", size, least=1)

    def computed(self, x: SDVariable) -> SDVariable:
        """The steps, each repeated."""
        return self.enlarged(x, (self.size,))


METHODS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
"""How pixels are made of others."""


def _larger(x: Aval, *, size: Sequence[int], method: str) -> Aval:
    n, h, w, c = x.shape
    new = [k * f if isinstance(k, int) else None for k, f in zip((h, w), size, strict=True)]
    return Aval((n, *new, c), x.dtype)


@composite(infer=_larger)
def _resized(sd: GraphLike, x: Operand, *, size: Sequence[int], method: str) -> SDVariable:
    """Pictures so many times as high and wide, when these are known."""
    v = sd.as_variable(x)
    new = [k * f for k, f in zip(v.shape[1:3], size, strict=True)]  # type: ignore[operator]
    return sd.image.image_resize(v, new, method=method)


@readable
class UpSampling2D(UpSampling):
    """Pictures so many times as high and wide.

    With ``"nearest"`` each pixel is repeated. Else each is a weighted sum of those around its place, pixels aligned by
    their centres; what would lie outside is left out, and the weights add up to 1.

    Args:
        size: How many times as high and wide: a whole number, or one for each.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"lanczos3"`` or ``"lanczos5"``.
        **kwargs: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.UpSampling2D((1, 2), interpolation="bilinear")(np.array([[[[0.0], [4.0]]]])).ravel()
        array([0., 1., 3., 4.], dtype=float32)
    """

    axes = 2
    settled = ("size", "data_format", "interpolation")

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.size = per_axis("size", size, self.axes)
        method = interpolation.lower() if isinstance(interpolation, str) else interpolation
        self.interpolation = one_of("interpolation", method, METHODS)

    def computed(self, x: SDVariable) -> SDVariable:
        """The pictures, enlarged."""
        if self.interpolation == "nearest":
            return self.enlarged(x, self.size)
        v = channels_last(x, self.channels_first)
        y = _resized(x.sd, v, size=self.size, method=self.interpolation)
        return as_given(y, self.channels_first)


@readable
class UpSampling3D(UpSampling):
    """Volumes with each entry repeated along each axis of space.

    Args:
        size: How many times each entry is there: a whole number, or one for each axis.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import layers
        >>> layers.UpSampling3D((1, 2, 2))(np.ones((1, 3, 3, 3, 2))).shape
        (1, 3, 6, 6, 2)
    """

    axes = 3

    def __init__(self, size: int | Sequence[int] = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.size = per_axis("size", size, self.axes)

    def computed(self, x: SDVariable) -> SDVariable:
        """The volumes, enlarged."""
        return self.enlarged(x, self.size)
