"""Dividing a plan: regions of fused work, and the steps between them that run as numpy kernels.

Work alternates between segments of regions, which are one call of compiled code, and numpy steps. Views cost nothing in
regions: a node sees its operand's memory in another shape. Must not know LLVM.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.infer.aval import Aval, normalize_axis
from sdgraph.infer.shapes import permutation
from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines.llvm.ranges import Range
from sdgraph.run.engines.llvm.region import (
    COLUMN_INDEX,
    ELEMENT,
    MAX_OPERANDS,
    Node,
    Operand,
    Region,
    countable,
    divisible,
    is_literal,
    reduction_split,
    size_of,
    squeezed,
)
from sdgraph.run.engines.llvm.scalar_ops import compute_dtypes, is_native

_RESHAPES = frozenset(("reshape", "expand_dims", "squeeze", "mask_gradient", "identity", "stop_gradient"))
_REDUCTIONS = {"sum": "sum", "max": "max", "largest": "max", "min": "min", "all": "min", "any": "max"}
"""Ops that reduce, and how."""
_POWERS: dict[float, tuple[str, ...]] = {
    1: ("cast",),
    2: ("math.square",),
    3: ("math.square", "math.mul"),
    4: ("math.square", "math.square"),
    0.5: ("math.add", "math.sqrt", "where"),
    -1: ("math.div",),
    -2: ("math.div", "math.square"),
}
"""Exponents that a few simple ops raise to within 4 ulp, in less time than a logarithm; numpy does some, too."""
_NEGATIVE = Range(-math.inf, 0.0)
_COUNTED = Range(0.0, 2.0**48)
"""A sum of numbers between 0 and 1; nobody has more of them."""
_MOST_BITS = 1023
"""Of a whole number that a double can hold for sure."""
_LOOK_BACK = 8
"""Among how many of the last regions a node looks for a place."""
_MOST_OPERANDS = MAX_OPERANDS // 16


class Segment(NamedTuple):
    """Regions that run in one call, in order, and which values they read and must leave behind."""

    regions: tuple[Region, ...]
    reads: tuple[int, ...]
    """Values that come from outside, as arrays."""
    writes: tuple[int, ...]
    """Values that steps, later segments or the caller need."""


class Division(NamedTuple):
    """A plan divided: segments and numpy steps in the order they run."""

    parts: tuple[Segment | Step, ...]
    dtypes: dict[int, np.dtype[Any]]
    shapes: dict[int, tuple[int, ...]]
    constants: dict[int, float]
    """Values that are one known number."""
    reasons: dict[int, str]
    """Why a step does not fuse, by its slot."""
    own: dict[int, int]
    """Slots, after those of the plan, of values that are not the plan's and that one part leaves for another."""
    n_slots: int

    def slot(self, value: int) -> int:
        """Where a value that parts exchange stands in a run."""
        return self.own.get(value, value)


def divide(plan: Plan) -> Division:
    """Divide a plan into segments and numpy steps."""
    return _Divider(plan).run()


