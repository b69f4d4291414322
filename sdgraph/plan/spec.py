"""What a plan promises to engines: each slot is written once, read while it is there, and dropped once.

Each function tells what is wrong. Must not know how plans are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sdgraph.build.op import ITEM
from sdgraph.lower.contracts import hold
from sdgraph.plan.plan import NO_SLOT, Plan, Step


def check(plan: Plan) -> None:
    """Raise ContractError unless the plan keeps every promise."""
    # What follows takes these for granted.
    hold("A plan", slots_inside(plan), written_once(plan), written_before_read(plan))
    hold(
        "A plan",
        nothing_after_its_end(plan),
        dropped_at_last(plan),
        written_over_safely(plan),
        results_of_the_callers_own(plan),
    )


def leaves(plan: Plan) -> list[int]:
    """Slots that are filled before the first step."""
    filled = [slot for slot, _ in (*plan.feeds, *plan.variables, *plan.constants)]
    return filled if plan.step_slot == NO_SLOT else [*filled, plan.step_slot]


def _ends(step: Step) -> tuple[int, ...]:
    """The slots whose values end with a step."""
    return step.frees if step.reuse == NO_SLOT else (*step.frees, step.reuse)


def _owners(plan: Plan) -> dict[int, int]:
    """For each slot the one whose memory it lives in: its own, or what it is a view of."""
    owner = {slot: slot for slot in leaves(plan)}
    for s in plan.steps:
        owner[s.out] = owner.get(s.inputs[0], s.out) if s.op.is_view or s.op is ITEM else s.out
    return owner


def slots_inside(plan: Plan) -> Iterator[str]:
    """Every slot is one of the plan's."""
    named = {
        "a leaf": leaves(plan),
        "a result": plan.outs,
        "a step": [j for s in plan.steps for j in (s.out, *s.frees, *s.inputs, s.reuse) if j != NO_SLOT],
    }
    for what, slots in named.items():
        outside = sorted({j for j in slots if not 0 <= j < plan.n_slots})
        if outside:
            yield f"{what} uses slots {outside}; there are {plan.n_slots}"


def written_once(plan: Plan) -> Iterator[str]:
    """No two leaves or steps write the same slot."""
    written = Counter([*leaves(plan), *(s.out for s in plan.steps)])
    return (f"slot {slot} is written {n} times" for slot, n in written.items() if n > 1)


def written_before_read(plan: Plan) -> Iterator[str]:
    """A step reads what is there, and so does the caller."""
    there = set(leaves(plan))
    for s in plan.steps:
        wrong = [j for j in s.inputs if j != NO_SLOT and j not in there]
        if wrong:
            yield f"{s.op.qualname} -> {s.out} reads slots {wrong} before they are written"
        there.add(s.out)
    missing = [o for o in plan.outs if o not in there]
    if missing:
        yield f"results {missing} are never written"


def nothing_after_its_end(plan: Plan) -> Iterator[str]:
    """What a step drops or writes over is there until then, and nobody reads or drops it afterwards."""
    gone: set[int] = set()
    for s in plan.steps:
        late = gone.intersection(s.inputs)
        if late:
            yield f"{s.op.qualname} -> {s.out} reads slots {sorted(late)} after they were dropped"
        for j in _ends(s):
            if j in gone:
                yield f"{s.op.qualname} -> {s.out} drops slot {j} again"
            gone.add(j)
    if gone.intersection(leaves(plan)):
        yield f"leaves {sorted(gone.intersection(leaves(plan)))} are dropped"
    if gone.intersection(plan.outs):
        yield f"results {sorted(gone.intersection(plan.outs))} are dropped"


def dropped_at_last(plan: Plan) -> Iterator[str]:
    """What steps made is dropped with its last use, but for results and what shares memory with one."""
    owner = _owners(plan)
    last: dict[int, int] = {}
    for k, s in enumerate(plan.steps):
        last.update((owner[j], k) for j in (*s.inputs, s.out) if j != NO_SLOT)
    made, kept = {s.out for s in plan.steps}, {owner[o] for o in plan.outs}
    ends = {j: k for k, s in enumerate(plan.steps) for j in _ends(s)}
    for slot in made:
        root = owner[slot]
        if root in made and root not in kept and ends.get(slot) != last[root]:
            yield f"slot {slot} is last used by step {last[root]}, and dropped by {ends.get(slot)}"


def written_over_safely(plan: Plan) -> Iterator[str]:
    """A step writes only over an operand of its own form that a step made, and that nothing else shares memory with."""
    owner = _owners(plan)
    sharing = Counter(owner.values())
    aval = {s.out: s.aval for s in plan.steps}
    for s in plan.steps:
        j, what = s.reuse, f"{s.op.qualname} -> {s.out}"
        if j == NO_SLOT:
            continue
        if s.op.ufunc is None:
            yield f"{what} writes over slot {j} and is no ufunc"
        if j not in s.inputs:
            yield f"{what} writes over slot {j}, which it does not read"
        if aval.get(j) != s.aval:
            yield f"{what} writes over slot {j}, which is no step's result of its shape and dtype"
        if owner[j] != j or sharing[j] > 1:
            yield f"{what} writes over slot {j}, which shares memory"


def results_of_the_callers_own(plan: Plan) -> Iterator[str]:
    """A result that is not copied is an array that a step made for the caller alone."""
    owner, made = _owners(plan), {s.out for s in plan.steps}
    given: set[int] = set()
    for o, copied in zip(plan.outs, plan.copied, strict=True):
        if not copied and (owner[o] != o or o not in made or o in given):
            yield f"result {o} is not copied, and shares memory"
        given.add(owner[o])
