"""Scheduling: lowered primitives as steps over slots, with liveness and buffer reuse decided beforehand.

Must not know any engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, VariableKind
from sdgraph.build.op import CONSTANT, ITEM
from sdgraph.build.reach import reachable
from sdgraph.infer.aval import Aval
from sdgraph.lower import contracts
from sdgraph.lower import spec as lowered
from sdgraph.lower.accumulate import accumulate
from sdgraph.lower.finite import with_finite
from sdgraph.lower.lowering import STEP, Lowering
from sdgraph.lower.nodes import LoweredNode
from sdgraph.plan import spec
from sdgraph.plan.bodies import settled
from sdgraph.plan.plan import NO_SLOT, Plan, Step

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


def make_plan(
    sd: OpGraph,
    fetches: Sequence[int],
    leaf_avals: Mapping[int, Aval],
    names: Sequence[str],
    *,
    fold: bool = True,
    inference: bool = False,
    watched: Sequence[int] = (),
) -> Plan:
    """Lower the fetches for these leaf avals and schedule the result.

    With ``watched``, which are fetches, there is one result more: a number that is finite only if these are.
    """
    lowering = Lowering(sd, leaf_avals, fold=fold, inference=inference)
    nodes, outs = lowering.nodes, lowering.run(fetches)
    if watched:
        lowered_as = dict(zip(fetches, outs, strict=True))
        nodes, outs = with_finite(nodes, outs, [lowered_as[i] for i in watched])
        names = [*names, "finite"]
    return schedule(*accumulate(nodes, outs), names)


def schedule(nodes: list[LoweredNode], outs: Sequence[int], names: Sequence[str]) -> Plan:
    """Drop dead nodes, number the slots, find last uses and buffers to write into."""
    nodes = settled(nodes, outs, schedule)
    if contracts.ON:
        lowered.check(nodes, outs)
    need = reachable(nodes, outs)
    needed = [i for i, flag in enumerate(need) if flag]
    slot_of = dict(zip(needed, range(len(needed)), strict=True))
    leaves: list[int] = []
    order: list[int] = []
    for i in needed:
        (order if nodes[i].op.kind is VariableKind.ARRAY else leaves).append(i)
    owner = _owners(nodes, len(need), order)
    steps, peak = _steps(nodes, order, slot_of, owner, outs)
    from_graph = [i for i in leaves if nodes[i].op is not STEP and nodes[i].op is not CONSTANT]
    fed = {i for i in from_graph if nodes[i].op.kind is VariableKind.PLACEHOLDER}
    plan = Plan(
        steps=tuple(steps),
        n_slots=len(slot_of),
        feeds=tuple((slot_of[i], nodes[i].source_id) for i in from_graph if i in fed),
        variables=tuple((slot_of[i], nodes[i].source_id) for i in from_graph if i not in fed),
        constants=tuple((slot_of[i], nodes[i].value) for i in leaves if nodes[i].op is CONSTANT),
        step_slot=next((slot_of[i] for i in leaves if nodes[i].op is STEP), NO_SLOT),
        outs=tuple(slot_of[o] for o in outs),
        copied=_copied(nodes, owner, outs),
        avals=tuple(nodes[o].aval for o in outs),
        names=tuple(names),
        peak_bytes=peak,
        leaf_names={nodes[i].source_id: _source(nodes[i]).name for i in from_graph},
        leaf_avals={slot_of[i]: nodes[i].aval for i in from_graph},
    )
    if contracts.ON:
        spec.check(plan)
    return plan


def _source(node: LoweredNode) -> Node:
    """The user's node that a lowered one comes from."""
    assert node.source is not None
    return node.source


def _copied(nodes: list[LoweredNode], owner: Sequence[int], outs: Sequence[int]) -> tuple[bool, ...]:
    """Which results are copied: the same array is not returned twice, nor memory of a leaf or of something larger."""
    seen: set[int] = set()
    copied = []
    for o in outs:
        root = owner[o]
        copied.append(root in seen or root != o or nodes[root].op.kind is not VariableKind.ARRAY)
        seen.add(root)
    return tuple(copied)


def _owners(nodes: list[LoweredNode], size: int, order: Sequence[int]) -> list[int]:
    """For each node the one whose memory it lives in: itself, or what it is a view of."""
    owner = list(range(size))
    for i in order:
        op = nodes[i].op
        if op.is_view or op is ITEM:
            owner[i] = owner[nodes[i].inputs[0]]
    return owner


def _steps(
    nodes: list[LoweredNode], order: list[int], slot_of: dict[int, int], owner: Sequence[int], outs: Sequence[int]
) -> tuple[list[Step], int]:
    """The steps with what each frees and writes into, and the peak of bytes alive.

    Memory is freed by owner: a buffer dies with the last use of anything that views it.
    """
    last_use: dict[int, int] = {}
    views: dict[int, list[int]] = {}
    for i in order:
        last_use[owner[i]] = i  # An unused output still dies somewhere.
        views.setdefault(owner[i], []).append(i)
        for j in nodes[i].inputs:
            if j >= 0:
                last_use[owner[j]] = i
    for o in outs:
        last_use[owner[o]] = len(nodes)
    dying: dict[int, list[int]] = {}
    for root, i in last_use.items():
        if root in views and nodes[root].op.kind is VariableKind.ARRAY:
            dying.setdefault(i, []).append(root)
    steps: list[Step] = []
    alive = peak = 0
    for i in order:
        node = nodes[i]
        dead = dying.get(i, ())
        reuse = _reusable(nodes, node, dead, views) if node.op.ufunc is not None else NO_SLOT
        if owner[i] == i and reuse < 0:
            alive += _size(node.aval)
            inside = node.attrs["run"].peak_bytes if node.op.has_bodies else 0
            peak = max(peak, alive + inside)
        frees = [slot_of[v] for root in dead if root != reuse for v in views[root] if v != i or root == i]
        alive -= sum(_size(nodes[root].aval) for root in dead if root != reuse)
        steps.append(
            Step(  # By position: names would cost a tenth of the whole function.
                node.op,
                node.attrs,
                tuple([slot_of[j] if j >= 0 else ABSENT for j in node.inputs]),
                slot_of[i],
                tuple(s for s in frees if s != slot_of[i]),
                slot_of[reuse] if reuse >= 0 else NO_SLOT,
                node.aval,
                node.source,
            )
        )
    return steps, peak


def _reusable(nodes: list[LoweredNode], node: LoweredNode, dead: Sequence[int], views: dict[int, list[int]]) -> int:
    """A dying operand whose buffer the result fits exactly, and that nothing else views."""
    if not node.aval.shape:
        return NO_SLOT
    for root in dead:
        if root in node.inputs and nodes[root].aval == node.aval and len(views[root]) == 1:
            return root
    return NO_SLOT


def _size(aval: Any) -> int:
    return aval.nbytes if type(aval) is Aval else sum(map(_size, aval))
