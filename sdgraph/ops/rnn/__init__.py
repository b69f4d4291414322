"""Recurrent networks: ``sd.rnn``, put together from cells and layers."""

from __future__ import annotations

from sdgraph.ops.rnn.cells import SDCells
from sdgraph.ops.rnn.layers import SDRecurrent
from sdgraph.ops.rnn.lstm import SDLSTM


class SDRNN(SDCells, SDLSTM, SDRecurrent, prefix="rnn"):
    """Recurrent layers and their cells (``sd.rnn``)."""
