"""How much memory is in use while the parts of a plan run in turn. Must not know LLVM."""

from __future__ import annotations

from typing import Any

from sdgraph.build.op import ITEM
from sdgraph.infer.aval import Aval
from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide.region import size_of
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.segment import Runner


def peak_bytes(division: Division, runners: dict[int, Runner]) -> int:
    """Most bytes of results and scratch memory alive at once."""

    def array(slot: int) -> int:
        return size_of(division.shapes[slot]) * division.dtypes[slot].itemsize

    owner: dict[int, int] = {}
    users: dict[int, int] = {}
    """How many slots still hold each piece of memory."""
    size: dict[int, int] = {}
    alive = peak = 0
    for k, (part, dead) in enumerate(zip(division.parts, division.frees, strict=True)):
        scratch = 0
        if type(part) is Segment:
            made = {i: (i, array(i)) for i in part.writes}
            scratch = 0 if runners[k].small else runners[k].bytes
            # Compiled code reads C order, so a view may have to be copied.
            scratch += sum(array(j) for j in part.reads if owner.get(j, j) != j)
        else:
            assert isinstance(part, Step)
            views = part.op.is_view or part.op is ITEM
            j = part.inputs[0] if views else part.out
            made = {part.out: (owner.get(j, j), 0 if views else _size(part.aval))}
        for i, (root, bytes_) in made.items():
            owner[i] = root
            users[root] = users.get(root, 0) + 1
            size[root] = size.get(root, 0) + bytes_
            alive += bytes_
        peak = max(peak, alive + scratch)
        for j in dead:
            root = owner.get(j, j)
            if root in users:
                users[root] -= 1
                alive -= size[root] if not users[root] else 0
    return peak


def _size(aval: Any) -> int:
    return aval.nbytes if type(aval) is Aval else sum(map(_size, aval))
