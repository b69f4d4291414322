"""Single ops for a growing program: every op of the registry has a way in.

Elementwise ops come with their domains from the registry, ops with many settings from the samples of the ops' own
tests; those whose axes and indices matter are drawn here for what the program holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.build.op import REGISTRY
from tests.fuzz.growth import Growth
from tests.fuzz.program import Drawn, Given, Ref
from tests.ops.samples import SPECIAL, Literal, Sample, samples_of

UNDETERMINED = {"linalg.eig", "random.draw"}
"""Ops whose results have a sign or an order of their own choice, and what only other ops call."""

OURS = [n for n, op in REGISTRY.items() if op.is_ours]
"""Without the ops that tests define, so that a seed means the same program whatever else was imported."""
ELEMENTWISE = [n for n in OURS if n not in SPECIAL and samples_of(n)]
SAMPLED = [n for n in OURS if n in SPECIAL and n not in UNDETERMINED and samples_of(n)]
SMOOTH = ["math.tanh", "nn.sigmoid", "math.sin", "math.atan", "nn.softplus", "nn.swish", "math.square", "math.mul",
          "math.add", "math.sub", "math.max", "math.neg", "math.exp", "nn.gelu", "math.abs"]  # fmt: skip

REDUCTIONS = ["sum", "mean", "sum", "mean", "max", "min", "prod", "norm1", "norm2", "normmax", "squared_norm",
              "variance", "standard_deviation", "math.log_sum_exp", "math.count_non_zero", "argmax", "argmin",
              "math.moments"]  # fmt: skip
ONE_AXIS = {"argmax", "argmin"}
WITHOUT_KEEPDIMS = ["cumsum", "cumprod", "nn.softmax", "nn.log_softmax", "math.standardize", "math.is_max", "reverse",
                    "nn.crelu", "nn.layer_norm", "largest"]  # fmt: skip
MANY_AXES = {"reverse", "math.standardize", "largest"}
PAIRED = ["dot", "math.cosine_similarity", "math.euclidean_distance", "math.manhattan_distance", "math.cosine_distance"]


def number(x: float) -> Given:
    return Given(np.asarray(x))


def elementwise(g: Growth) -> Ref | None:
    """An op that works element by element, its operands brought into its domain."""
    name = g.choice(SMOOTH if g.chance(0.3) else ELEMENTWISE)
    op = REGISTRY[name]
    x = g.pick_float()
    if x is None:
        return None
    n = sum(k not in op.operand_defaults for k in op.operand_names)
    others = [number(g.choice([0.5, 2.0, -1.5, 3.0])) if g.chance(0.15) else g.like(x) or x for _ in range(1, n)]
    operands: list[Ref | Given | None] = [x, *others]
    if n > 1 and g.chance(0.5):
        operands.reverse()
    if op.domain is not None:
        operands = [g.within(a, *op.domain) if isinstance(a, Ref) else a for a in operands]
        if any(a is None for a in operands):
            return None
        if any(isinstance(a, Given) and not op.domain[0] <= a.array <= op.domain[1] for a in operands):
            return None
    return g.call(name, *operands)


def _axes(g: Growth, ndim: int, *, many: bool) -> Any:
    if not ndim or g.chance(0.15):
        return None
    if many and ndim > 1 and g.chance(0.25):
        return tuple(sorted(g.rng.choice(ndim, g.integer(1, ndim), replace=False).tolist()))
    return g.integer(-ndim, ndim - 1)


def reduction(g: Growth) -> Ref | None:
    """A reduction over some axes, or something along one axis."""
    x = g.pick_float(at_least=1 if g.chance(0.9) else 0)
    if x is None:
        return None
    ndim = g.var(x).ndim
    kind = g.rng.random()
    if kind < 0.2:
        y = g.like(x, same=True)
        return y and g.call(g.choice(PAIRED), x, y, axis=_axes(g, ndim, many=True), keepdims=g.chance(0.3))
    if kind < 0.5:
        name = g.choice(WITHOUT_KEEPDIMS)
        axis = _axes(g, ndim, many=name in MANY_AXES)
        return g.call(name, x, axis=-1 if axis is None and name not in MANY_AXES else axis)
    name = g.choice(REDUCTIONS)
    attrs: dict[str, Any] = {"keepdims": g.chance(0.4), "axis": _axes(g, ndim, many=name not in ONE_AXIS)}
    if name in ("variance", "standard_deviation"):
        attrs["bias_corrected"] = g.chance(0.3)
    return g.call(name, x, **attrs)


# ---------------------------------------------------------------------- arranging


def arranging(g: Growth) -> Ref | None:
    """The same numbers in other places: what no loop over elements does."""
    x = g.pick_float(at_least=1)
    if x is None:
        return None
    ndim = g.var(x).ndim
    axis = g.integer(0, ndim - 1)
    kind = g.integer(0, 15)
    if kind == 0:
        return g.call("reshape", x, shape=(-1,))
    if kind == 1:
        return g.call("expand_dims", x, axis=g.integer(0, ndim))
    if kind == 2:
        return g.call("permute", x, axes=tuple(g.rng.permutation(ndim).tolist()))
    if kind == 3:
        return g.call("reverse", x, axis=axis)
    if kind == 4:
        return g.call("tile", x, reps=tuple(g.integer(1, 2) for _ in range(ndim)))
    if kind == 5:
        return g.call("repeat", x, repeats=g.integer(1, 3), axis=axis)
    if kind == 6:
        y = g.like(x, same=True) or x
        return g.call("concat", x, y, *([x] if g.chance(0.3) else []), axis=axis)
    if kind == 7:
        y = g.like(x, same=True) or x
        return g.call("stack", *[g.choice([x, y]) for _ in range(g.integer(1, 4))], axis=g.integer(0, ndim))
    if kind == 8:
        padding = tuple((g.integer(0, 2), g.integer(0, 2)) for _ in range(ndim))
        mode = g.choice(["constant", "constant", "reflect", "symmetric"])
        return g.call("nn.pad", x, padding=padding, mode=mode)
    if kind == 9:
        return g.call("unstack", x, axis=axis)
    if kind == 10:
        return g.call("squeeze", x)
    if kind == 11:
        return g.call("cumsum", x, axis=axis, exclusive=g.chance(0.3), reverse=g.chance(0.3))
    if kind == 12:
        size = g.value(x).shape[axis]
        parts = [k for k in (1, 2, 3) if size % k == 0]
        return g.call("split", x, num_split=g.choice(parts), axis=axis)
    if kind == 13:
        shape = tuple(d for d in g.var(x).shape)
        if not all(isinstance(d, int) for d in shape):
            return None
        wide = tuple(g.integer(1, 4) if d == 1 else d for d in shape)
        return g.call("broadcast_to", x, shape=(*([2] if g.chance(0.3) else []), *wide))
    if kind == 14:
        y = g.like(x)
        return y and g.call("broadcast_like", x, y)
    return g.call("index", x, key=_key(g, ndim))


_PARTS = [
    0, -1, *(("slice", *bounds) for bounds in [
        (None, None, -1), (1, None, None), (None, None, 2), (None, -1, None), (None, None, None)])
]  # fmt: skip


def _key(g: Growth, ndim: int) -> tuple[Any, ...]:
    """Slices and places that exist in an axis of any size but 0."""
    parts: list[Any] = [g.choice(_PARTS) for _ in range(g.integer(1, ndim))]
    if g.chance(0.15):
        parts.insert(g.integer(0, len(parts)), None)
    if g.chance(0.1):
        parts.insert(0, ...)
    return tuple(parts)


# ---------------------------------------------------------------------- products


def product(g: Growth) -> Ref | None:
    """A matrix product or what is made of one."""
    x = g.pick_float(at_least=1)
    if x is None or not isinstance(g.var(x).shape[-1], int):
        return None
    ndim, inner = g.var(x).ndim, g.var(x).shape[-1]
    units = g.integer(1, 5)
    kind = g.integer(0, 7)
    if kind <= 1:
        w = g.leaf((inner, units), -1, 1) if kind else g.leaf((units, inner), -1, 1)
        return g.call("linalg.matmul", x, w if kind else g.call("transpose", w, pool=False))
    if kind == 2 and ndim >= 2:
        return g.call("nn.linear", x, g.leaf((inner, units), -1, 1), g.leaf((units,), -1, 1) if g.chance(0.7) else None)
    if kind == 3 and ndim == 2:
        return g.call("nn.relu_layer", x, g.leaf((inner, units), -1, 1), g.leaf((units,), -1, 1))
    if kind == 4 and ndim >= 2:
        axes = (*range(ndim - 2), ndim - 1, ndim - 2)
        other = g.call("permute", x, axes=axes, pool=False)
        return other and g.call("linalg.matmul", *((x, other) if g.chance(0.5) else (other, x)))
    if kind == 5:
        return g.call("tensordot", x, g.leaf((inner, units), -1, 1), axes_x=(ndim - 1,), axes_y=(0,))
    if kind == 6 and ndim == 2:
        return g.call("mmul", x, g.leaf((units, inner), -1, 1), transpose_y=True)
    y = g.pick_float(ndim=2)
    return y and g.call("linalg.matmul", x, y)


# ---------------------------------------------------------------------- indices


def indexing(g: Growth) -> Ref | None:
    """Places that data decides."""
    x = g.pick_float(at_least=1)
    if x is None:
        return None
    ndim = g.var(x).ndim
    static = [k for k, d in enumerate(g.var(x).shape) if isinstance(d, int) and d > 0]
    if not static:
        return None
    axis = g.choice(static)
    size = g.var(x).shape[axis]
    kind = g.integer(0, 8)
    count = g.integer(1, 4)
    if kind == 0:
        return g.call("gather", x, _places(g, (count,), size), axis=axis)
    if kind == 1:
        shape = list(g.var(x).shape)
        if any(not isinstance(d, int) for d in shape):
            return None
        shape[axis] = count
        return g.call("take_along_axis", x, _places(g, tuple(shape), size), axis=axis)
    if kind == 2:
        return g.call("nn.top_k", x, k=g.integer(1, size)) if axis == ndim - 1 else None
    if kind == 3 and axis == 0:
        name = g.choice(["scatter_add", "scatter_update"])
        updates = g.leaf((count, *g.var(x).shape[1:]), -1, 1) if ndim == 1 or len(static) == ndim else None
        return updates and g.call(name, x, _places(g, (count,), size), updates)
    if kind == 4 and axis == 0:
        return g.call("unsorted_segment_sum", x, _places(g, (size,), 3), num_segments=3)
    if kind == 5:
        return g.call("one_hot", _places(g, ("n",) if g.chance(0.5) else (count,), 4), depth=g.integer(2, 4))
    if kind == 6:
        lengths = _places(g, (size,), 4)
        return g.call("sequence_mask", lengths, max_len=3, dtype=g.choice(["float64", "bool", "float32"]))
    if kind == 7:
        condition = g.pick(lambda r: g.var(r).dtype == bool)
        if condition is None:
            condition = g.call("gt", x, number(0.3))
        y = g.like(x)
        return condition and y and g.call("where", condition, *((x, y) if g.chance(0.5) else (y, x)))
    return g.call("index", x, key=(g.integer(-size, size - 1),)) if axis == 0 else None


def _places(g: Growth, shape: tuple[int | str, ...], size: int) -> Ref:
    """Integers from 0 below ``size``."""
    dtype = g.choice(["int64", "int64", "int32"])
    return g.leaf(
        shape, dtype=dtype, kind=g.choice(["placeholder", "constant"]), values=Drawn(0, size, g.integer(0, 9999))
    )


# ---------------------------------------------------------------------- whole numbers, other dtypes, random numbers


def integers(g: Growth) -> Ref | None:
    """Integers, and floating numbers cast to and fro."""
    n = g.pick(lambda r: g.var(r).dtype.kind in "iu")
    if n is None or g.chance(0.3):
        shape = g.choice([("n",), (3,), (2, 3), ("n", 3), ()])
        n = g.leaf(shape, dtype=g.choice(["int64", "int32", "int16", "uint8"]),
                   values=Drawn(0, 9, g.integer(0, 9999)), kind=g.choice(["placeholder", "constant"]))  # fmt: skip
    kind = g.integer(0, 6)
    if kind == 0:
        return g.call(g.choice(["math.floor_div", "math.floor_mod", "math.mod"]), n, number(3))
    if kind == 1:
        name = g.choice(["bitwise.and_", "bitwise.or_", "bitwise.xor", "bitwise.left_shift", "bitwise.right_shift"])
        return g.call(name, n, number(g.integer(1, 3)))
    if kind == 2:
        name = g.choice(["math.mul", "math.add", "math.sub", "math.max", "gt", "eq", "sum", "math.abs", "math.neg"])
        return g.call(name, n) if name in ("sum", "math.abs", "math.neg") else g.call(name, n, number(2))
    if kind == 3:
        return g.call("cast", n, dtype=g.choice(["float32", "float64", "int32", "uint32", "bool", g.dtype]))
    if kind == 4:
        x = g.pick_float()
        return x and g.call("cast", x, dtype=g.choice(["int64", "int32", "float32", "float64", "bool"]))
    if kind == 5:
        x = g.pick_float()
        return x and g.call(g.choice(["math.floor", "math.round", "math.ceil", "math.sign"]), x)
    x = g.pick_float()
    name = g.choice(["math.mul", "math.add", "math.max"])
    if x is None:
        return None
    small = g.call("cast", x, dtype=g.choice(["float32", "float64"]), pool=False)
    y = g.like(x)
    return small and y and g.call(name, small, y)


RANDOM = ["random.uniform", "random.normal", "random.exponential", "random.bernoulli"]


def random_numbers(g: Growth) -> Ref | None:
    """Numbers that depend on the node and nothing else."""
    x = g.pick_float(at_least=1)
    if x is None or g.chance(0.5):
        return g.call(g.choice(RANDOM), shape=g.choice([(3,), (2, 3), ()]))
    return g.call("nn.dropout", x, probability=0.3, inverted=g.chance(0.5))


# ---------------------------------------------------------------------- anything else


def sampled(g: Growth) -> Ref | None:
    """Any op that has special samples, called with one of them; a number of the program runs into its operands."""
    sample: Sample = g.choice(samples_of(g.choice(SAMPLED)))
    if sample.op == "linalg.svd" and sample.attrs.get("compute_uv", True):
        return None  # The signs of singular vectors are free.
    operands = [_operand(g, sample, x) for x in sample.operands]
    return g.call(sample.op, *operands, **sample.attrs)


def _operand(g: Growth, sample: Sample, x: Any) -> Ref | Given | None:
    if x is None:
        return None
    if isinstance(x, Literal):
        return number(x.value)
    array = np.asarray(x)
    if array.dtype.kind != "f":
        return g.leaf(array.shape, dtype=array.dtype.name, values=Given(array), pool=False,
                      kind=g.choice(["placeholder", "constant"]))  # fmt: skip
    leaf = g.leaf(array.shape, values=Given(array), pool=False)
    source = g.pick_float()
    if source is None or not sample.smooth or not array.size or g.chance(0.4):
        return leaf
    small = g.scalar(source)
    small = small and g.call("math.tanh", small, pool=False)
    small = small and g.call("math.mul", small, number(0.01), pool=False)
    factor = small and g.call("math.add", small, number(1.0), pool=False)
    moved = factor and g.call("math.mul", leaf, factor, pool=False)
    return moved or leaf


RECIPES = [
    (elementwise, 10), (reduction, 5), (arranging, 4), (product, 3), (indexing, 3), (integers, 3), (sampled, 9),
]  # fmt: skip
