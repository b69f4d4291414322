"""Operands to try every op with: drawn from its signature, or from the tables here where it needs special ones.

Samples lie off the kinks of their op, so that differences can check gradients there; kinks are tested on their own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sdgraph import LossReduce
from sdgraph.build.op import REGISTRY
from sdgraph.ops.losses.keras.definition import DEFINITIONS, Drawn
from tests.ops import picture_samples, window_samples

DEFAULT_DOMAIN = (-2.0, 2.0)
SHAPES = [(), (1,), (3,), (2, 3), (1, 1), (0,), (0, 3), (2, 0, 3), (2, 1, 3), (2, 2, 2), (5,), (1, 4)]
PAIRS = [
    ((), ()), ((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), ()), ((), (2, 2)), ((2, 1), (1, 3)),
    ((2, 1), (3,)), ((1,), (2, 3)), ((2, 1, 3), (2, 1)), ((1, 1), (1,)), ((0, 3), (3,)), ((0, 3), (1, 3)),
    ((2, 0, 3), (1, 1, 1)), ((2, 0, 3), (2, 0, 1)),
]  # fmt: skip
TRIPLES = [
    ((3,), (3,), (3,)), ((2, 3), (3,), ()), ((), (2, 1), (1, 3)), ((2, 1), (3,), (1, 3)), ((0, 3), (3,), ()),
    ((), (), ()), ((2, 0, 3), (1,), ()), ((1, 1), (1,), ()),
]  # fmt: skip


@dataclass(frozen=True)
class F:
    """A floating operand to draw."""

    shape: tuple[int, ...]
    domain: tuple[float, float] | None = None


@dataclass(frozen=True)
class Literal:
    """An operand given as a Python value, not fed."""

    value: Any


@dataclass(frozen=True)
class Sample:
    """Operands and attributes of one call. ``smooth`` says whether differences can check its gradients."""

    op: str
    operands: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True

    def __str__(self) -> str:
        shapes = [getattr(x, "shape", x) for x in self.operands]
        return f"{self.op}{shapes} {self.attrs}"


def draw(shape, domain, salt):
    """Numbers spread over the domain, all different, none near a multiple of one half."""
    lo, hi = domain
    n = int(np.prod(shape))
    u = (0.37 + (np.arange(n) + 1 + 61 * salt) * 0.6180339887498949) % 1.0
    x = lo + (hi - lo) * u
    near = np.abs(2 * x - np.round(2 * x)) < 0.1
    return np.where(near, x + 0.07, x).reshape(shape)


def f(*shape, lo=None, hi=None):
    return F(shape, None if lo is None else (lo, hi))


def ints(*rows):
    return np.array(rows if len(rows) != 1 else rows[0], np.int64)


def s(*operands, smooth=True, **attrs):
    return operands, attrs, smooth


def positive_definite(*shape):
    """Symmetric matrices with eigenvalues well above 0 and apart."""
    x = draw(shape, (-0.5, 0.5), 3)
    return x @ np.swapaxes(x, -1, -2) + np.diag(np.arange(1.0, shape[-1] + 1))


def regular(*shape):
    """Matrices far from singular, not symmetric, with singular values apart."""
    x = draw(shape, (-0.5, 0.5), 5)
    n = min(shape[-2:])
    out = x.copy()
    out[..., np.arange(n), np.arange(n)] += np.arange(1.0, n + 1)
    return out


# ---------------------------------------------------------------------- losses


def _loss(shape, label, predictions, unit=None, **attrs):
    """Every kind of weights with every reduction. ``unit`` is the shape of the per-element loss."""
    unit = shape if unit is None else unit
    rest = (1,) * (len(unit) - 1)
    kinds = [None, F((), (0.5, 2.0)), F((unit[0], *rest), (0.5, 2.0)), F(unit, (0.5, 2.0))]
    for weights, mode in itertools.product(kinds, LossReduce):
        yield s(F(shape, label), F(shape, predictions), weights, loss_reduce=mode, **attrs)
    zeros = np.zeros((unit[0], *rest))
    zeros[::2] = 1.5
    for mode in LossReduce:
        yield s(F(shape, label), F(shape, predictions), zeros, loss_reduce=mode, **attrs)


def _losses(label, predictions, variants=({},)):
    """An elementwise loss on several shapes, nothing and a single number among them."""
    yield from _loss((2, 2), label, predictions)
    for attrs in variants:
        for shape in [(2, 3), (), (1,), (0, 3), (2, 0, 3)]:
            yield s(F(shape, label), F(shape, predictions), **attrs)
        yield s(F((2, 1, 2), label), F((2, 1, 2), predictions), F((1, 1, 2), (0.5, 2.0)), **attrs)


PROBABILITIES = (0.1, 0.9)
COUNTS = (0.2, 4.0)

LOSSES = {
    "loss.absolute_difference": list(_losses(None, None)),
    "loss.mean_squared_error": list(_losses(None, None)),
    "loss.hinge_loss": list(_losses((0.0, 1.0), None)),
    "loss.huber_loss": list(_losses(None, None, [{}, {"delta": 0.3}, {"delta": 0.0}, {"delta": 2.2}])),
    "loss.log_loss": list(_losses((0.0, 1.0), PROBABILITIES, [{}, {"epsilon": 1e-3}])),
    "loss.log_poisson": list(_losses(COUNTS, None, [{}, {"full": True}])),
    "loss.sigmoid_cross_entropy": list(_losses((0.0, 1.0), None, [{}, {"label_smoothing": 0.2}])),
    "loss.softmax_cross_entropy": [
        *_loss((2, 2), (0.0, 1.0), None, unit=(2,)),
        s(f(2, 2, 3, lo=0, hi=1), f(2, 2, 3), f(2, 1, lo=0.5, hi=2), label_smoothing=0.2),
        s(f(2, 3, lo=0, hi=1), f(2, 3), label_smoothing=0.2),
        s(f(3, lo=0, hi=1), f(3)),
        s(f(0, 3), f(0, 3)),
        s(ints([[1, 0], [0, 1]]), f(2, 2)),
    ],
    "loss.cosine_distance": [
        *_loss((2, 2), None, None, unit=(2, 1), dimension=1),
        s(f(2, 3), f(2, 3), f(1, 3, lo=0.5, hi=2), dimension=0),
        s(f(3), f(3), dimension=-1),
        s(f(0, 3), f(0, 3), dimension=1),
    ],
    "loss.mean_pairwise_squared_error": [
        *_loss((2, 3), None, None, unit=(2,)),
        s(f(2, 2, 3), f(2, 2, 3)),
        s(f(2, 1), f(2, 1)),
        s(f(3), f(3)),
        s(f(0, 3), f(0, 3)),
    ],
    "loss.l2_loss": [s(f(*shape)) for shape in SHAPES],
    "loss.weighted_cross_entropy_with_logits": [
        s(F(a, (0.0, 1.0)), F(a), w)
        for a, w in [
            ((2, 3), None), ((2, 3), f(lo=0.5, hi=3)), ((2, 3), f(3, lo=0.5, hi=3)), ((2, 3), f(2, 3, lo=0.5, hi=3)),
            ((), None), ((1,), None), ((0, 3), f(3, lo=0.5, hi=3)), ((2, 0, 3), None),
        ]
    ],
    "loss.sparse_softmax_cross_entropy": [
        s(f(2, 3), ints([2, 0])), s(f(3), np.int64(1)), s(f(2, 2, 3), ints([[2, 0], [1, 1]])), s(f(0, 3), ints([])),
        s(f(2, 3), Literal([2, 0])), s(f(2, 1), ints([0, 0])),
        *[s(f(2, 3), ints([2, 0]), w, loss_reduce=mode) for mode in LossReduce
          for w in (None, f(lo=0.5, hi=2), f(2, lo=0.5, hi=2), np.array([0.0, 1.5]))],
        s(f(2, 2, 3), ints([[2, 0], [1, 1]]), f(2, 1, lo=0.5, hi=2), loss_reduce=LossReduce.MEAN_BY_WEIGHT),
        s(f(0, 3), ints([]), loss_reduce=LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT),
    ],
    "loss.ctc_loss": [
        s(ints([[1, 2], [2, 2]]), f(2, 5, 3), ints([2, 2]), ints([5, 4])),
        s(ints([[1, 2, 1]]), f(1, 4, 3), ints([3]), ints([4])),
        s(ints([[0, 1], [1, 0]]), f(2, 3, 3), ints([1, 2]), ints([3, 3]), blank_index=2),
        s(np.zeros((1, 0), np.int64), f(1, 3, 2), ints([0]), ints([3])),
        s(np.zeros((0, 2), np.int64), f(0, 3, 3), ints([]), ints([])),
    ],
}  # fmt: skip


# ---------------------------------------------------------------------- shapes, reductions, indices

AXES = [
    s(f()), s(f(3)), s(f(1)), s(f(2, 3)), s(f(2, 3), axis=0), s(f(2, 3), axis=-1), s(f(2, 3), axis=1, keepdims=True),
    s(f(2, 2, 3), axis=(0, 2)), s(f(2, 2, 3), axis=(1, 2), keepdims=True), s(f(2, 3), keepdims=True), s(f(1, 1)),
]  # fmt: skip
NO_MEAN = [s(f(0, 3), axis=0, smooth=False), s(f(2, 0, 3), smooth=False), s(f(2, 0, 3), axis=0)]
AXES_EMPTY = [s(f(0, 3), axis=0), s(f(2, 0, 3)), s(f(2, 0, 3), axis=1), s(f(0)), s(f(0, 3), axis=1)]
ONE_AXIS = [s(f(3), axis=0), s(f(2, 3), axis=0), s(f(2, 3), axis=1), s(f(2, 2, 3), axis=-1, keepdims=True), s(f(1)),
            s(f(2, 3)), s(f())]  # fmt: skip
SEVERAL_AXES = [s(f(2, 3), axis=(0, 1)), s(f(2, 3, 2), axis=(0, 2)), s(f(2, 3, 2), axis=(2, 1)), s(f(2, 2), axis=(1,)),
                s(f(2, 3), axis=())]  # fmt: skip
PLACES = [*ONE_AXIS, *SEVERAL_AXES, s(f(2, 3, 2), axis=(0, -1), keepdims=True)]
CONDITIONS = [
    s(np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]), axis=1), s(np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])),
    s(np.array([[True, False], [True, True], [False, True]]), axis=0, keepdims=True), s(f(2, 3, 2), axis=(0, 2)),
    s(f()),
]  # fmt: skip
RISING = [s(f(3)), s(np.array([[1.0, 2.0], [2.0, 3.5]])), s(np.array([[1.0, 2.0], [2.5, 3.5]])), s(f()), s(f(0, 3)),
          s(ints([1, 3, 2]))]  # fmt: skip
INCOMPLETE = [
    *(s(Literal(1.7), F(shape)) for shape in SHAPES), s(Literal(150.0), f(3, lo=140, hi=160)),
    *(s(F(a), F(b), smooth=False) for a, b in PAIRS[2:6]),
]  # fmt: skip
MERGED = [s(f(2, 3), f(2, 3), f(2, 3)), s(f(3)), s(f(2, 3), f(3)), s(f(0, 3), f(0, 3))]
FLAGS = [{"exclusive": a, "reverse": b} for a in (False, True) for b in (False, True)]
CUMULATIVE = [
    *(s(f(4), axis=0, **k) for k in FLAGS), *(s(f(2, 3), axis=-1, **k) for k in FLAGS), s(f(2, 3), axis=0), s(f(2, 3)),
    s(f(1), axis=0), s(f(0), axis=0), s(f(2, 0, 3), axis=1), *SEVERAL_AXES, s(f(2, 0, 3), axis=(0, 1)),
    *(s(f(2, 3, 2), axis=(-1, 0), **k) for k in FLAGS),
]  # fmt: skip
PAIR_AXES = [
    s(f(3), f(3)), s(f(2, 3), f(2, 3)), s(f(2, 3), f(2, 3), axis=0), s(f(2, 3), f(2, 3), axis=-1, keepdims=True),
    s(f(2, 3), f(3), axis=1), s(f(2, 1), f(1, 3), axis=1), s(f(2, 2, 3), f(2, 2, 3), axis=(0, 2)), s(f(), f()),
    s(f(1), f(1)), s(f(0, 3), f(0, 3), axis=1),
]  # fmt: skip
MATMUL = [
    s(f(2, 3), f(3, 4)), s(f(3), f(3)), s(f(2, 3), f(3)), s(f(3), f(3, 2)), s(f(2, 2, 3), f(3, 2)),
    s(f(2, 3), f(2, 3, 2)), s(f(2, 1, 2, 3), f(3, 3, 2)), s(f(1, 1), f(1, 1)), s(f(0, 3), f(3, 2)),
    s(f(2, 0), f(0, 3)), s(f(2, 0, 3), f(2, 3, 1)),
]  # fmt: skip
TRANSPOSED = [
    s(f(3, 2), f(3, 4), transpose_x=True), s(f(2, 3), f(4, 3), transpose_y=True),
    s(f(2, 3), f(3, 4), transpose_z=True), s(f(2, 3, 2), f(2, 4, 3), transpose_x=True, transpose_y=True),
]  # fmt: skip

ARRANGING = {
    "reshape": [s(f(2, 3), shape=(3, 2)), s(f(2, 3), shape=(-1,)), s(f(), shape=(1, 1)), s(f(1), shape=()),
                s(f(0, 3), shape=(3, 0)), s(f(2, 0, 3), shape=(0,)), s(f(2, 2, 3), shape=(4, -1))],
    "reshape_like": [s(f(2, 3), f(3, 2)), s(f(4), f(2, 2)), s(f(), f(1)), s(f(0, 3), f(3, 0)), s(f(6), f(2, 1, 3))],
    "broadcast_to": [s(f(3), shape=(2, 3)), s(f(2, 1), shape=(2, 3)), s(f(), shape=(2, 2)), s(f(3), shape=(3,)),
                     s(f(1), shape=(0,)), s(f(1, 3), shape=(2, 0, 3))],
    "broadcast_like": [s(f(3), f(2, 3)), s(f(2, 1), f(2, 3)), s(f(), f(2, 2)), s(f(3), f(3)), s(f(1), f(0))],
    "expand_dims": [s(f(2, 3), axis=0), s(f(2, 3), axis=-1), s(f(), axis=0), s(f(3), axis=(0, 2)), s(f(0, 3), axis=1)],
    "squeeze": [s(f(1, 3, 1)), s(f(1, 3, 1), axis=0), s(f(1, 3, 1), axis=(0, -1)), s(f()), s(f(1)), s(f(1, 0))],
    "permute": [s(f(2, 3)), s(f(2, 3, 2), axes=(1, 2, 0)), s(f(), axes=()), s(f(2, 0, 3), axes=(2, 0, 1)), s(f(3))],
    "reverse": [*(s(f(*shape)) for shape in SHAPES), s(f(2, 3), axis=0), s(f(2, 3), axis=(0, 1)), s(f(3), axis=-1)],
    "concat": [s(f(2, 3), f(1, 3), f(2, 3)), s(f(2, 3), f(2, 1), axis=-1), s(f(3)), s(f(0, 3), f(2, 3)),
               s(f(2, 0, 3), f(2, 1, 3), axis=1)],
    "unconcat": [s(f(3, 3), f(2, 3), f(1, 3), axis=0), s(f(2, 4), f(2, 1), f(2, 3), axis=-1), s(f(3), f(3), axis=0),
                 s(f(2, 2), f(0, 2), f(2, 2), axis=0)],
    "stack": [s(f(2, 3), f(2, 3)), s(f(2, 3), f(2, 3), axis=-1), s(f(), f(), f()), s(f(0, 3), f(0, 3), axis=1),
              s(f(2))],
    "split": [s(f(4, 3), num_split=2), s(f(2, 6), num_split=3, axis=1), s(f(2, 3), num_split=1),
              s(f(0, 3), num_split=2)],
    "split_v": [s(f(4, 3), sizes=(1, 3)), s(f(2, 6), sizes=(2, 0, 4), num_split=3, axis=1), s(f(3), sizes=(3,)),
                s(f(0, 3), sizes=(0, 0))],
    "flatten": [s(f(2, 3), f(2)), s(f(2, 3), f(3, 2), order="f"), s(f(2, 3), order="f"), s(f()), s(f(0, 3), f(2))],
    "dynamic_partition": [s(f(4, 2), ints([1, 0, 1, 1]), num_partitions=2, sizes=(1, 3)),
                          s(f(2, 2, 2), ints([[0, 2], [0, 0]]), num_partitions=3, sizes=(3, 0, 1)),
                          s(f(0), ints([]), num_partitions=1, sizes=(0,)),
                          s(f(3), Literal([1, 0, 1]), num_partitions=2)],
    "rows_by_part": [s(ints([1, 0, 1]), sizes=(1, 2)), s(ints([[2, 0], [2, 0]]), sizes=(2, 0, 2)),
                     s(ints([]), sizes=(0,)), s(Literal([0, 0]), sizes=(2,))],
    "dynamic_stitch": [s(ints([0, 2]), ints([1, 2]), f(2, 2), f(2, 2), size=3),
                       s(ints([[3, 0]]), ints([1]), f(1, 2), f(1), size=5), s(ints([]), f(0, 2), size=0),
                       s(ints([1]), f(1, 2), size=2)],
    "unstack": [s(f(2, 3)), s(f(2, 3), axis=1), s(f(3)), s(f(2, 2, 2), axis=-1), s(f(2, 0), axis=0)],
    "tile": [s(f(2, 3), reps=(2, 1)), s(f(3), reps=2), s(f(2, 3), reps=(2,)), s(f(3), reps=(2, 2)),
             s(f(0, 3), reps=(2, 1)),
             s(f(), reps=(3,))],
    "untile": [s(f(4, 3), f(2, 3), reps=(2, 1)), s(f(6), f(3), reps=2), s(f(2, 6), f(3), reps=(2, 2))],
    "repeat": [s(f(2, 3), repeats=2), s(f(2, 3), repeats=2, axis=1), s(f(2, 3), repeats=(1, 2), axis=0),
               s(f(3), repeats=(0, 1, 2), axis=0), s(f(0, 3), repeats=2, axis=0), s(f(), repeats=2)],
    "unrepeat": [s(f(12), f(2, 3), repeats=2), s(f(2, 6), f(2, 3), repeats=2, axis=1),
                 s(f(3, 3), f(2, 3), repeats=(1, 2), axis=0)],
    "sort": [s(f(4)), s(f(2, 3)), s(f(3, 2), axis=0), s(f(2, 4), descending=True), s(f(1)), s(f(0, 3)), s(f(2, 0))],
    "argsort": [s(f(4)), s(f(3, 2), axis=0), s(f(2, 4), descending=True), s(f(1)), s(f(2, 0)), s(ints([2, 1, 2, 1])),
                s(ints([2, 1, 2, 1]), descending=True)],
    "fill": [s(shape=(2, 3), value=1.5), s(shape=(), value=2), s(shape=(0, 3), value=0, dtype="int32")],
    "range": [s(start=3), s(start=1, stop=7, step=2), s(start=0, stop=1, step=0.25), s(start=5, stop=0, step=-2),
              s(start=0, stop=0)],
    "linspace": [s(start=0, stop=1, number=5), s(start=2, stop=-1, number=4), s(start=1, stop=2, number=1),
                 s(start=0, stop=1, number=0)],
    "zeros_like": [*(s(f(*shape)) for shape in SHAPES), s(f(2), dtype="int32")],
    "ones_like": [*(s(f(*shape)) for shape in SHAPES), s(f(2), dtype="int32")],
    "full_like": [*(s(f(*shape), value=2.5) for shape in SHAPES), s(f(2), value=3, dtype="int32")],
    "one_hot": [s(ints([0, 2]), depth=3), s(ints([[0, 2], [1, 5]]), depth=3), s(ints([0, 2]), depth=3, axis=0),
                s(ints([0, -1]), depth=2, on=2.0, off=-1.0), s(np.int64(1), depth=3), s(ints([]), depth=3),
                s(Literal([1, 0]), depth=2, dtype="int32"), s(Literal([1.0, 0.0]), depth=2)],
    "sequence_mask": [s(ints([0, 2, 3]), max_len=3), s(ints([[1], [2]]), max_len=2, dtype="float64"),
                      s(np.int64(1), max_len=2), s(ints([]), max_len=2), s(Literal([1, 2]), max_len=2),
                      s(Literal([1, 4]))],
    "reverse_sequence": [s(f(2, 3), ints([2, 3])), s(f(3, 2, 2), ints([1, 3]), seq_dim=0, batch_dim=1),
                         s(f(2, 2, 4), ints([4, 0]), batch_dim=1), s(f(0, 3), ints([])), s(f(1, 3), Literal([2]))],
    "sparse_to_dense": [s(ints([[0, 1], [2, 0]]), f(2), f(), shape=(3, 2)), s(ints([1, 3, 1]), f(3), f(), shape=(4,)),
                        s(np.int64(1), f(), f(), shape=(3,)), s(ints([[1, 1]]), f(), Literal(2.5), shape=(2, 2)),
                        s(np.zeros((0, 2), np.int64), f(0), f(), shape=(2, 1))],
    "is_numeric_tensor": [s(f(2, 3)), s(np.array([True])), s(ints([1])), s(f(0))],
    "match_condition": [s(f(2, 3), condition="greater_than", value=0.1), s(f(3), condition="abs_less_than", value=1.0),
                        s(f(0, 3), condition="is_nan"), s(f(), condition="not_equals", value=3.0),
                        s(ints([1, 2]), condition="equals", value=2.0)],
    "match_condition_count": [s(f(2, 3), condition="less_than", value=0.1), s(f(2, 3), condition="is_finite", axis=1),
                              s(f(2, 3), condition="abs_greater_than", value=1.0, axis=0, keepdims=True),
                              s(f(0, 3), condition="equals", axis=0)],
    "replace_where": [s(f(2, 3), f(), condition="less_than", value=0.1), s(f(2, 3), f(3), condition="abs_less_than",
                      value=1.0), s(f(3), Literal(9.0), condition="is_nan"), s(f(0, 3), f(), condition="equals")],
    "assign": [s(f(2, 3), f()), s(f(2, 3), f(3)), s(f(2, 3), f(2, 3)), s(f(), f()), s(f(0, 3), f(3))],
    "cast": [s(f(2, 3), dtype="float32"), s(f(2, 3), dtype="float64"), s(f(3), dtype="int64"), s(f(3), dtype=bool),
             s(f(), dtype="int32"), s(f(0, 3), dtype="float32"), s(ints([1, 0]), dtype="float64")],
    "where": [s(np.array([True, False, True]), f(3), f(3)), s(np.array(True), f(2, 3), f(3)),
              s(np.array([[True], [False]]), f(3), f()), s(np.array(False), f(), f()),
              s(np.zeros((0, 3), bool), f(3), f()), s(Literal([True, False]), f(2), f(2))],
    "invert_permutation": [s(ints([2, 0, 1])), s(ints([0])), s(ints([])), s(Literal([1, 0]))],
    "axis_size": [s(f(2, 3)), s(f(2, 3), axis=1), s(f()), s(f(0, 3), axis=0), s(f(2, 3), axis=(0, 1), dtype="float64")],
    "tensordot": [s(f(2, 3), f(3, 2), axes_x=(1,), axes_y=(0,)), s(f(2, 3), f(3, 2), axes_x=(0, 1), axes_y=(1, 0)),
                  s(f(2, 3), f(2), axes_x=(0,), axes_y=(0,)), s(f(2), f(3), axes_x=(), axes_y=()),
                  s(f(2, 3, 2), f(2, 2, 3), axes_x=(1, 0), axes_y=(2, 1)), s(f(0, 3), f(3), axes_x=(1,), axes_y=(0,))],
    "tensor_mmul": [s(f(2, 3), f(3, 2), dimensions_x=(1,), dimensions_y=(0,)),
                    s(f(3, 2), f(3, 2), dimensions_x=(1,), dimensions_y=(0,), transpose_x=True),
                    s(f(2, 3), f(3, 4), dimensions_x=(1,), dimensions_y=(0,), transpose_z=True)],
    "einsum": [s(f(2, 3), f(3, 2), equation="ij,jk->ik"), s(f(2, 3), f(2, 3), f(3), equation="ij,ij,j->i"),
               s(f(2, 2, 3), f(3, 2), equation="...ij,jk"), s(f(2, 2, 3), f(2, 3, 2), equation="bij,bjk->bki"),
               s(f(3, 3), equation="ii->i"), s(f(3, 3), equation="ii"), s(f(2), f(3), equation="a,b->ba"),
               s(f(1, 2, 3), f(2, 1, 3), equation="...a,...a->..."), s(f(0, 3), f(3), equation="ab,b->a"),
               s(f(2, 0), f(0, 3), equation="ab,bc->ac"), s(f(2, 3, 2), equation="aba->b"),
               s(f(), f(2), equation=",a")],
    "mmul": MATMUL + TRANSPOSED,
    "dot": PAIR_AXES,
}  # fmt: skip

KEYS = [
    ((2, 3), (0,)), ((2, 3), (("slice", None, None, 2),)), ((2, 3), (("slice", None, None, -1), 1)),
    ((2, 3), (..., -1)), ((2, 3), (None, 0)), ((2, 3), ()), ((4,), (("slice", 1, 3, None),)),
    ((0, 3), (("slice", None, None, None), 1)),
]  # fmt: skip


def _at(shape, key):
    """Shape of ``x[key]``."""
    plain = tuple(slice(*k[1:]) if isinstance(k, tuple) else k for k in key)
    return np.zeros(shape)[plain].shape


COLUMN = [[0, 2], [1, 0]]
SCATTERED = [s(f(3, 2), ints([2, 0, 2]), f(3, 2)), s(f(2, 3), ints([1, 1]), f(2, 2), axis=1),
             s(f(3), ints([[0], [2]]), f(2, 1)), s(f(3), ints([]), f(0)), s(f(2), np.int64(1), f())]  # fmt: skip
SEGMENTS = [s(f(4, 2), ints([0, 0, 1, 3]), num_segments=4), s(f(3), ints([0, 1, 1]), num_segments=2),
            s(f(0, 2), ints([]), num_segments=2), s(f(3), Literal([0, 0, 2]))]  # fmt: skip
UNSORTED = [s(f(4, 2), ints([2, 0, 1, 0]), num_segments=3), s(f(2, 2, 2), ints([[1, 0], [1, 1]]), num_segments=2),
            s(f(0, 2), ints([]), num_segments=0), s(f(3), Literal([1, 0, 1]))]  # fmt: skip
INDEXING = {
    "index": [s(F(shape), key=key) for shape, key in KEYS],
    "index_scatter": [s(F(_at(shape, key)), F(shape), key=key) for shape, key in KEYS],
    "scatter_slices": [
        s(f(3), f(), f(2), keys=((0,), (("slice", 0, 2, None),))),
        s(f(2, 3), f(3), f(3), f(2), keys=((0,), (1,), (..., 1))),
        s(f(4), f(2), f(2), keys=((("slice", None, None, 2),), (("slice", None, None, -2),))),
        s(f(2, 3), f(2, 3), keys=((),)),
        s(f(0, 3), f(0), f(0), keys=((..., 0), (..., 2))),
    ],
    "slice": [s(f(3, 4), begin=(1, 0), size=(2, 3)), s(f(3, 4), begin=(0, 1), size=(-1, -1)), s(f(), begin=(), size=()),
              s(f(3), begin=(1,), size=(0,)), s(f(0, 3), begin=(0, 1), size=(0, 2))],
    "strided_slice": [s(f(4, 3), begin=(0, 1), end=(4, 3), strides=(2, 1)),
                      s(f(4), begin=(3,), end=(0,), strides=(-1,)),
                      s(f(2, 3), begin=(0, 0), end=(1, 2), end_mask=2),
                      s(f(2, 3), begin=(1,), end=(2,), shrink_axis_mask=1),
                      s(f(2, 3), begin=(0, 0), end=(0, 2), new_axis_mask=1),
                      s(f(2, 2, 3), begin=(0, 1), end=(0, 2), ellipsis_mask=1)],
    "gather": [s(f(3, 2), ints([2, 0, 2])), s(f(3, 2), ints([[0, 1], [1, 1]]), axis=1), s(f(3), np.int64(1)),
               s(f(3), ints([])), s(f(3), Literal([1, 2])), s(f(2, 3), ints([[2]]), axis=-1)],
    "gather_nd": [s(f(3, 2), ints([[2, 0], [0, 1]])), s(f(3, 2), ints([[2], [2]])),
                  s(f(2, 2, 3), ints([[[1, 1]], [[0, 1]]])),
                  s(f(3), Literal([[0], [2]])), s(f(3, 2), np.zeros((0, 2), np.int64))],
    "take_along_axis": [s(f(2, 3), ints(COLUMN)), s(f(3, 2), ints(COLUMN), axis=0), s(f(3), ints([2, 2, 0, 1])),
                        s(f(2, 3), np.zeros((2, 0), np.int64))],
    "add_along_axis": [s(f(2, 3), ints(COLUMN), f(2, 2)), s(f(3, 2), ints([[0, 1], [0, 2]]), f(2, 2), axis=0),
                       s(f(3), ints([2, 2]), f(2))],
    "scatter_add": [s(f(3, 2), ints([2, 0, 2]), f(3, 2)), s(f(2, 3), ints([1, 1]), f(2, 2), axis=1),
                    s(f(3), ints([[0], [2]]), f(2, 1)), s(f(3), ints([]), f(0))],
    "scatter_update": [s(f(3, 2), ints([2, 0]), f(2, 2)), s(f(2, 3), ints([1, 1]), f(2, 2), axis=1),
                       s(f(3), ints([2, 0, 2]), f(3)), s(f(3), ints([]), f(0))],
    "scatter_sub": [s(f(3, 2), ints([2, 0, 2]), f(3, 2)), s(f(2, 3), ints([1, 1]), f(2, 2), axis=1)],
    **dict.fromkeys(("scatter_mul", "scatter_max", "scatter_min"), SCATTERED),
    "scatter_div": [s(f(3, 2), ints([2, 0, 2]), f(3, 2, lo=0.5, hi=2)), s(f(3), ints([]), f(0)),
                    s(f(2, 3), ints([1, 1]), f(2, 2, lo=-2, hi=-0.5), axis=1)],
    "last_occurrence": [s(ints([2, 0, 2])), s(ints([[1, 1], [0, 1]])), s(ints([])), s(np.int64(3))],
    "scatter_nd_add": [s(f(3, 2), ints([[2, 0], [2, 0]]), f(2)), s(f(3, 2), ints([[1], [1]]), f(2, 2)),
                       s(f(3), np.zeros((0, 1), np.int64), f(0))],
    "scatter_nd_sub": [s(f(3, 2), ints([[2, 0], [2, 0]]), f(2)), s(f(3, 2), ints([[1], [1]]), f(2, 2))],
    "scatter_nd_update": [s(f(3, 2), ints([[2, 0], [2, 0], [1, 1]]), f(3)), s(f(3, 2), ints([[1], [0]]), f(2, 2)),
                          s(f(3), np.zeros((0, 1), np.int64), f(0)), s(f(2), np.zeros((2, 0), np.int64), f(2, 2))],
    **dict.fromkeys(("segment_max", "segment_min", "segment_mean", "segment_prod"), SEGMENTS),
    **dict.fromkeys(("unsorted_segment_max", "unsorted_segment_min", "unsorted_segment_mean", "unsorted_segment_prod",
                     "unsorted_segment_sqrt_n"), UNSORTED),
    "moved_in_segments": [s(f(4, 2), ints([1, 0, 1, 1])), s(f(3), ints([0, 0, 0]), back=True), s(f(0, 2), ints([])),
                          s(f(2, 2), Literal([[0, 1], [1, 0]]))],
    "recurrence_in_segments": [s(f(4, 2), f(4, 2), ints([1, 0, 1, 1])), s(f(3), f(3), ints([0, 0, 0]), reverse=True),
                               s(f(0, 2), f(0, 2), ints([])), s(f(2, 2), f(2, 2), Literal([[0, 1], [1, 0]]))],
    "segment_sum": [s(f(4, 2), ints([0, 0, 1, 3]), num_segments=4), s(f(3), ints([0, 1, 1]), num_segments=2),
                    s(f(0, 2), ints([]), num_segments=2), s(f(3, 2), Literal([0, 1, 3]))],
    "unsorted_segment_sum": [s(f(4, 2), ints([3, 0, 1, 0]), num_segments=4), s(f(3), ints([1, 0, 1]), num_segments=2),
                             s(f(0, 2), ints([]), num_segments=2), s(f(3), Literal([4, 0, 4]))],
    "checked_labels": [s(ints([1, 0]), f(2, 3)), s(np.int64(2), f(3)), s(ints([]), f(0, 3)),
                       s(Literal([1, 0]), f(2, 3))],
    "checked_whole": [s(np.array([1.0, -2.0, 0.0])), s(np.array(3.0)), s(f(0))],
    "checked_lengths": [s(ints([1, 0, 3]), limit=3), s(ints([]), limit=2), s(Literal([1]), limit=1)],
    "checked_ctc_labels": [s(ints([[1, 2], [1, 7]]), ints([2, 1]), classes=3, blank=0),
                           s(ints([[0]]), ints([1]), classes=3, blank=2)],
    "mask_gradient": [s(f(2, 3), f(2, 1, lo=0.5, hi=1)), s(f(3), f(lo=0.5, hi=1)), s(f(), f(lo=0.5, hi=1)),
                      s(f(0, 3), f(3, lo=0.5, hi=1)), s(f(2, 3), np.array([[1.0], [0.0]]), smooth=False)],
}  # fmt: skip

REDUCTIONS = {
    **dict.fromkeys(
        ("sum", "prod", "norm1", "squared_norm", "all", "any", "math.count_non_zero"), AXES + AXES_EMPTY),
    "math.count_zero": [s(np.array([[0.0, 1.0, 0.0], [2.0, 3.0, 0.0]]), axis=1), *AXES[7:9], *AXES_EMPTY[:2]],
    **dict.fromkeys(("norm2", "math.entropy"), AXES + AXES_EMPTY), "math.shannon_entropy": AXES[4:8] + AXES_EMPTY[:2],
    "math.log_entropy": [*AXES[4:8], s(f(0, 3), axis=1, smooth=False)],
    "math.reduce_amean": AXES[4:9] + NO_MEAN[:1], "math.reduce_amin": AXES[4:9] + NO_MEAN[2:],
    **dict.fromkeys(("math.first_index", "math.last_index"), CONDITIONS),
    **dict.fromkeys(("math.is_non_decreasing", "math.is_strictly_increasing"), RISING),
    "math.quantile": [s(f(5), q=0.3), s(f(2, 4), q=(0.0, 0.45, 1.0), axis=1), s(f(3, 2), q=0.9, axis=0, keepdims=True),
                      s(f(2, 3, 2), q=(0.2,), axis=(0, 2)), s(f(), q=0.5), s(f(4), q=0.4, interpolation="lower"),
                      s(f(4), q=0.4, interpolation="higher"), s(f(4), q=0.4, interpolation="midpoint"),
                      s(f(4), q=(0.4, 0.5), interpolation="nearest"), s(f(2, 0), q=0.5, axis=0)],
    "math.percentile": [s(f(5), q=30), s(f(2, 4), q=(0, 45, 100.0), axis=1), s(f(4), q=40, interpolation="lower")],
    "math.median": [s(f(5)), s(f(2, 4), axis=1), s(f(2, 3, 2), axis=(0, 2), keepdims=True), s(f(3, 1), axis=-1)],
    **dict.fromkeys(("mean", "math.moments", "math.log_sum_exp"), AXES + NO_MEAN),
    **dict.fromkeys(("max", "min", "normmax"), AXES + NO_MEAN[2:]),
    "math.is_max": [s(f(*shape)) for shape in SHAPES] + [s(f(2, 3), axis=0), s(f(2, 3), axis=-1)],
    "math.standardize": [s(f(2, 3)), s(f(2, 3), axis=0), s(f(3, 4), axis=-1), s(f(3), axis=0), s(f(0, 3), axis=1)],
    "math.zero_fraction": [s(f(2, 3)), s(np.array([0.0, 1.0, 0.0]), smooth=False), s(f())],
    "argmax": PLACES, "argmin": PLACES, "math.iamax": PLACES[1:9], "math.iamin": PLACES[1:9],
    "largest": [s(*a, **{k: v for k, v in b.items() if k != "keepdims"}) for a, b, _ in AXES + AXES_EMPTY],
    "variance": [s(*a, **b, bias_corrected=c) for (a, b, _), c in itertools.product(AXES[3:10], (False, True))],
    "standard_deviation": [s(*a, **b, bias_corrected=c) for (a, b, _), c in itertools.product(AXES[3:10],
                                                                                              (False, True))],
    "cumsum": CUMULATIVE, "cumprod": CUMULATIVE,
    "linear_recurrence": [s(f(4), f(4)), s(f(4), f(4), reverse=True), s(f(2, 3), f(2, 3), axis=1), s(f(1), f(1)),
                          s(f(3, 2), f(3, 2), axis=0, reverse=True), s(f(2, 3, 2), f(2, 3, 2), axis=(2, 0)),
                          s(f(3, 1), f(2, 1, 2), axis=(0, 1), reverse=True)],
    "shifted": [*(s(f(2, 3), axis=1, back=b) for b in (False, True)), s(f(3)), s(f(0)), s(f(2, 0, 3), axis=1),
                *SEVERAL_AXES, s(f(2, 3, 2), axis=(2, 0), back=True)],
    **dict.fromkeys(
        ("math.cosine_similarity", "math.cosine_distance",
         "math.euclidean_distance", "math.manhattan_distance"), PAIR_AXES),
    "math.jaccard_distance": [s(*(F(x.shape, (0.1, 2.0)) for x in a), **b) for a, b, _ in PAIR_AXES[1:7]],
    "math.hamming_distance": [s(ints([[1, 2, 3], [3, 2, 1]]), ints([3, 2, 3]), axis=1), *PAIR_AXES[:4]],
    "math.trace": [s(f(3, 3)), s(f(2, 3)), s(f(2, 3, 3)), s(f(0, 0)), s(f(1, 1))],
    "math.diag": [s(f(3)), s(f(2, 2)), s(f(1)), s(f(0))],
    "math.diag_part": [s(f(3, 3)), s(f(2, 2, 2, 2)), s(f(1, 1)), s(f(0, 0))],
    "math.eye": [s(rows=3), s(rows=2, cols=3), s(rows=2, dimensions=(2,)), s(rows=0), s(rows=2, dtype="int32")],
    "math.eye_like": [s(f(3, 3)), s(f(2, 3)), s(f(2, 3, 3)), s(f(0, 0))],
    "math.set_diag": [s(f(3, 3), f(3)), s(f(2, 3), f(2)), s(f(2, 3, 2), f(2, 2)), s(f(0, 2), f(0))],
    "math.meshgrid": [s(f(2), f(3)), s(f(2), f(3), cartesian=False), s(f(3)), s(f(2), f(1), f(3)), s(f(), f(2)),
                      s(f(2), f(0))],
    "math.embedding_lookup": [s(f(4, 2), ints([2, 0, 2])), s(f(3), ints([[1], [0]])), s(f(3, 2), np.int64(1)),
                              s(f(2, 2), ints([]))],
    "math.normalize_moments": [s(f(lo=2, hi=4), f(3), f(3)), s(f(lo=2, hi=4), f(2, 3), f(2, 3), shift=0.5),
                               s(f(2, 1, lo=2, hi=4), f(2, 3), f(3)), s(f(lo=2, hi=4), f(0), f(0))],
    "math.confusion_matrix": [s(ints([0, 1, 1]), ints([0, 1, 0]), num_classes=2),
                              s(ints([0, 1, 1]), ints([0, 1, 0]), f(3), num_classes=3),
                              s(ints([]), ints([]), num_classes=2), s(Literal([0, 3]), Literal([1, 0]), f(2))],
    "math.clip_by_value": [s(F(shape), clip_value_min=-0.8, clip_value_max=1.1) for shape in SHAPES],
    "math.clip_by_norm": [s(f(2, 3), clip_value=1.0), s(f(3), clip_value=100.0), s(f(2, 3), clip_value=1.3, axis=1),
                          s(f(), clip_value=0.1), s(f(0, 3), clip_value=1.0)],
    "math.clip_by_avg_norm": [s(f(2, 3), clip_value=0.2), s(f(3), clip_value=100.0),
                              s(f(2, 3), clip_value=0.3, axis=1), s(f(), clip_value=0.1), s(f(0, 3), clip_value=1.0)],
    "math.log": [*(s(F(shape)) for shape in SHAPES), s(f(3), base=2.0), s(f(2, 3), base=10)],
    "math.step": [*(s(F(shape)) for shape in SHAPES), s(f(3), value=0.3)],
    "math.pow": [*(s(F(a), F(b)) for a, b in PAIRS), s(f(3, lo=-2, hi=2), Literal(2)), s(f(3), Literal(-1.5)),
                 s(f(3, lo=-2, hi=2), Literal(3)), s(f(2), Literal(0)), s(ints([3, -2, 0]), Literal(3)),
                 s(ints([3, -2, 0]), ints([1, 2, 0])), s(ints([1, -1, 2]), ints([-3, -2, 1]))],
    "math.list_diff": [s(f(4), ints([1, 2]), size=4), s(np.array([1.0, 2.0, 1.0, 4.0]), np.array([2.0]), size=5),
                       s(ints([3, 1, 2]), ints([1]), size=2), s(Literal([1.0, 2.0, 3.0]), Literal([2.0])),
                       s(f(0), f(2), size=1)],
    **dict.fromkeys(("math.merge_avg", "math.merge_max"), MERGED),
    "math.merge_max_index": [s(f(2, 3), f(2, 3), f(2, 3)), s(f(3)), s(f(), f(), dtype="int64"), s(f(0, 3), f(0, 3))],
    "math.polygamma": [*(s(F(shape), n=1) for shape in SHAPES), s(f(3), n=0), s(f(3), n=4)],
    **dict.fromkeys(("math.igamma", "math.igammac"), INCOMPLETE),
    "math.betainc": [*(s(Literal(1.7), Literal(2.6), F(shape)) for shape in SHAPES[:8]),
                     *(s(F(a), F(b), F(c), smooth=False) for a, b, c in TRIPLES[1:5])],
    "math.zeta": [*(s(Literal(2.5), F(shape)) for shape in SHAPES), s(Literal(3.0), f(2, 3)),
                  *(s(F(a), F(b), smooth=False) for a, b in PAIRS[2:6])],
    "math.merge_add": [s(f(2, 3), f(2, 3), f(2, 3)), s(f(3)), s(f(2, 3), f(3)), s(f(), f()), s(f(0, 3), f(0, 3)),
                       s(f(2), f(2), f(2), f(2), f(2))],
}  # fmt: skip

SQUARE = [s(regular(3, 3)), s(regular(1, 1)), s(regular(2, 2, 2)), s(regular(2, 2)), s(np.zeros((0, 2, 2)))]
TALL = [s(regular(4, 2)), s(regular(3, 3)), s(regular(2, 3, 2))]
SINGULAR = [
    s(np.array([[1.0, 2.0], [2.0, 4.0]])),
    s(np.zeros((3, 3))),
    s(np.stack([np.diag([1.0, 2.0, 0.0]), np.eye(3)])),
    s(np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 8.0, 9.0], [2.0, 1.0, 0.0, 3.0], [6.0, 8.0, 11.0, 13.0]])),
]
BATCHED = [s(f(3, 3)), s(f(2, 3)), s(f(2, 2, 3)), s(f(1, 1)), s(f(0, 3))]

LINALG = {
    "linalg.matmul": MATMUL,
    "linalg.matmul_where": [
        *(x for x in MATMUL if all(len(v.shape) > 1 for v in x[0])),
        s(f(2, 3), f(3, 4), np.array([[True, False, True], [True, True, False]])),
        s(f(2, 3), f(3, 4), None, np.array([[True], [False], [True]])),
        s(f(2, 2, 3), f(3, 2), np.array([True, False, True]), np.array([[True, False], [True, True], [False, True]])),
    ],
    "linalg.mmul": [*MATMUL, *TRANSPOSED, s(f(2, 3), f(3, 2), alpha=2.5)],
    "linalg.matmul_like": [
        s(f(2, 3, 2), f(2, 2, 4), f(3, 4)), s(f(2, 3), f(3, 2), f(2, 2)), s(f(2, 1, 2, 3), f(3, 3, 2), f(1, 3, 2, 2)),
        s(f(2, 3, 2, 2), f(2, 3, 2, 1), f(2, 1, 2, 1)), s(f(2, 3, 2, 2), f(2, 3, 2, 1), f(3, 2, 1)),
        s(f(3, 2), f(2, 2, 4), f(1, 3, 4)), s(f(3, 2), f(2, 4), f(2, 3, 4)), s(f(0, 3, 2), f(0, 2, 4), f(3, 4)),
    ],
    "linalg.cross": [s(f(3), f(3)), s(f(2, 3), f(2, 3)), s(f(2, 1, 3), f(1, 2, 3)), s(f(0, 3), f(3))],
    "linalg.diag": [s(f(3)), s(f(2, 3)), s(f(1)), s(f(0)), s(f(0, 2))],
    "linalg.diag_part": BATCHED,
    "linalg.on_diagonal": [s(f(3), f(3, 3)), s(f(2), f(2, 3)), s(f(2, 2), f(2, 3, 2)), s(f(0), f(0, 3))],
    "linalg.tri": [s(rows=3), s(rows=2, columns=3), s(rows=3, diagonal=1), s(rows=2, dtype="int32"), s(rows=0)],
    "linalg.triu": [*BATCHED, s(f(3, 3), diagonal=1), s(f(3, 3), diagonal=-1)],
    "linalg.tril": [*BATCHED, s(f(3, 3), diagonal=1), s(f(3, 3), diagonal=-1)],
    "linalg.matrix_band_part": [s(f(4, 4), min_lower=1, max_upper=0), s(f(3, 4), min_lower=-1, max_upper=1),
                                s(f(2, 3, 3), min_lower=0, max_upper=-1), s(f(0, 3), min_lower=1, max_upper=1)],
    "linalg.solve": [s(regular(3, 3), f(3, 2)), s(regular(3, 3), f(3)), s(regular(3, 3), f(3, 2), adjoint=True),
                     s(regular(2, 2, 2), f(2, 2, 3)), s(regular(1, 1), f(1, 1))],
    "linalg.triangular_solve": [s(regular(3, 3), f(3, 2)), s(regular(3, 3), f(3, 2), lower=False),
                                s(regular(3, 3), f(3), adjoint=True), s(regular(2, 2, 2), f(2, 2, 1)),
                                s(regular(3, 3), f(3, 1), lower=False, adjoint=True)],
    "linalg.lstsq": [s(regular(4, 2), f(4, 1)), s(regular(3, 2), f(3, 2), l2_regularizer=0.5),
                     s(regular(2, 3, 2), f(2, 3, 1)),
                     s(regular(4, 2), f(4, 2), fast=False), s(regular(2, 4), f(2, 3)),
                     s(regular(2, 4), f(2, 1), fast=False),
                     s(regular(2, 3), f(2, 1), l2_regularizer=0.5)],
    "linalg.matrix_inverse": SQUARE, "linalg.matrix_determinant": [*SQUARE, *SINGULAR], "linalg.lu": SQUARE,
    "linalg.cofactors": [*SQUARE, *(s(x, smooth=False) for (x,), _, _ in SINGULAR)],
    "linalg.cofactors_gradient": [*(s(f(*x.shape), x) for (x,), _, _ in SQUARE),
                                  *(s(f(*x.shape), x, smooth=False) for (x,), _, _ in SINGULAR)],
    "linalg.logdet": [s(positive_definite(3, 3)), s(positive_definite(1, 1)), s(positive_definite(2, 2, 2))],
    "linalg.cholesky": [s(positive_definite(3, 3)), s(positive_definite(1, 1)), s(positive_definite(2, 2, 2))],
    "linalg.qr": [*TALL, s(regular(3, 3), full=True)],
    "linalg.svd": [s(regular(3, 2)), s(regular(3, 3)), s(regular(2, 3)), s(regular(2, 3, 2)),
                   s(regular(3, 2), compute_uv=False)],
    "linalg.eig": [s(positive_definite(3, 3)), s(positive_definite(2, 2, 2))],
}  # fmt: skip

CLASSES = [s(f(3)), s(f(2, 3)), s(f(2, 3), axis=0), s(f(2, 3, 2), axis=1), s(f(1)), s(f(2, 1)), s(f(0, 3)),
           s(f(2, 0, 3)),
           s(f(5, 2), axis=-2)]  # fmt: skip
HEADS = (f(2, 2, 3), f(2, 2, 4), f(2, 2, 4))
NN = {
    "nn.softmax": CLASSES, "nn.log_softmax": CLASSES, "nn.crelu": CLASSES,
    "nn.relu": [*(s(F(shape)) for shape in SHAPES), s(f(3), cutoff=0.3)],
    "nn.relu6": [*(s(F(shape, (-2.0, 9.0))) for shape in SHAPES), s(f(3), cutoff=0.3)],
    "nn.leaky_relu": [*(s(F(shape)) for shape in SHAPES), s(f(3), alpha=0.3)],
    "nn.elu": [*(s(F(shape)) for shape in SHAPES), s(f(3), alpha=0.3)],
    "nn.gelu": [*(s(F(shape)) for shape in SHAPES), s(f(3), approximate="tanh"), s(f(3), approximate="sigmoid")],
    "nn.hard_sigmoid": [s(F(shape, (-4.0, 4.0))) for shape in SHAPES],
    "nn.prelu": [s(f(2, 3), f(3)), s(f(2, 3, 2), f(3, 2)), s(f(2, 3, 2), f(1, 2), shared_axes=(1,)), s(f(0, 3), f(3))],
    "nn.linear": [s(f(2, 3), f(3, 4), f(4)), s(f(2, 3), f(3, 4), None), s(f(3), f(3, 2), f(2)),
                  s(f(3, 2), f(3, 4), f(4), transpose_a=True), s(f(2, 3), f(4, 3), f(4), transpose_b=True),
                  s(f(2, 3), f(3, 4), f(2), transpose_c=True), s(f(0, 3), f(3, 2), f(2)), s(f(2, 2, 3), f(3, 2), f(2))],
    "nn.relu_layer": [s(f(2, 3), f(3, 4), f(4)), s(f(2, 3), f(3, 4), None), s(f(0, 3), f(3, 2), f(2))],
    "nn.bias_add": [s(f(2, 3), f(3)), s(f(2, 3, 2), f(3), nchw=True), s(f(2, 2, 3), f(3)), s(f(0, 3), f(3))],
    "nn.batch_norm": [s(f(4, 3), f(3), f(3, lo=0.5, hi=2), f(3), f(3)), s(f(4, 3), f(3), f(3, lo=0.5, hi=2)),
                      s(f(2, 3, 2), f(3), f(3, lo=0.5, hi=2), f(3), f(3), axis=1, epsilon=0.1),
                      s(f(2, 3, 2), f(3, 2), f(3, 2, lo=0.5, hi=2), axis=(1, 2)), s(f(0, 3), f(3), f(3, lo=0.5, hi=2)),
                      s(f(2, 3, 2), f(1, 3, 2), f(1, 3, 2, lo=0.5, hi=2), f(1, 3, 2), axis=(1, 2)),
                      s(f(2, 3, 2), f(1, 3, 1), f(1, 3, 1, lo=0.5, hi=2), axis=1)],
    "nn.batch_norm_training": [
        s(f(4, 3), f(3), f(3, lo=0.5, hi=2), f(3), f(3)), s(f(4, 2), f(2), f(2, lo=0.5, hi=2), momentum=0.25,
                                                            unbiased=True),
        s(f(2, 3, 2), f(3), f(3, lo=0.5, hi=2), None, f(3), axis=1, epsilon=0.1),
        s(f(5, 1), f(1), f(1, lo=0.5, hi=2), epsilon=0.0),
        s(f(3, 2, 2), f(1, 2, 2), f(1, 2, 2, lo=0.5, hi=2), f(2, 2), axis=(1, 2))],
    "nn.layer_norm": [s(f(2, 3), f(3), f(3)), s(f(2, 3), f(3)), s(f(2, 4)),
                      s(f(2, 3, 2), f(3), f(3), channels_first=True, axis=(1, 2)),
                      s(f(2, 3), f(3), f(3), epsilon=0.1), s(f(0, 3), f(3), f(3))],
    "nn.dropout": [s(f(4, 5)), s(f(20), probability=0.2), s(f(20), probability=0.7, inverted=False), s(f(0, 3)),
                   s(f(20), seed=3), s(f(3), probability=0.0)],
    "nn.pad": [s(f(2, 3), padding=((1, 0), (2, 1))), s(f(3, 4), padding=((1, 2), (0, 3)), mode="reflect"),
               s(f(2, 3), padding=((2, 1), (1, 3)), mode="symmetric"), s(f(3), padding=((1, 1),), constant=2.5),
               s(f(), padding=()),
               s(f(0, 2), padding=((1, 1), (0, 0)))],
    "nn.unpad": [s(f(3, 6), f(2, 3), padding=((1, 0), (2, 1))),
                 s(f(6, 7), f(3, 4), padding=((1, 2), (0, 3)), mode="reflect"),
                 s(f(5, 7), f(2, 3), padding=((2, 1), (1, 3)), mode="symmetric")],
    "nn.top_k": [s(f(5), k=2), s(f(2, 4), k=3), s(f(2, 4), k=3, sorted=False), s(f(1), k=1), s(f(0, 3), k=2)],
    "nn.dot_product_attention": [s(*HEADS), s(*HEADS, ints([[1, 0, 1, 1], [1, 1, 0, 1]])), s(*HEADS, scaled=False),
                                 s(f(1, 2, 2, 3), f(1, 2, 2, 2), f(1, 2, 3, 2))],
    "nn.multi_head_dot_product_attention": [
        s(f(1, 2, 2), f(1, 2, 3), f(1, 2, 3), f(2, 2, 2), f(2, 2, 2), f(2, 2, 2), f(4, 3)),
        s(f(1, 2, 2), f(1, 2, 3), f(1, 2, 3), f(2, 2, 2), f(2, 2, 2), f(2, 2, 2), f(4, 3), ints([[1, 0, 1]]),
          scaled=False),
    ],
}  # fmt: skip

CNN = {**window_samples.samples(s, f), **picture_samples.samples(s, f, ints)}
CELL = (f(2, 2), f(2, 3), f(2, 3), f(5, 12))
ONE_OF_EACH = (f(1, 1), f(1, 1), f(1, 1), f(2, 4))
LSTM = (f(2, 8), f(2, 8), f(8))
BOTH = (f(2, 2, 8), f(2, 2, 8), f(2, 8), f(2, 6))
BLOCK = (f(4, 8), f(8), f(2), f(2), f(2))
GRU = (f(2, 6), f(2, 6), f(6), f(6))
RNN = {
    "rnn.lstm_cell": [
        s(*CELL, f(12), f(3), f(3), f(3), peep_hole=True, forget_bias=0.5), s(*ONE_OF_EACH),
        s(*CELL, smooth=False), s(*CELL, f(12), clipping_cell_value=0.3, smooth=False),
        s(f(0, 2), f(0, 3), f(0, 3), f(5, 12), f(12), smooth=False),
    ],
    "rnn.gru_cell": [
        s(f(2, 2), f(2, 3), f(5, 6), f(5, 3), f(6), f(3)), s(f(1, 1), f(1, 1), f(2, 2), f(2, 1)),
        s(f(2, 2), f(2, 3), f(5, 6), f(5, 3), smooth=False),
        s(f(0, 2), f(0, 3), f(5, 6), f(5, 3), f(6), f(3), smooth=False),
    ],
    "rnn.sru_cell": [s(f(2, 3), f(2, 3), f(3, 9), f(6)), s(f(2, 2), f(2, 2), f(2, 6)), s(f(0, 2), f(0, 2), f(2, 6))],
    # Gradients of what is not smooth here are looked at in `test_rnn`: they take long.
    "rnn.lstm_layer": [
        s(f(2, 2, 2), f(2, 2), f(2, 2), ints([2, 1]), *LSTM, f(6), ret_last_h=True, ret_last_c=True),
        s(f(1, 2, 3), f(2, 1, 2), f(2, 1, 2), None, *BOTH, direction_mode="BIDIR_CONCAT", data_format="NST",
          ret_last_c=True, smooth=False),
        s(f(1, 1, 1), None, None, None, f(1, 4), f(1, 4), f(4)),
        s(f(0, 2, 2), f(2, 2), f(2, 2), None, *LSTM, ret_last_h=True, ret_last_c=True, smooth=False),
        s(f(2, 0, 2), None, None, None, *LSTM, ret_last_h=True, smooth=False),
        s(f(3, 2, 2), None, None, None, *LSTM[:2], cell_clip=0.4, smooth=False),
        s(f(2, 2, 2), None, None, ints([1, 0]), *LSTM, direction_mode="BWD", data_format="NTS", ret_last_h=True,
          smooth=False),
        s(f(2, 1, 2), f(2, 1, 2), f(2, 1, 2), None, *BOTH, direction_mode="BIDIR_EXTRA_DIM", data_format="T2NS",
          gate_act="HARD_SIGMOID", cell_act="SOFTSIGN", out_act="SCALED_TAHN", out_alpha=1.5, out_beta=0.5,
          smooth=False),
        s(f(2, 1, 2), None, None, None, *BOTH[:2], direction_mode="BIDIR_SUM", ret_full_sequence=False,
          ret_last_h=True, smooth=False),
    ],
    "rnn.lstmblock": [
        s(f(1, 2, 2), f(2, 2), f(2, 2), *BLOCK, peep_hole=True, forget_bias=0.5, clipping_cell_value=0.8),
        s(f(1, 2, 2), None, None, f(4, 8), data_format="NTS", smooth=False),
        s(f(2, 2, 2), f(2, 2), f(2, 2), *BLOCK, peep_hole=True, clipping_cell_value=0.8, smooth=False),
        s(f(1, 2, 3), None, None, *BLOCK[:2], data_format="NST", smooth=False),
        s(f(0, 1, 2), None, None, f(4, 8), smooth=False), s(f(1, 0, 2), None, None, f(4, 8), smooth=False),
    ],
    "rnn.gru": [
        s(f(2, 2, 2), f(2, 2), *GRU, ints([2, 1]), ret_last_h=True),
        s(f(3, 2, 2), Literal(0.0), *GRU[:2], smooth=False),
        s(f(2, 2, 2), f(2, 2), *GRU, reset_after=False, direction_mode="BWD", data_format="NTS", smooth=False),
        s(f(2, 2, 1), f(2, 2, 2), f(2, 2, 6), f(2, 2, 6), f(2, 6), direction_mode="BIDIR_CONCAT", data_format="NST",
          ret_last_h=True, gate_act="HARD_SIGMOID", cell_act="SOFTSIGN", smooth=False),
        s(f(0, 2, 2), f(2, 2), *GRU, ret_last_h=True, smooth=False), s(f(1, 0, 2), f(0, 2), *GRU, smooth=False),
    ],
    "rnn.sru": [
        s(f(2, 2, 3), f(2, 2), f(2, 2), f(6, 2), f(4)), s(f(1, 2, 2), f(1, 2), None, f(6, 2), smooth=False),
        s(f(1, 2, 0), f(1, 2), None, f(6, 2), smooth=False), s(f(0, 2, 2), f(0, 2), None, f(6, 2), smooth=False),
    ],
    "rnn.simple_rnn": [
        s(f(2, 2, 2), f(2, 2), f(2, 2), f(2, 2), f(2), ints([2, 0]), ret_last_h=True),
        s(f(2, 2, 2), Literal(0.0), f(2, 2, 2), f(2, 2, 2), direction_mode="BIDIR_EXTRA_DIM", activation="SOFTSIGN",
          smooth=False),
        s(f(2, 2, 1), f(2, 2), f(2, 2), f(2, 2), direction_mode="BWD", data_format="NST", activation="SOFTPLUS",
          smooth=False),
        s(f(0, 1, 2), f(1, 2), f(2, 2), f(2, 2), ret_last_h=True, smooth=False),
        s(f(1, 0, 2), f(0, 2), f(2, 2), f(2, 2), smooth=False),
    ],
}  # fmt: skip

WORDS = np.array([[1, 7, 100], [0, 255, 12]], np.int64)
BITS = [s(WORDS, WORDS[::-1]), s(WORDS, np.int64(3)), s(WORDS[:, :1], WORDS[0]), s(np.int64(5), np.int64(6)),
        s(WORDS[:0], np.int64(1)), s(WORDS.astype(np.int32), WORDS.astype(np.int32)), s(WORDS, Literal(3))]  # fmt: skip
SHIFTS = [s(WORDS, np.int64(3)), s(WORDS, np.array([0, 1, 5], np.int64)), s(WORDS.astype(np.int32), np.int32(2)),
          s(WORDS[:0], np.int64(1)), s(WORDS, Literal(3))]  # fmt: skip
BITWISE = {
    **{f"bitwise.{k}": BITS for k in ("and_", "or_", "xor", "bits_hamming_distance")},
    **{f"bitwise.{k}": SHIFTS for k in (
        "left_shift", "right_shift", "left_shift_cyclic", "right_shift_cyclic", "bit_shift", "bit_shift_right",
        "bit_rotl", "bit_rotr")},
    "bitwise.toggle_bits": [s(WORDS), s(np.int64(5)), s(WORDS.astype(np.uint8)), s(WORDS[:0])],
}  # fmt: skip

UNIT = (0.05, 0.95)
COLOURS = [s(F(shape, UNIT)) for shape in [(3,), (2, 3), (1, 2, 3), (0, 3)]]
WAYS = [
    {"size": 5}, {"size": 3}, {"size": 2, "method": "cubic", "antialias": True}, {"size": 1, "method": "area"},
    {"size": 5, "method": "cubic", "coordinates": "align_corners", "border": "inside", "coefficient": -0.5},
    {"size": 3, "method": "nearest"}, {"size": 6, "method": "lanczos3", "border": "inside"},
    {"size": 6, "scale": 1.6, "coordinates": "half_pixel_symmetric"}, {"size": 3, "method": "linear", "absolute": True},
    {"size": 2, "method": "mitchell", "coordinates": "asymmetric", "antialias": True}, {"size": 7, "method": "area"},
]  # fmt: skip
SHOTS = [f(1, 3, 4, 1), f(2, 2, 3, 2), f(3, 2, 1)]
BOXES = np.array([[0.1, 0.2, 0.8, 0.63], [0.83, 0.1, 0.21, 0.93], [-0.4, 0.3, 1.37, 1.21]])
CORNERS = np.array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [1, 0.9, 0, -0.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1]])
SCORES = np.array([0.9, 0.75, 0.6, 0.95, 0.5])
IMAGE = {
    "image.resample": [*(s(f(4), **way) for way in WAYS), s(f(2, 3, 2), size=4, axis=1), s(f(3, 0), size=2, axis=0),
                       s(f(4, 3), size=2, axis=0, method="gaussian"), s(f(2, 2, 9), size=3, axis=1), s(f(1), size=2)],
    "image.unresample": [*(s(f(way["size"]), f(4), **way) for way in WAYS), s(f(2, 4, 2), f(2, 3, 2), size=4, axis=1),
                         s(f(2, 0), f(3, 0), size=2, axis=0), s(f(2, 3, 9), f(2, 2, 9), size=3, axis=1)],
    "image.image_resize": [
        *(s(SHOTS[k % 3], size=size, method=method) for k, (size, method) in enumerate([
            ((5, 2), "bilinear"), ((2, 5), "nearest"), ((4, 3), "bicubic"), ((2, 6), "area"), ((3, 3), "gaussian"),
            ((5, 3), "lanczos3"), ((2, 5), "lanczos5"), ((4, 4), "mitchell")])),
        s(f(1, 4, 5, 2), size=(2, 3), antialias=True), s(f(2, 4, 5, 1), size=(3, 9), preserve_aspect_ratio=True),
        s(f(0, 2, 2, 1), size=(3, 1))],
    "image.resize_bi_linear": [s(f(2, 3, 4, 2), height=5, width=3),
                               s(f(1, 3, 2, 1), height=2, width=5, align_corners=True),
                               s(f(2, 3, 1), height=4, width=2, half_pixel_centers=True),
                               s(f(0, 2, 2, 1), height=1, width=1)],
    "image.resize_bi_cubic": [s(f(2, 3, 4, 2), size=(5, 3)), s(f(1, 3, 2, 1), size=(2, 5), align_corners=True),
                              s(f(2, 3, 1), size=(4, 2), align_pixel_centers=True)],
    **{f"image.{k}": COLOURS for k in (
        "rgb_to_hsv", "hsv_to_rgb", "rgb_to_yiq", "yiq_to_rgb", "rgb_to_yuv", "yuv_to_rgb")},
    "image.adjust_contrast": [s(f(2, 2, 3, 2), factor=0.5), s(f(2, 2, 1), factor=3.0), s(f(0, 2, 2, 1), factor=1.0)],
    "image.adjust_hue": [s(F((1, 2, 3), UNIT), delta=0.21), s(F((2, 1, 2, 3), UNIT), delta=-0.43)],
    "image.adjust_saturation": [s(F((1, 2, 3), UNIT), factor=0.5), s(F((2, 1, 2, 3), UNIT), factor=1.7)],
    "image.crop_and_resize": [s(f(2, 3, 4, 2), BOXES, ints([1, 0, 1]), crop_out_size=(2, 3), extrapolation_value=0.7),
                              s(f(1, 2, 2, 1), BOXES[:1], ints([[0]])[0], crop_out_size=(1, 1)),
                              s(f(2, 3, 3, 1), BOXES[:0], ints([]), crop_out_size=(2, 2)),
                              s(f(1, 3, 2, 1), BOXES[:1], Literal([0]), crop_out_size=(3, 1))],
    "image.extract_image_patches": [s(f(2, 3, 4, 2), k_sizes=(2, 3)), s(f(1, 4, 3, 1), k_sizes=(3, 2), strides=(2, 1),
                                                                     same_mode=True),
                                    s(f(1, 4, 4, 1), k_sizes=(2, 2), strides=(1, 2), rates=(2, 1)),
                                    s(f(0, 2, 2, 1), k_sizes=(2, 2))],
    "image.non_max_suppression": [s(CORNERS, SCORES, max_out_size=3), s(CORNERS, SCORES, max_out_size=9),
                                  s(CORNERS, SCORES, max_out_size=3, iou_threshold=0.95, score_threshold=0.7),
                                  s(CORNERS[:0], SCORES[:0], max_out_size=2)],
    "image.random_crop": [s(f(4, 3), shape=(2, 3)), s(f(3), shape=(3,)), s(f(5, 2), shape=(0, 1), seed=4)],
    "image.pad": [s(f(2, 3), padding=((1, 0), (2, 1)), pad_value=2.5), s(f(3), padding=((1, 2),), mode="reflect")],
}  # fmt: skip

DRAWS = [s(shape=(2, 3)), s(shape=()), s(shape=(0, 3)), s(shape=(4,), dtype="float64", seed=7)]
LIKE = [s(f(2, 3)), s(f()), s(f(0, 3)), s(f(4), dtype="float64", seed=7)]
RANDOM = {
    **{f"random.{k}": DRAWS for k in (
        "uniform", "normal", "normal_truncated", "log_normal", "exponential", "bernoulli")},
    "random.binomial": [s(*a, **b, n_trials=5) for a, b, _ in DRAWS],
    **{f"random.{k}_like": LIKE for k in (
        "uniform", "normal", "normal_truncated", "log_normal", "exponential", "bernoulli")},
    "random.binomial_like": [s(*a, **b, n_trials=5) for a, b, _ in LIKE],
    "random.draw": [s(None, distribution="normal", shape=(3,)), s(f(2, 3))],
}  # fmt: skip


def _over_the_last_axis(true, predicted):
    """Calls of a Keras loss of numbers: shapes, weights, a mask, every reduction."""
    for shape in [(2, 3), (3,), (2, 2, 3), (2, 1), (1, 3), (0, 3)]:
        yield s(F(shape, true), F(shape, predicted))
    for reduction in ("none", "sum", "sum_over_batch_size", "mean", "mean_with_sample_weight"):
        yield s(F((2, 2), true), F((2, 2), predicted), F((2,), (0.5, 2.0)), reduction=reduction)
    masked = np.array([True, False])
    yield s(F((2, 2), true), F((2, 2), predicted), F((2,), (0.5, 2.0)), masked, reduction="sum")


def _given(x):
    """An operand as the definition of a loss writes it: numbers to draw, or labels."""
    return F(x.shape, x.domain) if isinstance(x, Drawn) else None if x is None else np.array(x, np.int64)


def _keras(definition):
    """Samples of a Keras loss, from what its definition says of it."""
    if definition.calls:
        return [s(*map(_given, call.operands), **call.settings) for call in definition.calls]
    true, predicted = definition.domain, definition.predictions
    more = [s(F((2, 3), true), F((2, 3), predicted), **settings) for settings in definition.tries]
    return [*_over_the_last_axis(true, predicted), *more]


KERAS = {
    **{op.qualname: _keras(definition) for op, definition in DEFINITIONS.items()},
    "keras.reduce": [s(f(3)), s(f(2, 3), f(2, lo=0.5, hi=2)), s(f(2, 3), f(2, lo=0.5, hi=2), np.array([True, False])),
                     s(f(3), reduction="sum"), s(f(), reduction="none"), s(f(0), reduction="mean")],
}  # fmt: skip

SPECIAL = {
    **LOSSES, **KERAS, **ARRANGING, **INDEXING, **REDUCTIONS, **LINALG, **NN, **CNN, **RNN, **BITWISE, **IMAGE,
    **RANDOM,
}  # fmt: skip


# ---------------------------------------------------------------------- from the signature


def _generic(op):
    """Samples of an op that takes floats of any shape: one, two that broadcast, or three."""
    required = [k for k in op.operand_names if k not in op.operand_defaults]
    if op.signature.has_required_attrs or not 1 <= len(required) <= 3:
        return []
    shapes = {1: [(a,) for a in SHAPES], 2: PAIRS, 3: TRIPLES}[len(required)]
    return [s(*map(F, group)) for group in shapes]


def samples_of(name):
    """All samples of an op by its qualified name."""
    op = REGISTRY[name]
    domain = op.domain or DEFAULT_DOMAIN
    out = []
    for operands, attrs, smooth in SPECIAL[name] if name in SPECIAL else _generic(op):
        values = tuple(
            draw(x.shape, x.domain or domain, salt) if isinstance(x, F) else x for salt, x in enumerate(operands)
        )
        out.append(Sample(name, values, attrs, smooth))
    return out
