"""One step of Keras' recurrent layers: `SimpleRNNCell`, `LSTMCell` and `GRUCell`.

Knows their formulas, the layout of their weights, and what dropout acts on. What of a step needs no state is a method
of its own, `Cell.products`, so that a loop over time does it once for all steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.checks import flag, whole
from sdgraph.keras import activations, initializers, regularizers
from sdgraph.keras.layers.demands import sized
from sdgraph.keras.layers.dropping import dropped, rate
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.settings import refuse_constraints
from sdgraph.ops.rnn.operands import parts

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable

Factors = Sequence["SDVariable"]
"""Dropout as factors: none, one for all gates, or one for each gate."""


class Dropouts(NamedTuple):
    """What dropout multiplies by in a call; the same at every step."""

    inputs: Factors
    states: Factors


class Cell(Layer):
    """A step with a kernel for inputs, a kernel for the state, and a bias; each has a block for each gate."""

    gates: ClassVar[int] = 1
    for_each_gate: ClassVar[bool] = True
    """Whether there may be a dropout for each gate."""

    def __init__(
        self,
        units: int,
        *,
        use_bias: bool,
        initial: tuple[Any, Any, Any],
        penalties: tuple[Any, Any, Any],
        constraints: tuple[Any, Any, Any],
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_constraints(
            self, kernel_constraint=constraints[0], recurrent_constraint=constraints[1], bias_constraint=constraints[2]
        )
        self.units = whole("units", units, least=1)
        self.use_bias = flag("use_bias", use_bias)
        self.kernel_initializer, self.recurrent_initializer, self.bias_initializer = map(initializers.get, initial)
        self.kernel_regularizer, self.recurrent_regularizer, self.bias_regularizer = map(regularizers.get, penalties)
        self.dropout = rate("dropout", dropout)
        self.recurrent_dropout = rate("recurrent_dropout", recurrent_dropout)
        self.seed = None if seed is None else whole("seed", seed)
        self.implementation = whole("implementation", implementation, least=0)

    @property
    def state_size(self) -> Any:
        """The size of the state; a list of several."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """Make the kernels and the bias."""
        sized(self, input_shape)
        columns = self.gates * self.units
        self.kernel = self.add_weight(
            (input_shape[-1], columns), self.kernel_initializer, regularizer=self.kernel_regularizer, name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, columns),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            name="recurrent_kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                self.bias_shape(), self.first_bias, regularizer=self.bias_regularizer, name="bias"
            )

    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.gates * self.units,)

    def first_bias(self, shape: Any, dtype: Any = None) -> Any:
        """What the bias begins with."""
        return self.bias_initializer(shape, dtype)

    def dropouts(self, inputs: SDVariable, state: SDVariable, training: bool | None) -> Dropouts:
        """What dropout multiplies by, drawn once.

        Args:
            inputs: Lends its shape, ``(batch, features)``.
            state: Lends its shape, ``(batch, units)``.
            training: Whether for training; None where the graph is for both.
        """
        each = self.for_each_gate and (self.implementation == 1 or self.recurrent_dropout > 0)
        count = self.gates if each else 1
        found = []
        for like, share in ((inputs, self.dropout), (state, self.recurrent_dropout)):
            ones = like.sd.ones_like(like)
            draw = bool(share) and training is not False
            seeds = [None if self.seed is None else self.seed + k + len(found) * count for k in range(count)]
            found.append([dropped(ones, share, seed, training) for seed in seeds] if draw else [])
        return Dropouts(*found)

    def products(self, inputs: SDVariable, drop: Dropouts) -> SDVariable:
        """What a step, or all steps, need of the inputs: their products with the kernel, and the bias."""
        found = times(inputs, self.kernel, drop.inputs)
        return found if self.bias is None else found + self.bias

    def step(self, products: SDVariable, states: Sequence[SDVariable], drop: Dropouts) -> tuple[SDVariable, ...]:
        """The states after a step, of which the first is the output."""
        raise NotImplementedError

    def call(self, inputs: SDVariable, states: Any, training: bool | None = None) -> Any:
        """The output of a step, and the states after it in the nesting they came in."""
        several = list(states) if isinstance(states, list | tuple) else [states]
        drop = self.dropouts(inputs, several[0], training)
        found = self.step(self.products(inputs, drop), several, drop)
        return found[0], list(found) if isinstance(states, list | tuple) else found[0]


def times(x: SDVariable, kernel: SDVariable, factors: Factors) -> SDVariable:
    """``x @ kernel``, where ``x`` is multiplied by factors first; by several for as many blocks of the kernel."""
    sd = x.sd
    if not factors:
        return sd.linalg.matmul(x, kernel)
    if len(factors) == 1:
        return sd.linalg.matmul(x * factors[0], kernel)
    blocks = parts(kernel, len(factors))
    return sd.concat([sd.linalg.matmul(x * f, block) for f, block in zip(factors, blocks, strict=True)], axis=-1)


@readable
class SimpleRNNCell(Cell):
    """One step of `SimpleRNN`: ``activation(x @ kernel + h @ recurrent_kernel + bias)``, from inputs and a state.

    Args:
        units: The size of the output and of the state.
        activation: A function, or its name.
        use_bias: Whether there is a bias.
        kernel_initializer: How the kernel ``(features, units)`` is filled.
        recurrent_initializer: How the recurrent kernel ``(units, units)`` is filled.
        bias_initializer: How the bias ``(units,)`` is filled.
        kernel_regularizer: What of the kernel is added to what is minimised.
        recurrent_regularizer: What of the recurrent kernel is.
        bias_regularizer: What of the bias is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        recurrent_constraint: The same.
        bias_constraint: The same.
        dropout: The share of the inputs that is dropped in training, the same at each step.
        recurrent_dropout: The share of the state that is.
        seed: The seed of dropout; None for that of the graph.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> cell = layers.SimpleRNNCell(1, activation=None, kernel_initializer="ones", recurrent_initializer="ones")
        >>> cell(ops.ones((1, 2)), ops.ones((1, 1)))
        (array([[3.]], dtype=float32), array([[3.]], dtype=float32))
    """

    for_each_gate = False

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            use_bias=use_bias,
            initial=(kernel_initializer, recurrent_initializer, bias_initializer),
            penalties=(kernel_regularizer, recurrent_regularizer, bias_regularizer),
            constraints=(kernel_constraint, recurrent_constraint, bias_constraint),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            **kwargs,
        )
        self.activation = activations.get(activation)

    def step(self, products: SDVariable, states: Sequence[SDVariable], drop: Dropouts) -> tuple[SDVariable, ...]:
        """The output, which is the state."""
        return (self.activation(products + times(states[0], self.recurrent_kernel, drop.states)),)


@readable
class LSTMCell(Cell):
    """One step of `LSTM`, from inputs, output and state of the cell: ``h, [h, c] = cell(x, [h, c])``.

    ``x @ kernel + h @ recurrent_kernel + bias`` is cut into i, f, g and o. With s for ``recurrent_activation`` and a
    for ``activation``: ``c' = s(f) c + s(i) a(g)``, ``h' = s(o) a(c')``.

    Args:
        units: The size of the output and of the state.
        activation: A function, or its name.
        recurrent_activation: That of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: How the kernel ``(features, 4 units)`` is filled.
        recurrent_initializer: How the recurrent kernel ``(units, 4 units)`` is filled.
        bias_initializer: How the bias ``(4 units,)`` is filled.
        unit_forget_bias: Whether the bias of the forget gate begins with 1.
        kernel_regularizer: What of the kernel is added to what is minimised.
        recurrent_regularizer: What of the recurrent kernel is.
        bias_regularizer: What of the bias is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        recurrent_constraint: The same.
        bias_constraint: The same.
        dropout: The share of the inputs that is dropped in training, the same at each step.
        recurrent_dropout: The share of the output before that is.
        seed: The seed of dropout; None for that of the graph.
        **kwargs: As for `Layer`. ``implementation=1`` draws a dropout for each gate.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> cell = layers.LSTMCell(3)
        >>> h, (h, c) = cell(ops.ones((2, 5)), [ops.zeros((2, 3)), ops.zeros((2, 3))])
        >>> h.shape, c.shape
        ((2, 3), (2, 3))
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            use_bias=use_bias,
            initial=(kernel_initializer, recurrent_initializer, bias_initializer),
            penalties=(kernel_regularizer, recurrent_regularizer, bias_regularizer),
            constraints=(kernel_constraint, recurrent_constraint, bias_constraint),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            **kwargs,
        )
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = flag("unit_forget_bias", unit_forget_bias)

    @property
    def state_size(self) -> list[int]:
        """The sizes of the output and of the state."""
        return [self.units, self.units]

    def first_bias(self, shape: Any, dtype: Any = None) -> Any:
        """What the bias begins with."""
        if not self.unit_forget_bias:
            return super().first_bias(shape, dtype)
        n = self.units
        before, after = (self.bias_initializer((k,), dtype) for k in (n, 2 * n))
        return np.concatenate([before, np.ones(n, dtype), after])

    def step(self, products: SDVariable, states: Sequence[SDVariable], drop: Dropouts) -> tuple[SDVariable, ...]:
        """The output, and the state of the cell."""
        gate, of = self.recurrent_activation, self.activation
        i, f, g, o = parts(products + times(states[0], self.recurrent_kernel, drop.states), 4)
        c = gate(f) * states[1] + gate(i) * of(g)
        return gate(o) * of(c), c


