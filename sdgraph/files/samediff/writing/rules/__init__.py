"""For each op of ours the rule that writes it, and why those without one are refused.

A rule computes what the op computes, and its gradient; where SameDiff's own operation does not, other ones do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sdgraph.files.samediff.writing.call import Call, Written
from sdgraph.files.samediff.writing.rules import (
    arranging,
    bits,
    choosing,
    drawing,
    elementwise,
    images,
    losses,
    picking,
    pictures,
    products,
    reducing,
    sliding,
)

RULES: Final[dict[str, Callable[[Call], Written]]] = {
    **elementwise.RULES,
    **bits.RULES,
    **choosing.RULES,
    **reducing.RULES,
    **arranging.RULES,
    **picking.RULES,
    **pictures.RULES,
    **products.RULES,
    **images.RULES,
    **losses.RULES,
    **drawing.RULES,
    **sliding.RULES,
}
"""By qualified name. A composite without a rule, or whose rule refuses, is written as the ops of its body."""

_REASONS: Final = {
    "image.non_max_suppression": "SameDiff fills up what is left over with 0, and not with -1",
    "cnn.max_pool_with_argmax": "SameDiff gives the positions wrong",
    "cnn.window_first": "SameDiff gives the positions wrong",
    "linalg.eig": "SameDiff has no complex numbers",
    "linalg.lu": "SameDiff gives the permutation in another form",
    "linalg.qr": "SameDiff gives the factors other signs",
    "linalg.svd": "SameDiff loses two of the three results when it reads the file",
}


def why_not(op: str) -> str:
    """Why an op without a rule is refused."""
    return _REASONS.get(op, "SameDiff has no such op")
