"""Layers that another layer is made of: described as plain data, made once more, and called step by step.

Must not know any layer in particular.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.aval import Dim
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.tracing import Trace, current, entered
from sdgraph.keras.layers.trees import mapped
from sdgraph.samediff import SameDiff
from sdgraph.wording import did_you_mean

L = TypeVar("L", bound=Layer)


def layer_of(who: str, given: Any) -> Layer:
    """The layer that a layer is made of: itself, or of its configuration as Keras writes it.

    Raises:
        ArgumentTypeError: If it is neither.
        ArgumentError: If there is no such layer.
    """
    if isinstance(given, Layer):
        return given
    if not isinstance(given, Mapping) or not isinstance(given.get("config"), Mapping):
        raise ArgumentTypeError(
            f"{who} is made of a layer.",
            given=shown(given),
            fix="Make one: layers.LSTM(4)." if isinstance(given, type) else "",
        )
    known = {cls.__name__: cls for cls in _below(Layer)}
    name = str(given.get("class_name"))
    if name not in known:
        raise ArgumentError(
            f"{who} is made of a layer that is not there.", given=shown(name), fix=did_you_mean(name, known)
        )
    return known[name].from_config(given["config"])


def _below(cls: type[Layer]) -> Iterator[type[Layer]]:
    """The classes of layers; of two with the same name, that of this package comes last."""
    for inner in sorted(cls.__subclasses__(), key=lambda c: c.__module__.startswith("sdgraph.")):
        yield inner
        yield from _below(inner)


def again(layer: L, **changes: Any) -> L:
    """Another layer of the same settings but for some, without weights.

    Layers among its settings are made once more, too.
    """
    args, kwargs = layer._given
    bound = inspect.signature(type(layer).__init__).bind(layer, *args, **kwargs)
    given: dict[str, Any] = {}
    for k, v in list(bound.arguments.items())[1:]:
        given |= v if bound.signature.parameters[k].kind is inspect.Parameter.VAR_KEYWORD else {k: v}
    given = mapped(lambda v: again(v) if isinstance(v, Layer) else v, given)
    return type(layer)(**{"name": layer.name, **given, **changes})


@contextmanager
def within(layer: Layer, shape: tuple[Dim, ...]) -> Iterator[None]:
    """Be within a layer whose `call` is called by the layer that is being called, on things of a shape.

    Its weights are there then, in the graph of that call: also for a loop, whose body is no place to make them.
    """
    outer = current()
    if outer is None:
        raise ArgumentError(f"{layer.name!r} is called within another layer.", given="none that is being called")
    sd = outer.sd
    with sd.name_scope(layer.name):
        trace = Trace(sd, layer, outer.training, outer.call, outer, sd.names.scope)
        with entered(trace):
            layer._build_for(trace, (SameDiff(dtype=sd.dtype).placeholder("step", shape),), {})
            yield
