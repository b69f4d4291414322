"""Which arrays that a segment reads may be the memory of what it writes. Must not know LLVM or how code is run.

An element may be overwritten by its own loop when everything of it is read in the same turn, or before. So regions read
the old array element by element, those before as they like, and none after. What has one element is a number to them,
which is read again in every phase, so it is never overwritten; nor is anything where a loop takes rows again when their
results are written, or keeps its own numbers in the memory of a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdgraph.run.engines.llvm.divide.cuts import ELEMENT, squeezed
from sdgraph.run.engines.llvm.divide.phases import Phase
from sdgraph.run.engines.llvm.divide.region import Node, Operand, Region


def overwritable(
    regions: Sequence[Region],
    phases: Sequence[Sequence[Phase]],
    shapes: Mapping[int, tuple[int, ...]],
    pairs: Mapping[int, int],
) -> set[int]:
    """Of the values whose new ones take their place, those that these may be written over.

    Args:
        regions: The regions of the segment, in order.
        phases: The order within each.
        shapes: The shapes of all values.
        pairs: For each old value the new one.
    """
    home = {n.id: k for k, region in enumerate(regions) for n in region.nodes}
    ends = [_written_at_once(region, order) for region, order in zip(regions, phases, strict=True)]
    safe = {old for old, new in pairs.items() if shapes[old] == shapes[new] and new in home and new in ends[home[new]]}
    for k, region in enumerate(regions):
        for n in region.nodes:
            for x in n.operands:
                if x.memory in safe and not _is_early(region, n, x, k, home[pairs[x.memory]]):
                    safe.discard(x.memory)
    return safe


def _is_early(region: Region, n: Node, x: Operand, here: int, written: int) -> bool:
    """Whether a node of a region has read an element of an operand by the time that a region writes its new value."""
    if here != written:
        return here < written
    whole = squeezed(x.shape) == squeezed(n.space) == region.dims
    # A window reads other places.
    whole &= x.window is None
    return whole and region.works[n.id] == ELEMENT and region.lies(x.shape, n).level == ELEMENT


def _written_at_once(region: Region, phases: Sequence[Phase]) -> set[int]:
    """The results of a region whose elements are written once, when all that its loops read of that place is read."""
    if region.turned or any(phase.sweeps for phase in phases):
        return set()
    homes = {home for phase in phases for home in phase.homes.values()}
    whole = (n.id for n in region.nodes if region.level[n.id] == ELEMENT and n.target is None)
    return set(whole) - homes
