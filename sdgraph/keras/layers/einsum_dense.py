"""`EinsumDense`: a dense layer whose product an equation describes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import whole
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.keras import activations, initializers, regularizers
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.settings import refuse, refuse_constraints

Sizes = Sequence[int | None]

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


@dataclass(frozen=True)
class _Equation:
    """An equation, taken apart: the letters of inputs, kernel and outputs, and where other axes stand."""

    x: str
    kernel: str
    out: str
    left: bool
    """Whether axes without a letter stand before the others."""
    right: bool
    """Whether they stand behind them."""

    @staticmethod
    def of(text: str) -> _Equation:
        """The equation that a text is.

        Raises:
            ArgumentError: If it is none.
        """
        found = _EQUATION.fullmatch(text) if isinstance(text, str) else None
        dots = [bool(found and found[k]) for k in (1, 3, 5, 7)]
        if not found or dots[0] != dots[2] or dots[1] != dots[3] or (dots[0] and dots[1]):
            raise ArgumentError(
                "The equation of an EinsumDense says what becomes of inputs and kernel.",
                given=f"equation={text!r}",
                expected="'ab,bc->ac', or with '...' before or behind the letters of inputs and outputs",
            )
        for letter in {*found[4], *found[6]}:
            if letter not in found[2] + (found[6] if letter in found[4] else found[4]):
                raise ArgumentError(
                    "A letter of the equation stands in one place only.", given=f"{letter!r} in {text!r}"
                )
        return _Equation(found[2], found[4], found[6], dots[0], dots[1])

    def outputs(self, shape: Sizes, wanted: Sizes) -> list[int | None]:
        """The sizes of outputs, of those of inputs and the ones that are given for outputs."""
        others = len(shape) - len(self.x)
        before = list(shape[1:others]) if self.left else []
        behind = list(shape[len(shape) - others :]) if self.right and others else []
        return [shape[0], *before, *wanted, *behind]

    def sizes(self, shape: Sizes, outputs: Sizes) -> dict[str, int | None]:
        """The size of each letter."""
        others = len(shape) - len(self.x)
        skip = others if self.left else 0
        found = dict(zip(self.x, shape[skip:], strict=False))
        return found | {k: n for k, n in zip(self.out, outputs[skip:], strict=False) if n is not None}


@readable
class EinsumDense(Layer):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Args:
        equation: The letters of the axes of inputs, kernel and outputs, such as ``"abc,cd->abd"``. Where inputs and
            outputs have ``...``, before or behind their letters, there may be more axes.
        output_shape: The sizes of the axes of outputs without the batch, and without those that ``...`` stands for.
            None where the size is that of the inputs.
        activation: A function, its name, or None for none.
        bias_axes: The letters of outputs that the bias has; None for no bias.
        kernel_initializer: How the kernel is filled.
        bias_initializer: How the bias is filled.
        kernel_regularizer: What of the kernel is added to what is minimised.
        bias_regularizer: What of the bias is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        bias_constraint: The same.
        lora_rank: Anything but None is refused.
        lora_alpha: Anything but None is refused.
        gptq_unpacked_column_size: Anything but None is refused.
        quantization_config: Anything but None is refused.
        activity_regularizer: What of the output is added to what is minimised.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentError: If the equation, or the letters of the bias, make no sense.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layer = layers.EinsumDense("abc,cd->abd", output_shape=(None, 2), bias_axes="d", kernel_initializer="ones")
        >>> layer(ops.ones((1, 1, 3)))
        array([[[3., 3.]]], dtype=float32)
    """

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        *,
        activity_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        refuse(self, lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        refuse(self, gptq_unpacked_column_size=gptq_unpacked_column_size)
        refuse_constraints(self, kernel_constraint=kernel_constraint, bias_constraint=bias_constraint)
        self.equation, self._parts = equation, _Equation.of(equation)
        given = output_shape if isinstance(output_shape, list | tuple) else (output_shape,)
        self.partial_output_shape = tuple(None if n is None else whole("output_shape", n, least=1) for n in given)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes or None
        if any(letter not in self._parts.out for letter in bias_axes or ()):
            raise ArgumentError(
                "A bias has axes of the outputs.", given=f"bias_axes={bias_axes!r}", expected=f"of {self._parts.out!r}"
            )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias."""
        parts = self._parts
        outputs = self._outputs(input_shape)
        sizes = parts.sizes(input_shape, outputs)
        self.kernel = self.add_weight(
            [sizes.get(k) for k in parts.kernel],
            self._initializer(),
            name="kernel",
            regularizer=self.kernel_regularizer,
        )
        self.bias = None
        if self.bias_axes:
            first = min(parts.out.index(k) for k in self.bias_axes)
            shape = [sizes.get(k) if k in self.bias_axes else 1 for k in parts.out[first:]]
            shape += [1] * (len(input_shape) - len(parts.x) if parts.right else 0)
            self.bias = self.add_weight(shape, self.bias_initializer, name="bias", regularizer=self.bias_regularizer)

    def _initializer(self) -> Any:
        """The initializer of the kernel; one that scales by the sizes of inputs and outputs is told which these are."""
        given, parts = self.kernel_initializer, self._parts
        if not isinstance(given, initializers.VarianceScaling) or getattr(given, "input_axes", None) is not None:
            return given
        ins = [k for k, letter in enumerate(parts.kernel) if letter not in parts.out]
        outs = [k for k, letter in enumerate(parts.kernel) if letter in parts.out]
        return type(given).from_config({**given.get_config(), "input_axes": ins, "output_axes": outs})

    def _outputs(self, shape: Any) -> list[int | None]:
        """The sizes of outputs.

        Raises:
            ShapeError: If the inputs do not fit the equation.
        """
        parts = self._parts
        others, wanted = len(shape) - len(parts.x), self.partial_output_shape
        fits = others >= 0 if parts.left or parts.right else others == 0
        outputs = parts.outputs(shape, wanted) if fits else []
        if not fits or len(outputs) != len(parts.out) + others:
            raise ShapeError(
                f"The equation of {self.name!r} does not fit its inputs, or its output_shape.",
                given=f"{shape_str(shape)}, output_shape={wanted}",
                expected=self.equation,
            )
        known = dict(zip(parts.x, shape[others if parts.left else 0 :], strict=False))
        for letter, n in zip(parts.out, outputs[others if parts.left else 0 :], strict=False):
            if letter in known and n is not None and known[letter] != n:
                raise ShapeError(
                    f"The axis {letter!r} of {self.name!r} has two sizes.",
                    given=f"{known[letter]} in the inputs, {n} in output_shape",
                    expected=self.equation,
                )
        return outputs

    def call(self, inputs: SDVariable) -> SDVariable:
        """The activation of the products."""
        out = inputs.sd.einsum(self.equation, inputs, self.kernel)
        return self.activation(out if self.bias is None else out + self.bias)
