"""Lowering: from the user's graph to a flat list of primitives with concrete shapes.

Slices what the fetches need, expands composites, infers concrete avals, merges equal nodes, folds constants and applies
the rewrites of `simplify`. Written with an explicit stack: neither depth of the graph nor of composites recurses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.attributes import attr_key
from sdgraph.build.function import Function
from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT, NO_ATTRS, VariableKind
from sdgraph.build.op import CONSTANT, ITEM, STREAM, Op
from sdgraph.build.operands import operand_avals
from sdgraph.build.reach import reachable
from sdgraph.build.tracing import Body, output_aval, trace
from sdgraph.errors import ExecutionError, SDGraphError, ShapeError
from sdgraph.infer.aval import Aval
from sdgraph.infer.shapes import known_to_differ
from sdgraph.lower.bodies import Setting, bodies
from sdgraph.lower.nodes import LoweredNode
from sdgraph.lower.rewrites import RULES, strip_broadcasts
from sdgraph.lower.unknown_sizes import broadcast_of_unknown, check_gradient, operand_lines, unknown_broadcast

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

STEP = Op("step", kind=VariableKind.PLACEHOLDER)
"""Leaf that stands for the current step; random ops read it."""

_FOLD_LIMIT = 1 << 16
"""Constants are folded up to this many bytes: beyond, a plan would hold arrays that a run makes in no time."""

_STEP_AVAL = Aval((), np.dtype("int64"))


class _Frame:
    """One graph being walked: the user's, or the body of a composite."""

    __slots__ = ("body", "end", "i", "map", "need", "nodes", "stream", "target", "values")

    def __init__(self, nodes: list[Node], need: bytearray, values: Any, stream: tuple[int, ...]) -> None:
        self.nodes = nodes
        self.need = need
        self.values = values
        self.stream = stream
        self.map: dict[int, Any] = {}
        self.i = 0
        self.end = len(need)
        self.body: Body | None = None
        self.target = -1


