"""The walk through a graph that writes every op: by its rule, or else, for a composite, by the ops of its body.

All that SameDiff cannot hold is found before the walk ends. Written with an explicit stack, as lowering is. Must not
know any particular op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sdgraph.build.graph import Node
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import ITEM
from sdgraph.build.operands import operand_avals
from sdgraph.build.tracing import Body, trace
from sdgraph.files.samediff.schema import Record
from sdgraph.files.samediff.writing.call import Call
from sdgraph.files.samediff.writing.records import Records, Value, check_dtype
from sdgraph.files.samediff.writing.refused import Refused, RefusedAltogether
from sdgraph.files.samediff.writing.rules import RULES, why_not
from sdgraph.files.samediff.writing.rules.losses import LOSS_OPS
from sdgraph.infer.aval import Aval, is_floating
from sdgraph.ops.graph import OpGraph

_OF_NOTHING: Final = {"concat", "identity", "stop_gradient"}
"""Ops that SameDiff does with arrays that have no elements."""


class Obstacle(NamedTuple):
    """What SameDiff cannot hold: a variable of the graph, which op there, and why not."""

    node: Node
    op: str
    why: str


class _Target(NamedTuple):
    """A node that is being written: what its results will be called, and where its nodes begin."""

    call: Call
    names: tuple[str, ...]
    several: bool
    """Whether the op has several results, or a list of one."""
    inner: bool
    """Whether it is of a body, so that nobody knows it by name."""
    first: int
    """The number that the first variable made for it has."""
    i: int
    source: Node
    """The user's node that it belongs to."""
    op: str


@dataclass(eq=False, slots=True)
class _Frame:
    """One graph being walked: the user's, or the body of a composite."""

    nodes: Sequence[Node]
    need: Sequence[int]
    arrays: Mapping[int, Any]
    target: _Target | None = None
    """The composite whose body this is."""
    outs: tuple[int, ...] = ()
    values: dict[int, Any] = field(default_factory=dict)
    """What was made of each node: a `Value`, or a list of them for several results."""
    items: dict[int, dict[int, str]] = field(default_factory=dict)
    """The names of the results of nodes that have several."""
    i: int = 0

    def __post_init__(self) -> None:
        for i, needed in enumerate(self.need):
            node = self.nodes[i]
            if needed and node.op is ITEM:
                self.items.setdefault(node.inputs[0], {}).setdefault(node.attrs["index"], node.name)


