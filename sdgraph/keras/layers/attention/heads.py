"""`MultiHeadAttention` and `GroupedQueryAttention`: attention with projections for several heads."""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.checks import flag, is_whole, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras import initializers, regularizers
from sdgraph.keras.layers.attention import masks
from sdgraph.keras.layers.configs import plain
from sdgraph.keras.layers.dropping import dropped, rate
from sdgraph.keras.layers.einsum_dense import EinsumDense
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.notes import notes_of
from sdgraph.keras.layers.settings import refuse_constraints
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable


class Heads(Layer):
    """What attention with several heads has in common: settings, projections, masks, and the weighing itself."""

    supports_masking = True

    def __init__(
        self,
        *,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        initial: tuple[Any, Any],
        penalties: tuple[Any, Any, Any],
        constraints: tuple[Any, Any],
        use_gate: bool,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_constraints(self, kernel_constraint=constraints[0], bias_constraint=constraints[1])
        self.dropout = rate("dropout", dropout)
        self.use_bias = flag("use_bias", use_bias)
        self.use_gate = flag("use_gate", use_gate)
        self.sliding_window = None if sliding_window is None else whole("sliding_window", sliding_window, least=1)
        if flash_attention is not None and flag("flash_attention", flash_attention) and self.dropout:
            raise ArgumentError("Flash attention has no dropout.", given=f"dropout={dropout}", fix="dropout=0.0")
        self.kernel_initializer, self.bias_initializer = map(initializers.get, initial)
        self.kernel_regularizer, self.bias_regularizer, self._of_outputs = map(regularizers.get, penalties)
        self.seed = None if seed is None else whole("seed", seed)

    def projection(self, name: str, shape: tuple[int, ...], axes: int = 1, activation: Any = None) -> EinsumDense:
        """A layer inside, from the last axes of its inputs to axes of a shape."""
        last, new = string.ascii_lowercase[:axes], string.ascii_lowercase[axes : axes + len(shape)]
        return EinsumDense(
            f"...{last},{last}{new}->...{new}",
            shape,
            activation=activation,
            bias_axes=new if self.use_bias else None,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self._of_outputs,
            name=name,
            dtype=self._dtype,
            trainable=self.trainable,
        )

    def _mask(
        self,
        query: SDVariable,
        value: SDVariable,
        given: tuple[Any, Any, Any, Any],
        use_causal_mask: bool,
    ) -> SDVariable | None:
        """What counts, of the masks of query, value and key, and for attention itself."""
        sd = query.sd
        of_query, *of_values, found = (None if m is None else masks.truth(sd.as_variable(m)) for m in given)
        if of_query is not None:
            found = masks.both(found, sd.expand_dims(of_query, -1))
        for m in of_values:
            found = found if m is None else masks.both(found, sd.expand_dims(m, -2))
        if flag("use_causal_mask", use_causal_mask):
            found = masks.both(found, masks.causal(query, value))
        if self.sliding_window is not None:
            found = masks.both(found, masks.near(query, value, self.sliding_window))
        return found

    def _weighed(
        self,
        projected: tuple[SDVariable, SDVariable, SDVariable],
        equations: tuple[str, str],
        axes: int,
        mask: SDVariable | None,
        scale: float,
        training: bool | None,
        wanted: bool,
    ) -> tuple[SDVariable, SDVariable]:
        """The values, weighed, and their weights before dropout."""
        query, key, value = projected
        sd = query.sd
        fused = not self.dropout and not wanted and query.ndim == 4
        scores = sd.einsum(equations[0], query * scale, key)
        narrow = scores.dtype
        if fused and narrow == np.float16:
            scores = sd.cast(scores, "float32")
        mask = None if mask is None else masks.reshaped(mask, scores.ndim, axes)
        found = cast_to(masks.weights(scores, mask, axes, fused), narrow)
        kept = dropped(found, self.dropout, self.seed, training)
        return sd.einsum(equations[1], kept, value), found

    def _returned(self, out: SDVariable, query_mask: Any, weights: SDVariable, wanted: bool) -> Any:
        if query_mask is not None:
            notes_of(out.sd).masks[out.node] = query_mask
        return (out, weights) if wanted else out


def _check_steps(layer: Layer, query_shape: Any, value_shape: Any, key_shape: Any) -> None:
    if not all(isinstance(shape, tuple) and len(shape) >= 3 for shape in (query_shape, value_shape)):
        raise ShapeError(
            f"{layer.name!r} is called on a query and a value, of batch, steps and features.",
            given=f"{shown(query_shape)} and {shown(value_shape)}",
        )
    if key_shape is not None and value_shape[1:-1] != key_shape[1:-1]:
        raise ShapeError(
            f"The value and the key of {layer.name!r} have the same axes but for the last one.",
            given=f"{shape_str(value_shape)} and {shape_str(key_shape)}",
        )


def equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """What scores and outputs are, as `sd.einsum` has it.

    Args:
        rank: Of queries, keys and values, whose last axes are heads and features.
        axes: Those of steps.
    """
    of_query = string.ascii_lowercase[:rank]
    fresh = iter(string.ascii_lowercase[rank:])
    of_value = "".join(next(fresh) if k in axes else letter for k, letter in enumerate(of_query))
    of_scores = "".join(of_query[k] for k in range(rank - 1) if k not in axes)
    of_scores += "".join(of_query[k] for k in axes) + "".join(of_value[k] for k in axes)
    return f"{of_query},{of_value}->{of_scores}", f"{of_scores},{of_value}->{of_query}"


@readable
class MultiHeadAttention(Heads):
    """Attention with several heads: ``softmax(q kᵀ / sqrt(key_dim)) v``, each of them a projection for each head.

    It is called on ``query``, ``value`` and, if it is another one than the value, ``key``, of shape
    ``(batch, steps, features)`` or with more axes. Masks of the inputs are heeded; ``attention_mask`` is one more, of
    shape ``(batch, queries, values)``, and ``use_causal_mask=True`` lets a query see no later value. With
    ``return_attention_scores=True`` the weights are returned, too. Where a query may see nothing, it gets the mean of
    the values, or 0 if there is dropout or scores are returned, as in Keras.

    Args:
        num_heads: The number of heads.
        key_dim: The size of queries and keys for each head.
        value_dim: The size of values for each head; ``key_dim`` by default.
        dropout: The share of the weights that is dropped in training.
        use_bias: Whether projections have biases.
        output_shape: The shape of the output behind batch and steps; by default that of the query.
        attention_axes: The axes of steps; by default all but the first and the last.
        sliding_window: How near a value must be to be seen: less than so many steps. None for no bound.
        flash_attention: Has no effect, except that True forbids dropout.
        kernel_initializer: How kernels are filled: ``(features, heads, size)``, and of the output
            ``(heads, value_dim, features)``.
        bias_initializer: How biases are filled.
        kernel_regularizer: What of the kernels is added to what is minimised.
        bias_regularizer: What of the biases is.
        activity_regularizer: What of the projections is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        bias_constraint: The same.
        use_gate: Whether what each head gives is multiplied by a sigmoid of one more projection of the query.
        seed: The seed of dropout; None for that of the graph.
        **kwargs: As for `Layer`.

    References:
        A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, L. Kaiser, I. Polosukhin, "Attention is
        all you need", 2017, arXiv:1706.03762.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layer = layers.MultiHeadAttention(num_heads=2, key_dim=3)
        >>> out, weights = layer(ops.ones((1, 4, 8)), ops.ones((1, 5, 8)), return_attention_scores=True)
        >>> out.shape, weights.shape
        ((1, 4, 8), (1, 2, 4, 5))
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout=dropout,
            use_bias=use_bias,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            initial=(kernel_initializer, bias_initializer),
            penalties=(kernel_regularizer, bias_regularizer, activity_regularizer),
            constraints=(kernel_constraint, bias_constraint),
            use_gate=use_gate,
            seed=seed,
            **kwargs,
        )
        self.num_heads = whole("num_heads", num_heads, least=1)
        self.key_dim = whole("key_dim", key_dim, least=1)
        self.value_dim = self.key_dim if value_dim is None else whole("value_dim", value_dim, least=1)
        self._out = None if output_shape is None else _several("output_shape", output_shape)
        self.attention_axes = None if attention_axes is None else _several("attention_axes", attention_axes)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        found = {"value_dim": self.value_dim, "output_shape": self._out, "attention_axes": self.attention_axes}
        return super().get_config() | plain(found)

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Make the projections."""
        _check_steps(self, query_shape, value_shape, key_shape)
        heads = self.num_heads
        rank = len(value_shape)
        axes = range(1, rank - 1) if self.attention_axes is None else self.attention_axes
        axes = tuple(k if k >= 0 else rank + k for k in axes)
        if not all(0 < k < rank - 1 for k in axes):
            raise ShapeError(
                f"{self.name!r} attends along axes between the batch and the features.",
                given=f"attention_axes={self.attention_axes}, and {shape_str(value_shape)}",
            )
        self.attention_axes = axes
        self.query_dense = self.projection("query", (heads, self.key_dim))
        self.key_dense = self.projection("key", (heads, self.key_dim))
        if self.use_gate:
            self.gate_dense = self.projection("gate", (heads, self.value_dim), activation="sigmoid")
        self.value_dense = self.projection("value", (heads, self.value_dim))
        self.output_dense = self.projection("attention_output", self._out or (query_shape[-1],), 2)

    def call(
        self,
        query: SDVariable,
        value: SDVariable,
        key: SDVariable | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """The outputs; with ``return_attention_scores`` the weights, too."""
        wanted = flag("return_attention_scores", return_attention_scores)
        mask = self._mask(query, value, (query_mask, value_mask, key_mask, attention_mask), use_causal_mask)
        gate = self.gate_dense(query) if self.use_gate else None
        projected = (self.query_dense(query), self.key_dense(value if key is None else key), self.value_dense(value))
        axes, scale = self.attention_axes or (), 1 / math.sqrt(self.key_dim)
        terms = equations(projected[2].ndim, axes)
        out, weights = self._weighed(projected, terms, len(axes), mask, scale, training, wanted)
        return self._returned(self.output_dense(out if gate is None else out * gate), query_mask, weights, wanted)


def _several(name: str, given: Any) -> tuple[int, ...]:
    found = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not found or not all(map(is_whole, found)):
        raise ArgumentTypeError(f"{name} is a whole number, or several.", given=f"{name}={shown(given)}")
    return tuple(int(n) for n in found)


@readable
class GroupedQueryAttention(Heads):
    """Attention with more heads of queries than of keys and values, which groups of heads share.

    It is called as `MultiHeadAttention` is, on ``(batch, steps, features)``.

    Args:
        head_dim: The size of queries, keys and values for each head.
        num_query_heads: The number of heads of queries.
        num_key_value_heads: That of keys and values, which divides the other one.
        dropout: The share of the weights that is dropped in training.
        use_bias: Whether projections have biases.
        sliding_window: How near a value must be to be seen: less than so many steps. None for no bound.
        flash_attention: Has no effect, except that True forbids dropout.
        kernel_initializer: How kernels are filled.
        bias_initializer: How biases are filled.
        kernel_regularizer: What of the kernels is added to what is minimised.
        bias_regularizer: What of the biases is.
        activity_regularizer: What of the projections is.
        kernel_constraint: Anything but None is refused: constraints are not applied in training.
        bias_constraint: The same.
        use_gate: Whether what each head gives is multiplied by a sigmoid of one more projection of the query.
        seed: The seed of dropout; None for that of the graph.
        **kwargs: As for `Layer`.

    References:
        J. Ainslie, J. Lee-Thorp, M. de Jong, Y. Zemlyanskiy, F. Lebron, S. Sanghai, "GQA: training generalized
        multi-query transformer models from multi-head checkpoints", 2023, arXiv:2305.13245.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layer = layers.GroupQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)
        >>> layer(ops.ones((1, 4, 8)), ops.ones((1, 5, 8))).shape
        (1, 4, 8)
    """

    keras_name = ("keras.layers", "GroupQueryAttention")

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout=dropout,
            use_bias=use_bias,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            initial=(kernel_initializer, bias_initializer),
            penalties=(kernel_regularizer, bias_regularizer, activity_regularizer),
            constraints=(kernel_constraint, bias_constraint),
            use_gate=use_gate,
            seed=seed,
            **kwargs,
        )
        self.head_dim = whole("head_dim", head_dim, least=1)
        self.num_query_heads = whole("num_query_heads", num_query_heads, least=1)
        self.num_key_value_heads = whole("num_key_value_heads", num_key_value_heads, least=1)
        if self.num_query_heads % self.num_key_value_heads:
            raise ArgumentError(
                "The heads of queries are shared out evenly to those of keys and values.",
                given=f"num_query_heads={num_query_heads}, num_key_value_heads={num_key_value_heads}",
            )

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Make the projections."""
        _check_steps(self, query_shape, value_shape, key_shape)
        if len(query_shape) != 3 or len(value_shape) != 3:
            raise ShapeError(
                f"{self.name!r} gets batch, steps and features.",
                given=f"{shape_str(query_shape)} and {shape_str(value_shape)}",
            )
        many, few = self.num_query_heads, self.num_key_value_heads
        self._query_dense = self.projection("query", (many, self.head_dim))
        self._key_dense = self.projection("key", (few, self.head_dim))
        if self.use_gate:
            self._gate_dense = self.projection("gate", (many, self.head_dim), activation="sigmoid")
        self._value_dense = self.projection("value", (few, self.head_dim))
        self._output_dense = self.projection("attention_output", (query_shape[-1],), 2)

    def call(
        self,
        query: SDVariable,
        value: SDVariable,
        key: SDVariable | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """The outputs; with ``return_attention_scores`` the weights, too."""
        sd = query.sd
        wanted = flag("return_attention_scores", return_attention_scores)
        mask = self._mask(query, value, (query_mask, value_mask, key_mask, attention_mask), use_causal_mask)
        gate = self._gate_dense(query) if self.use_gate else None
        times = self.num_query_heads // self.num_key_value_heads
        of_key, of_value = self._key_dense(value if key is None else key), self._value_dense(value)
        shared = [sd.repeat(v, times, axis=2) if times > 1 else v for v in (of_key, of_value)]
        projected = (self._query_dense(query), *shared)
        out, weights = self._weighed(
            projected, equations(4, (1,)), 1, mask, 1 / math.sqrt(self.head_dim), training, wanted
        )
        return self._returned(self._output_dense(out if gate is None else out * gate), query_mask, weights, wanted)
