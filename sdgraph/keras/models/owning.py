"""Models as trees of what has weights, which files are matched with and written from."""

from __future__ import annotations

from typing import Any

from sdgraph.keras.files.owners import Owner, Slot
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.weights import Weight
from sdgraph.keras.models.model import Model


def owner_of(layer: Layer, seen: dict[int, Owner] | None = None) -> Owner:
    """A layer and all in it; the keys of the slots are its `Weight` objects."""
    seen = {} if seen is None else seen
    if id(layer) not in seen:
        parts: dict[str, Any] = {}
        if isinstance(layer, Model) and layer.is_made_of_calls:
            parts["layers"] = [owner_of(one, seen) for one in layer.layers]
        else:
            for name, value in layer.parts().items():
                several = isinstance(value, list)
                parts[name] = [owner_of(one, seen) for one in value] if several else owner_of(value, seen)
        slots = [Slot(w, w.shape, w.wanted) for w in layer.own_weights()]
        seen[id(layer)] = Owner(_class_name(layer), layer.name, slots, parts, layer.trainable, layer.read_from)
    return seen[id(layer)]


def _class_name(layer: Layer) -> str:
    """The class as Keras calls it."""
    return "Functional" if type(layer) is Model else type(layer).__name__


def weight(slot: Slot) -> Weight:
    """The weight of a slot."""
    return slot.key
