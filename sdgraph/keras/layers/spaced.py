"""What layers on sequences, pictures and volumes share: where the channels are, and settings for each axis of space."""

from __future__ import annotations

from typing import Any, ClassVar

from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of
from sdgraph.errors import ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.layers.configs import plain
from sdgraph.keras.layers.layer import Layer
from sdgraph.ops.cnn.layouts import FORMATS

PLACES = ("channels_last", "channels_first")
"""Where the channels are, by Keras' names, in the order of `FORMATS`."""

_AXES = ("depth", "height", "width")


class Spaced(Layer):
    """Base of layers on arrays ``(batch, *space, channels)``, or ``(batch, channels, *space)``.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: As for `Layer`.
    """

    axes: ClassVar[int] = 2
    """How many axes of space there are."""
    told: ClassVar[str] = ""
    """What the docstrings of all classes of a family say of their arguments."""
    settled: ClassVar[tuple[str, ...]] = ()
    """Settings that a configuration has in their one form."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.told and cls.__doc__ and "Args:" not in cls.__doc__:
            text, example, rest = cls.__doc__.partition("    Example:")
            cls.__doc__ = f"{text.rstrip()}\n\n{cls.told.rstrip()}\n\n{example}{rest}"

    def __init__(self, *, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        place = data_format.lower() if isinstance(data_format, str) else data_format
        self.data_format = one_of("data format", PLACES[0] if place is None else place, PLACES)

    @property
    def channels_first(self) -> bool:
        """Whether the channels come right behind the batch."""
        return self.data_format == PLACES[1]

    def format_of(self, axes: int) -> str:
        """What `sd.cnn` calls the order of the axes of arrays with so many axes of space."""
        return FORMATS[axes][self.channels_first]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        return super().get_config() | {k: plain(getattr(self, k)) for k in self.settled}

    def call(self, inputs: SDVariable) -> SDVariable:
        """What the layer computes of inputs of the right rank."""
        self.must_have_axes(inputs.shape)
        return self.computed(inputs)

    def computed(self, x: SDVariable) -> SDVariable:
        """What a layer of a family computes."""
        raise NotImplementedError

    def must_have_axes(self, shape: Any) -> None:
        """Raise unless inputs have an axis for the batch, for the channels, and those of space.

        Raises:
            ShapeError: If they do not.
        """
        if len(shape) == self.axes + 2:
            return
        names = ["batch", *(("steps",) if self.axes == 1 else _AXES[-self.axes :])]
        names.insert(1 if self.channels_first else len(names), "channels")
        raise ShapeError(
            f"{type(self).__name__} {self.name!r} takes inputs of rank {self.axes + 2}.",
            given=shape_str(shape),
            expected=f"({', '.join(names)})",
            fix="Reshape the inputs, for example with layers.Reshape.",
        )

    def channels_of(self, shape: Any) -> int:
        """How many channels inputs have.

        Raises:
            ShapeError: If they have another rank, or that is not known.
        """
        self.must_have_axes(shape)
        n = shape[1 if self.channels_first else -1]
        if not isinstance(n, int):
            raise ShapeError(
                f"The weights of {self.name!r} hang on how many channels there are, which is not known.",
                given=f"shape {shown(tuple(shape))}, {self.data_format}",
            )
        return n


def floating(layer: Layer, x: SDVariable) -> SDVariable:
    """Inputs as numbers of a layer's dtype, if they are whole numbers or bools."""
    return x.sd.cast(x, layer.dtype) if x.dtype.kind in "iub" else x
