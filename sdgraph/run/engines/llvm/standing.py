"""A plan that is one segment, on arrays that stay where they are: a call lays out nothing. Must not know LLVM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sdgraph.plan.plan import Plan
from sdgraph.run.engines.interface import Copies, Standing, no_copies
from sdgraph.run.engines.llvm.divide.overwriting import overwritable
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.llvm.translate import laid
from sdgraph.run.engines.llvm.write.emit import order_of

_Array = np.ndarray[Any, Any]


def stand(
    plan: Plan,
    division: Division,
    runners: Mapping[int, Runner],
    feeds: Mapping[int, _Array | None],
    places: Sequence[int | None],
    elsewhere: Callable[[int], _Array],
    copies: Copies = no_copies,
) -> Standing | None:
    """See `Program.stand`; None for a plan that is more than one segment, or looks at numbers while it runs."""
    segment = division.parts[0] if len(division.parts) == 1 else None
    if not isinstance(segment, Segment) or segment.checks or any(plan.copied):
        return None
    runner, slots = runners[0], {i: slot for slot, i in plan.feeds}
    known = {slot: np.ascontiguousarray(a) for slot, a in plan.constants} | {j: feeds[i] for i, j in slots.items()}
    if set(plan.outs) != set(runner.writes) or not known.keys() >= set(runner.reads):
        return None
    orders = [order_of(r.task)[0] for r in runner.regions]
    taken = {slots[i]: out for out, i in zip(plan.outs, places, strict=True) if i in slots}
    safe = overwritable(segment.regions, orders, division.shapes, taken)

    def result(k: int, i: int | None) -> _Array:
        own = feeds[i] if i in slots and slots[i] in safe else None
        return elsewhere(k) if own is None else own

    results = [result(k, i) for k, i in enumerate(places)]
    made = dict(zip(plan.outs, results, strict=True))
    at = {j: k for k, j in enumerate(runner.reads)}
    given = {i: at[slots[i]] for i, a in feeds.items() if a is None and slots.get(i) in at}
    arrays = [*(known[j] for j in runner.reads), *(made[i] for i in runner.writes)]
    pairs = copies(results)
    run = runner.again(arrays, [*given.values()], pairs)
    if run is None:
        return None

    def on(others: Sequence[_Array]) -> Callable[[], object] | None:
        all_of = arrays.copy()
        for k, a in zip(given.values(), others, strict=True):
            all_of[k] = a
        return runner.again(all_of, (), pairs)

    fits = laid.fits([(division.shapes[slots[i]], division.dtypes[slots[i]]) for i in given])
    return Standing(run, [*given], fits, results, on)
