"""Gradients of several batches that make one update. Must not know variables or rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Gathered(NamedTuple):
    """Gradients that wait for the update: their sums by examples, how many examples, and how many batches."""

    sums: Sequence[Array]
    examples: float
    calls: int

    def more(self, gradients: Sequence[Array], examples: float, adds: bool) -> Gathered:
        """With one batch more; where losses are sums, gradients add up, and are divided by nothing."""
        weighted = [g * g.dtype.type(examples) for g in gradients]
        sums = [a + b for a, b in zip(self.sums, weighted, strict=True)] if self.calls else weighted
        return Gathered(sums, 1.0 if adds else self.examples + examples, self.calls + 1)


NOTHING: Final = Gathered((), 0.0, 0)
