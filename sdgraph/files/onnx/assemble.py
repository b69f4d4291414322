"""From a call of an op to the fragment that computes it: by its rule, by its body, or not at all.

Knows rules and bodies. Must not know the package onnx, nor the graph that is exported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.build.attributes import attr_key
from sdgraph.build.bodies import LOOPS
from sdgraph.build.function import Function
from sdgraph.build.graph import Node
from sdgraph.build.kinds import NO_ATTRS, AnyGraph, VariableKind
from sdgraph.build.op import ITEM, STREAM, Op
from sdgraph.build.operands import operand_avals
from sdgraph.build.tracing import Body as Traced
from sdgraph.build.tracing import trace
from sdgraph.files.onnx import bodies, rules
from sdgraph.files.onnx.demand import Use, demand
from sdgraph.files.onnx.fragments import Fragment, Recorder, Step, Value
from sdgraph.files.onnx.registry import BODY, FOLLOWED, OPEN_BODY, UNSIZED, Exported, Rule
from sdgraph.infer.aval import Aval
from sdgraph.ops.graph import OpGraph

_YOURS: Final = "sdgraph knows what it computes, not how ONNX says it: write it as a composite"
_COMPLEX: Final = "the operators of ONNX take no complex numbers"
_NO_TYPE: Final = "ONNX has no such data type"


class Assembler:
    """Makes fragments, each once for each sort of call."""

    def __init__(self, sd: OpGraph, *, opset: int, target: str, checks: bool) -> None:
        self._sd = sd
        self._settings = {"opset": opset, "target": target, "checks": checks}
        self._target = target
        self._checks = checks
        self._known: dict[Any, Fragment] = {}

    def node(self, nodes: Sequence[Node], i: int, use: Use | None, *, inner: bool = False) -> Fragment:
        """The fragment of a node of a graph, for what is needed of it."""
        node = nodes[i]
        avals = operand_avals(nodes, node.inputs)
        if use is None:
            return self.call(node.op, avals, node.attrs, node.aval, inner=inner)
        attrs = {k: v for k, v in node.attrs.items() if k != STREAM}
        key = (node.op, avals, attr_key(attrs), use)
        found = self._known.get(key)
        if found is None:
            why = no_type(*(avals[k] for k in use.reads), *(node.aval[k] for k in use.gives))  # type: ignore[index]
            found = _refused((node.op.qualname, why)) if why else self._with_bodies(node.op, avals, attrs, use)
            self._known[key] = found
        return found

    def call(
        self, op: Op, avals: tuple[Any, ...], attrs: Mapping[str, Any], out: Any, *, inner: bool = False
    ) -> Fragment:
        """The fragment of a call for operands of these avals, None for one that is left out."""
        attrs = {k: v for k, v in attrs.items() if k != STREAM} if STREAM in attrs else attrs
        exported = rules.rule(op.key, self._target)
        key = (op, avals, attr_key(attrs), out, inner and exported is not None and exported.outermost)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._made(op, avals, attrs, out, exported, inner)
        return found

    def _made(
        self,
        op: Op,
        avals: tuple[Any, ...],
        attrs: Mapping[str, Any],
        out: Any,
        exported: Exported | None,
        inner: bool,
    ) -> Fragment:
        why = rules.reason(op.key) or no_type(*avals, *(out if type(out) is not Aval else (out,)))
        if why is not None:
            return _refused((op.qualname, why))
        if type(out) is Aval and out.is_static and not out.size:
            return self._empty(op, avals, out)
        if exported is not None and not (inner and exported.outermost):
            found = self._by_rule(op, exported.rule, avals, attrs, out)
            if found is not None:
                return found
        if not op.is_composite:
            return _refused((op.qualname, _YOURS if exported is None else UNSIZED))
        if op.infer is not None and not all(a is None or a.is_static for a in avals):
            return _refused((op.qualname, UNSIZED))
        return self._by_body(op, trace(op, self._sd, avals, attrs))

    def _empty(self, op: Op, avals: tuple[Any, ...], out: Aval) -> Fragment:
        """An array without elements, however it comes about: runtimes have their troubles with those."""
        inputs = [n for n, a in zip(op.signature.names_of(len(avals)), avals, strict=True) if a is not None]
        b = Recorder(op.key, out, inputs=inputs, **self._settings)
        found = b.fragment(op.qualname, inputs, [b.filled(list(out.shape), 0, out.dtype)], _first_line(op))
        found.is_card = op.is_loss
        return found

    def _by_rule(
        self, op: Op, rule: Rule, avals: tuple[Any, ...], attrs: Mapping[str, Any], out: Any
    ) -> Fragment | None:
        names = op.signature.names_of(len(avals))
        operands = [None if a is None else Value(n, a.dtype, a.shape) for n, a in zip(names, avals, strict=True)]
        inputs = [v.name for v in operands if v is not None]
        b = Recorder(op.key, out, inputs=inputs, **self._settings)
        result = rule(b, *operands, **attrs)
        if result is BODY:
            return None
        if result is OPEN_BODY:
            return self._by_body(op, trace(op, self._sd, avals, attrs))
        if isinstance(result, str):
            return _refused((op.qualname, result))
        results = [result] if isinstance(result, Value) else result
        return b.fragment(op.qualname, inputs, results, _first_line(op))

    # ------------------------------------------------------------------ bodies

    def _by_body(self, op: Op, body: Traced) -> Fragment:
        writer = _BodyWriter(self, body.graph, body.outs, self._checks, ())
        inputs = [writer.given(p) for p in body.params if p >= 0]
        found = writer.fragment(op.qualname, inputs, body.outs, _first_line(op))
        found.is_card = op.is_loss
        return found

    def _with_bodies(self, op: Op, avals: tuple[Any, ...], attrs: Mapping[str, Any], use: Use) -> Fragment:
        b = Recorder(op.key, None, inputs=(), **self._settings)
        operands: list[Value | None] = [None] * len(avals)
        for k in use.reads:
            operands[k] = Value(b.names.take(f"operand_{k}"), avals[k].dtype, avals[k].shape)
        write = bodies.loop if op in LOOPS else bodies.branches
        found = write(b, op.name, operands, attrs, use, self._inside)
        if isinstance(found, Fragment):
            return found
        return b.fragment(op.qualname, [v.name for v in operands if v is not None], found, "")

    def _inside(self, f: Function, outs: Sequence[int], names: Iterable[str]) -> _BodyWriter:
        return _BodyWriter(self, f.graph, outs, self._checks, names)

    def followed(self, op: Op, first: Op, avals: tuple[Any, ...], out: Any) -> Fragment | None:
        """The fragment of an op of another op's result, if there is one that keeps more digits."""
        rule = FOLLOWED.get((op.key, first.key))
        if rule is None:
            return None
        key = ("followed", op, first, avals, out)
        if key not in self._known:
            name = f"{first.qualname}, {op.qualname}"
            found = self._by_rule(_renamed(op, name), rule, avals, NO_ATTRS, out)
            if found is None:
                return None
            self._known[key] = found
        return self._known[key]