class _Divider:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dtypes: dict[int, np.dtype[Any]] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.constants: dict[int, float] = {}
        self.arrays: dict[int, np.ndarray[Any, Any]] = {}
        self.alias: dict[int, Operand] = {}
        """Slots that are views: the value behind, and the shape that broadcasts to the view's."""
        self.stage: dict[int, int] = {}
        """When a value exists: even numbers are segments, odd ones numpy steps; 0 is the first segment."""
        self.nodes: dict[int, list[Node]] = {}
        self.steps: dict[int, list[Step]] = {}
        self.reasons: dict[int, str] = {}
        self.next_id = plan.n_slots
        self.views: dict[int, Step] = {}
        """Steps that are views, until someone needs their array."""
        self.truths: dict[int, Operand] = {}
        """What was cast from truths: sums of it count."""
        self.classes: dict[int, int] = {}
        """Integers that were checked to lie between 0 and a number of classes."""
        self.turned: dict[int, int] = {}
        """Matrices that are another one transposed."""

    def run(self) -> Division:
        """Divide."""
        self._leaves()
        for step in self.plan.steps:
            self._step(step)
        parts = self._parts()
        n = self.plan.n_slots
        crossing = {i for part in parts if type(part) is Segment for i in part.writes if i >= n}
        own = {i: n + k for k, i in enumerate(sorted(crossing))}
        return Division(tuple(parts), self.dtypes, self.shapes, self.constants, self.reasons, own, n + len(own))

    # ------------------------------------------------------------------ values

    def _value(self, slot: int, shape: tuple[int, ...], dtype: np.dtype[Any], stage: int) -> None:
        self.shapes[slot], self.dtypes[slot], self.stage[slot] = shape, dtype, stage

    def _leaves(self) -> None:
        for slot, value in self.plan.constants:
            self._value(slot, value.shape, value.dtype, -1)
            if value.size == 1 and is_native(value.dtype):
                self.constants[slot] = value.item()
        for slot, aval in self.plan.leaf_avals.items():
            self._value(slot, aval.shape, aval.dtype, -1)  # type: ignore[arg-type]
        if self.plan.step_slot >= 0:
            self._value(self.plan.step_slot, (), np.dtype("int64"), -1)

    def _operand(self, slot: int) -> Operand:
        return self.alias.get(slot) or Operand(slot, self.shapes[slot])

    # ------------------------------------------------------------------ steps

    def _step(self, step: Step) -> None:
        reason = self._native(step)
        if reason is None:
            return
        if step.op.key == "checked_labels":
            self.classes[step.out] = self.shapes[step.inputs[1]][-1]
        self.reasons[step.out] = reason
        for j in step.inputs:
            if j in self.views:
                self._materialise(j)
        stage = 1
        for j in step.inputs:
            if j >= 0:
                s = self.stage[j]
                stage = max(stage, s + 1 if s >= 0 and s % 2 == 0 else s)
        aval = step.aval
        if type(aval) is Aval:
            self._value(step.out, aval.shape, aval.dtype, stage)  # type: ignore[arg-type]
        else:
            self.stage[step.out] = stage
            self.shapes[step.out], self.dtypes[step.out] = (), np.dtype(object)
        self.steps.setdefault(stage, []).append(step)

    def _materialise(self, slot: int) -> None:
        """Make a view for those who need an array: a numpy step on the value behind it."""
        step = self.views.pop(slot)
        j = step.inputs[0]
        if j in self.views:
            self._materialise(j)
        s = self.stage[j]
        stage = max(1, s + 1 if s >= 0 and s % 2 == 0 else s)
        self.steps.setdefault(stage, []).append(step)
        self.stage[slot] = stage

    def _native(self, step: Step) -> str | None:
        """Take a step into a segment, or tell why not."""
        aval, name = step.aval, step.op.key
        if type(aval) is not Aval:
            return "several results"
        if not all(j >= 0 and self.dtypes[j].kind != "O" for j in step.inputs) or not step.inputs:
            return "an operand is no array"
        if name != "linalg.matmul":
            for j in step.inputs:
                if j in self.turned and j in self.views:
                    self._materialise(j)
        if self._view(step) or self._transpose(step):
            return None
        if not all(is_native(self.dtypes[j]) for j in step.inputs) or not is_native(aval.dtype):
            return "dtype"
        if not all(map(countable, (aval.shape, *(self.shapes[j] for j in step.inputs)))):
            return "more elements than can be counted"
        if name in ("nn.log_softmax", "nn.softmax"):
            return self._softmax(step)
        if name in _REDUCTIONS:
            return self._reduction(step)
        if name == "math.pow" and self._power(step):
            return None
        if name == "linalg.matmul":
            return self._product(step)
        if name in ("take_along_axis", "add_along_axis"):
            return self._picked(step)
        operands = [self._operand(j) for j in step.inputs]
        dtypes = [self.dtypes[x.value] for x in operands]
        if compute_dtypes(name, dtypes, aval.dtype) is None:
            return "no compiled form" if all(d.kind != "f" or is_native(d) for d in dtypes) else "dtype"
        if any(type(a) is int and a.bit_length() > _MOST_BITS for a in step.attrs.values()):
            return "a number beyond all dtypes"
        shape: tuple[int, ...] = aval.shape  # type: ignore[assignment]
        if not divisible(tuple(x.shape for x in operands), shape):
            return "broadcast neither rows nor columns"
        if name == "cast" and dtypes[0].kind == "b":
            self.truths[step.out] = operands[0]
        while len(operands) > _MOST_OPERANDS:
            # Only a sum has so many; its beginning becomes one operand, so the order of additions stays.
            assert name == "math.merge_add", name
            first = operands[:_MOST_OPERANDS]
            # Halves go on as wider numbers: the result is rounded once.
            dtype = np.dtype("float32") if aval.dtype.char == "e" else aval.dtype
            part = self._node(self._new(), name, first, step.attrs, dtype, shape, shape, step=step)
            operands = [part, *operands[_MOST_OPERANDS:]]
        self._node(step.out, name, operands, step.attrs, aval.dtype, shape, shape, step=step)
        return None

    def _node(
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
        stage = 0
        for x in operands:
            s = self.stage[x.value]
            stage = max(stage, s + 1 if s % 2 else s)
        if stage % 2:
            stage += 1
        self._value(out, shape, dtype, stage)
        source = step.source.name if step.source is not None else ""
        node = Node(out, op, tuple(map(self._own, operands)), attrs, dtype, shape, space, reduce, axes, source)
        self.nodes.setdefault(stage, []).append(node)
        return Operand(out, shape)

    def _own(self, x: Operand) -> Operand:
        """A number under a name of its own, so that code does not depend on where else the same number is used."""
        number = self.constants.get(x.value)
        if number is None or is_literal(number):
            return x
        return Operand(self._number(number, self.dtypes[x.value]).value, x.shape)

    def _new(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def _view(self, step: Step) -> bool:
        """Whether the step only looks at its operand's memory in another shape."""
        name = step.op.key
        if name not in _RESHAPES and name != "broadcast_to":
            return False
        x = self._operand(step.inputs[0])
        shape = step.aval.shape
        if not is_native(self.dtypes[x.value]):
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
        self.alias[step.out] = Operand(x.value, seen)
        self._value(step.out, shape, self.dtypes[x.value], self.stage[x.value])
        self.views[step.out] = step
        return True

    def _transpose(self, step: Step) -> bool:
        """Whether the step turns a matrix, which products can read as it is."""
        j = step.inputs[0]
        shape = step.aval.shape
        if step.op.key != "permute" or len(shape) != 2 or not is_native(self.dtypes[j]):
            return False
        if permutation(step.attrs["axes"], 2) != (1, 0):
            return False
        self.turned[step.out] = j
        self._value(step.out, shape, self.dtypes[j], self.stage[j])
        self.views[step.out] = step
        return True

    def _matrix(self, slot: int) -> tuple[Operand, bool]:
        """A matrix or vector as it lies in memory, and whether that is transposed."""
        turned = slot in self.turned
        return self._operand(self.turned[slot] if turned else slot), turned

    def _product(self, step: Step) -> str | None:
        """Products with vectors, as sums over rows or columns of the matrix where it lies in memory."""
        (x, x_turned), (y, y_turned) = map(self._matrix, step.inputs)
        shapes = [self.shapes[j] for j in step.inputs]
        if not all(1 <= len(s) <= 2 and size_of(s) for s in shapes):
            return "a batch of products"
        if step.aval.dtype.kind != "f" or any(self.dtypes[v.value].kind != "f" for v in (x, y)):
            return "dtype"
        rows = shapes[0][0] if len(shapes[0]) == 2 else 1
        columns = shapes[1][1] if len(shapes[1]) == 2 else 1
        inner = shapes[0][-1]
        if inner == 1:
            return self._outer(step, x, y, rows, columns)
        if rows != 1 and columns != 1:
            return "a product of matrices"
        # The matrix lies in memory as (rows, inner) for the first operand, (inner, columns) for the second, or turned.
        matrix, vector, turned, other = (x, y, x_turned, rows) if columns == 1 else (y, x, not y_turned, columns)
        shape = (inner, other) if turned else (other, inner)
        along = (inner, 1) if turned else (1, inner)
        if other == 1:
            shape = along = (inner,)
        operands = [Operand(matrix.value, shape), Operand(vector.value, along)]
        if any(size_of(o.shape) != size_of(v.shape) for o, v in zip(operands, (matrix, vector), strict=True)):
            return "a view of a smaller array"
        # Halves are multiplied and added up as wider numbers, as by numpy.
        dtype = np.result_type(step.aval.dtype, np.float32)
        products = self._node(self._new(), "math.mul", operands, {}, dtype, shape, shape, step=step)
        axes = (0,) if turned or other == 1 else (1,)
        self._node(step.out, "sum", [products], {}, step.aval.dtype, step.aval.shape, shape, "sum", axes, step=step)
        return None

    def _outer(self, step: Step, x: Operand, y: Operand, rows: int, columns: int) -> str | None:
        shape = (rows, columns)
        if size_of(x.shape) != rows or size_of(y.shape) != columns:
            return "a view of a smaller array"
        operands = [Operand(x.value, (rows, 1)), Operand(y.value, (columns,))]
        self._node(step.out, "math.mul", operands, {}, step.aval.dtype, step.aval.shape, shape, step=step)
        return None

    def _reduction(self, step: Step) -> str | None:
        x = self._operand(step.inputs[0])
        space = self.shapes[step.inputs[0]]
        axes = normalize_axis(step.attrs["axis"], len(space))
        dtype = step.aval.dtype
        how, kind = _REDUCTIONS[step.op.key], self.dtypes[x.value].kind
        if size_of(space) == 0:
            return "empty"
        if how == "sum" and dtype.kind not in "fi":
            return "dtype"
        if how != "sum" and (dtype.kind == "u" or kind != dtype.kind):
            return "dtype"
        split = reduction_split(space, axes)
        if split is None or not divisible((x.shape,), space, axes):
            return "axes neither lead nor trail"
        shape = step.aval.shape
        if split[0] == ELEMENT or not squeezed(space):
            # Nothing is reduced: axes of size 1.
            self._node(step.out, "cast", [Operand(x.value, x.shape)], {}, dtype, shape, space, step=step)
            return None
        counted = self.truths.get(x.value) if how == "sum" else None
        if counted is not None and counted.shape == x.shape:
            x = counted
        self._node(step.out, how, [x], {}, dtype, shape, space, how, axes, step=step)
        return None

    def _picked(self, step: Step) -> str | None:
        """One entry per row read or added to, by checked class: rows are worked through anyway."""
        x, k, *rest = (self._operand(j) for j in step.inputs)
        shape = self.shapes[step.inputs[0]]
        classes = shape[-1] if shape else 1
        if self.classes.get(k.value) != classes or self.dtypes[x.value].kind != "f":
            return "indices are not known to be classes"
        along = normalize_axis(step.attrs["axis"], len(shape))[0]
        used = tuple(y.shape for y in (x, k, *rest))
        one_per_row = along == len(shape) - 1 and k.shape == (*shape[:-1], 1)
        if classes == 1 or not one_per_row or not divisible(used, shape, (along,)):
            return "not one index per row"
        dtype = step.aval.dtype

        def node(op: str, *operands: Operand, dt: np.dtype[Any] = dtype) -> Operand:
            return self._node(self._new(), op, operands, {}, dt, shape, shape, step=step)

        # Few bits may hold all labels that occur, but not the number of every class.
        labels = self.dtypes[k.value]
        places = node(COLUMN_INDEX, dt=labels if labels.itemsize >= 4 else np.dtype("int32"))
        here = node("eq", places, k, dt=np.dtype(bool))
        if step.op.key == "add_along_axis":
            added = node("math.add", x, rest[0])
            self._node(step.out, "where", [here, added, x], {}, dtype, shape, shape, step=step)
            return None
        only = node("where", here, x, self._number(0.0, dtype))
        axes = (along,)
        self._node(step.out, "sum", [only], {}, dtype, step.aval.shape, shape, "sum", axes, step=step)
        return None

    def _power(self, step: Step) -> bool:
        """Take a power whose exponent a few products can do; others are calls of the library."""
        exponent = self.constants.get(self._operand(step.inputs[1]).value)
        x = base = self._operand(step.inputs[0])
        dtype, shape = step.aval.dtype, step.aval.shape
        steps = _POWERS.get(exponent) if exponent is not None else None
        if steps is None or self.dtypes[x.value] != dtype or not divisible((x.shape,), shape):
            return False
        if exponent not in (1, 2) and (dtype.kind != "f" or dtype.itemsize == 2):
            return False  # In half precision each product would be rounded.
        if dtype.kind not in "fiu":
            return False
        for k, op in enumerate(steps):
            out = step.out if k == len(steps) - 1 else self._new()
            operands = {"math.div": [self._number(1.0, dtype), x], "math.mul": [x, base]}.get(op, [x])
            if op == "math.add":
                operands = [x, self._number(0.0, dtype)]  # C's pow makes 0.0 of -0.0,
            if op == "where":
                infinities = [
                    self._number(sign * math.inf, dtype) for sign in (-1, 1)
                ]  # and infinity of minus infinity.
                lost = self._node(self._new(), "eq", [base, infinities[0]], {}, np.dtype(bool), shape, shape, step=step)
                operands = [lost, infinities[1], x]
            x = self._node(out, op, operands, {}, dtype, shape, shape, step=step)
        return True

    def _softmax(self, step: Step) -> str | None:
        """Softmax and its logarithm in elementary nodes; the largest entry's own 1 is kept out of the sum.

        Halves are computed with in single precision and rounded once: a sum of them may not be a half.
        """
        x = self._operand(step.inputs[0])
        shape = step.aval.shape
        dtype = step.aval.dtype
        if len(shape) == 0 or size_of(shape) == 0 or self.dtypes[x.value] != dtype or dtype.kind != "f":
            return "dtype"
        axis = normalize_axis(step.attrs["axis"], len(shape))[0]
        if size_of(shape[axis + 1 :]) != 1 or shape[axis] == 1:
            return "softmax over an axis that is not the last"
        if not divisible((x.shape,), shape, (axis,)):
            return "broadcast neither rows nor columns"
        kept = (*shape[:axis], 1, *shape[axis + 1 :])
        axes = (axis,)
        wide = np.result_type(dtype, np.float32)

        def node(
            op: str, *operands: Operand, reduce: bool = False, row: bool = False, dt: Any = wide, known: Any = None
        ) -> Operand:
            out_shape = kept if reduce or row else shape
            space = kept if row else shape
            how, over = (op, axes) if reduce else (None, ())
            attrs = {} if known is None else {"range": known}
            return self._node(self._new(), op, operands, attrs, dt, out_shape, space, how, over, step=step)

        zero, one = self._number(0.0, wide), self._number(1.0, wide)
        shifted = node("math.sub", x, node("max", x, reduce=True), known=_NEGATIVE)
        powers = node("math.exp", shifted)
        largest = node("eq", shifted, zero, dt=np.dtype(bool))
        others = node("sum", node("where", largest, zero, powers), reduce=True)
        ties = node("sum", largest, reduce=True)
        rest = node("math.add", others, node("math.sub", ties, one, row=True), row=True, known=_COUNTED)
        attrs: dict[str, Any] = {}
        if step.op.key == "nn.softmax":
            last, b = "math.div", node("math.add", one, rest, row=True)
            a = powers
        else:
            last, a, b = "math.sub", shifted, node("math.log1p", rest, row=True)
            attrs = {"range": _NEGATIVE}
        out = step.out if dtype == wide else self._new()
        result = self._node(out, last, [a, b], attrs, wide, shape, shape, step=step)
        if out != step.out:
            self._node(step.out, "cast", [result], {}, dtype, shape, shape, step=step)
        return None

    def _number(self, number: float, dtype: np.dtype[Any]) -> Operand:
        slot = self._new()
        self._value(slot, (), dtype, -1)
        self.constants[slot] = number
        return Operand(slot, ())

    # ------------------------------------------------------------------ order

    def _parts(self) -> list[Segment | Step]:
        for o in self.plan.outs:
            if o in self.views:
                self._materialise(o)
        self._sink()
        regions = {stage: _regions(nodes) for stage, nodes in self.nodes.items()}
        users = self._users(regions)
        parts: list[Segment | Step] = []
        order = {step.out: k for k, step in enumerate(self.plan.steps)}
        for stage in sorted({*self.nodes, *self.steps}):
            if stage % 2:
                parts += sorted(self.steps[stage], key=lambda s: order[s.out])
            else:
                parts.append(self._segment(regions[stage], users, stage))
        return parts

    def _sink(self) -> None:
        """Move what depends on leaves alone to the first segment that uses it: there it needs no memory."""
        nodes = [n for stage in sorted(self.nodes) for n in self.nodes[stage]]
        movable: set[int] = set()
        for n in nodes:
            if all(self.stage[x.value] < 0 or x.value in movable for x in n.operands):
                movable.add(n.id)
        first: dict[int, int] = dict.fromkeys(self.plan.outs, 0)
        for steps in self.steps.values():
            first.update(dict.fromkeys((j for step in steps for j in step.inputs), 0))
        for n in reversed(nodes):
            if n.id in movable:
                self.stage[n.id] = max(self.stage[n.id], first.get(n.id, 0))
            for x in n.operands:
                first[x.value] = min(first.get(x.value, self.stage[n.id]), self.stage[n.id])
        self.nodes = {}
        for n in nodes:
            self.nodes.setdefault(self.stage[n.id], []).append(n)

    def _users(self, regions: dict[int, list[Region]]) -> dict[int, set[int]]:
        """By value the stages that read it; the caller counts as one."""
        users: dict[int, set[int]] = {}
        for stage, several in regions.items():
            for region in several:
                for n in region.nodes:
                    for x in n.operands:
                        users.setdefault(x.value, set()).add(stage)
        for stage, steps in self.steps.items():
            for step in steps:
                for j in step.inputs:
                    users.setdefault(j, set()).add(stage)
        for o in self.plan.outs:
            users.setdefault(o, set()).add(-1)
        return users

    def _segment(self, regions: list[Region], users: dict[int, set[int]], stage: int) -> Segment:
        made = {n.id for region in regions for n in region.nodes}
        reads = dict.fromkeys(
            x.value
            for region in regions
            for n in region.nodes
            for x in n.operands
            if x.value not in made and x.value not in self.constants
        )
        writes = [i for i in sorted(made) if users.get(i, set()) - {stage}]
        return Segment(tuple(regions), tuple(reads), tuple(writes))


def _regions(nodes: list[Node]) -> list[Region]:
    """Put each node into the first region that takes it and comes after all its operands' regions."""
    regions: list[Region] = []
    home: dict[int, int] = {}
    for node in nodes:
        first = max((home.get(x.value, 0) for x in node.operands), default=0)
        for k in range(max(first, len(regions) - _LOOK_BACK), len(regions)):
            if regions[k].add(node):
                home[node.id] = k
                break
        else:
            region = Region()
            taken = region.add(node)
            assert taken, node
            regions.append(region)
            home[node.id] = len(regions) - 1
    return regions
