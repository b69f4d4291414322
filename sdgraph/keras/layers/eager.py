"""Layers on arrays: a graph for each layer and each sort of arrays, with the layer's weights, that is kept and run.

Must not know what a layer is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.infer.arrays import own_array
from sdgraph.keras import config
from sdgraph.keras.layers.notes import notes_of
from sdgraph.keras.layers.trees import leaves, mapped
from sdgraph.run.evaluate import executable_of
from sdgraph.samediff import SameDiff

if TYPE_CHECKING:
    from sdgraph.build.kinds import AnyGraph

Array = np.ndarray[Any, Any]

_MOST = 16
"""How many functions are kept for a layer."""


class Scratch(SameDiff):
    """A graph that only computes: no weight is at home here."""


def is_scratch(sd: AnyGraph) -> bool:
    """Whether nobody sees the graph."""
    return isinstance(sd, Scratch)


def call(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a layer on arrays.

    Raises:
        ArgumentTypeError: If there is no array among the arguments.
    """
    training = bool(kwargs.pop("training", None))
    given = mapped(_array, (tuple(_grouped(a) for a in args), {k: _grouped(v) for k, v in kwargs.items()}))
    arrays = [a for a in leaves(given) if isinstance(a, np.ndarray)]
    if not arrays:
        raise ArgumentTypeError(
            f"The layer {layer.name!r} is called on variables of a graph, or on arrays.",
            given=shown(args[0] if args else None),
        )
    floating = np.dtype(layer.dtype)
    arrays = [a.astype(floating) if a.dtype.kind == "f" and a.dtype != floating else a for a in arrays]
    key = (repr(mapped(_sort, given)), training, layer.trainable)
    function = layer._eager.get(key)
    if function is None or not layer.built:
        function = Function(layer, given, training)
        while len(layer._eager) >= _MOST:
            layer._eager.pop(next(iter(layer._eager)))
        layer._eager[key] = function
    return function(arrays)


def _grouped(tree: Any) -> Any:
    """Lists of numbers as arrays; lists of arrays stay lists."""
    if (
        isinstance(tree, list | tuple)
        and tree
        and all(isinstance(v, int | float | bool | np.generic) for v in leaves(tree))
    ):
        a = own_array(tree)
        return a.astype(config.floatx()) if a.dtype.kind == "f" else a
    return tree


def _array(v: Any) -> Any:
    if hasattr(v, "__array__") and not isinstance(v, np.ndarray | np.generic):
        return own_array(v)
    return v


def _sort(v: Any) -> Any:
    return (v.shape, v.dtype.str) if isinstance(v, np.ndarray) else v


class Function:
    """A layer as a function of arrays of some shapes and dtypes.

    Args:
        layer: The layer.
        given: The arguments: positional ones, and keywords.
        training: Whether it is called as in training.
    """

    def __init__(self, layer: Any, given: tuple[tuple[Any, ...], dict[str, Any]], training: bool) -> None:
        self._layer, sd = layer, Scratch(dtype=layer.dtype)
        placeholders: list[SDVariable] = []

        def fed(a: Any) -> Any:
            if not isinstance(a, np.ndarray):
                return a
            dtype = sd.dtype if a.dtype.kind == "f" else a.dtype
            placeholders.append(sd.placeholder(f"input_{len(placeholders)}", a.shape, dtype))
            return placeholders[-1]

        args, kwargs = mapped(fed, given)
        self._outputs = layer.on_variables(sd, args, kwargs, training)
        outputs = [v for v in leaves(self._outputs) if isinstance(v, SDVariable)]
        notes = notes_of(sd)
        terms = [(v, notes.terms[v.node]) for v in sd.losses if v.node in notes.terms]
        self._terms = sorted(terms, key=lambda one: one[1].weight is not None)
        self._weights = list(notes.weights.values())
        self._updated = [(notes.weights[sd.nodes[i]], SDVariable(sd, j)) for i, j in sd.marks.updates.items()]
        fetched = [*outputs, *(v for v, _ in self._terms), *(v for _, v in self._updated)]
        self._names, self._sd, self._fetched, self._calls = [p.name for p in placeholders], sd, fetched, 0

    def __call__(self, arrays: list[Array]) -> Any:
        """The outputs."""
        for w in self._weights:
            w.settle()
        run = executable_of(self._sd, self._fetched).run
        found = iter(run(dict(zip(self._names, arrays, strict=True)), self._calls))
        self._calls += 1
        outputs = mapped(lambda v: next(found) if isinstance(v, SDVariable) else v, self._outputs)
        _forget_losses(self._layer)
        for _, term in self._terms:
            value = next(found)
            for layer in term.layers or _holders(self._layer, term.weight):
                layer._last_losses = [*(layer._last_losses or ()), value]
        for (w, _), value in zip(self._updated, found, strict=True):
            w.give(np.array(value))
        return outputs


def _forget_losses(layer: Any) -> None:
    layer._last_losses = []
    for inner in layer.sublayers():
        _forget_losses(inner)


def _holders(layer: Any, weight: Any) -> list[Any]:
    """The layer and those inside of it that have a weight."""
    found = [layer] if weight in layer.all_weights() else []
    return [*found, *(one for inner in layer.sublayers() for one in _holders(inner, weight))]
