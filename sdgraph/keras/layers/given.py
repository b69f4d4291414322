"""What layers and weights are given, read and checked: names, dtypes, shapes, arrays. Must not know layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdgraph.build.names import check_name
from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, ShapeError, shown
from sdgraph.infer.arrays import own_array
from sdgraph.infer.aval import as_dtype, as_shape, shape_str
from sdgraph.keras.layers.configs import FED
from sdgraph.keras.layers.weights import Weight
from sdgraph.wording import counted, listed

Array = np.ndarray[Any, Any]
Shape = tuple[int | None, ...]


def fed(who: str, kwargs: dict[str, Any]) -> Shape | None:
    """The shape that a layer says it is fed, of the keywords that say so, which are taken out.

    Raises:
        ArgumentTypeError: For other keywords.
    """
    given = {k: kwargs.pop(k) for k in FED if k in kwargs}
    kwargs.pop("autocast", None)
    if kwargs:
        raise ArgumentTypeError(f"{who} has no setting {listed(kwargs)}.", given=listed(kwargs))
    whole = given.get("batch_shape", given.get("batch_input_shape"))
    if whole is None:
        shape = given.get("input_shape")
        if shape is None and given.get("input_dim") is not None:
            steps = given.get("input_length")
            shape = (given["input_dim"],) if steps is None else (steps, given["input_dim"])
        if shape is None:
            return None
        whole = (given.get("batch_size"), *as_shape(shape))
    return tuple(n if isinstance(n, int) else None for n in as_shape(whole))


def checked_name(name: Any, what: str = "layer") -> str:
    """A name of a layer, or of a weight.

    Raises:
        ArgumentTypeError: If it is no text, or has a slash.
        VariableNameError: If no variable can be called so.
    """
    if not isinstance(name, str) or not name or "/" in name:
        raise ArgumentTypeError(f"A {what}'s name is a text without '/'.", given=f"name={shown(name)}")
    check_name(name)
    return name


def dtype_of(name: str, dtype: Any) -> np.dtype[Any] | None:
    """The dtype of a layer; a policy of Keras' is its name, where it is that of one dtype.

    Raises:
        ArgumentError: If it is none.
    """
    if dtype is None:
        return None
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name", dtype)
    plain = getattr(dtype, "name", dtype)
    try:
        return np.dtype(as_dtype(plain))
    except SDGraphError as e:
        raise ArgumentError(
            f"The layer {name!r} cannot compute in this dtype.",
            given=f"dtype={shown(plain)}",
            expected="the name of a dtype, such as 'float32'",
            fix="Policies that mix dtypes, or quantize weights, are not there.",
        ) from e


def sizes_of(shape: Any, layer: str, name: str | None) -> tuple[int, ...]:
    """The sizes of a weight.

    Raises:
        ShapeError: If one is not known.
    """
    given = as_shape(shape)
    sizes = tuple(n for n in given if isinstance(n, int))
    if len(sizes) < len(given):
        raise ShapeError(
            f"The sizes of the weight {name or ''!r} of {layer!r} are not all known.",
            given=shown(given),
            fix="Give the layer inputs whose sizes are known there.",
        )
    return sizes


def array_of(made: Any, sizes: tuple[int, ...], dtype: np.dtype[Any], initializer: Any) -> Array:
    """What an initializer made, as an array of these sizes.

    Raises:
        ShapeError: If it has others.
    """
    array = np.array(made, dtype=dtype)
    if array.shape != sizes:
        raise ShapeError(
            "The initializer made another shape.",
            given=f"{shape_str(array.shape)} by {shown(initializer)}",
            expected=shape_str(sizes),
        )
    return array


def fitting(given: Any, own: Sequence[Weight], who: str) -> list[Array]:
    """Arrays for weights, each of which fits its own.

    Raises:
        ArgumentTypeError: If it is no list.
        ArgumentError: If there are more or fewer.
        ShapeError: If one has another shape.
    """
    if not isinstance(given, list | tuple):
        raise ArgumentTypeError("Weights are a list of arrays.", given=shown(given))
    if len(given) != len(own):
        raise ArgumentError(
            "There is one array for each weight.",
            given=counted(len(given), "array"),
            expected=f"{len(own)}: {listed([w.name for w in own], 'and')}",
        )
    found = []
    for w, one in zip(own, given, strict=True):
        array = own_array(one, w.dtype)
        if array.shape != w.shape:
            raise ShapeError(
                f"The weight {w.name!r} of {who!r} has another shape.",
                given=shape_str(array.shape),
                expected=shape_str(w.shape),
            )
        found.append(array)
    return found