def _renamed(op: Op, name: str) -> Op:
    return Op(name, op.signature, op.doc)


def no_type(*avals: Any) -> str | None:
    """Why ONNX has no type for one of these avals; None if it has."""
    for a in avals:
        if type(a) is not Aval:
            continue
        if a.dtype.kind == "c":
            return _COMPLEX
        if a.dtype.itemsize > 8:
            return f"{_NO_TYPE}: {a.dtype.name}"
    return None


def call_name(node: Node) -> str:
    """What a reader calls a call: as its first output."""
    return node.name if type(node.aval) is Aval else node.name.removesuffix(":all")


def read_by(node: Node, use: Use | None) -> list[int]:
    """The nodes that a node reads, for what is needed of it."""
    return [j for k, j in enumerate(node.inputs) if j >= 0 and (use is None or k in use.reads)]


def _refused(*what: tuple[str, str]) -> Fragment:
    return Fragment("", (), (), [], {}, refused=what)


def _first_line(op: Op) -> str:
    return (op.doc or "").strip().split("\n")[0]


class _BodyWriter:
    """Puts the fragments of a body together: of a composite, of a loop, of a branch."""

    def __init__(
        self, assembler: Assembler, graph: AnyGraph, outs: Sequence[int], checks: bool, names: Iterable[str]
    ) -> None:
        self._assembler = assembler
        self._graph = graph
        self._nodes = graph.nodes
        self._demand = demand(graph.nodes, outs)
        self.b = Recorder("", None, opset=0, target="", checks=checks, inputs=names)
        self._values: dict[int, Mapping[int, Value]] = {}
        self._refused: dict[tuple[str, str], None] = {}

    def given(self, i: int, name: str = "") -> str:
        """Let a node be a value from outside, with this name or a new one. Gives the name."""
        node = self._nodes[i]
        value = Value(name or self.b.names.take(node.name), node.aval.dtype, node.aval.shape)
        self._values[i] = {0: value}
        return value.name

    def set(self, i: int, value: Value) -> None:
        """Let a node be a value that was recorded."""
        self._values[i] = {0: value}

    def results(self, outs: Sequence[int]) -> list[Value]:
        """The values of nodes, and all that they need."""
        for i, needed in enumerate(self._demand.need):
            if needed and i not in self._values:
                self._node(i)
        return self._guarded([self._values[o][0] for o in outs])

    def fragment(
        self, name: str, inputs: Sequence[str], outs: Sequence[int], doc: str = "", more: Sequence[Value] = ()
    ) -> Fragment:
        """All of it, giving these nodes, and more values after them; or why it cannot be."""
        results = self.results(outs)
        return self.refusal() or self.b.fragment(name, inputs, [*results, *more], doc)

    def refusal(self) -> Fragment | None:
        """Why there is none, if something in it has no counterpart."""
        return _refused(*self._refused) if self._refused else None

    def _guarded(self, results: Sequence[Value]) -> list[Value]:
        """The results, floats among them NaN where a check has failed; then nobody need hear of it any more."""
        b = self.b
        if not b.failed or not any(v.dtype.kind == "f" for v in results):
            return list(results)
        bad = b.failed[0]
        for other in b.failed[1:]:
            bad = b.Or(bad, other)
        b.failed.clear()
        return [b.select(bad, b.value(np.nan, v.dtype), v) if v.dtype.kind == "f" else v for v in results]

    def _node(self, i: int) -> None:
        node, b = self._nodes[i], self.b
        if node.op is ITEM:
            self._values[i] = {0: self._values[node.inputs[0]][node.attrs["index"]]}
            return
        if node.op.kind is not VariableKind.ARRAY:
            self._values[i] = {0: b.constant(self._graph.values[i], node.name)}
            return
        inner, inputs = self._fragment_of(i)
        use = self._demand.uses.get(i)
        avals: Any = (node.aval,) if type(node.aval) is Aval else node.aval
        gives = range(len(avals)) if use is None else use.gives
        if inner.refused:
            self._refused.update(dict.fromkeys(inner.refused))
            self._values[i] = {k: Value("", avals[k].dtype, avals[k].shape) for k in gives}
            return
        base = b.names.take(node.name)
        names = [base, *(b.names.take(f"{base}_{k}") for k in range(1, len(gives)))]
        values = {k: Value(name, avals[k].dtype, avals[k].shape) for name, k in zip(names, gives, strict=True)}
        if inner.bad:
            b.failed.append(Value(b.names.take(f"{base}_is_bad"), np.dtype(bool), ()))
            names.append(b.failed[-1].name)
        reads = tuple(self._values[j][0].name for j in inputs)
        b.steps.append(Step(inner, reads, tuple(names), name=base))
        self._values[i] = values

    def _fragment_of(self, i: int) -> tuple[Fragment, list[int]]:
        """What computes a node, and the nodes that it reads."""
        node = self._nodes[i]
        first = self._nodes[node.inputs[0]] if len(node.inputs) == 1 else None
        if first is not None:
            found = self._assembler.followed(node.op, first.op, operand_avals(self._nodes, first.inputs), node.aval)
            if found is not None:
                return found, list(first.inputs)
        use = self._demand.uses.get(i)
        found = self._assembler.node(self._nodes, i, use, inner=True)
        return found, read_by(node, use)
