"""Models from the form that all Keras files have here: each layer made of its settings, and called as the file says.

Classes are looked up among ours and those that the caller gives, never imported. What cannot be made is told all at
once. Must not know containers or weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sdgraph.build.variable import SDVariable
from sdgraph.errors import FormatError, SDGraphError, shown
from sdgraph.keras.files.architecture import Call, LayerConfig, ModelConfig, TensorRef
from sdgraph.keras.files.old_options import HARD_SIGMOID
from sdgraph.keras.layers import BY_NAME, Lambda
from sdgraph.keras.layers.inputs import InputLayer
from sdgraph.keras.layers.lacking import reason
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.trees import leaves, leaves_by_key
from sdgraph.keras.models import operations
from sdgraph.keras.models.model import Model
from sdgraph.keras.models.sequential import Sequential
from sdgraph.samediff import SameDiff
from sdgraph.wording import did_you_mean

_CODE = "what it computes is code, which is not read from files"
_SHOWN = 12
"""How many problems an error lists."""

_LARGEST = 2**63
"""No setting is a larger number."""


class Building:
    """Makes models of configurations.

    Args:
        custom_objects: Classes of layers of the caller's own, by name.
        dtype: The dtype of everything that computes with floats; by default that of the file.
        path: The file, for errors.
    """

    def __init__(self, custom_objects: Mapping[str, Any], dtype: str | None, path: str) -> None:
        self._custom, self._dtype, self._path = custom_objects, dtype, path
        self.problems: list[str] = []
        self.ignored: list[str] = []

    def model(self, config: ModelConfig, sd: SameDiff | None = None) -> Model:
        """The model of a configuration, in a graph.

        Raises:
            FormatError: If something cannot be made; lists all of it.
        """
        made = self._layers(config)
        if self.problems:
            raise self._failed()
        with self._fitting(config):
            found = self._put_together(config, made, sd)
        found.trainable = config.trainable and found.trainable
        for one in config.layers:
            if not one.trainable:
                made[one.name].trainable = False
        return found

    @contextmanager
    def _fitting(self, config: ModelConfig | LayerConfig) -> Iterator[None]:
        """Whatever is raised is an error of the file: calls are in it that nobody would write."""
        try:
            yield
        except FormatError:
            raise
        except Exception as e:
            what = f"the layers of {config.name!r} do not fit together"
            if isinstance(config, LayerConfig):
                what = f"{config.written_as} {config.name!r} at {config.where} cannot be called so"
            raise FormatError(f"{self._path}: {what}.", given=_reason(e)) from e

    def _failed(self) -> FormatError:
        more = len(self.problems) - _SHOWN
        return FormatError(
            f"{self._path} has what cannot be made here.",
            given="; ".join(self.problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else ""),
            fix='Pass layers of your own: custom_objects={"MyPackage>MyLayer": MyLayer}. Losses alone are read by '
            "read_training_config.",
        )

    def _layers(self, config: ModelConfig) -> dict[str, Layer]:
        """The layers by the names that the file has for them; what is in the way is noted."""
        found: dict[str, Layer] = {}
        for one in config.layers:
            if one.function:
                if why := operations.problem(one):
                    self._problem(one, why)
                continue
            layer = self.layer(one)
            if layer is not None:
                found[one.name] = layer
        return found

    # ------------------------------------------------------------------ one layer

    def layer(self, config: LayerConfig) -> Layer | None:
        """A layer; None, and a problem, if it cannot be made."""
        if config.model is not None:
            return self._nested(config)
        cls = self._class(config)
        if cls is None:
            return None
        settings = {k: self._setting(v) for k, v in config.options.items()}
        settings = self._known(cls, config, settings)
        for k, v in settings.items():
            if any(isinstance(n, int) and abs(n) > _LARGEST for n in leaves(v)):
                self._problem(config, f"{k} is too large: {shown(v)}")
                return None
        settings |= {"name": config.name.replace("/", "_")}
        if cls is InputLayer:
            settings |= {"batch_shape": config.input_shape, "dtype": self._fed(config.dtype)}
        else:
            settings |= {"trainable": config.trainable, "dtype": self._dtype or config.dtype}
        try:
            layer = cls(**settings)
        except Exception as e:  # Settings are of any kind.
            self._problem(config, _reason(e))
            return None
        layer.read_from = config
        return layer

    def _nested(self, config: LayerConfig) -> Layer | None:
        assert config.model is not None
        before = len(self.problems)
        made = self._layers(config.model)
        if len(self.problems) > before:
            return None
        with self._fitting(config.model):
            found = self._put_together(config.model, made, None)
        found.name = config.name.replace("/", "_")
        found.read_from = config
        return found

    def _class(self, config: LayerConfig) -> Any:
        for name in (config.registered_name, config.class_name, config.written_as):
            if name in self._custom:
                return self._custom[name]
        if config.package:
            self._problem(config, f"it is a class of {config.package}, whose code is not in the file")
            return None
        found = BY_NAME.get(config.class_name)
        if found is None or found is Lambda:
            why = _CODE if found is Lambda else reason(config.class_name, BY_NAME)
            meant = f"there is no such layer here. {did_you_mean(config.class_name, BY_NAME)}".rstrip()
            self._problem(config, why or meant)
            return None
        return found

    def _known(self, cls: Any, config: LayerConfig, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings that a class has; others are left out where they say nothing, and are problems where they do."""
        parameters = inspect.signature(cls.__init__).parameters
        found = {}
        for name, value in settings.items():
            if (
                name in parameters and parameters[name].kind is not inspect.Parameter.VAR_KEYWORD
            ) or name == "activity_regularizer":
                found[name] = value
            elif value is None or value is False or value == "" or value == {} or name in _NO_EFFECT:
                if value:
                    self.ignored.append(f"{config.name}: {name}={shown(value)}")
            else:
                self._problem(config, f"{cls.__name__} has no {name} here, and it is {shown(value)}")
        return found

    def _setting(self, value: Any) -> Any:
        """A setting, in which layers are made."""
        if isinstance(value, LayerConfig):
            return self.layer(value)
        if value == HARD_SIGMOID:
            return hard_sigmoid_of_keras_2
        if isinstance(value, tuple) and any(isinstance(v, LayerConfig) for v in value):
            return [self.layer(v) for v in value]
        return value

    def _fed(self, dtype: str | None) -> str | None:
        """The dtype of an input."""
        return self._dtype if dtype is None or dtype.startswith("float") else dtype

    def _problem(self, config: LayerConfig, why: str) -> None:
        self.problems.append(f"{config.written_as or config.class_name} {shown(config.name)} at {config.where}: {why}")

    # ------------------------------------------------------------------ whole models

    def _put_together(self, config: ModelConfig, made: Mapping[str, Layer], sd: SameDiff | None) -> Model:
        sd = SameDiff(dtype=self._dtype or _dtype_of(config)) if sd is None else sd
        name = config.name.replace("/", "_")
        if config.kind == "Sequential":
            return self._sequential(config, [*made.values()], sd, name)
        return self._functional(config, made, sd, name)

    def _sequential(self, config: ModelConfig, made: Sequence[Layer], sd: SameDiff, name: str) -> Model:
        found = Sequential(name=name)
        found.live_in(sd)
        entries = list(made)
        if entries and not isinstance(entries[0], InputLayer) and config.input_shape is not None:
            dtype = "int32" if config.layers[0].class_name == "Embedding" else self._dtype
            entries.insert(0, InputLayer(batch_shape=config.input_shape, dtype=dtype))
        found.add_all(entries)
        return found

    def _functional(self, config: ModelConfig, made: Mapping[str, Layer], sd: SameDiff, name: str) -> Model:
        outputs: dict[tuple[str, int], Any] = {}

        def tensor(v: Any) -> Any:
            if not isinstance(v, TensorRef):
                return v
            found = leaves_by_key(outputs.get((v.layer, v.node), []))
            if not 0 <= v.tensor < len(found):
                raise FormatError(f"{self._path}: {v.layer!r} has no output {v.tensor} of call {v.node}.")
            return found[v.tensor]

        for one, k in config.steps():
            call = one.calls[k] if one.calls else Call(())
            given = _mapped(tensor, call.args), _mapped(tensor, dict(call.kwargs))
            if one.function:
                with self._fitting(one):
                    outputs[one.name, k] = operations.called(one, *given)
                continue
            layer = made[one.name]
            if isinstance(layer, InputLayer):
                outputs[one.name, 0] = layer.placeholder(sd)
                continue
            keywords = self._keywords(layer, given[1], one)
            with self._fitting(one):
                outputs[one.name, k] = layer.on_variables(sd, given[0], keywords)
        inputs, ends = _mapped(tensor, config.inputs), _mapped(tensor, config.outputs)
        found = Model(inputs, ends, name=name)
        found.order_layers([one.name.replace("/", "_") for one in config.layers])
        return found

    def _keywords(self, layer: Layer, given: Mapping[str, Any], config: LayerConfig) -> dict[str, Any]:
        """The keywords of a call that say something."""
        parameters = inspect.signature(layer.call).parameters
        found = {k: v for k, v in given.items() if v is not None or k in parameters}
        for k, v in found.items():
            if k not in parameters and k not in ("training", "mask"):
                raise FormatError(
                    f"{self._path}: a call of {config.name!r} has a setting that {type(layer).__name__} has not here.",
                    given=f"{k}={shown(v)}",
                )
        return {k: v for k, v in found.items() if k in parameters or k == "training"}


def hard_sigmoid_of_keras_2(x: SDVariable) -> SDVariable:
    """``clip(0.2 x + 0.5, 0, 1)``, which Keras 1 and 2 call ``hard_sigmoid``."""
    return x.sd.nn.hard_sigmoid(x)


def _dtype_of(config: ModelConfig) -> str:
    """The dtype of a graph for a model, in which layers of one precision compute without casts."""
    told = {one.dtype for one in config.layers if one.dtype is not None and one.dtype.startswith("float")}
    return "float64" if told == {"float64"} else "float32"


def _reason(e: Exception) -> str:
    """What an error says, in one line."""
    if not isinstance(e, SDGraphError):
        return f"{type(e).__name__}: {str(e)[:200]}"
    return " ".join(filter(None, (e.message, e.given)))


def _mapped(f: Any, tree: Any) -> Any:
    if isinstance(tree, TensorRef):
        return f(tree)
    if isinstance(tree, Mapping):
        return {k: _mapped(f, v) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_mapped(f, v) for v in tree)
    return f(tree)


_NO_EFFECT = frozenset({"implementation", "unroll", "synchronized", "sparse", "ragged", "autocast"})
"""Settings that say how Keras computes, not what."""
