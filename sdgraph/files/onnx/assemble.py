"""From a call of an op to the fragment that computes it: by its rule, by its body, or not at all.

Knows rules and bodies. Must not know the package onnx, nor the graph that is exported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.build.attributes import attr_key
from sdgraph.build.graph import Node
from sdgraph.build.kinds import NO_ATTRS, VariableKind
from sdgraph.build.op import ITEM, STREAM, Op
from sdgraph.build.operands import operand_avals
from sdgraph.build.tracing import Body as Traced
from sdgraph.build.tracing import trace
from sdgraph.files.onnx import rules
from sdgraph.files.onnx.fragments import Fragment, Recorder, Step, Value
from sdgraph.files.onnx.registry import BODY, FOLLOWED, OPEN_BODY, UNSIZED, Exported, Rule
from sdgraph.infer.aval import Aval
from sdgraph.ops.graph import OpGraph

_LOOPS: Final = "loops and branches are not exported"
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
        why = _LOOPS if op.has_bodies else rules.reason(op.key)
        why = why or no_type(*avals, *(out if type(out) is not Aval else (out,)))
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
        return _BodyWriter(self, body, self._checks).fragment(op)

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


def _refused(*what: tuple[str, str]) -> Fragment:
    return Fragment("", (), (), [], {}, refused=what)


def _first_line(op: Op) -> str:
    return (op.doc or "").strip().split("\n")[0]


class _BodyWriter:
    """Puts the fragments of a composite's body together."""

    def __init__(self, assembler: Assembler, body: Traced, checks: bool) -> None:
        self._assembler = assembler
        self._body = body
        self._nodes = body.graph.nodes
        self._b = Recorder("", body.aval, opset=0, target="", checks=checks, inputs=())
        self._values: dict[int, list[Value]] = {}
        self._refused: dict[tuple[str, str], None] = {}

    def fragment(self, op: Op) -> Fragment:
        body, b = self._body, self._b
        for p in body.params:
            if p >= 0:
                node = self._nodes[p]
                self._values[p] = [Value(b.names.take(node.name), node.aval.dtype, node.aval.shape)]
        inputs = [self._values[p][0].name for p in body.params if p >= 0]
        for i, needed in enumerate(body.need):
            if needed and i not in self._values:
                self._node(i)
        if self._refused:
            return _refused(*self._refused)
        results = [self._values[o][0] for o in body.outs]
        found = b.fragment(op.qualname, inputs, self._guarded(results), _first_line(op))
        found.is_card = op.is_loss
        return found

    def _guarded(self, results: Sequence[Value]) -> list[Value]:
        """The results, floats among them NaN where a check has failed; then nobody need hear of it any more."""
        b = self._b
        if not b.failed or not any(v.dtype.kind == "f" for v in results):
            return list(results)
        bad = b.failed[0]
        for other in b.failed[1:]:
            bad = b.Or(bad, other)
        b.failed.clear()
        return [b.select(bad, b.value(np.nan, v.dtype), v) if v.dtype.kind == "f" else v for v in results]

    def _node(self, i: int) -> None:
        node, b = self._nodes[i], self._b
        if node.op is ITEM:
            self._values[i] = [self._values[node.inputs[0]][node.attrs["index"]]]
            return
        if node.op.kind is not VariableKind.ARRAY:
            self._values[i] = [b.constant(self._body.graph.values[i], node.name)]
            return
        inner, inputs = self._fragment_of(i)
        if inner.refused:
            self._refused.update(dict.fromkeys(inner.refused))
            avals = [node.aval] if type(node.aval) is Aval else node.aval
            known = next(a for a in avals if a is not None)  # A loop has no type for what is not made.
            self._values[i] = [Value("", (a or known).dtype, (a or known).shape) for a in avals]  # type: ignore[union-attr]
            return
        avals = [node.aval] if type(node.aval) is Aval else list(node.aval)  # type: ignore[arg-type]
        base = b.names.take(node.name)
        names = [base, *(b.names.take(f"{base}_{k}") for k in range(1, len(avals)))][: len(avals)]
        values = [Value(name, a.dtype, a.shape) for name, a in zip(names, avals, strict=True)]
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
        avals = operand_avals(self._nodes, node.inputs)
        found = self._assembler.call(node.op, avals, node.attrs, node.aval, inner=True)
        return found, [j for j in node.inputs if j >= 0]