class Lowering:
    """State of one lowering, and what its rewrites may call: ``nodes``, ``emit``, ``constant``."""

    def __init__(
        self,
        sd: OpGraph,
        leaf_avals: Mapping[int, Aval],
        *,
        fold: bool = True,
        inference: bool = False,
        seed: int | None = None,
        stream: tuple[int, ...] = (),
    ) -> None:
        self.sd = sd
        self.seed = sd.seed if seed is None else seed
        self.stream = stream
        self.leaf_avals = leaf_avals
        self.fold = fold
        self.inference = inference
        self.nodes: list[LoweredNode] = []
        self._seen: dict[Any, int] = {}
        self._source: Node | None = None
        self._source_id = -1
        self._step = -1

    def run(self, fetches: Sequence[int]) -> list[int]:
        """Lower everything the fetches need; return the lowered id of each fetch."""
        sd = self.sd
        root = self._root = _Frame(sd.nodes, reachable(sd.nodes, list(fetches)), sd.values, self.stream)
        stack = [root]
        while stack:
            frame = stack[-1]
            if frame.i == frame.end:
                stack.pop()
                if frame.body is not None:
                    outs = tuple(frame.map[o] for o in frame.body.outs)
                    stack[-1].map[frame.target] = outs[0] if type(frame.body.aval) is Aval else outs
                continue
            i = frame.i
            frame.i += 1
            if not frame.need[i] or i in frame.map:
                continue
            if frame is root:
                self._source, self._source_id = frame.nodes[i], i
            entered = self._node(frame, i)
            if entered is not None:
                stack.append(entered)
        self._check_gradients()
        return [root.map[f] for f in fetches]

    def _node(self, frame: _Frame, i: int) -> _Frame | None:
        """Lower one node, or return the frame of the composite it stands for."""
        node = frame.nodes[i]
        op = node.op
        if op.kind is not VariableKind.ARRAY:
            frame.map[i] = self._leaf(frame, i, node)
            return None
        mapped = frame.map
        inputs = tuple([mapped[j] if j >= 0 else ABSENT for j in node.inputs])
        if op is ITEM and type(inputs[0]) is tuple:
            mapped[i] = inputs[0][node.attrs["index"]]
            return None
        try:
            if self.inference and op.inference is not None:
                return self._enter_inference(frame, i, node, inputs)
            if op.is_composite:
                return self._enter(frame, i, node.op, node, inputs)
            mapped[i] = (self._with_bodies if op.has_bodies else self._primitive)(frame, node, inputs)
        except SDGraphError as e:
            self._located(e)
            raise
        except Exception as e:
            # Some bodies make arrays as large as their settings say; numpy has many errors for too large.
            if not op.grows and not isinstance(e, MemoryError):
                raise
            raise self._located(ExecutionError(f"{type(e).__name__}: {e}")) from e
        return None

    def _located(self, error: SDGraphError) -> SDGraphError:
        """The error with the node of the user's that is being lowered."""
        if error.node is None and self._source is not None:
            error.node, error.node_origin = self._source.name, self._source.origin
            lines = operand_lines(self._source, self.nodes, self._operands_of(self._source))
            error.in_call(f"sd.{self._source.op.qualname}", lines)
        return error

    def _operands_of(self, source: Node) -> list[tuple[Node, Any] | None]:
        """The operands of the user's node that is being lowered, each with what it was lowered to."""
        nodes, mapped = self.sd.nodes, self._root.map
        return [(nodes[j], mapped[j]) if j >= 0 else None for j in source.inputs]

    def _leaf(self, frame: _Frame, i: int, node: Node) -> int:
        if node.op is CONSTANT:
            return self.constant(frame.values[i])
        aval = self.leaf_avals.get(i, node.aval)
        self.nodes.append(LoweredNode(node.op, (), NO_ATTRS, aval, node, i))
        return len(self.nodes) - 1

    def _enter_inference(self, frame: _Frame, i: int, node: Node, inputs: tuple[int, ...]) -> _Frame:
        """The frame of what an op is at inference.

        Raises:
            ShapeError: If its rule gives something of another shape or dtype.
        """
        entered = self._enter(frame, i, node.op.at_inference, node, inputs)
        assert entered.body is not None
        expected = output_aval(node.op, self.sd, operand_avals(frame.nodes, node.inputs), node.attrs)
        if not _fits(entered.body.aval, expected):
            raise ShapeError(
                f"The inference rule of {node.op.qualname} gives something else than the op.",
                given=_in_words(entered.body.aval),
                expected=_in_words(expected),
            )
        return entered

    def _enter(self, frame: _Frame, i: int, op: Op, node: Node, inputs: tuple[int, ...]) -> _Frame:
        """The frame of a composite's body, with its parameters bound."""
        avals = symbolic = operand_avals(frame.nodes, node.inputs)
        if op.infer is not None:
            avals = operand_avals(self.nodes, inputs)
            if avals != symbolic:
                self._infer(node, symbolic, inputs)
        body = trace(op, self.sd, avals, node.attrs)
        entered = _Frame(body.graph.nodes, body.need, body.graph.values, frame.stream + node.attrs.get(STREAM, ()))
        entered.map = {p: x for p, x in zip(body.params, inputs, strict=True) if p >= 0}
        entered.body, entered.target = body, i
        return entered

    def _primitive(self, frame: _Frame, node: Node, inputs: tuple[int, ...]) -> int:
        op, attrs = node.op, node.attrs
        symbolic = operand_avals(frame.nodes, node.inputs)
        avals = operand_avals(self.nodes, inputs)
        aval = node.aval if avals == symbolic else self._infer(node, symbolic, inputs)
        if op.is_random:
            seed = self.seed if attrs.get("seed") is None else attrs["seed"]
            attrs = {**attrs, "seed": seed, STREAM: frame.stream + attrs[STREAM]}
            inputs = (*inputs, self._step_leaf())
        return self.emit(op, inputs, attrs, aval)

    def _with_bodies(self, frame: _Frame, node: Node, inputs: tuple[int, ...]) -> int:
        """Lower a loop or branches for the operands' avals. Which of the outputs are made is seen later."""
        op, attrs = node.op, node.attrs
        stream = frame.stream + attrs.get(STREAM, ())
        told = {k: v for k, v in attrs.items() if k != STREAM}
        key = op, inputs, attr_key(told), stream if STREAM in attrs else None
        found = self._seen.get(key)
        if found is not None:
            return found
        setting = Setting(self.fold, self.inference, self.seed, stream)
        made, aval = bodies(op, told, operand_avals(self.nodes, inputs), setting, self._function)
        if STREAM in attrs:
            inputs = (*inputs, self._step_leaf())
        self.nodes.append(LoweredNode(op, inputs, attrs, aval, self._source, self._source_id, bodies=made))
        self._seen[key] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def inside(self, f: Function, avals: Mapping[int, Aval], setting: Setting) -> Lowering:
        """What lowers a function in this graph."""
        return type(self)(
            f.graph, avals, fold=setting.fold, inference=setting.inference, seed=setting.seed, stream=setting.stream
        )

    def _function(
        self, f: Function, avals: Mapping[int, Aval], setting: Setting
    ) -> tuple[list[LoweredNode], list[int]]:
        """All of a function as primitives, and where each of its nodes is; -1 for a node with several outputs."""
        low = self.inside(f, avals, setting)
        single = [i for i, node in enumerate(f.graph.nodes) if type(node.aval) is Aval]
        ids = [-1] * len(f.graph.nodes)
        for i, k in zip(single, low.run(single), strict=True):
            ids[i] = k
        return low.nodes, ids

    def _infer(self, node: Node, symbolic: tuple[Any, ...], inputs: tuple[int, ...]) -> Any:
        """What a node's rule says now that sizes are known; raises if the node does not allow them.

        An unknown dimension never broadcasts: it counted as equal to the others when gradients were built.
        """
        op, attrs, avals = node.op, node.attrs, operand_avals(self.nodes, inputs)
        if STREAM in attrs:
            attrs = {k: v for k, v in attrs.items() if k != STREAM}
        assert op.infer is not None
        aval = op.infer(*avals, **attrs)
        found = broadcast_of_unknown(op, attrs, symbolic, avals)
        if found is not None:
            assert self._source is not None
            operands = self._operands_of(self._source)
            raise unknown_broadcast(found, self.nodes, inputs[found.mark.operand], self._source, operands)
        return aval

    def _check_gradients(self) -> None:
        """The gradients that were lowered have the shapes of their variables."""
        mapped, nodes = self._root.map, self.nodes
        for g in mapped.keys() & self.sd.marks.cotangents.keys():
            v = self.sd.marks.cotangents[g]
            if type(mapped[g]) is int and type(mapped.get(v)) is int:
                check_gradient(self.sd.nodes[v], nodes[mapped[v]].aval.shape, nodes[mapped[g]].aval.shape)

    def _step_leaf(self) -> int:
        if self._step < 0:
            self.nodes.append(LoweredNode(STEP, (), NO_ATTRS, _STEP_AVAL, None, -1))
            self._step = len(self.nodes) - 1
        return self._step

    # ------------------------------------------------------------------ emitting

    def constant(self, value: Any) -> int:
        """A lowered constant; equal small ones are one."""
        key = (CONSTANT, value.dtype, value.shape, value.tobytes()) if value.nbytes <= 64 else (CONSTANT, id(value))
        found = self._seen.get(key)
        if found is not None:
            return found
        self.nodes.append(LoweredNode(CONSTANT, (), NO_ATTRS, Aval(value.shape, value.dtype), None, -1, value))
        self._seen[key] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def emit(self, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int:
        """Append one primitive, or return an existing node that has its value."""
        rule = RULES.get(op.key)
        if rule is not None:
            found = rule(self, inputs, attrs, aval)
            if found is not None:
                return found
        if op.broadcasts and not op.variadic:
            found = strip_broadcasts(self, op, inputs, attrs, aval)
            if found is not None:
                return found
        key = (op, inputs, attr_key(attrs))
        found = self._seen.get(key)
        if found is not None:
            return found
        if self.fold:
            value = self._folded(op, inputs, attrs, aval)
            if value is not None:
                i = self._seen[key] = self.constant(value)
                return i
        self.nodes.append(LoweredNode(op, inputs, attrs, aval, self._source, self._source_id))
        self._seen[key] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def _folded(self, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> Any:
        """The op's value if it is known now: all operands constant and not large, or only shapes matter."""
        nodes = self.nodes
        if type(aval) is not Aval or op.is_random or op.key == "broadcast_to":
            return None  # A broadcast stays a view; what uses it elementwise takes the small array.
        if op.shape_only:
            operands = [np.broadcast_to(np.zeros((), a.dtype), a.shape) for a in operand_avals(self.nodes, inputs)]
        else:
            operands = []
            for j in inputs:
                if j >= 0 and nodes[j].value is None:
                    return None
                operands.append(nodes[j].value if j >= 0 else None)
        if aval.nbytes > _FOLD_LIMIT:
            return None
        try:
            with np.errstate(all="ignore"):
                value = np.array(op.bind_kernel(np, "numpy", attrs)(*operands))
        except Exception:
            return None  # It fails again when the plan runs, where the error can name the node.
        value.flags.writeable = False
        return value


def _fits(found: Any, expected: Any) -> bool:
    """Whether the outputs of two bodies may stand for each other: where a size is not known it may be any."""
    several, wanted = _each(found), _each(expected)
    return len(several) == len(wanted) and all(
        a.dtype == b.dtype and len(a.shape) == len(b.shape) and not any(map(known_to_differ, a.shape, b.shape))
        for a, b in zip(several, wanted, strict=True)
    )


def _each(aval: Any) -> tuple[Aval, ...]:
    return (aval,) if type(aval) is Aval else aval


def _in_words(aval: Any) -> str:
    return ", ".join(str(a) for a in _each(aval))
