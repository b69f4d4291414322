"""What layers ask of what they are called on: how many axes, how many inputs, which sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdgraph.errors import ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import normalize_axis, shape_str
from sdgraph.wording import counted

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable
    from sdgraph.keras.layers.layer import Layer


def ranked(layer: Layer, v: SDVariable, rank: int | None = None, *, least: int = 0) -> SDVariable:
    """The variable, if it has the rank that a layer works on.

    Raises:
        ShapeError: If it has another one.
    """
    if v.ndim != rank if rank is not None else v.ndim < least:
        raise ShapeError(
            f"{type(layer).__name__} {layer.name!r} takes inputs of another rank.",
            given=shape_str(v.shape),
            expected=f"{least} axes or more, with the batch" if rank is None else f"{rank} axes, with the batch",
        )
    return v


def axes_of(layer: Layer, axis: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes of inputs of a rank, counted from the front, in the order that Keras keeps them in."""
    given = [axis] if isinstance(axis, int) else sorted(axis)
    return tuple(normalize_axis(k, rank, what=f"axis of {layer.name!r}")[0] for k in given)


def several(layer: Layer, inputs: Any, exactly: int | None = None) -> list[SDVariable]:
    """The inputs of a layer that is called on a list.

    Raises:
        ArgumentTypeError: If they are no list, or one of another length.
    """
    wanted = "a list of inputs" if exactly is None else f"a list of {counted(exactly, 'input')}"
    if not isinstance(inputs, list | tuple) or not inputs or (exactly is not None and len(inputs) != exactly):
        raise ArgumentTypeError(
            f"{type(layer).__name__} {layer.name!r} is called on {wanted}.", given=shown(inputs), fix="layer([a, b])."
        )
    return list(inputs)
