"""Models as the plain data that Keras 3 keeps in ``.keras`` files: layers with their settings, and which calls which.

What plain data cannot say is refused by name: ops between layers, variables of no layer, and code. Must not know files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, SDGraphError, shown
from sdgraph.keras import activations
from sdgraph.keras.layers.configs import described
from sdgraph.keras.layers.inputs import InputLayer
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.notes import Call, notes_of
from sdgraph.keras.layers.trees import leaves, leaves_by_key, mapped
from sdgraph.keras.training.objective import extra_terms
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.build.graph import Node

_WITHOUT = {"ThresholdedReLU": "ReLU(threshold=theta) is the same"}
"""Layers that Keras 3 does not have, and what to take instead."""


def model_config(model: Any) -> dict[str, Any]:
    """The model as plain data: its class and its configuration.

    Raises:
        ArgumentError: For what plain data cannot say; names it.
    """
    if vars(type(model)).get("keras_name") is None:
        raise ArgumentError(
            f"What {type(model).__name__} computes is code, and files hold plain data.",
            given=repr(model),
            fix="Write its weights: model.save_weights('m.weights.h5'); or its graph: model.save('m.sdg').",
        )
    _ = model.outputs  # It says what is lacking.
    _check(model)
    found = described(model)
    try:
        json.dumps(found)
    except (TypeError, ValueError) as e:
        raise ArgumentError(
            f"A setting of a layer of {model.name!r} is no plain data.", given=str(e), fix="Change its get_config."
        ) from e
    return found


def sequential_config(model: Any) -> dict[str, Any]:
    """The settings of a `Sequential`."""
    fed = [_input(v) for v in model.inputs] if model.connected else []
    return {
        "name": model.name,
        "trainable": model.trainable,
        "dtype": model.dtype,
        "layers": [described(layer) for layer in (*fed, *model.layers)],
        **({"build_input_shape": list(fed[0].batch_shape)} if fed else {}),
    }


def functional_config(model: Any) -> dict[str, Any]:
    """The settings of a functional model."""
    calls = _Calls(model)
    layers = [
        {**described(layer), "name": layer.name, "inbound_nodes": [calls.node(one) for one in calls.of(layer)]}
        for layer in model.layers
    ]
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": mapped(calls.end, model.formed_inputs()),
        "output_layers": mapped(calls.end, model.output),
    }


class _Calls:
    """The calls of layers in a functional model, and where each variable comes from."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._calls: dict[Layer, list[Call]] = {}
        self._places: dict[Node, tuple[str, int, int]] = {v.node: (_called(v), 0, 0) for v in model.inputs}
        for step in model.path_of_calls():
            if not isinstance(step, Call):
                continue
            known = self._calls.setdefault(step.layer, [])
            for k, v in enumerate(leaves_by_key(step.outputs)):
                if isinstance(v, SDVariable):
                    self._places[v.node] = step.layer.name, len(known), k
            known.append(step)
        self._built_in = {one.name for one in model.layers if type(one) is type(model)}

    def of(self, layer: Layer) -> list[Call]:
        """The calls of a layer."""
        return self._calls.get(layer, [])

    def node(self, call: Call) -> dict[str, Any]:
        """A call as Keras writes it."""

        def one(v: Any) -> Any:
            if isinstance(v, SDVariable):
                history = list(self._place(v, call.layer))
                told = {"shape": list(v.shape), "dtype": v.dtype.name, "keras_history": history}
                return {"class_name": "__keras_tensor__", "config": told}
            if v is None or isinstance(v, bool | int | float | str):
                return v
            if isinstance(v, np.generic):
                return v.item()
            raise ArgumentError(
                f"A call of {call.layer.name!r} has what files cannot hold.",
                given=shown(v),
                expected="numbers, texts, and outputs of layers",
            )

        return {"args": [_plain(mapped(one, v)) for v in call.args], "kwargs": _plain(mapped(one, call.kwargs))}

    def end(self, v: SDVariable) -> list[Any]:
        """An input or output of the model. Keras counts a functional model itself as its first call, here alone."""
        name, node, tensor = self._place(v, self._model)
        return [name, node + (name in self._built_in), tensor]

    def _place(self, v: SDVariable, user: Layer) -> tuple[str, int, int]:
        found = self._places.get(v.node) or self._places.get(_uncast(v, user))
        if found is None:
            op = v.node.op.name
            raise ArgumentError(
                f"{v.name!r} is computed between layers, and files of Keras hold layers alone.",
                given=f"{op}, which {user.name!r} takes" if user is not self._model else f"{op}, an output",
                fix="Use a layer that computes it, such as layers.Add; or write the graph: model.save('m.sdg').",
            )
        return found


def _uncast(v: SDVariable, user: Layer) -> Any:
    """What a layer was given that computes in another dtype: Keras casts by itself, too."""
    node = v.node
    is_cast = node.op.name == "cast" and v.dtype.kind == "f" and v.dtype.name == user.dtype
    return v.sd.nodes[node.inputs[0]] if is_cast else None


def _plain(tree: Any) -> Any:
    """Tuples as lists."""
    if isinstance(tree, Mapping):
        return {k: _plain(v) for k, v in tree.items()}
    return [_plain(v) for v in tree] if isinstance(tree, list | tuple) else tree


def _called(v: SDVariable) -> str:
    return v.name.rpartition("/")[2]


def _input(v: SDVariable) -> InputLayer:
    return InputLayer(batch_shape=v.shape, dtype=v.dtype.name, name=_called(v))


# ---------------------------------------------------------------------- what is refused


def _check(model: Any) -> None:
    """Raise for what the configuration would leave out, or say otherwise."""
    known = notes_of(model.sd).terms
    terms = [v.name for v in extra_terms(model.outputs) if v.node not in known]
    if terms:
        raise ArgumentError(
            f"Terms that no layer adds are not in files of Keras: {listed(terms, 'and')}.",
            fix="Add them in the call of a layer; or write the graph: model.save('m.sdg').",
        )
    every = [model, *_ours_within(model)]
    twice = [one.name for one, n in Counter(every).items() if n > 1]
    if twice:
        raise ArgumentError(
            "A layer stands in one model, or files hold it twice.", given=f"{listed(twice, 'and')} in several models"
        )
    for layer in every:
        name = type(layer).__name__
        if _is_ours(layer) and name in _WITHOUT:
            raise ArgumentError(f"Keras 3 has no {name}: {layer.name!r}.", fix=f"{_WITHOUT[name]}.")
        for setting in leaves(layer._given) if type(layer).get_config.__module__.startswith("sdgraph.") else ():
            if _is_code(setting):
                raise ArgumentError(
                    f"{name} {layer.name!r} has a setting that is code, and files hold plain data.",
                    given=shown(setting),
                    fix="Use what has a name, such as activation='relu'; or a layer of your own, which computes it.",
                )


def _ours_within(layer: Layer) -> Iterator[Layer]:
    """The layers in it; what layers of somebody's own are made of, those say themselves."""
    for inner in layer.sublayers() if _is_ours(layer) else ():
        yield inner
        yield from _ours_within(inner)


def _is_ours(layer: Layer) -> bool:
    return type(layer).__module__.startswith("sdgraph.keras.")


def _is_code(v: Any) -> bool:
    """Whether a setting is a function that no name stands for."""
    if not callable(v) or isinstance(v, type | SDVariable) or hasattr(v, "get_config"):
        return False
    try:
        return activations.get(getattr(v, "__name__", "")) is not v
    except SDGraphError:
        return True
