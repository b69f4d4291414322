"""Dividing a plan: regions of fused work, and the steps between them that run as numpy kernels.

Work alternates between segments of regions, which are one call of compiled code, and numpy steps. Views cost nothing in
regions: a node sees its operand's memory in another shape. Must not know LLVM.
"""

from __future__ import annotations

import math

import numpy as np

from sdgraph.build.op import ITEM
from sdgraph.infer.aval import Aval
from sdgraph.infer.shapes import permutation
from sdgraph.lower import contracts
from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines.llvm.divide import joined, log_softmax, spec, spikes, sums, views
from sdgraph.run.engines.llvm.divide.checks import looks_for
from sdgraph.run.engines.llvm.divide.own_loops import own_loops
from sdgraph.run.engines.llvm.divide.region import MAX_OPERANDS, Node, Operand, countable, readable
from sdgraph.run.engines.llvm.divide.segments import Division, Segment, in_order, last_uses
from sdgraph.run.engines.llvm.divide.stages import FIRST_STEPS, Stage
from sdgraph.run.engines.llvm.divide.taken_apart import TAKEN_APART, power
from sdgraph.run.engines.llvm.divide.values import Check, Values
from sdgraph.run.engines.llvm.scalars.scalar_ops import compute_dtypes, is_native

_MOST_BITS = 1023
"""Of a whole number that a double can hold for sure."""
_MOST_OPERANDS = MAX_OPERANDS // 16


def divide(plan: Plan) -> Division:
    """Divide a plan into segments and numpy steps."""
    division = _Divider(plan).run()
    if contracts.ON:
        spec.check(plan, division)
    return division


