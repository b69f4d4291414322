"""Loops and branches with the operators Scan, Loop and If, whose graphs read what is around them by its name.

A loop of a known number of steps is a Scan. What may make no step at all, or stops early, is a Loop. Must not know what
is inside of a body, nor the package onnx.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from sdgraph.build.bodies import Parts
from sdgraph.build.function import Function
from sdgraph.files.onnx.demand import Use
from sdgraph.files.onnx.fragments import BOOL, INT64, Fragment, Recorder, Size, Step, Value, static
from sdgraph.files.onnx.rules.shapes import flipped


class Writer(Protocol):
    """Puts together what is in a body."""

    b: Recorder

    def given(self, i: int, name: str = "") -> str:
        """Let a node be a value from outside, with this name or a new one. Gives the name."""
        ...

    def set(self, i: int, value: Value) -> None:
        """Let a node be a value that was recorded."""
        ...

    def results(self, outs: Sequence[int]) -> list[Value]:
        """The values of nodes, and all that they need."""
        ...

    def refusal(self) -> Fragment | None:
        """Why there is no counterpart, if there is none."""
        ...


Inside: TypeAlias = Callable[[Function, Sequence[int], Iterable[str]], Writer]
"""From a function, what is wanted of it, and the names of values around it."""


def loop(
    b: Recorder, name: str, operands: Sequence[Value | None], attrs: Mapping[str, Any], use: Use, inside: Inside
) -> list[Value] | Fragment:
    """The outputs of a loop that are needed, or why it has no counterpart."""
    return _Loop(b, name, operands, attrs, use, inside).results()


def branches(
    b: Recorder, name: str, operands: Sequence[Value | None], attrs: Mapping[str, Any], use: Use, inside: Inside
) -> list[Value] | Fragment:
    """The outputs of branches that are needed, or why they have no counterpart."""
    index, *given = operands
    assert index is not None
    functions: Sequence[Function] = attrs["branches"]
    made: list[Fragment] = []
    for k, f in enumerate(functions):
        outs = [f.outs[m] for m in use.gives]
        writer = inside(f, outs, [v.name for v in operands if v is not None])
        for p, v in zip(f.params, given, strict=True):
            if p >= 0 and v is not None:
                writer.given(p, v.name)
        found = _written(writer, writer.results(outs), f"branch {k}", ())
        if found.refused:
            return found
        made.append(found)
    if index.dtype == BOOL:
        choices, conditions = made[::-1], [index]
    else:
        choices, number = made, b.cast(index, INT64)
        conditions = [b.Less(number, k) for k in range(1, max(len(made), 2))]
    step = _choice(choices, conditions)
    names = [b.names.take("result") for _ in use.gives]
    b.steps.append(Step("If", step.inputs, tuple(names), step.attrs, name))
    nodes = functions[0].graph.nodes
    avals = [nodes[functions[0].outs[m]].aval for m in use.gives]
    return [Value(label, a.dtype) for label, a in zip(names, avals, strict=True)]


def _choice(made: Sequence[Fragment], conditions: Sequence[Value]) -> Step:
    """The first for which its condition holds, the last if none does."""
    then, other = made[0], made[-1]
    if len(conditions) > 1:
        inner = _choice(made[1:], conditions[1:])
        captured = dict.fromkeys(inner.reads)
        other = Fragment("else", (), inner.outputs, [inner], {}, captured=tuple(captured))
    outs = tuple([f"chosen_{k}" for k in range(len(then.outputs))])
    return Step("If", (conditions[0].name,), outs, {"then_branch": then, "else_branch": other}, "choice")


def _written(writer: Writer, results: Sequence[Value], name: str, inputs: Sequence[str]) -> Fragment:
    """What was recorded as a graph inside of an operator, which tells nobody of failed checks."""
    writer.b.failed.clear()
    return writer.refusal() or writer.b.fragment(name, inputs, results, "")


def _scalar(b: Recorder, n: Size) -> Value:
    return b.value(np.int64(n)) if type(n) is int else b.Squeeze(n, (0,))


class _Loop:
    """One loop while it is written."""

    def __init__(
        self,
        b: Recorder,
        name: str,
        operands: Sequence[Value | None],
        attrs: Mapping[str, Any],
        use: Use,
        inside: Inside,
    ) -> None:
        self.b, self.name, self.attrs, self.use, self.inside = b, name, attrs, use, inside
        self.f: Function = attrs["body"]
        parts = Parts.of(attrs, len(operands))
        self.limit = operands[0] if attrs["counted"] else None
        pairs = list(zip(self.f.params, operands[parts.captured :], strict=True))
        carries, xs = parts.carries - parts.captured, parts.xs - parts.captured
        self.captured, self.carries, self.xs = (
            [(p, v) for p, v in part if v is not None] for part in (pairs[:carries], pairs[carries:xs], pairs[xs:])
        )
        self.reverse: bool = attrs["reverse"]
        self.stops: bool = attrs["test"] or attrs["counted"]
        """Whether there may be fewer steps than there are entries."""
        n = attrs["n_carry"]
        self.stacks = [k - n - 1 for k in use.gives if k > n]
        self.outs = [*(self.f.outs[k] for k in use.carries), *self.stacks]

    def results(self) -> list[Value] | Fragment:
        """The outputs that are needed."""
        n: Size | None = self.attrs["length"]
        if n is None and self.xs:
            n = self.b.size(self.xs[0][1], 0)
        if n == 0 and all(static(self.f.graph.nodes[s].aval.shape) for s in self.stacks):
            return self._nothing()
        if type(n) is int and n and not self.stops:
            return self._scan(n)
        # What is stacked has no shape where there is no step, unless its sizes are known.
        if n is None or self.stops or all(static(self.f.graph.nodes[s].aval.shape) for s in self.stacks):
            return self._loop(n)
        return self._at_least_once(n)

    def _nothing(self) -> list[Value]:
        avals = [self.f.graph.nodes[s].aval for s in self.stacks]
        stacks = [self.b.filled([0, *a.shape], 0, a.dtype) for a in avals]
        return self._given([v for _, v in self.carries], self.b.value(np.int64(0)), stacks)

    def _given(self, finals: Sequence[Value], count: Value, stacks: Sequence[Value]) -> list[Value]:
        """These in the order of outputs."""
        n, last, rest = self.attrs["n_carry"], dict(zip(self.use.carries, finals, strict=True)), iter(stacks)
        return [last[k] if k < n else count if k == n else next(rest) for k in self.use.gives]

    def _writer(self, *around: Value) -> Writer:
        writer = self.inside(self.f, self.outs, [v.name for _, v in self.captured] + [v.name for v in around])
        for p, v in self.captured:
            writer.given(p, v.name)
        return writer

    def _record(self, operator: str, inputs: Sequence[str], outputs: Sequence[Value], **attrs: Any) -> list[Value]:
        """Put in the operator; outputs of these dtypes and shapes."""
        values = [v._replace(name=self.b.names.take("found")) for v in outputs]
        self.b.steps.append(Step(operator, tuple(inputs), tuple([v.name for v in values]), attrs, self.name))
        return values

    # ------------------------------------------------------------------ a known number of steps

    def _scan(self, n: int) -> list[Value] | Fragment:
        b, m = self.b, len(self.carries)
        writer = self._writer()
        inputs = [writer.given(p) for p, _ in (*self.carries, *self.xs)]
        over = [flipped(b, v, (0,)) if self.reverse else v for _, v in self.xs]
        if not over:
            over = [b.arange(n)]
            inputs.append(writer.b.names.take("step"))
        made = writer.results(self.outs)
        body = _written(writer, made, "step", inputs)
        if body.refused:
            return body
        kinds = [v for _, v in self.carries] + [v.shaped((n, *v.shape)) for v in made[m:]]
        names = [v.name for v in (*(v for _, v in self.carries), *over)]
        found = self._record("Scan", names, kinds, body=body, num_scan_inputs=len(over))
        stacks = [flipped(b, v, (0,)) if self.reverse else v for v in found[m:]]
        return self._given(found[:m], b.value(np.int64(n)), stacks)

    # ------------------------------------------------------------------ any number of steps

    def _loop(self, n: Size | None) -> list[Value] | Fragment:
        b = self.b
        most = None if n is None else _scalar(b, n)
        if self.limit is not None:
            limit = b.cast(self.limit, INT64)
            most = limit if most is None else b.Min(limit, most)
        test = self._test() if self.attrs["test"] else None
        if test is not None and test.refused:
            return test
        starts = [v for _, v in self.carries]
        going = b.value(np.True_) if test is None else self._tested(b, test, starts)
        made = self._step(most, test)
        if isinstance(made, Fragment):
            return made
        body, ys, flat = made
        counters = [b.value(np.int64(0))] if test is not None else []
        kinds = [*counters, *starts, *(v.shaped(None) for v in flat)]
        names = ["" if most is None else most.name, going.name, *(v.name for v in (*counters, *starts))]
        found = self._record("Loop", names, kinds, body=body)
        finals = found[len(counters) :][: len(starts)]
        count = found[0] if test is not None else most
        assert count is not None
        several = found[len(counters) + len(starts) :]
        stacks = [self._stack(v, y, n, count) for v, y in zip(several, ys, strict=True)]
        return self._given(finals, count, stacks)

    def _at_least_once(self, n: Size) -> list[Value] | Fragment:
        """A loop that makes a step of zeros if there is nothing to run over, of which only the shapes are taken."""
        b = self.b
        steps = b.vector([n])
        often = b.Max(steps, (1,))
        more = b.Sub(often, steps)
        for k, (p, v) in enumerate(self.xs):
            sizes = b.Concat(more, b.Shape(v, start=1), axis=0)
            zeros = b.ConstantOfShape(sizes, value=np.zeros(1, v.dtype))
            self.xs[k] = p, b.Concat(v, zeros, axis=0).shaped((None, *v.shape[1:]))
        found = self._loop(often)
        if isinstance(found, Fragment):
            return found
        nothing = b.Squeeze(b.Equal(steps, (0,)), (0,))
        start = dict(zip(self.use.carries, [v for _, v in self.carries], strict=True))
        n_carry, results = self.attrs["n_carry"], []
        for k, v in zip(self.use.gives, found, strict=True):
            if k < n_carry:
                results.append(b.select(nothing, start[k], v))
            else:
                results.append(_scalar(b, n) if k == n_carry else b.Slice(v, (0,), steps, (0,)))
        return results

    def _step(self, most: Value | None, test: Fragment | None) -> tuple[Fragment, list[Value], list[Value]] | Fragment:
        """The graph of a step, what it gives to be stacked, and the form in which it does."""
        last = self.b.Sub(most, 1) if self.reverse and self.xs and most is not None else None
        writer = self._writer(*(v for _, v in self.xs), *([] if last is None else [last]))
        w = writer.b
        t, go = Value(w.names.take("step"), INT64, ()), Value(w.names.take("going"), BOOL, ())
        counters = [Value(w.names.take("count"), INT64, ())] if test is not None else []
        inputs = [v.name for v in (t, go, *counters)] + [writer.given(p) for p, _ in self.carries]
        place = t if last is None else w.Sub(last, t)
        for p, v in self.xs:
            writer.set(p, w.Gather(v, place, axis=0).shaped(v.shape[1:]))
        made = writer.results(self.outs)
        if writer.refusal() is not None:
            return _written(writer, made, "step", inputs)
        new, ys = made[: len(self.carries)], made[len(self.carries) :]
        on = go if test is None else self._tested(w, test, new)
        # Not every runtime puts together other arrays than vectors.
        flat = [w.reshape(y, [math.prod(y.shape)]) if _as_vector(y) else y for y in ys]  # type: ignore[arg-type]
        body = _written(writer, [on, *(w.Add(v, 1) for v in counters), *new, *flat], "step", inputs)
        stacked = body.outputs[len(body.outputs) - len(flat) :]
        body.told = (t, go, *(v._replace(name=k) for v, k in zip(flat, stacked, strict=True)))
        return body, ys, flat

    def _stack(self, v: Value, y: Value, n: Size | None, count: Value) -> Value:
        """What the steps gave, one behind the other, in the order of what they ran over, and zeros behind the last."""
        b = self.b
        steps: Size = b.Unsqueeze(count, (0,))
        v = v.shaped((None, *y.shape))
        if _as_vector(y):
            v = b.reshape(v.shaped((None, math.prod(y.shape))), [steps, *y.shape])  # type: ignore[arg-type, list-item]
        v = flipped(b, v, (0,)) if self.reverse else v
        if n is None or not self.stops:
            return v
        rest = b.Concat(b.Sub(b.vector([n]), steps), b.Shape(v, start=1), axis=0)
        return b.Concat(v, b.ConstantOfShape(rest, value=np.zeros(1, v.dtype)), axis=0)

    def _test(self) -> Fragment:
        """From what was captured and the carries to whether there is another step."""
        outs = self.f.outs[-1:]
        writer = self.inside(self.f, outs, ())
        inputs = [writer.given(p) for p, _ in (*self.captured, *self.carries)]
        return _written(writer, writer.results(outs), f"{self.name}.condition", inputs)

    def _tested(self, b: Recorder, test: Fragment, carries: Sequence[Value]) -> Value:
        going = Value(b.names.take("going"), BOOL, ())
        read = [v.name for v in (*(v for _, v in self.captured), *carries)]
        b.steps.append(Step(test, tuple(read), (going.name,), name=going.name))
        return going


def _as_vector(y: Value) -> bool:
    return y.rank != 1 and static(y.shape)
