"""Plans: lowered primitives as steps over slots, with liveness and buffer reuse decided beforehand.

A plan is immutable and holds no value that changes, so any number of threads may run it. Must not know any engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, VariableKind
from sdgraph.build.op import CONSTANT, ITEM, Op
from sdgraph.infer.aval import Aval, shape_str
from sdgraph.lower.accumulate import accumulate
from sdgraph.lower.lowering import STEP, Lowering
from sdgraph.lower.nodes import LoweredNode
from sdgraph.wording import byte_size

if TYPE_CHECKING:
    import numpy as np

    from sdgraph.ops.graph import OpGraph

NO_SLOT = ABSENT


class Step(NamedTuple):
    """One primitive: read ``inputs``, write ``out``, then drop ``frees``. ``reuse`` is a dying slot to write into."""

    op: Op
    attrs: Mapping[str, Any]
    inputs: tuple[int, ...]
    out: int
    frees: tuple[int, ...]
    reuse: int
    aval: Any
    source: Node | None


class Group(NamedTuple):
    """Steps that an engine runs as one."""

    title: str
    facts: tuple[str, ...]
    """What it costs, in words, one short line each."""
    outs: tuple[int, ...]
    """The steps, by the slots of their results."""


class Plan(NamedTuple):
    """What an engine compiles, and afterwards what the engine made of it.

    Slots hold arrays during a run. ``feeds`` and ``variables`` map slots to the ids of the graph's placeholders and
    variables, ``constants`` to arrays. ``outs`` are the slots of the fetches; those in ``copied`` alias something the
    caller or the plan owns and are copied before they are returned.
    """

    steps: tuple[Step, ...]
    n_slots: int
    feeds: tuple[tuple[int, int], ...]
    variables: tuple[tuple[int, int], ...]
    constants: tuple[tuple[int, np.ndarray[Any, Any]], ...]
    step_slot: int
    outs: tuple[int, ...]
    copied: tuple[bool, ...]
    avals: tuple[Any, ...]
    names: tuple[str, ...]
    peak_bytes: int
    """Most bytes of step results alive at once."""
    leaf_names: Mapping[int, str]
    """Names of the placeholders and variables by id, for printing."""
    leaf_avals: Mapping[int, Aval]
    """What the slots of feeds and variables hold."""
    notes: str = ""
    """What an engine made of the plan, for printing."""
    groups: tuple[Group, ...] = ()
    """Steps that run together, where the engine does that, in the order they run."""
    remarks: Mapping[int, str] = {}
    """How and why a step runs by itself where others run together, by its slot."""

    def __str__(self) -> str:
        """The steps, one per line, with what each frees."""
        labels = self.labels()
        lines = [
            f"plan: {len(self.steps)} steps, {len(self.feeds)} feeds, {len(self.variables)} variables, "
            f"{len(self.constants)} constants, at most {byte_size(self.peak_bytes)} of results alive"
        ]
        width = max((len(labels[s.out]) for s in self.steps), default=0)
        for s in self.steps:
            operands = ", ".join(labels[j] if j >= 0 else "None" for j in s.inputs)
            attrs = "".join(f", {k}={v!r}" for k, v in s.attrs.items())
            line = f"  {labels[s.out]:<{width}} = {s.op.qualname}({operands}{attrs})  {_aval(s.aval)}"
            if s.reuse >= 0:
                line += f"  in place of {labels[s.reuse]}"
            if s.source is not None:
                line += f"  # {s.source.name}"
            lines.append(line)
        lines.append("  return " + ", ".join(f"{n}={labels[o]}" for n, o in zip(self.names, self.outs, strict=True)))
        return "\n".join([*lines, self.notes] if self.notes else lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows: the steps, not the fields."""
        printer.text("Plan(...)" if cycle else str(self))

    def labels(self) -> list[str]:
        """What each slot is called in print."""
        labels = [f"t{k}" for k in range(self.n_slots)]
        for slot, value in self.constants:
            labels[slot] = f"{value.item():.6g}" if value.ndim == 0 else f"constant{shape_str(value.shape)}"
        if self.step_slot >= 0:
            labels[self.step_slot] = "step"
        for slot, i in (*self.feeds, *self.variables):
            labels[slot] = self.leaf_names[i]
        return labels


