"""The configuration of a model in a file of any version, as `architecture` has it.

Must not know where a configuration came from, nor weights.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from sdgraph.checks import is_whole
from sdgraph.errors import FormatError, shown
from sdgraph.keras.files.architecture import LayerConfig, ModelConfig, TensorRef
from sdgraph.keras.files.calls import calls_of, ends
from sdgraph.keras.files.old_options import class_and_options

SEQUENTIAL: Final = ("Sequential",)
FUNCTIONAL: Final = ("Functional", "Model")
"""Classes of models that are data; Keras 1 and 2 called a functional one Model."""

_LAYERS: Final = {"layer", "backward_layer", "forward_layer", "cell", "cells"}
"""Settings that are layers."""

_SHAPES: Final = ("batch_shape", "batch_input_shape", "input_shape")
_OF_ALL: Final = {"name", "trainable", "dtype", *_SHAPES}
"""What every layer has in its settings, and what has a place of its own here."""

_OF_KERAS: Final = {"keras", "tf_keras", "keras_core", "tensorflow", "builtins"}
"""The packages that Keras' own classes come from."""

_OPERATIONS: Final = ("keras.src.ops.", "keras.ops.")
"""Where the functions are that Keras 3 calls between layers, as for masks."""

_CAST: Final = "Cast"
"""The one of them that has a dtype, as layers have."""

_QUANTISED: Final = re.compile(r"^(int|float)\d_|^gptq|^awq", re.IGNORECASE)
_LARGEST: Final = 2**40
_MOST_WORK: Final = 20_000
"""Calls of layers, and arrays that they take: more than any network has; some levels of models in models have more."""


def model_of(config: Mapping[str, Any], version: tuple[int, ...], where: str) -> ModelConfig:
    """The model that a configuration describes.

    Args:
        config: The configuration: ``class_name`` and ``config``.
        version: The version of Keras that wrote it.
        where: Its place in the file, for errors.

    Raises:
        FormatError: If it describes no Sequential or Functional model.

    Example:
        >>> dense = {"class_name": "Dense", "config": {"name": "d", "units": 2, "batch_input_shape": [None, 3]}}
        >>> model = model_of({"class_name": "Sequential", "config": [dense]}, (1, 2), "model_config")
        >>> model.layers[0].options, model.input_shape
        ({'units': 2}, (None, 3))
    """
    name, settings = config.get("class_name"), config.get("config")
    where = f"{where}/config"
    if name in SEQUENTIAL:
        # It is a list until Keras 2.2.2.
        plain = {"layers": settings} if isinstance(settings, list) else _settings(settings, where)
        return _bounded(_sequential(plain, version, where, config.get("build_config")), where)
    if name in FUNCTIONAL:
        model = _bounded(_functional(_settings(settings, where), version, where), where)
        model.steps()  # It looks whether there is an order.
        return model
    raise FormatError(
        f"The model is a {shown(name)}, whose call is code, and code is not in the file.",
        expected="a Sequential or a Functional model",
        fix="Build the model, and load its weights.",
    )


def _bounded(model: ModelConfig, where: str) -> ModelConfig:
    work = model.work()
    if work > _MOST_WORK:
        raise FormatError(
            f"{where} has more calls of layers than any model.",
            given=f"{work:,} calls and arrays that they take",
            expected=f"at most {_MOST_WORK:,}",
        )
    return model


