"""What the operations on pictures share: where the channels are, and which windows a call means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of
from sdgraph.errors import ShapeError
from sdgraph.infer import windows
from sdgraph.infer.aval import Aval, Dim, Shape, shape_str

Each: TypeAlias = "int | Sequence[int]"
Padding: TypeAlias = "Literal['valid', 'same', 'same_lower', 'causal'] | int | Sequence[int | Sequence[int]]"

FORMATS: Final = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
"""The formats of pictures by the number of their axes, that with the channels last first."""

SHARED: Final = {
    "strides": "How far apart windows are: a whole number, or one for each axis.",
    "dilation": "How far apart the places are that a window reads, likewise.",
    "padding": '"valid" for none; "same" for ``ceil(n / stride)`` windows, with the odd place behind; "same_lower" with'
    ' it before; "causal" for padding before only, along one axis; or a number of places, or for each axis a number'
    " or a pair (before, behind).",
    "groups": "Into how many groups channels and filters are divided; each filter reads the channels of its group.",
    "bias": "One number per filter, added to each place.",
    "size": "The sizes of the window: a whole number, or one for each axis.",
}
"""What settings mean that many of them have."""


def channels_first(data_format: str, axes: int) -> bool:
    """Whether channels come before the axes that windows slide along.

    Raises:
        ArgumentError: If the format is unknown.
    """
    return one_of("data format", data_format, FORMATS[axes]) == FORMATS[axes][1]


def with_rank(x: Aval, axes: int, data_format: str) -> bool:
    """Whether the channels of a picture come first.

    Raises:
        ShapeError: If the array does not have the axes of the format.
        ArgumentError: If the format is unknown.
    """
    first = channels_first(data_format, axes)
    if len(x.shape) != axes + 2:
        raise ShapeError(
            f"The format {data_format!r} has {axes + 2} axes.",
            given=shape_str(x.shape),
            fix="sd.expand_dims(x, 0) makes a batch of one picture.",
        )
    return first


def channels_last_shape(shape: Shape, first: bool) -> Shape:
    """The shape with the channels at the end, if they came first."""
    return (shape[0], *shape[2:], shape[1]) if first else shape


def as_given_shape(shape: Shape, first: bool) -> Shape:
    """The shape as the caller's format has it."""
    return (shape[0], shape[-1], *shape[1:-1]) if first else shape


def channels_last(x: SDVariable, first: bool) -> SDVariable:
    """The array with the channels at the end, if they came first."""
    return x.sd.permute(x, (0, *range(2, x.ndim), 1)) if first else x


def as_given(x: SDVariable, first: bool) -> SDVariable:
    """The array as the caller's format has it."""
    return x.sd.permute(x, (0, x.ndim - 1, *range(1, x.ndim - 1))) if first else x


class Sliding(NamedTuple):
    """The windows of one call along the axes of a picture."""

    k: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[Any, ...]
    """Pairs, or None where the size is not known that it hangs on."""

    def outs(self, space: Sequence[Dim]) -> tuple[Dim, ...]:
        """The number of windows along each axis.

        Raises:
            ShapeError: If none fits into an array that is not empty.
        """
        found = windows.out_sizes(space, self.k, self.strides, self.dilation, self.pads)
        if any(out == 0 and n != 0 for out, n in zip(found, space, strict=True)):
            raise ShapeError(
                "The window is larger than the array with its padding.",
                given=f"sizes {shape_str(space)}, window {self.k}, dilation {self.dilation}, padding {self.pads}",
                fix='padding="same" gives a place for each stride.',
            )
        return found


def sliding(
    space: Sequence[Dim], k: Sequence[Dim], strides: Any, padding: Any, dilation: Any = 1, ceil: bool = False
) -> Sliding:
    """The windows that the settings of a call mean.

    Raises:
        ArgumentError: If a setting is wrong.
    """
    axes = len(space)
    s, d = windows.per_axis("strides", strides, axes), windows.per_axis("dilation", dilation, axes)
    pads = windows.pads_of(padding, space, k, s, d)
    if ceil:
        pads = windows.partly_filled(space, k, s, d, pads)  # type: ignore[arg-type]
    return Sliding(tuple(k), s, d, pads)  # type: ignore[arg-type]
