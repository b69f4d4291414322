"""Ops that no single loop node stands for, taken apart into elementary nodes.

Each function writes the nodes of one step and returns None, or tells why it cannot. Must not know LLVM.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sdgraph.infer.aval import normalize_axis
from sdgraph.plan.plan import Step
from sdgraph.run.engines.llvm.divide import log_softmax, sums, takes
from sdgraph.run.engines.llvm.divide.cuts import kept, size_of
from sdgraph.run.engines.llvm.divide.region import COLUMN_INDEX, Operand, readable
from sdgraph.run.engines.llvm.divide.scans import scan
from sdgraph.run.engines.llvm.divide.values import Logs, Softmax, Values
from sdgraph.run.engines.llvm.scalars.ranges import Range
from sdgraph.run.engines.llvm.scalars.scans import SCANS

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


def softmax(v: Values, step: Step) -> str | None:
    """Softmax and its logarithm in elementary nodes; the largest entry's own 1 is kept out of the sum.

    Halves are computed with in single precision and rounded once: a sum of them may not be a half.
    """
    x = v.operand(step.inputs[0])
    shape = step.aval.shape
    dtype = step.aval.dtype
    if len(shape) == 0 or size_of(shape) == 0 or v.dtypes[x.value] != dtype or dtype.kind != "f":
        return "dtype"
    axis = normalize_axis(step.attrs["axis"], len(shape))[0]
    if shape[axis] == 1:
        return "softmax of single elements"
    if not readable([x], shape, (axis,), per_row=True):
        return "no rows along its axis"
    _write_softmax(v, step, x, axis)
    return None


def _write_softmax(v: Values, step: Step, x: Operand, axis: int) -> None:
    shape, dtype = step.aval.shape, step.aval.dtype
    left = (*shape[:axis], 1, *shape[axis + 1 :])
    axes = (axis,)
    wide = np.result_type(dtype, np.float32)

    def node(
        op: str, *operands: Operand, reduce: bool = False, row: bool = False, dt: Any = wide, known: Any = None
    ) -> Operand:
        out_shape = left if reduce or row else shape
        space = left if row else shape
        how, over = (op, axes) if reduce else (None, ())
        attrs = {} if known is None else {"range": known}
        return v.node(v.new(), op, operands, attrs, dt, out_shape, space, how, over, step=step, per_row=reduce)

    zero, one = v.number(0.0, wide), v.number(1.0, wide)
    shifted = node("math.sub", x, node("max", x, reduce=True), known=_NEGATIVE)
    powers = node("math.exp", shifted)
    largest = node("eq", shifted, zero, dt=np.dtype(bool))
    others = node("sum", node("where", largest, zero, powers), reduce=True)
    ties = node("sum", largest, reduce=True)
    rest = node("math.add", others, node("math.sub", ties, one, row=True), row=True, known=_COUNTED)
    total = node("math.add", one, rest, row=True)
    if step.op.key == "nn.softmax":
        last, a, b, known = "math.div", powers, total, {}
    else:
        log = node("math.log1p", rest, row=True)
        if dtype == wide:
            v.logs[step.out] = Logs(Softmax(axis, shifted, powers, rest, total, log))
        last, a, b, known = "math.sub", shifted, log, {"range": _NEGATIVE}
    if dtype == wide:
        v.node(step.out, last, [a, b], known, wide, shape, shape, step=step)
    else:
        result = v.node(v.new(), last, [a, b], known, wide, shape, shape, step=step)
        v.node(step.out, "cast", [result], {}, dtype, shape, shape, step=step)


def reduction(v: Values, step: Step) -> str | None:
    """One reduction, or a copy where all reduced axes have size 1; truths are counted, not their casts."""
    x = v.operand(step.inputs[0])
    space = v.shapes[step.inputs[0]]
    axes = normalize_axis(step.attrs["axis"], len(space))
    dtype = step.aval.dtype
    how, kind = _REDUCTIONS[step.op.key], v.dtypes[x.value].kind
    if size_of(space) == 0:
        return "empty"
    if how == "sum" and dtype.kind not in "fi":
        return "dtype"
    if how != "sum" and (dtype.kind == "u" or kind != dtype.kind):
        return "dtype"
    if not readable([x], space, axes):
        return "no rows or columns along its axes"
    if how == "sum" and log_softmax.weighted_sum(v, step, axes):
        return None
    shape = step.aval.shape
    if all(kept(space, axes)):
        # Nothing is reduced: axes of size 1.
        v.node(step.out, "cast", [x], {}, dtype, shape, space, step=step)
        return None
    counted = v.truths.get(x.value) if how == "sum" else None
    if counted is not None and counted.shape == x.shape and readable([counted], space, axes):
        x = counted
    if how == "sum" and sums.again(v, step, x, space, axes):
        return None
    v.node(step.out, how, [x], {}, dtype, shape, space, how, axes, step=step)
    return None


def product(v: Values, step: Step) -> str | None:
    """Products with vectors, as sums over rows or columns of the matrix where it lies in memory."""
    (x, x_turned), (y, y_turned) = map(v.matrix, step.inputs)
    shapes = [v.shapes[j] for j in step.inputs]
    if not all(1 <= len(s) <= 2 and size_of(s) for s in shapes):
        return "a batch of products"
    if step.aval.dtype.kind != "f" or any(v.dtypes[m.value].kind != "f" for m in (x, y)):
        return "dtype"
    if x.window or y.window:
        return "a part of a larger array"
    rows = shapes[0][0] if len(shapes[0]) == 2 else 1
    columns = shapes[1][1] if len(shapes[1]) == 2 else 1
    inner = shapes[0][-1]
    if inner == 1:
        return _outer(v, step, x, y, rows, columns)
    if rows != 1 and columns != 1:
        return "a product of matrices"
    # The matrix lies in memory as (rows, inner) for the first operand, (inner, columns) for the second, or turned.
    matrix, vector, turned, other = (x, y, x_turned, rows) if columns == 1 else (y, x, not y_turned, columns)
    shape = (inner, other) if turned else (other, inner)
    along = (inner, 1) if turned else (1, inner)
    if other == 1:
        shape = along = (inner,)
    operands = [Operand(matrix.value, shape), Operand(vector.value, along)]
    if any(size_of(o.shape) != size_of(m.shape) for o, m in zip(operands, (matrix, vector), strict=True)):
        return "a view of a smaller array"
    # Halves are multiplied and added up as wider numbers, as by numpy.
    dtype = np.result_type(step.aval.dtype, np.float32)
    products = v.node(v.new(), "math.mul", operands, {}, dtype, shape, shape, step=step)
    axes = (0,) if turned or other == 1 else (1,)
    v.node(step.out, "sum", [products], {}, step.aval.dtype, step.aval.shape, shape, "sum", axes, step=step)
    return None


def _outer(v: Values, step: Step, x: Operand, y: Operand, rows: int, columns: int) -> str | None:
    shape = (rows, columns)
    if size_of(x.shape) != rows or size_of(y.shape) != columns:
        return "a view of a smaller array"
    operands = [Operand(x.value, (rows, 1)), Operand(y.value, (columns,))]
    v.node(step.out, "math.mul", operands, {}, step.aval.dtype, step.aval.shape, shape, step=step)
    return None


def picked(v: Values, step: Step) -> str | None:
    """One entry per row read or added to: rows are worked through anyway. Others are read from a table."""
    x, k, *rest = (v.operand(j) for j in step.inputs)
    shape = v.shapes[step.inputs[0]]
    classes = shape[-1] if shape else 1
    if any(y.window for y in (x, k, *rest)):
        return "a part of a larger array"
    along = normalize_axis(step.attrs["axis"], len(shape))[0]
    one_per_row = along == len(shape) - 1 and k.shape == (*shape[:-1], 1)
    in_rows = v.dtypes[x.value].kind == "f" and classes > 1 and one_per_row and readable([x, k, *rest], shape, (along,))
    # What a region makes need not become an array for that.
    made = not v.stage[x.value].is_steps or classes in v.classes.get(k.value, ())
    if step.op.key == "take_along_axis" and not (in_rows and made):
        return takes.take(v, step)
    if not in_rows:
        return "not one index per row"
    if not takes.look_at(v, step, k, classes):
        return "dtype"
    dtype = step.aval.dtype

    def node(op: str, *operands: Operand, dt: np.dtype[Any] = dtype, counts: Any = ()) -> Operand:
        return v.node(v.new(), op, operands, {}, dt, shape, shape, step=step, counts=counts)

    # Few bits may hold all labels that occur, but not the number of every class.
    labels = v.dtypes[k.value]
    counting = labels if labels.itemsize >= 4 else np.dtype("int32")
    places = node(COLUMN_INDEX, dt=counting, counts=(shape[-1:],))
    here = node("eq", places, k, dt=np.dtype(bool))
    if step.op.key == "add_along_axis":
        added = node("math.add", x, rest[0])
        if v.constants.get(x.value) == 0:
            v.row_sums[step.out, shape, (along,)] = rest[0]
            v.spikes[step.out] = here, rest[0]
        v.node(step.out, "where", [here, added, x], {}, dtype, shape, shape, step=step)
        return None
    logs = log_softmax.plain(v, step.inputs[0])
    only = node("where", here, logs.softmax.shifted if logs else x, v.number(0.0, dtype))
    if logs is None:
        v.node(step.out, "sum", [only], {}, dtype, step.aval.shape, shape, "only", (along,), step=step)
    else:
        distance = v.node(v.new(), "sum", [only], {}, dtype, k.shape, shape, "only", (along,), step=step)
        log_softmax.entry(v, step, logs, distance)
    return None


def power(v: Values, step: Step) -> bool:
    """Take a power whose exponent a few products can do; others are calls of the library."""
    exponent = v.constants.get(v.operand(step.inputs[1]).value)
    x = base = v.operand(step.inputs[0])
    dtype, shape = step.aval.dtype, step.aval.shape
    steps = _POWERS.get(exponent) if exponent is not None else None
    if steps is None or v.dtypes[x.value] != dtype or not readable([x], shape):
        return False
    if exponent not in (1, 2) and (dtype.kind != "f" or dtype.itemsize == 2):
        return False  # In half precision each product would be rounded.
    if dtype.kind not in "fiu":
        return False
    for k, op in enumerate(steps):
        out = step.out if k == len(steps) - 1 else v.new()
        operands = {"math.div": [v.number(1.0, dtype), x], "math.mul": [x, base]}.get(op, [x])
        if op == "math.add":
            operands = [x, v.number(0.0, dtype)]  # C's pow makes 0.0 of -0.0,
        if op == "where":
            infinities = [v.number(sign * math.inf, dtype) for sign in (-1, 1)]  # and infinity of minus infinity.
            lost = v.node(v.new(), "eq", [base, infinities[0]], {}, np.dtype(bool), shape, shape, step=step)
            operands = [lost, infinities[1], x]
        x = v.node(out, op, operands, {}, dtype, shape, shape, step=step)
    return True


TAKEN_APART: dict[str, Callable[[Values, Step], str | None]] = {
    "nn.softmax": softmax,
    "nn.log_softmax": softmax,
    **dict.fromkeys(_REDUCTIONS, reduction),
    "linalg.matmul": product,
    "take_along_axis": picked,
    "add_along_axis": picked,
    "gather": takes.take,
    **dict.fromkeys(SCANS, scan),
}
"""Who takes which op apart."""