class _Divider:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.values = Values(plan)
        self.steps: dict[Stage, list[Step]] = {}
        self.reasons: dict[int, str] = {}
        self.views: dict[int, Step] = {}
        """Steps that are views, until someone needs their array."""
        self.guarded: dict[int, tuple[Step, ...]] = {}
        """By slot the steps that looked at what stands there, or behind it, and passed it on."""
        self.looking: dict[int, list[Node]] = {}
        """What such steps look for, by their slots, until a region looks for it."""

    def run(self) -> Division:
        """Divide."""
        for step in self.plan.steps:
            reason = self._native(step)
            if reason is not None and self._as_arrays(step):
                reason = self._native(step)
            if reason is not None:
                self._by_itself(step, reason)
            else:
                self._look(step)
        unread = [slot for slot, nodes in self.looking.items() if nodes]
        for o in (*self.plan.outs, *unread):
            if o in self.views:
                self._materialise(o)
        v, n = self.values, self.plan.n_slots
        parts = in_order(self.plan, v, self.steps)
        crossing = {i for part in parts if type(part) is Segment for i in part.writes if i >= n}
        own = {i: n + k for k, i in enumerate(sorted(crossing))}
        return Division(
            parts=tuple(parts),
            dtypes=v.dtypes,
            shapes=v.shapes,
            constants=v.constants,
            reasons=self.reasons,
            frees=tuple(last_uses(self.plan, parts)),
            own=own,
            n_slots=n + len(own),
        )

    # ------------------------------------------------------------------ numpy steps

    def _by_itself(self, step: Step, reason: str) -> None:
        """Run a step as a numpy kernel, as soon as its operands are there."""
        v = self.values
        if step.op.key == "checked_labels":
            v.classes[step.out] = {v.shapes[step.inputs[1]][-1]}
        self.reasons[step.out] = reason
        for j in step.inputs:
            if j in self.views:
                self._materialise(j)
        stage = max((v.stage[j].steps_after() for j in step.inputs if j >= 0), default=FIRST_STEPS)
        stage = max(stage, FIRST_STEPS)
        aval = step.aval
        if type(aval) is Aval:
            v.add(step.out, aval.shape, aval.dtype, stage)  # type: ignore[arg-type]
        else:
            v.add(step.out, (), np.dtype(object), stage)
        if step.op.is_view or step.op is ITEM:
            v.loose.add(step.out)
        self.steps.setdefault(stage, []).append(step)

    def _as_arrays(self, step: Step) -> bool:
        """Whether operands were parts of arrays, which are arrays of their own from now on."""
        v = self.values
        parts = [j for j in step.inputs if j in self.views and j >= 0 and v.matrix(j)[0].window is not None]
        for j in dict.fromkeys(parts):
            self._materialise(j)
        return bool(parts)

    def _materialise(self, slot: int) -> None:
        """Make a view for those who need an array: a numpy step on the value behind it.

        Regions go on to read what is all of another array in other order, and read a part of one as it is from now on.
        """
        step = self.views.pop(slot)
        v = self.values
        if slot in v.alias and v.alias[slot].window is not None:
            del v.alias[slot]
            v.loose.add(slot)
        for j in step.inputs:
            if j in self.views:
                self._materialise(j)
        stage = max(FIRST_STEPS, *(self.values.stage[j].steps_after() for j in step.inputs))
        self.values.stage[slot] = stage
        self.steps.setdefault(stage, []).append(step)

    # ------------------------------------------------------------------ checks

    def _guard(self, step: Step) -> bool:
        """Whether the step passes on what a region can look at."""
        v = self.values
        nodes = looks_for(v, step)
        if nodes is None:
            return False
        x = v.operand(step.inputs[0])
        if step.op.key == "checked_labels":
            v.classes.setdefault(x.value, set()).add(v.shapes[step.inputs[1]][-1])
        self.looking[step.out] = nodes
        self._seen(step, x)
        return True

    def _look(self, step: Step) -> None:
        """Where a node reads what some step checks, that is checked beside it; views only carry it on."""
        guards = tuple(g for j in step.inputs for g in self.guarded.get(j, ()))
        if step.out in self.views:
            own = (step,) if step.out in self.looking else ()
            if guards or own:
                self.guarded[step.out] = (*guards, *own)
            return
        for g in guards:
            nodes = self.looking.pop(g.out, ())
            if nodes and g.out in self.views:
                self.values.checks.append(Check(g, tuple(nodes), step.out))

    # ------------------------------------------------------------------ steps that become nodes

    def _native(self, step: Step) -> str | None:
        """Take a step into a segment, or tell why not."""
        v, aval, name = self.values, step.aval, step.op.key
        if step.op is ITEM and self._item(step):
            return None
        if type(aval) is not Aval:
            return None if self._views(step) else "several results"
        if not all(j >= 0 and v.dtypes[j].kind != "O" for j in step.inputs) or not step.inputs:
            return "an operand is no array"
        if name != "linalg.matmul":
            for j in step.inputs:
                if j in v.turned and j in self.views:
                    self._materialise(j)
        if self._guard(step) or self._transpose(step) or self._views(step):
            return None
        if not all(is_native(v.dtypes[j]) for j in step.inputs) or not is_native(aval.dtype):
            return "dtype"
        if not all(map(countable, (aval.shape, *(v.shapes[j] for j in step.inputs)))):
            return "more elements than can be counted"
        own = own_loops(step, v.dtypes, v.shapes)
        if own is not None:
            return own
        if step.op.places is not None:
            return joined.parts(v, step)
        take_apart = TAKEN_APART.get(name)
        if take_apart is not None:
            return take_apart(v, step)
        if (name == "math.pow" and power(v, step)) or (
            name in ("math.exp", "math.expm1") and log_softmax.exponentials(v, step)
        ):
            return None
        log_softmax.take_note(v, step)
        sums.take_note(v, step)
        if spikes.gradient(v, step):
            return None
        spikes.take_note(v, step)
        return self._elementwise(step)

    def _elementwise(self, step: Step) -> str | None:
        """One node for one step."""
        v, aval, name = self.values, step.aval, step.op.key
        operands = [v.operand(j) for j in step.inputs]
        dtypes = [v.dtypes[x.value] for x in operands]
        if compute_dtypes(name, dtypes, aval.dtype) is None:
            return "no compiled form" if all(d.kind != "f" or is_native(d) for d in dtypes) else "dtype"
        if any(type(a) is int and a.bit_length() > _MOST_BITS for a in step.attrs.values()):
            return "a number beyond all dtypes"
        number = v.constants.get(operands[0].value) if name == "math.multiply_no_nan" else None
        if number is not None and math.isfinite(number):
            name = "math.mul"  # There is nothing to guard against.
        shape: tuple[int, ...] = aval.shape
        if not readable(operands, shape):
            return "broadcast neither rows nor columns"
        if name == "cast" and dtypes[0].kind == "b":
            v.truths[step.out] = operands[0]
        while len(operands) > _MOST_OPERANDS:
            # Only a sum has so many; its beginning becomes one operand, so the order of additions stays.
            assert name == "math.merge_add", name
            first = operands[:_MOST_OPERANDS]
            # Halves go on as wider numbers: the result is rounded once.
            dtype = np.dtype("float32") if aval.dtype.char == "e" else aval.dtype
            part = v.node(v.new(), name, first, step.attrs, dtype, shape, shape, step=step)
            operands = [part, *operands[_MOST_OPERANDS:]]
        v.node(step.out, name, operands, step.attrs, aval.dtype, shape, shape, step=step)
        return None

    def _views(self, step: Step) -> bool:
        """Whether the step only looks at its operand's memory in another way."""
        v, x = self.values, step.inputs[0]
        if x < 0 or not is_native(v.dtypes[x]):
            return False
        found = views.seen(v, step)
        if found is None:
            return False
        if type(step.aval) is tuple:
            v.parts[step.out] = found
            v.add(step.out, (), np.dtype(object), v.stage[x])
            self.views[step.out] = step
        else:
            self._seen(step, found[0].operand(step.out))
        return True

    def _item(self, step: Step) -> bool:
        """Whether the step picks one of several views."""
        found = self.values.parts.get(step.inputs[0])
        if found is None:
            return False
        self._seen(step, found[step.attrs["index"]].operand(step.out))
        return True

    def _seen(self, step: Step, seen: Operand) -> None:
        """Take a step as a view."""
        v = self.values
        v.alias[step.out] = seen
        v.add(step.out, step.aval.shape, v.dtypes[seen.memory], v.stage[seen.memory])
        self.views[step.out] = step

    def _transpose(self, step: Step) -> bool:
        """Whether the step turns a matrix, which products can read as it is."""
        v, j = self.values, step.inputs[0]
        shape = step.aval.shape
        if step.op.key != "permute" or len(shape) != 2 or not is_native(v.dtypes[j]):
            return False
        if permutation(step.attrs["axes"], 2) != (1, 0):
            return False
        v.turned[step.out] = j
        v.add(step.out, shape, v.dtypes[j], v.stage[j])
        self.views[step.out] = step
        return True
