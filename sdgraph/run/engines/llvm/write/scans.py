"""What a scan carries along a row, in local variables: lanes each for itself, or one lane after another.

Must not know regions or plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val
from sdgraph.run.engines.llvm.scalars.scans import Scan
from sdgraph.run.engines.llvm.write.accumulators import Variable


class Carried:
    """What one scan carries: for each lane, or for the row that all lanes are part of."""

    def __init__(
        self, b: Builder, scan: Scan, out: np.dtype[Any], *, across: bool, backward: bool, places: Sequence[str] = ()
    ) -> None:
        self.b, self.scan, self.out, self.across, self.backward = b, scan, out, across, backward
        starts = self.scan.begin(out)
        where = places or [None] * len(starts)
        self.variables = [Variable(b, v, across, p) for v, p in zip(starts, where, strict=True)]

    def clear(self) -> None:
        """Begin anew."""
        for variable, start in zip(self.variables, self.scan.begin(self.out), strict=True):
            variable.set(self.b.splat(start) if self.across else start)

    def take(self, args: Sequence[Val], dtypes: Sequence[np.dtype[Any]], mask: Val | None) -> Val:
        """The results for a vector of elements; where ``mask`` is given, its lanes only move on."""
        b = self.b
        args = [self.scan.operand(b, v, d, self.out) for v, d in zip(args, dtypes, strict=True)]
        state = [variable.get() for variable in self.variables]
        state, result = self.scan.step(b, state, args) if self.across else self._along(state, args, mask)
        for variable, v in zip(self.variables, state, strict=True):
            variable.set(b.splat(v) if self.across else v)
        return self.scan.result(b, b.splat(result) if self.across else result, self.out)

    def _along(self, state: list[Val], args: Sequence[Val], mask: Val | None) -> tuple[list[Val], Val]:
        """One lane after another."""
        b, order = self.b, range(self.b.width)
        results = None
        for k in reversed(order) if self.backward else order:
            then, result = self.scan.step(b, state, [_lane(b, v, k) for v in args])
            if mask is not None:
                there = _lane(b, mask, k)
                then = [b.select(there, new, old) for new, old in zip(then, state, strict=True)]
            state = then
            results = _with_lane(b, results, result, k)
        assert results is not None
        return state, results


def _lane(b: Builder, v: Val, k: int) -> Val:
    return b.instruction(f"extractelement {b.typed(v)}, i32 {k}", v.type, False, v) if v.vec else v


def _with_lane(b: Builder, vector: Val | None, v: Val, k: int) -> Val:
    full = b.type(v.type, True)
    text = f"insertelement {full} {vector.text if vector is not None else 'poison'}, {v.type} {v.text}, i32 {k}"
    return b.instruction(text, v.type, True, v, *([] if vector is None else [vector]))
