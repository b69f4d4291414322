"""Conditions and loops in the operations of a file, by the shapes that SameDiff's ifCond and whileLoop leave.

A condition is switches, which let a value into one of two branches, and a merge that joins what the branches make. In
a loop a value enters a frame, and merges with what the last step made of it; a switch lets it exit or into the next
step. The counter that SameDiff adds to a loop, a merge that reads itself, counts nothing. Must not know graphs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from sdgraph.build.op import REGISTRY
from sdgraph.errors import shown
from sdgraph.files.samediff.op_table import forms_of
from sdgraph.files.samediff.reading.nodes import Node, in_order
from sdgraph.files.samediff.schema import CONTROL_FLOW

Tag: TypeAlias = tuple[str, str, int]
"""What a value depends on: a branch of a condition, the frame of a loop, or the counter of one."""
Tags: TypeAlias = frozenset[Tag]

_FORMS: Final = dict.fromkeys(("enter", "exit", "loop_cond", "next_iteration"), (1, 1)) | {
    "merge": (2, 1),
    "switch": (2, 2),
}
"""How many operands and outputs the operations of control flow have."""
_DEEPEST: Final = 24
_MOST_SHARED: Final = 8
"""How often everything is in a condition or a loop, on average."""
_OUTSIDE: Final[Tags] = frozenset()


@dataclass(eq=False, frozen=True, slots=True)
class Alias:
    """A value that is another one inside of a branch or a loop."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(eq=False, frozen=True, slots=True)
class Part:
    """What is computed inside: a branch, a loop's test or its body."""

    items: Sequence[Item]
    wanted: Sequence[str]
    inputs: Sequence[str]
    """What of it is computed outside."""


@dataclass(eq=False, frozen=True, slots=True)
class Condition:
    """One of two branches."""

    node: Node
    pred: str
    on_false: Part
    on_true: Part
    inputs: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = dict.fromkeys((self.pred, *self.on_false.inputs, *self.on_true.inputs))
        object.__setattr__(self, "inputs", tuple(names))

    @property
    def name(self) -> str:
        """The name of its merge."""
        return self.node.name

    @property
    def outputs(self) -> tuple[str, ...]:
        """The variable that it makes."""
        return self.node.outputs[:1]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that is computed inside."""
        return self.on_false, self.on_true


@dataclass(eq=False, frozen=True, slots=True)
class Loop:
    """A loop that goes on while its test holds."""

    node: Node
    carries: Sequence[str]
    """What stands for the carries inside."""
    init: Sequence[str]
    test: Part
    body: Part
    results: Mapping[str, int]
    """The variables that it makes, and which carry each is at the end."""
    inputs: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = dict.fromkeys((*self.init, *self.test.inputs, *self.body.inputs))
        object.__setattr__(self, "inputs", tuple(names))

    @property
    def name(self) -> str:
        """The name of its first exit."""
        return self.node.name

    @property
    def outputs(self) -> tuple[str, ...]:
        """The variables that it makes."""
        return tuple(self.results)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that is computed inside."""
        return self.test, self.body


Item: TypeAlias = Node | Alias | Condition | Loop


def structured(nodes: Sequence[Node]) -> tuple[list[Item], dict[Node, str]]:
    """The operations of a file with its conditions and loops as one item each.

    Returns:
        The items outside of all branches and loops, and the operations of control flow that are no part of a
        condition or a loop, each with why not; if these have other operands than they must, only those.

    Raises:
        Damaged: If operations wait for each other other than in a loop.
    """
    if not any(node.op in CONTROL_FLOW for node in nodes):
        return list(nodes), {}
    malformed = {}
    for node in nodes:
        form = len(node.inputs), len(node.outputs)
        if _FORMS.get(node.op, form) != form:
            malformed[node] = f"it has {form[0]} operands and {form[1]} outputs"
    return ([], malformed) if malformed else _Frames(nodes).result()


class _Refused(Exception):
    """An operation of control flow, and why it is no part of a condition or a loop."""

    def __init__(self, node: Node, why: str) -> None:
        super().__init__(why)
        self.node, self.why = node, why


