"""`Embedding`, from whole numbers to vectors, and `Masking`, which leaves out steps of one value."""

from __future__ import annotations

from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, flag, whole
from sdgraph.infer.arrays import own_array
from sdgraph.keras import initializers, regularizers
from sdgraph.keras.catalogue import unwrapped
from sdgraph.keras.layers.configs import plain
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.settings import refuse, refuse_constraints


@readable
class Embedding(Layer):
    """A vector for each whole number: ``out[..., :] = embeddings[inputs[...]]``.

    Args:
        input_dim: How many numbers there are: inputs are from 0 to ``input_dim - 1``, and others an error of the run.
        output_dim: The size of the vectors.
        embeddings_initializer: How the embeddings ``(input_dim, output_dim)`` are filled.
        embeddings_regularizer: What of the embeddings is added to what is minimised.
        embeddings_constraint: Anything but None is refused: constraints are not applied in training.
        mask_zero: Whether 0 stands for nothing: it is left out by the mask of the output.
        weights: The embeddings, as an array or a list of one, instead of ``embeddings_initializer``.
        lora_rank: Anything but None is refused.
        lora_alpha: Anything but None is refused.
        quantization_config: Anything but None is refused.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layer = layers.Embedding(3, 2, weights=[[[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]])
        >>> layer([2, 1])
        array([[3., 4.],
               [1., 2.]], dtype=float32)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(self, lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        refuse_constraints(self, embeddings_constraint=embeddings_constraint)
        self.input_dim = whole("input_dim", input_dim, least=1)
        self.output_dim = whole("output_dim", output_dim, least=1)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.supports_masking = self.mask_zero = flag("mask_zero", mask_zero)
        if weights is not None:
            found = own_array(weights[0] if isinstance(weights, list) and len(weights) == 1 else weights)
            self.embeddings_initializer = lambda shape, dtype=None: found

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        return {"activity_regularizer": plain(self.activity_regularizer), **super().get_config()}

    def build(self, input_shape: Any) -> None:
        """Make the embeddings."""
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            name="embeddings",
            regularizer=self.embeddings_regularizer,
        )

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Where the inputs are not 0."""
        return inputs.sd.neq(inputs, 0)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The vectors."""
        sd = inputs.sd
        return sd.gather(self.embeddings, inputs if inputs.dtype.kind in "iu" else sd.cast(inputs, "int32"))


@readable
class Masking(Layer):
    """Leaves out the steps whose features all have one value: their mask is False, and they become 0.

    Args:
        mask_value: The value.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers
        >>> layers.Masking(mask_value=9.0)([[[9.0, 9.0], [9.0, 1.0]]])
        array([[[0., 0.],
                [9., 1.]]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = finite("mask_value", unwrapped(mask_value))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Where some feature has another value."""
        return inputs.sd.any(inputs.sd.neq(inputs, self.mask_value), axis=-1)

    def call(self, inputs: SDVariable) -> SDVariable:
        """The inputs, and 0 where they are left out."""
        return inputs.sd.where(
            inputs.sd.any(inputs.sd.neq(inputs, self.mask_value), axis=-1, keepdims=True), inputs, 0.0
        )
