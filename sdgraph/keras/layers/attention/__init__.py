"""Keras' layers of attention."""

from sdgraph.keras.layers.attention.heads import GroupedQueryAttention, MultiHeadAttention
from sdgraph.keras.layers.attention.plain import AdditiveAttention, Attention

GroupQueryAttention = GroupedQueryAttention

__all__ = ["AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention"]
