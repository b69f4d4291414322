"""Dividing a plan: regions of fused work, and the steps between them that run as numpy kernels.

Work alternates between segments of regions, which are one call of compiled code, and numpy steps. Views cost nothing in
regions: a node sees its operand's memory in another shape. Must not know LLVM.
"""

from __future__ import annotations

import numpy as np

from sdgraph.infer.aval import Aval
from sdgraph.infer.shapes import permutation
from sdgraph.lower import contracts
from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines.llvm.divide import spec
from sdgraph.run.engines.llvm.divide.region import MAX_OPERANDS, Operand, countable, divisible, size_of
from sdgraph.run.engines.llvm.divide.segments import Division, Segment, in_order, last_uses
from sdgraph.run.engines.llvm.divide.stages import FIRST_STEPS, Stage
from sdgraph.run.engines.llvm.divide.taken_apart import TAKEN_APART, power
from sdgraph.run.engines.llvm.divide.values import Values
from sdgraph.run.engines.llvm.scalars.scalar_ops import compute_dtypes, is_native

_RESHAPES = frozenset(("reshape", "expand_dims", "squeeze", "mask_gradient", "identity", "stop_gradient"))
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

    def run(self) -> Division:
        """Divide."""
        for step in self.plan.steps:
            reason = self._native(step)
            if reason is not None:
                self._by_itself(step, reason)
        for o in self.plan.outs:
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
            v.classes[step.out] = v.shapes[step.inputs[1]][-1]
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
        self.steps.setdefault(stage, []).append(step)

    def _materialise(self, slot: int) -> None:
        """Make a view for those who need an array: a numpy step on the value behind it."""
        step = self.views.pop(slot)
        j = step.inputs[0]
        if j in self.views:
            self._materialise(j)
        stage = self.values.stage[slot] = max(self.values.stage[j].steps_after(), FIRST_STEPS)
        self.steps.setdefault(stage, []).append(step)

    # ------------------------------------------------------------------ steps that become nodes

    def _native(self, step: Step) -> str | None:
        """Take a step into a segment, or tell why not."""
        v, aval, name = self.values, step.aval, step.op.key
        if type(aval) is not Aval:
            return "several results"
        if not all(j >= 0 and v.dtypes[j].kind != "O" for j in step.inputs) or not step.inputs:
            return "an operand is no array"
        if name != "linalg.matmul":
            for j in step.inputs:
                if j in v.turned and j in self.views:
                    self._materialise(j)
        if self._view(step) or self._transpose(step):
            return None
        if not all(is_native(v.dtypes[j]) for j in step.inputs) or not is_native(aval.dtype):
            return "dtype"
        if not all(map(countable, (aval.shape, *(v.shapes[j] for j in step.inputs)))):
            return "more elements than can be counted"
        take_apart = TAKEN_APART.get(name)
        if take_apart is not None:
            return take_apart(v, step)
        if name == "math.pow" and power(v, step):
            return None
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
        shape: tuple[int, ...] = aval.shape
        if not divisible(tuple(x.shape for x in operands), shape):
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

    def _view(self, step: Step) -> bool:
        """Whether the step only looks at its operand's memory in another shape."""
        v, name = self.values, step.op.key
        if name not in _RESHAPES and name != "broadcast_to":
            return False
        x = v.operand(step.inputs[0])
        shape = step.aval.shape
        if not is_native(v.dtypes[x.value]):
            return False
        if name == "broadcast_to":
            seen: tuple[int, ...] = (1,) * (len(shape) - len(x.shape)) + x.shape
        elif size_of(x.shape) == size_of(shape):
            seen = shape
        elif size_of(x.shape) == 1:
            seen = (1,) * len(shape)
        elif name in ("mask_gradient", "identity", "stop_gradient"):
            seen = x.shape
        else:
            return False
        v.alias[step.out] = Operand(x.value, seen)
        v.add(step.out, shape, v.dtypes[x.value], v.stage[x.value])
        self.views[step.out] = step
        return True

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
