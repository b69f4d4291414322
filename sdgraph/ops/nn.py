"""Neural network functions: ``sd.nn``, put together from its groups."""

from __future__ import annotations

from sdgraph.ops.activations import SDActivations
from sdgraph.ops.cnn.batch_norm import SDBatchNorm
from sdgraph.ops.layers import SDLayers


class SDNN(SDActivations, SDLayers, SDBatchNorm, prefix="nn"):
    """Activations and layers (``sd.nn``)."""
