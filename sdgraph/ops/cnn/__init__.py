"""Convolution, pooling and what else slides windows over images: ``sd.cnn``."""

from __future__ import annotations

from sdgraph.ops.cnn.convolutions import SDConvolutions
from sdgraph.ops.cnn.local import SDLocal
from sdgraph.ops.cnn.neighbours import SDNeighbours
from sdgraph.ops.cnn.pooling import SDPooling
from sdgraph.ops.cnn.primitives import SDWindows
from sdgraph.ops.cnn.rearranging import SDRearranging
from sdgraph.ops.cnn.sliding import SDSliding


class SDCNN(SDConvolutions, SDPooling, SDNeighbours, SDRearranging, SDLocal, SDSliding, SDWindows, prefix="cnn"):
    """Convolution and pooling, and what else is done with pictures (``sd.cnn``)."""
