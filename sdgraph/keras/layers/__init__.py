"""Keras' layers.

Example:
    >>> from sdgraph.keras import layers, ops
    >>> layers.Dense(2, kernel_initializer="ones")(ops.ones((1, 3)))
    array([[3., 3.]], dtype=float32)
"""

from sdgraph.keras.layers.attention import AdditiveAttention, Attention, GroupQueryAttention, MultiHeadAttention
from sdgraph.keras.layers.core import Activation, Dense
from sdgraph.keras.layers.embedding import Embedding, Masking
from sdgraph.keras.layers.inputs import Input, InputLayer
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, SimpleRNN, SimpleRNNCell, StackedRNNCells
from sdgraph.keras.layers.wrappers import Bidirectional, TimeDistributed, Wrapper

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "AdditiveAttention",
    "Attention",
    "Bidirectional",
    "Dense",
    "Embedding",
    "GRUCell",
    "GroupQueryAttention",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Layer",
    "Masking",
    "MultiHeadAttention",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
    "TimeDistributed",
    "Wrapper",
]

BY_NAME = {name: thing for name in __all__ if isinstance(thing := globals()[name], type) and issubclass(thing, Layer)}
"""The classes of layers by their names."""
