"""Loops and branches in a plan: which of their outputs are made, and the plans of what is inside of them.

A loop is replaced by one that makes what is read of it: carries and stacks that nobody needs are left out, and operands
that only these read, so that what is before the loop may be left out as well. Must not know any engine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sdgraph.build.bodies import LOOPS, Parts
from sdgraph.build.kinds import ABSENT, NO_ATTRS, VariableKind
from sdgraph.build.op import ITEM, PLACEHOLDER, STREAM
from sdgraph.infer.aval import Aval
from sdgraph.lower.bodies import Lowered
from sdgraph.lower.nodes import LoweredNode
from sdgraph.plan.plan import Plan
from sdgraph.wording import byte_size, counted

Schedule = Callable[[list[LoweredNode], Sequence[int], Sequence[str]], Plan]


@dataclass(frozen=True, eq=False)
class Inner:
    """A plan inside a plan. What depends only on what is the same in every step is made once, before."""

    plan: Plan
    before: Inner | None
    reads: frozenset[int]
    """The parameters that it reads, by their ids in the function."""
    made: dict[Any, Any] = dataclasses.field(default_factory=dict)
    """What engines made of it."""

    @property
    def steps(self) -> int:
        """How many steps there are, those of before not counted."""
        return len(self.plan.steps)


@dataclass(frozen=True, eq=False)
class Loop:
    """A loop as it is run."""

    body: Inner
    """Gives the new carries, and then what is stacked."""
    test: Inner | None
    """Gives whether there is another step."""
    captured: tuple[int, ...]
    """The parameters of all steps, one per operand after the limit."""
    carries: tuple[int, ...]
    """The parameters that carries are, of those that are needed."""
    initial: tuple[int, ...]
    """The operands that they start as."""
    xs: tuple[tuple[int, int], ...]
    """Operands that it runs over, with the parameters that their entries are."""
    gives: tuple[int, ...]
    """The carries that are results, by their places among `carries`."""
    stacks: tuple[tuple[int, Aval], ...]
    """What is stacked: a place among `carries`, for what enters a step, or behind them, of what `body` gives."""
    order: tuple[int, ...]
    """The results that are wanted, by their places among carries, the number of steps, and stacks."""
    length: int | None
    reverse: bool
    counted: bool
    is_random: bool

    @property
    def inner(self) -> tuple[Inner, ...]:
        """All plans inside."""
        return (self.body,) if self.test is None else (self.body, self.test)

    @property
    def times(self) -> int:
        """How often they run, as far as that is known."""
        return 1 if self.length is None else self.length

    @property
    def peak_bytes(self) -> int:
        """Most bytes alive inside of a step."""
        return max(inner.plan.peak_bytes for inner in self.inner)

    def __repr__(self) -> str:
        n = "while" if self.length is None else f"× {self.length}"
        kept = sum(a.nbytes for _, a in self.stacks)
        stacks = f", stacks {len(self.stacks)} ({byte_size(kept)})" if self.stacks else ""
        return f"<{n}: {counted(self.body.steps, 'step')} each{stacks}>"


@dataclass(frozen=True, eq=False)
class Branches:
    """A choice of branches as it is run."""

    branches: tuple[Inner, ...]
    params: tuple[tuple[int, ...], ...]
    """For each branch the parameter that an operand is, or ABSENT."""
    is_random: bool

    @property
    def inner(self) -> tuple[Inner, ...]:
        """All plans inside."""
        return self.branches

    times = 1

    @property
    def peak_bytes(self) -> int:
        """Most bytes alive inside of a branch."""
        return max(inner.plan.peak_bytes for inner in self.inner)

    def __repr__(self) -> str:
        return f"<one of {len(self.branches)}: {' or '.join(str(b.steps) for b in self.branches)} steps>"


def settled(nodes: list[LoweredNode], outs: Sequence[int], schedule: Schedule) -> list[LoweredNode]:
    """The same nodes, with each loop and choice replaced by what makes what is needed of it.

    Goes from the end to the beginning, since what a loop makes decides what it reads.
    """
    if not any(node.bodies for node in nodes):
        return nodes
    nodes = list(nodes)
    need = bytearray(len(nodes))
    for o in outs:
        need[o] = 1
    wanted: dict[int, dict[int, list[int]]] = {}
    for i in range(len(nodes) - 1, -1, -1):
        node = nodes[i]
        if node.bodies and not need[i]:
            nodes[i] = LoweredNode(node.op, (), NO_ATTRS, (), node.source, node.source_id)
        if not need[i]:
            continue
        if node.op is ITEM and nodes[node.inputs[0]].bodies:
            wanted.setdefault(node.inputs[0], {}).setdefault(node.attrs["index"], []).append(i)
        if node.bodies:
            items = sorted(wanted[i])
            node = nodes[i] = _settled(node, items, schedule)
            for place, k in enumerate(items):
                for reader in wanted[i][k]:
                    was = nodes[reader]
                    nodes[reader] = LoweredNode(ITEM, was.inputs, {"index": place}, was.aval, was.source, was.source_id)
        for j in node.inputs:
            if j >= 0:
                need[j] = 1
    return nodes


def _settled(node: LoweredNode, items: Sequence[int], schedule: Schedule) -> LoweredNode:
    return _Settling(node, items, schedule).settled() if node.op in LOOPS else _branches(node, items, schedule)


# ---------------------------------------------------------------------- plans of functions


def _planned(body: Lowered, fetches: Sequence[int], fixed: frozenset[int], schedule: Schedule) -> Inner:
    """What makes ``fetches`` in a step; what depends on ``fixed`` parameters alone is made once, before."""
    key = tuple(fetches), fixed
    found = body.plans.get(key)
    if found is not None:
        return found
    outs, names = [body.ids[f] for f in fetches], [body.function.graph.nodes[f].name for f in fetches]
    once = _once(body.nodes, outs, fixed)
    before = _inner(body.nodes, once, [str(i) for i in once], None, schedule) if once else None
    nodes = list(body.nodes)
    for n, i in enumerate(once):
        nodes[i] = LoweredNode(PLACEHOLDER, (), NO_ATTRS, nodes[i].aval, nodes[i].source, -2 - n)
    found = body.plans[key] = _inner(nodes, outs, names, before, schedule)
    return found


def _inner(
    nodes: list[LoweredNode], outs: Sequence[int], names: Sequence[str], before: Inner | None, schedule: Schedule
) -> Inner:
    plan = schedule(nodes, outs, names)
    reads = {i for _, i in plan.feeds if i >= 0} | (set() if before is None else before.reads)
    # Nobody writes into what a step gives, and what the loop gives is copied.
    return Inner(dataclasses.replace(plan, copied=(False,) * len(plan.copied)), before, frozenset(reads))


def _once(nodes: list[LoweredNode], outs: Sequence[int], fixed: frozenset[int]) -> list[int]:
    """Results that do not change from step to step, and are read by what does."""
    if not fixed:
        return []
    need, varies = bytearray(len(nodes)), bytearray(len(nodes))
    for i, node in enumerate(nodes):
        leaf = node.op.kind is VariableKind.PLACEHOLDER and node.source_id not in fixed
        varies[i] = leaf or any(j >= 0 and varies[j] for j in node.inputs)
    found = {o for o in outs if not varies[o]}
    for o in outs:
        need[o] = 1
    for i in range(len(nodes) - 1, -1, -1):
        if need[i]:
            for j in nodes[i].inputs:
                if j >= 0:
                    need[j] = 1
                    if varies[i] and not varies[j]:
                        found.add(j)
    return sorted(i for i in found if nodes[i].op.kind is VariableKind.ARRAY and type(nodes[i].aval) is Aval)


# ---------------------------------------------------------------------- settling


class _Settling:
    """A loop while it is settled what of it is made."""

    def __init__(self, node: LoweredNode, items: Sequence[int], schedule: Schedule) -> None:
        self.node, self.items = node, items
        self.attrs, (self.body,) = node.attrs, node.bodies
        self.avals: tuple[Any, ...] = node.aval  # type: ignore[assignment]
        self.n_carry = self.attrs["n_carry"]
        self.n = len(node.inputs) - (STREAM in self.attrs)
        self.parts = parts = Parts.of(self.attrs, self.n)
        self.params = (ABSENT,) * parts.captured + self.body.function.params
        """For each operand its parameter."""
        self.carries = self.params[parts.carries : parts.xs]
        self.place = {p: k for k, p in enumerate(self.carries)}
        self.stacks = [k - self.n_carry - 1 for k in items if k > self.n_carry]
        self.direct = [s for s in self.stacks if s not in self.place]
        self.test, self.alive, self.inner = self._needed(schedule)
        self.reads = self.inner.reads | {self.carries[k] for k in self.alive}
        self.reads |= frozenset() if self.test is None else self.test.reads

    def _needed(self, schedule: Schedule) -> tuple[Inner | None, list[int], Inner]:
        """The test, the carries that anything wanted hangs on, and what makes them and the stacks."""
        f = self.body.function
        fixed = frozenset(self.params[self.parts.captured : self.parts.carries])
        test = _planned(self.body, f.outs[-1:], fixed, schedule) if self.attrs["test"] else None
        live = {k for k in self.items if k < self.n_carry} | {self.place[s] for s in self.stacks if s in self.place}
        more = {self.place[p] for p in (test.reads if test else ()) if p in self.place}
        while True:
            live |= more
            alive = sorted(live)
            inner = _planned(self.body, [*(f.outs[k] for k in alive), *self.direct], fixed, schedule)
            more = {self.place[p] for p in inner.reads if p in self.place} - live
            if not more:
                return test, alive, inner

    def _length(self) -> int | None:
        if self.attrs["length"] is not None:
            return self.attrs["length"]
        return next((a.shape[0] for a in self.avals[self.n_carry + 1 :] if a is not None), None)

    def settled(self) -> LoweredNode:
        """The loop that makes what is wanted."""
        parts, params, reads, n_carry = self.parts, self.params, self.reads, self.n_carry
        at = {k: m for m, k in enumerate(self.alive)}
        entries = [
            at[self.place[s]] if s in self.place else len(self.alive) + self.direct.index(s) for s in self.stacks
        ]
        carries = [k for k in self.items if k < n_carry]
        where = {k: m for m, k in enumerate([*carries, n_carry, *(k for k in self.items if k > n_carry)])}
        run = Loop(
            body=self.inner,
            test=self.test,
            captured=tuple(p if p in reads else ABSENT for p in params[parts.captured : parts.carries]),
            carries=tuple(self.carries[k] for k in self.alive),
            initial=tuple(parts.carries + k for k in self.alive),
            xs=tuple((k, params[k]) for k in range(parts.xs, self.n) if params[k] in reads),
            gives=tuple(at[k] for k in carries),
            stacks=tuple((e, self.avals[n_carry + 1 + s]) for e, s in zip(entries, self.stacks, strict=True)),
            order=tuple(where[k] for k in self.items),
            length=self._length(),
            reverse=self.attrs["reverse"],
            counted=self.attrs["counted"],
            is_random=STREAM in self.attrs,
        )
        node = self.node
        kept = tuple(
            j if k < parts.captured or k >= self.n or params[k] in reads else ABSENT for k, j in enumerate(node.inputs)
        )
        aval: Any = tuple(self.avals[k] for k in self.items)
        return LoweredNode(node.op, kept, {"run": run}, aval, node.source, node.source_id)


def _branches(node: LoweredNode, items: Sequence[int], schedule: Schedule) -> LoweredNode:
    functions = [b.function for b in node.bodies]
    plans = [_planned(b, [b.function.outs[k] for k in items], frozenset(), schedule) for b in node.bodies]
    random = STREAM in node.attrs
    n = len(node.inputs) - random
    params = tuple(
        tuple(p if p in plan.reads else ABSENT for p in f.params) for f, plan in zip(functions, plans, strict=True)
    )
    read = [any(p >= 0 for p in column) for column in zip(*params, strict=True)]
    kept = tuple(j if k == 0 or k >= n or read[k - 1] else ABSENT for k, j in enumerate(node.inputs))
    run = Branches(tuple(plans), params, random)
    avals: tuple[Any, ...] = node.aval  # type: ignore[assignment]
    aval = tuple(avals[k] for k in items)
    return LoweredNode(node.op, kept, {"run": run}, aval, node.source, node.source_id)  # type: ignore[arg-type]
