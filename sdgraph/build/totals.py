"""Sums of the contributions that one variable gets from all who use it.

An array that is used in n pieces would get n contributions of its full size, each zero but for one piece. So an op
whose results can be added up for less says how, and is asked here. Must not know any particular op.
"""

from __future__ import annotations

from typing import Any

from sdgraph.build.kinds import AnyGraph
from sdgraph.build.variable import SDVariable


def total(sd: AnyGraph, terms: list[SDVariable]) -> SDVariable:
    """The sum of all contributions; at most one node more than it takes to add up those of each op."""
    nodes = sd.nodes
    for g in terms:
        if nodes[g.id].op.total is not None:
            terms = _joined(sd, terms)
            break
    if len(terms) == 1:
        return terms[0]
    return terms[0] + terms[1] if len(terms) == 2 else sd.math.merge_add(*terms)


def _joined(sd: AnyGraph, terms: list[SDVariable]) -> list[SDVariable]:
    """The same sum in fewer terms: results of one op as that op adds them up."""
    alike: dict[Any, list[SDVariable]] = {}
    rest: list[SDVariable] = []
    for g in terms:
        op = sd.nodes[g.id].op
        if op.total is None:
            rest.append(g)
        else:
            alike.setdefault((op, g.dtype), []).append(g)
    for (op, _), several in alike.items():
        rest += op.total(several) if len(several) > 1 else several
    return rest
