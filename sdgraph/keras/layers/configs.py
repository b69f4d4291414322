"""Layers as plain data: the arguments that were given, in the form that Keras writes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from sdgraph.keras.saving import get_registered_name

_OF_ALL = ("name", "trainable", "dtype")

FED = ("input_shape", "batch_input_shape", "batch_shape", "input_dim", "batch_size", "input_length", "input_dtype")
"""Keywords of every layer that say what it is fed: a model has an `InputLayer` for that."""


def config_of(layer: Any) -> dict[str, Any]:
    """The arguments that make such a layer, with defaults, as plain data."""
    args, kwargs = layer._given
    bound = inspect.signature(type(layer).__init__).bind(layer, *args, **kwargs)
    bound.apply_defaults()
    found: dict[str, Any] = {k: getattr(layer, k) for k in _OF_ALL}
    for k, v in list(bound.arguments.items())[1:]:
        kind = bound.signature.parameters[k].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            found |= {name: plain(one) for name, one in v.items() if name not in (*_OF_ALL, *FED)}
        elif k not in _OF_ALL:
            found[k] = plain(v)
    return found


def plain(v: Any) -> Any:
    """A setting as plain data."""
    if v is None or isinstance(v, bool | int | float | str):
        return v
    if isinstance(v, Mapping):
        return {str(k): plain(one) for k, one in v.items()}
    if isinstance(v, list | tuple):
        return [plain(one) for one in v]
    if isinstance(v, np.ndarray | np.generic):
        return v.tolist()
    if isinstance(v, np.dtype | type):
        return np.dtype(v).name
    if hasattr(v, "get_config"):
        return described(v)
    return getattr(v, "__name__", repr(v))


def described(v: Any) -> dict[str, Any]:
    """An object as Keras 3 writes it: a class of somebody's own by its name, for ``custom_objects``."""
    module, name = vars(type(v)).get("keras_name") or (_module(v), type(v).__name__)
    own = module.partition(".")[0] == "keras"
    return {
        "module": module,
        "class_name": name,
        "config": v.get_config(),
        "registered_name": None if own and not module.startswith("keras.src.") else _registered_name(type(v), name),
    }


def _registered_name(cls: type, name: str) -> str:
    """The name that a class is registered under; what Keras calls it, if it is not."""
    found = get_registered_name(cls)
    return found if ">" in found else name


def _module(v: Any) -> str:
    """Keras' name of the module of one of ours; of another its own."""
    own = type(v).__module__
    if not own.startswith("sdgraph.keras."):
        return own
    return "keras." + own.removeprefix("sdgraph.keras.").partition(".")[0]
