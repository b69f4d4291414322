"""Operations of SameDiff's that are several of ours: what is read where no single op of sdgraph computes the same.

Each function says what an operation of SameDiff is, with ops of ours, or that it is no other than its row of the table
says (``NotImplemented``). Must not know in which file it stands, nor how files are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.files.samediff.reading import recurrent
from sdgraph.files.samediff.reading.call import Call
from sdgraph.files.samediff.reading.pictures import PICTURES
from sdgraph.files.samediff.reading.sliding import SLIDING
from sdgraph.files.samediff.reading.stored import Unfit, dtype_of, reduction_of
from sdgraph.files.samediff.schema import ALL_AXES
from sdgraph.ops.losses.reduction import LossReduce


def _axis(c: Call) -> tuple[int, ...] | None:
    """The axes of a reduction, which also stand in an operand."""
    if len(c.operands) > 1:
        return tuple(np.atleast_1d(c.known(1, "axis")).tolist())
    return _stored_axis(c)


def _stored_axis(c: Call) -> tuple[int, ...] | None:
    axes = tuple(c.stored.dimensions)
    return None if axes in ((), (ALL_AXES,)) else axes


def _reduced(op: str, before: Callable[[Call, SDVariable], SDVariable]) -> Callable[[Call], Any]:
    """A reduction of what something makes of the operand."""

    def rule(c: Call) -> Any:
        return c.apply(op, before(c, c.operands[0]), axis=_axis(c), keepdims=bool(c.stored.b[:1] == [True]))

    return rule


def _number(c: Call) -> Any:
    """The number beside an operation, which stands among its arguments in some files."""
    if c.stored.scalar is not None and c.stored.scalar.size == 1:
        return c.stored.scalar.reshape(()).item()
    if c.stored.t:
        return c.stored.t[0]
    raise Unfit("it has no number beside it")


# ---------------------------------------------------------------------- functions


def _round(c: Call) -> Any:
    """Halves go away from zero."""
    (x,) = c.operands
    up = c.apply("math.floor", c.apply("math.add", c.apply("math.abs", x), c.literal(0.5, x)))
    return c.apply("math.mul", c.apply("math.sign", x), up)


def _precise_gelu(c: Call) -> Any:
    """``x (1 + tanh(sqrt(2 / pi) (x + (0.044715 x)^3))) / 2``: the constant is inside of the power."""
    (x,) = c.operands
    cube = c.apply("math.cube", c.apply("math.mul", x, c.literal(0.044715, x)))
    inner = c.apply("math.mul", c.literal(math.sqrt(2 / math.pi), x), c.apply("math.add", x, cube))
    factor = c.apply("math.add", c.apply("math.tanh", inner), c.literal(1.0, x))
    return c.apply("math.mul", c.apply("math.mul", c.literal(0.5, x), x), factor)


def _relu(c: Call) -> Any:
    """The larger one of ``x`` and the cutoff."""
    (x,), cutoff = c.operands, _number(c)
    return c.apply("math.max", x, c.literal(cutoff, x)) if cutoff else c.apply("nn.relu", x)


def _either(c: Call, condition: SDVariable, yes: float, no: float) -> SDVariable:
    """One of two numbers for each element of the operand, with a gradient of 0."""
    like = c.operands[0]
    return c.apply("where", condition, *(c.apply("full_like", like, value=x, dtype=like.dtype) for x in (yes, no)))


def _hard_tanh_derivative(c: Call) -> Any:
    (x,) = c.operands
    within = c.apply("lte", c.apply("math.abs", x), c.literal(1, x))
    return _either(c, within, 1, 0)


def _softsign_derivative(c: Call) -> Any:
    (x,) = c.operands
    below = c.apply("math.add", c.apply("math.abs", x), c.literal(1, x))
    return c.apply("math.reciprocal", c.apply("math.square", below))


def _leaky_relu_derivative(c: Call) -> Any:
    (x,) = c.operands
    return _either(c, c.apply("gte", x, c.literal(0, x)), 1, _number(c))


def _sigmoid_gradient(c: Call) -> Any:
    x, g = c.operands
    y = c.apply("nn.sigmoid", x)
    slope = c.apply("math.mul", y, c.apply("math.sub", c.literal(1, x), y))
    return c.apply("math.mul", g, slope)


def _softmax_gradient(c: Call) -> Any:
    x, g = c.operands
    axis = c.stored.i[0] if c.stored.i else -1
    y = c.apply("nn.softmax", x, axis=axis)
    mean = c.apply("sum", c.apply("math.mul", g, y), axis=(axis,), keepdims=True)
    return c.apply("math.mul", y, c.apply("math.sub", g, mean))


# ---------------------------------------------------------------------- integers


def _of_integers(c: Call) -> tuple[Any, Any] | None:
    """The operands of a division, if both are integers; the second one may be the number beside it."""
    x = c.operands[0]
    y = c.operands[1] if len(c.operands) == 2 else None if c.stored.scalar is None else c.literal(_number(c), x)
    whole = y is not None and x.dtype.kind in "iu" and np.dtype(y.dtype).kind in "iu"
    return (x, y) if whole else None


def _truncated(exchanged: bool) -> Callable[[Call], Any]:
    """A quotient, which is cut off to an integer if the operands are integers: exactly, however large they are."""

    def rule(c: Call) -> Any:
        pair = _of_integers(c)
        if pair is None:
            return NotImplemented
        x, y = pair[::-1] if exchanged else pair
        return c.apply("math.floor_div", c.apply("math.sub", x, c.apply("math.fmod", x, y)), y)

    return rule


def _mod(c: Call) -> Any:
    """A remainder of integers has the sign of the first, as in Java; of floats that of the second."""
    pair = _of_integers(c)
    return NotImplemented if pair is None else c.apply("math.fmod", *pair)


# ---------------------------------------------------------------------- several arrays


def _hamming_distance(c: Call) -> Any:
    """The share of the places that differ, where ours is their number."""
    keepdims = bool(c.stored.properties.get("keepDims"))
    return c.apply("mean", c.apply("neq", *c.operands), axis=_stored_axis(c), keepdims=keepdims)


def _flatten(c: Call) -> Any:
    """The elements of all operands one after another, in C order or in Fortran's."""
    order = c.stored.i[:1]
    if order not in ([], [ord("c")], [ord("f")]):
        raise Unfit(f"its order {order[0]} is none")
    return c.apply("flatten", *c.operands, order="f" if order == [ord("f")] else "c")


