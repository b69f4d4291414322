"""Calls of functions of `keras.ops` in models from files: of masks, and of what was computed between layers.

A function is looked up among ours, never imported. Must not know layers, nor how a model is put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sdgraph.build.variable import SDVariable
from sdgraph.errors import FormatError, SDGraphError, shown
from sdgraph.keras import ops
from sdgraph.keras.files.architecture import LayerConfig
from sdgraph.keras.ops import creating

_ITEM: Final = "get_item"
_FIRST: Final = {"einsum": "subscripts"}
"""Settings that a function takes before its arrays."""


def problem(config: LayerConfig) -> str | None:
    """Why a function is not called here; None if it is."""
    if config.function == _ITEM or (config.function in ops.__all__ and config.function not in creating.__all__):
        return None
    return f"there is no keras.ops.{config.function} here"


def called(config: LayerConfig, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a function gives for variables.

    Raises:
        FormatError: If it does not take these arguments.
    """
    options = {k: v for k, v in config.options.items() if v is not None}
    options |= {k: v for k, v in kwargs.items() if v is not None}
    try:
        if config.function == _ITEM:
            found = _item(*args, **options)
        else:
            first = [options.pop(_FIRST[config.function])] if config.function in _FIRST else []
            found = getattr(ops, config.function)(*first, *args, **options)
    except (SDGraphError, TypeError, ValueError, KeyError, IndexError) as e:
        raise FormatError(
            f"{config.where}: keras.ops.{config.function} does not take these arguments: {getattr(e, 'message', e)}",
            given=shown(config.options),
        ) from e
    return _named(found, config.name)


def _item(x: SDVariable, key: Any) -> SDVariable:
    return x[tuple(key) if isinstance(key, list) else key]


def _named(found: Any, name: str) -> Any:
    """Under the name that the file has for it, by which outputs are found; where it is free."""
    name = name.replace("/", "_")
    if isinstance(found, SDVariable) and found.sd.names.free(name) == name:
        found.rename(name)
    return found
