"""Models as trees of what has weights, which files are matched with and written from."""

from __future__ import annotations

from typing import Any

from sdgraph.keras.files.owners import Owner, Slot
from sdgraph.keras.layers.layer import Layer


def owner_of(layer: Layer) -> Owner:
    """A layer and all in it; the keys of its slots are `Weight` objects."""
    return _owner(layer, {})


def _owner(layer: Layer, seen: dict[int, Owner]) -> Owner:
    if id(layer) in seen:
        return seen[id(layer)]
    parts: dict[str, Any] = {}
    if getattr(layer, "is_made_of_calls", False):
        parts["layers"] = [_owner(one, seen) for one in layer.layers]  # type: ignore[attr-defined]
    else:
        for name, part in layer.parts().items():
            several = isinstance(part, list)
            parts[name] = [_owner(one, seen) for one in part] if several else _owner(part, seen)
    slots = [Slot(w, w.shape, w.wanted) for w in layer.own_weights()]
    seen[id(layer)] = found = Owner(_class_name(layer), layer.name, slots, parts, layer.trainable, layer.read_from)
    return found


def _class_name(layer: Layer) -> str:
    """The class as Keras calls it."""
    own = type(layer).__name__
    return "Functional" if own == "Model" else own
