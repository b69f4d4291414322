"""Convolution, pooling and what else slides windows over images: ``sd.cnn``."""

from __future__ import annotations

from sdgraph.ops.cnn.primitives import SDWindows


class SDCNN(SDWindows, prefix="cnn"):
    """Convolution and pooling (``sd.cnn``)."""
