"""Which array of a file is which weight: by order and layer in ``.h5``, by class and position in ``.keras``.

Must not know layers; what has weights is described by `owners`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np

from sdgraph.errors import FormatError
from sdgraph.infer.aval import shape_str
from sdgraph.keras.files.canonical import snake_case
from sdgraph.keras.files.container import KerasFile
from sdgraph.keras.files.hdf5 import Group, StoredArray
from sdgraph.keras.files.old_weights import Origin, Stored, converted, stored_count
from sdgraph.keras.files.owners import Owner, Slot, in_order, places
from sdgraph.wording import counted, listed

_OF_THE_MODEL: Final = "top_level_model_weights"
_NO_LAYERS: Final = {"optimizer", "vars", "seed_generator", "metrics", "_metrics", "compile_metrics", "loss_tracker"}
"""What stands beside the weights of layers and belongs to none of them."""

_ONCE: Final = "_layer_checkpoint_dependencies"
"""What Keras 2.12 called the layers of a model."""

_MORE: Final = {"Normalization"}
"""Layers for which Keras 2 stored what no version needs any more."""

_DEEPEST: Final = 50


@dataclass(frozen=True)
class Matched:
    """Which array goes into which weight; nothing is read yet."""

    pairs: Sequence[tuple[Slot, Stored]]
    left_over: Sequence[str]
    """Places of arrays that no weight wants."""
    renamed: Sequence[str]
    """Layers that are called something else in the file."""

    def arrays(self) -> Iterator[tuple[Any, np.ndarray[Any, Any]]]:
        """The key of each weight and its array, read one by one."""
        for slot, stored in self.pairs:
            yield slot.key, stored.read()


def match(file: KerasFile, owner: Owner, *, by_name: bool = False) -> Matched:
    """Find the array of every weight of a model.

    All shapes are compared before anything is read.

    Args:
        file: An open file that has weights.
        owner: The model.
        by_name: Whether layers of an ``.h5`` file are found by name, and those missing there keep their weights.
            Without it all must be there, and are found by order unless all names are the same.

    Raises:
        FormatError: If a weight has no array, or one of another shape; names all such.
    """
    if file.weights is None:
        raise FormatError(f"{file.path} holds no weights.")
    origin = Origin(file.version, file.backend)
    wrong: list[str] = []
    if file.by_position:
        reading = _ByPosition(file.weights, wrong)
        reading.walk(owner, "")
        pairs, left, renamed = reading.pairs, reading.left_over(), reading.renamed
    else:
        pairs, left, renamed = _by_layer(file.weights, owner, origin, wrong, by_name=by_name)
    for slot, stored in pairs:
        if tuple(stored.shape) != tuple(slot.shape):
            wrong.append(f"{stored.path} is {shape_str(stored.shape)}, the weight {shape_str(slot.shape)}")
    if wrong:
        more = f"; and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise FormatError(
            "The weights of the file are not those of the model.",
            given="; ".join(wrong[:8]) + more,
            expected="an array of the same shape for every weight",
        )
    return Matched(pairs, left, renamed)


# ---------------------------------------------------------------------- .h5


@dataclass(frozen=True)
class _StoredLayer:
    name: str
    arrays: Sequence[StoredArray]


def stored_layers(weights: Group) -> list[_StoredLayer]:
    """The layers of an ``.h5`` file that have weights, each with its arrays in order.

    Raises:
        FormatError: If names in it lead nowhere.
    """
    names = weights.texts("layer_names")
    if names is None:
        raise FormatError(f"{weights.path or 'The file'} has no layer_names.")
    if len(set(names)) != len(names):
        raise FormatError(f"{weights.path or 'The file'} names a layer twice.")
    found = []
    for name in names:
        group = weights.group(name)
        arrays = [group.array(one) for one in group.texts("weight_names") or []]
        if arrays:
            found.append(_StoredLayer(name, arrays))
    return found


def _by_layer(
    weights: Group, owner: Owner, origin: Origin, wrong: list[str], *, by_name: bool
) -> tuple[list[tuple[Slot, Stored]], list[str], list[str]]:
    stored = stored_layers(weights)
    wanted = [(layer, slots) for layer in _once(owner.inner()) if (slots := in_order(layer))]
    pairs: list[tuple[Slot, Stored]] = []
    if by_name or {one.name for one in stored} == {layer.name for layer, _ in wanted}:
        by_layer = {one.name: one for one in stored}
        together = [(layer, slots, by_layer.pop(layer.name)) for layer, slots in wanted if layer.name in by_layer]
        left = [array.path for one in by_layer.values() for array in one.arrays]
    else:
        left = []
        if len(stored) != len(wanted):
            wrong.append(
                f"the file has {counted(len(stored), 'layer')} with weights ({listed([s.name for s in stored][:6])}), "
                f"the model {len(wanted)} ({listed([layer.name for layer, _ in wanted][:6])})"
            )
        together = [(*one, its) for one, its in zip(wanted, stored, strict=False)]
    renamed = [f"{one.name} for {layer.name}" for layer, _, one in together if one.name != layer.name]
    for layer, slots, one in together:
        _pair(slots, _converted(slots, one.arrays, origin), layer.name, pairs, wrong)
    own = [(slot, owner) for slot in owner.slots]
    if own and weights.has(_OF_THE_MODEL):
        group = weights.group(_OF_THE_MODEL)
        _pair(own, [group.array(n) for n in group.texts("weight_names") or []], owner.name, pairs, wrong)
    return pairs, left, renamed


def _once(owners: Iterator[Owner]) -> list[Owner]:
    return list({id(one): one for one in owners}.values())


def _pair(
    slots: Sequence[tuple[Slot, Owner]],
    stored: Sequence[Stored],
    name: str,
    pairs: list[tuple[Slot, Stored]],
    wrong: list[str],
) -> None:
    if len(slots) != len(stored):
        wrong.append(f"{name} has {counted(len(slots), 'weight')}, and the file {len(stored)} for it")
    else:
        pairs.extend((slot, one) for (slot, _), one in zip(slots, stored, strict=True))


def _converted(slots: Sequence[tuple[Slot, Owner]], stored: Sequence[Stored], origin: Origin) -> Sequence[Stored]:
    """What is stored for a layer, or for the layers of a nested model, in the form of Keras 3."""
    found: list[Stored] = []
    at = 0
    for _, same in groupby(slots, key=lambda pair: id(pair[1])):
        together = list(same)
        config = together[0][1].config
        n = stored_count(len(together), config, origin)
        if len(stored) < at + n:
            return stored
        found += converted(stored[at : at + n], config, origin)
        at += n
    return [*found, *stored[at:]]


# ---------------------------------------------------------------------- .keras and .weights.h5


class _ByPosition:
    """A walk through a model and through the groups of its file at once."""

    def __init__(self, root: Group, wrong: list[str]) -> None:
        self._root, self._wrong = root, wrong
        self._seen: set[int] = set()
        self._used: set[str] = set()
        self.pairs: list[tuple[Slot, Stored]] = []
        self.renamed: list[str] = []

    def walk(self, owner: Owner, path: str, depth: int = 0) -> None:
        if id(owner) in self._seen or depth > _DEEPEST:
            return
        self._seen.add(id(owner))
        self._own(owner, path)
        for attribute, part in owner.parts.items():
            below = f"{path}/{attribute}" if path else attribute
            if isinstance(part, Owner):
                self.walk(part, below, depth + 1)
            else:
                for name, one in numbered(part):
                    self.walk(one, f"{below}/{name}", depth + 1)

    def _own(self, owner: Owner, path: str) -> None:
        group = self._group(path)
        if group is None:
            if owner.slots:
                self._wrong.append(f"there is no group {path or '/'}, which {owner.name!r} has its weights in")
            return
        told = group.group("vars").text("name") if group.is_group("vars") else None
        if told is not None and told != owner.name:
            self.renamed.append(f"{told} for {owner.name}")
        folders: dict[str, None] = {}
        for slot, place in zip(owner.slots, places(owner), strict=True):
            found = next((one for one in (place, f"_{place}") if group.has(one)), None)
            if found is None:
                self._wrong.append(f"there is no array {group.path}/{place} for {owner.name!r}")
                continue
            folders[found.rpartition("/")[0]] = None
            stored = group.array(found)
            self._used.add(stored.path)
            self.pairs.append((slot, stored))
        if owner.class_name not in _MORE:
            self._surplus(owner, [group.group(folder) for folder in folders if folder])

    def _surplus(self, owner: Owner, groups: Sequence[Group]) -> None:
        """A layer with more weights in the file than it has."""
        for group in groups:
            extra = [name for name in group.names() if f"{group.path}/{name}" not in self._used]
            if extra:
                self._wrong.append(f"{owner.name!r} has no weight for {group.path}/{extra[0]}")

    def _group(self, path: str) -> Group | None:
        if not path:
            return self._root
        above, _, last = path.rpartition("/")
        # Keras 2 had other names for the list of layers, and took the attribute that is not for users.
        for one in (path, path.replace("layers/", f"{_ONCE}/"), f"{above}/_{last}".lstrip("/")):
            if self._root.is_group(one):
                return self._root.group(one)
        return None

    def left_over(self) -> list[str]:
        """Places of arrays of layers that no weight took."""
        found: list[str] = []
        stack = [(self._root, 0)]
        seen: set[int] = set()
        while stack:
            group, depth = stack.pop()
            if depth > _DEEPEST or group.place in seen:
                raise FormatError(f"{group.path[:200]} is a group that lies in another place, too.")
            seen.add(group.place)
            for name in group.names():
                if name in _NO_LAYERS and not (name == "vars" and group.path):
                    continue
                if group.is_group(name):
                    stack.append((group.group(name), depth + 1))
                elif (place := f"{group.path}/{name}".lstrip("/")) not in self._used:
                    found.append(place)
        return sorted(found)


def numbered(owners: Sequence[Owner]) -> Iterator[tuple[str, Owner]]:
    """The layers of a list under the names that files give them: the class, and a number from the second on.

    Example:
        >>> [name for name, _ in numbered([Owner("Dense", "a"), Owner("ReLU", "b"), Owner("Dense", "c")])]
        ['dense', 're_lu', 'dense_1']
    """
    counts: dict[str, int] = {}
    for owner in owners:
        name = snake_case(owner.class_name)
        k = counts.get(name, 0)
        counts[name] = k + 1
        yield (f"{name}_{k}" if k else name), owner
