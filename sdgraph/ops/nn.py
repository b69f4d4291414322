"""Neural network functions: ``sd.nn``, put together from its two halves."""

from __future__ import annotations

from sdgraph.ops.activations import SDActivations
from sdgraph.ops.layers import SDLayers


class SDNN(SDActivations, SDLayers, prefix="nn"):
    """Activations and layers (``sd.nn``)."""
