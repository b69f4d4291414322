"""Images: ``sd.image``, put together from resizing, colours and parts of images."""

from __future__ import annotations

from sdgraph.ops.image.colours import SDColours
from sdgraph.ops.image.regions import SDRegions
from sdgraph.ops.image.resizing import SDResizing


class SDImage(SDResizing, SDColours, SDRegions, prefix="image"):
    """Operations on images, channels last (``sd.image``)."""


__all__ = ["SDImage"]
