"""What layers ask of what they are called on: how many axes, how many inputs, which sizes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import normalize_axis, shape_str
from sdgraph.wording import counted


def ranked(layer: Any, v: SDVariable, rank: int | None = None, *, least: int = 0) -> SDVariable:
    """The variable, if it has the rank that a layer works on.

    Raises:
        ShapeError: If it has another one.
    """
    if v.ndim != rank if rank is not None else v.ndim < least:
        raise ShapeError(
            f"{type(layer).__name__} {layer.name!r} takes inputs of another rank.",
            given=shape_str(v.shape),
            expected=f"{_axes(least) + ' or more' if rank is None else _axes(rank)}, with the batch",
        )
    return v


def sized(layer: Any, shape: Any) -> None:
    """Look whether what a layer is built for is one shape of one axis or more.

    Raises:
        ShapeError: If it is not.
    """
    if not isinstance(shape, tuple) or not shape:
        raise ShapeError(
            f"{type(layer).__name__} {layer.name!r} takes inputs of another rank.",
            given=shown(shape),
            expected="1 axis or more, with the batch",
        )


def _axes(n: int) -> str:
    return "1 axis" if n == 1 else f"{n} axes"


def bound(layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, all_of_it: bool) -> dict[str, Any]:
    """What the parameters of a layer's call are given, by their names.

    Args:
        layer: The layer.
        args: What is given by position.
        kwargs: What is given by name.
        all_of_it: Whether nothing is added before the call.

    Raises:
        ArgumentTypeError: If the call takes something else.
    """
    signature = inspect.signature(layer.call)
    try:
        found = (signature.bind if all_of_it else signature.bind_partial)(*args, **kwargs).arguments
    except TypeError as e:
        raise ArgumentTypeError(
            f"{type(layer).__name__} {layer.name!r} is not called so: {e}.",
            given=", ".join([*map(_briefly, args), *(f"{k}={_briefly(v)}" for k, v in kwargs.items())]) or "nothing",
            expected=f"layer{_plain(signature)}",
        ) from None
    for name, value in found.items():
        wanted = signature.parameters[name].annotation
        if wanted in _ONE and not isinstance(value, SDVariable) and not (value is None and "None" in wanted):
            raise ArgumentTypeError(
                f"{type(layer).__name__} {layer.name!r} takes one array or variable as {name}.",
                given=_briefly(value),
            )
    return found


_ONE = ("SDVariable", "SDVariable | None")
"""Annotations of what is one variable when a layer is called."""


def _briefly(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_briefly, value))}]"
    return f"{value.dtype.name} {shape_str(value.shape)}" if isinstance(value, SDVariable) else shown(value)


def _plain(signature: inspect.Signature) -> str:
    """The names of parameters, as in a call."""
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in signature.parameters.values())})"


def term_of(what: Any, v: SDVariable, who: str) -> SDVariable:
    """What a regularizer makes of a variable.

    Raises:
        ArgumentTypeError: If it makes no number of it, or is no function.
    """
    made = what(v) if callable(what) else None
    if not isinstance(made, SDVariable) or made.ndim:
        raise ArgumentTypeError(
            f"The regularizer {shown(what)} of {who} makes no number.",
            given=shown(made),
            expected="a scalar variable",
            fix="lambda w: 0.01 * ops.sum(w**2).",
        )
    return made


def axes_of(layer: Any, axis: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes of inputs of a rank, counted from the front, in the order that Keras keeps them in."""
    given = [axis] if isinstance(axis, int) else sorted(axis)
    return tuple(normalize_axis(k, rank, what=f"axis of {layer.name!r}")[0] for k in given)


def several(layer: Any, inputs: Any, exactly: int | None = None) -> list[SDVariable]:
    """The inputs of a layer that is called on a list.

    Raises:
        ArgumentTypeError: If they are no list, or one of another length.
    """
    wanted = "a list of inputs" if exactly is None else f"a list of {counted(exactly, 'input')}"
    fits = isinstance(inputs, list | tuple) and inputs and all(isinstance(v, SDVariable) for v in inputs)
    if not fits or (exactly is not None and len(inputs) != exactly):
        raise ArgumentTypeError(
            f"{type(layer).__name__} {layer.name!r} is called on {wanted}.", given=shown(inputs), fix="layer([a, b])."
        )
    return list(inputs)
