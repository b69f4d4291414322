"""`Sequential`: layers one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.layers.inputs import InputLayer
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.trees import leaves
from sdgraph.keras.models.exporting import sequential_config
from sdgraph.keras.models.model import Model


@readable
class Sequential(Model):
    """A model of layers that are called one after another, each on what the one before gave.

    It has inputs and outputs as soon as it is known what is fed: the first entry is an `Input`, or the first layer says
    so, ``Dense(64, input_shape=(10,))``; else with `build`, or with the first data.

    Args:
        layers: The layers.
        trainable: Whether weights are trained.
        name: What the model is called.

    Example:
        >>> from sdgraph import keras
        >>> from sdgraph.keras import layers
        >>> model = keras.Sequential()
        >>> model.add(layers.Dense(3, input_shape=(4,)))
        >>> model.add(layers.Activation("softmax"))
        >>> model.output_shape, model.count_params()
        ((None, 3), 15)
    """

    keras_name: ClassVar[tuple[str, str] | None] = ("keras", "Sequential")

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name=name, trainable=trainable)
        self._order: list[Layer] = []
        self._first: InputLayer | None = None
        if layers is not None and not isinstance(layers, list | tuple):
            raise ArgumentTypeError("The layers of a model are a list.", given=shown(layers))
        self.add_all(layers or ())

    def add_all(self, layers: Sequence[Any]) -> None:
        """Put layers at the end, of all of which inputs and outputs are found at once.

        Raises:
            ArgumentTypeError: If one is no layer.
            ArgumentError: If a name is taken, or an input comes later.
        """
        before = list(self._order), self._first
        try:
            for layer in layers:
                self._put(layer)
            if self._first is not None and self._order:
                self._connect_from(self._first)
        except BaseException:
            self._order, self._first = before
            raise

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer at the end.

        Args:
            layer: The layer; as the first entry also an `Input`.
            rebuild: Has no effect.

        Raises:
            ArgumentTypeError: If it is no layer.
            ArgumentError: If its name is taken, or an input comes later.
        """
        before = list(self._order), self._first
        try:
            self._put(layer)
            if self._outputs:
                self._connect(self.inputs[0], layer.on_variables(self.sd, (self.output,), {}))
            elif self._first is not None and self._order:
                self._connect_from(self._first)
        except BaseException:
            self._order, self._first = before
            raise

    def _put(self, layer: Any) -> None:
        """Have a layer at the end of the list."""
        if isinstance(layer, SDVariable | InputLayer):
            self._begin_with(layer)
            return
        if not isinstance(layer, Layer):
            raise ArgumentTypeError(
                "A model is made of layers.",
                given=shown(layer),
                fix="Make one: layers.Dense(10)." if isinstance(layer, type) else "",
            )
        if any(layer.name == one.name for one in self._order):
            raise ArgumentError(
                "The layers of a model have different names.",
                given=f"a second one called {layer.name!r}",
                fix="Rename it.",
            )
        if not self._order and self._first is None:
            self._first = _first(layer)
        self._order.append(layer)

    def _begin_with(self, given: SDVariable | InputLayer) -> None:
        if self._first is not None or self._order:
            raise ArgumentError("A model has one input, which comes first.", given=shown(given))
        if isinstance(given, SDVariable):
            given = InputLayer(batch_shape=given.shape, dtype=given.dtype.name, name=given.name.rpartition("/")[2])
        self._first = given

    def _connect_from(self, first: InputLayer) -> None:
        sd = self.home()
        with sd.transaction():
            v = x = first.placeholder(sd)
            for layer in self._order:
                x = layer.on_variables(sd, (x,), {})
            self._connect(v, x)

    def connect(self, fed: Any) -> None:
        """Get inputs and outputs; see `Model.connect`."""
        if not self._order:
            raise ArgumentError(f"The model {self.name!r} has no layers.", fix="model.add(layers.Dense(10)).")
        one = list(leaves(fed))
        if len(one) != 1:
            raise ArgumentError("A Sequential has one input.", given=f"{len(one)}")
        self._connect_from(one[0])
        self._first = one[0]

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the last layer away.

        Raises:
            ArgumentError: If there is none.
        """
        if not self._order:
            raise ArgumentError(f"The model {self.name!r} has no layers.")
        layer = self._order.pop()
        self._inputs, self._outputs = {}, {}
        self._home = None
        if self._order and self._first is not None:
            self._connect_from(self._first)
        return layer

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """What the last layer gives."""
        x = inputs
        for layer in self._order:
            x = layer(x)
        return x

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """That of the last layer, which its output has."""
        return None

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order; the one of the input is left out."""
        return list(self._order)

    @property
    def is_made_of_calls(self) -> bool:
        """Whether it is what leads from its inputs to its outputs, and no code of its own."""
        return True

    def sublayers(self) -> list[Layer]:
        """The layers, in order."""
        return list(self._order)

    def get_config(self) -> dict[str, Any]:
        """The layers, as Keras writes them; of a subclass the arguments that make it."""
        return sequential_config(self) if type(self) is Sequential else Layer.get_config(self)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, with the batch."""
        return self.inputs[0].shape


def _first(layer: Layer) -> InputLayer | None:
    """What a first layer says that it is fed."""
    if layer.fed is not None:
        return InputLayer(batch_shape=layer.fed)
    if isinstance(layer, Model) and layer.connected and len(layer.inputs) == 1:
        (v,) = layer.inputs
        return InputLayer(batch_shape=v.shape, dtype=v.dtype.name)
    return None
