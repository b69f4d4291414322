"""What has weights, as files name it: a tree of layers, each with its weights in Keras' order.

It stands between layers and files: who has layers describes them so, and files are matched with it, and written from
it. Must not know files, nor what a layer computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sdgraph.keras.files.architecture import LayerConfig

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "LSTM": ("cell",),
    "GRU": ("cell",),
    "SimpleRNN": ("cell",),
    "ConvLSTM1D": ("cell",),
    "ConvLSTM2D": ("cell",),
    "ConvLSTM3D": ("cell",),
    "MultiHeadAttention": ("query_dense", "key_dense", "value_dense", "output_dense"),
}
"""The layers inside of layers of Keras, in the order of their weights; the parts of one layer have equally many."""


@dataclass(frozen=True)
class Slot:
    """One weight: what the caller knows it by, and its shape."""

    key: Any
    shape: tuple[int, ...]
    trainable: bool = True
    """Whether the weight is one that training changes, were all layers trainable."""
    at: str | None = None
    """Where it lies below its layer; without it, in the place that its layer has for it."""


@dataclass(frozen=True)
class Owner:
    """A layer or a model: its own weights in the order of their creation, and the layers inside of it."""

    class_name: str
    name: str
    slots: Sequence[Slot] = ()
    parts: Mapping[str, Owner | Sequence[Owner]] = field(default_factory=dict)
    """Layers by the attributes that Keras' class has for them, in the order of creation. The layers of a model are the
    list ``layers``; a layer that stands in two places is one and the same object."""
    trainable: bool = True
    config: LayerConfig | None = None
    """What the file said of it, by which weights of old layers are converted."""

    @property
    def is_model(self) -> bool:
        """Whether it is a Sequential or a functional model."""
        return "layers" in self.parts

    def inner(self) -> Iterator[Owner]:
        """All layers directly inside of it."""
        for part in self.parts.values():
            if isinstance(part, Owner):
                yield part
            else:
                yield from part


def places(owner: Owner) -> list[str]:
    """Where the weights of a layer itself lie below it, in their order.

    A layer that Keras makes of others, and that has its weights itself here, has them in those.

    Example:
        >>> places(Owner("Dense", "d", [Slot("kernel", (2, 3)), Slot("bias", (3,))]))
        ['vars/0', 'vars/1']
        >>> places(Owner("LSTM", "l", [Slot("kernel", (2, 12)), Slot("recurrent_kernel", (3, 12))]))
        ['cell/vars/0', 'cell/vars/1']
    """
    parts = PARTS.get(owner.class_name, ()) if not owner.parts else ()
    each, rest = divmod(len(owner.slots), max(len(parts), 1))
    usual = [f"vars/{k}" for k in range(len(owner.slots))]
    if parts and not rest:
        usual = [f"{part}/vars/{k}" for part in parts for k in range(each)]
    return [slot.at or place for slot, place in zip(owner.slots, usual, strict=True)]


def in_order(owner: Owner) -> list[tuple[Slot, Owner]]:
    """The weights of a layer in the order of Keras' ``.h5`` files: those that are trained, then the others.

    Weights of frozen layers are not trained.

    Returns:
        Each weight with the layer that it belongs to: of nested models the layers in them, of wrappers the wrapper.
    """
    every = list(_walk(owner, owner, True, set()))
    return [(slot, unit) for slot, unit, trained in every if trained] + [
        (slot, unit) for slot, unit, trained in every if not trained
    ]


def _walk(owner: Owner, unit: Owner, trainable: bool, seen: set[int]) -> Iterator[tuple[Slot, Owner, bool]]:
    if id(owner) in seen:
        return
    seen.add(id(owner))
    trainable = trainable and owner.trainable
    for wanted in (True, False):
        for slot in owner.slots:
            if slot.trainable is wanted:
                yield slot, unit, trainable and slot.trainable
    for part in owner.inner():
        yield from _walk(part, part if owner.is_model and unit is owner else unit, trainable, seen)