def _batched_gemm(c: Call) -> Any:
    """Products of pairs: scale factors, then all left matrices, then all right ones."""
    n = (len(c.operands) - 2) // 2
    factors = [
        v.sd.get_value(v) if v.kind is not VariableKind.ARRAY else c.known(k, "factors")
        for k, v in enumerate(c.operands[:2])
    ]
    if n < 1 or len(c.operands) != 2 + 2 * n or (factors[0] != 1).any() or (factors[1] != 0).any():
        raise Unfit("it scales its products, or has no pairs of matrices")
    flags = [bool(flag) for flag in c.stored.i[:2]] or [False, False]
    pairs = zip(c.operands[2 : 2 + n], c.operands[2 + n :], strict=True)
    return [c.apply("mmul", a, b, transpose_x=flags[0], transpose_y=flags[1]) for a, b in pairs]


def _tensordot(c: Call) -> Any:
    """The axes of either operand, each list with its length before it; only the first of each is in the file."""
    i = c.stored.i
    n = i[0] if i else 0
    if not 0 < n < len(i) - 1 or i[n + 1] != n or len(i) != 2 * n + 2:
        raise Unfit("of its axes only the first are in the file")
    flags = dict(zip(("transpose_x", "transpose_y", "transpose_z"), map(bool, c.stored.b), strict=False))
    x, y = c.operands
    return c.apply("tensor_mmul", x, y, dimensions_x=tuple(i[1 : n + 1]), dimensions_y=tuple(i[n + 2 :]), **flags)


# ---------------------------------------------------------------------- losses


def _loss(
    c: Call, op: str, label: SDVariable, predictions: SDVariable, weights: SDVariable, **attrs: Any
) -> SDVariable:
    """A loss of ours with the reduction of the file."""
    reduction = reduction_of(c.stored.i[0]) if c.stored.i else LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT
    return c.apply(f"loss.{op}", label, predictions, weights, loss_reduce=reduction, **attrs)


def _column(c: Call, loss: SDVariable) -> SDVariable:
    """A loss per example as a column, which SameDiff makes of it."""
    return c.apply("expand_dims", loss, axis=1) if len(loss.shape) == 1 else loss


def _softmax_cross_entropy(c: Call) -> Any:
    """The losses of a batch are a column if they are not reduced."""
    logits, weights, labels = c.operands
    smoothing = c.stored.t[0] if c.stored.t else 0.0
    loss = _loss(c, "softmax_cross_entropy", labels, logits, weights, label_smoothing=smoothing)
    return _column(c, loss)


