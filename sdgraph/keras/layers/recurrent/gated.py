"""`SimpleRNN`, `LSTM` and `GRU`: Keras' layers of one cell."""

from __future__ import annotations

from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.checks import flag
from sdgraph.keras.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from sdgraph.keras.layers.recurrent.rnn import RNN


class OfOneCell(RNN):
    """A layer whose cell is made of its own settings."""

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if cell is not None and name in _OF_CELLS:
            return getattr(cell, name)
        return super().__getattr__(name)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        return super().get_config() | {"zero_output_for_mask": self.zero_output_for_mask}


_OF_CELLS = frozenset(
    (
        *("units", "activation", "recurrent_activation", "use_bias", "unit_forget_bias", "reset_after", "seed"),
        *("kernel_initializer", "recurrent_initializer", "bias_initializer", "dropout", "recurrent_dropout"),
        *("kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "implementation"),
    )
)
"""Settings that a layer has from its cell."""


@readable
class SimpleRNN(OfOneCell):
    """``h' = activation(x @ kernel + h @ recurrent_kernel + bias)`` over the steps of ``(batch, time, features)``.

    Args:
        units: The size of the output.
        activation: A function, or its name.
        use_bias: Whether there is a bias.
        kernel_initializer: How the kernel ``(features, units)`` is filled.
        recurrent_initializer: How the recurrent kernel ``(units, units)`` is filled.
        bias_initializer: How the bias ``(units,)`` is filled.
        kernel_regularizer: What of the kernel is added to what is minimised.
        recurrent_regularizer: What of the recurrent kernel is.
        bias_regularizer: What of the bias is.
        activity_regularizer: What of the output is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        recurrent_constraint: The same.
        bias_constraint: The same.
        dropout: The share of the inputs that is dropped in training, the same at each step.
        recurrent_dropout: The share of the state that is.
        return_sequences: As for `RNN`, like the next ones.
        return_state: Whether the last state is returned, too.
        go_backwards: Whether steps are taken from the last to the first.
        stateful: True is refused.
        unroll: Has no effect.
        seed: The seed of dropout; None for that of the graph.
        zero_output_for_mask: As for `RNN`.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.SimpleRNN(3)(ops.ones((2, 5, 1))).shape
        (2, 3)
    """

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **_for_cell("simple_rnn_cell", kwargs),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


@readable
class LSTM(OfOneCell):
    """A long short-term memory over the steps of ``(batch, time, features)``; its formula is that of `LSTMCell`.

    Args:
        units: The size of the output.
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
        activity_regularizer: What of the output is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        recurrent_constraint: The same.
        bias_constraint: The same.
        dropout: The share of the inputs that is dropped in training, the same at each step.
        recurrent_dropout: The share of the output before that is.
        seed: The seed of dropout; None for that of the graph.
        return_sequences: As for `RNN`, like the next ones.
        return_state: Whether the last output and the last state of the cell are returned, too.
        go_backwards: Whether steps are taken from the last to the first.
        stateful: True is refused.
        unroll: Has no effect.
        use_cudnn: Has no effect.
        zero_output_for_mask: As for `RNN`.
        **kwargs: As for `Layer`; and ``implementation``, as for `LSTMCell`.

    References:
        S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layer = layers.LSTM(4, return_sequences=True, return_state=True)
        >>> [a.shape for a in layer(ops.ones((2, 5, 1)))]
        [(2, 5, 4), (2, 4), (2, 4)]
    """

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: bool | str = "auto",
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **_for_cell("lstm_cell", kwargs),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.use_cudnn = use_cudnn if use_cudnn == "auto" else flag("use_cudnn", use_cudnn)


@readable
class GRU(OfOneCell):
    """A gated recurrent unit over the steps of ``(batch, time, features)``; its formula is that of `GRUCell`.

    Args:
        units: The size of the output.
        activation: A function, or its name.
        recurrent_activation: That of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: How the kernel ``(features, 3 units)`` is filled.
        recurrent_initializer: How the recurrent kernel ``(units, 3 units)`` is filled.
        bias_initializer: How the bias is filled, whose shape is that of `GRUCell`.
        kernel_regularizer: What of the kernel is added to what is minimised.
        recurrent_regularizer: What of the recurrent kernel is.
        bias_regularizer: What of the bias is.
        activity_regularizer: What of the output is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        recurrent_constraint: The same.
        bias_constraint: The same.
        dropout: The share of the inputs that is dropped in training, the same at each step.
        recurrent_dropout: The share of the state that is.
        seed: The seed of dropout; None for that of the graph.
        return_sequences: As for `RNN`, like the next ones.
        return_state: Whether the last state is returned, too.
        go_backwards: Whether steps are taken from the last to the first.
        stateful: True is refused.
        unroll: Has no effect.
        reset_after: Whether the reset gate multiplies products, else what is multiplied.
        use_cudnn: Has no effect.
        zero_output_for_mask: As for `RNN`.
        **kwargs: As for `Layer`; and ``implementation``, as for `GRUCell`.

    References:
        K. Cho, B. van Merrienboer, C. Gulcehre, D. Bahdanau, F. Bougares, H. Schwenk, Y. Bengio, "Learning phrase
        representations using RNN encoder-decoder for statistical machine translation", 2014, arXiv:1406.1078.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.GRU(4, return_sequences=True)(ops.ones((2, 5, 1))).shape
        (2, 5, 4)
    """

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: bool | str = "auto",
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            reset_after,
            seed,
            **_for_cell("gru_cell", kwargs),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.use_cudnn = use_cudnn if use_cudnn == "auto" else flag("use_cudnn", use_cudnn)


def _for_cell(name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords of a layer that its cell gets, without those that only the cell has."""
    found = {k: kwargs[k] for k in ("dtype", "trainable") if k in kwargs}
    if "implementation" in kwargs:
        found["implementation"] = kwargs.pop("implementation")
    return {"name": name, **found}
