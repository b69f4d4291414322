"""Keras' recurrent layers and their cells."""

from sdgraph.keras.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from sdgraph.keras.layers.recurrent.gated import GRU, LSTM, SimpleRNN
from sdgraph.keras.layers.recurrent.rnn import RNN, StackedRNNCells

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "SimpleRNN", "SimpleRNNCell", "StackedRNNCells"]
