"""Layers around a layer: `TimeDistributed` does it at each step, `Bidirectional` in both directions."""

from __future__ import annotations

import inspect
from typing import Any, Literal, get_args

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.layers.configs import config_of, plain
from sdgraph.keras.layers.inner import again, layer_of, within
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.settings import refuse
from sdgraph.keras.layers.trees import leaves, mapped

MergeMode = Literal["sum", "mul", "concat", "ave"]


@readable
class Wrapper(Layer):
    """A layer around another one; a class of yours says in `call` what it does with it.

    Args:
        layer: The layer inside.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentTypeError: If it is no layer.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> class Twice(layers.Wrapper):
        ...     def call(self, inputs):
        ...         return self.layer(self.layer(inputs))
        >>> Twice(layers.Dense(3, kernel_initializer="ones"))(ops.ones((1, 3)))
        array([[9., 9., 9.]], dtype=float32)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = layer_of(type(self).__name__, layer)


@readable
class TimeDistributed(Wrapper):
    """A layer at each step of ``(batch, time, ...)``, with the same weights.

    Steps are entries of a larger batch for the layer inside. If it has weights that training changes by themselves,
    such as moving means, it is called step by step in training, as in Keras, and the number of steps must be known. So
    it is where sizes of a step are not.

    Args:
        layer: The layer, for inputs ``(batch, ...)``.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentTypeError: If it is no layer.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.TimeDistributed(layers.Dense(3))(ops.ones((2, 5, 4))).shape
        (2, 5, 3)
    """

    supports_masking = True

    def call(self, inputs: SDVariable, training: bool | None = None, mask: SDVariable | None = None) -> Any:
        """The outputs of all steps."""
        if inputs.ndim < 3:
            raise ShapeError(
                f"{self.name!r} gets batch, time, and at least one axis more.", given=shape_str(inputs.shape)
            )
        if mask is not None and mask.ndim < 2:
            raise ShapeError(f"The mask of {self.name!r} has batch and time.", given=shape_str(mask.shape))
        known = inspect.signature(self.layer.call).parameters
        kwargs: dict[str, Any] = {"training": training} if "training" in known else {}
        with within(self.layer, (inputs.shape[0], *inputs.shape[2:])):
            changes = training is not False and any(not w.wanted for w in self.layer.all_weights())
            if changes or not all(isinstance(n, int) and n for n in inputs.shape[2:]):
                return self._step_by_step(inputs, mask if "mask" in known else None, kwargs)
            if "mask" in known and mask is not None:
                kwargs["mask"] = _folded(mask)
            return mapped(lambda v: _unfolded(v, inputs), self.layer.call(_folded(inputs), **kwargs))

    def _step_by_step(self, inputs: SDVariable, mask: SDVariable | None, kwargs: dict[str, Any]) -> Any:
        steps = inputs.shape[1]
        if not isinstance(steps, int):
            raise ShapeError(
                f"{self.layer.name!r} is called step by step, and the number of steps is not known.",
                given=shape_str(inputs.shape),
                fix="Say how many steps there are: Input(shape=(10, ...)).",
            )
        found = []
        for k in range(steps):
            own = {} if mask is None else {"mask": mask[:, k]}
            found.append(self.layer.call(inputs[:, k], **kwargs, **own))
        return inputs.sd.stack(found, axis=1)


def _folded(v: SDVariable) -> SDVariable:
    """Batch and time as one axis."""
    return v.sd.reshape(v, (-1, *v.shape[2:]))


def _unfolded(v: SDVariable, like: SDVariable) -> SDVariable:
    """One axis as batch and time, which are those of another variable."""
    sd, rest, steps = v.sd, v.shape[1:], like.shape[1]
    if isinstance(steps, int) and steps and all(isinstance(n, int) and n for n in rest):
        return sd.reshape(v, (-1, steps, *rest))
    rows = sd.zeros_like(sd.sum(like, axis=tuple(range(2, like.ndim))), dtype=v.dtype)
    for _ in rest:
        rows = sd.expand_dims(rows, -1)
    return sd.reshape_like(v, rows + np.zeros([n for n in rest if isinstance(n, int)], v.dtype))


@readable
class Bidirectional(Layer):
    """A recurrent layer that runs from the first step to the last, and another one that runs back.

    Weights are those of the one that runs forward, then those of the other. Outputs stand at the time of their input.

    Args:
        layer: The layer, of which both are made anew.
        merge_mode: How outputs become one: ``"concat"``, ``"sum"``, ``"mul"`` or ``"ave"``; None for both, as a tuple.
        weights: Anything but None is refused: use `set_weights`.
        backward_layer: What runs back, itself, instead of what is made of ``layer``.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentTypeError: If ``layer`` is no recurrent layer.
        ArgumentError: If both run in one direction, or do not return the same.

    References:
        M. Schuster, K. K. Paliwal, "Bidirectional recurrent neural networks", IEEE Transactions on Signal
        Processing 45, 1997.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Bidirectional(layers.LSTM(3, return_sequences=True))(ops.ones((2, 5, 1))).shape
        (2, 5, 6)
    """

    supports_masking = True

    def __init__(
        self,
        layer: Any,
        merge_mode: MergeMode | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(self, weights=weights)
        self.merge_mode = None if merge_mode is None else one_of("merge_mode", merge_mode, get_args(MergeMode))
        given = self._recurrent("layer", layer)
        self.forward_layer = again(given, name=f"forward_{given.name.removeprefix('forward_')}")
        if backward_layer is None:
            name = f"backward_{given.name.removeprefix('backward_')}"
            self.backward_layer = again(given, name=name, go_backwards=True)
        else:
            self.backward_layer = self._recurrent("backward_layer", backward_layer)
        self._check()
        self.return_sequences, self.return_state = given.return_sequences, given.return_state
        for one in (self.forward_layer, self.backward_layer):
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = self.return_sequences

    stateful = False
    """Whether a batch begins with the states that the one before ended with: never."""

    def _recurrent(self, what: str, given: Any) -> Any:
        layer = layer_of(type(self).__name__, given)
        if not all(hasattr(layer, k) for k in ("go_backwards", "return_sequences", "return_state")):
            raise ArgumentTypeError(
                f"{type(self).__name__} is made of a recurrent layer.",
                given=f"{what}={shown(layer)}",
                expected="a layer with go_backwards, return_sequences and return_state, such as layers.LSTM(4)",
            )
        return layer

    def _check(self) -> None:
        there, back = self.forward_layer, self.backward_layer
        if there.go_backwards == back.go_backwards:
            raise ArgumentError(
                "One layer runs forward, the other one backwards.",
                given=f"go_backwards={there.go_backwards} for both",
                fix="backward_layer has go_backwards=True.",
            )
        for k in ("return_sequences", "return_state"):
            if getattr(there, k) != getattr(back, k):
                raise ArgumentError(
                    f"Both layers have the same {k}.", given=f"{getattr(there, k)} and {getattr(back, k)}"
                )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        return config_of(self) | {"layer": plain(self.forward_layer), "backward_layer": plain(self.backward_layer)}

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """That of the inputs, where there is an output for each step."""
        mask = next(leaves(previous_mask), None) if self.return_sequences else None
        return [mask] if self.merge_mode else [mask, mask]

    def call(
        self, sequences: SDVariable, initial_state: Any = None, mask: Any = None, training: bool | None = None
    ) -> Any:
        """The outputs of both directions; with ``return_state`` the states of both, too."""
        sd = sequences.sd
        half = 0 if initial_state is None else len(initial_state) // 2
        found = []
        for layer, own in (
            (self.forward_layer, slice(None, half)),
            (self.backward_layer, slice(half, None)),
        ):
            kwargs = {} if initial_state is None else {"initial_state": list(initial_state[own])}
            kwargs |= {} if mask is None else {"mask": mask}
            y = layer(sequences, **kwargs, training=training)
            found.append(y if self.return_state else (y,))
        (y, *states), (z, *others) = found
        z = sd.reverse(z, 1) if self.return_sequences else z
        if self.merge_mode is None:
            out: Any = (y, z)
        else:
            out = (_merged(self.merge_mode, y, z),)
        return (*out, *states, *others) if self.return_state or self.merge_mode is None else out[0]


def _merged(mode: str, y: SDVariable, z: SDVariable) -> SDVariable:
    if mode == "concat":
        return y.sd.concat(y, z, axis=-1)
    if mode == "mul":
        return y * z
    return y + z if mode == "sum" else (y + z) / 2
