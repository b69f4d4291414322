"""Parts of a program that users write as one: losses with weights, penalties, recurrences, gradients inside a loss.

Each returns one number, a term of a sum. Where faults of shared loops, of helper values and of unknown sizes live.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph import LossReduce
from tests.fuzz.growth import MOST_NODES, TRIAL, Growth
from tests.fuzz.program import GRAD, HVP, Drawn, Given, Ref
from tests.fuzz.recipes import number

ANY = (-2.0, 2.0)
UNIT = (0.0, 1.0)
INSIDE = (0.1, 0.9)

LOSSES: dict[str, tuple[tuple[float, float], tuple[float, float], list[dict[str, Any]]]] = {
    "absolute_difference": (ANY, ANY, [{}]),
    "mean_squared_error": (ANY, ANY, [{}]),
    "hinge_loss": (UNIT, ANY, [{}]),
    "huber_loss": (ANY, ANY, [{}, {"delta": 0.3}]),
    "log_loss": (UNIT, INSIDE, [{}, {"epsilon": 1e-3}]),
    "log_poisson": ((0.2, 4.0), ANY, [{}, {"full": True}]),
    "sigmoid_cross_entropy": (UNIT, ANY, [{}, {"label_smoothing": 0.2}]),
    "softmax_cross_entropy": (UNIT, ANY, [{}, {"label_smoothing": 0.2}]),
    "cosine_distance": (ANY, ANY, [{"dimension": 1}, {"dimension": 0}, {"dimension": -1}]),
    "mean_pairwise_squared_error": (ANY, ANY, [{}]),
}
"""Losses of ``sd.loss`` with weights: bounds of labels and predictions, and settings."""

_KERAS_ANY = ["mean_squared_error", "mean_absolute_error", "cosine_similarity", "log_cosh", "root_mean_squared_error"]
_KERAS_POSITIVE = ["mean_squared_logarithmic_error", "mean_absolute_percentage_error", "poisson"]
_KERAS_PROBABILITIES = ["binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy",
                        "categorical_focal_crossentropy", "kl_divergence", "dice", "tversky"]  # fmt: skip
KERAS: dict[str, tuple[tuple[float, float], tuple[float, float], list[dict[str, Any]]]] = {
    **{name: (ANY, ANY, [{}]) for name in _KERAS_ANY},
    **{name: ((0.2, 3.0), (0.2, 3.0), [{}]) for name in _KERAS_POSITIVE},
    **{name: ((0.05, 0.95), (-0.8, 0.8), [{}]) for name in ("hinge", "squared_hinge", "categorical_hinge")},
    "huber": (ANY, ANY, [{}, {"delta": 0.3}]),
    **{name: (INSIDE, INSIDE, [{}]) for name in _KERAS_PROBABILITIES},
}
KERAS_REDUCTIONS = ["none", "sum", "sum_over_batch_size", "mean", "mean_with_sample_weight"]
LOGITS = [
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
]

NOT_FUSED = [
    "top_k",
    "gather",
    "slice",
    "concat",
    "stack",
    "reverse",
    "pad",
    "tile",
    "repeat",
    "cumsum",
    "cumprod",
    "prod",
]


def _shape(g: Growth) -> tuple[int | str, ...]:
    return g.choice([("n", 3), ("n", 3), ("n", 2), ("n", 1), ("n", 5), ("n",), (2, 3), (1, 3), (3,), ("n", 2, 3), (),
                     (0, 3), ("n", "t"), ("t", 2)])  # fmt: skip


def _predictions(g: Growth, shape: tuple[int | str, ...], bounds: tuple[float, float]) -> Ref | None:
    """Predictions of a shape: data times weights, or a leaf, or something of the pool of that shape."""
    if len(shape) == 2 and isinstance(shape[1], int) and g.chance(0.6):
        features = g.integer(1, 3)
        x = g.leaf((shape[0], features), -1.5, 1.5)
        w = g.leaf((features, shape[1]) if g.chance(0.5) else (shape[1], features), -1, 1)
        if g.var(w).shape != (features, shape[1]) or (features == shape[1] and g.chance(0.5)):
            transposed = g.call("transpose", w, pool=False)
            y = transposed and g.call("linalg.matmul", x, transposed)
        else:
            y = g.call("linalg.matmul", x, w)
    else:
        y = g.leaf(shape, *bounds)
        if g.chance(0.3):
            y = g.like(y, same=True) or y
    return y and g.within(y, *bounds)


def _weights(g: Growth, shape: tuple[int | str, ...]) -> Ref | Given | None:
    """Weights for a per-element loss of this shape: none, a number, one per example, one each, some of them 0."""
    kind = g.integer(0, 5)
    if kind == 0:
        return None
    if kind == 1:
        return number(1.5)
    size: tuple[int | str, ...] = shape if kind != 2 else (*shape[:1], *(1 for _ in shape[1:]))
    if kind == 3:
        size = tuple(1 if g.chance(0.5) else d for d in shape)
    if kind >= 4 and g.chance(0.5):
        return g.leaf(size, dtype=g.choice(["int64", "bool"]), kind="placeholder",
                      values=Drawn(0, 2, g.integer(0, 9999)), pool=False)  # fmt: skip
    return g.leaf(size, 0.5, 2.0, nameless=False)


def weighted_loss(g: Growth) -> Ref | None:
    """A loss of ``sd.loss`` with any weights and any reduction."""
    name = g.choice(list(LOSSES))
    label_bounds, bounds, settings = LOSSES[name]
    shape = _shape(g)
    predictions = _predictions(g, shape, bounds)
    if predictions is None:
        return None
    attrs = dict(g.choice(settings))
    unit = shape
    if name in ("softmax_cross_entropy", "mean_pairwise_squared_error"):
        unit = shape[:-1] if name == "softmax_cross_entropy" else shape[:1]
    elif name == "cosine_distance":
        if len(shape) <= attrs["dimension"] or not shape:
            return None
        unit = tuple(1 if k == attrs["dimension"] % len(shape) else d for k, d in enumerate(shape))
    label = g.leaf(shape, *label_bounds, nameless=False)
    loss = g.call(
        f"loss.{name}", label, predictions, _weights(g, unit), loss_reduce=g.choice(list(LossReduce)), **attrs
    )
    return loss and g.scalar(loss)


def other_loss(g: Growth) -> Ref | None:
    """A loss of ``sd.loss`` without weights of that kind."""
    shape = _shape(g)
    logits = _predictions(g, shape, ANY)
    if logits is None:
        return None
    if g.chance(0.3):
        return g.call("loss.l2_loss", logits)
    targets = g.leaf(shape, *UNIT, nameless=False)
    weights = g.leaf(shape[-1:], 0.5, 2.0) if g.chance(0.5) and isinstance(shape[-1:] and shape[-1], int) else None
    loss = g.call("loss.weighted_cross_entropy_with_logits", targets, logits, weights)
    return loss and g.scalar(loss)


def keras_loss(g: Growth) -> Ref | None:
    """A loss of ``sd.keras`` with sample weights, a mask, any reduction."""
    name = g.choice(list(KERAS))
    true_bounds, bounds, settings = KERAS[name]
    shape = _shape(g)
    attrs = dict(g.choice(settings))
    if name in LOGITS and g.chance(0.6):
        bounds, attrs = ANY, {**attrs, "from_logits": True}
    predictions = _predictions(g, shape, bounds)
    if predictions is None:
        return None
    if name in LOGITS and g.chance(0.3):
        attrs["label_smoothing"] = 0.2
    if g.chance(0.8):
        attrs["reduction"] = g.choice(KERAS_REDUCTIONS)
    label = g.leaf(shape, *true_bounds, nameless=False)
    unit = () if name in ("dice", "tversky") else shape[:-1]
    weights = mask = None
    if unit and g.chance(0.5):
        weights = g.leaf(unit if g.chance(0.7) else unit[:1], 0.5, 2.0, nameless=False)
    if unit and g.chance(0.25):
        mask = g.leaf(unit, dtype="bool", kind="placeholder", values=Drawn(0, 2, g.integer(0, 9999)), pool=False)
    loss = g.call(f"keras.{name}", label, predictions, weights, mask, **attrs)
    return loss and g.scalar(loss)


def _labels(g: Growth, shape: tuple[int | str, ...], classes: int) -> Ref:
    values = Drawn(0, classes, g.integer(0, 9999))
    dtype = g.choice(["int64", "int64", "int32", "uint8"])
    kind = g.choice(["placeholder", "placeholder", "constant"])
    return g.leaf(shape, dtype=dtype, kind=kind, values=values, pool=False, nameless=g.chance(0.2))


def sparse_loss(g: Growth) -> Ref | None:
    """Classes as numbers: per-example losses that go through something before they are added up."""
    shape = g.choice(
        [("n", 3), ("n", 3), ("n", 2), ("n", 5), ("n", 1), (1, 3), (4, 3), ("n", 2, 3), ("n", 3, 3), (1, 3, 3)]
    )
    classes = int(shape[-1])
    logits = _predictions(g, shape, ANY)
    if logits is None:
        return None
    labels = _labels(g, shape[:-1], classes)
    kind = g.integer(0, 5)
    if kind <= 2:
        weights, mode = None, LossReduce.NONE
        if g.chance(0.4):
            weights, mode = _weights(g, shape[:-1]), g.choice(list(LossReduce))
        each = g.call("loss.sparse_softmax_cross_entropy", logits, labels, weights, loss_reduce=mode)
    elif kind == 3:
        probabilities = g.within(logits, *INSIDE)
        if probabilities is None:
            return None
        column = g.call("expand_dims", labels, axis=len(shape) - 1, pool=False) if g.chance(0.5) else labels
        each = g.call("keras.categorical_generalized_cross_entropy", column, probabilities, q=0.5, reduction="none")
    else:
        if g.chance(0.3):
            labels = g.call("reverse", labels, axis=0, pool=False) or labels
        attrs: dict[str, Any] = {"from_logits": True} if g.chance(0.7) else {}
        if not attrs:
            logits = g.call("nn.softmax", logits)
        if g.chance(0.4):
            attrs["ignore_class"] = g.integer(0, classes - 1)
        weights = g.leaf(shape[:1], 0.5, 2.0, nameless=False) if g.chance(0.3) else None
        each = logits and g.call(
            "keras.sparse_categorical_crossentropy",
            labels,
            logits,
            weights,
            reduction=g.choice(KERAS_REDUCTIONS),
            **attrs,
        )
    if each is not None and g.var(each).ndim and g.chance(0.4):
        each = not_fused(g, each)
    return each and g.scalar(each)


def not_fused(g: Growth, x: Ref) -> Ref | None:
    """A step that runs by itself on every engine, along the first axis."""
    kind, ndim = g.choice(NOT_FUSED), g.var(x).ndim
    if kind == "top_k":
        size = g.var(x).shape[-1]
        return g.call("nn.top_k", x, k=g.integer(1, size) if isinstance(size, int) and size else 1)
    if kind == "gather":
        return g.call("gather", x, Given(np.array([0, 0])))
    if kind == "slice":
        return g.call("index", x, key=(("slice", 0, 1, None),))
    if kind in ("concat", "stack"):
        return g.call(kind, x, x, axis=0)
    if kind == "pad":
        return g.call("nn.pad", x, padding=((1, 1), *((0, 0) for _ in range(ndim - 1))))
    if kind == "tile":
        return g.call("tile", x, reps=(2, *(1 for _ in range(ndim - 1))))
    if kind == "repeat":
        return g.call("repeat", x, repeats=2, axis=0)
    return g.call(kind, x, axis=0)


def penalty(g: Growth) -> Ref | None:
    """A penalty on a matrix of weights: of all, per row, or per column."""

    def is_matrix(r: Ref) -> bool:
        return g.is_float(r) and g.var(r).ndim == 2 and all(isinstance(d, int) for d in g.var(r).shape)

    w = g.pick(is_matrix) if g.chance(0.8) else None
    if w is None:
        w = g.leaf((g.integer(1, 5), g.integer(1, 4)), -1, 1)
    rows = g.call(g.choice(["norm2", "norm1", "squared_norm", "sum", "max", "math.log_sum_exp", "mean"]), w,
                  axis=g.choice([0, 1, 1, None]))  # fmt: skip
    if rows is None:
        return None
    if g.chance(0.5):
        rows = g.call(g.choice(["math.square", "math.exp", "math.tanh", "nn.softplus", "math.abs"]), rows) or rows
    return g.scalar(rows)


def recurrence(g: Growth) -> Ref | None:
    """One variable used at each of many steps, with a step between that is not fused."""
    units = g.integer(1, 3)
    batch = g.choice(["n", 1, 2])
    w, b = g.leaf((units, units), -0.5, 0.5), g.leaf((units,), -0.5, 0.5)
    h: Ref | None = g.leaf((batch, units), -1, 1)
    between = g.choice(["matmul", "cumsum", "reverse", "gather", "linear", "inverse"])
    step = g.choice(["math.tanh", "nn.sigmoid", "math.sin"])
    for _ in range(g.choice([2, 5, 31, 33, 40])):
        if between == "matmul":
            z = g.call("linalg.matmul", h, w, pool=False)
        elif between == "linear":
            z = g.call("nn.linear", h, w, b, pool=False)
        elif between == "gather":
            z = g.call("gather", h, Given(np.arange(units)[::-1].copy()), axis=1, pool=False)
        elif between == "inverse":
            near = g.call("linalg.matmul", w, w, pool=False)
            near = near and g.call("math.add", near, Given(3 * np.eye(units)), pool=False)
            near = near and g.call("linalg.matrix_inverse", near, pool=False)
            z = near and g.call("linalg.matmul", h, near, pool=False)
        else:
            z = g.call(between, h, axis=1, pool=False)
        z = z and g.call("math.mul", z, b, pool=False)
        h = z and g.call(step, z, pool=False)
        if h is None:
            return None
    return g.scalar(h)


def repeated(g: Growth) -> Ref | None:
    """A leaf used forty times in one sum."""
    v = g.choice(g.float_leaves()) if g.float_leaves() else g.leaf((3,))
    if g.value(v).size > 2000:
        return None
    terms = []
    for k in range(g.integer(31, 40)):
        scaled = g.call("math.mul", v, number(round(0.05 * (k + 1), 2)), pool=False)
        terms.append(scaled and g.call(g.choice(["math.sin", "math.tanh", "math.square"]), scaled, pool=False))
        if scaled is not None and k % 7 == 0 and g.var(v).ndim:
            terms.append(g.call("reverse", scaled, axis=0, pool=False))
    if any(t is None for t in terms):
        return None
    if g.chance(0.5):
        total = g.call("math.merge_add", *terms)
    else:
        total = terms[0]
        for t in terms[1:]:
            total = total and g.call("math.add", total, t, pool=False)
    return total and g.scalar(total)


def ctc(g: Growth) -> Ref | None:
    """Alignments of labels and frames; often more frames than a sum has operands."""
    frames = g.choice([3, 5, 8, 31, 35])
    batch, labels, classes = g.choice(["n", 1, 2]), g.integer(1, 2), g.integer(2, 4)
    logits = g.leaf((batch, frames, classes))
    targets = g.leaf((batch, labels), dtype="int64", values=Drawn(1, classes, g.integer(0, 9999)), kind="placeholder",
                     pool=False)  # fmt: skip
    if g.chance(0.3):
        loss = g.call("keras.ctc", targets, logits, reduction=g.choice(KERAS_REDUCTIONS))
    else:
        lengths = [
            g.leaf(
                (batch,), dtype="int64", kind="placeholder", values=Drawn(low, high + 1, g.integer(0, 9999)), pool=False
            )
            for low, high in ((1, labels), (min(2 * labels + 1, frames), frames))
        ]
        loss = g.call("loss.ctc_loss", targets, logits, *lengths)
    return loss and g.scalar(loss)


# ---------------------------------------------------------------------- unknown sizes that meet

MEETINGS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    **dict.fromkeys(
        ["math.merge_add", "math.add", "math.mul", "math.max", "math.atan2", "math.squared_difference", "assign",
         "broadcast_like", "reshape_like", "broadcast_to", "where", "loss.mean_squared_error"], ((2,), {})),
    **dict.fromkeys(
        ["linalg.matmul", "linalg.mmul", "mmul", "linalg.solve", "linalg.triangular_solve",
         "nn.dot_product_attention"], ((2, 2), {})),
    **dict.fromkeys(["dot", "concat", "linear_recurrence"], ((2,), {"axis": 1})),
    "linalg.cross": ((3,), {}),
    "tensordot": ((2,), {"axes_x": (0,), "axes_y": (0,)}),
}  # fmt: skip
"""Ops in which two arrays meet: the sizes after the unknown one, and settings."""


def meeting(g: Growth) -> Ref | None:
    """Arrays whose unknown sizes are independent of each other meet in one op: sometimes a 1 meets something else."""
    name = g.choice(list(MEETINGS))
    inner, settings = MEETINGS[name]
    if inner == (2,) and not settings and g.chance(0.4):
        inner = ()
    names = [f"free{len(g.free) + k}" for k in range(2)]
    g.free.update(dict.fromkeys(names, TRIAL["n"]))
    nameless = g.chance(0.5)
    a, b = (g.leaf((d, *inner), 0.3, 1.5, nameless=nameless) for d in names)
    y: Ref | None
    if name == "broadcast_to":
        y = g.call(name, a, shape=(TRIAL["n"], *inner))
    elif name == "where":
        condition = g.call("gt", a, number(0.9), pool=False)
        y = condition and g.call(name, condition, a, b)
    elif name == "nn.dot_product_attention":
        y = g.call(name, a, b, b)
    elif name in ("linalg.solve", "linalg.triangular_solve"):
        regular = g.call("math.add", a, Given(3 * np.eye(2)), pool=False)
        y = regular and g.call(name, regular, b)
    else:
        y = g.call(name, a, b, **settings)
    return y and g.scalar(y)


# ---------------------------------------------------------------------- axes in the middle


def channels(g: Growth) -> Ref | None:
    """Images or sequences: something along an axis in the middle, and what belongs to some axes only."""
    shape = g.choice([("n", 3, 9), ("n", 2, 3, 8), (2, "n", 17), ("n", 4, 1, 16), (3, 2, 10), ("n", 3, 5, 2)])
    x = g.leaf(shape, -1.5, 1.5)
    axis = g.integer(0, len(shape) - 2)
    others = tuple(k for k in range(len(shape)) if k != axis)
    beside = tuple(d if g.chance(0.5) else 1 for d in shape)
    y: Ref | None = g.call(g.choice(["math.add", "math.mul", "math.max"]), x, g.leaf(beside, 0.5, 1.5, nameless=False))
    if y is not None and g.chance(0.5):
        y = g.call(g.choice(["nn.softmax", "nn.log_softmax"]), y, axis=axis)
    if y is not None and g.chance(0.7):
        along = g.choice([axis, others, (0, len(shape) - 1)])
        summed = g.call(g.choice(["sum", "mean", "max", "min", "variance"]), y, axis=along, keepdims=True)
        y = summed and g.call(g.choice(["math.sub", "math.mul"]), y, summed)
    return y and g.scalar(y)


# ---------------------------------------------------------------------- many numbers of half precision


def many_halves(g: Growth) -> Ref | None:
    """More numbers than half precision can count, in a loss or a softmax."""
    kind = g.choice([0, 1, 2, 2, 2, 3, 4])
    shape = g.choice(
        [(70000,), (1, 70000), (2, 70000)] if kind == 2 else [(300, 256), (70000,), (2, 40000), (700, 100)]
    )
    row = g.leaf(shape[-1:] if len(shape) > 1 else (1,), 0.3, 0.9, dtype="float16", pool=False)
    x = g.call("broadcast_to", row, shape=shape, pool=False)
    if x is None:
        return None
    if kind <= 1:
        name = g.choice(["absolute_difference", "mean_squared_error", "huber_loss", "log_loss", "sigmoid_cross_entropy",
                         "hinge_loss", "log_poisson"])  # fmt: skip
        label = g.leaf((), *UNIT, dtype="float16", pool=False)
        label = g.call("broadcast_to", label, shape=shape, pool=False)
        weights = g.choice([None, number(1.5), None])
        modes = [LossReduce.MEAN_BY_WEIGHT, LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT]
        return label and g.call(f"loss.{name}", label, x, weights, loss_reduce=g.choice(modes))
    if kind == 2:
        y = g.call(g.choice(["nn.log_softmax", "nn.softmax"]), x, pool=False)
        y = y and g.call("index", y, key=(..., 0), pool=False)
        return y and g.call("sum", y, pool=False)
    if kind == 3:
        name = g.choice(["mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "binary_crossentropy"])
        label = g.leaf((), *UNIT, dtype="float16", pool=False)
        label = g.call("broadcast_to", label, shape=shape, pool=False)
        return label and g.call(f"keras.{name}", label, x)
    return g.call(g.choice(["mean", "standard_deviation", "variance", "math.log_sum_exp", "norm2"]), x, pool=False)


# ---------------------------------------------------------------------- gradients inside


def gradient_inside(g: Growth) -> Ref | None:
    """A gradient, or a Hessian times a direction, as part of what is computed."""
    leaves = g.float_leaves()
    source = g.pick_float()
    if not leaves or source is None or g.n_nodes > MOST_NODES:
        return None
    y = g.scalar(source)
    if y is None:
        return None
    x = g.choice(leaves)
    if g.value(x).size > 2000:
        return None
    if g.chance(0.3):
        found = g.call(HVP, y, x, g.leaf(g.leaf_shape(x), -1, 1, nameless=False))
    else:
        others = [r for r in (g.choice(leaves), g.choice(leaves)) if r != x]
        found = g.call(GRAD, y, *dict.fromkeys([x, *others[: g.integer(0, 2)]]))
    if found is None:
        return None
    return g.scalar(found) if g.chance(0.5) else g.call("squared_norm", found)


def shrunk(g: Growth) -> Ref | None:
    """Something of the pool as a number."""
    x = g.pick_float()
    return x and g.scalar(x)


MOTIFS = [
    (weighted_loss, 5), (other_loss, 1), (keras_loss, 5), (sparse_loss, 8), (penalty, 5), (shrunk, 6),
    (gradient_inside, 3),
]  # fmt: skip