def _mean_pairwise_squared_error(c: Call) -> Any:
    """Of a matrix, twice what it is elsewhere; the losses of a batch are a column if they are not reduced."""
    predictions, weights, labels = c.operands
    loss = _loss(c, "mean_pairwise_squared_error", labels, predictions, weights)
    if len(predictions.shape) != 2:
        return loss
    return _column(c, c.apply("math.mul", loss, c.literal(2, loss)))


def _log_poisson(c: Call) -> Any:
    """In full it has Stirling's approximation for every label, here and elsewhere only for those above 1."""
    predictions, weights, labels = c.operands
    loss = _loss(c, "log_poisson", labels, predictions, weights)
    if not any(c.stored.i[1:2]):
        return loss
    tau = c.apply("math.log", c.apply("math.mul", c.literal(2 * math.pi, labels), labels))
    last = c.apply("math.mul", c.literal(0.5, labels), tau)
    first = c.apply("math.sub", c.apply("math.mul", labels, c.apply("math.log", labels)), labels)
    stirling = c.apply("math.add", first, last)
    zero = c.apply("zeros_like", labels)
    # A reduction is linear in the losses, and the only one that takes any losses is of absolute values.
    for op, part in (("math.add", stirling), ("math.sub", c.apply("math.neg", stirling))):
        above = c.apply("math.max", part, zero)
        loss = c.apply(op, loss, _loss(c, "absolute_difference", zero, above, weights))
    return loss


# ---------------------------------------------------------------------- places and shapes


def _image_patches(c: Call) -> Any:
    """Pairs of sizes, strides and rates, and whether zeros stand around."""
    if len(c.operands) != 1 or len(c.stored.i) != 7:
        raise Unfit("it is stored in a form that is not known")
    pairs = [tuple(c.stored.i[k : k + 2]) for k in (0, 2, 4)]
    names = ("k_sizes", "strides", "rates")
    settings = dict(zip(names, pairs, strict=True))
    return c.apply("image.extract_image_patches", c.operands[0], **settings, same_mode=bool(c.stored.i[6]))


def _repeat(c: Call) -> Any:
    """Each element several times; SameDiff forgets to store along which axis."""
    if not c.stored.i:
        raise Unfit("its axis is not in the file")
    return c.apply("repeat", c.operands[0], repeats=c.known(1, "repeats").tolist(), axis=c.stored.i[0])


def _set_shape(c: Call) -> Any:
    return c.apply("reshape", c.operands[0], shape=tuple(c.known(1, "shape").reshape(-1).tolist()))


def _create(c: Call) -> Any:
    """Zeros: what SameDiff leaves as it finds it if it is not to be initialised."""
    dtype = dtype_of(c.stored.d[0]) if c.stored.d else c.stored.dtype
    return c.apply("fill", shape=tuple(c.known(0, "shape").reshape(-1).tolist()), value=0, dtype=dtype)


# ---------------------------------------------------------------------- conditions


def _is(op: str, absolute: bool = False) -> Callable[[Call, SDVariable, float, float], SDVariable]:
    def rule(c: Call, x: SDVariable, value: float, eps: float) -> SDVariable:
        return c.apply(op, c.apply("math.abs", x) if absolute else x, c.literal(value, x))

    return rule


def _near(c: Call, x: SDVariable, value: float, eps: float) -> SDVariable:
    distance = c.apply("math.abs", c.apply("math.sub", x, c.literal(value, x)))
    return c.apply("lte", distance, c.literal(eps, x))


def _finite(c: Call, x: SDVariable, value: float, eps: float) -> SDVariable:
    return c.apply("math.is_finite", x)


_CONDITIONS: Final[Mapping[int, Callable[[Call, SDVariable, float, float], SDVariable]]] = {
    0: _near,
    1: lambda c, x, value, eps: c.apply("math.not_", _near(c, x, value, eps)),
    2: _is("lt"),
    3: _is("gt"),
    4: _is("lte"),
    5: _is("gte"),
    6: _is("lt", absolute=True),
    7: _is("gt", absolute=True),
    8: lambda c, x, value, eps: c.apply("math.is_infinite", x),
    9: lambda c, x, value, eps: c.apply("math.is_nan", x),
    10: _is("eq"),
    11: _is("neq"),
    12: _is("gte", absolute=True),
    13: _is("lte", absolute=True),
    14: _finite,
    15: lambda c, x, value, eps: c.apply("math.not_", _finite(c, x, value, eps)),
}
"""What the codes of conditions mean: of ``x``, a number that it is compared with, and how near is equal."""


