"""Convolution, pooling and what else slides windows over pictures: ``sd.cnn``."""

from __future__ import annotations

from sdgraph.ops.cnn.convolutions import SDConvolutions
from sdgraph.ops.cnn.pooling import SDPooling
from sdgraph.ops.cnn.primitives import SDWindows


class SDCNN(SDConvolutions, SDPooling, SDWindows, prefix="cnn"):
    """Convolution and pooling (``sd.cnn``)."""
