"""`Model`: inputs and outputs of a graph as one layer, and what its own `call` says for a subclass.

A front for what models are made of; how they are trained stands in `sdgraph.keras.models.training`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.arrays import own_array
from sdgraph.infer.aval import is_floating
from sdgraph.keras.layers import naming
from sdgraph.keras.layers.given import fitting
from sdgraph.keras.layers.inputs import InputLayer, close
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.notes import Call, notes_of
from sdgraph.keras.layers.replaying import Replay, Step, brought, steps
from sdgraph.keras.layers.tracing import current
from sdgraph.keras.layers.trees import leaves, leaves_by_key, mapped
from sdgraph.keras.layers.weights import Weight, moved, settle
from sdgraph.keras.models.exporting import functional_config
from sdgraph.keras.models.ordering import by_depth
from sdgraph.keras.models.summary import summary
from sdgraph.keras.models.training import Trained
from sdgraph.keras.training.objective import extra_terms
from sdgraph.keras.training.objective import leaves as leaves_of
from sdgraph.keras.training.reading import is_arrays, peeked
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.build.kinds import AnyGraph

Array = np.ndarray[Any, Any]
Variables = SDVariable | Sequence[SDVariable] | Mapping[str, SDVariable]


@readable
class Model(Trained):
    """Inputs and outputs of a graph, with Keras' ``compile``, ``fit``, ``evaluate`` and ``predict``.

    ``Model(inputs, outputs)`` takes variables of a graph: of layers that were called on an `Input`, or of ops. The
    variables that the outputs are computed from are trained. They stay the graph's, and have new values there. A
    subclass that is made without inputs has a method `call`, and gets a graph of its own with the first data.

    Outputs are called by the names of their layers, or of their variables where ops made them, or by the keys of a
    dict, in losses, metrics and histories. A model is a layer, too: it may be called on variables and on arrays.

    Args:
        inputs: A placeholder, a list of them, or a dict of them by names of your own.
        outputs: A variable, a list, or a dict.
        name: What the model is called.
        trainable: Whether its weights are trained.
        **kwargs: As for `layers.Layer`.

    Raises:
        ArgumentTypeError: If an input is no placeholder.
        ArgumentError: If an output needs a placeholder that is not among the inputs, or there are several graphs.

    Example:
        >>> import numpy as np
        >>> from sdgraph import SameDiff, keras
        >>> sd = SameDiff()
        >>> x = sd.placeholder("x", (None, 2))
        >>> model = keras.Model(x, sd.nn.sigmoid(x @ sd.var("w", [[0.0], [0.0]])))
        >>> model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        >>> points = np.random.default_rng(0).normal(size=(64, 2))
        >>> history = model.fit(points, points[:, :1] > 0, epochs=5, verbose=0)
        >>> sorted(history.history), history.epoch
        (['accuracy', 'loss'], [0, 1, 2, 3, 4])
    """

    keras_name: ClassVar[tuple[str, str] | None] = ("keras.src.models.functional", "Functional")
    import_report: Any = None
    """What was read of the file that the model is from, and what was ignored, as an `ImportReport`."""
    training_config: Any = None
    """What the model was compiled with when it was saved, as a `TrainingConfig`."""

    def __init__(
        self,
        inputs: Variables | None = None,
        outputs: Variables | None = None,
        name: str | None = None,
        *,
        trainable: bool = True,
        **kwargs: Any,
    ) -> None:
        if name is None and type(self) is Model:
            name = naming.numbered("functional")
        super().__init__(name=name, trainable=trainable, **kwargs)
        self._layers: list[Layer] = []
        self._functional = inputs is not None
        if (inputs is None) != (outputs is None) or (type(self) is Model and inputs is None):
            raise ArgumentTypeError(
                "A model has inputs and outputs.", fix="Model(inputs, outputs), or a subclass with a method call."
            )
        if inputs is not None and outputs is not None:
            self._connect(inputs, outputs)
            close(self.sd)

    def _connect(self, inputs: Variables, outputs: Variables) -> None:
        """Be what leads from inputs to outputs."""
        given = _named("input", inputs), _named("output", outputs)
        sd = next(iter(given[1].values())).sd
        several = {id(v.sd) for v in (*given[0].values(), *given[1].values())}
        if len(several) > 1 and any(v.sd.layer_notes is None for v in (*given[0].values(), *given[1].values())):
            raise ArgumentError("A model is of one graph.", given=f"variables of {len(several)} graphs")
        ins, outs = ({k: _in(sd, v) for k, v in part.items()} for part in given)
        for v in ins.values():
            if v.kind is not VariableKind.PLACEHOLDER:
                raise ArgumentTypeError(f"An input is a placeholder: {v.name!r} is {v.kind.in_words}.", given=repr(v))
        for v in outs.values():
            if not v.ndim:
                raise ArgumentError(f"An output has an axis of examples: {v.name!r} is one number.", given=repr(v))
        needed = [v for v in leaves_of([*outs.values()]) if v.kind is VariableKind.PLACEHOLDER]
        lacking = [v.name for v in needed if v not in ins.values()]
        if lacking:
            raise ArgumentError(f"The outputs need {listed(lacking, 'and')}.", given=f"inputs {listed(ins)}")
        layers = _layers(sd, _flat(inputs, ins), _flat(outputs, outs))
        self._inputs, self._outputs, self._home, self._layers = ins, outs, sd, layers
        self._path = steps(sd, outs.values(), ins.values())
        self._form_of_inputs, self._form = _form(inputs), _form(outputs)
        if len(outs) == 1 and self._form is list:
            self._form = SDVariable  # As in Keras.
        self.built = True
        self._begin()

    # ------------------------------------------------------------------ what it is made of

    @property
    def input(self) -> Any:
        """The input; a list of several."""
        found = self.inputs
        return found[0] if len(found) == 1 else found

    def formed_inputs(self) -> Any:
        """The inputs, in the form that the model was made with."""
        if self._form_of_inputs is dict:
            return dict(self._inputs)
        return self.inputs[0] if self._form_of_inputs is SDVariable else self.inputs

    @property
    def output(self) -> Any:
        """The output, in the form that the model was made with."""
        self._need()
        return self._formed(self.outputs)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, with the batch; a list for several inputs."""
        return mapped(lambda v: v.shape, self.input)

    @property
    def output_shape(self) -> Any:
        """The shape of the output, with the batch."""
        return mapped(lambda v: v.shape, self.output)

    @property
    def is_made_of_calls(self) -> bool:
        """Whether it is what leads from its inputs to its outputs, and no code of its own."""
        return self._functional

    @property
    def layers(self) -> list[Layer]:
        """The layers, an `InputLayer` for each input among them, in Keras' order, which is by depth.

        Of a subclass with a `call` of its own they are its attributes.
        """
        return list(self._layers) if self._functional and self._outputs else super().sublayers()

    def path_of_calls(self) -> list[Step]:
        """What leads from the inputs to the outputs, in order: calls of layers, and nodes of ops between them."""
        return list(self._path) if self._outputs else []

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print the layers with the shapes they give and the sizes of their weights, as Keras does.

        ``model.sd.summary()`` prints the variables of the graph.

        Args:
            line_length: How long lines are.
            positions: Has no effect.
            print_fn: What is called with each line, by default `print`.
            expand_nested: Whether the layers of models inside are listed, too.
            show_trainable: Whether it is told which layers are trained.
            layer_range: Has no effect.

        Example:
            >>> from sdgraph import keras
            >>> keras.Sequential([keras.layers.Dense(3, input_shape=(4,), name="d")], name="m").summary(line_length=57)
            Model: "m"
            ┏━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
            ┃ Layer (type) ┃ Output Shape           ┃       Param # ┃
            ┡━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
            │ d (Dense)    │ (None, 3)              │            15 │
            └──────────────┴────────────────────────┴───────────────┘
             Total params: 15 (60.00 B)
             Trainable params: 15 (60.00 B)
             Non-trainable params: 0 (0.00 B)
        """
        summary(self, line_length, print_fn, expand_nested, show_trainable)

    def order_layers(self, names: Sequence[str]) -> None:
        """Have the layers in the order of a file."""
        place = {name: k for k, name in enumerate(names)}
        self._layers.sort(key=lambda layer: place.get(layer.name, len(place)))

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name, or at a place.

        Raises:
            ArgumentError: If there is none, or neither or both are given.
        """
        if (name is None) == (index is None):
            raise ArgumentError("A layer is found by its name or its place.", given=f"name={name!r}, index={index!r}")
        found = self.layers
        if index is not None and not is_whole(index):
            raise ArgumentTypeError("The place of a layer is a whole number.", given=f"index={shown(index)}")
        if index is not None and -len(found) <= index < len(found):
            return found[index]
        for layer in found if index is None else ():
            if layer.name == name:
                return layer
        raise ArgumentError(
            f"There is no layer {shown(name if index is None else index)}.",
            given=f"the model {self.name!r}",
            expected=listed([layer.name for layer in found]),
        )

    def get_config(self) -> dict[str, Any]:
        """The layers, and which calls which, as Keras writes it; of a subclass the arguments that make it.

        Raises:
            ArgumentError: If there are ops between the layers.
        """
        return functional_config(self) if type(self) is Model else super().get_config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A model of the configuration of a subclass; that of a `Model` or `Sequential` itself is in its file.

        Raises:
            ArgumentError: For a `Model` and a `Sequential`.
        """
        if "keras_name" in vars(cls):
            raise ArgumentError(
                f"A {cls.__name__} is made of a file.",
                given=shown(config),
                fix="model.save('m.keras'), then keras.load_model('m.keras', enforce_training_config=False).",
            )
        return super().from_config(config)

    def sublayers(self) -> list[Layer]:
        """Its layers, then those that it keeps as attributes."""
        return list(dict.fromkeys([*self.layers, *super().sublayers()]))

    def __repr__(self) -> str:
        if not self._outputs:
            return f"<{type(self).__name__} {self.name!r}>"
        inputs, outputs = listed(self.input_names, "and"), listed(self.output_names, "and")
        return f"<{type(self).__name__} {self.name!r}: {inputs} to {outputs}>"

    # ------------------------------------------------------------------ called as a layer

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The outputs for other inputs."""
        self._need()
        given = dict(zip((v.node for v in self.inputs), self._apart(inputs), strict=True))
        sd = next(iter(given.values())).sd
        return self._formed(Replay(self.sd, sd, given)(self._path, self.outputs))

    def _apart(self, inputs: Any) -> list[Any]:
        """One thing for each input."""
        if isinstance(inputs, Mapping):
            lacking = [name for name in self._inputs if name not in inputs]
            if lacking:
                raise ArgumentError(f"There is nothing for the input {listed(lacking, 'and')}.", given=listed(inputs))
            return [inputs[name] for name in self._inputs]
        found = list(leaves(inputs))
        if len(found) != len(self._inputs):
            raise ArgumentError(
                f"The model {self.name!r} has {len(self._inputs)} inputs.", given=f"{len(found)}: {shown(inputs)}"
            )
        return found

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of a shape, with the batch: ``(None, 10)``, or a list or dict of shapes."""
        if current() is None and not self._outputs:
            self.connect(_fed(input_shape))

    def connect(self, fed: Any) -> None:
        """Get inputs and outputs.

        Args:
            fed: An `InputLayer` for each input, nested as `call` takes them.
        """
        sd = self.home()
        with sd.transaction():
            made = mapped(lambda one: one.placeholder(sd), fed)
            found = self.on_variables(sd, (made,), {})
            several = [*leaves(made)]
            inputs = made if isinstance(made, Mapping | SDVariable) else several
            self._connect(inputs, found if isinstance(found, SDVariable | Mapping) else [*leaves(found)])

    def _connected_to(self, x: Any) -> Any:
        """Data, to which a model without inputs has got some; iterators have all their batches still."""
        if self._outputs:
            return x
        first = x
        if not is_arrays(x):
            first, x = peeked(x, once=False)
            first = first[0] if isinstance(first, tuple | list) else first
        self.connect(mapped(_like, _as_arrays(first)))
        return x

    def _trained_outputs(self) -> list[SDVariable]:
        """The outputs as in training, where a layer of somebody's tells training from use; else the outputs."""
        path = {id(step) for step in self._path}
        changed = any(layer.trainable != was for call, layer, was in notes_of(self.sd).phases if id(call) in path)
        if not changed and not any(_tells_apart(layer) for layer in (self, *_all(self))):
            return self.outputs
        sd = self.sd
        with sd.transaction(), sd.name_scope("in_training"):
            if self._functional:
                given: dict[Node, Any] = {v.node: v for v in self.inputs}
                return Replay(sd, sd, given, training=True)(self._path, self.outputs)
            (call,) = {notes_of(sd).calls[v.node] for v in self.outputs}
            found = self.on_variables(sd, call.args, dict(call.kwargs), training=True)
            return list(leaves(found))

    # ------------------------------------------------------------------ weights

    def _take_moves(self, outputs: Sequence[SDVariable]) -> None:
        """Let weights move after each step as the calls say that lead to outputs, and as no others do."""
        notes = notes_of(self.sd)
        path = {id(step) for step in steps(self.sd, outputs)} if notes.moves else set()
        for node, moves in notes.moves.items():
            if not node.is_gone:
                moved(SDVariable(self.sd, node.id), [m for m in moves if id(m.call) in path and m.layer.trainable])

    def _variables(self, weights: Sequence[Weight]) -> list[SDVariable]:
        if self._outputs:
            settle(self.all_weights())
        return super()._variables(weights)

    def _plain_variables(self) -> list[SDVariable]:
        """The variables, no weights of layers, that outputs and terms are computed from, in the order of the graph."""
        if not self._outputs:
            return []
        known = {w.of(self.sd).id for w in self.all_weights()}
        every = leaves_of([*self.outputs, *extra_terms(self.outputs)])
        return [v for v in every if v.kind is VariableKind.VARIABLE and v.id not in known]

    @property
    def weights(self) -> list[SDVariable]:
        """Variables for the weights of its layers, then the other variables of the graph that it uses."""
        return [*super().weights, *self._plain_variables()]

    @property
    def trainable_weights(self) -> list[SDVariable]:
        """Those of them that are trained."""
        own = [v for v in self._plain_variables() if is_floating(v.dtype) and v.id not in self.sd.marks.updates]
        return [*super().trainable_weights, *(own if self.trainable else [])]

    @property
    def non_trainable_weights(self) -> list[SDVariable]:
        """Those that are not."""
        trained = {v.id for v in self.trainable_weights}
        return [v for v in self.weights if v.id not in trained]

    def count_params(self) -> int:
        """How many numbers its weights have."""
        return sum(v.value.size for v in self.weights)

    def get_weights(self) -> list[Array]:
        """The values of `weights`, as copies."""
        return [v.value.copy() for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give `weights` values, all of them or, where one does not fit, none.

        Raises:
            ArgumentTypeError: If it is no list.
            ArgumentError: If there are more or fewer.
            ShapeError: If one has another shape.
        """
        own = self.all_weights()
        plain = [Weight(v.name, v.value) for v in self._plain_variables()]
        arrays = fitting(weights, [*own, *plain], self.name)
        if plain:
            self.sd.set_values(dict(zip(self._plain_variables(), arrays[len(own) :], strict=True)))
        for w, array in zip(own, arrays, strict=False):
            w.give(array)

    @property
    def losses(self) -> list[Any]:
        """What `add_loss` and regularizers add to what is minimised.

        Arrays after a call on arrays; else the terms of the graph that belong to the outputs.
        """
        if self._last_losses is not None or not self._outputs:
            return super().losses
        return extra_terms(self.outputs)


def _in(sd: AnyGraph, v: SDVariable) -> SDVariable:
    return v if v.sd is sd else brought(v, sd)


def _named(what: str, given: Variables) -> dict[str, SDVariable]:
    """Variables by what they are called: by the keys of a dict, by the layer that they come from, or by their names."""
    if isinstance(given, Mapping):
        found = dict(given)
    else:
        several: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
        if len({v for v in several if isinstance(v, SDVariable)}) < sum(isinstance(v, SDVariable) for v in several):
            raise ArgumentError(f"An {what} is given twice.", given=listed([v.name for v in several], "and"))
        found = {}
        for v in several:
            name = _called(v)
            k = sum(one == name or one.rpartition("_")[0] == name for one in found)
            found[f"{name}_{k}" if name in found else name] = v
    if not found:
        raise ArgumentError(f"A model has an {what}.", given="none")
    for name, v in found.items():
        if not isinstance(v, SDVariable):
            raise ArgumentTypeError(f"An {what} is a variable of a graph.", given=f"{name}: {shown(v)}")
    return found


def _form(given: Variables) -> type:
    return SDVariable if isinstance(given, SDVariable) else dict if isinstance(given, Mapping) else list


def _flat(given: Variables, found: dict[str, SDVariable]) -> list[SDVariable]:
    """Variables in the order that Keras has them in, which orders layers."""
    return leaves_by_key(found) if isinstance(given, Mapping) else list(found.values())


def _called(v: Any) -> str:
    if not isinstance(v, SDVariable):
        return shown(v)
    call = None if v.sd.layer_notes is None else notes_of(v.sd).calls.get(v.node)
    return v.name if call is None else call.layer.name


def _layers(sd: AnyGraph, inputs: list[SDVariable], outputs: list[SDVariable]) -> list[Layer]:
    """The layers between inputs and outputs, with those of the inputs.

    Raises:
        ArgumentError: If two have one name.
    """
    found: dict[str, Layer] = {}
    fed = {v.node: v for v in inputs}
    for step in by_depth(sd, inputs, outputs):
        if isinstance(step, Call):
            layer = step.layer
        elif step in fed:
            v = fed[step]
            layer = InputLayer(batch_shape=v.shape, dtype=v.dtype.name, name=v.name.rpartition("/")[2])
        else:
            continue
        if found.setdefault(layer.name, layer) is not layer:
            raise ArgumentError(
                "The layers of a model have different names.", given=f"two are called {layer.name!r}", fix="Rename one."
            )
    return list(found.values())


def _all(layer: Layer) -> Iterable[Layer]:
    for inner in layer.sublayers():
        yield inner
        yield from _all(inner)


def _tells_apart(layer: Layer) -> bool:
    """Whether what a layer computes in training is told by its own code, which is not of this package."""
    call = type(layer).call
    return not call.__module__.startswith("sdgraph.keras.") and "training" in inspect.signature(call).parameters


def _fed(shape: Any) -> Any:
    """An input for each shape with a batch, in the nesting that is given."""
    if isinstance(shape, Mapping):
        return {k: InputLayer(batch_shape=v, name=k) for k, v in shape.items()}
    if isinstance(shape, list | tuple) and any(isinstance(n, list | tuple) for n in shape):
        return [_fed(one) for one in shape]
    return InputLayer(batch_shape=shape)


def _as_arrays(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {k: own_array(v) for k, v in x.items()}
    if isinstance(x, list | tuple) and x and all(hasattr(v, "shape") for v in x):
        return [own_array(v) for v in x]
    return own_array(x)


def _like(a: Array) -> InputLayer:
    dtype = None if a.dtype.kind == "f" else a.dtype.name
    return InputLayer(batch_shape=(None, *a.shape[1:]), dtype=dtype)