@dataclass(eq=False, frozen=True, slots=True)
class _Step:
    """An operation without what leads back in a loop."""

    node: Node
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Frames:
    """The conditions and loops of a file."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._maker = {name: node for node in nodes for name in node.outputs}
        self._refused: dict[Node, str] = {}
        self._tags: dict[str, Tags] = {}
        self._items: dict[Node, Condition | Loop] = {}
        """By their merge, or by each exit."""
        self._inside: set[Item] = set()
        """What is inside of a condition or a loop."""
        self._deep: dict[Item, int] = {}
        """How many are within each other, from a condition or a loop on."""
        self._room = _MOST_SHARED * (len(nodes) + 100)
        self._frame: dict[Node, str] = {}
        self._enters: dict[str, list[Node]] = defaultdict(list)
        self._carries: dict[str, list[Node]] = defaultdict(list)
        """The merges of a loop."""
        self._exits: dict[str, list[Node]] = defaultdict(list)
        self._counters: set[Node] = set()
        self._depth = 0
        self._find_loops()

    # ------------------------------------------------------------------ what belongs to what

    def _find_loops(self) -> None:
        """Find the frames, what enters each, and its carries."""
        for node in self._of("enter"):
            name = node.stored(()).properties.get("frameName")
            if isinstance(name, str) and name:
                self._frame[node] = name
                self._enters[name].append(node)
            else:
                self._refused[node] = "it enters no frame"
        for node in self._of("merge"):
            if set(node.inputs) & set(node.outputs):
                self._counters.add(node)
            elif "next_iteration" in self._ops(node.inputs):
                frame = self._frame_of_carry(node)
                if frame is None:
                    self._refused[node] = "it joins a step of a loop with what does not enter the loop"
                else:
                    self._frame[node] = frame
                    self._carries[frame].append(node)

    def _of(self, op: str) -> list[Node]:
        return [node for node in self._nodes if node.op == op]

    def _ops(self, names: Iterable[str]) -> list[str]:
        return [self._maker[name].op if name in self._maker else "" for name in names]

    def _frame_of_carry(self, merge: Node) -> str | None:
        if sorted(self._ops(merge.inputs)) != ["enter", "next_iteration"]:
            return None
        return self._frame.get(self._maker[self._side(merge, "enter")])

    def _side(self, merge: Node, op: str) -> str:
        """The operand of a merge that an operation of this name makes."""
        return next(name for name in merge.inputs if self._maker[name].op == op)

    # ------------------------------------------------------------------ what depends on what

    def _steps(self) -> list[_Step]:
        """All operations in order, without what leads back."""
        steps = []
        for node in self._nodes:
            inputs = node.inputs
            if node in self._refused:
                inputs = ()
            elif node in self._counters:
                inputs = tuple(name for name in inputs if name not in node.outputs)
            elif node.op == "merge" and node in self._frame:
                inputs = tuple(name for enter in self._enters[self._frame[node]] for name in enter.outputs)
            steps.append(_Step(node, node.name, inputs, node.outputs))
        return in_order(steps)

    def _pred(self, name: str) -> str:
        """What a switch is told by, before the marks of a loop."""
        while name in self._maker and self._maker[name].op == "loop_cond":
            name = self._maker[name].inputs[0]
        return name

    def _mark(self) -> None:
        """Find in which branches and loops each value is."""
        for step in self._steps():
            node = step.node
            try:
                found = self._marks(node, frozenset().union(*(self._tags.get(x, _OUTSIDE) for x in step.inputs)))
            except _Refused as e:
                self._refused[node] = e.why
                found = [frozenset({("refused", node.name, 0)})] * len(node.outputs)
            self._tags.update(zip(node.outputs, found, strict=True))

    def _marks(self, node: Node, read: Tags) -> list[Tags]:
        """The tags of an operation's outputs, from those of its inputs."""
        if node in self._refused:
            raise _Refused(node, self._refused[node])
        if node in self._counters:
            return [frozenset({("counter", node.name, 0)})]
        if node.op == "switch":
            return [read | {("branch", self._pred(node.inputs[1]), k)} for k in (0, 1)]
        if node.op == "enter":
            return [read | {("frame", self._frame[node], 0)}]
        if node.op == "exit":
            return [self._left(node, read)]
        if node.op == "merge" and node not in self._frame:
            return [self._joined(node)[1]]
        return [read] * len(node.outputs)

    def _left(self, node: Node, read: Tags) -> Tags:
        """What is left of the tags behind an exit."""
        switch = self._maker.get(node.inputs[0])
        if switch is None or switch.op != "switch" or node.inputs[0] != switch.outputs[0]:
            raise _Refused(node, "it does not follow the switch of a loop")
        merge = self._maker.get(switch.inputs[0])
        if merge is None or merge.op != "merge" or merge not in self._frame:
            raise _Refused(node, "what exits is no carry of a loop")
        frame = self._frame[merge]
        self._exits[frame].append(node)
        return read - {("frame", frame, 0), ("branch", self._pred(switch.inputs[1]), 0)}

    def _joined(self, node: Node) -> tuple[str, Tags, int]:
        """By what a merge's operands are told apart, what tags are left, and the branch of its first operand."""
        first, second = (self._tags.get(name, _OUTSIDE) for name in node.inputs)
        parted = [(p, k) for kind, p, k in first if kind == "branch" and ("branch", p, 1 - k) in second]
        if len(parted) != 1:
            raise _Refused(node, "it joins what no switch has parted")
        ((pred, k),) = parted
        left = first - {("branch", pred, k)}
        if left != second - {("branch", pred, 1 - k)}:
            raise _Refused(node, "it joins values of different branches or loops")
        return pred, left, k

    # ------------------------------------------------------------------ conditions and loops

    def result(self) -> tuple[list[Item], dict[Node, str]]:
        """See `structured`."""
        self._mark()
        for node in self._nodes:
            if node.op in ("merge", "exit") and node not in self._refused and node not in self._counters:
                try:
                    if node.op == "exit" or node not in self._frame:
                        self._item(node)
                except _Refused as e:
                    self._refused.setdefault(e.node, e.why)
        self._left_over()
        top: dict[Item, None] = {}
        for node in self._nodes:
            if not any(self._tags[name] for name in node.outputs):
                if node.op not in CONTROL_FLOW:
                    top[node] = None
                elif node in self._items:
                    top[self._items[node]] = None
                elif node.op == "loop_cond":
                    top[Alias(node.name, node.inputs, node.outputs)] = None
        return list(top), self._refused

    def _left_over(self) -> None:
        """Refuse what no condition and no loop has."""
        parted = {item.pred for item in self._items.values() if isinstance(item, Condition)}
        loops = {
            name for node, name in self._frame.items() if self._exits[name] and self._exits[name][0] in self._items
        }
        tests = {self._pred(switch.inputs[1]) for name in loops for switch in self._switches(name)}
        carried = {name for merge in self._frame if merge.op == "merge" for name in merge.inputs}
        for node in self._nodes:
            if node.op == "switch" and self._pred(node.inputs[1]) not in parted | tests:
                self._refused.setdefault(node, "nothing joins what it parts")
            elif node.op in ("enter", "merge") and node in self._frame and self._frame[node] not in loops:
                self._refused.setdefault(node, "it is in a loop that is not as SameDiff's whileLoop makes it")
            elif node.op == "next_iteration" and not carried.issuperset(node.outputs):
                self._refused.setdefault(node, "no step follows it")
            if not (node.op == "merge" and node in self._frame):
                for name, op in zip(node.inputs, self._ops(node.inputs), strict=True):
                    if op == "next_iteration":
                        self._refused.setdefault(self._maker[name], "something else than its loop reads it")

    def _switches(self, frame: str) -> list[Node]:
        """The switches of a loop's exits."""
        return [self._maker[node.inputs[0]] for node in self._exits[frame]]

    def _item(self, node: Node) -> Condition | Loop:
        """The condition of a merge, or the loop of an exit."""
        if node not in self._items:
            if node in self._refused:
                raise _Refused(node, self._refused[node])
            self._depth += 1
            try:
                if self._depth > _DEEPEST:
                    raise _Refused(node, f"more than {_DEEPEST} are within each other")
                if node.op == "merge":
                    self._items[node] = self._condition(node)
                else:
                    frame = self._frame[self._maker[self._maker[node.inputs[0]].inputs[0]]]
                    loop = self._loop(node, frame)
                    self._items.update(dict.fromkeys(self._exits[frame], loop))
            finally:
                self._depth -= 1
        return self._items[node]

    def _condition(self, node: Node) -> Condition:
        pred, _, first = self._joined(node)
        operands = {first: node.inputs[0], 1 - first: node.inputs[1]}
        on_false, on_true = (self._part(node, [operands[k]], ("branch", pred, k)) for k in (0, 1))
        found = Condition(node, pred, on_false, on_true)
        self._check(found)
        return found

    def _loop(self, node: Node, frame: str) -> Loop:
        merges, tag = self._carries[frame], ("frame", frame, 0)
        preds = {self._pred(switch.inputs[1]) for switch in self._switches(frame)}
        if len(preds) != 1:
            raise _Refused(node, "the values of its loop are told by different conditions")
        (pred,) = preds
        names = [merge.outputs[0] for merge in merges]
        steps = [self._maker[self._side(merge, "next_iteration")] for merge in merges]
        news = [step.inputs[0] for step in steps]
        level = frozenset().union(*(self._tags[x.outputs[0]] for x in self._enters[frame])) - {tag}
        allowed = level | {tag, ("branch", pred, 1)}
        if any(self._tags.get(name, _OUTSIDE) - allowed for name in (pred, *news)) or any(
            self._tags[x.outputs[0]] != level for x in self._exits[frame]
        ):
            raise _Refused(node, "its loop reads its own counter, or values of another branch or loop")
        test, body = (self._part(node, wanted, tag, names) for wanted in ([pred], news))
        init = [self._maker[self._side(merge, "enter")].inputs[0] for merge in merges]
        results = {
            x.outputs[0]: merges.index(self._maker[self._maker[x.inputs[0]].inputs[0]]) for x in self._exits[frame]
        }
        found = Loop(node, names, init, test, body, results)
        self._check(found)
        return found

    def _part(self, owner: Node, wanted: Sequence[str], tag: Tag, given: Iterable[str] = ()) -> Part:
        """All that has a tag, of what computes some values from those that are given."""
        items: dict[Item, None] = {}
        outer: dict[str, None] = {}
        waiting, seen = list(wanted), set(given)
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if tag not in self._tags.get(name, _OUTSIDE):
                outer[name] = None
                continue
            item = self._inner(owner, name, tag)
            seen.update(item.outputs)
            items[item] = None
            waiting.extend(item.inputs)
        return Part(list(items), wanted, list(outer))

    def _inner(self, owner: Node, name: str, tag: Tag) -> Item:
        """What computes a value inside of a branch or a loop."""
        node = self._maker[name]
        if node.op in ("switch", "enter", "loop_cond"):
            if node.op == "switch" and tag[0] == "frame" and name == node.outputs[0]:
                raise _Refused(owner, "its loop goes on with what exits")
            return Alias(name, node.inputs[:1], (name,))
        if node.op == "exit" or (node.op == "merge" and node not in self._frame and node not in self._counters):
            return self._item(node)
        if node.op in CONTROL_FLOW:
            raise _Refused(owner, f"it reads {node.op} ({node.name}) of another loop")
        return node

    def _check(self, item: Condition | Loop) -> None:
        """Refuse to make twice what draws random numbers, or conditions and loops; or very much, or very deep."""
        for part in item.parts:
            self._room -= len(part.items)
            for inner in part.items:
                if isinstance(inner, Alias):
                    continue
                if inner in self._inside and not (isinstance(inner, Node) and not _draws(inner)):
                    raise _Refused(item.node, f"it shares {shown(inner.name, 60)} with another")
                self._inside.add(inner)
        self._deep[item] = 1 + max((self._deep.get(x, 0) for part in item.parts for x in part.items), default=0)
        if self._deep[item] > _DEEPEST:
            raise _Refused(item.node, f"more than {_DEEPEST} are within each other")
        if self._room < 0:
            raise _Refused(item.node, "it shares very much with others")


def _draws(node: Node) -> bool:
    """Whether an operation draws random numbers."""
    return "random" in node.op or "dropout" in node.op or any(REGISTRY[row.op].is_random for row in forms_of(node.op))