def _settings(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FormatError(f"{where} is no object.", given=shown(value), expected="settings by name")
    return value


def _list(settings: Mapping[str, Any], key: str, where: str) -> list[Any]:
    if key not in settings:
        raise FormatError(f"{where} has no {key}.", given=f"keys {shown(list(settings))}")
    value = settings[key]
    if not isinstance(value, list):
        raise FormatError(f"{where}/{key} is no list.", given=shown(value))
    return value


def _text(value: Any, where: str, absent: str) -> str:
    if value is None:
        return absent
    if not isinstance(value, str):
        raise FormatError(f"{where} is no text.", given=shown(value))
    return value


# ---------------------------------------------------------------------- models


def _sequential(settings: Mapping[str, Any], version: tuple[int, ...], where: str, build: Any) -> ModelConfig:
    layers = _layers(settings, version, where, functional=False)
    built = build.get("input_shape") if isinstance(build, Mapping) else None
    shapes = [layers[0].input_shape if layers else None, shape_of(settings.get("build_input_shape")), shape_of(built)]
    return ModelConfig(
        "Sequential",
        _text(settings.get("name"), f"{where}/name", "sequential"),
        layers,
        trainable=settings.get("trainable") is not False,
        dtype=policy_of(settings.get("dtype"), where),
        input_shape=next((shape for shape in shapes if shape is not None), None),
    )


def _functional(settings: Mapping[str, Any], version: tuple[int, ...], where: str) -> ModelConfig:
    layers = _layers(settings, version, where, functional=True)
    names = {layer.name for layer in layers}
    built_in = {layer.name for layer in layers if layer.model is not None and layer.model.kind == "Functional"}
    return ModelConfig(
        "Functional",
        _text(settings.get("name"), f"{where}/name", "functional"),
        layers,
        _counted(ends(settings.get("input_layers", []), names, f"{where}/input_layers"), built_in),
        _counted(ends(settings.get("output_layers", []), names, f"{where}/output_layers"), built_in),
        settings.get("trainable") is not False,
        policy_of(settings.get("dtype"), where),
    )


def _counted(end: Any, built_in: Collection[str]) -> Any:
    """An end of a model, where Keras counts what a functional model was made with as its first call."""
    if isinstance(end, TensorRef):
        return end._replace(node=end.node - 1) if end.layer in built_in and end.node else end
    if isinstance(end, Mapping):
        return {name: _counted(one, built_in) for name, one in end.items()}
    return [_counted(one, built_in) for one in end]


def _layers(
    settings: Mapping[str, Any], version: tuple[int, ...], where: str, *, functional: bool
) -> tuple[LayerConfig, ...]:
    entries = _list(settings, "layers", where)
    places = [f"{where}/layers[{k}]" for k in range(len(entries))]
    names = _names(entries, places)
    known = set(names)
    return tuple(
        layer_of(entry, version, place, name=name, layers=known if functional else None)
        for entry, place, name in zip(entries, places, names, strict=True)
    )


def _names(entries: list[Any], places: list[str]) -> list[str]:
    """The names of layers; one that has none in the file gets that of its class."""
    found: dict[str, None] = {}
    for entry, place in zip(entries, places, strict=True):
        plain = _settings(entry, place)
        inner = plain.get("config")
        told = plain.get("name")
        if told is None and isinstance(inner, Mapping):
            told = inner.get("name")
        name = _text(told, f"{place}/name", "")
        if name in found and name:
            raise FormatError(f"{place}: there are two layers {shown(name)}.")
        base, k = snake_case(str(plain.get("class_name"))), 1
        first = base
        while not name:
            name, first, k = (first, first, k) if first not in found else ("", f"{base}_{k}", k + 1)
        found[name] = None
    return list(found)


def snake_case(name: str) -> str:
    """The name of a class as Keras derives names of layers from it.

    Example:
        >>> snake_case("MultiHeadAttention"), snake_case("Conv2DTranspose"), snake_case("GRU")
        ('multi_head_attention', 'conv2d_transpose', 'gru')
    """
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


# ---------------------------------------------------------------------- layers


def layer_of(
    entry: Any, version: tuple[int, ...], where: str, *, name: str = "", layers: Collection[str] | None = None
) -> LayerConfig:
    """One layer; ``layers`` are the names of all layers of a functional model, whose calls are read, too.

    Raises:
        FormatError: If it describes no layer.
    """
    plain = _settings(entry, where)
    written = plain.get("class_name")
    if not isinstance(written, str):
        raise FormatError(f"{where} describes no layer: it has no class_name.", given=f"keys {shown(list(plain))}")
    if layers is not None and _is_operation(plain, version):
        return _operation(plain, name, layers, where)
    package, _, short = written.rpartition(">")
    registered = plain.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        package = registered.rpartition(">")[0]
    nested = model_of(plain, version, where) if short in (*SEQUENTIAL, *FUNCTIONAL) else None
    raw = {} if nested is not None else _settings(plain.get("config", {}), f"{where}/config")
    options = {
        key: _option(key, value, version, f"{where}/config/{key}") for key, value in raw.items() if key not in _OF_ALL
    }
    cls, options = class_and_options(short, options, version, where)
    shape = _input_shape(raw, plain)
    told = nested.name if nested is not None else _text(raw.get("name"), f"{where}/name", snake_case(short))
    return LayerConfig(
        cls,
        name or told,
        options,
        nested.trainable if nested is not None else raw.get("trainable") is not False,
        nested.dtype if nested is not None else policy_of(raw.get("dtype"), where),
        calls_of(plain.get("inbound_nodes", []), layers, cls, f"{where}/inbound_nodes") if layers is not None else (),
        shape,
        nested,
        written,
        _package(package, plain.get("module")),
        where,
    )


def _is_operation(plain: Mapping[str, Any], version: tuple[int, ...]) -> bool:
    """Whether a function is called, and no layer; an ``.h5`` file tells it by what all layers have."""
    if "module" in plain or version < (3,):
        return str(plain.get("module")).startswith(_OPERATIONS)
    raw = plain.get("config")
    if not isinstance(raw, Mapping) or plain["class_name"] == _CAST:
        return isinstance(raw, Mapping)
    return not {"trainable", "dtype", "layers", *_SHAPES} & raw.keys()


def _operation(plain: Mapping[str, Any], name: str, layers: Collection[str], where: str) -> LayerConfig:
    """A function that is called on arrays in a functional model."""
    cls = plain["class_name"]
    raw = _settings(plain.get("config", {}), f"{where}/config")
    options = {key: unwrapped(value) for key, value in raw.items() if key != "name"}
    calls = calls_of(plain.get("inbound_nodes", []), layers, cls, f"{where}/inbound_nodes")
    return LayerConfig(cls, name, options, calls=calls, written_as=cls, where=where, function=snake_case(cls))


def _package(package: str, module: Any) -> str | None:
    """Where a class is from that is not Keras' own, though it may be called as one of these."""
    if package and package.lower() not in _OF_KERAS:
        return package
    if isinstance(module, str) and module.partition(".")[0] not in _OF_KERAS:
        return module
    return None


def _input_shape(raw: Mapping[str, Any], plain: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    build = plain.get("build_config")
    told = [raw.get(key) for key in _SHAPES[:2]]
    told.append(build.get("input_shape") if isinstance(build, Mapping) else None)
    return next((shape for shape in map(shape_of, told) if shape is not None), None)


def shape_of(value: Any) -> tuple[int | None, ...] | None:
    """A shape, in which None is any size; None if it is none, or those of several arrays."""
    plain = unwrapped(value)
    if isinstance(plain, list | tuple) and all(n is None or is_whole(n, 0, _LARGEST) for n in plain):
        return tuple(plain)
    return None


def policy_of(value: Any, where: str) -> str | None:
    """The name of a dtype policy.

    Raises:
        FormatError: If it is one of quantised weights, which are other numbers than a layer computes with.
    """
    told = value
    while isinstance(told, Mapping):
        settings = told.get("config")
        inner = settings if isinstance(settings, Mapping) else {}
        if "mode" in inner or inner.get("policy_map"):
            raise FormatError(
                f"{where}: weights are quantised, or each layer has a policy of its own, which is not read.",
                given=shown(told),
            )
        told = inner.get("name", inner.get("default_policy"))
    if told is None:
        return None
    name = _text(told, f"{where}/dtype", "")
    if _QUANTISED.match(name):
        raise FormatError(f"{where}: weights are quantised, which is not read.", given=shown(name))
    return name


# ---------------------------------------------------------------------- settings


def _option(key: str, value: Any, version: tuple[int, ...], where: str) -> Any:
    if key in _LAYERS:
        if isinstance(value, Mapping) and "class_name" in value:
            return layer_of(value, version, where)
        if isinstance(value, list) and all(isinstance(one, Mapping) and "class_name" in one for one in value):
            return tuple(layer_of(one, version, f"{where}[{k}]") for k, one in enumerate(value))
    return unwrapped(value)


def unwrapped(value: Any) -> Any:
    """A setting without what Keras wraps around values that JSON has no type for, and around names of functions.

    Example:
        >>> unwrapped({"class_name": "__tuple__", "items": [1, 2]}), unwrapped({"type": "ndarray", "value": 0.25})
        ((1, 2), 0.25)
        >>> unwrapped({"module": "builtins", "class_name": "function", "config": "relu"})
        'relu'
    """
    if isinstance(value, list):
        return [unwrapped(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    settings = value.get("config")
    match value.get("class_name"):
        case "__tuple__" | "TensorShape" if isinstance(value.get("items"), list):
            items = [unwrapped(one) for one in value["items"]]
            return tuple(items) if value["class_name"] == "__tuple__" else items
        case "__numpy__" | "__tensor__" if isinstance(settings, Mapping) and "value" in settings:
            return settings["value"]
        case "function" if isinstance(settings, str):
            return settings
    if value.get("type") == "ndarray" and "value" in value:
        return value["value"]
    return {key: unwrapped(one) for key, one in value.items() if key not in ("module", "shared_object_id")}