class Walk:
    """What is written of a graph.

    Args:
        sd: The graph.
        losses: What SameDiff is to differentiate, by id.
    """

    def __init__(self, sd: OpGraph, losses: Sequence[int]) -> None:
        self.sd = sd
        self.records = Records(node.name for node in sd.nodes)
        self.obstacles: list[Obstacle] = []
        self._literals = set(sd.marks.literals.values())
        self._ends = set(losses)
        self.needed = bytearray(len(sd.nodes))
        """A flag per node: whether a loss is computed from it."""
        self.used = bytearray(len(sd.nodes))
        """A flag per node: whether a loss is computed from it by others."""
        for node in reversed(sd.nodes):
            self.needed[node.id] |= self.used[node.id] | (node.id in self._ends)
            if self.needed[node.id]:
                for j in node.inputs:
                    if j >= 0:
                        self.used[j] = 1

    def run(self) -> dict[int, Any]:
        """Write every node; return the `Value` of each by id."""
        root = _Frame(self.sd.nodes, _written(self.sd, self._ends), self.sd.values)
        stack = [root]
        while stack:
            frame = stack[-1]
            if frame.i == len(frame.need):
                stack.pop()
                if frame.target is not None:
                    made = [frame.values[o] for o in frame.outs]
                    stack[-1].values[frame.target.i] = self._attempt(frame.target, lambda t, m=made: self._named(t, m))
                continue
            i = frame.i
            frame.i += 1
            if frame.need[i] and i not in frame.values:
                entered = self._node(frame, i)
                if entered is not None:
                    stack.append(entered)
        return root.values

    def as_loss(self, node: Node, value: Value) -> str:
        """The name of a loss for SameDiff, which starts a gradient with the number 1: of a sum, if it is no number.

        A loss op ignores what comes in, so that it may have any shape.
        """
        is_own = value.node is not None and value.node["op_name"] in LOSS_OPS.values()
        if is_own or (value.shape == () and value.node is not None):
            return value.name
        call = Call(self.records, value.name, {}, [value], (Aval((), value.dtype),), True, True)
        total = call.reduce("reduce_sum", value, range(value.rank))
        total = call.node("identity", total) if total is value else total
        self.records.rename(total, self.records.fresh(f"{node.name}/total"))
        return total.name

    # ------------------------------------------------------------------ one node

    def _node(self, frame: _Frame, i: int) -> _Frame | None:
        """Write a node, or return the frame of the body that it stands for."""
        node = frame.nodes[i]
        inputs: list[Any] = [frame.values[j] if j >= 0 else None for j in node.inputs]
        if node.op is ITEM and frame.items[node.inputs[0]][node.attrs["index"]] == node.name:
            frame.values[i] = inputs[0][node.attrs["index"]]
            return None
        if node.op is ITEM:
            inputs = [inputs[0][node.attrs["index"]]]
        target = self._target(frame, i, inputs)
        if node.op.is_composite:
            mark = self.records.mark()
            try:
                frame.values[i] = self._by_rule(target, node)
                return None
            except Refused as e:
                self.records.take_back(mark)
                if isinstance(e, RefusedAltogether):
                    frame.values[i] = self._stand_in(target, e.why)
                    return None
                return self._opened(frame, node, target)
        if node.op.kind is VariableKind.ARRAY:
            frame.values[i] = self._attempt(target, lambda t: self._by_rule(t, node))
        else:
            frame.values[i] = self._attempt(target, lambda t: self._leaf(t, node, frame))
        return None

    def _target(self, frame: _Frame, i: int, inputs: list[Any]) -> _Target:
        node, outer = frame.nodes[i], frame.target
        several = type(node.aval) is not Aval
        avals: tuple[Aval, ...] = tuple(node.aval) if several else (node.aval,)  # type: ignore[assignment]
        fresh = self.records.fresh
        if several:
            items = frame.items.get(i, {})
            names = tuple(items.get(k) or fresh(f"{node.name}/{k}") for k in range(len(avals)))
        else:
            names = (node.name,)
        if outer is not None:
            names = tuple(fresh(f"{outer.call.name}/{name}") for name in names)
            needed, used, source = outer.call.needed, True, outer.source
        else:
            needed, used, source = bool(self.needed[i]), bool(self.used[i]), node
        call = Call(self.records, names[0], node.attrs, inputs, avals, needed, used)
        return _Target(
            call, names, several, outer is not None, self.records.mark().next_id, i, source, node.op.qualname
        )

    def _leaf(self, target: _Target, node: Node, frame: _Frame) -> Value:
        kind, (name,), array = node.op.kind, target.names, frame.arrays.get(target.i)
        if frame.target is not None:
            return self.records.constant(name, array)
        trained = kind is VariableKind.VARIABLE and is_floating(node.aval.dtype)
        if kind is VariableKind.VARIABLE and not trained:
            kind = VariableKind.CONSTANT  # SameDiff trains all that are variables.
        waits = target.i in self._literals
        return self.records.leaf(name, kind, node.aval, array, trained=trained, waits=waits)

    def _by_rule(self, target: _Target, node: Node) -> Any:
        if node.op is ITEM:
            return self._named(target, target.call.inputs)
        rule = RULES.get(node.op.qualname)
        if rule is None:
            raise Refused(why_not(node.op.qualname))
        for aval in target.call.avals:
            check_dtype(aval.dtype)
        shapes = [x.shape for x in (*target.call.inputs, *target.call.avals) if x is not None]
        if node.op.qualname not in _OF_NOTHING and any(0 in shape for shape in shapes):
            raise Refused("SameDiff does not compute with arrays that have no elements")
        made = rule(target.call)
        return self._named(target, made if isinstance(made, list) else [made])

    def _opened(self, frame: _Frame, node: Node, target: _Target) -> _Frame | None:
        """The frame of a composite's body, with its parameters bound."""
        avals = operand_avals(frame.nodes, node.inputs)
        try:
            body: Body = trace(node.op, self.sd, avals, node.attrs)
        except Exception:
            if all(aval is None or aval.is_static for aval in avals):
                raise
            # A body that is written when a run says the sizes.
            frame.values[target.i] = self._stand_in(target, "the sizes of the operands must be known")
            return None
        entered = _Frame(body.graph.nodes, body.need, body.graph.values, target, body.outs)
        entered.values = {p: x for p, x in zip(body.params, target.call.inputs, strict=True) if p >= 0}
        return entered

    # ------------------------------------------------------------------ results

    def _named(self, target: _Target, made: Sequence[Value]) -> Any:
        """Give the results their names; what is a variable already, or comes twice, is passed on by a node."""
        found: list[Value] = []
        call = target.call
        for name, aval, value in zip(target.names, call.avals, made, strict=True):
            new = call.cast(value, aval.dtype)
            is_old = new.record["id"]["first"] < target.first or new in found
            if is_old and not target.inner:
                new = call.node("identity", new)
            if not (is_old and target.inner):
                self.records.need(new)
                self.records.rename(new, name)
                new.aval = aval
            found.append(new)
        return found if target.several else found[0]

    def _attempt(self, target: _Target, write: Callable[[_Target], Any]) -> Any:
        """What ``write`` makes; if it is refused, something that stands for it while the rest is looked at."""
        mark = self.records.mark()
        try:
            return write(target)
        except Refused as e:
            self.records.take_back(mark)
            return self._stand_in(target, e.why)

    def _stand_in(self, target: _Target, why: str) -> Any:
        """Remember an obstacle, unless an operand has the same one."""
        if all(x is None or x.record["why"] != why for x in target.call.inputs):
            self.obstacles.append(Obstacle(target.source, target.op, why))
        record = Record(id=Record(first=0, second=0), why=why)
        found = [Value(name, aval, record) for name, aval in zip(target.names, target.call.avals, strict=True)]
        return found if target.several else found[0]


def _written(sd: OpGraph, losses: Iterable[int]) -> bytearray:
    """A flag per node: whether it is written. SameDiff makes its own gradients, but for those that others use."""
    need = sd.gradient_flags()
    for i in losses:
        need[i] = 0
    for node in reversed(sd.nodes):
        need[node.id] ^= 1
        if need[node.id]:
            for j in node.inputs:
                if j >= 0 and need[j]:
                    need[j] = 0
    return need
