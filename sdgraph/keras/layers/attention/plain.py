"""`Attention` and `AdditiveAttention`: attention of one head, without projections."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, one_of, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.layers.attention import masks
from sdgraph.keras.layers.dropping import dropped, rate
from sdgraph.keras.layers.layer import Layer

ScoreMode = Literal["dot", "concat"]


@readable
class Attention(Layer):
    """Values weighed by how queries and keys agree: ``softmax(scores) @ value``, where ``scores = query @ keyᵀ``.

    It is called on a list: query ``(batch, queries, features)``, value ``(batch, values, size)`` and, if it is another
    one than the value, key. The mask of the value is heeded, and steps that the mask of the query leaves out are 0;
    ``use_causal_mask=True`` lets a query see no later value, and with ``return_attention_scores=True`` the weights are
    returned, too.

    Args:
        use_scale: Whether scores are multiplied by a weight ``scale``.
        score_mode: ``"dot"``, or ``"concat"`` for ``weight * sum(tanh(scale (query + key)))``.
        dropout: The share of the weights that is dropped in training.
        seed: The seed of dropout; None for that of the graph.
        **kwargs: As for `Layer`.

    References:
        M. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based neural machine translation", 2015,
        arXiv:1508.04025.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Attention()([ops.ones((1, 2, 3)), ops.ones((1, 4, 3))]).shape
        (1, 2, 3)
    """

    supports_masking = True

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: ScoreMode = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_scale = flag("use_scale", use_scale)
        self.score_mode = one_of("score_mode", score_mode, get_args(ScoreMode))
        self.dropout = rate("dropout", dropout)
        self.seed = None if seed is None else whole("seed", seed)

    def build(self, input_shape: Any) -> None:
        """Make the factors."""
        self._several("inputs", input_shape)
        self.scale = self.concat_score_weight = None
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def _several(self, what: str, given: Any) -> None:
        if not isinstance(given, list | tuple) or any(isinstance(n, int) for n in given):
            raise ArgumentTypeError(
                f"{self.name!r} is called on a list: [query, value] or [query, value, key].", given=shown(given)
            )
        if what == "inputs" and not all(isinstance(one, SDVariable | tuple) for one in given):
            raise ArgumentTypeError(
                f"{self.name!r} is called on variables of a graph, or on arrays.", given=shown(given)
            )
        if len(given) not in (2, 3):
            raise ArgumentError(f"{self.name!r} gets two or three {what}.", given=f"{len(given)}")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """That of the query."""
        return None if previous_mask is None else [previous_mask[0]]

    def scores(self, query: SDVariable, key: SDVariable) -> SDVariable:
        """How queries and keys agree."""
        sd = query.sd
        if self.concat_score_weight is None:
            found = sd.linalg.matmul(query, sd.permute(key, (*range(key.ndim - 2), key.ndim - 1, key.ndim - 2)))
            return found if self.scale is None else found * self.scale
        both = sd.expand_dims(query, -2) + sd.expand_dims(key, -3)
        return self.concat_score_weight * sd.sum(sd.math.tanh(both if self.scale is None else self.scale * both), -1)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """The outputs; with ``return_attention_scores`` the weights, too."""
        self._several("inputs", inputs)
        if mask is not None:
            self._several("masks", mask)
        query, value, key = inputs[0], inputs[1], inputs[-1]
        sd = query.sd
        of_query, of_value = (None if m is None else masks.truth(sd.as_variable(m)) for m in (mask or (None, None))[:2])
        scores = self.scores(query, key)
        seen = of_value
        if flag("use_causal_mask", use_causal_mask):
            seen = masks.both(None if of_value is None else sd.expand_dims(of_value, -2), masks.causal(query, key))
        if seen is not None:
            seen = sd.expand_dims(seen, -2) if seen.ndim == 2 else seen
            scores = sd.where(seen, scores, scores - (65504.0 if scores.dtype == np.float16 else 1e9))
        weights = dropped(sd.nn.softmax(scores, axis=-1), self.dropout, self.seed, training)
        out = sd.linalg.matmul(weights, value)
        if of_query is not None:
            out = sd.where(sd.expand_dims(of_query, -1), out, 0.0)
        return (out, weights) if flag("return_attention_scores", return_attention_scores) else out


@readable
class AdditiveAttention(Attention):
    """Attention whose scores are ``sum(scale * tanh(query + key))``; otherwise as `Attention`.

    Args:
        use_scale: Whether there is a weight ``scale``, one number for each feature.
        dropout: The share of the weights that is dropped in training.
        seed: The seed of dropout; None for that of the graph.
        **kwargs: As for `Layer`.

    References:
        D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and translate", 2014,
        arXiv:1409.0473.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.AdditiveAttention()([ops.ones((1, 2, 3)), ops.ones((1, 4, 3))]).shape
        (1, 2, 3)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, seed=seed, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Make the factors of the features."""
        self._several("inputs", input_shape)
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")

    def scores(self, query: SDVariable, key: SDVariable) -> SDVariable:
        """How queries and keys agree."""
        sd = query.sd
        bent = sd.math.tanh(sd.expand_dims(query, -2) + sd.expand_dims(key, -3))
        return sd.sum(bent if self.scale is None else self.scale * bent, -1)
