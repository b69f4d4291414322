"""Which arrays the calls of a Functional model take, from the ways in which versions of Keras write it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sdgraph.checks import is_whole
from sdgraph.errors import FormatError, shown
from sdgraph.keras.files.architecture import Call, TensorRef

_TENSOR: Final = "__keras_tensor__"
_SLICE: Final = "__slice__"
_ELLIPSIS: Final = "__ellipsis__"
_CONSTANT: Final = "_CONSTANT_VALUE"
_PHASE: Final = "training"
"""What Keras 3 writes the default of into files, and takes from the model whenever that is called."""

STATES_IN_LIST: Final = {"RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"}
"""Layers that Keras 1 and 2 write with one list for the sequence and the states it begins with."""


def calls_of(nodes: Any, layers: Collection[str], class_name: str, where: str) -> tuple[Call, ...]:
    """The calls that ``inbound_nodes`` of a layer describes.

    Args:
        nodes: What the file has.
        layers: The names of all layers of the model.
        class_name: The class of the layer in Keras 3.
        where: The place in the file.

    Raises:
        FormatError: If it is neither the form of Keras 1 and 2, nor that of Keras 3.
    """
    if not isinstance(nodes, list):
        raise FormatError(f"{where} is no list.", given=shown(nodes))
    return tuple(_call(node, layers, class_name, f"{where}[{k}]") for k, node in enumerate(nodes))


def _call(node: Any, layers: Collection[str], class_name: str, where: str) -> Call:
    if isinstance(node, Mapping) and "args" in node:
        args, kwargs = node["args"], node.get("kwargs", {})
        if not isinstance(args, list) or not isinstance(kwargs, Mapping):
            raise FormatError(f"{where} is no call.", given=shown(node), expected="args and kwargs")
        return Call(
            tuple(_new(one, layers, f"{where}/args[{k}]") for k, one in enumerate(args)),
            {name: _new(one, layers, f"{where}/kwargs/{name}") for name, one in kwargs.items() if name != _PHASE},
        )
    return _old_call(node, layers, class_name, where)


def _new(value: Any, layers: Collection[str], where: str) -> Any:
    """An argument of Keras 3."""
    if isinstance(value, list):
        return [_new(one, layers, where) for one in value]
    if not isinstance(value, Mapping):
        return value
    config = value.get("config")
    if value.get("class_name") == _SLICE:
        return _slice(config, where)
    if value.get("class_name") == _ELLIPSIS:
        return Ellipsis
    if value.get("class_name") != _TENSOR:
        return {name: _new(one, layers, where) for name, one in value.items()}
    return reference(config.get("keras_history") if isinstance(config, Mapping) else None, layers, where)


def _slice(config: Any, where: str) -> slice:
    """A part of an axis.

    Raises:
        FormatError: If its ends are no numbers.
    """
    ends = [config.get(k) for k in ("start", "stop", "step")] if isinstance(config, Mapping) else [False]
    if not all(end is None or is_whole(end) for end in ends):
        raise FormatError(f"{where} is no part of an axis.", given=shown(config), expected="whole numbers")
    return slice(*ends)


def reference(value: Any, layers: Collection[str], where: str) -> TensorRef:
    """What ``[layer, node, tensor]`` points to.

    Raises:
        FormatError: If it is something else, or there is no such layer.
    """
    match value:
        case [str(layer), node, tensor, *_] if is_whole(node, 0) and is_whole(tensor, 0):
            if layer not in layers:
                raise FormatError(f"{where}: there is no layer {shown(layer)}.")
            return TensorRef(layer, node, tensor)
    raise FormatError(f"{where} names no output of a layer.", given=shown(value), expected="[layer, node, tensor]")


# ---------------------------------------------------------------------- Keras 1 and 2


def _old_call(node: Any, layers: Collection[str], class_name: str, where: str) -> Call:
    kwargs: dict[str, Any] = {}
    if isinstance(node, list) and node and isinstance(node[0], str):
        node = [node]  # A call with one array may be one level flatter.
    if isinstance(node, list):
        found = [_old_input(one, layers, kwargs, f"{where}[{k}]") for k, one in enumerate(node)]
        first: Any = found[0] if len(found) == 1 else found
        if len(found) > 1 and class_name in STATES_IN_LIST:
            first, kwargs["initial_state"] = found[0], found[1:]
    elif isinstance(node, Mapping):
        first = {name: _old_input(one, layers, kwargs, f"{where}/{name}") for name, one in node.items()}
    else:
        raise FormatError(f"{where} is no call of a layer.", given=shown(node))
    return Call(() if first == [] else (first,), kwargs)


def _old_input(entry: Any, layers: Collection[str], kwargs: dict[str, Any], where: str) -> Any:
    """One array; what else the call takes goes into ``kwargs``."""
    if not isinstance(entry, list) or len(entry) not in (3, 4):
        raise FormatError(f"{where} names no output of a layer.", given=shown(entry), expected="[layer, node, tensor]")
    more = entry[3] if len(entry) == 4 else {}
    if not isinstance(more, Mapping):
        raise FormatError(f"{where} has no keyword arguments at its end.", given=shown(more))
    kwargs.update({name: _old(one, layers, f"{where}/{name}") for name, one in more.items()})
    return entry[2] if entry[0] == _CONSTANT else reference(entry, layers, where)


def _old(value: Any, layers: Collection[str], where: str) -> Any:
    """A keyword argument, in which triples that name a layer are arrays."""
    match value:
        case [str(layer), node, tensor] if is_whole(node) and is_whole(tensor) and layer in layers:
            return reference(value, layers, where)
        case [str(layer), -1, constant, *_] if layer == _CONSTANT:
            return constant
        case list():
            return [_old(one, layers, where) for one in value]
        case dict():
            return {name: _old(one, layers, where) for name, one in value.items()}
    return value


def ends(value: Any, layers: Collection[str], where: str) -> Any:
    """The inputs or outputs of a model: one reference, or a list or dict of them.

    Raises:
        FormatError: If it is something else.
    """
    if isinstance(value, Mapping):
        return {name: ends(one, layers, f"{where}/{name}") for name, one in value.items()}
    if isinstance(value, list) and not (len(value) == 3 and isinstance(value[0], str) and is_whole(value[1])):
        return [ends(one, layers, f"{where}[{k}]") for k, one in enumerate(value)]
    return reference(value, layers, where)
