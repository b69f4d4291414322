"""Shapes and dtypes on cards. Must not know graphs."""

from __future__ import annotations

from collections.abc import Sequence

from sdgraph.infer.aval import Aval, Dim, shape_str
from sdgraph.wording import shortened


def sizes(shape: Sequence[Dim]) -> str:
    """A shape, the names of sizes shortened.

    Example:
        >>> sizes((None, "the_length_of_the_longest_sentence", 3))
        '(?, the_length_…est_sentence, 3)'
    """
    return shape_str([shortened(d) if isinstance(d, str) else d for d in shape])


def typed(aval: Aval) -> str:
    """A dtype and a shape.

    Example:
        >>> import numpy as np
        >>> typed(Aval(("batch", 3), np.dtype("float32")))
        'float32 (batch, 3)'
    """
    return f"{aval.dtype.name} {sizes(aval.shape)}"