@readable
class GRUCell(Cell):
    """One step of `GRU`, from inputs and a state.

    Kernels and bias are cut into parts for z, r and the candidate. With s for ``recurrent_activation`` and a for
    ``activation``, ``x`` for the inputs' products and ``q`` for those of h: ``z = s(x_z + q_z)``,
    ``r = s(x_r + q_r)``, ``n = a(x_n + r q_n)``, ``h' = z h + (1 - z) n``. Without ``reset_after``
    ``n = a(x_n + (r h) @ recurrent_kernel_n)``.

    Args:
        units: The size of the output and of the state.
        activation: A function, or its name.
        recurrent_activation: That of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: How the kernel ``(features, 3 units)`` is filled.
        recurrent_initializer: How the recurrent kernel ``(units, 3 units)`` is filled.
        bias_initializer: How the bias is filled: ``(2, 3 units)``, for x and for q, or without ``reset_after``
            ``(3 units,)``.
        kernel_regularizer: What of the kernel is added to what is minimised.
        recurrent_regularizer: What of the recurrent kernel is.
        bias_regularizer: What of the bias is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        recurrent_constraint: The same.
        bias_constraint: The same.
        dropout: The share of the inputs that is dropped in training, the same at each step.
        recurrent_dropout: The share of the state that is.
        reset_after: Whether the reset gate multiplies products, else what is multiplied.
        seed: The seed of dropout; None for that of the graph.
        **kwargs: As for `Layer`. ``implementation=1`` draws a dropout for each gate.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> h, (state,) = layers.GRUCell(3)(ops.ones((2, 5)), [ops.zeros((2, 3))])
        >>> h.shape, state.shape
        ((2, 3), (2, 3))
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            use_bias=use_bias,
            initial=(kernel_initializer, recurrent_initializer, bias_initializer),
            penalties=(kernel_regularizer, recurrent_regularizer, bias_regularizer),
            constraints=(kernel_constraint, recurrent_constraint, bias_constraint),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            **kwargs,
        )
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = flag("reset_after", reset_after)

    def bias_shape(self) -> tuple[int, ...]:
        """Two rows with ``reset_after``, else one."""
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def products(self, inputs: SDVariable, drop: Dropouts) -> SDVariable:
        """The products of the inputs with the kernel, and their bias."""
        found = times(inputs, self.kernel, drop.inputs)
        if self.bias is None:
            return found
        return found + (self.bias[0] if self.reset_after else self.bias)

    def step(self, products: SDVariable, states: Sequence[SDVariable], drop: Dropouts) -> tuple[SDVariable, ...]:
        """The output, which is the state."""
        h, gate = states[0], self.recurrent_activation
        x_z, x_r, x_n = parts(products, 3)
        if self.reset_after:
            q = times(h, self.recurrent_kernel, drop.states)
            q_z, q_r, q_n = parts(q if self.bias is None else q + self.bias[1], 3)
            z, r = gate(x_z + q_z), gate(x_r + q_r)
            n = self.activation(x_n + r * q_n)
        else:
            of_z, of_r, of_n = parts(self.recurrent_kernel, 3)
            q_z, q_r = parts(times(h, h.sd.concat(of_z, of_r, axis=-1), drop.states[:2]), 2)
            z, r = gate(x_z + q_z), gate(x_r + q_r)
            n = self.activation(x_n + times(r * h, of_n, drop.states[2:]))
        return (z * h + (1 - z) * n,)
