"""What is known of every value while a plan is divided, and the nodes of loops made so far. Must not know LLVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.plan.plan import NO_SLOT, Plan, Step
from sdgraph.run.engines.llvm.divide.region import Node, Operand, is_literal
from sdgraph.run.engines.llvm.divide.stages import FIRST_SEGMENT, LEAVES, Stage
from sdgraph.run.engines.llvm.scalars.scalar_ops import is_native


class Values:
    """Values by their slots in the plan; those that are not the plan's have numbers after its slots."""

    def __init__(self, plan: Plan) -> None:
        self.dtypes: dict[int, np.dtype[Any]] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.constants: dict[int, float] = {}
        """Values that are one known number."""
        self.stage: dict[int, Stage] = {}
        """When a value exists."""
        self.nodes: dict[Stage, list[Node]] = {}
        self.alias: dict[int, Operand] = {}
        """Slots that are views: the value behind, and the shape that broadcasts to the view's."""
        self.truths: dict[int, Operand] = {}
        """What was cast from truths: sums of it count."""
        self.classes: dict[int, int] = {}
        """Integers that were checked to lie between 0 and a number of classes."""
        self.turned: dict[int, int] = {}
        """Matrices that are another one transposed."""
        self._next = plan.n_slots
        self._leaves(plan)

    def _leaves(self, plan: Plan) -> None:
        for slot, value in plan.constants:
            self.add(slot, value.shape, value.dtype, LEAVES)
            if value.size == 1 and is_native(value.dtype):
                self.constants[slot] = value.item()
        for slot, aval in plan.leaf_avals.items():
            self.add(slot, aval.shape, aval.dtype, LEAVES)  # type: ignore[arg-type]
        if plan.step_slot != NO_SLOT:
            self.add(plan.step_slot, (), np.dtype("int64"), LEAVES)

    def add(self, value: int, shape: tuple[int, ...], dtype: np.dtype[Any], stage: Stage) -> None:
        """Take note of a value."""
        self.shapes[value], self.dtypes[value], self.stage[value] = shape, dtype, stage

    def new(self) -> int:
        """A value of the engine's own."""
        self._next += 1
        return self._next - 1

    def number(self, number: float, dtype: np.dtype[Any]) -> Operand:
        """A value that is one known number."""
        value = self.new()
        self.add(value, (), dtype, LEAVES)
        self.constants[value] = number
        return Operand(value, ())

    def operand(self, slot: int) -> Operand:
        """A value of the plan as a node reads it."""
        return self.alias.get(slot) or Operand(slot, self.shapes[slot])

    def matrix(self, slot: int) -> tuple[Operand, bool]:
        """A matrix or vector as it lies in memory, and whether that is transposed."""
        turned = slot in self.turned
        return self.operand(self.turned[slot] if turned else slot), turned

    def node(
        self,
        out: int,
        op: str,
        operands: Sequence[Operand],
        attrs: Any,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        space: tuple[int, ...],
        reduce: str | None = None,
        axes: tuple[int, ...] = (),
        *,
        step: Step,
    ) -> Operand:
        """Put a node into the first segment that can have it; what it makes, as others read it."""
        stage = max((self.stage[x.value].segment_after() for x in operands), default=FIRST_SEGMENT)
        self.add(out, shape, dtype, stage)
        source = step.source.name if step.source is not None else ""
        node = Node(out, op, tuple(map(self._own, operands)), attrs, dtype, shape, space, reduce, axes, source)
        self.nodes.setdefault(stage, []).append(node)
        return Operand(out, shape)

    def _own(self, x: Operand) -> Operand:
        """A number under a name of its own, so that code does not depend on where else the same number is used."""
        number = self.constants.get(x.value)
        if number is None or is_literal(number):
            return x
        return Operand(self.number(number, self.dtypes[x.value]).value, x.shape)
