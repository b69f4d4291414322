"""What is known of every value while a plan is divided, and the nodes of loops made so far. Must not know LLVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.plan.plan import NO_SLOT, Plan, Step
from sdgraph.run.engines.llvm.divide.region import Node, Operand, View, is_literal
from sdgraph.run.engines.llvm.divide.stages import FIRST_SEGMENT, LEAVES, Stage
from sdgraph.run.engines.llvm.scalars.scalar_ops import is_native


class Softmax(NamedTuple):
    """A softmax with one exponential for each element: ``powers / total``. Its logarithm is ``shifted - log``."""

    axis: int
    shifted: Operand
    """``x - max(x)``."""
    powers: Operand
    """``exp(x - max(x))``."""
    rest: Operand
    """The sum of a row's powers without the 1 of one that is largest."""
    total: Operand
    """``1 + rest``."""
    log: Operand
    """``log(1 + rest)``."""


class Logs(NamedTuple):
    """The logarithm of a softmax with a sign, and times a weight of the same shape where there is one."""

    softmax: Softmax
    negative: bool = False
    weight: Operand | None = None
    product: str = ""
    """The op of the product."""


class Check(NamedTuple):
    """What a step looks for, as the number of bad elements: all is well if it is 0."""

    step: Step
    nodes: tuple[Node, ...]
    """What counts them, the number last."""
    beside: int
    """The value next to which they are counted: where it is made, there is what they read."""


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
        """Slots that are views: what is seen, in a shape that broadcasts to the view's."""
        self.parts: dict[int, Sequence[View]] = {}
        """Slots of several views."""
        self.loose: set[int] = set()
        """Slots of arrays that may not lie in order: numpy made a view."""
        self.truths: dict[int, Operand] = {}
        """What was cast from truths: sums of it count."""
        self.classes: dict[int, set[int]] = {}
        """Integers that are checked to lie between 0 and a number of classes, or several."""
        self.in_range: set[tuple[int, int]] = set()
        """Integers that a region looks at whether they lie between 0 and a size, and that size."""
        self.checks: list[Check] = []
        """What regions look for."""
        self.logs: dict[int, Logs] = {}
        """What is a logarithm of softmax, with a sign and a weight."""
        self.row_sums: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Operand] = {}
        """Sums over rows by what they add up, the space it is in, and the axes of that."""
        self.multiples: dict[int, tuple[Operand, Operand, bool]] = {}
        """What is another value times a finite number: that value, the number, and whether with a minus sign."""
        self.spikes: dict[int, tuple[Operand, Operand]] = {}
        """Rows that are 0 but for one entry: where that is, and its value."""
        self.spike_sums: dict[int, int] = {}
        """Sums of such rows, and of which."""
        self.probabilities: dict[int, Softmax] = {}
        """Exponentials of a logarithm of softmax."""
        self.less_one: dict[int, Softmax] = {}
        """Those less 1."""
        self.spiked: dict[int, tuple[str, int, int]] = {}
        """What is made of a row with one entry and of probabilities, as `spikes` names it, and of which slots."""
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
        per_row: bool = False,
        counts: tuple[tuple[int, ...], ...] = (),
    ) -> Operand:
        """Put a node into the first segment that can have it; what it makes, as others read it."""
        node = self.apart(out, op, operands, attrs, dtype, shape, space, reduce, axes, step=step)
        node = node._replace(per_row=per_row, counts=counts)
        self.nodes.setdefault(self.stage[out], []).append(node)
        return Operand(out, shape)

    def apart(
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
    ) -> Node:
        """A node that is in no segment yet."""
        self.add(out, shape, dtype, max((self.stage[x.value].segment_after() for x in operands), default=FIRST_SEGMENT))
        source = step.source.name if step.source is not None else ""
        return Node(out, op, tuple(map(self._own, operands)), attrs, dtype, shape, space, reduce, axes, source)

    def _own(self, x: Operand) -> Operand:
        """A number under a name of its own, so that code does not depend on where else the same number is used."""
        number = self.constants.get(x.value)
        if number is None or is_literal(number):
            return x
        return Operand(self.number(number, self.dtypes[x.value]).value, x.shape)
