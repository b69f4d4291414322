"""Dense layers, activations, and what only hands things on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, whole
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.keras import activations, initializers, regularizers
from sdgraph.keras.layers.demands import sized
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.settings import refuse, refuse_constraints


@readable
class Dense(Layer):
    """``activation(x @ kernel + bias)`` over the last axis.

    Args:
        units: The size of the last axis of the output.
        activation: A function, its name, or None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: How the kernel ``(features, units)`` is filled.
        bias_initializer: How the bias ``(units,)`` is filled.
        kernel_regularizer: What of the kernel is added to what is minimised.
        bias_regularizer: What of the bias is.
        activity_regularizer: What of the output is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        bias_constraint: The same.
        lora_rank: Anything but None is refused.
        lora_alpha: Anything but None is refused.
        quantization_config: Anything but None is refused.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Dense(2, kernel_initializer="ones")(ops.ones((1, 3)))
        array([[3., 3.]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        refuse(self, lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        refuse_constraints(self, kernel_constraint=kernel_constraint, bias_constraint=bias_constraint)
        self.units = whole("units", units, least=1)
        self.activation = activations.get(activation)
        self.use_bias = flag("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias."""
        sized(self, input_shape)
        self.kernel = self.add_weight(
            (input_shape[-1], self.units), self.kernel_initializer, name="kernel", regularizer=self.kernel_regularizer
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,), self.bias_initializer, name="bias", regularizer=self.bias_regularizer
            )

    def call(self, inputs: SDVariable) -> SDVariable:
        """The activation of the products."""
        sd = inputs.sd
        out = sd.tensordot(inputs, self.kernel, [inputs.ndim - 1], [0])
        return self.activation(out if self.bias is None else out + self.bias)


@readable
class Activation(Layer):
    """An activation, as a layer of its own.

    Args:
        activation: A function, or its name.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.Activation("relu")([-1.0, 2.0])
        array([0., 2.], dtype=float32)
    """

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The activation of the inputs."""
        return self.activation(inputs)


@readable
class Identity(Layer):
    """What it is called on, as it is.

    Args:
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.Identity()([1.0, 2.0])
        array([1., 2.], dtype=float32)
    """

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        """The inputs."""
        return inputs


@readable
class Lambda(Layer):
    """A function of variables, as a layer.

    The function is written with operations of the graph, or of `sdgraph.keras.ops`. What such a function computes is
    in no file: a model that has one is made again by the program that made it.

    Args:
        function: The function of the inputs. It gets ``mask`` and ``training`` if it has such parameters.
        output_shape: Has no effect: shapes follow from what the function does.
        mask: The mask of the outputs, or a function of inputs and their mask; None for no mask.
        arguments: More keywords for the function.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.Lambda(lambda x: x**2)([1.0, 3.0])
        array([1., 9.], dtype=float32)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ArgumentTypeError(
                "A Lambda layer is made of a function.",
                given=shown(function),
                fix="What a file holds of one is never run; write the function again.",
            )
        if not isinstance(arguments, Mapping | None):
            raise ArgumentTypeError("arguments are keywords for the function.", given=f"arguments={shown(arguments)}")
        self.function, self.mask, self.arguments = function, mask, dict(arguments or {})
        self.supports_masking = mask is not None
        try:
            wanted = inspect.signature(function).parameters
        except (TypeError, ValueError):  # Functions that are not written in Python.
            wanted = {}
        self._told = [k for k in ("mask", "training") if k in wanted]

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """What the function gives."""
        told = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{k: told[k] for k in self._told})

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask that was given, or what the function of masks gives."""
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask
