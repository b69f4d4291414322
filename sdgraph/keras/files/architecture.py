"""A model as one form of plain data for all versions of Keras: its layers with their settings, and which calls which.

Must not know files, nor what a layer computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sdgraph.errors import FormatError
from sdgraph.wording import listed


class TensorRef(NamedTuple):
    """One output of one call of a layer: what a call takes in place of an array."""

    layer: str
    node: int
    """Which call of the layer, from 0."""
    tensor: int
    """Which of its outputs, from 0."""


@dataclass(frozen=True)
class Call:
    """One call of a layer: arguments in which a `TensorRef` stands for each array, at any depth of lists and dicts."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def refs(self) -> Iterator[TensorRef]:
        """All arrays that it takes."""
        return refs_in([*self.args, *self.kwargs.values()])


def refs_in(value: Any) -> Iterator[TensorRef]:
    """All references in a value, in order."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, TensorRef):
            yield one
        elif isinstance(one, list | tuple):
            stack.extend(reversed(one))
        elif isinstance(one, Mapping):
            stack.extend(reversed(list(one.values())))


@dataclass(frozen=True)
class LayerConfig:
    """A layer under the names of Keras 3."""

    class_name: str
    """The class, by its name in Keras 3."""
    name: str
    options: Mapping[str, Any]
    """Arguments of the class by their names in Keras 3, but ``name``, ``trainable``, ``dtype`` and shapes of inputs.

    A layer in it is a `LayerConfig`, as is ``layer`` of ``TimeDistributed``."""
    trainable: bool = True
    dtype: str | None = None
    """Its policy, such as "float32" or "mixed_float16"; None where the file tells none."""
    calls: tuple[Call, ...] = ()
    """Its calls in a Functional model."""
    input_shape: tuple[int | None, ...] | None = None
    """The shape of what it takes, with the batch, if the file tells one."""
    model: ModelConfig | None = None
    """What it is made of, if it is a model."""
    written_as: str = ""
    """The class as the file has it."""
    package: str | None = None
    """The package it is registered in, if it is no class of Keras'."""
    where: str = ""
    """Its place in the file, for errors."""
    function: str = ""
    """The function of `keras.ops` that is called, if it is no layer at all; ``options`` are its settings."""

    @property
    def registered_name(self) -> str:
        """The name by which a caller gives a class of his own."""
        return f"{self.package}>{self.class_name}" if self.package else self.class_name

    def work(self) -> int:
        """How many layers its calls go through, and arrays they take, with those of the layers in it."""
        inner = [one for value in self.options.values() for one in (value if isinstance(value, tuple) else (value,))]
        each = 1 + sum(one.work() for one in inner if isinstance(one, LayerConfig))
        if self.model is not None:
            each += self.model.work()
        return each * max(len(self.calls), 1) + sum(1 for call in self.calls for _ in call.refs())


@dataclass(frozen=True)
class ModelConfig:
    """A Sequential or a Functional model."""

    kind: str
    """ "Sequential" or "Functional"."""
    name: str
    layers: tuple[LayerConfig, ...]
    inputs: Any = None
    """A `TensorRef`, or a list or dict of them; None for a Sequential model."""
    outputs: Any = None
    trainable: bool = True
    dtype: str | None = None
    input_shape: tuple[int | None, ...] | None = None
    """What a Sequential model was built for, if the file tells it."""

    def layer(self, name: str) -> LayerConfig:
        """The layer of that name.

        Raises:
            KeyError: If there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    def work(self) -> int:
        """How many layers a call goes through, and arrays they take; a model in it counts for each of its calls."""
        return sum(layer.work() for layer in self.layers)

    def names(self) -> list[str]:
        """The names of its layers, in order."""
        return [layer.name for layer in self.layers]

    def steps(self) -> list[tuple[LayerConfig, int]]:
        """The calls of a Functional model, each after those whose outputs it takes: a layer, and which of its calls.

        Raises:
            FormatError: If a call takes what nothing gives, or its own output.
        """
        by_name = {layer.name: layer for layer in self.layers}
        todo = [(layer.name, k) for layer in self.layers for k in range(max(len(layer.calls), 1))]
        needs = {(name, k): {(ref.layer, ref.node) for ref in _call(by_name[name], k).refs()} for name, k in todo}
        for place, wanted in needs.items():
            for missing in wanted - needs.keys():
                raise FormatError(
                    f"The layer {place[0]!r} takes the output of a call that is not there.",
                    given=f"call {missing[1]} of {missing[0]!r}",
                )
        return [(by_name[name], k) for name, k in _in_order(todo, needs)]


def _call(layer: LayerConfig, k: int) -> Call:
    return layer.calls[k] if layer.calls else Call(())


def _in_order(
    todo: Sequence[tuple[str, int]], needs: Mapping[tuple[str, int], set[tuple[str, int]]]
) -> list[tuple[str, int]]:
    """Depth first, so that the order of the file is kept where it can be; without recursion."""
    done: dict[tuple[str, int], None] = {}
    for first in todo:
        path: dict[tuple[str, int], None] = {}
        stack = [first]
        while stack:
            here = stack[-1]
            waiting = [one for one in sorted(needs[here]) if one not in done]
            if here in done or not waiting:
                done[here] = None
                path.pop(here, None)
                stack.pop()
                continue
            path[here] = None
            if any(one in path for one in waiting):
                raise FormatError("Layers take each other's outputs in a circle.", given=listed([*dict(path)][-6:]))
            stack.extend(waiting)
    return list(done)