def _condition(c: Call, x: SDVariable, numbers: list[float]) -> SDVariable:
    """Where the condition holds that three numbers say: what is compared with, how near is equal, and a code."""
    if len(numbers) != 3 or numbers[2] not in _CONDITIONS:
        raise Unfit("its condition is none that there is")
    return _CONDITIONS[int(numbers[2])](c, x, numbers[0], numbers[1])


def _match(c: Call) -> Any:
    return _condition(c, c.operands[0], c.stored.t)


def _replace_by_number(c: Call) -> Any:
    x, t = c.operands[0], c.stored.t
    return c.apply("where", _condition(c, x, [t[0], *t[2:]]), c.literal(t[1], x), x)


def _replace(c: Call) -> Any:
    (x, y), t = c.operands, c.stored.t
    return c.apply("where", _condition(c, x, [t[0], *t[2:]]), y, x)


# ---------------------------------------------------------------------- other


def _dropout(c: Call) -> Any:
    """What is kept stays as it is: other libraries divide it by the probability of keeping."""
    (x,), keep = c.operands, c.stored.t[0]
    kept = c.apply("nn.dropout", x, probability=keep, inverted=False)
    return kept if keep == 1 else c.apply("math.mul", kept, c.literal(keep, x))


def _inverted_dropout(c: Call) -> Any:
    """As other libraries have it; the number is the probability of keeping."""
    return c.apply("nn.dropout", c.operands[0], probability=c.stored.t[0], inverted=False)


def _top_k(c: Call) -> Any:
    """The largest values and their places: M2.1 stores a flag, whether they are sorted, before their number."""
    first, second = (*c.stored.i, 1)[:2]
    swapped = second in (0, 1) and first not in (0, 1)
    k, flag = (first, second) if swapped else (second, first)
    return c.apply("nn.top_k", c.operands[0], k=k, sorted=bool(flag))


def _svd(c: Call) -> Any:
    """Singular values, then the factors, the second of which is not transposed."""
    full, factors = (bool(flag) for flag in (*c.stored.i, 0, 0)[:2])
    if not factors:
        return c.apply("linalg.svd", c.operands[0], compute_uv=False)
    u, s, vh = c.apply("linalg.svd", c.operands[0], full_uv=full)
    n = len(vh.shape)
    return s, u, c.apply("permute", vh, axes=(*range(n - 2), n - 1, n - 2))


COMPOSED: Final[Mapping[str, Callable[[Call], Any]]] = {
    **SLIDING,
    "round": _round,
    "precise_gelu": _precise_gelu,
    "relu": _relu,
    "hardtanhderivative": _hard_tanh_derivative,
    "softsignderivative": _softsign_derivative,
    "leakyreluderivative": _leaky_relu_derivative,
    "sigmoid_bp": _sigmoid_gradient,
    "softmax_bp": _softmax_gradient,
    "match_condition": _reduced("math.count_non_zero", lambda c, x: _condition(c, x, c.stored.t)),
    "first_index": _reduced("math.first_index", lambda c, x: _condition(c, x, c.stored.t)),
    "last_index": _reduced("math.last_index", lambda c, x: _condition(c, x, c.stored.t)),
    "hammingdistance": _hamming_distance,
    "divide": _truncated(exchanged=False),
    "div_scalar": _truncated(exchanged=False),
    "floordiv": _truncated(exchanged=False),
    "reversedivide": _truncated(exchanged=True),
    "rdiv_scalar": _truncated(exchanged=True),
    "mod": _mod,
    "flatten": _flatten,
    "batched_gemm": _batched_gemm,
    "tensordot": _tensordot,
    "extract_image_patches": _image_patches,
    "softmax_cross_entropy_loss": _softmax_cross_entropy,
    "mean_pairwssqerr_loss": _mean_pairwise_squared_error,
    "log_poisson_loss": _log_poisson,
    "repeat": _repeat,
    "set_shape": _set_shape,
    "create": _create,
    "match_condition_transform": _match,
    "cas": _replace_by_number,
    "car": _replace,
    "dropout": _dropout,
    "dropout_inverted": _inverted_dropout,
    "top_k": _top_k,
    "lstmLayer": recurrent.lstm_layer,
    "lstmBlock": recurrent.lstm_block,
    "svd": _svd,
    "lu": lambda c: c.apply("linalg.lu", c.operands[0]),
    **PICTURES,
}
"""What each operation is that no row of the table can say, or not always."""