def make_plan(
    sd: OpGraph,
    fetches: Sequence[int],
    leaf_avals: Mapping[int, Aval],
    names: Sequence[str],
    *,
    fold: bool = True,
) -> Plan:
    """Lower the fetches for these leaf avals and schedule the result."""
    lowering = Lowering(sd, leaf_avals, fold=fold)
    return schedule(*accumulate(lowering.nodes, lowering.run(fetches)), names)


def schedule(nodes: list[LoweredNode], outs: Sequence[int], names: Sequence[str]) -> Plan:
    """Drop dead nodes, number the slots, find last uses and buffers to write into."""
    need = _needed(nodes, outs)
    slot_of: dict[int, int] = {}
    feeds, variables, constants = [], [], []
    step_slot = NO_SLOT
    order: list[int] = []
    leaf_names: dict[int, str] = {}
    leaf_avals: dict[int, Aval] = {}
    for i, node in enumerate(nodes):
        if not need[i]:
            continue
        slot = slot_of[i] = len(slot_of)
        kind = node.op.kind
        if node.op is STEP:
            step_slot = slot
        elif node.op is CONSTANT:
            constants.append((slot, node.value))
        elif kind is VariableKind.ARRAY:
            order.append(i)
        else:
            (feeds if kind is VariableKind.PLACEHOLDER else variables).append((slot, node.source_id))
            assert node.source is not None
            leaf_names[node.source_id] = node.source.name
            leaf_avals[slot] = node.aval
    owner = _owners(nodes, need)
    steps, peak = _steps(nodes, order, slot_of, owner, outs)
    arrays = VariableKind.ARRAY
    # The same array must not be returned twice, nor one that shares memory with a feed, a variable or a constant.
    seen: set[int] = set()
    copied = []
    for o in outs:
        root = owner[o]
        copied.append(root in seen or root != o or nodes[root].op.kind is not arrays)
        seen.add(root)
    return Plan(
        tuple(steps),
        len(slot_of),
        tuple(feeds),
        tuple(variables),
        tuple(constants),
        step_slot,
        tuple(slot_of[o] for o in outs),
        tuple(copied),
        tuple(nodes[o].aval for o in outs),
        tuple(names),
        peak,
        leaf_names,
        leaf_avals,
    )


def _needed(nodes: list[LoweredNode], outs: Sequence[int]) -> bytearray:
    need = bytearray(len(nodes))
    for o in outs:
        need[o] = 1
    for i in range(len(nodes) - 1, -1, -1):
        if need[i]:
            for j in nodes[i].inputs:
                if j >= 0:
                    need[j] = 1
    return need


def _owners(nodes: list[LoweredNode], need: bytearray) -> list[int]:
    """For each node the one whose memory it lives in: itself, or what it is a view of."""
    owner = list(range(len(nodes)))
    for i, node in enumerate(nodes):
        if need[i] and (node.op.is_view or node.op is ITEM):
            owner[i] = owner[node.inputs[0]]
    return owner


def _steps(
    nodes: list[LoweredNode], order: list[int], slot_of: dict[int, int], owner: list[int], outs: Sequence[int]
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
            peak = max(peak, alive)
        frees = [slot_of[v] for root in dead if root != reuse for v in views[root] if v != i or root == i]
        alive -= sum(_size(nodes[root].aval) for root in dead if root != reuse)
        steps.append(
            Step(
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


def _aval(aval: Any) -> str:
    return str(aval) if type(aval) is Aval else "(" + ", ".join(map(str, aval)) + ")"
